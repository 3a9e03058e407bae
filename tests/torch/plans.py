"""Plans made by hand for tests: one target, no budgets."""

from __future__ import annotations

from pathlib import Path

from edgec.artifacts.manifest import Choice, Data, Dimension, Image, Input
from edgec.artifacts.plan import Plan
from edgec.artifacts.project import Project
from edgec.artifacts.target import Target

TARGET = Target(
    name="linux-x86_64",
    summary="",
    architecture="x86_64",
    cpu="generic",
    cores=2,
    threads=2,
    memory=8 << 30,
    glibc="2.27",
    features=(),
    delegates=("xnnpack", "portable"),
    kind="computer",
    qemu_cpu="Haswell",
    cpuinfo=None,
    sources=(),
)

FP32 = Choice(name="fp32")


def tensor(name: str, *shape: int | tuple[int, int], dtype: str = "float32") -> Input:
    """An input; an axis given as a pair is dynamic."""
    sizes = [axis if isinstance(axis, tuple) else (axis, axis) for axis in shape]
    return Input(name=name, dtype=dtype, shape=tuple(Dimension(minimum=low, maximum=high) for low, high in sizes))


def picture(name: str, width: int, height: int, image: Image | None = None) -> Input:
    """A picture input [1, height, width, 3]."""
    sizes = [Dimension(minimum=size, maximum=size) for size in (1, height, width, 3)]
    return Input(name=name, dtype="float32", shape=tuple(sizes), image=image or Image(width=width, height=height))


def plan(
    model: Choice,
    inputs: tuple[Input, ...],
    *,
    recipe: Choice = FP32,
    delegates: tuple[str, ...] = ("xnnpack",),
    data: tuple[Data, ...] = (),
    task: str = "tensor",
    labels: tuple[str, ...] = (),
    release: bool = True,
) -> Plan:
    return Plan(
        name="tiny",
        version="1.0.0",
        description="",
        manifest="tiny.yaml",
        manifest_sha256="0" * 64,
        folder=".",
        target=TARGET,
        model=model,
        inputs=inputs,
        task=Choice(name=task),
        labels=labels,
        data=data,
        recipe=recipe,
        delegates=tuple(Choice(name=name) for name in delegates),
        threads=2,
        budgets=(),
        files={},
        allow_code=True,
        release=release,
        notes=(),
        lowering_key="0" * 64,
    )


def project(folder: Path) -> Project:
    return Project(root=folder.resolve(), folder=folder.resolve())
