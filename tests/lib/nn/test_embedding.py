"""Embedding lookups against NumPy's indexing."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import floats

_TABLE = floats(9, 3)
_IDS = np.int32([[1, 8], [0, 3]])


def _run(fetches):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetches)


def _parts(strategy, count=4):
    """The table as `tf.nn.embedding_lookup` expects its parts."""
    return [_TABLE[i::count] for i in range(count)] if strategy == "mod" else np.array_split(_TABLE, count)


@pytest.mark.parametrize("strategy", ["mod", "div"])
def test_a_table_in_parts(strategy):
    found = tf.nn.embedding_lookup(_parts(strategy), _IDS, strategy)
    assert found.shape == (2, 2, 3)
    np.testing.assert_array_equal(_run(found), _TABLE[_IDS])


@pytest.mark.parametrize("resource", [False, True])
def test_variables_get_sparse_gradients(resource):
    table = tf.get_variable("table", initializer=_TABLE, use_resource=resource)
    slope = tf.gradients(tf.nn.embedding_lookup(table, [1, 4, 1]), table)[0]
    assert isinstance(slope, tf.IndexedSlices)
    want = np.zeros_like(_TABLE)
    np.add.at(want, [1, 4, 1], 1)
    np.testing.assert_array_equal(_run(tf.convert_to_tensor(slope)), want)


def test_partitioned_variables():
    table = tf.get_variable("table", [9, 3], partitioner=tf.fixed_size_partitioner(4))
    found, whole = _run([tf.nn.embedding_lookup(table, _IDS, "div"), tf.convert_to_tensor(table)])
    np.testing.assert_array_equal(found, whole[_IDS])


@pytest.mark.parametrize("parts", [1, 2])
def test_rows_that_are_too_long_are_scaled_down(parts):
    norms = np.linalg.norm(_TABLE, axis=1, keepdims=True)
    want = (_TABLE * np.minimum(1, 1 / norms))[_IDS]
    found = tf.nn.embedding_lookup([_TABLE[i::parts] for i in range(parts)], _IDS, max_norm=1.0)
    np.testing.assert_allclose(_run(found), want, rtol=1e-5)


def test_an_id_out_of_range_is_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError):
        _run(tf.nn.embedding_lookup(_TABLE, [9]))


@pytest.mark.parametrize(
    ("params", "strategy", "match"), [([], "mod", "at least one part"), ([_TABLE] * 2, "x", "'mod'")]
)
def test_what_cannot_be_looked_up_is_refused(params, strategy, match):
    with pytest.raises(ValueError, match=match):
        tf.nn.embedding_lookup(params, _IDS, strategy)


_PLACES, _SPARSE_IDS = [[0, 0], [0, 1], [1, 0], [2, 1], [2, 2]], np.int64([1, 0, 3, 3, 8])
_WEIGHTS = np.float32([0.5, 1, 2, 3, 1])


@pytest.mark.parametrize("combiner", ["sum", "mean", "sqrtn"])
@pytest.mark.parametrize("weighted", [False, True])
def test_sparse_lookup(combiner, weighted):
    ids = tf.SparseTensor(_PLACES, _SPARSE_IDS, [3, 3])
    weights = tf.SparseTensor(_PLACES, _WEIGHTS, [3, 3]) if weighted else None
    got = _run(tf.nn.embedding_lookup_sparse(_parts("mod"), ids, weights, combiner=combiner))
    each = _WEIGHTS if weighted else np.ones(5)
    for row in range(3):
        mine = [i for i, (r, _) in enumerate(_PLACES) if r == row]
        total = sum(each[i] * _TABLE[_SPARSE_IDS[i]] for i in mine)
        scale = {"sum": 1, "mean": each[mine].sum(), "sqrtn": np.sqrt((each[mine] ** 2).sum())}[combiner]
        np.testing.assert_allclose(got[row], total / scale, rtol=1e-5, atol=1e-6)


def test_the_combiner_that_nobody_chose_is_announced():
    ids = tf.SparseTensor(_PLACES, _SPARSE_IDS, [3, 3])
    with pytest.warns(UserWarning, match="'mean' is used"):
        tf.nn.embedding_lookup_sparse(_TABLE, ids, None)


def test_a_safe_lookup_drops_what_is_invalid_and_fills_what_is_empty():
    ids = tf.SparseTensor([[0, 0], [0, 1], [2, 0], [3, 2]], np.int64([1, 0, -3, 3]), [4, 3])
    zeros, filled = _run(
        [
            tf.nn.safe_embedding_lookup_sparse([_TABLE], ids, combiner="sum"),
            tf.nn.safe_embedding_lookup_sparse([_TABLE], ids, combiner="sum", default_id=5),
        ]
    )
    np.testing.assert_allclose(zeros, [_TABLE[0] + _TABLE[1], [0] * 3, [0] * 3, _TABLE[3]], rtol=1e-6)
    np.testing.assert_allclose(filled, [_TABLE[0] + _TABLE[1], _TABLE[5], _TABLE[5], _TABLE[3]], rtol=1e-6)
