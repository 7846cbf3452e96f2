"""Moving blocks of space into the batch or depth dimension and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.core.dtypes import ALL, INDEX, int32
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.attrs import dtype, integer, one_of
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import at_least, with_rank

_INDEX = dtype(INDEX, default=int32)
_FORMATS = one_of("NHWC", "NCHW", "NCHW_VECT_C", default="NHWC")


def _block_dims(block: Any, borders: Any) -> tuple[Any, Any]:
    """Block lengths and (before, after) rows, each None where unknown; how many there are must agree."""
    sizes = None if block.value is None else [int(b) for b in block.value.reshape(-1)]
    if sizes is not None and any(b < 1 for b in sizes):
        raise ValueError(f"block_shape must be positive. Received: {sizes}")
    rows = None if borders.value is None else borders.value.reshape(-1, 2).tolist()
    if rows is not None and any(v < 0 for row in rows for v in row):
        raise ValueError(f"paddings and crops must be non-negative. Received: {rows}")
    if sizes is not None and rows is not None and len(sizes) != len(rows):
        raise ValueError(
            f"block_shape and paddings must be of one length. Received: {len(sizes)} and {len(rows)}"
        )
    return sizes, rows


def _to_batch_dims(x: Any, block: Any, paddings: Any) -> Any:
    with_rank(block.dims, 1, "block_shape")
    sizes, rows = _block_dims(block, paddings)
    count = _count(block)
    if x is None or count is None:
        return None
    at_least(x, count + 1, "input")
    batch = None if x[0] is None or sizes is None else x[0] * int(np.prod(sizes))
    space: list[int | None] = []
    for i in range(count):
        d = x[i + 1]
        if d is None or sizes is None or rows is None:
            space.append(None)
            continue
        padded = d + sum(rows[i])
        if padded % sizes[i]:
            raise ValueError(f"padded dimension {i + 1} must be divisible by {sizes[i]}. Received: {padded}")
        space.append(padded // sizes[i])
    return (batch, *space, *x[count + 1 :])


def _from_batch_dims(x: Any, block: Any, crops: Any) -> Any:
    with_rank(block.dims, 1, "block_shape")
    sizes, rows = _block_dims(block, crops)
    count = _count(block)
    if x is None or count is None:
        return None
    at_least(x, count + 1, "input")
    batch = None
    if x[0] is not None and sizes is not None:
        if x[0] % int(np.prod(sizes)):
            raise ValueError(
                f"the batch must be divisible by the product of block_shape {sizes}. Received: {x[0]}"
            )
        batch = x[0] // int(np.prod(sizes))
    space: list[int | None] = []
    for i in range(count):
        d = x[i + 1]
        if d is None or sizes is None or rows is None:
            space.append(None)
            continue
        length = d * sizes[i] - sum(rows[i])
        if length < 0:
            raise ValueError(f"crops {rows[i]} exceed dimension {i + 1} of length {d * sizes[i]}")
        space.append(length)
    return (batch, *space, *x[count + 1 :])


def _count(block: Any) -> int | None:
    return None if block.dims is None or len(block.dims) != 1 else block.dims[0]


def _rows(borders: Any, count: int, what: str) -> list[list[int]]:
    if np.shape(borders) != (count, 2) or (borders < 0).any():
        raise refusal(f"{what} must be [{count}, 2] numbers >= 0. Received: {borders.tolist()}")
    return borders.tolist()


def space_to_batch_values(xp: Any, x: Any, block: list[int], paddings: Any) -> Any:
    """Pads, cuts each spatial dimension into (blocks, block), and moves the block dimensions before the
    batch.
    """
    count, dims = len(block), np.shape(x)
    if len(dims) < count + 1 or min(block, default=1) < 1:
        raise refusal(f"block_shape {block} does not fit input of shape {list(dims)}")
    rows = _rows(paddings, count, "paddings")
    rest = [(0, 0)] * (len(dims) - count - 1)
    zero = np.array(b"" if x.dtype.kind == "O" else 0, x.dtype)
    x = xp.padded(x, [(0, 0), *rows, *rest], zero)
    padded = np.shape(x)
    cut: list[int] = [padded[0]]
    for n, b in zip(padded[1:], block):
        if n % b:
            raise refusal(f"padded dimensions must be divisible by block_shape. Received: {n} and {b}")
        cut += [n // b, b]
    cut += padded[count + 1 :]
    blocks = [2 * i + 2 for i in range(count)]
    others = [2 * i + 1 for i in range(count)]
    order = [*blocks, 0, *others, *range(2 * count + 1, len(cut))]
    moved = xp.transpose(xp.reshape(x, cut), order)
    return xp.reshape(
        moved, (int(np.prod([padded[0], *block])), *[cut[i] for i in others], *padded[count + 1 :])
    )


def batch_to_space_values(xp: Any, x: Any, block: list[int], crops: Any) -> Any:
    """The inverse of `space_to_batch_values`: takes blocks out of the batch and crops."""
    count, dims = len(block), np.shape(x)
    if len(dims) < count + 1 or min(block, default=1) < 1:
        raise refusal(f"block_shape {block} does not fit input of shape {list(dims)}")
    rows = _rows(crops, count, "crops")
    product = int(np.prod(block))
    if dims[0] % product:
        raise refusal(
            f"the batch must be divisible by the product of block_shape {block}. Received: {dims[0]}",
        )
    batch = dims[0] // product
    x = xp.reshape(x, (*block, batch, *dims[1:]))
    order = [count]
    for i in range(count):
        order += [count + 1 + i, i]
    x = xp.transpose(x, [*order, *range(2 * count + 1, len(np.shape(x)))])
    space = [d * b for d, b in zip(dims[1:], block)]
    x = xp.reshape(x, (batch, *space, *dims[count + 1 :]))
    for n, (before, after) in zip(space, rows):
        if before + after > n:
            raise refusal(f"crops [{before}, {after}] exceed a dimension of length {n}")
    return x[(slice(None), *(slice(b, n - a) for n, (b, a) in zip(space, rows)), Ellipsis)]


@declare("SpaceToBatchND(input: T, block_shape: Tblock_shape, paddings: Tpaddings) -> output: T", T=ALL,
         Tblock_shape=_INDEX, Tpaddings=_INDEX, static=("block_shape", "paddings"), alias=True)  # fmt: skip
class SpaceToBatchND:
    """Blocks of space, after padding, as further batches."""

    def shape(input, block_shape, paddings):
        return _to_batch_dims(input, block_shape, paddings)

    def kernel(xp, input, block_shape, paddings):
        return space_to_batch_values(xp, input, block_shape.tolist(), paddings)

    def grad(op, dy):
        _, block, paddings = op.inputs
        return raw.BatchToSpaceND(dy, block, paddings), None, None


@declare("BatchToSpaceND(input: T, block_shape: Tblock_shape, crops: Tcrops) -> output: T", T=ALL,
         Tblock_shape=_INDEX, Tcrops=_INDEX, static=("block_shape", "crops"), alias=True)  # fmt: skip
class BatchToSpaceND:
    """Batches put back as blocks of space, then cropped."""

    def shape(input, block_shape, crops):
        return _from_batch_dims(input, block_shape, crops)

    def kernel(xp, input, block_shape, crops):
        return batch_to_space_values(xp, input, block_shape.tolist(), crops)

    def grad(op, dy):
        _, block, crops = op.inputs
        return raw.SpaceToBatchND(dy, block, crops), None, None


class _Both:
    """One block length for both spatial dimensions, in the form the shape rules read."""

    dims = (2,)

    def __init__(self, size: int) -> None:
        self.value = np.array([size, size])


@declare("SpaceToBatch(input: T, paddings: Tpaddings) -> output: T", T=ALL, Tpaddings=_INDEX,
         block_size=integer(minimum=2), static=("paddings",), alias=True)  # fmt: skip
class SpaceToBatch:
    """SpaceToBatchND for images, with square blocks."""

    def shape(input, paddings, block_size):
        return _to_batch_dims(with_rank(input, 4), _Both(block_size), paddings)

    def kernel(xp, input, paddings, block_size):
        return space_to_batch_values(xp, input, [block_size] * 2, paddings)

    def grad(op, dy):
        return raw.BatchToSpace(dy, op.inputs[1], block_size=op.attrs["block_size"]), None


@declare(
    "BatchToSpace(input: T, crops: Tidx) -> output: T",
    T=ALL,
    Tidx=_INDEX,
    block_size=integer(minimum=2),
    static=("crops",),
    alias=True,
)
class BatchToSpace:
    """BatchToSpaceND for images, with square blocks."""

    def shape(input, crops, block_size):
        return _from_batch_dims(with_rank(input, 4), _Both(block_size), crops)

    def kernel(xp, input, crops, block_size):
        return batch_to_space_values(xp, input, [block_size] * 2, crops)

    def grad(op, dy):
        return raw.SpaceToBatch(dy, op.inputs[1], block_size=op.attrs["block_size"]), None


def _axes(data_format: str) -> tuple[int, int, int, int]:
    """(rank, height, width, channels) of a format."""
    return {"NHWC": (4, 1, 2, 3), "NCHW": (4, 2, 3, 1), "NCHW_VECT_C": (5, 2, 3, 1)}[data_format]


def _times(dim: int | None, factor: int) -> int | None:
    return None if dim is None else dim * factor


def _divided(dim: int | None, by: int, what: str) -> int | None:
    if dim is not None and dim % by:
        raise ValueError(f"the {what} must be divisible by {by}. Received: {dim}")
    return None if dim is None else dim // by


@declare(
    "SpaceToDepth(input: T) -> output: T",
    T=ALL,
    block_size=integer(minimum=2),
    data_format=_FORMATS,
    alias=True,
)
class SpaceToDepth:
    """Square blocks of space as further channels."""

    def shape(input, block_size, data_format):
        rank, h, w, c = _axes(data_format)
        dims = list(with_rank(input, rank))
        dims[h], dims[w] = _divided(dims[h], block_size, "height"), _divided(dims[w], block_size, "width")
        dims[c] = _times(dims[c], block_size**2)
        return tuple(dims)

    def kernel(xp, input, block_size, data_format):
        b = block_size
        dims = np.shape(input)
        _, h, w, _ = _axes(data_format)
        if dims[h] % b or dims[w] % b:
            raise refusal(f"height and width must be divisible by {b}. Received: {list(dims)}")
        if data_format == "NHWC":
            n, height, width, depth = dims
            x = xp.reshape(input, (n, height // b, b, width // b, b, depth))
            return xp.reshape(
                xp.transpose(x, (0, 1, 3, 2, 4, 5)), (n, height // b, width // b, b * b * depth)
            )
        n, depth, height, width, *vector = dims
        x = xp.reshape(input, (n, depth, height // b, b, width // b, b, *vector))
        x = xp.transpose(x, (0, 3, 5, 1, 2, 4, *range(6, 6 + len(vector))))
        return xp.reshape(x, (n, b * b * depth, height // b, width // b, *vector))

    def grad(op, dy):
        return raw.DepthToSpace(dy, **op.params)


@declare(
    "DepthToSpace(input: T) -> output: T",
    T=ALL,
    block_size=integer(minimum=2),
    data_format=_FORMATS,
    alias=True,
)
class DepthToSpace:
    """Channels as square blocks of space: the inverse of SpaceToDepth."""

    def shape(input, block_size, data_format):
        rank, h, w, c = _axes(data_format)
        dims = list(with_rank(input, rank))
        dims[h], dims[w] = _times(dims[h], block_size), _times(dims[w], block_size)
        dims[c] = _divided(dims[c], block_size**2, "depth")
        return tuple(dims)

    def kernel(xp, input, block_size, data_format):
        b = block_size
        dims = np.shape(input)
        if dims[_axes(data_format)[3]] % (b * b):
            raise refusal(f"the depth must be divisible by {b * b}. Received: {list(dims)}")
        if data_format == "NHWC":
            n, height, width, depth = dims
            x = xp.reshape(input, (n, height, width, b, b, depth // (b * b)))
            return xp.reshape(
                xp.transpose(x, (0, 1, 3, 2, 4, 5)), (n, height * b, width * b, depth // (b * b))
            )
        n, depth, height, width, *vector = dims
        x = xp.reshape(input, (n, b, b, depth // (b * b), height, width, *vector))
        x = xp.transpose(x, (0, 3, 4, 1, 5, 2, *range(6, 6 + len(vector))))
        return xp.reshape(x, (n, depth // (b * b), height * b, width * b, *vector))

    def grad(op, dy):
        return raw.SpaceToDepth(dy, **op.params)


@public("space_to_batch_nd", "manip.space_to_batch_nd")
def space_to_batch_nd(input: Any, block_shape: Any, paddings: Any, name: str | None = None) -> Tensor:
    """Blocks of space as further batches.

    Args:
      input: `[batch, s_1, ..., s_m, ...]`.
      block_shape: `[m]`, int32 or int64.
      paddings: `[m, 2]`, int32 or int64: zeros added before and after, to divide by block_shape.
      name: op name; default "SpaceToBatchND".

    Returns:
      `[batch * prod(block_shape), s_i / block_shape[i]..., ...]`.
    """
    return apply(SpaceToBatchND, input, block_shape, paddings, name=name)


@public("batch_to_space_nd", "manip.batch_to_space_nd")
def batch_to_space_nd(input: Any, block_shape: Any, crops: Any, name: str | None = None) -> Tensor:
    """Batches as blocks of space: the inverse of `space_to_batch_nd`.

    Args:
      input: `[batch, s_1, ..., s_m, ...]`, batch divisible by the product of `block_shape`.
      block_shape: `[m]`, int32 or int64.
      crops: `[m, 2]`, int32 or int64: elements removed before and after.
      name: op name; default "BatchToSpaceND".
    """
    return apply(BatchToSpaceND, input, block_shape, crops, name=name)


@public("space_to_batch", "nn.space_to_batch")
def space_to_batch(
    input: Any, paddings: Any, block_size: int | None = None, name: str | None = None, block_shape: Any = None
) -> Tensor:
    """`space_to_batch_nd` for `[batch, height, width, depth]` with square blocks.

    Args:
      input: `[batch, height, width, depth]`.
      paddings: `[2, 2]`.
      block_size: the side of a block, at least 2.
      name: op name; default "SpaceToBatchND".
      block_shape: the block's sides, in place of `block_size`.
    """
    block = _square("space_to_batch", block_size) if block_shape is None else block_shape
    return _with_rank_4(space_to_batch_nd, input, block, paddings, name)


@public("batch_to_space")
def batch_to_space(
    input: Any, crops: Any, block_size: int | None = None, name: str | None = None, block_shape: Any = None
) -> Tensor:
    """`batch_to_space_nd` for `[batch, height, width, depth]` with square blocks; arguments as for
    `space_to_batch`.
    """
    block = _square("batch_to_space", block_size) if block_shape is None else block_shape
    return _with_rank_4(batch_to_space_nd, input, block, crops, name)


def _square(who: str, block_size: Any) -> np.ndarray:
    if not isinstance(block_size, int | np.integer):
        raise TypeError(f"{who}: block_size must be an integer. Received: {block_size!r}")
    return np.array([block_size, block_size], np.int64)


def _with_rank_4(function: Any, input: Any, block: Any, borders: Any, name: str | None) -> Tensor:
    result = function(input, block, borders, name)
    result.set_shape(with_rank(result.dims, 4, "input"))
    return result


@public("space_to_depth", "nn.space_to_depth")
def space_to_depth(input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC") -> Tensor:
    """Square blocks of space as further channels.

    Args:
      input: `[batch, height, width, depth]`, or in another `data_format`.
      block_size: at least 2; divides height and width.
      name: op name; default "SpaceToDepth".
      data_format: "NHWC", "NCHW" or "NCHW_VECT_C".

    Returns:
      `[batch, height / block_size, width / block_size, depth * block_size ** 2]`.

    Raises:
      ValueError: height or width is known not to be divisible.
    """
    return apply(SpaceToDepth, input, block_size=block_size, data_format=data_format, name=name)


@public("depth_to_space", "nn.depth_to_space")
def depth_to_space(input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC") -> Tensor:
    """Channels as square blocks of space; arguments as for `space_to_depth`.

    Raises:
      ValueError: the depth is known not to be divisible by `block_size ** 2`.
    """
    return apply(DepthToSpace, input, block_size=block_size, data_format=data_format, name=name)
