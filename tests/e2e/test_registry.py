"""push and pull against the real registry, with TLS and a password, and beside skopeo."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bundle_parts import TARGET, bundle, lowered, measured, plan, runner, verdicts
from edgec.stages.render import render
from edgec.stages.write import write
from keys import Pair, pair
from registries import Registry, installed, line_to, login, running

pytestmark = pytest.mark.skipif(not installed(), reason="docker-registry is not installed")

NANO = replace(TARGET, name="jetson-nano", architecture="aarch64")
Edgec = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with running(tmp_path_factory.mktemp("registry") / "here") as started:
        yield started


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """camera 1.0.0 for two targets, and 1.1.0: another model on the same runtime."""
    place = tmp_path_factory.mktemp("made")
    write(bundle(place / "one", target=replace(TARGET, name="linux-x86_64", architecture="x86_64")), place / "out")
    write(bundle(place / "two", target=NANO), place / "out")
    write(bundle(place / "three", version="1.1.0", target=NANO, description="Better."), place / "out")
    return place / "out"


@pytest.fixture
def edgec(registry: Registry, tmp_path: Path) -> Edgec:
    def run(*arguments: object, check: int | None = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "edgec", *map(str, arguments), "--output", "json"],
            capture_output=True, text=True, check=False, cwd=tmp_path,
            env={**os.environ, **registry.environment, "EDGEC_CACHE": str(tmp_path / "cache"), **environment},
        )  # fmt: skip
        assert check is None or done.returncode == check, done.stdout + done.stderr
        return done

    return run


def said(done: subprocess.CompletedProcess[str]) -> dict:
    return json.loads(done.stdout)


def codes(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [found["code"] for found in said(done)["diagnostics"]]


def same(one: Path, other: Path) -> bool:
    return subprocess.run(["diff", "-r", one, other], check=False).returncode == 0


def test_a_release_goes_there_and_back(edgec: Edgec, registry: Registry, out: Path, tmp_path: Path) -> None:
    reference = f"oci://{registry.host}/there-and-back/camera"
    pushed = said(edgec("push", out / "camera/1.0.0", reference, "--annotation", "org.opencontainers.image.revision=abc"))
    assert pushed["release"]["tag"] == "1.0.0" and pushed["release"]["fresh"] and pushed["exit_code"] == 0
    assert set(pushed["release"]["manifests"]) == {"jetson-nano", "linux-x86_64"}
    pulled = said(edgec("pull", f"{reference}:1.0.0", "--all-targets", "--out", tmp_path / "got"))
    assert pulled["release"]["digest"] == pushed["release"]["digest"]
    for target in ("jetson-nano", "linux-x86_64"):
        assert same(out / "camera/1.0.0" / target, tmp_path / "got/camera/1.0.0" / target)
        for end in (".tar.gz", ".measurements.json", ".report.html"):
            name = f"camera-1.0.0-{target}{end}"
            assert (tmp_path / "got" / name).read_bytes() == (out / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "got").iterdir() if path.name.startswith(".")) == []
    by_digest = said(edgec("pull", pushed["release"]["pinned"], "--target", "jetson-nano", "--out", tmp_path / "pinned"))
    assert [item["target"] for item in by_digest["release"]["bundles"]] == ["jetson-nano"]
    one = f"{reference}@{pushed['release']['manifests']['jetson-nano']}"
    assert said(edgec("pull", one, "--out", tmp_path / "one"))["release"]["bundles"][0]["target"] == "jetson-nano"


def test_a_device_pulls_its_own(edgec: Edgec, registry: Registry, out: Path, tmp_path: Path) -> None:
    reference = f"oci://{registry.host}/own/camera:1.0.0"
    edgec("push", out / "camera/1.0.0", reference)
    (bundle,) = said(edgec("pull", reference))["release"]["bundles"]
    assert bundle["target"] == {"x86_64": "linux-x86_64", "aarch64": "jetson-nano"}[os.uname().machine]
    assert (tmp_path / "out/camera/1.0.0" / bundle["target"] / "model.pte").is_file()
    refused = edgec("pull", reference, "--target", "jetson-nanu", check=2)
    assert codes(refused) == ["target-unclear"] and "'jetson-nano'" in said(refused)["diagnostics"][0]["hint"]


def test_a_new_model_on_the_same_runtime_sends_only_the_model(edgec: Edgec, registry: Registry, out: Path) -> None:
    reference = f"oci://{registry.host}/deduplicated/camera"
    first = said(edgec("push", out / "camera/1.0.0", reference))["release"]
    assert set(first["kept"]) == {"linux-x86_64/runtime", "linux-x86_64/runner", "linux-x86_64/model"}
    second = said(edgec("push", out / "camera/1.1.0", reference))["release"]
    assert second["sent"] == ["jetson-nano/rest", "jetson-nano/evidence"]
    assert second["kept"] == ["jetson-nano/runtime", "jetson-nano/runner", "jetson-nano/model"]


def test_a_push_of_the_same_bundles_changes_nothing(edgec: Edgec, registry: Registry, out: Path, tmp_path: Path) -> None:
    """A pipeline that runs again builds the same bytes, and clocks other times."""
    reference = f"oci://{registry.host}/again/camera:1.0.0"
    first = said(edgec("push", out / "camera/1.0.0", reference))["release"]
    shutil.copytree(out, tmp_path / "again")
    path = tmp_path / "again/camera-1.0.0-jetson-nano.measurements.json"
    record = json.loads(path.read_text())
    record["figures"] = []
    path.write_text(json.dumps(record))
    second = said(edgec("push", tmp_path / "again/camera/1.0.0", reference))["release"]
    assert (second["fresh"], second["digest"]) == (False, first["digest"]) and second["sent"] == []


def test_a_tag_is_not_moved(edgec: Edgec, registry: Registry, out: Path, tmp_path: Path) -> None:
    reference = f"oci://{registry.host}/immutable/camera:stable"
    first = said(edgec("push", out / "camera/1.0.0", reference))["release"]
    refused = edgec("push", out / "camera/1.1.0", reference, check=2)
    assert codes(refused) == ["tag-taken"]
    assert said(edgec("pull", reference, "--target", "jetson-nano"))["release"]["digest"] == first["digest"]
    moved = said(edgec("push", out / "camera/1.1.0", reference, "--force"))["release"]
    assert said(edgec("pull", reference))["release"]["digest"] == moved["digest"] != first["digest"]


def test_what_is_not_for_release_stays_here(edgec: Edgec, registry: Registry, tmp_path: Path) -> None:
    reference = f"oci://{registry.host}/trials/camera"
    made = bundle(tmp_path / "parts", release=False)
    folder = write(made, tmp_path / "out").folder
    refused = edgec("push", folder, reference, check=2)
    assert codes(refused) == ["trial-bundle"]
    edgec("push", folder, reference, "--allow-trial")
    job = tmp_path / "missed"
    late = verdicts(measured(), latency="missed")
    missed = render(plan(), lowered(job), job, runner(tmp_path / "runner"), measured(), late, True)
    folder = write(missed, tmp_path / "out").folder
    refused = edgec("push", folder, f"{reference}:missed", check=2)
    assert codes(refused) == ["trial-bundle"] and "latency.p90" in said(refused)["diagnostics"][0]["message"]


def test_a_damaged_bundle_is_not_pushed(edgec: Edgec, registry: Registry, out: Path, tmp_path: Path) -> None:
    reference = f"oci://{registry.host}/damaged/camera"
    shutil.copytree(out, tmp_path / "copy")
    nano = tmp_path / "copy/camera/1.0.0/jetson-nano"
    (nano / "model.pte").write_bytes(b"another")
    assert codes(edgec("push", nano, reference, check=7)) == ["digest-mismatch"]
    figures = tmp_path / "copy/camera-1.1.0-jetson-nano.measurements.json"
    shutil.copy(tmp_path / "copy/camera-1.0.0-jetson-nano.measurements.json", figures)
    assert codes(edgec("push", tmp_path / "copy/camera/1.1.0", reference, check=7)) == ["digest-mismatch"]
    figures.unlink()
    assert codes(edgec("push", tmp_path / "copy/camera/1.1.0", reference, check=2)) == ["no-evidence"]
    mixed = edgec("push", out / "camera/1.0.0", out / "camera/1.1.0", reference, check=2)
    assert codes(mixed) == ["mixed-release", "mixed-release"]
    assert codes(edgec("pull", f"{reference}:1.0.0", check=2)) == ["no-release"]


def test_without_the_password_nothing_goes(edgec: Edgec, registry: Registry, out: Path, tmp_path: Path) -> None:
    reference = f"oci://{registry.host}/locked/camera:1.0.0"
    found = edgec("push", out / "camera/1.0.0", reference, check=8, DOCKER_CONFIG=str(tmp_path))
    assert codes(found) == ["registry-refused"] and "docker login" in said(found)["diagnostics"][0]["hint"]
    found = edgec("pull", reference, check=8, SSL_CERT_FILE="/nowhere")
    assert codes(found) == ["registry-refused"] and "certificate" in said(found)["diagnostics"][0]["message"]
    assert edgec("pull", reference, "--plain-http", check=8).returncode == 8


def test_plain_http_on_this_machine(edgec: Edgec, out: Path, tmp_path: Path) -> None:
    with running(tmp_path / "plain", tls=False) as plain:
        reference = f"oci://{plain.host}/plain/camera"
        assert codes(edgec("push", out / "camera/1.1.0", reference, check=8, **plain.environment)) == ["registry-unreachable"]
        edgec("push", out / "camera/1.1.0", reference, "--plain-http", **plain.environment)
        edgec("pull", f"{reference}:1.1.0", "--plain-http", **plain.environment)
    assert same(out / "camera/1.1.0", tmp_path / "out/camera/1.1.0")
    elsewhere = edgec("pull", "oci://registry.example/camera:1", "--plain-http", check=2)
    assert codes(elsewhere) == ["reference-invalid"]


def test_a_corrupt_blob_is_refused(edgec: Edgec, registry: Registry, out: Path, tmp_path: Path) -> None:
    reference = f"oci://{registry.host}/corrupt/camera:1.1.0"
    pushed = said(edgec("push", out / "camera/1.1.0", reference))["release"]
    manifest = json.loads(registry.blob(pushed["manifests"]["jetson-nano"]).read_bytes())
    for layer in manifest["layers"]:
        kept = registry.blob(layer["digest"])
        whole = kept.read_bytes()
        for spoiled in (whole[:-1] + bytes([whole[-1] ^ 1]), whole + b"more"):
            kept.write_bytes(spoiled)
            found = edgec("pull", reference, check=None)
            assert (found.returncode, codes(found)) == (7, ["digest-mismatch"]), found.stdout
            assert not (tmp_path / "out").exists(), "nothing of a refused release appears"
        kept.write_bytes(whole)
    edgec("pull", reference)
    assert same(out / "camera/1.1.0", tmp_path / "out/camera/1.1.0")


@pytest.mark.parametrize("cuts", [[0], [2000], [5000, 9000, 14_000]])
def test_a_cut_line_is_taken_up_again(
    edgec: Edgec, registry: Registry, out: Path, tmp_path: Path, cuts: list[int]
) -> None:
    with line_to(registry) as line:
        login(registry.root.parent, f"localhost:{line.port}")
        reference = f"oci://localhost:{line.port}/cut-{cuts[0]}/camera:1.0.0"
        line.cuts = [*cuts]
        edgec("push", out / "camera/1.0.0", reference)
        assert line.cuts == []
        line.cuts = [*cuts]
        edgec("pull", reference, "--target", "jetson-nano")
        assert line.cuts == [] and line.connections > 2 * len(cuts)
    assert same(out / "camera/1.0.0/jetson-nano", tmp_path / "out/camera/1.0.0/jetson-nano")


def test_a_line_that_stays_cut_ends(edgec: Edgec, registry: Registry, out: Path) -> None:
    with line_to(registry) as line:
        line.cuts = [0] * 100
        found = edgec("push", out / "camera/1.0.0", f"oci://localhost:{line.port}/dead/camera", check=8)
    assert codes(found) == ["registry-unreachable"]


def test_two_pushers_at_once(registry: Registry, out: Path, tmp_path: Path) -> None:
    """Of one release both win; of two, the tag holds one of them, whole, and no pusher is told what is not so."""
    for number, versions in enumerate((("1.0.0", "1.0.0"), ("1.0.0", "1.1.0"), ("1.1.0", "1.0.0"))):
        reference = f"oci://{registry.host}/race-{number}/camera:now"
        environment = {**os.environ, **registry.environment, "EDGEC_CACHE": str(tmp_path / "cache")}
        command = [sys.executable, "-m", "edgec", "push", "--output", "json"]
        started = [
            subprocess.Popen(
                [*command, out / "camera" / version, reference], env=environment, text=True, stdout=subprocess.PIPE
            )
            for version in versions
        ]
        ended = [(process.communicate()[0], process.returncode) for process in started]
        winners = [json.loads(text)["release"]["digest"] for text, code in ended if code == 0]
        assert winners and all(code in (0, 2, 7) for _, code in ended), ended
        if versions[0] == versions[1]:
            assert len(set(winners)) == 1 and len(winners) == 2
        pull = [sys.executable, "-m", "edgec", "pull", reference, "--all-targets", "--out", tmp_path / str(number)]
        got = subprocess.run([*pull, "--output", "json"], env=environment, text=True, capture_output=True, check=False)
        assert got.returncode == 0 and json.loads(got.stdout)["release"]["digest"] in winners


@pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")
def test_skopeo_agrees(edgec: Edgec, registry: Registry, out: Path, tmp_path: Path) -> None:
    reference = f"{registry.host}/skopeo/camera:1.0.0"
    pushed = said(edgec("push", out / "camera/1.0.0", f"oci://{reference}"))["release"]
    known = ["--authfile", str(Path(registry.environment["DOCKER_CONFIG"]) / "config.json")]

    def skopeo(*arguments: str) -> str:
        done = subprocess.run(
            ["skopeo", *arguments], env={**os.environ, **registry.environment}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    arch = {"jetson-nano": "arm64", "linux-x86_64": "amd64"}
    for target, name in arch.items():
        seen = json.loads(skopeo("--override-arch", name, "inspect", *known, f"docker://{reference}"))
        assert (seen["Architecture"], seen["Os"]) == (name, "linux")
        raw = json.loads(registry.blob(pushed["manifests"][target]).read_bytes())
        assert seen["Layers"] == [layer["digest"] for layer in raw["layers"]]
    skopeo("copy", "--all", *known, f"docker://{reference}", f"dir:{tmp_path}/mirror")
    elsewhere = f"{registry.host}/mirror/camera:1.0.0"
    skopeo("copy", "--all", *known, f"dir:{tmp_path}/mirror", f"docker://{elsewhere}")
    got = said(edgec("pull", f"oci://{elsewhere}", "--all-targets"))["release"]
    assert {item["target"]: item["manifest"] for item in got["bundles"]} == pushed["manifests"]
    assert same(out / "camera/1.0.0", tmp_path / "out/camera/1.0.0")
    image = said(edgec("pull", f"oci://{registry.host}/mirror/camera:1.0.0", "--target", "jetson-nano"))["release"]
    assert image["bundles"][0]["manifest"] == pushed["manifests"]["jetson-nano"]


@pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")
def test_another_image_is_no_release(edgec: Edgec, registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    config = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    from edgec.artifacts.oci import CONFIG, MANIFEST, describe

    described = describe(config, CONFIG)
    (tmp_path / "image" / described.digest[7:]).write_bytes(config)
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described.to_json(), "layers": []}
    (tmp_path / "image" / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "image" / "version").write_text("Directory Transport Version: 1.1\n")
    known = ["--authfile", str(Path(registry.environment["DOCKER_CONFIG"]) / "config.json")]
    environment = {**os.environ, **registry.environment}
    place = f"{registry.host}/other/image:1"
    subprocess.run(["skopeo", "copy", *known, f"dir:{tmp_path}/image", f"docker://{place}"], env=environment, check=True)
    assert codes(edgec("pull", f"oci://{place}", check=2)) == ["no-bundle"]




@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pair, Pair]:
    place = tmp_path_factory.mktemp("keys")
    return pair(place, "one", "p256"), pair(place, "two", "ed25519")


def test_a_signature_travels_and_the_policy_is_kept(
    edgec: Edgec, registry: Registry, out: Path, tmp_path: Path, keys: tuple[Pair, Pair]
) -> None:
    reference, (one, two) = f"oci://{registry.host}/signed/camera", keys
    shutil.copytree(out, tmp_path / "made")
    tarballs = sorted((tmp_path / "made").glob("*.tar.gz"))
    (tmp_path / "edgec.toml").write_text(f'[signatures]\nkeys = ["{one.public}"]\n[versions]\ndowngrade = "refuse"\n')
    edgec("push", tmp_path / "made/camera/1.0.0", f"{reference}:unsigned")
    assert codes(edgec("pull", f"{reference}:unsigned", "--all-targets", check=7)) == ["signature-missing"] * 2
    assert not (tmp_path / "out").exists()

    edgec("sign", "--key", one.private, *tarballs)
    pushed = said(edgec("push", tmp_path / "made/camera/1.0.0", reference))["release"]
    assert pushed["signed"] == ["jetson-nano", "linux-x86_64"]
    pulled = said(edgec("pull", f"{reference}:1.0.0", "--target", "jetson-nano"))["release"]["bundles"][0]
    assert pulled["signatures"][0]["key"] == one.public.name
    beside = "camera-1.0.0-jetson-nano.intoto.jsonl"
    assert (tmp_path / "out" / beside).read_bytes() == (tmp_path / "made" / beside).read_bytes()
    edgec("verify", tmp_path / "out/camera-1.0.0-jetson-nano.tar.gz", "--signature-only")

    found = edgec("pull", f"{reference}:1.0.0", "--target", "jetson-nano", "--key", two.public, check=7)
    assert codes(found) == ["signature-untrusted"]
    edgec("push", tmp_path / "made/camera/1.1.0", reference)
    edgec("pull", f"{reference}:1.1.0")
    older = edgec("pull", f"{reference}:1.0.0", "--target", "jetson-nano", check=7)
    assert codes(older) == ["version-downgrade"]
    edgec("pull", f"{reference}:1.0.0", "--target", "jetson-nano", "--allow-downgrade")


def test_signatures_by_two_keys_are_kept_together(
    edgec: Edgec, registry: Registry, out: Path, tmp_path: Path, keys: tuple[Pair, Pair]
) -> None:
    """Two pipelines sign one release, each with a key of its own; neither takes the other's signature away."""
    reference = f"oci://{registry.host}/together/camera"
    for number, key in enumerate(keys):
        made = tmp_path / str(number)
        shutil.copytree(out, made)
        edgec("sign", "--key", key.private, made / "camera/1.1.0/jetson-nano")
        assert said(edgec("push", made / "camera/1.1.0", reference))["release"]["signed"] == ["jetson-nano"]
    public = [option for key in keys for option in ("--key", key.public)]
    bundle = said(edgec("pull", f"{reference}:1.1.0", *public))["release"]["bundles"][0]
    assert len(bundle["signatures"]) == 2


def test_a_signature_that_was_spoiled_or_mixed_up_is_refused(
    edgec: Edgec, registry: Registry, out: Path, tmp_path: Path, keys: tuple[Pair, Pair]
) -> None:
    reference, key = f"oci://{registry.host}/mixed/camera", keys[0]
    made = tmp_path / "made"
    shutil.copytree(out, made)
    edgec("sign", "--key", key.private, *sorted(made.glob("*.tar.gz")))
    shutil.copy(made / "camera-1.0.0-jetson-nano.intoto.jsonl", made / "camera-1.1.0-jetson-nano.intoto.jsonl")
    assert codes(edgec("push", made / "camera/1.1.0", reference, check=7)) == ["signature-mismatch"] * 2
    pushed = said(edgec("push", made / "camera/1.0.0", reference))["release"]

    def link(target: str) -> Path:
        tag = f"{pushed['manifests'][target].replace(':', '-')}.sig"
        place = registry.root / "docker/registry/v2/repositories/mixed/camera/_manifests/tags"
        return place / tag / "current/link"

    link("jetson-nano").write_bytes(link("linux-x86_64").read_bytes())
    found = edgec("pull", f"{reference}:1.0.0", "--target", "jetson-nano", "--key", key.public, check=7)
    assert set(codes(found)) == {"signature-mismatch"}
    shutil.rmtree(link("jetson-nano").parent.parent)
    found = edgec("pull", f"{reference}:1.0.0", "--target", "jetson-nano", "--key", key.public, check=7)
    assert codes(found) == ["signature-missing"]


def test_two_releases_in_a_registry_are_compared(edgec: Edgec, registry: Registry, out: Path) -> None:
    reference = f"oci://{registry.host}/compared/camera"
    for version in ("1.0.0", "1.1.0"):
        edgec("push", out / "camera" / version, reference)
    found = said(edgec("diff", f"{reference}:1.0.0", f"{reference}:1.1.0", "--target", "jetson-nano"))
    assert "1.1.0" in json.dumps(found)
    assert codes(edgec("diff", f"{reference}:1.0.0", f"{reference}:2.0.0", check=2)) in (["target-unclear"], ["no-release"])
    here = said(edgec("diff", f"{reference}:1.0.0", out / "camera/1.1.0/jetson-nano"))
    assert (here["old"]["target"], here["figures"]) == ("jetson-nano", found["figures"]), "that of the side that lies here"
