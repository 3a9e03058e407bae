"""What names something in a registry, and what does not."""

import pytest

from edgec.artifacts.reference import Reference, is_reference, reference, version_tag
from edgec.diagnostics import Failure

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "host", "repository", "tag", "digest"),
    [
        ("oci://localhost/camera", "localhost", "camera", None, None),
        ("oci://localhost:5000/team/a/camera:1.0.0", "localhost:5000", "team/a/camera", "1.0.0", None),
        (f"oci://ghcr.io/t/c:1@{DIGEST}", "ghcr.io", "t/c", "1", DIGEST),
        (f"oci://[::1]:5000/c_d/e-f__g@{DIGEST}", "[::1]:5000", "c_d/e-f__g", None, DIGEST),
        (f"oci://{'h' * 63}.example/{'c' * 183}:{'1' * 128}", f"{'h' * 63}.example", "c" * 183, "1" * 128, None),
    ],
)
def test_what_a_reference_holds(text: str, host: str, repository: str, tag: str | None, digest: str | None) -> None:
    found = reference(text)
    assert found == Reference(host=host, repository=repository, tag=tag, digest=digest)
    assert str(found) == text and found.name == (digest or tag)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("localhost:5000/camera", "oci://localhost:5000/camera"),
        ("https://localhost/camera:1", "oci://localhost/camera:1"),
        ("oci://", "host"),
        ("oci:///camera", "host"),
        ("oci://user:password@host/camera", "'password"),
        ("oci://local_host/camera", "host"),
        ("oci://localhost:0/camera", "host:port"),
        ("oci://localhost:65536/camera", "host:port"),
        (f"oci://{'h' * 64}.example/camera", "host"),
        ("oci://a..b/camera", "host"),
        ("oci://-a/camera", "host"),
        ("oci://[1.2]/camera", "host"),
        ("oci://[::1::2]/camera", "host"),
        ("oci://localhost/", "repository"),
        (f"oci://localhost/{'c' * 246}", "256 characters they have 255 at most"),
        (f"oci://localhost/a:{'1' * 129}", "128 at most"),
        ("oci://localhost/a:-1", "begins with no"),
        ("oci://localhost/Team/Camera:1", "team/camera"),
        ("oci://localhost/a//b", "repository"),
        ("oci://localhost/../b", "repository"),
        ("oci://localhost/a:", "tag"),
        ("oci://localhost/a:1.0.0+2", "tag"),
        ("oci://localhost/a:1\n", "tag"),
        ("oci://localhost/a@sha256:12", "digest"),
        ("oci://localhost/a@", "digest"),
        ("oci://localhost/a@sha512:" + "0" * 128, "digest"),
    ],
)
def test_what_is_no_reference(text: str, said: str) -> None:
    with pytest.raises(Failure) as caught:
        reference(text)
    (found,) = caught.value.diagnostics
    assert (found.code, found.exit_code) == ("reference-invalid", 2)
    if "password" not in text:
        assert said in f"{found.message} {found.hint}"


def test_what_is_meant_as_one() -> None:
    assert is_reference("oci://x") and is_reference("OCI://x") and not is_reference("out/camera/1.0.0")


def test_another_name_in_the_same_repository() -> None:
    one = reference(f"oci://localhost/a:1@{DIGEST}")
    assert str(one.at("2")) == "oci://localhost/a:2" and str(one.at(DIGEST)) == f"oci://localhost/a@{DIGEST}"


def test_a_version_as_a_tag() -> None:
    assert version_tag("1.0.0-rc.1+build.5") == "1.0.0-rc.1_build.5"


def test_a_version_longer_than_a_tag_makes_none() -> None:
    assert version_tag(f"1.0.0-{'a' * 122}") == f"1.0.0-{'a' * 122}"
    with pytest.raises(Failure, match=r"129 characters\) makes no tag") as caught:
        version_tag(f"1.0.0-{'a' * 123}")
    (found,) = caught.value.diagnostics
    assert (found.code, found.exit_code) == ("reference-invalid", 2) and found.hint and "128 at most" in found.hint
