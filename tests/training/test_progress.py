"""The line that tells how far training is."""

import io
import sys

import pytest

import millrace as tf
from millrace.training.hooks import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def train(folder, error=None):
    class Failing(tf.train.SessionRunHook):
        def after_run(self, run_context, run_values):
            if error is not None:
                raise error

    def model_fn(features, labels, mode):
        w = tf.get_variable("w", [], initializer=tf.zeros_initializer())
        loss = tf.reduce_mean(tf.square(features - w))
        train_op = tf.train.GradientDescentOptimizer(0.1).minimize(loss, tf.train.get_global_step())
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)

    model = tf.estimator.Estimator(model_fn, str(folder))
    model.train(lambda: tf.data.Dataset.from_tensors([1.0, 2.0]).repeat(), hooks=[Failing()], steps=5)


def test_terminal_shows_step_loss_and_end(tmp_path, monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.delenv("MILLRACE_PROGRESS", raising=False)
    train(tmp_path)
    assert "step" in screen.getvalue() and "loss" in screen.getvalue()


def test_failure_takes_the_line_away(tmp_path, monkeypatch):
    closed = []
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.delenv("MILLRACE_PROGRESS", raising=False)
    close = progress.ProgressHook.close
    monkeypatch.setattr(
        progress.ProgressHook, "close", lambda self: (close(self), closed.append(self._progress))
    )
    with pytest.raises(KeyError):
        train(tmp_path, KeyError("stop"))
    assert closed[-1] is None


@pytest.mark.parametrize(("stream", "setting"), [(io.StringIO, "1"), (Terminal, "0")])
def test_pipes_and_the_setting_keep_it_off(stream, setting, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream())
    monkeypatch.setenv("MILLRACE_PROGRESS", setting)
    assert not progress.shows_progress()
