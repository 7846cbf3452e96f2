"""Functions of dense tensors that also take sparse ones, by acting on the stored values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building.indexed_slices import IndexedSlices
from millrace.graph.tensor import Tensor


def on_stored(x: Any, function: Callable[[Any], Tensor]) -> Any:
    """As `on_values`, but `function` of an IndexedSlices is given it whole: its rows may come twice."""
    return function(x) if isinstance(x, IndexedSlices) else on_values(x, function)


def on_values(x: Any, function: Callable[[Any], Tensor]) -> Any:
    """`function` of `x`; of a SparseTensor or IndexedSlices, the same with `function` of its values.

    The function must map 0 to 0, or the places that are not stored would change too.
    """
    if isinstance(x, Tensor) or not (
        hasattr(x, "values") and hasattr(x, "indices") and hasattr(x, "dense_shape")
    ):
        return function(x)
    return type(x)(indices=x.indices, values=function(x.values), dense_shape=x.dense_shape)
