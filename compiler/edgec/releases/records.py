"""A bundle.json, measurements.json or a device's verify.json goes in; its figures come out as Readings, and its verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from edgec.artifacts.benched import timings
from edgec.artifacts.document import Json
from edgec.artifacts.evidence import RANKS
from edgec.artifacts.measured import Status
from edgec.artifacts.release import Reading


def readings(record: Json) -> list[Reading]:
    """Return the figures of a bundle.json, a measurements.json or a verify.json, each with its evidence."""
    threads, cpu = record.get("threads"), (record.get("host") or {}).get("cpu")
    found = [_reading(item, cpu, threads) for item in record.get("figures", ()) if item.get("value") is not None]
    return found + _benched(record) + _evaluated(record)


def verdicts(records: Sequence[Json]) -> dict[str, Status]:
    """Return how each budget stands by the strongest evidence among the records; one that they only defer is deferred.

    Raises ValueError for a status or an evidence that docs/bundle.md does not know.
    """
    found: dict[str, Status] = {}
    weights: dict[str, int] = {}
    for verdict in (verdict for record in records for verdict in record.get("verdicts", ())):
        name, status, weight = verdict["budget"], verdict["status"], RANKS.index(verdict["evidence"])
        if status not in get_args(Status):
            raise ValueError(f"the verdict {status!r} on {name}")
        if name not in found or (status != "deferred" and (found[name] == "deferred" or weight > weights[name])):
            found[name], weights[name] = status, weight
    return found


def _reading(item: Json, cpu: str | None, threads: int | None) -> Reading:
    if item["evidence"] not in RANKS:
        raise ValueError(f"the evidence {item['evidence']!r} of {item['name']}")
    clocked, detail, interval = bool(item.get("clocked")), item.get("detail", {}), item.get("interval")
    bounds = None if interval is None or None in interval else (float(interval[0]), float(interval[1]))
    return Reading(
        name=item["name"],
        value=float(item["value"]),
        unit=item["unit"],
        evidence=item["evidence"],
        samples=item.get("samples"),
        interval=bounds,
        clocked=clocked,
        cpu=detail.get("cpu", cpu) if clocked else None,
        threads=detail.get("threads", threads) if clocked else None,
    )


def _benched(record: Json) -> list[Reading]:
    """What a self-test clocked; its record does not name the device's processor."""
    bench = record.get("bench")
    if not bench:
        return []
    return [
        Reading(
            name=item.name,
            value=item.value,
            unit=item.unit,
            evidence=record.get("evidence", "device"),
            samples=item.samples,
            interval=item.interval,
            clocked=True,
            threads=bench["threads"],
        )
        for item in timings(bench)
    ]


def _evaluated(record: Json) -> list[Reading]:
    """What `edgec verify --evaluation` added: a figure of the data that it was given there."""
    found = record.get("evaluation")
    if not found or "accuracy" not in found:
        return []
    name, share = f"accuracy.{found['metric']}", float(found["accuracy"])
    return [Reading(name=name, value=share, unit="share", evidence=found["evidence"], samples=found["samples"])]
