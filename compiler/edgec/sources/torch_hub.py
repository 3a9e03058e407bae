"""A model that a repository's hubconf.py builds, as ``torch.hub.load`` does, at one commit. Loading runs code: trust."""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Failure
from edgec.exhaustion import exhausted
from edgec.sources import given_weights
from edgec.sources.given_weights import wrong
from edgec.sources.hub_archive import unpack
from edgec.sources.untrained import draw_zeros, seeded
from edgec.store import cache, weights

if TYPE_CHECKING:
    import torch

SUMMARY = "a model of a repository with a hubconf.py, at one commit (needs trust)"
NEEDS: tuple[str, ...] = ()
RUNS_CODE = True
SERVER = "https://github.com"
REPOSITORY = re.compile(r"([A-Za-z0-9][\w-]*)/([\w.-]+):([0-9a-f]{40})")
OPTIONS: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["repo", "archive", "entry"],
    "properties": {
        "repo": {
            "type": "string",
            "pattern": "^[^/:]+/[^/:]+:.+$",
            "title": "Repository",
            "description": "OWNER/NAME:COMMIT on GitHub; the commit in full, since branches and tags move.",
            "examples": ["pytorch/vision:" + "0" * 40],
        },
        "archive": {
            "type": "object",
            "title": "Archive",
            "description": "The sha256 of the repository's archive. Without file or url it is fetched from GitHub, as .zip.",
            "additionalProperties": False,
            "required": ["sha256"],
            "properties": {
                "sha256": {**given_weights.SHA256, "description": "The archive's sha256; a policy trusts entry and this."},
                "url": {**given_weights.URL, "description": "Where else to fetch it: .zip or .tar.gz, by https."},
                "file": {
                    "type": "string",
                    "minLength": 1,
                    "title": "File",
                    "description": "The archive in the project, relative to the manifest; then nothing is fetched.",
                },
            },
            "examples": [{"sha256": "0" * 64}],
        },
        "entry": {
            "type": "string",
            "pattern": "^[A-Za-z_][A-Za-z0-9_]*$",
            "title": "Entry",
            "description": "The function of hubconf.py that returns the model.",
            "examples": ["resnet18"],
        },
        "arguments": {
            "type": "object",
            "title": "Arguments",
            "description": "Keyword arguments of the entry. One that makes it fetch weights fetches what nobody hashed.",
            "default": {},
            "examples": [{"num_classes": 10}],
        },
        "weights": {
            "type": "object",
            "title": "Weights",
            "description": "Loaded strictly into the model, or {random: SEED} for trials. Without them the model keeps "
            "what the entry gave it, built under seed 0 of torch, numpy and random.",
            "additionalProperties": False,
            "properties": {
                "file": given_weights.FILE,
                "url": given_weights.URL,
                "sha256": given_weights.SHA256,
                "random": given_weights.RANDOM,
            },
        },
    },
}


def missing() -> str | None:
    """Return None: torch brings torch.hub; what the repository itself needs shows when it is loaded."""
    return None


def check(options: Options, project: Project) -> list[Diagnostic]:
    """Return a repository that names no commit, and what is wrong with archive and weights."""
    found = []
    if not REPOSITORY.fullmatch(str(options["repo"])) or ".." in str(options["repo"]):
        message = f"{options['repo']!r} is not OWNER/NAME:COMMIT with a commit of 40 hexadecimal digits"
        hint = "a branch or a tag moves, and the build with it; `git ls-remote https://github.com/OWNER/NAME` prints commits"
        found.append(wrong(message, ("repo",), hint=hint, code="entry-invalid"))
    found += [_archive_finding(finding) for finding in _archive_problems(options, project)]
    if options.get("weights") is not None:
        found += given_weights.check(options["weights"], project, ("file", "url", "random"))
    return found


def files(options: Options, project: Project) -> list[Path]:
    """Return the archive and the weights' file, where they lie in the project."""
    given = [options["archive"], options.get("weights") or {}]
    return sorted(given_weights.path(item, project) for item in given if "file" in item)


def trust(options: Options) -> str | None:
    """Return repository, commit and entry: ``OWNER/NAME:COMMIT:ENTRY``."""
    return f"{options['repo']}:{options['entry']}"


def trust_digest(options: Options, project: Project) -> str:
    """Return the archive's sha256: all code of the repository is in it, and no other is loaded."""
    return str(options["archive"]["sha256"])


def load(options: Options, project: Project) -> torch.nn.Module:
    """Return what the entry returns, in evaluation mode. The caller has seen to trust. Raises Failure."""
    import torch

    if problems := check(options, project):
        raise Failure(*problems)
    given = options.get("weights") or {}
    model = _called(options, project, given.get("random", 0))
    if not isinstance(model, torch.nn.Module):
        raise weights.refused(f"{trust(options)} returned {type(model).__name__}, not a torch.nn.Module")
    if "random" in given:
        draw_zeros(model, given["random"])
    elif given:
        weights.load_strictly(model, given_weights.state_dict(given, project), given.get("file") or given["url"])
    try:
        return model.float().eval()
    except (Exception, SystemExit) as error:  # a train() of the repository's own, or modules that hold each other
        said = str(error).split("\n")[0]
        raise weights.refused(f"{trust(options)}: eval() failed: {type(error).__name__}: {said}") from error


def weights_digest(options: Options, project: Project) -> str:
    """Return the sha256 of the weights' file, "" where the entry or a seed gave the weights."""
    return str((options.get("weights") or {}).get("sha256", ""))


def address(options: Options) -> str:
    """Return where the archive is fetched from."""
    if url := options["archive"].get("url"):
        return str(url)
    owner, _, rest = str(options["repo"]).partition("/")
    name, _, commit = rest.partition(":")
    return f"{SERVER}/{owner}/{name}/archive/{commit}.zip"


def _archive_problems(options: Options, project: Project) -> list[Diagnostic]:
    given: Mapping[str, Any] = options["archive"]
    if "file" in given and "url" in given:
        return [wrong("the archive is either a file or a URL", ("weights",))]
    where = {} if "file" in given else {"url": address(options)}
    return given_weights.check({**where, **given}, project, ("file", "url"))


def _archive_finding(finding: Diagnostic) -> Diagnostic:
    """What was found of weights, said of the archive: both are a file with a sha256."""
    from dataclasses import replace

    route = finding.where.route if finding.where else ()
    where = replace(finding.where, route=("archive", *route[1:])) if finding.where else None
    code = "entry-invalid" if finding.code == "weights-invalid" else finding.code
    return replace(finding, where=where, code=code)


def _content(options: Options, project: Project) -> bytes:
    """The archive's bytes, which are those that were hashed. Raises Failure."""
    given = options["archive"]
    if "file" in given:
        path, shown = given_weights.path(given, project), given["file"]
    else:
        from edgec.store import fetch  # brings http and TLS, which `validate` never needs

        shown = address(options)
        path = fetch.fetch(shown, given["sha256"], cache.default_folder(), offline=project.offline)
    content = path.read_bytes()
    weights.verify(content, given["sha256"], shown)
    return content


def _called(options: Options, project: Project, seed: int) -> Any:
    """What the entry gives. The unpacked code stays until the process ends: a model may import when it runs."""
    import torch

    folder = Path(tempfile.mkdtemp(prefix="edgec-hub-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    repository = unpack(_content(options, project), folder, str(options["repo"]))
    entry = str(options["entry"])
    try:
        arguments = options.get("arguments", {})
        return seeded(seed, lambda: torch.hub.load(str(repository), entry, source="local", **arguments))
    except Failure:
        raise
    except (Exception, SystemExit) as error:  # whatever the repository's code raises
        if exhausted(error):
            raise
        said = f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else type(error).__name__
        if isinstance(error, ModuleNotFoundError) or "Missing dependencies" in said:
            message = f"{trust(options)} needs packages that are not installed: {said}"
            raise Failure(Diagnostic(code="tool-missing", message=message)) from error
        raise weights.refused(f"{trust(options)} failed: {said}") from error
