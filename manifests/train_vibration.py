"""Make the vibration monitor's data and weights: a simulated bearing, and an autoencoder that knows how it sounds when whole.

    python manifests/train_vibration.py                 # weights and evaluation data: about a minute
    python manifests/train_vibration.py --stream inner  # raw float32 on standard output: whole for 5 s, then a fault grows
    python manifests/train_vibration.py --stream outer --csv --seconds 20

The bearing is a 6205 (9 balls of 7.94 mm on a pitch circle of 39.04 mm), the size that Case Western Reserve University
tested. A fault's passing frequencies follow from its geometry; each pass strikes a resonance, with a slip of about 1 %,
and the load changes as the fault turns through the loaded zone: Randall and Antoni, "Rolling element bearing diagnostics:
a tutorial", Mechanical Systems and Signal Processing 25 (2011), equations 1 to 4 and section 2. This is a simulation: no
machine was measured. Training sees whole bearings only; every kind of fault is held out.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from vibration_model import WINDOW, Detector

HERE = Path(__file__).resolve().parent
RATE = 20_000
BALLS, BALL, PITCH, ANGLE = 9, 7.94, 39.04, 0.0
FAULTS = ("outer", "inner", "ball", "cage")
SEED, EPOCHS, BATCH = 7, 60, 64
TRAINED, RECORDINGS, EACH = 3000, 24, 24


def frequency(fault: str, shaft: float) -> float:
    """Return how often a second a fault is struck at ``shaft`` turns a second (Randall and Antoni, equations 1 to 4)."""
    ratio = BALL / PITCH * math.cos(ANGLE)
    return {
        "outer": BALLS / 2 * shaft * (1 - ratio),
        "inner": BALLS / 2 * shaft * (1 + ratio),
        "ball": PITCH / (2 * BALL) * shaft * (1 - ratio**2) * 2,  # the fault meets both races at each turn of the ball
        "cage": shaft / 2 * (1 - ratio) * BALLS / 3,  # a torn pocket drags at a third of the balls
    }[fault]


def vibration(
    count: int, seed: tuple[int, ...], fault: str = "", severity: NDArray[np.float64] | float = 0.0
) -> NDArray[np.float32]:
    """Return ``count`` samples of acceleration in milli-g at RATE.

    ``severity``, a number or one a sample, is the height of the fault's impulses in g.
    """
    random = np.random.default_rng(seed)
    time = np.arange(count) / RATE
    shaft = random.uniform(24, 36)
    turns = shaft * time + 0.02 * np.sin(2 * np.pi * random.uniform(0.1, 0.5) * time)
    wave = random.normal(0, random.uniform(0.04, 0.07), count)  # flow and friction, white
    orders = ((1, 0.12), (2, 0.06), (3, 0.03), (random.integers(18, 24), 0.05))  # unbalance, misalignment, gear mesh
    for order, height in orders:
        wave += height * random.uniform(0.6, 1.4) * np.sin(2 * np.pi * order * turns + random.uniform(0, 6.28))
    broad = np.convolve(random.normal(0, 1, count), ringing(random.uniform(2600, 3400), 0.004), "same")
    wave += random.uniform(0.03, 0.06) * broad / broad.std()
    if fault:
        wave += strikes(fault, shaft, turns, severity, random)
    return np.float32(np.round(wave * 1000))


def strikes(
    fault: str, shaft: float, turns: NDArray[np.float64], severity: NDArray[np.float64] | float, random: np.random.Generator
) -> NDArray[np.float64]:
    """Return the answers of a resonance to a fault's strikes."""
    count = len(turns)
    train = np.zeros(count)
    heights = np.broadcast_to(np.asarray(severity, dtype=float), (count,))
    at = random.uniform(0, 1 / frequency(fault, shaft))
    while (index := int(at * RATE)) < count:
        load = {"outer": 1.0, "inner": 0.6 + 0.4 * math.cos(2 * np.pi * turns[index])}.get(
            fault, 0.7 + 0.3 * math.cos(2 * np.pi * turns[index] * 0.4)
        )
        train[index] += heights[index] * load * random.uniform(0.7, 1.3)
        at += random.normal(1, 0.01) / frequency(fault, shaft)
    return np.convolve(train, ringing(random.uniform(3200, 5200), 0.0012))[:count]


def ringing(hertz: float, decay: float) -> NDArray[np.float64]:
    """Return a damped oscillation that begins at its height."""
    time = np.arange(int(6 * decay * RATE)) / RATE
    return np.exp(-time / decay) * np.cos(2 * np.pi * hertz * time)


def windows(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a recording cut into windows that do not overlap, [N, WINDOW]."""
    return wave[: len(wave) // WINDOW * WINDOW].reshape(-1, WINDOW)


def whole(count: int, seed: int) -> NDArray[np.float32]:
    """Return ``count`` windows of whole bearings, ten of each machine."""
    return np.concatenate([windows(vibration(10 * WINDOW, (seed, index))) for index in range(-(-count // 10))])[:count]


def evaluation() -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Return windows in the order of time and whether each is faulty: recordings that are whole first, then not."""
    found, truth = [], []
    for index in range(RECORDINGS):
        fault, height = FAULTS[index % len(FAULTS)], (0.4, 0.7, 1.2)[index // len(FAULTS) % 3]
        before = windows(vibration(EACH * WINDOW, (SEED, 1, index)))
        after = windows(vibration(EACH * WINDOW, (SEED, 1, index), fault, height))
        found += [before, after]
        truth += [0] * len(before) + [1] * len(after)
    return np.int16(np.clip(np.concatenate(found), -32768, 32767)), np.int64(truth)


def train() -> Detector:
    """Return the autoencoder, trained on whole bearings."""
    torch.manual_seed(SEED)
    model = Detector()
    data = torch.from_numpy(whole(TRAINED, SEED + 1))
    with torch.no_grad():
        features = model.features(data)
        model.mean.copy_(features.mean(0))
        model.scale.copy_(1 / features.std(0).clamp_min(1e-3))
        features = (features - model.mean) * model.scale
    optimizer = torch.optim.Adam([*model.encoder.parameters(), *model.decoder.parameters()], 2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(features)).split(BATCH):
            optimizer.zero_grad()
            error = features[rows] - model.decoder(model.encoder(features[rows]))
            (error * error).mean().backward()
            optimizer.step()
        schedule.step()
    return model.eval()


def report(model: Detector, inputs: NDArray[np.int16], truth: NDArray[np.int64]) -> None:
    """Print what the scores are like, whole and faulty, and a threshold above what whole bearings of another seed reach."""
    with torch.no_grad():
        unseen = model(torch.from_numpy(whole(4000, SEED + 2))).numpy().ravel()
        scores = model(torch.from_numpy(inputs.astype(np.float32))).numpy().ravel()
    print(f"whole, unseen: median {np.median(unseen):.3f}, 99 % {np.quantile(unseen, 0.99):.3f}, largest {unseen.max():.3f}")
    print(f"evaluation: whole up to {scores[truth == 0].max():.3f}, faulty from {scores[truth == 1].min():.3f}")
    for index, fault in enumerate(FAULTS):
        rows = [np.arange(EACH) + (2 * place + 1) * EACH for place in range(index, RECORDINGS, len(FAULTS))]
        print(f"  {fault}: median {np.median(scores[np.concatenate(rows)]):.3f}")


def write() -> None:
    """Write weights and evaluation data, and print the digest that the manifest names."""
    torch.set_num_threads(1)  # sums come out the same everywhere
    model = train()
    inputs, truth = evaluation()
    report(model, inputs, truth)
    (HERE / "data" / "vibration").mkdir(parents=True, exist_ok=True)
    np.savez_compressed(HERE / "data" / "vibration" / "test.npz", vibration=inputs, label=truth)
    path = HERE / "weights" / "vibration.safetensors"
    save_file(model.state_dict(), path)
    print(f"{path.name}: sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


def stream(fault: str, seconds: float, csv: bool) -> None:
    """Write a recording to standard output: whole for a quarter of the time, then a fault that grows to 1.5 g."""
    count = int(seconds * RATE)
    grown = np.clip((np.arange(count) / count - 0.25) / 0.5, 0, 1) * 1.5
    wave = vibration(count, (SEED, 3, FAULTS.index(fault)), fault, grown)
    if csv:
        sys.stdout.write("acceleration_mg\n" + "\n".join(f"{value:.0f}" for value in wave) + "\n")
    else:
        sys.stdout.buffer.write(wave.tobytes())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stream", choices=FAULTS, help="write a recording in which this fault grows")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--csv", action="store_true", help="as lines of text instead of raw float32")
    given = parser.parse_args()
    if given.stream:
        stream(given.stream, given.seconds, given.csv)
    else:
        write()
