"""Feeds programs from many threads for a while, and counts: nothing lost, repeated or left behind.

    python tools/soak_input.py [--seconds 600] [--threads 8] [--elements]

Each round makes a pipeline of another kind, of random sizes, takes it to its end from all threads at once,
and compares what came with what went in. Some rounds are cut off in the middle: the session is closed while
threads wait. After each round all threads must be gone; after all, memory must not have grown. With
`--elements`, instead, ten million elements go through one pipeline, and memory is measured on the way.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import gc
import os
import random
import resource
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import millrace as tf


def resident() -> float:
    """MiB of memory in use."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def threaded_map(count: int, threads: int, rng: random.Random) -> tuple[Any, list[int]]:
    """A map in threads, interleaved, prefetched."""
    data = tf.data.Dataset.range(count).apply(
        tf.data.experimental.parallel_interleave(
            lambda x: tf.data.Dataset.from_tensors(x).repeat(3), cycle_length=rng.randint(1, 5), sloppy=False
        )
    )
    data = data.map(lambda x: tf.py_func(lambda v: v, [x], tf.int64), num_parallel_calls=threads)
    data = data.prefetch(rng.randint(1, 20)).shuffle(rng.randint(1, 50))
    return data.make_one_shot_iterator().get_next(), [*range(count)] * 3


def shuffled(count: int, threads: int, rng: random.Random) -> tuple[Any, list[int]]:
    """Shuffled, repeated, batched and taken apart again."""
    data = tf.data.Dataset.range(count).shuffle(rng.randint(1, 2 * count)).repeat(2)
    data = data.batch(rng.randint(1, 9)).map(lambda x: x * 2).apply(tf.data.experimental.unbatch())
    return data.prefetch(4).make_one_shot_iterator().get_next(), [2 * i for i in range(count)] * 2


def queued(count: int, threads: int, rng: random.Random) -> tuple[Any, list[int]]:
    """Slices, runners, batches of one."""
    (number,) = tf.train.slice_input_producer([np.arange(count)], num_epochs=2)
    batch = tf.train.batch([number + 1], 1, num_threads=threads, capacity=rng.randint(1, 64))
    return batch[0], [*range(1, count + 1)] * 2


def randomly_queued(count: int, threads: int, rng: random.Random) -> tuple[Any, list[int]]:
    """Slices through a function of Python into a queue that shuffles."""
    (number,) = tf.train.slice_input_producer([np.arange(count)], num_epochs=1)
    number = tf.py_func(lambda v: v, [number], tf.int64)
    number.set_shape([])
    batch = tf.train.shuffle_batch([number], 1, rng.randint(10, 40), 5, num_threads=threads)
    return batch[0], [*range(count)]


KINDS: list[Callable[..., tuple[Any, list[int]]]] = [threaded_map, shuffled, queued, randomly_queued]


def round_of(kind: Callable[..., Any], threads: int, rng: random.Random) -> str | None:
    """One pipeline from its beginning to its end, or to a point in the middle; what was wrong, or None."""
    cut = rng.random() < 0.25
    before = threading.active_count()
    taken: collections.Counter[int] = collections.Counter()
    lock, failures = threading.Lock(), []
    with tf.Graph().as_default():
        element, wanted = kind(rng.randint(1, 400), threads, rng)
        sess = tf.Session()
        sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        coordinator = tf.train.Coordinator()
        runners = []
        if tf.get_collection(tf.GraphKeys.QUEUE_RUNNERS):
            runners = tf.train.start_queue_runners(sess, coordinator)

        def take() -> None:
            try:
                while True:
                    value = int(sess.run(element))
                    with lock:
                        taken[value] += 1
            except (tf.errors.OutOfRangeError, tf.errors.CancelledError, RuntimeError):
                pass
            except Exception as error:
                failures.append(repr(error))

        takers = [threading.Thread(target=take) for _ in range(threads)]
        for thread in takers:
            thread.start()
        if cut:
            time.sleep(rng.random() * 0.05)
            coordinator.request_stop()
            sess.close()
        for thread in takers:
            thread.join(30)
        coordinator.request_stop()
        with contextlib.suppress(tf.errors.CancelledError, RuntimeError):
            coordinator.join(runners, stop_grace_period_secs=10)
        sess.close()
    expected = collections.Counter(wanted)
    if failures:
        return f"{kind.__name__}: {failures[0]}"
    if any(thread.is_alive() for thread in takers):
        return f"{kind.__name__}: a thread is stuck"
    if taken - expected or (not cut and expected - taken):
        return f"{kind.__name__}: repeated {taken - expected}, lost {expected - taken}"
    until = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    if threading.active_count() > before:
        return f"{kind.__name__}: threads left: {[t.name for t in threading.enumerate()]}"
    return None


def soak(seconds: float, threads: int, seed: int) -> int:
    """Rounds until the time is over; how many went wrong."""
    rng, until = random.Random(seed), time.monotonic() + seconds
    rounds, wrong, sizes = 0, 0, []
    while time.monotonic() < until:
        problem = round_of(KINDS[rounds % len(KINDS)], threads, rng)
        rounds += 1
        if problem:
            wrong += 1
            print(f"round {rounds}: {problem}", flush=True)
        if rounds % 50 == 0:
            gc.collect()
            sizes.append(resident())
            print(f"{rounds} rounds, {wrong} wrong, {sizes[-1]:.0f} MiB", flush=True)
    print(f"{rounds} rounds in {seconds:.0f} s with {threads} threads: {wrong} wrong; MiB: {sizes}")
    return wrong


def elements(count: int) -> int:
    """Many elements through one pipeline; 1 where memory grew by more than 64 MiB after the first tenth."""
    data = tf.data.Dataset.range(count).shuffle(1000).map(lambda x: x + 1).batch(1000).prefetch(2)
    batch = data.make_one_shot_iterator().get_next()
    seen, sizes, start = 0, [], time.monotonic()
    with tf.Session() as sess, contextlib.suppress(tf.errors.OutOfRangeError):
        while True:
            seen += len(sess.run(batch))
            if seen % (count // 10) == 0:
                sizes.append(resident())
                print(f"{seen:,} elements, {sizes[-1]:.0f} MiB, {time.monotonic() - start:.0f} s", flush=True)
    return int(seen != count or sizes[-1] - sizes[0] > 64)


def main() -> int:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seed", type=int, default=os.getpid())
    parser.add_argument("--elements", action="store_true")
    given = parser.parse_args()
    if given.elements:
        return elements(10_000_000)
    print(f"seed {given.seed}")
    return soak(given.seconds, given.threads, given.seed) and 1


if __name__ == "__main__":
    raise SystemExit(main())
