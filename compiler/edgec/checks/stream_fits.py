"""A stream is one input's, and that input is one window of float32 samples, channels before time."""

from __future__ import annotations

from edgec.artifacts.manifest import Input, Manifest
from edgec.artifacts.project import Project
from edgec.checks.places import at
from edgec.diagnostics import Diagnostic


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return a finding for each input with a stream whose shape, type or hop is none of a window."""
    found = []
    for index, entry in enumerate(manifest.inputs):
        if entry.audio:
            continue  # audio_fits.py
        if entry.stream and (why := _unfit(entry)):
            hint = "a window is [1, samples] or [1, channels, samples] of float32, and its hop at most its length"
            where = at("inputs", index, "stream")
            found.append(Diagnostic(code="wrong-value", message=f"inputs[{index}].stream: {why}", where=where, hint=hint))
        elif entry.stream and len(manifest.inputs) > 1:
            message = f"inputs[{index}].stream: a model with a stream has no other input, this one has {len(manifest.inputs)}"
            found.append(Diagnostic(code="wrong-value", message=message, where=at("inputs", index, "stream")))
    return found


def _unfit(entry: Input) -> str | None:
    assert entry.stream is not None
    if entry.dtype != "float32":
        return f"samples are float32, not {entry.dtype}"
    if not all(axis.fixed for axis in entry.shape):
        return "a window has a fixed size"
    sizes = [axis.maximum for axis in entry.shape]
    if len(sizes) not in (2, 3) or sizes[0] != 1:
        return f"the shape {sizes} is no window"
    if entry.stream.hop > sizes[-1]:
        return f"the hop of {entry.stream.hop} is longer than the window of {sizes[-1]}: samples between would never be seen"
    return None if entry.stream.rate > 0 else "the sample rate must be above zero"
