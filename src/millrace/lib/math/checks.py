"""`Assert` and the assertions made of it: of values, ranks, dtypes, shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.building.static import static_value
from millrace.core import dtypes
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.flow.assertion import Assert
from millrace.lib.flow.control_flow import with_dependencies
from millrace.lib.math.reductions import reduce_all
from millrace.ops.array.shape import rank as rank_of
from millrace.ops.array.shape import shape as shape_of


def _text(value: Any) -> str:
    known = static_value(value) if isinstance(value, Tensor) else value
    return str(value if known is None else known)


# What TensorFlow evaluates while building. millrace knows more, but failures belong where programs expect
# them.
_EVALUATED = {
    "Const",
    "Shape",
    "Size",
    "Rank",
    "Range",
    "Cast",
    "Concat",
    "ConcatV2",
    "Pack",
    "Fill",
    "Equal",
    "NotEqual",
}


def _known(x: Tensor) -> Any:
    return static_value(x) if x.op.type in _EVALUATED else None


def _binary(
    sign: str,
    scope: str,
    compare: Callable[..., Tensor],
    known: Callable[..., Any],
    x: Any,
    y: Any,
    data: Any,
    summarize: int | None,
    message: str | None,
    name: str | None,
) -> Operation:
    """Asserts that `compare` holds element by element; at once where both sides are known."""
    with name_scope(name, scope, [x, y, data]):
        x = convert_to_tensor(x, name="x")
        y = convert_to_tensor(y, name="y")
        if data is None:
            data = [
                f"Condition x {sign} y did not hold element-wise:",
                f"x ({x.name}) = ",
                x,
                f"y ({y.name}) = ",
                y,
            ]
        if message is not None:
            data = [message, *data]
        condition = reduce_all(compare(x, y))
        left, right = _known(x), _known(y)
        if left is not None and right is not None and not np.all(known(left, right)):
            raise refusal("\n".join(map(_text, data)))
        return Assert(condition, data, summarize=summarize)


@public("assert_equal", "debugging.assert_equal")
def assert_equal(
    x: Any,
    y: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Asserts that `x == y` for all elements, with broadcasting.

    Args:
      x: `[...]`, any dtype.
      y: broadcasts with `x`; same dtype.
      data: what to show where it fails; default: the condition and both sides.
      summarize: how many values of each tensor to show.
      message: what to show first.
      name: a scope; default the name of the function.

    Returns:
      An operation to depend on.

    Raises:
      InvalidArgumentError: at once where both sides are known, else when run, if the condition does not hold.
    """
    with name_scope(name, "assert_equal", [x, y, data]):
        if x is y:
            return raw.NoOp()
    return _binary("==", "assert_equal", raw.Equal, np.equal, x, y, data, summarize, message, name)


@public("assert_none_equal", "debugging.assert_none_equal")
def assert_none_equal(
    x: Any,
    y: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Asserts that `x != y` for all elements; arguments and errors as for `assert_equal`."""
    return _binary(
        "!=", "assert_none_equal", raw.NotEqual, np.not_equal, x, y, data, summarize, message, name
    )


@public("assert_less", "debugging.assert_less")
def assert_less(
    x: Any,
    y: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Asserts that `x < y` for all elements; arguments and errors as for `assert_equal`."""
    return _binary("<", "assert_less", raw.Less, np.less, x, y, data, summarize, message, name)


@public("assert_less_equal", "debugging.assert_less_equal")
def assert_less_equal(
    x: Any,
    y: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Asserts that `x <= y` for all elements; arguments and errors as for `assert_equal`."""
    return _binary(
        "<=", "assert_less_equal", raw.LessEqual, np.less_equal, x, y, data, summarize, message, name
    )


@public("assert_greater", "debugging.assert_greater")
def assert_greater(
    x: Any,
    y: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Asserts that `x > y` for all elements; arguments and errors as for `assert_equal`."""
    return _binary(">", "assert_greater", raw.Greater, np.greater, x, y, data, summarize, message, name)


@public(
    "assert_greater_equal",
    "debugging.assert_greater_equal",
    "python.ops.check_ops.assert_greater_equal",
)
def assert_greater_equal(
    x: Any,
    y: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Asserts that `x >= y` for all elements; arguments and errors as for `assert_equal`."""
    return _binary(
        ">=", "assert_greater_equal", raw.GreaterEqual, np.greater_equal, x, y, data, summarize, message, name
    )


@public("assert_near", "debugging.assert_near")
def assert_near(
    x: Any,
    y: Any,
    rtol: Any = None,
    atol: Any = None,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Asserts that `|x - y| < atol + rtol * |y|` for all elements.

    Args:
      x, y: `[...]`, floating or complex, of one dtype.
      rtol, atol: tolerances; default ten times the dtype's machine epsilon.
      data, summarize, message: as for `assert_equal`.
      name: a scope; default "assert_near".

    Raises:
      InvalidArgumentError: when run, where the condition does not hold.
    """
    with name_scope(name, "assert_near", [x, y, rtol, atol, data]):
        x = convert_to_tensor(x, name="x")
        y = convert_to_tensor(y, dtype=x.dtype.base_dtype, name="y")
        real = x.dtype.base_dtype.real_dtype
        epsilon = 10 * np.finfo(real.np_dtype).eps if real.is_floating else 0
        rtol = convert_to_tensor(epsilon if rtol is None else rtol, dtype=real, name="rtol")
        atol = convert_to_tensor(epsilon if atol is None else atol, dtype=real, name="atol")
        if data is None:
            data = [
                message or "",
                f"x and y not equal to tolerance rtol = {rtol}, atol = {atol}",
                f"x ({x.name}) = ",
                x,
                f"y ({y.name}) = ",
                y,
            ]
        tolerance = atol + rtol * abs(y)
        condition = reduce_all(raw.Less(abs(x - y), tolerance))
        return Assert(condition, data, summarize=summarize)


def _sided(
    x: Any,
    sign: str,
    scope: str,
    data: Any,
    summarize: int | None,
    message: str | None,
    name: str | None,
    compare: Callable[..., Operation],
    zero_first: bool,
) -> Operation:
    """Compares with zero."""
    with name_scope(name, scope, [x, data]):
        x = convert_to_tensor(x, name="x")
        if data is None:
            told = [f"Condition x {sign} 0 did not hold element-wise:", f"x ({x.name}) = "]
            # 1.15 has both in one constant there, and default seeds count constants
            data = [message or "", *(["".join(told)] if sign == "<=" else told), x]
        zero = convert_to_tensor(0, dtype=x.dtype.base_dtype)
        return compare(*((zero, x) if zero_first else (x, zero)), data=data, summarize=summarize)


@public("assert_negative", "debugging.assert_negative")
def assert_negative(
    x: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Asserts that `x < 0` for all elements; arguments and errors as for `assert_equal`."""
    return _sided(x, "<", "assert_negative", data, summarize, message, name, assert_less, False)


@public("assert_positive", "debugging.assert_positive")
def assert_positive(
    x: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Asserts that `x > 0` for all elements; arguments and errors as for `assert_equal`."""
    return _sided(x, ">", "assert_positive", data, summarize, message, name, assert_less, True)


@public("assert_non_negative", "debugging.assert_non_negative")
def assert_non_negative(
    x: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Asserts that `x >= 0` for all elements; arguments and errors as for `assert_equal`."""
    return _sided(x, ">=", "assert_non_negative", data, summarize, message, name, assert_less_equal, True)


@public("assert_non_positive", "debugging.assert_non_positive")
def assert_non_positive(
    x: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Asserts that `x <= 0` for all elements; arguments and errors as for `assert_equal`."""
    return _sided(x, "<=", "assert_non_positive", data, summarize, message, name, assert_less_equal, False)


def _ranks(
    x: Any,
    ranks: list[Any],
    wanted: str,
    holds: Callable[[int, list[int]], bool],
    condition: Callable[[Tensor, Tensor], Tensor],
    data: Any,
    summarize: int | None,
    message: str | None,
) -> Operation:
    """Asserts something of the rank of `x`: at once where it is known, else by an operation."""
    x = x if isinstance(x, SparseTensor) else convert_to_tensor(x, name="x")
    listed = [convert_to_tensor(r, name="rank") for r in ranks]
    label = (x.values if isinstance(x, SparseTensor) else x).name
    if data is None:
        data = [
            message or "",
            f"Tensor {label} must have rank{wanted}",
            *listed,
            "Received shape: ",
            shape_of(x),
        ]
    for r in listed:
        assert_type(r, dtypes.int32)
    known = [static_value(r) for r in listed]
    if any(r is not None and np.ndim(r) for r in known):
        raise ValueError("Rank must be a scalar.")
    received = x.get_shape().ndims
    if received is not None and all(r is not None for r in known):
        numbers = [int(r) for r in known]  # type: ignore[arg-type] - none is None here
        if not holds(received, numbers):
            shown = numbers[0] if len(numbers) == 1 else tuple(numbers)
            raise ValueError(
                f"{message or ''}.  Tensor {label} must have rank{wanted} {shown}.  Received rank "
                f"{received}, shape {x.get_shape()}"
            )
        return raw.NoOp(name="static_checks_determined_all_ok")
    found = rank_of(x)
    checked = reduce(raw.LogicalOr, [condition(found, r) for r in listed])
    for r, value in zip(listed, known, strict=True):
        if value is None:
            scalar = assert_rank(r, 0, data=["Rank must be a scalar. Received rank: ", r])
            checked = with_dependencies([scalar], checked)
    return Assert(checked, data, summarize=summarize)


@public("assert_rank", "debugging.assert_rank")
def assert_rank(
    x: Any,
    rank: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Asserts that `x` has rank `rank`.

    Args:
      x: a tensor.
      rank: an int32 scalar.
      data, summarize, message: as for `assert_equal`.
      name: a scope; default "assert_rank".

    Returns:
      An operation to depend on.

    Raises:
      ValueError: the ranks are known and differ; `rank` is not a scalar.
      InvalidArgumentError: when run, where they differ.
    """
    with name_scope(name, "assert_rank", [x, rank]):
        return _ranks(x, [rank], "", lambda have, want: have == want[0], raw.Equal, data, summarize, message)


@public("assert_rank_at_least", "debugging.assert_rank_at_least")
def assert_rank_at_least(
    x: Any,
    rank: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Asserts that `x` has rank `rank` or higher; arguments and errors as for `assert_rank`."""
    with name_scope(name, "assert_rank_at_least", [x, rank]):
        return _ranks(
            x,
            [rank],
            " at least",
            lambda have, want: have >= want[0],
            raw.GreaterEqual,
            data,
            summarize,
            message,
        )


@public("assert_rank_in", "debugging.assert_rank_in")
def assert_rank_in(
    x: Any,
    ranks: Iterable[Any],
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Asserts that the rank of `x` is among `ranks`; other arguments and errors as for `assert_rank`."""
    ranks = list(ranks)
    with name_scope(name, "assert_rank_in", [x, *ranks]):
        return _ranks(
            x,
            ranks,
            " in",
            lambda have, want: have in want,
            lambda found, r: raw.Equal(r, found),
            data,
            summarize,
            message,
        )


@public("assert_integer", "debugging.assert_integer")
def assert_integer(x: Any, message: str | None = None, name: str | None = None) -> Operation:
    """Asserts that `x` has an integer dtype.

    Args:
      x: a tensor.
      message: what the error says first.
      name: a scope; default "assert_integer".

    Raises:
      TypeError: it has another dtype.
    """
    with name_scope(name, "assert_integer", [x]):
        x = convert_to_tensor(x, name="x")
        if not x.dtype.base_dtype.is_integer:
            raise TypeError(
                f'{message or ""}  Expected "x" to be integer type.  Found: {x.name} of dtype {x.dtype}'
            )
        return raw.NoOp(name="statically_determined_was_integer")


@public("assert_type", "debugging.assert_type")
def assert_type(tensor: Any, tf_type: Any, message: str | None = None, name: str | None = None) -> Operation:
    """Asserts that `tensor` has dtype `tf_type`.

    Args:
      tensor: a tensor.
      tf_type: a dtype.
      message: what the error says first.
      name: a scope; default "assert_type".

    Raises:
      TypeError: it has another dtype.
    """
    wanted = dtypes.as_dtype(tf_type)
    with name_scope(name, "assert_type", [tensor]):
        tensor = tensor if isinstance(tensor, SparseTensor) else convert_to_tensor(tensor, name="tensor")
        if tensor.dtype != wanted:
            label = (tensor.values if isinstance(tensor, SparseTensor) else tensor).name
            raise TypeError(f"{message or ''}  {label} must be of type {wanted}. Received: {tensor.dtype}")
        return raw.NoOp(name="statically_determined_correct_type")


@public("assert_scalar", "debugging.assert_scalar", "contrib.framework.assert_scalar")
def assert_scalar(tensor: Any, name: str | None = None, message: str | None = None) -> Tensor:
    """`tensor`, after a look at its static shape.

    Args:
      tensor: a tensor.
      name: a scope; default "assert_scalar".
      message: what the error says first.

    Raises:
      ValueError: it is not known to be a scalar.
    """
    with name_scope(name, "assert_scalar", [tensor]) as scope:
        tensor = convert_to_tensor(tensor, name=scope)
        shape = tensor.get_shape()
        if shape.ndims != 0:
            raise ValueError(f"{message or ''}Expected scalar shape for {tensor.name}, saw shape: {shape}.")
        return tensor


@public("contrib.framework.assert_scalar_int")
def assert_scalar_int(tensor: Any, name: str | None = None) -> Tensor:
    """`tensor`, which must be an integer scalar.

    Raises:
      ValueError: it is none.
    """
    with name_scope(name, "assert_scalar_int", [tensor]):
        tensor = convert_to_tensor(tensor)
        if not tensor.dtype.base_dtype.is_integer:
            raise ValueError(f"Expected integer type for {tensor.name}, received type: {tensor.dtype}.")
        return assert_scalar(tensor)


@public("assert_proper_iterable", "debugging.assert_proper_iterable")
def assert_proper_iterable(values: Any) -> None:
    """Asserts that `values` can be iterated over and is not a tensor, array or string.

    Raises:
      TypeError: it cannot, or is.
    """
    unsuitable = (Tensor, SparseTensor, np.ndarray, bytes, str)
    if isinstance(values, unsuitable):
        raise TypeError(f'Expected argument "values" to be a "proper" iterable.  Found: {type(values)}')
    if not hasattr(values, "__iter__"):
        raise TypeError(f'Expected argument "values" to be iterable.  Found: {type(values)}')


@public(
    "assert_same_float_dtype",
    "debugging.assert_same_float_dtype",
    "contrib.framework.assert_same_float_dtype",
)
def assert_same_float_dtype(tensors: Any = None, dtype: Any = None) -> dtypes.DType:
    """The one floating-point dtype of `tensors`.

    Args:
      tensors: tensors, or None in place of some.
      dtype: the dtype that they must have; default: that of the first one, else float32.

    Raises:
      ValueError: they differ, or are not floating.
    """
    first: Any = None
    wanted = None if dtype is None else dtypes.as_dtype(dtype)
    for tensor in tensors or ():
        if tensor is None:
            continue
        if not isinstance(getattr(tensor, "dtype", None), dtypes.DType):
            raise TypeError(f"assert_same_float_dtype: tensors are needed. Received: {tensor!r}")
        found = tensor.dtype.base_dtype
        if wanted is None:
            first, wanted = tensor, found
        elif found != wanted:
            beside = f" as {_name_of(first)}" if first is not None else ""
            raise ValueError(
                f"{_name_of(tensor)}, type={found}, must be of the same type ({wanted}){beside}."
            )
    wanted = dtypes.float32 if wanted is None else wanted
    if not wanted.is_floating:
        raise ValueError(f"Expected floating point type, got {wanted}.")
    return wanted


def _name_of(value: Any) -> str:
    return getattr(value, "name", None) or repr(value)


@public("is_numeric_tensor", "debugging.is_numeric_tensor")
def is_numeric_tensor(tensor: Any) -> bool:
    """True for a tensor of numbers: floating, integer, complex or quantized."""
    if not isinstance(tensor, Tensor | SparseTensor):
        return False
    dtype = tensor.dtype.base_dtype
    return dtype.is_floating or dtype.is_integer or dtype.is_complex or dtype.is_quantized
