"""Which CPU features a bundle cannot do without: what its programs are compiled for, not what its target has beside."""

from __future__ import annotations

from collections.abc import Iterable

BASELINE = {"aarch64": ("asimd",), "x86_64": ("sse2",)}
"""What the runner (zig's ``-mcpu=baseline``) and the runtime's libraries are compiled for. XNNPACK looks at the processor
when it starts and takes the kernels that run there, so an artifact for a core with more runs on one with less."""


def required_features(architecture: str, needs: Iterable[str]) -> tuple[str, ...]:
    """Return the features, named as in /proc/cpuinfo, without which a bundle whose delegates have ``needs`` does not run."""
    return tuple(dict.fromkeys((*BASELINE.get(architecture, ()), *needs)))
