"""More metrics, forwarded features, parsing, early stopping, and the heads as classes."""

import numpy as np
import pytest

import millrace as tf

E, FC, C = tf.estimator, tf.feature_column, tf.contrib.estimator
QUIET = E.RunConfig(tf_random_seed=1, save_summary_steps=None, log_step_count_steps=None)
X = np.array([[0.0], [1.0], [2.0]], np.float32)


def data(epochs=None):
    return E.inputs.numpy_input_fn({"x": X}, 2 * X, batch_size=3, num_epochs=epochs, shuffle=False)


def made(folder):
    return E.LinearRegressor([FC.numeric_column("x")], str(folder), config=QUIET)


def test_more_metrics_and_forwarded_features(tmp_path):
    model = E.add_metrics(made(tmp_path), lambda labels, predictions: {"most": tf.metrics.mean(labels)})
    model = C.forward_features(model, "x")
    model.train(data(), steps=2)
    assert model.evaluate(data(1))["most"] == pytest.approx(2.0)
    assert [float(row["x"][0]) for row in model.predict(data(1))] == [0, 1, 2]
    with pytest.raises(ValueError, match="not expected"):
        E.add_metrics(model, lambda other: {})


def test_gradients_are_clipped_together():
    with tf.Graph().as_default(), tf.Session() as sess:
        v = tf.Variable([3.0, 4.0])
        step = C.clip_gradients_by_norm(tf.train.GradientDescentOptimizer(1.0), 1.0).minimize(
            tf.reduce_sum(v * v) / 2
        )
        sess.run(tf.global_variables_initializer())
        sess.run(step)
        np.testing.assert_allclose(sess.run(v), [2.4, 3.2], rtol=1e-6)


def test_parsing():
    spec = E.regressor_parse_example_spec([FC.numeric_column("x")], "y", label_dimension=2, weight_column="w")
    assert spec["y"] == tf.FixedLenFeature((2,), tf.float32, None)
    assert set(spec) == {"x", "y", "w"}
    with pytest.raises(ValueError, match="label"):
        E.classifier_parse_example_spec([FC.numeric_column("x")], "x")


def test_training_stops_when_the_loss_is_low(tmp_path):
    model = made(tmp_path)
    model.train(data(), steps=1)
    model.evaluate(data(1))
    hook = E.experimental.stop_if_lower_hook(model, "loss", 1e9, run_every_secs=None, run_every_steps=1)
    model.train(data(), steps=50, hooks=[hook])
    assert model.get_variable_value("global_step") == 2
    with pytest.raises(TypeError):
        E.experimental.make_early_stopping_hook(3, lambda: True)


def test_heads_as_classes():
    with tf.Graph().as_default(), tf.Session() as sess:
        spec = E.RegressionHead(2).create_estimator_spec(
            {}, "eval", tf.constant([[0.5, 0.0]]), labels=tf.constant([[1.0, 2.0]])
        )
        assert sess.run(spec.loss) == pytest.approx(2.125)
        assert E.MultiClassHead(3).logits_dimension == 3
        assert E.MultiHead([E.BinaryClassHead(name="a"), E.PoissonRegressionHead(name="b")]).name == "a_b"
