"""Feeders of arrays and iterators; what they give was recorded from TensorFlow 1.15."""

import numpy as np
import pytest

import millrace as tf

feeders = tf.contrib.learn.io.data_feeder
X, Y = np.arange(12).reshape(6, 2), np.array([0, 1, 2, 0, 1, 2])


def batches(feeder, most=10):
    with tf.Graph().as_default():
        feeder.input_builder()
        feed = feeder.get_feed_dict_fn()
        found = []
        for _ in range(most):
            try:
                found.append(feed())
            except StopIteration:
                break
    return found


def test_passes_have_orders_of_their_own():
    found = batches(feeders.DataFeeder(X, Y, 3, 4, epochs=2))
    assert [b["input:0"][:, 0].tolist() for b in found] == [[0, 2, 10, 4], [8, 6], [6, 0, 2, 4], [10, 8]]
    assert found[1]["output:0"].tolist() == [[0, 1, 0], [1, 0, 0]]


def test_dtypes_and_shapes():
    feeder = feeders.DataFeeder(X, Y, 0, 4)
    assert (feeder.input_dtype, feeder.output_dtype) == (np.int64, np.float32)
    assert (feeder.input_shape, feeder.output_shape) == ([4, 2], [4])
    feeder = feeders.DataFeeder({"a": X * 1.0, "b": Y}, {"l": Y, "m": Y}, {"l": 3, "m": 0}, None, False)
    assert feeder.input_shape == {"a": [6, 2], "b": [6, 1]}
    assert feeder.output_shape == {"l": [6, 3], "m": [6]}
    (found,) = batches(feeder, 1)
    assert found["input_a:0"].dtype == np.float64
    assert found["input_b:0"].shape == (6, 1)
    assert found["output_l:0"].dtype == found["output_m:0"].dtype == np.float32
    assert feeder.get_feed_params() == {"epoch": 1, "offset": 0, "batch_size": 6}


def test_iterators_are_read_once():
    feeder = feeders.setup_train_data_feeder(iter(X), iter(Y), 3, 4)
    assert isinstance(feeder, feeders.StreamingDataFeeder)
    found = batches(feeder)
    assert [b["input:0"].tolist() for b in found] == [X[:4].tolist(), X[4:].tolist()]
    assert found[1]["output:0"].tolist() == [[0, 1, 0], [0, 0, 1]]
    by_name = feeders.StreamingDataFeeder(
        iter([{"a": 1.0}, {"a": 2.0}]), iter([{"l": 1}, {"l": 0}]), {"l": 2}, 2
    )
    (found,) = batches(by_name)
    assert found["input_a:0"].tolist() == [[1.0], [2.0]]
    assert found["output_l:0"].tolist() == [[0, 1], [1, 0]]


def test_batches_to_predict():
    sizes = lambda found: [len(batch) for batch in found]  # noqa: E731
    assert sizes(feeders.setup_predict_data_feeder(X, 4)) == [4, 2]
    assert sizes(feeders.setup_predict_data_feeder(iter(X), 4)) == [4, 2]
    assert feeders.setup_predict_data_feeder(np.array([1, 2]))[0].tolist() == [[1], [2]]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: feeders.DataFeeder(X, Y, 0, 0), "Invalid batch_size 0"),
        (lambda: feeders.setup_predict_data_feeder(X, -1), "Invalid batch_size -1"),
        (lambda: feeders.setup_train_data_feeder(iter(X), Y, 0), "Both x and y should be iterators"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
