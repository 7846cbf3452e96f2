"""Window verbs of the JAX dialect: convolutions and pools as XLA knows them."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from millrace.dialect.jax import native as jax_native

_PLACES = 2048  # output places of a filter's gradient whose window still fits a processor's caches
_MOST_PARTS = 16
_MANY_CORES = 4
_LONG_ROW, _BLOCK = 1024, 32  # from which length on a row is searched by blocks, and how long they are
_MOST_TAPS = 32  # above this many window elements XLA's own window reduction compiles faster than slices


@functools.cache
def many_cores() -> bool:
    """True where convolutions are to go to XLA's older library (Eigen), which uses all cores, in one piece.

    The newer one (YNNPACK) uses one. The convolutions of the workload `cnn` take a fifth less processor time
    there, when the gradient of the filter is taken in parts; with two cores both take equally long.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) >= _MANY_CORES
    return (os.cpu_count() or 1) >= _MANY_CORES


class ConvVerbs:
    """Channels-last convolutions over any number of spatial axes, and the reductions that pools need."""

    def conv(self, x: Any, w: Any, strides: Any, pads: Any, dilations: Any) -> Any:
        """Cross-correlates `[batch, *sizes, in]` with `[*kernel, in / groups, out]`, in full precision."""
        x, w = jnp.asarray(x), jnp.asarray(w)
        if x.shape[-1] == w.shape[-2]:
            found = jax_native.conv(x, w, strides, pads, dilations)
            if found is not None:
                return found
        return self._xla_conv(x, w, strides, pads, dilations)

    def _xla_conv(self, x: Any, w: Any, strides: Any, pads: Any, dilations: Any) -> Any:
        on_cpu = jax.default_backend() == "cpu" and 0 not in (*x.shape, *w.shape)
        if on_cpu and not many_cores() and not any(before or after for before, after in pads):
            if set(w.shape[:-2]) != {1}:
                return self._padded_conv(x, w, strides, dilations)
            if x.shape[-1] == w.shape[-2]:  # `[16, 14, 14, 256]` to 64 channels: 0.83 ms instead of 1.30
                some = x[(slice(None), *(slice(None, None, s) for s in strides))]
                return jnp.matmul(some, jnp.reshape(w, w.shape[-2:]), precision=lax.Precision.HIGHEST)
        return self._conv(x, w, strides, pads, dilations)

    def _padded_conv(self, x: Any, w: Any, strides: Any, dilations: Any) -> Any:
        """A convolution without padding as part of one with padding, which XLA does better on CPUs.

        `[64, 18, 18, 32]` with a 5x5 filter to 64 channels takes 9.4 ms of processor time instead of 13.1,
        and on two cores instead of 27.9.
        """
        last = (x.shape[-2] - (w.shape[-3] - 1) * dilations[-1] - 1) // strides[-1] + 1
        pads = [(0, 0)] * (len(strides) - 1) + [(0, 1)]
        return self._conv(x, w, strides, pads, dilations)[..., :last, :]

    def _conv(self, x: Any, w: Any, strides: Any, pads: Any, dilations: Any) -> Any:
        axes = "TDHW"[-len(strides) :]
        return lax.conv_general_dilated(
            x,
            w,
            tuple(strides),
            tuple(pads),
            rhs_dilation=tuple(dilations),
            dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
            feature_group_count=x.shape[-1] // w.shape[-2],
            precision=lax.Precision.HIGHEST,
        )

    def conv_input_grad(self, shape: Any, w: Any, dy: Any, strides: Any, pads: Any, dilations: Any) -> Any:
        """The adjoint of `conv` in `x`: maps `dy` `[batch, *outs, out]` to an array of `shape`."""
        w, dy = jnp.asarray(w), jnp.asarray(dy)
        found = jax_native.conv_input_grad(shape, w, dy, strides, pads, dilations)
        if found is not None:
            return found
        like = jax.ShapeDtypeStruct(tuple(shape), dy.dtype)
        return jax.linear_transpose(lambda x: self._xla_conv(x, w, strides, pads, dilations), like)(dy)[0]

    def conv_filter_grad(self, x: Any, shape: Any, dy: Any, strides: Any, pads: Any, dilations: Any) -> Any:
        """The adjoint of `conv` in `w`: an array of `shape` from `x` and `dy`.

        XLA makes it a convolution whose window is all of `dy`; on CPUs it falls out of the caches when that
        is large. So the batch is taken in parts of some thousand output places: `[64, 14, 14, 32]` with a
        5x5 filter to 64 channels takes 10.7 ms of processor time instead of 23.1.
        """
        x, dy = jnp.asarray(x), jnp.asarray(dy)
        found = jax_native.conv_filter_grad(x, shape, dy, strides, pads, dilations)
        if found is not None:
            return found
        like = jax.ShapeDtypeStruct(tuple(shape), dy.dtype)

        def part(x: Any, dy: Any) -> Any:
            return jax.linear_transpose(lambda w: self._xla_conv(x, w, strides, pads, dilations), like)(dy)[0]

        count = _batch_parts(x.shape[0], math.prod(dy.shape[1:-1]))
        if count == 1:
            return part(x, dy)
        pairs = zip(jnp.split(x, count), jnp.split(dy, count), strict=True)
        return sum(part(a, b) for a, b in pairs)

    def depthwise(self, x: Any, w: Any, places: Any) -> Any:
        """The convolution of each channel with a filter of its own; None where no kernel computes it.

        Args:
          x: `[batch, *sizes, channels]`.
          w: `[*kernel, channels, multiplier]`.
          places: the sizes of the result, strides, paddings before and dilations.
        """
        return jax_native.depthwise(jnp.asarray(x), jnp.asarray(w), *places)

    def depthwise_input_grad(self, shape: Any, w: Any, dy: Any, places: Any) -> Any:
        """The adjoint of `depthwise` in `x`: an array of `shape`; None where no kernel computes it."""
        return jax_native.depthwise_input_grad(shape, jnp.asarray(w), jnp.asarray(dy), *places)

    def depthwise_filter_grad(self, x: Any, shape: Any, dy: Any, places: Any) -> Any:
        """The adjoint of `depthwise` in `w`: an array of `shape`; None where no kernel computes it."""
        return jax_native.depthwise_filter_grad(jnp.asarray(x), shape, jnp.asarray(dy), *places)

    def window_reduce(self, x: Any, kind: str, windows: Any, strides: Any) -> Any:
        """Reduces windows of a padded channels-last `x` by "max" or "sum".

        Slices, which XLA fuses into one pass, beat its window reduction on CPUs while the windows are small.
        The barrier keeps a reshape behind out of that pass: 0.16 ms for `[64, 14, 14, 64]`, without it 0.8.
        """
        spare = (1,) * (x.ndim - 1 - len(windows))
        if math.prod(windows) > _MOST_TAPS:
            start = _lowest(x.dtype) if kind == "max" else np.zeros((), x.dtype)
            combine = lax.max if kind == "max" else lax.add
            return lax.reduce_window(x, start, combine, (1, *windows, *spare), (1, *strides, *spare), "VALID")
        combine = jnp.maximum if kind == "max" else jnp.add
        outs = [(n - k) // s + 1 for n, k, s in zip(x.shape[1:], windows, strides, strict=False)]
        out = None
        for offset in np.ndindex(*windows):
            cut = tuple(
                slice(o, o + (n - 1) * s + 1 if n > 0 else o, s)
                for o, n, s in zip(offset, outs, strides, strict=True)
            )
            part = x[(slice(None), *cut)]
            out = part if out is None else combine(out, part)
        return lax.optimization_barrier(out) if jax.default_backend() == "cpu" else out

    def scatter_strided(self, shape: Any, strides: Any, parts: Iterable[tuple[Any, Any]]) -> Any:
        """Zeros of a channels-last `shape` with every part added at its offset, an element each `strides`."""
        out = None
        for offset, part in parts:
            zero = np.zeros((), part.dtype)
            config = [(0, 0, 0)]
            for o, s, n, total in zip(offset, strides, part.shape[1:], shape[1:], strict=False):
                config.append((o, total - o - ((n - 1) * s + 1 if n else 0), s - 1))
            config.extend([(0, 0, 0)] * (part.ndim - len(config)))
            placed = lax.pad(part, zero, config)
            out = placed if out is None else out + placed
        return out

    def scatter_where(self, shape: Any, strides: Any, value: Any, parts: Iterable[tuple[Any, Any]]) -> Any:
        """`scatter_strided` of `value` where a mask says so, and of zero elsewhere."""
        zero = jnp.zeros((), value.dtype)
        return self.scatter_strided(
            shape, strides, ((offset, jnp.where(mask, value, zero)) for offset, mask in parts)
        )

    def scatter_add_flat(self, size: int, index: Any, values: Any) -> Any:
        """A vector of `size` zeros with each of `values` added at its `index`; both are vectors."""
        return jnp.zeros(size, values.dtype).at[index].add(values)

    def top_k(self, x: Any, k: int) -> tuple[Any, Any]:
        """The `k` largest of the last axis, descending, and their int32 places; of equals the first first."""
        key = x
        if jnp.issubdtype(x.dtype, jnp.floating):  # XLA's order tells the signs of zeros and of NaN apart
            zero, nan = jnp.zeros((), x.dtype), jnp.asarray(jnp.nan, x.dtype)
            key = jnp.where(x == 0, zero, jnp.where(jnp.isnan(x), nan, x))
        best = _top_by_blocks if _is_long(key, k) else lambda x, k: lax.top_k(x, k)[1]
        places = best(key, k).astype(jnp.int32)
        return jnp.take_along_axis(x, places, axis=-1), places


def _is_long(x: Any, k: int) -> bool:
    """Whether the best of a row are best looked for by blocks."""
    enough = max(_LONG_ROW, 4 * k * _BLOCK)
    return jax.default_backend() == "cpu" and x.dtype == np.float32 and k > 0 and x.shape[-1] >= enough


def _top_by_blocks(x: Any, k: int) -> Any:
    """The places of the `k` largest of the last axis, without -0 and with one NaN; of equals the first first.

    Only the blocks of the k largest maxima can hold them. XLA compares the numbers of a row one by one: for
    eight rows of 10,000 and k = 5 that is 0.33 ms, this 0.06. Maxima are those of integers in the same order.
    """
    n = x.shape[-1]
    keys = jnp.pad(
        _flipped(lax.bitcast_convert_type(x, np.int32)),
        [(0, 0)] * (x.ndim - 1) + [(0, -n % _BLOCK)],
        constant_values=np.iinfo(np.int32).min,
    )
    maxima = jnp.max(keys.reshape(*x.shape[:-1], -1, _BLOCK), axis=-1)
    blocks = lax.top_k(lax.bitcast_convert_type(_flipped(maxima), np.float32), k)[1]
    within = np.arange(_BLOCK, dtype=np.int32)
    places = (jnp.sort(blocks, axis=-1)[..., None] * _BLOCK + within).reshape(*x.shape[:-1], -1)
    candidates = jnp.take_along_axis(x, jnp.minimum(places, n - 1), axis=-1)
    chosen = lax.top_k(jnp.where(places < n, candidates, -np.inf), k)[1]
    return jnp.take_along_axis(places, chosen, axis=-1)


def _flipped(bits: Any) -> Any:
    """The bits of floats as integers in the same order; done twice, they are the bits again."""
    return bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))


def _batch_parts(batch: int, places: int) -> int:
    """How many equal parts of a batch to convolve apart, each of at least `_PLACES` places if possible."""
    if jax.default_backend() != "cpu" or many_cores():
        return 1
    most = min(batch, batch * places // _PLACES, _MOST_PARTS)
    return next((n for n in range(most, 1, -1) if batch % n == 0), 1)


def _lowest(dtype: Any) -> np.ndarray:
    if jnp.issubdtype(dtype, jnp.floating):
        return np.array(-np.inf, dtype)
    return np.array(np.iinfo(dtype).min, dtype)
