"""`tf.contrib.predictor.from_estimator`."""

import numpy as np
import pytest

import millrace as tf


def receiver():
    x = tf.placeholder(tf.float32, [None, 1])
    return tf.estimator.export.ServingInputReceiver({"a": x}, {"x": x})


@pytest.fixture
def trained(tmp_path):
    columns = [tf.feature_column.numeric_column("a")]
    estimator = tf.estimator.LinearRegressor(columns, model_dir=str(tmp_path))
    features = tf.estimator.inputs.numpy_input_fn(
        {"a": np.float32([[1], [2], [3]])}, np.float32([2, 4, 6]), shuffle=False, num_epochs=None
    )
    estimator.train(features, steps=5)
    return estimator


def test_it_predicts_as_the_estimator_does(trained):
    predict = tf.contrib.predictor.from_estimator(trained, receiver, output_key="predict")
    assert set(predict.feed_tensors) == {"x"}
    found = predict({"x": [[1.0], [2.0]]})
    given = tf.estimator.inputs.numpy_input_fn({"a": np.float32([[1], [2]])}, shuffle=False)
    wanted = [row["predictions"] for row in trained.predict(given)]
    np.testing.assert_allclose(found["predictions"], wanted, rtol=1e-6)


def test_refusals(trained, tmp_path):
    with pytest.raises(ValueError, match="output_key must be one of.*'predict'"):
        tf.contrib.predictor.from_estimator(trained, receiver, output_key="nothing")
    with pytest.raises(TypeError, match="tf.estimator.Estimator"):
        tf.contrib.predictor.from_estimator("no estimator", receiver)
    new = tf.estimator.LinearRegressor(
        [tf.feature_column.numeric_column("a")], model_dir=str(tmp_path / "empty")
    )
    with pytest.raises(ValueError, match="Couldn't find trained model"):
        tf.contrib.predictor.from_estimator(new, receiver)


def _older(tmp_path):
    def model(features, labels, mode):
        w = tf.get_variable("w", [1, 1], initializer=tf.ones_initializer())
        found, loss, step = tf.matmul(features["x"], w), None, None
        if labels is not None:
            loss = tf.reduce_mean(tf.square(found - labels))
            step = tf.contrib.layers.optimize_loss(loss, tf.train.get_global_step(), 0.05, "SGD")
        return tf.contrib.learn.ModelFnOps(mode, {"pred": found}, loss, step)

    return tf.contrib.learn.Estimator(model, model_dir=str(tmp_path))


def _served():
    x = tf.placeholder(tf.float32, [None, 1])
    return tf.contrib.learn.InputFnOps({"x": x}, None, {"in": x})


def test_an_older_estimator(tmp_path):
    estimator, make = _older(tmp_path), tf.contrib.predictor.from_contrib_estimator
    assert make(estimator, _served)({"in": [[5.0]]})["pred"].tolist() == [[5]]  # as it begins
    estimator.fit(
        input_fn=lambda: ({"x": tf.constant([[1.0], [2.0]])}, tf.constant([[2.0], [4.0]])), steps=40
    )
    graph = tf.Graph()
    predict = make(estimator, _served, graph=graph)
    assert predict.graph is graph
    np.testing.assert_allclose(predict({"in": [[5.0]]})["pred"], [[10]], rtol=1e-2)
    with pytest.raises(KeyError, match="must be one of"):
        make(estimator, _served, input_alternative_key="none")
    with pytest.raises(ValueError, match="Requested default_output_alternative: none"):
        make(estimator, _served, output_alternative_key="none")
    with pytest.raises(TypeError, match="from_estimator takes others"):
        make(3, _served)
