"""Tests of splines and warps."""

import numpy as np
import pytest

import millrace as tf

I = tf.contrib.image  # noqa: E741
_rng = np.random.default_rng(5)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 6])
def test_a_spline_meets_its_points_and_keeps_planes(order):
    points = _rng.uniform(size=(1, 6, 2)).astype(np.float32)
    values = _rng.normal(size=(1, 6, 1)).astype(np.float32)
    planes = points @ np.array([[2.0], [-1.0]], np.float32) + 3
    with tf.Session() as session:
        at = session.run(I.interpolate_spline(points, values, points, order))
        elsewhere = session.run(I.interpolate_spline(points, planes, points + 0.1, order))
    np.testing.assert_allclose(at, values, atol=2e-2)
    np.testing.assert_allclose(elsewhere, planes + 0.1, atol=2e-2)


def test_dense_warp_shifts_and_stops_at_edges():
    image = np.arange(24, dtype=np.float32).reshape(1, 4, 6, 1)
    flow = np.zeros((1, 4, 6, 2), np.float32)
    flow[..., 1] = 1.5
    with tf.Session() as session:
        warped = session.run(I.dense_image_warp(image, flow))
    np.testing.assert_allclose(warped[0, 0, :, 0], [0, 0, 0.5, 1.5, 2.5, 3.5])
    with pytest.raises(tf.errors.InvalidArgumentError), tf.Session() as session:
        session.run(I.dense_image_warp(image[:, :1], flow[:, :1]))


@pytest.mark.parametrize("boundary", [0, 2])
def test_sparse_warp_moves_its_points(boundary):
    image = _rng.uniform(size=(2, 8, 8, 1)).astype(np.float32)
    source = np.array([[[2.0, 2.0], [5.0, 3.0], [3.0, 5.0]]] * 2, np.float32)
    dest = source + np.array([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]] * 2, np.float32)
    with tf.Session() as session:
        warped, flow = session.run(I.sparse_image_warp(image, source, dest, num_boundary_points=boundary))
    assert flow.shape == (2, 8, 8, 2)
    for (y, x), (v, u) in zip(source[0].astype(int), dest[0].astype(int), strict=True):
        np.testing.assert_allclose(warped[:, v, u], image[:, y, x], atol=1e-3)
    with pytest.raises(ValueError, match="known"):
        I.sparse_image_warp(tf.placeholder(tf.float32, [None, 8, 8, 1]), source, dest)
