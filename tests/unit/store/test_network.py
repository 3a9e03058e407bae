"""Which URLs may be asked is judged in one place, for downloads, registries and manifests."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from edgec.artifacts.reference import Reference
from edgec.diagnostics import Failure
from edgec.sources import given_weights
from edgec.store import fetch, network
from edgec.store.network import unfit
from edgec.store.transport import connected

SOURCE = Path(__file__).parents[3] / "compiler" / "edgec"
UNFIT = {
    "http://localhost/x": "not https",
    "ftp://localhost/x": "not https",
    "https://u:p@localhost/x": "credentials",
    "https://localhost:99999/x": "no URL",
    "https://[::1/x": "no URL",
    "https://localhost/\xe4": "characters that no URL has",
}


@pytest.mark.parametrize("url", UNFIT)
def test_all_that_ask_refuse_the_same(url: str, tmp_path: Path) -> None:
    said = UNFIT[url]
    assert said in str(unfit(url))
    with pytest.raises(Failure, match=said):
        fetch.fetch(url, "0" * 64, tmp_path)
    assert [said in found.message for found in given_weights._url(url)] == [True]
    with connected(Reference(host="localhost", repository="camera")) as session, pytest.raises(Failure, match=said):
        session._check_url(session.resolved(url))


def test_plain_http_and_private_networks_are_a_matter_of_who_leads_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "private", lambda url: "inside" in url)
    assert unfit("http://localhost/x", plain=True) is None and unfit("ftp://localhost/x", plain=True)
    assert unfit("https://inside/x") is None and unfit("https://inside/x", "https://inside/y") is None
    assert "private network" in str(unfit("https://inside/x", "https://outside/y"))


def test_no_other_module_judges_them() -> None:
    found = [
        path.name
        for path in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "username"
    ]
    assert set(found) == {"network.py"}
