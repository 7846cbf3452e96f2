"""Tests of the operations of dual coordinate ascent."""

import math

import numpy as np
import pytest

import millrace as tf


def one_pass(
    loss="squared_loss", x=((1.0, 2.0),), y=(1.0,), c=None, w=(0.1, 0.2), state=None, sparse=None, **given
):
    """The new state, and the changes of all weights, of one pass."""
    n = len(y)
    options = {"l1": 0.0, "l2": 1.0, "num_loss_partitions": 1, "num_inner_iterations": 1, "adaptative": False}
    columns = sparse or ([], [], [], [], [])
    dense = [] if x is None else [np.array(x, np.float32)]
    weights = [] if x is None else [np.array(w, np.float32)[:, None]]
    with tf.Graph().as_default(), tf.Session() as session:
        found = tf.train.sdca_optimizer(
            *columns[:3], dense, [1.0] * n if c is None else c, y, *columns[3:],
            weights, np.zeros((n, 4), np.float32) if state is None else np.array(state, np.float32),
            loss_type=loss, **{**options, **given},
        )  # fmt: skip
        new, of_sparse, of_dense = session.run(found)
    return new, [*of_sparse, *of_dense]


@pytest.mark.parametrize(
    ("loss", "given", "state", "change"),
    [  # numbers of TensorFlow 1.15
        ("logistic_loss", {}, [0.1900009, 0.474077, 0.0, 1.0], 0.1900009),
        ("logistic_loss", {"y": [0.0]}, [-0.2844746, 0.974077, 0.0, 1.0], -0.2844746),
        ("logistic_loss", {"c": [2.0]}, [0.1354018, 0.948154, 0.0, 2.0], 0.2708036),
        ("logistic_loss", {"l1": 0.5}, [0.2355011, 0.6931472, 0.0, 1.0], 0.2355011),
        ("logistic_loss", {"state": [[0.3, 9, 9, 9]]}, [0.3361235, 0.474077, -0.6108643, 1.0], 0.0361235),
        ("squared_loss", {"num_loss_partitions": 2}, [0.0454545, 0.125, 0.0, 1.0], 0.0454545),
        ("squared_loss", {"l2": 3.0}, [0.1875, 0.125, 0.0, 1.0], 0.0625),
        ("hinge_loss", {}, [0.1, 0.5, 0.0, 1.0], 0.1),
        ("hinge_loss", {"state": [[-0.3, 9, 9, 9]]}, [0.0, 0.5, math.inf, 1.0], 0.3),
        ("hinge_loss", {"c": [0.0]}, [1.0, 0.0, 0.0, 0.0], 0.0),
        ("smooth_hinge_loss", {"y": [0.0]}, [-0.25, 1.0, 0.0, 1.0], -0.25),
        ("smooth_hinge_loss", {"state": [[-0.3, 9, 9, 9]]}, [0.0, 0.125, math.inf, 1.0], 0.3),
        ("poisson_loss", {"y": [3.0]}, [0.1121055, 0.1487213, 0.2958369, 1.0], 0.1121055),
        (
            "poisson_loss",
            {"state": [[2.0, 0, 0, 0]], "w": [0, 0]},
            [0.9934782, 1.0, math.inf, 1.0],
            -1.0065218,
        ),
        ("poisson_loss", {"c": [0.0]}, [-0.6487213, 0.0, 0.0, 0.0], 0.0),
    ],
)
def test_one_example(loss, given, state, change):
    new, changes = one_pass(loss, **given)
    np.testing.assert_allclose(new[0], state, atol=1e-5)
    np.testing.assert_allclose(changes[0][:, 0], [change, 2 * change], atol=1e-5)


@pytest.mark.parametrize("loss", ["logistic_loss", "poisson_loss"])
@pytest.mark.parametrize("size", [1e-2, 1.0, 30.0])
@pytest.mark.parametrize("w", [-3.0, 0.0, 2.0])
def test_a_dual_variable_is_where_the_loss_has_its_slope(loss, size, w):
    new, changes = one_pass(loss, x=[[size]], y=[1.0], w=[w])
    z = size * (w + changes[0][0, 0])
    wanted = 1 / (1 + math.exp(z)) if loss == "logistic_loss" else 1 - math.exp(z)
    assert new[0, 0] == pytest.approx(wanted, rel=1e-3, abs=1e-4)


def test_passes_find_the_best_model():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 3)).astype(np.float32), rng.normal(size=12).astype(np.float32)
    best = np.linalg.solve(x.T @ x + 2 * np.eye(3), x.T @ y)
    for adaptive in (False, True):
        w, state = np.zeros(3), np.zeros((12, 4))
        for _ in range(40):
            state, changes = one_pass(x=x, y=y, w=w, state=state, l2=2.0, adaptative=adaptive)
            w = w + changes[0][:, 0]
        np.testing.assert_allclose(w, best, atol=1e-4)


def test_sparse_features():
    columns = ([[0, 0, 1]], [[2, 5, 2]], [[1.0, 2.0, 3.0]], [[5, 2]], [[0.2, 0.1]])
    new, changes = one_pass(x=None, y=[1.0, 0.0], sparse=columns)
    np.testing.assert_allclose(new[:, 0], [0.0833333, -0.055], atol=1e-6)
    np.testing.assert_allclose(changes[0], [0.1666667, -0.0816667], atol=1e-6)
    without = one_pass(x=None, y=[1.0, 0.0], sparse=(columns[0], columns[1], [], columns[3], columns[4]))
    np.testing.assert_allclose(without[0][:, 0], [0.2333333, -0.1666667], atol=1e-6)


@pytest.mark.parametrize(
    ("message", "given"),
    [
        ("labels of 0.0 or 1.0", {"loss": "logistic_loss", "y": [3.0]}),
        ("non-negative", {"loss": "poisson_loss", "y": [-1.0]}),
        (r"Expected shape \[1,4\]", {"state": [[0, 0, 0]]}),
        ("at least one feature", {"x": None}),
        ("Duplicate", {"x": None, "sparse": ([[0, 0]], [[2, 2]], [], [[2]], [[0.1]])}),
        ("out of valid range: 7", {"x": None, "sparse": ([[0, 0]], [[2, 7]], [], [[2]], [[0.1]])}),
        ("with a weight for each column", {"w": [0.0]}),
    ],
)
def test_what_is_refused(message, given):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        one_pass(**given)


def test_shrinking():
    variables = [tf.Variable([1.0, -2.0, 0.3]), tf.Variable([[0.5], [-0.1]])]
    shrink = tf.train.sdca_shrink_l1(variables, l1=1.0, l2=2.0)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(shrink)
        first, second = session.run(variables)
    np.testing.assert_allclose(first, [0.5, -1.5, 0.0])
    np.testing.assert_allclose(second, [[0.0], [0.0]])


def test_fingerprints():
    texts = ["", "a", "abc", "x" * 15, "x" * 16, "y" * 40, "z" * 127, "z" * 128, "q" * 300]
    with tf.Session() as session:
        found = session.run(tf.train.sdca_fprint(texts))
    assert found.tolist() == [  # of TensorFlow 1.15
        [4463240938071824939, 4374473821787594281],
        [7969074168056553668, 5955762262185338209],
        [4143508125394299908, -6879828354153669051],
        [8195766718438951253, 6372078740667408537],
        [-2639838977224831595, 160188369956113230],
        [-380523649718936798, -1157855863885851855],
        [-5796602132818348091, 9018391249309121099],
        [744477416931221756, -7103121300173684188],
        [6790035558762535343, 6294183422433203364],
    ]
