"""Credentials from the usual docker config, and from helpers that the config names."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from edgec.diagnostics import Failure
from edgec.store.credentials import Credentials, config_file, credentials

HOST = "registry.example:5000"
ALICE = Credentials(user="alice", password="p:q")
AUTH = "YWxpY2U6cDpx"


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    return tmp_path


def configure(folder: Path, **config: object) -> None:
    (folder / "config.json").write_text(json.dumps(config))


def helper(folder: Path, name: str, script: str) -> None:
    (folder / "bin").mkdir(exist_ok=True)
    path = folder / "bin" / f"docker-credential-{name}"
    path.write_text(f'#!/bin/sh\n[ "$1" = get ] || exit 9\nread -r host || [ "$host" ]\n{script}\n')
    path.chmod(0o755)


def test_where_the_config_lies(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert config_file() == docker / "config.json" and credentials(HOST) is None
    monkeypatch.delenv("DOCKER_CONFIG")
    monkeypatch.setenv("HOME", "/home/alice")
    assert str(config_file()) == "/home/alice/.docker/config.json"


def test_a_user_without_a_home_has_no_config(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a container's number that no passwd file knows."""
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert config_file() is None and credentials(HOST) is None


@pytest.mark.parametrize("key", [HOST, f"https://{HOST}", f"https://{HOST}/v2/", f"http://{HOST}"])
def test_an_entry_is_found_by_its_host(docker: Path, key: str) -> None:
    configure(docker, auths={"other.example": {"auth": "eDp5"}, key: {"auth": AUTH}})
    assert credentials(HOST) == ALICE and credentials("registry.example") is None


def test_docker_hub_is_found_by_its_old_name(docker: Path) -> None:
    configure(docker, auths={"https://index.docker.io/v1/": {"auth": AUTH}})
    assert credentials("docker.io") == ALICE


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({"username": "alice", "password": "p:q"}, ALICE),
        ({"identitytoken": "t"}, Credentials(identity_token="t")),
        ({"auth": "", "username": ""}, None),
        ({}, None),
    ],
)
def test_what_an_entry_may_hold(docker: Path, entry: dict[str, str], found: Credentials | None) -> None:
    configure(docker, auths={HOST: entry})
    assert credentials(HOST) == found


def test_a_helper_goes_before_the_file(docker: Path) -> None:
    helper(docker, "mine", """printf '{"ServerURL": "%s", "Username": "alice", "Secret": "p:q"}' "$host" """)
    configure(docker, credHelpers={HOST: "mine"}, auths={HOST: {"auth": "eDp5"}})
    assert credentials(HOST) == ALICE and credentials("other.example") is None
    configure(docker, credsStore="mine", auths={HOST: {}})
    assert credentials(HOST) == ALICE and credentials("other.example") == ALICE
    helper(docker, "mine", """printf '{"Username": "<token>", "Secret": "t"}'""")
    assert credentials(HOST) == Credentials(identity_token="t")


def test_a_store_that_has_nothing_leaves_it_to_the_file(docker: Path) -> None:
    helper(docker, "mine", "echo credentials not found in native keychain; exit 1")
    configure(docker, credsStore="mine", auths={HOST: {"auth": AUTH}})
    assert credentials(HOST) == ALICE


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"auths": [1]}',
        '{"auths": {"HOST": 1}}',
        '{"auths": {"HOST": {"auth": "?"}}}',
        '{"auths": {"HOST": {"auth": "YWxpY2U="}}}',
        '{"auths": {"HOST": {"username": "alice", "password": "\\ud800"}}}',
        '{"auths": {"HOST": {"identitytoken": "\\ud800"}}}',
        '{"credHelpers": {"HOST": "missing"}}',
        '{"credsStore": "../../bin/sh"}',
        '{"credsStore": "fails"}',
        '{"credsStore": "silent"}',
        '{"credsStore": "latin"}',
        '{"credsStore": "latin-fails"}',
        '{"credsStore": "half"}',
        '{"credsStore": "deep"}',
        "[" * 50_000,
    ],
)
def test_what_cannot_be_used_is_said(docker: Path, text: str) -> None:
    helper(docker, "fails", "echo the keychain is locked >&2; exit 1")
    helper(docker, "silent", "echo '{}'")
    helper(docker, "latin", """printf '{"Username": "alice", "Secret": "\\344"}'""")
    helper(docker, "latin-fails", r"printf 'der Schl\344ssel fehlt'; exit 1")
    helper(docker, "half", """printf '{"Username": "alice", "Secret": "%s"}' '\\ud800'""")
    helper(docker, "deep", "head -c 50000 /dev/zero | tr '\\0' '['")
    (docker / "config.json").write_text(text.replace("HOST", HOST))
    with pytest.raises(Failure) as caught:
        credentials(HOST)
    (found,) = caught.value.diagnostics
    assert (found.code, found.exit_code) == ("credentials-unusable", 8)


def test_nothing_is_shown(docker: Path) -> None:
    assert "p:q" not in repr(ALICE)
