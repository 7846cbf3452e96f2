"""The same elements under other shapes: reshape, dimensions of length 1, transposes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.convert import to_tensor
from millrace.building.dispatch import overridable
from millrace.core.dtypes import ALL, INDEX, int32
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.core.shapes import format_dims, fully_defined, num_elements
from millrace.graph.attrs import dtype, ints
from millrace.graph.defaults import get_default_graph
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import conj, reversing_perm, shape_tensor
from millrace.opkit.rules.shape_rules import axis_in, with_rank


def _to_input_shape(op: Any, dy: Tensor) -> Tensor:
    return raw.Reshape(dy, shape_tensor(op.inputs[0]))


@declare("Reshape(tensor: T, shape: Tshape) -> output: T", T=ALL, Tshape=dtype(INDEX, default=int32),
         static=("shape",), alias=True)  # fmt: skip
class Reshape:
    """The elements of `tensor` in row-major order, in `shape`; one length of -1 follows from the others."""

    def shape(tensor, shape):
        if shape.dims is not None and len(shape.dims) != 1:
            raise ValueError(f"shape must be a vector. Received: shape {format_dims(shape.dims)}")
        out = shape.as_dims()
        size = num_elements(tensor)
        if out is None or tensor is None:
            return out
        if fully_defined(out):
            if size is not None and size != num_elements(out):
                raise ValueError(f"Cannot reshape a tensor with {size} elements to shape {format_dims(out)}")
            return out
        if size is None or out.count(None) != 1:
            return out
        rest = num_elements(tuple(1 if d is None else d for d in out))
        if not rest:
            return out
        if size % rest:
            raise ValueError(f"Cannot reshape a tensor with {size} elements to shape {format_dims(out)}")
        return tuple(size // rest if d is None else d for d in out)

    def kernel(xp, tensor, shape):
        return xp.reshape(tensor, _whole_shape(np.shape(tensor), shape.tolist()))

    def bind(dims, values, attrs):
        if not fully_defined(dims[0]) or values[1] is None:
            return None
        target = _whole_shape(dims[0], values[1].tolist())
        return lambda tensor, shape: tensor.reshape(target)

    def forward(dims, values, attrs):
        if not fully_defined(dims[0]) or values[1] is None or len(values[1]) != len(dims[0]):
            return None
        wanted = values[1].tolist()
        same = wanted.count(-1) <= 1 and all(v in (d, -1) for v, d in zip(wanted, dims[0], strict=True))
        return 0 if same else None

    def grad(op, dy):
        return _to_input_shape(op, dy), None


def _whole_shape(dims: tuple[int, ...], shape: list[int]) -> tuple[int, ...]:
    """`shape` with its -1 replaced.

    Raises:
      InvalidArgumentError: the number of elements does not fit.
    """
    size = math.prod(dims)
    missing = shape.count(-1)
    if missing > 1:
        raise refusal(f"Only one input size may be -1. Received: shape {shape}")
    if shape and min(shape) < -1:
        raise refusal(f"sizes must be >= -1. Received: shape {shape}")
    if missing:
        # Beside a length of 0 the missing one follows from those that are not 0, as in TensorFlow.
        rest = math.prod([d for d in shape if d > 0])
        counted = math.prod([d for d in dims if d > 0]) if 0 in shape else size
        shape = [counted // rest if d == -1 else d for d in shape]
    if math.prod(shape) != size:
        raise refusal(f"Input to reshape is a tensor with {size} values, which do not fit shape {shape}")
    return tuple(shape)


@declare("ExpandDims(input: T, dim: Tdim) -> output: T", T=ALL, Tdim=dtype(INDEX, default=int32),
         static=("dim",), alias=True)  # fmt: skip
class ExpandDims:
    """`input` with a dimension of length 1 inserted before `dim`."""

    def shape(input, dim):
        if dim.dims is not None and num_elements(dim.dims) not in (1, None):
            raise ValueError(f"dim must be a single value. Received: shape {format_dims(dim.dims)}")
        if input is None or dim.value is None:
            return None
        axis = axis_in(int(dim.value.reshape(-1)[0]), len(input) + 1, "dim")
        return (*input[:axis], 1, *input[axis:])

    def kernel(xp, input, dim):
        dims = np.shape(input)
        try:
            axis = axis_in(int(dim.reshape(-1)[0]), len(dims) + 1, "dim")
        except ValueError as error:
            raise refusal(str(error)) from None
        return xp.reshape(input, (*dims[:axis], 1, *dims[axis:]))

    def bind(dims, values, attrs):
        if not fully_defined(dims[0]) or values[1] is None:
            return None
        axis = axis_in(int(values[1].reshape(-1)[0]), len(dims[0]) + 1, "dim")
        target = (*dims[0][:axis], 1, *dims[0][axis:])
        return lambda input, dim: input.reshape(target)

    def grad(op, dy):
        return _to_input_shape(op, dy), None


@declare("Squeeze(input: T) -> output: T", T=ALL, squeeze_dims=ints(default=()), alias=True)
class Squeeze:
    """`input` without the dimensions `squeeze_dims`, which have length 1; without all such when none are
    named.
    """

    def shape(input, squeeze_dims):
        if input is None:
            return None
        if not squeeze_dims:
            return None if None in input else tuple(d for d in input if d != 1)
        axes = {axis_in(a, len(input), "squeeze dimension") for a in squeeze_dims}
        for a in axes:
            if input[a] not in (1, None):
                raise ValueError(f"Can not squeeze dim[{a}], expected a dimension of 1. Received: {input[a]}")
        return tuple(d for a, d in enumerate(input) if a not in axes)

    def kernel(xp, input, squeeze_dims):
        dims = np.shape(input)
        if not squeeze_dims:
            return xp.reshape(input, tuple(d for d in dims if d != 1))
        try:
            axes = {axis_in(a, len(dims), "squeeze dimension") for a in squeeze_dims}
        except ValueError as error:
            raise refusal(str(error)) from None
        for a in axes:
            if dims[a] != 1:
                raise refusal(f"Can not squeeze dim[{a}], expected a dimension of 1. Received: {dims[a]}")
        return xp.reshape(input, tuple(d for a, d in enumerate(dims) if a not in axes))

    def grad(op, dy):
        return _to_input_shape(op, dy)


def _permuted(x: Any, perm: Any) -> Any:
    with_rank(perm.dims, 1, "perm")
    order = perm.value
    rank = None if x is None else len(x)
    if perm.dims is not None and len(perm.dims) == 1 and perm.dims[0] is not None:
        if rank is not None and rank != perm.dims[0]:
            raise ValueError(f"perm must have {rank} elements, one per dimension. Received: {perm.dims[0]}")
        rank = perm.dims[0]
    if order is None:
        return None if rank is None else (None,) * rank
    axes = [axis_in(int(a), len(order), "perm") for a in order]
    return tuple(None if x is None else x[a] for a in axes)


def _checked_perm(dims: tuple[int, ...], perm: Any) -> tuple[int, ...]:
    axes = tuple(int(a) % len(dims) if -len(dims) <= a < len(dims) else -1 for a in perm.tolist())
    if sorted(axes) != list(range(len(dims))):
        raise refusal(f"perm must name each of {len(dims)} dimensions once. Received: {perm.tolist()}")
    return axes


def _bind_transpose(dims: Any, values: Any, attrs: Any) -> Any:
    if dims[0] is None or values[1] is None:
        return None
    axes = _checked_perm(dims[0], values[1])
    return lambda x, perm: x.transpose(axes)


@declare(
    "Transpose(x: T, perm: Tperm) -> y: T",
    T=ALL,
    Tperm=dtype(INDEX, default=int32),
    static=("perm",),
    alias=True,
)
class Transpose:
    """Dimension i of the result is dimension perm[i] of `x`."""

    def shape(x, perm):
        return _permuted(x, perm)

    def kernel(xp, x, perm):
        return xp.transpose(x, _checked_perm(np.shape(x), perm))

    bind = _bind_transpose

    def forward(dims, values, attrs):
        return 0 if values[1] is not None and values[1].tolist() == list(range(len(values[1]))) else None

    def grad(op, dy):
        return raw.Transpose(dy, raw.InvertPermutation(op.inputs[1]), name="transpose"), None


@declare(
    "ConjugateTranspose(x: T, perm: Tperm) -> y: T",
    T=ALL,
    Tperm=dtype(INDEX, default=int32),
    static=("perm",),
    alias=True,
)
class ConjugateTranspose:
    """The complex conjugate of a transpose."""

    def shape(x, perm):
        return _permuted(x, perm)

    def kernel(xp, x, perm):
        moved = xp.transpose(x, _checked_perm(np.shape(x), perm))
        return xp.conj(moved) if moved.dtype.kind == "c" else moved

    def grad(op, dy):
        perm = raw.InvertPermutation(op.inputs[1])
        return raw.Transpose(conj(dy), perm, name="transpose"), None


@declare("InvertPermutation(x: T) -> y: T", T=dtype(INDEX, default=int32))
class InvertPermutation:
    """y[x[i]] = i for a permutation `x` of 0 to n - 1."""

    def shape(x):
        return with_rank(x, 1, "x")

    def kernel(xp, x):
        return xp.inverse_permutation(x)

    grad = NOT_DIFFERENTIABLE


@public("reshape", "manip.reshape")
def reshape(tensor: Any, shape: Any, name: str | None = None) -> Tensor:
    """The elements of `tensor` in another shape, in the same row-major order.

    Args:
      tensor: `[...]`.
      shape: int vector; at most one length may be -1, which then follows from the others.
      name: op name; default "Reshape".

    Returns:
      A tensor of `shape`, dtype of `tensor`.

    Raises:
      ValueError: the numbers of elements are known to differ.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.reshape([1, 2, 3, 4, 5, 6], [2, -1])))
      [[1 2 3]
       [4 5 6]]
    """
    return apply(Reshape, tensor, shape, name=name)


@public("expand_dims")
@overridable
def expand_dims(input: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Tensor:
    """`input` with a dimension of length 1 inserted at `axis`.

    Args:
      input: `[...]` of rank n.
      axis: where, in [-n - 1, n].
      name: op name; default "ExpandDims".
      dim: the old name of `axis`.

    Raises:
      ValueError: both `axis` and `dim` are given, or neither, or it is out of range.

    Example:
      >>> print(tf.expand_dims(tf.zeros([2, 3]), axis=1).shape)
      (2, 1, 3)
    """
    axis = _one_of("expand_dims", "axis", axis, "dim", dim)
    if axis is None:
        raise ValueError("expand_dims: an axis is needed. Received: None")
    return apply(ExpandDims, input, axis, name=name)


@public("squeeze")
@overridable
def squeeze(input: Any, axis: Any = None, name: str | None = None, squeeze_dims: Any = None) -> Tensor:
    """`input` without its dimensions of length 1.

    Args:
      input: `[...]`.
      axis: an int or list: only these dimensions.
      name: op name; default "Squeeze".
      squeeze_dims: the old name of `axis`.

    Raises:
      TypeError: `axis` is a tensor.
      ValueError: both `axis` and `squeeze_dims` are given, or a named dimension is known to be longer than 1.

    Example:
      >>> print(tf.squeeze(tf.zeros([1, 3, 1])).shape, tf.squeeze(tf.zeros([1, 3, 1]), axis=[0]).shape)
      (3,) (3, 1)
    """
    axis = _one_of("squeeze", "axis", axis, "squeeze_dims", squeeze_dims)
    if isinstance(axis, Tensor):
        raise TypeError(f"squeeze: axis must be an int or a list of ints. Received: {axis}")
    if axis is None:
        axis = ()
    elif np.ndim(axis) == 0:
        axis = (axis,)
    return apply(Squeeze, input, squeeze_dims=axis, name=name)


def _one_of(function: str, new: str, value: Any, old: str, old_value: Any) -> Any:
    if old_value is None:
        return value
    if value is not None:
        raise ValueError(f"{function}: give {new} or {old}, not both. Received: {value!r} and {old_value!r}")
    return old_value


@public("transpose")
def transpose(a: Any, perm: Any = None, name: str = "transpose", conjugate: bool = False) -> Tensor:
    """`a` with its dimensions in another order.

    Args:
      a: `[...]` of rank n.
      perm: a permutation of 0 to n - 1; default: reversed.
      name: op name.
      conjugate: give the complex conjugate too.

    Returns:
      Dimension i of the result is dimension perm[i] of `a`.

    Raises:
      ValueError: `perm` is not n long.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.transpose([[1, 2, 3], [4, 5, 6]])))
      [[1 4]
       [2 5]
       [3 6]]
    """
    with get_default_graph().name_scope(name or "transpose") as scope:
        if not isinstance(a, Tensor):
            a = to_tensor(a, name="a" if conjugate or perm is None else "x")
        opdef = ConjugateTranspose if conjugate and a.dtype.is_complex else Transpose
        if perm is not None:
            return apply(opdef, a, perm, name=scope)
        perm = np.arange(len(a.dims), dtype=np.int32)[::-1] if a.dims else reversing_perm(a)
        return apply(opdef, a, perm, name=scope)


@public("matrix_transpose", "linalg.transpose", "linalg.matrix_transpose")
def matrix_transpose(a: Any, name: str = "matrix_transpose", conjugate: bool = False) -> Tensor:
    """The transposes of the matrices in the last two dimensions.

    Args:
      a: `[..., m, n]`.
      name: op name.
      conjugate: give the complex conjugates too.

    Returns:
      `[..., n, m]`.

    Raises:
      ValueError: `a` has fewer than two dimensions.
    """
    with get_default_graph().name_scope(name):
        a = to_tensor(a, name="a")
        if a.dims is not None:
            n = len(a.dims)
            if n < 2:
                raise ValueError(
                    f"matrix_transpose: a must have at least 2 dimensions. Received: shape {a.shape}"
                )
            return transpose(a, [*range(n - 2), n - 1, n - 2], conjugate=conjugate)
        rank = raw.Rank(a)
        order = raw.ConcatV2([raw.Range(0, rank - 2, 1), [rank - 1, rank - 2]], 0, name="concat")
        return transpose(a, order, conjugate=conjugate)


@public("invert_permutation", "math.invert_permutation")
def invert_permutation(x: Any, name: str | None = None) -> Tensor:
    """The inverse of a permutation: y[x[i]] = i.

    Args:
      x: `[n]`, int32 or int64, each of 0 to n - 1 once.
      name: op name; default "InvertPermutation".
    """
    return apply(InvertPermutation, x, name=name)
