"""Make the keyword spotter's weights and data: a network taught with synthetic speech, and clips of voices it never heard.

    python manifests/train_keyword.py                                  # weights and data: 9 minutes; needs espeak-ng and sox
    python manifests/train_keyword.py --data                           # the data alone
    python manifests/train_keyword.py --say "stop yes dog left" > PCM   # words in noise, 16-bit samples on standard output
    python manifests/train_keyword.py --background 60 > PCM             # minutes of sentences and noise without a keyword
    python manifests/train_keyword.py --evaluate                        # accuracy on 6,000 new clips of the held-out voices

keyword_corpus.py says how it is spoken. Every voice of the evaluation data and of --say and --background is held out.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import torch
from keyword_corpus import HELD_OUT, LABELS, OTHERS, RATE, TRAINED, WORDS, Wave, mixed, noises, said, sentence, speak
from keyword_model import KeywordNet
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from edgec.artifacts.manifest import LogMel
from edgec.stages.sound import log_mel

HERE = Path(__file__).resolve().parent
DATA, WEIGHTS = HERE / "data" / "keyword", HERE / "weights" / "keyword.safetensors"
FEATURES = LogMel(bands=40, window=400, hop=320, fft=400, fmin=20, fmax=4000, mean=-3.7, std=3.6)
"""As in keyword.yaml."""
SEED, STEPS, BATCH, SPOKEN = 11, 1000, 100, 400
"""SPOKEN utterances of each word, three times as many of the others, and half as many sentences."""
TAUGHT, JUDGED = (3.0, 25.0), (5.0, 30.0)
"""How many decibels the noise lies under the speech: in training, and in all the data."""
CALIBRATION, EVALUATION, BACKGROUND = 5, 18, 6
"""Committed clips of each label, and minutes of background."""
BITS = 8
"""What the committed clips keep of their sixteen bits, from the highest that they use on: the others would store noise."""


class Corpus:
    """Clips of one second drawn from what some voices said: the same draws for the same seed."""

    def __init__(self, variants: list[str], spoken: int, seed: int, ratio: tuple[float, float] = JUDGED) -> None:
        self.random, self.ratio = np.random.default_rng(seed), ratio
        words = [word for word in WORDS for _ in range(spoken)]
        words += [str(self.random.choice(OTHERS)) for _ in range(3 * spoken)]
        texts = [sentence(self.random) for _ in range(spoken // 2)]
        waves = speak([said(text, variants, self.random) for text in words + texts])
        self.spoken = {word: waves[index * spoken : (index + 1) * spoken] for index, word in enumerate(WORDS)}
        self.others, self.talks = waves[len(WORDS) * spoken : -len(texts)], waves[-len(texts) :]
        self.beds = noises(60, self.random, variants)

    def clip(self, label: str) -> Wave:
        """Return a second in which ``label`` is heard: a word whole and anywhere, or something else, or only noise."""
        random = self.random
        bed = self.beds[random.integers(len(self.beds))]
        if label == "silence":
            start = random.integers(0, len(bed) - RATE)
            return np.float32(bed[start : start + RATE] * 10 ** random.uniform(-4, -1.2))
        placed = self.word(label) if label in WORDS else self.unknown()
        return mixed(placed, bed, random, random.uniform(*self.ratio), 10 ** random.uniform(-1.2, -0.1))

    def word(self, label: str) -> Wave:
        """Return a second with the word in it, all of it."""
        found = self.spoken[label][self.random.integers(len(self.spoken[label]))][:RATE]
        second = np.zeros(RATE, np.float32)
        start = self.random.integers(0, RATE - len(found) + 1)
        second[start : start + len(found)] = found
        return second

    def unknown(self) -> Wave:
        """Return a second of another word, of running speech, or with less than half of a keyword at its edge."""
        kind, second = self.random.random(), np.zeros(RATE, np.float32)
        if kind < 0.45:
            talk = self.talks[self.random.integers(len(self.talks))]
            start = self.random.integers(0, max(1, len(talk) - RATE))
            cut = talk[start : start + RATE]
        elif kind < 0.85:
            cut = self.others[self.random.integers(len(self.others))][:RATE]
        else:
            return self.part(WORDS[self.random.integers(len(WORDS))])
        start = self.random.integers(0, RATE - len(cut) + 1)
        second[start : start + len(cut)] = cut
        return second

    def part(self, label: str) -> Wave:
        """Return a second that begins or ends within a word, with at most 40 % of it."""
        found = self.spoken[label][self.random.integers(len(self.spoken[label]))][:RATE]
        kept, second = int(len(found) * self.random.uniform(0, 0.4)), np.zeros(RATE, np.float32)
        if kept and self.random.random() < 0.5:
            second[-kept:] = found[:kept]
        elif kept:
            second[:kept] = found[-kept:]
        return second

    def clips(self, labels: list[str]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return a clip of each label, [N, RATE], and their classes."""
        waves = np.stack([self.clip(label) for label in labels])
        return waves, np.array([LABELS.index(label) for label in labels])


def train(corpus: Corpus) -> KeywordNet:
    """Return the network; every step hears other clips of the same words."""
    torch.manual_seed(SEED)
    model, features = KeywordNet(len(LABELS)).to(memory_format=torch.channels_last), log_mel(FEATURES, RATE)
    optimizer = torch.optim.AdamW(model.parameters(), 4e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=STEPS, pct_start=0.15)
    share = np.array([1.0] * len(WORDS) + [4.0, 1.0])
    for step in range(STEPS):
        labels = [str(label) for label in corpus.random.choice(LABELS, BATCH, p=share / share.sum())]
        waves, truth = corpus.clips(labels)
        with torch.no_grad():
            inputs = features(torch.from_numpy(waves)).to(memory_format=torch.channels_last)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs), torch.from_numpy(truth), label_smoothing=0.05)
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step} of {STEPS}: loss {loss.item():.3f}", flush=True)
    return model.eval()


def accuracy(model: KeywordNet, corpus: Corpus, each: int) -> float:
    """Print the share of new clips that are told right, label by label, and return it over all."""
    features, rights = log_mel(FEATURES, RATE), []
    for label in LABELS:
        waves, truth = corpus.clips([label] * each)
        with torch.no_grad():
            guesses = model(features(torch.from_numpy(waves))).argmax(1).numpy()
        rights.append(float((guesses == truth).mean()))
    print("  " + ", ".join(f"{label} {right:.1%}" for label, right in zip(LABELS, rights, strict=True)))
    return float(np.mean(rights))


def save(path: Path, wave: Wave) -> None:
    """Write a FLAC file of the wave's highest bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.clip(wave, -1, 1) * 32767
    step = 2 ** max(0, int(np.log2(np.abs(samples).max())) + 2 - BITS)
    samples = np.clip(np.round(samples / step) * step, -32768, 32768 - step)
    soundfile.write(path, np.int16(samples), RATE, format="FLAC", compression_level=1.0)


def write_clips(corpus: Corpus, folder: Path, each: int) -> None:
    """Write so many clips of each label under ``folder``."""
    shutil.rmtree(folder, ignore_errors=True)
    for label in LABELS:
        for index in range(each):
            save(folder / label / f"{index:03}.flac", corpus.clip(label))


def background(minutes: float, seed: int) -> Iterator[Wave]:
    """Yield sentences of held-out voices with pauses between, over noise that changes: no keyword is said."""
    random = np.random.default_rng(seed)
    beds, left = noises(60, random, HELD_OUT), int(minutes * 60 * RATE)
    while left > 0:
        talks = speak([said(sentence(random), HELD_OUT, random) for _ in range(20)])
        for talk in talks:
            pause = np.zeros(int(random.uniform(0.1, 3) * RATE), np.float32)
            piece = mixed(np.concatenate([talk, pause]), beds[random.integers(len(beds))], random, random.uniform(5, 25), 0.5)
            yield piece[:left]
            left = max(0, left - len(piece))


def say(words: list[str], seed: int) -> tuple[Wave, list[tuple[str, float]]]:
    """Return the words one after another, two to three seconds apart in noise, and when each ends, in seconds."""
    random = np.random.default_rng(seed)
    voices = speak([said(word, HELD_OUT, random) for word in words])
    wave, times = np.zeros(int((2 + 3 * len(words)) * RATE), np.float32), []
    for index, (word, voice) in enumerate(zip(words, voices, strict=True)):
        start = int((1.5 + 3 * index + random.uniform(0, 1)) * RATE)
        wave[start : start + len(voice)] = voice[: len(wave) - start]
        times.append((word, (start + len(voice)) / RATE))
    return mixed(wave, noises(len(wave) // RATE + 1, random, HELD_OUT)[1], random, 15, 0.5), times


def write() -> None:
    """Write the weights, and print the digest that the manifest names."""
    torch.set_num_threads(1)  # sums come out the same everywhere
    corpus = Corpus(TRAINED, SPOKEN, SEED, TAUGHT)
    model = train(corpus)
    print(f"new clips of the voices it heard: {accuracy(model, corpus, 200):.1%}")
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, WEIGHTS)
    print(f"{WEIGHTS.name}: sha256 {hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()}")


def write_data() -> None:
    """Write the clips for calibration and evaluation, and the background; voices of the last two are held out."""
    write_clips(Corpus(TRAINED, 10, SEED + 4), DATA / "calibration", CALIBRATION)
    write_clips(Corpus(HELD_OUT, 60, SEED + 1), DATA / "test", EVALUATION)
    shutil.rmtree(DATA / "background", ignore_errors=True)
    for index, piece in enumerate(np.split(np.concatenate(list(background(BACKGROUND, SEED + 2))), BACKGROUND)):
        save(DATA / "background" / f"{index}.flac", piece)


def evaluate() -> None:
    """Print the accuracy of the committed weights on clips of held-out voices that are not committed."""
    model = KeywordNet(len(LABELS))
    model.load_state_dict(load_file(WEIGHTS))
    print(f"6,000 clips of held-out voices: {accuracy(model.eval(), Corpus(HELD_OUT, 100, SEED + 3), 500):.2%}")


def pcm(wave: Wave) -> bytes:
    """Return 16-bit samples, little-endian."""
    return np.int16(np.round(np.clip(wave, -1, 1) * 32767)).astype("<i2").tobytes()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--say", metavar="WORDS", help="write these words in noise, to standard output")
    parser.add_argument("--background", metavar="MINUTES", type=float, help="write sentences without a keyword")
    parser.add_argument("--data", action="store_true", help="write the data, and train nothing")
    parser.add_argument("--evaluate", action="store_true", help="print the accuracy on new clips of held-out voices")
    parser.add_argument("--seed", type=int, default=1, help="another seed draws other voices and noise")
    given = parser.parse_args()
    if given.say:
        sound, ends = say(given.say.split(), given.seed)
        sys.stdout.buffer.write(pcm(sound))
        print(" ".join(f"{word}:{end:.2f}" for word, end in ends), file=sys.stderr)
    elif given.background:
        for piece in background(given.background, given.seed):
            sys.stdout.buffer.write(pcm(piece))
    elif given.evaluate:
        evaluate()
    elif given.data:
        write_data()
    else:
        write()
        write_data()
