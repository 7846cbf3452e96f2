"""Batch normalisation as one operation, and its gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.autodiff.gradients import gradients
from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.core.dtypes import NUMERIC, bfloat16, float16, float32
from millrace.core.shapes import Dims, merge
from millrace.graph.attrs import flag, number, one_of
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import windows
from millrace.opkit.rules.shape_rules import with_rank

_FLOAT = frozenset({float32})
_SMALL = frozenset({float16, bfloat16, float32})
_FORMATS = one_of("NHWC", "NCHW", default="NHWC")


def _shapes(x: Dims, vectors: tuple[Dims, ...], data_format: str) -> tuple[Dims, Dims]:
    """The shapes of the normalised image and of one vector of channels."""
    x = with_rank(x, 4, "x")
    channels: Dims = (windows.channel(x, data_format),)
    for vector in vectors:
        channels = merge(channels, with_rank(vector, 1, "scale, offset, mean, variance"))
    depth = channels[0]  # type: ignore[index]
    sizes = windows.spatial(x, data_format)
    return windows.assemble(x[0], sizes, depth, data_format), channels  # type: ignore[index]


def _forward_shape(x, scale, offset, mean, variance, is_training, data_format) -> list[Dims]:
    given = (scale, offset) if is_training else (scale, offset, mean, variance)
    y, channels = _shapes(x, given, data_format)
    return [y, channels, channels, channels, channels]


def _normalize(xp, x, scale, offset, mean, variance, epsilon, data_format, is_training) -> tuple[Any, ...]:
    """y, the mean and variance of the batch, and those that the gradient needs."""
    if x.ndim != 4:
        raise windows.refused(f"x must have rank 4. Received: shape {list(x.shape)}")
    last = windows.channels_last(xp, x, data_format).astype(scale.dtype)
    rows = xp.reshape(last, (-1, last.shape[-1]))
    if is_training:
        count = rows.shape[0]
        mean = xp.sum(rows, axis=0) / max(count, 1)
        centred = rows - mean
        variance = xp.sum(xp.square(centred), axis=0) / max(count, 1)
        corrected = variance * scale.dtype.type(count / max(count - 1, 1))
    else:
        mean, variance = xp.array(mean), xp.array(variance)
        centred, corrected = rows - mean, variance
    factor = scale / xp.sqrt(variance + scale.dtype.type(epsilon))
    y = xp.reshape(centred * factor + offset, last.shape).astype(x.dtype)
    return windows.channels_back(xp, y, data_format), xp.array(mean), xp.array(corrected), mean, variance


def _gradients(xp, dy, x, scale, mean, variance, epsilon, data_format, is_training) -> tuple[Any, ...]:
    """The gradients in x, scale and offset."""
    last = windows.channels_last(xp, x, data_format)
    dy = windows.channels_last(xp, dy, data_format)
    rows = xp.reshape(last, (-1, last.shape[-1])).astype(scale.dtype)
    drows = xp.reshape(dy, rows.shape).astype(scale.dtype)
    root = 1 / xp.sqrt(variance + scale.dtype.type(epsilon))
    unit = (rows - mean) * root
    d_offset, d_scale = xp.sum(drows, axis=0), xp.sum(drows * unit, axis=0)
    if is_training:
        count = max(rows.shape[0], 1)
        dx = (drows - d_offset / count - unit * (d_scale / count)) * (scale * root)
    else:
        dx = drows * (scale * root)
    dx = windows.channels_back(xp, xp.reshape(dx, last.shape).astype(x.dtype), data_format)
    return dx, d_scale.astype(scale.dtype), d_offset.astype(scale.dtype)


def _vector(x: Tensor, data_format: str) -> Tensor:
    """A vector of channels in a shape that broadcasts along an image's channels."""
    return raw.Reshape(x, [1, -1, 1, 1]) if data_format == "NCHW" else x


def _symbolic(dy: Tensor, x: Tensor, scale: Tensor, moments: Any, attrs: Any) -> list[Tensor]:
    """`_gradients` as graph operations, for the second derivative."""
    data_format, wide = attrs["data_format"], scale.dtype.base_dtype
    axes = [0, 2, 3] if data_format == "NCHW" else [0, 1, 2]
    dy, x = (raw.Cast(t, DstT=wide) if t.dtype.base_dtype is not wide else t for t in (dy, x))
    if attrs["is_training"]:
        mean = raw.Mean(x, axes, keep_dims=True)
        variance = raw.Mean(raw.SquaredDifference(x, mean), axes, keep_dims=True)
    else:
        mean, variance = (_vector(m, data_format) for m in moments)
    root = raw.Rsqrt(variance + attrs["epsilon"])
    unit = (x - mean) * root
    d_offset, d_scale = raw.Sum(dy, axes), raw.Sum(dy * unit, axes)
    factor = _vector(scale, data_format) * root
    if attrs["is_training"]:
        dx = dy - raw.Mean(dy, axes, keep_dims=True) - unit * raw.Mean(dy * unit, axes, keep_dims=True)
        return [dx * factor, d_scale, d_offset]
    return [dy * factor, d_scale, d_offset]


def _second(op: Any, dys: Any) -> list[Any]:
    """The gradients of the gradient operation in dy, x and scale."""
    dy, x, scale = op.inputs[:3]
    outputs = _symbolic(dy, x, scale, op.inputs[3:5], op.attrs)
    seeds = [
        raw.Cast(d, DstT=y.dtype) if d.dtype is not y.dtype else d for d, y in zip(dys, outputs, strict=False)
    ]
    found = _through(outputs, [dy, x, scale], seeds, op.inputs[3:])
    return [*found, *[None] * (len(op.inputs) - 3)]


def _through(outputs: list[Tensor], inputs: list[Tensor], seeds: list[Any], fixed: Any = ()) -> list[Any]:
    """The gradients of `outputs` in `inputs`, each taken as independent though one may depend on another."""
    return gradients(outputs, inputs, seeds, stop_gradients=[*inputs, *fixed])


def _first(op: Any, gradient: Any, dy: Tensor, reserved: int) -> list[Any]:
    """The gradients of a forward operation, by the operation that `gradient` adds."""
    x, scale, _, mean, variance = op.inputs
    kept = list(op.outputs[3 : 3 + reserved])
    if not op.attrs["is_training"]:
        kept[:2] = [mean, variance]
    return [*gradient(dy, x, scale, *kept, **op.params)[:3], None, None]


def _gradient_shape(x, scale, is_training, data_format) -> list[Dims]:
    image, channels = _shapes(x, (scale,), data_format)
    unused = (0,) if is_training else channels
    return [image, channels, channels, unused, unused]


def _unused(xp: Any, like: Any, is_training: bool) -> tuple[Any, Any]:
    """The two outputs of the gradient operations that mean nothing."""
    size = 0 if is_training else like.shape[0]
    return xp.zeros((size,), like.dtype), xp.zeros((size,), like.dtype)


@declare("FusedBatchNorm(x: T, scale: T, offset: T, mean: T, variance: T) -> "
    "y: T, batch_mean: T, batch_variance: T, reserve_space_1: T, reserve_space_2: T",
    T=_FLOAT, epsilon=number(0.0001), data_format=_FORMATS, is_training=flag(True))  # fmt: skip
class FusedBatchNorm:
    """Normalises each channel over batch and space, then scales and shifts it."""

    def shape(x, scale, offset, mean, variance, is_training, data_format):
        return _forward_shape(x, scale, offset, mean, variance, is_training, data_format)

    def kernel(xp, x, scale, offset, mean, variance, epsilon, data_format, is_training):
        return _normalize(xp, x, scale, offset, mean, variance, epsilon, data_format, is_training)

    def grad(op, dy, *_):
        return _first(op, raw.FusedBatchNormGrad, dy, 2)


@declare("FusedBatchNormV2(x: T, scale: U, offset: U, mean: U, variance: U) -> "
    "y: T, batch_mean: U, batch_variance: U, reserve_space_1: U, reserve_space_2: U",
    T=_SMALL, U=_FLOAT, epsilon=number(0.0001), data_format=_FORMATS, is_training=flag(True))  # fmt: skip
class FusedBatchNormV2:
    """FusedBatchNorm whose image may have half precision."""

    def shape(x, scale, offset, mean, variance, is_training, data_format):
        return _forward_shape(x, scale, offset, mean, variance, is_training, data_format)

    def kernel(xp, x, scale, offset, mean, variance, epsilon, data_format, is_training):
        return _normalize(xp, x, scale, offset, mean, variance, epsilon, data_format, is_training)

    def grad(op, dy, *_):
        return _first(op, raw.FusedBatchNormGradV2, dy, 2)


@declare("FusedBatchNormV3(x: T, scale: U, offset: U, mean: U, variance: U) -> y: T, batch_mean: U, "
    "batch_variance: U, reserve_space_1: U, reserve_space_2: U, reserve_space_3: U",
    T=_SMALL, U=_FLOAT, epsilon=number(0.0001), data_format=_FORMATS, is_training=flag(True))  # fmt: skip
class FusedBatchNormV3:
    """FusedBatchNormV2 with one more value kept for the gradient."""

    def shape(x, scale, offset, mean, variance, is_training, data_format):
        return [*_forward_shape(x, scale, offset, mean, variance, is_training, data_format), ()]

    def kernel(xp, x, scale, offset, mean, variance, epsilon, data_format, is_training):
        found = _normalize(xp, x, scale, offset, mean, variance, epsilon, data_format, is_training)
        return *found, xp.zeros((), scale.dtype)

    def grad(op, dy, *_):
        return _first(op, raw.FusedBatchNormGradV3, dy, 3)


@declare("FusedBatchNormGrad(y_backprop: T, x: T, scale: T, reserve_space_1: T, reserve_space_2: T) -> "
    "x_backprop: T, scale_backprop: T, offset_backprop: T, reserve_space_3: T, reserve_space_4: T",
    T=_FLOAT, epsilon=number(0.0001), data_format=_FORMATS, is_training=flag(True))  # fmt: skip
class FusedBatchNormGrad:
    """The gradients of FusedBatchNorm in x, scale and offset."""

    def shape(y_backprop, x, scale, reserve_space_1, reserve_space_2, is_training, data_format):
        return _gradient_shape(x, scale, is_training, data_format)

    def kernel(xp, y_backprop, x, scale, reserve_space_1, reserve_space_2, epsilon, data_format, is_training):
        found = _gradients(
            xp, y_backprop, x, scale, reserve_space_1, reserve_space_2, epsilon, data_format, is_training
        )
        return *found, *_unused(xp, scale, is_training)

    def grad(op, *dys):
        return _second(op, dys)


@declare("FusedBatchNormGradV2(y_backprop: T, x: T, scale: float32, reserve_space_1: U, "
    "reserve_space_2: U) -> "
    "x_backprop: T, scale_backprop: U, offset_backprop: U, reserve_space_3: U, reserve_space_4: U",
    T=_SMALL, U=_FLOAT, epsilon=number(0.0001), data_format=_FORMATS, is_training=flag(True))  # fmt: skip
class FusedBatchNormGradV2:
    """The gradients of FusedBatchNormV2 in x, scale and offset."""

    def shape(y_backprop, x, scale, reserve_space_1, reserve_space_2, is_training, data_format):
        return _gradient_shape(x, scale, is_training, data_format)

    def kernel(xp, y_backprop, x, scale, reserve_space_1, reserve_space_2, epsilon, data_format, is_training):
        found = _gradients(
            xp, y_backprop, x, scale, reserve_space_1, reserve_space_2, epsilon, data_format, is_training
        )
        return *found, *_unused(xp, scale, is_training)

    def grad(op, *dys):
        return _second(op, dys)


@declare("FusedBatchNormGradV3(y_backprop: T, x: T, scale: float32, reserve_space_1: U, reserve_space_2: U, "
    "reserve_space_3: U) -> "
    "x_backprop: T, scale_backprop: U, offset_backprop: U, reserve_space_4: U, reserve_space_5: U",
    T=_SMALL, U=_FLOAT, epsilon=number(0.0001), data_format=_FORMATS, is_training=flag(True))  # fmt: skip
class FusedBatchNormGradV3:
    """The gradients of FusedBatchNormV3 in x, scale and offset."""

    def shape(
        y_backprop, x, scale, reserve_space_1, reserve_space_2, reserve_space_3, is_training, data_format
    ):
        return _gradient_shape(x, scale, is_training, data_format)

    def kernel(
        xp,
        y_backprop,
        x,
        scale,
        reserve_space_1,
        reserve_space_2,
        reserve_space_3,
        epsilon,
        data_format,
        is_training,
    ):
        found = _gradients(
            xp, y_backprop, x, scale, reserve_space_1, reserve_space_2, epsilon, data_format, is_training
        )
        return *found, *_unused(xp, scale, is_training)

    def grad(op, *dys):
        return _second(op, dys)


@declare("BatchNormWithGlobalNormalization(t: T, m: T, v: T, beta: T, gamma: T) -> result: T",
    T=NUMERIC, variance_epsilon=number(), scale_after_normalization=flag())  # fmt: skip
class BatchNormWithGlobalNormalization:
    """(t - m) / sqrt(v + variance_epsilon), scaled by gamma if asked for, plus beta."""

    def shape(t, m, v, beta, gamma):
        return _shapes(t, (m, v, beta, gamma), "NHWC")[0]

    def kernel(xp, t, m, v, beta, gamma, variance_epsilon, scale_after_normalization):
        root = 1 / xp.sqrt(v + np.asarray(variance_epsilon, v.dtype))
        scale = root * gamma if scale_after_normalization else root
        return ((t - m) * scale + beta).astype(t.dtype)

    def grad(op, dy):
        t, m, v, _, gamma = op.inputs
        return list(raw.BatchNormWithGlobalNormalizationGrad(t, m, v, gamma, dy, **op.params))


@declare("BatchNormWithGlobalNormalizationGrad(t: T, m: T, v: T, gamma: T, backprop: T) -> "
    "dx: T, dm: T, dv: T, db: T, dg: T",
    T=NUMERIC, variance_epsilon=number(), scale_after_normalization=flag())  # fmt: skip
class BatchNormWithGlobalNormalizationGrad:
    """The gradients of BatchNormWithGlobalNormalization in its five inputs."""

    def shape(t, m, v, gamma, backprop):
        image, channels = _shapes(t, (m, v, gamma), "NHWC")
        return [merge(image, backprop), channels, channels, channels, channels]

    def kernel(xp, t, m, v, gamma, backprop, variance_epsilon, scale_after_normalization):
        root = 1 / xp.sqrt(v + np.asarray(variance_epsilon, v.dtype))
        scale = root * gamma if scale_after_normalization else root
        over = (0, 1, 2)
        centred = t - m
        db = xp.sum(backprop, axis=over)
        spread = xp.sum(backprop * centred, axis=over)
        dg = spread * root if scale_after_normalization else xp.zeros(gamma.shape, gamma.dtype)
        dv = spread * scale * root * root / -2
        found = (backprop * scale, -db * scale, dv, db, dg)
        return tuple(g.astype(t.dtype) for g in found)

    def grad(op, *dys):
        t, m, v, gamma, dy = op.inputs
        root = raw.Rsqrt(v + op.attrs["variance_epsilon"])
        scaled = op.attrs["scale_after_normalization"]
        scale = root * gamma if scaled else root
        db, spread = raw.Sum(dy, [0, 1, 2]), raw.Sum(dy * (t - m), [0, 1, 2])
        dg = spread * root if scaled else raw.ZerosLike(gamma)
        outputs = [dy * scale, raw.Neg(db * scale), spread * scale * raw.Square(root) * -0.5, db, dg]
        return _through(outputs, [t, m, v, gamma, dy], list(dys))
