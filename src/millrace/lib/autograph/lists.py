"""Lists whose elements are tensors of a loop: `[]`, `append`, `pop` and items, where lists are asked for."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.tensor_array import TensorArray

_ANY: Any = object()


def _is_list(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype is dtypes.variant


def new_list(values: list[Any]) -> Any:
    """An empty list as a list of tensors, which loops may extend; any other as it is."""
    if values:
        return values
    return raw.EmptyTensorList(convert_to_tensor(-1), -1, element_dtype=dtypes.variant)


def append(values: Any, element: Any) -> Any:
    """The list with one more element."""
    if _is_list(values):
        return raw.TensorListPushBack(values, convert_to_tensor(element))
    if isinstance(values, TensorArray):
        return values.write(values.size(), element)
    values.append(element)
    return values


def pop(values: Any) -> tuple[Any, Any]:
    """(the list without its last element, that element)."""
    if _is_list(values):
        last = _dtype_of(values)
        return tuple(raw.TensorListPopBack(values, -1, element_dtype=last))
    return values, values.pop()


def item(values: Any, index: Any) -> Any:
    """`values[index]`."""
    if _is_list(values):
        return raw.TensorListGetItem(values, index, -1, element_dtype=_dtype_of(values))
    return values[index]


def set_item(values: Any, index: Any, element: Any) -> Any:
    """The list, or the tensor, with another element at an index."""
    if _is_list(values):
        return raw.TensorListSetItem(values, index, convert_to_tensor(element))
    if isinstance(values, TensorArray):
        return values.write(index, element)
    if isinstance(values, Tensor):
        at = convert_to_tensor([[index]])
        return raw.TensorScatterUpdate(values, at, convert_to_tensor([element], values.dtype))
    values[index] = element
    return values


def _dtype_of(values: Tensor) -> dtypes.DType:
    """The dtype of what was last put into a list.

    Raises:
      ValueError: that does not follow from the graph.
    """
    op = values.op
    while op.type in ("TensorListPushBack", "TensorListSetItem"):
        return op.inputs[1 if op.type == "TensorListPushBack" else 2].dtype.base_dtype
    raise ValueError(f"the dtype of the elements of {values.name!r} is not known; see set_element_type")


@public("contrib.autograph.set_element_type")
def set_element_type(entity: Any, dtype: Any, shape: Any = _ANY) -> None:
    """Says of what dtype and shape the elements of a list are; read where a function is converted.

    Args:
      entity: the list, a variable.
      dtype: of its elements.
      shape: of its elements.
    """
    del entity, dtype, shape


@public("contrib.autograph.stack")
def stack(list_or_tensor: Any, element_dtype: Any = None, strict: bool = True) -> Any:
    """The elements of a list as one tensor.

    Args:
      list_or_tensor: a list, or a tensor, which is returned as it is unless `strict`.
      element_dtype: of the elements; default: what `set_element_type` says in a converted function.
      strict: whether something else is refused.

    Raises:
      ValueError: it is strict and was given something else; or the dtype is needed and not known.
    """
    if _is_list(list_or_tensor):
        if element_dtype is None:
            raise ValueError("stack: the dtype of the elements is not known; use set_element_type")
        return raw.TensorListStack(list_or_tensor, -1, element_dtype=dtypes.as_dtype(element_dtype))
    if isinstance(list_or_tensor, TensorArray):
        return list_or_tensor.stack()
    if isinstance(list_or_tensor, list) and not strict:
        return raw.Pack(list_or_tensor)
    if strict:
        raise ValueError(f"stack: strict, and there is nothing to stack. Received: {list_or_tensor!r}")
    return list_or_tensor
