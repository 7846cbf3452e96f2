"""Projective transforms whose result is known without them."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite

_X = np.random.default_rng(0).random((2, 5, 5, 3)).astype(np.float32)
_IDENTITY = np.float32([[1, 0, 0, 0, 1, 0, 0, 0]])
_LEFT = np.float32([[1, 0, 1, 0, 1, 0, 0, 0]])  # reads one pixel to the right


def _moved(x, *_):
    return np.concatenate([x[:, :, 1:], np.zeros_like(x[:, :, :1])], axis=2)


class TestProjectiveTransform(OpSuite):
    """Moves by whole pixels."""

    cases = tuple(
        OpCase(op, [_X, rows, *extra], oracle, interpolation=interpolation, wrt=())
        for op, extra in (("ImageProjectiveTransform", ()), ("ImageProjectiveTransformV2", ([5, 5],)))
        for rows, oracle in ((_IDENTITY, lambda x, *_: x), (_LEFT, _moved))
        for interpolation in ("NEAREST", "BILINEAR")
    )


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


@pytest.mark.parametrize("interpolation", ["NEAREST", "BILINEAR"])
def test_moves_and_turns(session, interpolation):
    image = tf.contrib.image
    moved, turned, single, half = session.run(
        [
            image.translate(_X, [-1, 0], interpolation),
            image.rotate(_X, [np.pi / 2, np.pi], interpolation),
            image.rotate(_X[0, :, :, 0], np.pi, interpolation),
            image.translate(_X, [0, 0.5], "BILINEAR"),
        ]
    )
    np.testing.assert_allclose(moved, _moved(_X), atol=1e-6)
    np.testing.assert_allclose(turned[0], np.rot90(_X[0]), atol=1e-5)
    np.testing.assert_allclose(turned[1], np.rot90(_X[1], 2), atol=1e-5)
    np.testing.assert_allclose(single, np.rot90(_X[0, :, :, 0], 2), atol=1e-5)
    np.testing.assert_allclose(half[:, 1:], (_X[:, 1:] + _X[:, :-1]) / 2, atol=1e-6)


def test_gradient_moves_back(session):
    x = tf.constant(_X)
    slope = session.run(tf.gradients(tf.contrib.image.translate(x, [-1, 0]), x, tf.constant(_X))[0])
    np.testing.assert_allclose(slope[:, :, 1:], _X[:, :, :-1])


def test_composition(session):
    rows = np.float32([1.1, 0.1, -0.3, 0.05, 0.9, 0.2, 0.01, -0.02])
    image = tf.contrib.image
    composed, matrix = session.run(
        [image.compose_transforms(rows, _LEFT), image.flat_transforms_to_matrices(rows)]
    )
    product = np.append(rows, 1).reshape(3, 3) @ np.append(_LEFT[0], 1).reshape(3, 3)
    np.testing.assert_allclose(composed[0], (product / product[2, 2]).reshape(-1)[:8], rtol=1e-5)
    np.testing.assert_allclose(matrix[0], np.append(rows, 1).reshape(3, 3))
    with pytest.raises(TypeError, match="rank"):
        image.transform(tf.zeros([3]), rows)


@pytest.mark.parametrize(
    ("name", "arguments", "count"),
    [
        ("rotate", (0.4,), 104),
        ("translate", ([1.0, 2.0],), 69),
        ("transform", ([1.0, 0, 0, 0, 1, 0, 0, 0],), 12),
    ],
)
def test_as_many_operations_as_in_1_15(name, arguments, count):
    """Their number is the default seed of what is drawn after them."""
    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.float32, [1, 5, 5, 1])
        getattr(tf.contrib.image, name)(images, *arguments)
        assert len(graph.get_operations()) == count


def test_transforms_one_after_the_other(session):
    image = tf.contrib.image
    turn = image.angles_to_projective_transforms(0.3, 10.0, 12.0)
    move = image.translations_to_projective_transforms([1.0, 2.0])
    both, single = session.run([image.compose_transforms(turn, move), turn])
    first = [0.95534, -0.29552, 1.57549, 0.29552, 0.95534, -1.42438, 0.0, 0.0]
    np.testing.assert_allclose(single, [first], atol=1e-5)
    matrices = [np.append(t, 1).reshape(3, 3) for t in (single[0], [1, 0, -1, 0, 1, -2, 0, 0])]
    np.testing.assert_allclose(both[0], (matrices[0] @ matrices[1]).ravel()[:8], atol=1e-5)
