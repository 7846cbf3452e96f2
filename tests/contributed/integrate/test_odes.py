"""Tests of tf.contrib.integrate against solutions in closed form."""

import numpy as np
import pytest

import millrace as tf

C = tf.contrib.integrate
_T = np.array([0.0, 0.5, 3.0])


def test_steps_adapt():
    with tf.Session() as session:
        y, info = C.odeint(lambda y, t: -y * t, tf.constant([1.0, 2.0], tf.float64), _T, full_output=True)
        got, told = session.run([y, info])
    np.testing.assert_allclose(got, np.exp(-(_T**2) / 2)[:, None] * [1, 2], rtol=1e-5)
    # Where steps ended that were tried, as TensorFlow 1.15.5 gives them: the first is too long.
    tried = [1.0, 0.37456811, 0.75140061, 0.67239009, 0.9793187, 0.93207699]
    np.testing.assert_allclose(told["integrate_points"][:6], tried, rtol=1e-6)
    np.testing.assert_array_equal(told["error_ratio"][:6] <= 1, [False, True, False, True, False, True])
    assert told["num_func_evals"] == 6 * len(told["integrate_points"]) + 1


def test_the_length_of_steps():
    """In float64, with settings of its own, as TensorFlow 1.15.5 gives it."""
    settings = {"first_step": 2, "safety": 0.7, "ifactor": 3.0, "dfactor": 0.5}
    with tf.Session() as session:
        _, info = C.odeint(
            lambda y, t: 1j * y,
            tf.constant([1.0], tf.complex128),
            np.array([0.0, 1.0]),
            method="dopri5",
            options=settings,
            full_output=True,
        )
        points = session.run(info["integrate_points"])
    np.testing.assert_allclose(
        points, [2, 1, 0.5, 0.25, 0.44890201, 0.64783078, 0.84675954, 1.0456883], rtol=1e-6
    )


def test_complex_and_failing():
    with tf.Session() as session:
        y = session.run(C.odeint(lambda y, t: 1j * y, tf.constant(1 + 0j, tf.complex128), _T))
        np.testing.assert_allclose(y, np.exp(1j * _T), rtol=1e-5)
        with pytest.raises(tf.errors.InvalidArgumentError, match="monotonic"):
            session.run(C.odeint(lambda y, t: y, 1.0, [1.0, 0.0]))
        with pytest.raises(tf.errors.InvalidArgumentError, match="max_num_steps"):
            options = {"max_num_steps": 2}
            session.run(C.odeint(lambda y, t: y, 1.0, [0.0, 9.0], method="dopri5", options=options))
    with pytest.raises(TypeError):
        C.odeint(lambda y, t: y, 1, [0.0, 1.0])
    with pytest.raises(ValueError, match="without specifying"):
        C.odeint(lambda y, t: y, 1.0, [0.0, 1.0], options={})


@pytest.mark.parametrize(("method", "within"), [("rk4", 1e-6), ("midpoint", 1e-3)])
def test_fixed_steps(method, within):
    with tf.Session() as session:
        y = C.odeint_fixed(
            lambda y, t: -y * t, tf.constant([1.0], tf.float64), tf.constant(_T), dt=0.02, method=method
        )
        np.testing.assert_allclose(session.run(y)[:, 0], np.exp(-(_T**2) / 2), rtol=within)
    with pytest.raises(ValueError, match="not supported"):
        C.odeint_fixed(lambda y, t: y, 1.0, _T, method="euler")


def test_fixed_steps_have_gradients():
    first = tf.constant([2.0], tf.float64)
    y = C.odeint_fixed(lambda y, t: y, first, tf.constant(_T[:2]), dt=0.01)
    with tf.Session() as session:
        (slope,) = session.run(tf.gradients(y[1], first))
    np.testing.assert_allclose(slope, [np.exp(0.5)], rtol=1e-6)


def test_steps_of_another_number_of_gaps_are_refused():
    with pytest.raises(ValueError, match="a step for each gap"):
        C.odeint_fixed(lambda y, t: y, tf.constant(1.0), [0.0, 1.0], dt=[0.1, 0.2])
