"""`tf.compat.v2.Variable`, and functions of `tf.compat.v2` that are not those of version 1."""

import numpy as np

import millrace as tf

v2 = tf.compat.v2


def test_variables_are_named_by_handles():
    with tf.Graph().as_default() as graph, tf.Session() as session:
        variable = v2.Variable([1.0, 2.0], name="v", trainable=False)
        assert variable.op.type == "VarHandleOp" and not tf.trainable_variables()
        assert isinstance(tf.Variable(1.0), v2.Variable) and isinstance(variable, tf.Variable)
        assert not isinstance(1.0, v2.Variable)
        added = variable.assign_add([1.0, 1.0])
        session.run(tf.global_variables_initializer())
        assert session.run(added).tolist() == [2.0, 3.0]
        assert graph.get_operation_by_name("v").get_attr("shared_name") == b"v"


def test_pools():
    image = np.arange(32.0, dtype=np.float32).reshape(1, 4, 4, 2)
    with tf.Graph().as_default(), tf.Session() as session:
        mean = v2.nn.avg_pool2d(image, 2, 2, "SAME")
        assert mean.op.name == "AvgPool2D"
        assert tf.nn.avg_pool2d(image, 2, 2, "SAME").op.name == "AvgPool"  # version 1's is `avg_pool`
        largest = v2.nn.fractional_max_pool(image, 1.5, seed=3)
        op = largest.output.op
        assert [op.get_attr(k) for k in ("deterministic", "seed", "seed2")] == [True, 87654321, 3]
        averaged = v2.nn.fractional_avg_pool(image, [1.0, 1.5, 1.5, 1.0], seed=3)
        assert v2.nn.fractional_avg_pool(image, [1.0, 1.5, 1.5, 1.0]).output.op.get_attr("seed2") == 0
        found = session.run([mean, largest, averaged])
    np.testing.assert_array_equal(found[0][0, 0], [[5.0, 6.0], [9.0, 10.0]])
    np.testing.assert_array_equal(found[1].output[0, 1], [[26.0, 27.0], [30.0, 31.0]])
    np.testing.assert_array_equal(found[2].output[0, 1], [[21.0, 22.0], [25.0, 26.0]])


def test_bincount_is_in_one_scope():
    with tf.Graph().as_default():
        assert v2.math.bincount([1, 1, 2]).op.name == "bincount/Bincount"
