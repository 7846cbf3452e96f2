"""Tests of tf.contrib.slim.tfexample_decoder."""

import numpy as np
import pytest

import millrace as tf

decoder = tf.contrib.slim.tfexample_decoder


def test_items_of_an_example():
    pixels = (np.arange(12) * 20).reshape(2, 2, 3).astype(np.uint8)
    with tf.Graph().as_default(), tf.Session() as session:
        feature = tf.train.Feature
        features = {
            "image/encoded": feature(
                bytes_list=tf.train.BytesList(value=[session.run(tf.image.encode_png(pixels))])
            ),
            "n": feature(int64_list=tf.train.Int64List(value=[5, 6])),
            "ymin": feature(float_list=tf.train.FloatList(value=[0.5])),
        }
        example = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
        made = decoder.TFExampleDecoder(
            {
                "image/encoded": tf.FixedLenFeature([], tf.string),
                "image/format": tf.FixedLenFeature([], tf.string, "png"),
                "n": tf.VarLenFeature(tf.int64),
                "ymin": tf.VarLenFeature(tf.float32),
            },
            {
                "image": decoder.Image(shape=[2, 2, 3]),
                "n": decoder.Tensor("n", shape=[2, 1]),
                "boxes": decoder.BoundingBox(["ymin"] * 4),
                "both": decoder.ItemHandlerCallback(["n", "ymin"], lambda f: f["n"].values * 2),
            },
        )
        assert made.list_items() == ["image", "n", "boxes", "both"]
        image, n, boxes, both = session.run(made.decode(example))
    np.testing.assert_array_equal(image, pixels)
    np.testing.assert_array_equal(n, [[5], [6]])
    np.testing.assert_array_equal(boxes, [[0.5] * 4])
    np.testing.assert_array_equal(both, [10, 12])
    with pytest.raises(ValueError, match="4 keys but got 1"):
        decoder.BoundingBox(["a"])
    with pytest.raises(ValueError, match="both"):
        decoder.Tensor("a", "b", [1])
