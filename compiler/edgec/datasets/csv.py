"""A CSV file with a header: one row a sample, one column a number of the one tensor input; or a list of pictures."""

from __future__ import annotations

import csv
import posixpath
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Input, Options
from edgec.artifacts.project import Project
from edgec.artifacts.samples import Sample
from edgec.datasets.arrays import Rows, class_indices, fitted, plain, strata, wrong
from edgec.datasets.choose import choose
from edgec.datasets.pictures import Pictures
from edgec.datasets.pixels import SUFFIXES
from edgec.diagnostics import Diagnostic, Failure, nearest
from edgec.store.files import collected, located

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUMMARY = "a CSV table: one row a sample, or a list of pictures with labels"
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
            "description": "A UTF-8 file with a header, relative to the manifest. For a tensor input every column but "
            "`label` is one number of it, row-major. For an image input the column `path` names a picture, relative to "
            "the CSV file. `label` is a class name, or a number where the task has no labels; several numbers stand in "
            "columns `label.NAME`, NAME one of the task's names; where it has none, they are taken as they stand.",
            "examples": ["data/test.csv"],
        },
        "samples": {
            "type": "integer",
            "minimum": 1,
            "title": "Samples",
            "description": "Use this many rows: as many of each class as can be, evenly spaced. Default: all.",
        },
    },
}

Table = tuple[list[str], list[list[str]]]


def check(
    options: Options, project: Project, inputs: Sequence[Input], labels: Sequence[str], names: Sequence[str] = ()
) -> list[Diagnostic]:
    """Return a missing or broken table, wrong columns, values that are no numbers, and pictures that are not there."""
    return collected(lambda: samples(options, project, inputs, labels, names))


def files(options: Options, project: Project) -> list[Path]:
    """Return the table and the pictures that it names."""
    header, rows = _table(options, project)
    table = _path(options, project)
    return sorted({table, *(_pictures(header, rows, options, project) if "path" in header else [])})


def labelled(options: Options, project: Project, labels: Sequence[str]) -> bool:
    """Return whether the table has a column ``label``, or several ``label.NAME``."""
    return bool(_truth_columns(_table(options, project)[0]))


def samples(
    options: Options, project: Project, inputs: Sequence[Input], labels: Sequence[str], names: Sequence[str] = ()
) -> Sequence[Sample]:
    """Return the samples in the table's order; several numbers of a truth in that of ``names``. Raises Failure ``data-…``."""
    if len(inputs) != 1:
        message = f"csv feeds one input; the manifest has {len(inputs)}"
        raise Failure(wrong("data-mismatch", message, hint="use format npz for several inputs"))
    header, rows = _table(options, project)
    truth = _truth(header, rows, labels, names, options)
    chosen = choose(range(len(rows)), strata(truth, labels, len(rows)), options.get("samples"))
    if inputs[0].image is None:
        tensor = fitted(_numbers(header, rows, inputs[0], options), inputs[0], str(options["path"]))
        name = Path(options["path"]).name
        return Rows(name=name, tensors={inputs[0].name: tensor}, labels=truth, rows=chosen)
    paths = _pictures(header, rows, options, project)
    column = header.index("path")
    _refuse_twice([row[column] for row in rows], str(options["path"]))
    return Pictures(
        root=project.root,
        paths=tuple(paths[row] for row in chosen),
        names=tuple(rows[row][column] for row in chosen),
        labels=tuple(None if truth is None else plain(truth[row]) for row in chosen),
        input=inputs[0].name,
        image=inputs[0].image,
    )


def _path(options: Options, project: Project) -> Path:
    return located(project, str(options["path"]), ("path",), code="data-missing")


def _table(options: Options, project: Project) -> Table:
    """The header and the rows, every row as long as the header. Raises Failure ``data-…``."""
    shown = str(options["path"])
    try:
        with _path(options, project).open(encoding="utf-8-sig", newline="") as handle:
            header, *rows = [row for row in csv.reader(handle, strict=True) if row] or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise Failure(wrong("data-unreadable", f"{shown} is not a UTF-8 CSV file: {error}")) from None
    if not rows:
        raise Failure(wrong("data-empty", f"{shown} holds no row below its header"))
    if twice := [name for index, name in enumerate(header) if name in header[:index]]:
        raise Failure(wrong("data-mismatch", f"{shown} has two columns {twice[0]!r}"))
    for number, row in enumerate(rows):
        if len(row) != len(header):
            message = f"{shown}: row {number} has {len(row)} values, the header {len(header)}"
            raise Failure(wrong("data-unreadable", message))
    return header, rows


def _truth(
    header: list[str], rows: list[list[str]], labels: Sequence[str], names: Sequence[str], options: Options
) -> NDArray[Any] | None:
    """Truths [N]: indices where the task has labels (always names in a table: "3" means the label 3), else numbers.

    Several columns of truth give [N, columns], in the order of ``names``, or as they stand where there are none.
    """
    import numpy as np

    columns, shown = _truth_columns(header), str(options["path"])
    if labels and (several := [name for name in header if name.startswith("label.")]):
        message = f"{shown} has a column {several[0]!r}, and a sample of this task has one class"
        raise Failure(wrong("data-labels", message, hint="give one column 'label' with the name of the class"))
    if not columns:
        return None
    if labels:
        return class_indices(np.array([row[columns[0]] for row in rows]), labels, shown)
    single = header[columns[0]] == "label"
    if names and not single:
        columns = _named(header, columns, names, shown)
    found = [[_number(row[i], header[i], number, shown) for i in columns] for number, row in enumerate(rows)]
    return class_indices(np.array(found)[:, 0] if single else np.array(found), labels, shown)


def _truth_columns(header: list[str]) -> list[int]:
    """The positions of the column ``label``, or else of all columns that begin with ``label.``."""
    if "label" in header:
        return [header.index("label")]
    return [index for index, name in enumerate(header) if name.startswith("label.")]


def _named(header: list[str], columns: list[int], names: Sequence[str], shown: str) -> list[int]:
    """The columns ``label.NAME`` in the order of ``names``. Raises Failure ``data-labels`` unless each name has its own."""
    given = {header[index].removeprefix("label."): index for index in columns}
    for name in given:
        if name not in names:
            close = nearest(name, names)
            hint = f"did you mean 'label.{close}'?" if close else f"the task's names are {', '.join(names)}"
            raise Failure(wrong("data-labels", f"{shown}: the column 'label.{name}' is none of the task's names", hint=hint))
    if absent := [name for name in names if name not in given]:
        raise Failure(wrong("data-labels", f"{shown} has no column 'label.{absent[0]}', and the task names {absent[0]!r}"))
    return [given[name] for name in names]


def _numbers(header: list[str], rows: list[list[str]], entry: Input, options: Options) -> NDArray[Any]:
    """The values [N, *shape], of the input's dtype."""
    import numpy as np

    shown = str(options["path"])
    if not all(axis.fixed for axis in entry.shape[1:]):
        message = f"csv feeds inputs of one size; {entry.name!r} has a dynamic dimension"
        raise Failure(wrong("data-mismatch", message, hint="use format npz"))
    shape = [axis.maximum for axis in entry.shape[1:]]
    truths = _truth_columns(header)
    if "path" in header:
        message = f"{shown} has a column 'path', which names pictures, and {entry.name!r} is a plain tensor"
        raise Failure(wrong("data-mismatch", message, hint="rename the column, or give the input an `image:` block"))
    columns = [index for index in range(len(header)) if index not in truths]
    if len(columns) != int(np.prod(shape)):
        message = (
            f"{shown} has {len(columns)} columns of numbers; {entry.name!r} is {[1, *shape]}"
        )
        raise Failure(wrong("data-mismatch", message))
    cells = [[(row[i], header[i], number) for i in columns] for number, row in enumerate(rows)]
    kind = np.dtype(entry.dtype)
    if kind.kind in "iub":
        low, high = (0, 1) if kind.kind == "b" else (np.iinfo(kind).min, np.iinfo(kind).max)
        found = np.array([[_whole(*cell, shown, entry.dtype, low, high) for cell in row] for row in cells], kind)
    else:
        with np.errstate(over="ignore"):  # infinity is reported by fitted()
            found = np.array([[_number(*cell, shown) for cell in row] for row in cells], np.float64).astype(kind)
    return found.reshape(len(rows), *shape)


def _number(word: str, column: str, row: int, shown: str) -> float:
    try:
        if "_" in word:  # which Python takes between digits, and no table means
            raise ValueError
        return float(word)
    except ValueError:
        message = f"{shown}: row {row}, column {column!r}: {word!r} is not a number"
        raise Failure(wrong("data-unreadable", message, hint="rows count from 0 below the header")) from None


def _whole(word: str, column: str, row: int, shown: str, dtype: str, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, to its last digit, which a float would lose; 3.0 and 3e2 are some."""
    number = _number(word, column, row, shown)
    try:
        value = int(word)
    except ValueError:
        value = int(number) if number.is_integer() else high + 1
    if not low <= value <= high:
        message = f"{shown}: row {row}, column {column!r}: {word!r} is not {dtype}"
        raise Failure(wrong("data-mismatch", message, hint="rows count from 0 below the header"))
    return value


def _refuse_twice(names: Sequence[str], shown: str) -> None:
    """Raise Failure ``data-mismatch`` for a picture of two rows: its path is the sample's name, and answers go by that."""
    seen: dict[str, int] = {}
    for row, name in enumerate(names):
        if (first := seen.setdefault(posixpath.normpath(name), row)) != row:
            message = f"{shown}: rows {first} and {row} name one picture, {name!r}"
            raise Failure(wrong("data-mismatch", message, hint="leave one of them out; rows count from 0 below the header"))


def _pictures(header: list[str], rows: list[list[str]], options: Options, project: Project) -> list[Path]:
    """The pictures' paths in the table's order; they resolve against the table's folder."""
    shown = str(options["path"])
    if "path" not in header:
        raise Failure(wrong("data-mismatch", f"{shown} has no column 'path' to name the pictures"))
    beside = Project(root=project.root, folder=_path(options, project).parent)
    column = header.index("path")
    return [_picture(row[column], f"{shown}: row {number}", beside) for number, row in enumerate(rows)]


def _picture(name: str, place: str, beside: Project) -> Path:
    """The path of one row's picture. Raises Failure ``data-…`` or ``path-outside-root`` that tells the row."""
    hint = "paths are relative to the table's folder, and rows count from 0 below the header"
    if not name.strip():
        raise Failure(wrong("data-missing", f"{place}: the column 'path' names no picture", hint=hint))
    try:
        found = located(beside, name, ("path",), code="data-missing")
    except Failure as failure:
        (told,) = failure.diagnostics
        meant = f"{told.hint} " if told.hint and told.hint.startswith("did you mean") else ""
        raise Failure(replace(told, message=f"{place}: {told.message}", hint=meant + hint)) from None
    if not name.lower().endswith(SUFFIXES):
        message = f"{place}: {name!r} ends in none of {', '.join(SUFFIXES)}"
        raise Failure(wrong("data-unreadable", message, hint="convert it to PNG or JPEG, or rename it if it is one"))
    return found
