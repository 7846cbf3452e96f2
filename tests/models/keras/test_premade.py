"""Models that are ready made, and what calls of models leave in the graph."""

import numpy as np
import pytest

import millrace as tf

K = tf.keras
_R = np.random.RandomState(0)
X, Z = _R.rand(64, 3).astype(np.float32), _R.rand(64, 2).astype(np.float32)
Y = (X.sum(1, keepdims=True) + Z[:, :1] * 2).astype(np.float32)


@pytest.fixture(autouse=True)
def _fresh():
    with tf.Graph().as_default():
        yield


def _names(variables):
    return [v.name for v in variables]


def test_a_linear_model_trains():
    model = K.experimental.LinearModel(kernel_initializer="zeros")
    model.compile("sgd", "mse")
    history = model.fit(X, Y, epochs=2, verbose=0, shuffle=False)
    np.testing.assert_allclose(history.history["loss"], [6.56309, 5.7139], rtol=1e-4)
    assert _names(model.weights) == ["linear_model/dense/kernel:0", "linear_model/bias:0"]
    again = K.experimental.LinearModel.from_config(model.get_config())
    assert again.get_config() == model.get_config()


def test_a_linear_model_of_several_inputs():
    model = K.experimental.LinearModel(
        activation="tanh", kernel_initializer="ones", bias_regularizer="l2", name="wide"
    )
    model.compile("sgd", "mse")
    history = model.fit([X, Z], Y, epochs=2, verbose=0, shuffle=False)
    np.testing.assert_allclose(history.history["loss"], [2.83448, 2.83411], rtol=1e-4)
    assert _names(model.trainable_weights)[-1] == "wide/bias:0"
    with pytest.raises(ValueError, match="not a dictionary"):
        K.experimental.LinearModel()({"a": tf.zeros([2, 2])})


def _wide_and_deep(**kwargs):
    linear = K.experimental.LinearModel(kernel_initializer="zeros")
    ones = {"kernel_initializer": "ones"}
    deep = K.Sequential([K.layers.Dense(4, **ones), K.layers.Dense(1, **ones)])
    return K.experimental.WideDeepModel(linear, deep, **kwargs)


def test_two_optimizers_for_a_wide_and_a_deep_model():
    model = _wide_and_deep()
    model.compile(["sgd", "adam"], "mse", metrics=["mae"])
    history = model.fit([X, Z], Y, epochs=2, verbose=0, shuffle=False)
    np.testing.assert_allclose(history.history["loss"], [0.93715, 0.91386], rtol=1e-4)
    np.testing.assert_allclose(model.predict([X, Z])[:2], [[2.3123], [2.5114]], rtol=1e-3)
    again = K.experimental.WideDeepModel.from_config(model.get_config())
    assert isinstance(again.linear_model, K.experimental.LinearModel) and len(again.dnn_model.layers) == 2


def test_one_optimizer_for_both():
    model = _wide_and_deep(activation="sigmoid")
    model.compile("rmsprop", "mse")
    history = model.fit(X, Y, epochs=2, verbose=0, shuffle=False)
    np.testing.assert_allclose(history.history["loss"], [2.94311, 2.93701], rtol=1e-4)
    with pytest.raises(ValueError, match="3 inputs"):
        _wide_and_deep()([tf.zeros([1, 2])] * 3)
    model = _wide_and_deep()
    model.compile(["sgd"], "mse")
    with pytest.raises(ValueError, match="one for the linear and one"):
        model.fit(X, Y, verbose=0)


def test_a_call_builds_a_model_without_calling_it_twice():
    model = K.Sequential([K.layers.Dense(2)])
    model(tf.zeros([2, 3]))
    kinds = [op.type for op in tf.get_default_graph().get_operations()]
    assert kinds.count("MatMul") == 1 and "Placeholder" not in kinds
    assert "build_input_shape" not in model.get_config()
    model = K.Sequential([K.layers.Dense(2)])
    model.predict(X)
    assert model.get_config()["build_input_shape"] == (None, 3)


def test_own_variables_come_after_those_of_the_layers():
    class Scaled(K.Model):
        def __init__(self):
            super().__init__()
            self.scale = self.add_weight("scale", shape=[], initializer="ones")
            self.dense = K.layers.Dense(2, name="dense")

        def call(self, inputs):
            return self.dense(inputs) * self.scale

    model = Scaled()
    model(tf.zeros([2, 3]))
    order = ["scaled/dense/kernel:0", "scaled/dense/bias:0", "scale:0"]
    assert _names(model.trainable_weights) == order
    model.trainable = False
    assert model.trainable_weights == [] and set(_names(model.non_trainable_weights)) == set(order)


def test_losses_are_of_double_precision_and_metrics_as_the_model_gives_them():
    model = K.Sequential([K.layers.Dense(1, input_shape=(3,))])
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(X, Y, verbose=0, validation_split=0.5).history
    assert type(history["loss"][0]) is type(history["val_loss"][0]) is np.float64
    assert type(history["mean_absolute_error"][0]) is np.float32
    assert [type(v) for v in model.evaluate(X, Y, verbose=0)] == [np.float64, np.float32]
