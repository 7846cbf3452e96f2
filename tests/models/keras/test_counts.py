"""How many operations layers add, which decides the default seeds of all that follows.

`counts.json`: shape of the inputs without the batch, the layer, the operations of the graph after the call,
and after its losses have been asked for; from TensorFlow 1.15.5.
"""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
import pytest

import millrace as tf

_CASES = json.loads(pathlib.Path(__file__).with_name("counts.json").read_text())


@pytest.mark.parametrize(("shape", "layer", "calls", "losses"), _CASES, ids=[case[1] for case in _CASES])
def test_layers_add_as_many_operations_as_in_1_15(
    shape: list[Any], layer: str, calls: int, losses: int
) -> None:
    tf.set_random_seed(7)
    inputs = tf.keras.Input(shape, dtype="int32" if "Embedding" in layer else "float32")
    made = eval(
        layer,
        {
            **{name: getattr(tf.keras.layers, name) for name in dir(tf.keras.layers)},
            "Sequential": tf.keras.Sequential,
        },
    )
    made(inputs)
    assert tf.get_seed(None)[1] == calls
    assert made.losses is not None
    assert tf.get_seed(None)[1] == losses


def test_penalties_bear_the_name_of_their_variable() -> None:
    layer = tf.keras.layers.Dense(3, kernel_regularizer="l2")
    layer(tf.keras.Input((4,)))
    assert [loss.name for loss in layer.losses] == ["dense/kernel/Regularizer/add:0"]


def test_metrics_are_not_layers_of_a_model() -> None:
    inputs = tf.keras.Input((2,))
    model = tf.keras.Model(inputs, tf.keras.layers.Dense(1)(inputs))
    model.compile("sgd", "mse", metrics=[tf.keras.metrics.AUC()])
    assert not model.stateful
    assert [w.name for w in model.weights] == ["dense/kernel:0", "dense/bias:0"]
    assert model.predict([[1.0, 2.0]] * 5, batch_size=2).shape == (5, 1)


_L, _M = tf.keras.layers, tf.keras.metrics


@pytest.mark.parametrize(
    ("make", "operations", "last"),
    [
        (lambda: _M.AUC(7, name="area"), 54, "area"),
        (lambda: _M.AUC(7, "PR", "minoring", name="area"), 52, "area"),
        (lambda: _M.AUC(7, "PR"), 110, "interpolate_pr_auc"),
        (lambda: _M.SensitivityAtSpecificity(0.5), 55, "div_no_nan_1"),
        (lambda: _M.SpecificityAtSensitivity(0.5), 55, "div_no_nan_1"),
        (lambda: _M.MeanIoU(2), 28, "div_no_nan_1"),
    ],
)
def test_results_of_metrics_have_the_operations_of_1_15(make: Any, operations: int, last: str) -> None:
    make().result()
    graph = tf.get_default_graph()
    assert graph._last_id == operations
    assert graph.get_operations()[-2].name == last


def test_a_number_is_filled_where_a_list_is_a_constant() -> None:
    for make, shape in ((tf.zeros, 3), (tf.zeros, [3]), (tf.ones, np.int64(3))):
        make(shape)
    assert [op.name for op in tf.get_default_graph().get_operations()] == [
        "zeros/shape_as_tensor",
        "zeros/Const",
        "zeros",
        "zeros_1",
        "ones/shape_as_tensor",
        "ones/Const",
        "ones",
    ]


_S = tf.keras.optimizers.schedules


@pytest.mark.parametrize(
    ("shape", "layer", "optimizer", "operations"),
    [
        ((3, 2), lambda: _L.LSTM(3), "sgd", 1092),
        ((3, 2), lambda: _L.GRU(3, reset_after=True), "sgd", 1029),
        (
            (3, 2),
            lambda: tf.keras.Sequential([_L.GRU(3, return_sequences=True), _L.SimpleRNN(2)]),
            "sgd",
            1254,
        ),
        ((2, 4, 4, 1), lambda: _L.ConvLSTM2D(1, 2), "sgd", 1044),
        ((3, 2), lambda: _L.Dense(2, kernel_constraint="max_norm"), "sgd", 210),
        ((3, 2), lambda: _L.Dense(2, kernel_constraint=tf.keras.constraints.MinMaxNorm()), "sgd", 215),
        ((3, 2), lambda: _L.Dense(2, kernel_constraint="unit_norm"), "sgd", 205),
        ((3, 2), lambda: _L.Dense(2, kernel_constraint="non_neg"), "sgd", 198),
        (
            (3, 2),
            lambda: _L.Dense(2),
            lambda: tf.keras.optimizers.SGD(_S.ExponentialDecay(0.1, 2, 0.5)),
            192,
        ),
        ((3, 2), lambda: _L.Dense(2, kernel_regularizer="l2"), "sgd", 217),
    ],
)
def test_training_adds_as_many_operations_as_in_1_15(
    shape: tuple[int, ...], layer: Any, optimizer: Any, operations: int
) -> None:
    tf.keras.backend.clear_session()
    tf.set_random_seed(7)
    inputs = tf.keras.Input(shape)
    model = tf.keras.Model(inputs, layer()(inputs))
    model.compile(optimizer() if callable(optimizer) else optimizer, "mse")
    model.train_on_batch(np.ones((4, *shape)), np.ones((4, *model.output_shape[1:])))
    assert tf.get_seed(None)[1] == operations


def test_losses_are_made_anew_where_weights_of_steps_stay_away() -> None:
    counts = []
    for weights in (None, np.ones((4, 3))):
        tf.keras.backend.clear_session()
        tf.set_random_seed(7)
        model = tf.keras.Sequential([_L.TimeDistributed(_L.Dense(1), input_shape=(3, 2))])
        model.compile("sgd", "mse", ["mae"], sample_weight_mode="temporal", weighted_metrics=["mse"])
        model.train_on_batch(np.ones((4, 3, 2)), np.ones((4, 3, 1)), sample_weight=weights)
        counts.append(tf.get_seed(None)[1])
    assert counts == [398, 360]


def test_weights_of_one_output_make_places_for_all() -> None:
    tf.keras.backend.clear_session()
    tf.set_random_seed(7)
    inputs = tf.keras.Input((3,))
    model = tf.keras.Model(inputs, [_L.Dense(1, name="p")(inputs), _L.Dense(2, name="q")(inputs)])
    model.compile("sgd", "mse", weighted_metrics=["mae"])
    truth = [np.ones((4, 1)), np.ones((4, 2))]
    model.train_on_batch(np.ones((4, 3)), truth, sample_weight={"p": np.ones(4)})
    assert [t.op.name for t in model.sample_weights] == ["p_sample_weights", "q_sample_weights"]
    assert tf.get_seed(None)[1] == 767
