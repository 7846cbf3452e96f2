"""Models in SavedModels of objects; names and keys are TensorFlow 1.15's."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import millrace as tf

K, L = tf.keras, tf.keras.layers
X = np.linspace(-1, 1, 48).reshape(12, 4).astype("float32")
Y = np.ones((12, 1), "float32")


def trained() -> Any:
    model = K.Sequential(
        [
            L.Dense(3, input_shape=(4,), activation="tanh", kernel_regularizer="l2"),
            L.BatchNormalization(),
            L.Dropout(0.5, seed=1),
            L.Dense(1, kernel_initializer="ones"),
        ]
    )
    model.compile(K.optimizers.Adam(0.1), "mse", ["mae"])
    model.fit(X, Y, batch_size=12, verbose=0)
    return model


def served(folder: str, key: str = "serving_default", **feeds: Any) -> dict[str, Any]:
    """What a signature gives, by name."""
    with tf.Graph().as_default(), tf.Session() as session:
        meta = tf.saved_model.load(session, ["serve"], folder)
        signature = meta.signature_def[key]
        assert sorted(signature.inputs) == sorted(feeds)
        values = {signature.inputs[name].name: value for name, value in feeds.items()}
        return {name: session.run(info.name, values) for name, info in signature.outputs.items()}


def test_a_model_comes_back_with_its_optimizer(tmp_path: Any) -> None:
    model, folder = trained(), str(tmp_path / "m")
    model.save(folder, save_format="tf")
    assert sorted(os.listdir(folder)) == ["assets", "saved_model.pb", "variables"]
    keys = [name for name, _ in tf.train.list_variables(folder + "/variables/variables")]
    assert (
        len(keys) == 26
        and "layer_with_weights-0/bias/.OPTIMIZER_SLOT/optimizer/m/.ATTRIBUTES/VARIABLE_VALUE" in keys
    )
    assert (
        "layer_with_weights-1/moving_mean/.ATTRIBUTES/VARIABLE_VALUE" in keys
        and "optimizer/iter/.ATTRIBUTES/VARIABLE_VALUE" in keys
    )
    wanted, state = model.predict(X), model.optimizer.get_weights()
    np.testing.assert_allclose(served(folder, dense_input=X)["dense_1"], wanted, rtol=1e-6)
    K.backend.clear_session()
    copy = K.models.load_model(folder)
    assert type(copy) is K.Sequential and copy.metrics_names == ["loss", "mean_absolute_error"]
    np.testing.assert_array_equal(copy.predict(X), wanted)
    for mine, theirs in zip(copy.optimizer.get_weights(), state, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert K.models.load_model(folder, compile=False).optimizer is None


def test_the_optimizer_may_stay_behind(tmp_path: Any) -> None:
    model, folder = trained(), str(tmp_path / "m")
    K.models.save_model(model, folder, save_format="tf", include_optimizer=False)
    keys = [name for name, _ in tf.train.list_variables(folder + "/variables/variables")]
    assert len(keys) == 9 and not any("optimizer" in key.lower() for key in keys)
    assert K.models.load_model(folder).optimizer is None and model.optimizer is not None


def test_several_inputs_and_outputs_are_served_by_name(tmp_path: Any) -> None:
    a, b = K.Input((4,), name="a"), K.Input((2,), name="b")
    model = K.Model({"a": a, "b": b}, [L.Dense(1, name="y")(L.concatenate([a, b])), L.ReLU(name="z")(a)])
    folder, more = str(tmp_path / "m"), np.ones((12, 2), "float32")
    model.save(folder, save_format="tf")
    found, wanted = served(folder, a=X, b=more), model.predict({"a": X, "b": more})
    np.testing.assert_allclose(found["y"], wanted[0], rtol=1e-6)
    np.testing.assert_array_equal(found["z"], wanted[1])


class ByCall(K.Model):
    def __init__(self) -> None:
        super().__init__()
        self.dense, self.drop = L.Dense(2), L.Dropout(0.5)

    def call(self, inputs: Any, training: Any = None) -> Any:
        return self.drop(self.dense(inputs), training=training)


def test_a_model_that_is_a_class_comes_back_as_its_function(tmp_path: Any) -> None:
    model, folder = ByCall(), str(tmp_path / "m")
    with pytest.raises(ValueError, match="input shapes have not been set"):
        model.save(folder, save_format="tf")
    model.compile("sgd", "mse")
    model.fit(X, X[:, :2], verbose=0)
    model.save(folder, save_format="tf")
    wanted = model.predict(X)
    np.testing.assert_allclose(served(folder, input_1=X)["output_1"], wanted, rtol=1e-6)
    K.backend.clear_session()
    copy = K.models.load_model(folder)
    assert type(copy).__name__ == "ByCall" and type(copy) is not ByCall and copy.name == "by_call"
    np.testing.assert_allclose(copy.predict(X), wanted, rtol=1e-6)
    before = copy.evaluate(X, X[:, :2], verbose=0)
    copy.fit(X, X[:, :2], epochs=3, verbose=0)
    assert len(copy.trainable_weights) == 2 and copy.evaluate(X, X[:, :2], verbose=0) < before
    again = str(tmp_path / "again")
    copy.save(again, save_format="tf")
    np.testing.assert_allclose(K.models.load_model(again).predict(X), copy.predict(X), rtol=1e-6)


class Scale(L.Layer):
    def build(self, input_shape: Any) -> None:
        self.w = self.add_weight("w", input_shape[1:], initializer="ones")
        self.built = True

    def call(self, inputs: Any) -> Any:
        return inputs * self.w


def test_layers_that_are_unknown_come_back_as_one_function(tmp_path: Any) -> None:
    x = K.Input((4,))
    model, folder = K.Model(x, L.Dense(1)(Scale()(x))), str(tmp_path / "m")
    model.save(folder, save_format="tf")
    wanted = model.predict(X)
    K.backend.clear_session()
    copy = K.models.load_model(folder)
    np.testing.assert_allclose(copy.predict(X), wanted, rtol=1e-6)
    assert len(copy.weights) == 3
    known = K.models.load_model(folder, custom_objects={"Scale": Scale})
    assert [type(layer).__name__ for layer in known.layers] == ["InputLayer", "Scale", "Dense"]


def test_signatures_of_ones_own_may_normalize_batches(tmp_path: Any) -> None:
    model = K.Sequential([L.BatchNormalization(input_shape=(4,))])

    @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32, name="x")])
    def twice(x):
        return {"q": model(x) * 2.0}

    folder = str(tmp_path / "m")
    model.save(folder, save_format="tf", signatures={"two": twice})
    np.testing.assert_allclose(served(folder, "two", x=X)["q"], X * 2 / np.sqrt(1.001), rtol=1e-5)


def test_the_ending_decides_before_the_format(tmp_path: Any) -> None:
    trained().save(str(tmp_path / "m.h5"), save_format="tf")
    assert os.path.isfile(tmp_path / "m.h5")
    with pytest.raises(OSError, match="does not exist"):
        K.models.load_model(str(tmp_path / "absent"))
