"""Functions that bring their own derivative, as packages call them."""

import importlib

import millrace as tf


def test_a_decorated_call_has_the_gradient_of_its_function():
    decorate = importlib.import_module("millrace.python.ops.custom_gradient")._graph_mode_decorator

    def tripled(x, scale=1.0):
        return x * scale, lambda dy: dy * 3.0

    x = tf.constant([1.0, 2.0])
    y = decorate(tripled, x, scale=2.0)
    with tf.Session() as sess:
        values, slopes = sess.run([y, tf.gradients(y, x)[0]])
    assert values.tolist() == [2.0, 4.0] and slopes.tolist() == [3.0, 3.0]
