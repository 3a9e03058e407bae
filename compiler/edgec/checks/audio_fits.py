"""Sound is one input's, and its features must be computable of it: frames that fit, bands that hold something."""

from __future__ import annotations

from edgec.artifacts.manifest import Input, LogMel, Manifest
from edgec.artifacts.mel import empty, filterbank
from edgec.artifacts.project import Project
from edgec.checks.candidates import settings
from edgec.checks.places import at
from edgec.diagnostics import Diagnostic
from edgec.registry import plugin


def check(manifest: Manifest, project: Project) -> list[Diagnostic]:
    """Return a finding for each input of sound that does not slide, and each feature that cannot be."""
    found = []
    for index, entry in enumerate(manifest.inputs):
        if entry.audio is None:
            continue
        if len(manifest.inputs) > 1:
            message = f"inputs[{index}].audio: a model of sound has no other input, this one has {len(manifest.inputs)}"
            found.append(Diagnostic(code="wrong-value", message=message, where=at("inputs", index, "audio")))
        assert entry.stream is not None
        if entry.stream.hop > entry.shape[1].maximum:
            message = f"inputs[{index}].audio: the hop is longer than the window: samples between would never be heard"
            found.append(Diagnostic(code="wrong-value", message=message, where=at("inputs", index, "audio", "hop")))
        if entry.audio.features:
            found += _features(index, entry, entry.audio.features) + _in_integers(index, manifest)
    return found


def _features(index: int, entry: Input, features: LogMel) -> list[Diagnostic]:
    assert entry.audio is not None

    def wrong(key: str, message: str, hint: str) -> list[Diagnostic]:
        where = at("inputs", index, "audio", "features", key)
        return [Diagnostic(code="wrong-value", message=f"features: {message}", where=where, hint=hint)]

    rate, samples = entry.audio.rate, entry.shape[1].maximum
    if features.fft < features.window:
        message = f"a transform of {features.fft} samples is shorter than the window of {features.window}"
        return wrong("fft", message, "lengthen it, or leave it out")
    if features.fft > samples:
        message = f"a frame of {features.fft} samples is longer than the sound of {samples}"
        return wrong("window", message, "shorten the window (and fft), or lengthen seconds")
    if features.fmax > rate / 2:
        message = f"fmax {features.fmax:g} Hz is above {rate / 2:g} Hz, half the sample rate: nothing is there"
        return wrong("fmax", message, "leave it out for all that there is")
    if features.fmin >= features.fmax:
        return wrong("fmin", f"fmin {features.fmin:g} Hz is not below fmax {features.fmax:g} Hz", "exchange them")
    if bands := empty(filterbank(features, rate)):
        message = f"{len(bands)} of {features.bands} bands hold no bin of the transform, first band {bands[0]}"
        hint = f"bins are {rate / features.fft:g} Hz apart: take fewer bands, a longer window or a longer fft"
        return wrong("bands", message, hint)
    return []


def _in_integers(index: int, manifest: Manifest) -> list[Diagnostic]:
    """Power spans more than 8 bits hold, so features stay in float: a delegate that quantizes all there is cannot have them."""
    found = []
    for setting in settings(manifest):
        delegate = setting.delegates[0].name
        if "int" in plugin("recipes", setting.recipe.name).PRECISION and not plugin("delegates", delegate).SELECTIVE:
            message = f"the delegate {delegate!r} would quantize the features too, which 8 bits cannot hold"
            hint = "compute features before the model, use xnnpack, or a recipe in float"
            where = at("inputs", index, "audio", "features")
            found.append(Diagnostic(code="does-not-fit", message=message, where=where, hint=hint))
    return list(dict.fromkeys(found))
