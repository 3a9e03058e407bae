"""A Document that has the manifest's shape to a Manifest: quantities in base units, shorthands spelled out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edgec.artifacts.device import Device
from edgec.artifacts.document import Document, Json, Route
from edgec.artifacts.manifest import (
    Audio,
    Budget,
    BudgetKind,
    Choice,
    Data,
    Dimension,
    Image,
    Input,
    LogMel,
    Manifest,
    Search,
    Sense,
    Slice,
    Stream,
    TargetChoice,
)
from edgec.artifacts.quantity import Kind, quantity
from edgec.registry import plugin

ROLES = ("calibration", "evaluation", "training")
SENSES: tuple[Sense, ...] = ("min", "max", "max_drop", "max_flips")


def parse(document: Document, targets: Sequence[Device] | None = None) -> Manifest:
    """Return the Manifest that ``document`` writes. It must have passed ``shape``; nothing is checked here.

    ``targets`` are its targets with their files' fields filled in; left out, those of ``document`` as they are.
    """
    data = document.data
    if targets is None:
        targets = [Device(data=entry) for entry in data["targets"]]
    task = _choice(data["task"])
    return Manifest(
        name=data["name"],
        version=data["version"],
        description=data.get("description", ""),
        model=_tagged(data["model"], "source"),
        inputs=tuple(_input(entry) for entry in data["inputs"]),
        task=task,
        data=tuple(_data(role, data["data"][role]) for role in ROLES if role in data.get("data", {})),
        quantization=_quantization(data.get("quantization", "fp32")),
        delegate=_delegates(data.get("delegate", "xnnpack")),
        targets=tuple(_target(entry, ("targets", index), task) for index, entry in enumerate(targets)),
        threads=data.get("runtime", {}).get("threads"),
        budgets=_budgets(data.get("budgets", {}), ("budgets",), task),
        search=_search(data),
    )


def _choice(value: Json) -> Choice:
    if isinstance(value, str):
        return Choice(name=value)
    return Choice(name=value["name"], options=value.get("options", {}))


def _tagged(value: dict[str, Json], key: str) -> Choice:
    return Choice(name=value[key], options={name: item for name, item in value.items() if name != key})


def _data(role: str, value: dict[str, Json]) -> Data:
    choice = _tagged(value, "format")
    return Data(role=role, format=choice.name, options=choice.options)


def _search(data: dict[str, Json]) -> Search | None:
    """Return ``search``, or what stands for it under ``quantization``."""
    given = data.get("quantization")
    nested = given["search"] if isinstance(given, dict) and "search" in given else None
    found = data.get("search", nested)
    if found is None:
        return None
    return Search(
        recipes=tuple(_choice(entry) for entry in found.get("recipes", ())),
        delegates=tuple(_delegates(entry) for entry in found.get("delegates", ("xnnpack",))),
        objective=found.get("objective", "latency"),
        time_limit=quantity(found["time_limit"], "period") if "time_limit" in found else None,
        route=("search",) if "search" in data else ("quantization", "search"),
        beside=tuple(key for key in ("quantization", "delegate") if key in data and (key == "delegate" or "search" in data)),
    )


def _quantization(value: Json) -> Choice:
    if isinstance(value, dict) and "search" in value:
        return Choice(name="fp32")
    return _choice(value["recipe"] if isinstance(value, dict) and "name" not in value else value)


def _delegates(value: Json) -> tuple[Choice, ...]:
    return tuple(_choice(entry) for entry in (value if isinstance(value, list) else [value]))


def _input(value: dict[str, Json]) -> Input:
    if "image" in value:
        return _image_input(value["name"], value["image"])
    if "audio" in value:
        return _audio_input(value["name"], value["audio"])
    shape = tuple(_dimension(entry) for entry in value["shape"])
    stream = _stream(value["stream"], shape) if "stream" in value else None
    return Input(name=value["name"], dtype=value.get("dtype", "float32"), shape=shape, stream=stream)


def _stream(value: dict[str, Json], shape: tuple[Dimension, ...]) -> Stream:
    return Stream(rate=quantity(value["rate"], "frequency"), hop=value.get("hop", shape[-1].maximum))


def _image_input(name: str, value: dict[str, Any]) -> Input:
    given = dict(value)
    for key in ("mean", "std"):
        if key in given:
            given[key] = tuple(float(number) for number in given[key])
    image = Image(**given)
    shape = tuple(Dimension(minimum=size, maximum=size) for size in (1, image.height, image.width, 3))
    return Input(name=name, dtype="float32", shape=shape, image=image)


def _audio_input(name: str, value: dict[str, Any]) -> Input:
    rate = value["sample_rate"]
    samples = max(1, round(value["seconds"] * rate))
    hop = _samples(value["hop"], rate) if "hop" in value else samples
    features = _log_mel(value["features"], rate) if "features" in value else None
    return Input(
        name=name,
        dtype="float32",
        shape=(Dimension(minimum=1, maximum=1), Dimension(minimum=samples, maximum=samples)),
        stream=Stream(rate=float(rate), hop=hop),
        audio=Audio(rate=rate, features=features),
    )


def _log_mel(value: dict[str, Any], rate: int) -> LogMel:
    window = _samples(value.get("window", "25ms"), rate)
    plain = {key: value[key] for key in ("scale", "norm", "floor", "mean", "std") if key in value}
    return LogMel(
        bands=value.get("bands", 40),
        window=window,
        hop=_samples(value.get("hop", "10ms"), rate),
        fft=value.get("fft", window),
        fmin=float(value.get("fmin", 0)),
        fmax=float(value.get("fmax", rate / 2)),
        **plain,
    )


def _samples(value: Json, rate: int) -> int:
    """A duration in whole samples."""
    return max(1, round(quantity(value, "duration") * rate))


def _dimension(value: int | dict[str, int]) -> Dimension:
    if isinstance(value, int):
        return Dimension(minimum=value, maximum=value)
    return Dimension(minimum=value["min"], maximum=value["max"])


def _target(described: Device, route: Route, task: Choice) -> TargetChoice:
    value = described.data
    if isinstance(value, str):
        return TargetChoice(name=value, base=value, route=route)
    return TargetChoice(
        name=value["name"],
        base=value.get("base", value["name"]),
        cpu=value.get("cpu"),
        memory=round(quantity(value["memory"], "bytes")) if "memory" in value else None,
        flash=round(quantity(value["flash"], "bytes")) if "flash" in value else None,
        threads=value.get("threads"),
        delegate=_delegates(value["delegate"]) if "delegate" in value else None,
        quantization=_quantization(value["quantization"]) if "quantization" in value else None,
        budgets=_budgets(value["budgets"], (*route, "budgets"), task) if "budgets" in value else None,
        cores=value.get("cores"),
        clock=quantity(value["clock"], "frequency") if "clock" in value else None,
        bandwidth=quantity(value["bandwidth"], "bandwidth") if "bandwidth" in value else None,
        glibc=value.get("glibc"),
        route=route,
        places=described.places,
        files=described.files,
    )


def _budgets(value: dict[str, Any], route: Route, task: Choice) -> tuple[Budget, ...]:
    found: list[Budget] = []
    for kind, limit in value.items():
        at = (*route, kind)
        if kind == "accuracy":
            found += _accuracy(limit, at, task)
        elif kind in ("latency", "throughput"):
            found += _speed(kind, limit, at)  # type: ignore[arg-type]  # narrowed by the comparison, but for mypy
        else:
            found.append(_limit(kind, "", limit, at))  # type: ignore[arg-type]  # the schema allows budget kinds only
    return tuple(found)


def _speed(kind: BudgetKind, value: Json, route: Route) -> list[Budget]:
    """Return the limits on latency, or on throughput, that one entry or a list of them writes."""
    if isinstance(value, list):
        return [budget for index, entry in enumerate(value) for budget in _speed(kind, entry, (*route, index))]
    if not isinstance(value, dict):
        return [_limit(kind, "", value, route)]
    after = quantity(value["after"], "period") if "after" in value else 0.0
    limits = [
        _limit(kind, key if kind == "latency" else "", value[key], (*route, key)) for key in value if key not in ("of", "after")
    ]
    return [replace(budget, of=value.get("of", "model"), after=after) for budget in limits]


def _limit(kind: BudgetKind, statistic: str, value: Json, route: Route) -> Budget:
    """Return a limit on anything but accuracy: throughput and delegation at least, the rest at most."""
    kinds: dict[str, Kind] = {"latency": "duration", "throughput": "rate", "delegation": "share"}
    sense = "min" if kind in ("throughput", "delegation") else "max"
    number = quantity(value, kinds.get(kind, "bytes"))
    return Budget(kind=kind, statistic=statistic, sense=sense, limit=number, text=str(value), route=route)  # type: ignore[arg-type]


def _accuracy(value: Json, route: Route, task: Choice) -> list[Budget]:
    if isinstance(value, list):
        return [budget for index, entry in enumerate(value) for budget in _accuracy(entry, (*route, index), task)]
    metric = _choice(value.get("metric", plugin("tasks", task.name).METRICS[0]))
    found = _limits(value, route, metric, None)
    given = value.get("slices", [])
    for index, entry in enumerate(given if isinstance(given, list) else [given]):
        at = (*route, "slices", index) if isinstance(given, list) else (*route, "slices")
        for part in _slices(entry):
            found += _limits(entry, at, metric, part)
    return found


def _slices(value: dict[str, Any]) -> list[Slice]:
    if value["by"] == "folder":
        return [Slice(by="folder", name=name.strip("/")) for name in value["folders"]]
    return [Slice(by="class", name=str(name)) for name in value["classes"]] if "classes" in value else [Slice(by="class")]


def _limits(value: dict[str, Json], route: Route, metric: Choice, part: Slice | None) -> list[Budget]:
    return [
        Budget(
            kind="accuracy",
            statistic=metric.name,
            options=metric.options,
            sense=sense,
            limit=quantity(value[sense], "figure"),
            text=str(value[sense]),
            route=(*route, sense),
            slice=part,
        )
        for sense in SENSES
        if sense in value
    ]
