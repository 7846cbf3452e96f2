"""Splits by features of several dimensions; the numbers are TensorFlow 1.15's."""

import numpy as np
import pytest

import millrace as tf
from millrace.building import raw

IDS = np.array([0, 1, 1], np.int32)
GRADIENTS, HESSIANS = np.array([[1], [3], [5]], np.float32), np.array([[0.1], [0.2], [0.3]], np.float32)
SUMS = np.array([[[[1.7640524, 0.4001572], [0.978738, 2.2408931], [1.867558, 0.9772779]]]], np.float32)


def run(fetches):
    with tf.Session() as session:
        return [np.asarray(value).tolist() for value in session.run(list(fetches))]


def test_sums_with_a_bucket_for_missing_values():
    feature = np.array([[0, 1], [1, -1], [1, 0]], np.int32)
    found = raw.BoostedTreesAggregateStats(IDS, GRADIENTS, HESSIANS, feature, max_splits=2, num_buckets=2)
    assert found.shape.as_list() == [2, 2, 3, 2]
    with tf.Session() as session:
        sums = session.run(found)
    np.testing.assert_allclose(sums[1, :, :, 0], [[0, 8, 0], [5, 0, 3]])
    with pytest.raises(tf.errors.InvalidArgumentError, match="below 2"):
        run(
            [
                raw.BoostedTreesAggregateStats(
                    IDS, GRADIENTS, HESSIANS, feature + 1, max_splits=2, num_buckets=2
                )
            ]
        )


@pytest.mark.parametrize(
    ("kind", "direction"),
    [("inequality", b"INEQUALITY_DEFAULT_RIGHT"), ("equality", b"EQUALITY_DEFAULT_RIGHT")],
)
def test_the_best_split(kind, direction):
    found = raw.BoostedTreesCalculateBestFeatureSplit(
        [0, 1], SUMS, 0, 0, 0, 0, logits_dimension=1, split_type=kind
    )
    nodes, gains, dimensions, thresholds, left, right, kinds = run(found)
    assert (nodes, dimensions, thresholds, kinds) == ([0], [0], [0], [direction])
    np.testing.assert_allclose([gains[0], left[0][0], right[0][0]], [4.4196916, -4.408398, -0.88444537])
    heavy = raw.BoostedTreesCalculateBestFeatureSplit([0, 1], SUMS, 0, 0, 0, 100, logits_dimension=1)
    assert run(heavy)[0] == []


def test_two_logits_with_a_matrix_of_hessians():
    sums = np.zeros((1, 1, 3, 6), np.float32)
    sums[0, 0, 0], sums[0, 0, 1] = [1, -2, 2, 0, 0, 1], [-1, 1, 1, 0, 0, 4]
    found = run(raw.BoostedTreesCalculateBestFeatureSplit([0, 1], sums, 0, 0, 0, 0, logits_dimension=2))
    np.testing.assert_allclose(found[4], [[-0.5, 2.0]], rtol=1e-5)
    np.testing.assert_allclose(found[5], [[1.0, -0.25]], rtol=1e-5)


def test_sparse_features():
    indices = np.array([[0, 0], [0, 1], [1, 0], [2, 1]], np.int32)
    values = np.array([0, 1, 1, 0], np.int32)
    sums = raw.BoostedTreesSparseAggregateStats(
        IDS, GRADIENTS, HESSIANS, indices, values, [3, 2], max_splits=2, num_buckets=2
    )
    places, numbers, shape = run(sums)
    assert shape == [2, 2, 3, 2]
    assert places[::2] == [[0, 0, 0, 0], [0, 1, 1, 0], [1, 0, 1, 0], [1, 0, 2, 0], [1, 1, 0, 0], [1, 1, 2, 0]]
    assert numbers[::2] == [1, 1, 3, 5, 5, 3]
    best = raw.BoostedTreesSparseCalculateBestFeatureSplit(
        [0, 1], places, np.array(numbers, np.float32), shape, 0, 0, 0, 0, logits_dimension=1
    )
    assert run(best)[-1] == [b"INEQUALITY_DEFAULT_RIGHT"]


def test_an_ensemble_grows_by_kinds_of_splits():
    handle = raw.BoostedTreesEnsembleResourceHandleOp(shared_name="kinds")
    one = np.array([0], np.int32)

    def grow(node, kind):
        return raw.BoostedTreesUpdateEnsembleV2(
            handle,
            one,
            [one],
            [np.array([node], np.int32)],
            [np.ones(1, np.float32)],
            [one + 1],
            [np.array([[1]], np.float32)],
            [np.array([[2]], np.float32)],
            [[kind]],
            2,
            1.0,
            0,
        )

    feature = [np.array([0, 1, 2, -1], np.int32)]
    with tf.Session() as session:
        session.run(raw.BoostedTreesCreateEnsemble(handle, 0, ""))
        session.run(grow(0, "INEQUALITY_DEFAULT_RIGHT"))
        predicted = raw.BoostedTreesPredict(handle, feature, logits_dimension=1)
        assert session.run(predicted)[:, 0].tolist() == [1, 1, 2, 2]
        session.run(grow(1, "EQUALITY_DEFAULT_RIGHT"))
        assert session.run(predicted)[:, 0].tolist() == [3, 2, 2, 2]
        content = session.run(raw.BoostedTreesSerializeEnsemble(handle)[1])
        session.run(raw.BoostedTreesDeserializeEnsemble(handle, 3, content))
        assert session.run(predicted)[:, 0].tolist() == [3, 2, 2, 2]
