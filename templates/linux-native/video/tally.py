"""Counts and times of a run: frames per second, percentiles of latencies, what was late, wrong, or lost."""

import collections
import threading
from typing import Any, Deque, Dict, List, Optional

KEPT = 4096
RATE_SECONDS = 3.0


class Tally:
    """Filled by the threads of a run, read by the lines, the page and the last line."""

    def __init__(self, started: float) -> None:
        self.lock = threading.Lock()
        self.started = started
        self.frames = 0
        self.results = 0
        self.errors = 0
        self.dropped = 0
        self.whole: Deque[float] = collections.deque(maxlen=KEPT)
        self.model: Deque[float] = collections.deque(maxlen=KEPT)
        self.ends: Deque[float] = collections.deque(maxlen=KEPT)

    def result(self, line: Dict[str, Any], captured: float, now: float) -> None:
        """Count one line of the runner's."""
        with self.lock:
            self.results += 1
            self.errors += "error" in line
            self.ends.append(now)
            self.whole.append((now - captured) * 1e3)
            if "latency_ms" in line:
                self.model.append(line["latency_ms"])

    def rate(self, now: float) -> Optional[float]:
        """Return the results a second over the last three seconds, None where there were not two."""
        with self.lock:
            while self.ends and self.ends[0] < now - RATE_SECONDS:
                self.ends.popleft()
            span = self.ends[-1] - self.ends[0] if len(self.ends) > 1 else 0.0
            return round((len(self.ends) - 1) / span, 2) if span > 0 else None

    def figures(self) -> Dict[str, Any]:
        """Return what the page shows. Latencies in milliseconds are those of the last 4,096 frames."""
        with self.lock:
            whole, model = list(self.whole), list(self.model)
        return {
            "frames": self.frames, "results": self.results, "errors": self.errors, "dropped": self.dropped,
            "capture_to_result_ms": percentiles(whole), "latency_ms": percentiles(model),
        }  # fmt: skip


def percentiles(values: List[float]) -> Optional[Dict[str, float]]:
    """Return p50 and p90 by the nearest rank, as the runner's bench does; None without values."""
    if not values:
        return None
    values = sorted(values)
    return {name: round(values[max(0, -(-len(values) * share // 100) - 1)], 3) for name, share in (("p50", 50), ("p90", 90))}
