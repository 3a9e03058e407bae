"""A folder of WAV and FLAC files, one folder a class; and recordings in which nothing is to be recognised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Input, Options
from edgec.artifacts.project import Project
from edgec.artifacts.samples import NO_CLASS, Sample
from edgec.datasets.arrays import wrong
from edgec.datasets.choose import choose
from edgec.datasets.class_folders import class_problems, classed
from edgec.datasets.folders import found as visible
from edgec.datasets.folders import left_out
from edgec.datasets.sounds import SUFFIXES, Header, header, stretch
from edgec.diagnostics import Diagnostic, Failure, Location
from edgec.store.files import located

SUMMARY = "a folder of WAV or FLAC files, one folder a class"
NEEDS: tuple[str, ...] = ()
TRUTHS = ("class",)
OPTIONS: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["path"],
    "properties": {
        "path": {
            "type": "string",
            "minLength": 1,
            "title": "Folder",
            "description": "Folder of sound files of one channel, relative to the manifest. Its sub-folders are named like "
            "the task's labels; files straight in it have no label and serve calibration only. FLAC needs edgec[audio].",
            "examples": ["data/words/test"],
        },
        "samples": {
            "type": "integer",
            "minimum": 1,
            "title": "Samples",
            "description": "Use this many files: as many of each class as can be, evenly spaced. Default: all.",
            "examples": [256],
        },
        "fit": {
            "enum": ["exact", "centre"],
            "title": "Fit",
            "description": "What becomes of files of another length than the input's: exact refuses them; centre puts "
            "silence around shorter ones, and takes the middle of longer ones.",
            "default": "exact",
        },
        "recordings": {
            "type": "string",
            "minLength": 1,
            "title": "Recordings",
            "description": "Folder of recordings of any length in which no keyword is said: each is heard as the device would "
            "hear it, window after window by the input's hop, and counts for far-per-hour only.",
            "examples": ["data/words/background"],
        },
    },
}

ENDINGS = "they end in " + ", ".join(SUFFIXES)
MOST = 10
"""Files that cannot be read are told one by one, at most so many."""

UNREAD = (".mp3", ".ogg", ".opus", ".m4a", ".aac", ".aif", ".aiff", ".wma", ".wave")


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Where one sample comes from: ``count`` samples of a file from ``start`` on, after ``before`` of silence."""

    path: Path
    name: str
    label: int | None
    start: int
    count: int
    before: int = 0


@dataclass(frozen=True, kw_only=True)
class Sounds(Sequence[Sample]):
    """Clips of ``length`` samples for one input, each decoded when it is asked for."""

    clips: tuple[Clip, ...]
    input: str
    length: int

    def __len__(self) -> int:
        return len(self.clips)

    def identities(self) -> list[tuple[str, Any]]:
        """Return each sample's id and truth; nothing is decoded."""
        return [(clip.name, clip.label) for clip in self.clips]

    def __getitem__(self, index: Any) -> Any:
        """Return one Sample ({input: float32 [1, length] in -1..1}), or a tuple of them for a slice."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        import numpy as np

        clip = self.clips[index]
        sound = np.zeros((1, self.length), np.float32)
        sound[0, clip.before : clip.before + clip.count] = stretch(clip.path, clip.name, clip.start, clip.count)
        return Sample(id=clip.name, tensors={self.input: sound}, label=clip.label)


def check(
    options: Options, project: Project, inputs: Sequence[Input], labels: Sequence[str], names: Sequence[str] = ()
) -> list[Diagnostic]:
    """Return what is wrong with the folders, their class names and the files' headers; no sound is decoded."""
    if [entry.audio is not None for entry in inputs] != [True]:
        message = f"audio-folder feeds exactly one input of sound; the manifest has {len(inputs)} inputs"
        if len(inputs) == 1:
            message = f"audio-folder feeds an input of sound; {inputs[0].name!r} is none"
        return [wrong("data-mismatch", message, hint="give the input an `audio:` block, or use format npz or csv")]
    try:
        folder = _folder(options, project, "path")
        found = _classed(options, project)
        recordings = _recordings(options, project)
    except Failure as failure:
        return list(failure.diagnostics)
    classes = class_problems([name for _, name in found], labels, folder, project, "file")
    clips = _headers([path for path, _ in found], folder)
    long = _headers(recordings, _folder(options, project, "recordings")) if recordings else []
    problems = _misfits(clips, inputs[0], "path") + _misfits(long, inputs[0], "recordings")
    problems += _lengths(clips, long, inputs[0], options.get("fit", "exact") == "exact")
    strays = _strays(folder, project, "path")
    if recordings:
        strays += _strays(_folder(options, project, "recordings"), project, "recordings")
    return strays + classes + problems


def files(options: Options, project: Project) -> list[Path]:
    """Return every file that ``samples`` reads, sorted, as absolute paths."""
    return sorted({*(path for path, _ in _classed(options, project)), *_recordings(options, project)})


def labelled(options: Options, project: Project, labels: Sequence[str]) -> bool:
    """Return whether files lie in folders of classes that the task has; their names alone are read."""
    return bool(labels) and any(name is not None for _, name in _classed(options, project))


def samples(
    options: Options, project: Project, inputs: Sequence[Input], labels: Sequence[str], names: Sequence[str] = ()
) -> Sequence[Sample]:
    """Return the clips sorted by path, then the windows of the recordings in the order of time. Raises Failure ``data-…``."""
    problems = [finding for finding in check(options, project, inputs, labels) if finding.severity == "error"]
    if problems:
        raise Failure(*problems)
    folder, length = _folder(options, project, "path"), inputs[0].shape[1].maximum
    clips = [
        _clip(path, path.relative_to(folder).as_posix(), labels.index(name) if name in labels else None, length)
        for path, name in _classed(options, project)
    ]
    stream = inputs[0].stream
    assert stream is not None  # sound always has one
    for path in _recordings(options, project):
        beside = _folder(options, project, "recordings")
        clips += _windows(path, f"{beside.name}/{path.relative_to(beside).as_posix()}", length, stream.hop)
    return Sounds(clips=tuple(clips), input=inputs[0].name, length=length)


def _clip(path: Path, name: str, label: int | None, length: int) -> Clip:
    frames = header(path, name).frames
    start, before = max(0, frames - length) // 2, max(0, length - frames) // 2
    return Clip(path=path, name=name, label=label, start=start, count=min(frames, length), before=before)


def _windows(path: Path, name: str, length: int, hop: int) -> list[Clip]:
    starts = range(0, header(path, name).frames - length + 1, hop)
    return [
        Clip(path=path, name=f"{name}#{index}", label=NO_CLASS, start=start, count=length)
        for index, start in enumerate(starts)
    ]


def _folder(options: Options, project: Project, key: str) -> Path:
    return located(project, str(options[key]), (key,), code="data-missing", kind="folder")


def _classed(options: Options, project: Project) -> list[tuple[Path, str | None]]:
    """The chosen files, sorted by path, each with the name of its class folder or None."""
    folder = _folder(options, project, "path")
    start = len(str(folder)) + 1
    entries = [entry for entry in visible(folder) if entry.name.lower().endswith(SUFFIXES)]
    found = [classed(entry, start, project) for entry in entries]
    if not found:
        raise Failure(wrong("data-empty", f"{options['path']!r} holds no sound file", hint=ENDINGS))
    chosen = choose(found, [name for _, name in found], options.get("samples"))
    return [(Path(path), name) for path, name in chosen]


def _recordings(options: Options, project: Project) -> list[Path]:
    if "recordings" not in options:
        return []
    folder = _folder(options, project, "recordings")
    entries = [entry for entry in visible(folder) if entry.name.lower().endswith(SUFFIXES)]
    found = [Path(classed(entry, len(str(folder)) + 1, project)[0]) for entry in entries]
    if not found:
        message = f"{options['recordings']!r} holds no sound file"
        raise Failure(wrong("data-empty", message, hint=ENDINGS, route=("recordings",)))
    return sorted(found)


def _headers(paths: Sequence[Path], folder: Path) -> list[tuple[str, Header | Diagnostic]]:
    found: list[tuple[str, Header | Diagnostic]] = []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            found.append((name, header(path, name)))
        except Failure as failure:
            found.append((name, failure.diagnostics[0]))
    return found


def _misfits(heads: Sequence[tuple[str, Header | Diagnostic]], entry: Input, key: str) -> list[Diagnostic]:
    """Files of the folder at ``key`` that cannot be read, or of another rate or number of channels.

    One finding a kind, with the first of them.
    """
    assert entry.audio is not None
    rate, read = entry.audio.rate, [(name, head) for name, head in heads if isinstance(head, Header)]
    found = [replace(head, where=Location(file="", route=(key,))) for _, head in heads if isinstance(head, Diagnostic)]
    kinds = {
        f"of {rate} samples a second": [(name, f"{head.rate}") for name, head in read if head.rate != rate],
        "of one channel": [(name, f"{head.channels} channels") for name, head in read if head.channels != 1],
    }
    hint = f"convert them: sox IN -r {rate} -c 1 OUT"
    return found[:MOST] + [_several(what, others, len(heads), hint, key) for what, others in kinds.items() if others]


def _lengths(
    clips: Sequence[tuple[str, Header | Diagnostic]],
    recordings: Sequence[tuple[str, Header | Diagnostic]],
    entry: Input,
    exact: bool,
) -> list[Diagnostic]:
    """Clips that do not have the input's length, where they must, and recordings without a single window."""
    length = entry.shape[1].maximum
    others = [(n, f"{h.frames}") for n, h in clips if exact and isinstance(h, Header) and h.frames != length]
    short = [(n, f"{h.frames}") for n, h in recordings if isinstance(h, Header) and h.frames < length]
    found = []
    if others:
        found.append(_several(f"{length} samples long", others, len(clips), "cut them, or write `fit: centre`", "path"))
    if short:
        hint = "leave these recordings out"
        found.append(_several(f"at least {length} samples long", short, len(recordings), hint, "recordings"))
    return found


def _several(what: str, others: Sequence[tuple[str, str]], count: int, hint: str, key: str) -> Diagnostic:
    first, has = others[0]
    message = f"{len(others)} of {count} files {'is' if len(others) == 1 else 'are'} not {what}: first {first!r} ({has})"
    return wrong("data-mismatch", message, hint=hint, route=(key,))


def _strays(folder: Path, project: Project, key: str) -> list[Diagnostic]:
    """Name sound of no format that is read, by its ending, below the folder at ``key``."""
    why = f"files left out because they end in none of {', '.join(SUFFIXES)}"
    return left_out(visible(folder), UNREAD, project, key, why, "convert them to WAV or FLAC, or rename those that are")
