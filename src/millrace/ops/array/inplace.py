"""Rows replaced or added to, copies, and notes on a value: small operations on whole tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.building.apply import apply
from millrace.core.dtypes import ALL
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.attrs import flag
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor


def _rows_replaced(xp: Any, x: Any, i: Any, v: Any, how: str) -> Any:
    if np.shape(x)[1:] != np.shape(v)[1:] or np.shape(v)[:1] != np.shape(i):
        raise refusal(
            f"v must have one row of x per index. Received: x {list(np.shape(x))}, v {list(np.shape(v))}",
        )
    return xp.scattered_nd(x, None, xp.expand_dims(i, -1), v, how)


@declare("InplaceUpdate(x: T, i: int32, v: T) -> y: T", T=ALL)
class InplaceUpdate:
    """`x` with rows `i` replaced by `v`; here always a new tensor."""

    def shape(x, i, v):
        return x

    def kernel(xp, x, i, v):
        return _rows_replaced(xp, x, i, v, "set")

    grad = NOT_DIFFERENTIABLE


@declare("InplaceAdd(x: T, i: int32, v: T) -> y: T", T=ALL)
class InplaceAdd:
    """`x` with `v` added to rows `i`; here always a new tensor."""

    def shape(x, i, v):
        return x

    def kernel(xp, x, i, v):
        return _rows_replaced(xp, x, i, v, "add")

    grad = NOT_DIFFERENTIABLE


@declare("InplaceSub(x: T, i: int32, v: T) -> y: T", T=ALL)
class InplaceSub:
    """`x` with `v` subtracted from rows `i`; here always a new tensor."""

    def shape(x, i, v):
        return x

    def kernel(xp, x, i, v):
        return _rows_replaced(xp, x, i, v, "sub")

    grad = NOT_DIFFERENTIABLE


@declare("DeepCopy(x: T) -> y: T", T=ALL)
class DeepCopy:
    """`x` in memory of its own."""

    def shape(x):
        return x

    def kernel(xp, x):
        return xp.repeated(x, np.shape(x))

    def grad(op, dy):
        return dy


@declare("Snapshot(input: T) -> output: T", T=ALL, alias=True)
class Snapshot:
    """`input`."""

    def shape(input):
        return input

    def kernel(xp, input):
        return input

    def grad(op, dy):
        return dy


@declare("GuaranteeConst(input: T) -> output: T", T=ALL, alias=True)
class GuaranteeConst:
    """`input`, which the program promises not to change."""

    def shape(input):
        return input

    def kernel(xp, input):
        return input

    grad = NOT_DIFFERENTIABLE


@declare("DebugGradientIdentity(input: T) -> output: T", T=ALL, alias=True)
class DebugGradientIdentity:
    """`input`, marked for a debugger of gradients."""

    def shape(input):
        return input

    def kernel(xp, input):
        return input

    def grad(op, dy):
        return dy


def _distance(a: list[Any], b: list[Any]) -> int:
    """Levenshtein's distance: how many insertions, deletions and replacements turn `a` into `b`."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        left, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            left, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, left + (x != y))
    return row[-1]


def _sequences(indices: np.ndarray, values: np.ndarray) -> dict[tuple[int, ...], list[Any]]:
    """The values of a sparse tensor by all coordinates but the last."""
    found: dict[tuple[int, ...], list[Any]] = {}
    for place, value in zip(indices.tolist(), np.asarray(values).tolist(), strict=True):
        found.setdefault(tuple(place[:-1]), []).append(value)
    return found


@declare(
    "EditDistance(hypothesis_indices: int64, hypothesis_values: T, hypothesis_shape: int64, "
    "truth_indices: int64, "
    "truth_values: T, truth_shape: int64) -> output: float32",
    T=ALL,
    normalize=flag(True),
    static=("hypothesis_shape", "truth_shape"),
    host=True,
)
class EditDistance:
    """Levenshtein's distance between the sequences of two sparse tensors."""

    def shape(
        hypothesis_indices, hypothesis_values, hypothesis_shape, truth_indices, truth_values, truth_shape
    ):
        dims = [known.as_dims() for known in (hypothesis_shape, truth_shape)]
        if None in dims or any(None in d for d in dims):
            return None
        a, b = dims
        if len(a) != len(b):
            raise ValueError(f"hypothesis and truth must have one rank. Received: {len(a)} and {len(b)}")
        return tuple(max(x, y) for x, y in zip(a[:-1], b[:-1]))

    def kernel(
        xp,
        hypothesis_indices,
        hypothesis_values,
        hypothesis_shape,
        truth_indices,
        truth_values,
        truth_shape,
        normalize,
    ):
        dims = tuple(np.maximum(hypothesis_shape[:-1], truth_shape[:-1]).tolist())
        result = np.zeros(dims, np.float32)
        guesses = _sequences(hypothesis_indices, hypothesis_values)
        truths = _sequences(truth_indices, truth_values)
        for place in {*guesses, *truths}:
            guess, truth = guesses.get(place, []), truths.get(place, [])
            if normalize and not truth:
                result[place] = np.inf if guess else 0.0
            else:
                result[place] = np.float32(_distance(truth, guess)) / np.float32(
                    len(truth) if normalize else 1
                )
        return result

    grad = NOT_DIFFERENTIABLE


@public("guarantee_const")
def guarantee_const(input: Any, name: str | None = None) -> Tensor:
    """`input`, which the program promises not to change; has no gradient."""
    return apply(GuaranteeConst, input, name=name)


@public("edit_distance")
def edit_distance(hypothesis: Any, truth: Any, normalize: bool = True, name: str = "edit_distance") -> Tensor:
    """Levenshtein's distance between sequences.

    Args:
      hypothesis: SparseTensor of rank n whose last dimension numbers the elements of a sequence.
      truth: SparseTensor of the same rank and dtype.
      normalize: divide by the length of the true sequence; infinite where that is empty.
      name: op name.

    Returns:
      float32 of rank n - 1.

    Raises:
      TypeError: an argument is not a SparseTensor.
    """
    for value, what in ((hypothesis, "hypothesis"), (truth, "truth")):
        if not hasattr(value, "dense_shape"):
            raise TypeError(f"edit_distance: {what} must be a SparseTensor. Received: {value!r}")
    parts = [part for s in (hypothesis, truth) for part in (s.indices, s.values, s.dense_shape)]
    return apply(EditDistance, *parts, normalize=normalize, name=name)


def _placed(op: Any, x: Any, i: Any, v: Any) -> Tensor:
    """`op` of the rows that `i` names: one, several, or None for all."""
    x = convert.convert_to_tensor(x)
    v = convert.convert_to_tensor(v, x.dtype)
    if i is None:
        whole = op(raw.Reshape(x, [1, -1]), convert.convert_to_tensor([0], "int32"), raw.Reshape(v, [1, -1]))
        return raw.Reshape(whole, raw.Shape(x))
    i = raw.Cast(i, DstT="int32") if isinstance(i, Tensor) else convert.convert_to_tensor(i, "int32")
    if i.shape.ndims == 0:
        return op(x, raw.Reshape(i, [1]), raw.ExpandDims(v, 0))
    return op(x, i, v)


@public("python.ops.inplace_ops.alias_inplace_update")
def alias_inplace_update(x: Any, i: Any, v: Any) -> Tensor:
    """`x` with rows replaced.

    Args:
      x: a tensor.
      i: the rows' numbers; one number; or None for all.
      v: the new rows, or the new row.
    """
    return _placed(raw.InplaceUpdate, x, i, v)


@public("python.ops.inplace_ops.alias_inplace_add")
def alias_inplace_add(x: Any, i: Any, v: Any) -> Tensor:
    """`x` with something added to rows; arguments as for `alias_inplace_update`."""
    return _placed(raw.InplaceAdd, x, i, v)


@public("python.ops.inplace_ops.alias_inplace_sub")
def alias_inplace_sub(x: Any, i: Any, v: Any) -> Tensor:
    """`x` with something subtracted from rows; arguments as for `alias_inplace_update`."""
    return _placed(raw.InplaceSub, x, i, v)


@public("python.ops.inplace_ops.inplace_update")
def inplace_update(x: Any, i: Any, v: Any) -> Tensor:
    """A copy of `x` with rows replaced; arguments as for `alias_inplace_update`."""
    return alias_inplace_update(raw.DeepCopy(convert.convert_to_tensor(x)), i, v)


@public("python.ops.inplace_ops.inplace_add")
def inplace_add(x: Any, i: Any, v: Any) -> Tensor:
    """A copy of `x` with something added to rows; arguments as for `alias_inplace_update`."""
    return alias_inplace_add(raw.DeepCopy(convert.convert_to_tensor(x)), i, v)


@public("python.ops.inplace_ops.inplace_sub")
def inplace_sub(x: Any, i: Any, v: Any) -> Tensor:
    """A copy of `x` with something subtracted from rows; arguments as for `alias_inplace_update`."""
    return alias_inplace_sub(raw.DeepCopy(convert.convert_to_tensor(x)), i, v)
