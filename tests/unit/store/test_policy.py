"""The policy file: what it may say, and that every other word in it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgec.artifacts.policy import Policy
from edgec.artifacts.project import Project
from edgec.diagnostics import Failure
from edgec.store import policy
from edgec.store.admission import downgrade, trusted
from edgec.store.policy import read_policy
from edgec.store.trust import allowed, broken, default_policy, refusal

WHOLE = """
[[allow]]
entry = "net:build"
sha256 = "{digest}"

[signatures]
keys = ["keys/one.pub.pem", "/etc/edgec/two.pub.pem"]
needed = 2

[evidence]
latency = "device"
size = "artifact"

[versions]
downgrade = "refuse"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "edgec.toml"


def test_everything_that_a_policy_can_say(file: Path) -> None:
    file.write_text(WHOLE.format(digest="a" * 64))
    assert read_policy(file) == Policy(
        file=file,
        allow=(("net:build", "a" * 64),),
        keys=(file.parent / "keys/one.pub.pem", Path("/etc/edgec/two.pub.pem")),
        needed=2,
        evidence={"latency": "device", "size": "artifact"},
        downgrade=False,
    )


def test_an_empty_policy_asks_for_nothing(file: Path) -> None:
    file.write_text("")
    assert read_policy(file) == Policy(file=file)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[signature]\nkeys = ['x']", "did you mean 'signatures'"),
        ("signatures = 3", "written as a [signatures] table"),
        ("[signatures]\nkey = 'x'", "did you mean 'keys'"),
        ("[signatures]\nkeys = 'x'", "a list of file names"),
        ("[signatures]\nkeys = [1]", "a list of file names"),
        ("[signatures]\nkeys = []", "names no key"),
        ("[signatures]\nneeded = 2", "names no key"),
        ("[signatures]", "names no key"),
        ("[signatures]\nkeys = ['x']\nneeded = 2", "from 1 to the number of its keys, 1"),
        ("[signatures]\nkeys = ['x']\nneeded = 0", "from 1"),
        ("[signatures]\nkeys = ['x']\nneeded = true", "from 1"),
        ("[evidence]\nlatencies = 'device'", "did you mean 'latency'"),
        ("[evidence]\nlatency = 'devices'", "allowed: estimated, artifact"),
        ("[evidence]\nlatency = 'none'", "allowed: estimated, artifact"),
        ("[evidence]\nsize = 'host'", "no better than 'artifact'"),
        ("[versions]\ndowngrade = false", "allowed: allow, refuse"),
        ("[versions]\nnewest = 'refuse'", "known: downgrade"),
    ],
)
def test_what_has_no_meaning_is_refused(text: str, said: str, file: Path) -> None:
    file.write_text(text)
    with pytest.raises(Failure) as caught:
        read_policy(file)
    found = caught.value.diagnostics[0]
    assert (found.code, found.exit_code) == ("policy-invalid", 3)
    assert said in found.message


def test_versions_only_go_up_where_the_policy_says_so() -> None:
    strict = Policy(downgrade=False)
    refused = downgrade("camera", "1.9.0", ["1.0.0", "1.10.0"], strict)
    assert refused is not None
    assert (refused.code, refused.exit_code) == ("version-downgrade", 7)
    assert "older than 1.10.0" in refused.message
    for version, known in (("1.10.0", ["1.10.0"]), ("1.11.0", ["1.10.0"]), ("0.1.0", [])):
        assert downgrade("camera", version, known, strict) is None
    assert downgrade("camera", "1.0.0", ["2.0.0"], Policy()) is None


@pytest.mark.parametrize("name", ["gone.pem", "a\\u0000b.pem", "x" * 300], ids=["gone", "NUL", "long"])
def test_a_key_that_cannot_be_read_is_the_policys_fault(name: str, file: Path) -> None:
    file.write_text(f'[signatures]\nkeys = ["{name}"]\n')
    with pytest.raises(Failure, match="cannot be read") as caught:
        trusted(read_policy(file))
    assert [(found.code, found.exit_code) for found in caught.value.diagnostics] == [("policy-invalid", 3)]
    assert "\0" not in caught.value.diagnostics[0].message


def test_the_same_content_is_parsed_once_and_another_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []
    real = policy._loaded
    monkeypatch.setattr(policy, "_loaded", lambda path, content: parsed.append(content) or real(path, content))
    file = tmp_path / "edgec.toml"
    file.write_text('[versions]\ndowngrade = "refuse"\n')
    project = Project(root=tmp_path, folder=tmp_path)
    assert broken([project]) == (set(), ())
    found = default_policy(project)
    assert not allowed("net:build", "a" * 64, found, False) and refusal("net:build", "a" * 64, found)
    assert len(parsed) == 1
    file.write_text(f'[[allow]]\nentry = "net:build"\nsha256 = "{"a" * 64}"\n')
    assert allowed("net:build", "a" * 64, found, False) and len(parsed) == 2
    file.write_text("[[[")
    for _ in range(2):
        with pytest.raises(Failure, match=r"Expected|Invalid"):
            read_policy(file)
