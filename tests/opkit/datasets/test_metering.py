"""What a meter sees of pipelines."""

from __future__ import annotations

import time

import pytest

import millrace as tf
from millrace.opkit.datasets.metering import Meter, report


def _read(data, count):
    element = data.make_one_shot_iterator().get_next()
    meter = Meter()
    with tf.Session() as sess, meter.watching():
        values = [sess.run(element) for _ in range(count)]
    return values, {r.name.split()[0]: r for r in report(meter).readings}, report(meter)


def test_counts_elements_and_names_the_slowest():
    def slow(value):
        time.sleep(0.002)
        return value

    data = tf.data.Dataset.range(100).repeat(2)
    data = data.map(lambda x: tf.py_func(slow, [x], tf.int64)).batch(5)
    values, readings, shown = _read(data, 4)
    assert [v.tolist() for v in values] == [list(range(i, i + 5)) for i in range(0, 20, 5)]
    assert {name: r.elements for name, r in readings.items()} == {
        "RangeDataset": 20,
        "RepeatDataset": 20,
        "MapDataset": 20,
        "BatchDatasetV2": 4,
    }
    assert shown.slowest is readings["MapDataset"] and readings["MapDataset"].own > 0.03
    assert "most of it for MapDataset 'MapDataset'" in str(shown)
    assert readings["MapDataset"].place.startswith("test_metering.py:")


def test_time_of_a_thread_is_waiting():
    def slow(value):
        time.sleep(0.002)
        return value

    data = tf.data.Dataset.range(100).map(lambda x: tf.py_func(slow, [x], tf.int64)).prefetch(1)
    _, readings, shown = _read(data, 10)
    assert readings["PrefetchDataset"].background
    assert shown.slowest is readings["MapDataset"]


def test_errors_and_saving_pass_through(tmp_path):
    data = tf.data.Dataset.range(10).shuffle(3, seed=1).batch(2)
    iterator = data.make_initializable_iterator()
    element = iterator.get_next()
    saver = tf.train.Saver({"it": tf.data.experimental.make_saveable_from_iterator(iterator)})
    with tf.Session() as sess, Meter().watching():
        sess.run(iterator.initializer)
        sess.run(element)
        saver.save(sess, str(tmp_path / "place"))
        wanted = [sess.run(element).tolist() for _ in range(4)]
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(element)
        saver.restore(sess, str(tmp_path / "place"))
        assert [sess.run(element).tolist() for _ in range(4)] == wanted


def test_the_stage_that_the_program_takes_from_tells_how_long_it_waited():
    def slow(value):
        time.sleep(0.003)
        return value

    data = tf.data.Dataset.from_tensors(40).flat_map(lambda n: tf.data.Dataset.range(40))
    data = data.map(lambda x: tf.py_func(slow, [x], tf.int64)).prefetch(1)
    _, readings, shown = _read(data, 20)
    assert list(readings) == [
        "TensorDataset", "RangeDataset", "FlatMapDataset", "MapDataset", "PrefetchDataset",
    ]  # fmt: skip
    assert readings["PrefetchDataset"].ends and sum(r.ends for r in readings.values()) == 1
    assert "most of it for MapDataset" in str(shown)
