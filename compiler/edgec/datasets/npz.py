"""Arrays in a NumPy ``.npz`` file: one named like each input, [N, ...], and ``label`` where the task has one."""

from __future__ import annotations

import ast
import sys
import warnings
import zipfile
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Input, Options
from edgec.artifacts.project import Project
from edgec.artifacts.samples import Sample
from edgec.datasets.arrays import Rows, class_indices, fits, fitted, refuse_no_truths, refuse_unfit, strata, wrong
from edgec.datasets.choose import choose
from edgec.diagnostics import Diagnostic, Failure, nearest
from edgec.store.files import collected, located

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUMMARY = "arrays in a NumPy .npz file, named like the inputs"
NEEDS: tuple[str, ...] = ()
TRUTHS = ("class", "number")
OPTIONS: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["path"],
    "properties": {
        "path": {
            "type": "string",
            "minLength": 1,
            "title": "File",
            "description": "An .npz file, relative to the manifest. Each input has an array of its name whose first "
            "axis counts the samples; images are [N, height, width, 3] in 0..255. `label` holds names or indices, or "
            "for regression numbers, one or an array of them a sample.",
            "examples": ["data/test.npz"],
        },
        "samples": {
            "type": "integer",
            "minimum": 1,
            "title": "Samples",
            "description": "Use this many samples: as many of each class as can be, evenly spaced. Default: all.",
        },
    },
}


OBJECTS = "it holds Python objects"
PLAIN = {"float32": ("<f4", "|u1", "<i2"), "uint8": ("|u1",), "int64": ("<i8",), "int32": ("<i4",), "float64": ("<f8",)}
"""What an input of each type is commonly fed from, as .npy headers have it: pictures may be bytes, sound 16 bits."""
INTEGERS = {"<i8": "q", "<i4": "i", "<i2": "h", "|i1": "b", "|u1": "B"}
"""Types of labels, as .npy headers and as Python's arrays have them."""


def check(
    options: Options, project: Project, inputs: Sequence[Input], labels: Sequence[str], names: Sequence[str] = ()
) -> list[Diagnostic]:
    """Return a missing or broken file, and arrays that are missing, not inputs, or of another type, shape or length.

    Of all arrays but the labels the headers alone are read.
    """
    return collected(lambda: _refuse_unfit(options, project, inputs, labels))


def files(options: Options, project: Project) -> list[Path]:
    """Return the file."""
    return [_path(options, project)]


def labelled(options: Options, project: Project, labels: Sequence[str]) -> bool:
    """Return whether the file holds an array ``label``; the zip's directory alone is read."""
    return "label" in _keys(options, project)


def samples(
    options: Options, project: Project, inputs: Sequence[Input], labels: Sequence[str], names: Sequence[str] = ()
) -> Sequence[Sample]:
    """Return the samples in the file's order. Raises Failure ``data-…``."""
    shown = str(options["path"])
    arrays = _arrays(options, project, _known_keys(options, project, inputs))
    tensors = {entry.name: fitted(arrays[entry.name], entry, shown) for entry in inputs}
    truth = class_indices(arrays["label"], labels, shown) if "label" in arrays else None
    held = tensors if truth is None else {**tensors, "label": truth}
    total = _counted({name: len(array) for name, array in held.items()}, shown)
    rows = choose(range(total), strata(truth, labels, total), options.get("samples"))
    return Rows(name=Path(shown).name, tensors=tensors, labels=truth, rows=rows)


def _path(options: Options, project: Project) -> Path:
    return located(project, str(options["path"]), ("path",), code="data-missing")


def _keys(options: Options, project: Project) -> list[str]:
    """The names of the arrays, from the zip's directory alone. Raises Failure ``data-unreadable``."""
    with _readable(str(options["path"])), zipfile.ZipFile(_path(options, project)) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def _known_keys(options: Options, project: Project, inputs: Sequence[Input]) -> list[str]:
    """The arrays to read: one an input, and ``label`` if it is there. Raises Failure ``data-mismatch`` for another."""
    keys, shown = _keys(options, project), str(options["path"])
    names = [entry.name for entry in inputs]
    if missing := [name for name in names if name not in keys]:
        close = nearest(missing[0], keys)
        hint = f"did you mean {close!r}?" if close else f"it holds {', '.join(keys) or 'nothing'}"
        raise Failure(wrong("data-mismatch", f"{shown} has no array {missing[0]!r}, which is an input", hint=hint))
    if extra := [key for key in keys if key not in (*names, "label")]:
        message = f"{shown} holds an array {extra[0]!r} that is neither an input nor 'label'"
        raise Failure(wrong("data-mismatch", message, hint=f"inputs are {', '.join(names)}"))
    return [*names, *(["label"] if "label" in keys else [])]


def _refuse_unfit(options: Options, project: Project, inputs: Sequence[Input], labels: Sequence[str]) -> None:
    """Raise Failure ``data-…`` for what the arrays' headers, and the labels if they are one a sample, tell."""
    keys = _known_keys(options, project, inputs)
    if _is_plain(_path(options, project), keys, inputs, labels):
        return
    shown, headers = str(options["path"]), _headers(options, project, keys)
    for entry in inputs:
        refuse_unfit(*headers[entry.name], entry, shown)
    if "label" in headers:
        refuse_no_truths(*headers["label"], labels, shown)
        if len(headers["label"][1]) == 1:
            class_indices(_arrays(options, project, ["label"])["label"], labels, shown)
    _counted({name: shape[0] if shape else 1 for name, (_, shape) in headers.items()}, shown)


def _is_plain(path: Path, keys: list[str], inputs: Sequence[Input], labels: Sequence[str]) -> bool:
    """Whether the arrays fit the inputs, and labels are whole numbers, of classes where there are some: as most are.

    Found without NumPy, whose import is most of what `validate` would take. Whatever else there is, NumPy looks at.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name.removesuffix(".npy"): name for name in archive.namelist()}
            counts = set()
            for entry in inputs:
                with archive.open(members[entry.name]) as member:
                    descr, shape = _plain_header(member)
                if descr not in PLAIN.get(entry.dtype, ()) or not fits(shape, entry):
                    return False
                counts.add(shape[0])
            if "label" in keys:
                with archive.open(members["label"]) as member:
                    descr, shape = _plain_header(member)
                    values = array(INTEGERS[descr], member.read())
                if len(shape) != 1 or (labels and not 0 <= min(values) <= max(values) < len(labels)):
                    return False
                counts |= {shape[0], len(values)}
    except Exception:  # a damaged file raises whatever it trips over, here and again where that is told
        return False
    return len(counts) == 1 and 0 not in counts


def _plain_header(member: IO[bytes]) -> tuple[str, tuple[int, ...]]:
    """Return the type, as ``<f4``, and the shape in the header of a .npy file of version 1, rows first. Raises ValueError."""
    if sys.byteorder != "little" or member.read(8) != b"\x93NUMPY\x01\x00":
        raise ValueError("of another version")
    found = ast.literal_eval(member.read(int.from_bytes(member.read(2), "little")).decode("latin1"))
    if found["fortran_order"]:
        raise ValueError("columns first")
    return found["descr"], found["shape"]


def _counted(counts: dict[str, int], shown: str) -> int:
    """Return how many samples there are. Raises Failure ``data-mismatch`` where arrays differ, ``data-empty`` for none."""
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise Failure(wrong("data-mismatch", f"{shown}: the arrays hold different numbers of samples: {listed}"))
    if not (total := next(iter(counts.values()))):
        raise Failure(wrong("data-empty", f"{shown} holds no sample"))
    return total


def _headers(options: Options, project: Project, keys: list[str]) -> dict[str, tuple[Any, tuple[int, ...]]]:
    """The dtype and the shape of each array, as its header has them."""
    from numpy.lib import format as npy

    found = {}
    with _readable(str(options["path"])), zipfile.ZipFile(_path(options, project)) as archive:
        members = {name.removesuffix(".npy"): name for name in archive.namelist()}
        for key in keys:
            with archive.open(members[key]) as member:
                version = npy.read_magic(member)  # type: ignore[no-untyped-call]
                if version not in ((1, 0), (2, 0), (3, 0)):
                    raise ValueError(f"{key!r} is of .npy version {version[0]}.{version[1]}")
                read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of Python 2's integers, which are read all the same
                    shape, _, dtype = read(member)  # type: ignore[no-untyped-call]
            if dtype.hasobject:
                raise ValueError(OBJECTS)
            found[key] = dtype, shape
    return found


def _arrays(options: Options, project: Project, keys: list[str]) -> dict[str, NDArray[Any]]:
    import numpy as np

    with _readable(str(options["path"])), np.load(_path(options, project), allow_pickle=False) as archive:
        found = {key: archive[key] for key in keys}
        for key, value in found.items():
            if not isinstance(value, np.ndarray):
                raise ValueError(f"{key!r} is no array")
        return found


@contextmanager
def _readable(shown: str) -> Iterator[None]:
    """Raise Failure ``data-unreadable`` for what zipfile and numpy raise of a broken file."""
    try:
        yield
    except Failure:
        raise
    except Exception as error:  # neither of the two checks what it is given
        reason = OBJECTS if "allow_pickle" in str(error) else str(error) or type(error).__name__
        raise Failure(wrong("data-unreadable", f"{shown} cannot be read: {reason}")) from None
