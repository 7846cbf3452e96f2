"""`GradientTape` in a graph: which variables it watches."""

from __future__ import annotations

import millrace as tf


def _variable(name: str, **settings: bool) -> tf.Variable:
    return tf.get_variable(name, [2], use_resource=True, **settings)


def _names(tape: tf.GradientTape) -> list[str]:
    return sorted(v.op.name for v in tape.watched_variables())


def test_what_is_read_inside_is_watched() -> None:
    a, after = _variable("a"), _variable("after")
    constant, reference = _variable("constant", trainable=False), tf.get_variable("reference", [2])
    with tf.GradientTape() as tape:
        made = _variable("made")
        _variable("unread")
        assert (a * reference + constant * made).shape == [2]
    assert (after * 2.0).shape == [2]
    assert _names(tape) == ["a", "made"]


def test_watching_can_be_off_paused_and_forgotten() -> None:
    a, b = _variable("a"), _variable("b")
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(b)
        assert (a * 1.0).shape == [2]
    assert _names(tape) == ["b"]
    with tf.GradientTape() as tape:
        with tape.stop_recording():
            assert (a * 2.0).shape == [2]
        assert _names(tape) == []
        assert (b * 2.0).shape == [2]
        tape.reset()
        assert _names(tape) == []
        assert (a * 3.0).shape == [2]
    assert _names(tape) == ["a"]
