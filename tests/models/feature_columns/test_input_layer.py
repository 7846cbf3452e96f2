"""`InputLayer`: columns side by side, with variables that are made once."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf

fc = tf.feature_column


def features(last: int) -> dict[str, tf.Tensor]:
    return {"a": tf.constant([[1.0], [2.0]]), "b": tf.constant([[1], [last]])}


def test_variables_are_made_once():
    with tf.Graph().as_default(), tf.Session() as session:
        held: dict[object, object] = {}
        embedding = fc.embedding_column(fc.categorical_column_with_identity("b", 4), 2)
        layer = tf.contrib.slim.InputLayer([fc.numeric_column("a"), embedding], cols_to_vars=held)
        first, second = layer(features(2)), layer(features(1))
        assert [v.op.name for v in tf.global_variables()] == [
            "feature_column_input_layer/b_embedding/embedding_weights"
        ]
        assert (first.op.name, second.op.name) == (
            "feature_column_input_layer/concat",
            "feature_column_input_layer_1/concat",
        )
        assert layer.variables == layer.weights == layer.trainable_variables == tf.global_variables()
        assert layer.non_trainable_variables == [] and layer.name == "feature_column_input_layer"
        assert held[embedding] == tf.global_variables()
        session.run(tf.global_variables_initializer())
        one, two = session.run([first, second])
    np.testing.assert_array_equal(one[:, 0], [1.0, 2.0])
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(two[1, 1:], two[0, 1:])


def test_columns_must_be_dense():
    with tf.Graph().as_default(), pytest.raises(ValueError, match="dense"):
        tf.contrib.slim.InputLayer([fc.categorical_column_with_identity("b", 4)])
