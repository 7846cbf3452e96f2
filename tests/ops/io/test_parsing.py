"""The public functions that read records: which tensors they give, under which names and shapes."""

import numpy as np
import pytest

import millrace as tf
from millrace.core import protos


def ints(*values):
    return protos.Feature(int64_list=protos.Int64List(value=values))


def floats(*values):
    return protos.Feature(float_list=protos.FloatList(value=values))


def texts(*values):
    return protos.Feature(bytes_list=protos.BytesList(value=values))


def example(**features):
    return protos.Example(features=protos.Features(feature=features)).SerializeToString()


def sequence(context, **lists):
    return protos.SequenceExample(
        context=protos.Features(feature=context),
        feature_lists=protos.FeatureLists(
            feature_list={name: protos.FeatureList(feature=steps) for name, steps in lists.items()}
        ),
    ).SerializeToString()


def run(fetches, feed=None):
    with tf.Session() as sess:
        return sess.run(fetches, feed)


BATCH = [example(a=ints(1, 2), b=floats(0.5), c=texts(b"x")), example(a=ints(3, 4), c=texts(b"y", b"z"))]


class TestExamples:
    def test_all_kinds_at_once(self):
        parsed = tf.parse_example(
            BATCH,
            {
                "a": tf.FixedLenFeature([2], tf.int64),
                "b": tf.FixedLenFeature([], tf.float32, default_value=-1.0),
                "c": tf.VarLenFeature(tf.string),
                "rows": tf.FixedLenSequenceFeature([], tf.string, allow_missing=True, default_value="-"),
            },
        )
        assert parsed["a"].shape.as_list() == [2, 2]
        assert parsed["b"].shape.as_list() == [2]
        assert parsed["rows"].shape.as_list() == [2, None]
        found = run(parsed)
        np.testing.assert_array_equal(found["a"], [[1, 2], [3, 4]])
        np.testing.assert_array_equal(found["b"], np.array([0.5, -1.0], np.float32))
        assert found["rows"].shape == (2, 0)
        np.testing.assert_array_equal(found["c"].indices, [[0, 0], [1, 0], [1, 1]])
        assert found["c"].values.tolist() == [b"x", b"y", b"z"]
        np.testing.assert_array_equal(found["c"].dense_shape, [2, 2])

    def test_rows_are_padded(self):
        batch = [example(r=ints(1, 2)), example(r=ints(3, 4, 5, 6)), example()]
        parsed = tf.parse_example(
            batch, {"r": tf.FixedLenSequenceFeature([2], tf.int64, allow_missing=True, default_value=-1)}
        )
        np.testing.assert_array_equal(
            run(parsed["r"]), [[[1, 2], [-1, -1]], [[3, 4], [5, 6]], [[-1, -1], [-1, -1]]]
        )

    def test_a_batch_is_fed(self):
        serialized = tf.placeholder(tf.string, [None])
        parsed = tf.parse_example(serialized, {"a": tf.FixedLenFeature([2], tf.int64)})
        assert parsed["a"].shape.as_list() == [None, 2]
        np.testing.assert_array_equal(run(parsed["a"], {serialized: BATCH}), [[1, 2], [3, 4]])
        assert run(parsed["a"], {serialized: []}).shape == (0, 2)

    def test_one_example(self):
        features = {"a": tf.FixedLenFeature([2], tf.int64), "c": tf.VarLenFeature(tf.string)}
        for names in (None, "first"):
            parsed = tf.parse_single_example(BATCH[1], features, example_names=names)
            assert parsed["a"].shape.as_list() == [2]
            found = run(parsed)
            np.testing.assert_array_equal(found["a"], [3, 4])
            np.testing.assert_array_equal(found["c"].indices, [[0], [1]])
            np.testing.assert_array_equal(found["c"].dense_shape, [2])

    def test_sparse_feature_is_put_together_and_sorted(self):
        batch = [example(i=ints(3, 1), v=floats(0.3, 0.1)), example(i=ints(0), v=floats(9.0))]
        parsed = tf.parse_example(batch, {"s": tf.SparseFeature("i", "v", tf.float32, 5)})
        assert list(parsed) == ["s"]
        found = run(parsed["s"])
        np.testing.assert_array_equal(found.indices, [[0, 1], [0, 3], [1, 0]])
        np.testing.assert_array_equal(found.values, np.array([0.1, 0.3, 9.0], np.float32))
        np.testing.assert_array_equal(found.dense_shape, [2, 5])

    def test_sparse_feature_of_two_dimensions(self):
        record = example(x=ints(0, 2), y=ints(1, 0), v=floats(5.0, 6.0))
        parsed = tf.parse_single_example(record, {"s": tf.SparseFeature(["x", "y"], "v", tf.float32, [3, 2])})
        found = run(parsed["s"])
        np.testing.assert_array_equal(found.indices, [[0, 1], [2, 0]])
        np.testing.assert_array_equal(found.dense_shape, [3, 2])

    @pytest.mark.parametrize(
        "features, message",
        [
            ({}, "at least one feature"),
            ({"a": tf.FixedLenSequenceFeature([], tf.int64)}, "allow_missing"),
            ({"a": tf.VarLenFeature(None)}, "Missing type"),
            ({"a": tf.FixedLenFeature(None, tf.int64)}, "Missing shape"),
            ({"a": tf.FixedLenFeature([None], tf.int64)}, "unknown"),
            ({"a": tf.SparseFeature("", "v", tf.float32, 1)}, "index_key"),
            ({"a": 3}, "supported class"),
            (
                {"a": tf.VarLenFeature(tf.float32), "s": tf.SparseFeature("a", "v", tf.float32, 1)},
                "Conflicting",
            ),
        ],
    )
    def test_wrong_features(self, features, message):
        with pytest.raises(ValueError, match=message):
            tf.parse_example(BATCH, features)

    @pytest.mark.parametrize(
        "wrong, feature, message",
        [
            (ints(7, 8, 9), tf.FixedLenFeature([2], tf.int64), r"Number of int64 values != expected.*3"),
            (floats(1, 2), tf.FixedLenFeature([2], tf.int64), "Data types don't match"),
            (texts(b"t"), tf.VarLenFeature(tf.int64), "Data types don't match"),
        ],
        ids=["length", "dtype", "sparse_dtype"],
    )
    def test_a_record_that_does_not_fit_is_named(self, wrong, feature, message):
        parsed = tf.parse_example(
            [BATCH[0], example(a=wrong)], {"a": feature}, example_names=["first", "second"]
        )
        with pytest.raises(
            tf.errors.InvalidArgumentError, match=f"Name: second, Key: a, Index: 1.*{message}"
        ):
            run(parsed["a"])

    def test_a_missing_feature_is_named(self):
        with pytest.raises(tf.errors.InvalidArgumentError, match="Feature: b .*required"):
            run(tf.parse_example(BATCH, {"b": tf.FixedLenFeature([], tf.float32)})["b"])


class TestSequences:
    RECORDS = (
        sequence({"a": ints(1)}, l=[ints(1, 2), ints(3, 4)], m=[texts(b"x"), texts(b"y", b"z")]),
        sequence({"a": ints(2)}, l=[ints(5, 6)], m=[]),
    )
    CONTEXT = {"a": tf.FixedLenFeature([], tf.int64), "b": tf.VarLenFeature(tf.float32)}
    LISTS = {"l": tf.FixedLenSequenceFeature([2], tf.int64), "m": tf.VarLenFeature(tf.string)}

    def test_one_record(self):
        context, lists = tf.parse_single_sequence_example(self.RECORDS[0], self.CONTEXT, self.LISTS)
        assert lists["l"].shape.as_list() == [None, 2]
        found_context, found_lists = run([context, lists])
        assert found_context["a"] == 1
        assert found_context["b"].values.size == 0
        np.testing.assert_array_equal(found_lists["l"], [[1, 2], [3, 4]])
        np.testing.assert_array_equal(found_lists["m"].indices, [[0, 0], [1, 0], [1, 1]])

    def test_a_batch(self):
        context, lists, lengths = tf.io.parse_sequence_example(list(self.RECORDS), self.CONTEXT, self.LISTS)
        assert lists["l"].shape.as_list() == [2, None, 2]
        found_context, found_lists, found_lengths = run([context, lists, lengths])
        np.testing.assert_array_equal(found_context["a"], [1, 2])
        np.testing.assert_array_equal(found_lists["l"], [[[1, 2], [3, 4]], [[5, 6], [0, 0]]])
        np.testing.assert_array_equal(found_lists["m"].indices, [[0, 0, 0], [0, 1, 0], [0, 1, 1]])
        np.testing.assert_array_equal(found_lengths["l"], [2, 1])

    def test_a_missing_list(self):
        record = sequence({})
        with pytest.raises(tf.errors.InvalidArgumentError, match="'l' is required"):
            run(tf.parse_single_sequence_example(record, None, self.LISTS)[1]["l"])
        allowed = {"l": tf.FixedLenSequenceFeature([2], tf.int64, allow_missing=True)}
        assert run(tf.parse_single_sequence_example(record, None, allowed)[1]["l"]).shape == (0, 2)


class TestSerialized:
    def test_tensors_come_back(self):
        for value in (
            np.arange(6).reshape(2, 3),
            np.float16(1.5),
            np.array([b"a", b"bc"], object),
            np.zeros((0, 2)),
        ):
            tensor = tf.constant(value)
            back = tf.parse_tensor(tf.serialize_tensor(tensor), tensor.dtype)
            found = run(back)
            np.testing.assert_array_equal(found, value)

    def test_sparse_batches_come_back(self):
        sparse = tf.SparseTensor([[0, 1], [2, 0], [2, 3]], [1.0, 2.0, 3.0], [3, 4])
        back = tf.deserialize_many_sparse(tf.serialize_many_sparse(sparse), tf.float32, rank=2)
        assert back.indices.shape.as_list() == [None, 2]
        for found, want in zip(run(back), run(sparse), strict=True):
            np.testing.assert_array_equal(found, want)
        assert run(tf.serialize_sparse(sparse)).shape == (3,)

    def test_json(self):
        text = '{"features": {"feature": {"a": {"int64List": {"value": [7]}}}}}'
        parsed = tf.parse_example(tf.decode_json_example([text]), {"a": tf.FixedLenFeature([], tf.int64)})
        assert run(parsed["a"]).tolist() == [7]

    def test_csv(self):
        columns = tf.decode_csv(["1,a,2.5", "2,,"], [[0], ["none"], [-1.0]])
        assert [c.dtype for c in columns] == [tf.int32, tf.string, tf.float32]
        number, word, real = run(columns)
        assert number.tolist() == [1, 2]
        assert word.tolist() == [b"a", b"none"]
        assert real.tolist() == [2.5, -1.0]
        with pytest.raises(ValueError, match="increasing"):
            tf.decode_csv(["1,2"], [[0], [0]], select_cols=[1, 0])


def of_second_version(serialized):
    return tf.raw_ops.ParseExampleV2(
        serialized=serialized,
        names=np.array([], object),
        sparse_keys=["c"],
        dense_keys=["b"],
        ragged_keys=["a"],
        dense_defaults=[np.float32([7.0])],
        num_sparse=1,
        sparse_types=[tf.string],
        ragged_value_types=[tf.int64],
        ragged_split_types=[tf.int32],
        dense_shapes=[[1]],
    )


def test_ragged_features():
    found = of_second_version([*BATCH, example(c=texts(b"w"))])
    assert found.ragged_row_splits[0].shape.as_list() == [4]
    indices, texts_, dims, dense, flat, splits = run([part[0] for part in found])
    assert indices.tolist() == [[0, 0], [1, 0], [1, 1], [2, 0]]
    assert (texts_.tolist(), dims.tolist()) == ([b"x", b"y", b"z", b"w"], [3, 2])
    assert dense.tolist() == [[0.5], [7.0], [7.0]]
    assert (flat.tolist(), splits.tolist(), splits.dtype) == ([1, 2, 3, 4], [0, 2, 4, 4], np.int32)


def test_ragged_features_of_one_record():
    indices, texts_, dims, dense, flat, splits = run([part[0] for part in of_second_version(BATCH[1])])
    assert (indices.tolist(), texts_.tolist(), dims.tolist()) == ([[0], [1]], [b"y", b"z"], [2])
    assert (dense.tolist(), flat.tolist(), splits.tolist()) == ([7.0], [3, 4], [])
