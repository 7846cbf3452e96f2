"""Python's functions where they are given tensors and datasets: `range`, `len`, `abs`, `int` and others."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from typing import Any

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.core import dtypes, late
from millrace.graph.tensor import Tensor
from millrace.lib.autograph.dataset_loops import is_dataset
from millrace.lib.autograph.values import is_tensor
from millrace.lib.flow.tensor_array import TensorArray
from millrace.lib.platform.printing import print_


def length(value: Any) -> Any:
    """`len(value)`; of a tensor, its first dimension: a number where it is known.

    Raises:
      ValueError: a scalar.
    """
    if isinstance(value, TensorArray):
        return value.size()
    if not is_tensor(value):
        return len(value)
    tensor = convert_to_tensor(value)
    if tensor.dims is not None:
        if not tensor.dims:
            raise ValueError(f"len requires a tensor that is not a scalar. Received: {tensor!r}")
        if tensor.dims[0] is not None:
            return tensor.dims[0]
    raw.Shape(tensor)  # TensorFlow asks twice
    return convert_to_tensor(raw.Shape(tensor)[0])


def _range(*args: Any) -> Any:
    if not any(map(is_tensor, args)):
        return range(*args)
    if len(args) == 3:
        return raw.Range(*args, name="range")
    if len(args) == 1:
        return raw.Range(0, raw.Maximum(args[0], 0), 1, name="range")
    return raw.Range(args[0], raw.Maximum(*args), 1, name="range")


def _abs(value: Any) -> Any:
    return raw.Abs(value) if is_tensor(value) else abs(value)


def _number(kind: Callable[..., Any], dtype: dtypes.DType) -> Callable[..., Any]:
    def converted(*args: Any, **base: Any) -> Any:
        if not args or not is_tensor(args[0]):
            return kind(*args, **base)
        tensor = convert_to_tensor(args[0])
        if tensor.dtype.base_dtype is dtypes.string:
            return raw.StringToNumber(tensor, out_type=dtype)
        return tensor if tensor.dtype.base_dtype is dtype else raw.Cast(tensor, DstT=dtype)

    return converted


def _enumerate(values: Any, start: int = 0) -> Any:
    if is_dataset(values):
        return values.apply(late.module("dataset_transformations").enumerate_dataset(start))
    return enumerate(values, start)


def _zip(*values: Any, **options: Any) -> Any:
    if values and all(map(is_dataset, values)):
        return late.module("dataset").Dataset.zip(values)
    return zip(*values, **options)


def printed(*values: Any, **kwargs: Any) -> Any:
    """`print(...)`; with tensors among what is printed, an operation that prints."""
    if not any(isinstance(v, Tensor) for v in values):
        return print(*values, **kwargs)  # noqa: T201 - the user's own call
    return print_(*values, **{"output_stream": kwargs.pop("file", None) or sys.stdout, **kwargs})


REPLACED: dict[Any, Callable[..., Any]] = {
    builtins.len: length,
    builtins.range: _range,
    builtins.abs: _abs,
    builtins.float: _number(float, dtypes.float32),
    builtins.int: _number(int, dtypes.int32),
    builtins.enumerate: _enumerate,
    builtins.zip: _zip,
}
