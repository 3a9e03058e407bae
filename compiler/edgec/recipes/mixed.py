"""The int8 recipe with exceptions: submodules kept in float, named by the user or found by how much their rounding costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.limit import Limit
from edgec.artifacts.manifest import Options
from edgec.artifacts.measured import Status
from edgec.artifacts.scheme import Scheme
from edgec.diagnostics import Diagnostic, Failure
from edgec.recipes.sensitivity import candidates, fewest, ranked
from edgec.recipes.submodules import asked, chosen, inside, narrow, submodules

if TYPE_CHECKING:
    from edgec.artifacts.material import Material
    from edgec.protocols import Delegate

_NAMES: Json = {"type": "array", "minItems": 1, "maxItems": 1000, "items": {"type": "string", "minLength": 1}}
SUMMARY = "8-bit integers, with submodules kept in float by name, by type, or until the accuracy holds"
OPTIONS: Json = {
    "type": "object",
    "title": "mixed",
    "additionalProperties": False,
    "properties": {
        "keep": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "title": "Keep in float",
            "description": "Submodules that are not quantized, with all that is inside them.",
            "properties": {
                "modules": {
                    **_NAMES,
                    "title": "By name",
                    "description": "Names in the model's own `named_modules()`; `*` and `?` stand for any letters, `*` "
                    "also for dots.",
                    "examples": [["features.0", "classifier.*"]],
                },
                "types": {
                    **_NAMES,
                    "title": "By type",
                    "description": "Classes of submodules, with or without their Python module.",
                    "examples": [["Linear", "torch.nn.Conv2d"]],
                },
            },
        },
        "sensitivity": {
            "type": ["boolean", "object"],
            "title": "Keep by sensitivity",
            "description": "Keep as few more submodules as the accuracy budgets need on the evaluation data, those first "
            "whose quantization alone changes the outputs most.",
            "additionalProperties": False,
            "required": ["most"],
            "properties": {
                "most": {
                    "type": "integer",
                    "minimum": 1,
                    "title": "At most",
                    "description": "Keep no more than this many.",
                },
            },
            "default": False,
        },
        "precision": {
            "enum": ["fp32", "fp16"],
            "title": "Precision of what is kept",
            "description": "fp16 halves the kept weights; the conversions at its borders run outside XNNPACK.",
            "default": "fp32",
        },
        "per_channel": {
            "type": "boolean",
            "title": "Scale per output channel",
            "description": "One scale for each output channel, not one for the whole weight.",
            "default": True,
        },
    },
}
NEEDS: tuple[str, ...] = ()
PRECISION = "int8"
NEEDS_DATA: tuple[str, ...] = ("calibration",)
OPERATORS: tuple[str, ...] = ("convolution", "linear", "add", "mul", "cat", "adaptive_avg_pool2d")
FEATURES = {"aarch64": {"asimddp": "dot-product instructions"}}

# What is quantized is quantized as by int8, so its limits hold.
LIMITS = {
    "exported": Limit(sqnr=90.0, relative_error=1e-4, agreement=0.99),
    "quantized": Limit(sqnr=10.0, relative_error=0.75, agreement=0.5),
    "pte": Limit(sqnr=15.0, relative_error=0.5, agreement=0.8),
    "total": Limit(sqnr=10.0, relative_error=0.75, agreement=0.5),
}
TOLERANCE = (1e-3, 0.05)
"""Golden vectors: half precision may be among what is kept."""

WITHOUT = {"asimdhp": (1e-3, 0.02)}
"""Without fp16 arithmetic what is kept computes in float32, and int8's own tolerance is the larger."""

SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class _Task:
    """One model to quantize, however often; ``candidates`` are the submodules with weights that would be quantized."""

    program: Any
    material: Material
    delegate: Delegate
    options: Options
    always: Sequence[str]
    candidates: Sequence[str]

    def quantizer(self, kept: Iterable[str], training: bool = False) -> Any:
        """Return the delegate's quantizer for all but the ``kept`` submodules."""
        out = inside([*self.always, *kept])
        per_channel = bool(self.options.get("per_channel", True))
        return self.delegate.quantizer(
            Scheme(
                per_channel=per_channel,
                training=training,
                quantized=asked(self.material.inputs, lambda node: not out(node)),
            ),
            self.material.delegate_options,
        )


@dataclass(frozen=True, kw_only=True)
class _Mixed:
    """A quantized ExportedProgram, the candidates that it keeps, and its conversions to and from float16."""

    program: Any
    kept: tuple[str, ...]
    borders: int
    held: bool = False


def quantize(program: Any, material: Material, delegate: Delegate, options: Options) -> Any:
    """Return the ExportedProgram with quantize and dequantize nodes around all that is not kept.

    Raises Failure ``module-unknown`` for a name or type without a submodule, ``recipe-brings-nothing`` where nothing is
    left to quantize, ``budget-missed`` where the float model itself misses a budget that the sensitivity is held to.
    """
    keep = options.get("keep", {})
    known = submodules(program.module(check_guards=False))
    always = chosen(known, keep.get("modules", ()), keep.get("types", ()))
    bare = _Task(program=program, material=material, delegate=delegate, options=options, always=always, candidates=())
    task, prepared = _with_candidates(bare)
    if options.get("sensitivity"):
        order = ranked(prepared, task.candidates, material)
        del prepared
        mixed = _by_sensitivity(task, order)
    else:
        mixed = _converted(task, ())
    kept = [*always, *mixed.kept]
    material.record("kept", f"{_told(kept)}; {len(task.candidates) - len(mixed.kept)} submodules with weights are in int8")
    if mixed.borders:
        material.record("conversions to and from fp16", f"{mixed.borders}, each a kernel call between two delegates")
    return mixed.program


def _with_candidates(task: _Task) -> tuple[_Task, Any]:
    """Return the task with its candidates, and the graph with fake quantization that they were found in."""
    from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

    prepared = prepare_pt2e(task.program.module(check_guards=False), task.quantizer((), training=True))
    found = candidates(prepared)
    if not found:
        message = "mixed keeps everything in float: no operator is left that would be quantized"
        hint = "keep fewer submodules, or take the recipe fp32 or fp16"
        raise Failure(Diagnostic(code="recipe-brings-nothing", message=message, hint=hint))
    return replace(task, candidates=found), prepared


def _converted(task: _Task, kept: Sequence[str]) -> _Mixed:
    """Quantize all but ``kept``; the calibration data are run once."""
    import torch
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    material = task.material
    prepared = prepare_pt2e(task.program.module(check_guards=False), task.quantizer(kept))
    with torch.no_grad():
        for inputs in material.calibration():
            prepared(*inputs)
    converted = convert_pt2e(prepared)
    half = task.options.get("precision") == "fp16"
    borders = narrow(converted, inside([*task.always, *kept])) if half else 0
    exported = torch.export.export(converted, material.example, dynamic_shapes=material.graph_dynamic)
    return _Mixed(program=exported, kept=tuple(kept), borders=borders)


def _by_sensitivity(task: _Task, order: Sequence[str]) -> _Mixed:
    """Return the graph that keeps the fewest of ``order`` with which the accuracy budgets hold, else the most allowed."""
    material, limit = task.material, task.options["sensitivity"]
    most = min(len(order) - 1, limit["most"] if isinstance(limit, Mapping) else len(order))
    assert material.standing is not None  # Plan.budgets_decide
    standing, enough = material.standing, _attainable(material.standing(task.program))
    tried = list[int]()
    best = list[_Mixed]()

    def holds(count: int) -> bool:
        graph = _converted(task, order[:count])
        status = standing(graph.program)
        tried.append(count)
        material.say(f"sensitivity: {count} of {len(order)} submodules kept, accuracy {status}")
        held = status in enough
        if held or len(tried) == 1 or not best[0].held:
            best[:] = [replace(graph, held=held)]
        return held

    found = fewest(holds, most)
    material.record("graphs tried", f"{len(tried)}, keeping {', '.join(map(str, tried))} submodules")
    if found is None:
        material.record("accuracy", f"not held on the quantized graph with {most} submodules kept")
    return best[0]


def _attainable(status: Status) -> tuple[Status, ...]:
    """The verdicts to be content with: the float model's own, or better. Raises Failure where it misses a budget itself."""
    if status == "missed":
        message = "the float32 model itself misses an accuracy budget, so keeping submodules in float cannot meet it"
        raise Failure(Diagnostic(code="budget-missed", message=message, hint="lower the budget, or improve the model"))
    return ("met",) if status == "met" else ("met", "inconclusive")


def _told(kept: Sequence[str]) -> str:
    return (", ".join(kept[:SHOWN]) or "nothing") + (f" and {len(kept) - SHOWN} more" if len(kept) > SHOWN else "")
