"""What passes for a tensor."""

import millrace as tf
from millrace.building.tensor_like import TensorLike


def test_tensors_sparse_ones_and_rows_count():
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [2])
        for value in (x, tf.SparseTensor([[0]], [1.0], [2]), tf.IndexedSlices(x, [0, 1])):
            assert isinstance(value, TensorLike)
        for value in (tf.Variable(1.0), tf.ragged.constant([[1]]), x.op, 1.0):
            assert not isinstance(value, TensorLike)
