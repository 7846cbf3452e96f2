"""Producers and batches: order, epochs, shapes, names."""

import contextlib

import numpy as np
import pytest

import millrace as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield


@contextlib.contextmanager
def running():
    with tf.Session() as sess:
        sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess, coord)
        try:
            yield sess
        finally:
            coord.request_stop()
            coord.join(threads, stop_grace_period_secs=5)


def everything(tensor, most=50):
    found = []
    with running() as sess, contextlib.suppress(tf.errors.OutOfRangeError):
        found.extend(sess.run(tensor) for _ in range(most))
    return found


def rows(count=7, epochs=1):
    return tf.train.slice_input_producer([np.arange(count)], shuffle=False, num_epochs=epochs)


def test_strings_come_in_the_order_of_their_seed():
    queue = tf.train.string_input_producer(["a", "b", "c", "d"], num_epochs=2, seed=5)
    assert everything(queue.dequeue()) == [b"d", b"a", b"c", b"b", b"a", b"c", b"d", b"b"]
    assert [v.name for v in tf.local_variables()] == ["input_producer/limit_epochs/epochs:0"]
    assert [s.name for s in tf.get_collection("summaries")] == ["input_producer/fraction_of_32_full:0"]


def test_ranges_and_slices():
    assert everything(tf.train.range_input_producer(3, 1, shuffle=False).dequeue()) == [0, 1, 2]
    with tf.Graph().as_default():
        pairs = tf.train.slice_input_producer([["a", "b"], [[1, 2], [3, 4]]], 1, shuffle=False)
        assert [(s, x.tolist()) for s, x in everything(pairs)] == [(b"a", [1, 2]), (b"b", [3, 4])]


def test_an_epoch_limit():
    limited = tf.train.limit_epochs(tf.constant(3.0), 2)
    assert everything(limited) == [3, 3]
    constant = tf.constant(1)
    assert tf.train.limit_epochs(constant) is constant
    with pytest.raises(ValueError, match="num_epochs"):
        tf.train.limit_epochs(constant, 0)


def test_what_producers_refuse():
    with pytest.raises(ValueError, match="non-null"):
        tf.train.string_input_producer([])
    with pytest.raises(ValueError, match="fully known"):
        tf.train.input_producer(tf.placeholder(tf.float32))
    with pytest.raises(ValueError, match="at least one"):
        tf.train.slice_input_producer([])
    names = tf.placeholder_with_default(np.array([], object), [None])
    queue = tf.train.string_input_producer(names)
    with tf.Session() as sess:
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess, coord)
        with pytest.raises(tf.errors.InvalidArgumentError, match="non-null"):
            coord.join(threads)
        with pytest.raises((tf.errors.OutOfRangeError, tf.errors.CancelledError)):
            sess.run(queue.dequeue())


def test_batches_and_what_is_left():
    assert [b.tolist() for b in everything(tf.train.batch(rows(), 3))] == [[0, 1, 2], [3, 4, 5]]
    with tf.Graph().as_default():
        batch = tf.train.batch({"n": rows()[0]}, 3, allow_smaller_final_batch=True)
        assert [b["n"].tolist() for b in everything(batch)] == [[0, 1, 2], [3, 4, 5], [6]]


def test_batches_of_rows_and_of_unlike_lengths():
    (n,) = rows(4)
    batch = tf.train.batch([tf.fill([n], n)], 2, dynamic_pad=True)
    assert batch.shape.as_list() == [2, None]
    assert [b.tolist() for b in everything(batch)] == [[[0], [1]], [[2, 2, 0], [3, 3, 3]]]
    with tf.Graph().as_default():
        batch = tf.train.batch([tf.range(3) + tf.cast(rows(3)[0] * 3, tf.int32)], 4, enqueue_many=True)
        assert [b.tolist() for b in everything(batch)] == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_only_what_is_kept():
    (n,) = rows()
    assert [b.tolist() for b in everything(tf.train.maybe_batch([n], n % 2 > 0, 3))] == [[1, 3, 5]]
    with tf.Graph().as_default():
        row = tf.reshape(rows()[0], [1]) + [0, 10]
        batch = tf.train.maybe_batch([row], row % 2 > 0, 2, enqueue_many=True)
        assert [b.tolist() for b in everything(batch)] == [[1, 11], [3, 13], [5, 15]]
    with tf.Graph().as_default():
        (n,) = rows()
        kept = tf.train.maybe_batch_join([[n], [n]], n > 4, 1)
        assert set(np.concatenate(everything(kept)).tolist()) <= {5, 6}


def test_sparse_elements():
    (n,) = rows(4)
    sparse = tf.SparseTensor([[n % 3]], [n], [3])
    batch = tf.train.batch([sparse, n], 2)
    assert batch[0].dense_shape.shape.as_list() == [2] and batch[0].indices.shape.as_list() == [None, 2]
    found = everything([tf.sparse_tensor_to_dense(batch[0]), batch[1]])
    assert [d.tolist() for d, _ in found] == [[[0, 0, 0], [0, 1, 0]], [[0, 0, 2], [3, 0, 0]]]
    with tf.Graph().as_default():
        (n,) = rows(4)
        kept = tf.train.maybe_batch([tf.SparseTensor([[n % 3]], [n], [3])], n > 1, 1)
        assert [v.values.tolist() for v in everything(kept)] == [[2], [3]]


def test_shuffled_batches_follow_from_their_seed():
    tf.set_random_seed(1)
    batch = tf.train.shuffle_batch(rows(12), 5, 40, 30, seed=9, allow_smaller_final_batch=True)
    found = [b.tolist() for b in everything(batch)]
    assert found == [[9, 5, 11, 7, 4], [0, 8, 10, 1, 6], [3, 2]]


def test_several_producers():
    (n,) = rows(6)
    batch = tf.train.batch_join([{"x": n}, {"x": n}], 2)
    assert sorted(np.concatenate([b["x"] for b in everything(batch)]).tolist()) == list(range(6))
    with tf.Graph().as_default():
        (n,) = rows(6)
        found = everything(tf.train.shuffle_batch_join([[n], [n]], 3, 20, 10))
        assert sorted(np.concatenate(found).tolist()) == list(range(6))


def test_what_batches_refuse():
    for error, match, wrong in (
        (ValueError, "rank", lambda: tf.train.batch([tf.placeholder(tf.float32)], 2)),
        (ValueError, "at least one", lambda: tf.train.batch({}, 2)),
        (ValueError, "at least one", lambda: tf.train.batch_join([], 2)),
        (ValueError, "shape", lambda: tf.train.batch([1.0], 2, shapes=[[], []])),
        (ValueError, "same keys", lambda: tf.train.batch_join([{"x": 1.0}, {"y": 1.0}], 2)),
        (TypeError, "dictionaries", lambda: tf.train.batch_join([{"x": 1.0}, [1.0]], 2)),
        (TypeError, "consistent", lambda: tf.train.batch_join([[tf.constant(1)], [1.0]], 2)),
        (ValueError, "vector", lambda: tf.train.maybe_batch([1.0], [True, False], 2)),
        (ValueError, "0 or 1", lambda: tf.train.maybe_batch([1.0], [[True]], 2, enqueue_many=True)),
        (ValueError, "capacity 10", lambda: tf.train.shuffle_batch([1.0], 2, 10, 20)),
    ):
        with tf.Graph().as_default(), pytest.raises(error, match=match):
            wrong()


def test_file_names_that_match(tmp_path):
    (tmp_path / "f.txt").write_text("x")
    names = tf.train.match_filenames_once(str(tmp_path / "f*"))
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        assert sess.run(names).tolist() == [str(tmp_path / "f.txt").encode()]
