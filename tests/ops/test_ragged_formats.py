"""Ragged rows, data formats, buckets and placeholders of old and exported graphs."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf

raw = tf.raw_ops


def values(found):
    with tf.Session() as sess:
        return [np.asarray(value).tolist() for value in sess.run(found)]


def test_ranges():
    assert values(list(raw.RaggedRange(starts=[0, 5, 8], limits=[3, 5, 12], deltas=1))) == [
        [0, 3, 3, 7],
        [0, 1, 2, 8, 9, 10, 11],
    ]
    found = raw.RaggedRange(starts=0.0, limits=[1.0, 2.5], deltas=[0.5, 1.0], Tsplits=tf.int32)
    assert values(list(found)) == [[0, 2, 5], [0.0, 0.5, 0.0, 1.0, 2.0]]
    assert values(list(raw.RaggedRange(starts=[5, 0], limits=[0, -3], deltas=[-2, 1]))) == [
        [0, 3, 3],
        [5, 3, 1],
    ]
    with pytest.raises(ValueError, match="same shape"):
        raw.RaggedRange(starts=[5, 1, 2], limits=[0, 1], deltas=[1])
    with pytest.raises(ValueError, match="scalar or a vector"):
        raw.RaggedRange(starts=[[5]], limits=[0], deltas=[1])
    with pytest.raises(tf.errors.InvalidArgumentError, match="delta != 0"):
        values(list(raw.RaggedRange(starts=[5], limits=[0], deltas=[0])))


def test_gather_of_ragged_rows():
    flat = tf.constant(np.arange(10.0).reshape(5, 2))
    splits = [np.array([0, 1, 3], np.int64), np.array([0, 2, 2, 5], np.int64)]
    found = raw.RaggedGather(
        params_nested_splits=splits, params_dense_values=flat, indices=[[1, 0], [1, 1]], OUTPUT_RAGGED_RANK=3
    )
    first, second, third, rows = values([*found.output_nested_splits, found.output_dense_values])
    assert (first, second, third) == ([0, 2, 4], [0, 2, 3, 5, 7], [0, 0, 3, 5, 5, 8, 8, 11])
    assert [int(row[0]) // 2 for row in rows] == [2, 3, 4, 0, 1, 2, 3, 4, 2, 3, 4]
    bad = raw.RaggedGather(
        params_nested_splits=splits[:1], params_dense_values=flat, indices=[2], OUTPUT_RAGGED_RANK=1
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[0, 2\)"):
        values([bad.output_dense_values])


def test_ragged_rows_as_sparse():
    found = raw.RaggedTensorToSparse(
        rt_nested_splits=[np.int64([0, 2, 2, 3])], rt_dense_values=np.float32([5, 6, 7])
    )
    assert values(list(found)) == [[[0, 0], [0, 1], [2, 0]], [5.0, 6.0, 7.0], [3, 2]]
    splits = [np.int64([0, 1, 3]), np.int64([0, 2, 2, 5])]
    found = raw.RaggedTensorToSparse(rt_nested_splits=splits, rt_dense_values=np.arange(10.0).reshape(5, 2))
    indices, flat, dims = values(list(found))
    assert indices[:4] == [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 1, 1]]
    assert (indices[-1], flat, dims) == ([1, 1, 2, 1], list(np.arange(10.0)), [2, 2, 3, 2])
    found = raw.RaggedTensorToSparse(rt_nested_splits=[np.int64([0, 2])], rt_dense_values=[1.0, 2.0, 3.0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="3 values"):
        values(list(found))
    found = raw.RaggedTensorToSparse(rt_nested_splits=[np.int64([1, 2])], rt_dense_values=[1.0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="begin with 0"):
        values(list(found))


def to_tensor(parts, forms, shape=-1, default=-1.0):
    return raw.RaggedTensorToTensor(
        shape=np.asarray(shape, np.int64),
        values=np.arange(1.0, 6.0),
        default_value=np.float64(default),
        row_partition_tensors=[np.int64(p) for p in parts],
        row_partition_types=forms,
    )


def test_ragged_rows_as_dense():
    by_splits = to_tensor([[0, 1, 3], [0, 2, 2, 5]], ["ROW_SPLITS", "ROW_SPLITS"])
    wanted = [[[1, 2, -1], [-1, -1, -1]], [[-1, -1, -1], [3, 4, 5]]]
    assert values([by_splits]) == [wanted]
    by_rows = to_tensor([2, [0, 1, 1], [0, 0, 2, 2, 2]], ["FIRST_DIM_SIZE", "VALUE_ROWIDS", "VALUE_ROWIDS"])
    assert values([by_rows]) == [wanted]
    cut = to_tensor([[0, 2, 5]], ["ROW_SPLITS"], shape=[3, 2], default=0)
    assert cut.shape == (3, 2)
    assert values([cut]) == [[[1, 2], [3, 4], [0, 0]]]
    with pytest.raises(ValueError, match="ROW_LIMITS"):
        to_tensor([[0, 1]], ["ROW_LIMITS"])
    with pytest.raises(tf.errors.InvalidArgumentError, match="must have 2 elements"):
        values([to_tensor([[0, 2, 5]], ["ROW_SPLITS"], shape=[3, 2, 1])])
    with pytest.raises(tf.errors.InvalidArgumentError, match="not be negative or decrease"):
        values([to_tensor([2, [0, 1, 0, 0, 1]], ["FIRST_DIM_SIZE", "VALUE_ROWIDS"])])
    with pytest.raises(tf.errors.InvalidArgumentError, match="below 1"):
        values([to_tensor([1, [0, 1, 1, 1, 1]], ["FIRST_DIM_SIZE", "VALUE_ROWIDS"])])


def from_variant(encoded, rank, inner=-1, dtype=tf.float64):
    found = raw.RaggedTensorFromVariant(
        encoded_ragged=encoded,
        input_ragged_rank=inner,
        output_ragged_rank=rank,
        Tvalues=dtype,
        Tsplits=tf.int64,
    )
    return values([*found.output_nested_splits, found.output_dense_values])


def test_ragged_rows_as_variants():
    splits, flat = [np.int64([0, 1, 3]), np.int64([0, 2, 2, 5])], np.arange(5.0)
    given = {"rt_nested_splits": splits, "rt_dense_values": flat}
    one = raw.RaggedTensorToVariant(**given, batched_input=False)
    assert one.shape == ()
    assert from_variant(one, 2) == [[0, 1, 3], [0, 2, 2, 5], [0, 1, 2, 3, 4]]
    rows = raw.RaggedTensorToVariant(**given, batched_input=True)
    assert rows.shape == (2,)
    assert from_variant(rows, 2) == [[0, 1, 3], [0, 2, 2, 5], [0, 1, 2, 3, 4]]
    assert from_variant(rows[1], 1) == [[0, 0, 3], [2, 3, 4]]
    plain = {"rt_nested_splits": [], "rt_dense_values": np.arange(4.0).reshape(4, 1)}
    square = tf.reshape(raw.RaggedTensorToVariant(**plain, batched_input=True), [2, 2])
    assert from_variant(square, 2) == [[0, 2, 4], [0, 1, 2, 3, 4], [0, 1, 2, 3]]
    assert from_variant(rows[:0], 2) == [[0], [0], []]
    with pytest.raises(tf.errors.InvalidArgumentError, match="output_ragged_rank must be"):
        from_variant(rows, 1, inner=1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="ragged rows of rank 2"):
        from_variant(rows, 3)


def test_data_formats():
    assert values([raw.DataFormatDimMap(x=[0, 1, 2, 3, -1, -2])]) == [[0, 2, 3, 1, 1, 3]]
    assert values([raw.DataFormatVecPermute(x=[1, 2, 3, 4])]) == [[1, 4, 2, 3]]
    pads = raw.DataFormatVecPermute(x=[[1, 2], [3, 4], [5, 6], [7, 8]], src_format="NCHW", dst_format="NHWC")
    assert values([pads]) == [[[1, 2], [5, 6], [7, 8], [3, 4]]]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[4\]"):
        values([raw.DataFormatVecPermute(x=[1, 2])])
    with pytest.raises(ValueError, match="vector"):
        raw.DataFormatVecPermute(x=1)


def test_buckets():
    found = raw.BoostedTreesBucketize(
        float_values=[[1.0, 2.0, 3.0, 0.0, 9.0]], bucket_boundaries=[[1.0, 2.0, 5.0]]
    )
    assert values(list(found)) == [[0, 1, 2, 0, 2]]


def test_old_placeholders():
    x = raw.PlaceholderV2(dtype=tf.float32, shape=[2])
    with tf.Session() as sess:
        assert sess.run(x + 1.0, {x: [1.0, 2.0]}).tolist() == [2.0, 3.0]
        with pytest.raises(tf.errors.InvalidArgumentError):
            sess.run(x)


def test_reads_that_copy_nothing():
    v = tf.Variable([1.0], use_resource=True)
    with tf.control_dependencies([raw.DisableCopyOnRead(resource=v.handle)]):
        y = v.read_value()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run(y).tolist() == [1.0]
