"""`tf.contrib.layers.legacy_*`: fully connected layers as the first releases had them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.contributed.framework.arg_scope import add_arg_scope
from millrace.contributed.layers.initializers import xavier_initializer
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.layers.core import ZEROS
from millrace.lib.variables.scope import get_variable, variable_scope
from millrace.ops.array.concat import stack, unstack
from millrace.ops.array.shape import shape
from millrace.ops.linalg.matmul import matmul
from millrace.ops.nn.activation import relu
from millrace.ops.nn.bias import bias_add

_XAVIER = xavier_initializer()


@public("contrib.layers.legacy_fully_connected", "contrib.slim.legacy_fully_connected")
@add_arg_scope
def legacy_fully_connected(
    x: Any,
    num_output_units: int,
    activation_fn: Callable[[Any], Any] | None = None,
    weight_init: Any = _XAVIER,
    bias_init: Any = ZEROS,
    name: str | None = None,
    weight_collections: Any = (GraphKeys.WEIGHTS,),
    bias_collections: Any = (GraphKeys.BIASES,),
    output_collections: Any = (GraphKeys.ACTIVATIONS,),
    trainable: bool = True,
    weight_regularizer: Any = None,
    bias_regularizer: Any = None,
) -> Tensor:
    """A product with a matrix of weights, and a bias, over the last axis.

    Args:
      x: `[..., inputs]`, at least rank 2.
      num_output_units: how many outputs there are.
      activation_fn: a function of a tensor; None for none.
      weight_init: first value of the weights.
      bias_init: first value of the bias; None for no bias.
      name: scope of the variables; default "fully_connected".
      weight_collections, bias_collections, output_collections: which collections they join.
      trainable: whether the variables are trained.
      weight_regularizer, bias_regularizer: functions from a variable to a scalar loss.

    Returns:
      `[..., num_output_units]`.

    Raises:
      ValueError: the rank is unknown or less than 2, or the number of inputs is unknown.
    """
    with variable_scope(name, "fully_connected", [x]):
        x = convert.to_tensor(x)
        if x.dims is None or len(x.dims) < 2:
            raise ValueError(f"rank of x must be at least 2 not: {x.dims}")
        inputs = x.dims[-1]
        if inputs is None:
            raise ValueError(f"last dimension of x must be known but is None. Received: {x}")
        dtype = x.dtype.base_dtype
        weights = get_variable(
            "weights",
            [inputs, num_output_units],
            dtype,
            weight_init,
            weight_regularizer,
            trainable,
            [*(weight_collections or ()), GraphKeys.GLOBAL_VARIABLES],
        )
        flat = x if len(x.dims) == 2 else raw.Reshape(x, [-1, inputs])
        y = matmul(flat, weights)
        if bias_init is not None:
            bias = get_variable(
                "bias",
                [num_output_units],
                dtype,
                bias_init,
                bias_regularizer,
                trainable,
                [*(bias_collections or ()), GraphKeys.GLOBAL_VARIABLES],
            )
            y = bias_add(y, bias)
        if len(x.dims) > 2:
            sizes = unstack(shape(x), num=len(x.dims))
            y = raw.Reshape(y, stack([*sizes[:-1], num_output_units]))
            y.set_shape([*x.dims[:-1], num_output_units])
        if activation_fn is not None:
            y = activation_fn(y)
        get_default_graph().add_to_collections(list(output_collections or ()), y)
        return y


legacy_linear = functools.partial(legacy_fully_connected, activation_fn=None)
public("contrib.layers.legacy_linear", "contrib.slim.legacy_linear")(legacy_linear)
legacy_relu = functools.partial(legacy_fully_connected, activation_fn=relu)
public("contrib.layers.legacy_relu", "contrib.slim.legacy_relu")(legacy_relu)
