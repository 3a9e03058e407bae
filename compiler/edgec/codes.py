"""Every diagnostic code: the exit code it ends a command with, what it means, and what to do (`edgec explain CODE`)."""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """``exit_code`` is DESIGN section 2's; ``meaning`` and ``remedy`` are one or two sentences each."""

    exit_code: int
    meaning: str
    remedy: str


CODES: dict[str, Code] = {
    # 2: usage
    "no-manifest": Code(2, "No manifest was found where one was asked for.", "Name a YAML file with `apiVersion: edgec/v1`, or a folder that holds one."),
    # 3: the manifest (reading, shape, cross-field checks)
    "path-outside-root": Code(3, "A path leaves the project's root, directly or through a symbolic link.", "Move the file into the project, or widen the root with `--root DIR`."),
    # 4: load, quantize, lower, compare
    "model-not-loaded": Code(4, "The model could not be constructed or its weights do not fit it.", "Check architecture, arguments and weights; the message names the first difference."),
    # 5: budgets
    "budget-missed": Code(5, "A budget is missed, so there is no release.", "The report under out/rejected/ says what would be feasible."),
    # 6: tools
    "tool-missing": Code(6, "A tool, package or vendor SDK that this build needs is not installed.", "Install what the message names; `edgec doctor` lists everything."),
    # 7: integrity
    "digest-mismatch": Code(7, "A file is not the one that was recorded.", "Fetch or build it again; never load it."),
    # 8: environment
    "disk-full": Code(8, "The disk is full; nothing was changed.", "Free space and run the command again."),
}
