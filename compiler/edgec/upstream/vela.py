"""Vela's estimates, read as it compiles: ExecuTorch 1.5.1 throws its summary away with its folder.

``EthosUCompileSpec.dump_intermediate_artifacts_to`` would keep it, and writes that folder's path into the ``.pte``. The
folder is given to the compiler here instead, beside the compile spec, so that the bytes stay the same, which
tests/torch/test_delegates.py holds. Goes away when the summary is part of what the compiler returns.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

KIB = 1024


@contextmanager
def vela_estimates() -> Iterator[dict[str, float]]:
    """Yield a mapping that the estimates come into: cycles and seconds of all parts together, the largest part's SRAM."""
    from executorch.backends.arm.ethosu import backend

    module: Any = backend
    genuine = module.vela_compile
    found: dict[str, float] = {}

    def compiled(flatbuffer: bytes, flags: list[str], **rest: Any) -> Any:
        with tempfile.TemporaryDirectory(prefix="edgec-vela-") as name:
            result = genuine(flatbuffer, flags, **{**rest, "intermediate_path": name})
            for path in sorted(Path(name).rglob("*summary*.csv")):
                _add(found, path.read_text(encoding="utf-8"))
        return result

    module.vela_compile = compiled
    try:
        yield found
    finally:
        module.vela_compile = genuine


def _add(found: dict[str, float], text: str) -> None:
    """Add one summary: a CSV with a row a network; sizes in it are in KiB, times in seconds."""
    for row in csv.DictReader(text.splitlines()):
        for name, column, factor in (("cycles.npu", "cycles_total", 1.0), ("latency.npu", "inference_time", 1.0)):
            found[name] = found.get(name, 0.0) + factor * float(row[column])
        for name, column in (("memory.sram", "sram_memory_used"), ("memory.flash", "off_chip_flash_memory_used")):
            found[name] = max(found.get(name, 0.0), KIB * float(row[column]))
