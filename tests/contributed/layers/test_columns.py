"""Tests of the feature columns of tf.contrib.layers, with numbers recorded from TensorFlow 1.15."""

import numpy as np
import pytest

import millrace as tf

L, S = tf.contrib.layers, tf.contrib.slim


def _run(x):
    with tf.Session() as session:
        session.run([tf.global_variables_initializer(), tf.tables_initializer()])
        return session.run(x)


def _sparse(values):
    return tf.SparseTensor([[0, 0], [1, 0], [1, 1]], values, [2, 2])


def _features():
    return {
        "s": _sparse(["a", "b", "c"]),
        "t": _sparse(["x", "b", "y"]),
        "w": _sparse([1.0, 2.0, 0.5]),
        "n": tf.constant([[1.0, 2.0], [3.0, 0.0]]),
    }


def _table(shape, dtype=None, partition_info=None):
    numbers = np.arange(int(np.prod(shape))) * 7 % 11 - 5
    return tf.constant((numbers * 0.2).reshape([int(d) for d in shape]), tf.float32)


def test_deep_input_stands_in_the_order_of_keys():
    number = L.real_valued_column("n", 2)
    bucket = L.bucketized_column(number, [0.5, 1.5])
    keys = L.sparse_column_with_keys("s", ["a", "b", "c"])
    parts = {}
    columns = [L.embedding_column(keys, 3, "sum", initializer=_table), L.one_hot_column(keys), number, bucket]
    got = _run(L.input_from_feature_columns(_features(), columns, cols_to_outs=parts))
    assert [v.name for v in tf.global_variables()] == ["input_from_feature_columns/s_embedding/weights:0"]
    table = _run(_table([3, 3]))
    hot = [[0, 1, 0, 0, 0, 1], [0, 0, 1, 1, 0, 0]]
    expected = np.concatenate(
        [hot, [table[0], table[1] + table[2]], [[1, 0, 0], [0, 1, 1]], [[1, 2], [3, 0]]], 1
    )
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert set(parts) == set(columns)


def test_linear_model():
    keys = L.sparse_column_with_keys("s", ["a", "b", "c"])
    weighted = L.weighted_sparse_column(keys, "w")
    with tf.variable_scope("q", initializer=tf.ones_initializer()):
        columns = [weighted, L.real_valued_column("n", 2)]
        outputs, variables, bias = L.weighted_sum_from_feature_columns(_features(), columns, 1)
    set_to_one = [v.assign(tf.ones_like(v)) for v in tf.global_variables()]
    with tf.Session() as session:
        session.run([tf.global_variables_initializer(), tf.tables_initializer()])
        session.run(set_to_one)
        np.testing.assert_allclose(session.run(outputs), [[1 + 3 + 1], [2.5 + 3 + 1]])
    assert variables[weighted][0].op.name == "q/weighted_sum_from_feature_columns/s_weighted_by_w/weights"
    assert bias.op.name == "q/weighted_sum_from_feature_columns/bias_weight"
    with pytest.raises(ValueError, match="linear"):
        L.weighted_sum_from_feature_columns(_features(), [L.embedding_column(keys, 2)], 1)


def test_joint_weights_and_shared_embeddings():
    a, b = L.sparse_column_with_hash_bucket("s", 5), L.sparse_column_with_hash_bucket("t", 5)
    _, (weights,), _ = L.joint_weighted_sum_from_feature_columns(_features(), [a, b], 2)
    assert weights.shape.as_list() == [10, 2]
    shared = L.shared_embedding_columns([a, b], 2)
    L.input_from_feature_columns(_features(), shared)
    L.input_from_feature_columns(_features(), shared)
    names = [v.op.name for v in tf.global_variables() if "shared" in v.op.name]
    assert names == ["input_from_feature_columns/s_shared_embedding/s_t_shared_embedding"]


def test_crosses_have_the_hashes_of_tensorflow():
    inputs = [_sparse(["a", "b", "c"]), _sparse(["x", "b", "y"])]
    np.testing.assert_array_equal(_run(S.sparse_feature_cross(inputs)).values[0], b"a_X_x")
    old = _run(S.sparse_feature_cross(inputs, hashed_output=True, num_buckets=100))
    np.testing.assert_array_equal(old.values, [3, 67, 20, 62, 15])
    new = _run(S.sparse_feature_cross(inputs, hashed_output=True, num_buckets=100, hash_key=3))
    np.testing.assert_array_equal(new.values, [7, 5, 35, 26, 72])
    first = [tf.constant([[0, 1]] * 2, tf.int64), tf.constant([["a"], ["b"]])]
    got = _run(S.sparse_feature_cross(first, hashed_output=True, num_buckets=30))
    np.testing.assert_array_equal(got.values, [18, 20, 15, 19])
    with pytest.raises(TypeError, match="list"):
        S.sparse_feature_cross(inputs[0])


def test_scattered_embeddings():
    pool = tf.range(30.0)
    np.testing.assert_array_equal(
        _run(S.scattered_embedding_lookup(pool, tf.constant(["a", "b"]), 2)), [[18, 20], [15, 19]]
    )
    values = tf.SparseTensor([[0, 0], [0, 1]], ["a", "b"], [1, 2])
    np.testing.assert_array_equal(
        _run(S.scattered_embedding_lookup_sparse(pool, values, 2, combiner="sum")), [[33, 39]]
    )
    with pytest.raises(ValueError, match="combiner"):
        S.scattered_embedding_lookup_sparse(pool, values, 2, combiner="max")


def test_sequences():
    features = {"n": tf.ones([2, 3, 2]), "s": tf.SparseTensor([[0, 0, 0], [1, 2, 0]], ["a", "b"], [2, 3, 1])}
    keys = L.sparse_column_with_keys("s", ["a", "b"])
    columns = [L.embedding_column(keys, 2, initializer=_table), L.real_valued_column("n", 2)]
    got = _run(L.sequence_input_from_feature_columns(features, columns))
    assert got.shape == (2, 3, 4)
    np.testing.assert_allclose(got[0, 0], [-1, 0.4, 1, 1], atol=1e-6)
    with pytest.raises(ValueError, match="sequences"):
        L.sequence_input_from_feature_columns(features, [keys])


def test_parsing_and_inference():
    number, keys = L.real_valued_column("n", 2, 0.0), L.sparse_column_with_keys("s", ["a"])
    spec = L.create_feature_spec_for_parsing([L.bucketized_column(number, [0.5]), keys])
    assert spec["n"].default_value == [0.0, 0.0] and spec["s"].dtype == tf.string
    example = tf.train.Example()
    example.features.feature["s"].bytes_list.value.append(b"a")
    parsed = L.parse_feature_columns_from_examples([example.SerializeToString()], [number, keys])
    np.testing.assert_array_equal(_run(parsed[keys]).values, [0])
    fed = L.make_place_holder_tensors_for_base_features([number])
    assert fed["n"].shape.as_list() == [None, 2]
    (found,) = L.infer_real_valued_columns(tf.ones([2, 3]))
    assert found.dimension == 3
    with pytest.raises(ValueError, match="Non integer"):
        L.infer_real_valued_columns(tf.constant(["a"]))


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: L.real_valued_column("n", 0), ValueError),
        (lambda: L.real_valued_column("n", 1.5), TypeError),
        (lambda: L.sparse_column_with_hash_bucket("s", 0), ValueError),
        (lambda: L.sparse_column_with_integerized_feature("s", 3, dtype=tf.string), ValueError),
        (lambda: L.bucketized_column(L.real_valued_column("n"), [2.0, 1.0]), ValueError),
        (lambda: L.crossed_column([L.sparse_column_with_keys("s", ["a"])], 5), ValueError),
        (lambda: L.check_feature_columns([L.real_valued_column("n")] * 2), ValueError),
    ],
)
def test_refused(make, error):
    with pytest.raises(error):
        make()


@pytest.mark.parametrize(
    "names, buckets", [("sd", [68, 21, 72, 1, 73, 38]), ("de", [12, 63, 7, 2])], ids=["with-sparse", "dense"]
)
def test_crosses_leave_dense_features_dense(names, buckets):
    layers = tf.contrib.layers
    columns = [layers.sparse_column_with_hash_bucket(name, 5) for name in names]
    features = {
        "s": tf.SparseTensor([[0, 0], [1, 0], [1, 1]], ["a", "b", "zz"], [2, 2]),
        "d": tf.constant([["a", "q"], ["b", "r"]]),
        "e": tf.constant([["x"], [""]]),
    }
    cross = layers.crossed_column(columns, 97)
    made = layers.transform_features(features, [cross])[cross]
    with tf.Session() as sess:
        assert sess.run(made.values).tolist() == buckets


def test_linear_models_say_what_they_do_not_take():
    layers = tf.contrib.layers
    letters = layers.sparse_column_with_hash_bucket("s", 5)
    features = {"s": tf.constant([["a"]])}
    for column, error in (
        (layers.embedding_column(letters, 2), ValueError),
        (layers.one_hot_column(letters), NotImplementedError),
    ):
        for build in (
            layers.weighted_sum_from_feature_columns,
            layers.joint_weighted_sum_from_feature_columns,
        ):
            with pytest.raises(error):
                build(features, [column], num_outputs=1)
