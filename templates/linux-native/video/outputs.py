"""Where frames go beside standard output: the page and the recording, where they are asked for."""

import json
import os
import sys
import time
from typing import Any, Dict, Optional

import power
from ffmpeg import Tool
from frames import Frame
from options import Options
from preview import Preview
from problem import Problem
from record import Recorder
from source import PICTURES_A_SECOND, Source
from tally import Tally


class Outputs:
    """Opens what the options ask for, all or nothing. Raises Problem."""

    def __init__(self, options: Options, bundle: str, tool: Tool, source: Source, tally: Tally) -> None:
        self.recorder: Optional[Recorder] = None
        self.preview: Optional[Preview] = None
        try:
            if options.record:
                rate = (lambda: PICTURES_A_SECOND) if source.kind == "folder" else (lambda: source.rate)
                paced = options.realtime or source.kind not in ("file", "folder")
                self.recorder = Recorder(options.record, tool, paced, rate)
            if options.preview is not None:
                self.preview = opened(options.preview, options.realtime, bundle, tool, source, tally)
        except Problem:
            self.close()
            raise

    def take(self, frame: Frame, line: Dict[str, Any]) -> None:
        """Hand a frame and its line on."""
        if self.preview:
            self.preview.publish(frame, line)
        if self.recorder:
            self.recorder.add(frame, line)

    def close(self) -> str:
        """Finish both; return why the recording is not whole, or an empty text."""
        if self.preview:
            self.preview.close()
        if not self.recorder:
            return ""
        self.recorder.close()
        return self.recorder.reason

    def recorded(self) -> Dict[str, Any]:
        """Return what the last line says of the recording."""
        return {"recorded": self.recorder.frames} if self.recorder else {}


def opened(port: int, realtime: bool, bundle: str, tool: Tool, source: Source, tally: Tally) -> Preview:
    """Return the page that is served, and say where on standard error."""
    with open(os.path.join(bundle, "bundle.json"), encoding="utf-8") as file:
        facts = json.load(file)
    sensor = power.find(os.environ.get("EDGEC_SYSFS", power.SYSFS))

    def figures() -> Dict[str, Any]:
        return {
            "model": f"{facts['name']} {facts['version']}", "source": source.name, "state": source.state,
            "realtime": realtime, "reconnects": source.reconnects, "fps": tally.rate(time.monotonic()),
            "power": sensor.read() if sensor else None, **tally.figures(),
        }  # fmt: skip

    preview = Preview(port, tool, figures)
    sys.stderr.write(f"run.sh: preview on http://127.0.0.1:{preview.port}/\n")
    sys.stderr.flush()
    return preview
