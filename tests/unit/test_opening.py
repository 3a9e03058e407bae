"""What is said of a graph that fails where the model itself does not."""

import pytest

from edgec.diagnostics import Diagnostic, Failure
from edgec.opening import _graph_failed


@pytest.mark.parametrize(("dtype", "advice"), [("float16", "dtype=x.dtype"), ("float32", "fixed by the export")])
def test_a_graph_that_fails_blames_neither_model_nor_data(dtype: str, advice: str) -> None:
    words = "the model fails on the sample 'a': RuntimeError: dtypes"
    (found,) = _graph_failed(Failure(Diagnostic(code="model-not-loaded", message=words)), dtype).diagnostics
    assert (found.code, found.message) == (
        "export-failed",
        f"the graph exported in {dtype} fails on the sample 'a': RuntimeError: dtypes",
    )
    assert advice in (found.hint or "")
