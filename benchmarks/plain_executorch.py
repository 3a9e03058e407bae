"""The camera lowered by hand, as ExecuTorch's documentation has it: the baseline for edgec's own lowering.

The same model, weights, calibration images and preprocessing in the graph as manifests/camera.yaml, in each recipe that
needs no training; the .pte is compared with nothing. With --as-edgec the picture is normalised and laid out, the first
convolution's pixels taken together and a ReLU6's range observed as edgec does it, so that the two .pte can be held against
each other byte for byte.
"""

import argparse
import contextlib
import copy
from pathlib import Path

import numpy as np
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer, get_symmetric_quantization_config
from executorch.exir import to_edge_transform_and_lower
from PIL import Image, ImageOps
from safetensors.torch import load_file
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from edgec.datasets.choose import choose
from edgec.rewrites import stems
from edgec.upstream.clamped_ranges import ranges_behind_clamps
from edgec.upstream.free_permutes import pixels_left_in_place
from edgec.upstream.quantized_moves import moves_quantized, pixels_padded
from edgec.upstream.torchvision_ops import import_torchvision

MANIFESTS = Path(__file__).resolve().parents[1] / "manifests"


class Camera(torch.nn.Module):
    def __init__(self, pixels: bool) -> None:
        super().__init__()
        self.pixels = pixels
        self.model = import_torchvision().models.mobilenet_v2(num_classes=10, width_mult=0.5)
        self.model.load_state_dict(load_file(MANIFESTS / "weights" / "camera.safetensors"))
        if pixels:  # a rewrite's constants come after the weights
            self.scale, self.shift = torch.full((1, 1, 96, 3), 1 / 127.5), torch.full((1, 1, 96, 3), -1.0)
            for module in self.model.modules():  # and it leaves nothing that no operator reads
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.num_batches_tracked = None
        else:
            self.register_buffer("scale", torch.full((1, 3, 1, 1), 1 / 127.5))
            self.register_buffer("shift", torch.full((1, 3, 1, 1), -1.0))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor]:
        if self.pixels:
            return (self.model((image * self.scale + self.shift).permute(0, 3, 1, 2).contiguous()),)
        return (self.model(image.permute(0, 3, 1, 2).contiguous() * self.scale + self.shift),)


class Narrow(torch.nn.Module):
    """A module in another type of float, with float32 around it."""

    def __init__(self, inner: torch.nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.inner, self.dtype = copy.deepcopy(inner).to(dtype), dtype

    def forward(self, value: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor]:
        found = self.inner(value.to(self.dtype))
        return found.to(torch.float32) if isinstance(found, torch.Tensor) else (found[0].to(torch.float32),)


def calibration(count: int) -> list[torch.Tensor]:
    """The pictures that the manifest's calibration takes, of that many: an equal share of each class, evenly spaced."""
    paths = sorted((MANIFESTS / "data" / "digits" / "train").rglob("*.png"))
    chosen = choose(paths, [path.parent.name for path in paths], count)
    pictures = [ImageOps.fit(Image.open(path).convert("RGB"), (96, 96), Image.Resampling.BILINEAR) for path in chosen]
    return [torch.from_numpy(np.asarray(picture, dtype=np.float32)[None].copy()) for picture in pictures]


def quantized(camera: Camera, pictures: list[torch.Tensor], dynamic: bool) -> torch.export.ExportedProgram:
    config = get_symmetric_quantization_config(is_per_channel=True, is_dynamic=dynamic)
    quantizer = XNNPACKQuantizer().set_global(config)
    program = torch.export.export(camera, (pictures[0],))
    if camera.pixels:
        quantizer = moves_quantized(ranges_behind_clamps(quantizer))
        stems.rewrite(program)
    prepared = prepare_pt2e(program.module(check_guards=False), quantizer)
    with torch.no_grad():
        for picture in pictures[:1] if dynamic else pictures:
            prepared(picture)
    return torch.export.export(convert_pt2e(prepared), (pictures[0],))


def program(recipe: str, camera: Camera, pictures: list[torch.Tensor]) -> torch.export.ExportedProgram:
    if recipe in ("int8", "int8-dynamic"):
        return quantized(camera, pictures, recipe == "int8-dynamic")
    if recipe == "fp16":
        return torch.export.export(Narrow(camera, torch.float16).eval(), (pictures[0],))
    if recipe == "bf16":  # XNNPACK has no convolutions in bfloat16: the one linear layer is what can be narrowed
        camera.model.classifier[1] = Narrow(camera.model.classifier[1], torch.bfloat16)
    if recipe == "int4":
        from torchao.quantization import Int8DynamicActivationIntxWeightConfig, quantize_
        from torchao.quantization.granularity import PerGroup

        config = Int8DynamicActivationIntxWeightConfig(weight_dtype=torch.int4, weight_granularity=PerGroup(32))
        quantize_(camera, config)
    return torch.export.export(camera, (pictures[0],))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--recipe", default="int8", choices=["fp32", "fp16", "bf16", "int8", "int8-dynamic", "int4"])
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--as-edgec", action="store_true", help="as edgec rewrites and quantizes it")
    arguments = parser.parse_args()
    calibrated = arguments.recipe == "int8"
    made = program(arguments.recipe, Camera(arguments.as_edgec).eval(), calibration(arguments.samples if calibrated else 1))
    partitioner = XnnpackPartitioner(enable_bf16=arguments.recipe == "bf16")
    with contextlib.ExitStack() as stack:
        if arguments.as_edgec:
            stack.enter_context(pixels_left_in_place())
            stack.enter_context(pixels_padded())
        lowered = to_edge_transform_and_lower(made, partitioner=[partitioner]).to_executorch()
    if arguments.out:
        arguments.out.write_bytes(lowered.buffer)


if __name__ == "__main__":
    main()
