"""Window verbs of the NumPy dialect: convolutions by matrix products, pools by strided slices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

_CHUNK = 1 << 24  # elements of the column matrix made at once: 64 MB of float32
_HALVES = ("float16", "bfloat16")


def _wide(*arrays: np.ndarray) -> tuple[Any, ...]:
    """Half precision as float32: matrix products of halves are neither exact nor fast in NumPy."""
    return tuple(a.astype(np.float32) if a.dtype.name in _HALVES else a for a in arrays)


def _padded(x: np.ndarray, pads: Any) -> np.ndarray:
    if not any(map(any, pads)):
        return x
    sizes = [lo + n + hi for (lo, hi), n in zip(pads, x.shape[1:-1], strict=True)]
    out = np.zeros((x.shape[0], *sizes, x.shape[-1]), x.dtype)
    inner = tuple(slice(lo, lo + n) for (lo, _), n in zip(pads, x.shape[1:-1], strict=True))
    out[(slice(None), *inner)] = x
    return out


def _windows(x: np.ndarray, kernel: Any, strides: Any, dilations: Any) -> np.ndarray:
    """A view `[batch, *outs, *kernel, channels]` of a padded `x`."""
    outs = [
        (n - (k - 1) * d - 1) // s + 1
        for n, k, s, d in zip(x.shape[1:-1], kernel, strides, dilations, strict=True)
    ]
    step = x.strides[1:-1]
    return as_strided(
        x,
        (x.shape[0], *outs, *kernel, x.shape[-1]),
        (
            x.strides[0],
            *(t * s for t, s in zip(step, strides, strict=True)),
            *(t * d for t, d in zip(step, dilations, strict=True)),
            x.strides[-1],
        ),
        writeable=False,
    )


def _slices(offset: Any, outs: Any, strides: Any) -> tuple[slice, ...]:
    return tuple(
        slice(o, o + (n - 1) * s + 1 if n else o, s) for o, n, s in zip(offset, outs, strides, strict=True)
    )


def _groups(x: np.ndarray, w: np.ndarray, call: Any, axis: int) -> np.ndarray:
    """Runs `call(channels of x, columns of w)` for each channel group and joins the results along `axis`."""
    inputs, outputs = w.shape[-2], w.shape[-1]
    count = x.shape[-1] // inputs
    each = outputs // count
    parts = [
        call(x[..., g * inputs : (g + 1) * inputs], slice(g * each, (g + 1) * each)) for g in range(count)
    ]
    return np.concatenate(parts, axis)


class ConvVerbs:
    """Channels-last convolutions over any number of spatial axes, and the reductions that pools need."""

    def conv(self, x: Any, w: Any, strides: Any, pads: Any, dilations: Any) -> Any:
        """Cross-correlates `x` `[batch, *sizes, in]` with `w` `[*kernel, in / groups, out]`."""
        if x.shape[-1] != w.shape[-2]:
            return _groups(x, w, lambda part, out: self.conv(part, w[..., out], strides, pads, dilations), -1)
        dtype = x.dtype
        x, w = _wide(x, w)
        kernel, channels, filters = w.shape[:-2], w.shape[-2], w.shape[-1]
        padded = _padded(x, pads)
        if any(n < (k - 1) * d + 1 for n, k, d in zip(padded.shape[1:], kernel, dilations, strict=False)):
            outs = [
                max(n - (k - 1) * d - 1 + s, 0) // s
                for n, k, d, s in zip(padded.shape[1:], kernel, dilations, strides, strict=False)
            ]
            return np.zeros((x.shape[0], *outs, filters), dtype)  # the window fits nowhere
        view = _windows(padded, kernel, strides, dilations)
        outs = view.shape[1 : 1 + len(kernel)]
        depth = int(np.prod(kernel)) * channels
        matrix = w.reshape(depth, filters)
        out = np.empty((x.shape[0], *outs, filters), x.dtype)
        if out.size:
            rows = int(np.prod(outs))
            step = max(1, _CHUNK // max(1, rows * depth))
            for start in range(0, x.shape[0], step):
                part = view[start : start + step].reshape(-1, depth)
                np.matmul(part, matrix, out=out[start : start + step].reshape(-1, filters))
        return out.astype(dtype, copy=False)

    def conv_input_grad(self, shape: Any, w: Any, dy: Any, strides: Any, pads: Any, dilations: Any) -> Any:
        """The adjoint of `conv` in `x`: maps `dy` `[batch, *outs, out]` to an array of `shape`."""
        if shape[-1] != w.shape[-2]:
            count = shape[-1] // w.shape[-2]
            each = w.shape[-1] // count
            part = (*shape[:-1], w.shape[-2])
            cuts = [slice(g * each, (g + 1) * each) for g in range(count)]
            grads = [
                self.conv_input_grad(part, w[..., c], dy[..., c], strides, pads, dilations) for c in cuts
            ]
            return np.concatenate(grads, -1)
        dtype = dy.dtype
        w, dy = _wide(w, dy)
        kernel, outs = w.shape[:-2], dy.shape[1:-1]
        sizes = [lo + n + hi for (lo, hi), n in zip(pads, shape[1:-1], strict=True)]
        out = np.zeros((shape[0], *sizes, shape[-1]), dy.dtype)
        if dy.size:
            flat = np.ascontiguousarray(dy).reshape(-1, dy.shape[-1])
            for index in np.ndindex(*kernel):
                offset = tuple(i * d for i, d in zip(index, dilations, strict=True))
                out[(slice(None), *_slices(offset, outs, strides))] += (flat @ w[index].T).reshape(
                    *dy.shape[:-1], shape[-1]
                )
        inner = tuple(slice(lo, lo + n) for (lo, _), n in zip(pads, shape[1:-1], strict=True))
        return np.ascontiguousarray(out[(slice(None), *inner)]).astype(dtype, copy=False)

    def conv_filter_grad(self, x: Any, shape: Any, dy: Any, strides: Any, pads: Any, dilations: Any) -> Any:
        """The adjoint of `conv` in `w`: an array of `shape` from `x` and `dy`."""
        if x.shape[-1] != shape[-2]:
            count = x.shape[-1] // shape[-2]
            each, part = shape[-1] // count, (*shape[:-1], shape[-1] // count)
            grads = []
            for g in range(count):
                ins, outs_ = slice(g * shape[-2], (g + 1) * shape[-2]), slice(g * each, (g + 1) * each)
                grads.append(
                    self.conv_filter_grad(x[..., ins], part, dy[..., outs_], strides, pads, dilations)
                )
            return np.concatenate(grads, -1)
        dtype = dy.dtype
        x, dy = _wide(x, dy)
        depth, filters = int(np.prod(shape[:-1])), shape[-1]
        out = np.zeros((depth, filters), dy.dtype)
        if dy.size:
            view = _windows(_padded(x, pads), tuple(shape[:-2]), strides, dilations)
            view = view[(slice(None), *(slice(0, n) for n in dy.shape[1:-1]))]
            step = max(1, _CHUNK // max(1, int(np.prod(dy.shape[1:-1])) * depth))
            for start in range(0, x.shape[0], step):
                columns = view[start : start + step].reshape(-1, depth)
                out += columns.T @ np.ascontiguousarray(dy[start : start + step]).reshape(-1, filters)
        return out.reshape(tuple(shape)).astype(dtype, copy=False)

    def window_reduce(self, x: Any, kind: str, windows: Any, strides: Any) -> Any:
        """Reduces windows of a padded channels-last `x` by "max" or "sum", one axis after the other."""
        ufunc = np.maximum if kind == "max" else np.add
        for axis, (k, s) in enumerate(zip(windows, strides, strict=True), 1):
            n = (x.shape[axis] - k) // s + 1
            cut = (slice(None),) * axis
            if n == 1 and k > 2:
                x = ufunc.reduce(x[(*cut, slice(0, k))], axis=axis, keepdims=True)
                continue
            out = x[(*cut, slice(0, (n - 1) * s + 1 if n > 0 else 0, s))]
            for i in range(1, k):
                part = x[(*cut, slice(i, i + (n - 1) * s + 1 if n > 0 else i, s))]
                out = ufunc(out, part) if i == 1 else ufunc(out, part, out=out)
            x = out
        return np.array(x) if x.base is not None else x

    def scatter_strided(self, shape: Any, strides: Any, parts: Iterable[tuple[Any, Any]]) -> Any:
        """Zeros of a channels-last `shape` with every part added at its offset, one element each `strides`.

        Args:
          shape: the result's.
          strides: one for each spatial axis.
          parts: (offset, array) pairs; at least one.
        """
        out = None
        for offset, part in parts:
            if out is None:
                out = np.zeros(tuple(shape), part.dtype)
            out[(slice(None), *_slices(offset, part.shape[1 : 1 + len(strides)], strides))] += part
        return out

    def scatter_where(self, shape: Any, strides: Any, value: Any, parts: Iterable[tuple[Any, Any]]) -> Any:
        """`scatter_strided` of `value` where a mask says so, and of zero elsewhere.

        Args:
          shape: the result's.
          strides: one for each spatial axis.
          value: what is added at every offset.
          parts: (offset, mask in the shape of `value`) pairs, smaller offsets first.
        """
        out = np.zeros(tuple(shape), value.dtype)
        bits = np.dtype(f"i{value.dtype.itemsize}")
        masked = np.empty(value.shape, bits)
        value_bits = np.ascontiguousarray(value).view(bits)
        for offset, mask in parts:
            target = out[(slice(None), *_slices(offset, value.shape[1 : 1 + len(strides)], strides))]
            # All bits or none: several times as fast as a selection, and no NaN where the value is infinite.
            np.negative(mask.view(np.int8), out=masked, dtype=bits)
            if all(o < s for o, s in zip(offset, strides, strict=True)):  # nobody wrote there yet
                np.bitwise_and(value_bits, masked, out=target.view(bits))
            else:
                target += np.bitwise_and(value_bits, masked, out=masked).view(value.dtype)
        return out

    def scatter_add_flat(self, size: int, index: Any, values: Any) -> Any:
        """A vector of `size` zeros with each of `values` added at its `index`; both are vectors."""
        if np.issubdtype(values.dtype, np.integer):
            out = np.zeros(size, values.dtype)
            np.add.at(out, index, values)
            return out
        return np.bincount(index, values, size).astype(values.dtype)

    def top_k(self, x: Any, k: int) -> tuple[Any, Any]:
        """The `k` largest of the last axis, descending, and their int32 places; of equals the first first."""
        n = x.shape[-1]
        if 0 < k <= _FEW and n >= _FEW * k and x.dtype in _QUICK and x.size:
            places = _first_few(x.reshape(-1, n), k)
            if places is not None:
                places = places.reshape(*x.shape[:-1], k)
                return np.take_along_axis(x, places, axis=-1), places
        # A stable ascending order of the reversed row, read backwards, is descending and stable.
        order = np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1][..., :k]
        places = n - 1 - order
        return np.take_along_axis(x, places, axis=-1), places.astype(np.int32)


# As many passes over a row are cheaper than an order of all of it.
_FEW = 8
_QUICK = frozenset(np.dtype(t) for t in (np.float32, np.float64, np.int32, np.int64))


def _first_few(rows: np.ndarray, k: int) -> np.ndarray | None:
    """The places of the `k` largest of each row, one pass for each; None where its lowest value is one."""
    rest = rows.copy()
    lowest = -np.inf if rest.dtype.kind == "f" else np.iinfo(rest.dtype).min
    places = np.empty((len(rest), k), np.int32)
    every = np.arange(len(rest))
    for j in range(k):
        at = rest.argmax(axis=1)  # the first NaN, else the first of the largest
        if (rest[every, at] == lowest).any():
            return None
        places[:, j] = at
        rest[every, at] = lowest
    return places
