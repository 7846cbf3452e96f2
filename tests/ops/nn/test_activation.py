"""Activations against NumPy in double precision."""

import numpy as np
import pytest
from scipy import special

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints

_X, _DY = floats(3, 5, low=-8, high=8), floats(3, 5, seed=1)
_SCALE, _ALPHA = 1.0507009873554805, 1.6732632423543772


def _wide(function):
    return lambda *xs: function(*(x.astype(np.float64) for x in xs)).astype(xs[0].dtype)


def _selu(x):
    return _SCALE * np.where(x < 0, _ALPHA * np.expm1(x), x)


_SELU = _wide(_selu)(_X)
_ELU = np.where(_X < 0, np.expm1(_X), _X)


class TestActivations(OpSuite):
    """Values away from kinks, and slopes to second order."""

    cases = (
        OpCase("Relu", [_X], lambda x: np.maximum(x, 0)),
        OpCase("Relu", [ints(4, 3, dtype=np.int8)], lambda x: np.maximum(x, 0)),
        OpCase("Relu6", [_X], lambda x: np.clip(x, 0, 6)),
        OpCase("Relu6", [ints(4, 3, low=-9, high=9, dtype=np.int64)], lambda x: np.clip(x, 0, 6)),
        OpCase("LeakyRelu", [_X], _wide(lambda x: np.where(x > 0, x, 0.2 * x)), tolerance=1e-6),
        OpCase("LeakyRelu", [_X], _wide(lambda x: np.where(x > 0, x, 1.5 * x)), alpha=1.5),
        OpCase("Elu", [_X], _wide(lambda x: np.where(x < 0, np.expm1(x), x))),
        OpCase("Selu", [_X], _wide(_selu)),
        OpCase("Softplus", [_X], _wide(lambda x: np.logaddexp(x, 0))),
        OpCase("Softplus", [np.float32([-200, -30, 30, 200])], _wide(lambda x: np.logaddexp(x, 0))),
        OpCase("Softsign", [_X], _wide(lambda x: x / (1 + abs(x)))),
        OpCase("ReluGrad", [_DY, _X], lambda dy, x: dy * (x > 0)),
        OpCase("Relu6Grad", [_DY, _X], lambda dy, x: dy * ((x > 0) & (x < 6))),
        OpCase("LeakyReluGrad", [_DY, _X], _wide(lambda dy, x: np.where(x > 0, dy, 0.3 * dy)), alpha=0.3),
        OpCase("EluGrad", [_DY, _ELU], _wide(lambda dy, y: np.where(y < 0, (y + 1) * dy, dy))),
        OpCase(
            "SeluGrad", [_DY, _SELU], _wide(lambda dy, y: np.where(y < 0, y + _SCALE * _ALPHA, _SCALE) * dy)
        ),
        OpCase("SoftplusGrad", [_DY, _X], _wide(lambda dy, x: dy * special.expit(x))),
        OpCase("SoftsignGrad", [_DY, _X], _wide(lambda dy, x: dy / (1 + abs(x)) ** 2)),
    )


@pytest.mark.parametrize("dtype", [np.float16, tf.bfloat16.as_numpy_dtype, np.float64])
@pytest.mark.parametrize(
    "name", ["relu", "relu6", "elu", "selu", "leaky_relu", "softplus", "softsign", "swish"]
)
def test_every_float_stays_itself(name, dtype):
    x = tf.constant(floats(3, 4).astype(dtype))
    y = getattr(tf.nn, name)(x)
    with tf.Session() as session:
        value, slope = session.run([y, tf.gradients(y, x)[0]])
    assert value.dtype == slope.dtype == dtype


def test_integers_become_floats_before_they_leak():
    with tf.Session() as session:
        np.testing.assert_allclose(session.run(tf.nn.leaky_relu([-5, 5], alpha=0.1)), [-0.5, 5], rtol=1e-6)


def test_complex_numbers_are_refused():
    with pytest.raises(TypeError, match="complex64"):
        tf.nn.relu(tf.constant([1j], tf.complex64))
