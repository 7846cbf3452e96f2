"""Reductions over axes: sums, products, means, extremes, norms, and logic."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from millrace.building import raw
from millrace.building.static import static_value
from millrace.core import dtypes, shapes
from millrace.core.dtypes import FLOATING, INDEX, NUMERIC, QUANTIZED
from millrace.graph import attrs
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import shape_rules
from millrace.opkit.rules.idioms import comes_first, conj, shape_tensor

_TYPES = NUMERIC | QUANTIZED
_AXES = {"Tidx": attrs.dtype(INDEX, dtypes.int32), "keep_dims": attrs.flag(False)}
_HALVES = frozenset({dtypes.float16, dtypes.bfloat16})
_FLOATS = FLOATING - _HALVES
_SMALL = 1 << 12  # elements: BLAS takes one thread for so few, so that the bits do not depend on the cores


def _axes_of(reduction_indices: Any, rank: int) -> tuple[int, ...]:
    """The axes to reduce over, each once, counted from the front.

    Raises:
      ValueError: an axis is out of range, or they are a matrix.
    """
    if np.ndim(reduction_indices) > 1:
        raise ValueError(f"axes must be a scalar or a vector. Received: shape {np.shape(reduction_indices)}")
    given = np.asarray(reduction_indices).reshape(-1).tolist()
    return tuple(dict.fromkeys(shape_rules.axis_in(int(a), rank, "reduction index") for a in given))


def _shape(input, reduction_indices, keep_dims):
    return shape_rules.reduced(input, reduction_indices, keep_dims)


def _known_axes(dims: Any, values: Any) -> Any:
    """The axes for NumPy: None for all of them, a tuple for some, False where they are not known yet."""
    if dims[0] is None or values[1] is None:
        return False
    try:
        axes = _axes_of(values[1], len(dims[0]))
    except ValueError:
        return False  # the kernel reports it
    return None if len(axes) == len(dims[0]) and axes else axes


def _bind_ufunc(reduce: Callable[..., Any], start: Callable[[Any], Any] | None = None):
    """The interpreter's shortcut: NumPy's reduction with the axes and dtype filled in.

    Args:
      reduce: of a ufunc.
      start: what a reduction of no elements gives for a dtype; None where the ufunc knows.
    """

    def bind(dims, values, attributes):
        axes = _known_axes(dims, values)
        kind = attributes.get("T")
        if axes is False or kind is dtypes.bfloat16:
            return None
        dtype, keep = None if kind is None else kind.np_dtype, attributes["keep_dims"]
        if start is not None and (None in dims[0] or 0 in dims[0]):
            if dtype is None or dtype.kind not in "iuf":
                return None
            least = np.asarray(start(dtype), dtype)[()]
            return lambda x, _: reduce(x, axes, dtype, None, keep, least)
        if keep:
            return lambda x, _: reduce(x, axes, dtype, None, True)
        return lambda x, _: reduce(x, axes, dtype)

    return bind


_bind_all = _bind_ufunc(np.add.reduce)


def _bind_sum(dims, values, attributes):
    """The sum of a small matrix over its rows is a product with ones, which takes a third of the time."""
    axes, kind = _known_axes(dims, values), attributes.get("T")
    small = axes == (0,) and len(dims[0]) == 2 and None not in dims[0] and 0 < math.prod(dims[0]) <= _SMALL
    if small and not attributes["keep_dims"] and kind in (dtypes.float32, dtypes.float64):
        product = np.ones(dims[0][0], kind.np_dtype).dot
        return lambda x, _: product(x)
    return _bind_all(dims, values, attributes)


def _no_axes(dims, values, attributes):
    """A reduction over no axes passes its input on."""
    return 0 if values[1] is not None and values[1].size == 0 else None


def _bind_mean(dims, values, attributes):
    axes = _known_axes(dims, values)
    if axes is False or attributes["T"] not in _FLOATS or None in dims[0]:
        return None
    reduce, keep = np.add.reduce, attributes["keep_dims"]
    over = dims[0] if axes is None else [dims[0][a] for a in axes]
    count = attributes["T"].np_dtype.type(np.prod(over, dtype=np.int64))
    if keep:
        return lambda x, _: reduce(x, axes, None, None, True) / count  # pyright: ignore[reportCallIssue]
    return lambda x, _: reduce(x, axes) / count


def _total(xp: Any, x: Any, axes: tuple[int, ...], keep_dims: bool) -> Any:
    if x.dtype == dtypes.bfloat16.np_dtype:  # eight bits of mantissa add up to nothing
        return xp.cast(xp.sum(xp.cast(x, np.dtype(np.float32)), axis=axes, keepdims=keep_dims), x.dtype)
    return xp.sum(x, axis=axes, dtype=x.dtype, keepdims=keep_dims)


@declare(
    "Sum(input: T, reduction_indices: Tidx) -> output: T", T=_TYPES, static=("reduction_indices",), **_AXES
)
class Sum:
    """The sum over some axes."""

    shape = _shape

    def kernel(xp, input, reduction_indices, keep_dims):
        return _total(xp, input, _axes_of(reduction_indices, len(input.shape)), keep_dims)

    def xla(xp, input, reduction_indices, keep_dims):
        axes = _axes_of(reduction_indices, len(input.shape))
        all_but_last = not keep_dims and sorted(axes) == list(range(len(input.shape) - 1))
        found = xp.column_sums(input) if all_but_last else None
        return _total(xp, input, axes, keep_dims) if found is None else found

    bind = _bind_sum
    forward = _no_axes

    def grad(op, dy):
        return _spread_sum(op, dy), None


@declare(
    "Mean(input: T, reduction_indices: Tidx) -> output: T", T=_TYPES, static=("reduction_indices",), **_AXES
)
class Mean:
    """The mean over some axes; integers are rounded towards zero."""

    shape = _shape

    def kernel(xp, input, reduction_indices, keep_dims):
        axes = _axes_of(reduction_indices, len(input.shape))
        count = int(np.prod([input.shape[a] for a in axes], dtype=np.int64))
        dtype = input.dtype
        if dtype.kind in "iu":
            wide = xp.sum(input, axis=axes, dtype=np.int64, keepdims=keep_dims)
            quotient = xp.abs(wide) // np.int64(max(count, 1))
            return xp.cast(xp.where(wide < 0, -quotient, quotient), dtype)
        if dtype.itemsize == 2:
            total = xp.sum(xp.cast(input, np.dtype(np.float32)), axis=axes, keepdims=keep_dims)
            return xp.cast(total / np.float32(count), dtype)
        return xp.sum(input, axis=axes, dtype=dtype, keepdims=keep_dims) / np.asarray(count, dtype)

    bind = _bind_mean
    forward = _no_axes

    def grad(op, dy):
        spread = _spread_sum(op, dy)
        before, after = shape_tensor(op.inputs[0]), shape_tensor(op.outputs[0])
        count = _divide_shapes(_product(before), _product(after))
        if shapes.fully_defined(op.inputs[0].dims) and shapes.fully_defined(op.outputs[0].dims):
            dy.graph.count(-_OF_A_COUNT)  # 1.15 has a constant
        if spread.dtype.is_integer:
            return raw.FloorDiv(spread, raw.Cast(count, DstT=spread.dtype.base_dtype), name="floordiv"), None
        return spread / raw.Cast(count, DstT=spread.dtype.base_dtype), None


@declare(
    "Prod(input: T, reduction_indices: Tidx) -> output: T", T=_TYPES, static=("reduction_indices",), **_AXES
)
class Prod:
    """The product over some axes."""

    shape = _shape

    def kernel(xp, input, reduction_indices, keep_dims):
        axes = _axes_of(reduction_indices, len(input.shape))
        if input.dtype == dtypes.bfloat16.np_dtype:
            return xp.cast(
                xp.prod(xp.cast(input, np.dtype(np.float32)), axis=axes, keepdims=keep_dims), input.dtype
            )
        return xp.prod(input, axis=axes, dtype=input.dtype, keepdims=keep_dims)

    bind = _bind_ufunc(np.multiply.reduce)
    forward = _no_axes

    def grad(op, dy):
        return _prod_grad(op, dy), None


def _lowest(dtype: np.dtype[Any]) -> Any:
    return -np.inf if dtype.kind not in "iu" else np.iinfo(dtype).min


def _highest(dtype: np.dtype[Any]) -> Any:
    return np.inf if dtype.kind not in "iu" else np.iinfo(dtype).max


def _extreme(verb: str, start: Callable[[Any], Any]):
    def kernel(xp, input, reduction_indices, keep_dims):
        axes = _axes_of(reduction_indices, len(input.shape))
        reduce = getattr(xp, verb)
        if 0 in input.shape:
            return reduce(
                input, axis=axes, keepdims=keep_dims, initial=np.asarray(start(input.dtype), input.dtype)[()]
            )
        return reduce(input, axis=axes, keepdims=keep_dims)

    return kernel


def _extreme_grad(op, dy):
    """The gradient goes in equal parts to all elements that equal the extreme."""
    x, axes = op.inputs
    kept = _kept_shape(shape_tensor(x), axes)
    y, dy = raw.Reshape(op.outputs[0], kept), raw.Reshape(dy, kept)
    chosen = raw.Cast(raw.Equal(y, x), DstT=dy.dtype.base_dtype)
    count = raw.Reshape(raw.Sum(chosen, axes), kept)
    share = (raw.FloorDiv if dy.dtype.is_integer else raw.RealDiv)(chosen, count, name="div")
    return share * dy, None


@declare(
    "Max(input: T, reduction_indices: Tidx) -> output: T", T=_TYPES, static=("reduction_indices",), **_AXES
)
class Max:
    """The largest element over some axes; NaN if there is one, the lowest number if there is nothing."""

    shape = _shape
    kernel = _extreme("max", _lowest)
    bind = _bind_ufunc(np.maximum.reduce, _lowest)
    forward = _no_axes
    grad = _extreme_grad


@declare(
    "Min(input: T, reduction_indices: Tidx) -> output: T", T=_TYPES, static=("reduction_indices",), **_AXES
)
class Min:
    """The smallest element over some axes; NaN if there is one, the highest number if there is nothing."""

    shape = _shape
    kernel = _extreme("min", _highest)
    bind = _bind_ufunc(np.minimum.reduce, _highest)
    forward = _no_axes
    grad = _extreme_grad


@declare("All(input: bool, reduction_indices: Tidx) -> output: bool", static=("reduction_indices",), **_AXES)
class All:
    """True where all elements over some axes are true."""

    shape = _shape

    def kernel(xp, input, reduction_indices, keep_dims):
        return xp.all(input, axis=_axes_of(reduction_indices, len(input.shape)), keepdims=keep_dims)

    bind = _bind_ufunc(np.logical_and.reduce)
    grad = NOT_DIFFERENTIABLE


@declare("Any(input: bool, reduction_indices: Tidx) -> output: bool", static=("reduction_indices",), **_AXES)
class Any_:  # noqa: N801 - typing has an Any
    """True where any element over some axes is true."""

    shape = _shape

    def kernel(xp, input, reduction_indices, keep_dims):
        return xp.any(input, axis=_axes_of(reduction_indices, len(input.shape)), keepdims=keep_dims)

    bind = _bind_ufunc(np.logical_or.reduce)
    grad = NOT_DIFFERENTIABLE


@declare(
    "EuclideanNorm(input: T, reduction_indices: Tidx) -> output: T",
    T=_TYPES,
    static=("reduction_indices",),
    **_AXES,
)
class EuclideanNorm:
    """The root of the sum of squares over some axes."""

    shape = _shape

    def kernel(xp, input, reduction_indices, keep_dims):
        axes = _axes_of(reduction_indices, len(input.shape))
        kind = input.dtype.kind
        wide = (
            input
            if kind == "c" or (input.dtype.itemsize >= 4 and kind == "f")
            else xp.cast(input, _wide(input.dtype))
        )
        squares = xp.square(xp.absolute(wide))
        return xp.cast(xp.sqrt(xp.sum(squares, axis=axes, keepdims=keep_dims)), input.dtype)

    def grad(op, dy):
        x, axes = op.inputs
        norm = op.outputs[0]
        if not op.attrs["keep_dims"]:
            kept = _kept_shape(shape_tensor(x), axes)
            norm, dy = raw.Reshape(norm, kept), raw.Reshape(dy, kept)
        return x * raw.RealDiv(dy, norm), None


def _wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float64 if dtype.kind in "iu" else np.float32)


_OF_KNOWN_SHAPES: Final = 5  # the constants that stand between TensorFlow 1.15's steps where shapes are known
_OF_KEPT_SHAPES: Final = 12
_OF_A_COUNT: Final = 9

# --- gradients of sums and products, in the order in which TensorFlow 1.0 adds their operations -------------


def _spread_sum(op: Any, dy: Tensor) -> Tensor:
    """dy copied to every element that was summed."""
    x, axes = op.inputs
    if x.dims is not None and op.inputs[1].dims is not None:
        known = static_value(axes)
        rank = len(x.dims)
        if known is not None and known.shape == (rank,) and np.array_equal(known, np.arange(rank)):
            dy = raw.Reshape(dy, [1] * rank)
            if None in x.dims:
                return raw.Tile(dy, shape_tensor(x))
            return raw.Tile(dy, np.array(x.dims, np.int32))
    before = shape_tensor(x)
    kept = _kept_shape(before, axes)
    copies = _divide_shapes(before, kept)
    known = static_value(axes)
    if known is not None and shapes.fully_defined(x.dims):
        first = comes_first(x.graph, ("reduced", x.dims, known.dtype, known.tobytes()))
        x.graph.count(_OF_KNOWN_SHAPES + (known.size == 0) if first else -_OF_KEPT_SHAPES)
    return raw.Tile(raw.Reshape(dy, kept), copies)


def _kept_shape(shape: Tensor, axes: Tensor) -> Tensor:
    """The shape after reducing over `axes` with keep_dims."""
    if axes.dtype.base_dtype is not dtypes.int32:
        axes = raw.Cast(axes, DstT=dtypes.int32, name="ToInt32")
    rank = _size_of(shape)
    axes = raw.FloorMod(axes + rank, rank, name="mod")
    return raw.DynamicStitch(
        [raw.Range(0, rank, 1, name="range"), axes], [shape, raw.Fill(shape_tensor(axes), 1)]
    )


def _size_of(vector: Tensor) -> Tensor:
    if vector.dims is not None and None not in vector.dims:
        return raw.Const(value=np.array(vector.dims[0], np.int32), dtype=dtypes.int32, name="Size")
    return raw.Size(vector)


def _divide_shapes(shape: Tensor, by: Tensor) -> Tensor:
    """shape // by, where 0 // 0 counts as 0."""
    return raw.FloorDiv(shape, raw.Maximum(by, 1), name="floordiv")


def _product(vector: Tensor) -> Tensor:
    everything = raw.Const(value=np.zeros(1, np.int32), dtype=dtypes.int32)
    return raw.Prod(vector, everything)


def _prod_grad(op: Any, dy: Tensor) -> Tensor:
    """dy times the product of all other elements, which is there even where an element is zero."""
    x, axes = op.inputs
    shape = shape_tensor(x)
    kept = _kept_shape(shape, axes)
    axes = raw.Reshape(axes, [-1])
    if axes.dtype.base_dtype is not dtypes.int32:
        axes = raw.Cast(axes, DstT=dtypes.int32, name="ToInt32")
    dy = raw.Tile(raw.Reshape(dy, kept), _divide_shapes(shape, kept))
    rank = (
        raw.Rank(x)
        if x.dims is None
        else raw.Const(value=np.array(len(x.dims), np.int32), dtype=dtypes.int32, name="Rank")
    )
    known = static_value(axes)
    if known is None or (known < 0).any():
        axes = raw.FloorMod(axes + rank, rank, name="mod")
    else:
        x.graph.count(2)  # 1.15 does it anyway
    x.graph.count(2)  # and has an axis beside each Gather
    others = raw.ListDiff(raw.Range(0, rank, 1, name="range"), axes)[0]
    order = raw.ConcatV2([axes, others], 0, name="concat")
    reduced = _product(raw.Gather(shape, axes))
    left = _product(raw.Gather(shape, others))
    rows = raw.Transpose(x, order, name="transpose")
    rows_shape = raw.Shape(rows)
    rows = raw.Reshape(rows, (reduced, left))
    before = raw.Cumprod(rows, 0, exclusive=True)
    after = raw.Cumprod(rows, 0, exclusive=True, reverse=True)
    rest = raw.Reshape(conj(before) * conj(after), rows_shape)
    return raw.Reshape(dy * raw.Transpose(rest, raw.InvertPermutation(order), name="transpose"), shape)
