"""What a build or a plan was asked for on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a build was asked for; ``cache`` is None under ``--no-cache``, then everything is made anew.

    ``baseline`` lowers fp32 beside a quantized model, to compare their speed here.
    ``jobs`` is None where nothing was said: one lowering at a time, in a search one a core, on a cluster one a thread.
    ``scheduler`` is the address of a cluster that lowers, ``store`` the folder or repository that it shares with this
    machine, and ``job_memory`` what each job may take there in bytes, None for what its worker has.
    ``locked`` refuses inputs, and bundles, that are not what the lock beside the manifest says.
    ``sustained`` clocks budgets after any load, not only after a short one.
    ``since`` is a git revision: only manifests are meant of which something has changed since.
    """

    out: Path | None = None
    root: Path | None = None
    targets: tuple[str, ...] = ()
    allow_code: bool = False
    policy: Path | None = None
    strict: bool = False
    offline: bool = False
    baseline: bool = False
    sustained: bool = False
    jobs: int | None = None
    since: str | None = None
    locked: bool = False
    cache: Path | None = None
    scheduler: str | None = None
    store: str | None = None
    job_memory: int | None = None
