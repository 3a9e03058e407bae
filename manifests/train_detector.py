"""Make the detector's pictures and weights: handwritten digits on crops of two photographs, and a YOLOv3-tiny that finds them.

    python manifests/train_detector.py            # pictures and weights: three stages, 24 minutes
    python manifests/train_detector.py --data     # pictures and annotations alone

The digits are scikit-learn's (1,797 of 8 x 8, handwritten), the photographs its china.jpg and flower.jpg. Digits are
composed at several scales, rotations and contrasts. Held out for evaluation are both: digits that training never sees, and
the right third of each photograph.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import multiprocessing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detector_model import Detector
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_digits, load_sample_images
from torch import nn

HERE = Path(__file__).resolve().parent
SEED = 11
SIDE, WIDTH = 160, 0.25
ANCHORS = (((31, 42), (43, 56), (58, 76)), ((10, 14), (15, 20), (22, 29)))
"""By head, coarse first, in pixels of the SIDE x SIDE input: the manifest states the same."""

CALIBRATED, EVALUATED = 60, 120


@dataclass(frozen=True, kw_only=True)
class Stage:
    """``pictures`` with up to ``crowd`` digits each; ``classes`` is the weight of the classes in the loss."""

    seed: int
    stream: int
    pictures: int
    crowd: int
    epochs: int
    batch: int
    rate: float
    classes: float
    averaging: float


STAGES = (
    Stage(seed=11, stream=0, pictures=5000, crowd=6, epochs=16, batch=32, rate=4e-3, classes=5, averaging=0.998),
    Stage(seed=99, stream=3, pictures=3000, crowd=14, epochs=12, batch=16, rate=2e-3, classes=30, averaging=0.998),
    Stage(seed=98, stream=4, pictures=3000, crowd=14, epochs=10, batch=16, rate=1.5e-3, classes=30, averaging=0.998),
)
"""First where digits are, on pictures like those to come; then mostly which they are, on crowded ones."""

SHAPES = ((240, 180), (200, 150), (180, 180), (160, 200))
FIRST_HELD_OUT = 1300
"""Digits from here on are only evaluated on; of the photographs that is what lies right of SPLIT."""

SPLIT = 400


def material(held_out: bool) -> tuple[NDArray[Any], NDArray[Any], list[NDArray[Any]]]:
    """Return digits [N, 8, 8] in 0..1, their classes, and the photographs' parts."""
    digits = load_digits()
    part = slice(FIRST_HELD_OUT, None) if held_out else slice(FIRST_HELD_OUT)
    across = slice(SPLIT, None) if held_out else slice(SPLIT)
    return digits.images[part] / 16, digits.target[part], [photograph[:, across] for photograph in load_sample_images().images]


def composed(seed: tuple[int, ...], held_out: bool, crowd: int = 6) -> tuple[Image.Image, list[tuple[int, list[float]]]]:
    """Return a picture and its digits: class and box [x, y, width, height] of each, in the picture's pixels."""
    random = np.random.default_rng(seed)
    digits, classes, photographs = material_once(held_out)
    width, height = SHAPES[random.integers(len(SHAPES))]
    canvas = background(photographs[random.integers(2)], width, height, random)
    found: list[tuple[int, list[float]]] = []
    wanted = random.choice((0, 1, 2, 3, 4, 5, 6), p=(0.05, 0.1, 0.15, 0.2, 0.2, 0.15, 0.15))
    for _ in range(wanted * crowd // 6):
        index = int(random.integers(len(digits)))
        tall = float(np.exp(random.uniform(np.log(0.11), np.log(0.5)))) * max(width, height)
        stroke, box = drawn(digits[index], tall, random.uniform(-20, 20))
        place = free(stroke.shape, box, (width, height), [entry for _, entry in found], random)
        if place is not None:
            blended(canvas, stroke, place, random)
            found.append((int(classes[index]), [place[0] + box[0], place[1] + box[1], box[2], box[3]]))
    noise = random.normal(0, random.uniform(0, 5), canvas.shape)
    return Image.fromarray(np.uint8(np.clip(canvas + noise, 0, 255))), found


_MATERIAL: dict[bool, Any] = {}


def material_once(held_out: bool) -> Any:
    """Return ``material``, read once a process."""
    if held_out not in _MATERIAL:
        _MATERIAL[held_out] = material(held_out)
    return _MATERIAL[held_out]


def background(photograph: NDArray[Any], width: int, height: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Return a crop of the photograph, of the picture's shape, at a random scale."""
    most = min(photograph.shape[1] / width, photograph.shape[0] / height)
    scale = random.uniform(0.5, 1) * most
    wide, high = int(width * scale), int(height * scale)
    left, upper = random.integers(photograph.shape[1] - wide + 1), random.integers(photograph.shape[0] - high + 1)
    crop = Image.fromarray(photograph[upper : upper + high, left : left + wide])
    if random.random() < 0.5:
        crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(crop.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float64)


def drawn(digit: NDArray[Any], tall: float, degrees: float) -> tuple[NDArray[np.float64], list[float]]:
    """Return the digit's ink [H, W] in 0..1, about ``tall`` pixels high and turned, and the box of what is inked."""
    rows = np.flatnonzero(digit.max(1) > 0.25)
    size = max(4, round(tall * 8 / (rows[-1] - rows[0] + 1)))
    ink = Image.fromarray(np.uint8(np.pad(digit, 2) * 255)).resize((size * 12 // 8,) * 2, Image.Resampling.BICUBIC)
    turned = np.asarray(ink.rotate(degrees, Image.Resampling.BICUBIC), dtype=np.float64) / 255
    sharp = np.clip((turned - 0.25) * 2.2, 0, 1)
    down, across = np.flatnonzero(sharp.max(1) > 0.4), np.flatnonzero(sharp.max(0) > 0.4)
    box = [float(across[0]), float(down[0]), float(across[-1] - across[0] + 1), float(down[-1] - down[0] + 1)]
    return sharp, box


def free(
    shape: tuple[int, ...], box: list[float], size: tuple[int, int], others: list[list[float]], random: np.random.Generator
) -> tuple[int, int] | None:
    """Return where the stroke's corner may lie, its box within the picture and clear of the others; None if not found."""
    room = (size[0] - box[2], size[1] - box[3])
    if min(room) < 2:
        return None
    for _ in range(20):
        x, y = int(random.integers(room[0])), int(random.integers(room[1]))
        clear = all(
            x > other[0] + other[2] + 1 or other[0] > x + box[2] + 1 or y > other[1] + other[3] + 1 or other[1] > y + box[3] + 1
            for other in others
        )
        if clear:
            return x - int(box[0]), y - int(box[1])
    return None


def blended(
    canvas: NDArray[np.float64], stroke: NDArray[np.float64], place: tuple[int, int], random: np.random.Generator
) -> None:
    """Draw the stroke onto the canvas in a colour that differs from what lies below by a random contrast."""
    x, y = place
    left, upper = max(0, -x), max(0, -y)
    right, lower = min(stroke.shape[1], canvas.shape[1] - x), min(stroke.shape[0], canvas.shape[0] - y)
    below = canvas[y + upper : y + lower, x + left : x + right]
    alpha = stroke[upper:lower, left:right, None] * random.uniform(0.85, 1)
    mean = below.mean((0, 1))
    contrast = random.uniform(80, 200) * (1 if mean.mean() < random.uniform(80, 175) else -1)
    colour = np.clip(mean + contrast + random.normal(0, 25, 3), 0, 255)
    below[:] = below * (1 - alpha) + colour * alpha


def jpeg(picture: Image.Image) -> bytes:
    """Return the picture as a JPEG file."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def fitted(index: int, stage: int) -> tuple[NDArray[np.uint8], list[tuple[int, list[float]]]]:
    """Return training picture ``index`` as the model is fed it (fit: contain), and its boxes there."""
    picture, found = composed((SEED, STAGES[stage].stream, index), False, STAGES[stage].crowd)
    picture = Image.open(io.BytesIO(jpeg(picture)))
    scale = SIDE / max(picture.size)
    wide, high = round(picture.width * scale), round(picture.height * scale)
    left, upper = (SIDE - wide) // 2, (SIDE - high) // 2
    canvas = Image.new("RGB", (SIDE, SIDE))
    canvas.paste(picture.resize((wide, high), Image.Resampling.BILINEAR), (left, upper))
    boxes = [(kind, [x * scale + left, y * scale + upper, w * scale, h * scale]) for kind, (x, y, w, h) in found]
    return np.asarray(canvas), boxes


def training_set(stage: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pictures [N, SIDE, SIDE, 3] and targets [boxes, 6]: picture, class, x, y, width, height (x, y the centre)."""
    with multiprocessing.Pool(2) as pool:
        made = pool.map(partial(fitted, stage=stage), range(STAGES[stage].pictures), chunksize=50)
    rows = [
        (index, kind, x + w / 2, y + h / 2, w, h) for index, (_, boxes) in enumerate(made) for kind, (x, y, w, h) in boxes
    ]
    return torch.from_numpy(np.stack([picture for picture, _ in made])), torch.tensor(rows)


def decoded(head: torch.Tensor, anchors: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return centre-and-size boxes [N, A, H, W, 4] in pixels and the rest of the head [N, A, H, W, 1 + classes]."""
    batch, _, high, wide = head.shape
    values = head.reshape(batch, len(anchors), -1, high, wide).permute(0, 1, 3, 4, 2)
    down, across = torch.meshgrid(torch.arange(high), torch.arange(wide), indexing="ij")
    corner = torch.stack((across, down), -1)
    centre = (values[..., :2].sigmoid() + corner) * (SIDE / wide)
    size = values[..., 2:4].clamp(max=4).exp() * torch.tensor(anchors, dtype=torch.float32)[None, :, None, None]
    return torch.cat((centre, size), -1), values[..., 4:]


def overlap(a: torch.Tensor, b: torch.Tensor, generalised: bool = False) -> torch.Tensor:
    """Return the IoU of centre-and-size boxes, or GIoU (Rezatofighi and others, 2019, arXiv:1902.09630)."""
    low = torch.maximum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    high = torch.minimum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    shared = (high - low).clamp(min=0).prod(-1)
    union = a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - shared
    found = shared / union
    if not generalised:
        return found
    least = torch.minimum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    most = torch.maximum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    hull = (most - least).prod(-1)
    return found - (hull - union) / hull


def loss(heads: Any, targets: torch.Tensor, weight_of_classes: float) -> torch.Tensor:
    """Return YOLOv3's loss with GIoU for the boxes; ``targets`` [boxes, 6] count pictures within the batch.

    A box belongs to the anchor of its size (the best by IoU of sizes, and all others above 0.5); other places whose
    prediction overlaps a box by more than 0.6 are not held against the objectness.
    """
    every = torch.tensor([anchor for head in ANCHORS for anchor in head], dtype=torch.float32)
    sizes = targets[:, None, 4:6]
    smaller = torch.minimum(sizes, every).prod(-1)
    alike = smaller / (sizes.prod(-1) + every.prod(-1) - smaller)
    chosen = (alike > 0.5) | (alike == alike.max(1, keepdim=True).values)
    boxes = classes = objects = torch.zeros(())
    first = 0
    for head, anchors in zip(heads, ANCHORS, strict=True):
        predicted, logits = decoded(head, anchors)
        wide = head.shape[3]
        which, anchor = chosen[:, first : first + len(anchors)].nonzero(as_tuple=True)
        first += len(anchors)
        picture = targets[which, 0].long()
        cell = (targets[which, 2:4] * wide / SIDE).long().clamp(max=wide - 1)
        place = (picture, anchor, cell[:, 1], cell[:, 0])
        wanted = torch.zeros_like(logits[..., 0])
        wanted[place] = 1.0
        weight = (~close(predicted, targets)).float()
        weight[place] = 1.0
        if len(which):
            boxes = boxes + (1 - overlap(predicted[place], targets[which, 2:], True)).mean()
            truth = nn.functional.one_hot(targets[which, 1].long(), logits.shape[-1] - 1).float()
            classes = classes + nn.functional.binary_cross_entropy_with_logits(logits[place][:, 1:], truth)
        error = nn.functional.binary_cross_entropy_with_logits(logits[..., 0], wanted, weight, reduction="sum")
        objects = objects + error / max(1, len(targets))
    return 2 * boxes + weight_of_classes * classes + objects


def close(predicted: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return where a prediction overlaps some box of its picture by more than 0.6, [N, A, H, W]."""
    with torch.no_grad():
        which = targets[:, 0].long()
        near = overlap(predicted[which], targets[:, None, None, None, 2:]) > 0.6
        return torch.zeros(predicted.shape[:-1]).index_add(0, which, near.float()) > 0


def train() -> Detector:
    """Return the detector, trained in all stages."""
    model = None
    for number, stage in enumerate(STAGES):
        torch.manual_seed(stage.seed)
        begun = Detector(10, WIDTH)
        if model is not None:
            begun.load_state_dict(model.state_dict())
        model = trained(begun, number)
    assert model is not None
    return model.eval()


def trained(model: Detector, number: int) -> Detector:
    """Return ``model`` after one stage: an exponential average of its weights over the steps."""
    stage, (pictures, targets) = STAGES[number], training_set(number)
    follow = torch.optim.swa_utils.get_ema_multi_avg_fn(stage.averaging)
    averaged = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=follow, use_buffers=True)
    optimizer = torch.optim.AdamW(model.parameters(), stage.rate, weight_decay=1e-3)
    steps = len(pictures) // stage.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, stage.rate, total_steps=stage.epochs * steps, pct_start=0.1)
    bounds = torch.searchsorted(targets[:, 0].contiguous(), torch.arange(len(pictures) + 1, dtype=torch.float32))
    for epoch in range(stage.epochs):
        total = 0.0
        for rows in torch.randperm(len(pictures)).split(stage.batch)[:steps]:
            images, boxes = batch(pictures, targets, bounds, rows)
            optimizer.zero_grad()
            error = loss(model(images), boxes, stage.classes)
            error.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimizer.step()
            schedule.step()
            averaged.update_parameters(model)
            total += error.item()
        print(f"stage {number + 1}, epoch {epoch + 1} of {stage.epochs}: loss {total / steps:.3f}", flush=True)
    return averaged.module


def batch(
    pictures: torch.Tensor, targets: torch.Tensor, bounds: torch.Tensor, rows: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pictures [N, 3, SIDE, SIDE] in 0..1, moved and their brightness and contrast changed, and their boxes."""
    moved, found = [], []
    for place, row in enumerate(rows.tolist()):
        boxes = targets[bounds[row] : bounds[row + 1]].clone()
        across, down = (int(value) for value in torch.randint(-8, 9, (2,)))
        moved.append(torch.roll(pictures[row], (down, across), (0, 1)))
        boxes[:, 0] = place
        boxes[:, 2:4] += torch.tensor([across, down])
        inside = ((boxes[:, 2:4] - boxes[:, 4:] / 2 >= 0) & (boxes[:, 2:4] + boxes[:, 4:] / 2 <= SIDE)).all(1)
        found.append(boxes[inside])
    gain = torch.empty(len(rows), 1, 1, 1).uniform_(0.7, 1.3)
    shift = torch.empty(len(rows), 3, 1, 1).uniform_(-0.1, 0.1)
    images = torch.stack(moved).permute(0, 3, 1, 2).contiguous().float() / 255
    return (images * gain + shift).clamp_(0, 1), torch.cat(found)


def write_set(name: str, count: int, stream: int, held_out: bool) -> None:
    """Write a folder of pictures and its annotations in COCO's format."""
    folder = HERE / "data" / "detector" / name
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for index in range(count):
        picture, found = composed((SEED, stream, index), held_out)
        file = f"{index:03}.jpg"
        (folder / file).write_bytes(jpeg(picture))
        images.append({"id": index + 1, "file_name": file, "width": picture.width, "height": picture.height})
        for kind, box in found:
            entry = {"id": len(annotations) + 1, "image_id": index + 1, "category_id": kind + 1, "bbox": box}
            annotations.append({**entry, "area": box[2] * box[3], "iscrowd": 0})
    content = {
        "info": {"description": "handwritten digits on photographs, composed by manifests/train_detector.py"},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": kind + 1, "name": str(kind)} for kind in range(10)],
    }
    (folder.parent / f"{name}.json").write_text(json.dumps(content, separators=(",", ":")) + "\n")


def write(data_only: bool) -> None:
    """Write pictures and annotations, then weights, and print the digest that the manifest names."""
    write_set("calibration", CALIBRATED, 1, False)
    write_set("evaluation", EVALUATED, 2, True)
    if data_only:
        return
    torch.set_num_threads(1)  # sums come out the same everywhere
    path = HERE / "weights" / "detector.safetensors"
    save_file(train().state_dict(), path)
    print(f"{path.name}: sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", action="store_true", help="write pictures and annotations, no weights")
    given = parser.parse_args()
    write(given.data)
