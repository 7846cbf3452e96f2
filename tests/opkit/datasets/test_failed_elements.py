"""What an element that fails takes with it: as in TensorFlow 1.15, stage by stage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millrace as tf

D = tf.data.Dataset


def _failing(*places: int) -> Any:
    """A function of numbers that fails for some."""

    def check(x: Any) -> Any:
        bad = tf.reduce_any(tf.equal(x, tf.constant(places, tf.int64)))
        number = tf.cast(x, tf.float32)
        return tf.cast(tf.check_numerics(tf.where(bad, number * np.nan, number), "bad"), tf.int64)

    return check


def _all(data: Any) -> list[Any]:
    """The elements of `data`, and None where one fails."""
    element = data.make_one_shot_iterator().get_next()
    found: list[Any] = []
    with tf.Session() as sess:
        while True:
            try:
                found.append(np.asarray(sess.run(element)).tolist())
            except tf.errors.OutOfRangeError:
                return found
            except tf.errors.InvalidArgumentError:
                found.append(None)


def _plain(data: Any) -> Any:
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    return data.with_options(options)


def _numbers(count: int, *places: int, calls: int | None = None) -> Any:
    return D.range(count).map(_failing(*places), calls)


CASES = {
    "batches of a map": (
        lambda: _numbers(20, 5, 6, 13).batch(4),
        [[0, 1, 2, 3], None, [8, 9, 10, 11], None, [16, 17, 18, 19]],
    ),
    "in threads": (
        lambda: _numbers(18, 5, 17, calls=2).batch(4),
        [[0, 1, 2, 3], None, [8, 9, 10, 11], [12, 13, 14, 15], None],
    ),
    "with arithmetic at the end": (
        lambda: _numbers(12, 5).map(lambda x: x * 2).batch(4),
        [[0, 2, 4, 6], None, [16, 18, 20, 22]],
    ),
    "map_and_batch": (
        lambda: D.range(12).apply(tf.data.experimental.map_and_batch(_failing(5), 4)),
        [[0, 1, 2, 3], None, [8, 9, 10, 11]],
    ),
    "not joined": (lambda: _plain(_numbers(9, 5, 6).batch(4)), [[0, 1, 2, 3], None, None, [7, 8]]),
    "something between": (lambda: _numbers(9, 5).prefetch(1).batch(4), [[0, 1, 2, 3], None, [6, 7, 8]]),
    "inside a function": (
        lambda: D.range(2).flat_map(lambda _: _numbers(8, 5).batch(4)),
        [[0, 1, 2, 3], None, [0, 1, 2, 3], None],
    ),
    "windows": (
        lambda: _numbers(9, 2).window(3).flat_map(lambda w: w.batch(3)),
        [None, [3, 4, 5], [6, 7, 8]],
    ),
    "windows that overlap": (
        lambda: _numbers(6, 3).window(2, 1, drop_remainder=True).flat_map(lambda w: w.batch(2)),
        [[0, 1], [1, 2], None, None, [4, 5]],
    ),
    "skipped by windows": (
        lambda: _numbers(8, 3).window(2, 4).flat_map(lambda w: w.batch(2)),
        [[0, 1], [4, 5]],
    ),
    "sliding": (
        lambda: _numbers(9, 4).apply(tf.contrib.data.sliding_window_batch(3, 2)),
        [[0, 1, 2], None, [2, 3, 5], [5, 6, 7]],
    ),
    "turns": (
        lambda: D.range(2).interleave(lambda _: _numbers(4, 2), 2),
        [0, 0, 1, 1, None, 3, None, 3],
    ),
    "turns in parallel": (
        lambda: D.range(2).interleave(lambda _: _numbers(4, 2), 2, num_parallel_calls=2),
        [0, 0, 1, 1, None, None, 3, 3],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_lost(case: str) -> None:
    make, wanted = CASES[case]
    assert _all(make()) == wanted


def _record(i: int, whole: bool) -> bytes:
    numbers = tf.train.Feature(float_list=tf.train.FloatList(value=[i, i + 0.5]))
    features = {"x": numbers, "w": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"%d" % i]))}
    if whole:
        features["y"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[i]))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


@pytest.mark.parametrize("joined", [False, True])
def test_records_are_parsed_by_the_batch_and_a_damaged_one_is_named(joined: bool) -> None:
    def parse(record: Any) -> Any:
        found = tf.io.parse_single_example(record, {
            "x": tf.io.FixedLenFeature([2], tf.float32), "y": tf.io.FixedLenFeature([], tf.int64),
            "w": tf.io.FixedLenFeature([], tf.string), "z": tf.io.FixedLenFeature([], tf.float32, 0.5),
        })  # fmt: skip
        return found["x"] * 2.0, found["y"], found["w"], found["z"], record

    records = [_record(i, i != 6) for i in range(10)]
    data = D.from_tensor_slices(records)
    if joined:
        data = data.apply(tf.data.experimental.map_and_batch(parse, 4))
    else:
        data = data.map(parse).batch(4)
    element = data.make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        x, y, w, z, record = sess.run(element)
        np.testing.assert_array_equal(x, [[2.0 * i, 2.0 * i + 1] for i in range(4)])
        assert y.tolist() == [0, 1, 2, 3] and w.tolist() == [b"0", b"1", b"2", b"3"]
        assert z.tolist() == [0.5] * 4 and record.tolist() == records[:4]
        kind = "MapAndBatch" if joined else "Map"
        with pytest.raises(tf.errors.InvalidArgumentError, match=rf"y .*(.|\n)*element 6 of {kind}"):
            sess.run(element)
        assert sess.run(element)[1].tolist() == [8, 9]
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(element)


def test_more_parallel_calls_than_datasets_in_turn_are_refused() -> None:
    def turns(calls: int) -> Any:
        return D.range(3).interleave(lambda x: D.from_tensors(x).repeat(2), 2, num_parallel_calls=calls)

    assert _all(turns(2)) == [0, 1, 0, 1, 2, 2]
    with pytest.raises(tf.errors.InvalidArgumentError, match="less than or equal to cycle_length.*3 and 2"):
        tf.Session().run(turns(3).make_one_shot_iterator().get_next())


@pytest.mark.parametrize(
    "pipeline",
    [
        lambda call: D.range(5).map(call),
        lambda call: D.range(5).map(call, num_parallel_calls=2),
        lambda call: D.range(5).map(call).prefetch(2),
        lambda call: D.range(5).interleave(lambda x: D.from_tensors(x).map(call), 2, 1, num_parallel_calls=2),
    ],
    ids=["map", "parallel map", "prefetch", "interleave"],
)
@pytest.mark.parametrize(
    ("raised", "found"), [(SystemExit, tf.errors.UnknownError), (KeyboardInterrupt, KeyboardInterrupt)]
)
def test_what_would_end_a_thread_comes_at_its_element(pipeline: Any, raised: Any, found: Any) -> None:
    def fail_at_two(x: Any) -> Any:
        if x == 2:
            raise raised
        return x

    element = pipeline(lambda x: tf.py_func(fail_at_two, [x], tf.int64)).make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        assert [sess.run(element) for _ in range(2)] == [0, 1]
        with pytest.raises(found):
            sess.run(element)
        assert [sess.run(element) for _ in range(2)] == [3, 4]
