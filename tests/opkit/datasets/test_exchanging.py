"""Tests of shuffle buffers that exchange elements across epochs, and of rows taken many at a time."""

import numpy as np
import pytest

import millrace as tf


def taken(data, batch):
    found, following = [], tf.data.make_one_shot_iterator(data.batch(batch)).get_next()
    with tf.Session() as session:
        while True:
            try:
                found.extend(session.run(following).tolist())
            except tf.errors.OutOfRangeError:
                return found


@pytest.mark.parametrize("buffer", [1, 2, 5, 7, 10, 11, 40])
@pytest.mark.parametrize("count", [1, 7, 10, 33])
def test_batches_do_not_change_the_order(count, buffer):
    for arranged in (
        lambda d: d.shuffle(buffer, seed=3).repeat(3),
        lambda d: d.repeat(3).shuffle(buffer, seed=3),
        lambda d: d.apply(tf.data.experimental.shuffle_and_repeat(buffer, 3, seed=3)),
    ):
        data = arranged(tf.data.Dataset.range(count))
        one = taken(data, 1)
        assert sorted(one) == sorted([*range(count)] * 3)
        assert taken(data, 4) == one
        assert taken(data, 50) == one


def test_rows_of_every_kind():
    columns = (np.arange(5), np.arange(10.0).reshape(5, 2), np.array(["a", "b", "c", "d", "e"]))
    following = tf.data.make_one_shot_iterator(
        tf.data.Dataset.from_tensor_slices(columns).batch(2)
    ).get_next()
    with tf.Session() as session:
        rows = [session.run(following) for _ in range(3)]
    np.testing.assert_array_equal(np.concatenate([r[0] for r in rows]), columns[0])
    np.testing.assert_array_equal(np.concatenate([r[1] for r in rows]), columns[1])
    assert np.concatenate([r[2] for r in rows]).tolist() == [b"a", b"b", b"c", b"d", b"e"]


@pytest.mark.parametrize(("inner", "wanted"), [
    (lambda d: d.apply(tf.data.experimental.shuffle_and_repeat(1, 2, 22)).repeat(2), [
        [3, 4, 2, 5, 6, 7, 0, 1], [1, 4, 5, 6, 0, 7, 3, 2],
        [1, 0, 5, 3, 4, 2, 6, 7], [2, 0, 1, 4, 7, 5, 3, 6],
    ]),
])  # fmt: skip
def test_a_shuffle_that_ends_has_begun_its_input_once_more(inner, wanted):
    """The numbers are 1.15's."""
    tf.set_random_seed(7)
    element = inner(tf.data.Dataset.range(8).shuffle(4, seed=51)).make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        assert [[int(sess.run(element)) for _ in range(8)] for _ in wanted] == wanted
