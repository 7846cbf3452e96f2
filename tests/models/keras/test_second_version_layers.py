"""The layers of `tf.compat.v2.keras` against those of version 1 with the same settings."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf

V2 = tf.compat.v2.keras.layers


@pytest.mark.parametrize(
    ("second", "first", "settings"),
    [
        (V2.LSTM, tf.keras.layers.LSTM, {}),
        (V2.GRU, tf.keras.layers.GRU, {"reset_after": True}),
        (V2.LSTMCell, tf.keras.layers.LSTMCell, {}),
        (V2.GRUCell, tf.keras.layers.GRUCell, {"reset_after": True}),
    ],
)
def test_recurrent(second, first, settings):
    with tf.Graph().as_default(), tf.Session() as sess:
        weights = {
            "kernel_initializer": tf.constant_initializer(0.1),
            "recurrent_initializer": tf.constant_initializer(-0.2),
        }
        layers = [
            second(3, **weights),
            first(3, recurrent_activation="sigmoid", implementation=2, **settings, **weights),
        ]
        assert layers[0].get_config()["recurrent_activation"] == "sigmoid"
        assert type(layers[0]).from_config(layers[0].get_config()).units == 3
        if hasattr(layers[0], "return_sequences"):
            x = tf.constant(np.linspace(-1, 1, 24).reshape(2, 3, 4), tf.float32)
            outputs = [layer(x) for layer in layers]
        else:
            x = tf.constant(np.linspace(-1, 1, 8).reshape(2, 4), tf.float32)
            states = [tf.ones([2, 3])] * (2 if second is V2.LSTMCell else 1)
            outputs = [layer(x, states)[0] for layer in layers]
        sess.run(tf.global_variables_initializer())
        one, two = sess.run(outputs)
        np.testing.assert_allclose(one, two, rtol=1e-6)


def test_frozen_batch_normalization_does_not_learn():
    with tf.Graph().as_default(), tf.Session() as sess:
        layer = V2.BatchNormalization()
        layer.trainable = False
        x = tf.constant([[1.0, 2.0], [3.0, 5.0]])
        y = layer(x, training=True)
        learning = V2.BatchNormalization()(x, training=True)
        sess.run(tf.global_variables_initializer())
        np.testing.assert_allclose(sess.run(y), sess.run(x) / np.sqrt(1.001), rtol=1e-5)
        assert abs(sess.run(learning).mean()) < 1e-5
