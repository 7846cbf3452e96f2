"""Static shapes that follow from values known in part, and vectors that must not be matrices."""

import pytest

import millrace as tf


def shape(x):
    """The dims of a tensor."""
    return x.shape.as_list()


@pytest.fixture
def n():
    """A number that is fed."""
    return tf.placeholder(tf.int32, [])


def test_stacks_along_the_last_axis(n):
    x = tf.placeholder(tf.float32)
    assert shape(tf.reshape(x, tf.stack([2, n], axis=-1))) == [2, None]
    assert shape(tf.zeros(tf.stack([n, 3], axis=-1))) == [None, 3]
    assert shape(tf.random_uniform(tf.stack([n, 2], -1))) == [None, 2]


def test_slices_with_unknown_bounds_keep_their_rank(n):
    q = tf.placeholder(tf.int32, [2])
    x, y = tf.placeholder(tf.float32, [4, 5]), tf.placeholder(tf.float32, [3, 4, 5])
    assert shape(tf.strided_slice(x, q, q + 1)) == [None, None]
    assert shape(tf.strided_slice(y, q, q + 1)) == [None, None, 5]
    assert shape(tf.strided_slice(x, q, q + 1, shrink_axis_mask=1)) == [None]
    assert shape(tf.strided_slice(x, q, q + 1, begin_mask=1, end_mask=1)) == [4, None]
    assert tf.strided_slice(x, q, q, q).shape.ndims is None


def test_no_copies_of_an_unknown_length(n):
    x = tf.placeholder(tf.float32, [None, 3])
    assert shape(tf.tile(x, [0, 2])) == [0, 6]
    assert shape(tf.tile(x, tf.stack([n, 0]))) == [None, 0]


@pytest.mark.parametrize("how", ["bilinear", "nearest_neighbor", "bicubic", "area"])
def test_images_resized_to_a_size_known_in_part(n, how):
    images = tf.placeholder(tf.float32, [None, 4, 4, 3])
    resize = getattr(tf.image, "resize_" + how)
    assert shape(resize(images, [n, 6])) == [None, None, 6, 3]
    assert shape(resize(images, tf.stack([5, n], -1))) == [None, 5, None, 3]
    assert shape(resize(images, tf.placeholder(tf.int32, [2]))) == [None, None, None, 3]


def test_parts_of_images_of_a_size_known_in_part(n):
    images = tf.placeholder(tf.float32, [None, 4, 4, 3])
    boxes = tf.placeholder(tf.float32, [7, 4])
    assert shape(tf.image.crop_and_resize(images, boxes, [0] * 7, [n, 6])) == [7, None, 6, 3]
    assert shape(tf.image.extract_glimpse(images, [n, 3], [[0.0, 0.0]])) == [1, None, 3, 3]


@pytest.mark.parametrize(
    "call",
    [
        lambda x: tf.reduce_sum(x, [[0], [1]]),
        lambda x: tf.reduce_mean(x, [[0]]),
        lambda x: tf.reduce_logsumexp(x, [[0]]),
        lambda x: tf.reduce_any(x > 0, [[0]]),
        lambda x: tf.nn.moments(x, [[0]]),
        lambda x: tf.nn.l2_normalize(x, [[0]]),
        lambda x: tf.norm(x, axis=[[0]]),
        lambda x: tf.tile(x, [[1, 2], [2, 3]]),
        lambda x: tf.tile(x, 1),
        lambda x: tf.transpose(x, [[1, 0]]),
        lambda x: tf.transpose(x, 1),
        lambda x: tf.gather(x, 0, axis=[0]),
        lambda x: tf.argmax(x, [0]),
        lambda x: tf.broadcast_to(x, [[2, 2]]),
        lambda x: tf.scatter_nd([[0]], [1.0], [[3]]),
    ],
)
def test_axes_multiples_and_permutations_are_not_matrices(call):
    with pytest.raises(ValueError, match="scalar|vector|rank|an integer"):
        call(tf.ones([2, 2]))
