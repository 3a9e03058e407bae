"""Sound files (WAV, FLAC) to samples in -1..1: what their headers say, and any stretch of them.

``templates/runner/wav.cpp`` reads WAV files on the device; what one takes, the other takes.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from edgec.diagnostics import Diagnostic, Failure, Location
from edgec.runtime.extras import missing_extra

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUFFIXES = (".wav", ".flac")
PCM, FLOAT, EXTENSIBLE, FLAC = 1, 3, 0xFFFE, -1
ENCODINGS = {PCM: (8, 16, 24, 32), FLOAT: (32, 64)}
"""Format tags of WAV files (mmreg.h) that are read, and their bits a sample."""
KNOWN = {2: "ADPCM", 6: "A-law", 7: "µ-law", 17: "ADPCM", 85: "MP3"}


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says of itself: ``frames`` are samples of each channel, ``start`` is the offset of the first."""

    rate: int
    channels: int
    frames: int
    encoding: int
    bits: int
    start: int = 0


def header(path: Path, name: str) -> Header:
    """Return a file's Header; messages call it ``name``. Raises Failure ``data-unreadable``, also if it is cut short."""
    try:
        with path.open("rb") as handle:
            begin = handle.read(12)
            if begin[:4] == b"fLaC":
                return _flac(begin + handle.read(30), name)
            if begin[:4] != b"RIFF" or begin[8:] != b"WAVE":
                raise unreadable(name, "it is neither a WAV nor a FLAC file")
            return _wav(handle, os.fstat(handle.fileno()).st_size, name)
    except OSError as error:
        raise unreadable(name, error.strerror or str(error)) from None


def stretch(path: Path, name: str, start: int, count: int) -> NDArray[np.float32]:
    """Return ``count`` samples of a file of one channel from ``start`` on, which it must have.

    Raises Failure: ``data-unreadable``, ``data-not-finite`` for NaN or infinity, ``tool-missing`` where FLAC cannot be read.
    """
    import numpy as np

    found = header(path, name)
    samples = _decoded(path, name, start, count) if found.encoding == FLAC else _raw(path, found, start, count)
    if len(samples) < count:
        raise unreadable(name, f"it ends {count - len(samples)} samples early")
    if not np.isfinite(samples).all():
        at = start + int(np.flatnonzero(~np.isfinite(samples))[0])
        hint = "cut the sample out, or leave the file away"
        message = f"{name}: sample {at} is NaN or infinite"
        raise Failure(Diagnostic(code="data-not-finite", message=message, where=Location(file=name), hint=hint))
    return samples


def unreadable(name: str, why: str) -> Failure:
    """Return the Failure of a file that cannot be read."""
    hint = "replace or remove the file; sound is WAV (PCM or float) or FLAC"
    where = Location(file=name)
    return Failure(Diagnostic(code="data-unreadable", message=f"{name} cannot be read: {why}", where=where, hint=hint))


def _wav(handle: IO[bytes], size: int, name: str) -> Header:
    """Read the chunks up to the sound itself."""
    form: tuple[int, ...] | None = None
    while len(head := handle.read(8)) == 8:
        kind, length = head[:4], int.from_bytes(head[4:], "little")
        if kind == b"data":
            if form is None:
                raise unreadable(name, "its sound comes before its format")
            return _sound(form, handle.tell(), length, size, name)
        body = handle.read(min(length, 64))
        if kind == b"fmt ":
            if len(body) < 16:
                raise unreadable(name, "its format is cut short")
            form = _form(body)
        handle.seek(length - len(body) + length % 2, os.SEEK_CUR)
    raise unreadable(name, "it holds no sound: it ends in its header")


def _form(body: bytes) -> tuple[int, ...]:
    """Return tag, channels, rate, bits and a sample's bytes in all channels; an extensible format's own tag stands later."""
    tag, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", body)
    if tag == EXTENSIBLE and len(body) >= 26:
        tag = int.from_bytes(body[24:26], "little")
    return tag, channels, rate, bits, block


def _sound(form: tuple[int, ...], start: int, length: int, size: int, name: str) -> Header:
    tag, channels, rate, bits, block = form
    if bits not in ENCODINGS.get(tag, ()):
        raise unreadable(name, f"its sound is {KNOWN.get(tag, f'of format {tag}')} of {bits} bits")
    if not (channels and rate):
        raise unreadable(name, f"its header names {channels} channels and {rate} samples a second")
    if start + length > size:
        raise unreadable(name, f"it is cut short: {size - start} of {length} bytes of sound")
    each = channels * bits // 8
    if block != each:
        taken = f"{block} bytes to a sample of {bits} bits in {channels} channels, which is read where it takes {each}"
        raise unreadable(name, f"its header gives {taken}")
    if length % each:
        raise unreadable(name, f"its sound ends within a sample: {length} bytes of {each} each")
    if not length:
        raise unreadable(name, "it holds no sound")
    return Header(rate=rate, channels=channels, frames=length // each, encoding=tag, bits=bits, start=start)


def _flac(begin: bytes, name: str) -> Header:
    """Read STREAMINFO, which is always first (RFC 9639, section 8.2)."""
    if len(begin) < 42 or begin[4] & 0x7F or int.from_bytes(begin[5:8], "big") != 34:
        raise unreadable(name, "its header is cut short or damaged")
    packed = int.from_bytes(begin[18:26], "big")
    rate, channels, bits, frames = packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1, packed & (1 << 36) - 1
    if not rate or not frames:
        raise unreadable(name, "its header does not say how long it is")
    return Header(rate=rate, channels=channels, frames=frames, encoding=FLAC, bits=bits)


def _raw(path: Path, found: Header, start: int, count: int) -> NDArray[np.float32]:
    import numpy as np

    each = found.channels * found.bits // 8
    with path.open("rb") as handle:
        handle.seek(found.start + start * each)
        content = handle.read(count * each)
    content = content[: len(content) // each * each]
    if found.encoding == FLOAT:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.frombuffer(content, f"<f{found.bits // 8}").astype(np.float32)
    if found.bits == 8:  # the only one without a sign
        return (np.frombuffer(content, np.uint8).astype(np.float32) - 128) / 128
    if found.bits == 24:
        wide = np.zeros((len(content) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
        return (wide.view("<i4")[:, 0] / 2**31).astype(np.float32)
    samples: NDArray[Any] = np.frombuffer(content, f"<i{found.bits // 8}")
    return (samples / 2.0 ** (found.bits - 1)).astype(np.float32)


def _decoded(path: Path, name: str, start: int, count: int) -> NDArray[np.float32]:
    if lacking := missing_extra(("soundfile",), "audio"):
        raise Failure(Diagnostic(code="tool-missing", message=f"{name} is FLAC, and {lacking}", where=Location(file=name)))
    import soundfile

    try:
        samples: NDArray[np.float32] = soundfile.read(path, count, start, dtype="float32", always_2d=True)[0][:, 0]
    except soundfile.SoundFileError as error:
        raise unreadable(name, str(error).rpartition(": ")[2] or "it is damaged") from None
    return samples
