"""The native runner, as a program: what it prints, what it refuses and with which exit code, on both architectures."""

import functools
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from edgec.artifacts.manifest import Image
from edgec.datasets.pixels import pixels
from edgec.runtime.build import compile_runner, link_runner
from edgec.runtime.emulate import emulator
from edgec.runtime.libraries import CORE, KERNELS, operators
from edgec.runtime.packs import runtime_pack
from edgec.runtime.toolchain import toolchain
from edgec.targets.table import JETSON_NANO
from sound_files import encoded, wav, write

FITS = ("stretch", "cover", "contain")
SIZES = ((96, 96), (1, 1), (33, 17), (200, 150))
DYNAMIC = """
import sys, torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
class Twice(torch.nn.Module):
    def forward(self, x):
        return x + x
rows = torch.export.Dim("rows", min=1, max=8)
program = torch.export.export(Twice(), (torch.ones(4, 3),), dynamic_shapes={"x": {0: rows}})
lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch()
open(sys.argv[1], "wb").write(lowered.buffer)
"""

SAME = """
import sys, torch
from executorch.exir import to_edge_transform_and_lower
class Same(torch.nn.Module):
    def forward(self, x):
        return x
program = torch.export.export(Same(), (torch.ones(*map(int, sys.argv[2:]), dtype=getattr(torch, sys.argv[1])),))
sys.stdout.buffer.write(to_edge_transform_and_lower(program).to_executorch().buffer)
"""


def run(*command, data=b"", **options):
    done = subprocess.run([str(part) for part in command], input=data, capture_output=True, check=False, **options)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


@pytest.fixture
def bundle(camera, tmp_path):
    """A copy of the camera's bundle for this machine, to be damaged at will."""
    return shutil.copytree(camera.folder("linux-x86_64"), tmp_path / "bundle")


@pytest.fixture(scope="session")
def dynamic_model(tmp_path_factory):
    path = tmp_path_factory.mktemp("dynamic") / "model.pte"
    subprocess.run([sys.executable, "-c", DYNAMIC, str(path)], check=True, capture_output=True)
    return path


@pytest.fixture
def tensors(bundle, dynamic_model):
    """The camera's runner with a model that doubles 1 to 8 rows of 3 floats."""
    shutil.copy(dynamic_model, bundle / "model.pte")
    another_model(bundle, {"dtype": "float32", "shape": [8, 3], "minimum": [1, 3]})
    return bundle


def another_model(bundle: Path, tensor: dict, **of_input) -> None:
    """Let ``bundle.json`` describe the model.pte that lies beside it now, of one input and one output as ``tensor`` says."""
    content = (bundle / "model.pte").read_bytes()
    edit(
        bundle,
        model={"file": "model.pte", "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)},
        inputs=[{"name": "x", **tensor, **of_input}],
        outputs=[{"name": "y", **tensor}],
        task={"name": "tensor", "labels": [], "options": {}},
        golden={"absolute": 0, "relative": 0, "vectors": []},
        budgets=[],
    )


@functools.cache
def same_program(dtype: str, *shape: int) -> bytes:
    command = [sys.executable, "-c", SAME, dtype, *map(str, shape)]
    return subprocess.run(command, check=True, capture_output=True).stdout


def same_model(bundle: Path, dtype: str, *shape: int, **of_input) -> None:
    """Put a model into the bundle that answers with its input."""
    (bundle / "model.pte").write_bytes(same_program(dtype, *shape))
    another_model(bundle, {"dtype": dtype, "shape": list(shape)}, **of_input)


def edit(bundle: Path, **changes) -> None:
    facts = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps({**facts, **changes}))


def runner(bundle: Path, *arguments, data: bytes = b""):
    return run(bundle / "bin" / "edgec-run", *arguments, data=data)


# Pixels


def pictures(folder: Path, count: int) -> list[Path]:
    """Noise and waves in every mode and sampling that PNG and JPEG have, of odd sizes down to one pixel."""
    random, paths = np.random.default_rng(7), []
    for index in range(count):
        width, height = (int(size) for size in random.integers(1, 9 if index % 4 == 0 else 180, 2))
        rows, columns = np.mgrid[0:height, 0:width]
        waves = np.stack([np.sin(columns / (3 + c) + rows / 7) * 100 + 128 for c in range(4)], -1)
        content = np.clip(waves + random.normal(0, 40 * (index % 3), waves.shape), 0, 255).astype(np.uint8)
        picture = PIL.Image.fromarray(content, "RGBA")
        mode = ("RGB", "L", "RGBA", "LA", "P", "1")[index % 6]
        picture.convert("RGB").convert(mode).save(folder / f"{index}.png")
        options = {"quality": (30, 75, 95, 100)[index % 4], "subsampling": index % 3, "progressive": index % 5 == 0}
        mode = ("RGB", "RGB", "L", "CMYK")[index % 4]
        if index % 5 < 2:
            options["restart_marker_blocks"] = 1 + index % 7
        picture.convert("RGB").convert(mode).save(folder / f"{index}.jpg", **options)
        paths += [folder / f"{index}.png", folder / f"{index}.jpg"]
    wide = random.integers(0, 65536, (40, 50)).astype(np.uint16)
    PIL.Image.fromarray(wide).save(folder / "sixteen.png")
    return [*paths, folder / "sixteen.png"]


def assert_pixels_equal(command, bundle, folder, count):
    paths = pictures(folder, count)
    for fit in FITS:
        for width, height in SIZES:
            image = {"width": width, "height": height, "fit": fit}
            edit(bundle, inputs=[{"name": "image", "dtype": "float32", "shape": [1, height, width, 3], "image": image}])
            done = subprocess.run(
                [*command, "--bundle", str(bundle), "--preprocess", *map(str, paths)], capture_output=True, check=True
            )
            found = np.frombuffer(done.stdout, np.uint8).reshape(len(paths), height, width, 3)
            for path, actual in zip(paths, found, strict=True):
                expected = pixels(path, Image(width=width, height=height, fit=fit))
                assert np.array_equal(actual, expected), f"{path.name}, {fit} to {width} x {height}"


def test_pixels_equal_the_hosts(bundle, tmp_path):
    edit(bundle, golden={"absolute": 0, "relative": 0, "vectors": []})
    (tmp_path / "pictures").mkdir()
    assert_pixels_equal([str(bundle / "bin" / "edgec-run")], bundle, tmp_path / "pictures", 48)


def test_pixels_equal_the_hosts_on_the_nanos_cpu(camera, tmp_path):
    bundle = shutil.copytree(camera.folder("jetson-nano"), tmp_path / "bundle")
    edit(bundle, golden={"absolute": 0, "relative": 0, "vectors": []})
    (tmp_path / "pictures").mkdir()
    command = [*emulator(JETSON_NANO, tmp_path).command, str(bundle / "bin" / "edgec-run")]
    assert_pixels_equal(command, bundle, tmp_path / "pictures", 12)


# Integrity


def test_a_flipped_bit_in_the_model_is_never_loaded(bundle):
    content = bytearray((bundle / "model.pte").read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / "model.pte").write_bytes(content)
    for mode in (["--info"], ["--bench"], ["--self-test"], ["--stream"], ["--run", "x.png"]):
        code, out, error = runner(bundle, *mode)
        assert (code, out) == (7, "") and "sha256" in error, mode


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"outputs": [{"name": "output", "dtype": "float32", "shape": [1, 11]}]}, "bundle.json says"),
        ({"inputs": [{"name": "image", "dtype": "float32", "shape": [1, 96, 3, 96]}]}, "the model's image is"),
        ({"inputs": [{"name": "image", "dtype": "int8", "shape": [1, 96, 96, 3]}]}, "int8"),
    ],
)  # fmt: skip
def test_a_signature_that_is_not_the_models_is_refused(bundle, change, words):
    edit(bundle, golden={"absolute": 0, "relative": 0, "vectors": []}, **change)
    code, out, error = runner(bundle, "--bench")
    assert (code, out) == (4, "") and words in error


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not valid JSON"),
        (b"[]", "must be an object"),
        (b"{" * 5000, "not valid JSON"),
        (b'{"a": ' * 100, "nested too deep"),
        (b'{"schema": "edgec/bundle/v1", "schema": "x"}', "twice"),
        (b'{"schema": "edgec/bundle/v2"}', "schema"),
        (b'{"schema": "edgec/bundle/v1"}', "name is missing"),
        (b'{"schema": "\xff"}', "UTF-8"),
        (b'{"schema": 1e999}', "too large"),
        (b'{"schema": "edgec/bundle/v1"} x', "after the end"),
    ],
)
def test_a_malformed_bundle_json_is_refused(bundle, content, words):
    (bundle / "bundle.json").write_bytes(content)
    code, out, error = runner(bundle, "--info")
    assert (code, out) == (7, "") and words in error


def test_a_missing_bundle_json_is_the_environments(bundle):
    (bundle / "bundle.json").unlink()
    code, _, error = runner(bundle, "--info")
    assert code == 8 and "bundle.json" in error


@pytest.mark.parametrize("path", ["../model.pte", "/etc/passwd", "a//b", ""])
def test_a_path_out_of_the_bundle_is_refused(bundle, path):
    edit(bundle, model={"file": path, "sha256": "0" * 64, "bytes": 1})
    code, _, error = runner(bundle, "--info")
    assert code == 7 and "outside the bundle" in error


@pytest.mark.parametrize(
    "arguments",
    [[], ["--fly"], ["--run"], ["--info", "--bench"], ["--bench", "--samples"], ["--bench", "--samples", "0"],
     ["--bench", "--threads", "1x"], ["--stream", "--frame", "4"],
     ["--self-test", "--evidence", "guess"], ["--bench", "x"]],
)  # fmt: skip
def test_usage_errors(bundle, arguments):
    code, out, error = runner(bundle, *arguments)
    assert (code, out) == (2, "") and "usage: edgec-run" in error


# Pictures


NO_POOL = "namespace executorch::extension::threadpool { class ThreadPool; ThreadPool* get_threadpool() { return nullptr; } }\n"


def test_a_runtime_without_a_pool_of_threads_is_named(bundle, tmp_path):
    (tmp_path / "no_pool.cpp").write_text(NO_POOL)
    command = toolchain(os.uname().machine, "2.27").command
    subprocess.run([*command, "-shared", "-fPIC", "-nostdlib", "no_pool.cpp", "-o", "no_pool.so"], check=True, cwd=tmp_path)
    for count, words in ((1, "1 thread here"), (2, "2 threads here")):
        command = (bundle / "bin" / "edgec-run", "--bench", "--bundle", bundle, "--threads", count)
        code, _, error = run(*command, env={**os.environ, "LD_PRELOAD": str(tmp_path / "no_pool.so")})
        assert code == 8 and f"the runtime cannot run on {words}" in error


def png(width: int = 20, height: int = 30) -> bytes:
    content = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(content).save(buffer, "PNG")
    return buffer.getvalue()


def jpeg(**options) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.open(io.BytesIO(png())).save(buffer, "JPEG", **options)
    return buffer.getvalue()


END = b"\xff\xd9"


def without_scans() -> bytes:
    return jpeg()[: jpeg().index(b"\xff\xda")] + END


def without_first_scan() -> bytes:
    """A progressive JPEG that lacks what its other scans refine."""
    whole = jpeg(progressive=True)
    first = whole.index(b"\xff\xda")
    return whole[:first] + whole[whole.index(b"\xff\xc4", first) :]


def with_restarts() -> bytes:
    return jpeg(restart_marker_blocks=1)


def cut_between_restarts(progressive: bool = False) -> bytes:
    whole = jpeg(restart_marker_blocks=1, progressive=progressive)
    return whole[: whole.index(b"\xff\xd2")] + END


def without_restart() -> bytes:
    return with_restarts().replace(b"\xff\xd1", b"\xff\x00")


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]


def crowded_jpeg() -> bytes:
    """A JPEG whose Huffman table announces 4,080 codes: what overflows stb_image before 2.28."""
    table = b"\xff\xc4" + (2 + 17 + 4080).to_bytes(2, "big") + b"\x00" + b"\xff" * 16 + bytes(4080)
    return jpeg()[:2] + table + jpeg()[2:]


def chunk(kind, content):
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def huge_png() -> bytes:
    header = b"IHDR" + (65000).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    return png()[:12] + header + zlib.crc32(header).to_bytes(4, "big") + png()[33:]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "neither a PNG nor a JPEG"),
        (b"GIF89a" + bytes(100), "neither a PNG nor a JPEG"),
        (png()[:200], "truncated"),
        (flipped(png(), 300), "checksum"),
        (jpeg()[:-40], "damaged or truncated"),
        (crowded_jpeg(), "damaged or truncated"),
        (without_scans(), "damaged or truncated"),
        (without_first_scan(), "damaged or truncated"),
        (cut_between_restarts(), "damaged or truncated"),
        (cut_between_restarts(progressive=True), "damaged or truncated"),
        (without_restart(), "damaged or truncated"),
        (huge_png(), "64 megapixels"),
        (png()[:8], "neither"),
        (png()[:8] + chunk(b"CgBI", bytes(4)) + png()[8:], "does not begin with its header"),
    ],
)
def test_a_bad_picture_is_a_line_and_the_others_go_on(bundle, tmp_path, content, words):
    (tmp_path / "1-bad.png").write_bytes(content)
    (tmp_path / "2-good.png").write_bytes(png())
    code, out, _ = runner(bundle, "--run", tmp_path / "1-bad.png", tmp_path / "absent.jpg", tmp_path / "2-good.png")
    bad, absent, good = (json.loads(line) for line in out.splitlines())
    assert code == 8
    assert bad["source"].endswith("1-bad.png") and words in bad["error"] and "label" not in bad
    assert "absent.jpg" in absent["error"]
    assert good["label"] and 0 < good["score"] <= 1 and good["latency_ms"] > 0


def test_a_folder_is_read_sorted_and_deep(bundle, tmp_path):
    for name in ("b/2.PNG", "a/1.png", "a/c/3.jpeg", "a/notes.txt"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg() if name.endswith("jpeg") else png())
    code, out, _ = runner(bundle, "--run", tmp_path / "in")
    sources = [json.loads(line)["source"] for line in out.splitlines()]
    assert code == 0 and sources == [f"{tmp_path}/in/{name}" for name in ("a/1.png", "a/c/3.jpeg", "b/2.PNG")]
    code, again, _ = runner(bundle, "--run", "-", data="\n".join(sources).encode())
    assert code == 0 and [json.loads(line)["label"] for line in again.splitlines()] == [
        json.loads(line)["label"] for line in out.splitlines()
    ]


def test_any_file_name_is_printed_as_json(bundle, tmp_path):
    name = os.fsencode(tmp_path) + b'/\xff"\\\n\x01\xc3\xa4.png'
    Path(os.fsdecode(name)).write_bytes(png())
    code, out, _ = runner(bundle, "--run", os.fsdecode(name))
    assert code == 0 and json.loads(out)["source"].endswith('/\ufffd"\\\n\x01ä.png')


def test_an_empty_folder_is_an_error_and_the_others_go_on(bundle, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "good.png").write_bytes(png())
    code, out, _ = runner(bundle, "--run", tmp_path / "empty", tmp_path / "good.png")
    empty, good = (json.loads(line) for line in out.splitlines())
    assert code == 8 and "no .png" in empty["error"] and good["label"]


def test_a_link_back_to_a_folder_above_it_is_not_followed(bundle, tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "good.png").write_bytes(png())
    (tmp_path / "in" / "deep" / "back").symlink_to("..")
    (tmp_path / "in" / "self").symlink_to(".")
    code, out, error = runner(bundle, "--run", tmp_path / "in")
    assert (code, len(out.splitlines())) == (0, 1), error


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_may_not_be_listed_is_an_error(bundle, tmp_path):
    (tmp_path / "in" / "closed").mkdir(parents=True)
    (tmp_path / "in" / "good.png").write_bytes(png())
    (tmp_path / "in" / "closed").chmod(0)
    code, out, _ = runner(bundle, "--run", tmp_path / "in")
    closed, good = (json.loads(line) for line in out.splitlines())
    assert code == 8 and "Permission denied" in closed["error"] and good["label"]


def palette_png(colours, index):
    """An 8 x 8 picture, a byte a pixel, of one colour of a palette."""
    size = (8).to_bytes(4, "big")
    rows = zlib.compress((b"\0" + bytes([index] * 8)) * 8)
    header = chunk(b"IHDR", size + size + bytes([8, 3, 0, 0, 0]))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"PLTE", colours) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_colours_beyond_a_short_palette_are_black_whatever_came_before(bundle, tmp_path):
    """stb_image takes what lies on its stack for them; Pillow black."""
    (tmp_path / "short.png").write_bytes(palette_png(bytes([255, 0, 0, 0, 255, 0]), 200))
    (tmp_path / "other.png").write_bytes(palette_png(bytes([77]) * 768, 200))
    assert PIL.Image.open(tmp_path / "short.png").convert("RGB").getpixel((0, 0)) == (0, 0, 0)
    alone = run(bundle / "bin" / "edgec-run", "--preprocess", tmp_path / "short.png")
    after = run(bundle / "bin" / "edgec-run", "--preprocess", tmp_path / "other.png", tmp_path / "short.png")
    assert alone[0] == after[0] == 0
    assert set(alone[1]) == {"\0"} and after[1].endswith(alone[1])


def test_a_picture_that_memory_does_not_hold_is_a_line_and_the_others_go_on(bundle, tmp_path):
    place = tmp_path / "in"
    place.mkdir()
    PIL.Image.new("1", (8000, 7990)).save(place / "1-huge.png")
    PIL.Image.new("L", (8000, 7990)).save(place / "2-huge.jpg", quality=10)
    (place / "3-good.png").write_bytes(png())
    command = f"ulimit -v 250000; exec '{bundle}/bin/edgec-run' --run '{place}' --threads 1"
    code, out, error = run("/bin/sh", "-c", command)
    first, second, good = (json.loads(line) for line in out.splitlines())
    assert code == 8 and "not enough memory" in first["error"] and "not enough memory" in second["error"], error
    assert good["label"]


# Streams and tensors


def test_frames_are_classified_like_files(bundle, tmp_path):
    (tmp_path / "frame.png").write_bytes(png())
    raw = np.array(PIL.Image.open(tmp_path / "frame.png")).tobytes()
    _, expected, _ = runner(bundle, "--run", tmp_path / "frame.png", "--top", "2")
    code, out, _ = runner(bundle, "--stream", "--frame", "20x30", "--top", "2", data=raw * 3)
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [line["source"] for line in lines] == ["frame 0", "frame 1", "frame 2"]
    assert all(line["top"] == json.loads(expected)["top"] and len(line["top"]) == 2 for line in lines)


def ppm(width: int, height: int, header: str = "P6\n{} {}\n255\n") -> bytes:
    content = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return header.format(width, height).encode() + content.tobytes()


def test_frames_that_say_their_size_are_as_raw_ones(bundle):
    sizes = ((20, 30), (96, 96), (33, 1), (20, 30))
    raw = [runner(bundle, "--stream", "--frame", f"{w}x{h}", data=ppm(w, h, ""))[1] for w, h in sizes]
    headers = ("P6\n{} {}\n255\n", "P6 # made by hand\n {}\n{} 255\n", "P6\t{}\r\n{}\n255 ", "P6\n{} {}\n255\n")
    frames = b"".join(ppm(*size, header) for size, header in zip(sizes, headers, strict=True))
    code, out, _ = runner(bundle, "--stream", "--frame", "ppm", data=frames)
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [line["source"] for line in lines] == [f"frame {number}" for number in range(4)]
    assert [line["top"] for line in lines] == [json.loads(line)["top"] for line in raw]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (b"P5\n4 4\n255\n" + bytes(16), "no binary PPM"),
        (b"P6\n4 0\n255\n", "no binary PPM"),
        (b"P6\n4 -4\n255\n", "no binary PPM"),
        (b"P6\n4 4\n65535\n" + bytes(96), "no binary PPM"),
        (b"P6\n4 9999999999999\n255\n", "no binary PPM"),
        (b"P6\n4 4\n25", "no binary PPM"),
        (b"P6\n4 4\n255\n" + bytes(47), "47 of 48 bytes"),
        (b"P6\n4 4\n255\n", "0 of 48 bytes"),
    ],
)
def test_a_frame_with_a_bad_header_ends_the_stream(bundle, frame, words):
    code, out, error = runner(bundle, "--stream", "--frame", "ppm", data=ppm(4, 4) + frame)
    good, bad = (json.loads(line) for line in out.splitlines())
    assert (code, error) == (8, "") and "label" in good
    assert bad["source"] == "frame 1" and words in bad["error"]


@pytest.mark.parametrize(("width", "height"), [(8001, 8000), (1, 65536), (65536, 1)])
def test_a_frame_that_is_too_large_is_a_line_and_the_stream_goes_on(bundle, width, height):
    large = f"P6\n{width} {height}\n255\n".encode() + bytes(width * height * 3)
    code, out, error = runner(bundle, "--stream", "--frame", "ppm", data=ppm(4, 4) + large + ppm(4, 4))
    first, bad, last = (json.loads(line) for line in out.splitlines())
    assert (code, error) == (8, "") and first["label"] == last["label"]
    assert bad["source"] == "frame 1" and f"{width} x {height} pixels: at most 64 megapixels" in bad["error"]


def test_a_frame_that_is_too_large_and_cut_off_is_told_once(bundle):
    code, out, error = runner(bundle, "--stream", "--frame", "ppm", data=b"P6\n999999999 999999999\n255\n" + bytes(100))
    (bad,) = (json.loads(line) for line in out.splitlines())
    assert (code, error) == (8, "") and "64 megapixels" in bad["error"]


def test_a_frame_cut_short_ends_the_stream(bundle):
    frame = 96 * 96 * 3
    code, out, _ = runner(bundle, "--stream", data=bytes(frame + 100))
    whole, cut = (json.loads(line) for line in out.splitlines())
    assert code == 8 and "label" in whole
    assert cut["source"] == "frame 1" and f"100 of {frame} bytes" in cut["error"]


def test_an_empty_stream_is_no_error(bundle):
    assert runner(bundle, "--stream")[:2] == (0, "")


def test_one_dynamic_axis_is_inferred(tensors, tmp_path):
    for rows in (1, 5, 8):
        values = np.arange(rows * 3, dtype=np.float32)
        (tmp_path / "x.bin").write_bytes(values.tobytes())
        code, out, _ = runner(tensors, "--run", tmp_path / "x.bin", "--raw-output", tmp_path / f"{rows}.raw")
        (output,) = json.loads(out)["outputs"]
        assert code == 0 and output["shape"] == [rows, 3] and output["values"] == (2 * values)[:16].tolist()
        assert (output["min"], output["max"]) == (0, 2 * (rows * 3 - 1))
        assert (tmp_path / f"{rows}.raw").read_bytes() == (2 * values).tobytes()


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("int64", [2000000002, -(2**53) - 1, 2**62 + 1, 2**62]),
        pytest.param("float64", [0.1, 1 / 3, 2e9 + 0.125, -1e300], marks=pytest.mark.slow),
    ],
)
def test_no_digit_of_a_wide_number_is_lost(bundle, tmp_path, dtype, values):
    same_model(bundle, dtype, 4)
    (tmp_path / "x.bin").write_bytes(np.array(values, dtype).tobytes())
    (output,) = json.loads(runner(bundle, "--run", tmp_path / "x.bin")[1])["outputs"]
    assert output["values"] == values and (output["min"], output["max"]) == (min(values), max(values))
    assert output["mean"] == pytest.approx(sum(values) / 4, rel=1e-15)
    edit(bundle, task={"name": "regression", "labels": [], "options": {}})
    out = json.loads(runner(bundle, "--run", tmp_path / "x.bin")[1])
    assert [one["value"] for one in out["values"]] == values


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros(27, np.float32), "[9, 3], the model takes [1, 3] to [8, 3]"),
        (np.zeros(0, np.float32), "the model takes"),
        (np.zeros(7, np.float32), "28 bytes"),
        (np.array([0, np.nan, 0], np.float32), "not finite at element 1"),
        (np.array([0, 0, np.inf], np.float32), "not finite at element 2"),
    ],
)
def test_a_bad_tensor_is_refused(tensors, tmp_path, values, words):
    (tmp_path / "x.bin").write_bytes(values.tobytes())
    code, out, _ = runner(tensors, "--run", tmp_path / "x.bin")
    assert code == 8 and words in json.loads(out)["error"]


def test_an_output_that_is_not_finite_is_an_error(tensors, tmp_path):
    (tmp_path / "x.bin").write_bytes(np.full(3, 3e38, np.float32).tobytes())
    code, out, _ = runner(tensors, "--run", tmp_path / "x.bin")
    assert code == 4 and "output y is not finite" in json.loads(out)["error"]


def test_a_stream_of_tensors_takes_its_shape(tensors):
    code, out, _ = runner(tensors, "--stream", "--shape", "x=2x3", data=np.ones(12, np.float32).tobytes())
    assert code == 0 and [json.loads(line)["outputs"][0]["shape"] for line in out.splitlines()] == [[2, 3], [2, 3]]
    code, out, error = runner(tensors, "--stream", "--shape", "x=9x3", data=np.ones(27, np.float32).tobytes())
    assert (code, out) == (2, "") and "the model takes [1, 3] to [8, 3]" in error


@pytest.mark.parametrize(
    ("shape", "words"),
    [("z=2x3", "z, which is not an input"), ("x=1048576x1048576x1048576", "the model takes"), ("x=2", "the model takes")],
)
@pytest.mark.parametrize("mode", [["--stream"], ["--run", "x.bin"]])
def test_a_shape_that_cannot_be_is_a_usage_error(tensors, mode, shape, words):
    code, out, error = runner(tensors, *mode, "--shape", shape)
    assert (code, out) == (2, "") and words in error


# Recordings


@pytest.fixture
def sound(bundle):
    """A model of windows of four samples, eight of them a second, that answers with them."""
    same_model(bundle, "float32", 1, 4, stream={"rate": 8, "hop": 4}, audio={"sample_rate": 8})
    return bundle


RAMP = np.arange(8) / 16


def heard(out: str) -> list:
    """The samples of each line's window, or what its error says."""
    lines = [json.loads(line) for line in out.splitlines()]
    return [line["error"] if "error" in line else line["outputs"][0]["values"] for line in lines]


WINDOWS = [RAMP[:4].tolist(), RAMP[4:].tolist()]


def test_each_recording_is_heard_from_its_beginning_and_nothing_is_complained_of(sound, tmp_path):
    write(tmp_path / "a.wav", RAMP, rate=8)
    code, out, error = runner(sound, "--run", *[tmp_path / "a.wav"] * 3)
    assert (code, heard(out), error) == (0, WINDOWS * 3, "")


def test_recordings_are_named_on_standard_input_too_and_a_folder_is_none(sound, tmp_path):
    write(tmp_path / "a.wav", RAMP, rate=8)
    code, out, _ = runner(sound, "--run", tmp_path, "-", data=f"{tmp_path}/a.wav\n{tmp_path}/gone.wav\n".encode())
    folder, *windows, gone = heard(out)
    assert code == 8 and folder == f"{tmp_path} is a folder: name the recordings in it"
    assert windows == WINDOWS and "gone.wav cannot be opened" in gone


def riff(size: int, *rest: bytes) -> bytes:
    """A WAV file that says another size of itself, with chunks behind its sound."""
    return b"RIFF" + size.to_bytes(4, "little") + wav(encoded(RAMP, 16), rate=8, size=0)[8:] + b"".join(rest)


@pytest.mark.parametrize("size", [0, 36, 0x7FFFF000, 0xFFFFFFFF])
def test_a_recorder_that_did_not_know_the_length_is_heard_to_the_end(sound, size):
    assert heard(runner(sound, "--stream", data=riff(size))[1]) == WINDOWS


def test_a_finished_recording_without_sound_has_none(sound):
    empty = riff(36 + 8 + 16)[:44] + b"LIST" + (16).to_bytes(4, "little") + b"INFOISFTabcdefgh"
    code, out, _ = runner(sound, "--stream", data=empty)
    assert code == 8 and heard(out) == ["the stream ended before its first window of 4 samples"]


def test_samples_that_are_wider_than_their_bits_are_refused(sound):
    code, out, _ = runner(sound, "--stream", data=wav(bytes(32), rate=8, bits=24, block=4))
    assert code == 8 and "gives 4 bytes to a sample of 24 bits in 1 channels, which is read where it takes 3" in heard(out)[0]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"1\n2\n3\n4\n", [[1, 2, 3, 4]]),
        (b"\xef\xbb\xbf1\n2\n3\n4\n", [[1, 2, 3, 4]]),
        (b"\xef\xbb\xbfvolts, 1\n1\n2\n3\n4\n", [[1, 2, 3, 4]]),
        (b"1,9\n1\n2\n3\n4\n", ["holds 2 numbers, not 1", [1, 2, 3, 4]]),
        (b"7 volts\n1\n2\n3\n4\n", ["holds 'volts', which is no number", [1, 2, 3, 4]]),
        (b"1\n2\x00,9\n2\n3\n4\n", ["holds a NUL byte", [1, 2, 3, 4]]),
        (b"1\n\xef\xbb\xbf2\n2\n3\n4\n", ["which is no number", [1, 2, 3, 4]]),
    ],
)
def test_no_line_of_csv_vanishes_but_a_header(sound, text, lines):
    code, out, _ = runner(sound, "--stream", "--csv", data=text)
    found = heard(out)
    assert code == (0 if len(lines) == 1 else 8) and len(found) == len(lines)
    assert all(wanted in one if isinstance(wanted, str) else wanted == one for wanted, one in zip(lines, found, strict=True))


# The self-test


def budget(kind: str, statistic: str, limit: float) -> dict:
    name = f"{kind}.{statistic}".strip(".")
    return {"name": name, "kind": kind, "statistic": statistic, "sense": "max", "limit": limit}


def self_test(bundle, *arguments):
    code, out, error = runner(bundle, "--self-test", *arguments)
    assert error == ""
    return code, json.loads(out)


def verdicts(record: dict) -> dict[str, str]:
    return {verdict["budget"]: verdict["status"] for verdict in record["verdicts"]}


def test_a_sound_bundle_passes(bundle):
    code, record = self_test(bundle, "--bundle-digest", "abc")
    facts = json.loads((bundle / "bundle.json").read_text())
    assert code == 0 and record["status"] == "passed" and record["bundle_sha256"] == "abc"
    assert record["schema"] == "edgec/verification/v1" and record["model_sha256"] == facts["model"]["sha256"]
    assert record["golden"]["passed"] and record["golden"]["vectors"] == len(facts["golden"]["vectors"]) > 0
    latency = record["bench"]["latency_s"]
    order = [latency[name] for name in ("min", "p50", "p90", "p95", "p99", "max")]
    assert order == sorted(order) and order[0] > 0 and latency["min"] <= latency["mean"] <= latency["max"]
    intervals = record["bench"]["latency_interval_s"]
    assert {"p50", "p90"} <= set(intervals)
    assert all(low <= latency[name] <= high for name, (low, high) in intervals.items())
    assert record["bench"]["threads"] == facts["threads"] and 1e6 < record["bench"]["peak_rss_bytes"] < 64e6
    assert record["bench"]["throughput_hz"] == pytest.approx(1 / latency["mean"], rel=1e-3)


@pytest.mark.parametrize("value", [1e3, np.nan, np.inf])
def test_a_golden_output_that_differs_fails(bundle, value):
    vector = json.loads((bundle / "bundle.json").read_text())["golden"]["vectors"][1]
    path = bundle / vector["outputs"][0]
    expected = np.frombuffer(path.read_bytes(), np.float32).copy()
    expected[3] = value
    path.write_bytes(expected.tobytes())
    code, record = self_test(bundle)
    assert code == 7 and record["status"] == "failed" and record["bench"] is None
    assert not record["golden"]["passed"] and record["golden"]["worst"]["sample"] == vector["sample"]
    assert "element 3" in record["golden"]["worst"]["reason"]


def test_a_bundle_without_golden_vectors_does_not_pass(bundle):
    edit(bundle, golden={"absolute": 0, "relative": 0, "vectors": []})
    code, out, error = runner(bundle, "--self-test")
    assert (code, out) == (7, "") and "no golden vector" in error


@pytest.mark.parametrize("change", [lambda was: was[:-4], lambda was: was + b"x", lambda was: was + bytes(100)])
def test_a_golden_file_of_another_length_is_refused(bundle, change):
    vector = json.loads((bundle / "bundle.json").read_text())["golden"]["vectors"][0]
    path = bundle / vector["inputs"][0]
    path.write_bytes(change(path.read_bytes()))
    code, out, error = runner(bundle, "--self-test")
    assert (code, out) == (7, "") and vector["inputs"][0] in error


@pytest.mark.parametrize("more", [b"x", bytes(100)])
def test_a_longer_model_is_another_one(bundle, more):
    with (bundle / "model.pte").open("ab") as handle:
        handle.write(more)
    code, out, error = runner(bundle, "--self-test")
    assert (code, out) == (7, "") and "is not the model that bundle.json records: it is longer" in error


def test_a_damaged_golden_picture_is_the_bundles_fault(bundle):
    picture = next(bundle.glob("tests/golden/*.picture.*"))
    picture.write_bytes(b"no picture")
    code, _, error = runner(bundle, "--self-test")
    assert code == 7 and picture.name in error


def test_budgets_are_judged_by_this_device(bundle):
    edit(bundle, budgets=[budget("latency", "p90", 10), budget("memory", "", 1e9), budget("throughput", "", 0.1),
                          budget("size", "", 1), budget("latency", "p99", 10)])  # fmt: skip
    code, record = self_test(bundle)
    expected = ["latency.p90", "memory", "throughput", "latency.p99"]
    assert code == 0 and verdicts(record) == dict.fromkeys(expected, "met")
    assert record["bench"]["samples"] == 662


def test_bytes_are_told_to_the_last(bundle):
    edit(bundle, budgets=[budget("memory", "", 12345678901)])
    (verdict,) = self_test(bundle, "--samples", "8")[1]["verdicts"]
    assert verdict["limit"] == 12345678901
    (verdict,) = self_test(bundle, "--no-bench")[1]["verdicts"]
    assert verdict["limit"] == 12345678901


def test_a_missed_budget_is_exit_5(bundle):
    edit(bundle, budgets=[budget("latency", "p50", 1e-9), budget("memory", "", 1)])
    code, record = self_test(bundle)
    assert code == 5 and record["status"] == "budget-missed"
    assert verdicts(record) == {"latency.p50": "missed", "memory": "missed"}


def test_too_few_samples_are_inconclusive(bundle):
    edit(bundle, budgets=[budget("latency", "p90", 1e-9)])
    code, record = self_test(bundle, "--samples", "63")
    assert code == 0 and verdicts(record) == {"latency.p90": "inconclusive"}


@pytest.mark.parametrize("arguments", [["--evidence", "emulated"], ["--no-bench"]])
def test_what_was_not_measured_here_stays_deferred(bundle, arguments):
    edit(bundle, budgets=[budget("latency", "p90", 1e-9), budget("memory", "", 1)])
    code, record = self_test(bundle, "--samples", "64", *arguments)
    assert code == 0 and verdicts(record) == {"latency.p90": "deferred", "memory": "deferred"}


def whole(kind: str, statistic: str, limit: float, **more) -> dict:
    after = f"[after {more['after']}s]" if "after" in more else ""
    part = ".pipeline" if more.get("of") == "pipeline" else ""
    name = f"{kind}{part}.{statistic}".rstrip(".") + after
    return {**budget(kind, statistic, limit), "name": name, **more}


def test_the_parts_of_the_pipeline_are_timed_on_the_bundles_own_pictures(bundle):
    facts = json.loads((bundle / "bundle.json").read_text())
    assert all((bundle / vector["picture"]).is_file() for vector in facts["golden"]["vectors"])
    _, record = self_test(bundle)
    found = record["bench"]["pipeline"]
    assert (found["inputs"], found["samples"]) == ("pictures", 64)
    parts = sum(found[f"{part}_s"]["mean"] for part in ("pre", "execute", "post"))
    assert found["total_s"]["mean"] == pytest.approx(parts, rel=1e-6) and min(found["pre_s"]["min"], found["post_s"]["min"]) > 0
    assert found["throughput_hz"] == pytest.approx(1 / found["total_s"]["mean"], rel=1e-3)


def test_a_golden_input_is_what_the_runner_makes_of_its_picture(bundle):
    """What the pipeline's clock times gives the model the very pixels of the golden vector."""
    for vector in json.loads((bundle / "bundle.json").read_text())["golden"]["vectors"]:
        made = subprocess.run(
            [bundle / "bin" / "edgec-run", "--preprocess", bundle / vector["picture"]], capture_output=True
        ).stdout
        given = np.frombuffer((bundle / vector["inputs"][0]).read_bytes(), np.float32)
        assert np.array_equal(np.frombuffer(made, np.uint8).astype(np.float32), given)


def test_what_decoding_costs_is_in_the_pipeline_alone(bundle, tmp_path):
    """A picture a hundred times larger slows `pre`; without pictures there are frames, and nothing to decode."""
    golden = json.loads((bundle / "bundle.json").read_text())["golden"]
    small = self_test(bundle)[1]["bench"]["pipeline"]["pre_s"]["min"]
    rows = np.random.default_rng(0).integers(0, 256, (1500, 2000, 3), "uint8")
    PIL.Image.fromarray(rows).save(bundle / "tests" / "large.jpg")
    edit(bundle, golden={**golden, "vectors": [{**vector, "picture": "tests/large.jpg"} for vector in golden["vectors"]]})
    found = self_test(bundle, "--passes", "8")[1]["bench"]["pipeline"]
    assert found["pre_s"]["min"] > 10 * small and found["samples"] == 8
    bare = [{key: value for key, value in vector.items() if key != "picture"} for vector in golden["vectors"]]
    edit(bundle, golden={**golden, "vectors": bare})
    found = self_test(bundle)[1]["bench"]["pipeline"]
    assert found["inputs"] == "frames" and found["pre_s"]["min"] < 10 * small


def test_the_peak_of_memory_has_decoding_in_it(bundle):
    """A picture of 24 megapixels takes 72 MB as pixels; without passes it is not decoded."""
    golden = json.loads((bundle / "bundle.json").read_text())["golden"]
    PIL.Image.new("RGB", (6000, 4000)).save(bundle / "tests" / "large.jpg")
    edit(
        bundle,
        golden={**golden, "vectors": [{**vector, "picture": "tests/large.jpg"} for vector in golden["vectors"]]},
        budgets=[budget("memory", "", 72e6)],
    )
    code, record = self_test(bundle, "--samples", "8", "--passes", "1")
    assert code == 5 and verdicts(record) == {"memory": "missed"} and record["bench"]["peak_rss_bytes"] > 72e6
    code, record = self_test(bundle, "--samples", "8", "--passes", "0")
    assert code == 0 and verdicts(record) == {"memory": "met"} and record["bench"]["peak_rss_bytes"] < 64e6


def test_a_budget_of_the_pipeline_is_not_met_by_the_execution_alone(bundle):
    golden = json.loads((bundle / "bundle.json").read_text())["golden"]
    PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (1500, 2000, 3), "uint8")).save(
        bundle / "tests" / "large.jpg"
    )
    edit(
        bundle,
        golden={**golden, "vectors": [{**vector, "picture": "tests/large.jpg"} for vector in golden["vectors"]]},
        budgets=[
            budget("latency", "p90", 10),
            whole("latency", "p90", 10, of="pipeline"),
            whole("latency", "p50", 1e-4, of="pipeline"),
        ],
    )
    code, record = self_test(bundle)
    assert code == 5
    assert verdicts(record) == {"latency.p90": "met", "latency.pipeline.p90": "met", "latency.pipeline.p50": "missed"}


def test_a_short_load_is_always_measured_and_a_long_one_when_asked(bundle):
    edit(bundle, budgets=[whole("latency", "p90", 10, of="pipeline", after=0.5), whole("throughput", "", 1, after=0.25),
                          whole("latency", "p90", 10, after=10.5)])  # fmt: skip
    facts = json.loads((bundle / "bundle.json").read_text())
    for one in facts["budgets"]:
        one["sense"] = "min" if one["kind"] == "throughput" else "max"
    edit(bundle, budgets=facts["budgets"])
    code, record = self_test(bundle)
    assert code == 0
    short, rate, long = record["verdicts"]
    assert (short["status"], rate["status"]) == ("met", "met") and short["samples"] >= 64
    assert long["status"] == "deferred" and "verify.sh --sustained" in long["reason"] and long["evidence"] == "none"
    assert [one["after_s"] for one in record["bench"]["sustained"]] == [0.25, 0.5]
    assert all(0.1 < one["throttling"] < 10 for one in record["bench"]["sustained"])


def test_emulated_passes_are_not_made(bundle):
    edit(bundle, budgets=[whole("latency", "p90", 1e-9, of="pipeline"), whole("latency", "p90", 1e-9, after=0.25)])
    code, record = self_test(bundle, "--evidence", "emulated", "--samples", "8")
    assert code == 0 and set(verdicts(record).values()) == {"deferred"} and "pipeline" not in record["bench"]


def test_profile_writes_an_etdump(bundle, tmp_path):
    code, out, error = runner(bundle, "--profile", tmp_path / "trace.etdump")
    assert (code, out, error) == (0, "", "")
    assert (tmp_path / "trace.etdump").read_bytes()[8:12] == b"ED00"  # size, root, identifier


def test_profile_goes_through_a_link_and_takes_no_folder_away(bundle, tmp_path):
    (tmp_path / "link").symlink_to("trace.etdump")
    (tmp_path / "empty").mkdir()
    assert runner(bundle, "--profile", tmp_path / "link")[0] == 0
    assert (tmp_path / "link").is_symlink() and (tmp_path / "trace.etdump").stat().st_size > 0
    code, _, error = runner(bundle, "--profile", tmp_path / "empty")
    assert code == 8 and (tmp_path / "empty").is_dir() and "Is a directory" in error


def test_info_names_the_delegate_and_no_kernel_library(bundle):
    code, out, _ = runner(bundle, "--info")
    facts = json.loads(out)
    assert code == 0 and facts["backends"] == ["XnnpackBackend"] and facts["inputs"][0]["shape"] == [1, 96, 96, 3]
    assert set(facts["kernels"]) == operators(CORE)


# The process


def test_an_interrupt_is_130(bundle):
    command = [bundle / "bin" / "edgec-run", "--stream"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write(bytes(96 * 96 * 3))
    process.stdin.flush()
    assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    process.stdin.close()
    process.stdout.close()


def test_a_reader_that_goes_away_is_no_error(bundle):
    frames = f"head -c {96 * 96 * 3 * 200} /dev/zero"
    command = f"{frames} | ( '{bundle}/bin/edgec-run' --stream; echo $? >&2 ) | head -n 1"
    code, out, error = run("/bin/sh", "-c", command)
    assert code == 0 and json.loads(out)["source"] == "frame 0" and error.strip() == "0"


def test_a_full_disk_is_named(bundle, tmp_path):
    (tmp_path / "frame.png").write_bytes(png())
    code, _, error = run("/bin/sh", "-c", f"'{bundle}/bin/edgec-run' --run '{tmp_path}/frame.png' > /dev/full")
    assert code == 8 and "No space left" in error


# The build


@pytest.mark.parametrize("target", ["jetson-nano", "linux-x86_64"])
def test_nothing_in_the_bundle_needs_more_than_jetpack_4_has(camera, target):
    ceilings = {"GLIBC": (2, 27), "GLIBCXX": (3, 4, 25), "CXXABI": (1, 3, 11)}
    folder = camera.folder(target)
    for path in (folder / "bin" / "edgec-run", *sorted((folder / "lib").iterdir())):
        _, listed, _ = run("readelf", "-V", "-W", path)
        found = re.findall(r"Name: (GLIBC|GLIBCXX|CXXABI)_([0-9.]+)", listed.split("Version needs section")[1])
        assert found
        for family, version in found:
            assert tuple(map(int, version.split("."))) <= ceilings[family], f"{path.name} needs {family}_{version}"


def test_the_run_path_is_relative(camera):
    _, listed, _ = run("readelf", "-d", "-W", camera.folder("jetson-nano") / "bin" / "edgec-run")
    assert re.findall(r"R(?:UN)?PATH.*\[(.*)\]", listed) == ["$ORIGIN/../lib"]


def linked(architecture, compiled, libraries, folder, cache):
    pack, tools = runtime_pack(architecture, cache, offline=False), toolchain(architecture, "2.27")
    return link_runner(compiled, architecture, "2.27", tuple(sorted(libraries)), pack, tools, folder)


def compiled(architecture, folder, cache):
    return compile_runner(runtime_pack(architecture, cache, offline=False), toolchain(architecture, "2.27"), folder)


@pytest.mark.slow
def test_another_folder_and_a_cold_cache_give_the_same_bytes(camera, cache_folder, tmp_path, monkeypatch):
    folder = tmp_path / "another and deeper" / "two"
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(folder / "zig-global"))
    names = [path.name for path in (camera.folder("jetson-nano") / "lib").iterdir()]
    built = linked("aarch64", compiled("aarch64", folder, cache_folder), names, folder, cache_folder)
    assert built.executable.read_bytes() == (camera.folder("jetson-nano") / "bin" / "edgec-run").read_bytes()
    assert str(tmp_path).encode() not in built.executable.read_bytes()


def test_the_operator_lists_are_the_registrys(bundle, cache_folder, tmp_path):
    shared = compiled("x86_64", tmp_path / "compiled", cache_folder)
    for library in KERNELS:
        base = ["libexecutorch.so", "libexecutorch_etdump.so", "libexecutorch_threadpool.so"]
        built = linked("x86_64", shared, [*base, library], tmp_path / library, cache_folder)
        place = tmp_path / library
        (place / "bin").mkdir()
        (place / "lib").mkdir()
        shutil.copy(built.executable, place / "bin")
        for path in built.libraries:
            shutil.copy(path, place / "lib")
        _, out, _ = run(place / "bin" / "edgec-run", "--info", "--bundle", bundle)
        assert set(json.loads(out)["kernels"]) - operators(CORE) == operators(library), library


def test_a_compiler_error_is_reported_with_its_line(cache_folder, tmp_path, monkeypatch):
    from edgec.diagnostics import Failure
    from edgec.runtime import build

    (tmp_path / "broken.cpp").write_text("int main() { return nothing; }\n")
    monkeypatch.setattr(build, "_sources", lambda: tmp_path)
    with pytest.raises(Failure, match=r"broken\.cpp:1.*nothing") as caught:
        compiled("x86_64", tmp_path / "work", cache_folder)
    assert caught.value.diagnostics[0].code == "runner-not-built"
