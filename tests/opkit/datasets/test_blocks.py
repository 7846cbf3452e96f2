"""Maps in threads take blocks of elements, and nobody can tell."""

from __future__ import annotations

import time

import numpy as np
import pytest

import millrace as tf
from millrace.opkit.datasets import mapping


def _all(data):
    """The elements of `data`; where one fails, its error's message."""
    element = data.make_one_shot_iterator().get_next()
    found = []
    with tf.Session() as sess:
        while True:
            try:
                found.append(sess.run(element))
            except tf.errors.OutOfRangeError:
                return found
            except tf.errors.OpError as error:
                found.append(error.message)


@pytest.fixture
def folder(tmp_path):
    """Thirty files of numbers, of which the fifth and the last are short and the seventh is missing."""
    for i in range(30):
        count = 2 if i in (4, 29) else 3
        if i != 6:
            (tmp_path / f"{i}").write_bytes(np.arange(i, i + count, dtype="<f4").tobytes())
    return tmp_path


def _numbers(folder, calls, draw=True):
    names = [str(folder / f"{i}") for i in range(30)]

    def read(name):
        numbers = tf.reshape(tf.decode_raw(tf.read_file(name), tf.float32), [3])
        return numbers + tf.random_uniform([3], seed=7) if draw else numbers * 2.0

    return tf.data.Dataset.from_tensor_slices(names).map(read, num_parallel_calls=calls)


@pytest.mark.parametrize("draw", [True, False])
@pytest.mark.parametrize("calls", [2, 5])
def test_elements_and_errors_come_where_they_belong(folder, calls, draw):
    with tf.Graph().as_default():
        alone = _all(_numbers(folder, None, draw))
    with tf.Graph().as_default():
        together = _all(_numbers(folder, calls, draw))
    assert len(alone) == len(together) == 30
    for i, (one, other) in enumerate(zip(alone, together, strict=True)):
        if i in (4, 6, 29):
            assert f"element {i} of ParallelMapDataset" in other and "test_blocks.py" in other
            assert ("No such file" in other) == (i == 6)
        else:
            np.testing.assert_array_equal(one, other)


def test_an_error_before_the_map_keeps_its_place(folder):
    data = tf.data.Dataset.range(20).map(
        lambda x: tf.check_numerics(1.0 / tf.cast(x - 9, tf.float32), "nine")
    )
    data = data.map(lambda x: x + tf.random_normal([], seed=1) * 0.0 + tf.cast(
        tf.size(tf.decode_raw(tf.read_file(str(folder / "0")), tf.uint8)), tf.float32), 3)  # fmt: skip
    found = _all(data)
    assert "nine" in found[9] and "element 9 of MapDataset" in found[9]
    assert [f for f in found if isinstance(f, str)] == [found[9]]
    assert len(found) == 20


def test_python_functions_are_called_no_further_ahead_than_asked_for():
    seen = []

    def note(x):
        seen.append(int(x))
        return x

    data = tf.data.Dataset.range(50).map(lambda x: tf.py_func(note, [x], tf.int64), num_parallel_calls=2)
    element = data.make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        assert sess.run(element) == 0
        time.sleep(0.05)
        assert len(seen) <= 3


def test_what_results_hold():
    assert mapping._bytes_of((np.zeros(10, np.float32), b"abc")) == 40
    assert mapping._bytes_of(mapping._Failed(ValueError(), True)) == 0
