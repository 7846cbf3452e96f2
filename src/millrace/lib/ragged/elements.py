"""Functions of elements on ragged tensors, and `map_flat_values` for any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building.dispatch import OpDispatcher
from millrace.building.scopes import control_dependencies
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.checks import assert_equal
from millrace.lib.ragged.broadcasting import broadcast
from millrace.lib.ragged.ragged_tensor import RaggedTensor
from millrace.lib.ragged.splits import tensor_or_ragged


def apply(op: Callable[..., Any], kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function of elements ("unary", "binary" or "list") with ragged arguments."""
    if not args:  # the function has names for its arguments that are not asked for here
        first = next(iter(kwargs))
        args, kwargs = (kwargs[first],), {k: v for k, v in kwargs.items() if k != first}
    if kind == "unary":
        x = tensor_or_ragged(args[0])
        if not isinstance(x, RaggedTensor):
            return OpDispatcher.NOT_SUPPORTED
        return x.with_flat_values(op(x.flat_values, *args[1:], **kwargs))
    if kind == "list":
        return _of_list(op, args, kwargs)
    if len(args) < 2:
        second = next(iter(kwargs))
        args, kwargs = (*args, kwargs[second]), {k: v for k, v in kwargs.items() if k != second}
    return _binary(op, args[0], args[1], args[2:], kwargs)


def _binary(op: Callable[..., Any], x: Any, y: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    x, y = _converted(x, y)
    ragged = [v for v in (x, y) if isinstance(v, RaggedTensor)]
    if not ragged:
        return OpDispatcher.NOT_SUPPORTED
    if len(ragged) == 2 or _reaches_rows(ragged[0], y if ragged[0] is x else x):
        x, y = broadcast(x, y)
    flat = [v.flat_values if isinstance(v, RaggedTensor) else v for v in (x, y)]
    mapped = op(*flat, *args, **kwargs)
    return (x if isinstance(x, RaggedTensor) else y).with_flat_values(mapped)


def _reaches_rows(rt: RaggedTensor, other: Any) -> bool:
    """True where a tensor has so many dimensions that they meet ragged ones."""
    inner, dims = rt.flat_values.dims, shapes.as_dims(other.shape)
    if dims == ():
        return False
    return inner is None or dims is None or len(dims) >= len(inner)


def _converted(x: Any, y: Any) -> tuple[Any, Any]:
    """Both as tensors or ragged tensors, of the dtype of the one that has one."""

    def dtype_of(value: Any) -> Any:
        dtype = getattr(value, "dtype", None)
        return dtype.base_dtype if isinstance(dtype, dtypes.DType) else None

    if dtype_of(x) is not None and dtype_of(y) is None:
        return tensor_or_ragged(x), tensor_or_ragged(y, dtype_of(x), "y")
    if dtype_of(y) is not None and dtype_of(x) is None:
        return tensor_or_ragged(x, dtype_of(y), "x"), tensor_or_ragged(y)
    return tensor_or_ragged(x), tensor_or_ragged(y)


def _of_list(op: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    values = [tensor_or_ragged(v) for v in args[0]]
    ragged = [v for v in values if isinstance(v, RaggedTensor)]
    if not ragged:
        return OpDispatcher.NOT_SUPPORTED
    flat = [v.flat_values if isinstance(v, RaggedTensor) else v for v in values]
    checks = [check for other in ragged[1:] for check in _same_rows(ragged[0], other)]
    with control_dependencies(checks):
        return ragged[0].with_flat_values(op(flat, *args[1:], **kwargs))


def _same_rows(first: RaggedTensor, other: RaggedTensor) -> list[Any]:
    """Operations that check that two ragged tensors have the same rows.

    Raises:
      ValueError: they have different numbers of ragged dimensions.
    """
    if first.ragged_rank != other.ragged_rank:
        raise ValueError("Inputs must have identical ragged splits")
    pairs = zip(first.nested_row_splits, other.nested_row_splits, strict=True)
    return [assert_equal(one, two, message="Inputs must have identical ragged splits") for one, two in pairs]


@public("ragged.map_flat_values")
def map_flat_values(op: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """`op` of the flat values of ragged arguments, with their rows.

    Args:
      op: gives a tensor with as many rows as the flat values have.
      *args, **kwargs: its arguments; ragged tensors, also in lists and dicts, give their flat values.

    Returns:
      A ragged tensor; what `op` returns where no argument is ragged.

    Raises:
      ValueError: ragged arguments have different numbers of ragged dimensions.

    Example:
      >>> rt = tf.ragged.constant([[1, 2], [], [3]])
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.ragged.map_flat_values(lambda x: x * 10, rt)).to_list())
      [[10, 20], [], [30]]
    """
    found: list[RaggedTensor] = []
    inner_args, inner_kwargs = _flat(args, found), _flat(kwargs, found)
    if not found:
        return op(*args, **kwargs)
    checks = [check for other in found[1:] for check in _same_rows(found[0], other)]
    with control_dependencies(checks):
        values = op(*inner_args, **inner_kwargs)
    return found[0].with_flat_values(values)


def _flat(value: Any, found: list[RaggedTensor]) -> Any:
    if isinstance(value, RaggedTensor):
        found.append(value)
        return value.flat_values
    if isinstance(value, Tensor):
        return value
    if isinstance(value, tuple | list):
        return type(value)(_flat(item, found) for item in value)
    if isinstance(value, dict):
        return {key: _flat(item, found) for key, item in value.items()}
    return value
