"""Tests of tf.contrib.eager in graphs and sessions."""

import unittest

import numpy as np
import pytest

import millrace as tf

E = tf.contrib.eager


def _run(x):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(x)


def test_gradients_of_functions():
    both = E.value_and_gradients_function(lambda a, b: a * a * b, params=["b"])
    assert _run(both(3.0, 2.0)) == (18.0, [9.0])
    assert _run(E.gradients_function(lambda a, b: a * b)(3.0, 2.0, dy=2.0)) == [4.0, 6.0]
    with pytest.raises(ValueError, match="returns None"):
        E.gradients_function(lambda a: None)(1.0)
    with pytest.raises(ValueError, match="all strings"):
        E.gradients_function(lambda a, b: a, params=["a", 1])(1.0, 2.0)


def test_gradients_by_variables():
    v = E.Variable(3.0, name="v")
    tf.Variable(1.0, name="other")
    value, pairs = E.implicit_value_and_gradients(lambda x: v * v * x)(2.0)
    assert [p[1] for p in pairs] == [v] and v.handle is not None
    assert _run([value, pairs[0][0]]) == [18.0, 12.0]
    assert len(E.implicit_gradients(lambda: v * 2.0)()) == 1
    with pytest.raises(ValueError, match="No trainable"):
        E.implicit_gradients(lambda: tf.constant(1.0))()


def test_networks_and_their_checkpoints(tmp_path):
    network = E.Sequential([tf.layers.Dense(2, name="d"), tf.nn.relu], name="net")
    y = network(tf.ones([1, 3]))
    assert y.shape.as_list() == [1, 2] and len(network.variables) == 2
    assert network.get_layer("d") is network.layers[0]
    with pytest.raises(TypeError, match="not a layer"):
        network.track_layer(3)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        kernel = session.run(network.variables[0])
        path = E.save_network_checkpoint(network, str(tmp_path / "c"))
        session.run(network.variables[0].assign(tf.zeros([3, 2])))
        E.restore_network_checkpoint(network, path)
        np.testing.assert_array_equal(session.run(network.variables[0]), kernel)
    name = next(n for n, _ in tf.train.list_variables(path) if "kernel" in n)
    with tf.Graph().as_default(), E.restore_variables_on_create(path, lambda _: name):
        restored = tf.get_variable("k", [3, 2])
        np.testing.assert_array_equal(_run(restored), kernel)


def test_saver(tmp_path):
    v = E.Variable([1.0, 2.0], name="v")
    saver = E.Saver([v])
    with pytest.raises(ValueError, match="default session"):
        saver.save(str(tmp_path / "c"))
    with tf.Session() as session:
        session.run(v.initializer)
        path = saver.save(str(tmp_path / "c"), 3)
        session.run(v.assign([0.0, 0.0]))
        saver.restore(path)
        np.testing.assert_array_equal(session.run(v), [1, 2])


def test_modes_and_checks():
    with E.execution_mode(E.ASYNC), E.errstate(inf_or_nan="warn"):
        E.async_wait()
        E.async_clear_error()
        assert E.seterr() == {"inf_or_nan": "warn"}
    with pytest.raises(ValueError, match="SYNC"):
        E.set_execution_mode(7)
    with pytest.raises(ValueError, match="valid action"):
        E.seterr("x")
    E.add_execution_callback(E.nan_callback)
    E.clear_execution_callbacks()
    with pytest.raises(Exception, match="infinity in an output of a"):
        E.inf_nan_callback("Log", [], {}, [np.array([np.inf])], "a")
    with pytest.raises(RuntimeError, match="make_one_shot_iterator"):
        E.Iterator(None)
    with pytest.raises(ValueError, match="server"):
        E.set_server_def("x")
    assert not E.executing_eagerly() and E.num_gpus() >= 0


def test_functions_and_tests():
    twice = E.defun(lambda x: 2 * x)
    assert _run(twice(tf.constant(2.0))) == 4
    assert _run(E.make_template("t", lambda x: x + 1)(tf.constant(2.0))) == 3

    @E.run_all_tests_in_graph_and_eager_modes
    class Case(tf.test.TestCase):
        def test_it(self):
            self.assertAllEqual(self.evaluate(tf.constant([1])), [1])

    result = unittest.TestResult()
    Case("test_it").run(result)
    assert result.testsRun == 1 and result.wasSuccessful()
