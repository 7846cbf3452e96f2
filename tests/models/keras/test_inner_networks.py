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


def test_what_an_inner_model_was_compiled_with_is_its_own() -> None:
    """Generator and discriminator: the metric of the latter is computed from an input that the pair lacks."""
    judge = K.Sequential([L.Flatten(input_shape=(4, 2)), L.Dense(1)])
    judge.add_metric(tf.reduce_mean(judge.output), aggregation="mean", name="opinion")
    judge.compile("sgd", "mse", metrics=["mae"])
    noise = K.Input((4,))
    judge.trainable = False
    pair = K.Model(noise, judge(L.Reshape((4, 2))(L.Dense(8)(noise))))
    pair.compile("sgd", "mse", metrics=["mse"])
    assert judge.metrics_names == ["loss", "mean_absolute_error", "opinion"]
    assert [m.name for m in pair.metrics] == ["mean_squared_error", "opinion"]

    plain = K.Sequential([L.Flatten(input_shape=(4, 2)), L.Dense(1)])
    plain.compile("sgd", "mse", metrics=["mae"])
    both = K.Model(noise, plain(L.Reshape((4, 2))(L.Dense(8)(noise))))
    both.compile("sgd", "mse")
    assert both.metrics_names == ["loss"]
    assert np.ndim(both.train_on_batch(np.ones([3, 4]), np.ones([3, 1]))) == 0
    assert len(plain.train_on_batch(np.ones([3, 4, 2]), np.ones([3, 1]))) == 2
