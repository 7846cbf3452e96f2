"""Readers of series and the windows that are made of them."""

import numpy as np
import pytest

import millrace as tf
from millrace.contributed.timeseries import readers
from millrace.contributed.timeseries.continuing import times_after

timeseries = tf.contrib.timeseries


def _fetched(make, times=1):
    """What some runs give, with the threads of queues running."""
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        fetches = make()
        with tf.Session() as session:
            session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
            coordinator = tf.train.Coordinator()
            threads = tf.train.start_queue_runners(session, coordinator)
            found = [session.run(fetches) for _ in range(times)]
            coordinator.request_stop()
        coordinator.join(threads, stop_grace_period_secs=5)
    return found


@pytest.fixture
def lines(tmp_path):
    path = tmp_path / "series.csv"
    path.write_text("time,a,b\n" + "".join(f"{t},{t * 2.0},{t * 3.0}\n" for t in range(12)))
    return [str(path)]


def test_arrays_come_whole_and_in_chunks():
    reader = timeseries.NumpyReader({"times": np.arange(5), "values": np.arange(5.0)}, 3)
    whole = _fetched(reader.read_full, 2)
    for found in whole:
        np.testing.assert_array_equal(found["times"], np.arange(5))
        np.testing.assert_array_equal(found["values"], np.arange(5.0)[:, None])
    chunks = _fetched(reader.read, 3)
    assert [list(c["times"]) for c in chunks] == [[0, 1, 2], [3, 4, 0], [1, 2, 3]]


def test_lines_come_whole_and_in_chunks(lines):
    names = ("times", "values", "values")
    reader = timeseries.CSVReader(lines, names, skip_header_lines=1, read_num_records_hint=5)
    for found in _fetched(reader.read_full, 2):
        np.testing.assert_array_equal(found["times"], np.arange(12))
        np.testing.assert_array_equal(found["values"], np.arange(12)[:, None] * np.array([2.0, 3.0]))
    chunks = _fetched(reader.read, 4)
    assert [list(c["times"]) for c in chunks[:2]] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert chunks[0]["values"].dtype == np.float32


def test_a_file_without_records_ends_in_an_error(tmp_path):
    path = tmp_path / "empty.csv"
    path.write_text("")
    reader = timeseries.CSVReader([str(path)], read_num_records_hint=2)
    with pytest.raises(tf.errors.OutOfRangeError):
        _fetched(reader.read)


def test_records_are_examples(tmp_path):
    path = str(tmp_path / "series.tfrecord")
    with tf.python_io.TFRecordWriter(path) as writer:
        for t in range(4):
            example = tf.train.Example()
            example.features.feature["times"].int64_list.value.append(t)
            example.features.feature["values"].float_list.value.extend([t * 0.5, t])
            writer.write(example.SerializeToString())
    reader = readers.TFExampleReader(
        [path], {"times": tf.FixedLenFeature([], tf.int64), "values": tf.FixedLenFeature([2], tf.float32)}
    )
    (found,) = _fetched(reader.read_full)
    np.testing.assert_array_equal(found["values"], [[0, 0], [0.5, 1], [1, 2], [1.5, 3]])


def test_windows_are_stretches_of_the_series():
    reader = timeseries.NumpyReader({"times": np.arange(20), "values": np.arange(20.0) * 2})
    make = timeseries.RandomWindowInputFn(reader, 4, 3, num_threads=1, shuffle_seed=2)
    for features in _fetched(lambda: make()[0], 5):
        assert features["times"].shape == (3, 4)
        np.testing.assert_array_equal(np.diff(features["times"], axis=1), 1)
        np.testing.assert_array_equal(features["values"][..., 0], features["times"] * 2.0)


def test_windows_over_the_end_are_put_in_order_where_they_are_kept():
    reader = timeseries.NumpyReader({"times": np.arange(5), "values": np.arange(5.0)})
    make = timeseries.RandomWindowInputFn(
        reader, 4, 2, jitter=False, num_threads=1, discard_out_of_order=False, shuffle_seed=2
    )
    for features in _fetched(lambda: make()[0], 5):
        assert (np.diff(features["times"], axis=1) >= 0).all()
        np.testing.assert_array_equal(features["values"][..., 0], features["times"])


def test_the_whole_series_is_a_batch_of_one(lines):
    reader = timeseries.CSVReader(lines, ("times", "values", "x"), skip_header_lines=1)
    ((features, labels),) = [timeseries.WholeDatasetInputFn(reader)()]
    assert labels is None
    assert features["values"].shape.as_list() == [1, None, 1]


def test_a_reader_refuses_what_is_not_a_series(lines):
    numbers = np.arange(3.0)
    cases = [
        ({"times": numbers}, "required"),
        ({"times": numbers, "values": np.arange(4.0)}, r"begin with the shape .*\(4,\)"),
        ({"times": numbers, "values": np.ones((3, 2, 2))}, "at most 2 dimensions"),
        ({"times": np.ones((2, 3)), "values": np.ones((2, 3))}, "not a batch"),
    ]
    for data, message in cases:
        with pytest.raises(ValueError, match=message):
            timeseries.NumpyReader(data)
    for names, message in ((("times", "x"), "values"), (("values",), "times"), (("times",) * 2, "values")):
        with pytest.raises(ValueError, match=f"'{message}' is a required column"):
            timeseries.CSVReader(lines, names)
    with pytest.raises(ValueError, match="as many"):
        timeseries.CSVReader(lines, column_dtypes=[tf.int64])
    with pytest.raises(ValueError, match="one 'times' column"):
        timeseries.CSVReader(lines, ("times", "times", "values"))
    short = timeseries.NumpyReader({"times": numbers, "values": numbers})
    with pytest.raises(ValueError, match="Windows of 4 steps .* 3 steps"):
        timeseries.RandomWindowInputFn(short, 4, 2)()


def test_predictions_go_on_after_the_last_time():
    before = {"times": np.array([[1, 2], [5, 9]])}
    np.testing.assert_array_equal(times_after(None, 2, before), [[3, 4], [10, 11]])
    np.testing.assert_array_equal(times_after([[4, 6], [10, 12]], None, before), [[4, 6], [10, 12]])
    for times, steps, message in (
        (None, None, "One of"),
        ([[4], [10]], 1, "Only one"),
        ([4], None, "batch dimension"),
        ([[2], [10]], None, "after"),
    ):
        with pytest.raises(ValueError, match=message):
            times_after(times, steps, before)
