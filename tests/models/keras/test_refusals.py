"""What models and layers refuse, with the class of TensorFlow's error."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf

K, L = tf.keras, tf.keras.layers


def model():
    found = K.Sequential([L.Dense(2, input_shape=(4,))])
    found.compile("sgd", "mse")
    return found


def dataset():
    return tf.data.Dataset.from_tensor_slices((np.ones((8, 4), "f"), np.ones((8, 2), "f"))).batch(2)


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda: model().fit(dataset(), batch_size=2, verbose=0), ValueError, "`batch_size` argument"),
        (lambda: model().fit(None, np.ones((8, 2)), verbose=0), ValueError, "dense_input needs data"),
        (
            lambda: model().fit(np.ones((8, 4)), np.ones((8, 2)), batch_size=0),
            ZeroDivisionError,
            "Received: 0",
        ),
        (lambda: model().compile(K.optimizers.SGD, "mse"), ValueError, "interpret optimizer"),
        (lambda: L.Conv2D(2, 3, strides=2, dilation_rate=2)(L.Input((8, 8, 1))), ValueError, "strides > 1"),
        (lambda: L.Lambda("x"), TypeError, "takes a function"),
    ],
)
def test_a_mistake_is_named(call, kind, said):
    with pytest.raises(kind, match=said):
        call()
