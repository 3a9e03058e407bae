"""The process that runs artifacts: what it refuses, and how its own death is told."""

import hashlib

import numpy as np
import pytest

from edgec.diagnostics import Failure
from edgec.runtime.session import Session


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    import torch
    from executorch.exir import to_edge_transform_and_lower

    path = tmp_path_factory.mktemp("program") / "model.pte"
    exported = torch.export.export(torch.nn.Linear(4, 2).eval(), (torch.zeros(1, 4),))
    path.write_bytes(to_edge_transform_and_lower(exported).to_executorch().buffer)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def refusal(action):
    with pytest.raises(Failure) as caught:
        action()
    return caught.value.diagnostics[0]


def test_other_bytes_than_those_hashed_are_never_loaded(program, tmp_path):
    path, _ = program
    with Session(tmp_path) as session:
        assert refusal(lambda: session.load(path, "0" * 64, False)).code == "digest-mismatch"
        assert refusal(lambda: session.run([np.zeros((1, 4), np.float32)])).code == "program-not-run"


def test_wrong_inputs_are_an_answer_and_the_session_goes_on(program, tmp_path):
    path, digest = program
    with Session(tmp_path) as session:
        session.load(path, digest, False)
        finding = refusal(lambda: session.run([np.zeros((1, 5), np.float32)]))
        assert finding.code == "program-not-run"
        assert session.run([np.zeros((1, 4), np.float32)])[0].shape == (1, 2)


def test_outputs_of_one_run_survive_the_next(program, tmp_path):
    path, digest = program
    with Session(tmp_path) as session:
        session.load(path, digest, False)
        first = session.run([np.zeros((1, 4), np.float32)])[0]
        kept = first.copy()
        session.run([np.ones((1, 4), np.float32)])
        np.testing.assert_array_equal(first, kept)


def test_a_damaged_program_whose_hash_was_taken_afterwards_is_refused(program, tmp_path):
    data = bytearray(program[0].read_bytes())
    data[:8] = b"\0" * 8
    (tmp_path / "model.pte").write_bytes(data)
    with Session(tmp_path) as session:
        digest = hashlib.sha256(data).hexdigest()
        assert refusal(lambda: session.load(tmp_path / "model.pte", digest, False)).code == "program-not-run"


def test_a_session_that_dies_is_told_by_its_signal(program, tmp_path):
    with Session(tmp_path) as session:
        session.load(*program, False)
        session._process.kill()
        finding = refusal(lambda: session.run([np.zeros((1, 4), np.float32)]))
    assert finding.code == "program-not-run"
    assert "SIGKILL" in finding.message
