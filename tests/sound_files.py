"""Sound files as tests write them: WAV of any format, and what is wrong with some."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

PCM, FLOAT = 1, 3


def encoded(samples: np.ndarray, bits: int, tag: int = PCM) -> bytes:
    """Return samples in -1..1 as a WAV file holds them."""
    if tag == FLOAT:
        return np.asarray(samples, f"<f{bits // 8}").tobytes()
    whole = np.round(np.asarray(samples, np.float64) * 2 ** (bits - 1)).clip(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if bits == 8:
        return (whole + 128).astype(np.uint8).tobytes()
    return b"".join(int(value).to_bytes(4, "little", signed=True)[: bits // 8] for value in whole)


def wav(
    content: bytes, *, rate=16000, channels=1, bits=16, tag=PCM, size=None, before=b"", extensible=False, block=None
) -> bytes:
    """Return a WAV file; ``size`` is what its header says of the sound's length, ``before`` a chunk ahead of it.

    ``block`` is what it says of the bytes that a sample of all channels takes.
    """
    each = channels * bits // 8
    body = struct.pack("<HHIIHH", tag, channels, rate, rate * each, each if block is None else block, bits)
    if extensible:
        guid = struct.pack("<H", tag) + bytes.fromhex("000000001000800000aa00389b71")
        body = struct.pack("<H", 0xFFFE) + body[2:] + struct.pack("<HHI", 22, bits, 4) + guid
    length = len(content) if size is None else size
    chunks = b"fmt " + struct.pack("<I", len(body)) + body + before + b"data" + struct.pack("<I", length) + content
    return b"RIFF" + struct.pack("<I", min(4 + len(chunks) - len(content) + length, 0xFFFFFFFF)) + b"WAVE" + chunks


def write(path: Path, samples: np.ndarray, bits: int = 16, tag: int = PCM, **options) -> Path:
    """Write samples of one channel, or [N, channels], as a WAV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = samples.shape[1] if samples.ndim == 2 else 1
    path.write_bytes(wav(encoded(samples.reshape(-1), bits, tag), bits=bits, tag=tag, channels=channels, **options))
    return path
