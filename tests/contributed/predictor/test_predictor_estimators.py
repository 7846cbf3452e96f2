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
