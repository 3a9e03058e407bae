"""OpenVINO: Intel's graph compiler for x86 CPUs, with its own libraries in the bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Options
from edgec.artifacts.scheme import Scheme
from edgec.artifacts.steps import Steps
from edgec.artifacts.target import Target
from edgec.runtime.extras import missing_extra

SUMMARY = "Intel's compiler for x86 CPUs (edgec[openvino])"
OPTIONS: Json = {
    "type": "object",
    "title": "openvino",
    "additionalProperties": False,
    "properties": {
        "mode": {
            "enum": ["int8_sym", "int8_mixed", "int8_transformer"],
            "title": "Quantizer's mode",
            "description": "What NNCF quantizes under the recipe int8, and how: int8_sym symmetric activations and weights; "
            "int8_mixed asymmetric activations; int8_transformer what suits transformers.",
            "default": "int8_sym",
        },
    },
}
NEEDS: tuple[str, ...] = ("openvino", "nncf")
RECIPES: tuple[str, ...] = ("fp32", "fp16", "int8", "auto")
BACKENDS: tuple[str, ...] = ("OpenvinoBackend",)
FOLDS = False  # its reader of graphs knows quantized weights only as floats with quantization around them
SELECTIVE = False
SCHEME: tuple[str, ...] = ()  # NNCF's presets choose
AVAILABLE = True
NOT_RUN = ""
# Where the chip has AMX, OpenVINO computes float32 graphs in bfloat16, which carries 8 bits (48 dB a rounding).
# A model compiled on an AVX2 machine was read by an emulated Haswell, and refused by an emulated Nehalem (SSE4.2).
CPU_FEATURES: Mapping[str, tuple[str, ...]] = {"x86_64": ("avx2",)}
ARITHMETIC: Mapping[str, tuple[Limit, tuple[float, float]]] = {
    "fp32": (Limit(sqnr=25.0, relative_error=0.1, agreement=0.9), (1e-3, 0.05)),
    "fp16": (Limit(sqnr=25.0, relative_error=0.1, agreement=0.9), (1e-3, 0.05)),
    # Between the integers it rounds otherwise than the quantized graph, which computes in float.
    "int8": (Limit(sqnr=10.0, relative_error=0.75, agreement=0.5), (1e-3, 0.1)),
}


def missing() -> str | None:
    """Return the extra that brings OpenVINO and NNCF, where one is absent."""
    return missing_extra(NEEDS, "openvino")


def settled(options: Options, target: Target) -> Options:
    """Return ``options``: the target decides nothing here."""
    return options


def quantizer(scheme: Scheme, options: Options) -> Any:
    """Return NNCF's quantizer: which operators OpenVINO runs in 8 bits is its knowledge.

    Three stay in float whatever the mode. Attention: OpenVINO computes the whole of it by one kernel, in float alone, and
    its int8 products by float kernels. Layer and group norms, float in OpenVINO: there NNCF 3.2 takes the shift for a
    weight, and fails where a norm has none, or where it observes a vector by the second of its axes, as in torchvision's ViT.
    """
    from executorch.backends.openvino.quantizer.quantizer import OpenVINOQuantizer, QuantizationMode

    class Quantizer(OpenVINOQuantizer):  # type: ignore[misc]
        def annotate(self, model: Any) -> Any:
            names = sorted({node.name for node in attention_nodes(model.graph)})
            self.set_ignored_scope(names=names, types=["layer_norm", "group_norm"], validate=False)
            return super().annotate(model)

    return Quantizer(mode=QuantizationMode(options.get("mode", "int8_sym")))


def attention_nodes(graph: Any) -> list[Any]:
    """Return the calls of each attention in the torch.fx ``graph``: a softmax between matrix products, and what scales them."""
    import torch

    aten = torch.ops.aten
    products = (aten.bmm.default, aten.matmul.default)
    shapes = (aten.reshape.default, aten.view.default, aten.dropout.default)
    scaled = (*shapes, aten.mul.Tensor, aten.div.Tensor)
    scores = (*scaled, aten.add.Tensor, aten.sub.Tensor)
    found = []
    for softmax in graph.nodes:
        if softmax.target is not aten.softmax.int:
            continue
        before, after = [softmax.args[0]], [softmax]
        while before[-1].target in scores:
            before.append(before[-1].args[0])
        while len(after[-1].users) == 1 and after[-1].target not in products:
            (reader,) = after[-1].users
            if reader.target not in (*products, *shapes):
                break
            after.append(reader)
        if before[-1].target in products and after[-1].target in products:
            found += [*before, *after]
            query = before[-1].args[0]
            while query.target in scaled:  # no sums: a query may be the network's residuals themselves
                found.append(query)
                query = query.args[0]
    return found


def remedy(options: Options) -> str | None:
    """Return what to try where the quantizer fails: another mode chooses other operators."""
    if options.get("mode", "int8_sym") == "int8_transformer":
        return None
    return "for a transformer: `delegate: {name: openvino, options: {mode: int8_transformer}}`; or another recipe or delegate"


def partitioners(precision: str, options: Options) -> list[Any]:
    """Return the one partitioner; it compiles for the CPU, whatever else OpenVINO finds here."""
    from executorch.backends.openvino.partitioner import OpenvinoPartitioner
    from executorch.exir.backend.compile_spec_schema import CompileSpec

    return [OpenvinoPartitioner([CompileSpec("device", b"CPU")])]


def steps(precision: str, options: Options) -> Steps:
    """Return nothing beyond ExecuTorch's own steps."""
    return Steps()


def stand_in(program: Any, precision: str, options: Options) -> Any:
    """Never comes to be called: the artifact runs here."""
    raise AssertionError("the artifact itself runs here")
