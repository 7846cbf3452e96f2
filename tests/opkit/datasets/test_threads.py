"""Threads that do pieces of work: order, bounds, ends."""

from __future__ import annotations

import gc
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.core.waiting import Cancellation, wait_until, wake_from_finalizer
from millrace.opkit.datasets.base import Stage
from millrace.opkit.datasets.threads import Background, Line, Pool, _Filling


class _Run:
    """What threads need of a run."""

    def __init__(self) -> None:
        self.cancellation = Cancellation()
        self.waits = False


class _Work:
    """Pieces of work: numbers, the later ones sooner done."""

    def __init__(self, count: int) -> None:
        self.taken = 0
        self.count = count
        self.inside = 0

    def take(self) -> Any:
        assert self.inside == 0  # one thread at a time
        self.inside += 1
        try:
            if self.taken == self.count:
                return None
            number = self.taken
            self.taken += 1
        finally:
            self.inside -= 1

        def work() -> int:
            time.sleep(0.002 * (number % 3))
            return number

        return work


@pytest.mark.parametrize("kind", [Line, Pool])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_come_in_the_order_of_taking(kind: Any, count: int) -> None:
    run, work = _Run(), _Work(40)
    threads = kind(run, count, work.take, "testing")
    assert run.waits
    assert [threads.next() for _ in range(40)] == list(range(40))
    assert threads.next() is None and threads.next() is None
    threads.close()


def _ended(name: str) -> bool:
    end = time.monotonic() + 5
    while any(name in t.name for t in threading.enumerate()):
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


@pytest.mark.parametrize("kind", [Line, Pool])
def test_no_more_is_taken_than_there_is_room_for(kind: Any) -> None:
    work = _Work(1000)
    threads = kind(_Run(), 2, work.take, f"bounded {kind.__name__}")
    assert threads.next() == 0
    time.sleep(0.05)
    assert work.taken <= 4  # one was given, two are done, one waits
    assert threads.paused(list) == list(range(1, work.taken))
    assert threads.next() == 1
    threads.close()
    assert _ended(f"bounded {kind.__name__}")


def test_a_closed_session_ends_the_threads() -> None:
    run: Any = _Run()
    line = Line(run, 2, _Work(1000).take, "cancelled")
    assert line.next() == 0
    run.cancellation.cancel()
    assert _ended("cancelled")


class _Numbers(Stage):
    """A stage that hands on what comes of pieces of work."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def next(self) -> Any:
        found = self._line.next()
        return None if found is None else (found,)

    def close(self) -> None:
        self._line.close()


def test_a_thread_that_runs_ahead_is_one_of_the_workers() -> None:
    run: Any = _Run()
    workers: set[str] = set()
    work = _Work(40)

    def take() -> Any:
        piece = work.take()
        return piece and (lambda: (workers.add(threading.current_thread().name), piece())[1])

    ahead = Background(_Numbers(Line(run, 2, take, "helped")), 2, run, "running ahead")
    assert [ahead.next() for _ in range(41)] == [*((i,) for i in range(40)), None]
    assert workers == {"millrace helped", "millrace running ahead"}
    ahead.close()
    assert _ended("helped") and _ended("running ahead")


def _pictures(data: Any) -> Any:
    def prepare(x: Any) -> Any:
        pixels = tf.reshape(tf.decode_raw(x, tf.uint8), [64, 3])
        pixels = tf.random_crop(pixels, [32, 3], seed=5)
        return tf.cast(pixels, tf.float32) / 127.5 - 1.0, tf.strings.length(x)

    return data.map(prepare, num_parallel_calls=2)


@pytest.mark.parametrize("drop", [True, False])
def test_batches_are_those_of_single_elements_to_the_bit(drop: bool) -> None:
    rng = np.random.RandomState(3)
    rows = [rng.bytes(192) for _ in range(50)]
    with tf.Graph().as_default(), tf.Session() as sess:
        data = tf.data.Dataset.from_tensor_slices(rows)
        one = _pictures(data).make_one_shot_iterator().get_next()
        alone = [sess.run(one) for _ in rows]
    with tf.Graph().as_default(), tf.Session() as sess:
        data = tf.data.Dataset.from_tensor_slices(rows)
        batch = _pictures(data).batch(8, drop).make_one_shot_iterator().get_next()
        at = 0
        while at < (48 if drop else 50):
            pixels, lengths = sess.run(batch)
            np.testing.assert_array_equal(pixels, np.stack([a[0] for a in alone[at : at + 8]]))
            assert lengths.tolist() == [a[1] for a in alone[at : at + 8]]
            at += len(lengths)
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(batch)


def test_a_forgotten_iterator_ends_its_threads() -> None:
    with tf.Graph().as_default(), tf.Session() as sess:
        data = tf.data.Dataset.from_tensor_slices([b"x" * 192] * 50).repeat()
        iterator = _pictures(data).make_initializable_iterator()
        sess.run(iterator.initializer)
        sess.run(iterator.get_next())
        before = [t for t in threading.enumerate() if t.name == "millrace map"]
        assert len(before) == 2
        sess.run(iterator.initializer)  # another takes its place
        gc.collect()
        for thread in before:
            thread.join(5)
        assert not any(thread.is_alive() for thread in before)


@pytest.mark.parametrize("kind", [Line, Pool])
def test_a_pause_hears_of_a_result_that_is_not_the_oldest(kind: Any) -> None:
    gates = [threading.Event() for _ in range(3)]
    numbers = iter(range(3))

    def take() -> Any:
        number = next(numbers, None)
        return None if number is None else lambda: (gates[number].wait(30), number)[1]

    threads = kind(_Run(), 3, take, "paused")
    gates[0].set()
    assert threads.next() == 0
    saving = threading.Thread(target=lambda: saved.extend(threads.paused(list)), daemon=True)
    saved: list[int] = []
    gates[1].set()  # the oldest is done
    saving.start()
    time.sleep(0.05)  # who pauses waits for the rest
    gates[2].set()
    saving.join(30)
    assert saved == [1, 2]
    threads.close()


def test_one_who_helps_never_waits_for_room_that_it_is_to_make() -> None:
    run: Any = _Run()
    numbers = iter(range(5_000))

    def take() -> Any:
        number = next(numbers, None)
        return None if number is None else lambda: number

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        line = Line(run, 2, take, "crowded")
        given: list[int] = []
        helper = _Filling(target=lambda: given.extend(iter(line.next, None)), daemon=True)
        helper.start()
        helper.join(30)
        assert given == list(range(5_000))
        line.close()
    finally:
        sys.setswitchinterval(before)


@pytest.mark.parametrize("kind", [Line, Pool])
def test_who_waits_for_threads_that_another_closes_goes_on(kind: Any) -> None:
    began, gate = threading.Event(), threading.Event()
    threads = kind(_Run(), 2, lambda: lambda: (began.set(), gate.wait(30)), "closed meanwhile")
    outcome: list[Any] = []

    def take() -> None:
        try:
            outcome.append(threads.next())
            outcome.append(threads.next())
        except tf.errors.CancelledError as error:
            outcome.append(error)

    taking = threading.Thread(target=take, daemon=True)
    taking.start()
    assert began.wait(10)
    threads.stop()
    gate.set()
    taking.join(10)
    assert not taking.is_alive()


def test_a_finalizer_never_waits_for_a_lock() -> None:
    condition, held, go = threading.Condition(), threading.Event(), threading.Event()
    stopped = False

    def wait() -> None:
        with condition:
            held.set()
            go.wait(30)  # as one who waits for what the finalizer's thread holds
            wait_until(condition, lambda: stopped)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    assert held.wait(10)
    stopped = True
    wake_from_finalizer(condition)
    go.set()
    waiting.join(10)
    assert not waiting.is_alive()
