"""Norms, and clipping by norms."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.axes import from_the_front, joined, others
from millrace.opkit.rules.idioms import rank_tensor, size_tensor
from millrace.ops.array.fill import ones_like
from millrace.ops.linalg.decomposition import svd


def reduction_axes(x: Tensor, axis: Any) -> Any:
    """What a reduction gets as axes: `axis` itself, or a constant with all axes of `x`."""
    if axis is not None:
        return axis
    if x.dims is not None:
        return raw.Const(value=np.arange(len(x.dims), dtype=np.int32), dtype=dtypes.int32)
    return raw.Range(0, raw.Rank(x), 1, name="range")


def _scalar(value: float, dtype: dtypes.DType) -> Tensor:
    return raw.Const(value=np.array(value, dtype.np_dtype), dtype=dtype)


# ---------------------------------------------------------------- norms


def _vector_norm(x: Tensor, order: Any, axes: Any) -> Tensor:
    if order == np.inf:
        return raw.Max(_modulus(x), reduction_axes(x, axes), keep_dims=True)
    if order == 1:
        return raw.Sum(_modulus(x), reduction_axes(x, axes), keep_dims=True)
    total = raw.Sum(raw.Pow(_modulus(x), order), reduction_axes(x, axes), keep_dims=True)
    return raw.Pow(total, 1.0 / order)


def _modulus(x: Tensor) -> Tensor:
    return (
        raw.ComplexAbs(x, Tout=x.dtype.base_dtype.real_dtype, name="Abs")
        if x.dtype.is_complex
        else raw.Abs(x)
    )


def _euclidean(x: Tensor, axes: Any) -> Tensor:
    square = raw.Mul(x, raw.Conj(x) if x.dtype.is_complex else x, name="mul")
    return raw.Sqrt(raw.Sum(square, reduction_axes(x, axes), keep_dims=True))


# TensorFlow counts the two axes from the front in a loop.
_OF_TURNED_AXES = 132


def _matrix_norm(x: Tensor, order: Any, axes: tuple[int, int]) -> Tensor:
    if order == 2:
        x.graph.count(_OF_TURNED_AXES if x.dims is not None else _OF_TURNED_AXES - 7)
        return _spectral(x, axes)
    rows, columns = axes
    first, second = (rows, columns) if order == 1 else (columns, rows)
    return raw.Max(raw.Sum(_modulus(x), first, keep_dims=True), second, keep_dims=True)


def _spectral(x: Tensor, axes: tuple[int, int]) -> Tensor:
    """The largest singular values, with both axes kept as ones."""
    if x.dims is None:
        count = raw.Rank(x)
        pair = from_the_front(axes, count)
        turned = joined(others(pair, count), pair)
        values = svd(raw.Transpose(x, turned), compute_uv=False)
        largest = raw.ExpandDims(raw.Max(values, -1, keep_dims=True), -1)
        return raw.Transpose(largest, raw.InvertPermutation(turned))
    rank = len(x.dims)
    last = [a % rank for a in axes]
    order = [i for i in range(rank) if i not in last] + last
    values = svd(raw.Transpose(x, order), compute_uv=False)
    largest = raw.ExpandDims(raw.Max(values, -1, keep_dims=True), -1)
    return raw.Transpose(largest, [order.index(i) for i in range(rank)])


@public("norm", "linalg.norm")
def norm(
    tensor: Any,
    ord: Any = "euclidean",
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """The norms of vectors or matrices.

    Args:
      tensor: float or complex.
      ord: "euclidean", "fro", 1, 2, np.inf, or for vectors any positive number.
      axis: None for all elements as one vector; an integer for vectors; a pair for matrices.
      keepdims: keep the reduced axes with length 1.
      name: op name; default "norm".
      keep_dims: the old name of `keepdims`.

    Returns:
      The norms; real where moduli are summed.

    Raises:
      ValueError: `ord` does not suit vectors, or matrices.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.norm([3.0, 4.0])))
      5.0
    """
    keep = bool(keepdims if keepdims is not None else keep_dims)
    is_matrix = isinstance(axis, tuple | list) and len(axis) == 2
    if is_matrix:
        axis = tuple(int(a) for a in axis)
        if axis[0] == axis[1]:
            raise ValueError(f"norm: the two axes must differ. Received: {axis}")
        if ord not in ("euclidean", "fro", 1, 2, np.inf):
            raise ValueError(
                f"norm: a norm of matrices is one of 'euclidean', 'fro', 1, 2, np.inf. Received: {ord!r}"
            )
    else:
        if isinstance(axis, tuple | list):
            if len(axis) != 1:
                raise ValueError(
                    f"norm: axis must be None, an integer, or a pair of integers. Received: {axis!r}"
                )
            axis = axis[0]
        if axis is not None and not isinstance(axis, int | np.integer | Tensor):
            raise ValueError(
                f"norm: axis must be None, an integer, or a pair of integers. Received: {axis!r}"
            )
        if isinstance(ord, str) and ord != "euclidean":
            raise ValueError(
                f"norm: a norm of vectors is 'euclidean' or a positive number. Received: {ord!r}"
            )
        if not isinstance(ord, str) and not ord > 0:
            raise ValueError(f"norm: ord must be positive. Received: {ord!r}")
    with name_scope(name, "norm", [tensor]):
        x = to_tensor(tensor)
        if ord in ("fro", "euclidean") or (ord == 2 and not is_matrix):
            axes = list(axis) if is_matrix else axis  # type: ignore[arg-type]
            result = _euclidean(x, axes)
        elif is_matrix:
            result = _matrix_norm(x, ord, axis)  # type: ignore[arg-type]
        else:
            result = _vector_norm(x, ord, axis)
        if keep:
            return result
        dims: Any = [] if axis is None else axis if is_matrix else [axis]
        return raw.Squeeze(result, squeeze_dims=list(dims))


@public("linalg.normalize")
def normalize(
    tensor: Any, ord: Any = "euclidean", axis: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """`tensor` divided by its norms, and the norms, their axes kept; arguments as for `norm`."""
    with name_scope(name, "normalize", [tensor]):
        x = to_tensor(tensor)
        size = norm(x, ord, axis, keepdims=True)
        if size.dtype.base_dtype is not x.dtype.base_dtype:
            size = raw.Cast(size, DstT=x.dtype.base_dtype)
        return raw.RealDiv(x, size, name="truediv"), size


# ---------------------------------------------------------------- clipping


def _values(t: Any) -> Any:
    return t.values if hasattr(t, "dense_shape") else t


def _like(t: Any, values: Tensor) -> Any:
    """`values` in the place of those of `t`, which may be an IndexedSlices."""
    return type(t)(values, t.indices, t.dense_shape) if hasattr(t, "dense_shape") else values


@public("global_norm", "linalg.global_norm")
def global_norm(t_list: Any, name: str | None = None) -> Tensor:
    """The Euclidean norm of several tensors taken as one vector.

    Args:
      t_list: tensors, IndexedSlices, or None for those to pass over.
      name: op name; default "global_norm".

    Returns:
      A scalar; 0 where every element is None.

    Raises:
      TypeError: `t_list` is not a list.
    """
    if not isinstance(t_list, tuple | list):
        raise TypeError(f"global_norm: t_list must be a list. Received: {t_list!r}")
    with name_scope(name, "global_norm", [_values(t) for t in t_list if isinstance(_values(t), Tensor)]):
        values = [to_tensor(_values(t), name=f"t_{i}") for i, t in enumerate(t_list) if t is not None]
        halves = [raw.L2Loss(v) for v in values]
        stacked = raw.Pack(halves, name="stack") if halves else to_tensor([], dtypes.float32, "stack")
        total = raw.Sum(stacked, reduction_axes(stacked, None))
        return raw.Sqrt(raw.Mul(total, _scalar(2.0, total.dtype), name="mul"), name="global_norm")


@public("clip_by_global_norm")
def clip_by_global_norm(
    t_list: Any, clip_norm: Any, use_norm: Any = None, name: str | None = None
) -> tuple[list, Any]:
    """Scales tensors together so that their global norm does not exceed `clip_norm`.

    Args:
      t_list: tensors, IndexedSlices, or None, which stays None.
      clip_norm: positive scalar.
      use_norm: their global norm, if it is known already.
      name: op name; default "clip_by_global_norm".

    Returns:
      `(the scaled tensors, their global norm before)`.

    Raises:
      TypeError: `t_list` is not a list.

    Example:
      >>> clipped, norm = tf.clip_by_global_norm([[3.0], [4.0]], clip_norm=1.0)
      >>> with tf.Session() as sess:
      ...     print(sess.run(clipped), sess.run(norm))
      [array([0.6], dtype=float32), array([0.8], dtype=float32)] 5.0
    """
    if not isinstance(t_list, tuple | list):
        raise TypeError(f"clip_by_global_norm: t_list must be a list. Received: {t_list!r}")
    if use_norm is None:
        use_norm = global_norm(t_list, name)
    tensors = [_values(t) for t in t_list if isinstance(_values(t), Tensor)]
    with name_scope(name, "clip_by_global_norm", [*tensors, clip_norm]) as scope:
        use_norm = to_tensor(use_norm)
        one = _division(1.0, use_norm)
        scale = raw.Minimum(one, _division(_scalar(1.0, use_norm.dtype.base_dtype), clip_norm))
        scale = clip_norm * scale
        # A norm that is infinite or NaN makes all results NaN, rather than some of them zero.
        finite = raw.IsFinite(use_norm)
        scale = raw.Select(finite, scale, _scalar(float("nan"), use_norm.dtype.base_dtype))
        result = []
        for i, t in enumerate(t_list):
            if t is None:
                result.append(None)
                continue
            value = to_tensor(_values(t), name=f"t_{i}")
            with value.graph.colocate_with(value.op):
                scaled = raw.Mul(value, scale, name="mul")
                result.append(_like(t, raw.Identity(scaled, name=f"{scope}_{i}")))
        return result, use_norm


def _division(x: Any, y: Any) -> Tensor:
    return x / y


@public("clip_by_norm")
def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None, name: str | None = None) -> Any:
    """Scales a tensor so that its Euclidean norm does not exceed `clip_norm`.

    Args:
      t: floating, or IndexedSlices.
      clip_norm: positive scalar, or what broadcasts with the norms.
      axes: over which to take norms; default all.
      name: op name; default "clip_by_norm".

    Returns:
      Same shape and dtype as `t`.
    """
    with name_scope(name, "clip_by_norm", [_values(t), clip_norm]) as scope:
        x = to_tensor(_values(t), name="t")
        squares = raw.Mul(x, x, name="mul")
        total = raw.Sum(squares, reduction_axes(x, axes), keep_dims=True)
        positive = raw.Greater(total, 0)  # a square root of zero would have no gradient
        root = raw.Sqrt(raw.Select(positive, total, ones_like(total)))
        size = raw.Select(positive, root, total)
        scaled = x * clip_norm
        if x.dims is not None and scaled.dims is not None and len(scaled.dims) != len(x.dims):
            raise ValueError(f"clip_by_norm: clip_norm must not add dimensions. Received: {clip_norm}")
        return _like(t, raw.Identity(_division(scaled, raw.Maximum(size, clip_norm)), name=scope))


@public("clip_by_average_norm")
def clip_by_average_norm(t: Any, clip_norm: Any, name: str | None = None) -> Tensor:
    """Scales a tensor so that its Euclidean norm per element does not exceed `clip_norm`; same shape.

    Args:
      t: floating.
      clip_norm: positive scalar.
      name: op name; default "clip_by_average_norm".
    """
    with name_scope(name, "clip_by_average_norm", [t, clip_norm]) as scope:
        x = to_tensor(t, name="t")
        count = raw.Cast(size_tensor(x), DstT=x.dtype.base_dtype)
        squares = raw.Mul(x, x, name="mul")
        inverse = raw.Rsqrt(raw.Sum(squares, raw.Range(0, rank_tensor(x), 1, name="range")))
        scaled = x * clip_norm
        per_element = raw.Mul(inverse, count, name="mul")
        factor = raw.Minimum(per_element, _division(_scalar(1.0, x.dtype.base_dtype), clip_norm))
        return raw.Identity(raw.Mul(scaled, factor, name="mul"), name=scope)
