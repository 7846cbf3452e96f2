"""`tf.nn.quantized_*`: functions of quantized numbers, with 1.15's results."""

import numpy as np

import millrace as tf


def quantized(low, high, shape):
    numbers = tf.reshape(tf.linspace(low, high, int(np.prod(shape))), shape)
    return tf.quantization.quantize(numbers, low, high, tf.quint8)


def run(draw):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(draw())


def test_convolution():
    def draw():
        image, filters = quantized(0.0, 8.0, [1, 4, 4, 1]), quantized(-1.0, 1.0, [2, 2, 1, 1])
        ranges = [image[1], image[2], filters[1], filters[2]]
        return tf.nn.quantized_conv2d(image[0], filters[0], *ranges, [1, 1, 1, 1], "SAME")

    output, low, high = run(draw)
    np.testing.assert_array_equal(output[0, 0, :, 0], [12920, 12886, 12852, -1530])
    np.testing.assert_allclose([low, high], [-528408.2, 528408.2], rtol=1e-6)


def test_pools():
    window = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "SAME"}
    mean = run(lambda: tf.nn.quantized_avg_pool(*quantized(0.0, 8.0, [1, 4, 4, 1]), **window))
    largest = run(lambda: tf.nn.quantized_max_pool(*quantized(0.0, 8.0, [1, 4, 4, 1]), **window))
    assert mean.output.ravel().tolist() == [42, 76, 178, 212] and mean.max_output == 8.0
    assert largest.output.ravel().tolist() == [85, 119, 221, 255] and largest.min_output == 0.0


def test_activation():
    def draw():
        features, low, high = quantized(0.0, 8.0, [5])
        return tf.nn.quantized_relu_x(features, 6.0, low, high)

    assert run(draw)[0].max() == round(6.0 / 8.0 * 255)
