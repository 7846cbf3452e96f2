"""Receptive fields, with the numbers of TensorFlow 1.15.5."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf

RF = tf.contrib.receptive_field
slim = tf.contrib.slim


def image(*shape: int | None) -> tf.Tensor:
    return tf.placeholder(tf.float32, shape or [1, None, None, 3], "x")


def conv(x: tf.Tensor, size: int, stride: int, padding: str, name: str | None = None) -> tf.Tensor:
    w = tf.get_variable(tf.get_default_graph().unique_name("w"), [size, size, 3, 3])
    return tf.nn.conv2d(x, w, [1, stride, stride, 1], padding, name=name)


def pool(x: tf.Tensor, size: int, stride: int, padding: str) -> tf.Tensor:
    return tf.nn.max_pool(x, [1, size, size, 1], [1, stride, stride, 1], padding)


def chain() -> None:
    conv(conv(image(), 3, 2, "VALID"), 3, 1, "SAME", "y")


def two_paths() -> None:
    x = image()
    tf.add(conv(x, 1, 2, "SAME"), pool(conv(x, 3, 1, "VALID"), 3, 2, "SAME"), "y")


def padded() -> None:
    conv(tf.pad(image(), [[0, 0], [1, 0], [1, 0], [0, 0]]), 3, 2, "VALID", "y")


def even() -> None:
    conv(image(), 4, 2, "SAME", "y")


def separable() -> None:
    tf.identity(slim.separable_conv2d(image(), 5, [3, 5], depth_multiplier=1, stride=2), "y")


def pooled() -> None:
    tf.nn.avg_pool(image(1, 20, 24, 3), [1, 2, 3, 1], [1, 2, 3, 1], "VALID", name="y")


def joined() -> None:
    x = image()
    tf.concat([conv(x, 1, 1, "SAME"), conv(x, 5, 1, "SAME"), pool(x, 3, 1, "SAME")], 3, name="y")


def dilated() -> None:
    tf.nn.conv2d(image(), tf.ones([3, 3, 3, 3]), 1, "SAME", dilations=[1, 2, 2, 1], name="y")


FIELDS = [
    (chain, (7, 7, 2, 2, 2, 2)),
    (two_paths, (5, 5, 2, 2, None, None)),
    (padded, (3, 3, 2, 2, 1, 1)),
    (even, (4, 4, 2, 2, 1, 1)),
    (separable, (5, 3, 2, 2, None, None)),
    (pooled, (3, 2, 3, 2, 0, 0)),
    (joined, (5, 5, 1, 1, 2, 2)),
    (dilated, (5, 5, 1, 1, 2, 2)),  # 1.15 takes no notice of dilations
]


@pytest.mark.parametrize(("build", "numbers"), FIELDS, ids=[b.__name__ for b, _ in FIELDS])
def test_fields_of_1_15(build, numbers):
    with tf.Graph().as_default() as graph:
        build()
        found = RF.compute_receptive_field_from_graph_def(graph.as_graph_def(), "x", "y")
        assert tuple(found) == numbers


def test_places_go_there_and_back():
    with tf.Graph().as_default() as graph:
        chain()
        field = RF.compute_receptive_field_from_graph_def(graph, "x", "y", input_resolution=[33, 40])
    centers = field.compute_input_center_coordinates([[0, 0], [3, 5]])
    np.testing.assert_array_equal(centers, [[1.0, 1.0], [7.0, 11.0]])
    np.testing.assert_array_equal(field.compute_feature_coordinates(centers), [[0, 0], [3, 5]])
    np.testing.assert_array_equal(field.compute_input_center_coordinates([4], axis=[1]), [9.0])
    with pytest.raises(ValueError, match="must be 2"):
        field.compute_feature_coordinates([1, 2, 3])


def test_the_order_of_computing():
    with tf.Graph().as_default() as graph:
        chain()
        order, nodes = RF.get_compute_order(graph.as_graph_def(), "x", [33, 40])
        assert (order["x"].order, order["Conv2D"].order, order["y"].order) == (0, 2, 3)
        assert order["Conv2D"].input_size == (33, 40) and order["y"].output_size == (16, 19)
        assert nodes["y"].op == "Conv2D" and set(order) == set(nodes)


@pytest.mark.parametrize(
    ("build", "settings", "said"),
    [
        (two_paths, {"input_resolution": [33, 33]}, "Graph is not aligned"),
        (chain, {"output_node": "z"}, "Output node was not found"),
        (chain, {"input_node": "z"}, "Input node was not found"),
        (chain, {"stop_propagation": ["Conv2D"]}, "Input node was not found"),
        (
            lambda: tf.reduce_mean(conv(image(), 3, 1, "SAME"), [1, 2], name="y"),
            {},
            "Unknown layer.*'y': Mean",
        ),
        (
            lambda: tf.nn.conv2d(image(), tf.placeholder(tf.float32, [None, 3, 3, 3]), 1, "SAME", name="y"),
            {},
            "known shape",
        ),
        (
            lambda: tf.identity(tf.pad(image(), tf.placeholder(tf.int32, [4, 2])), "y"),
            {},
            "paddings of 'Pad' must be a constant",
        ),
    ],
)
def test_graphs_without_a_field(build, settings, said):
    with tf.Graph().as_default() as graph:
        build()
        given = {"input_node": "x", "output_node": "y", **settings}
        with pytest.raises(ValueError, match=said):
            RF.compute_receptive_field_from_graph_def(graph.as_graph_def(), **given)
