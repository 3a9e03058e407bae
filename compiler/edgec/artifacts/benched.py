"""The record of a runner's bench goes in; its figures come out by name, each with its samples and its interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgec.artifacts.document import Json
from edgec.artifacts.measured import SAMPLES_FOR, written
from edgec.artifacts.quantity import span

PASSES = 64
"""Passes of the whole pipeline that are timed where no budget asks for more (templates/runner/bench.h)."""

SHORT_LOAD = 10.0
"""Seconds of load that are always measured; longer ones where that was asked for (templates/runner/selftest.cpp)."""

PARTS = {"pre": "pre", "execute": "execute", "post": "post", "total": "pipeline"}
"""What the runner calls the parts of a pass, and what their figures are called."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One figure of a bench, in base units."""

    name: str
    value: float
    unit: str
    samples: int
    interval: tuple[float, float] | None = None


def timings(bench: Mapping[str, Any]) -> tuple[Timing, ...]:
    """Return what a bench (docs/bundle.md, ``--bench``) says: of the execution, of the pipeline, and after load."""
    samples = bench["samples"]
    found = [
        *_times(bench, "latency", "latency", "", samples),
        Timing(name="throughput", value=float(bench["throughput_hz"]), unit="Hz", samples=samples),
        Timing(name="memory.rss", value=float(bench["peak_rss_bytes"]), unit="bytes", samples=samples),
    ]
    if "load_s" in bench:
        found.append(Timing(name="load", value=float(bench["load_s"]), unit="s", samples=samples))
    if whole := bench.get("pipeline"):
        for part, name in PARTS.items():
            found += _times(whole, part, f"latency.{name}", "", whole["samples"])
        rate = float(whole["throughput_hz"])
        found.append(Timing(name="throughput.pipeline", value=rate, unit="Hz", samples=whole["samples"]))
    for loaded in bench.get("sustained", ()):
        found += _sustained(loaded)
    return tuple(found)


def told(bench: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what people are told of a pipeline and of load, as pairs of a word and a line."""
    lines = []
    if whole := bench.get("pipeline"):
        parts = ", ".join(f"{part} {written(whole[f'{part}_s']['p50'], 's')}" for part in PARTS if part != "total")
        total = ", ".join(f"{name} {written(whole['total_s'][name], 's')}" for name in _enough(whole["samples"]))
        lines.append(("pipeline", f"{total} from {whole['inputs']} to JSON ({whole['samples']} passes; {parts})"))
    for loaded in bench.get("sustained", ()):
        total = ", ".join(f"{name} {written(loaded['total_s'][name], 's')}" for name in _enough(loaded["samples"]))
        slower = f"{100 * (loaded['throttling'] - 1):+.1f} % against the start"
        lines.append((f"after {span(loaded['after_s'])}", f"{total} ({loaded['samples']} passes), {slower}"))
    return lines


def told_figures(figures: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return the same of figures that a build recorded (measurements.json)."""
    known = {item["name"]: float(item["value"]) for item in figures if item["value"] is not None}
    loads = [name.partition("[")[2].rstrip("]") for name in known if name.startswith("throttling[")]
    lines = []
    for word, name, suffix in (("latency", "latency", ""), ("pipeline", "latency.pipeline", ""),
                               *((load, "latency.pipeline", f"[{load}]") for load in loads)):  # fmt: skip
        times = {statistic: known.get(f"{name}.{statistic}{suffix}") for statistic in ("p50", "p90", "p99")}
        text = ", ".join(f"{statistic} {written(value, 's')}" for statistic, value in times.items() if value is not None)
        if word == "pipeline":
            halves = {part: known.get(f"latency.{part}.p50") for part in PARTS if part != "total"}
            inside = [f"{part} {written(value, 's')}" for part, value in halves.items() if value is not None]
            text += f" ({', '.join(inside)})" if inside else ""
        if suffix:
            text += f", {100 * (known[f'throttling{suffix}'] - 1):+.1f} % against the start"
        if text:
            lines.append((word, text))
    return lines


def _enough(samples: int) -> list[str]:
    return [name for name in ("p50", "p90", "p99") if SAMPLES_FOR[name] <= samples]


def _sustained(loaded: Json) -> Iterator[Timing]:
    suffix, samples = f"[after {span(loaded['after_s'])}]", loaded["samples"]
    yield from _times(loaded, "execute", "latency", suffix, samples)
    yield from _times(loaded, "total", "latency.pipeline", suffix, samples)
    rates = {"throughput": "execute_hz", "throughput.pipeline": "throughput_hz"}
    for name, key in rates.items():
        yield Timing(name=name + suffix, value=float(loaded[key]), unit="Hz", samples=samples)
    yield Timing(name=f"throttling{suffix}", value=float(loaded["throttling"]), unit="times", samples=samples)


def _times(record: Json, part: str, name: str, suffix: str, samples: int) -> Iterator[Timing]:
    intervals = record.get(f"{part}_interval_s", {})
    for statistic, value in record[f"{part}_s"].items():
        bounds = intervals.get(statistic)
        yield Timing(
            name=f"{name}.{statistic}{suffix}",
            value=float(value),
            unit="s",
            samples=samples,
            interval=(float(bounds[0]), float(bounds[1])) if bounds else None,
        )
