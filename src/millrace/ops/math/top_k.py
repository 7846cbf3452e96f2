"""The largest entries of rows, and questions about them."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import to_tensor
from millrace.core.dtypes import INDEX, REAL, int16, int32, uint16
from millrace.core.public import public
from millrace.graph.attrs import dtype, flag, integer, later
from millrace.graph.defaults import get_default_graph
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import windows
from millrace.opkit.rules.idioms import shape_tensor
from millrace.opkit.rules.shape_rules import at_least, with_rank


def _shape(input: Any, k: int | None) -> list[Any]:
    dims = at_least(input, 1)
    if k is not None and k < 0:
        raise ValueError(f"k must not be negative. Received: {k}")
    if dims is None:
        return [None, None]
    if k is not None and dims[-1] is not None and dims[-1] < k:
        raise ValueError(f"input must have at least k = {k} columns. Received: {dims[-1]}")
    out = (*dims[:-1], k)
    return [out, out]


def _largest(xp: Any, x: Any, k: int) -> Any:
    if x.ndim < 1 or k < 0 or x.shape[-1] < k:
        raise windows.refused(f"input must have at least k = {k} columns. Received: shape {list(x.shape)}")
    if k == 1 and np.issubdtype(x.dtype, np.floating):
        return _first_largest(xp, x)
    return xp.top_k(x, k)


def _first_largest(xp: Any, x: Any) -> Any:
    """The largest of each row alone, which passes over NaN as `argmax` does, and its place."""
    number = ~xp.isnan(x)
    at = xp.argmax(xp.where(number, x, np.asarray(-np.inf, x.dtype)), axis=-1)[..., None]
    at = xp.where(xp.take_along_axis(number, at, -1), at, xp.argmax(number, axis=-1)[..., None])
    return xp.take_along_axis(x, at, -1), at.astype(np.int32)


def _scattered(op: Any, dy: Tensor) -> Tensor:
    """`dy` put at the places in the input that the indices name; zero elsewhere."""
    sizes, index_sizes = shape_tensor(op.inputs[0]), shape_tensor(op.outputs[1])
    k = raw.Gather(index_sizes, _length(index_sizes) - 1)
    found = op.outputs[1]
    found = found if found.dtype.base_dtype is int32 else raw.Cast(found, DstT=int32)
    rows = raw.Reshape(found, to_tensor([-1, k], name="stack"))
    columns = raw.Gather(sizes, _length(sizes) - 1)
    count = raw.Shape(rows)[0]
    starts = raw.Range(0, count * columns, columns, name="range")
    places = raw.Reshape(rows + raw.ExpandDims(starts, -1), [-1])
    total = raw.Reshape(raw.Prod(sizes, to_tensor([0], int32, "Const")), [1])
    flat = raw.SparseToDense(places, total, raw.Reshape(dy, [-1]), 0, validate_indices=False)
    return raw.Reshape(flat, sizes)


def _length(vector: Tensor) -> Tensor:
    """The length of a shape vector, a constant where it is known."""
    dims = vector.dims
    if dims is None or dims[0] is None:
        return raw.Size(vector)
    return to_tensor(dims[0], int32, "Size")


@declare("TopKV2(input: T, k: int32) -> values: T, indices: index_type", static=("k",), T=REAL,
    sorted=flag(True), index_type=later(dtype(INDEX | {int16, uint16}, int32)))  # fmt: skip
class TopKV2:
    """The k largest entries of each row, descending, and their places; of equals the first comes first."""

    def shape(input, k):
        return _shape(input, k.scalar("k"))

    def kernel(xp, input, k, index_type):
        values, places = _largest(xp, input, int(k))
        return values, places.astype(index_type.np_dtype)

    def grad(op, dy, _):
        return _scattered(op, dy), to_tensor(0, int32, "zeros")


@declare("TopK(input: T) -> values: T, indices: int32", T=REAL, k=integer(minimum=0), sorted=flag(True))
class TopK:
    """TopKV2 with k fixed."""

    def shape(input, k):
        return _shape(input, k)

    def kernel(xp, input, k):
        return _largest(xp, input, k)

    def grad(op, dy, _):
        return _scattered(op, dy)


@declare("NthElement(input: T, n: int32) -> values: T", static=("n",), T=REAL, reverse=flag(False))
class NthElement:
    """The n-th smallest (`reverse`: largest) entry of each row, counted from 0."""

    def shape(input, n):
        dims = at_least(input, 1)
        with_rank(n.dims, 0, "n")
        if n.value is not None:
            if int(n.value) < 0:
                raise ValueError(f"n must not be negative. Received: {int(n.value)}")
            if dims is not None and dims[-1] is not None and dims[-1] <= int(n.value):
                raise ValueError(
                    f"input must have more than n = {int(n.value)} columns. Received: {dims[-1]}"
                )
        return None if dims is None else dims[:-1]

    def kernel(xp, input, n, reverse):
        n = int(n)
        if not 0 <= n < input.shape[-1]:
            raise windows.refused(f"n must be in [0, {input.shape[-1]}). Received: {n}")
        return xp.sort(input, axis=-1)[..., input.shape[-1] - 1 - n if reverse else n]

    def grad(op, dy):
        # Ties share the gradient evenly.
        found = raw.ExpandDims(op.outputs[0], -1)
        same = raw.Cast(raw.Equal(found, op.inputs[0]), DstT=dy.dtype)
        return same * raw.ExpandDims(dy, -1) / raw.Sum(same, [-1], keep_dims=True), None


def _in_top(xp: Any, predictions: Any, targets: Any, k: int) -> Any:
    if predictions.ndim != 2 or targets.shape != predictions.shape[:1]:
        raise windows.refused(
            "predictions must be a matrix and targets a vector with one class for each row. "
            f"Received: {list(predictions.shape)} and {list(targets.shape)}"
        )
    classes = predictions.shape[1]
    known = (targets >= 0) & (targets < classes)
    chosen = xp.take_along_axis(predictions, xp.where(known, targets, 0)[:, None], axis=1)
    better = xp.sum(predictions > chosen, axis=1)
    finite = xp.isfinite(chosen[:, 0]) & xp.all(xp.isfinite(predictions) | (predictions <= chosen), axis=1)
    return known & finite & (better < k)


@declare(
    "InTopK(predictions: float32, targets: T) -> precision: bool", T=dtype(INDEX, default=int32), k=integer()
)
class InTopK:
    """Whether fewer than k classes are predicted above the target, for each row."""

    def shape(predictions, targets):
        return _in_shape(predictions, targets)

    def kernel(xp, predictions, targets, k):
        return _in_top(xp, predictions, targets, k)

    grad = NOT_DIFFERENTIABLE


@declare("InTopKV2(predictions: float32, targets: T, k: T) -> precision: bool",
    static=("k",), T=dtype(INDEX, default=int32))  # fmt: skip
class InTopKV2:
    """InTopK with k as a tensor."""

    def shape(predictions, targets, k):
        return _in_shape(predictions, targets)

    def kernel(xp, predictions, targets, k):
        return _in_top(xp, predictions, targets, int(np.asarray(k)))

    grad = NOT_DIFFERENTIABLE


def _in_shape(predictions: Any, targets: Any) -> Any:
    from millrace.core.shapes import merge

    return merge(with_rank(predictions, 2, "predictions")[:1], with_rank(targets, 1, "targets"))  # type: ignore[index]


@public("nn.top_k", "math.top_k")
def top_k(input: Any, k: Any = 1, sorted: bool = True, name: str | None = None) -> Any:
    """The k largest entries of each row, and their places.

    Args:
      input: `[..., n]`, real.
      k: how many, an int32 scalar; at most n.
      sorted: kept in the graph; the entries are in descending order in any case.
      name: op name; default "TopKV2".

    Returns:
      The named tuple (values, indices), both `[..., k]`, int32 indices; of equals the first comes first.

    Raises:
      ValueError: `input` has fewer than k columns.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.nn.top_k([1, 5, 3], k=2)))
      TopKV2(values=array([5, 3], dtype=int32), indices=array([1, 2], dtype=int32))
    """
    return raw.TopKV2(input, k, sorted=sorted, name=name)


@public("nn.in_top_k", "math.in_top_k")
def in_top_k(predictions: Any, targets: Any, k: Any, name: str | None = None) -> Tensor:
    """Whether the targets are among the k classes predicted highest; classes that tie with one all count.

    Args:
      predictions: `[batch, classes]`, float32.
      targets: `[batch]`, int32 or int64.
      k: how many classes, an integer or scalar tensor.
      name: scope; default "in_top_k".

    Returns:
      bool `[batch]`. False where the target is not a class or its prediction is not finite.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.nn.in_top_k([[0.1, 0.9], [0.6, 0.4]], [1, 1], k=1)))
      [ True False]
    """
    with get_default_graph().name_scope(name or "in_top_k"):
        return raw.InTopKV2(predictions, targets, k, name=name)


@public("contrib.nn.nth_element")
def nth_element(input: Any, n: Any, reverse: bool = False, name: str | None = None) -> Tensor:
    """The n-th smallest entry of each row.

    Args:
      input: `[..., columns]`, real.
      n: an int32 scalar, counted from 0.
      reverse: take the n-th largest.
      name: op name; default "NthElement".

    Returns:
      `[...]`, the dtype of `input`.

    Raises:
      ValueError: there are not more than n columns.
    """
    return raw.NthElement(input, n, reverse=reverse, name=name)
