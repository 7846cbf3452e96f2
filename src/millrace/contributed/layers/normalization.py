"""`tf.contrib.layers` and `tf.contrib.slim`: normalization over batches, layers, instances and groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert, raw
from millrace.contributed.framework.arg_scope import add_arg_scope
from millrace.contributed.framework.variables import model_variable
from millrace.contributed.layers.batch_norm import BatchNormByHand
from millrace.contributed.layers.outputs import (
    channels_of,
    collect_variable,
    collections_of,
    finished,
    model_variable_getter,
)
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.layers.core import ZEROS
from millrace.lib.layers.normalization import ONES, BatchNormalization
from millrace.lib.nn.moments import (
    batch_normalization,
    moments,
    normalize_moments,
    sufficient_statistics,
)
from millrace.lib.variables.scope import variable_scope


@public("contrib.layers.batch_norm", "contrib.layers.python.layers.batch_norm", "contrib.slim.batch_norm")
@add_arg_scope
def batch_norm(
    inputs: Any,
    decay: Any = 0.999,
    center: bool = True,
    scale: bool = False,
    epsilon: float = 0.001,
    activation_fn: Any = None,
    param_initializers: dict[str, Any] | None = None,
    param_regularizers: dict[str, Any] | None = None,
    updates_collections: Any = GraphKeys.UPDATE_OPS,
    is_training: Any = True,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    batch_weights: Any = None,
    fused: bool | None = None,
    data_format: str = "NHWC",
    zero_debias_moving_mean: bool = False,
    scope: Any = None,
    renorm: bool = False,
    renorm_clipping: dict[str, Any] | None = None,
    renorm_decay: Any = 0.99,
    adjustment: Callable[[Any], Any] | None = None,
) -> Tensor:
    """Normalizes each channel with the batch's mean and variance, or the moving ones; then scales and shifts.

    Args:
      inputs: `[...]`, at least rank 2, floating.
      decay: how much of the moving averages each step keeps.
      center, scale: whether there are `beta`, which is added, and `gamma`, which multiplies.
      epsilon: added to the variance.
      activation_fn: a function of a tensor; None for none.
      param_initializers: first values by name: "beta", "gamma", "moving_mean", "moving_variance".
      param_regularizers: functions from a variable to a scalar loss: "beta", "gamma".
      updates_collections: collections that the averages' updates join; None: the outputs wait for them.
      is_training: a bool or a scalar bool tensor: use the batch's moments and move the averages.
      reuse: whether to use the variables of an earlier layer; `scope` must be given then.
      variables_collections: collections that the variables join: a list, or lists by name.
      outputs_collections: collections that the outputs join.
      trainable: whether `beta` and `gamma` are trained.
      batch_weights: `[batch]`: how much each element counts in the moments.
      fused: normalize in one operation; None: where the inputs have rank 4 and nothing else is asked for.
      data_format: "NHWC" or "NCHW": whether the channels are last or second.
      zero_debias_moving_mean: correct the moving mean for its beginning with zero.
      scope: of the variables; default "BatchNorm".
      renorm, renorm_clipping, renorm_decay: Batch Renormalization, see `tf.layers.BatchNormalization`.
      adjustment: likewise.

    Returns:
      The shape and dtype of `inputs`.

    Raises:
      ValueError: the rank or the number of channels is unknown, or arguments exclude each other.
    """
    if data_format not in ("NHWC", "NCHW"):
        raise ValueError(f"data_format has to be either NCHW or NHWC. Received: {data_format!r}")
    if fused and batch_weights is not None:
        raise ValueError("batch_norm: weighted moments exclude fused=True. Received: both")
    given = dict(locals())
    inputs = convert.to_tensor(inputs)
    rank = None if inputs.dims is None else len(inputs.dims)
    special = zero_debias_moving_mean or updates_collections is not GraphKeys.UPDATE_OPS
    plain = batch_weights is None and not renorm and adjustment is None
    if fused is not False and plain and (rank == 2 or (rank == 4 and special)):
        return BatchNormByHand(inputs, given, fused=True).outputs
    if batch_weights is None and not special:
        return _by_layer(inputs, given)
    if renorm or adjustment is not None:
        raise ValueError(
            "batch_norm: renorm and adjustment exclude batch_weights, other updates_collections and "
            "zero_debias_moving_mean. Received: both"
        )
    return BatchNormByHand(inputs, given, fused=False).outputs


def _by_layer(inputs: Tensor, given: dict[str, Any]) -> Tensor:
    """Batch normalization by the class of `tf.layers`."""
    first, losses = given["param_initializers"] or {}, given["param_regularizers"] or {}
    getter = model_variable_getter()
    with variable_scope(
        given["scope"], "BatchNorm", [inputs], reuse=given["reuse"], custom_getter=getter
    ) as found:
        layer = BatchNormalization(
            axis=1 if given["data_format"] == "NCHW" else -1,
            momentum=given["decay"],
            epsilon=given["epsilon"],
            center=given["center"],
            scale=given["scale"],
            beta_initializer=first.get("beta", ZEROS),
            gamma_initializer=first.get("gamma", ONES),
            moving_mean_initializer=first.get("moving_mean", ZEROS),
            moving_variance_initializer=first.get("moving_variance", ONES),
            beta_regularizer=losses.get("beta"),
            gamma_regularizer=losses.get("gamma"),
            renorm=given["renorm"],
            renorm_clipping=given["renorm_clipping"],
            renorm_momentum=given["renorm_decay"],
            adjustment=given["adjustment"],
            fused=given["fused"],
            trainable=given["trainable"],
            name=found.name,
            _scope=found,
            _reuse=given["reuse"],
        )
        outputs = layer(inputs, training=given["is_training"])
        for name in ("beta", "gamma", "moving_mean", "moving_variance"):
            collect_variable(getattr(layer, name), given["variables_collections"], name)
        return finished(outputs, found.name, given["outputs_collections"], given["activation_fn"])


def _scale_and_shift(
    shape: Any, inputs: Tensor, given: dict[str, Any], initializers: Any = None, spread: Any = None
) -> tuple[Any, Any]:
    """The variables `beta` and `gamma`, in the shape `spread`, each None where it is not asked for."""

    def made(name: str, initializer: Any) -> Any:
        variable = model_variable(
            name,
            shape,
            inputs.dtype.base_dtype,
            (initializers or {}).get(name, initializer),
            trainable=given["trainable"],
            collections=collections_of(given["variables_collections"], name),
        )
        return variable if spread is None else raw.Reshape(variable, spread)

    beta = made("beta", ZEROS) if given["center"] else None
    gamma = made("gamma", ONES) if given["scale"] else None
    return beta, gamma


@public("contrib.layers.layer_norm", "contrib.layers.python.layers.layer_norm", "contrib.slim.layer_norm")
@add_arg_scope
def layer_norm(
    inputs: Any,
    center: bool = True,
    scale: bool = True,
    activation_fn: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    begin_norm_axis: int = 1,
    begin_params_axis: int = -1,
    scope: Any = None,
) -> Tensor:
    """Normalizes each element of the batch with the mean and variance of its own values.

    Args:
      inputs: `[...]`, floating, of known rank.
      center, scale: whether there are `beta`, which is added, and `gamma`, which multiplies.
      activation_fn: a function of a tensor; None for none.
      reuse: whether to use the variables of an earlier layer; `scope` must be given then.
      variables_collections: collections that the variables join: a list, or lists by name.
      outputs_collections: collections that the outputs join.
      trainable: whether the variables are trained.
      begin_norm_axis: the first of the axes that are normalized together.
      begin_params_axis: the first of the axes that `beta` and `gamma` have.
      scope: of the variables; default "LayerNorm".

    Returns:
      The shape and dtype of `inputs`.

    Raises:
      ValueError: the rank, or a dimension from `begin_params_axis` on, is unknown, or an axis does not exist.
    """
    given = locals()
    with variable_scope(scope, "LayerNorm", [inputs], reuse=reuse) as found:
        inputs = convert.to_tensor(inputs)
        if inputs.dims is None:
            raise ValueError(f"layer_norm: the inputs' rank must be known. Received: {inputs}")
        rank = len(inputs.dims)
        begin = begin_norm_axis + rank if begin_norm_axis < 0 else begin_norm_axis
        if begin_params_axis >= rank or begin >= rank:
            raise ValueError(
                f"layer_norm: both first axes must be less than the rank {rank}. "
                f"Received: begin_params_axis={begin_params_axis}, begin_norm_axis={begin_norm_axis}"
            )
        shape = inputs.dims[begin_params_axis:]
        if None in shape:
            raise ValueError(
                f"layer_norm: the shape from axis {begin_params_axis} on must be known. "
                f"Received: {shapes.format_dims(inputs.dims)}"
            )
        beta, gamma = _scale_and_shift(list(shape), inputs, given)
        mean, variance = moments(inputs, list(range(begin, rank)), keepdims=True)
        epsilon = 1e-3 if inputs.dtype.base_dtype is dtypes.float16 else 1e-12
        outputs = batch_normalization(inputs, mean, variance, beta, gamma, epsilon)
        outputs.set_shape(inputs.dims)
        return finished(outputs, found.name, outputs_collections, activation_fn)


@public("contrib.layers.instance_norm", "contrib.slim.instance_norm")
@add_arg_scope
def instance_norm(
    inputs: Any,
    center: bool = True,
    scale: bool = True,
    epsilon: float = 1e-06,
    activation_fn: Any = None,
    param_initializers: dict[str, Any] | None = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    data_format: str = "NHWC",
    scope: Any = None,
) -> Tensor:
    """Normalizes each channel of each element of the batch on its own.

    Args:
      inputs: `[batch, ..., channels]`, or channels second, floating.
      center, scale: whether there are `beta`, which is added, and `gamma`, which multiplies.
      epsilon: added to the variance.
      activation_fn: a function of a tensor; None for none.
      param_initializers: first values by name: "beta", "gamma".
      reuse: whether to use the variables of an earlier layer; `scope` must be given then.
      variables_collections: collections that the variables join: a list, or lists by name.
      outputs_collections: collections that the outputs join.
      trainable: whether the variables are trained.
      data_format: one that begins with "NC" has its channels second.
      scope: of the variables; default "InstanceNorm".

    Returns:
      The shape and dtype of `inputs`.

    Raises:
      ValueError: the rank or the number of channels is unknown, or the layout is another one.
    """
    given = locals()
    if data_format not in ("NHWC", "NCHW"):
        raise ValueError(f"data_format has to be either NCHW or NHWC. Received: {data_format!r}")
    with variable_scope(scope, "InstanceNorm", [inputs], reuse=reuse) as found:
        inputs = convert.to_tensor(inputs)
        axis = 1 if data_format == "NCHW" else -1
        channels = channels_of(inputs, axis)
        rank = len(inputs.dims)
        beta, gamma = _scale_and_shift([channels], inputs, given, param_initializers)
        if axis == 1:
            spread = [1, channels, *[1] * (rank - 2)]
            beta, gamma = (None if v is None else raw.Reshape(v, spread) for v in (beta, gamma))
        over = [a for a in range(1, rank) if a != axis % rank]
        mean, variance = moments(inputs, over, keepdims=True)
        outputs = batch_normalization(inputs, mean, variance, beta, gamma, epsilon, name="instancenorm")
        outputs.set_shape(inputs.dims)
        return finished(outputs, found.name, outputs_collections, activation_fn)


@public("contrib.layers.group_norm", "contrib.slim.group_norm")
@add_arg_scope
def group_norm(
    inputs: Any,
    groups: int = 32,
    channels_axis: int = -1,
    reduction_axes: Any = (-3, -2),
    center: bool = True,
    scale: bool = True,
    epsilon: float = 1e-6,
    activation_fn: Any = None,
    param_initializers: dict[str, Any] | None = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
    mean_close_to_zero: bool = False,
) -> Tensor:
    """Normalizes groups of channels of each element of the batch on their own.

    Args:
      inputs: `[batch, ...]`, floating.
      groups: how many groups there are; divides the number of channels.
      channels_axis: the channels' axis.
      reduction_axes: the axes that are normalized together with a group's channels.
      center, scale: whether there are `beta`, which is added, and `gamma`, which multiplies.
      epsilon: added to the variance.
      activation_fn: a function of a tensor; None for none.
      param_initializers: first values by name: "beta", "gamma".
      reuse: whether to use the variables of an earlier layer; `scope` must be given then.
      variables_collections: collections that the variables join: a list, or lists by name.
      outputs_collections: collections that the outputs join.
      trainable: whether the variables are trained.
      scope: of the variables; default "GroupNorm".
      mean_close_to_zero: compute the variance from the sum of squares in one pass.

    Returns:
      The shape and dtype of `inputs`.

    Raises:
      ValueError: the number of channels is unknown or no multiple of `groups`, or an axis does not fit.
    """
    given = locals()
    inputs = convert.to_tensor(inputs)
    channels = channels_of(inputs, channels_axis)
    rank = len(inputs.dims)
    axis = channels_axis % rank
    over = [a % rank for a in reduction_axes]
    if axis in over or any(not -rank <= a < rank for a in reduction_axes):
        raise ValueError(
            f"group_norm: reduction_axes are axes other than {channels_axis}. Received: {reduction_axes}"
        )
    if groups > channels or channels % groups:
        raise ValueError(f"group_norm: groups must divide {channels} channels. Received: {groups}")
    # The channels' axis becomes two: groups, and the channels of a group.
    sizes = convert.shape_tensor(inputs)
    dims: list[Any] = [sizes[i] if d is None else d for i, d in enumerate(inputs.dims)]
    grouped = raw.Reshape(inputs, [*dims[:axis], groups, channels // groups, *dims[axis + 1 :]])
    over = [a if a < axis else a + 1 for a in over] + [axis + 1]
    with variable_scope(scope, "GroupNorm", [inputs], reuse=reuse) as found:
        spread = [
            groups if a == axis else channels // groups if a == axis + 1 else 1 for a in range(rank + 1)
        ]
        beta, gamma = _scale_and_shift([channels], inputs, given, param_initializers, spread)
        if mean_close_to_zero:
            count, total, squares, _ = sufficient_statistics(grouped, over, keepdims=True)
            mean, variance = normalize_moments(count, total, squares, None)
        else:
            mean, variance = moments(grouped, over, keepdims=True)
        outputs = raw.Reshape(_scaled(grouped, mean, variance, beta, gamma, epsilon), dims)
        outputs.set_shape(inputs.dims)
        return finished(outputs, found.name, outputs_collections, activation_fn)


def _scaled(x: Tensor, mean: Any, variance: Any, beta: Any, gamma: Any, epsilon: float) -> Any:
    """`(x - mean) / deviation * gamma + beta`, drawn as one product and one sum."""
    gain = raw.Rsqrt(variance + epsilon)
    offset = -mean * gain
    if gamma is not None:
        gain, offset = gain * gamma, offset * gamma
    if beta is not None:
        offset = offset + beta
    return x * gain + offset
