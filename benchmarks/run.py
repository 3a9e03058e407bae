"""Run every benchmark and print one Markdown table: each figure is a ratio of two things measured side by side here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import build_time
import frontend
import lowering
import runner


def main() -> int:
    rows = []
    for part in (frontend, lowering, build_time, runner):
        print(f"measuring {part.__name__} …", file=sys.stderr)
        rows += part.measure()
    print("| what | measured | baseline | ratio | limit |")
    print("|---|---|---|---|---|")
    for name, value, baseline, limit in rows:
        print(f"| {name} | {value:.4g} | {baseline:.4g} | {value / baseline:.2f} | {limit:.2f} |")
    return int(any(value / baseline > limit for _, value, baseline, limit in rows))


if __name__ == "__main__":
    raise SystemExit(main())
