"""The command line of ``run.sh --source``."""

import argparse
import re
from typing import Any, List, NamedTuple, Optional, Tuple

from problem import USAGE, Problem

SUFFIXES = (".mp4", ".mov", ".mkv")
DESCRIPTION = """Play a video through the model: one JSON line for each picture, with what the model saw, the time from the
picture's arrival to its result (capture_to_result_ms) and the results a second (fps)."""
EPILOG = """Examples: run.sh --source clip.mp4 --record seen.mp4;
run.sh --source rtsp://camera/stream --realtime --preview 8080;
run.sh --source /dev/video0 --realtime --input-options '-video_size 1280x720 -framerate 30'"""


class Options(NamedTuple):
    """What was asked for; ``runner`` goes to edgec-run as it is."""

    source: str
    realtime: bool
    loop: bool
    preview: Optional[int]
    record: Optional[str]
    stall: float
    retries: Optional[int]
    scale: Optional[Tuple[int, int]]
    input_options: List[str]
    runner: List[str]


class Parser(argparse.ArgumentParser):
    """Usage errors in one line, with the exit code of all others."""

    def error(self, message: str) -> Any:
        """Raise instead of printing and leaving."""
        raise Problem(USAGE, message)


def parse(words: List[str]) -> Options:
    """Return the options; raises Problem (usage)."""
    # Without shortened options: --re would mean one thing today and another tomorrow.
    parser = Parser(prog="run.sh", description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False)
    parser.add_argument("--source", required=True, help="a video, a picture, a folder of them, an address or a camera")
    parser.add_argument("--realtime", action="store_true", help="play files at their own speed; leave late frames out")
    parser.add_argument("--loop", action="store_true", help="play a video or folder again and again")
    parser.add_argument("--preview", type=port, metavar="PORT", help="show it on http://127.0.0.1:PORT/ (0: a free port)")
    parser.add_argument("--record", type=recording, metavar="FILE", help="write the video with boxes and labels, as .mp4")
    parser.add_argument("--scale", type=size, metavar="WxH", help="scale larger pictures down; boxes are in these pixels")
    parser.add_argument("--stall", type=seconds, default=10.0, metavar="S", help="no picture for S seconds: lost (10)")
    parser.add_argument("--retries", type=whole, metavar="N", help="give a lost stream up after N attempts (never)")
    parser.add_argument("--input-options", default="", metavar="WORDS", help="options of ffmpeg that go before its -i")
    parser.add_argument("--threads", type=threads, metavar="N", help="threads of the model")
    parser.add_argument("--top", type=classes, metavar="K", help="classes in each line")
    found = vars(parser.parse_args(joined(words)))
    given = {name: found.pop(name) for name in ("threads", "top")}
    runner = [word for name, value in given.items() if value is not None for word in ("--" + name, str(value))]
    found["input_options"] = found["input_options"].split()
    return Options(runner=runner, **found)


def joined(words: List[str]) -> List[str]:
    """Return the words with ffmpeg's own tied to their option: alone, one that begins with a dash is taken for one of ours."""
    name = "--input-options"
    if name not in words[:-1]:
        return words
    at = words.index(name)
    return [*words[:at], f"{name}={words[at + 1]}", *words[at + 2 :]]


def whole(text: str) -> int:
    """Return a whole number that is not negative."""
    if not re.match(r"^\d{1,9}$", text):
        raise argparse.ArgumentTypeError("takes a whole number, not " + text)
    return int(text)


def between(text: str, low: int, high: int, what: str) -> int:
    """Return a whole number from ``low`` to ``high``."""
    number = whole(text)
    if not low <= number <= high:
        raise argparse.ArgumentTypeError(f"takes {what} from {low} to {high}, not {text}")
    return number


def port(text: str) -> int:
    """Return a TCP port."""
    return between(text, 0, 65535, "a port")


def threads(text: str) -> int:
    """Return a number of threads that the runner takes."""
    return between(text, 1, 256, "a number")


def classes(text: str) -> int:
    """Return a number of classes that the runner takes."""
    return between(text, 1, 1000000, "a number")


def seconds(text: str) -> float:
    """Return a number of seconds above zero."""
    if not re.match(r"^\d{1,6}(\.\d+)?$", text) or float(text) <= 0:
        raise argparse.ArgumentTypeError("takes seconds above zero, not " + text)
    return float(text)


def size(text: str) -> Tuple[int, int]:
    """Return a width and a height."""
    found = re.match(r"^([1-9]\d{0,4})x([1-9]\d{0,4})$", text)
    if not found:
        raise argparse.ArgumentTypeError("takes WIDTHxHEIGHT, not " + text)
    return int(found.group(1)), int(found.group(2))


def recording(text: str) -> str:
    """Return the path of a video to write."""
    if not text.lower().endswith(SUFFIXES):
        raise argparse.ArgumentTypeError(f"takes a file that ends in {', '.join(SUFFIXES)}, not {text}")
    return text
