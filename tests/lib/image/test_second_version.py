"""Images as version 2 resizes them; the numbers were recorded from tf.compat.v2 of TensorFlow 1.15."""

import numpy as np
import pytest

import millrace as tf
from millrace.lib.image import second_version as v2

RESIZED = [
    ("bilinear", False, [3, 4], [2.25, 3.75, 5.25, 6.75]),
    ("bilinear", False, [8, 9], [0.0, 0.5, 1.1667, 1.8333]),
    ("bilinear", True, [3, 4], [2.9464, 4.3492, 5.7937, 7.1964]),
    ("bilinear", True, [8, 9], [0.0, 0.5, 1.1667, 1.8333]),
    ("nearest", False, [3, 4], [0.0, 2.0, 3.0, 5.0]),
    ("nearest", False, [8, 9], [0.0, 1.0, 1.0, 2.0]),
    ("bicubic", False, [3, 4], [1.6143, 3.1965, 4.6965, 6.2786]),
    ("bicubic", False, [8, 9], [-0.4976, -0.02, 0.7353, 1.4013]),
    ("bicubic", True, [3, 4], [2.4111, 3.8321, 5.414, 6.8351]),
    ("bicubic", True, [8, 9], [-0.4975, -0.02, 0.7349, 1.4016]),
    ("area", False, [3, 4], [2.7333, 4.0667, 5.7333, 7.0667]),
    ("area", False, [8, 9], [0.0, 0.5, 1.0, 2.0]),
    ("lanczos3", False, [3, 4], [1.3964, 3.0443, 4.4635, 6.1115]),
    ("lanczos3", False, [8, 9], [-0.4893, -0.0541, 0.7771, 1.4356]),
    ("lanczos3", True, [3, 4], [2.186, 3.6474, 5.2118, 6.6732]),
    ("lanczos3", True, [8, 9], [-0.4893, -0.0541, 0.7771, 1.4356]),
    ("gaussian", False, [3, 4], [2.3044, 3.8111, 5.2598, 6.7665]),
    ("gaussian", False, [8, 9], [0.4255, 0.8605, 1.5061, 2.2149]),
    ("gaussian", True, [3, 4], [3.8075, 5.0898, 6.613, 7.8954]),
    ("gaussian", True, [8, 9], [0.4255, 0.8605, 1.5061, 2.2149]),
    ("lanczos5", False, [3, 4], [1.294, 2.9471, 4.3509, 6.004]),
    ("lanczos5", False, [8, 9], [-0.5236, -0.0913, 0.7689, 1.4078]),
    ("lanczos5", True, [3, 4], [2.21, 3.6815, 5.213, 6.6845]),
    ("lanczos5", True, [8, 9], [-0.5236, -0.0913, 0.7689, 1.4078]),
    ("mitchellcubic", False, [3, 4], [1.9664, 3.495, 4.995, 6.5236]),
    ("mitchellcubic", False, [8, 9], [-0.0921, 0.3653, 1.0823, 1.7489]),
    ("mitchellcubic", True, [3, 4], [3.0647, 4.4213, 5.9734, 7.3299]),
    ("mitchellcubic", True, [8, 9], [-0.0921, 0.3653, 1.0823, 1.7489]),
]


@pytest.mark.parametrize(("method", "antialias", "size", "first"), RESIZED)
def test_resizes_by_the_centres_of_pixels(method, antialias, size, first):
    images = tf.reshape(tf.range(60.0), [2, 5, 6, 1])
    resized = v2.resize(images, size, method, antialias=antialias)
    assert resized.shape.as_list() == [2, *size, 1]
    with tf.Session() as sess:
        found = sess.run(resized)
    np.testing.assert_allclose(found[0].ravel()[:4], first, atol=1e-3)


def test_one_image_keeps_its_ratio_and_is_padded():
    image = tf.ones([5, 6, 3])
    assert v2.resize(image, [4, 4], preserve_aspect_ratio=True).shape.as_list() == [3, 4, 3]
    padded = v2.resize_with_pad(image, 8, 8, "lanczos3")
    with tf.Session() as sess:
        found = sess.run(padded)
    assert found.shape == (8, 8, 3) and (found[0] > 0.99).all() and (found[-2:] == 0).all()


def test_unknown_methods_are_refused():
    with pytest.raises(ValueError, match="Resize method is not implemented. Received: 'cubic'"):
        v2.resize(tf.ones([5, 6, 3]), [4, 4], "cubic")


def test_glimpses_are_surrounded_by_zeros():
    image = tf.reshape(tf.range(36.0), [1, 6, 6, 1])
    with tf.Session() as sess:
        found = sess.run(v2.extract_glimpse(image, [3, 3], [[0.1, 0.2]], noise="zero"))
    assert found.ravel().tolist() == [8.0, 9.0, 10.0, 14.0, 15.0, 16.0, 20.0, 21.0, 22.0]
