"""Batch normalizations folded into the weights of the layers before them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from millrace.autodiff.registry import RegisterGradient
from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.contributed.quantize.correction import Normalization, correction, update
from millrace.contributed.quantize.ranges import operation
from millrace.core.dtypes import float32
from millrace.graph.graph import Graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.nn.convolution import depthwise_conv2d
from millrace.ops.array.constant import ones
from millrace.ops.array.shape import size
from millrace.ops.math.cast import cast

LAYERS = ("Conv2D", "DepthwiseConv2dNative", "MatMul")
_FUSED = ("FusedBatchNorm", "FusedBatchNormV3")


def scope_of(op: Operation) -> str:
    """The scope of an operation, with a slash at its end; "" outside of all."""
    scope, slash, _ = op.name.rpartition("/")
    return scope + slash


def fold_batch_norms(graph: Graph, is_training: bool, freeze_delay: int | None) -> None:
    """Rewrites each layer with a batch normalization behind it to a layer with other weights and a bias.

    Args:
      freeze_delay: the step from which the moving averages take the place of the batch's moments; None never.
    """
    fused, composed = list(_fused(graph)), list(_composed(graph, is_training))
    for found in (*fused, *composed):
        _check(found)
    for found in fused:
        context = scope_of(found.layer)
        if found.trains:
            found.mean.op._set_attr("_gradient_op_type", _GRADIENT)
        with name_scope(None), name_scope(f"{context}BatchNorm_Fold") as scope:
            found.scale = found.gamma * raw.Rsqrt(found.variance + found.epsilon)
            found.bias = raw.Sub(found.beta, found.mean * found.scale, name="bias")
            _fold(found, context, scope or "", freeze_delay)
    for found in composed:
        context = scope_of(found.layer)
        if found.gamma is None:
            found.gamma = ones(found.mean.shape)
        _fold(found, context, context, freeze_delay)


def _check(found: Normalization) -> None:
    """Refuses what cannot be folded, while the graph is as it was."""
    layer = found.layer
    if found.trains and (found.moving_mean is None or found.moving_variance is None):
        raise ValueError(
            f"A batch normalization must have moving averages of its moments to be folded in training. "
            f"Received: one behind {layer.name} without"
        )
    if layer.type in LAYERS[:2] and layer.get_attr("data_format") != b"NHWC":
        raise ValueError(
            f"A layer with a batch normalization must have data_format NHWC. Received: {layer.name} with "
            f"{layer.get_attr('data_format').decode()}"
        )


def _fold(found: Normalization, context: str, inner: str, freeze_delay: int | None) -> None:
    """The layer with folded weights, in the place of the normalization.

    Args:
      context: the scope of the layer.
      inner: that of what is computed before it.
    """
    layer, scale = found.layer, found.scale
    with name_scope(None):
        factors = correction(found, inner, freeze_delay) if found.trains else None
        if layer.type == "DepthwiseConv2dNative":
            # The weights are [height, width, channels, multiplier], the factors [channels * multiplier].
            shape = (found.weights.dims or ())[2:]
            scale = raw.Reshape(scale, shape, name=f"{inner}scale_reshape")
            if factors is not None:
                factors = (raw.Reshape(factors[0], shape, name=f"{inner}correction_reshape"), *factors[1:])
        weights = found.weights
        if factors is not None:
            weights = raw.Mul(factors[0], weights, name=f"{context}correction_mult")
        x = layer.inputs[0] if found.x is None else found.x
        result = _again(layer, x, raw.Mul(weights, scale, name=f"{context}mul_fold"))
        if found.batch_to_space is not None:
            back = found.batch_to_space
            name = f"{found.batch_to_space_scope}{back.name.rpartition('/')[2]}_Fold"
            result = raw.BatchToSpaceND(result, *back.inputs[1:], name=name)
        if factors is not None:
            result = raw.Mul(factors[1], result, name=f"{context}post_conv_mul")
            result = raw.Add(result, factors[2], name=f"{context}correction_add")
        folded = raw.Add(result, found.bias, name=f"{context}add_fold")
    for taker in list(found.result.consumers()):
        reroute(taker, found.result, folded)


def reroute(taker: Operation, old: Tensor, new: Tensor) -> None:
    """Gives `new` to an operation wherever it takes `old`."""
    for i, given in enumerate(taker.inputs):
        if given is old:
            taker._update_input(i, new)


def _again(layer: Operation, x: Tensor, weights: Tensor) -> Tensor:
    """The layer with other weights, beside the one that there is."""
    name = f"{layer.name}_Fold"
    if layer.type == "DepthwiseConv2dNative":
        given = {k: layer.get_attr(k) for k in ("strides", "padding", "data_format")}
        layout = given["data_format"].decode()
        return depthwise_conv2d(
            x, weights, given["strides"], given["padding"].decode(), data_format=layout, name=name
        )
    if layer.type == "Conv2D":
        return raw.Conv2D(x, weights, name=name, **layer.params)
    return raw.MatMul(x, weights, name=name, **layer.params)


def _gradient_of_moments(op: Operation, *dys: Any) -> tuple[Tensor, None, None, None, None]:
    """The gradient of a normalization of which only the moments are used, in what it normalizes.

    The gradient of the operation itself leaves the moments out.
    """
    (x, *_), (_, mean, *_), (_, d_mean, d_variance, *_) = op.inputs, op.outputs, dys
    count = cast(size(x) / size(mean), float32)
    return d_mean / count + 2 * d_variance * (x - mean) / (count - 1), None, None, None, None


_GRADIENT = "FoldFusedBatchNormGrad"
RegisterGradient(_GRADIENT)(_gradient_of_moments)


# --- one operation that normalizes --------------------------------------------------------------------------


def _fused(graph: Graph) -> Iterator[Normalization]:
    for op in graph.get_operations():
        if op.type not in _FUSED or not op.outputs[0].consumers():
            continue
        layer, batch_to_space = op.inputs[0].op, None
        result = op.outputs[0]
        if layer.type == "Reshape":
            layer = layer.inputs[0].op
            takers = result.consumers()
            if layer.type != "MatMul" or len(takers) != 1 or takers[0].type != "Reshape":
                continue
            result = takers[0].outputs[0]
        if layer.type == "BatchToSpaceND":
            batch_to_space, layer = layer, layer.inputs[0].op
        if layer.type not in LAYERS:
            continue
        yield _one_operation(op, layer, result, batch_to_space)


def _one_operation(
    op: Operation, layer: Operation, result: Tensor, batch_to_space: Operation | None
) -> Normalization:
    trains = bool(op.get_attr("is_training"))
    mean, variance = op.outputs[1:3] if trains else op.inputs[3:5]
    updates = update(mean), update(variance)
    if trains:
        with name_scope(scope_of(op) or None):
            # The operation gives the unbiased variance and normalizes with the other.
            count = cast(size(layer.outputs[0]) / size(mean), float32)
            variance = raw.Mul(variance, (count - 1) / count, name="Undo_Bessel_Correction")
    return Normalization(
        layer=layer,
        result=result,
        weights=layer.inputs[1],
        gamma=op.inputs[1],
        mean=mean,
        variance=variance,
        epsilon=op.get_attr("epsilon"),
        moving_mean=_averaged(updates[0]),
        moving_variance=_averaged(updates[1]),
        trains=trains,
        updates=updates,
        beta=op.inputs[2],
        x=layer.inputs[0],
        batch_to_space=batch_to_space,
        batch_to_space_scope=scope_of(layer),
    )


def _averaged(product: Operation | None) -> Tensor | None:
    """The moving average that an update reads."""
    return None if product is None else product.inputs[0].op.inputs[0]


# --- operations that normalize together ---------------------------------------------------------------------


def _composed(graph: Graph, is_training: bool) -> Iterator[Normalization]:
    """Those in a scope "BatchNorm", where `tf.contrib.layers` puts them."""
    names = (re.match(r"^(.*)/BatchNorm/batchnorm_1/add_1$", op.name) for op in graph.get_operations())
    for context in [m.group(1) for m in names if m is not None]:
        found = _many_operations(graph, context, is_training)
        if found is not None:
            yield found


def _many_operations(graph: Graph, context: str, is_training: bool) -> Normalization | None:
    def of(name: str) -> Any:
        op = operation(graph, f"{context}/BatchNorm/{name}")
        return None if op is None else op.outputs[0]

    result, root = of("batchnorm_1/add_1"), of("batchnorm_1/Rsqrt")
    product, bias = result.op.inputs[0].op, result.op.inputs[1]
    layer, scale = product.inputs[0].op, product.inputs[1]
    batch_to_space = None
    if layer.type == "BatchToSpaceND":
        batch_to_space, layer = layer, layer.inputs[0].op
    if layer.type not in LAYERS:
        return None
    variance, epsilon = root.op.inputs[0].op.inputs
    # The bias is beta - mean * scale, or -mean * scale.
    mean = (bias.op.inputs[1] if bias.op.type == "Sub" else bias.op.inputs[0]).op.inputs[0]
    updates = update(mean), update(variance)
    return Normalization(
        layer=layer,
        result=result,
        weights=layer.inputs[1],
        gamma=of("gamma") if scale is not root else None,
        mean=mean,
        variance=variance,
        epsilon=epsilon,
        moving_mean=_averaged(updates[0]),
        moving_variance=_averaged(updates[1]),
        trains=is_training,
        updates=updates,
        scale=scale,
        bias=bias,
        batch_to_space=batch_to_space,
        batch_to_space_scope="" if batch_to_space is None else scope_of(batch_to_space),
    )
