"""Columns of a program's own classes, written for the first or for the second release of columns."""

import collections
import importlib

import millrace as tf

_columns = importlib.import_module("millrace.python.feature_column.feature_column")


class First(_columns._DenseColumn, collections.namedtuple("First", "key")):
    """As packages wrote them for TensorFlow 1.4."""

    @property
    def name(self):
        return f"{self.key}_first"

    @property
    def _variable_shape(self):
        return tf.TensorShape([1])

    @property
    def variable_shape(self):
        return self._variable_shape

    def _transform_feature(self, inputs):
        return tf.sqrt(inputs.get(self.key))

    def transform_feature(self, transformation_cache, state_manager):
        raise AssertionError("the first release asks _transform_feature")

    def _get_dense_tensor(self, inputs, weight_collections=None, trainable=None):
        assert trainable
        return inputs.get(self) + 1.0


class Second(_columns._DenseColumn, collections.namedtuple("Second", "key")):
    """As packages wrote them for TensorFlow 1.13."""

    name = "second"
    variable_shape = tf.TensorShape([1])

    def transform_feature(self, transformation_cache, state_manager):
        return 2.0 * transformation_cache.get(self.key, state_manager)

    def get_dense_tensor(self, transformation_cache, state_manager):
        return transformation_cache.get(self, state_manager)


def test_numbers_of_own_columns():
    features = {"x": tf.constant([[4.0], [9.0]]), "y": tf.constant([[4.0], [9.0]])}
    found = tf.feature_column.input_layer(features, [First("x"), Second("y")])
    with tf.Session() as sess:
        assert sess.run(found).tolist() == [[8.0, 3.0], [18.0, 4.0]]
