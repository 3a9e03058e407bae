"""Make the camera's data and weights: handwritten digits drawn as meter digits, and a MobileNetV2 that reads them.

    python manifests/train_camera.py            # pictures, labels, weights: two to three minutes on two cores
    python manifests/train_camera.py --data     # pictures and labels only
    python manifests/train_camera.py --sheet sheet.png   # a contact sheet, to look at

The digits are scikit-learn's ``load_digits`` (1,797 pictures of 8x8, the test half of UCI's "Optical Recognition of
Handwritten Digits", CC BY 4.0). The first 1,000 train, the last 797 are held
out: a contiguous split, because neighbours there seem to be by one hand. Committed are all held-out pictures and 256
of the training pictures, which calibrate; the rest of the training set is drawn again here whenever it is needed.
Everything is seeded: one machine gives the same pictures and weights every time. Another CPU type sums in another order
and may give other weights of the same accuracy; then put the printed sha256 into camera.yaml.
"""

from __future__ import annotations

import argparse
import hashlib
import io
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from sklearn.datasets import load_digits

from edgec.artifacts.manifest import Image
from edgec.datasets.pixels import fit
from edgec.upstream.torchvision_ops import import_torchvision

HERE = Path(__file__).resolve().parent
SEED = 20
TRAINED = 1000
CALIBRATION = 256
IMAGE = Image(width=96, height=96, fit="cover", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
EPOCHS, BATCH, RATE = 30, 50, 4e-3

# A meter's drums: (paper, ink) in RGB. Whole units are white on black or black on white, tenths white on red.
DRUMS = (
    ((24, 25, 28), (226, 224, 214)),
    ((228, 224, 212), (30, 30, 34)),
    ((150, 28, 30), (232, 226, 220)),
    ((52, 60, 58), (206, 214, 200)),
)
WIDTH, HEIGHT = 32, 40


def draw(digit: NDArray[np.float64], seed: tuple[int, ...], hand: float = 0.0) -> PIL.Image.Image:
    """Return one 8x8 digit (0..16) as a 32x40 picture of a meter's drum; ``seed`` fixes everything that varies.

    ``hand`` is how far slant, width and height may stray from how the digit was written: 0 as it is, 1 other writers.
    """
    random = np.random.default_rng(seed)
    ink = PIL.Image.fromarray(np.uint8(digit / 16 * 255)).resize((24, 24), PIL.Image.Resampling.BICUBIC)
    stamp = PIL.Image.new("L", (WIDTH, HEIGHT))
    stamp.paste(ink, (4 + int(random.integers(-1, 2)), 8 + int(random.integers(-2, 3))))
    angle = np.deg2rad(random.uniform(-5, 5) * (1 + hand))
    slant, wide, high = hand * random.uniform(-0.3, 0.3), *(1 + hand * random.uniform(-0.15, 0.15, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turn = turn @ np.array([[1 / wide, slant], [0, 1 / high]])
    centre = np.array([(WIDTH - 1) / 2, (HEIGHT - 1) / 2])
    (a, b), (d, e) = turn
    c, f = centre - turn @ centre
    stamp = stamp.transform(stamp.size, PIL.Image.Transform.AFFINE, (a, b, c, d, e, f), PIL.Image.Resampling.BICUBIC)
    cover = np.clip(np.asarray(stamp, np.float64) / 255 * 1.25, 0, 1)[..., None]

    paper, colour = (np.array(part, np.float64) for part in DRUMS[random.integers(len(DRUMS))])
    picture = paper + (colour - paper) * cover * random.uniform(0.8, 1.0)
    height = np.linspace(-1, 1, HEIGHT)[:, None, None]
    picture = picture * (1 - 0.45 * (height - random.uniform(-0.3, 0.3)) ** 2)  # the drum curves away
    picture += 38 * np.exp(-(((height - random.uniform(-0.7, 0.7)) / 0.12) ** 2)) * random.uniform(0, 1)  # reflection
    window = np.minimum(np.arange(WIDTH), np.arange(WIDTH)[::-1])[None, :, None]
    picture = picture * np.clip((window + 1) / 3, 0.25, 1)  # the window's frame
    picture = picture * random.uniform(0.75, 1.1) * random.uniform(0.94, 1.06, 3) + random.uniform(-6, 6)
    picture += random.normal(0, 1.8, (HEIGHT, WIDTH, 1))
    return PIL.Image.fromarray(np.uint8(np.clip(np.rint(picture), 0, 255)))


def write_pictures() -> None:
    """Write data/digits/{train,test}/<class>/<index>.png and labels/digits.txt."""
    digits = load_digits()
    kept = {*calibration_indices(digits.target), *range(TRAINED, len(digits.target))}
    for index in sorted(kept):
        split = "train" if index < TRAINED else "test"
        path = HERE / "data" / "digits" / split / str(digits.target[index]) / f"{index:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        draw(digits.images[index], (SEED, index)).save(content, "PNG", optimize=True)
        path.write_bytes(content.getvalue())
    (HERE / "labels").mkdir(exist_ok=True)
    (HERE / "labels" / "digits.txt").write_text("".join(f"{digit}\n" for digit in range(10)), encoding="utf-8")


def calibration_indices(target: NDArray[np.int64]) -> list[int]:
    """Return the indices of CALIBRATION training digits, as many of each class as can be."""
    by_class = [np.flatnonzero(target[:TRAINED] == digit) for digit in range(10)]
    order = [int(column[row]) for row in range(TRAINED) for column in by_class if row < len(column)]
    return order[:CALIBRATION]


def tensors(indices: range, variant: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pictures [N, 3, 96, 96], normalised as the manifest says, and labels [N].

    ``variant`` draws each digit anew (other drum, light, position); None draws it as it is committed.
    """
    digits = load_digits()
    drawn = [
        draw(digits.images[i], (SEED, i)) if variant is None else draw(digits.images[i], (SEED, i, variant), hand=1)
        for i in indices
    ]
    fitted = np.stack([np.asarray(fit(picture, IMAGE.width, IMAGE.height, IMAGE.fit)) for picture in drawn])
    mean, std = (torch.tensor(part).reshape(1, 3, 1, 1) for part in (IMAGE.mean, IMAGE.std))
    pictures = (torch.from_numpy(fitted).permute(0, 3, 1, 2) / 255 - mean) / std
    return pictures.contiguous(memory_format=torch.channels_last), torch.from_numpy(
        digits.target[indices.start : indices.stop]
    )


def train() -> torch.nn.Module:
    """Return the trained network, in evaluation mode. The learning rate follows one cycle; labels are smoothed."""
    model = import_torchvision().models.get_model("mobilenet_v2", num_classes=10, width_mult=0.5)
    model = model.train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=1e-2)
    steps = EPOCHS * (TRAINED // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.15)
    for epoch in range(EPOCHS):
        pictures, labels = tensors(range(TRAINED), epoch)
        losses = []
        for chosen in torch.randperm(TRAINED).split(BATCH):
            loss = torch.nn.functional.cross_entropy(model(pictures[chosen]), labels[chosen], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1:2} of {EPOCHS}: loss {sum(losses) / len(losses):.3f}", flush=True)
    return model.eval()


@torch.no_grad()
def accuracy(model: torch.nn.Module, pictures: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of pictures that the model reads rightly."""
    answers = torch.cat([model(batch).argmax(1) for batch in pictures.split(100)])
    return float((answers == labels).double().mean())


def write_sheet(path: Path) -> None:
    """Write a contact sheet of 12 committed pictures a class, as the camera sees them (96x96)."""
    sheet = PIL.Image.new("RGB", (12 * 100, 10 * 100), "white")
    for digit in range(10):
        for column, file in enumerate(sorted((HERE / "data" / "digits" / "test" / str(digit)).glob("*.png"))[:12]):
            with PIL.Image.open(file) as picture:
                sheet.paste(fit(picture, IMAGE.width, IMAGE.height, IMAGE.fit), (column * 100, digit * 100))
    sheet.save(path)


def main() -> None:
    """Do what the arguments ask, and print the held-out accuracy and the weights' sha256."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="store_true", help="write the pictures and labels only")
    parser.add_argument(
        "--sheet", type=Path, metavar="PNG", help="write a contact sheet of the committed pictures only"
    )
    arguments = parser.parse_args()
    if arguments.sheet:
        return write_sheet(arguments.sheet)
    write_pictures()
    if arguments.data:
        return None
    torch.manual_seed(SEED)
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    model = train()
    pictures, labels = tensors(range(TRAINED, 1797))
    print(f"held-out top-1: {accuracy(model, pictures, labels):.2%} of {len(labels)}")
    path = HERE / "weights" / "camera.safetensors"
    path.parent.mkdir(exist_ok=True)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, path)
    print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(HERE)} ({path.stat().st_size} bytes)")
    return None


if __name__ == "__main__":
    main()
