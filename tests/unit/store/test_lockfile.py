"""A lock is read back as it was written, refused when it is none, and compared part by part."""

import json

import pytest

from edgec.diagnostics import Failure
from edgec.store.lockfile import SCHEMA, Drift, drifts, first_difference, lock_bytes, lock_of, read_lock, write_lock

RECORD = {"schema": SCHEMA, "name": "camera", "inputs": {"data": {"a.png": "1"}}, "targets": {}}


def test_a_lock_is_read_as_it_was_written(tmp_path):
    manifest = tmp_path / "camera.yaml"
    assert read_lock(manifest) is None
    path = write_lock(manifest, RECORD)
    assert path == lock_of(manifest) == tmp_path / "camera.yaml.lock"
    assert read_lock(manifest) == RECORD


def test_a_change_of_one_input_is_one_line(tmp_path):
    other = {**RECORD, "inputs": {"data": {"a.png": "2"}}}
    before, after = lock_bytes(RECORD).splitlines(), lock_bytes(other).splitlines()
    assert sum(one != two for one, two in zip(before, after, strict=True)) == 1


WHOLE = {"model": "1", "bundle": "2", "tarball": "3", "processor": "a", "files": {"model.pte": "1"}}
MALFORMED = [5, [], {}, {**WHOLE, "files": []}, {**WHOLE, "files": {"model.pte": 1}}, {**WHOLE, "tarball": None}]
NONE = ["", "{", "[]", "{}", json.dumps({"schema": SCHEMA}), "\x00", "[" * 100_000]


@pytest.mark.parametrize("text", [*NONE, *(json.dumps({**RECORD, "targets": {"a": item}}) for item in MALFORMED)])
def test_what_is_no_lock_is_refused(text, tmp_path):
    (tmp_path / "camera.yaml.lock").write_text(text)
    with pytest.raises(Failure) as refused:
        read_lock(tmp_path / "camera.yaml")
    assert [found.code for found in refused.value.diagnostics] == ["lock-invalid"]


def test_an_artifact_or_none_yet_is_read(tmp_path):
    record = {**RECORD, "targets": {"a": WHOLE, "b": None}}
    write_lock(tmp_path / "camera.yaml", record)
    assert read_lock(tmp_path / "camera.yaml") == record


def test_drifts_are_by_name():
    locked = {"data": {"a.png": "1", "b.png": "2"}, "weights": "3", "code": None}
    found = {"data": {"a.png": "1", "c.png": "4"}, "weights": "5", "code": {"net:build": "6"}}
    assert drifts(locked, locked) == ()
    assert drifts(locked, found) == (
        Drift(name="data b.png", locked="2", found=None),
        Drift(name="weights", locked="3", found="5"),
        Drift(name="code net:build", locked=None, found="6"),
        Drift(name="data c.png", locked=None, found="4"),
    )


def test_the_first_part_that_differs_is_what_others_are_made_from():
    locked = {"README.md": "1", "model.pte": "2", "bundle.json": "3", "lib/x.so": "4"}
    assert first_difference(locked, dict(locked)) is None
    assert first_difference(locked, dict.fromkeys(locked, "9")) == "model.pte has sha256 9, and had 2"
    assert first_difference(locked, {**locked, "README.md": "9", "lib/x.so": "9"}).startswith("lib/x.so")
    assert first_difference(locked, {**locked, "lib/y.so": "9"}) == "lib/y.so is there, and was not"
    assert first_difference(locked, {"model.pte": "2"}) == "lib/x.so is missing"
