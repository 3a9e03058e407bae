"""Which CPU features a bundle cannot do without: what its programs are compiled for, not what its target has beside."""

from __future__ import annotations

from collections.abc import Iterable

BASELINE = {"aarch64": ("asimd",), "x86_64": ("sse2",)}
"""What the runner (zig's ``-mcpu=baseline``) and the runtime's libraries are compiled for. XNNPACK looks at the processor
when it starts and takes the kernels that run there, so an artifact for a core with more runs on one with less."""

BACKENDS = {"OpenvinoBackend": {"x86_64": ("sse4_2",)}}
"""What a delegate's library needs beside that: OpenVINO's system requirements for its CPU plugin."""


def required_features(architecture: str, backends: Iterable[str]) -> tuple[str, ...]:
    """Return the features, named as in /proc/cpuinfo, without which a bundle with these delegates does not run."""
    needed = list(BASELINE.get(architecture, ()))
    for backend in backends:
        needed += BACKENDS.get(backend, {}).get(architecture, ())
    return tuple(dict.fromkeys(needed))
