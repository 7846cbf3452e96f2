"""Known architectures: their weights by name, their ends, what is refused."""

import numpy as np
import pytest

import millrace as tf

A = tf.keras.applications


@pytest.fixture(autouse=True)
def _fresh():
    with tf.Graph().as_default():
        yield


def test_weights_have_the_known_names(tmp_path):
    model = A.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3), pooling="avg")
    assert model.output_shape == (None, 512) and model.count_params() == 14714688
    assert model.weights[0].name == "block1_conv1/kernel:0"
    assert model.layers[-2].name == "block5_pool"
    with pytest.raises(ValueError, match="downloads no weights"):
        A.VGG19()


def test_images_are_centered():
    x = np.zeros((1, 2, 2, 3), np.float32)
    x[..., 0] = 200
    found = A.vgg16.preprocess_input(x)
    np.testing.assert_allclose(found[0, 0, 0], [-103.939, -116.779, 200 - 123.68], rtol=1e-5)
