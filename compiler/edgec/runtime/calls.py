"""Which submodules a module's own code calls, with what, and from which line: seen while it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import torch

Row: TypeAlias = "tuple[torch.Tensor, ...]"
"""The tensors that one call takes."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One call of a submodule: ``path`` from the model's top, the inputs of it by row, and where the call stands.

    ``module`` takes the tensors of a row and gives a tuple of tensors; ``bare`` is the user's module inside.
    """

    path: str
    bare: Any
    module: Any
    rows: tuple[Row, ...]
    call: tuple[Path, int] | None


def calls_in(parent: Part) -> list[Part]:
    """Run ``parent`` eagerly on its rows and return the submodules that its own code calls, in that order, with their inputs.

    A submodule that is called twice is there twice; of rows that take another path only those that fit are kept.
    """
    seen = [_observed(parent, row) for row in parent.rows]
    parts = []
    for index, call in enumerate(seen[0]):
        same = [calls[index] for calls in seen if index < len(calls) and calls[index].fits(call)]
        rows = tuple(tuple(other.tensors) for other in same)
        if call.tensors and call.gives:
            path = f"{parent.path}.{call.path}".lstrip(".")
            parts.append(Part(path=path, bare=call.bare, module=call.module(path), rows=rows, call=call.place))
    return parts


def ours(path: Path, root: Path) -> bool:
    """Whether a source file is the project's own."""
    return path.is_absolute() and path.resolve().is_relative_to(root) and "site-packages" not in path.parts


def written(place: tuple[Path, int], root: Path) -> str:
    """Return ``file:line``: from the project's root, or from the package that the file belongs to."""
    path, line = place
    if ours(path, root):
        return f"{path.resolve().relative_to(root).as_posix()}:{line}"
    return f"{'/'.join(below(path))}:{line}"


def below(path: Path) -> tuple[str, ...]:
    """The parts of a path from its package on, or its name alone."""
    parts = path.parts
    return parts[parts.index("site-packages") + 1 :] if "site-packages" in parts else parts[-1:]


@dataclass(frozen=True, kw_only=True)
class _Call:
    """One observed call: its arguments flattened, ``tensors`` taken out of ``leaves`` at ``positions``."""

    path: str
    bare: Any
    leaves: list[Any]
    positions: list[int]
    structure: Any
    tensors: list[Any]
    place: tuple[Path, int] | None
    gives: bool

    def fits(self, other: _Call) -> bool:
        """Whether it is the same call on inputs of the same shapes."""
        shapes = [value.shape for value in self.tensors]
        return self.path == other.path and shapes == [value.shape for value in other.tensors]

    def module(self, path: str) -> Any:
        """Return a module that takes the tensors and gives a tuple of tensors; inside, the submodule keeps its path."""
        import torch
        from torch.utils import _pytree as pytree

        inner, leaves, positions, structure = self.bare, self.leaves, self.positions, self.structure

        class Whole(torch.nn.Module):  # type: ignore[misc]
            def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
                filled = list(leaves)
                for position, tensor in zip(positions, tensors, strict=True):
                    # The submodule may write into what it is given; an exported graph may not.
                    filled[position] = tensor.clone() if writes else tensor
                args, keywords = pytree.tree_unflatten(filled, structure)
                found, _ = pytree.tree_flatten(self.get_submodule(path)(*args, **keywords))
                return tuple(item for item in found if isinstance(item, torch.Tensor))

        writes = any(getattr(module, "inplace", False) for module in inner.modules())
        whole: Any = Whole()
        holder = whole
        *above, name = path.split(".")
        for step in above:
            holder.add_module(step, torch.nn.Module())
            holder = getattr(holder, step)
        holder.add_module(name, inner)
        return whole.eval()


def _observed(parent: Part, row: Row) -> list[_Call]:
    """The direct calls of submodules while ``parent`` runs on ``row``; what is called inside those is not among them."""
    import torch
    from torch.utils import _pytree as pytree

    names = {id(module): name for name, module in parent.bare.named_modules() if name}
    calls: list[_Call] = []
    inside: list[Any] = []

    def enter(module: Any, args: Any, keywords: Any) -> None:
        if not inside:
            leaves, structure = pytree.tree_flatten((args, keywords))
            positions = [index for index, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
            calls.append(
                _Call(
                    path=names[id(module)],
                    bare=module,
                    leaves=[None if index in positions else leaf for index, leaf in enumerate(leaves)],
                    positions=positions,
                    structure=structure,
                    tensors=[leaves[index].detach().clone() for index in positions],
                    place=_caller(),
                    gives=False,
                )
            )
        inside.append(module)

    def leave(module: Any, args: Any, output: Any) -> None:
        inside.pop()
        if not inside and any(isinstance(leaf, torch.Tensor) for leaf in pytree.tree_flatten(output)[0]):
            calls[-1] = replace(calls[-1], gives=True)

    with _hooked(parent.bare, enter, leave), torch.no_grad():
        parent.module(*[value.clone() for value in row])
    return calls


@contextmanager
def _hooked(top: Any, enter: Callable[..., None], leave: Callable[..., None]) -> Iterator[None]:
    handles = []
    for module in top.modules():
        if module is not top:
            handles += [module.register_forward_pre_hook(enter, with_kwargs=True), module.register_forward_hook(leave)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _caller() -> tuple[Path, int] | None:
    """The innermost line outside torch that is running a forward, which is where the submodule is called."""
    import torch

    package = Path(torch.__file__).parent
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename != __file__:
        path = Path(frame.f_code.co_filename)
        if path.is_absolute() and not path.is_relative_to(package):
            return path, frame.f_lineno
        frame = frame.f_back
    return None


