"""An autoencoder of a bearing's vibration spectrum: a window of acceleration in, one score out, the higher the stranger."""

from __future__ import annotations

import math

import torch
from torch import nn

WINDOW = 1024
"""Samples, 51 ms at 20 kHz: at 30 turns a second five passes of a ball over a fault."""

FRAME, STEP, BANDS = 128, 32, 40
"""A frame of the short-time Fourier transform, the step to the next, and how many of its bins are kept as bands."""


class Detector(nn.Module):
    """Takes [1, WINDOW] in milli-g and gives [1, 1]: the mean squared error of rebuilding the window's features.

    The features are, for each band, the mean log power over the frames and its deviation: a fault's impulses raise the
    second before the first. Convolutions with windowed cosines and sines make the transform, so that all of it is in the graph.
    """

    def __init__(self, code: int = 6) -> None:
        super().__init__()
        self.cosine = nn.Parameter(basis(math.cos), requires_grad=False)
        self.sine = nn.Parameter(basis(math.sin), requires_grad=False)
        self.mean = nn.Parameter(torch.zeros(2 * BANDS), requires_grad=False)
        self.scale = nn.Parameter(torch.ones(2 * BANDS), requires_grad=False)
        self.encoder = nn.Sequential(nn.Linear(2 * BANDS, 32), nn.ReLU(), nn.Linear(32, code))
        self.decoder = nn.Sequential(nn.Linear(code, 32), nn.ReLU(), nn.Linear(32, 2 * BANDS))

    def features(self, window: torch.Tensor) -> torch.Tensor:
        """Return [N, 2 * BANDS] of [N, WINDOW]."""
        wave = window.reshape(-1, 1, 1, WINDOW) * 1e-3
        real = nn.functional.conv2d(wave, self.cosine, stride=(1, STEP))
        imaginary = nn.functional.conv2d(wave, self.sine, stride=(1, STEP))
        power = torch.log(real * real + imaginary * imaginary + 1e-6)
        mean = power.mean((2, 3), keepdim=True)
        away = power - mean
        deviation = torch.sqrt((away * away).mean((2, 3), keepdim=True) + 1e-6)
        return torch.cat((mean, deviation), 1).reshape(-1, 2 * BANDS)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        """Return the score of each window."""
        features = (self.features(window) - self.mean) * self.scale
        error = features - self.decoder(self.encoder(features))
        return (error * error).mean(1, keepdim=True)


def basis(wave: object) -> torch.Tensor:
    """Return [BANDS, 1, 1, FRAME]: a Hann window times ``wave`` at bins 1, 2 … of the transform, in unit energy."""
    assert callable(wave)
    hann = [0.5 - 0.5 * math.cos(2 * math.pi * (i + 0.5) / FRAME) for i in range(FRAME)]
    rows = [[hann[i] * wave(2 * math.pi * (band + 1) * i / FRAME) for i in range(FRAME)] for band in range(BANDS)]
    return torch.tensor(rows).reshape(BANDS, 1, 1, FRAME) / math.sqrt(sum(value * value for value in hann))
