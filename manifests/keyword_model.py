"""A depthwise-separable convolutional network for keyword spotting: log-mel features of one second in, a score a word out."""

from __future__ import annotations

import torch
from torch import nn


class KeywordNet(nn.Module):
    """Takes [N, 1, bands, frames] and gives [N, classes].

    The DS-CNN of Zhang, Suda, Lai and Chandra, "Hello Edge: Keyword Spotting on Microcontrollers", 2017 (arXiv:1711.07128):
    a convolution, ``blocks`` depthwise-separable ones of 3 x 3, the mean over all places, a linear layer. ``channels`` 64 and
    four blocks are the size that the paper calls S.
    """

    def __init__(self, classes: int = 12, channels: int = 64, blocks: int = 4) -> None:
        super().__init__()
        first = nn.Conv2d(1, channels, (4, 10), stride=(2, 2), padding=(1, 4), bias=False)
        layers = [first, nn.BatchNorm2d(channels), nn.ReLU()]
        for _ in range(blocks):
            each = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
            across = nn.Conv2d(channels, channels, 1, bias=False)
            layers += [each, nn.BatchNorm2d(channels), nn.ReLU(), across, nn.BatchNorm2d(channels), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.scores = nn.Linear(channels, classes)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the score of each class, before any softmax."""
        return self.scores(self.pool(self.layers(features)).flatten(1))
