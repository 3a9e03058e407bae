"""What the delegates that cannot be had have in common: the answer to whoever calls on one all the same."""

from __future__ import annotations

from edgec.diagnostics import Diagnostic, Failure


def unreachable(name: str, needs: str) -> Failure:
    """Return the Failure ``tool-missing`` for the delegate ``name``; ``needs`` is what its ``missing`` says."""
    return Failure(Diagnostic(code="tool-missing", message=f"the delegate {name!r} cannot be used: {needs}"))
