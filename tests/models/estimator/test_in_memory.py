"""Evaluations beside a training: when they happen, what they see, and what is refused."""

import glob
import os

import numpy as np
import pytest

import millrace as tf

E = tf.estimator


def model_fn(features, labels, mode):
    weight = tf.get_variable("w", initializer=np.float32(1.0))
    loss = tf.reduce_mean(tf.square(features["x"] * weight - labels))
    step = tf.train.GradientDescentOptimizer(0.1).minimize(loss, tf.train.get_global_step())
    return E.EstimatorSpec(mode, loss=loss, train_op=step, eval_metric_ops={"w": tf.metrics.mean(weight)})


def given():
    return tf.data.Dataset.from_tensors(({"x": tf.ones([2])}, tf.zeros([2]))).repeat()


def test_it_evaluates_first_between_and_last(tmp_path):
    model = E.Estimator(model_fn, str(tmp_path), E.RunConfig(save_checkpoints_steps=100))
    hook = E.experimental.InMemoryEvaluatorHook(model, given, steps=1, every_n_iter=2)
    model.train(given, hooks=[hook], steps=4)
    found = []
    for name in glob.glob(os.path.join(model.eval_dir(), "events*")):
        for event in tf.train.summary_iterator(name):
            values = {v.tag: v.simple_value for v in event.summary.value}
            if "w" in values:
                found.append((event.step, values["w"], values["loss"]))
    steps = [step for step, _, _ in found]
    assert steps == [0, 2, 4, 4]
    np.testing.assert_allclose([w for _, w, _ in found], [1.0, 0.64, 0.4096, 0.4096], rtol=1e-6)
    np.testing.assert_allclose([loss for _, _, loss in found], [w * w for _, w, _ in found], rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda m: E.experimental.InMemoryEvaluatorHook(m, given, every_n_iter=0), ValueError),
        (lambda m: E.experimental.InMemoryEvaluatorHook(object(), given), TypeError),
    ],
)
def test_refused(tmp_path, make, error):
    with pytest.raises(error, match="."):
        make(E.Estimator(model_fn, str(tmp_path)))
