"""The tests in a bundle for Linux, part by part: what they feed, what they break, and how many paths they name."""

from __future__ import annotations

import importlib.util
import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SOURCE = Path(__file__).parents[3] / "templates" / "linux-native" / "tests" / "test_bundle.py.j2"
Load = Callable[..., ModuleType]


def entry(name: str, *shape: int, dtype: str = "float32", minimum: list[int] | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "dtype": dtype, "shape": list(shape), "minimum": minimum or list(shape), **more}


IMAGE = entry("image", 1, 1, 2, 3, image={"width": 2, "height": 1})


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """The tests as a module of a bundle that has these inputs, this output, and files of these bytes."""

    def loaded(*inputs: dict[str, Any], output: str = "float32", files: tuple[bytes, ...] = ()) -> ModuleType:
        names = [f"{number}.bin" for number in range(len(inputs))]
        vector = {"inputs": names, "outputs": ["out.bin"], "input_shapes": [given["minimum"] for given in inputs]}
        facts = {"inputs": inputs, "outputs": [{"dtype": output}], "golden": {"vectors": [vector]}}
        folder = tmp_path / "bundle"
        (folder / "tests").mkdir(parents=True)
        (folder / "bundle.json").write_text(json.dumps(facts))
        for name, data in zip(names, files, strict=False):
            (folder / name).write_bytes(data)
        (folder / "tests" / "test_bundle.py").write_bytes(SOURCE.read_bytes())
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        spec = importlib.util.spec_from_file_location("test_bundle", folder / "tests" / "test_bundle.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return loaded


def calls(module: ModuleType, monkeypatch: pytest.MonkeyPatch, *answer: Any) -> list[tuple[list[str], bytes]]:
    """What the module calls from now on; each call is answered alike."""
    seen: list[tuple[list[str], bytes]] = []

    def call(command: list[Any], stdin: bytes = b"") -> tuple[Any, ...]:
        seen.append(([str(word) for word in command], stdin))
        return answer

    monkeypatch.setattr(module, "call", call)
    return seen


def test_a_missing_or_broken_file_is_named_for_each_input(
    load: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = load(IMAGE, entry("x", 1, 3), entry("y", 1, 4))
    seen = calls(module, monkeypatch, 8, "", "")
    module.test_a_missing_or_broken_input_ends_with_8(tmp_path)
    assert [[Path(word).suffix for word in words[1:]] for words, _ in seen] == [[".png", ".bin", ".bin"]] * 2
    assert [Path(word).exists() for words, _ in seen for word in words[1:]] == [False] * 3 + [True] * 3


@pytest.mark.parametrize(
    "given", [entry("x", 1, 3), entry("x", 1, 8, minimum=[1, 1]), entry("x", 12, dtype="uint8"), entry("x", 1, dtype="float16")]
)
def test_a_broken_tensor_is_longer_than_any_that_the_input_takes(load: Load, given: dict[str, Any]) -> None:
    module = load(given)
    size = struct.calcsize(module.ELEMENTS[given["dtype"]][0])
    most = size * given["shape"][-1]
    assert len(module.broken(given)) == most + 1


def test_a_broken_stream_is_less_than_a_sample(load: Load) -> None:
    given = entry("sound", 1, 2, stream={"rate": 16000, "hop": 1})
    assert len(load(given).broken(given)) < 4


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "int32", "int64", "float16", "float32", "float64"])
def test_a_wrong_expectation_is_far_off_in_every_type(load: Load, dtype: str) -> None:
    module = load(entry("x", 1), output=dtype)
    form, low, high = module.ELEMENTS[dtype]
    for value in (0, 1, low, high):
        data = struct.pack("<" + 2 * form[1:], value, 1)
        spoilt = module.spoilt(data, dtype)
        first, second = struct.unpack("<" + 2 * form[1:], spoilt)
        assert len(spoilt) == len(data) and second == 1
        assert abs(first - value) >= (high - low) / 2 * 0.99


def test_only_the_image_of_a_frame_becomes_bytes(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, numbers = struct.pack("<6f", 0, 1, 2, 253.4, 254.6, 300), struct.pack("<3f", 0.5, -1, 1e3)
    module = load(entry("x", 1, 3, minimum=[1, 2]), IMAGE, files=(numbers, pixels))
    line = json.dumps({"latency_ms": 1.0}) + "\n"
    ((words, stdin),) = _one_line(module, monkeypatch, 2 * line)
    assert words[1:] == ["-", "--shape", "x=1x2"]
    assert stdin == 2 * (numbers + bytes([0, 1, 2, 253, 255, 255]))


def test_tensors_alone_go_in_as_files(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(entry("x", 1, 3), entry("y", 1, 4), files=(b"", b""))
    ((words, stdin),) = _one_line(module, monkeypatch, json.dumps({"latency_ms": 1.0}) + "\n")
    assert [Path(word).name for word in words[1:]] == ["0.bin", "1.bin"] and stdin == b""


def _one_line(module: ModuleType, monkeypatch: pytest.MonkeyPatch, out: str) -> list[tuple[list[str], bytes]]:
    seen = calls(module, monkeypatch, 0, out, "")
    module.test_one_line_an_inference()
    return seen
