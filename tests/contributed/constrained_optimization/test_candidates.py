"""Tests of the best distribution over candidates; numbers of TensorFlow 1.15."""

import numpy as np
import pytest

import millrace as tf

_best = tf.contrib.constrained_optimization.find_best_candidate_distribution


@pytest.mark.parametrize(
    ("objectives", "constraints", "expected"),
    [
        ([1.0, 2.0, 3.0], [[0.5, -0.2, -0.3], [0.1, 0.2, -0.1]], [0.36363636, 0.09090909, 0.54545455]),
        ([1.0, 2.0], [[0.5, 0.2]], [0.0, 1.0]),
        ([3.0, 1.0, 2.0, 0.0], [[-0.5, 0.2, 0.0, 0.9]], [0.2857143, 0.7142857, 0.0, 0.0]),
    ],
)
def test_the_best_distribution(objectives, constraints, expected):
    np.testing.assert_allclose(_best(objectives, constraints), expected, atol=1e-5)


def test_refusals():
    with pytest.raises(ValueError, match="shape"):
        _best([1.0], np.ones((2, 3)))
    with pytest.raises(ValueError, match="non-negative"):
        _best([1.0], [[0.5]], epsilon=-1.0)
    with pytest.raises(ValueError, match="at least one"):
        _best([], np.ones((1, 0)))
