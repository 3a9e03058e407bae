"""`edgec explain`: what a diagnostic code, a manifest field, a target, a core or a plugin is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, get_args

import click

from edgec.commands.options import common, output
from edgec.diagnostics import Diagnostic, Failure, nearest

if TYPE_CHECKING:
    from edgec.artifacts.target import Target

Topic = dict[str, Any]


@click.command("explain")
@click.argument("topic")
@common("human", "json")
def command(topic: str) -> None:
    """Explain TOPIC: a diagnostic code (unknown-key), a field (budgets.latency), a target, its core, or a plugin (int8)."""
    found = [entry for entry in _topics() if entry["name"] == topic]
    if not found:
        raise Failure(_unknown(topic))
    if output().format == "json":
        output().data(json.dumps({"schema": "edgec/explain/v1", "topics": found}, indent=2, ensure_ascii=False))
    else:
        output().data("\n\n".join(_told(entry) for entry in found))


def _unknown(topic: str) -> Diagnostic:
    known = list(dict.fromkeys(entry["name"] for entry in _topics()))
    field = re.sub(r"\[\d*\]", "", topic)  # as programs write a place in a list
    near = field if field in known else _same_end(field, known) or nearest(field, known)
    hint = f"did you mean {near!r}?" if near else "name a code, a field (budgets.latency), or what `edgec list` shows"
    return Diagnostic(code="unknown-topic", message=f"nothing here is called {topic!r}", hint=hint)


def _same_end(field: str, known: Sequence[str]) -> str | None:
    """Return the field of the same last name that is most alike; the shortest where none is."""
    ending = [name for name in known if name.endswith(f".{field.rpartition('.')[2]}")]
    return nearest(field, ending) or min(ending, key=len, default=None)


def _topics() -> Iterator[Topic]:
    yield from _codes()
    yield from _fields()
    yield from _targets()
    yield from _cores()
    yield from _plugins()


def _codes() -> Iterator[Topic]:
    from edgec.codes import CODES

    for name, code in CODES.items():
        facts = {"exit code": str(code.exit_code), "remedy": code.remedy}
        yield {"kind": "diagnostic code", "name": name, "summary": code.meaning, "facts": facts}


def _fields() -> Iterator[Topic]:
    from edgec.stages.fields import fields
    from edgec.stages.schema import manifest_schema

    for field in fields(manifest_schema()):
        facts = {
            "type": " or ".join(field.kinds),
            "allowed": ", ".join(str(value) for value in field.allowed),
            "required": "yes" if field.required else "",
            "default": _text(field.default) if field.has_default else "",
            "example": _text(field.examples[0]) if field.examples else "",
        }
        summary = field.description or field.title
        kind = f"manifest field of {field.within}" if field.within else "manifest field"
        yield {
            "kind": kind,
            "name": field.path,
            "summary": summary,
            "facts": {key: value for key, value in facts.items() if value},
        }


def _targets() -> Iterator[Topic]:
    from edgec.targets.table import TARGETS

    for row in TARGETS.values():
        facts = {
            "architecture": f"{row.architecture}, {row.cpu}",
            "features": ", ".join(row.features),
            "cores": f"{row.cores}, of which {row.threads} run inferences",
            "memory": _size(row.memory),
            "flash": _size(row.flash) if row.flash else "",
            "accelerator": row.accelerator,
            "glibc": f"{row.glibc} or newer" if row.glibc else "",
            "bundle": row.kind,
            "delegates": ", ".join(row.delegates),
            "peak": "; ".join(_peaks(row)) or "not known: it stands for machines of many speeds",
            "bandwidth": f"{row.bandwidth / 1e9:g} GB/s" if row.bandwidth else "not known",
            "emulated by": "; ".join(text for text in (row.qemu_cpu and f"qemu -cpu {row.qemu_cpu}", row.emulation) if text),
            "sources": "; ".join(row.sources),
        }
        facts = {key: value for key, value in facts.items() if value}
        yield {"kind": "target", "name": row.name, "summary": row.summary, "facts": facts}


def _cores() -> Iterator[Topic]:
    from edgec.targets.cpus import CPUS

    for core in CPUS.values():
        rates = ", ".join(f"{precision} {macs}" for precision, macs in core.macs_per_cycle.items())
        facts = {
            "architecture": core.architecture,
            "features": ", ".join(core.features),
            "MACs a cycle": rates or "not known: it stands for cores of many kinds",
            "emulated by": "; ".join(text for text in (core.qemu_cpu and f"qemu -cpu {core.qemu_cpu}", core.emulation) if text),
            "sources": "; ".join(core.sources),
        }
        yield {"kind": "core", "name": core.name, "summary": "What a target's `cpu` may be.", "facts": facts}


def _size(count: int) -> str:
    for unit, name in ((2**30, "GiB"), (2**20, "MiB")):
        if count >= unit:
            return f"{count / unit:g} {name}"
    return f"{count / 1024:g} KiB"


def _peaks(row: Target) -> Iterator[str]:
    """Yield the row's multiply-accumulates a second in each precision, with how they come about."""
    for precision in ("fp32", "fp16", "bf16", "int8"):
        if peak := row.peak(precision, row.threads):
            yield f"{precision} {peak / 1e9:.3g} GMAC/s ({row.peak_words(precision, row.threads)})"


def _plugins() -> Iterator[Topic]:
    from edgec.registry import Kind, names, plugin

    for kind in get_args(Kind):
        for name in names(kind):
            module = plugin(kind, name)
            yield {
                "kind": kind.removesuffix("s"),
                "name": name,
                "summary": module.SUMMARY,
                "facts": _facts(kind, module),
            }


def _facts(kind: str, module: Any) -> dict[str, str]:
    options = module.OPTIONS.get("properties", {})
    facts = {"options": ", ".join(options) or "none", "needs": ", ".join(module.NEEDS)}
    if kind == "recipes":
        facts |= {
            "precision": module.PRECISION,
            "data": ", ".join(module.NEEDS_DATA) or "none",
            "operators": ", ".join(module.OPERATORS),
            "for speed": "; ".join(
                f"{words} ({machine})" for machine, wanted in module.FEATURES.items() for words in wanted.values()
            ),
        }
    elif kind == "delegates":
        heeded = ", ".join(module.SCHEME) or "neither per_channel nor observer"
        facts |= {
            "recipes": ", ".join(module.RECIPES),
            "quantizer heeds": heeded if any(name.startswith("int8") for name in module.RECIPES) else "",
            "missing here": module.missing() or "",
        }
    elif kind == "metrics":
        facts |= {
            "unit": "share, written in percent" if module.SHARE else "plain number",
            "better": "higher" if module.HIGHER_IS_BETTER else "lower",
            "labels": "needed" if module.NEEDS_LABELS else "not needed",
            "missing here": (module.missing() if hasattr(module, "missing") else None) or "",
        }
    elif kind == "tasks":
        facts |= {"metrics": ", ".join(module.METRICS)}
    elif kind == "sources":
        facts |= {
            "trust": "runs code: needs --allow-code or an entry in edgec.toml" if module.RUNS_CODE else "runs no code",
            "missing here": module.missing() or "",
        }
    return {key: value for key, value in facts.items() if value}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _told(entry: Topic) -> str:
    width = max((len(key) for key in entry["facts"]), default=0)
    lines = [f"{entry['name']} ({entry['kind']})", f"  {entry['summary']}"]
    return "\n".join(lines + [f"  {key + ':':<{width + 1}} {value}" for key, value in entry["facts"].items()])
