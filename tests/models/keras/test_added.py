"""Losses and metrics of tensors that are added to models; names and numbers are TensorFlow 1.15's."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import millrace as tf

K, L = tf.keras, tf.keras.layers
X = np.linspace(-1, 1, 32).reshape(8, 4).astype("float32")
Y = np.ones((8, 1), "float32")
ADDED = [
    "tf_op_layer_Abs", "tf_op_layer_Mean", "tf_op_layer_mul", "add_loss", "tf_op_layer_Sum", "add_metric",
    "add_metric_1",
]  # fmt: skip
FIRST = {"loss": [38.224299], "hs": [-0.2861977], "ym": [-1.1399441]}


def watched() -> Any:
    """A model with a loss of a hidden layer, a metric of it, and one of the output."""
    x = K.Input((4,), name="x")
    hidden = L.Dense(3, name="h", kernel_initializer="ones")(x)
    y = L.Dense(1, name="y", kernel_initializer="ones")(hidden)
    model = K.Model(x, y)
    model.add_loss(tf.reduce_mean(tf.abs(hidden)) * 0.1)
    model.add_metric(tf.reduce_sum(hidden), name="hs", aggregation="mean")
    model.add_metric(y, name="ym", aggregation="mean")
    return model


def trained(model: Any, epochs: int = 1) -> dict[str, list[float]]:
    model.compile("sgd", "mse")
    return model.fit(X, Y, epochs=epochs, batch_size=4, verbose=0, shuffle=False).history


def names(model: Any) -> list[str]:
    return [layer.name for layer in model.layers]


def close(found: dict[str, list[float]], wanted: dict[str, list[float]]) -> None:
    assert list(found) == list(wanted)
    for key, values in wanted.items():
        np.testing.assert_allclose(found[key], values, rtol=1e-5)


def test_what_is_added_becomes_layers() -> None:
    model = watched()
    assert names(model) == ["x", "h", "y", *ADDED]
    assert model.metrics_names == ["loss", "hs", "ym"]
    assert [loss.name for loss in model.losses] == ["mul:0"]
    assert [v.name for m in model.metrics for v in m.weights] == [
        "add_metric/total:0", "add_metric/count:0", "add_metric_1/total:0", "add_metric_1/count:0",
    ]  # fmt: skip
    assert [w.name for w in model.weights] == ["h/kernel:0", "h/bias:0", "y/kernel:0", "y/bias:0"]
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert [line.split() for line in lines[10::2]][:3] == [
        ["tf_op_layer_Abs", "(TensorFlowOpLa", "[(None,", "3)]", "0", "h[0][0]"],
        ["tf_op_layer_Mean", "(TensorFlowOpL", "[()]", "0", "tf_op_layer_Abs[0][0]"],
        ["tf_op_layer_mul", "(TensorFlowOpLa", "[()]", "0", "tf_op_layer_Mean[0][0]"],
    ]
    close(
        trained(model, epochs=2),
        {
            "loss": [38.224299, 7.5810932],
            "hs": [-0.2861977, 1.2623053],
            "ym": [-1.1399441, -0.1405243],
        },
    )


def test_constants_are_computed_before_the_layers_are_made() -> None:
    watched()
    nodes = [n.name for n in tf.get_default_graph().as_graph_def().node]
    start = nodes.index("mul")
    assert nodes[start + 1 : start + 10] == [
        "group_deps", "VarIsInitializedOp", "VarIsInitializedOp_1", "VarIsInitializedOp_2",
        "VarIsInitializedOp_3", "init", "group_deps_1", "add_loss/add_loss/Identity", "Const_1",
    ]  # fmt: skip


def test_a_configuration_keeps_them() -> None:
    config = json.loads(watched().to_json())["config"]
    assert config["layers"][4] == {
        "name": "tf_op_layer_Mean",
        "class_name": "TensorFlowOpLayer",
        "config": {
            "name": "Mean",
            "trainable": True,
            "dtype": None,
            "node_def": {
                "name": "Mean",
                "op": "Mean",
                "input": ["Abs", "Const"],
                "attr": {"Tidx": {"type": "DT_INT32"}, "T": {"type": "DT_FLOAT"}, "keep_dims": {"b": False}},
            },
            "constants": {"1": [0, 1]},
        },
        "inbound_nodes": [[["tf_op_layer_Abs", 0, 0, {}]]],
    }
    found = {layer["name"]: layer["config"] for layer in config["layers"]}
    assert found["add_loss"] == {
        "name": "add_loss", "trainable": True, "dtype": "float32", "unconditional": False,
    }  # fmt: skip
    assert found["add_metric"] == {
        "name": "add_metric", "trainable": True, "dtype": "float32",
        "aggregation": "mean", "metric_name": "hs",
    }  # fmt: skip
    K.backend.clear_session()
    copy = K.Model.from_config(config)
    assert names(copy) == ["x", "h", "y", *ADDED]
    close(trained(copy), FIRST)


def test_a_clone_keeps_them_with_the_metrics_last() -> None:
    copy = K.models.clone_model(watched())
    assert names(copy) == [
        "x", "h", "y", "tf_op_layer_Abs", "tf_op_layer_Sum", "tf_op_layer_Mean", "tf_op_layer_mul",
        "add_loss", "add_metric", "add_metric_1",
    ]  # fmt: skip
    close(trained(copy), FIRST)


def test_files_keep_them(tmp_path: Any) -> None:
    model = watched()
    trained(model)
    path = str(tmp_path / "model.h5")
    model.save(path)
    K.backend.clear_session()
    copy = K.models.load_model(path)
    assert names(copy) == ["x", "h", "y", *ADDED] and copy.metrics_names == ["loss", "hs", "ym"]
    history = copy.fit(X, Y, batch_size=4, verbose=0, shuffle=False).history
    close(history, {"loss": [7.5810932], "hs": [1.2623053], "ym": [-0.1405243]})
    folder = str(tmp_path / "saved")
    K.experimental.export_saved_model(copy, folder)
    K.backend.clear_session()
    assert names(K.experimental.load_from_saved_model(folder)) == ["x", "h", "y", *ADDED]


def test_a_call_on_other_inputs_adds_losses_and_metrics_of_these() -> None:
    inner = watched()
    x = K.Input((4,))
    model = K.Model(x, inner(L.Dense(4, kernel_initializer="ones")(x)))
    assert [loss.name for loss in model.losses] == ["mul:0", "model/tf_op_layer_mul/mul:0"]
    assert names(model) == ["input_1", "dense", "model"] and model.metrics_names == ["loss"]
    history = trained(model)
    assert list(history) == ["loss"] and np.isfinite(history["loss"]).all()


def test_a_sequence_of_layers() -> None:
    model = K.Sequential(
        [L.Dense(3, input_shape=(4,), kernel_initializer="ones"), L.Dense(1, kernel_initializer="ones")]
    )
    model.add_loss(tf.reduce_mean(model.output))
    model.add_metric(tf.reduce_sum(model.layers[0].output), name="s", aggregation="mean")
    order = ["dense", "dense_1", "tf_op_layer_Mean", "add_loss", "tf_op_layer_Sum", "add_metric"]
    assert names(model) == order
    copy = K.models.clone_model(model)
    assert names(copy) == [*order[:3], "tf_op_layer_Sum", "add_loss", "add_metric"]
    close(trained(copy), trained(model))


def test_losses_without_the_inputs() -> None:
    model = watched()
    model.add_loss(tf.constant(2.0))
    model.add_loss(lambda: tf.reduce_sum(model.layers[1].kernel))
    assert names(model)[-2:] == ["tf_op_layer_Const_2", "add_loss_1"]
    assert [loss.name for loss in model.losses[1:]] == ["mul:0", "Const_2:0"]
    before = K.Model.from_config(model.get_config())
    model.compile("sgd", "mse")
    before.compile("sgd", "mse")
    assert model.evaluate(X, Y, verbose=0)[0] - before.evaluate(X, Y, verbose=0)[0] == pytest.approx(
        12, rel=1e-5
    )


def test_refusals_leave_the_model_as_it_was() -> None:
    model = watched()
    with pytest.raises(ValueError, match="disconnected"):
        model.add_loss(tf.reduce_mean(K.Input((2,))))
    with pytest.raises(ValueError, match="Metric"):
        model.add_metric(K.metrics.Mean(name="m")(model.output))
    with pytest.raises(ValueError, match="aggregation"):
        model.add_metric(model.output, name="m")
    with pytest.raises(ValueError, match="symbolic"):
        model.add_metric(1.0, name="m", aggregation="mean")
    assert names(model) == ["x", "h", "y", *ADDED]


def test_a_metric_of_integers_averages_floats_and_may_come_after_compile() -> None:
    x = K.Input((4,))
    model = K.Model(x, L.Dense(1, kernel_initializer="ones")(x))
    model.compile("sgd", "mse")
    model.add_metric(tf.cast(model.output > 0, tf.int32), name="positive", aggregation="mean")
    assert model.evaluate(X, Y, verbose=0)[1] == 0.5 and model.metrics[0].total.dtype.base_dtype == tf.float32


class Scaled(L.Layer):
    def call(self, inputs: Any, scale: Any = None) -> Any:
        return inputs * scale


def test_layers_that_lead_to_keywords_only_are_part_of_the_model() -> None:
    x = K.Input((4,), name="a")
    scale = L.Dense(4, kernel_initializer="ones", name="b")(x)
    model = K.Model(x, Scaled(name="d")(x, scale=scale))
    assert names(model) == ["a", "b", "d"] and model.count_params() == 20
    copy = K.Model.from_config(model.get_config(), custom_objects={"Scaled": Scaled})
    np.testing.assert_allclose(copy.predict(X), X * X.sum(1, keepdims=True), rtol=1e-5)
    nodes = [n.name for n in tf.get_default_graph().as_graph_def().node]
    model(K.Input((4,)))
    assert "model/b/MatMul" in {n.name for n in tf.get_default_graph().as_graph_def().node} - set(nodes)


class Meter(L.Layer):
    def call(self, inputs: Any) -> Any:
        self.add_metric(inputs, name="inside", aggregation="mean")
        return inputs * 2


class Measured(K.Model):
    def __init__(self, attribute: bool) -> None:
        super().__init__(name="m")
        if attribute:
            self.mean = K.metrics.Mean(name="t")
        self.d = L.Dense(1, kernel_initializer="ones")
        self.meter = Meter()

    def call(self, inputs: Any) -> Any:
        y = self.meter(self.d(inputs))
        if hasattr(self, "mean"):
            self.add_metric(self.mean(y))
        else:
            self.add_metric(y, name="own", aggregation="mean")
        return y


def test_names_of_metrics_are_the_layers_then_the_models() -> None:
    model = Measured(attribute=False)
    history = trained(model)
    assert model.metrics_names == ["loss", "inside", "own"]
    assert [m.name for m in model.metrics] == [
        "own",
        "inside",
    ]  # so results have each other's names, as in 1.15
    assert history["inside"][0] == pytest.approx(2 * history["own"][0], rel=1e-5)


def test_a_metric_among_the_attributes_is_a_layer_that_keeps_state() -> None:
    model = Measured(attribute=True)
    trained(model)
    assert names(model) == ["t", "dense", "meter"] and model.stateful
    assert [w.name for w in model.weights] == ["total:0", "count:0", "m/dense/kernel:0", "m/dense/bias:0"]
    with pytest.raises(ValueError, match="divided by the batch size"):
        model.evaluate(X, Y, verbose=0)
    assert len(model.evaluate(X, Y, batch_size=8, verbose=0)) == 3


def test_attributes_of_a_model_of_inputs_and_outputs_are_not_its_layers() -> None:
    x = K.Input((4,))
    model = K.Model(x, L.Dense(1)(x))
    model.more, model.v, model.mean = L.Dense(2), tf.Variable(1.0), K.metrics.Mean(name="t")
    model.more.build((None, 3))
    assert names(model) == ["input_1", "dense"] and model.metrics_names == ["loss", "t"]
    assert [w.name for w in model.weights] == ["dense/kernel:0", "dense/bias:0"] and not model.stateful


def test_layers_that_are_set_before_init() -> None:
    class Early(L.Layer):
        def __init__(self) -> None:
            self.inner = L.Dense(2)
            super().__init__()

        def call(self, inputs: Any) -> Any:
            return self.inner(inputs)

    class EarlyModel(K.Model):
        def __init__(self) -> None:
            self.inner = L.Dense(2)
            super().__init__()

    layer = Early()
    layer(K.Input((3,)))
    assert [w.name for w in layer.weights] == ["early/dense/kernel:0", "early/dense/bias:0"]
    with pytest.raises(RuntimeError, match="forgot to call"):
        EarlyModel()


def test_layers_of_losses_stand_where_programs_look_for_them():
    from millrace.python.keras.engine import base_layer

    tf.keras.backend.clear_session()
    x = tf.keras.Input((2,))
    model = tf.keras.Model(x, tf.keras.layers.Dense(1)(x))
    model.add_loss(tf.reduce_mean(x))
    kinds = base_layer.AddLoss, base_layer.TensorFlowOpLayer
    assert [sum(isinstance(layer, kind) for layer in model.layers) for kind in kinds] == [1, 1]
