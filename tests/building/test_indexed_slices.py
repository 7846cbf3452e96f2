"""IndexedSlices: parts, conversion and arithmetic."""

import warnings

import numpy as np
import pytest

import millrace as tf
from millrace.building.indexed_slices import IndexedSlicesValue


def _slices(dense_shape=(4, 2)):
    shape = None if dense_shape is None else tf.constant(dense_shape)
    return tf.IndexedSlices(tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), tf.constant([0, 2, 0]), shape)


def test_becomes_dense_by_adding_up():
    with tf.Session() as session:
        assert session.run(tf.convert_to_tensor(_slices())).tolist() == [[6, 8], [0, 0], [3, 4], [0, 0]]
        assert session.run(tf.convert_to_tensor(-_slices()))[0].tolist() == [-6, -8]


def test_its_parts():
    found = _slices()
    assert found.dtype == tf.float32 and found.shape == [4, 2] and found.graph is tf.get_default_graph()
    assert found.name == found.values.name and found.op is found.values.op
    assert str(found).startswith("IndexedSlices(indices=Tensor(")
    with tf.Session() as session:
        value = session.run(found)
    assert isinstance(value, IndexedSlicesValue)
    assert value.indices.tolist() == [0, 2, 0] and value.dense_shape.tolist() == [4, 2]


def test_without_a_dense_shape_it_stays_sparse():
    assert _slices(None).shape == tf.TensorShape(None)
    with pytest.raises(ValueError, match="dense_shape"):
        tf.convert_to_tensor(_slices(None))
    with pytest.raises(ValueError, match="requested dtype int32"):
        tf.convert_to_tensor(_slices(), tf.int32)


def test_an_unknown_size_is_worth_a_warning():
    shape = tf.placeholder(tf.int32, [2])
    slices = tf.IndexedSlices(tf.constant([[1.0]]), tf.constant([0]), shape)
    with pytest.warns(UserWarning, match="size is unknown"):
        dense = tf.convert_to_tensor(slices)
    with tf.Session() as session, warnings.catch_warnings():
        assert np.array_equal(session.run(dense, {shape: [2, 1]}), [[1], [0]])


def test_parts_must_share_a_graph():
    values = tf.constant([[1.0]])
    with tf.Graph().as_default(), pytest.raises(ValueError, match="same graph"):
        tf.IndexedSlices(values, tf.constant([0]))


def test_multiples_are_dense():
    for product in (_slices() * 2.0, 2.0 * _slices()):
        assert isinstance(product, tf.Tensor)
        with tf.Session() as session:
            assert session.run(product).tolist() == [[12, 16], [0, 0], [6, 8], [0, 0]]


def test_who_takes_a_part():
    rows = _slices()
    assert rows.consumers() == []
    ops = [tf.identity(part).op for part in (rows.values, rows.indices, rows.dense_shape)]
    twice = tf.stack([rows.values, rows.values]).op
    assert set(rows.consumers()) == {*ops, twice} and len(rows.consumers()) == 4
    assert rows.get_shape() == rows.shape and rows.device == rows.values.device


def test_a_large_one_is_worth_a_warning_at_the_programs_line():
    big = tf.IndexedSlices(tf.constant([[1.0]]), tf.constant([0]), tf.constant([200_000_000, 1]))
    with pytest.warns(UserWarning, match="a dense tensor of 200000000 elements"):
        tf.convert_to_tensor(big)


def test_a_whole_size_is_not_worth_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tf.convert_to_tensor(_slices())
        just_below = tf.constant([99_999_999, 1])
        tf.convert_to_tensor(tf.IndexedSlices(tf.constant([[1.0]]), tf.constant([0]), just_below))
    with pytest.warns(UserWarning, match="a dense tensor of 100000000 elements"):
        tf.convert_to_tensor(
            tf.IndexedSlices(tf.constant([[1.0]]), tf.constant([0]), tf.constant([100_000_000, 1]))
        )


def test_a_fetch_without_a_dense_shape_has_none():
    with tf.Session() as session:
        found = session.run(_slices(None))
    assert found.dense_shape is None and found.indices.tolist() == [0, 2, 0]
    assert len(_slices(None).parts) == 2 and len(_slices().parts) == 3


def test_a_loop_keeps_the_shape_of_the_rows():
    sparse, whole = _slices(None), _slices()
    assert sparse.part_dims((None, 2)) == [(None, 2), (None,)]
    assert whole.part_dims((None, 2)) == [(None, 2), (None,), (2,)]
    assert whole.part_dims(None) == [None, None, None] and sparse.part_dims((3, 2)) == [(3, 2), (3,)]


@pytest.mark.parametrize("dense_shape", [None, (4, 2)])
def test_rows_go_through_a_loop(dense_shape):
    _, found = tf.while_loop(lambda i, s: i < 3, lambda i, s: (i + 1, -s), [0, _slices(dense_shape)])
    with tf.Session() as session:
        value = session.run(found)
    assert value.values.tolist() == [[-1, -2], [-3, -4], [-5, -6]] and value.indices.tolist() == [0, 2, 0]
    assert (value.dense_shape is None) == (dense_shape is None)


def test_what_an_empty_one_is():
    found = tf.IndexedSlices(tf.zeros([0, 2]), tf.constant([], tf.int32), tf.constant([2, 2]))
    with tf.Session() as session:
        assert session.run(tf.convert_to_tensor(found)).tolist() == [[0, 0], [0, 0]]
    assert "dense_shape=" in str(found) and "dense_shape" not in str(_slices(None))
    assert (-_slices()).dense_shape is not None and (-_slices(None)).dense_shape is None
