"""Which of the runtime's shared libraries an artifact needs, and which of its operators none of them has."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from edgec.diagnostics import Diagnostic, Failure
from edgec.resources import PACKAGE
from edgec.runtime.packs import PINNED

ALWAYS = ("libexecutorch.so", "libexecutorch_etdump.so", "libexecutorch_threadpool.so")
"""The core, the profiler (77 KB on x86-64, so that `--profile` works in every bundle) and the thread pool."""

BACKENDS = {
    "OpenvinoBackend": "libexecutorch_backend_openvino.so",
    "XnnpackBackend": "libexecutorch_backend_xnnpack.so",
}
CORE = "libexecutorch.so"
KERNELS = ("libexecutorch_kernels_optimized.so", "libexecutorch_kernels_quantized.so")


def libraries_for(backends: Iterable[str], kernels: Iterable[str], architecture: str = "x86_64") -> tuple[str, ...]:
    """Return the file names of the libraries to link and ship, sorted: ``backends`` and ``kernels`` as in Lowered.

    Raises Failure ``backend-unavailable`` for a delegate that the architecture's runtime has no library for and
    ``operator-unavailable`` for operators that no kernel library has; all of them at once.
    """
    backends, kernels = tuple(backends), tuple(kernels)
    shipped = PINNED[architecture].libraries
    known = {name for name, library in BACKENDS.items() if library in shipped}
    absent = sorted(set(backends) - known)
    wrong = [_no_backend(name, known) for name in absent] + [_no_kernel(name) for name in unavailable_kernels(kernels)]
    if wrong:
        raise Failure(*wrong)
    needed = {BACKENDS[name] for name in backends}
    needed.update(library for library in KERNELS if any(kernel in operators(library) for kernel in kernels))
    return tuple(sorted((*ALWAYS, *needed)))


def runtime_has(backends: Iterable[str], architecture: str) -> bool:
    """Whether the runtime in the package registries has every one of these delegates for ``architecture``."""
    return all(BACKENDS.get(name) in PINNED[architecture].libraries for name in backends)


def unavailable_kernels(kernels: Iterable[str]) -> tuple[str, ...]:
    """Return those operators (``aten::sort.values`` …) that no shipped kernel library has, sorted."""
    return tuple(sorted(set(kernels).difference(*(operators(library) for library in (CORE, *KERNELS)))))


def library_of(name: str) -> str | None:
    """Return the runtime's library that has this delegate (``XnnpackBackend``) or operator (``aten::add.out``), or None."""
    return BACKENDS.get(name) or next((library for library in (CORE, *KERNELS) if name in operators(library)), None)


@cache
def operators(library: str) -> frozenset[str]:
    """Return the operators that one library registers, as ``edgec-run --info`` of a runner linked to it lists them.

    The lists lie beside this file; a test builds such runners and compares. They are the same on every architecture.
    """
    path = PACKAGE / "runtime" / "operators" / f"{library.removesuffix('.so')}.txt"
    return frozenset(path.read_text(encoding="ascii").split())


def _no_backend(name: str, known: Iterable[str]) -> Diagnostic:
    return Diagnostic(
        code="backend-unavailable",
        message=f"the artifact delegates to {name}, for which the runtime has no library; it has {', '.join(sorted(known))}",
    )


def _no_kernel(name: str) -> Diagnostic:
    return Diagnostic(
        code="operator-unavailable",
        message=f"operator {name} runs outside the delegates, and the runtime's kernel libraries do not have it",
        hint="rewrite that part of the model with other operators, or use a delegate that takes it",
    )
