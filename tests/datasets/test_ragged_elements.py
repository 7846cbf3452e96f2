"""Ragged tensors as elements of datasets, and the specs of composites."""

from __future__ import annotations

import pytest

import millrace as tf
from millrace.lib.ragged.mapping import RaggedTensorType, map_fn

DEEP = [[[1, 2]], [], [[3], [4]]]


@pytest.fixture(autouse=True)
def fresh():
    with tf.Graph().as_default():
        yield


def elements(dataset):
    item = tf.data.make_one_shot_iterator(dataset).get_next()
    found = []
    with tf.Session() as sess:
        while True:
            try:
                value = sess.run(item)
            except tf.errors.OutOfRangeError:
                return found
            found.append(value.to_list() if hasattr(value, "to_list") else value)


def run(x):
    with tf.Session() as sess:
        found = sess.run(x)
    return found.to_list() if hasattr(found, "to_list") else found.tolist()


def slices(rows=DEEP):
    return tf.data.Dataset.from_tensor_slices(tf.ragged.constant(rows))


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda: slices(), DEEP),
        (lambda: slices().batch(2), [DEEP[:2], DEEP[2:]]),
        (lambda: slices().map(lambda r: r * 2), [[[2, 4]], [], [[6], [8]]]),
        (lambda: slices().filter(lambda r: r.nrows() > 1), [DEEP[2]]),
        (lambda: slices().repeat(2).skip(4).prefetch(1), DEEP[1:]),
        (lambda: slices([[1, 2], [], [3]]).batch(2), [[[1, 2], []], [[3]]]),
        (lambda: tf.data.Dataset.from_tensors(tf.ragged.constant(DEEP)), [DEEP]),
        (lambda: tf.data.Dataset.from_tensors(tf.ragged.constant_value(DEEP)), [DEEP]),
        (lambda: tf.data.Dataset.range(2).map(lambda i: tf.ragged.range(tf.range(i + 1))), [[[]], [[], [0]]]),
    ],
)
def test_elements(make, wanted):
    assert elements(make()) == wanted


def test_a_row_without_ragged_dimensions_is_refused():
    with pytest.raises(ValueError, match="ragged_rank"):
        tf.data.make_one_shot_iterator(slices([[1, 2], [3]])).get_next()


def test_ragged_specs():
    spec = tf.RaggedTensorSpec([3, None], tf.int32, 1)
    assert spec == tf.RaggedTensorSpec([3, None], tf.int32)
    assert hash(spec) == hash(tf.RaggedTensorSpec([3, None], tf.int32))
    assert spec != tf.RaggedTensorSpec([3, None], tf.int64)
    assert spec.is_compatible_with(tf.ragged.constant([[1], [2], [3]]))
    assert not spec.is_compatible_with(tf.ragged.constant([[1], [2]]))
    joined = spec.most_specific_compatible_type(tf.RaggedTensorSpec([2, None], tf.int32))
    assert joined == tf.RaggedTensorSpec([None, None], tf.int32)
    assert spec._batch(2)._key()[2] == 2
    assert tf.ragged.constant(DEEP)._type_spec.ragged_rank == 2
    assert [s.dims for s in spec._component_specs] == [(None,), (4,)]
    assert slices().element_spec == tf.RaggedTensorSpec([None, None], tf.int32, 1)
    assert spec.value_type is tf.RaggedTensor
    with pytest.raises(ValueError, match="less than rank"):
        tf.RaggedTensorSpec([3, None], tf.int32, 2)
    with pytest.raises(ValueError, match="ragged_rank or a shape"):
        tf.RaggedTensorSpec(None, tf.int32)
    with pytest.raises(ValueError, match="not compatible"):
        spec.most_specific_compatible_type(tf.RaggedTensorSpec([2, None], tf.int64))


def test_other_specs():
    rows = tf.IndexedSlices(tf.constant([[1.0, 2.0]]), tf.constant([0]))
    assert rows._type_spec == tf.IndexedSlicesSpec([None, 2], tf.float32, tf.int32, None, [1])
    assert rows._type_spec.is_compatible_with(rows)
    again = rows._type_spec.from_tensors(rows._type_spec.to_tensors(rows))
    assert again.values is rows.values
    array = tf.TensorArraySpec([2], tf.int32, True, False)
    assert array == tf.TensorArraySpec([2], tf.int32, True, False) != tf.TensorArraySpec([2])
    assert array.value_type is tf.TensorArray
    assert tf.TensorArraySpec.from_value(tf.TensorArray(tf.int32, 2, element_shape=[2])).is_compatible_with(
        tf.TensorArraySpec([2], tf.int32)
    )
    with pytest.raises(TypeError, match="TensorArray"):
        tf.TensorArraySpec.from_value(3)


def test_map_of_rows():
    rows = tf.ragged.constant([[1, 2], [], [3]])
    assert run(map_fn(tf.reduce_sum, rows, tf.int32)) == [3, 0, 3]
    assert run(map_fn(lambda r: r * 2, rows)) == [[2, 4], [], [6]]
    ragged = RaggedTensorType(tf.int32, 1)
    assert run(map_fn(tf.range, tf.constant([2, 0, 1]), ragged)) == [[0, 1], [], [0]]
    deep = tf.ragged.constant(DEEP)
    assert run(map_fn(lambda r: r + 1, deep, RaggedTensorType(tf.int32, 2))) == [[[2, 3]], [], [[4], [5]]]


def test_groups_and_edges():
    rows = tf.ragged.constant([[1, 2]])
    assert len(tf.group(rows).control_inputs) == 2
    with tf.control_dependencies([rows]):
        assert tf.constant(1).op.control_inputs == [rows.flat_values.op]
