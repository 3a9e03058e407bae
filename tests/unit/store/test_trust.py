"""The trust policy: entry and digest together, or nothing."""

import os
from pathlib import Path

import pytest

from edgec.artifacts.project import Project
from edgec.diagnostics import Failure
from edgec.store.policy import read_policy
from edgec.store.trust import allowed, broken, default_policy, refusal

A, B = "a" * 64, "b" * 64


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "edgec.toml"
    path.write_text(f'[[allow]]\nentry = "net:build"\nsha256 = "{A}"\n[[allow]]\nentry = "x.pt2"\nsha256 = "{B}"\n')
    return path


def test_entry_and_digest_must_both_match(policy: Path) -> None:
    assert allowed("net:build", A, policy, False)
    assert allowed("x.pt2", B, policy, False)
    assert not allowed("net:build", B, policy, False)
    assert not allowed("net:other", A, policy, False)
    assert not allowed("net:build", A[:-1], policy, False)


def test_nothing_is_trusted_without_a_policy_but_by_the_flag(policy: Path) -> None:
    assert not allowed("net:build", A, None, False)
    assert allowed("net:build", B, None, True)
    assert allowed("net:build", B, policy, True)


def test_the_default_policy_lies_at_the_root(policy: Path) -> None:
    folder = policy.parent / "sub"
    folder.mkdir()
    assert default_policy(Project(root=policy.parent, folder=folder)) == policy
    assert default_policy(Project(root=folder, folder=folder)) is None


def test_the_refusal_shows_the_entry_to_add(tmp_path: Path) -> None:
    finding = refusal('we"ird\\:x', A, None)
    assert (finding.code, finding.exit_code) == ("code-not-trusted", 3)
    assert finding.hint is not None and "--allow-code" in finding.hint
    shown = finding.hint.partition("[[allow]]")[2].rpartition("or pass")[0]
    (tmp_path / "edgec.toml").write_text("[[allow]]" + shown)
    assert allowed('we"ird\\:x', A, tmp_path / "edgec.toml", False)


def test_the_refusal_says_when_another_version_is_trusted(policy: Path) -> None:
    assert f"another version of it, sha256 {A}" in refusal("net:build", B, policy).message


@pytest.mark.parametrize(
    "text",
    [
        "[[allow]",
        "allow = 3",
        "[allow]\nentry = 'x'",
        "[[alow]]\nentry = 'x'",
        "[[allow]]\nentry = 'x'",
        f"[[allow]]\nentry = 'x'\nsha256 = '{A}'\nuntil = 'later'",
        "[[allow]]\nentry = 'x'\nsha256 = 'abc'",
        f"[[allow]]\nentry = 'x'\nsha256 = '{'A' * 64}'",
        f"[[allow]]\nentry = 3\nsha256 = '{A}'",
    ],
)
@pytest.mark.parametrize("allow_code", [True, False])
def test_a_broken_policy_is_an_error_even_with_the_flag(tmp_path: Path, text: str, allow_code: bool) -> None:
    (tmp_path / "edgec.toml").write_text(text)
    with pytest.raises(Failure) as caught:
        allowed("x", A, tmp_path / "edgec.toml", allow_code)
    assert (caught.value.diagnostics[0].code, caught.value.exit_code) == ("policy-invalid", 3)


def test_a_policy_that_is_not_there_or_not_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="No such file"):
        allowed("x", A, tmp_path / "none.toml", False)
    (tmp_path / "edgec.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(Failure, match="utf-8"):
        allowed("x", A, tmp_path / "edgec.toml", False)


@pytest.mark.parametrize("kind", ["folder", "dangling", "circle", "pipe"])
def test_a_policy_that_is_no_file_is_not_taken_for_none(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "edgec.toml"
    make = {"folder": path.mkdir, "dangling": lambda: path.symlink_to("gone.toml"), "circle": lambda: path.symlink_to(path),
            "pipe": lambda: os.mkfifo(path)}  # fmt: skip
    make[kind]()
    with pytest.raises(Failure, match="it is no file") as caught:
        default_policy(Project(root=tmp_path, folder=tmp_path))
    assert (caught.value.diagnostics[0].code, caught.value.exit_code) == ("policy-invalid", 3)


def test_a_policy_behind_a_link_is_taken(policy: Path, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "edgec.toml").symlink_to(policy)
    found = default_policy(Project(root=tmp_path / "root", folder=tmp_path / "root"))
    assert found and allowed("net:build", A, found, False)


def test_each_broken_policy_is_told_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    monkeypatch.setattr("edgec.store.trust.read_policy", lambda path: read.append(path) or read_policy(path))
    for name, text in (("good", ""), ("bad", "keys = [[["), ("none", None)):
        (tmp_path / name).mkdir()
        if text is not None:
            (tmp_path / name / "edgec.toml").write_text(text)
    names = ("good", "bad", "bad", "none", "good")
    projects = [Project(root=tmp_path / name, folder=tmp_path / name / str(count)) for count, name in enumerate(names)]
    roots, wrong = broken(projects)
    assert set(roots) == {tmp_path / "bad"} and [item.code for item in wrong] == ["policy-invalid"]
    assert sorted(read) == [tmp_path / "bad" / "edgec.toml", tmp_path / "good" / "edgec.toml"]
    roots, wrong = broken(projects, tmp_path / "bad" / "edgec.toml")
    assert len(roots) == 3 and len(wrong) == 1 and len(read) == 3
    assert broken(projects, tmp_path / "good" / "edgec.toml") == (set(), ())
    os.mkfifo(tmp_path / "pipe")
    assert broken(projects, tmp_path / "pipe")[1][0].code == "policy-invalid", "a pipe is empty when it is read again"
    assert len(broken([], tmp_path / "bad" / "edgec.toml")[1]) == 1
