"""``run.sh --source``: a video through the runner, one JSON line for each picture, with a preview and a recording if wanted."""

import json
import os
import signal
import sys
import threading
import time
from typing import Any, Dict, List

from clip import Way
from ffmpeg import find
from frames import Frame
from options import Options, parse
from outputs import Outputs
from pipeline import Pipeline
from problem import ENVIRONMENT, INTERRUPTED, OK, Problem
from source import Settings, Source
from tally import Tally

BUNDLE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SECONDS_TO_END = 5.0


class Signals:
    """SIGTERM and SIGINT: what is under way is finished, and cut off where it does not finish."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop, self.name = stop, ""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.take)

    def take(self, number: int, _: Any) -> None:
        """Handle a signal; the second one does not wait."""
        if self.name:
            os._exit(INTERRUPTED)
        self.name = signal.Signals(number).name
        self.stop.set()
        cut_off = threading.Timer(2 * SECONDS_TO_END, os._exit, (INTERRUPTED,))
        cut_off.daemon = True
        cut_off.start()


def tell(line: Dict[str, Any]) -> None:
    """Print an object as one line, whole, whichever thread it comes from. Raises Problem where it cannot be written."""
    with TELLING:
        try:
            sys.stdout.buffer.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            give_up_output()
            raise Problem(ENVIRONMENT, f"standard output: {error.strerror}") from None


def give_up_output() -> None:
    """Let what is still to be written go nowhere, so that leaving does not fail of it once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


TELLING = threading.Lock()


def command(options: Options) -> List[str]:
    """Return the runner's command."""
    emulator = os.environ.get("EDGEC_EMULATOR", "").split()
    return [*emulator, os.path.join(BUNDLE, "bin", "edgec-run"), "--stream", "--frame", "ppm", *options.runner]


def play(options: Options, stop: threading.Event, signals: Signals) -> int:
    """Run until the source ends; return the exit code. Raises Problem."""
    tally = Tally(time.monotonic())
    settings = Settings(options.realtime, options.loop, options.retries, options.input_options)
    tool = find()
    source = Source(options.source, settings, Way(tool, options.stall, options.scale, stop), tell)
    outputs = Outputs(options, BUNDLE, tool, source, tally)

    def take(frame: Frame, line: Dict[str, Any]) -> None:
        line["fps"] = tally.rate(time.monotonic())
        if options.realtime:
            line["dropped"] = tally.dropped
        tell(line)
        outputs.take(frame, line)

    why = "end of stream"
    try:
        code = Pipeline(command(options), source, options.realtime, tally, stop).run(take)
    except Problem as problem:
        why = str(problem)
        raise
    finally:
        failed = outputs.close()
        if failed:
            tell({"source": options.record, "error": failed})
        tell(last_line(source, tally, signals.name or why, outputs.recorded()))
    return code or (ENVIRONMENT if failed or (source.kind in ("file", "folder") and source.damages) else OK)


def last_line(source: Source, tally: Tally, why: str, recorded: Dict[str, Any]) -> Dict[str, Any]:
    """Return what the whole run came to."""
    seconds = time.monotonic() - tally.started
    rate = round(tally.results / seconds, 2)
    return {
        "source": source.name, "event": "end", "why": why, "seconds": round(seconds, 3), "fps": rate,
        "damaged": source.damages, "reconnects": source.reconnects, **tally.figures(), **recorded,
    }  # fmt: skip


def main() -> int:
    """Return the exit code; a problem is one line on standard error."""
    stop = threading.Event()
    signals = Signals(stop)
    try:
        if sys.stdout is None:  # closed by whoever started us
            raise Problem(ENVIRONMENT, "standard output is closed")
        code = play(parse(sys.argv[1:]), stop, signals)
    except Problem as problem:
        sys.stderr.write(f"run.sh: {problem}\n")
        return problem.code
    except BrokenPipeError:  # whoever read our lines has gone
        give_up_output()
        return OK
    return INTERRUPTED if signals.name == "SIGINT" else code


sys.exit(main())
