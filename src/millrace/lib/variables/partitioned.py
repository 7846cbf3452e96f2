"""Variables in parts: `PartitionedVariable`, and the partitioners that say into how many."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.graph.tensor import Tensor


@public("python.ops.variables.PartitionedVariable")
class PartitionedVariable:
    """A variable kept as several, split along one dimension.

    Attributes:
      name: the whole's name.
      shape: its shape.
      dtype: its element type.
    """

    def __init__(
        self,
        name: str,
        shape: TensorShape,
        dtype: dtypes.DType,
        variable_list: list[Any],
        partitions: list[int],
    ) -> None:
        if not isinstance(variable_list, list | tuple) or not isinstance(partitions, list | tuple):
            raise TypeError(
                f"PartitionedVariable: variable_list and partitions are lists. Received: {variable_list!r}"
            )
        if any(p < 1 for p in partitions):
            raise ValueError(f"PartitionedVariable: partitions are positive. Received: {partitions}")
        self._name = name
        self._shape = TensorShape(shape)
        self._dtype = dtypes.as_dtype(dtype)
        self._variable_list = list(variable_list)
        self._partitions = list(partitions)
        self._as_tensor: Tensor | None = None

    def __iter__(self) -> Iterator[Any]:
        return iter(self._variable_list)

    def __len__(self) -> int:
        axes = self._partition_axes()
        if len(axes) > 1:
            raise NotImplementedError(f"Cannot get a length for {len(axes)} > 1 partition axes")
        return len(self._variable_list)

    def _partition_axes(self) -> list[int]:
        split = [i for i, p in enumerate(self._partitions) if p > 1]
        return split or [0]

    def _get_partitions(self) -> list[int]:
        return self._partitions

    def _get_variable_list(self) -> list[Any]:
        return self._variable_list

    @property
    def name(self) -> str:
        """The whole's name."""
        return self._name

    @property
    def dtype(self) -> dtypes.DType:
        """The element type."""
        return self._dtype

    @property
    def shape(self) -> TensorShape:
        """The whole's shape."""
        return self._shape

    def get_shape(self) -> TensorShape:
        """The whole's shape."""
        return self._shape

    def as_tensor(self) -> Tensor:
        """The whole, put together; outside of control dependencies, as variables read."""
        with control_dependencies(None):
            return self._concat()

    def _concat(self) -> Tensor:
        if len(self._variable_list) == 1:
            with name_scope(None):
                return raw.Identity(self._variable_list[0], name=self._name)
        axes = self._partition_axes()
        if len(axes) > 1:
            raise NotImplementedError(f"Cannot concatenate along more than one dimension: {axes}")
        with name_scope(self._name + "/ConcatPartitions/"):
            joined = raw.ConcatV2([v.value() for v in self._variable_list], axes[0], name="concat")
        with name_scope(None):
            return raw.Identity(joined, name=self._name)

    def _apply_assign(
        self, method: str, value: Any, use_locking: bool, name: str | None, read_value: bool
    ) -> Any:
        value = convert.to_tensor(value, self._dtype)
        axis = self._partition_axes()[0]
        sizes = [v.get_shape().as_list()[axis] for v in self._variable_list]
        pieces = raw.SplitV(value, sizes, axis, num_split=len(sizes)) if len(sizes) > 1 else [value]
        results = [
            getattr(v, method)(p, use_locking, name, read_value)
            for v, p in zip(self._variable_list, pieces, strict=True)
        ]
        return results if read_value else [getattr(r, "op", r) for r in results]

    def assign(
        self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Sets each part from its part of `value`; a list of what the parts' `assign` gives."""
        return self._apply_assign("assign", value, use_locking, name, read_value)

    def assign_add(
        self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Adds to each part its part of `value`."""
        return self._apply_assign("assign_add", value, use_locking, name, read_value)

    def assign_sub(
        self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Subtracts from each part its part of `value`."""
        return self._apply_assign("assign_sub", value, use_locking, name, read_value)


def _to_tensor(
    variable: PartitionedVariable, dtype: Any = None, name: str | None = None, as_ref: bool = False
) -> Any:
    if dtype is not None and not dtype.is_compatible_with(variable.dtype):
        raise ValueError(
            f"Incompatible type conversion requested to type '{dtype.name}' for variable of type "
            f"'{variable.dtype.name}'"
        )
    if as_ref:
        raise NotImplementedError("PartitionedVariable doesn't support being used as a reference.")
    return variable.as_tensor()


convert.register_tensor_conversion_function(PartitionedVariable, _to_tensor)


def check_partitions(partitioner: Callable[..., Any], shape: TensorShape, dtype: dtypes.DType) -> list[int]:
    """What a partitioner says about a variable, checked.

    Raises:
      ValueError: the shape is not known, or the partitions do not fit it.
    """
    if not shape.is_fully_defined():
        raise ValueError(f"Shape of a new partitioned variable must be fully defined. Received: {shape}")
    if not shape.ndims or shape.ndims < 1:
        raise ValueError(f"A partitioned Variable must have rank at least 1. Received: shape {shape}")
    partitions = partitioner(shape=shape, dtype=dtype)
    if not isinstance(partitions, list | tuple):
        raise ValueError(f"Partitioner must return a sequence. Received: {partitions!r}")
    if len(partitions) != shape.ndims:
        raise ValueError(
            f"Partitioner returned a partition list that does not match the Variable's rank. "
            f"Received: {partitions} for shape {shape}"
        )
    if any(p < 1 for p in partitions):
        raise ValueError(f"Partitioner returned zero partitions for some axes. Received: {partitions}")
    if sum(p > 1 for p in partitions) > 1:
        raise ValueError(f"Can only slice a variable along one dimension. Received: partitions {partitions}")
    return list(partitions)


def slices_of(dims: shapes.Dims, partitions: list[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Offset and shape of each part; the first parts are one longer where the length does not divide."""
    assert dims is not None
    whole = [int(d) for d in dims if d is not None]
    axis = next((i for i, p in enumerate(partitions) if p > 1), 0)
    count = partitions[axis]
    small, larger = divmod(whole[axis], count)
    if count > 1 and whole[axis] < count:
        raise ValueError(f"a dimension of length {whole[axis]} cannot be split into {count} parts")
    start = 0
    for k in range(count):
        length = small + (k < larger)
        offset, part = [0] * len(whole), list(whole)
        offset[axis], part[axis] = start, length
        yield offset, part
        start += length


@public("fixed_size_partitioner")
def fixed_size_partitioner(num_shards: int, axis: int = 0) -> Callable[..., list[int]]:
    """A partitioner that splits dimension `axis` into `num_shards` parts."""

    def partitioner(shape: Any, **_: Any) -> list[int]:
        partitions = [1] * len(shape)
        partitions[axis] = min(num_shards, int(shape[axis]))
        return partitions

    return partitioner


@public("variable_axis_size_partitioner")
def variable_axis_size_partitioner(
    max_shard_bytes: int, axis: int = 0, bytes_per_string_element: int = 16, max_shards: int | None = None
) -> Callable[..., list[int]]:
    """A partitioner that keeps parts below a size.

    Args:
      max_shard_bytes: the largest size of a part.
      axis: the dimension to split.
      bytes_per_string_element: how large a string is taken to be.
      max_shards: the largest number of parts.

    Raises:
      ValueError: a limit is not positive.
    """
    if max_shard_bytes < 1 or bytes_per_string_element < 1:
        raise ValueError(
            f"max_shard_bytes and bytes_per_string_element must be positive. "
            f"Received: {max_shard_bytes}, {bytes_per_string_element}"
        )
    if max_shards is not None and max_shards < 1:
        raise ValueError(f"max_shards must be positive. Received: {max_shards}")

    def partitioner(shape: Any, dtype: Any) -> list[int]:
        dims = TensorShape(shape).as_list()
        size = bytes_per_string_element if dtype.base_dtype is dtypes.string else dtype.size
        partitions = [1] * len(dims)
        length = int(dims[axis])  # type: ignore[arg-type]
        slice_bytes = math.prod(int(d) for i, d in enumerate(dims) if i != axis % len(dims)) * size  # type: ignore
        per_part = max(1, max_shard_bytes // slice_bytes) if slice_bytes else length
        count = max(1, math.ceil(length / per_part)) if per_part else 1
        if max_shards is not None:
            count = min(max_shards, count)
        partitions[axis] = count
        return partitions

    return partitioner


@public("min_max_variable_partitioner")
def min_max_variable_partitioner(
    max_partitions: int = 1,
    axis: int = 0,
    min_slice_size: int = 256 << 10,
    bytes_per_string_element: int = 16,
) -> Callable[..., list[int]]:
    """A partitioner that makes as many parts as it may, none below a size.

    Args:
      max_partitions: the largest number of parts.
      axis: the dimension to split.
      min_slice_size: the smallest size of a part in bytes.
      bytes_per_string_element: how large a string is taken to be.
    """

    def partitioner(shape: Any, dtype: Any) -> list[int]:
        dims = TensorShape(shape).as_list()
        if axis >= len(dims):
            raise ValueError(f"Cannot partition variable along axis {axis} when shape is only {shape}")
        size = bytes_per_string_element if dtype.base_dtype is dtypes.string else dtype.size
        total = math.prod(int(d) for d in dims) * size  # type: ignore[arg-type]
        count = max(1, min(int(dims[axis]), max_partitions, math.ceil(total / min_slice_size)))  # type: ignore
        return [count if i == axis else 1 for i in range(len(dims))]

    return partitioner
