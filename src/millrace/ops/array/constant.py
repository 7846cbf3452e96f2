"""Sources of values: constants, placeholders, and the operations that only pass values on."""

from __future__ import annotations

import functools
import operator
from typing import Any

from millrace.building import literals, raw
from millrace.building.apply import apply
from millrace.building.convert import to_tensor
from millrace.building.dispatch import elementwise
from millrace.core import dtypes, shapes
from millrace.core.dtypes import ALL, NARROW
from millrace.core.public import public
from millrace.graph import attrs
from millrace.graph.attrs import text, types
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import LEAST_FILLED, filled


@declare("Const() -> output: dtype", value=attrs.tensor(), dtype=attrs.dtype(), alias=True)
class Const:
    """A value fixed when the graph is built."""

    def shape(value, dtype):
        if value.dtype != dtype.np_dtype:
            raise ValueError(
                "Type mismatch between value and dtype. "
                f"Received: a value of {value.dtype} and dtype {dtype.name}"
            )
        return value.shape

    def kernel(xp, value):
        return value

    grad = NOT_DIFFERENTIABLE


@declare("Placeholder() -> output: dtype", dtype=attrs.dtype(), shape=attrs.shape(default=None), effect=True)
class Placeholder:
    """A value that the caller of `Session.run` feeds."""

    def shape(shape):
        return shape

    kernel = None
    grad = NOT_DIFFERENTIABLE


@declare("PlaceholderV2() -> output: dtype", dtype=attrs.dtype(), shape=attrs.shape(), effect=True)
class PlaceholderV2:
    """`Placeholder` of graphs written in 2016, whose shape must be told."""

    def shape(shape):
        return shape

    kernel = None
    grad = NOT_DIFFERENTIABLE


@declare(
    "PlaceholderWithDefault(input: dtype) -> output: dtype",
    dtype=ALL,
    shape=attrs.shape(),
    alias=True,
    effect=True,
)
class PlaceholderWithDefault:
    """`input`, unless the caller feeds another value."""

    def shape(input, shape):
        if not shapes.compatible(input, shape):
            raise ValueError(
                f"input of shape {shapes.format_dims(input)} does not fit shape {shapes.format_dims(shape)}"
            )
        return shape

    def kernel(xp, input):
        return input

    def grad(op, dy):
        return dy


@declare("BodyArg() -> output: dtype", dtype=attrs.dtype(), shape=attrs.shape(), effect=True)
class BodyArg:
    """An argument of a branch or loop body."""

    def shape(shape):
        return shape

    kernel = None
    grad = NOT_DIFFERENTIABLE


@declare("Identity(input: T) -> output: T", T=ALL | NARROW, alias=True)
class Identity:
    """`input`."""

    def shape(input):
        return input

    def kernel(xp, input):
        return input

    forward = 0

    def grad(op, dy):
        return dy


@declare("IdentityN(input: T) -> output: T", T=types(), alias=True)
class IdentityN:
    """All of `input`, together."""

    def shape(input):
        return list(input)

    def kernel(xp, input):
        return input

    def grad(op, *dys):
        return dys


@declare("StopGradient(input: T) -> output: T", T=ALL, alias=True)
class StopGradient:
    """`input`, taken as a constant by `tf.gradients`."""

    def shape(input):
        return input

    def kernel(xp, input):
        return input

    forward = 0
    grad = NOT_DIFFERENTIABLE


@declare("PreventGradient(input: T) -> output: T", T=ALL, message=text(default=""), alias=True)
class PreventGradient:
    """`input`; asking for its gradient is an error."""

    def shape(input):
        return input

    def kernel(xp, input):
        return input

    forward = 0

    def grad(op, dy):
        raise LookupError(f"Gradient explicitly disabled. Reason: {op.attrs['message']}")


@declare("NoOp()")
class NoOp:
    """Does nothing; its control inputs run."""

    def shape():
        return []

    def kernel(xp):
        return []

    grad = NOT_DIFFERENTIABLE


_MOST_ELEMENTS = 2**31 - 1


@public("constant")
def constant(
    value: Any, dtype: Any = None, shape: Any = None, name: str = "Const", verify_shape: bool = False
) -> Tensor:
    """A constant.

    Args:
      value: a number, string, nested list or array; or a `TensorProto`, whose dtype and shape stand.
      dtype: its dtype; default float32 for Python floats, int32 for ints, an array's own for arrays.
      shape: its shape; a shorter value is filled up with its last element.
      name: op name.
      verify_shape: refuse a value whose own shape is not `shape`.

    Raises:
      TypeError: the elements are of another kind than `dtype`, or `verify_shape` is set and the shapes
        differ.
      ValueError: ragged lists, or a value that does not fit `shape`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.constant(7.0, shape=[2, 2])))
      [[7. 7.]
       [7. 7.]]
    """
    if literals.is_message(value):
        return to_tensor(value, name=name)
    chosen = None if dtype is None else dtypes.as_dtype(dtype).base_dtype
    dims = None if shape is None else shapes.as_dims(shape)
    if dims is not None and (shapes.num_elements(dims) or 0) >= _MOST_ELEMENTS:
        raise ValueError(
            f"constant '{name}': a constant has fewer than 2^31 elements; tf.fill makes larger ones. "
            f"Received: shape {shapes.format_dims(dims)}"
        )
    if verify_shape and dims is not None:
        found = literals.to_array(value, chosen).shape
        if found != dims:
            raise TypeError(
                f"constant '{name}': expected shape {shapes.format_dims(dims)}. Received: {found}"
            )
    array = literals.to_array(value, chosen, dims)
    return apply(Const, value=array, dtype=chosen or dtypes.as_dtype(array.dtype), name=name)


@public("placeholder")
def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> Tensor:
    """A tensor whose value the caller of `Session.run` feeds.

    Args:
      dtype: its dtype.
      shape: what is known of its shape; None for nothing.
      name: op name; default "Placeholder".

    Example:
      >>> x = tf.placeholder(tf.float32, [None, 2])
      >>> with tf.Session() as sess:
      ...     print(sess.run(x * 2.0, {x: [[1, 2], [3, 4]]}))
      [[2. 4.]
       [6. 8.]]
    """
    return apply(Placeholder, dtype=dtypes.as_dtype(dtype), shape=shapes.as_dims(shape), name=name)


@public("placeholder_with_default")
def placeholder_with_default(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """A tensor that is `input` unless the caller feeds another value.

    Args:
      input: the default value.
      shape: what is known of the shape of either.
      name: op name; default "PlaceholderWithDefault".

    Raises:
      ValueError: `input` does not fit `shape`.
    """
    return apply(PlaceholderWithDefault, input, shape=shapes.as_dims(shape), name=name)


@public("identity")
@elementwise("unary")
def identity(input: Any, name: str | None = None) -> Tensor:
    """`input` as a new tensor. Shape and dtype of `input`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.identity([1, 2])))
      [1 2]
    """
    return apply(Identity, input, name=name)


@public("identity_n")
def identity_n(input: Any, name: str | None = None) -> list[Tensor]:
    """The tensors of `input` as new tensors of one operation."""
    return apply(IdentityN, input, name=name)


@public("stop_gradient")
def stop_gradient(input: Any, name: str | None = None) -> Tensor:
    """`input`, which `tf.gradients` takes as a constant. Shape and dtype of `input`.

    Example:
      >>> x = tf.constant(3.0)
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.gradients(x * tf.stop_gradient(x), [x])))
      [np.float32(3.0)]
    """
    return apply(StopGradient, input, name=name)


@public("no_op")
def no_op(name: str | None = None) -> Any:
    """An operation that does nothing but run after its control dependencies.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.no_op()))
      None
    """
    return apply(NoOp, name=name)


@public("zeros")
def zeros(shape: Any, dtype: Any = dtypes.float32, name: str | None = None) -> Tensor:
    """A tensor of zeros (empty strings, False).

    Args:
      shape: list, TensorShape, or int vector tensor.
      dtype: the dtype.
      name: op name; default "zeros".

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.zeros([2, 3], tf.int32)))
      [[0 0 0]
       [0 0 0]]
    """
    dtype = dtypes.as_dtype(dtype).base_dtype
    zero: Any = False if dtype.is_bool else b"" if dtype is dtypes.string else 0
    return _filled(shape, zero, dtype, name or "zeros")


@public("ones")
def ones(shape: Any, dtype: Any = dtypes.float32, name: str | None = None) -> Tensor:
    """A tensor of ones (True); arguments as for `zeros`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.ones([2, 2])))
      [[1. 1.]
       [1. 1.]]
    """
    dtype = dtypes.as_dtype(dtype).base_dtype
    return _filled(shape, True if dtype.is_bool else 1, dtype, name or "ones")


def _filled(shape: Any, value: Any, dtype: dtypes.DType, name: str) -> Tensor:
    from millrace.building.convert import to_tensor
    from millrace.graph.defaults import get_default_graph

    graph = shape.graph if isinstance(shape, Tensor) else get_default_graph()
    with graph.as_default(), graph.name_scope(name) as scope:
        if not isinstance(shape, Tensor):
            dims = _static_dims(shape)
            if dims is not None:
                return filled(dims, value, dtype, scope, LEAST_FILLED if _is_list(shape) else 0)
            if isinstance(shape, list | tuple):
                _compare_size(shape)
            shape = to_tensor(shape, dtypes.int32)
        if shape.dtype not in (dtypes.int32, dtypes.int64):
            shape = raw.Cast(shape, DstT=dtypes.int32)
        if shape.dims == ():  # a number is the shape of a vector
            shape = raw.Reshape(shape, [-1])
        return raw.Fill(shape, constant(value, dtype, name="Const"), name=scope)


def _static_dims(shape: Any) -> tuple[int, ...] | None:
    try:
        dims = shapes.as_dims(shape)
    except TypeError:
        return None
    return dims if dims is not None and shapes.fully_defined(dims) else None  # type: ignore[return-value]


def _is_list(shape: Any) -> bool:
    """Whether lengths are listed; one number, the shape of a vector, is never made into a constant."""
    try:
        iter(shape)
    except TypeError:
        return False
    return True


def _compare_size(lengths: Any) -> None:
    """The product of lengths that are known only when run, and its comparison: TensorFlow asks whether few
    elements are wanted before it sees that it cannot know, and the operations stay.
    """
    size = functools.reduce(operator.mul, lengths)
    if isinstance(size, Tensor) and size.dims == ():
        raw.Less(size, LEAST_FILLED)
