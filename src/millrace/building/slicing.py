"""`tensor[key]`: Python indexing as StridedSlice operations, and assignment to a slice of a variable."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.building.scopes import graph_of
from millrace.core import dtypes, shapes
from millrace.core.depth import bounded
from millrace.core.kinds import LISTS
from millrace.core.public import public
from millrace.graph.tensor import Tensor

newaxis = public("newaxis")(None)

_ARRAYS: tuple[type, ...] = (np.ndarray,)
_INTEGERS: tuple[type, ...] = (int, np.integer)
_SLICES: tuple[type, ...] = (slice,)
_RULE = (
    "Only integers, slices (`:`), ellipsis (`...`), tf.newaxis (`None`) "
    "and scalar tf.int32/tf.int64 tensors are valid indices"
)


def get_item(tensor: Any, key: Any, var: Any = None) -> Tensor:
    """`tensor[key]` as Python spells it.

    Args:
      tensor: a tensor, or a variable's value.
      key: an integer, slice, `...`, None, scalar int tensor, a tuple of these, or a bool mask.
      var: the variable whose value `tensor` is; the result then has a method `assign(value)`.

    Returns:
      The slice; a masked selection for a bool tensor or array.

    Raises:
      TypeError: part of the key is not an index.
      ValueError: an index is out of range, or there are more indices than dimensions.
    """
    if _is_mask(key):
        return boolean_mask(tensor, key)
    keys: Sequence[Any] = key if isinstance(key, LISTS) else (key,)
    begin: list[Any] = []
    end: list[Any] = []
    strides: list[Any] = []
    masks = dict.fromkeys(("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"), 0)
    for i, item in enumerate(keys):
        bit = 1 << i
        if isinstance(item, _SLICES):
            begin.append(_bound(item.start, "begin_mask", bit, masks))
            end.append(_bound(item.stop, "end_mask", bit, masks))
            strides.append(1 if item.step is None else _checked(item.step))
        elif item is Ellipsis or item is None:
            masks["ellipsis_mask" if item is Ellipsis else "new_axis_mask"] |= bit
            begin.append(0)
            end.append(0)
            strides.append(1)
        else:
            item = _checked(item)
            begin.append(item)
            end.append(item + 1)
            strides.append(1)
            masks["shrink_axis_mask"] |= bit
    graph = graph_of([tensor])
    with graph.as_default(), graph.name_scope("strided_slice") as scope:
        bounds = _packed(begin, end, strides)
        found = raw.StridedSlice(tensor, *bounds, name=scope, **masks)
    assigned = (
        _assign_to_none if var is None else partial(_assign_slice, var, bounds, masks, f"{scope}_assign")
    )
    found.assign = assigned  # pyright: ignore[reportAttributeAccessIssue]
    return found


def _is_mask(key: Any) -> bool:
    return (isinstance(key, Tensor) and key.dtype.is_bool) or (isinstance(key, _ARRAYS) and key.dtype == bool)


def _bound(value: Any, mask: str, bit: int, masks: dict[Any, int]) -> Any:
    """One end of a slice; a missing one sets its mask bit."""
    if value is None or (type(value) is int and value == sys.maxsize):
        masks[mask] |= bit
        return 0
    return _checked(value)


@bounded
def _checked(index: Any) -> Any:
    if isinstance(index, bool | np.bool_ | str | bytes | float | list | tuple):
        if isinstance(index, bool):
            return int(index)
        raise TypeError(f"{_RULE}. Received: {index!r}")
    if isinstance(index, _INTEGERS):
        return index
    if isinstance(index, shapes.Dimension):
        return index.value
    dtype = getattr(index, "dtype", None)
    if dtype is not None and dtypes.as_dtype(dtype).base_dtype in (dtypes.int32, dtypes.int64):
        rank = index.ndim if isinstance(index, _ARRAYS) else getattr(index.shape, "ndims", None)
        if rank != 1:
            return index
    raise TypeError(f"{_RULE}. Received: {index!r}")


def _packed(*bounds: list[Any]) -> list[Tensor]:
    """Each list as an int vector, all of one dtype: int64 as soon as one of them is."""
    if not bounds[0]:
        return [raw.Const(value=np.zeros(0, np.int32), dtype=dtypes.int32, name="Const")] * 3
    packed = [convert.to_tensor(values, _common(values), "stack") for values in bounds]
    if any(t.dtype is dtypes.int64 for t in packed):
        packed = [
            t if t.dtype is dtypes.int64 else raw.Cast(t, DstT=dtypes.int64, name="Cast") for t in packed
        ]
    return packed


def _common(values: list[Any]) -> dtypes.DType | None:
    """int32 for plain integers whatever their NumPy width; a tensor decides for the others."""
    if all(isinstance(v, int | np.integer) for v in values):
        return dtypes.int32 if all(-(2**31) <= v < 2**31 for v in values) else dtypes.int64
    return None


def _assign_to_none(value: Any, name: str | None = None) -> Any:
    raise ValueError("assign: only slices of variables can be assigned to. Received: a slice of a tensor")


def _assign_slice(
    var: Any,
    bounds: list[Tensor],
    masks: dict[Any, int],
    default_name: str,
    value: Any,
    name: str | None = None,
) -> Any:
    """Sets the slice of `var` to `value`; what `var[key].assign(value)` calls."""
    return var._strided_slice_assign(*bounds, value, name=name or default_name, **masks)


@public("boolean_mask")
def boolean_mask(tensor: Any, mask: Any, name: str = "boolean_mask", axis: int | None = None) -> Tensor:
    """The elements of `tensor` where `mask` is True.

    Args:
      tensor: `[...]`.
      mask: bool, of static rank K >= 1; its shape equals dimensions `axis` to `axis + K` of `tensor`.
      name: op name.
      axis: the first masked dimension; default 0.

    Returns:
      `tensor` with the K masked dimensions replaced by one, as long as there are True elements.

    Raises:
      ValueError: the mask is a scalar, of unknown rank, or does not fit.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.boolean_mask([1, 2, 3], [True, False, True])))
      [1 3]
    """
    graph = graph_of([tensor])
    with graph.as_default(), graph.name_scope(name):
        tensor = convert.to_tensor(tensor, name="tensor")
        mask = convert.to_tensor(mask, name="mask")
        axis = 0 if axis is None else int(axis)
        if mask.dims is None:
            raise ValueError(
                "boolean_mask: mask must have a known number of dimensions. Received: shape <unknown>"
            )
        rank = len(mask.dims)
        if rank == 0:
            raise ValueError(f"boolean_mask: mask cannot be scalar. Received: {mask}")
        if tensor.dims is not None:
            found = tensor.dims[axis : axis + rank]
            if not shapes.compatible(found, mask.dims):
                raise ValueError(
                    f"boolean_mask: mask shape must fit the tensor's dimensions from axis {axis} on. "
                    f"Received: mask {shapes.format_dims(mask.dims)}, tensor "
                    f"{shapes.format_dims(tensor.dims)}"
                )
        whole = _shape(tensor)
        leading = raw.Prod(whole[axis : axis + rank], np.array([0], np.int32))
        before, behind = _shape(tensor)[:axis], _shape(tensor)[axis + rank :]
        flat = raw.Reshape(tensor, raw.ConcatV2([before, [leading], behind], 0, name="concat"))
        if tensor.dims is not None:
            size = shapes.num_elements(tensor.dims[axis : axis + rank])
            flat.set_shape((*tensor.dims[:axis], size, *tensor.dims[axis + rank :]))
        chosen = raw.Squeeze(raw.Where(raw.Reshape(mask, np.array([-1], np.int32))), squeeze_dims=[1])
        return raw.GatherV2(flat, chosen, axis)


def _shape(tensor: Tensor) -> Tensor:
    if shapes.fully_defined(tensor.dims):
        return raw.Const(value=np.array(tensor.dims, np.int32), dtype=dtypes.int32, name="Shape")
    return raw.Shape(tensor, name="Shape")
