"""Windows of images and volumes laid out as channels."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.convert import to_tensor
from millrace.core.dtypes import REAL, int32
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.attrs import ints, one_of
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import with_rank


def _inner(values: Any, what: str) -> list[int]:
    """A window, stride or rate per spatial dimension; batch and channels must stay alone.

    Raises:
      ValueError: the first or last number is not 1.
    """
    values = list(values)
    if values[0] != 1 or values[-1] != 1 or min(values) < 1:
        raise ValueError(f"{what} must be positive, and 1 for batch and channels. Received: {values}")
    return values[1:-1]


def _windows(length: int, window: int, stride: int, rate: int, padding: str) -> tuple[int, int, int]:
    """How many windows fit, and how many zeros stand before and after."""
    reach = (window - 1) * rate + 1
    if padding == "VALID":
        return max(0, -(-(length - reach + 1) // stride)), 0, 0
    count = -(-length // stride)
    missing = max(0, (count - 1) * stride + reach - length)
    return count, missing // 2, missing - missing // 2


def _patch_dims(x: Any, ksizes: Any, strides: Any, rates: Any, padding: str) -> Any:
    sizes, steps, gaps = _inner(ksizes, "ksizes"), _inner(strides, "strides"), _inner(rates, "rates")
    x = with_rank(x, len(sizes) + 2)
    space: list[int | None] = []
    for length, *rest in zip(x[1:-1], sizes, steps, gaps, strict=True):
        if length is None:
            space.append(None)
            continue
        count = _windows(length, *rest, padding)[0]  # pyright: ignore[reportCallIssue]
        space.append(count)
    return (x[0], *space, None if x[-1] is None else x[-1] * int(np.prod(sizes)))


def _patches(xp: Any, x: Any, ksizes: Any, strides: Any, rates: Any, padding: str) -> Any:
    sizes, steps, gaps = list(ksizes)[1:-1], list(strides)[1:-1], list(rates)[1:-1]
    dims = np.shape(x)
    if len(dims) != len(sizes) + 2:
        raise refusal(f"input must have rank {len(sizes) + 2}. Received: {list(dims)}")
    plan = [_windows(n, k, s, r, padding) for n, k, s, r in zip(dims[1:-1], sizes, steps, gaps, strict=True)]
    counts = [p[0] for p in plan]
    x = xp.padded(x, [(0, 0), *[p[1:] for p in plan], (0, 0)], np.zeros((), x.dtype))
    parts = []
    for place in np.ndindex(*sizes):
        key = [slice(None)]
        for i, (at, count) in enumerate(zip(place, counts)):
            start = at * gaps[i]
            key.append(slice(start, start + max(count - 1, 0) * steps[i] + (count > 0), steps[i]))
        parts.append(x[tuple(key)])
    return xp.concatenate(parts, -1)


def _patches_grad(op: Any, dy: Tensor, ksizes: Any, strides: Any, rates: Any, padding: str) -> Tensor:
    """Each place of the window put back where it was taken, all added up, and the border cut off."""
    x = op.inputs[0]
    if x.dims is None or None in x.dims[1:]:
        raise LookupError(
            f"{op.type} has a gradient only where the spatial shape is known. Received: {x.shape}"
        )
    sizes, steps, gaps = list(ksizes)[1:-1], list(strides)[1:-1], list(rates)[1:-1]
    space = x.dims[1:-1]
    plan = [_windows(n, k, s, r, padding) for n, k, s, r in zip(space, sizes, steps, gaps, strict=True)]  # type: ignore[arg-type]
    padded = [n + before + after for n, (_, before, after) in zip(space, plan, strict=True)]  # type: ignore[operator]
    depth = x.dims[-1]
    batch = raw.Shape(dy)[0] if x.dims[0] is None else x.dims[0]
    shape = to_tensor([batch, *padded, depth], int32, "shape")
    ends = (1 << 0) | (1 << (len(sizes) + 1))
    parts = []
    for number, place in enumerate(np.ndindex(*sizes)):
        begin = [0, *[at * gap for at, gap in zip(place, gaps)], 0]
        end = [0, *[b + max(p[0] - 1, 0) * s + (p[0] > 0) for b, p, s in zip(begin[1:-1], plan, steps)], 0]
        first = [0] * (len(sizes) + 1) + [number * depth]  # type: ignore[operator]
        part = raw.Slice(dy, first, [-1] * (len(sizes) + 1) + [depth])
        bounds = (begin, end, [1, *steps, 1])
        parts.append(raw.StridedSliceGrad(shape, *bounds, part, begin_mask=ends, end_mask=ends))
    total = raw.AddN(parts) if len(parts) > 1 else parts[0]
    start = [0, *[p[1] for p in plan], 0]
    return raw.Slice(total, start, [-1, *space, -1])


@declare(
    "ExtractImagePatches(images: T) -> patches: T",
    T=REAL,
    ksizes=ints(minimum=4),
    strides=ints(minimum=4),
    rates=ints(minimum=4),
    padding=one_of("SAME", "VALID"),
)
class ExtractImagePatches:
    """The window at each place of an image, its elements as channels."""

    def shape(images, ksizes, strides, rates, padding):
        return _patch_dims(images, ksizes, strides, rates, padding)

    def kernel(xp, images, ksizes, strides, rates, padding):
        return _patches(xp, images, ksizes, strides, rates, padding)

    def grad(op, dy):
        return _patches_grad(op, dy, **op.params)


@declare(
    "ExtractVolumePatches(input: T) -> patches: T",
    T=REAL,
    ksizes=ints(minimum=5),
    strides=ints(minimum=5),
    padding=one_of("SAME", "VALID"),
)
class ExtractVolumePatches:
    """The window at each place of a volume, its elements as channels."""

    def shape(input, ksizes, strides, padding):
        return _patch_dims(input, ksizes, strides, [1] * 5, padding)

    def kernel(xp, input, ksizes, strides, padding):
        return _patches(xp, input, ksizes, strides, [1] * 5, padding)

    def grad(op, dy):
        return _patches_grad(op, dy, rates=[1] * 5, **op.params)


@public("extract_image_patches", "image.extract_image_patches")
def extract_image_patches(
    images: Any,
    ksizes: Any = None,
    strides: Any = None,
    rates: Any = None,
    padding: str | None = None,
    name: str | None = None,
    sizes: Any = None,
) -> Tensor:
    """The windows of images, each laid out as channels.

    Args:
      images: `[batch, rows, cols, depth]`, numeric.
      ksizes: `[1, height, width, 1]`, the window.
      strides: `[1, down, right, 1]`, how far windows are apart.
      rates: `[1, down, right, 1]`, how far elements of one window are apart.
      padding: "VALID" or "SAME".
      name: op name; default "ExtractImagePatches".
      sizes: another name of `ksizes`.

    Returns:
      `[batch, out_rows, out_cols, height * width * depth]`.

    Raises:
      ValueError: both `ksizes` and `sizes` are given.
    """
    if ksizes is not None and sizes is not None:
        raise ValueError(
            f"extract_image_patches: give ksizes or sizes, not both. Received: {ksizes} and {sizes}"
        )
    window = sizes if ksizes is None else ksizes
    return apply(
        ExtractImagePatches, images, ksizes=window, strides=strides, rates=rates, padding=padding, name=name
    )


@public("image.extract_patches")
def extract_patches(
    images: Any, sizes: Any, strides: Any, rates: Any, padding: str, name: str | None = None
) -> Tensor:
    """As `extract_image_patches`."""
    return extract_image_patches(images, sizes, strides, rates, padding, name)


@public("extract_volume_patches")
def extract_volume_patches(
    input: Any, ksizes: Any, strides: Any, padding: str, name: str | None = None
) -> Tensor:
    """The windows of volumes, each laid out as channels.

    Args:
      input: `[batch, planes, rows, cols, depth]`, numeric.
      ksizes: `[1, planes, height, width, 1]`.
      strides: `[1, ..., 1]`.
      padding: "VALID" or "SAME".
      name: op name; default "ExtractVolumePatches".
    """
    return apply(ExtractVolumePatches, input, ksizes=ksizes, strides=strides, padding=padding, name=name)
