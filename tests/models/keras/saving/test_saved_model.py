"""Models as SavedModels, and back."""

import os

import numpy as np
import pytest

import millrace as tf

K = tf.keras
_R = np.random.RandomState(0)
X, Y = _R.rand(16, 3).astype(np.float32), _R.rand(16, 1).astype(np.float32)


@pytest.fixture(autouse=True)
def _fresh():
    with tf.Graph().as_default():
        yield


def _trained():
    ones = {"kernel_initializer": "ones"}
    first = K.layers.Dense(2, input_shape=(3,), activation="relu", name="first", **ones)
    model = K.Sequential([first, K.layers.Dropout(0.5), K.layers.Dense(1, name="last", **ones)])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, verbose=0)
    return model


def test_a_model_comes_back(tmp_path):
    model, path = _trained(), str(tmp_path / "m")
    expected = model.predict(X)
    assert K.experimental.export_saved_model(model, path) is None
    np.testing.assert_array_equal(model.predict(X), expected)
    with tf.Graph().as_default():
        again = K.experimental.load_from_saved_model(path)
        np.testing.assert_allclose(again.predict(X), expected, rtol=1e-6)
    with pytest.raises(AssertionError, match="isn't empty"):
        K.experimental.export_saved_model(model, path)


def test_three_graphs(tmp_path):
    model, path = _trained(), str(tmp_path / "m")
    expected, loss = model.predict(X), model.evaluate(X, Y, verbose=0)[0]
    K.experimental.export_saved_model(model, path)
    signatures = {}
    for tag in ("train", "eval", "serve"):
        with tf.Graph().as_default(), tf.Session() as session:
            found = tf.saved_model.loader.load(session, [tag], path).signature_def
            signatures.update(found)
            if tag == "serve":
                out = found["serving_default"].outputs["last"].name
                np.testing.assert_allclose(session.run(out, {"first_input:0": X}), expected, rtol=1e-6)
            elif tag == "eval":
                out = found["eval"].outputs
                feeds = {"first_input:0": X, "last_target:0": Y}
                update = out["metrics/mean_absolute_error/update_op"].name
                got, _ = session.run([out["loss"].name, update], feeds)
                np.testing.assert_allclose(got, loss, rtol=1e-5)
            else:
                step = found["__saved_model_train_op"].outputs["__saved_model_train_op"].name
                before = session.run("global_step:0")
                session.run(step, {"first_input:0": X, "last_target:0": Y})
                assert (before, session.run("global_step:0")) == (1, 2)
    assert sorted(signatures["train"].inputs) == ["first_input", "last_target"]
    assert "predictions/last" in signatures["train"].outputs


def test_a_subclassed_model_is_only_served(tmp_path):
    class Doubled(K.Model):
        def __init__(self):
            super().__init__()
            self.dense = K.layers.Dense(2)

        def call(self, inputs):
            return 2 * self.dense(inputs)

    model = Doubled()
    with pytest.raises(NotImplementedError, match="serving_only=True"):
        K.experimental.export_saved_model(model, str(tmp_path / "a"))
    with pytest.raises(ValueError, match="not yet been created"):
        K.experimental.export_saved_model(model, str(tmp_path / "b"), serving_only=True)
    path = str(tmp_path / "c")
    spec = tf.TensorSpec([None, 3], tf.float32, name="x")
    K.experimental.export_saved_model(model, path, as_text=True, input_signature=spec, serving_only=True)
    assert "saved_model.pbtxt" in os.listdir(path)
    expected = model.predict(X)
    with tf.Graph().as_default(), tf.Session() as session:
        found = tf.saved_model.loader.load(session, ["serve"], path).signature_def["serving_default"]
        feeds = {found.inputs["input_1"].name: X}
        np.testing.assert_allclose(session.run(found.outputs["output_1"].name, feeds), expected, rtol=1e-6)
    with pytest.raises(FileNotFoundError):
        K.experimental.load_from_saved_model(path)
