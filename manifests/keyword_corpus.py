"""The keyword spotter's corpus: words and sentences spoken by espeak-ng in many voices, with noise from sox.

Nobody was recorded: the voices are synthetic, made by rule, and clearer and more alike than people. What is measured on them
says that the pipeline works, and little about how well people would be understood.
"""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
Wave = NDArray[np.float32]

WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
LABELS = (*WORDS, "unknown", "silence")

# No keyword, and nothing that sounds the same (know, write).
_OTHERS = (
    "bed bird cat dog happy house marvin sheila tree wow zero one two three four five six seven eight nine apple "
    "water table window garden kitchen morning evening computer music paper river mountain winter summer yellow "
    "orange purple brother sister doctor teacher market station letter number people children picture question answer "
    "problem reason machine engine button camera coffee sugar butter cheese bread chicken potato tomato carrot monkey "
    "tiger rabbit follow listen remember forget travel carry visit open close begin finish quickly slowly always "
    "never maybe today tomorrow yesterday minute second hour weather rain snow cloud thunder blue green black white "
    "small large heavy light"
)
OTHERS = _OTHERS.split()

ACCENTS = ("en-gb", "en-us", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-029", "en-us-nyc")
_TRAINED = (
    "Alex Alicia Andrea Andy Denis Diogo Gene Henrique Hugo Jacky Lee Marco Mario Michael Mike Nguyen adam anika "
    "announcer antonio aunty belinda benjamin boris caleb ed edward f1 f2 f3 grandma gustave iven iven2 john "
    "kaukovalta klatt klatt2 linda m1 m2 m3 m4 marcelo max michel miguel norbert pablo pedro quincy rob robert sandro "
    "steph steph2 travis"
)
_HELD_OUT = (
    "Annie Gene2 david edward2 f4 f5 grandpa iven3 klatt3 m5 m6 m7 paul shelby steph3 victor"
)
TRAINED, HELD_OUT = _TRAINED.split(), _HELD_OUT.split()


@dataclass(frozen=True, kw_only=True)
class Said:
    """What is said, by which voice of espeak-ng, how fast (words a minute) and how high (0 to 99)."""

    text: str
    voice: str
    speed: int
    pitch: int


def said(text: str, variants: list[str], random: np.random.Generator) -> Said:
    """Return ``text`` in a voice, speed and pitch drawn by ``random``."""
    voice = f"{random.choice(ACCENTS)}+{random.choice(variants)}"
    return Said(text=text, voice=voice, speed=int(random.integers(120, 200)), pitch=int(random.integers(20, 80)))


def sentence(random: np.random.Generator, words: int = 8) -> str:
    """Return a sentence without a keyword; it means nothing."""
    return " ".join(random.choice(OTHERS, words))


def speak(wanted: list[Said]) -> list[Wave]:
    """Return the sound of each, 16 kHz, silence at its ends cut off, the loudest sample 1."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(_spoken, wanted))


def _spoken(one: Said) -> Wave:
    espeak = ["espeak-ng", "-v", one.voice, "-s", str(one.speed), "-p", str(one.pitch), "--stdout", one.text]
    loud = subprocess.run(espeak, check=True, capture_output=True).stdout[44:]  # its header has no length
    raw = ["-t", "raw", "-e", "signed", "-b", "16", "-c", "1"]
    sox = ["sox", "-D", "-V1", *raw, "-r", "22050", "-", *raw, "-r", str(RATE), "-", "gain", "-3"]
    wave = np.frombuffer(subprocess.run(sox, input=loud, check=True, capture_output=True).stdout, "<i2").astype(np.float32)
    heard = np.flatnonzero(np.abs(wave) > 0.02 * np.abs(wave).max())
    wave = wave[heard[0] : heard[-1] + 1]
    return wave / np.abs(wave).max()


def noises(seconds: int, random: np.random.Generator, variants: list[str]) -> list[Wave]:
    """Return beds of noise, each of root mean square 1: white, pink and brown by sox, mains hum, and many voices at once."""
    beds = [_noise(f"{colour}noise", seconds) for colour in ("white", "pink", "brown")]
    time = np.arange(seconds * RATE) / RATE
    beds.append(sum(np.sin(2 * np.pi * 50 * k * time + k) / k for k in range(1, 12)) + 0.3 * beds[1])
    voices = speak([said(sentence(random, 12), variants, random) for _ in range(seconds)])
    babble = np.zeros(seconds * RATE, np.float32)
    for voice in voices:
        voice = voice[: len(babble)]
        start = random.integers(0, len(babble) - len(voice) + 1)
        babble[start : start + len(voice)] += voice
    beds.append(babble + 0.05 * beds[1])
    return [np.float32(bed / np.sqrt(np.mean(np.square(bed)))) for bed in beds]


def _noise(kind: str, seconds: int) -> Wave:
    # sox draws the same numbers each time (-R, its default).
    command = ["sox", "-R", "-V1", "-n", "-r", str(RATE), "-c", "1", "-e", "float", "-b", "32", "-t", "raw", "-"]
    done = subprocess.run([*command, "synth", str(seconds), kind, "gain", "-6"], check=True, capture_output=True)
    return np.frombuffer(done.stdout, "<f4")


def mixed(wave: Wave, bed: Wave, random: np.random.Generator, ratio: float, height: float) -> Wave:
    """Return ``wave`` with ``bed`` under it, ``ratio`` decibels below the louder parts of it, its peak near ``height``."""
    level = np.sqrt(np.mean(np.square(wave[np.abs(wave) > 0.05]))) if np.any(np.abs(wave) > 0.05) else 0.2
    start = random.integers(0, len(bed) - len(wave) + 1)
    noisy = wave + bed[start : start + len(wave)] * level * 10 ** (-ratio / 20)
    return np.float32(noisy * height / max(1.0, float(np.abs(noisy).max())))
