"""A graph as a JAX function: the same numbers, trained the same way."""

import numpy as np
import pytest

import millrace as tf

pytestmark = pytest.mark.xla

X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
Y = (X @ np.array([[1.0], [-2.0], [0.5]]) + 0.3).astype(np.float32)


@pytest.fixture
def model():
    class Model:
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        y = tf.placeholder(tf.float32, [None, 1], name="y")
        w = tf.Variable(np.full((3, 1), 0.1, np.float32), name="w")
        b = tf.Variable(0.0, name="b")
        guess = tf.tanh(tf.matmul(x, w)) + b
        loss = tf.reduce_mean(tf.square(guess - y), name="loss")
        train = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
        sess = tf.Session()

    Model.sess.run(tf.global_variables_initializer())
    return Model


def test_trained_in_the_session_and_by_jax(model):
    import jax

    exported = tf.export(model.loss, {"x": model.x, "y": model.y}, model.sess)
    assert exported.feeds == ["x", "y"]
    assert sorted(exported.variables) == ["b", "w"]
    step = jax.jit(jax.value_and_grad(lambda variables: exported({"x": X, "y": Y}, variables)))
    variables = exported.variables
    for _ in range(20):
        expected, _ = model.sess.run([model.loss, model.train], {model.x: X, model.y: Y})
        loss, gradients = step(variables)
        np.testing.assert_allclose(loss, expected, rtol=1e-5)
        variables = jax.tree.map(lambda v, g: v - 0.1 * g, variables, gradients)
    np.testing.assert_allclose(variables["w"], model.sess.run(model.w), rtol=1e-4)


def test_a_train_step_exported_whole(model):
    import jax

    exported = tf.export([model.loss, model.train], [model.x, model.y], model.sess)
    step = jax.jit(lambda variables: exported.step([X, Y], variables))
    variables = exported.variables
    for _ in range(5):
        expected = model.sess.run([model.loss, model.train], {model.x: X, model.y: Y})
        (loss, nothing), variables = step(variables)
        np.testing.assert_allclose(loss, expected[0], rtol=1e-5)
        assert nothing is None
    np.testing.assert_allclose(variables["b"], model.sess.run(model.b), rtol=1e-4)


def test_the_function_is_pure_and_its_text_is_stablehlo(model):
    exported = tf.export({"guess": model.guess}, [model.x], model.sess)
    first = exported([X])["guess"]
    np.testing.assert_allclose(first, model.sess.run(model.guess, {model.x: X}), rtol=1e-5)
    np.testing.assert_array_equal(exported({"x:0": X})["guess"], first)
    np.testing.assert_array_equal(exported({model.x: X})["guess"], first)
    shifted = exported([X], {"b": np.float32(1)})["guess"]
    np.testing.assert_allclose(shifted, first + 1, rtol=1e-5)
    assert exported.variables["b"] == 0
    text = exported.stablehlo([X])
    assert "stablehlo.dot_general" in text
    assert "tensor<20x3xf32>" in text


def test_refusals(model):
    with pytest.raises(ValueError, match="shape of 'x:0'"):
        tf.export(model.guess, [model.x], model.sess).stablehlo()
    with pytest.raises(KeyError, match="no feed 'z'"):
        tf.export(model.guess, [model.x], model.sess)({"z": X})
    with pytest.raises(KeyError, match=r"no variables \['c'\]"):
        tf.export(model.guess, [model.x], model.sess)([X], {"c": 1})
    with pytest.raises(ValueError, match="Received: 2 values"):
        tf.export(model.guess, [model.x], model.sess)([X, X])
    called = tf.py_func(lambda v: v, [model.x], tf.float32, name="python")
    with pytest.raises(ValueError, match=r"PyFunc 'python' .*runs in Python.*test_export\.py"):
        tf.export(called, [model.x], model.sess)
    with pytest.raises(ValueError, match="variable 'late' has no value"):
        tf.export(tf.Variable(1.0, name="late") + 1, (), model.sess)
    with pytest.raises(ValueError, match="no default session"):
        tf.export(model.guess, [model.x])
