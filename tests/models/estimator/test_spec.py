"""`EstimatorSpec` and what is exported of it."""

import logging

import numpy as np
import pytest

import millrace as tf


def _training(**more):
    return tf.estimator.EstimatorSpec("train", loss=tf.constant(1.0), train_op=tf.no_op(), **more)


def test_a_copy_is_checked():
    spec = _training()
    assert spec._replace(mode="train", predictions={"a": tf.constant(1.0)}).loss is spec.loss
    with pytest.raises(ValueError, match="mode of EstimatorSpec cannot be changed"):
        spec._replace(mode="eval")
    with pytest.raises(ValueError, match="Loss must be scalar"):
        spec._replace(loss=tf.constant([1.0, 2.0]))


def test_only_predictions_look_at_what_is_exported():
    assert _training(export_outputs=1).export_outputs == 1
    with pytest.raises(TypeError, match="export_outputs must be dict"):
        tf.estimator.EstimatorSpec("infer", tf.constant(1.0), export_outputs=1)


def test_names_of_outputs_may_be_tuples():
    outputs = tf.estimator.export.PredictOutput({("a", "b"): tf.constant(1.0)}).outputs
    assert list(outputs) == ["a/b"]


@pytest.fixture
def said():
    """The lines of the log."""
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = logging.getLogger("tensorflow")
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(before)


def _model(features, labels, mode):
    p = tf.layers.dense(features["x"], 1)
    if mode == "infer":
        return tf.estimator.EstimatorSpec(mode, {"p": p})
    loss = tf.losses.mean_squared_error(labels, p)
    step = tf.train.GradientDescentOptimizer(0.1).minimize(loss, tf.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, {"p": p}, loss, step)


def _input():
    return tf.data.Dataset.from_tensors(({"x": np.ones([2, 1], np.float32)}, np.ones([2, 1], np.float32)))


def test_the_log_of_an_export_and_a_warm_start(tmp_path, said):
    first = tf.estimator.Estimator(_model, str(tmp_path / "first"))
    first.train(_input)
    receiver = tf.estimator.export.build_raw_serving_input_receiver_fn(
        {"x": tf.placeholder("float", [None, 1])}
    )
    first.export_saved_model(str(tmp_path / "out"), receiver)
    assert [s for s in said if "Signatures INCLUDED" in s] == [
        f"Signatures INCLUDED in export for {method}: {names}"
        for method, names in [
            ("Classify", None),
            ("Regress", None),
            ("Predict", ["serving_default"]),
            ("Train", None),
            ("Eval", None),
        ]
    ]
    assert said.index("Assets added to graph.") < said.index("No assets to write.")
    second = tf.estimator.Estimator(_model, str(tmp_path / "second"), warm_start_from=first.model_dir)
    second.train(_input)
    start = said.index(f"Warm-starting from: {first.model_dir}")
    assert said[start + 1 : start + 3] == [
        "Warm-starting variables only in TRAINABLE_VARIABLES.",
        "Warm-started 2 variables.",
    ]
    list(second.predict(lambda: _input().map(lambda x, y: x).make_one_shot_iterator().get_next()))
    assert not any("yields forever" in s for s in said)


def test_listeners_are_checked(tmp_path):
    estimator = tf.estimator.Estimator(_model, str(tmp_path))
    for wrong in (1, [1]):
        with pytest.raises(TypeError, match="saving_listeners must be a list"):
            estimator.train(_input, saving_listeners=wrong)
