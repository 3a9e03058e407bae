"""What the delegates built on Arm's TOSA have in common: quantizer settings, lowering steps, the reference model."""

from __future__ import annotations

from typing import Any

from edgec.artifacts.scheme import Scheme
from edgec.artifacts.steps import Steps


def symmetric(quantizer: Any, scheme: Scheme) -> Any:
    """Return Arm's ``quantizer`` set to symmetric 8 bits as the scheme asks; its ranges are observed its own way."""
    from executorch.backends.arm.quantizer import get_symmetric_quantization_config

    return quantizer.set_global(get_symmetric_quantization_config(is_per_channel=scheme.per_channel, is_qat=scheme.training))


def unchecked() -> Any:
    """Return the EdgeCompileConfig that Arm's graphs need: they fail ExecuTorch's validity check."""
    from executorch.exir import EdgeCompileConfig

    return EdgeCompileConfig(_check_ir_validity=False)


def steps(precision: str) -> Steps:
    """Return the steps of an artifact for a microcontroller: quantization at its borders by the Cortex-M kernels."""
    from executorch.exir import ExecutorchBackendConfig

    after = _quantized_by_kernels if precision == "int8" else None
    return Steps(edge=unchecked(), after=after, backend=ExecutorchBackendConfig(extract_delegate_segments=False))


def _quantized_by_kernels(edge: Any) -> Any:
    from executorch.backends.cortex_m.passes.replace_quant_nodes_pass import ReplaceQuantNodesPass

    return edge.transform([ReplaceQuantNodesPass()])


def reference(program: Any, specification: Any) -> Any:
    """Return a callable that answers as ``program`` does on Arm's TOSA reference model; None where it takes no operator."""
    from executorch.backends.arm.test.runner_utils import TosaReferenceModelDispatch
    from executorch.backends.arm.tosa.compile_spec import TosaCompileSpec
    from executorch.backends.arm.tosa.partitioner import TOSAPartitioner
    from executorch.exir import to_edge_transform_and_lower

    partitioner = TOSAPartitioner(TosaCompileSpec(specification))
    edge = to_edge_transform_and_lower(program, partitioner=[partitioner], compile_config=unchecked())
    lowered = edge.exported_program()
    if not any(node.name.startswith("lowered_module_") for node in lowered.graph.nodes):
        return None
    module = lowered.module()

    def answer(*inputs: Any) -> Any:
        with TosaReferenceModelDispatch():
            return module(*inputs)

    return answer
