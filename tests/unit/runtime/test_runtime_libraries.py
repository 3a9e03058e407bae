"""Which libraries an artifact needs, from its delegates and operators."""

import pytest

from edgec.diagnostics import Failure
from edgec.runtime.libraries import CORE, KERNELS, libraries_for, operators, unavailable_kernels
from edgec.runtime.packs import PINNED

BASE = {"libexecutorch.so", "libexecutorch_etdump.so", "libexecutorch_threadpool.so"}


def test_a_delegated_model_needs_no_kernel_library():
    assert set(libraries_for(["XnnpackBackend"], [])) == BASE | {"libexecutorch_backend_xnnpack.so"}


def test_operators_outside_delegates_bring_their_library():
    needed = libraries_for([], ["aten::permute_copy.out", "quantized_decomposed::quantize_per_tensor.out"])
    assert set(needed) == BASE | set(KERNELS)
    assert needed == tuple(sorted(needed))


def test_operators_of_the_core_bring_none():
    assert set(libraries_for([], ["executorch_prim::add.Scalar", "aten::sym_size.int"])) == BASE


def test_what_no_library_has_is_named_all_at_once():
    assert unavailable_kernels(["aten::sort.values", "aten::add.out"]) == ("aten::sort.values",)
    with pytest.raises(Failure) as caught:
        libraries_for(["QnnBackend"], ["aten::sort.values", "aten::nothing.out"])
    codes = [diagnostic.code for diagnostic in caught.value.diagnostics]
    assert codes == ["backend-unavailable", "operator-unavailable", "operator-unavailable"]
    assert "QnnBackend" in str(caught.value) and "aten::sort.values" in str(caught.value)


def test_every_library_is_pinned_for_every_architecture():
    everything = set(libraries_for(["XnnpackBackend"], ["aten::add.out", "quantized_decomposed::add.out"]))
    for pinned in PINNED.values():
        assert everything == set(pinned.libraries) - {"libexecutorch_backend_openvino.so"}
    assert "libexecutorch_backend_openvino.so" in PINNED["x86_64"].libraries


def test_the_lists_do_not_overlap():
    first, second, core = (operators(library) for library in (*KERNELS, CORE))
    assert first and second and core
    assert not first & second and not first & core and not second & core
