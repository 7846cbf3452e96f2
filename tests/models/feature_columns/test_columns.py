"""Feature columns: values, names of variables, parsing, and what is refused."""

import numpy as np
import pytest

import millrace as tf

FC = tf.feature_column


def cosines(shape, dtype=None, partition_info=None):
    sizes = [int(d) for d in shape]
    return tf.constant(np.cos(np.arange(np.prod(sizes)) * 1.7).reshape(sizes).astype(np.float32))


def features():
    return {
        "n": tf.constant([[1.0], [2.5], [-3.0]]),
        "v": tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
        "s": tf.constant([["a"], ["c"], ["zz"]]),
        "m": tf.SparseTensor([[0, 0], [0, 1], [2, 0]], ["a", "b", "c"], [3, 2]),
        "w": tf.SparseTensor([[0, 0], [0, 1], [2, 0]], [0.5, 2.0, 1.0], [3, 2]),
        "ids": tf.SparseTensor([[0, 0], [1, 0], [1, 1]], tf.constant([1, 0, 2], tf.int64), [3, 2]),
    }


def run(tensor):
    with tf.Session() as sess:
        sess.run([tf.global_variables_initializer(), tf.tables_initializer()])
        return sess.run(tensor)


def words(key="m"):
    return FC.categorical_column_with_vocabulary_list(key, ["a", "b", "c"])


def test_columns_stand_in_the_order_of_their_names():
    with tf.Graph().as_default():
        columns = [FC.numeric_column("v", 2), FC.numeric_column("n"), FC.indicator_column(words("s"))]
        made = FC.input_layer(features(), columns)
        np.testing.assert_array_equal(
            run(made), [[1, 1, 0, 0, 1, 2], [2.5, 0, 0, 1, 3, 4], [-3, 0, 0, 0, 5, 6]]
        )


def test_buckets():
    with tf.Graph().as_default():
        column = FC.bucketized_column(FC.numeric_column("v", 2), [2.0, 5.0])
        found = run(FC.input_layer(features(), [column]))
        assert found.shape == (3, 6)
        np.testing.assert_array_equal(found[0], [1, 0, 0, 0, 1, 0])


def test_weights_of_an_indicator():
    with tf.Graph().as_default():
        column = FC.indicator_column(FC.weighted_categorical_column(words(), "w"))
        np.testing.assert_array_equal(
            run(FC.input_layer(features(), [column])), [[0.5, 2, 0], [0, 0, 0], [0, 0, 1]]
        )


def test_embedding_has_its_name_and_mean():
    with tf.Graph().as_default():
        column = FC.embedding_column(words(), 2, initializer=cosines)
        found = run(FC.input_layer(features(), [column]))
        table = np.cos(np.arange(6) * 1.7).reshape(3, 2)
        np.testing.assert_allclose(found, [table[:2].mean(0), [0, 0], table[2]], rtol=1e-5, atol=1e-6)
        names = [v.name for v in tf.global_variables()]
        assert names == ["input_layer/m_embedding/embedding_weights:0"]


def test_shared_embedding_has_one_table():
    with tf.Graph().as_default():
        columns = FC.shared_embedding_columns([words("s"), words("m")], 2, initializer=cosines)
        FC.input_layer(features(), columns)
        names = [v.name for v in tf.global_variables()]
        assert names == ["input_layer/m_s_shared_embedding/embedding_weights:0"]


def test_linear_model_sums_weights():
    with tf.Graph().as_default():
        parts = {}
        made = FC.linear_model(features(), [words(), FC.numeric_column("n")], cols_to_vars=parts)
        assert [v.name for v in tf.global_variables()] == [
            "linear_model/m/weights:0",
            "linear_model/n/weights:0",
            "linear_model/bias_weights:0",
        ]
        assert sorted(str(k) for k in parts if isinstance(k, str)) == ["bias"]
        with tf.Session() as sess:
            sess.run([tf.global_variables_initializer(), tf.tables_initializer()])
            for variable in tf.global_variables():
                sess.run(variable.assign(tf.fill(variable.shape, 2.0)))
            np.testing.assert_allclose(sess.run(made), [[8.0], [7.0], [-2.0]])


def test_sequence():
    with tf.Graph().as_default():
        column = FC.indicator_column(FC.sequence_categorical_column_with_identity("ids", 3))
        numbers, lengths = tf.contrib.feature_column.sequence_input_layer(features(), [column])
        found = run([numbers, lengths])
        assert found[0].shape == (3, 2, 3)
        assert found[0].argmax(-1)[:2].tolist() == [[1, 0], [0, 2]]
        assert found[1].tolist() == [1, 2, 0]


def test_dense_features_builds_once():
    with tf.Graph().as_default():
        layer = tf.keras.layers.DenseFeatures([FC.embedding_column(words(), 2)])
        layer(features())
        layer(features())
        assert [v.name for v in layer.variables] == ["dense_features/m_embedding/embedding_weights:0"]


def test_parse_spec():
    crossed = FC.indicator_column(
        FC.crossed_column(["a", FC.bucketized_column(FC.numeric_column("n"), [1])], 5)
    )
    spec = FC.make_parse_example_spec([crossed, FC.numeric_column("v", 2, default_value=1)])
    assert spec == {
        "a": tf.VarLenFeature(tf.string),
        "n": tf.FixedLenFeature((1,), tf.float32, None),
        "v": tf.FixedLenFeature((2,), tf.float32, (1.0, 1.0)),
    }


def test_batch_size_of_a_cross_is_known():
    with tf.Graph().as_default():
        crossed = FC.indicator_column(FC.crossed_column(["a", "b"], 5))
        texts = tf.constant([["x"], ["y"], ["z"]])
        made = FC.input_layer({"a": texts, "b": texts}, [crossed])
        assert made.shape.as_list() == [3, 5]


def test_batch_size_of_crosses_and_weights_reaches_the_layer():
    crossed = FC.crossed_column(["s", "m"], 5)
    hashed = FC.categorical_column_with_hash_bucket("m", 4)
    weighted = FC.indicator_column(FC.weighted_categorical_column(hashed, "w"))
    with tf.Graph().as_default():
        places = [[0, 0], [0, 1], [2, 0]]
        given = {
            "s": tf.constant([["x"], ["y"], ["z"]]),
            "m": tf.SparseTensor(places, ["a", "b", "c"], [3, 2]),
            "w": tf.SparseTensor(places, [0.5, 2.0, 1.0], [3, 2]),
        }
        assert FC.linear_model(given, [crossed], units=2).shape.as_list() == [3, 2]
        assert FC.input_layer(given, [FC.embedding_column(crossed, 2)]).shape.as_list() == [3, 2]
        assert FC.input_layer(given, [weighted]).shape.as_list() == [3, 4]


def test_number_of_operations_of_an_embedding():
    # They make the seeds of what follows. TensorFlow 1.15 has as many.
    column = FC.categorical_column_with_vocabulary_list("s", ["a", "c"])
    for make, count in (
        (lambda f: FC.input_layer(f, [FC.embedding_column(column, 2)]), 91),
        (lambda f: FC.linear_model(f, [column], units=2), 95),
    ):
        with tf.Graph().as_default() as graph:
            make({"s": tf.constant([["a"], ["c"], ["zz"]])})
            assert len(graph.get_operations()) == count


def test_identity_out_of_range_is_refused_when_run():
    with tf.Graph().as_default():
        made = FC.input_layer(
            {"i": [[7]]}, [FC.indicator_column(FC.categorical_column_with_identity("i", 3))]
        )
        with pytest.raises(tf.errors.InvalidArgumentError):
            run(made)


@pytest.mark.parametrize(
    "call",
    [
        lambda: FC.numeric_column(3),
        lambda: FC.numeric_column("n", 0),
        lambda: FC.numeric_column("n", dtype=tf.string),
        lambda: FC.bucketized_column(FC.numeric_column("n"), [2.0, 1.0]),
        lambda: FC.categorical_column_with_vocabulary_list("s", []),
        lambda: FC.categorical_column_with_vocabulary_list("s", ["a", "a"]),
        lambda: FC.categorical_column_with_identity("i", 3, default_value=3),
        lambda: FC.crossed_column(["a"], 3),
        lambda: FC.embedding_column(words(), 0),
        lambda: FC.embedding_column(words(), 2, ckpt_to_load_from="x"),
        lambda: FC.shared_embedding_columns(
            [words("s"), FC.categorical_column_with_vocabulary_list("m", ["a"])], 2
        ),
        lambda: FC.input_layer({}, [FC.numeric_column("n")]),
        lambda: FC.input_layer({"n": [[1.0]]}, [FC.numeric_column("n"), FC.numeric_column("n")]),
        lambda: FC.input_layer({"s": [["a"]]}, [words("s")]),
    ],
)
def test_refused(call):
    with tf.Graph().as_default(), pytest.raises(ValueError, match=r".+"):
        call()
