"""YOLOv3-tiny: a picture in, the two raw heads out; the network of Redmon and Farhadi's yolov3-tiny.cfg.

"YOLOv3: An Incremental Improvement", 2018, arXiv:1804.02767.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

ANCHORS = (((81, 82), (135, 169), (344, 319)), ((10, 14), (23, 27), (37, 58)))
"""Width and height in pixels of a 416 x 416 input, by head: the coarse one (stride 32) first, then the fine one (16)."""


class Detector(nn.Module):
    """Takes RGB in 0..1 [N, 3, H, W], H and W multiples of 32; gives the heads of stride 32 and 16.

    Each head is [N, anchors * (5 + classes), H / stride, W / stride]: for each anchor the offsets x and y, width and height
    in logarithms of the anchor's, objectness, and a logit a class; nothing is decoded. ``width`` scales the channels of all
    layers, 1 as published; ``classes`` is 80 and ``anchors`` 3 a head there.
    """

    def __init__(self, classes: int = 80, width: float = 1.0, anchors: int = 3) -> None:
        super().__init__()
        outputs = anchors * (5 + classes)

        def deep(channels: int) -> int:
            return max(4, round(channels * width))

        sizes = [3, *(deep(channels) for channels in (16, 32, 64, 128, 256, 512))]
        first = [Convolution(before, after, 3) for before, after in pairwise(sizes)]
        halve = nn.MaxPool2d(2)
        self.fine_features = nn.Sequential(first[0], halve, first[1], halve, first[2], halve, first[3], halve, first[4])
        self.coarse_features = nn.Sequential(
            halve, first[5], KeptPool(), Convolution(deep(512), deep(1024), 3), Convolution(deep(1024), deep(256), 1)
        )
        self.coarse = nn.Sequential(Convolution(deep(256), deep(512), 3), nn.Conv2d(deep(512), outputs, 1))
        self.lateral = nn.Sequential(Convolution(deep(256), deep(128), 1), nn.Upsample(scale_factor=2, mode="nearest"))
        self.fine = nn.Sequential(Convolution(deep(128) + deep(256), deep(256), 3), nn.Conv2d(deep(256), outputs, 1))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the coarse and the fine head."""
        fine = self.fine_features(image)
        coarse = self.coarse_features(fine)
        return self.coarse(coarse), self.fine(torch.cat((self.lateral(coarse), fine), 1))


class Convolution(nn.Sequential):
    """A convolution that keeps the size, batch normalisation, and a leaky rectifier of slope 0.1."""

    def __init__(self, before: int, after: int, kernel: int) -> None:
        super().__init__(
            nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.1)
        )


class KeptPool(nn.Module):
    """The greatest of each 2 x 2 window, moved by 1: the size stays, since windows reach over the right and lower edge."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return [N, C, H, W] of the same."""
        return nn.functional.max_pool2d(features, 2, 1, 1)[:, :, 1:, 1:]
