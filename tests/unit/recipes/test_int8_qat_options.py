"""recipes/int8_qat: what the options come to."""

from __future__ import annotations

import math

from edgec.recipes.int8_qat import LIMITS, course


def test_defaults_are_filled_in_and_half_of_the_epochs_freeze_the_ranges() -> None:
    found = course({"epochs": 5, "per_channel": False}, decides=True)
    assert (found.epochs, found.frozen_epochs, found.loss, found.learning_rate, found.seed) == (5, 2, "distillation", 1e-4, 0)
    assert course({}, decides=False).loss == "mse"
    assert course({"loss": "cross-entropy", "frozen_epochs": 0}, decides=False).frozen_epochs == 0


def test_the_step_that_learns_is_held_to_decisions_only_and_the_artifact_tightly() -> None:
    assert LIMITS["quantized"] == LIMITS["total"] and LIMITS["quantized"].sqnr == -math.inf
    assert LIMITS["quantized"].agreement == 0.5
    assert LIMITS["pte"].sqnr >= 15 and LIMITS["pte"].agreement >= 0.8
