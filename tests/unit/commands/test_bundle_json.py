"""A bundle whose digests hold and whose bundle.json is of another shape: refused by name, whatever reads it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bundle_parts import bundle
from edgec.artifacts.bundle import Written
from edgec.artifacts.image import image, index
from edgec.cli import main
from edgec.commands.inspect import bundle as inspected
from edgec.commands.verify import kind_of
from edgec.diagnostics import Failure
from edgec.kinds.assets import golden_facts, model_facts
from edgec.output import inspection, verification
from edgec.registry import bundle_kind
from edgec.releases.read import read_release
from edgec.runtime.verification import target_of, unrun
from edgec.stages.write import write
from edgec.store import bundles
from edgec.store.bundles import SUMS, opened, sums
from edgec.store.files import sha256_of
from edgec.store.signatures import beside

OTHERS: tuple[Any, ...] = (5, "x", [], {}, None, [{}], 10**400)
MISSING = object()
Route = tuple[str | int, ...]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return write(bundle(tmp_path / "parts"), tmp_path / "out")


def facts_of(folder: Path) -> Any:
    return json.loads((folder / "bundle.json").read_bytes())


def put(folder: Path, facts: Any) -> None:
    """Write bundle.json, and its digest into SHA256SUMS."""
    (folder / "bundle.json").write_text(facts if isinstance(facts, str) else json.dumps(facts))
    digests = {name: digest for digest, name in (line.split("  ") for line in (folder / SUMS).read_text().splitlines())}
    (folder / SUMS).write_bytes(sums({**digests, "bundle.json": sha256_of(folder / "bundle.json")}))


def changed(facts: Any, route: Route, value: Any) -> Any:
    made = found = copy.deepcopy(facts)
    for key in route[:-1]:
        found = found[key]
    if value is MISSING:
        del found[route[-1]]
    else:
        found[route[-1]] = value
    return made


def routes(value: Any, deep: int) -> Iterator[Route]:
    """Every field, and those of the first item of a list, down to ``deep`` levels."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, item in items:
        yield (key,)
        if deep:
            yield from ((key, *rest) for rest in routes(item, deep - 1))


def read_all(folder: Path) -> None:
    """Do what inspect, verify, sign, diff and push do with bundle.json, short of running and sending."""
    shown = inspected(folder, None)
    inspection.human(shown, colour=False)
    json.dumps(shown, allow_nan=False)
    with opened(folder) as found:
        facts = found.facts
        assert beside(folder, facts).signature.parent in folder.parents
        kind_of(facts)
        target_of(facts)
        verification.human(unrun(found, ()), facts["budgets"], colour=False)
        model_facts(facts), golden_facts(facts, bundle_kind("linux-native").LAYOUT)
        "; ".join(facts["blockers"])
        index([image(facts, found.digest, (), ())], facts, {})
    read_release(folder)


def test_each_field_of_another_type_is_refused_by_whatever_reads_it(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With exit code 7, or it is not read at all."""
    good = facts_of(written.folder)
    monkeypatch.setattr(bundles, "check", lambda folder, *_: "0" * 64)  # else most of the time goes into hashing
    refused = 0
    for route in routes(good, deep=2):
        for value in (MISSING, *OTHERS):
            (written.folder / "bundle.json").write_text(json.dumps(changed(good, route, value)))
            try:
                read_all(written.folder)
            except Failure as failure:
                assert failure.exit_code == 7, (route, value, failure.diagnostics)
                refused += 1
            except Exception as error:
                raise AssertionError(f"{route} = {value!r}") from error
    assert refused > 500


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5", "not of the format"),
        ('{"schema": "edgec/bundle/v1", "name": NaN}', "not of the format"),
        ("[" * 100_000, "not of the format"),
        ('{"schema": "edgec/bundle/v1", "name": "\\ud800"}', "not of the format"),
        ('{"schema": "edgec/bundle/v1"}', "'name' is a required property"),
    ],
)
@pytest.mark.parametrize("verb", ["inspect", "verify", "diff"])
def test_the_verbs_say_what_is_wrong(
    verb: str, text: str, said: str, written: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    put(written.folder, text)
    with pytest.raises(SystemExit) as ended:
        main([verb, str(written.folder), *([str(written.tarball)] if verb == "diff" else [])])
    assert ended.value.code == 7
    told = capsys.readouterr().err
    assert "[bundle-broken]" in told and said in told


@pytest.mark.parametrize("name", ["../../pwn", "/tmp/pwn", "a/b", "..", "", "camera\n", "a" * 129])
@pytest.mark.parametrize("key", ["name", "version", "target"])
def test_a_name_that_is_no_part_of_a_path_is_refused(key: str, name: str, written: Written) -> None:
    put(written.folder, changed(facts_of(written.folder), (key,), name))
    with pytest.raises(Failure, match=f"is not as docs/bundle.md has it: {key}: ") as refused, opened(written.folder):
        pass
    assert refused.value.exit_code == 7


def test_what_a_microcontroller_s_bundle_lacks_is_named(
    written: Written, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Neither a file that bundle.json alone names, nor one outside the bundle, is opened."""
    good = facts_of(written.folder)
    good["kind"] = "microcontroller"
    for name, said in (("model.pte", "model_pte.h does not hold"), ("../nothing", "../nothing is not what")):
        put(written.folder, changed(good, ("model", "file"), name))
        with pytest.raises(SystemExit) as ended:
            main(["verify", str(written.folder)])
        assert ended.value.code == 7
        assert said in capsys.readouterr().err
