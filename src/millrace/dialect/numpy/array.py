"""Array verbs that NumPy lacks, or spells with mutation."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core import compiled
from millrace.core.errors import refusal

_CHANNELS = 4  # of a pixel, at most
_MANY = 1 << 10  # elements


def _as_array(value: Any) -> np.ndarray:
    """Strings stay objects: NumPy would make fixed-width bytes of them."""
    if isinstance(value, np.ndarray):
        return value
    return np.asarray(value, object if isinstance(value, bytes) else None)


def _check_range(indices: np.ndarray, length: int) -> None:
    if indices.size and (indices.min() < 0 or indices.max() >= length):
        flat = indices.reshape(-1)
        bad = int(np.flatnonzero((flat < 0) | (flat >= length))[0])
        place = ",".join(map(str, np.unravel_index(bad, indices.shape)))
        raise refusal(f"indices[{place}] = {flat[bad]} is not in [0, {length})")


def _coordinates(indices: np.ndarray, dims: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """The last dimension of `indices` as one index array per dimension of the target."""
    depth = indices.shape[-1]
    if depth > len(dims):
        raise refusal(
            f"indices.shape[-1] must be <= rank {len(dims)}. "
            f"Received: indices of shape {list(indices.shape)}",
        )
    for axis in range(depth):
        column = indices[..., axis]
        if column.size and (column.min() < 0 or column.max() >= dims[axis]):
            flat = indices.reshape(-1, depth)
            bad = int(np.flatnonzero(((flat < 0) | (flat >= np.array(dims[:depth]))).any(1))[0])
            raise refusal(f"indices[{bad}] = {flat[bad].tolist()} does not index into shape {list(dims)}")
    return tuple(indices[..., axis] for axis in range(depth))


class ArrayVerbs:
    """Gathers, scatters and fills on NumPy arrays."""

    def known(self, x: Any) -> np.ndarray:
        """`x` where its numbers exist, as they always do here."""
        return np.asarray(x)

    def flip(self, x: Any, axis: int | tuple[int, ...]) -> np.ndarray:
        """`x` with the order along some axes, counted from the front, turned round.

        Pixels are copied by compiled code or a channel at a time: whoever reads a view of them, three numbers
        at once as NumPy does, needs three times as long.
        """
        x = _as_array(x)
        axes = (axis,) if isinstance(axis, int) else axis
        if x.size < _MANY or x.ndim - 1 in axes or x.ndim - 2 not in axes or x.shape[-1] > _CHANNELS:
            return np.flip(x, axis)
        if len(axes) == 1 and (copied := compiled.turned(x)) is not None:
            return copied
        turned, out = np.flip(x, axis), np.empty(x.shape, x.dtype)
        for channel in range(x.shape[-1]):
            out[..., channel] = turned[..., channel]
        return out

    def filled(self, dims: tuple[int, ...], value: Any) -> np.ndarray:
        """`value` everywhere in a new array of shape `dims`."""
        value = _as_array(value)
        return np.full(dims, value, value.dtype)

    def zeros_of(self, x: Any) -> np.ndarray:
        """Zeros in the shape of `x`; empty strings for strings."""
        x = _as_array(x)
        return np.full(x.shape, b"", object) if x.dtype == object else np.zeros(x.shape, x.dtype)

    def updated(self, x: Any, key: Any, value: Any) -> np.ndarray:
        """A copy of `x` with `x[key]` set to `value`."""
        result = np.array(x)
        result[key] = value
        return result

    def packed(self, values: Any, axis: int) -> np.ndarray:
        """Arrays of one shape along a new axis."""
        arrays = [_as_array(v) for v in values]
        if arrays[0].ndim == 0 and arrays[0].dtype.kind not in "OV":
            return np.array(arrays, arrays[0].dtype)
        return np.stack(arrays, axis)

    def inverse_permutation(self, x: Any) -> np.ndarray:
        """y[x[i]] = i."""
        x = np.asarray(x)
        result = np.full(x.size, -1, x.dtype)
        if x.size and (x.min() < 0 or x.max() >= x.size):
            raise refusal(f"x must hold each of 0 to {x.size - 1} once. Received: {x.tolist()}")
        result[x] = np.arange(x.size, dtype=x.dtype)
        if x.size and result.min() < 0:
            raise refusal(f"a value is duplicated in the input. Received: {x.tolist()}")
        return result

    def gathered(self, params: Any, indices: Any, axis: int) -> np.ndarray:
        """The slices `indices` of `params` along `axis`."""
        params, indices = _as_array(params), np.asarray(indices)
        if not indices.ndim and not axis and 0 <= indices < params.shape[0] and params.dtype != object:
            return np.array(params[indices])  # one row, as an input pipeline takes them: a third of the time
        _check_range(indices, params.shape[axis])
        if params.dtype == object:  # take() would unwrap a single string
            return params[(slice(None),) * axis + (indices, Ellipsis)]
        return np.asarray(np.take(params, indices, axis))

    def batch_gathered(self, params: Any, indices: Any, axis: int, batch: int) -> np.ndarray:
        """`gathered` for each place of the first `batch` dimensions."""
        params, indices = _as_array(params), np.asarray(indices)
        if params.shape[:batch] != indices.shape[:batch]:
            raise refusal(f"params and indices must agree in {batch} dimensions. "
                f"Received: {list(params.shape)} and {list(indices.shape)}"
            )  # fmt: skip
        _check_range(indices, params.shape[axis])
        key, shape = batched_key(params.shape, indices, axis, batch, np)
        front = np.moveaxis(params, axis, batch)[key]
        return _axis_back(np, front, shape, batch, axis)

    def gathered_nd(self, params: Any, indices: Any) -> np.ndarray:
        """The slices of `params` at coordinates."""
        params, indices = _as_array(params), np.asarray(indices)
        key = _coordinates(indices, params.shape)
        if not key:
            return np.array(np.broadcast_to(params, indices.shape[:-1] + params.shape))
        return params[(*key, Ellipsis)]

    def scattered_nd(self, x: Any, dims: Any, indices: Any, updates: Any, how: str) -> np.ndarray:
        """`x`, or zeros of `dims`, with `updates` set, added or subtracted at coordinates."""
        indices, updates = np.asarray(indices), _as_array(updates)
        if x is None:
            x = self.zeros_of(np.empty(dims, updates.dtype))
        result = np.array(x)
        key = _coordinates(indices, result.shape)
        wanted = indices.shape[:-1] + result.shape[len(key) :]
        if updates.shape != wanted:
            raise refusal(f"updates must have shape {list(wanted)}. Received: {list(updates.shape)}")
        if how == "set":
            if key:
                result[key] = updates
            elif updates.size:
                result[...] = updates.reshape(-1, *result.shape)[-1]
            return result
        if not key:
            total = updates.reshape(-1, *result.shape).sum(0, dtype=result.dtype)
            return np.asarray(result + total if how == "add" else result - total)
        (np.add if how == "add" else np.subtract).at(result, key, updates)
        return result

    def padded(self, x: Any, paddings: Any, value: Any) -> np.ndarray:
        """`x` inside a larger array of `value`, `paddings[i]` = (before, after)."""
        x, value = np.asarray(x), _as_array(value)
        dims = [b + n + a for n, (b, a) in zip(x.shape, paddings)]
        result = np.full(dims, value, x.dtype)
        result[tuple(slice(b, b + n) for n, (b, a) in zip(x.shape, paddings))] = x
        return result

    def repeated(self, x: Any, dims: tuple[int, ...]) -> np.ndarray:
        """`x` broadcast to `dims`, in memory of its own."""
        return np.array(np.broadcast_to(_as_array(x), dims))

    def chosen(self, where: Any, on: Any, off: Any) -> np.ndarray:
        """The scalar `on` where `where` is True, the scalar `off` elsewhere."""
        on, off = _as_array(on), _as_array(off)
        return np.where(where, on, off)

    def window(self, x: Any, begin: Any, size: Any) -> np.ndarray:
        """`size` elements of `x` from `begin` on, per dimension."""
        return np.asarray(x)[(*(slice(b, b + n) for b, n in zip(begin.tolist(), size.tolist())), Ellipsis)]

    def searched(self, rows: Any, values: Any, side: str) -> np.ndarray:
        """For each row, where each of the row's `values` belongs in the sorted row."""
        rows, values = np.asarray(rows), np.asarray(values)
        found = np.empty(values.shape, np.int64)
        for i in range(len(rows)):
            found[i] = np.searchsorted(rows[i], values[i], "left" if side == "left" else "right")
        return found


def batched_key(dims: Any, indices: Any, axis: int, batch: int, xp: Any) -> tuple[Any, tuple[int, ...]]:
    """The key that picks `indices` from an array whose gathered axis was moved to `batch`, and indices' own
    dims.
    """
    depth = len(indices.shape)
    grid = []
    for i in range(batch):
        ones = [1] * depth
        ones[i] = dims[i]
        grid.append(xp.arange(dims[i]).reshape(ones))
    return (*grid, indices), tuple(indices.shape[batch:])


def _axis_back(xp: Any, front: Any, own: tuple[int, ...], batch: int, axis: int) -> Any:
    """Moves the gathered dimensions from behind the batch to where `axis` was."""
    count = len(own)
    source = list(range(batch, batch + count))
    return xp.moveaxis(front, source, [s - batch + axis for s in source])
