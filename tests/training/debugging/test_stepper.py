"""The debugger of the command line, driven by what a user would type."""

import numpy as np
import pytest

import millrace as tf
from millrace.training.debugging import stepper


@pytest.fixture
def typed(monkeypatch):
    """Answers the prompts with these commands."""

    def start(*commands):
        answers = iter(commands)

        def answer(prompt):
            try:
                return next(answers)
            except StopIteration:
                raise EOFError from None

        monkeypatch.setattr("builtins.input", answer)
        return answers

    return start


def program():
    x = tf.placeholder(tf.float32, [None], name="x")
    return x, tf.reduce_sum(tf.log(x, name="bad") * 2.0, name="sum")


def test_a_filter_stops_at_the_first_bad_tensor(typed, capsys):
    x, total = program()
    typed("run -f has_inf_or_nan", "pt bad", "lt", "run")
    with stepper.LocalCLIDebugWrapperSession(tf.Session()) as sess:
        assert sess.run(total, {x: [1.0, 0.0]}) == -np.inf
        assert sess.run_call_count == 1
    text = capsys.readouterr().out
    assert "has_inf_or_nan: Log 'bad', created at test_stepper.py" in text
    assert "[  0. -inf]" in text
    assert "sum:0 =" not in text


def test_breaks_steps_and_filters_of_the_users(typed, capsys):
    x, total = program()
    typed("break bad", "run", "step", "run", "run -f none", "run -f large", "run -n")
    sess = stepper.LocalCLIDebugWrapperSession(tf.Session(), ui_type="readline")
    sess.add_tensor_filter("large", lambda datum, value: datum.node_name == "sum" and value > 1)
    assert sess.run(total, {x: [np.e]}) == pytest.approx(2.0)
    assert sess.run(total, {x: [np.e]}) == pytest.approx(2.0)
    text = capsys.readouterr().out
    assert "break: Log 'bad'" in text
    assert "step: Mul" in text
    assert "there is no filter 'none'" in text
    sess.close()


def test_runs_without_questions(typed, capsys):
    x, total = program()
    typed("help", "run -t 2")
    sess = stepper.LocalCLIDebugWrapperSession(tf.Session())
    for _ in range(3):  # the third finds nobody to ask
        assert sess.run({"total": total}, {x: [1.0]}) == {"total": 0.0}
    text = capsys.readouterr().out
    assert text.count("--- run") == 2
    assert "list the tensors" in text


def test_leaving_changes_no_variable(typed):
    v = tf.get_variable("v", initializer=1.0)
    inner = tf.Session()
    inner.run(v.initializer)
    typed("break AssignAdd", "run", "exit")
    with pytest.raises(SystemExit):
        stepper.LocalCLIDebugWrapperSession(inner).run(v.assign_add(1.0))
    assert inner.run(v) == 1.0


def test_the_hook_asks_in_monitored_sessions(typed, capsys):
    total = tf.constant(1.0, name="one") + tf.placeholder_with_default(2.0, [], name="two")
    typed("step", "run")
    with tf.train.MonitoredSession(hooks=[stepper.LocalCLIDebugHook()]) as sess:
        assert sess.run(total) == 3.0
    assert "--- run" in capsys.readouterr().out
    from millrace.session import session

    assert not session.observers


def test_what_is_not_a_session_or_a_prompt_is_refused():
    with pytest.raises(TypeError, match="BaseSession"):
        stepper.LocalCLIDebugWrapperSession("x")
    with pytest.raises(ValueError, match="ui_type"):
        stepper.LocalCLIDebugWrapperSession(tf.Session(), ui_type="web")


def test_it_has_tensorflows_private_names():
    from millrace.python import debug

    assert debug.LocalCLIDebugWrapperSession is stepper.LocalCLIDebugWrapperSession
    assert debug.has_inf_or_nan(None, np.float32([np.nan]))
    assert not debug.has_inf_or_nan(None, np.int32([1]))
