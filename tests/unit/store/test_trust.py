"""The trust policy: entry and digest together, or nothing."""

from pathlib import Path

import pytest

from edgec.artifacts.project import Project
from edgec.diagnostics import Failure
from edgec.store.trust import allowed, default_policy, refusal

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
