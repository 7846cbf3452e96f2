"""Convolutions and pools by plain loops over windows, for one to three spatial axes, channels last."""

import itertools

import numpy as np


def pads(sizes, kernel, strides, padding, dilations=None):
    """Output sizes and (before, after) pads of each axis; `padding` may be such pads already."""
    dilations = dilations or [1] * len(sizes)
    outs, found = [], []
    for axis, (n, k, s, d) in enumerate(zip(sizes, kernel, strides, dilations)):
        reach = (k - 1) * d + 1
        if padding == "SAME":
            out = -(-n // s)
            total = max((out - 1) * s + reach - n, 0)
            pair = (total // 2, total - total // 2)
        else:
            pair = (0, 0) if padding == "VALID" else padding[axis]
            out = (n + sum(pair) - reach) // s + 1
        outs.append(out)
        found.append(pair)
    return outs, found


def cells(x, kernel, strides, padding, dilations=None, fill=0.0):
    """(place, window) for every output place; a window is `[batch, *kernel, channels]` of the padded
    input.
    """
    dilations = dilations or [1] * len(kernel)
    outs, found = pads(x.shape[1:-1], kernel, strides, padding, dilations)
    wide = np.pad(np.asarray(x), [(0, 0), *found, (0, 0)], constant_values=fill)
    for place in itertools.product(*map(range, outs)):
        cut = tuple(
            slice(p * s, p * s + (k - 1) * d + 1, d) for p, s, k, d in zip(place, strides, kernel, dilations)
        )
        yield place, wide[(slice(None), *cut)]


def out_shape(x, kernel, strides, padding, dilations=None):
    """The sizes of the output's spatial axes."""
    return pads(x.shape[1:-1], kernel, strides, padding, dilations)[0]


def conv(x, w, strides, padding, dilations=None):
    """Cross-correlation in double precision, with channel groups where `w` has fewer input channels."""
    kernel, inner, outer = w.shape[:-2], w.shape[-2], w.shape[-1]
    groups = x.shape[-1] // inner
    out = np.zeros((x.shape[0], *out_shape(x, kernel, strides, padding, dilations), outer))
    for place, window in cells(x.astype(np.float64), kernel, strides, padding, dilations):
        for g in range(groups):
            columns = slice(g * outer // groups, (g + 1) * outer // groups)
            flat = w[..., columns].reshape(np.prod(w.shape[:-1]), -1).astype(np.float64)
            part = window[..., g * inner : (g + 1) * inner].reshape(x.shape[0], len(flat))
            out[(slice(None), *place, columns)] = part @ flat
    return out


def transposed(linear, shape, dy):
    """The adjoint of a linear function from arrays of `shape`, applied to `dy`, one basis element at a
    time.
    """
    out = np.zeros(shape)
    for index in np.ndindex(*shape):
        basis = np.zeros(shape)
        basis[index] = 1
        out[index] = np.sum(linear(basis) * dy)
    return out


def depthwise(x, w, strides, padding, dilations=None):
    """Each channel with its own filters."""
    kernel, channels, multiplier = w.shape[:2], w.shape[2], w.shape[3]
    out = np.zeros((x.shape[0], *out_shape(x, kernel, strides, padding, dilations), channels * multiplier))
    for place, window in cells(x.astype(np.float64), kernel, strides, padding, dilations):
        value = np.einsum("nhwc,hwcm->ncm", window, w.astype(np.float64))
        out[(slice(None), *place)] = value.reshape(x.shape[0], -1)
    return out


def max_pool(x, kernel, strides, padding):
    """The largest element of each window."""
    low = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    out = np.zeros((x.shape[0], *out_shape(x, kernel, strides, padding), x.shape[-1]), x.dtype)
    for place, window in cells(x, kernel, strides, padding, fill=low):
        out[(slice(None), *place)] = window.reshape(x.shape[0], -1, x.shape[-1]).max(1)
    return out


def avg_pool(x, kernel, strides, padding):
    """The mean of each window's elements inside the input."""
    out = np.zeros((x.shape[0], *out_shape(x, kernel, strides, padding), x.shape[-1]))
    for place, window in cells(x.astype(np.float64), kernel, strides, padding, fill=np.nan):
        out[(slice(None), *place)] = np.nanmean(window.reshape(x.shape[0], -1, x.shape[-1]), 1)
    return out


def first_maxima(x, kernel, strides, padding):
    """For every output element, the index of the first maximum of its window in `x`."""
    low = -np.inf
    numbers = np.arange(x.size).reshape(x.shape)
    places = cells(x.astype(np.float64), kernel, strides, padding, fill=low)
    spots = cells(numbers, kernel, strides, padding, fill=-1)
    out = np.zeros((x.shape[0], *out_shape(x, kernel, strides, padding), x.shape[-1]), np.int64)
    for (place, window), (_, spot) in zip(places, spots):
        best = window.reshape(x.shape[0], -1, x.shape[-1]).argmax(1)[:, None]
        flat = spot.reshape(x.shape[0], -1, x.shape[-1])
        out[(slice(None), *place)] = np.take_along_axis(flat, best, 1)[:, 0]
    return out


def max_pool_grad(x, dy, kernel, strides, padding):
    """`dy` added up at the first maxima."""
    out = np.zeros(x.size)
    np.add.at(out, first_maxima(x, kernel, strides, padding).reshape(-1), dy.reshape(-1))
    return out.reshape(x.shape)
