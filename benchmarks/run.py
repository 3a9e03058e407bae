"""Run the benchmarks and print Markdown: each figure is a ratio of two things measured side by side here."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import arm_instructions
import build_time
import frontend
import incremental
import lowering
import runner
import search
import systems
import video

PARTS = {
    "frontend": frontend,
    "lowering": lowering,
    "build": build_time,
    "incremental": incremental,
    "search": search,
    "runner": runner,
    "systems": systems,
    "video": video,
}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "instructions", []], help="default: all but instructions")
    parser.add_argument("--all", action="store_true", help="also count instructions: half an hour more")
    arguments = parser.parse_args()
    rows = []
    for name in arguments.parts or PARTS:
        if name in PARTS:
            print(f"measuring {name} …", file=sys.stderr)
            rows += PARTS[name].measure()
    if rows:
        print("| what | measured | baseline | ratio | limit |")
        print("|---|---|---|---|---|")
    for name, value, baseline, limit in rows:
        print(f"| {name} | {value:.4g} | {baseline:.4g} | {value / baseline:.2f} | {limit:.2f} |")
    if arguments.all or "instructions" in arguments.parts:
        print(f"\n{arm_instructions.table(arm_instructions.measure())}")
    return int(any(value / baseline > limit for _, value, baseline, limit in rows))


if __name__ == "__main__":
    raise SystemExit(main())
