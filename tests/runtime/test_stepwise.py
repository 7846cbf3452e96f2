"""Steps that wait, threads that share a session, and Python functions that run it again."""

import threading
import time

import numpy as np
import pytest

import millrace as tf
from millrace.building.apply import apply
from millrace.core import dtypes
from millrace.core.waiting import wait_until
from millrace.graph.attrs import text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare


class Mailbox:
    """What a queue is to these tests: items, and a condition that says when there are some."""

    def __init__(self):
        self.items = []
        self.line = []
        self.changed = threading.Condition()
        self.waiting = threading.Event()

    def put(self, item):
        with self.changed:
            self.items.append(item)
            self.changed.notify_all()

    def take(self):
        with self.changed:
            mine = object()
            self.line.append(mine)
            if not self.items:
                self.waiting.set()
            try:
                wait_until(self.changed, lambda: self.items and self.line[0] is mine, "take")
                return self.items.pop(0)
            finally:
                self.line.remove(mine)
                self.changed.notify_all()


boxes = {}


@declare("TakeForTest() -> item: float", box=text(), blocking=True, host=True, effect=True)
class TakeForTest:
    """The next item of a mailbox, as soon as there is one."""

    def shape():
        return ()

    def kernel(xp, box):
        return np.float32(boxes[box].take())

    grad = NOT_DIFFERENTIABLE


@pytest.fixture
def box(request):
    boxes[request.node.name] = found = Mailbox()
    found.name = request.node.name
    return found


def take(box):
    return apply(TakeForTest, box=box.name)


@pytest.fixture
def sess():
    with tf.Session() as session:
        yield session


def in_background(function):
    outcome = []

    def call():
        try:
            outcome.append(function())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread, outcome


def test_a_waiting_step_lets_others_run(sess, box):
    v = tf.Variable(10.0)
    total = v.assign_add(take(box))
    sess.run(v.initializer)
    thread, outcome = in_background(lambda: sess.run([total, v]))
    assert box.waiting.wait(5)
    assert sess.run(v.assign_add(1.0)) == 11
    box.put(5)
    thread.join(5)
    assert outcome == [[16, 16]]
    assert sess.run(v) == 16


@pytest.mark.parametrize("tier", ["interpret", pytest.param("compile", marks=pytest.mark.xla)])
def test_what_comes_before_and_after_a_wait(sess, box, monkeypatch, tier):
    monkeypatch.setenv("MILLRACE_TIER", tier)
    order = []
    said = tf.py_func(lambda: order.append("before") or np.float32(1), [], tf.float32)
    v = tf.Variable(1.0)
    before = v.assign(2.0)
    with tf.control_dependencies([before, said]):
        first = take(box)
    second = take(box)
    after = v.assign_add(first * 10 + second)
    with tf.control_dependencies([after]):
        said_after = tf.py_func(lambda x: order.append("after") or x, [tf.identity(v)], tf.float32)
    sess.run(v.initializer)
    thread, outcome = in_background(lambda: sess.run([before, after, said_after, v]))
    assert box.waiting.wait(5)
    assert order == ["before"]
    assert sess.run(v) == 2
    box.put(3)
    box.put(4)
    thread.join(5)
    assert outcome == [[2, 36, 36, 36]]
    assert order == ["before", "after"]


def test_what_was_written_before_a_failed_wait_is_taken_back(sess, box):
    v = tf.Variable(1.0)
    with tf.control_dependencies([v.assign(2.0)]):
        waiting = take(box)
    sess.run(v.initializer)
    with pytest.raises(
        tf.errors.DeadlineExceededError, match=r"(?s)Timed out waiting for take.*test_stepwise\.py"
    ):
        sess.run(waiting, options=tf.RunOptions(timeout_in_ms=30))
    assert sess.run(v) == 1
    box.put(3)
    assert sess.run([waiting, v]) == [3, 2]


def test_the_limit_of_a_session(box):
    with tf.Session(config=tf.ConfigProto(operation_timeout_in_ms=30)) as session:
        item = take(box)
        with pytest.raises(tf.errors.DeadlineExceededError):
            session.run(item)
        box.put(1)
        assert session.run(item) == 1


def test_closing_the_session_calls_waits_off(sess, box):
    thread, outcome = in_background(lambda: sess.run(take(box)))
    assert box.waiting.wait(5)
    sess.close()
    thread.join(5)
    assert isinstance(outcome[0], tf.errors.CancelledError)
    assert not box.items


def test_a_traced_run_waits_too(sess, box):
    doubled = take(box) * 2
    box.put(4)
    metadata = tf.RunMetadata()
    options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
    assert sess.run(doubled, options=options, run_metadata=metadata) == 8
    names = [node.node_name for node in metadata.step_stats.dev_stats[0].node_stats]
    assert names == [doubled.op.inputs[0].op.name, doubled.op.name]


@pytest.mark.parametrize("tier", ["interpret", pytest.param("compile", marks=pytest.mark.xla)])
def test_no_increment_is_lost_between_threads(sess, monkeypatch, tier):
    monkeypatch.setenv("MILLRACE_TIER", tier)
    a, b = tf.Variable(0.0), tf.Variable(0.0)
    both = tf.group(a.assign_add(1.0), b.assign_add(1.0))
    seen = [a.value(), b.value()]
    sess.run(tf.global_variables_initializer())
    uneven = []

    def work():
        for _ in range(200):
            sess.run(both)
            x, y = sess.run(seen)
            if x != y:
                uneven.append((x, y))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sess.run([a, b]) == [800, 800]
    assert not uneven


def test_first_runs_of_one_plan_from_many_threads(sess):
    x = tf.placeholder(tf.float32)
    y = x * 3 + 1
    start = threading.Barrier(8)
    results = []

    def work(i):
        start.wait()
        results.append((i, sess.run(y, {x: float(i)})))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [(i, i * 3 + 1) for i in range(8)]


def test_a_python_function_runs_the_session_again(sess):
    v = tf.Variable(1.0)
    bump = v.assign_add(1.0)

    def again():
        return np.float32(sess.run(bump) * 100)

    called = tf.py_func(again, [], tf.float32)
    sess.run(v.initializer)
    assert sess.run(called) == 200
    assert sess.run([called + 1, v.value()])[0] == 301
    assert sess.run(v) == 3


def test_default_stacks_belong_to_threads(sess):
    graph = tf.get_default_graph()
    _, outcome = in_background(lambda: (tf.get_default_session(), tf.get_default_graph() is graph))
    time.sleep(0.05)
    assert outcome == [(None, False)] or outcome == [(None, True)]
    with sess.graph.as_default():
        thread, outcome = in_background(tf.get_default_session)
        thread.join()
        assert outcome == [None]


def test_dtypes_known():
    assert TakeForTest.outputs[0].dtype is dtypes.float32


def test_waits_without_an_order_wait_at_the_same_time(sess):
    """A step that first fills a queue and then takes from it elsewhere must not stand in its own way."""
    queue = tf.FIFOQueue(1, tf.float32, [[]])
    x = tf.placeholder(tf.float32, [3])
    puts = [queue.enqueue(x[k]) for k in range(3)]
    takes = [queue.dequeue() for _ in range(3)]
    v = tf.Variable(0.0)
    total = v.assign_add(tf.add_n(takes))
    sess.run(v.initializer)
    thread, outcome = in_background(lambda: sess.run([total, *puts], {x: [1.0, 2.0, 4.0]}))
    thread.join(10)
    assert outcome and outcome[0][0] == 7 and sess.run([v, queue.size()]) == [7, 0]


def test_one_failing_wait_calls_the_others_off(sess, box):
    queue = tf.FIFOQueue(1, tf.float32, [[]])
    v = tf.Variable(1.0)
    with tf.control_dependencies([v.assign(2.0)]):
        mine, other = take(box), queue.dequeue()
    sess.run(v.initializer)
    thread, outcome = in_background(lambda: sess.run([mine, other]))
    assert box.waiting.wait(5)
    sess.run(queue.close())
    thread.join(10)
    assert isinstance(outcome[0], tf.errors.OutOfRangeError) and sess.run(v) == 1
