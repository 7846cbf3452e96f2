"""`tf.contrib.learn.graph_actions`: trainings that go on, evaluations, and what is refused."""

import os

import numpy as np
import pytest

import millrace as tf

G, L = tf.contrib.learn.graph_actions, tf.contrib.learn


def drawn(factor=1.0):
    graph = tf.Graph()
    with graph.as_default():
        step = tf.train.create_global_step()
        weight = tf.get_variable("v", initializer=2.0)
        loss = tf.square(weight) * factor
        return graph, weight, loss, tf.train.GradientDescentOptimizer(0.1).minimize(loss, step)


def test_a_training_goes_on_from_its_checkpoint(tmp_path):
    # From TensorFlow 1.15.5.
    folder = str(tmp_path)
    graph, _, loss, step = drawn()
    assert L.train(graph, folder, step, loss, steps=3) == pytest.approx(1.6384)
    graph, _, loss, step = drawn()
    assert L.train(graph, folder, step, loss, max_steps=5) == pytest.approx(0.6710885)
    graph, _, loss, step = drawn()
    assert L.train(graph, folder, step, loss, max_steps=5) is None


def test_an_evaluation_counts_batches_and_writes_a_summary(tmp_path):
    graph, weight, loss, step = drawn()
    L.train(graph, str(tmp_path / "t"), step, loss, steps=2)
    graph, weight, _, _ = drawn()
    with graph.as_default():
        count = tf.get_variable("n", initializer=0.0, collections=[tf.GraphKeys.LOCAL_VARIABLES])
        update = count.assign_add(1.0)
    found, at = L.evaluate(
        graph, str(tmp_path / "e"), str(tmp_path / "t"), {"v": weight, "n": count}, update, max_steps=4
    )
    assert at == 2
    np.testing.assert_allclose([found["v"], found["n"]], [1.28, 4.0], rtol=1e-6)
    (name,) = os.listdir(tmp_path / "e")
    events = list(tf.train.summary_iterator(str(tmp_path / "e" / name)))
    assert {v.tag for event in events for v in event.summary.value} == {"n", "v"}


def test_feeds_end_an_evaluation(tmp_path):
    graph = tf.Graph()
    with graph.as_default():
        tf.train.create_global_step()
        fed = tf.placeholder_with_default(0.0, [])
        total = tf.get_variable("n", initializer=0.0, collections=[tf.GraphKeys.LOCAL_VARIABLES])
        update = total.assign_add(fed)
    feeds = iter([{fed: 1.0}, {fed: 2.0}])
    found, _ = L.evaluate(
        graph, str(tmp_path), None, {"n": total}, update, feed_fn=lambda: next(feeds), log_every_steps=1
    )
    assert found["n"] == 3.0


def test_refused(tmp_path):
    graph, _, loss, step = drawn(np.nan)
    with pytest.raises(L.NanLossDuringTrainingError):
        L.train(graph, str(tmp_path), step, loss, steps=1)
    graph, _, loss, step = drawn()
    with pytest.raises(ValueError, match="both steps and max_steps"):
        L.train(graph, str(tmp_path), step, loss, steps=1, max_steps=1)
    with pytest.raises(ValueError, match="Output directory should be non-empty"):
        L.train(graph, "", step, loss)
    with pytest.raises(ValueError, match="No 'global_step'"):
        L.evaluate(tf.Graph(), str(tmp_path), None, {})
