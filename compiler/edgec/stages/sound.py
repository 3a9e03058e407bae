"""Sound to log-mel features as a network in front of a model: a transform by convolution, a filterbank, a logarithm."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgec.artifacts.manifest import LogMel
from edgec.artifacts.mel import filterbank

if TYPE_CHECKING:
    import torch


def log_mel(features: LogMel, rate: int) -> torch.nn.Module:
    """Return a module from [N, samples] to [N, 1, bands, frames].

    Each frame is multiplied by a periodic Hann window; a band is the sum of its bins' power, and what comes out is
    ``(ln(band + floor) - mean) / std``. Frames begin every ``hop`` samples, the first at 0; none reaches past the end.
    The transform is one convolution with windowed cosines and sines, of those bins only that a band has any use for.
    """
    import torch

    bank = filterbank(features, rate)
    used = [bin for bin in range(len(bank[0])) if any(row[bin] for row in bank)]
    bands = [[row[bin] for bin in used] for row in bank]

    class LogMelFeatures(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("basis", torch.tensor(_basis(features, used)).reshape(2 * len(used), 1, 1, -1))
            # A cosine's and a sine's square count the same: their sum is the power.
            self.register_buffer("bank", torch.tensor(bands).repeat(1, 2).reshape(features.bands, -1, 1, 1))
            self.register_buffer("floor", torch.full((features.bands,), features.floor))
            self.register_buffer("scale", torch.tensor(1 / features.std).reshape(1, 1, 1, 1))
            self.register_buffer("shift", torch.tensor(-features.mean / features.std).reshape(1, 1, 1, 1))

        def forward(self, sound: torch.Tensor) -> torch.Tensor:
            wave = sound.reshape(sound.shape[0], 1, 1, sound.shape[1])
            waves = torch.nn.functional.conv2d(wave, self.basis, stride=(1, features.hop))
            power = torch.nn.functional.conv2d(waves * waves, self.bank, self.floor)
            logarithm = torch.log(power) * self.scale + self.shift
            return logarithm.reshape(sound.shape[0], 1, features.bands, logarithm.shape[3])

    return LogMelFeatures()


def _basis(features: LogMel, bins: list[int]) -> list[list[float]]:
    """A Hann window, zeros around it, times the cosines, then the sines, of ``bins``: [2 * bins][fft]."""
    hann = [0.5 - 0.5 * math.cos(2 * math.pi * place / features.window) for place in range(features.window)]
    before = (features.fft - features.window) // 2
    window = [0.0] * before + hann + [0.0] * (features.fft - features.window - before)

    def row(wave: object, bin: int) -> list[float]:
        assert callable(wave)
        # Whole turns are taken off before the angle becomes a float.
        angles = [2 * math.pi * (bin * place % features.fft) / features.fft for place in range(features.fft)]
        return [height * wave(angle) for height, angle in zip(window, angles, strict=True)]

    return [row(wave, bin) for wave in (math.cos, math.sin) for bin in bins]
