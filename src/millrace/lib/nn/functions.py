"""Small pieces of neural networks made of other operations: `tf.nn.dropout`, `tf.nn.crelu` and their like."""

from __future__ import annotations

from numbers import Real
from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import shape_tensor, to_tensor
from millrace.building.scopes import name_scope
from millrace.building.static import told_value
from millrace.core.dtypes import float32, int64
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.custom_gradient import custom_gradient
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.nn.internals import get_noise_shape
from millrace.ops.random.draws import random_uniform


@public("nn.dropout")
def dropout(
    x: Any,
    keep_prob: Any = None,
    noise_shape: Any = None,
    seed: int | None = None,
    name: str | None = None,
    rate: Any = None,
) -> Tensor:
    """Sets elements to zero at random and scales the others up so that the expected sum stays the same.

    Args:
      x: `[...]`, floating.
      keep_prob: the probability that an element stays, in (0, 1]: a number or a scalar tensor.
      noise_shape: int32, broadcasts with `x`: elements that share a place in it live or die together.
      seed: the operation's seed.
      name: scope; default "dropout".
      rate: the probability that an element goes; 1 - keep_prob.

    Returns:
      The shape and dtype of `x`.

    Raises:
      ValueError: `x` is not floating, or not just one probability in range is given.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.nn.dropout(tf.ones([4]), rate=0.5, seed=1)))
      [0. 2. 0. 0.]
    """
    if (keep_prob is None) == (rate is None):
        given = "neither" if rate is None else "both"
        raise ValueError(f"dropout: give either 'rate' or 'keep_prob'. Received: {given}")
    if rate is None:
        rate = 1 - keep_prob
    if isinstance(rate, Real) and not 0 <= float(rate) < 1:
        raise ValueError(f"dropout: rate must be in [0, 1), keep_prob in (0, 1]. Received: a rate of {rate}")
    with name_scope(name, "dropout", [x]):
        x = to_tensor(x, name="x")
        dtype = x.dtype.base_dtype
        if not dtype.is_floating:
            raise ValueError(f"dropout: x must be floating, since it is scaled. Received: {dtype.name}")
        if isinstance(rate, Real) and rate == 0:
            return x
        rate = to_tensor(rate, dtype, "rate")
        if rate.dims is not None and rate.dims != ():
            raise ValueError(f"dropout: the probability must be a scalar. Received: {rate}")
        if told_value(rate) == 0:
            return x
        uniform = random_uniform(get_noise_shape(x, noise_shape), seed=seed, dtype=dtype)
        scale = 1 / (1 - rate)
        mask = raw.GreaterEqual(uniform, rate)
        kept = raw.Mul(x, scale, name="mul") * raw.Cast(mask, DstT=dtype)
        kept.set_shape(x.dims)
        return kept


@public("nn.crelu")
def crelu(features: Any, name: str | None = None, axis: int = -1) -> Tensor:
    """relu of `features` and of `-features`, one behind the other.

    Args:
      features: `[...]`, real.
      name: scope and name of the concatenation; default "CRelu".
      axis: the axis that doubles.

    Returns:
      `features` with twice the length along `axis`.
    """
    with name_scope(name, "CRelu", [features]) as scope:
        features = to_tensor(features, name="features")
        return raw.Relu(raw.ConcatV2([features, raw.Neg(features)], axis, name=scope))


@public("nn.swish")
def swish(features: Any) -> Tensor:
    """features * sigmoid(features).

    Args:
      features: `[...]`, floating.

    Returns:
      The shape and dtype of `features`.
    """
    return _swish(to_tensor(features, name="features"))


@custom_gradient
def _swish(x: Tensor) -> Any:
    """Keeps `x` alone for the gradient, and computes the sigmoid again."""

    def grad(dy: Tensor) -> Tensor:
        sigmoid = raw.Sigmoid(x)
        return dy * (sigmoid * (1.0 + x * (1.0 - sigmoid)))

    return x * raw.Sigmoid(x), grad


@public("nn.xw_plus_b")
def xw_plus_b(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """matmul(x, weights) + biases.

    Args:
      x: `[batch, in]`.
      weights: `[in, out]`.
      biases: `[out]`.
      name: scope and op name; default "xw_plus_b".

    Returns:
      `[batch, out]`.
    """
    with name_scope(name, "xw_plus_b", [x, weights, biases]) as scope:
        return raw.BiasAdd(_product(x, weights), to_tensor(biases, name="biases"), name=scope)


@public("nn.relu_layer")
def relu_layer(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """relu(matmul(x, weights) + biases); arguments as for `xw_plus_b`, default name "relu_layer"."""
    with name_scope(name, "relu_layer", [x, weights, biases]) as scope:
        return raw.Relu(raw.BiasAdd(_product(x, weights), to_tensor(biases, name="biases")), name=scope)


def _product(x: Any, weights: Any) -> Tensor:
    x = to_tensor(x, name="x")
    return raw.MatMul(x, to_tensor(weights, name="weights"))


_CHOICE_OF_COUNTER = 15


@public("nn.zero_fraction", "math.zero_fraction")
def zero_fraction(value: Any, name: str | None = None) -> Tensor:
    """The share of elements that are zero.

    Args:
      value: `[...]`, numeric.
      name: scope; default "zero_fraction".

    Returns:
      A float32 scalar; NaN for an empty `value`.
    """
    with name_scope(name, "zero_fraction", [value]):
        value = to_tensor(value, name="value")
        size = raw.Size(value, out_type=int64)
        # TensorFlow counts in int32 where the size allows, in int64 elsewhere: a branch of this many more.
        size.graph.count(_CHOICE_OF_COUNTER)
        with name_scope("cond"), name_scope("count_nonzero"):
            zero = to_tensor(0, value.dtype.base_dtype, "zeros")
            filled = reduce_sum(raw.Cast(raw.NotEqual(value, zero), DstT=int64), name="nonzero_count")
        with name_scope("counts_to_fraction"):
            empty = raw.Cast(size - filled, DstT=float32)
            share = raw.RealDiv(empty, raw.Cast(size, DstT=float32), name="truediv")
        return raw.Identity(share, name="fraction")


@public("nn.compute_average_loss")
def compute_average_loss(
    per_example_loss: Any, sample_weight: Any = None, global_batch_size: Any = None
) -> Tensor:
    """The sum of the examples' losses, weighted if asked for, over the size of the batch.

    Args:
      per_example_loss: `[batch]` or more axes, floating.
      sample_weight: broadcasts with it; None for ones.
      global_batch_size: a number or scalar; default the length of the first axis.

    Returns:
      A scalar.
    """
    loss = to_tensor(per_example_loss, name="per_example_loss")
    dtype = loss.dtype.base_dtype
    if sample_weight is not None:
        loss = loss * to_tensor(sample_weight, dtype, "sample_weight")
    if global_batch_size is None:
        global_batch_size = raw.Cast(shape_tensor(loss)[0] * 1, DstT=dtype)  # times the number of replicas
    size = to_tensor(global_batch_size, None if isinstance(global_batch_size, Tensor) else dtype)
    size = size if size.dtype.base_dtype is dtype else raw.Cast(size, DstT=dtype)
    return reduce_sum(loss) / size


@public("nn.scale_regularization_loss")
def scale_regularization_loss(regularization_loss: Any) -> Tensor:
    """The sum of a regularization loss, as one replica contributes it: there is one replica."""
    return reduce_sum(to_tensor(regularization_loss, name="regularization_loss")) / 1
