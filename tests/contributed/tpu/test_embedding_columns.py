"""Columns of tables, and how they would be trained; recorded from TensorFlow 1.15."""

import numpy as np
import pytest

import millrace as tf

columns, fc = tf.tpu.experimental, tf.feature_column
Spec = tf.estimator.tpu.experimental.EmbeddingConfigSpec
IDS = fc.categorical_column_with_identity("i", 4)
OTHERS = fc.categorical_column_with_identity("j", 4)
STEPS = fc.sequence_categorical_column_with_identity("s", 4)


def test_tells_of_its_table():
    weighted = fc.weighted_categorical_column(IDS, "w")
    column = columns.embedding_column(weighted, 4, learning_rate_fn=abs)
    assert (column.name, column.get_embedding_var_name()) == ("i_weighted_by_w_embedding", "i_weighted_by_w")
    assert (column.get_feature_key_name(), column.get_weight_key_name()) == ("i", "w")
    assert (column.get_embedding_table_size(), column.get_combiner()) == ((4, 4), "mean")
    assert (column.is_sequence_column(), column.get_max_sequence_length()) == (False, 0)
    assert column.get_learning_rate_fn() is abs
    assert column.get_initializer().stddev == 0.5
    assert columns.embedding_column(STEPS, 2, max_sequence_length=3).get_max_sequence_length() == 3


def test_shared_tables_have_one_name():
    both = columns.shared_embedding_columns([IDS, OTHERS], 2)
    assert [c.name for c in both] == ["i_shared_embedding", "j_shared_embedding"]
    assert {c.get_embedding_var_name() for c in both} == {"i_j_shared_embedding"}
    named = columns.shared_embedding_columns([IDS, OTHERS], 2, shared_embedding_collection_name="t")
    assert named[1].get_embedding_var_name() == "t"


def test_is_a_column_like_others():
    features = {"i": tf.constant([[0], [2]])}
    numbers = fc.input_layer(features, [columns.embedding_column(IDS, 2)])
    assert [v.op.name for v in tf.global_variables()] == ["input_layer/i_embedding/embedding_weights"]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        found, table = sess.run([numbers, tf.global_variables()[0]])
    np.testing.assert_array_equal(found, table[[0, 2]])


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: columns.embedding_column(3, 2), TypeError, "must be type"),
        (lambda: columns.embedding_column(IDS, 0), ValueError, "Invalid dimension 0"),
        (lambda: columns.embedding_column(STEPS, 2), ValueError, "must be greater than 0 for sequence"),
        (lambda: columns.embedding_column(IDS, 2, max_sequence_length=3), ValueError, "Non zero max_seq"),
        (
            lambda: columns.shared_embedding_columns([IDS, OTHERS], 2, max_sequence_lengths=[1]),
            ValueError,
            "must be of the same length",
        ),
        (lambda: columns.AdagradParameters(0.1, 0.0), ValueError, "initial_accumulator must be positive"),
        (lambda: columns.AdamParameters(0.1, beta1=1.0), ValueError, "beta1 must be between"),
        (lambda: columns.AdamParameters(0.1, epsilon=0.0), ValueError, "epsilon must be positive"),
        (
            lambda: columns.AdamParameters(0.1, lazy_adam=False, use_gradient_accumulation=False),
            ValueError,
            "gradient accumulation must be used",
        ),
        (Spec, ValueError, "Exactly one of"),
        (lambda: Spec([columns.embedding_column(IDS, 2)]), ValueError, "optimization_parameters"),
        (lambda: Spec([IDS], columns.AdagradParameters(0.1)), TypeError, "must be dense"),
        (
            lambda: Spec([columns.embedding_column(IDS, 2)], partition_strategy="x"),
            ValueError,
            "Invalid partition_strategy x",
        ),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_configuration_keeps_what_it_is_given():
    column, parameters = columns.embedding_column(IDS, 2), columns.StochasticGradientDescentParameters(0.5)
    spec = Spec([column], parameters, partition_strategy="mod")
    assert (spec.feature_columns, spec.optimization_parameters) == ([column], parameters)
    assert (spec.partition_strategy, spec.clipping_limit, parameters.learning_rate) == ("mod", None, 0.5)
