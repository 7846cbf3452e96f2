"""Losses of each example; the numbers are TensorFlow 1.15's."""

import numpy as np
import pytest
from millrace.contrib.boosted_trees.python.utils import losses

import millrace as tf

LABELS, WEIGHTS = np.array([[1], [0], [1]], np.float32), np.array([[1], [2], [0.5]], np.float32)
LOGITS = np.array([[0.3], [-1.2], [40]], np.float32)


def run(found):
    loss, update = found
    with tf.Session() as session:
        session.run(update)
        return session.run(loss)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("exp", [[0.47500744], [0.7357589], [0.18393973]]),
        ("full_exp", [[0.7408182], [0.6023884], [2.124177e-18]]),
        ("logistic", [[0.55435526], [0.5265649], [2.124177e-18]]),
        ("squared", [[0.49], [2.88], [760.5]]),
        ("squared_hinge", 0.054444443),
    ],
)
def test_losses_of_one_logit(name, expected):
    found = run(getattr(losses, f"per_example_{name}_loss")(LABELS, WEIGHTS, LOGITS))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("quantile", "expected"),
    [(0.2, [0.36, 0.0324, 0.0064, 1.2, 2.4]), (0.7, [2.1, 0.3969, 0.0009, 0.2025, 0.81])],
)
def test_quantile_losses(quantile, expected):
    logits = np.array([[-3], [-0.9], [0.1], [1.5], [3]], np.float32)
    found = run(losses.per_example_quantile_regression_loss(0 * logits, 1 + 0 * logits, logits, quantile))
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("labels", [[[0], [2]], [0, 2]])
def test_the_loss_of_classes_has_second_derivatives(labels):
    logits = tf.constant([[1.0, 2, 3], [0, 0, 0]])
    loss, _ = losses.per_example_maxent_loss(labels, None, logits, 3)
    gradients = tf.gradients(loss, logits)[0]
    second = tf.gradients(gradients[:, 0], logits)[0]
    with tf.Session() as session:
        values = session.run([loss, gradients, second])
    likely = np.array([0.09003057, 1 / 3], np.float32)
    np.testing.assert_allclose(values[0], -np.log(likely)[:, None], rtol=1e-6)
    np.testing.assert_allclose(values[1][:, 0], likely - [1, 0], rtol=1e-5)
    np.testing.assert_allclose(values[2][:, 0], likely * (1 - likely), rtol=1e-5)
