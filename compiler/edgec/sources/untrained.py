"""Networks with random weights: drawn from a seed, and such that different inputs get different answers."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from edgec.diagnostics import Failure, first_line
from edgec.exhaustion import exhausted
from edgec.store.weights import refused

if TYPE_CHECKING:
    import torch

Built = TypeVar("Built")
SPREAD = 0.02
"""Standard deviation of what is drawn in place of zeros: that of vision transformers' other linear layers."""
QUIET = 0.25
"""How loud the branches of residual blocks are, where one of random weights is as loud as what it is added to."""


def seeded(seed: int, build: Callable[[], Built]) -> Built:
    """Return what ``build`` makes with torch's, numpy's and Python's generators at ``seed``; they are left as they were."""
    import numpy as np
    import torch

    plain, numbers = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed % 2**32)  # takes 32 bits
            return build()
    finally:
        random.setstate(plain)
        np.random.set_state(numbers)


def draw_zeros(model: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Return ``model`` with every weight of two dimensions or more that is all zeros drawn from a normal distribution.

    Training starts some heads at zero (torchvision's vision transformers), and with them every input has the same answer.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1 and not weight.any():
                weight.normal_(0.0, SPREAD, generator=generator)
    return model


def quieten_residuals(model: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    """Scale the last batch norm of each residual branch to QUIET of its weight, as ``model`` runs on ``inputs``.

    With branches as loud as what they are added to, a deep random network amplifies every rounding beyond its own output:
    nothing could be told of an artifact by comparing. Training begins with branches at or near zero for the same reason
    (Goyal et al. 2017, 5.1; Zhang et al. 2019). Raises as ``reestimate_batch_norm``.
    """
    import torch

    with _running(), torch.no_grad():
        for norm in _last_of_branches(model, inputs):
            if norm.weight is not None:
                norm.weight.mul_(QUIET)


def _last_of_branches(
    model: torch.nn.Module, inputs: tuple[torch.Tensor, ...]
) -> list[torch.nn.modules.batchnorm._BatchNorm]:
    """Return the batch norms whose output goes into a sum and nowhere else, where that is true of no other summand.

    Two such summands are a branch and its projected shortcut: which is which cannot be told.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    tensor = torch.Tensor
    sums = {torch.add, tensor.add, tensor.add_, tensor.__add__, tensor.__radd__, tensor.__iadd__}
    owners: dict[int, Any] = {}
    uses: dict[Any, int] = {}
    added: list[list[Any]] = []
    alive: list[Any] = []  # an id is a tensor's only as long as it lives

    def made(norm: Any, given: object, output: Any) -> None:
        alive.append(output)
        owners[id(output)], uses[norm] = norm, 0

    class Watch(TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            found = function(*args, **(kwargs or {}))
            given = [item for part in args for item in (part if isinstance(part, (list, tuple)) else [part])]
            given = [item for item in given if isinstance(item, tensor)]
            same = any(found is item for item in given)
            alive.extend(given)
            is_sum = function in sums and len(given) == 2
            if is_sum:
                added.append([owners[id(item)] for item in given if id(item) in owners])
            # What changes nothing (dropout in evaluation) or only the tensor itself (an activation in place) is no use.
            if is_sum or not same:
                for item in given if is_sum or isinstance(found, (tensor, list, tuple)) else []:
                    if id(item) in owners:
                        uses[owners[id(item)]] += 1
            if is_sum and same:
                owners.pop(id(found), None)
            return found

    norms = [module for module in model.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    hooks = [norm.register_forward_hook(made) for norm in norms]
    try:
        with Watch():
            model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    last = [[norm for norm in parts if uses[norm] == 1] for parts in added]
    return list(dict.fromkeys(parts[0] for parts in last if len(parts) == 1))


@contextlib.contextmanager
def _running() -> Iterator[None]:
    """Turn whatever a model raises on the user's data into a Failure ``model-not-loaded``."""
    try:
        yield
    except Failure:
        raise
    except Exception as error:
        if exhausted(error):
            raise
        raise refused(f"batch-norm statistics cannot be estimated on this data: {first_line(error)}") from error


def reestimate_batch_norm(model: torch.nn.Module, batches: Iterable[tuple[torch.Tensor, ...]]) -> None:
    """Set every batch norm's running mean and variance to their plain average over ``batches`` (tuples of inputs).

    All else stays in evaluation mode. Raises Failure ``model-not-loaded`` when a batch gives one value a channel, or the
    model raises on it.
    """
    import torch

    norms = [module for module in model.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # None: the cumulative average
        norm.train()
    try:
        with _running(), torch.no_grad():
            for batch in batches:
                model(*batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
