"""The camera lowered by hand, as ExecuTorch's documentation has it: the baseline for edgec's own lowering.

The same model, weights, calibration images and preprocessing in the graph as manifests/camera.yaml; the .pte is
compared with nothing.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer, get_symmetric_quantization_config
from executorch.exir import to_edge_transform_and_lower
from PIL import Image
from safetensors.torch import load_file
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from edgec.upstream.torchvision_ops import import_torchvision

MANIFESTS = Path(__file__).resolve().parents[1] / "manifests"


class Camera(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.model = import_torchvision().models.mobilenet_v2(num_classes=10, width_mult=0.5)
        self.model.load_state_dict(load_file(MANIFESTS / "weights" / "camera.safetensors"))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.model(image.permute(0, 3, 1, 2).contiguous() / 127.5 - 1.0)


def calibration(count: int) -> list[torch.Tensor]:
    paths = sorted((MANIFESTS / "data" / "digits" / "train").rglob("*.png"))
    chosen = [paths[index * len(paths) // count] for index in range(count)]
    pictures = [Image.open(path).convert("RGB").resize((96, 96), Image.Resampling.BILINEAR) for path in chosen]
    return [torch.from_numpy(np.asarray(picture, dtype=np.float32)[None].copy()) for picture in pictures]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    pictures = calibration(arguments.samples)
    example = (pictures[0],)
    program = torch.export.export(Camera().eval(), example)
    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    prepared = prepare_pt2e(program.module(), quantizer)
    with torch.no_grad():
        for picture in pictures:
            prepared(picture)
    quantized = torch.export.export(convert_pt2e(prepared), example)
    lowered = to_edge_transform_and_lower(quantized, partitioner=[XnnpackPartitioner()]).to_executorch()
    if arguments.out:
        arguments.out.write_bytes(lowered.buffer)


if __name__ == "__main__":
    main()
