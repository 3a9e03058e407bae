"""Networks with random weights: drawn from a seed, and such that different inputs get different answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from edgec.diagnostics import Failure
from edgec.store.weights import refused

if TYPE_CHECKING:
    import torch

Built = TypeVar("Built")
SPREAD = 0.02
"""Standard deviation of what is drawn in place of zeros: that of vision transformers' other linear layers."""


def seeded(seed: int, build: Callable[[], Built]) -> Built:
    """Return what ``build`` makes with torch's generator at ``seed``; the caller's generator is left as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


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
        with torch.no_grad():
            for batch in batches:
                model(*batch)
    except Failure:
        raise
    # Whatever the model raises on the user's data.
    except Exception as error:
        words = str(error).strip().splitlines() or [type(error).__name__]
        raise refused(f"batch-norm statistics cannot be estimated on this data: {words[0]}") from error
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
