"""The mel filterbank: how much each bin of a power spectrum counts in each band."""

from __future__ import annotations

import math

from edgec.artifacts.manifest import LogMel


def filterbank(features: LogMel, rate: int) -> list[list[float]]:
    """Return triangles [bands][fft // 2 + 1] over the bins of a transform of ``features.fft`` samples, ``rate`` a second.

    Each rises from the middle of the band before to its own and falls to the next one's, linearly in hertz; the middles are
    evenly spaced in mel. ``norm`` slaney gives all the same area, 2 / width in hertz.
    """
    low, high = mel(features.fmin, features.scale), mel(features.fmax, features.scale)
    steps = [low + (high - low) * index / (features.bands + 1) for index in range(features.bands + 2)]
    edges = [hertz(step, features.scale) for step in steps]
    bins = [index * rate / features.fft for index in range(features.fft // 2 + 1)]
    rows = [[_triangle(bin, *edges[band : band + 3]) for bin in bins] for band in range(features.bands)]
    if features.norm == "none":
        return rows
    return [[value * 2 / (edges[band + 2] - edges[band]) for value in row] for band, row in enumerate(rows)]


def mel(frequency: float, scale: str) -> float:
    """Return hertz in mel.

    ``htk``: O'Shaughnessy, *Speech Communication*, 1987, as the HTK Book writes it; ``slaney``: linear to 1 kHz, then
    logarithmic: Slaney, *Auditory Toolbox*, Interval Research 1998-010.
    """
    if scale == "htk":
        return 2595 * math.log10(1 + frequency / 700)
    return frequency * 3 / 200 if frequency < 1000 else 15 + 27 * math.log(frequency / 1000) / math.log(6.4)


def hertz(value: float, scale: str) -> float:
    """Return mel in hertz: the inverse of ``mel``."""
    if scale == "htk":
        return 700 * (math.pow(10, value / 2595) - 1)
    return value * 200 / 3 if value < 15 else 1000 * math.exp((value - 15) * math.log(6.4) / 27)


def empty(bank: list[list[float]]) -> list[int]:
    """Return the bands that hold no bin, counted from 0: they would be the same number for any sound."""
    return [band for band, row in enumerate(bank) if not any(row)]


def _triangle(bin: float, left: float, middle: float, right: float) -> float:
    return max(0.0, min((bin - left) / (middle - left), (right - bin) / (right - middle)))
