"""``run.sh --source`` on streams: a real RTSP server and one of MJPEG over HTTP; ended, lost, stalled, back, or never there."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import signal
import socketserver
import statistics
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from video_parts import children, clip, ffmpeg, play, results, rtsp_serves, serving, stand_in_bundle, start

pytestmark = [
    pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed"),
    pytest.mark.skipif(not rtsp_serves(), reason="GStreamer's RTSP server is not installed"),
]
CAMERA = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "0")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stand_in_bundle(tmp_path_factory.mktemp("a bundle's place"))


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip(tmp_path_factory.mktemp("clips") / "long.mp4", seconds=30, options=CAMERA)


def events(process: subprocess.Popen[str]) -> Iterator[dict[str, object]]:
    """Yield what a run tells beside results, as it comes."""
    assert process.stdout is not None
    for line in process.stdout:
        told = json.loads(line)
        if "event" in told:
            yield told


def begun(process: subprocess.Popen[str], frames: int = 5) -> subprocess.Popen[str]:
    """Wait until some results have come."""
    assert process.stdout is not None
    for _ in range(frames):
        assert "capture_to_result_ms" in json.loads(process.stdout.readline())
    return process


def test_a_stream_that_says_how_long_it_is_ends_there(folder: Path, tmp_path: Path) -> None:
    with serving(clip(tmp_path / "short.mp4", seconds=2, options=CAMERA)) as (_, address):
        code, lines, err = play(folder, address.replace("://", "://guest:s3cret@"))
    assert (code, err) == (0, "")
    assert len(results(lines)) == 50
    assert [line["why"] for line in lines if "event" in line] == ["end of stream"]
    assert lines[-1]["source"] == address.replace("://", "://***@"), "no line holds a password"
    assert "s3cret" not in json.dumps(lines)


def test_a_stream_with_one_key_frame_is_seen_from_its_beginning(folder: Path, tmp_path: Path) -> None:
    options = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "2", "-g", "250")
    with serving(clip(tmp_path / "one.mp4", seconds=4, options=options)) as (_, address):
        code, lines, err = play(folder, address, "--realtime")
    assert (code, err) == (0, "")
    assert lines[-1]["frames"] == 100 and len(results(lines)) > 20
    assert statistics.median(line["capture_to_result_ms"] for line in results(lines)) < 500, "what was late is left out"


def test_a_stream_that_is_lost_is_connected_again(folder: Path, long: Path) -> None:
    with serving(long) as (first, address):
        process = begun(start(folder, address, "--realtime"))
        told = events(process)
        first.kill()
        lost = next(told)
        assert (lost["event"], lost["source"]) == ("lost", address)
        first.wait()
        with serving(long, int(address.split(":")[2].split("/")[0])):
            back = next(told)
            assert back["event"] == "connected" and back["attempts"] >= 1 and back["away_s"] > 0.4
            begun(process)
            process.terminate()
            last = list(told)[-1]
    assert (last["event"], last["why"], last["reconnects"]) == ("end", "SIGTERM", 1)
    assert process.wait(10) == 0
    process.stdout.close()


def test_a_stream_that_stalls_is_lost_after_the_limit_and_comes_back(folder: Path, long: Path) -> None:
    with serving(long) as (server, address):
        process = begun(start(folder, address, "--stall", "2"))
        told = events(process)
        server.send_signal(signal.SIGSTOP)
        lost = next(told)
        assert (lost["event"], lost["error"]) == ("lost", "no picture for 2 s")
        server.send_signal(signal.SIGCONT)
        assert next(told)["event"] == "connected"
        process.terminate()
        assert list(told)[-1]["why"] == "SIGTERM"
    process.stdout.close()


def test_a_stream_that_does_not_come_back_is_given_up_where_that_is_asked(folder: Path, long: Path) -> None:
    with serving(long) as (server, address):
        process = begun(start(folder, address, "--retries", "2"))
        started = children(process)
        server.kill()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 8
    assert err == f"run.sh: {address}: lost, and not back after 2 attempts\n"
    assert [json.loads(line).get("event") for line in out.splitlines() if "event" in line] == ["lost", "end"]
    assert not any(Path(f"/proc/{child}").exists() for child in started)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_while_it_waits_for_a_lost_stream(folder: Path, long: Path, number: int) -> None:
    with serving(long) as (server, address):
        process = begun(start(folder, address))
        server.kill()
        assert next(events(process))["event"] == "lost"
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == ({signal.SIGTERM: 0, signal.SIGINT: 130}[signal.Signals(number)], "")


def test_an_address_that_leads_nowhere_ends_the_run(folder: Path, long: Path) -> None:
    with serving(long) as (_, address):
        code, _, err = play(folder, address.replace("/clip", "/other").replace("://", "://guest:s3cret@"))
    assert code == 8 and "404 Not Found" in err and err.count("\n") == 1 and "s3cret" not in err
    code, _, err = play(folder, address)
    assert code == 8 and "Connection refused" in err
    code, _, err = play(folder, "nonsense://127.0.0.1/")
    assert code == 8 and "Protocol not found" in err


class Pictures(http.server.BaseHTTPRequestHandler):
    """Ten JPEGs as cameras send them over HTTP, then the end of the connection."""

    jpeg = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace;boundary=next")
        self.end_headers()
        head = b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(self.jpeg)
        for _ in range(10):
            self.wfile.write(head + self.jpeg + b"\r\n")

    def log_message(self, format: str, *values: object) -> None:
        pass


def test_a_stream_without_an_end_is_lost_when_its_connection_ends(folder: Path, tmp_path: Path) -> None:
    picture = clip(tmp_path / "clip.mp4", seconds=0.2)
    ffmpeg("-i", picture, "-frames:v", 1, tmp_path / "one.jpg")
    Pictures.jpeg = (tmp_path / "one.jpg").read_bytes()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Pictures) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        process = start(folder, f"http://127.0.0.1:{server.server_address[1]}/stream")
        told = events(process)
        kinds = [next(told)["event"] for _ in range(3)]
        process.terminate()
        last = list(told)[-1]
        process.wait(10)
        process.stdout.close()
        server.shutdown()
    assert kinds == ["lost", "connected", "lost"]
    assert last["results"] >= 20


def test_a_recording_on_a_web_server_is_played_at_its_own_speed_where_that_is_asked(folder: Path, tmp_path: Path) -> None:
    clip(tmp_path / "clip.mp4", seconds=2)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/clip.mp4"
        seconds = {}
        for options in ((), ("--realtime",)):
            code, lines, _ = play(folder, address, *options)
            assert (code, lines[-1]["why"]) == (0, "end of stream")
            # In real time, what comes while ffmpeg looks at the stream is late.
            assert lines[-1]["frames"] == 50 if not options else 30 < lines[-1]["frames"] <= 50
            seconds[options] = lines[-1]["seconds"]
        server.shutdown()
    assert seconds["--realtime",] > 1.9 and seconds["--realtime",] > seconds[()]


def test_a_camera_that_is_not_there_is_told(folder: Path) -> None:
    code, _, err = play(folder, "/dev/video99")
    assert (code, err) == (8, "run.sh: /dev/video99: No such file or directory\n")
    code, _, err = play(folder, "/dev/null")
    assert code == 8 and "Inappropriate ioctl" in err and err.count("\n") == 1
    assert play(folder, "/dev/null", "--loop")[0] == 2
