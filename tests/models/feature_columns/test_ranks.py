"""Features of one axis, of none, and of ranks that a run tells; variables that are not trained."""

import numpy as np
import pytest

import millrace as tf

fc = tf.feature_column
LETTERS = fc.categorical_column_with_vocabulary_list("k", ["a", "b", "c"])
ONES = [fc.indicator_column(LETTERS)]


def run(tensor):
    with tf.Session() as sess:
        sess.run([tf.global_variables_initializer(), tf.tables_initializer()])
        return sess.run(tensor)


@pytest.mark.parametrize("letters", [["a", "c"], [["a"], ["c"]], [["a", ""], ["c", ""]]])
def test_a_run_tells_the_rank(letters):
    features = {"k": tf.placeholder_with_default(letters, None)}
    numbers = fc.input_layer(features, ONES)
    assert numbers.shape.as_list() == [None, 3]
    np.testing.assert_array_equal(run(numbers), [[1, 0, 0], [0, 0, 1]])


def test_a_run_finds_no_axis():
    features = {"k": tf.placeholder_with_default(1.0, None)}
    with pytest.raises(tf.errors.InvalidArgumentError, match="cannot have rank 0"):
        run(fc.input_layer(features, [fc.numeric_column("k")]))


def test_sparse_features_of_one_axis():
    features = {"k": tf.SparseTensor([[0], [2]], ["a", "c"], [3])}
    numbers = fc.input_layer(features, ONES)
    assert numbers.shape.as_list() == [3, 3]
    np.testing.assert_array_equal(run(numbers), [[1, 0, 0], [0, 0, 0], [0, 0, 1]])


@pytest.mark.parametrize("of_layer, of_column", [(False, True), (True, False), (False, False)])
def test_tables_that_are_not_trained(of_layer, of_column):
    column = fc.embedding_column(LETTERS, 2, trainable=of_column)
    fc.input_layer({"k": tf.constant(["a"])}, [column], trainable=of_layer)
    assert len(tf.global_variables()) == 1
    assert tf.trainable_variables() == []
