"""Activations: rectifiers and their smooth relatives, each beside its gradient."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.core.dtypes import FLOATING, REAL, float32, float64
from millrace.core.public import public
from millrace.core.shapes import num_elements
from millrace.graph.attrs import number
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import merged, unchanged

# Klambauer et al., Self-Normalizing Neural Networks: the scale, and the scale times alpha.
_SCALE = 1.0507009873554804934193349852946
_SCALE_ALPHA = 1.7580993408473768599402175208123
_SMALL = 1 << 12  # elements: more take longer than the call


def _zeros(x: Tensor) -> Tensor:
    return raw.ZerosLike(x)


@functools.lru_cache(64)
def _zeros_of(dims: tuple[int, ...], dtype: Any) -> np.ndarray:
    return np.zeros(dims, dtype)


def _bind_relu(dims, values, attrs):
    """With as many zeros, which NumPy compares twice as fast as with one."""
    size, kind = num_elements(dims[0]), attrs["T"]
    if not size or size > _SMALL or not dims[0] or kind not in (float32, float64):
        return None
    zeros = _zeros_of(dims[0], kind.np_dtype)
    return lambda features: np.maximum(features, zeros)


@declare("Relu(features: T) -> activations: T", T=REAL)
class Relu:
    """max(features, 0)."""

    bind = _bind_relu

    def shape(features):
        return unchanged(features)

    def kernel(xp, features):
        return xp.maximum(features, 0)

    def grad(op, dy):
        return raw.ReluGrad(dy, op.outputs[0])


@declare("ReluGrad(gradients: T, features: T) -> backprops: T", T=REAL)
class ReluGrad:
    """gradients where features > 0, else 0."""

    def shape(gradients, features):
        return merged(gradients, features)

    def kernel(xp, gradients, features):
        return xp.where(features > 0, gradients, 0)

    def grad(op, dz):
        return raw.ReluGrad(dz, op.inputs[1]), _zeros(op.inputs[1])


@declare("Relu6(features: T) -> activations: T", T=REAL)
class Relu6:
    """min(max(features, 0), 6)."""

    def shape(features):
        return unchanged(features)

    def kernel(xp, features):
        return xp.minimum(xp.maximum(features, 0), 6)

    def grad(op, dy):
        return raw.Relu6Grad(dy, op.outputs[0])


@declare("Relu6Grad(gradients: T, features: T) -> backprops: T", T=REAL)
class Relu6Grad:
    """gradients where 0 < features < 6, else 0."""

    def shape(gradients, features):
        return merged(gradients, features)

    def kernel(xp, gradients, features):
        return xp.where((features > 0) & (features < 6), gradients, 0)

    def grad(op, dz):
        return raw.Relu6Grad(dz, op.inputs[1]), _zeros(op.inputs[1])


def _slope(features: Any, alpha: float) -> Any:
    """`alpha` in the dtype of `features`, by way of the single precision that a GraphDef keeps."""
    return features.dtype.type(np.float32(alpha))


@declare("LeakyRelu(features: T) -> activations: T", T=FLOATING, alpha=number(0.2))
class LeakyRelu:
    """features where positive, else alpha * features."""

    def shape(features):
        return unchanged(features)

    def kernel(xp, features, alpha):
        scaled = features * _slope(features, alpha)
        return xp.maximum(features, scaled) if alpha <= 1 else xp.where(features > 0, features, scaled)

    def grad(op, dy):
        return raw.LeakyReluGrad(dy, op.inputs[0], alpha=op.attrs["alpha"])


@declare("LeakyReluGrad(gradients: T, features: T) -> backprops: T", T=FLOATING, alpha=number(0.2))
class LeakyReluGrad:
    """gradients where features are positive, else alpha * gradients."""

    def shape(gradients, features):
        return merged(gradients, features)

    def kernel(xp, gradients, features, alpha):
        return xp.where(features > 0, gradients, gradients * _slope(features, alpha))

    def grad(op, dz):
        return raw.LeakyReluGrad(dz, op.inputs[1], alpha=op.attrs["alpha"]), _zeros(op.inputs[1])


@declare("Elu(features: T) -> activations: T", T=FLOATING)
class Elu:
    """features where not negative, else exp(features) - 1."""

    def shape(features):
        return unchanged(features)

    def kernel(xp, features):
        return xp.where(features < 0, xp.expm1(xp.minimum(features, 0)), features)

    def grad(op, dy):
        return raw.EluGrad(dy, op.outputs[0])


@declare("EluGrad(gradients: T, outputs: T) -> backprops: T", T=FLOATING)
class EluGrad:
    """gradients times the slope of Elu where it gave `outputs`."""

    def shape(gradients, outputs):
        return merged(gradients, outputs)

    def kernel(xp, gradients, outputs):
        return xp.where(outputs < 0, (outputs + 1) * gradients, gradients)

    def grad(op, dz):
        dy, y = op.inputs
        return raw.EluGrad(dz, y), raw.Select(
            raw.Less(y, _constant(0, y)), raw.Mul(dz, dy, name="mul"), _zeros(y)
        )


@declare("Selu(features: T) -> activations: T", T=FLOATING)
class Selu:
    """The scaled Elu whose fixed point is mean 0 and variance 1."""

    def shape(features):
        return unchanged(features)

    def kernel(xp, features):
        kind = features.dtype.type
        negative = xp.expm1(xp.minimum(features, 0)) * kind(_SCALE_ALPHA)
        return xp.where(features < 0, negative, features * kind(_SCALE))

    def grad(op, dy):
        return raw.SeluGrad(dy, op.outputs[0])


@declare("SeluGrad(gradients: T, outputs: T) -> backprops: T", T=FLOATING)
class SeluGrad:
    """gradients times the slope of Selu where it gave `outputs`."""

    def shape(gradients, outputs):
        return merged(gradients, outputs)

    def kernel(xp, gradients, outputs):
        kind = outputs.dtype.type
        return xp.where(outputs < 0, (outputs + kind(_SCALE_ALPHA)) * gradients, gradients * kind(_SCALE))

    def grad(op, dz):
        dy, y = op.inputs
        return raw.SeluGrad(dz, y), raw.Select(
            raw.Less(y, _constant(0, y)), raw.Mul(dz, dy, name="mul"), _zeros(y)
        )


@declare("Softplus(features: T) -> activations: T", T=FLOATING)
class Softplus:
    """log(1 + exp(features)), without overflow."""

    def shape(features):
        return unchanged(features)

    def kernel(xp, features):
        return xp.maximum(features, 0) + xp.log1p(xp.exp(-xp.abs(features)))

    def grad(op, dy):
        return raw.SoftplusGrad(dy, op.inputs[0])


@declare("SoftplusGrad(gradients: T, features: T) -> backprops: T", T=FLOATING)
class SoftplusGrad:
    """gradients / (1 + exp(-features))."""

    def shape(gradients, features):
        return merged(gradients, features)

    def kernel(xp, gradients, features):
        return gradients / (xp.exp(-features) + 1)

    def grad(op, dz):
        dy, x = op.inputs
        ddy = raw.SoftplusGrad(dz, x)
        # The slope of the sigmoid, in a form that neither overflows nor loses its last digits.
        slope = raw.Mul(raw.Sigmoid(x), raw.Sigmoid(raw.Neg(x)), name="mul")
        return ddy, raw.Mul(raw.Mul(dz, dy, name="mul"), slope, name="mul")


@declare("Softsign(features: T) -> activations: T", T=FLOATING)
class Softsign:
    """features / (|features| + 1)."""

    def shape(features):
        return unchanged(features)

    def kernel(xp, features):
        return features / (xp.abs(features) + 1)

    def grad(op, dy):
        return raw.SoftsignGrad(dy, op.inputs[0])


@declare("SoftsignGrad(gradients: T, features: T) -> backprops: T", T=FLOATING)
class SoftsignGrad:
    """gradients / (|features| + 1)^2."""

    def shape(gradients, features):
        return merged(gradients, features)

    def kernel(xp, gradients, features):
        return gradients / xp.square(xp.abs(features) + 1)

    def grad(op, dz):
        dy, x = op.inputs
        scale = raw.Add(raw.Abs(x), _constant(1, x))
        steep = raw.RealDiv(raw.Mul(raw.Sign(x), _constant(-2, x)), raw.Mul(raw.Square(scale), scale))
        return raw.SoftsignGrad(dz, x), raw.Mul(raw.Mul(dz, dy), steep)


def _constant(value: float, like: Tensor) -> Tensor:
    return to_tensor(value, like.dtype.base_dtype, "Const")


@public("nn.relu")
def relu(features: Any, name: str | None = None) -> Tensor:
    """max(features, 0).

    Args:
      features: `[...]`, real.
      name: op name; default "Relu".

    Returns:
      The shape and dtype of `features`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.nn.relu([-1.0, 0.0, 2.0])))
      [0. 0. 2.]
    """
    return raw.Relu(features, name=name)


@public("nn.relu6")
def relu6(features: Any, name: str | None = None) -> Tensor:
    """min(max(features, 0), 6).

    Args:
      features: `[...]`, real.
      name: op name; default "Relu6".

    Returns:
      The shape and dtype of `features`.
    """
    with name_scope(name, "Relu6", [features]) as scope:
        return raw.Relu6(to_tensor(features, name="features"), name=scope)


@public("nn.leaky_relu")
def leaky_relu(features: Any, alpha: Any = 0.2, name: str | None = None) -> Tensor:
    """Features where positive, else alpha * features.

    Args:
      features: `[...]`, real; integers are converted to float32.
      alpha: the slope on the negative side: a number, or a scalar tensor.
      name: op name; default "LeakyRelu".

    Returns:
      The shape of `features`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.nn.leaky_relu([-1.0, 2.0])))
      [-0.2  2. ]
    """
    with name_scope(name, "LeakyRelu", [features, alpha]) as scope:
        features = to_tensor(features, name="features")
        if features.dtype.base_dtype.is_integer:
            features = raw.Cast(features, DstT=float32, name="Cast")
        if isinstance(alpha, Tensor) or hasattr(alpha, "_as_graph_element"):
            alpha = to_tensor(alpha, features.dtype.base_dtype, "alpha")
            return raw.Maximum(raw.Mul(alpha, features, name="mul"), features, name=scope)
        return raw.LeakyRelu(features, alpha=alpha, name=scope)


@public("nn.elu")
def elu(features: Any, name: str | None = None) -> Tensor:
    """Features where not negative, else exp(features) - 1.

    Args:
      features: `[...]`, floating.
      name: op name; default "Elu".

    Returns:
      The shape and dtype of `features`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.nn.elu([-100.0, 2.0])))
      [-1.  2.]
    """
    return raw.Elu(features, name=name)


@public("nn.selu")
def selu(features: Any, name: str | None = None) -> Tensor:
    """The scaled exponential linear unit of self-normalizing networks.

    Args:
      features: `[...]`, floating.
      name: op name; default "Selu".

    Returns:
      The shape and dtype of `features`.
    """
    return raw.Selu(features, name=name)


@public("nn.softplus", "math.softplus")
def softplus(features: Any, name: str | None = None) -> Tensor:
    """log(1 + exp(features)).

    Args:
      features: `[...]`, floating.
      name: op name; default "Softplus".

    Returns:
      The shape and dtype of `features`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.nn.softplus([0.0, 100.0])).round(3))
      [  0.693 100.   ]
    """
    return raw.Softplus(features, name=name)


@public("nn.softsign", "math.softsign")
def softsign(features: Any, name: str | None = None) -> Tensor:
    """Features / (|features| + 1).

    Args:
      features: `[...]`, floating.
      name: op name; default "Softsign".

    Returns:
      The shape and dtype of `features`.
    """
    return raw.Softsign(features, name=name)
