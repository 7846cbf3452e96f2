"""Queues filled with the rows of arrays, tables and generators, as `_enqueue_data` of 1.15 makes them."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

import millrace as tf
from millrace.models.estimator.enqueuing import RowFeeder, enqueue_data

ROWS = np.arange(20).reshape(10, 2)


def _batches(queue, count, rows=3):
    batch = queue.dequeue_many(rows)
    found = []
    with tf.Session() as sess:
        coordinator = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess, coordinator)
        for _ in range(count):
            try:
                found.append([part.tolist() for part in sess.run(batch)])
            except tf.errors.OutOfRangeError:
                found.append(None)
        coordinator.request_stop()
        coordinator.join(threads, stop_grace_period_secs=5)
    return found


def test_rows_of_an_array_with_their_numbers():
    queue = enqueue_data(ROWS, 10, enqueue_size=3, num_epochs=1)
    assert _batches(queue, 4) == [
        [[0, 1, 2], [[0, 1], [2, 3], [4, 5]]],
        [[3, 4, 5], [[6, 7], [8, 9], [10, 11]]],
        [[6, 7, 8], [[12, 13], [14, 15], [16, 17]]],
        None,
    ]


def test_operations_are_those_of_1_15():
    with tf.Graph().as_default() as graph:
        enqueue_data(ROWS, 10, shuffle=True, seed=3)
        names = [op.name.removeprefix("enqueue_input/") for op in graph.get_operations()]
    queue = "random_shuffle_queue"
    assert names == [
        queue, "Placeholder", "Placeholder_1", f"{queue}_EnqueueMany", f"{queue}_Close", f"{queue}_Close_1",
        f"{queue}_Size", "sub/y", "sub", "Maximum/x", "Maximum", "Cast", "mul/y", "mul",
        f"queue/enqueue_input/{queue}fraction_over_2_of_8_full/tags",
        f"queue/enqueue_input/{queue}fraction_over_2_of_8_full",
    ]  # fmt: skip


def test_arrays_by_name_in_their_order():
    data = OrderedDict([("b", np.array(["x", "y", "z"])), ("a", np.arange(3))])
    assert _batches(enqueue_data(data, 9), 1) == [[[0, 1, 2], [b"x", b"y", b"z"], [0, 1, 2]]]


def _growing():
    for i in range(1, 7):
        yield {"y": np.float32(i), "x": np.arange(i)}


def test_each_array_of_a_generator_counts_as_a_row():
    queue = enqueue_data(_growing, 10, enqueue_size=3, pad_value=-1)
    assert _batches(queue, 1) == [[[[0, -1, 0, 0], [0, 1, 0, 0], [0, 1, 2, -1]], [1.0, 2.0, 3.0]]]


def test_a_table_with_its_index():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"p": [1, 2, 3], "q": [0.5, 1.5, 2.5]}, index=[5, 6, 7])
    assert _batches(enqueue_data(table, 9), 1) == [[[5, 6, 7], [1, 2, 3], [0.5, 1.5, 2.5]]]


@pytest.mark.parametrize(
    ("data", "options", "error", "message"),
    [
        ([1, 2], {}, TypeError, "got list"),
        ({"a": ROWS}, {}, TypeError, "got dict"),
        (ROWS, {"pad_value": 0}, NotImplementedError, "only available with generator"),
        (_growing, {"pad_value": 0, "shuffle": True}, NotImplementedError, "padding and shuffling"),
    ],
)
def test_what_it_refuses(data, options, error, message):
    with pytest.raises(error, match=message):
        enqueue_data(data, 10, **options)


@pytest.mark.parametrize(("seed", "first"), [(0, 6), (1, 2), (2, 0), (3, 3)])
def test_the_row_that_a_thread_begins_with_follows_from_the_seed(seed, first):
    feeder = RowFeeder(["n", "x"], np.arange(10), [ROWS], 2, True, seed, None)
    assert feeder()["n"].tolist() == [first, first + 1]
