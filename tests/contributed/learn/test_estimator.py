"""`tf.contrib.learn.Estimator`: training and the rest, from arrays, with TensorFlow 1.15's numbers."""

import numpy as np
import pytest

import millrace as tf

learn, metrics = tf.contrib.learn, tf.contrib.metrics
RANDOM = np.random.RandomState(0)
X = RANDOM.rand(60, 4).astype(np.float32)
Y = (X.sum(1) * 1.5).astype(np.int32) % 3


def model(features, labels, mode, params):
    weights = tf.get_variable("w", [4, 3], initializer=tf.zeros_initializer())
    logits = tf.matmul(features, weights)
    predictions = {"c": tf.argmax(logits, 1), "p": tf.nn.softmax(logits)}
    if mode == learn.ModeKeys.INFER:
        return predictions, None, None
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    step = tf.contrib.layers.optimize_loss(loss, tf.train.get_global_step(), params["lr"], "SGD")
    return learn.ModelFnOps(mode, predictions, loss, step)


def made(folder):
    config = learn.RunConfig(tf_random_seed=3)
    return learn.Estimator(model, str(folder), config, {"lr": 0.1})


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    return made(tmp_path_factory.mktemp("fitted")).fit(X, Y, steps=10)


def accuracy():
    return {"acc": learn.MetricSpec(metrics.streaming_accuracy, prediction_key="c")}


def test_evaluation_is_as_in_1_15(fitted):
    found = fitted.evaluate(X, Y, metrics=accuracy())
    assert found["global_step"] == 10
    assert found["loss"] == pytest.approx(1.0886828, rel=1e-6)
    assert found["acc"] == pytest.approx(0.33333334)
    assert fitted.evaluate(X, Y, metrics={("acc", "c"): metrics.streaming_accuracy})["acc"] == found["acc"]


def test_predictions_are_as_in_1_15(fitted):
    rows = list(fitted.predict(X[:3]))
    assert [row["c"] for row in rows] == [0, 0, 0]
    np.testing.assert_allclose(rows[0]["p"], [0.35677266, 0.3059969, 0.3372304], rtol=1e-6)
    assert [set(row) for row in fitted.predict(X[:3], outputs=["p"])] == [{"p"}] * 3
    together = fitted.predict(X[:3], batch_size=2, as_iterable=False)
    np.testing.assert_array_equal(together["p"], [row["p"] for row in rows])


def test_variables(fitted):
    assert fitted.get_variable_names() == ["OptimizeLoss/learning_rate", "global_step", "w"]
    np.testing.assert_allclose(
        fitted.get_variable_value("w")[0], [0.01192639, -0.03308788, 0.02116149], rtol=1e-5
    )


def test_scikit_learn_s_interface_shuffles_as_1_15(tmp_path):
    interface = learn.SKCompat(made(tmp_path).fit(X, Y, steps=10))
    interface.fit(X, Y, steps=5, batch_size=16)
    np.testing.assert_allclose(
        interface.predict(X[:3])["p"][0], [0.36372116, 0.29431504, 0.3419638], rtol=1e-6
    )
    assert interface.score(X, Y)["loss"] == pytest.approx(1.0850561, rel=1e-6)


def test_features_from_functions(fitted):
    constant = list(fitted.predict(input_fn=lambda: tf.constant(X[:2])))
    assert len(constant) == 2

    def of_dataset():
        return tf.data.Dataset.from_tensor_slices(X[:5]).batch(2).make_one_shot_iterator().get_next()

    assert len(list(fitted.predict(input_fn=of_dataset))) == 5


def test_feature_engineering(tmp_path):
    def engineered(features, labels):
        return features["a"] + features["b"], labels

    estimator = learn.Estimator(
        model,
        str(tmp_path),
        learn.RunConfig(tf_random_seed=3),
        {"lr": 0.1},
        feature_engineering_fn=engineered,
    )
    estimator.fit({"a": X / 2, "b": X / 2}, Y, steps=10)
    assert estimator.evaluate({"a": X, "b": 0 * X}, Y)["loss"] == pytest.approx(1.0886828, rel=1e-5)


class Watching(learn.monitors.EveryN):
    def __init__(self):
        super().__init__(every_n_steps=4, first_n_steps=1)
        self.seen = []

    def every_n_step_begin(self, step):
        return ["global_step:0"]

    def every_n_step_end(self, step, outputs):
        self.seen.append(step)
        assert set(outputs) == {"global_step:0"}
        return step >= 9


def test_monitors_watch_and_end_the_training(tmp_path):
    monitor = Watching()
    estimator = made(tmp_path).fit(X, Y, steps=50, monitors=[monitor])
    assert monitor.seen == [1, 5, 9]
    assert estimator.get_variable_value("global_step") == 9


def test_what_is_refused(fitted, tmp_path):
    for call, match in (
        (lambda: fitted.fit(), "Either x or input_fn"),
        (lambda: fitted.fit(X, Y, input_fn=lambda: 1), "both input_fn and x or y"),
        (lambda: fitted.fit(X, Y, steps=1, max_steps=2), "both steps and max_steps"),
        (lambda: fitted.fit(X, Y[:5], steps=1), "of one length"),
        (lambda: fitted.evaluate(X, Y, metrics={"acc": metrics.streaming_accuracy}), "predictions are dict"),
        (lambda: list(fitted.predict(X, outputs=["q"])), "at least one output"),
        (lambda: learn.Estimator(lambda features, labels: None, params={}), "params"),
    ):
        with pytest.raises(ValueError, match=match):
            call()
    with pytest.raises(KeyError, match="missing from"):
        spec = learn.MetricSpec(metrics.streaming_accuracy, prediction_key="z")
        fitted.evaluate(X, Y, metrics={"acc": spec})
    with pytest.raises(learn.NotFittedError, match="find trained model"):
        made(tmp_path / "new").predict(X)


def test_tables():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
    np.testing.assert_array_equal(learn.extract_pandas_data(table), [[1.0, 0.5], [2.0, 1.5]])
    assert learn.extract_pandas_labels(pandas.DataFrame({"a": [1, 2]})).shape == (2, 1)
    with pytest.raises(ValueError, match="int, float, or bool"):
        learn.extract_pandas_data(pandas.DataFrame({"a": ["x"]}))
    with pytest.raises(ValueError, match="Only one column"):
        learn.extract_pandas_labels(table)
