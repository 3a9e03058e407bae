"""What is generated and committed is up to date; `pytest tests/contract --regenerate` writes it anew."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from edgec.artifacts.document import Json
from edgec.codes import CODES
from edgec.commands.explain import _size
from edgec.registry import names, plugin
from edgec.stages.fields import Field, fields
from edgec.stages.schema import manifest_schema, schema_text
from edgec.targets.cpus import CPUS
from edgec.targets.table import TARGETS

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
CASES = TESTS / "cases" / "invalid"
WORD = re.compile(r"""["'\[]([a-z0-9]+(?:-[a-z0-9]+)+|offline)["'\]]""")
REFUSAL = re.compile(r"\bcodes?\b|refus|raises|Failure|return_value|\berr\b")
"""What a test that asserts a diagnostic holds somewhere; a word in any other test covers no code."""
ENDINGS = {
    1: "Exit code 1: a bug in edgec",
    2: "Exit code 2: usage",
    3: "Exit code 3: the manifest is not valid",
    4: "Exit code 4: the model could not be loaded, quantized, lowered, or did not compare",
    5: "Exit code 5: a budget is missed",
    6: "Exit code 6: a tool, package or vendor SDK is missing",
    7: "Exit code 7: verification or integrity failed",
    8: "Exit code 8: the environment (disk, network, permission)",
}


def compare(path: Path, text: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--regenerate"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


def between(text: str, name: str, generated: str) -> str:
    """Return ``text`` with what stands between the markers of ``name`` replaced."""
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    assert text.count(start) == text.count(end) == 1
    return text[: text.index(start) + len(start)] + "\n\n" + generated + "\n" + text[text.index(end) :]


def test_the_committed_schema_is_the_generated_one(request: pytest.FixtureRequest) -> None:
    compare(ROOT / "schemas" / "manifest.schema.json", schema_text(), request)
    compare(ROOT / "schemas" / "target.schema.json", schema_text("target"), request)


def test_the_schema_is_one_and_refers_to_itself_only() -> None:
    schema = manifest_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    references = set(re.findall(r'"\$ref": "([^"]*)"', json.dumps(schema)))
    assert all(reference.startswith("#/$defs/") and reference[8:] in schema["$defs"] for reference in references)
    assert "oneOf" not in json.dumps(schema)


def test_every_field_explains_itself() -> None:
    silent = [field.path for field in fields(manifest_schema()) if not (field.title or field.description)]
    assert silent == []


def test_the_manual_lists_every_field(request: pytest.FixtureRequest) -> None:
    path = ROOT / "docs" / "manifest.md"
    compare(path, between(path.read_text(encoding="utf-8"), "fields", field_table()), request)


def test_the_manual_lists_every_target_core_and_tolerance(request: pytest.FixtureRequest) -> None:
    path = ROOT / "docs" / "targets.md"
    text = path.read_text(encoding="utf-8")
    for name, generated in (("targets", target_table()), ("cores", core_table()), ("tolerances", tolerance_table())):
        text = between(text, name, generated)
    compare(path, text, request)


def test_the_manual_lists_every_diagnostic(request: pytest.FixtureRequest) -> None:
    path = ROOT / "docs" / "diagnostics.md"
    compare(path, between(path.read_text(encoding="utf-8"), "codes", code_tables()), request)


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_its_line_in_the_manual(code: str) -> None:
    assert f"\n| `{code}` | " in (ROOT / "docs" / "diagnostics.md").read_text(encoding="utf-8")


def test_every_example_in_the_manual_is_yaml_that_edgec_reads() -> None:
    from edgec.stages.read import read_bytes

    for example in re.findall(
        r"```yaml\n(.*?)```", (ROOT / "docs" / "manifest.md").read_text(encoding="utf-8"), re.DOTALL
    ):
        assert read_bytes(example.encode(), "docs/manifest.md").data


def _tested() -> set[str]:
    """Return the codes that have a case folder, or stand as "code" or [code] in a test that asserts a refusal."""
    named = {folder.name.partition(".")[0] for folder in CASES.iterdir()}
    for path in TESTS.rglob("test_*.py"):
        for test in path.read_text(encoding="utf-8").split("\n\n\n"):
            named |= set(WORD.findall(test)) if REFUSAL.search(test) else set()
    return named


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_a_case_or_a_test(code: str) -> None:
    assert code in _tested()


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_raised_somewhere(code: str) -> None:
    """A code that nothing raises is a promise that nothing keeps."""
    sources = (path for path in (ROOT / "compiler").rglob("*.py") if path.name != "codes.py")
    assert any(f'"{code}"' in path.read_text(encoding="utf-8") for path in sources)


def test_every_case_is_named_after_a_code() -> None:
    assert {folder.name.partition(".")[0] for folder in CASES.iterdir()} <= set(CODES)


def code_tables() -> str:
    return "\n".join(line for ending, title in ENDINGS.items() for line in _code_table(ending, title)) + "\n"


def _code_table(ending: int, title: str) -> Iterator[str]:
    yield from (f"## {title}", "", "| code | what it means | what to do |", "|---|---|---|")
    for name, code in CODES.items():
        if code.exit_code == ending:
            yield f"| `{name}` | {code.meaning} | {code.remedy} |"
    yield ""


def field_table() -> str:
    return (
        "\n".join(
            ["| field | what it is | type | default |", "|---|---|---|---|", *map(_row, fields(manifest_schema()))]
        )
        + "\n"
    )


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _row(field: Field) -> str:
    within = f" ({field.within})" if field.within else ""
    what = field.description or field.title
    allowed = f" One of {', '.join(f'`{value}`' for value in field.allowed)}." if field.allowed else ""
    default = "required" if field.required else f"`{_text(field.default)}`" if field.has_default else ""
    kinds = " or ".join(field.kinds)
    return f"| `{field.path}`{within} | {what}{allowed} | {kinds} | {default} |".replace("\n", " ")


def target_table() -> str:
    head = "| target | core | memory | clock | fp32 / int8 GMAC/s | GB/s | kind | delegates |"
    lines = [head, "|---" * 8 + "|"]
    for row in TARGETS.values():
        peaks = [row.peak(precision, row.threads) for precision in ("fp32", "int8")]
        speed = " / ".join(f"{peak / 1e9:.3g}" if peak else "-" for peak in peaks) if any(peaks) else "-"
        beside = f" + {row.accelerator}" if row.accelerator else ""
        room = f"{_size(row.memory)}, flash {_size(row.flash)}" if row.flash else _size(row.memory)
        cells = (
            *(row.name, f"{row.cores} x {row.cpu}{beside}", room, f"{row.clock / 1e9:g} GHz" if row.clock else "-", speed),
            *(f"{row.bandwidth / 1e9:g}" if row.bandwidth else "-", row.kind, ", ".join(row.delegates)),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def core_table() -> str:
    lines = ["| core | features | MACs a cycle | emulated by |", "|---|---|---|---|"]
    for core in CPUS.values():
        rates = ", ".join(f"{precision} {macs}" for precision, macs in core.macs_per_cycle.items()) or "not known"
        emulated = f"`{core.qemu_cpu}`" if core.qemu_cpu and core.qemu_cpu != core.name else core.qemu_cpu or "-"
        note = f"; {core.emulation}" if core.emulation and core.architecture in ("aarch64", "x86_64") else ""
        lines.append(f"| {core.name} | {', '.join(core.features)} | {rates} | {emulated}{note} |")
    return "\n".join(lines) + "\n"


def tolerance_table() -> str:
    lines = ["| recipe | on any core | on a core without |", "|---|---|---|"]
    for name in names("recipes"):
        recipe = plugin("recipes", name)
        if name != "auto":
            less = "; ".join(f"`{feature}`: {_tolerance(pair)}" for feature, pair in recipe.WITHOUT.items()) or "the same"
            lines.append(f"| {name} | {_tolerance(recipe.TOLERANCE)} | {less} |")
    return "\n".join(lines) + "\n"


def _tolerance(pair: tuple[float, float]) -> str:
    return f"{pair[0]:g} + {100 * pair[1]:g} % of the largest output"
