"""Fractional pools: windows of unequal sizes that shrink an image by a factor that is not whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.core.dtypes import float32, float64, int32, int64
from millrace.core.public import public
from millrace.core.shapes import Dims
from millrace.graph.attrs import flag, integer, numbers
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.random.fractions import boundaries
from millrace.opkit.random.philox import initial_state
from millrace.opkit.random.seeds import generator, get_seed
from millrace.opkit.rules import window_args, windows
from millrace.opkit.rules.idioms import shape_tensor
from millrace.opkit.rules.shape_rules import with_rank

_TYPES = frozenset({float32, float64, int32, int64})
_OPTIONS: dict[str, Any] = {
    "pooling_ratio": numbers(),
    "pseudo_random": flag(False),
    "overlapping": flag(False),
    "deterministic": flag(False),
    "seed": integer(0),
    "seed2": integer(0),
}


def _shape(value: Dims, pooling_ratio: Any) -> list[Dims]:
    if len(pooling_ratio) != 4 or min(pooling_ratio) < 1 or pooling_ratio[0] != 1 or pooling_ratio[3] != 1:
        raise ValueError(
            "pooling_ratio must be 4 factors of at least 1, 1 for batch and channels. "
            f"Received: {list(pooling_ratio)}"
        )
    dims = with_rank(value, 4, "value")
    out = tuple(None if d is None else int(d / r) for d, r in zip(dims, pooling_ratio, strict=True))  # type: ignore[arg-type]
    counts = [None if n is None else n + 1 for n in out[1:3]]
    return [out, (counts[0],), (counts[1],)]


def _cells(
    rows: Any, columns: Any, sizes: Any, overlapping: bool
) -> Iterator[tuple[int, int, tuple[slice, slice]]]:
    """The output place and the window of every cell of the grid that the two sequences of bounds make."""
    extra = 1 if overlapping else 0
    for i, (top, bottom) in enumerate(pairwise(rows)):
        for j, (left, right) in enumerate(pairwise(columns)):
            yield i, j, (slice(top, min(bottom + extra, sizes[0])), slice(left, min(right + extra, sizes[1])))


def _pool(
    state: Any, value: Any, attrs: dict[str, Any], reduce: Callable[..., Any]
) -> tuple[Any, np.ndarray, np.ndarray, Any]:
    seed, seed2 = attrs["seed"], attrs["seed2"]
    if not attrs["deterministic"] and (seed or seed2):
        raise windows.refused(
            f"seed and seed2 must be 0 unless deterministic is set. Received: {seed} and {seed2}"
        )
    sizes = value.shape[1:3]
    counts = [int(n / r) for n, r in zip(sizes, attrs["pooling_ratio"][1:3], strict=True)]
    if value.ndim != 4 or min(counts) < 1:
        raise windows.refused(f"the output must not be empty. Received: value of shape {list(value.shape)}")
    # A deterministic pool draws the same windows in every run, from its own seeds.
    start = initial_state(seed, seed2) if attrs["deterministic"] and (seed or seed2) else state
    rows, after = boundaries(start, sizes[0], counts[0], attrs["pseudo_random"])
    columns, after = boundaries(after, sizes[1], counts[1], attrs["pseudo_random"])
    out = np.empty((value.shape[0], *counts, value.shape[3]), value.dtype)
    for i, j, (down, across) in _cells(rows, columns, sizes, attrs["overlapping"]):
        out[:, i, j] = reduce(value[:, down, across])
    return out, rows, columns, state if attrs["deterministic"] else after


def _mean(cell: Any) -> Any:
    total = cell.sum(axis=(1, 2), dtype=cell.dtype)
    count = cell.shape[1] * cell.shape[2]
    # Integers are divided as C does: towards zero.
    return np.trunc(total / count).astype(cell.dtype) if cell.dtype.kind == "i" else total / count


@declare("FractionalMaxPool(value: T) -> output: T, row_pooling_sequence: int64, col_pooling_sequence: int64",
    state=generator, host=True, T=_TYPES, **_OPTIONS)  # fmt: skip
class FractionalMaxPool:
    """The largest element of each window of random size."""

    def shape(value, pooling_ratio):
        return _shape(value, pooling_ratio)

    def kernel(xp, state, value, **attrs):
        return _pool(state, value, attrs, lambda cell: cell.max(axis=(1, 2)))

    def grad(op, dy, *_):
        return raw.FractionalMaxPoolGrad(
            op.inputs[0], op.outputs[0], dy, op.outputs[1], op.outputs[2], overlapping=op.attrs["overlapping"]
        )


@declare("FractionalAvgPool(value: T) -> output: T, row_pooling_sequence: int64, col_pooling_sequence: int64",
    state=generator, host=True, T=_TYPES, **_OPTIONS)  # fmt: skip
class FractionalAvgPool:
    """The mean of each window of random size."""

    def shape(value, pooling_ratio):
        return _shape(value, pooling_ratio)

    def kernel(xp, state, value, **attrs):
        return _pool(state, value, attrs, _mean)

    def grad(op, dy, *_):
        sizes = shape_tensor(op.inputs[0], int64)
        return raw.FractionalAvgPoolGrad(
            sizes, dy, op.outputs[1], op.outputs[2], overlapping=op.attrs["overlapping"]
        )


@declare("FractionalMaxPoolGrad(orig_input: T, orig_output: T, out_backprop: T, row_pooling_sequence: int64, "
    "col_pooling_sequence: int64) -> output: T",
    host=True, T=_TYPES,
    overlapping=flag(False))  # fmt: skip
class FractionalMaxPoolGrad:
    """The gradient of FractionalMaxPool: each gradient goes to the first maximum of its window."""

    def shape(orig_input, orig_output, out_backprop, row_pooling_sequence, col_pooling_sequence):
        return with_rank(orig_input, 4, "orig_input")

    def kernel(
        xp, orig_input, orig_output, out_backprop, row_pooling_sequence, col_pooling_sequence, overlapping
    ):
        out = np.zeros(orig_input.shape, orig_input.dtype)
        batch, _, _, depth = orig_input.shape
        images, channels = np.ogrid[:batch, :depth]
        sizes = orig_input.shape[1:3]
        for i, j, (down, across) in _cells(row_pooling_sequence, col_pooling_sequence, sizes, overlapping):
            cell = orig_input[:, down, across]
            first = cell.reshape(batch, -1, depth).argmax(axis=1)
            row, column = np.divmod(first, cell.shape[2])
            out[images, down.start + row, across.start + column, channels] += out_backprop[:, i, j]
        return out

    grad = NOT_DIFFERENTIABLE


@declare("FractionalAvgPoolGrad("
    "orig_input_tensor_shape: int64, out_backprop: T, row_pooling_sequence: int64, "
    "col_pooling_sequence: int64) -> output: T",
    static=("orig_input_tensor_shape",), host=True, T=_TYPES,
    overlapping=flag(False))  # fmt: skip
class FractionalAvgPoolGrad:
    """The gradient of FractionalAvgPool: each window shares its gradient out evenly."""

    def shape(orig_input_tensor_shape, out_backprop, row_pooling_sequence, col_pooling_sequence):
        return with_rank(orig_input_tensor_shape.as_dims(), 4, "orig_input_tensor_shape")

    def kernel(
        xp, orig_input_tensor_shape, out_backprop, row_pooling_sequence, col_pooling_sequence, overlapping
    ):
        shape = tuple(orig_input_tensor_shape.tolist())
        out = np.zeros(shape, np.float64)
        for i, j, (down, across) in _cells(
            row_pooling_sequence, col_pooling_sequence, shape[1:3], overlapping
        ):
            count = (down.stop - down.start) * (across.stop - across.start)
            out[:, down, across] += out_backprop[:, i : i + 1, j : j + 1] / count
        return out.astype(out_backprop.dtype)

    grad = NOT_DIFFERENTIABLE


@public("nn.fractional_max_pool")
def fractional_max_pool(
    value: Any,
    pooling_ratio: Any,
    pseudo_random: bool = False,
    overlapping: bool = False,
    deterministic: bool = False,
    seed: int = 0,
    seed2: int = 0,
    name: str | None = None,
) -> Any:
    """The largest element of each window, the windows' sizes drawn at random so that they fill the image.

    Args:
      value: `[batch, height, width, channels]`, float32, float64, int32 or int64.
      pooling_ratio: four factors by which the axes shrink; 1 for batch and channels.
      pseudo_random: regular windows with one random offset, instead of sizes in random order.
      overlapping: neighbouring windows share their border.
      deterministic: draw the same windows in every run.
      seed, seed2: seeds for `deterministic`.
      name: op name; default "FractionalMaxPool".

    Returns:
      The named tuple (output, row_pooling_sequence, col_pooling_sequence); the latter are the bounds.

    Raises:
      ValueError: a ratio below 1, or one for batch or channels.
    """
    return raw.FractionalMaxPool(
        value, pooling_ratio=pooling_ratio, pseudo_random=pseudo_random, overlapping=overlapping,
        deterministic=deterministic, seed=seed, seed2=seed2, name=name,
    )  # fmt: skip


@public("nn.fractional_avg_pool")
def fractional_avg_pool(
    value: Any,
    pooling_ratio: Any,
    pseudo_random: bool = False,
    overlapping: bool = False,
    deterministic: bool = False,
    seed: int = 0,
    seed2: int = 0,
    name: str | None = None,
) -> Any:
    """The mean of each window of random size; arguments and results as for `fractional_max_pool`."""
    return raw.FractionalAvgPool(
        value, pooling_ratio=pooling_ratio, pseudo_random=pseudo_random, overlapping=overlapping,
        deterministic=deterministic, seed=seed, seed2=seed2, name=name,
    )  # fmt: skip


@public("compat.v2.nn.fractional_max_pool")
def fractional_max_pool_v2(
    value: Any,
    pooling_ratio: Any,
    pseudo_random: bool = False,
    overlapping: bool = False,
    seed: int = 0,
    name: str | None = None,
) -> Any:
    """`tf.nn.fractional_max_pool` with windows that a seed decides; 0 draws others in each run.

    Args:
      value, pseudo_random, overlapping, name: as there.
      pooling_ratio: 1, 2 or 4 factors by which the axes shrink.
      seed: of the windows.
    """
    ratio = window_args.per_axis(pooling_ratio, 2, "NHWC", "pooling_ratio")
    return fractional_max_pool(value, ratio, pseudo_random, overlapping, name=name, **_seeded(seed))


@public("compat.v2.nn.fractional_avg_pool")
def fractional_avg_pool_v2(
    value: Any,
    pooling_ratio: Any,
    pseudo_random: bool = False,
    overlapping: bool = False,
    seed: int = 0,
    name: str | None = None,
) -> Any:
    """`tf.nn.fractional_avg_pool` with windows that a seed decides; 0 draws others in each run.

    Args:
      value, pseudo_random, overlapping, name: as there.
      pooling_ratio: four factors by which the axes shrink.
      seed: of the windows.
    """
    return fractional_avg_pool(value, pooling_ratio, pseudo_random, overlapping, name=name, **_seeded(seed))


def _seeded(seed: int) -> dict[str, Any]:
    """The attributes that a seed becomes."""
    if not seed:
        return {}
    first, second = get_seed(seed)
    return {"deterministic": True, "seed": first, "seed2": second}
