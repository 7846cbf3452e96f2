"""Functions of dense tensors that also take sparse ones, by acting on the stored values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building.indexed_slices import IndexedSlices
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor


def on_stored(x: Any, function: Callable[[Any], Tensor], name: str) -> Any:
    """As `on_values`, but `function` of an IndexedSlices is given it whole: its rows may come twice.

    Args:
      x: a tensor, or what has values in some places alone.
      function: adds one operation called `name`.
      name: taken by TensorFlow, too, when it finds that a SparseTensor is not a tensor: `Tanh_1` is next.
    """
    if isinstance(x, IndexedSlices) or not stores_values(x):
        return function(x)
    get_default_graph().unique_name(name)
    return on_values(x, function)


def stores_values(x: Any) -> bool:
    """Whether `x` is a SparseTensor or IndexedSlices, or is like one."""
    return not isinstance(x, Tensor) and all(
        hasattr(x, part) for part in ("values", "indices", "dense_shape")
    )


def on_values(x: Any, function: Callable[[Any], Tensor]) -> Any:
    """`function` of `x`; of a SparseTensor or IndexedSlices, the same with `function` of its values.

    The function must map 0 to 0, or the places that are not stored would change too.
    """
    if not stores_values(x):
        return function(x)
    return type(x)(indices=x.indices, values=function(x.values), dense_shape=x.dense_shape)
