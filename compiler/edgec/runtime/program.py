"""What an ExecuTorch program holds, read from the bytes of a ``.pte`` without loading or running it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgec.artifacts.lowered import Memory, Tensor
from edgec.diagnostics import Diagnostic, Failure

MAGIC = b"ET"
"""A program's file identifier, bytes 4 to 6 of the flatbuffer; the two bytes after it are the format's version."""


@dataclass(frozen=True, kw_only=True)
class ProgramFacts:
    """One method of a program.

    ``kernels`` counts the calls of each operator outside the delegates, ``delegates`` those of each backend id.
    ``dynamic`` names the inputs and outputs whose shape is an upper bound.
    """

    method: str
    methods: tuple[str, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    dynamic: tuple[str, ...]
    kernels: Mapping[str, int]
    delegates: Mapping[str, int]
    memory: Memory

    @property
    def backends(self) -> tuple[str, ...]:
        """The delegate ids, sorted (``XnnpackBackend`` …)."""
        return tuple(self.delegates)


def read_program(data: bytes, method: str = "forward") -> ProgramFacts:
    """Return what ``method`` (else the first one) of the program in ``data`` needs; imports executorch (about 2 s).

    Raises Failure ``program-unreadable`` when ``data`` is not an intact ExecuTorch program.
    """
    if data[4:6] != MAGIC:
        raise _unreadable("it does not start like an ExecuTorch program")
    from executorch.exir._serialize._program import deserialize_pte_binary

    try:
        file = deserialize_pte_binary(data)
        plans = {plan.name: plan for plan in file.program.execution_plan}
        plan = plans.get(method) or next(iter(plans.values()), None)
        facts = _facts(file, plan, tuple(plans)) if plan else None
    # The deserializer trusts its input: of a damaged file it raises whatever it trips over, or returns what has no parts.
    except Exception as error:
        raise _unreadable(f"it ends early or is damaged ({error or type(error).__name__})") from error
    if facts is None:
        raise _unreadable("it has no methods")
    return facts


def _facts(file: Any, plan: Any, methods: tuple[str, ...]) -> ProgramFacts:
    inputs = _tensors(plan, plan.inputs, "input")
    outputs = _tensors(plan, plan.outputs, "output")
    kernels, delegates = _calls(plan)
    return ProgramFacts(
        method=plan.name,
        methods=methods,
        inputs=tuple(tensor for tensor, _ in inputs),
        outputs=tuple(tensor for tensor, _ in outputs),
        dynamic=tuple(tensor.name for tensor, dynamic in (*inputs, *outputs) if dynamic),
        kernels=kernels,
        delegates=delegates,
        memory=Memory(
            # Entry 0 stands for constants and is not an arena.
            arenas=tuple(int(size) for size in plan.non_const_buffer_sizes[1:]),
            delegate_blobs=sum(len(blob.data) for blob in file.program.backend_delegate_data),
            weights=sum(len(buffer) for buffer in file.named_data.buffers) if file.named_data else 0,
            constants=sum(len(buffer.storage) for buffer in file.program.constant_buffer),
        ),
    )


def _tensors(plan: Any, indices: list[int], stem: str) -> list[tuple[Tensor, bool]]:
    found = []
    for position, index in enumerate(indices):
        value = plan.values[index].val
        name = stem if len(indices) == 1 else f"{stem}{position}"
        if not hasattr(value, "scalar_type"):
            found.append((Tensor(name=name, dtype=type(value).__name__.lower(), shape=()), False))
            continue
        dtype = _dtype(value.scalar_type.name)
        found.append((Tensor(name=name, dtype=dtype, shape=tuple(value.sizes)), int(value.shape_dynamism) != 0))
    return found


def _dtype(scalar: str) -> str:
    names = {
        "BYTE": "uint8",
        "CHAR": "int8",
        "SHORT": "int16",
        "INT": "int32",
        "LONG": "int64",
        "HALF": "float16",
        "FLOAT": "float32",
        "DOUBLE": "float64",
    }
    return names.get(scalar, scalar.lower())


def _calls(plan: Any) -> tuple[dict[str, int], dict[str, int]]:
    """Count the instructions per operator and per backend; one that is declared and never called counts 0."""
    operators = [f"{op.name}.{op.overload}" if op.overload else str(op.name) for op in plan.operators]
    backends = [delegate.id for delegate in plan.delegates]
    kernels = dict.fromkeys(sorted(operators), 0)
    delegates = dict.fromkeys(sorted(backends), 0)
    for chain in plan.chains:
        for instruction in chain.instructions:
            call = instruction.instr_args
            if hasattr(call, "op_index"):
                kernels[operators[call.op_index]] += 1
            elif hasattr(call, "delegate_index"):
                delegates[backends[call.delegate_index]] += 1
    return kernels, delegates


def _unreadable(why: str) -> Failure:
    return Failure(
        Diagnostic(
            code="program-unreadable",
            message=f"the file is not a readable ExecuTorch program: {why}",
            hint="build it again, or fetch it again and compare its sha256",
        )
    )
