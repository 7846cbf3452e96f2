"""`tf.recompute_grad`: values and gradients, variables, what is computed a second time."""

import numpy as np
import pytest

import millrace as tf


def test_values_and_gradients_are_those_of_the_function():
    with tf.Graph().as_default() as graph, tf.Session() as session:
        x, y = tf.constant(2.0), tf.constant(3.0)
        first, second = tf.recompute_grad(lambda x, y: (tf.sin(x) * y, x + y))(x, y)
        found = session.run([first, second, *tf.gradients([first, second], [x, y])])
        again = [op.name for op in graph.get_operations() if op.type == "Sin"]
    np.testing.assert_allclose(found, [3 * np.sin(2), 5, 3 * np.cos(2) + 1, np.sin(2) + 1], rtol=1e-6)
    assert len(again) == 2 and again[1].startswith("gradients/IdentityN_grad/")


def test_seeds_count_what_tensorflow_adds_for_variables():
    with tf.Graph().as_default(), tf.variable_scope("s", use_resource=True):
        tf.set_random_seed(3)

        @tf.custom_gradient
        def scaled(x):
            v = tf.get_variable("v", [], initializer=tf.ones_initializer())
            return x * v, lambda dy, variables=None: (dy, [dy for _ in variables])

        before = tf.get_default_graph().last_id
        scaled(tf.constant(2.0))
        assert tf.get_default_graph().last_id - before == 12


def test_variables_with_handles():
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.get_variable("v", [], initializer=tf.constant_initializer(3.0), use_resource=True)
        x = tf.constant(2.0)
        y = tf.recompute_grad(lambda x: v * tf.exp(x))(x)
        session.run(tf.global_variables_initializer())
        np.testing.assert_allclose(session.run(tf.gradients(y, [x, v])), [22.167168, 7.389056], rtol=1e-6)


def test_variables_without_handles_are_refused():
    with tf.Graph().as_default(), pytest.raises(TypeError, match="resource variables"):
        v = tf.Variable(2.0, use_resource=False)
        tf.recompute_grad(lambda x: x * v)(tf.constant(1.0))
