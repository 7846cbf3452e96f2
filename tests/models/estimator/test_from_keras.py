"""Models of Keras as estimators."""

import os

import numpy as np
import pytest

import millrace as tf

K = tf.keras
_R = np.random.RandomState(0)
X, Y = _R.rand(16, 3).astype(np.float32), _R.rand(16, 1).astype(np.float32)
ONES = {"kernel_initializer": "ones"}


@pytest.fixture(autouse=True)
def _fresh():
    with tf.Graph().as_default():
        yield


def _model(optimizer="sgd", **kwargs):
    hidden = K.layers.Dense(4, input_shape=(3,), activation="relu", name="hid", **ONES)
    model = K.Sequential([hidden, K.layers.Dense(1, name="out", **ONES)])
    model.compile(optimizer, "mse", **kwargs)
    return model


def _given(features, labels=None, times=1):
    def input_fn():
        given = features if labels is None else (features, labels)
        return tf.data.Dataset.from_tensors(given).repeat(times)

    return input_fn


def test_it_trains_evaluates_predicts_and_exports(tmp_path):
    model = _model(metrics=["mae"])
    before = model.evaluate(X, Y, verbose=0)
    one = K.estimator.model_to_estimator(model, model_dir=str(tmp_path / "m"))
    assert os.listdir(tmp_path / "m") == ["keras"]
    one.train(_given({"hid_input": X}, Y, 5))
    found = one.evaluate(_given({"hid_input": X}, Y))
    assert found["global_step"] == 5
    np.testing.assert_allclose([found["loss"], found["mean_absolute_error"]], [2.63139, 1.40778], rtol=1e-4)
    answers = list(one.predict(_given({"hid_input": X})))
    assert len(answers) == 16
    np.testing.assert_allclose(answers[0]["out"], [2.12987], rtol=1e-4)
    np.testing.assert_array_equal(model.evaluate(X, Y, verbose=0), before)
    receiver = tf.estimator.export.build_raw_serving_input_receiver_fn(
        {"hid_input": tf.placeholder(tf.float32, [None, 3])}
    )
    folder = one.export_saved_model(str(tmp_path / "x"), receiver)
    with tf.Graph().as_default(), tf.Session() as session:
        found = tf.saved_model.loader.load(session, ["serve"], folder).signature_def["serving_default"]
        assert sorted(found.inputs) == ["hid_input"] and sorted(found.outputs) == ["out"]


def test_it_begins_with_the_weights_of_a_file(tmp_path):
    model = _model("adam")
    model.fit(X, Y, epochs=2, verbose=0)
    model.save(tmp_path / "m.h5")
    expected = model.evaluate(X, Y, verbose=0)
    one = K.estimator.model_to_estimator(
        keras_model_path=str(tmp_path / "m.h5"), model_dir=str(tmp_path / "m"), checkpoint_format="checkpoint"
    )
    assert one.evaluate(_given(X, Y))["loss"] == pytest.approx(expected, rel=1e-5)
    one.train(_given(X, Y))
    assert one.evaluate(_given(X, Y))["loss"] < expected


def test_optimizers_of_training(tmp_path):
    one = K.estimator.model_to_estimator(_model(tf.train.AdamOptimizer(0.01)), model_dir=str(tmp_path))
    one.train(_given(X, Y, 3))
    assert one.evaluate(_given(X, Y))["loss"] == pytest.approx(35.40013, rel=1e-4)
    names = one.get_variable_names()
    assert "hid/kernel/Adam_1" in names and not any("iterations" in name for name in names)


def test_several_inputs_and_outputs(tmp_path):
    i, j = K.Input((3,), name="first"), K.Input((2,), name="second")
    out = K.layers.Dense(1, name="out", **ONES)(K.layers.Concatenate()([i, j]))
    model = K.Model([i, j], [out, K.layers.Dense(1, name="two", **ONES)(out)])
    model.compile(K.optimizers.Adagrad(0.1), "mse", metrics={"out": "mae", "two": ["mse", "mae"]})
    one = K.estimator.model_to_estimator(model, model_dir=str(tmp_path))
    features, labels = {"second": X[:, :2], "first": X}, {"out": Y, "two": Y}
    one.train(_given(features, labels, 4))
    found = one.evaluate(_given(features, labels))
    np.testing.assert_allclose(found["loss"], 3.52756, rtol=1e-4)
    np.testing.assert_allclose(found["two_mean_squared_error"], 0.98671, rtol=1e-4)
    with pytest.raises(KeyError, match="expected inputs keys"):
        one.train(_given({"second": X}, labels))
    with pytest.raises(ValueError, match="2 inputs"):
        one.train(_given(X, labels))
    one.train(_given((X, X[:, :2]), (Y, Y), 4))
    assert one.get_variable_value("global_step") == 8


def test_models_defined_by_their_call(tmp_path):
    class Scaled(K.Model):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor
            self.dense = K.layers.Dense(1, name="d", **ONES)

        def call(self, inputs):
            return self.dense(inputs) * self.factor

    model = Scaled(1.0)
    model.compile("sgd", "mse", metrics=["mae"])
    one = K.estimator.model_to_estimator(model, model_dir=str(tmp_path))
    one.train(_given(X, Y, 3))
    found = one.evaluate(_given(X, Y))
    np.testing.assert_allclose([found["loss"], found["mean_absolute_error"]], [1.55787, 1.1272], rtol=1e-4)
    assert "scaled/d/kernel" in one.get_variable_names()


def test_what_is_refused():
    make = K.estimator.model_to_estimator
    for arguments, words in (
        ({}, "needs to be provided"),
        ({"keras_model": _model(), "keras_model_path": "x"}, "but not both"),
        ({"keras_model": K.Sequential([K.layers.Dense(1, input_shape=(3,))])}, "not been compiled"),
        ({"keras_model": _model(), "checkpoint_format": "foo"}, "Checkpoint format"),
    ):
        with pytest.raises(ValueError, match=words):
            make(**arguments)
