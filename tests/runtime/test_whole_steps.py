"""A step is done or not done: whatever signals come, and whichever of its operations fails."""

import importlib.util
import pathlib
import signal
import threading

import numpy as np
import pytest

import millrace as tf
from millrace.runtime import interpret
from millrace.runtime.commit import held

_TOOL = pathlib.Path(__file__).parents[2] / "tools" / "interrupts.py"
_spec = importlib.util.spec_from_file_location("interrupts", _TOOL)
interrupts = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(interrupts)

unix = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timers here")


@unix
@pytest.mark.parametrize(
    ("kind", "tier"),
    [
        *[(kind, "interpret") for kind in ("small", "cut", "rows", "many")],
        *[pytest.param(kind, "compile", marks=pytest.mark.xla) for kind in ("small", "cut", "rows")],
        # compiling seven hundred variables takes minutes
        pytest.param("many", "compile", marks=[pytest.mark.xla, pytest.mark.slow]),
    ],
)
def test_interrupts_at_random_times(kind, tier, monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", tier)
    assert interrupts.interrupt(tf, kind, 25) == (25, 0)


@pytest.mark.slow
@unix
@pytest.mark.parametrize("tier", interrupts.TIERS)
@pytest.mark.parametrize("kind", interrupts.KINDS)
def test_two_thousand_interrupts(kind, tier, monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", tier)
    assert interrupts.interrupt(tf, kind, 2000) == (2000, 0)


class Injected(Exception):
    pass


@pytest.mark.parametrize("kind", ["small", "cut", "rows"])
def test_a_failure_at_every_operation(kind, monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", "interpret")
    step, variables, before = interrupts.build(tf, kind)
    call, at, count = interpret._Source._call, [-1], [0]

    def failing(source, step):
        count[0] += 1
        if count[0] - 1 != at[0]:
            return call(source, step)
        source.names["fail"] = fail
        return f"fail(); {call(source, step)}"

    def fail():
        raise Injected

    for moment in range(50):
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            for op in before:
                sess.run(op)
            at[0], count[0] = moment, 0
            with monkeypatch.context() as patch:
                patch.setattr(interpret._Source, "_call", failing)
                try:
                    sess.run(step)
                    ended = True
                except Injected:
                    ended = False
            values = {float(x) for v in sess.run(variables) for x in np.ravel(v)}
            assert values == ({1.0} if ended else {0.0})
            if ended:
                break


def test_what_a_part_changed_in_place_is_taken_back():
    v = tf.Variable(np.zeros((4, 2), np.float32))
    rows = tf.scatter_add(v, [1], [[1.0, 1.0]])
    queue = tf.FIFOQueue(1, tf.float32, [[]])
    with tf.control_dependencies([rows]):
        take = queue.dequeue()
    with tf.Session() as sess:
        sess.run(v.initializer)
        with pytest.raises(tf.errors.DeadlineExceededError):
            sess.run([rows, take], options=tf.RunOptions(timeout_in_ms=50))
        assert not sess.run(v).any()


def test_signals_wait_until_the_end():
    seen = []
    old = signal.signal(signal.SIGINT, lambda *_: seen.append(len(seen)))
    try:
        with held():
            signal.raise_signal(signal.SIGINT)
            assert not seen
        assert seen == [0]
        worker = threading.Thread(target=lambda: held().__enter__())
        worker.start()
        worker.join()
        signal.raise_signal(signal.SIGINT)
        assert seen == [0, 1]
    finally:
        signal.signal(signal.SIGINT, old)


@pytest.mark.xla
def test_jax_keeps_the_users_precision_whatever_signals_come(monkeypatch):
    import jax

    monkeypatch.setenv("MILLRACE_TIER", "compile")
    for _ in range(3):
        interrupts.interrupt(tf, "small", 25)
        assert not jax.config.jax_enable_x64
