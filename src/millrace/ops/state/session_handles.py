"""Values that stay in the process between runs, reached by a handle."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.core import dtypes
from millrace.core.dtypes import ALL
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor

_DEVICE = "/job:localhost/replica:0/task:0/device:CPU:0"
_numbers = itertools.count()
_values: dict[bytes, Any] = {}


def forget(handle: bytes) -> None:
    """Frees the value behind a handle; a handle freed before is not an error."""
    _values.pop(handle, None)


def _known(handle: Any) -> bytes:
    key = handle if isinstance(handle, bytes) else handle[()]
    if key not in _values:
        shown = key.decode("utf-8", "replace")
        raise refusal(f"The tensor with handle '{shown}' is not in the session store.")
    return key


@declare("GetSessionHandle(value: T) -> handle: string", T=ALL, effect=True, host=True)
class GetSessionHandle:
    """Keeps `value` and gives the name under which it is found again."""

    def shape(value):
        return ()

    def kernel(xp, value):
        key = f"GetSessionHandle;{next(_numbers)};{_DEVICE}".encode()
        _values[key] = np.array(value)
        return np.array(key, object)

    grad = NOT_DIFFERENTIABLE


@declare(
    "GetSessionTensor(handle: string) -> value: dtype", dtype=dtype_attr(), effect=True, host=True, alias=True
)
class GetSessionTensor:
    """The value that a handle stands for."""

    def shape(handle):
        return None

    def kernel(xp, handle, dtype):
        value = _values[_known(handle)]
        if value.dtype != dtype.np_dtype:
            raise refusal(f"The tensor has dtype {dtypes.as_dtype(value.dtype).name}, not {dtype.name}")
        return value

    grad = NOT_DIFFERENTIABLE


@declare("DeleteSessionTensor(handle: string)", effect=True, host=True)
class DeleteSessionTensor:
    """Frees the value that a handle stands for."""

    def shape(handle):
        return []

    def kernel(xp, handle):
        forget(_known(handle))
        return []

    grad = NOT_DIFFERENTIABLE


@public("get_session_handle")
def get_session_handle(data: Any, name: str | None = None) -> Tensor:
    """A tensor that, when fetched, keeps the value of `data` in the process and gives a `TensorHandle` on it.

    Args:
      data: a tensor of any dtype and shape.
      name: op name; default "GetSessionHandle".

    Raises:
      TypeError: `data` is not a tensor.
    """
    if not isinstance(data, Tensor):
        raise TypeError(f"get_session_handle: `data` must be of type Tensor. Received: {data!r}")
    return apply(GetSessionHandle, data, name=name)


@public("get_session_tensor")
def get_session_tensor(handle: Any, dtype: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """A placeholder for a handle, and the value that it stands for.

    Args:
      handle: the text of a handle, to say where the value lives.
      dtype: of the value.
      name: op name; default "GetSessionTensor".

    Returns:
      (string placeholder, tensor of unknown shape).
    """
    holder = raw.Placeholder(dtype=dtypes.string)
    return holder, apply(GetSessionTensor, holder, dtype=dtypes.as_dtype(dtype), name=name)


@public("delete_session_tensor")
def delete_session_tensor(handle: Any, name: str | None = None) -> tuple[Tensor, Operation]:
    """A placeholder for a handle, and the operation that frees the value that it stands for.

    Args:
      handle: the text of a handle.
      name: op name; default "DeleteSessionTensor".
    """
    holder = raw.Placeholder(dtype=dtypes.string)
    found: Any = apply(DeleteSessionTensor, holder, name=name)
    return holder, found if isinstance(found, Operation) else found.op
