"""Activations, losses, products, convolutions and normalization."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.lib.layers import settings
from millrace.lib.math.functions import clip_by_value
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.nn import ctc
from millrace.lib.nn.convolution import convolution
from millrace.lib.nn.convolution import separable_conv2d as separable_image
from millrace.lib.nn.cross_entropy import (
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits_v2,
    sparse_softmax_cross_entropy_with_logits,
)
from millrace.lib.nn.moments import batch_normalization as normalized
from millrace.lib.nn.moments import fused_batch_norm, moments
from millrace.lib.variables.moving_averages import assign_moving_average
from millrace.models.keras.backend import arrays
from millrace.ops.array.concat import concat, stack, unstack
from millrace.ops.array.pad import pad
from millrace.ops.array.reshape import reshape, squeeze, transpose
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math import elementwise
from millrace.ops.math.cast import cast
from millrace.ops.math.top_k import in_top_k as in_top
from millrace.ops.nn import activation
from millrace.ops.nn.bias import bias_add as biased
from millrace.ops.nn.conv import conv2d_transpose as transposed_image
from millrace.ops.nn.softmax import softmax as softmax_of
from millrace.ops.sparse.dense import sparse_tensor_dense_matmul

_LAYOUTS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}


def like(value: Any, tensor: Any) -> Any:
    """A number as a tensor of another tensor's dtype."""
    return convert.to_tensor(value, tensor.dtype.base_dtype)


@public("keras.backend.relu")
def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0) -> Any:
    """x above `threshold`, at most `max_value`; below, `alpha * (x - threshold)`."""
    x = convert.to_tensor(x)
    negative = None
    if alpha != 0.0:
        if max_value is None and threshold == 0:
            return activation.leaky_relu(x, alpha=alpha)
        negative = activation.relu(-x + threshold if threshold != 0 else -x)
    bounded = max_value is not None
    if threshold != 0:
        x = x * cast(raw.Greater(x, threshold), settings.floatx())
    elif max_value == 6:
        x, bounded = activation.relu6(x), False
    else:
        x = activation.relu(x)
    if bounded:
        x = clip_by_value(x, like(0.0, x), like(max_value, x))
    if negative is not None:
        x = x - like(alpha, x) * negative
    return x


@public("keras.backend.elu")
def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where positive, else `alpha * (exp(x) - 1)`."""
    found = activation.elu(x)
    if alpha == 1:
        return found
    return raw.Select(raw.Greater(x, 0.0), found, alpha * found)


@public("keras.backend.softmax")
def softmax(x: Any, axis: int = -1) -> Any:
    """Exponentials that sum to 1 along an axis."""
    return softmax_of(x, axis=axis)


@public("keras.backend.softplus")
def softplus(x: Any) -> Any:
    """log(exp(x) + 1)."""
    return activation.softplus(x)


@public("keras.backend.softsign")
def softsign(x: Any) -> Any:
    """x / (abs(x) + 1)."""
    return activation.softsign(x)


@public("keras.backend.sigmoid")
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return elementwise.sigmoid(x)


@public("keras.backend.hard_sigmoid")
def hard_sigmoid(x: Any) -> Any:
    """0.2 * x + 0.5, between 0 and 1."""
    x = convert.to_tensor(x)
    factor, shift = like(0.2, x), like(0.5, x)
    return clip_by_value(raw.Add(raw.Mul(x, factor), shift), 0.0, 1.0)


@public("keras.backend.tanh")
def tanh(x: Any) -> Any:
    """The hyperbolic tangents."""
    return raw.Tanh(x)


# --- losses -------------------------------------------------------------------------------------------------


def _logits_of(output: Any, activation_type: str) -> Any:
    """What an activation was applied to, where `output` is its result; else None."""
    op = getattr(output, "op", None)
    return op.inputs[0] if op is not None and op.type == activation_type else None


def _probabilities(output: Any) -> Any:
    margin = like(settings.epsilon(), output)
    return clip_by_value(output, margin, 1.0 - margin)


@public("keras.backend.categorical_crossentropy")
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """The cross entropy of distributions along an axis.

    Args:
      target: the true distributions.
      output: the predicted ones, or their logits.
      from_logits: `output` holds logits.
      axis: along which they lie.
    """
    output = convert.to_tensor(output)
    if not from_logits:
        logits = _logits_of(output, "Softmax")
        if logits is None:
            output = _probabilities(output / reduce_sum(output, axis, True))
            return -reduce_sum(target * elementwise.log(output), axis)
        output = logits
    return softmax_cross_entropy_with_logits_v2(labels=target, logits=output, axis=axis)


@public("keras.backend.sparse_categorical_crossentropy")
def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """The cross entropy of classes and distributions along an axis.

    Args:
      target: the true classes, integers.
      output: the predicted distributions, or their logits.
      from_logits: `output` holds logits.
      axis: along which the distributions lie.
    """
    output = convert.to_tensor(output)
    if not from_logits:
        logits = _logits_of(output, "Softmax")
        output = elementwise.log(_probabilities(output)) if logits is None else logits
    rank = None if output.dims is None else len(output.dims)
    if rank is not None and axis % rank != rank - 1:
        axis = axis % rank
        output = transpose(output, perm=[*range(axis), *range(axis + 1, rank), axis])
    target = cast(convert.to_tensor(target), dtypes.int64)
    sizes = shape_of(output)
    known = None if target.dims is None else len(target.dims)
    flat = known is None or rank is None or known != rank - 1
    if flat:
        target = reshape(target, [-1])
        output = reshape(output, [-1, sizes[-1]])
    found = sparse_softmax_cross_entropy_with_logits(labels=target, logits=output)
    return reshape(found, sizes[:-1]) if flat and (rank or 0) >= 3 else found


@public("keras.backend.binary_crossentropy")
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """The cross entropy of probabilities, element by element.

    Args:
      target: the true probabilities.
      output: the predicted ones, or their logits.
      from_logits: `output` holds logits.
    """
    output = convert.to_tensor(output)
    if not from_logits:
        logits = _logits_of(output, "Sigmoid")
        if logits is None:
            output = _probabilities(output)
            found = target * elementwise.log(output + settings.epsilon())
            found = found + (1 - target) * elementwise.log(1 - output + settings.epsilon())
            return -found
        output = logits
    return sigmoid_cross_entropy_with_logits(labels=target, logits=output)


@public("keras.backend.in_top_k")
def in_top_k(predictions: Any, targets: Any, k: int) -> Any:
    """Whether the true class is among the `k` with the greatest predictions."""
    return in_top(predictions, targets, k)


@public("keras.backend.ctc_label_dense_to_sparse")
def ctc_label_dense_to_sparse(labels: Any, label_lengths: Any) -> Any:
    """Labels `[batch, length]` of which the first `label_lengths` count, as a SparseTensor."""
    return ctc._as_sparse(convert.to_tensor(labels), label_lengths)


@public("keras.backend.ctc_batch_cost")
def ctc_batch_cost(y_true: Any, y_pred: Any, input_length: Any, label_length: Any) -> Any:
    """The CTC loss of each element of a batch.

    Args:
      y_true: labels, `[batch, length]`.
      y_pred: probabilities, `[batch, time, classes]`; the last class is the blank.
      input_length, label_length: `[batch, 1]`.

    Returns:
      `[batch, 1]`.
    """
    label_length = cast(squeeze(label_length, [-1]), dtypes.int32)
    input_length = cast(squeeze(input_length, [-1]), dtypes.int32)
    labels = ctc_label_dense_to_sparse(cast(y_true, dtypes.int32), label_length)
    logits = elementwise.log(transpose(y_pred, perm=[1, 0, 2]) + settings.epsilon())
    return raw.ExpandDims(ctc.ctc_loss(labels, logits, input_length), 1)


@public("keras.backend.ctc_decode")
def ctc_decode(
    y_pred: Any, input_length: Any, greedy: bool = True, beam_width: int = 100, top_paths: int = 1
) -> Any:
    """The likeliest labels.

    Args:
      y_pred: probabilities, `[batch, time, classes]`; the last class is the blank.
      input_length: `[batch]`.
      greedy: take the likeliest class at each time, not the best of all paths.
      beam_width: how many paths are kept.
      top_paths: how many are returned.

    Returns:
      A list of dense labels, `[batch, length]`, filled up with -1, and their log probabilities.
    """
    logits = elementwise.log(transpose(y_pred, perm=[1, 0, 2]) + settings.epsilon())
    lengths = cast(input_length, dtypes.int32)
    if greedy:
        decoded, probability = ctc.ctc_greedy_decoder(inputs=logits, sequence_length=lengths)
    else:
        decoded, probability = ctc.ctc_beam_search_decoder(
            inputs=logits, sequence_length=lengths, beam_width=beam_width, top_paths=top_paths
        )
    dense = [raw.SparseToDense(st.indices, st.dense_shape, st.values, like(-1, st.values)) for st in decoded]
    return dense, probability


# --- products -----------------------------------------------------------------------------------------------


@public("keras.backend.dot")
def dot(x: Any, y: Any) -> Any:
    """The product over the last axis of `x` and the last but one of `y`."""
    if arrays.is_sparse(x):
        return sparse_tensor_dense_matmul(x, y)
    rank_x, rank_y = arrays.ndim(x), arrays.ndim(y)
    if rank_x is None or rank_y is None or (rank_x <= 2 and rank_y <= 2):
        return matmul(x, y)
    x, y = convert.to_tensor(x), convert.to_tensor(y)
    sizes_x = [d if d is not None else n for d, n in zip(x.dims, _lengths(x), strict=True)]  # type: ignore[arg-type]
    sizes_y = [d if d is not None else n for d, n in zip(y.dims, _lengths(y), strict=True)]  # type: ignore[arg-type]
    order = [rank_y - 2, *range(rank_y - 2), rank_y - 1] if rank_y > 1 else [0]
    wide = order[1:]
    flat_x = reshape(x, [-1, sizes_x[-1]])
    flat_y = reshape(transpose(y, perm=order), [sizes_y[rank_y - 2], -1])
    found = reshape(matmul(flat_x, flat_y), [*sizes_x[:-1], *[sizes_y[a] for a in wide]])
    found.set_shape([*x.dims[:-1], *[y.dims[a] for a in wide]])  # type: ignore[index]
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
    layout = arrays._check_layout(data_format)
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


# --- convolutions -------------------------------------------------------------------------------------------


def _native(padding: str) -> str:
    if padding not in ("same", "valid"):
        raise ValueError(f"Invalid padding: {padding}")
    return padding.upper()


def _layout(data_format: str | None, axes: int) -> str:
    return _LAYOUTS[axes][arrays._check_layout(data_format) == "channels_first"]


@public("keras.backend.conv1d")
def conv1d(
    x: Any,
    kernel: Any,
    strides: int = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int = 1,
) -> Any:
    """Convolution along one axis.

    Args:
      x: `[batch, length, channels]`, or channels second.
      kernel: `[window, in, out]`.
      strides: the window's steps.
      padding: "valid", "same" or "causal": earlier elements only.
      data_format: the layout; default `image_data_format()`.
      dilation_rate: the steps between the window's elements.
    """
    if padding == "causal":
        left = dilation_rate * ((shapes.as_dims(kernel.get_shape()) or (1,))[0] - 1)  # type: ignore[operator]
        x, padding = pad(x, [[0, 0], [left, 0], [0, 0]]), "valid"
    return convolution(
        x,
        kernel,
        padding=_native(padding),
        strides=[strides],
        dilation_rate=[dilation_rate],
        data_format=_layout(data_format, 1),
    )


@public("keras.backend.conv2d")
def conv2d(
    x: Any,
    kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """Convolution of images: `kernel` is `[height, width, in, out]`."""
    return _convolved(x, kernel, strides, padding, data_format, dilation_rate, 2)


@public("keras.backend.conv3d")
def conv3d(
    x: Any,
    kernel: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1, 1),
) -> Any:
    """Convolution of volumes: `kernel` is `[depth, height, width, in, out]`."""
    return _convolved(x, kernel, strides, padding, data_format, dilation_rate, 3)


def _convolved(
    x: Any, kernel: Any, strides: Any, padding: str, data_format: str | None, rate: Any, axes: int
) -> Any:
    return convolution(
        x,
        kernel,
        padding=_native(padding),
        strides=list(strides),
        dilation_rate=list(rate),
        data_format=_layout(data_format, axes),
    )


@public("keras.backend.conv2d_transpose")
def conv2d_transpose(
    x: Any,
    kernel: Any,
    output_shape: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """The transpose of a convolution of images.

    Args:
      x: `[batch, height, width, in]`, or channels second.
      kernel: `[height, width, out, in]`.
      output_shape: the result's shape; None for the batch of `x`.
      strides, padding, data_format, dilation_rate: of the convolution.

    Raises:
      ValueError: the layout or padding is unknown.
    """
    layout = _layout(data_format, 2)
    sizes = list(output_shape) if isinstance(output_shape, list | tuple) else None
    if sizes is not None and sizes[0] is None:
        sizes[0] = shape_of(x)[0]
    steps = [1, *strides, 1] if layout == "NHWC" else [1, 1, *strides]
    rates = [1, *dilation_rate, 1] if layout == "NHWC" else [1, 1, *dilation_rate]
    shape = output_shape if sizes is None else stack(sizes)
    if tuple(dilation_rate) == (1, 1):
        return transposed_image(x, kernel, shape, steps, padding=_native(padding), data_format=layout)
    return raw.Conv2DBackpropInput(
        shape, kernel, x, strides=steps, padding=_native(padding), data_format=layout, dilations=rates
    )


@public("keras.backend.separable_conv2d")
def separable_conv2d(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """One filter for each channel of images, then a mix of the channels."""
    layout = _layout(data_format, 2)
    steps = tuple(strides) if isinstance(strides, list | tuple) else (strides, strides)
    return separable_image(
        x,
        depthwise_kernel,
        pointwise_kernel,
        strides=[1, *steps, 1] if layout == "NHWC" else [1, 1, *steps],
        padding=_native(padding),
        rate=list(dilation_rate),
        data_format=layout,
    )


@public("keras.backend.pool2d")
def pool2d(
    x: Any,
    pool_size: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:
    """The largest element ("max") or the mean ("avg") of windows of images."""
    return _pooled(x, pool_size, strides, padding, data_format, pool_mode, 2)


@public("keras.backend.pool3d")
def pool3d(
    x: Any,
    pool_size: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:
    """The largest element ("max") or the mean ("avg") of windows of volumes."""
    return _pooled(x, pool_size, strides, padding, data_format, pool_mode, 3)


def _pooled(
    x: Any, pool_size: Any, strides: Any, padding: str, data_format: str | None, pool_mode: str, axes: int
) -> Any:
    ops = {("max", 2): raw.MaxPool, ("avg", 2): raw.AvgPool, ("max", 3): raw.MaxPool3D,
           ("avg", 3): raw.AvgPool3D}  # fmt: skip
    if (pool_mode, axes) not in ops:
        raise ValueError(f"Invalid pooling mode: {pool_mode}")
    for name, value in (("`pool_size`", pool_size), ("`strides`", strides)):
        if len(value) != axes:
            raise ValueError(f"{name} must be a tuple of {axes} integers. Received: {value}")
    layout = _layout(data_format, axes)
    last = layout.endswith("C")
    window = [1, *pool_size, 1] if last else [1, 1, *pool_size]
    steps = [1, *strides, 1] if last else [1, 1, *strides]
    return ops[pool_mode, axes](x, ksize=window, strides=steps, padding=_native(padding), data_format=layout)


@public("keras.backend.local_conv1d")
def local_conv1d(
    inputs: Any, kernel: Any, kernel_size: Any, strides: Any, data_format: str | None = None
) -> Any:
    """Convolution along one axis with a kernel of its own at each place.

    Args:
      inputs: `[batch, length, channels]`, or channels second.
      kernel: `[places, window * in, out]`.
      kernel_size, strides: tuples of one integer.
      data_format: the layout; default `image_data_format()`.
    """
    places = (shapes.as_dims(kernel.get_shape()) or (1,))[0]
    return _local(inputs, kernel, kernel_size, strides, (places,), data_format)


@public("keras.backend.local_conv2d")
def local_conv2d(
    inputs: Any,
    kernel: Any,
    kernel_size: Any,
    strides: Any,
    output_shape: Any,
    data_format: str | None = None,
) -> Any:
    """Convolution of images with a kernel of its own at each place.

    Args:
      inputs: `[batch, height, width, channels]`, or channels second.
      kernel: `[places, height * width * in, out]`.
      kernel_size, strides: tuples of two integers.
      output_shape: how many places there are along each axis.
      data_format: the layout; default `image_data_format()`.
    """
    return _local(inputs, kernel, kernel_size, strides, output_shape, data_format)


def _local(
    inputs: Any, kernel: Any, kernel_size: Any, strides: Any, places: Any, data_format: str | None
) -> Any:
    first = arrays._check_layout(data_format) == "channels_first"
    _, features, filters = shapes.as_dims(kernel.get_shape())  # type: ignore[misc]
    axes = len(places)
    pieces = []
    for place in _grid(places):
        window = tuple(slice(p * s, p * s + k) for p, s, k in zip(place, strides, kernel_size, strict=True))
        key = (slice(None), slice(None), *window) if first else (slice(None), *window, slice(None))
        pieces.append(reshape(inputs[key], (1, -1, features)))
    found = matmul(concat(pieces, 0), kernel)
    found = reshape(found, (*places, -1, filters))
    order = [axes, axes + 1, *range(axes)] if first else [axes, *range(axes), axes + 1]
    return transpose(found, perm=order)


def _grid(lengths: Any) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = [()]
    for length in lengths:
        found = [(*place, i) for place in found for i in range(length)]
    return found


# --- normalization ------------------------------------------------------------------------------------------


@public("keras.backend.moving_average_update")
def moving_average_update(x: Any, value: Any, momentum: float) -> Any:
    """Moves a variable towards `value`, keeping `momentum` of it; run the result."""
    return assign_moving_average(x, value, momentum, zero_debias=True)


@public("keras.backend.batch_normalization")
def batch_normalization(
    x: Any, mean: Any, var: Any, beta: Any, gamma: Any, axis: int = -1, epsilon: float = 1e-3
) -> Any:
    """`gamma * (x - mean) / sqrt(var + epsilon) + beta`.

    Args:
      x: `[...]`.
      mean, var, beta, gamma: one number for each channel, or of a shape that broadcasts with `x`; `beta` and
        `gamma` may be None.
      axis: the channels' axis.
      epsilon: added to the variance.
    """
    rank = arrays.ndim(x)
    if rank == 4 and axis in (1, 3, -1):
        layout = "NCHW" if axis == 1 else "NHWC"
        flat = [v if v is None or arrays.ndim(v) <= 1 else reshape(v, [-1]) for v in (mean, var, beta, gamma)]
        beta = arrays.zeros_like(flat[0]) if flat[2] is None else flat[2]
        gamma = arrays.ones_like(flat[0]) if flat[3] is None else flat[3]
        return fused_batch_norm(x, gamma, beta, flat[0], flat[1], epsilon, layout, is_training=False)[0]
    return normalized(x, mean, var, beta, gamma, epsilon)


@public("keras.backend.normalize_batch_in_training")
def normalize_batch_in_training(
    x: Any, gamma: Any, beta: Any, reduction_axes: Any, epsilon: float = 1e-3
) -> Any:
    """x normalized with its own mean and variance over `reduction_axes`; those two follow in the result."""
    rank = arrays.ndim(x)
    axes = list(reduction_axes)
    if rank == 4 and axes in ([0, 1, 2], [0, 2, 3]):
        layout = "NHWC" if axes == [0, 1, 2] else "NCHW"
        channels = (shapes.as_dims(x.get_shape()) or ())[3 if layout == "NHWC" else 1]
        gamma = arrays.constant(1.0, dtype=x.dtype, shape=[channels]) if gamma is None else gamma
        beta = arrays.constant(0.0, dtype=x.dtype, shape=[channels]) if beta is None else beta
        return tuple(fused_batch_norm(x, gamma, beta, epsilon=epsilon, data_format=layout))
    mean, var = moments(x, axes, None, None, False)
    if sorted(axes) == list(range(rank))[:-1]:
        return normalized(x, mean, var, beta, gamma, epsilon), mean, var
    sizes = stack([1 if a in axes else shape_of(x)[a] for a in range(rank)])
    spread = [None if v is None else reshape(v, sizes) for v in (mean, var, beta, gamma)]
    return normalized(x, spread[0], spread[1], spread[2], spread[3], epsilon), mean, var
