"""Batch-norm statistics measured on real data: without, networks with random weights give near-constant outputs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from edgec.diagnostics import Failure
from edgec.store.weights import refused

if TYPE_CHECKING:
    import torch


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
