"""Products of matrices, and biases."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.core import shapes
from millrace.core.public import public
from millrace.lib.math.reductions import reduce_sum
from millrace.models.keras.backend import arrays
from millrace.ops.array.concat import concat, unstack
from millrace.ops.array.reshape import reshape, squeeze, transpose
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.linalg.matmul import matmul
from millrace.ops.nn.bias import bias_add as biased
from millrace.ops.sparse.dense import sparse_tensor_dense_matmul


@public("keras.backend.dot")
def dot(x: Any, y: Any) -> Any:
    """The product over the last axis of `x` and the last but one of `y`."""
    if arrays.is_sparse(x):
        return sparse_tensor_dense_matmul(x, y)
    rank_x, rank_y = arrays.ndim(x), arrays.ndim(y)
    if rank_x is None or rank_y is None or (rank_x <= 2 and rank_y <= 2):
        return matmul(x, y)
    dims_x, dims_y = arrays.int_shape(x), arrays.int_shape(y)
    sizes_x = [d if d is not None else n for d, n in zip(dims_x, _lengths(x), strict=True)]  # type: ignore[arg-type]
    sizes_y = [d if d is not None else n for d, n in zip(dims_y, _lengths(y), strict=True)]  # type: ignore[arg-type]
    order = [rank_y - 2, *range(rank_y - 2), rank_y - 1] if rank_y > 1 else [0]
    wide = order[1:]
    flat_x = reshape(x, [-1, sizes_x[-1]])
    flat_y = reshape(transpose(y, perm=order), [sizes_y[rank_y - 2], -1])
    found = reshape(matmul(flat_x, flat_y), [*sizes_x[:-1], *[sizes_y[a] for a in wide]])
    found.set_shape([*dims_x[:-1], *[dims_y[a] for a in wide]])  # type: ignore[index]
    return found


def _lengths(x: Any) -> list[Any]:
    return unstack(shape_of(x))


@public("keras.backend.batch_dot")
def batch_dot(x: Any, y: Any, axes: Any = None) -> Any:
    """Products of corresponding elements of two batches over one axis of each.

    Args:
      x, y: `[batch, ...]`.
      axes: the axis of each, or one for both; default the last of `x` and the last but one of `y`.

    Raises:
      ValueError: several axes of one tensor.
    """
    pair = (axes, axes) if isinstance(axes, int) else axes
    rank_x, rank_y = arrays.ndim(x), arrays.ndim(y)
    if pair is None:
        pair = (rank_x - 1, rank_y - 2)
    if any(isinstance(a, list | tuple) for a in pair):
        raise ValueError(f"Multiple target dimensions are not supported. Received: axes={axes}")
    extra = abs(rank_x - rank_y)
    if rank_x > rank_y:
        y = reshape(y, concat([shape_of(y), [1] * extra], 0))
    elif rank_y > rank_x:
        x = reshape(x, concat([shape_of(x), [1] * extra], 0))
    first, second = (a % r for a, r in zip(pair, (rank_x, rank_y), strict=True))
    if arrays.ndim(x) == 2 and arrays.ndim(y) == 2:
        if first == second:
            found = reduce_sum(raw.Mul(x, y), first)
        else:
            found = reduce_sum(transpose(x, perm=[1, 0]) * y, second)
    else:
        found = matmul(x, y, adjoint_a=first != arrays.ndim(x) - 1, adjoint_b=second == arrays.ndim(y) - 1)
    if extra:
        start = rank_x + rank_y - 3 if rank_x > rank_y else rank_x - 1
        found = squeeze(found, list(range(start, start + extra)))
    return raw.ExpandDims(found, 1) if arrays.ndim(found) == 1 else found


@public("keras.backend.bias_add")
def bias_add(x: Any, bias: Any, data_format: str | None = None) -> Any:
    """x plus a bias.

    Args:
      x: a batch of vectors, images or volumes.
      bias: one number for each channel, or one for each element of the batch's elements.
      data_format: the layout; default `image_data_format()`.

    Raises:
      ValueError: the layout is unknown or the ranks do not fit.
    """
    layout = arrays.checked_layout(data_format)
    dims = shapes.as_dims(bias.get_shape()) or ()
    rank = arrays.ndim(x)
    if len(dims) not in (1, rank - 1):
        raise ValueError(f"Unexpected bias dimensions {len(dims)}, expect to be 1 or {rank - 1} dimensions")
    if len(dims) == 1 and rank == 3:
        return x + reshape(bias, (1, 1, dims[0]) if layout == "channels_last" else (1, dims[0], 1))
    if len(dims) == 1:
        return biased(x, bias, data_format="NCHW" if layout == "channels_first" and rank > 2 else "NHWC")
    if layout == "channels_first":
        return x + reshape(bias, (1, dims[-1], *dims[:-1]))  # pyright: ignore[reportGeneralTypeIssues]
    return x + reshape(bias, (1, *dims))
