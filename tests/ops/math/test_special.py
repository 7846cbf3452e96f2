"""Special functions against SciPy."""

import numpy as np
import pytest
from scipy import special

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats

_X = floats(3, 4, low=0.3, high=4.0)
_ANY = floats(3, 4)
_A = floats(4, low=0.5, high=5.0, seed=7)
_UNIT = floats(3, 4, low=0.05, high=0.95)
_HALF = floats(5, low=0.3, high=3.0, dtype=np.float16)


def _f32(function):
    return lambda *args: np.asarray(function(*(a.astype(np.float64) for a in args))).astype(args[-1].dtype)


class TestSpecial(OpSuite):
    """Gamma, beta, error and Bessel functions."""

    cases = (
        OpCase("Lgamma", [_X], _f32(special.gammaln)),
        OpCase("Lgamma", [_HALF], _f32(special.gammaln)),
        OpCase(
            "Lgamma",
            [np.float32([-np.inf, np.inf, 0.0, -3.0, -2.5])],
            lambda x: np.float32([np.inf, np.inf, np.inf, np.inf, special.gammaln(-2.5)]),
            wrt=(),
        ),
        OpCase("Digamma", [_X], _f32(special.psi), tolerance=1e-5),
        OpCase("Erf", [_ANY], _f32(special.erf)),
        OpCase("Erfc", [_ANY], _f32(special.erfc)),
        OpCase("BesselI0e", [_ANY], _f32(special.i0e)),
        OpCase("BesselI1e", [_ANY], _f32(special.i1e)),
        OpCase("Igamma", [_A, _X], _f32(special.gammainc), order=1, tolerance=1e-5),
        OpCase("Igammac", [_A, _X], _f32(special.gammaincc), order=1, tolerance=1e-5),
        OpCase(
            "IgammaGradA",
            [_A.astype(np.float64), _X.astype(np.float64)],
            lambda a, x: (special.gammainc(a + 1e-5, x) - special.gammainc(a - 1e-5, x)) / 2e-5,
            tolerance=1e-7,
        ),
        OpCase("Betainc", [_UNIT + 1, _UNIT + 2, _UNIT], _f32(special.betainc), wrt=[2], tolerance=1e-5),
        OpCase(
            "Betainc",
            [floats(low=1, high=2), floats(low=1, high=2), _UNIT],
            _f32(special.betainc),
            wrt=[2],
            tolerance=1e-5,
        ),
        OpCase("Zeta", [1.5 + _X, _A], _f32(special.zeta), wrt=[1], tolerance=1e-5),
        OpCase(
            "Polygamma",
            [np.float32([0, 1, 2, 3]), _X],
            lambda n, x: special.polygamma(n, x.astype(float)).astype(np.float32),
            wrt=[1],
            tolerance=1e-5,
        ),
        OpCase("Xlogy", [_ANY, _X], _f32(special.xlogy)),
        OpCase("Xdivy", [_ANY, _X], np.divide),
    )


def _run(value):
    with tf.Session() as session:
        return session.run(value)


def test_logarithms_that_accept_zero():
    zero = tf.zeros([4])
    y = tf.constant([0.0, -1.0, np.inf, np.nan])
    assert _run(tf.math.xlogy(zero, y)).tolist() == [0, 0, 0, 0]
    assert _run(tf.math.xdivy(zero, y)).tolist() == [0, 0, 0, 0]
    gradient = tf.gradients(tf.math.xlogy(zero, y), y)[0]
    assert _run(gradient).tolist() == [0, 0, 0, 0]


def test_polygamma_of_an_order_that_is_no_natural_number():
    assert np.isnan(_run(tf.polygamma([0.5, -1.0], [1.0, 1.0]))).all()


def test_bessel_i1e_has_a_gradient_at_zero():
    x = tf.constant(0.0)
    assert _run(tf.gradients(tf.math.bessel_i1e(x), x)[0]) == pytest.approx(0.5)


def test_unscaled_bessel_functions():
    x = np.float32([-1.5, 0.0, 2.0])
    np.testing.assert_allclose(_run(tf.math.bessel_i0(x)), special.i0(x), rtol=1e-6)
    np.testing.assert_allclose(_run(tf.math.bessel_i1(x)), special.i1(x), rtol=1e-6)


def test_lbeta():
    x = np.float32([[1.0, 2.0], [0.5, 3.5]])
    np.testing.assert_allclose(_run(tf.lbeta(x)), special.betaln(x[:, 0], x[:, 1]), rtol=1e-5)
    assert _run(tf.lbeta(np.zeros((2, 0), np.float32))).tolist() == [-np.inf, -np.inf]


def test_log_sigmoid_far_out():
    assert _run(tf.log_sigmoid([-1000.0, 1000.0])).tolist() == [-1000, 0]
