"""A plan and what its model computes to a prediction: the least time and memory that the target's figures allow."""

from __future__ import annotations

from dataclasses import dataclass

from edgec.artifacts.manifest import Budget
from edgec.artifacts.measured import written
from edgec.artifacts.plan import Plan
from edgec.artifacts.profile import Profile
from edgec.artifacts.target import Target
from edgec.diagnostics import Diagnostic, Location
from edgec.registry import plugin

BYTES = {"fp32": 4.0, "fp16": 2.0, "bf16": 2.0, "int8": 1.0, "int4": 0.5}
"""Of one weight, where the recipe makes it smaller: biases and scales come on top."""

COMPUTED_IN = {"int4": "int8"}
"""What weights are widened to before they are multiplied."""

KINDS = ("convolution", "linear", "other")


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Bounds, ``estimated``: no inference is faster than ``seconds`` (None: the target's speed is not known), and the weights
    take no less than ``weight_bytes``. ``reasons`` are sentences that say how they come about."""

    seconds: float | None
    compute_seconds: float | None
    memory_seconds: float | None
    weight_bytes: int
    reasons: tuple[str, ...]
    evidence: str = "estimated"


def predict(plan: Plan, profile: Profile) -> Prediction:
    """Return the roofline bound of one inference (S. Williams et al., 2009): the larger of arithmetic and traffic.

    Arithmetic is every multiply-accumulate at the target's peak; traffic is what the caches cannot hold of the weights,
    once through the main memory. Both leave out all that a real inference also does, so the bound is below any clock.
    """
    weights = round(profile.parameters * BYTES.get(_precision(plan), 4.0))
    compute, arithmetic = _compute(plan, profile)
    traffic = _traffic(plan, weights)
    seconds = None if compute is None else max(compute, traffic or 0.0)
    return Prediction(
        seconds=seconds,
        compute_seconds=compute,
        memory_seconds=traffic,
        weight_bytes=weights,
        reasons=(*arithmetic, *_traffic_words(plan, weights, traffic), *_bound_words(seconds, compute)),
    )


def impossible(plan: Plan, profile: Profile, prediction: Prediction) -> tuple[Diagnostic, ...]:
    """Return an error for each thing that the plan asks and the target cannot give: memory, and budgets below the bound.

    Where an input's size varies the bound is one of many, and refuses nothing.
    """
    found = [*_too_large(plan, prediction)]
    if not profile.dynamic and prediction.seconds:
        found += [_too_fast(plan, budget, prediction) for budget in plan.budgets if _below(budget, prediction.seconds)]
    return tuple(found)


def _precision(plan: Plan) -> str:
    """What the recipe computes in; ``auto`` as the least that it may choose, so that the bound holds for all."""
    precision = str(plugin("recipes", plan.recipe.name).PRECISION)
    return "int8" if precision == "auto" else precision


def _of_kind(plan: Plan, kind: str) -> str:
    """The precision that operators of a kind are computed in under the plan's recipe; float32 where it leaves them."""
    made = plugin("recipes", plan.recipe.name).OPERATORS
    precision = _precision(plan)
    taken = kind in made or "all" in made or plan.recipe.name == "auto" or any(d.name in TAKE_ALL for d in plan.delegates)
    return COMPUTED_IN.get(precision, precision) if taken else "fp32"


TAKE_ALL = ("cortex-m", "ethos-u", "openvino", "tosa")
"""Delegates whose own quantizers also take what XNNPACK's leaves in float, such as products of two activations."""

OFF_CPU = ("coreml", "mlx", "vgf", "vulkan", "webgpu")
"""Delegates that compute on a processor whose peak no row of the targets knows."""


def _compute(plan: Plan, profile: Profile) -> tuple[float | None, list[str]]:
    """Return the seconds of all multiply-accumulates at the peak, and how they come about."""
    if elsewhere := [choice.name for choice in plan.delegates if choice.name in OFF_CPU]:
        return None, [f"time unknown: {' and '.join(elsewhere)} computes elsewhere than on the CPU, whose peak is known"]
    work: dict[str, int] = {}
    for kind in KINDS:
        precision = _of_kind(plan, kind)
        work[precision] = work.get(precision, 0) + profile.macs.get(kind, 0)
    seconds, words = 0.0, []
    for precision, macs in work.items():
        if not macs:
            continue
        # A core without arithmetic in that precision computes in float32.
        used = precision if plan.target.peak(precision, plan.threads) else "fp32"
        peak = plan.target.peak(used, plan.threads)
        if peak is None:
            return None, [f"time unknown: {_speed_unknown(plan.target)}"]
        seconds += macs / peak
        note = "" if used == precision else f" (no {precision} arithmetic there)"
        how = plan.target.peak_words(used, plan.threads)
        words.append(f"{macs / 1e6:.4g} M multiply-accumulates in {used}{note}, at most {peak / 1e9:.3g} G/s ({how})")
    return seconds, words


def _speed_unknown(target: Target) -> str:
    if target.macs_per_cycle and not target.clock:
        return f"the clock of {target.name} is not known; give it one"
    return f"{target.name} stands for machines of many speeds; give it cores, cpu and clock"


def _compressed(plan: Plan) -> bool:
    """Whether the weights come through the memory compressed, by a factor that only the weights themselves decide."""
    return any(choice.name == "ethos-u" for choice in plan.delegates)


def _traffic(plan: Plan, weights: int) -> float | None:
    if not plan.target.bandwidth or not plan.target.cache or _compressed(plan):
        return None  # caches of a size that nobody has told may hold all of it
    return max(0, weights - plan.target.cache) / plan.target.bandwidth


def _traffic_words(plan: Plan, weights: int, seconds: float | None) -> list[str]:
    size = written(weights, "bytes")
    if seconds is None:
        return [f"weights take {size}" + (", before Vela compresses them" if _compressed(plan) else "")]
    through = f"the memory's {plan.target.bandwidth / 1e9:g} GB/s"
    if seconds:
        held = written(plan.target.cache, "bytes")
        return [f"weights take {size}; beyond {held} of cache they come through {through}: {written(seconds, 's')}"]
    return [f"weights take {size}, which the caches hold: {through} do not bound it"]


def _bound_words(seconds: float | None, compute: float | None) -> list[str]:
    if seconds is None:
        return []
    by = "arithmetic" if seconds == compute else "memory traffic"
    return [f"no inference is faster than {written(seconds, 's')}, which {by} bounds (estimated)"]


def _too_large(plan: Plan, prediction: Prediction) -> list[Diagnostic]:
    target = plan.target
    room, where = (target.flash, "flash") if target.flash else (target.memory, "memory")
    if prediction.weight_bytes <= room or _compressed(plan):
        return []
    message = (
        f"{target.name}: the weights take at least {written(prediction.weight_bytes, 'bytes')} in {plan.recipe.name}, "
        f"and it has {written(room, 'bytes')} of {where}"
    )
    hint = "take a recipe with fewer bits, a smaller model, or a device with more"
    return [Diagnostic(code="weights-too-large", message=message, where=_at(plan, ("targets",)), hint=hint)]


def _below(budget: Budget, bound: float) -> bool:
    """Whether a budget asks for less time than there can be."""
    if budget.kind == "latency":
        return budget.limit < bound
    return budget.kind == "throughput" and budget.limit > 1 / bound


def _too_fast(plan: Plan, budget: Budget, prediction: Prediction) -> Diagnostic:
    assert prediction.seconds is not None
    most = written(1 / prediction.seconds, "Hz") if budget.kind == "throughput" else written(prediction.seconds, "s")
    limit = "no more than" if budget.kind == "throughput" else "no less than"
    message = f"{plan.target.name}: a {budget.kind} of {budget.text} cannot be: {limit} {most} (estimated)"
    return Diagnostic(
        code="budget-impossible", message=message, where=_at(plan, budget.route), hint="; ".join(prediction.reasons)
    )


def _at(plan: Plan, route: tuple[str | int, ...]) -> Location:
    return Location(file=plan.manifest, route=route)
