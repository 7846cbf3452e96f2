"""Tensors and variables: making them, their shapes, and moving their elements about."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.building.scopes import control_dependencies, init_scope, name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers import settings
from millrace.lib.layers.node import int_shape as static_shape
from millrace.lib.math import array as more
from millrace.lib.math.reductions import reduce_prod
from millrace.lib.sparse.conversion import sparse_placeholder, sparse_tensor_to_dense
from millrace.lib.sparse.shaping import sparse_concat
from millrace.lib.variables.assigning import assign, assign_add, assign_sub
from millrace.lib.variables.variable import Variable
from millrace.models.keras.backend.session import get_value
from millrace.ops.array import constant as constants
from millrace.ops.array import fill, reorder
from millrace.ops.array import reshape as forms
from millrace.ops.array.concat import concat, split
from millrace.ops.array.concat import stack as packed
from millrace.ops.array.gather import gather as rows_of
from millrace.ops.array.one_hot import one_hot as hot
from millrace.ops.array.pad import pad
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.tile import tile as tiled
from millrace.ops.math.cast import cast as cast_to
from millrace.ops.text.numbers import string_format


@public("keras.backend.variable")
def variable(value: Any, dtype: Any = None, name: str | None = None, constraint: Any = None) -> Any:
    """A variable that Keras initializes.

    Args:
      value: its first value; a SciPy sparse matrix gives a SparseTensor.
      dtype: default `floatx()`.
      name: its name.
      constraint: what optimizers apply to it after each step.
    """
    chosen = dtypes.as_dtype(dtype or settings.floatx())
    if hasattr(value, "tocoo"):
        coordinates = value.tocoo()
        places = np.stack([coordinates.row, coordinates.col], 1).astype(np.int64)
        return SparseTensor(places, coordinates.data, coordinates.shape)
    made = Variable(value, dtype=chosen, name=name, constraint=constraint, use_resource=True)
    return settings.track(made)


@public("keras.backend.placeholder")
def placeholder(
    shape: Any = None,
    ndim: int | None = None,
    dtype: Any = None,
    sparse: bool = False,
    name: str | None = None,
    ragged: bool = False,
) -> Any:
    """A tensor whose value is fed.

    Args:
      shape: its shape, None for dimensions of any length.
      ndim: its rank, where there is no shape.
      dtype: default `floatx()`.
      sparse: make a SparseTensor.
      name: its name.
      ragged: refused.

    Raises:
      ValueError: a ragged tensor was asked for.
    """
    if ragged:
        raise ValueError("placeholder: ragged tensors are not supported. Received: ragged=True")
    if not shape and ndim:
        shape = (None,) * ndim
    chosen = dtypes.as_dtype(dtype or settings.floatx())
    if sparse:
        return sparse_placeholder(chosen, shape, name)
    return constants.placeholder(chosen, shape, name)


def _variable_of(make: Any, shape: Any, dtype: Any, name: str | None) -> Any:
    with init_scope():
        value = make(shape, dtypes.as_dtype(dtype or settings.floatx()), name)
        if shapes.fully_defined(value.dims):
            return variable(value, dtype, name)
    return settings.track(value)


@public("keras.backend.is_sparse")
def is_sparse(tensor: Any) -> Any:
    """Whether `tensor` is a SparseTensor."""
    return isinstance(tensor, SparseTensor)


@public("keras.backend.to_dense")
def to_dense(tensor: Any) -> Any:
    """A SparseTensor as a tensor; anything else stays itself."""
    return sparse_tensor_to_dense(tensor) if is_sparse(tensor) else tensor


@public("keras.backend.constant")
def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Any:
    """A constant tensor, of dtype `floatx()` unless told otherwise."""
    return constants.constant(value, dtypes.as_dtype(dtype or settings.floatx()), shape, name or "Const")


@public("keras.backend.shape")
def shape(x: Any) -> Any:
    """The shape, a vector that is known when the graph runs."""
    return shape_of(x)


@public("keras.backend.int_shape")
def int_shape(x: Any) -> Any:
    """The static shape as a tuple with None for unknown lengths; None where the rank is unknown."""
    return static_shape(x)


@public("keras.backend.ndim")
def ndim(x: Any) -> Any:
    """The rank; None where it is unknown."""
    dims = shapes.as_dims(x.get_shape())
    return None if dims is None else len(dims)


@public("keras.backend.dtype")
def dtype(x: Any) -> Any:
    """The name of the dtype."""
    return x.dtype.base_dtype.name


@public("keras.backend.eval")
def eval(x: Any) -> Any:
    """The value of a variable or tensor."""
    return get_value(to_dense(x) if is_sparse(x) else x)


@public("keras.backend.zeros")
def zeros(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A variable of zeros; a tensor where the shape is not known."""
    return _variable_of(constants.zeros, shape, dtype, name)


@public("keras.backend.ones")
def ones(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A variable of ones; a tensor where the shape is not known."""
    return _variable_of(constants.ones, shape, dtype, name)


@public("keras.backend.eye")
def eye(size: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A variable that holds the identity matrix."""
    return variable(more.eye(size, dtype=dtypes.as_dtype(dtype or settings.floatx())), dtype, name)


@public("keras.backend.zeros_like")
def zeros_like(x: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Zeros of the shape of `x`."""
    return fill.zeros_like(x, dtype, name)


@public("keras.backend.ones_like")
def ones_like(x: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Ones of the shape of `x`."""
    return fill.ones_like(x, dtype, name)


@public("keras.backend.identity")
def identity(x: Any, name: str | None = None) -> Any:
    """The same values as a tensor of its own."""
    return constants.identity(x, name)


@public("keras.backend.count_params")
def count_params(x: Any) -> Any:
    """How many elements there are."""
    return np.prod(shapes.as_dims(x.get_shape()) or ())  # pyright: ignore[reportArgumentType, reportCallIssue]


@public("keras.backend.cast")
def cast(x: Any, dtype: Any) -> Any:
    """The elements as another dtype."""
    return cast_to(x, dtype)


@public("keras.backend.cast_to_floatx")
def cast_to_floatx(x: Any) -> Any:
    """An array as one of dtype `floatx()`; a tensor likewise."""
    if isinstance(x, Tensor | Variable | SparseTensor):
        return cast_to(x, settings.floatx())
    return np.asarray(x, settings.floatx())


@public("keras.backend.update")
def update(x: Any, new_x: Any) -> Any:
    """Sets a variable; run the result."""
    return assign(x, new_x)


@public("keras.backend.update_add")
def update_add(x: Any, increment: Any) -> Any:
    """Adds to a variable; run the result."""
    return assign_add(x, increment)


@public("keras.backend.update_sub")
def update_sub(x: Any, decrement: Any) -> Any:
    """Subtracts from a variable; run the result."""
    return assign_sub(x, decrement)


@public("keras.backend.transpose")
def transpose(x: Any) -> Any:
    """The axes in reverse order."""
    return forms.transpose(x)


@public("keras.backend.gather")
def gather(reference: Any, indices: Any) -> Any:
    """The rows of `reference` that `indices` names."""
    return rows_of(reference, indices)


@public("keras.backend.concatenate")
def concatenate(tensors: Any, axis: int = -1) -> Any:
    """Tensors joined along an axis."""
    if axis < 0:
        rank = ndim(tensors[0])
        axis = axis % rank if rank else 0
    if all(is_sparse(t) for t in tensors):
        return sparse_concat(axis, tensors)
    return concat([to_dense(t) for t in tensors], axis)


@public("keras.backend.reshape")
def reshape(x: Any, shape: Any) -> Any:
    """The elements in another shape."""
    return forms.reshape(x, shape)


@public("keras.backend.permute_dimensions")
def permute_dimensions(x: Any, pattern: Any) -> Any:
    """The axes in another order."""
    return forms.transpose(x, perm=pattern)


@public("keras.backend.flatten")
def flatten(x: Any) -> Any:
    """All elements in one vector."""
    return forms.reshape(x, [-1])


@public("keras.backend.batch_flatten")
def batch_flatten(x: Any) -> Any:
    """All elements of each element of the batch in one vector."""
    return forms.reshape(x, packed([-1, reduce_prod(shape_of(x)[1:])]))


@public("keras.backend.expand_dims")
def expand_dims(x: Any, axis: int = -1) -> Any:
    """One more axis of length 1."""
    return forms.expand_dims(x, axis)


@public("keras.backend.squeeze")
def squeeze(x: Any, axis: int) -> Any:
    """Without an axis of length 1."""
    return forms.squeeze(x, [axis])


@public("keras.backend.stack")
def stack(x: Any, axis: int = 0) -> Any:
    """Tensors along a new axis."""
    return packed(x, axis=axis)


@public("keras.backend.reverse")
def reverse(x: Any, axes: Any) -> Any:
    """The elements in reverse order along axes."""
    return reorder.reverse(x, [axes] if isinstance(axes, int) else axes)


@public("keras.backend.tile")
def tile(x: Any, n: Any) -> Any:
    """The whole repeated along each axis."""
    return tiled(x, [n] if isinstance(n, int) else n)


@public("keras.backend.repeat")
def repeat(x: Any, n: int) -> Any:
    """A matrix `[batch, width]` repeated: `[batch, n, width]`."""
    return tiled(forms.expand_dims(x, 1), packed([1, n, 1]))


@public("keras.backend.arange")
def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = "int32") -> Any:
    """The numbers from `start` up to `stop`."""
    if stop is None and start < 0:
        start = 0
    numbers = fill.range_(start, limit=stop, delta=step, name="arange")
    return numbers if dtype == "int32" else cast_to(numbers, dtype)


@public("keras.backend.one_hot")
def one_hot(indices: Any, num_classes: int) -> Any:
    """A new last axis that is 1 at the index and 0 elsewhere."""
    return hot(indices, depth=num_classes, axis=-1)


@public("keras.backend.stop_gradient")
def stop_gradient(variables: Any) -> Any:
    """The same values, constants to the gradient."""
    if isinstance(variables, list | tuple):
        return [constants.stop_gradient(v) for v in variables]
    return constants.stop_gradient(variables)


@public("keras.backend.repeat_elements")
def repeat_elements(x: Any, rep: int, axis: int) -> Any:
    """Each element along an axis repeated `rep` times."""
    dims = shapes.as_dims(x.get_shape())
    if dims is not None and dims[axis] is not None:
        pieces = split(x, dims[axis], axis)
        return concatenate([piece for piece in pieces for _ in range(rep)], axis)
    axis = axis % len(dims)  # type: ignore[arg-type]
    longer = forms.expand_dims(x, axis + 1)
    times = [1] * (len(dims) + 1)  # type: ignore[arg-type]
    times[axis + 1] = rep
    lengths = raw.Unpack(shape_of(x), num=len(dims))  # type: ignore[arg-type]
    lengths[axis] = lengths[axis] * rep
    found = forms.reshape(tiled(longer, times), packed(lengths))
    found.set_shape([None if i == axis else d for i, d in enumerate(dims)])  # type: ignore[arg-type]
    return found


def checked_layout(data_format: str | None) -> str:
    """The layout that is given, or the default; raises ValueError where it is neither of the two."""
    found = settings.image_data_format() if data_format is None else data_format
    if found not in ("channels_first", "channels_last"):
        raise ValueError(f"Unknown data_format: {found}")
    return found


@public("keras.backend.temporal_padding")
def temporal_padding(x: Any, padding: Any = (1, 1)) -> Any:
    """Zeros before and after the middle axis of `[batch, time, channels]`."""
    return pad(x, [[0, 0], list(padding), [0, 0]])


@public("keras.backend.spatial_2d_padding")
def spatial_2d_padding(x: Any, padding: Any = ((1, 1), (1, 1)), data_format: str | None = None) -> Any:
    """Zeros around images.

    Args:
      x: `[batch, height, width, channels]`, or channels second.
      padding: before and after each of the two axes.
      data_format: the layout; default `image_data_format()`.
    """
    return _padded(x, padding, data_format)


@public("keras.backend.spatial_3d_padding")
def spatial_3d_padding(
    x: Any, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None
) -> Any:
    """Zeros around volumes.

    Args:
      x: `[batch, depth, height, width, channels]`, or channels second.
      padding: before and after each of the three axes.
      data_format: the layout; default `image_data_format()`.
    """
    return _padded(x, padding, data_format)


def _padded(x: Any, padding: Any, data_format: str | None) -> Any:
    rows = [list(p) for p in padding]
    if checked_layout(data_format) == "channels_first":
        return pad(x, [[0, 0], [0, 0], *rows])
    return pad(x, [[0, 0], *rows, [0, 0]])


@public("keras.backend.print_tensor")
def print_tensor(x: Any, message: str = "") -> Any:
    """`x`, which is written to stdout with `message` before it each time it is computed."""
    line = string_format(f"{message} {{}}", x)
    with control_dependencies([raw.PrintV2(line, output_stream="stdout")]):
        return raw.Identity(x)


@public("keras.backend.resize_images")
def resize_images(
    x: Any, height_factor: int, width_factor: int, data_format: str, interpolation: str = "nearest"
) -> Any:
    """Images made larger.

    Args:
      x: `[batch, height, width, channels]`, or channels second.
      height_factor, width_factor: how many times as large.
      data_format: the layout.
      interpolation: "nearest" or "bilinear".

    Raises:
      ValueError: the layout or the interpolation is unknown.
    """
    first = checked_layout(data_format) == "channels_first"
    row, column = (2, 3) if first else (1, 2)
    if interpolation not in ("nearest", "bilinear"):
        raise ValueError(f'interpolation should be one of "nearest" or "bilinear". Received: {interpolation}')
    x = convert.to_tensor(x)
    factors = np.array([height_factor, width_factor], np.int32)
    size = shape_of(x)[row : column + 1] * convert.to_tensor(factors)
    if first:
        x = forms.transpose(x, [0, 2, 3, 1])
    with name_scope("resize"):
        resize = raw.ResizeNearestNeighbor if interpolation == "nearest" else raw.ResizeBilinear
        dims = x.dims
        x = resize(x, size, half_pixel_centers=True)
        if dims is not None:
            lengths = [None if d is None else d * f for d, f in zip(dims[1:3], factors.tolist(), strict=True)]
            x.set_shape([None, *lengths, None])
    return forms.transpose(x, [0, 3, 1, 2]) if first else x


@public("keras.backend.resize_volumes")
def resize_volumes(x: Any, depth_factor: int, height_factor: int, width_factor: int, data_format: str) -> Any:
    """Volumes made larger by repeating elements.

    Args:
      x: `[batch, depth, height, width, channels]`, or channels second.
      depth_factor, height_factor, width_factor: how many times as large.
      data_format: the layout.

    Raises:
      ValueError: the layout is unknown.
    """
    if data_format not in ("channels_first", "channels_last"):
        raise ValueError(f"Invalid data_format: {data_format}")
    axes = (2, 3, 4) if data_format == "channels_first" else (1, 2, 3)
    for axis, factor in zip(axes, (depth_factor, height_factor, width_factor), strict=True):
        x = repeat_elements(x, factor, axis)
    return x
