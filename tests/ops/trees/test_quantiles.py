"""Quantile streams; the numbers are TensorFlow 1.15's."""

import numpy as np
import pytest

import millrace as tf
from millrace.building import raw
from millrace.opkit.trees.quantiles import merged, summary_of


def streams(count=1, epsilon=0.1):
    handle = raw.BoostedTreesQuantileStreamResourceHandleOp(shared_name="quantiles")
    return handle, raw.BoostedTreesCreateQuantileStreamResource(handle, epsilon, count)


@pytest.mark.parametrize(
    ("epsilon", "count", "wanted"),
    [
        (0.1, 10, [*range(10)]),
        (0.1, 20, [0, 2, 4, 6, 8, 10, 11, 13, 15, 17, 19]),
        (0.1, 45, [0, 4, 6, 8, 10, 12, 16, 18, 20, 22, 24, 28, 30, 32, 34, 36, 40, 41, 42, 43, 44]),
        (0.3, 50, [0, 14, 22, 30, 32, 38, 44, 48, 49]),
    ],
)
def test_summaries_of_batches(epsilon, count, wanted):
    values = np.arange(count, dtype=np.float32)
    with tf.Session() as session:
        found = session.run(raw.BoostedTreesMakeQuantileSummaries([values], [1.0], epsilon)[0])
    assert found[:, 0].tolist() == wanted
    assert found[-1, 3] == count


def test_from_batches_to_buckets():
    handle, create = streams(2)
    batch = np.array([[1, 1, 0, 1], [2, 1, 1, 2]], np.float32)
    with tf.Session() as session:
        ready = raw.IsBoostedTreesQuantileStreamResourceInitialized(handle)
        assert not session.run(ready)
        session.run(create)
        assert session.run(ready)
        add = raw.BoostedTreesQuantileStreamResourceAddSummaries(handle, [batch, batch + 1])
        session.run(add)
        session.run(raw.BoostedTreesQuantileStreamResourceFlush(handle, 3))
        bounds = raw.BoostedTreesQuantileStreamResourceGetBucketBoundaries(handle, num_features=2)
        assert [b.tolist() for b in session.run(list(bounds))] == [[1, 2], [2, 3]]
        session.run(add)
        summaries = raw.BoostedTreesFlushQuantileSummaries(handle, num_features=2)
        assert session.run(summaries[0]).tolist() == batch.tolist()
        session.run(raw.BoostedTreesQuantileStreamResourceDeserialize(handle, [[3.0, 1.0]] * 2))
        assert [b.tolist() for b in session.run(list(bounds))] == [[3, 1]] * 2
        buckets = raw.BoostedTreesBucketize([[-1.0, 0.1, 0.2, 9.0]], [[0.1, 0.3]])[0]
        assert session.run(buckets).tolist() == [0, 0, 1, 1]


def test_generated_quantiles_may_repeat():
    handle, create = streams()
    values = np.arange(5, dtype=np.float32)
    rows = summary_of(values, np.arange(1, 6, dtype=np.float32))
    with tf.Session() as session:
        session.run(create)
        session.run(raw.BoostedTreesQuantileStreamResourceAddSummaries(handle, [rows]))
        too_few = raw.BoostedTreesQuantileStreamResourceFlush(handle, 2, generate_quantiles=True)
        with pytest.raises(tf.errors.InvalidArgumentError, match="at least 3"):
            session.run(too_few)
        session.run(raw.BoostedTreesQuantileStreamResourceFlush(handle, 7, generate_quantiles=True))
        bounds = raw.BoostedTreesQuantileStreamResourceGetBucketBoundaries(handle, num_features=1)[0]
        assert session.run(bounds).tolist() == [0, 1, 2, 3, 4, 4, 4]


def test_what_streams_refuse():
    handle, _ = streams()
    with tf.Session() as session:
        with pytest.raises(tf.errors.FailedPreconditionError, match="before they are created"):
            session.run(raw.BoostedTreesQuantileStreamResourceFlush(handle, 3))
        with pytest.raises(tf.errors.InvalidArgumentError, match="epsilon"):
            session.run(raw.BoostedTreesCreateQuantileStreamResource(handle, 0.0, 1))
        session.run(streams()[1])
        with pytest.raises(tf.errors.InvalidArgumentError, match="weight"):
            session.run(raw.BoostedTreesMakeQuantileSummaries([[1.0, 2.0, 3.0]], [1.0, 2.0], 0.1)[0])


def test_merging_keeps_the_ranks():
    first = summary_of(np.array([1, 3, 3], np.float32), np.ones(3, np.float32))
    second = summary_of(np.array([2, 3], np.float32), np.array([2, 1], np.float32))
    assert merged(first, second).tolist() == [[1, 1, 0, 1], [2, 2, 1, 3], [3, 3, 3, 6]]
    whole = summary_of(np.array([1, 3, 3, 2, 3], np.float32), np.array([1, 1, 1, 2, 1], np.float32))
    assert merged(first, second).tolist() == whole.tolist()
