"""`DynamicRnnEstimator`: variables, numbers and predictions recorded from TensorFlow 1.15."""

import numpy as np
import pytest

import millrace as tf
from millrace.contributed.learn.keys import PredictionType

learn, layers = tf.contrib.learn, tf.contrib.layers
SINGLE, MULTIPLE = PredictionType.SINGLE_VALUE, PredictionType.MULTIPLE_VALUE
CLASSES, NUMBERS = learn.ProblemType.CLASSIFICATION, learn.ProblemType.LINEAR_REGRESSION
STEPS = np.array([[[1, 2], [3, 4], [5, 6]], [[0.1, 0.2], [0.3, 0.4], [0, 0]]], np.float32)


def features(**more):
    other = tf.constant([3, 2])  # the recorded seeds count it
    return {"m": tf.constant(STEPS), "other": other, "whole": tf.constant([[0.5], [-0.5]]), **more}


def estimator(problem, prediction, **given):
    sequence = [layers.real_valued_column("m", dimension=2)]
    context = [layers.real_valued_column("whole")]
    config = learn.RunConfig(tf_random_seed=4)
    return learn.DynamicRnnEstimator(problem, prediction, sequence, context, config=config, **given)


def fitted(problem, prediction, labels, steps=3, more=dict, **given):
    model = estimator(problem, prediction, **given)
    read = lambda: (features(**more()), tf.constant(labels))  # noqa: E731
    model.fit(input_fn=read, steps=steps)
    return model, model.evaluate(input_fn=read, steps=1), list(model.predict(input_fn=lambda: read()[0]))


def test_classes_of_sequences():
    model, found, predicted = fitted(CLASSES, SINGLE, [1, 0], num_classes=2, num_units=4)
    assert sorted(model.get_variable_names()) == [
        "OptimizeLoss/learning_rate",
        "fully_connected/biases",
        "fully_connected/weights",
        "global_step",
        "rnn/basic_rnn_cell/bias",
        "rnn/basic_rnn_cell/kernel",
    ]
    np.testing.assert_allclose(model.get_variable_value("fully_connected/biases"), [0.01605084], rtol=1e-4)
    assert found["loss"] == pytest.approx(0.74294895, rel=1e-5)
    assert found["accuracy"] == 0.0
    assert predicted[0]["classes"] == 0
    last = [0.9999, -0.91597, -0.99922, -0.99985]
    np.testing.assert_allclose(predicted[0]["rnn_cell_state_0"], last, atol=1e-5)


def test_classes_of_steps_with_probabilities():
    model, found, predicted = fitted(
        CLASSES, MULTIPLE, [[1, 2, 1], [0, 1, 0]], num_classes=3, num_units=[4, 3], cell_type="gru",
        optimizer="Momentum", momentum=0.9, predict_probabilities=True,
    )  # fmt: skip
    assert (
        "OptimizeLoss/rnn/multi_rnn_cell/cell_1/gru_cell/gates/kernel/Momentum" in model.get_variable_names()
    )
    assert (found["accuracy"], found["loss"]) == (0.5, pytest.approx(1.0650662, rel=1e-5))
    assert predicted[0]["classes"].tolist() == [1, 1, 1]
    np.testing.assert_allclose(predicted[0]["probabilities"][2], [0.3491, 0.44538, 0.20552], atol=1e-5)
    assert sorted(predicted[0]) == ["classes", "probabilities", "rnn_cell_state_0", "rnn_cell_state_1"]


def test_numbers():
    _, found, predicted = fitted(
        NUMBERS, SINGLE, [1.0, 0.0], num_units=4, cell_type="lstm", optimizer="Adam", learning_rate=0.01
    )
    assert found["loss"] == pytest.approx(0.2130848, rel=1e-5)
    assert predicted[0]["scores"] == pytest.approx(0.34754, abs=1e-5)
    _, found, predicted = fitted(
        NUMBERS, MULTIPLE, [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]], num_units=[3], optimizer="Adagrad",
        gradient_clipping_norm=None,
    )  # fmt: skip
    assert found["loss"] == pytest.approx(0.22185104, rel=1e-5)
    np.testing.assert_allclose(predicted[0]["scores"], [1.05137, 0.79767, 0.97444], atol=1e-5)


def test_steps_beyond_the_length_do_not_count():
    more = lambda: {"sequence_length": tf.constant([3, 1])}  # noqa: E731
    model, _, found = fitted(NUMBERS, SINGLE, [1.0, 0.0], more=more, num_units=4)
    first = model.predict(input_fn=lambda: {**features(), "m": tf.constant(STEPS[:, :1])})
    assert found[1]["scores"] == pytest.approx(list(first)[1]["scores"], abs=1e-6)


def test_begins_with_states_among_the_features():
    model, _, without = fitted(NUMBERS, SINGLE, [1.0, 0.0], num_units=4)

    def first_score(state):
        rows = model.predict(input_fn=lambda: features(rnn_cell_state_0=tf.fill([2, 4], state)))
        return next(rows)["scores"]

    assert first_score(0.0) == without[0]["scores"]
    assert first_score(1.0) != without[0]["scores"]


@pytest.mark.parametrize(
    "problem, prediction, given, error, message",
    [
        (CLASSES, 7, {"num_classes": 2}, ValueError, "prediction_type must be one of .* got 7"),
        (9, SINGLE, {}, ValueError, "problem_type must be either .* got 9"),
        (CLASSES, SINGLE, {}, ValueError, "num_classes must be specified"),
        (
            NUMBERS,
            SINGLE,
            {"predict_probabilities": True},
            ValueError,
            "predict_probabilities can only be set",
        ),
    ],
)
def test_refuses_types_that_do_not_go_together(problem, prediction, given, error, message):
    with pytest.raises(error, match=message):
        estimator(problem, prediction, num_units=2, **given)


@pytest.mark.parametrize(
    "given, error, message",
    [
        ({"cell_type": "nope"}, TypeError, "cell_type is one of"),
        ({"num_units": None}, ValueError, "num_units must be given"),
        ({"dropout_keep_probabilities": [1.0]}, ValueError, "must be one greater than the number of cells"),
    ],
)
def test_refuses_cells_that_cannot_be(given, error, message):
    with pytest.raises(error, match=message):
        fitted(CLASSES, SINGLE, [1, 0], **{"num_classes": 2, "num_units": 2, **given})


def test_states_come_all_or_none():
    more = lambda: {"rnn_cell_state_0": tf.ones([2, 4])}  # noqa: E731
    with pytest.raises(ValueError, match="rnn_cell_state_1"):
        fitted(NUMBERS, SINGLE, [1.0, 0.0], more=more, num_units=4, cell_type="lstm")
