"""The page of ``--preview``: in a real browser, and as what it is to others: loopback only, nothing foreign, nothing left."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import PIL.Image
import pytest

from browser import Browser, chromium
from video_parts import children, clip, play, previewed, rtsp_serves, serving, stand_in_bundle

pytestmark = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
SUM = """(() => { const c = document.getElementById("picture");
  return c.getContext("2d").getImageData(0, 0, c.width, c.height).data.reduce((a, b) => a + b, 0); })()"""
PIXEL = """Array.from(document.getElementById("picture").getContext("2d").getImageData(%d, %d, 1, 1).data)"""

OTHER_TASKS = (
    ('{top: [{label: "3", score: 0.984}, {label: "8", score: 0.0114}]}', "398 %81.1 %"),
    ('{classes: [{label: "road", share: 0.6}]}', "road60 %"),
    ('{values: [{name: "temperature", value: 21.4321, unit: "°C"}]}', "temperature21.43 °C"),
    ('{error: "output is not finite"}', "output is not finite"),
)


def text(name: str) -> str:
    return f'document.getElementById("{name}").textContent'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stand_in_bundle(tmp_path_factory.mktemp("a bundle's place"))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("clips") / "clip.mp4"
    return clip(place, seconds=10, options=("-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "0"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not chromium():
        pytest.skip("Chromium is not installed")
    with Browser() as opened:
        yield opened


def board(place: Path, microwatts: int) -> dict[str, str]:
    """A system folder with one power sensor, as a board has it."""
    chip = place / "class" / "hwmon" / "hwmon0"
    chip.mkdir(parents=True)
    (chip / "name").write_text("board\n")
    (chip / "power1_input").write_text(f"{microwatts}\n")
    (chip / "power1_label").write_text("VDD_IN\n")
    return {"EDGEC_SYSFS": str(place)}


@pytest.mark.skipif(not rtsp_serves(), reason="GStreamer's RTSP server is not installed")
def test_a_browser_shows_a_stream_that_moves_with_its_boxes_and_figures(
    folder: Path, video: Path, browser: Browser, tmp_path: Path
) -> None:
    browser.wrong.clear()
    with serving(video) as (_, address), previewed(
        folder, address, "--realtime", environment=board(tmp_path, 4_210_000)
    ) as (_, page):
        browser.open(page)
        browser.until('document.getElementById("note").hidden')
        assert browser.until(f"parseFloat({text('fps')})") > 5
        assert browser.value(text("state")) == "playing"
        assert browser.value(text("model")) == "camera 1.0.0"
        for name in ("p50", "p90", "model50", "model90"):
            assert re.match(r"^\d+\.\d ms$", browser.value(text(name))), name
        assert (browser.value(text("watts")), browser.value(text("sensor"))) == ("4.21 W", "VDD_IN")
        assert browser.value(text("seen")) == "<b>bolt & nut</b>75 %", "a label is text, never markup"
        assert browser.value('document.querySelectorAll("#seen b").length') == 0
        for line, shown in OTHER_TASKS:
            assert browser.value(f"list({line}), {text('seen')}") == shown
        before = browser.value(SUM)
        browser.until(f"{SUM} !== {before}")
        # The box begins at a quarter of the picture, 80 and 60 of 320 and 240, drawn in the label's colour.
        red, green, blue, _ = browser.value(PIXEL % (80, 150))
        assert green > 150 and green - red > 60 and green - blue > 40, (red, green, blue)
        shot = PIL.Image.open(browser.picture(tmp_path / "page.png"))
        assert shot.size[0] == 1280 and len(shot.convert("RGB").getcolors(1 << 24)) > 500
    browser.until(f"{text('state')}.includes('ended')")
    # The server went in the midst of what the page was asking for, or of an answer.
    cut = ("ERR_CONNECTION", "ERR_CONTENT_LENGTH_MISMATCH")
    assert [entry for entry in browser.wrong if not any(word in str(entry) for word in cut)] == []


def test_a_stream_that_is_lost_is_told_on_the_page(folder: Path, video: Path, browser: Browser) -> None:
    if not rtsp_serves():
        pytest.skip("GStreamer's RTSP server is not installed")
    with serving(video) as (server, address), previewed(folder, address, "--stall", "1") as (_, page):
        browser.open(page)
        browser.until(f"{text('state')} === 'playing'")
        server.send_signal(signal.SIGSTOP)
        assert browser.until(f"{text('state')}.startsWith('lost') && {text('state')}") == "lost: no picture for 1 s"
        server.send_signal(signal.SIGCONT)
        browser.until(f"{text('state')} === 'playing'")
        assert browser.value(text("reconnects")) == "1"


def ask(page: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    request = urllib.request.Request(page + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def test_jpegs_are_made_only_while_someone_looks(folder: Path, video: Path) -> None:
    with previewed(folder, video, "--loop", "--realtime") as (process, page):
        time.sleep(0.5)
        assert len(children(process)) == 2, "the decoder and the runner"
        numbers = [0]
        for _ in range(3):
            _, _, body = ask(page, f"frame?after={numbers[-1]}")
            told, jpeg = body.split(b"\n", 1)
            assert jpeg.startswith(b"\xff\xd8") and jpeg.rstrip().endswith(b"\xff\xd9")
            numbers.append(json.loads(told)["number"])
            assert json.loads(told)["line"]["detections"][0]["box"] == [80, 60, 160, 120]
        assert numbers == sorted(set(numbers))
        assert len(children(process)) == 3
        until = time.monotonic() + 10
        while len(children(process)) > 2 and time.monotonic() < until:
            time.sleep(0.1)
        assert len(children(process)) == 2


def test_pictures_of_several_sizes_follow_one_another(folder: Path, tmp_path: Path) -> None:
    for number, size in enumerate(((101, 57), (64, 48), (16, 2), (2000, 500))):
        PIL.Image.new("RGB", size, (200, 30, 30)).save(tmp_path / f"{number}.png")
    seen = set()
    with previewed(folder, tmp_path, "--loop", environment={"STAND_IN_SECONDS": "0.3"}) as (_, page):
        number, until = 0, time.monotonic() + 20
        while len(seen) < 4 and time.monotonic() < until:
            told, jpeg = ask(page, f"frame?after={number}")[2].split(b"\n", 1)
            number = json.loads(told)["number"]
            if jpeg:
                (tmp_path / "shown.jpg").write_bytes(jpeg)
                with PIL.Image.open(tmp_path / "shown.jpg") as shown:
                    seen.add((tuple(json.loads(told)["line"]["size"]), shown.size))
    assert seen == {((101, 57), (101, 57)), ((64, 48), (64, 48)), ((16, 2), (16, 2)), ((2000, 500), (1280, 320))}


def test_it_answers_this_machine_only_and_nothing_else(folder: Path, video: Path) -> None:
    with previewed(folder, video, "--loop", "--realtime") as (_, page):
        port = int(page.rstrip("/").rsplit(":", 1)[1])
        status, headers, body = ask(page, "")
        assert status == 200 and b"<canvas" in body
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert ask(page, "", Host=f"localhost:{port}")[0] == 200
        assert ask(page, "", Host="a-page-of-elsewhere.example")[0] == 403
        assert ask(page, "frame?after=0", Host=f"a-page-of-elsewhere.example:{port}")[0] == 403
        for path in ("page.html", "../bundle.json", "frame", "frame?after=-1", "frame?after=x", "frame?after=" + "9" * 30):
            assert ask(page, path)[0] == 404, path
        figures = json.loads(ask(page, "figures")[2])
        assert figures["power"] is None or figures["power"]["watts"] > 0
        listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"]
        assert f"0100007F:{port:04X}" in listening and f"00000000:{port:04X}" not in listening
        # A page that goes away in the middle leaves the run as it is.
        with socket.create_connection(("127.0.0.1", port)) as gone:
            gone.sendall(b"GET /frame?after=0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert ask(page, "figures")[0] == 200


def test_a_port_that_is_taken_is_told(folder: Path, video: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, lines, err = play(folder, video, "--preview", port)
    assert (code, lines) == (8, [])
    assert f"127.0.0.1:{port} cannot be listened on: Address already in use" in err and err.count("\n") == 1
    assert play(folder, video, "--preview", "70000")[0] == 2


def test_the_page_says_when_no_jpeg_can_be_made(folder: Path, video: Path, tmp_path: Path) -> None:
    broken = tmp_path / "ffmpeg"
    refuse = 'case " $* " in *" mpjpeg "*) echo "[fatal] no such encoder" >&2; exit 1;; esac'
    broken.write_text(f'#!/bin/sh\n{refuse}\nexec {shutil.which("ffmpeg")} "$@"\n')
    broken.chmod(0o755)
    import os

    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with previewed(folder, video, "--loop", "--realtime", environment=environment) as (_, page):
        until = time.monotonic() + 10
        trouble = ""
        while not trouble and time.monotonic() < until:
            trouble = json.loads(ask(page, "frame?after=0")[2].split(b"\n", 1)[0])["trouble"]
    assert trouble == "ffmpeg makes no JPEG: no such encoder"
