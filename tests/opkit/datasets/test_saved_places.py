"""Iterators that are saved in the middle go on from there, with what threads had done already."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf

D = tf.data.Dataset


def _long(x):
    return tf.reduce_sum(tf.matmul(tf.fill([200, 200], tf.cast(x, tf.float32)), tf.fill([200, 200], 1.0)))


def _turns(cycle, block, ahead):
    return tf.data.experimental.parallel_interleave(
        lambda x: D.from_tensors(x).repeat(4), cycle, block_length=block, prefetch_input_elements=ahead
    )


PIPELINES = {
    "map": lambda: D.range(20).map(_long, num_parallel_calls=3),
    "map and batch": lambda: D.range(20).apply(
        tf.data.experimental.map_and_batch(_long, 2, num_parallel_calls=3)
    ),
    "turns": lambda: D.range(5).apply(_turns(2, 3, 0)),
    "turns ahead": lambda: D.range(7).apply(_turns(3, 2, 2)),
    "slow turns": lambda: D.range(5).apply(
        tf.data.experimental.parallel_interleave(
            lambda x: D.range(4).map(lambda y: _long(x + y), num_parallel_calls=2), 2
        )
    ),
    "unique": lambda: D.range(90).map(lambda x: 2 * x // 5 % 17).apply(tf.data.experimental.unique()),
    "unique words": lambda: (
        D.range(90).map(lambda x: tf.as_string(x // 2 % 17)).apply(tf.data.experimental.unique())
    ),
    "prefetched": lambda: D.range(20).map(_long, num_parallel_calls=2).shuffle(5, seed=1).prefetch(3),
}


def _taken(sess, element, count):
    return [np.asarray(sess.run(element)).tolist() for _ in range(count)]


def _saveable(data):
    iterator = data.make_initializable_iterator()
    saveable = tf.data.experimental.make_saveable_from_iterator(iterator)
    tf.add_to_collection(tf.GraphKeys.SAVEABLE_OBJECTS, saveable)
    return iterator, iterator.get_next(), tf.train.Saver()


@pytest.mark.parametrize("kind", PIPELINES)
@pytest.mark.parametrize("at", [0, 3])
def test_it_goes_on_from_there(kind, at, tmp_path):
    iterator, element, saver = _saveable(PIPELINES[kind]())
    with tf.Session() as sess:
        sess.run(iterator.initializer)
        everything = _taken(sess, element, 10)
        sess.run(iterator.initializer)
        _taken(sess, element, at)
        path = saver.save(sess, str(tmp_path / "model"))
        assert _taken(sess, element, 3) == everything[at : at + 3]
        saver.restore(sess, path)
        assert _taken(sess, element, 10 - at) == everything[at:]
    with tf.Session() as sess:
        sess.run(iterator.initializer)
        saver.restore(sess, path)
        assert _taken(sess, element, 10 - at) == everything[at:]


def test_an_error_on_the_way_is_kept(tmp_path):
    data = D.range(9).map(lambda x: (_long(x), 6 // (x - 3)), num_parallel_calls=3)
    iterator, element, saver = _saveable(data)
    with tf.Session() as sess:
        sess.run(iterator.initializer)
        sess.run(element)
        path = saver.save(sess, str(tmp_path / "model"))
        for _ in range(2):
            found = []
            for _ in range(8):
                try:
                    found.append(int(sess.run(element)[1]))
                except tf.errors.InvalidArgumentError as error:
                    assert "element 3 of" in str(error)
                    found.append(None)
            assert found == [-3, -6, None, 6, 3, 2, 1, 1]
            saver.restore(sess, path)


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (lambda x: x + tf.random_uniform([], 0, 9, tf.int64, seed=2), "RandomUniformInt"),
        (lambda x: tf.py_func(lambda v: v, [x], tf.int64), "PyFunc"),
    ],
)
def test_what_remembers_something_cannot_be_saved(function, kind, tmp_path):
    iterator, element, saver = _saveable(D.range(9).map(function))
    with tf.Session() as sess:
        sess.run(iterator.initializer)
        sess.run(element)
        with pytest.raises(tf.errors.FailedPreconditionError, match=f"{kind} is stateful"):
            saver.save(sess, str(tmp_path / "model"))


def _words():
    yield from "abc"


STATEFUL = {
    "generator": lambda: D.from_generator(_words, tf.string),
    "behind another": lambda: D.range(3).concatenate(D.from_generator(_words, tf.int64)),
    "captured": lambda: (lambda other: D.range(3).flat_map(lambda x: other))(
        D.from_generator(_words, tf.int64)
    ),
    "in a function": lambda: D.range(3).interleave(
        lambda x: D.range(2).map(lambda y: tf.random_uniform([])), 1
    ),
    "key": lambda: D.range(3).apply(
        tf.data.experimental.group_by_window(
            lambda x: tf.cast(2 * tf.random_uniform([]), tf.int64), lambda k, d: d, 2
        )
    ),
    "reducer": lambda: D.range(3).apply(
        tf.data.experimental.group_by_reducer(
            lambda x: x,
            tf.data.experimental.Reducer(lambda k: 0.0, lambda s, x: s + tf.random_uniform([]), lambda s: s),
        )
    ),
}


@pytest.mark.parametrize("kind", STATEFUL)
@pytest.mark.parametrize("at", [0, 1])
def test_what_remembers_cannot_be_saved_anywhere(kind, at, tmp_path):
    iterator, element, saver = _saveable(STATEFUL[kind]().apply(tf.data.experimental.ignore_errors()))
    with tf.Session() as sess:
        sess.run(iterator.initializer)
        _taken(sess, element, at if kind in ("generator", "in a function") else 0)
        with pytest.raises(tf.errors.FailedPreconditionError, match="is stateful"):
            saver.save(sess, str(tmp_path / "model"))


def test_what_prints_can_be_saved(tmp_path):
    iterator, _, saver = _saveable(D.range(3).map(lambda x: tf.Print(x, [x])))
    with tf.Session() as sess:
        sess.run(iterator.initializer)
        assert saver.save(sess, str(tmp_path / "model"))


@pytest.mark.parametrize("on", [0, 2, 20])
@pytest.mark.parametrize("at", [0, 1, 3, 5, 7])
def test_a_cache_goes_on_being_written(at, on, tmp_path):
    cache = str(tmp_path / "cache")

    def made():
        return D.range(5).map(lambda x: (2 * x, tf.as_string(x))).cache(cache).map(lambda x, y: x).repeat(3)

    everything = [0, 2, 4, 6, 8] * 3
    iterator, element, saver = _saveable(made())
    with tf.Session() as sess:
        sess.run(iterator.initializer)
        assert _taken(sess, element, at) == everything[:at]
        path = saver.save(sess, str(tmp_path / "model"))
        _taken(sess, element, min(on, 15 - at))
    with tf.Session() as sess:
        sess.run(iterator.initializer)
        saver.restore(sess, path)
        assert _taken(sess, element, 15 - at) == everything[at:]
        saver.restore(sess, path)
        assert _taken(sess, element, 15 - at) == everything[at:]
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(element)
    assert sorted(p.name for p in tmp_path.glob("cache*") if "data" not in p.name) == ["cache.index"]


def test_a_cache_that_is_gone(tmp_path):
    cache = str(tmp_path / "cache")
    iterator, element, saver = _saveable(D.range(2).cache(cache).repeat())
    with tf.Session() as sess:
        sess.run(iterator.initializer)
        _taken(sess, element, 3)
        path = saver.save(sess, str(tmp_path / "model"))
    for file in tmp_path.glob("cache*"):
        file.unlink()
    with tf.Session() as sess:
        sess.run(iterator.initializer)
        with pytest.raises(tf.errors.NotFoundError, match="cache"):
            saver.restore(sess, path)


def _shuffled(x):
    return D.range(6).shuffle(6, seed=3).map(lambda y: 10 * x + y)


MIXED = {  # of a shuffle inside of what mixes datasets: the orders follow each other as in TensorFlow
    "interleave": (
        lambda: D.range(4).interleave(_shuffled, 2, 2).repeat(2),
        "4 5 14 15 0 2 10 12 1 3 11 13 22 24 32 34 21 20 31 30 23 25 33 35 "
        "4 0 14 10 1 2 11 12 5 3 15 13 22 25 32 35 21 24 31 34 23 20 33 30",
    ),
    "interleave in threads": (
        lambda: D.range(4).interleave(_shuffled, 2, 2, num_parallel_calls=2).repeat(2),
        "4 5 14 15 0 2 10 12 1 3 11 13 24 25 34 35 20 22 30 32 21 23 31 33 "
        "2 4 12 14 1 0 11 10 3 5 13 15 22 24 32 34 21 20 31 30 23 25 33 35",
    ),
    "workers": (
        lambda: D.range(7).apply(
            tf.data.experimental.parallel_interleave(
                _shuffled, 3, 2, buffer_output_elements=1, prefetch_input_elements=2
            )
        ),
        "4 5 14 15 24 25 0 2 10 12 20 22 1 3 11 13 21 23 34 35 44 45 52 54 30 32 40 42 51 50 31 33 "
        "41 43 53 55 62 64 61 60 63 65",
    ),
    "groups": (
        lambda: (
            D.range(30)
            .apply(
                tf.data.experimental.group_by_window(
                    lambda x: x % 3, lambda k, d: d.shuffle(9, seed=3).batch(6), 6
                )
            )
            .apply(tf.data.experimental.unbatch())
        ),
        "12 15 0 6 3 9 7 13 4 1 10 16 14 2 5 8 17 11 24 21 27 18 25 28 19 22 29 20 26 23",
    ),
}


@pytest.mark.parametrize("kind", MIXED)
@pytest.mark.parametrize("at", [0, 5, 12, 21, 26])
def test_orders_inside_of_mixed_datasets_go_on(kind, at, tmp_path):
    made, wanted = MIXED[kind]
    everything = list(map(int, wanted.split()))
    tf.set_random_seed(5)
    iterator, element, saver = _saveable(made())
    with tf.Session() as sess:
        sess.run(iterator.initializer)
        assert _taken(sess, element, at) == everything[:at]
        path = saver.save(sess, str(tmp_path / "model"))
        assert _taken(sess, element, len(everything) - at) == everything[at:]
    with tf.Session() as sess:
        sess.run(iterator.initializer)
        _taken(sess, element, 3)
        saver.restore(sess, path)
        assert _taken(sess, element, len(everything) - at) == everything[at:]
