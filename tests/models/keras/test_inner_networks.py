"""Networks inside the `call` of a model that is a class."""

from __future__ import annotations

import numpy as np

import millrace as tf

K, L = tf.keras, tf.keras.layers


def test_the_updates_and_losses_of_an_inner_network_follow_the_outer_inputs():
    made = L.Input((4,))
    normalized = L.BatchNormalization(momentum=0.5)(made)
    inner = K.Model(made, L.Dense(2, activity_regularizer="l2")(normalized))

    class Outer(K.Model):
        def __init__(self):
            super().__init__()
            self.inner, self.last = inner, L.Dense(2)

        def call(self, inputs):
            return self.last(self.inner(inputs))

    model = Outer()
    model.compile("sgd", "mse")
    data = np.random.RandomState(0).rand(8, 4).astype("f") + 3
    model.fit(data, np.ones((8, 2)), verbose=0)
    np.testing.assert_allclose(inner.layers[1].get_weights()[2], data.mean(axis=0) / 2, rtol=1e-5)
    assert len(inner.updates) == 4 and len(model.get_updates_for(model.inputs)) == 2
    assert len(inner.losses) == 2
