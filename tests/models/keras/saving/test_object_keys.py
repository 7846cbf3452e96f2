"""The keys that checkpoints of objects give to a model's variables."""

from __future__ import annotations

import re

import numpy as np
import pytest

import millrace as tf

K, L = tf.keras, tf.keras.layers


def test_weights_are_found_by_their_layers_and_nadam_keeps_its_schedule(tmp_path):
    inner = K.Sequential([L.Dense(2, input_shape=(3,))], name="inner")
    first, second = L.Input((3,)), L.Input((3,))
    model = K.Model([first, second], L.Dense(1)(L.concatenate([inner(first), inner(second)])))
    model.compile("nadam", "mse")
    model.fit([np.ones((4, 3)), np.ones((4, 3))], np.ones((4, 1)), verbose=0)
    path = str(tmp_path / "weights")
    model.save_weights(path)
    found = {name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE") for name, _ in tf.train.list_variables(path)}
    kernel = "layer_with_weights-0/layer_with_weights-0/kernel"
    assert {kernel, f"{kernel}/.OPTIMIZER_SLOT/optimizer/m", "optimizer/momentum_cache"} <= found
    assert not any(name.startswith("_") and "WEIGHTS" in name.upper() for name in found)


def _pair(**kwargs):
    return K.Sequential([L.Dense(3, **kwargs), L.ReLU(), L.Dense(2)])


def _built_first():
    layer = L.Dense(3)
    layer(L.Input((4,)))
    return K.Sequential([layer, L.Dense(2)])


def _built_between():
    model = K.Sequential([L.Dense(3)])
    model.build((None, 4))
    model.add(L.Dense(2))
    return model


def _nested():
    inputs = L.Input((4,))
    return K.Model(inputs, L.Dense(2)(K.Sequential([_pair(), L.Dense(3)])(inputs)))


class _Holder(K.Model):
    def __init__(self):
        super().__init__()
        self.pair = _pair()

    def call(self, x):
        return self.pair(x)


@pytest.mark.parametrize(
    ("make", "kernels"),
    [
        (_pair, ["layer-0", "layer-2"]),
        (lambda: _pair(input_shape=(4,)), ["layer_with_weights-0", "layer_with_weights-1"]),
        (_built_first, ["layer-1", "layer_with_weights-0"]),
        (_built_between, ["layer-0", "layer-1"]),
        (_Holder, ["pair/layer-0", "pair/layer-2"]),
        (
            _nested,
            [f"layer_with_weights-0/{p}" for p in ("layer-0/layer-0", "layer-0/layer-2", "layer-1")]
            + ["layer_with_weights-1"],
        ),
    ],
)
def test_layers_without_a_known_input_shape_are_saved_by_place(tmp_path, make, kernels):
    x, path = np.ones((4, 4), np.float32), str(tmp_path / "weights")
    model = make()
    model.compile("sgd", "mse")
    model.fit(x, np.ones((4, 2)), verbose=0)
    model.save_weights(path)
    end = "/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    found = [name.removesuffix(end) for name, _ in tf.train.list_variables(path) if name.endswith(end)]
    assert sorted(found) == kernels
    expected = model.predict(x)
    again = make()
    again.compile("sgd", "mse")
    again.load_weights(path)
    np.testing.assert_array_equal(again.predict(x), expected)


def test_only_what_has_weights_knows_its_dtype_before_it_is_called():
    layer = L.RNN([L.LSTMCell(2), L.GRUCell(3)])
    layer(L.Input((4, 3)))
    config = layer.get_config()["cell"]["config"]
    assert config["dtype"] is None
    assert [cell["config"]["dtype"] for cell in config["cells"]] == ["float32", "float32"]


def test_an_operation_as_a_layer_is_saved_as_1_15_does(tmp_path):
    made = L.Input((4,))
    model = K.Model(made, L.Dense(2)(L.Reshape((4,))(made) + 1.0))
    config = model.layers[2].get_config()
    assert config["node_def"]["op"] == "Add" and config["node_def"]["attr"] == {"T": {"type": "DT_FLOAT"}}
    model.save(str(tmp_path / "model.h5"))
    loaded = K.models.load_model(str(tmp_path / "model.h5"), compile=False)
    np.testing.assert_array_equal(loaded.predict(np.ones((2, 4))), model.predict(np.ones((2, 4))))
    config["node_def"] = {**config["node_def"], "op": "AddV2"}
    layer = type(model.layers[2]).from_config(config)
    assert K.backend.eval(layer(tf.constant([1.0, 2.0]))).tolist() == [2.0, 3.0]


def test_yaml_of_1_15_holds_tuples():
    pytest.importorskip("yaml")
    text = K.Sequential([L.Dense(2, input_shape=(3,))]).to_yaml()
    tagged = text.replace("batch_input_shape:\n", "batch_input_shape: !!python/tuple\n")
    assert tagged != text
    assert K.models.model_from_yaml(tagged).input_shape == (None, 3)
    text = K.Sequential([L.BatchNormalization(axis=[1], input_shape=(3,))]).to_yaml()
    tracked = "!!python/object/apply:tensorflow.python.training.tracking.data_structures.ListWrapper"
    tagged = re.sub(r"axis:\n(\s*)- 1\n", rf"axis: {tracked}\n\1- - 1\n", text)
    assert tagged != text
    assert list(K.models.model_from_yaml(tagged).layers[0].axis) == [1]
    with pytest.raises(Exception, match="python/object"):
        K.models.model_from_yaml("!!python/object/apply:os.getcwd []")
