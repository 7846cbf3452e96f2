"""Stages that give many elements at once give the same ones as one by one."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf


def _elements(data, size):
    """The elements of `data`, taken in batches of `size`."""
    batch = data.batch(size).make_one_shot_iterator().get_next()
    found = []
    with tf.Session() as sess, pytest.raises(tf.errors.OutOfRangeError):
        while True:
            found += np.asarray(sess.run(batch)).tolist()
    return found


@pytest.fixture
def files(tmp_path):
    paths = []
    for n in range(3):
        path = str(tmp_path / f"{n}.tfrecord")
        with tf.python_io.TFRecordWriter(path) as out:
            for i in range(5 * n):
                out.write(b"%d-%d" % (n, i) + b"." * i)
        paths.append(path)
    return paths


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_records_of_files(files, size):
    wanted = [b"%d-%d" % (n, i) + b"." * i for n in range(3) for i in range(5 * n)]
    assert _elements(tf.data.TFRecordDataset(files).repeat(2), size) == wanted * 2


@pytest.mark.parametrize("make", [
    lambda d: d.shuffle(4, seed=3),
    lambda d: d.shuffle(1, seed=3).repeat(3),
    lambda d: d.shuffle(100, seed=3).repeat(2),
    lambda d: d.repeat(3).shuffle(6, seed=3, reshuffle_each_iteration=False),
    lambda d: d.shuffle(5, seed=3).repeat(3).shuffle(7, seed=4),
    lambda d: d.apply(tf.data.experimental.shuffle_and_repeat(6, 3, seed=2)),
    lambda d: d.flat_map(lambda x: tf.data.Dataset.range(x)).repeat(2).shuffle(5, seed=1),
])  # fmt: skip
def test_shuffled(make):
    one_by_one = _elements(make(tf.data.Dataset.range(23)), 1)
    for size in (2, 5, 64):
        assert _elements(make(tf.data.Dataset.range(23)), size) == one_by_one


def test_goes_on_behind_an_error():
    data = tf.data.Dataset.from_tensor_slices(np.array([1.0, 2, np.nan, 4, 5, 6, np.nan, 8], "f"))
    data = data.map(lambda x: tf.check_numerics(x, "bad")).shuffle(1).repeat(1).batch(3)
    batch = data.make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        with pytest.raises(tf.errors.InvalidArgumentError, match="bad"):
            sess.run(batch)
        assert sess.run(batch).tolist() == [4, 5, 6]


def test_place_of_many_can_be_saved(files, tmp_path):
    data = tf.data.TFRecordDataset(files).shuffle(4, seed=5).repeat(2).batch(4)
    iterator = data.make_initializable_iterator()
    batch, saver = (
        iterator.get_next(),
        tf.train.Saver({"it": tf.data.experimental.make_saveable_from_iterator(iterator)}),
    )
    with tf.Session() as sess:
        sess.run(iterator.initializer)
        sess.run(batch)
        saver.save(sess, str(tmp_path / "place"))
        wanted = [sess.run(batch).tolist() for _ in range(4)]
        saver.restore(sess, str(tmp_path / "place"))
        assert [sess.run(batch).tolist() for _ in range(4)] == wanted


@pytest.mark.parametrize(("compression", "cut"), [("", 5), ("GZIP", 20), ("ZLIB", 10)])
def test_records_before_a_cut_come(tmp_path, compression, cut):
    path = str(tmp_path / "cut")
    rng = np.random.RandomState(0)
    records = [rng.bytes(50_000) for _ in range(30)]
    options = tf.python_io.TFRecordOptions(
        getattr(tf.python_io.TFRecordCompressionType, compression or "NONE")
    )
    with tf.python_io.TFRecordWriter(path, options) as out:
        for record in records:
            out.write(record)
    with open(path, "r+b") as file:
        file.seek(-cut, 2)
        file.truncate()
    found = []
    with pytest.raises(tf.errors.DataLossError):
        found.extend(tf.python_io.tf_record_iterator(path, options))
    assert found == records[:29]


def test_repeating_once_leaves_the_order_of_a_shuffle():
    # TensorFlow 1.15.5's order: only a shuffle that is repeated more than once draws its seeds otherwise
    data = tf.data.Dataset.range(12).shuffle(5, seed=3)
    assert _elements(data.repeat(1), 1) == _elements(data, 1) == [4, 1, 0, 2, 7, 8, 10, 6, 5, 9, 3, 11]
    assert _elements(data.repeat(1).repeat(2), 3)[:5] == [2, 4, 0, 3, 6]


def test_classes_are_estimated_as_in_tensorflow():
    # TensorFlow 1.15.5's order, where the estimate of unequal classes begins with ten elements of each
    values = np.array([35, 22, 1, 22, 28, 34, 28, 34, 32, 32, 1, 15, 39, 6], np.int64)
    resample = tf.data.experimental.rejection_resample(lambda x: tf.cast(x % 2, tf.int32), [0.7, 0.3], seed=5)
    data = tf.data.Dataset.from_tensor_slices(values).apply(resample).map(lambda kind, x: x)
    wanted = [35, 22, 1, 22, 22, 22, 28, 28, 34, 28, 34, 34, 32, 32, 1, 28, 34, 15, 32, 32, 39, 6, 6]
    assert _elements(data, 1) == wanted


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda d: tf.data.Dataset.zip((d, d)).map(lambda a, b: a * 10 + b), [44, 11, 22, 33, 0, 55]),
        (lambda d: d.take(2).concatenate(d), [4, 1, 4, 1, 2, 3, 0, 5]),
        (lambda d: tf.data.Dataset.range(2).flat_map(lambda x: d), [4, 1, 2, 3, 0, 5] * 2),
    ],
)
def test_a_shuffle_taken_twice_has_one_order(make, wanted):
    # TensorFlow 1.15.5's orders
    assert _elements(make(tf.data.Dataset.range(6).shuffle(5, seed=3)), 1) == wanted
