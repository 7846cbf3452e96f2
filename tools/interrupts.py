"""Interrupts training steps at random times, thousands of times, and looks whether each is whole or absent.

    python tools/interrupts.py [--count 2000] [--tier interpret|compile|auto] [--kind small|many|cut|rows]

Kinds: `small`, two vectors; `many`, 700 scalars; `cut`, a step around a Python function and a queue; `rows`,
tables that are changed in place. A run is lost when a variable is gone, torn when variables disagree.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

KINDS = ("small", "many", "cut", "rows")
TIERS = ("interpret", "compile", "auto")


def build(tf: Any, kind: str) -> tuple[Any, list[Any], list[Any]]:
    """A step, its variables, which always hold one number, and what has to run before each step."""
    if kind == "small":
        vs = [tf.get_variable(n, [4096], initializer=tf.zeros_initializer()) for n in "vw"]
        return tf.group(*[v.assign_add(tf.ones([4096])) for v in vs]), vs, []
    if kind == "many":
        vs = [tf.get_variable(f"v{i}", [], initializer=tf.zeros_initializer()) for i in range(700)]
        return tf.group(*[v.assign_add(1.0) for v in vs]), vs, []
    if kind == "rows":
        vs = [tf.get_variable(n, [64, 2], initializer=tf.zeros_initializer()) for n in "vw"]
        add = [tf.scatter_add(v, list(range(64)), tf.ones([64, 2])) for v in vs]
        return tf.group(*add), vs, []
    vs = [tf.get_variable(n, [4096], initializer=tf.zeros_initializer()) for n in "vwx"]
    first = vs[0].assign_add(tf.ones([4096]))
    queue = tf.FIFOQueue(10, tf.float32, [[]])
    with tf.control_dependencies([first]):
        taken = queue.dequeue()
        one = tf.py_func(lambda x: x, [taken], tf.float32)
    one.set_shape([])
    with tf.control_dependencies([one]):
        step = tf.group(*[v.assign_add(tf.fill([4096], one)) for v in vs[1:]])
    return step, vs, [tf.cond(queue.size() < 5, lambda: queue.enqueue_many([[1.0] * 5]), tf.no_op)]


def interrupt(tf: Any, kind: str, count: int, report: Callable[[str], None] = print) -> tuple[int, int]:
    """How many interrupts came, and how many steps were torn or lost."""
    rng, seen, bad = random.Random(0), 0, 0
    with tf.Graph().as_default(), tf.Session() as sess:
        step, variables, before = build(tf, kind)
        sess.run(tf.global_variables_initializer())

        def once() -> None:
            for op in before:
                sess.run(op)
            sess.run(step)

        for _ in range(20):
            once()
        started = time.perf_counter()
        for _ in range(10):
            once()
        length = (time.perf_counter() - started) / 10
        old = signal.signal(signal.SIGALRM, signal.default_int_handler)
        try:
            while seen < count:
                try:
                    signal.setitimer(signal.ITIMER_REAL, 1e-4 + 2 * length * rng.random())
                    while True:
                        once()
                except KeyboardInterrupt:
                    seen += 1
                signal.setitimer(signal.ITIMER_REAL, 0)
                got = sess.run(variables)
                if min(v.min() for v in got) != max(v.max() for v in got):
                    bad += 1
                    report(f"torn at {seen}: {[v.ravel()[:2] for v in got[:3]]}")
                    sess.run(tf.global_variables_initializer())
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, old)
    return seen, bad


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--tier", choices=TIERS, action="append")
    parser.add_argument("--kind", choices=KINDS, action="append")
    asked = parser.parse_args()
    import millrace as tf

    failed = 0
    for tier in asked.tier or TIERS:
        os.environ["MILLRACE_TIER"] = tier
        for kind in asked.kind or KINDS:
            seen, bad = interrupt(tf, kind, asked.count)
            failed += bad
            print(f"{tier:10} {kind:6} {seen} interrupts, {bad} torn", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
