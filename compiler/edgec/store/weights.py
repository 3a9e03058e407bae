"""Checkpoints to state dicts: the very bytes that were hashed are the ones that load, and nothing in them can run."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgec.diagnostics import Diagnostic, Failure

if TYPE_CHECKING:
    import torch

SHA256 = "^[0-9a-f]{64}$"
SAVE = "save the model's tensors alone: safetensors.torch.save_file(model.state_dict(), FILE)"


def state_dict(path: Path, sha256: str, shown: str) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file or a ``torch.save`` checkpoint, by name.

    ``sha256`` is the file's digest, or the beginning of it (8 hex digits at least).
    Raises Failure ``digest-mismatch`` or ``model-not-loaded``.
    """
    content = path.read_bytes()
    verify(content, sha256, shown)
    try:
        loaded = _parse(content)
    except Exception as error:  # any exception of two parsers fed with a broken file
        raise refused(f"{shown} {_unparsed(str(error))}", SAVE) from None
    return _tensors(loaded, shown)


def verify(content: bytes, sha256: str, shown: str) -> None:
    """Raise Failure ``digest-mismatch`` unless the content's sha256 begins with ``sha256``."""
    actual = hashlib.sha256(content).hexdigest()
    if len(sha256) < 8 or not actual.startswith(sha256):
        raise Failure(
            Diagnostic(
                code="digest-mismatch",
                message=f"{shown} has sha256 {actual}, not {sha256}",
                hint="if the file is meant to have changed, put its new sha256 into the manifest",
            )
        )


def refused(message: str, hint: str | None = None) -> Failure:
    """Return the Failure ``model-not-loaded`` with this message."""
    return Failure(Diagnostic(code="model-not-loaded", message=message, hint=hint))


def load_strictly(model: torch.nn.Module, state: Mapping[str, torch.Tensor], shown: str) -> None:
    """Load ``state`` into ``model``; names and shapes must agree exactly, but of tied weights one name is enough.

    Raises Failure ``model-not-loaded`` that names the first keys that are missing, unexpected or of another shape.
    """
    import torch

    expected = model.state_dict()
    state = {**state, **_tied(expected, state)}
    problems = [
        _named("missing from the file", [key for key in expected if key not in state]),
        _named("not in the model", [key for key in state if key not in expected]),
        _named(
            "of another shape",
            [
                f"{key} ({_shape(state[key])} in the file, {_shape(value)} in the model)"
                for key, value in expected.items()
                if key in state and not torch.nn.parameter.is_lazy(value) and state[key].shape != value.shape
            ],
        ),
    ]
    if found := [problem for problem in problems if problem]:
        hint = "the file must hold this model's own state dict: same architecture, same arguments"
        raise refused(f"the weights in {shown} do not fit the model: {'; '.join(found)}", hint)
    model.load_state_dict(state, strict=True)


def _tied(expected: Mapping[str, Any], state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What ``safetensors.torch.save_model`` left out: names that are the same memory in the model as one in the file."""
    places = {_place(value): name for name, value in expected.items() if name in state}
    missing = {name: _place(value) for name, value in expected.items() if name not in state}
    return {name: state[places[place]] for name, place in missing.items() if place is not None and place in places}


def _place(value: Any) -> object:
    """Where a tensor's values lie; None for one without values (empty, on the device meta, of a lazy layer) or no tensor."""
    import torch

    if not isinstance(value, torch.Tensor) or torch.nn.parameter.is_lazy(value) or value.layout is not torch.strided:
        return None
    start = value.data_ptr()
    return (start, value.dtype, value.shape, value.stride()) if start else None


def _parse(content: bytes) -> Any:
    import torch

    # safetensors begins with a little-endian header length, then "{"; torch.save with a zip or a pickle.
    if content[8:9] == b"{":
        import safetensors.torch

        return safetensors.torch.load(content)
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _unparsed(said: str) -> str:
    """What a file is whose parser ``said`` this. torch advises to load without ``weights_only``: that would run the file."""
    if found := re.search(r"Unsupported global: GLOBAL (\S+)", said):
        return f"is a pickled module or object (it holds {found[1]}), whose loading could run code"
    if "TorchScript" in said:
        return "is a TorchScript archive: a program, whose loading could run code"
    own = re.search(r"WeightsUnpickler error:\s*([^\n]+)", said)
    reason = own[1] if own else re.sub(r"\x1b\[[0-9;]*m", "", said).split("\n")[0]
    return f"is neither a safetensors file nor a plain PyTorch checkpoint: {reason}"


def _tensors(loaded: Any, shown: str) -> dict[str, torch.Tensor]:
    import torch

    if isinstance(loaded, Mapping) and loaded and all(isinstance(value, torch.Tensor) for value in loaded.values()):
        return dict(loaded)
    keys = ", ".join(map(str, list(loaded)[:5])) if isinstance(loaded, Mapping) else type(loaded).__name__
    raise refused(
        f"{shown} holds no state dict, a mapping of names to tensors (it holds: {keys or 'nothing'})",
        SAVE,
    )


def _named(what: str, keys: list[str]) -> str | None:
    if not keys:
        return None
    return f"{len(keys)} {what}, first {', '.join(keys[:3])}"


def _shape(value: torch.Tensor) -> str:
    return "x".join(map(str, value.shape)) or "scalar"
