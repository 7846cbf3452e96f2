"""Weights of other layers and older files."""

import numpy as np
import pytest

import millrace as tf
from millrace.models.keras.saving.conversion import converted, turned

L = tf.keras.layers


@pytest.fixture(autouse=True)
def _fresh():
    with tf.Graph().as_default():
        yield


def _built(layer, *shape):
    layer.build(tf.TensorShape(shape))
    return layer


@pytest.mark.parametrize(
    ("plain", "other"),
    [
        (lambda: L.LSTM(3), lambda: L.CuDNNLSTM(3)),
        (lambda: L.GRU(3, reset_after=True), lambda: L.CuDNNGRU(3)),
    ],
)
def test_weights_of_cudnn_layers_are_those_of_the_plain_ones_transposed(plain, other):
    first, second = plain(), other()
    x = tf.constant(np.cos(np.arange(24)).reshape(2, 3, 4), tf.float32)
    first(x), second(x)
    given = [np.cos(np.arange(w.size) + 1).reshape(w.shape).astype("f") for w in first.get_weights()]
    there = converted(second, given, "2.2.4", "tensorflow")
    back = converted(first, there, "2.2.4", "tensorflow")
    for a, b in zip(given, back, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_gru_with_one_bias_is_not_one_with_two():
    layer = L.GRU(3)
    layer(tf.zeros([1, 2, 4]))
    with pytest.raises(ValueError, match="not compatible"):
        converted(layer, [np.zeros((4, 9)), np.zeros((3, 9)), np.zeros(18)], "2.2.4", "tensorflow")
    with pytest.raises(ValueError, match="Invalid bias"):
        converted(layer, [np.zeros((4, 9)), np.zeros((3, 9)), np.zeros(5)], "2.2.4", "tensorflow")


def test_gates_of_keras_1_are_joined():
    layer = L.LSTM(2)
    layer(tf.zeros([1, 2, 3]))
    weights = []
    for gate in range(4):  # input, cell, forget, output
        weights += [np.full((3, 2), gate), np.full((2, 2), gate), np.full(2, gate)]
    kernel, recurrent, bias = converted(layer, weights, "1", None)
    assert bias.tolist() == [0, 0, 2, 2, 1, 1, 3, 3]
    assert kernel.shape == (3, 8) and recurrent.shape == (2, 8)


def test_kernels_of_theano_are_turned_round():
    layer = L.Conv2D(1, 2)
    layer(tf.zeros([1, 4, 4, 1]))
    kernel = np.arange(4.0).reshape(2, 2, 1, 1)
    found = converted(layer, [kernel, np.zeros(1)], "2.1.0", "theano")[0]
    assert found[:, :, 0, 0].tolist() == [[3, 2], [1, 0]]
    with pytest.raises(ValueError, match="3 to 5 axes"):
        turned(np.zeros(3))
