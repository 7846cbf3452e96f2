"""A `TensorProto` stands for the tensor that it holds, wherever a value is taken."""

import numpy as np
import pytest

import millrace as tf


def test_a_message_is_a_constant():
    message = tf.make_tensor_proto([[1, 2], [3, 4]], tf.int32)
    with tf.Graph().as_default(), tf.Session() as sess:
        made = tf.constant(message, tf.float32, shape=[4], name="made")  # the message says both
        assert (made.op.name, made.dtype, made.shape.as_list()) == ("made", tf.int32, [2, 2])
        square = tf.make_tensor_proto([2, 2])
        found = sess.run(
            [tf.add(message, 1), made + message, tf.reshape(tf.range(4), square), tf.stack([message])]
        )
        assert [x.tolist() for x in found] == [
            [[2, 3], [4, 5]], [[2, 4], [6, 8]], [[0, 1], [2, 3]], [[[1, 2], [3, 4]]],
        ]  # fmt: skip
        assert sess.run(tf.constant(tf.make_tensor_proto(["a", "b"]))).tolist() == [b"a", b"b"]
        assert sess.run(tf.cast(tf.make_tensor_proto(np.int64(3)), tf.float32)) == 3


def test_a_message_of_another_dtype_is_refused():
    with tf.Graph().as_default(), pytest.raises(TypeError, match="TensorProto of dtype int32"):
        tf.convert_to_tensor(tf.make_tensor_proto([1]), tf.float32)
