"""Sums, differences, products and powers."""

from __future__ import annotations

from functools import reduce
from typing import Any, Final

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.dispatch import elementwise
from millrace.core import dtypes, errors, shapes
from millrace.core.dtypes import COMPLEX, FLOATING, NUMERIC, QUANTIZED, STRING
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.dialect import numpy_dialect
from millrace.graph import attrs
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import shape_rules
from millrace.opkit.rules.families import binary
from millrace.opkit.rules.idioms import Unbroadcast, after, conj

_SUMMABLE = (
    FLOATING | COMPLEX | frozenset({dtypes.uint8, dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64})
)
_MULTIPLIABLE = _SUMMABLE | {dtypes.uint16}
# TensorFlow 1.15 fills ones, and takes the logarithm of these where x is not positive
_OF_A_SAFE_LOG: Final = 4
_POWERS = FLOATING | COMPLEX | {dtypes.int32, dtypes.int64}


def _add_grad(op, dz):
    to = Unbroadcast(*op.inputs, dz=dz)
    return to.x(dz), to.y(dz)


def _sub_grad(op, dz):
    to = Unbroadcast(*op.inputs, dz=dz)
    return to.x(dz), to.y(dz, negate=True)


def _mul_grad(op, dz):
    x, y = op.inputs
    to = Unbroadcast(x, y, dz)
    x, y = conj(x), conj(y)
    return to.x(dz * y), to.y(x * dz)


def _mul_no_nan_grad(op, dz):
    x, y = op.inputs
    to = Unbroadcast(x, y, dz, only_same=True)
    return to.x(raw.MulNoNan(dz, conj(y))), to.y(raw.MulNoNan(conj(x), dz))


def _squared_difference_grad(op, dz):
    x, y = op.inputs
    to = Unbroadcast(x, y, dz)
    with after(dz):
        dx = 2 * dz * (x - y)
    return to.x(dx), raw.Neg(to.y(dx))


def _pow_grad(op, dz):
    x, y = op.inputs
    z = op.outputs[0]
    to = Unbroadcast(x, y, dz, same=False)
    x, y, z = conj(x), conj(y), conj(z)
    dx = to.x(dz * y * raw.Pow(x, y - 1))
    # log(x) only where it is defined: elsewhere z does not depend on y in the reals
    defined = raw.NotEqual(x, 0) if x.dtype.is_complex else raw.Greater(x, 0)
    if x.dtype.is_integer:
        return dx, to.y(raw.ZerosLike(z))
    op.graph.count(_OF_A_SAFE_LOG)
    log_x = raw.Select(defined, raw.Log(x), raw.ZerosLike(x, name="zeros_like"))
    return dx, to.y(dz * z * log_x)


def _multiply_no_nan(xp, x, y):
    return xp.where(y == 0, xp.zeros((), x.dtype), xp.multiply(x, y))


def _squared_difference(xp, x, y):
    return xp.square(xp.subtract(x, y)) if x.dtype.kind != "c" else _squared_modulus(xp, xp.subtract(x, y))


def _squared_modulus(xp, x):
    return xp.multiply(x, xp.conj(x))


def _power(xp, x, y):
    if x.dtype.kind in "iu":
        xp.check(y >= 0, _negative_power)
    if x.dtype.kind == "c":
        return _complex_power(xp, x, y)
    return xp.power(x, y)


def _complex_power(xp, x, y):
    """exp(y log x); 1 for y = 0, and 0 where x is 0 and the real part of y is positive."""
    zero, one = xp.zeros((), x.dtype), xp.ones((), x.dtype)
    z = xp.exp(xp.multiply(y, xp.log(xp.where(x == 0, one, x))))
    nan = np.asarray(complex(np.nan, np.nan), x.dtype)
    nothing = xp.where(xp.real_part(y) > 0, zero, nan)
    return xp.where(y == 0, one, xp.where(x == 0, nothing, z))


def _negative_power() -> errors.InvalidArgumentError:
    return refusal("Integers to negative integer powers are not allowed")


def _bind_power(dims, values, attributes):
    return None if attributes["T"].is_integer or attributes["T"].is_complex else numpy_dialect().power


Add = binary("Add", _SUMMABLE | STRING, "add", _add_grad, "z = x + y; strings are joined.", __name__)
AddV2 = binary("AddV2", _SUMMABLE, "add", _add_grad, "z = x + y.", __name__, commutative=True)
Sub = binary("Sub", _MULTIPLIABLE, "subtract", _sub_grad, "z = x - y.", __name__)
Mul = binary("Mul", _MULTIPLIABLE, "multiply", _mul_grad, "z = x y.", __name__, commutative=True)
MulNoNan = binary(
    "MulNoNan",
    FLOATING | COMPLEX,
    _multiply_no_nan,
    _mul_no_nan_grad,
    "z = x y, and 0 where y is 0 even if x is infinite or NaN.",
    __name__,
)
SquaredDifference = binary(
    "SquaredDifference",
    _POWERS,
    _squared_difference,
    _squared_difference_grad,
    "z = |x - y|**2.",
    __name__,
    commutative=True,
)
Pow = binary("Pow", _POWERS, _power, _pow_grad, "z = x to the power of y.", __name__, bind=_bind_power)


def _bind_add_n(dims, values, attributes):
    # Most AddN have two inputs; where their shapes are known to agree, NumPy's addition is all there is.
    return np.add if len(dims) == 2 and shapes.fully_defined(dims[0]) and dims[0] == dims[1] else None


@declare(
    "AddN(inputs: N*T) -> sum: T",
    T=NUMERIC | QUANTIZED | {dtypes.variant},
    N=attrs.count(1),
    commutative=True,
)
class AddN:
    """The sum of tensors of one shape."""

    def shape(inputs):
        return shape_rules.merged(*inputs)

    def kernel(xp, inputs):
        _check_one_shape(inputs)
        return reduce(xp.add, inputs) if len(inputs) > 1 else xp.positive(inputs[0])

    bind = _bind_add_n

    def grad(op, dy):
        return (dy,) * len(op.inputs)


@declare(
    "AccumulateNV2(inputs: N*T) -> sum: T",
    T=NUMERIC | QUANTIZED,
    N=attrs.count(1),
    shape=attrs.shape(),
    commutative=True,
)
class AccumulateNV2:
    """The sum of tensors of one shape, which an attribute says."""

    def shape(inputs, shape):
        return shape_rules.merged(shape, *inputs)

    def kernel(xp, inputs):
        _check_one_shape(inputs)
        return reduce(xp.add, inputs) if len(inputs) > 1 else xp.positive(inputs[0])

    def grad(op, dy):
        return (dy,) * len(op.inputs)


def _check_one_shape(inputs: Any) -> None:
    first = inputs[0].shape
    for value in inputs[1:]:
        if value.shape != first:
            found = ", ".join(str(list(v.shape)) for v in inputs)
            raise refusal(f"inputs must all have one shape. Received: {found}")


@public("add", "math.add")
@elementwise("binary")
def add(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Adds `x` and `y` element by element; joins strings.

    Args:
      x: `[...]`, numeric or string.
      y: broadcasts with `x`; same dtype.
      name: op name; default "Add".

    Returns:
      The broadcast shape, dtype of `x`.

    Raises:
      TypeError: the dtypes differ or cannot be added.
      ValueError: the shapes do not broadcast.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.add([1, 2], 10)))
      [11 12]
    """
    return apply(Add, x, y, name=name)


@public("subtract", "math.subtract")
@elementwise("binary")
def subtract(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x - y, element by element; arguments, shapes and errors as for `add`, numbers only.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.subtract([1, 2], 10)))
      [-9 -8]
    """
    return apply(Sub, x, y, name=name)


@public("multiply", "math.multiply")
@elementwise("binary")
def multiply(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x * y, element by element; arguments, shapes and errors as for `add`, numbers only.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.multiply([1, 2], [3, 4])))
      [3 8]
    """
    return apply(Mul, x, y, name=name)


@public("math.multiply_no_nan")
def multiply_no_nan(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x * y, and 0 wherever y is 0, even if x is infinite or NaN there.

    Args:
      x: `[...]`, floating or complex.
      y: broadcasts with `x`; same dtype.
      name: op name; default "multiply_no_nan".
    """
    return apply(MulNoNan, x, y, name=name or "multiply_no_nan")


@public("squared_difference", "math.squared_difference")
@elementwise("binary")
def squared_difference(x: Any, y: Any, name: str | None = None) -> Tensor:
    """(x - y)**2, element by element; for complex numbers the squared modulus of the difference.

    Args:
      x: `[...]`, floating, complex, int32 or int64.
      y: broadcasts with `x`; same dtype.
      name: op name; default "SquaredDifference".
    """
    return apply(SquaredDifference, x, y, name=name)


@public("pow", "math.pow")
@elementwise("binary")
def pow(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x to the power of y, element by element.

    Args:
      x: `[...]`, floating, complex, int32 or int64.
      y: broadcasts with `x`; same dtype.
      name: op name; default "Pow".

    Raises:
      InvalidArgumentError: when run, if an integer is raised to a negative power.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.pow([2, 3], [3, 2])))
      [8 9]
    """
    return apply(Pow, x, y, name=name)


@public("add_n", "math.add_n")
@elementwise("list")
def add_n(inputs: Any, name: str | None = None) -> Tensor:
    """The sum of a list of tensors of one shape and dtype.

    Args:
      inputs: a list of `[...]` tensors or IndexedSlices (which are made dense), or one tensor.
      name: op name; default "AddN".

    Raises:
      ValueError: no inputs, inputs that are not tensors, or shapes that differ.
      TypeError: the dtypes differ.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.add_n([[1, 2], [10, 20], [100, 200]])))
      [111 222]
    """
    tensors = _as_tensors(inputs, "add_n")
    if len(tensors) == 1:
        return tensors[0] if name is None else raw.Identity(tensors[0], name=name)
    return apply(AddN, tensors, name=name)


@public("accumulate_n", "math.accumulate_n")
def accumulate_n(inputs: Any, shape: Any = None, tensor_dtype: Any = None, name: str | None = None) -> Tensor:
    """The sum of a list of tensors of one shape and dtype; the same as `add_n` up to the operation's type.

    Args:
      inputs: a list of `[...]` tensors.
      shape: what is known of their shape.
      tensor_dtype: their dtype.
      name: op name; default "AccumulateNV2".

    Raises:
      ValueError: no inputs, or shapes that contradict each other or `shape`.
      TypeError: the dtypes differ from each other or from `tensor_dtype`.
    """
    tensors = _as_tensors(inputs, "accumulate_n")
    if any(t.dtype.base_dtype is not tensors[0].dtype.base_dtype for t in tensors):
        raise ValueError(
            f"accumulate_n: inputs must have one dtype. Received: {[t.dtype.name for t in tensors]}"
        )
    if (
        tensor_dtype is not None
        and dtypes.as_dtype(tensor_dtype).base_dtype is not tensors[0].dtype.base_dtype
    ):
        raise TypeError(
            f"accumulate_n: inputs must have dtype {dtypes.as_dtype(tensor_dtype).name}. "
            f"Received: {tensors[0].dtype.name}"
        )
    dims = shape_rules.merged(shapes.as_dims(shape), *(t.dims for t in tensors))
    if len(tensors) == 1:
        return tensors[0] if name is None else raw.Identity(tensors[0], name=name)
    return apply(AccumulateNV2, tensors, shape=dims, name=name)


def _as_tensors(inputs: Any, who: str) -> list[Tensor]:
    from millrace.building.convert import convert_to_tensor

    if not isinstance(inputs, list | tuple):
        inputs = [inputs]
    if not inputs:
        raise ValueError(f"{who}: inputs must be a list of at least one tensor. Received: {inputs!r}")
    try:
        return [convert_to_tensor(value) for value in inputs]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{who}: inputs must be tensors of one dtype and shape: {error}") from error
