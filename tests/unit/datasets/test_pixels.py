"""Decode and fit: exact sizes and boxes, every PNG flavour, and refusal of what is not a whole picture."""

import io
import struct
import zlib

import numpy as np
import PIL.Image
import pytest

from edgec.artifacts.manifest import Image
from edgec.datasets import pixels as module
from edgec.datasets.pixels import contain_size, cover_box, fit, pixels
from edgec.diagnostics import Failure


def encoded(picture: PIL.Image.Image, form: str = "PNG", **options: object) -> bytes:
    content = io.BytesIO()
    picture.save(content, form, **options)
    return content.getvalue()


def random_picture(width: int, height: int) -> PIL.Image.Image:
    return PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def refused(content: bytes) -> str:
    with pytest.raises(Failure) as caught:
        pixels(content, Image(width=4, height=4), "cat.png")
    (finding,) = caught.value.diagnostics
    assert (finding.code, finding.exit_code) == ("data-unreadable", 3)
    assert "cat.png" in finding.message
    return finding.message


def test_the_result_is_rgb_of_the_asked_size() -> None:
    for how in ("stretch", "cover", "contain"):
        array = pixels(encoded(random_picture(31, 17)), Image(width=8, height=12, fit=how))
        assert (array.shape, array.dtype) == ((12, 8, 3), np.uint8)


def test_a_picture_of_the_right_size_is_unchanged() -> None:
    picture = random_picture(9, 7)
    for how in ("stretch", "cover", "contain"):
        assert np.array_equal(pixels(encoded(picture), Image(width=9, height=7, fit=how)), np.asarray(picture))


@pytest.mark.parametrize(
    ("source", "target", "box"),
    [
        ((32, 40), (96, 96), (0, 4, 32, 36)),
        ((40, 32), (96, 96), (4, 0, 36, 32)),
        ((100, 100), (16, 9), (0, 21.875, 100, 78.125)),
        ((7, 3), (5, 5), (2, 0, 5, 3)),
        ((1, 1), (3, 2), (0, 1 / 6, 1, 5 / 6)),
    ],
)
def test_cover_crops_the_centre(source: tuple[int, int], target: tuple[int, int], box: tuple[float, ...]) -> None:
    assert cover_box(source, target) == pytest.approx(box)


def test_cover_boxes_never_leave_the_picture() -> None:
    for width in range(1, 60):
        for height in range(1, 60):
            left, upper, right, lower = cover_box((width, height), (31, 17))
            assert 0 <= left < right <= width and 0 <= upper < lower <= height
            assert (right - left) / (lower - upper) == pytest.approx(31 / 17)


@pytest.mark.parametrize(
    ("source", "target", "size"),
    [
        ((32, 40), (96, 96), (77, 96)),  # 76.8
        ((40, 32), (96, 96), (96, 77)),
        ((4, 1), (2, 2), (2, 1)),  # 0.5 rounds up
        ((1000, 1), (10, 10), (10, 1)),  # never 0
        ((8, 3), (4, 4), (4, 2)),  # 1.5 rounds up, not to even
        ((8, 5), (4, 4), (4, 3)),  # 2.5 rounds up, not to even
    ],
)
def test_contain_rounds_half_up(source: tuple[int, int], target: tuple[int, int], size: tuple[int, int]) -> None:
    assert contain_size(source, target) == size


def test_contain_centres_on_black() -> None:
    white = PIL.Image.new("RGB", (8, 3), "white")
    array = pixels(encoded(white), Image(width=4, height=5, fit="contain"))
    assert array[:, 0, 0].tolist() == [0, 255, 255, 0, 0]  # 2 rows in 5: offset floor(1.5)


def test_cover_equals_cropping_inside_the_box() -> None:
    picture = random_picture(32, 40)
    cropped = picture.crop((0, 4, 32, 36)).resize((96, 96), PIL.Image.Resampling.BILINEAR)
    covered = np.asarray(fit(picture, 96, 96, "cover"))
    assert np.array_equal(covered[2:-2], np.asarray(cropped)[2:-2])
    assert not np.array_equal(covered, np.asarray(cropped))  # at the edges, pixels outside the box take part


def test_downscaling_is_antialiased() -> None:
    stripes = np.zeros((8, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    array = pixels(encoded(PIL.Image.fromarray(stripes)), Image(width=4, height=8, fit="stretch"))
    assert np.abs(array.astype(int) - 127).max() <= 4


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    picture = random_picture(6, 6).convert(mode)
    expected = np.asarray(picture.convert("RGB"))
    assert np.array_equal(pixels(encoded(picture), Image(width=6, height=6)), expected)


def test_alpha_is_dropped_not_blended() -> None:
    picture = PIL.Image.new("RGBA", (2, 2), (200, 100, 50, 0))
    assert pixels(encoded(picture), Image(width=2, height=2))[0, 0].tolist() == [200, 100, 50]


def test_sixteen_bit_grey_keeps_its_high_byte() -> None:
    values = np.array([[0, 255, 256, 40000, 65535]], np.uint16)
    array = pixels(encoded(PIL.Image.fromarray(values)), Image(width=5, height=1))
    assert array[0, :, 0].tolist() == [0, 0, 1, 156, 255]


def test_sixteen_bit_colour_keeps_its_high_byte() -> None:
    row = struct.pack(">6H", 0x1234, 0x00FF, 0xFF00, 0xFFFF, 0x8000, 0x7FFF)
    array = pixels(png(2, 1, 16, 2, b"\0" + row), Image(width=2, height=1))
    assert array[0].tolist() == [[0x12, 0x00, 0xFF], [0xFF, 0x80, 0x7F]]


def test_exif_rotation_is_not_applied() -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    content = encoded(PIL.Image.new("RGB", (4, 8)), "JPEG", exif=exif)
    array = pixels(content, Image(width=4, height=8))
    assert array.shape == (8, 4, 3)
    assert not array.any()


def test_jpeg_is_read() -> None:
    array = pixels(encoded(PIL.Image.new("RGB", (16, 16), (200, 40, 90)), "JPEG", quality=95), Image(width=4, height=4))
    assert np.abs(array.astype(int) - [200, 40, 90]).max() <= 3


def test_what_is_no_picture_is_refused() -> None:
    assert "neither a PNG nor a JPEG" in refused(b"")
    assert "neither a PNG nor a JPEG" in refused(b"hello" * 100)
    assert "neither a PNG nor a JPEG" in refused(encoded(random_picture(4, 4), "BMP"))


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_truncated_picture_is_refused(form: str) -> None:
    whole = encoded(random_picture(40, 40), form)
    for length in (len(whole) // 4, len(whole) // 2, len(whole) - 200):
        refused(whole[:length])


def test_a_flipped_byte_in_a_png_is_refused_or_changes_nothing() -> None:
    picture = random_picture(12, 12)
    whole = encoded(picture)
    for position in range(0, len(whole), 7):
        broken = whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :]
        try:
            array = pixels(broken, Image(width=12, height=12))
        except Failure as failure:
            assert failure.diagnostics[0].code == "data-unreadable"
        else:
            assert array.shape == (12, 12, 3)


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    assert "64 megapixels" in refused(png(60_000, 60_000, 8, 2, b""))
    assert "64 megapixels" in refused(png(8001, 8000, 8, 2, b""))
    assert "64 megapixels" not in refused(png(8000, 8000, 8, 2, b""))


def test_a_path_that_cannot_be_read_is_refused(tmp_path) -> None:
    with pytest.raises(Failure) as caught:
        pixels(tmp_path / "none.png", Image(width=1, height=1))
    assert caught.value.diagnostics[0].code == "data-unreadable"
    assert module.PIXEL_LIMIT == 64_000_000


def png(width: int, height: int, bits: int, colour: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
