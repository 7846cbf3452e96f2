"""What an error of a pipeline tells: the stage, the line that made it, the element, and the traceback."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest

import millrace as tf

D = tf.data.Dataset


def _error(data, kind=tf.errors.OpError):
    element = data.make_one_shot_iterator().get_next()
    with tf.Session() as sess, pytest.raises(kind) as caught:
        while True:
            sess.run(element)
    return str(caught.value)


def _by_zero(x):
    return 10 // (3 - x)


@pytest.mark.parametrize(("make", "where"), [
    (lambda: D.range(5).map(_by_zero), "element 3 of MapDataset"),
    (lambda: D.range(5).filter(lambda x: tf.equal(_by_zero(x), 1)), "element 3 of FilterDataset"),
    (lambda: D.range(5).flat_map(lambda x: D.from_tensors(_by_zero(x))), "element 3 of FlatMapDataset"),
    (lambda: D.range(5).interleave(lambda x: D.from_tensors(_by_zero(x)), 2), "element 3 of Interleave"),
    (lambda: D.range(5).apply(tf.data.experimental.scan(np.int64(0), lambda s, x: (s + _by_zero(x), x))),
     "element 3 of ScanDataset"),
    (lambda: D.range(5).apply(tf.data.experimental.map_and_batch(_by_zero, 2, num_parallel_calls=2)),
     "element 3 of MapAndBatchDataset"),
    (lambda: D.range(5).apply(tf.data.experimental.group_by_window(_by_zero, lambda k, w: w.batch(2), 2)),
     "element 3 of GroupByWindowDataset"),
    (lambda: D.range(2, 9).map(tf.range).batch(3), "element 1 of BatchDatasetV2"),
    (lambda: D.range(9).map(lambda x: tf.range(x // 5)).batch(3), "element 5 of BatchDatasetV2"),
    (lambda: D.range(3, 9).map(tf.range).padded_batch(2, [4]), "element 2 of PaddedBatchDatasetV2"),
    (lambda: D.range(9).apply(tf.data.experimental.map_and_batch(lambda x: tf.range(x // 5), 3)),
     "element 5 of MapAndBatchDataset"),
    (lambda: D.range(9).map(tf.range).apply(tf.data.experimental.dense_to_sparse_batch(2, [4])),
     "element 5 of DenseToSparseBatchDataset"),
])  # fmt: skip
def test_stage_line_and_element(make, where):
    found = _error(make())
    assert where in found
    line = next(line for line in found.splitlines() if where in line)
    assert "test_wrong_elements.py:" in line


def test_the_element_of_a_batch_that_goes_on():
    data = D.range(9).map(lambda x: tf.range(x // 5)).batch(3)
    element = data.make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        sess.run(element)
        with pytest.raises(tf.errors.InvalidArgumentError, match="element 5 of"):
            sess.run(element)
        assert sess.run(element).shape == (3, 1)


@pytest.mark.parametrize(("make", "kind"), [
    (tf.data.TFRecordDataset, tf.errors.DataLossError),
    (lambda path: tf.data.experimental.CsvDataset(path, [tf.int32]), tf.errors.InvalidArgumentError),
    (lambda path: tf.data.TextLineDataset(path + ".none"), tf.errors.NotFoundError),
    (lambda path: tf.data.FixedLengthRecordDataset(path, 5), tf.errors.OpError),
])  # fmt: skip
def test_files_tell_path_and_stage(tmp_path, make, kind):
    path = tmp_path / "file"
    path.write_bytes(b"neither records nor numbers")
    found = _error(make(str(path)), kind)
    assert str(path) in found
    assert "test_wrong_elements.py:" in next(line for line in found.splitlines() if "  at " in line)


def _shapes():
    yield 1
    yield [1, 2]


def _types():
    yield 1
    yield "a"


def _failing():
    yield 1
    raise KeyError("my fault")


@pytest.mark.parametrize(("generator", "words"), [
    (_shapes, "element of shape (2,) where an element of shape [] was expected"),
    (_types, "expected type was int64, but the yielded element was a"),
    (_failing, "raise KeyError(\"my fault\")"),
])  # fmt: skip
def test_generators(generator, words):
    found = _error(D.from_generator(generator, tf.int64, []))
    assert words in found
    assert "element 1 of GeneratorDataset" in found


@pytest.mark.parametrize("calls", [None, 3])
def test_a_function_of_the_program_shows_its_traceback(calls):
    def mine(x):
        if x == 3:
            raise ValueError("three!")
        return x

    data = D.range(5).map(lambda x: tf.py_func(mine, [x], tf.int64), num_parallel_calls=calls).prefetch(2)
    element = data.make_one_shot_iterator().get_next()
    with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError) as caught:
        while True:
            sess.run(element)
    assert 'raise ValueError("three!")' in str(caught.value) and "in mine" in str(caught.value)
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("make", [
    lambda: D.range(10**12).filter(lambda x: tf.less(x, 0)),
    lambda: D.range(10**12).filter(lambda x: tf.less(x, 0)).prefetch(1),
    lambda: D.from_generator(lambda: iter(lambda: time.sleep(0.02) or 7, 1), tf.int64).filter(
        lambda x: tf.less(x, 0)
    ),
])  # fmt: skip
def test_a_stuck_pipeline_is_interrupted(make):
    before = threading.active_count()
    element = make().make_one_shot_iterator().get_next()
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    try:
        with tf.Session() as sess:
            timer = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT])
            timer.start()
            with pytest.raises(KeyboardInterrupt):
                sess.run(element)
        timer.join()
    finally:
        signal.signal(signal.SIGINT, handler)
    end = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() <= before


@pytest.mark.parametrize(
    ("shapes", "error"),
    [(([3],), ValueError), (([3], [], []), ValueError), ({"a": [3], "b": []}, TypeError)],
)
def test_padded_shapes_nest_as_the_elements(shapes, error):
    data = tf.data.Dataset.range(4).map(lambda x: (tf.fill([x], x), x))
    with pytest.raises(error, match="must nest as the elements"):
        data.padded_batch(2, shapes)
