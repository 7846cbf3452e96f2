"""Queues, across threads and sessions."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import millrace as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield


@pytest.fixture
def session(graph):
    with tf.Session() as sess:
        yield sess


def test_first_in_first_out() -> None:
    queue = tf.FIFOQueue(10, [tf.float32, tf.string], [[2], []])
    one = queue.enqueue([[1.0, 2.0], "a"])
    many = queue.enqueue_many([np.ones((2, 2)), ["x", "y"]])
    numbers, text = queue.dequeue()
    batch = queue.dequeue_many(2)
    assert [t.shape.as_list() for t in batch] == [[2, 2], [2]]
    with tf.Session() as sess:
        sess.run(one)
        sess.run(many)
        assert sess.run(queue.size()) == 3
        values = sess.run([numbers, text])
        assert values[0].tolist() == [1, 2] and values[1] == b"a"
        assert sess.run(batch)[1].tolist() == [b"x", b"y"]


def test_names_follow_tensorflow() -> None:
    queue = tf.FIFOQueue(3, tf.int32)
    found = [queue.enqueue(1), queue.enqueue_many([[1]]), queue.dequeue().op, queue.close(), queue.size().op]
    assert [op.name for op in found] == [
        "fifo_queue_enqueue",
        "fifo_queue_EnqueueMany",
        "fifo_queue_Dequeue",
        "fifo_queue_Close",
        "fifo_queue_Size",
    ]


def test_dictionaries() -> None:
    queue = tf.FIFOQueue(3, [tf.int32, tf.int32], names=["a", "b"], shapes=[[], []])
    put, got = queue.enqueue({"b": 2, "a": 1}), queue.dequeue()
    with pytest.raises(ValueError, match="keys must be"):
        queue.enqueue({"a": 1})
    with tf.Session() as sess:
        sess.run(put)
        assert sess.run(got) == {"a": 1, "b": 2}


def test_a_waiting_dequeue_does_not_hold_up_other_runs() -> None:
    queue = tf.FIFOQueue(1, tf.int32)
    got, put = queue.dequeue(), queue.enqueue(7)
    with tf.Session() as sess:
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(int(sess.run(got))))
        thread.start()
        sess.run(put)  # would never get its turn, if the other run held the session
        thread.join(10)
        assert found == [7]


def test_closed() -> None:
    queue = tf.FIFOQueue(3, tf.int32, shapes=[[]])
    put, got, some, close = queue.enqueue(1), queue.dequeue(), queue.dequeue_up_to(5), queue.close()
    with tf.Session() as sess:
        sess.run(put)
        sess.run(put)
        sess.run(close)
        assert sess.run(queue.is_closed())
        assert sess.run(some).tolist() == [1, 1]
        with pytest.raises(tf.errors.OutOfRangeError, match="closed and has insufficient elements"):
            sess.run(got)
        with pytest.raises(tf.errors.CancelledError, match="is closed"):
            sess.run(put)


def test_closing_the_session_wakes_who_waits() -> None:
    got = tf.FIFOQueue(1, tf.int32).dequeue()
    sess = tf.Session()
    found: list[type] = []

    def wait() -> None:
        try:
            sess.run(got)
        except tf.errors.CancelledError as error:
            found.append(type(error))

    thread = threading.Thread(target=wait)
    thread.start()
    while not sess.store.cancellation._waiting:
        pass
    sess.close()
    thread.join(10)
    assert found == [tf.errors.CancelledError]


def test_shuffled() -> None:
    queue = tf.RandomShuffleQueue(100, 0, tf.int32, shapes=[[]], seed=3)
    put, got = queue.enqueue_many([np.arange(50)]), queue.dequeue_many(50)
    with tf.Session() as sess:
        sess.run(put)
        values = sess.run(got)
    assert sorted(values.tolist()) == list(range(50)) and values.tolist() != list(range(50))


def test_padded() -> None:
    queue = tf.PaddingFIFOQueue(10, tf.int32, [[None]])
    first, second, got = queue.enqueue([[1, 2]]), queue.enqueue([[3]]), queue.dequeue_many(2)
    with tf.Session() as sess:
        sess.run(first)
        sess.run(second)
        assert sess.run(got).tolist() == [[1, 2], [3, 0]]


def test_priorities() -> None:
    queue = tf.PriorityQueue(10, tf.string, shapes=[[]])
    put = queue.enqueue_many([np.array([3, 1, 2], np.int64), ["c", "a", "b"]])
    _, got = queue.dequeue_many(3)
    with tf.Session() as sess:
        sess.run(put)
        assert sess.run(got).tolist() == [b"a", b"b", b"c"]


def test_what_does_not_fit_is_refused() -> None:
    queue = tf.FIFOQueue(3, [tf.float32], [[2]])
    with pytest.raises(ValueError, match="incompatible"):
        queue.enqueue([[1.0, 2.0, 3.0]])
    with pytest.raises(tf.errors.InvalidArgumentError, match="components"):
        queue.enqueue([[1.0, 2.0], 3.0])
    fed = tf.placeholder(tf.float32)
    put = queue.enqueue([fed])
    with tf.Session() as sess:
        with pytest.raises(tf.errors.InvalidArgumentError, match="Shape mismatch"):
            sess.run(put, {fed: [1.0]})
        assert sess.run(queue.size()) == 0
    with pytest.raises(ValueError, match="a list of shapes is needed|one shape is needed"):
        tf.PaddingFIFOQueue(3, [tf.int32], None)


def _refused(error, function, match=None):
    with pytest.raises(error, match=match):
        function()


def _started(work):
    outcome = []

    def body():
        try:
            outcome.append(work())
        except Exception as error:
            outcome.append(type(error).__name__)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(0.1)
    return thread, outcome


def test_closing_waits_for_those_who_wait_for_room() -> None:
    queue = tf.FIFOQueue(1, tf.int32, [[]])
    put, take, close = queue.enqueue(1), queue.dequeue(), queue.close()
    with tf.Session() as sess:
        sess.run(put)
        putting, put_outcome = _started(lambda: sess.run(put))
        closing, _ = _started(lambda: sess.run(close))
        late, late_outcome = _started(lambda: sess.run(put))
        assert putting.is_alive() and closing.is_alive() and not sess.run(queue.is_closed())
        assert sess.run(take) == 1
        for thread in (putting, closing, late):
            thread.join(5)
        assert (put_outcome, late_outcome) == ([None], ["CancelledError"])
        assert sess.run(queue.is_closed()) and sess.run(take) == 1
        _refused(tf.errors.OutOfRangeError, lambda: sess.run(take), "is closed and has insufficient elements")


def test_closing_may_call_off_those_who_wait_for_room() -> None:
    queue = tf.FIFOQueue(1, tf.int32, [[]])
    put = queue.enqueue_many([[1, 2, 3]])
    with tf.Session() as sess:
        thread, outcome = _started(lambda: sess.run(put))
        sess.run(queue.close(cancel_pending_enqueues=True))
        thread.join(5)
        assert outcome == ["CancelledError"] and sess.run(queue.size()) == 1


def test_a_batch_is_one_run_of_elements() -> None:
    queue = tf.FIFOQueue(10, tf.int32, [[]])
    take = queue.dequeue_many(3)
    with tf.Session() as sess:
        first, one = _started(lambda: sess.run(take).tolist())
        second, two = _started(lambda: sess.run(take).tolist())
        sess.run(queue.enqueue_many([[1, 2, 3, 4]]))
        first.join(5)
        assert one == [[1, 2, 3]]
        sess.run(queue.close())
        second.join(5)
        assert two == ["OutOfRangeError"] and sess.run(queue.size()) == 1


def test_a_queue_chosen_by_a_tensor() -> None:
    a, b = tf.FIFOQueue(2, tf.int32, [[2]]), tf.FIFOQueue(2, tf.int32, [[2]])
    c = tf.FIFOQueue(2, tf.int32, [[3]])
    index = tf.placeholder(tf.int32, [])
    chosen = tf.QueueBase.from_list(index, [a, b])
    assert [s.as_list() for s in chosen.shapes] == [[2]]
    assert [s.as_list() for s in tf.QueueBase.from_list(index, [a, c]).shapes] == [[None]]
    with tf.Session() as sess:
        sess.run(chosen.enqueue([[1, 2]]), {index: 1})
        assert sess.run([a.size(), b.size()]) == [0, 1]
        assert sess.run(chosen.dequeue(), {index: 1}).tolist() == [1, 2]
    _refused(TypeError, lambda: tf.QueueBase.from_list(0, [a, tf.FIFOQueue(2, tf.float32)]), "dtypes")
    _refused(TypeError, lambda: tf.QueueBase.from_list(0, [a, 3]), "a list of queues")


def test_one_name_is_one_queue() -> None:
    made = tf.FIFOQueue(3, tf.int32, shared_name="s")
    others = [
        tf.FIFOQueue(4, tf.int32, shared_name="s"),
        tf.FIFOQueue(3, tf.float32, shared_name="s"),
        tf.FIFOQueue(3, tf.int32, [[]], shared_name="s"),
        tf.RandomShuffleQueue(3, 1, tf.int32, shared_name="s"),
    ]
    with tf.Session() as sess:
        sess.run(made.size())
        for other in others:
            _refused(tf.errors.InvalidArgumentError, lambda other=other: sess.run(other.size()))
        sess.run(tf.FIFOQueue(3, tf.int32, shared_name="s").enqueue(1))
        assert sess.run(made.size()) == 1


def test_the_order_of_a_shuffle_queue_follows_from_its_seed() -> None:
    queue = tf.RandomShuffleQueue(20, 5, tf.int32, shapes=[[]], seed=1)
    with tf.Session() as sess:
        sess.run(queue.enqueue_many([np.arange(12)]))
        sess.run(queue.close())
        assert sess.run(queue.dequeue_many(12)).tolist() == [3, 11, 10, 7, 5, 0, 6, 9, 4, 8, 2, 1]


def test_shapes_that_a_queue_cannot_have() -> None:
    for cls in (tf.FIFOQueue, tf.PriorityQueue):
        _refused(ValueError, lambda cls=cls: cls(3, tf.float32, shapes=[[None]]), "fully defined")
    _refused(ValueError, lambda: tf.PaddingFIFOQueue(3, tf.float32, [None]))
    queue = tf.FIFOQueue(5, [tf.float32, tf.float32])
    _refused(ValueError, lambda: queue.enqueue_many([[1.0, 2.0], [1.0, 2.0, 3.0]]), "a row for each")
    _refused(ValueError, lambda: queue.enqueue_many([1.0, 2.0]), "a row for each")
    with tf.Session() as sess:
        wide = tf.RandomShuffleQueue(3, 4, tf.float32)
        _refused(tf.errors.InvalidArgumentError, lambda: sess.run(wide.size()), "min_after_dequeue")


def test_equal_priorities_come_in_the_order_of_a_heap(session):
    queue = tf.PriorityQueue(20, [tf.string], [[]])
    session.run(queue.enqueue_many([[1, 1, 1, 0, 1], list("abcde")]))
    assert session.run(queue.dequeue_many(5))[1].tolist() == [b"d", b"c", b"e", b"a", b"b"]


def test_a_batch_by_priority_waits_for_all_of_it(session):
    queue = tf.PriorityQueue(20, [tf.string], [[]])
    found = []
    batch = queue.dequeue_many(3)
    thread = threading.Thread(target=lambda: found.append(session.run(batch)), daemon=True)
    thread.start()
    session.run(queue.enqueue_many([[3, 1], ["c", "a"]]))
    session.run(queue.enqueue((tf.constant(0, tf.int64), "z")))
    thread.join(20)
    assert found[0][0].tolist() == [0, 1, 3]
    assert found[0][1].tolist() == [b"z", b"a", b"c"]


def test_strings_put_in_by_a_branch_are_bytes(session):
    queue = tf.FIFOQueue(5, [tf.string], [[]])
    number = tf.placeholder(tf.int32, [])
    words = tf.as_string(number)
    put = tf.cond(number > 0, lambda: queue.enqueue(words), lambda: tf.no_op())
    for i in (1, 2):
        session.run(put, {number: i})
    assert session.run(queue.dequeue_many(2)).tolist() == [b"1", b"2"]


@pytest.mark.parametrize("dtype", ["int32", "int64", "int8", "complex64", "bfloat16"])
@pytest.mark.parametrize("kind", [tf.ConditionalAccumulator, tf.SparseConditionalAccumulator])
def test_accumulators_add_floats(session, dtype, kind):
    with pytest.raises(tf.errors.InvalidArgumentError, match="kernel"):
        session.run(kind(tf.as_dtype(dtype), [2]).num_accumulated())
