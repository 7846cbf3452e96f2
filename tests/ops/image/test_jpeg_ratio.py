"""A JPEG decoded smaller: its size is rounded up."""

import numpy as np
import pytest

import millrace as tf


@pytest.mark.parametrize(("height", "width"), [(33, 47), (16, 24), (9, 15), (8, 8), (7, 31)])
def test_the_size_is_rounded_up(height, width):
    y, x = np.mgrid[0:height, 0:width]
    picture = np.stack([x * 5 % 256, y * 7 % 256, (x + y) * 3 % 256], -1).astype(np.uint8)
    data = tf.image.encode_jpeg(picture)
    with tf.Session() as sess:
        for ratio in (1, 2, 4, 8):
            got = sess.run(tf.image.decode_jpeg(data, ratio=ratio)).shape
            assert got == (-(-height // ratio), -(-width // ratio), 3)
