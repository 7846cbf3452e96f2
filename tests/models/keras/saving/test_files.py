"""Models and weights in files: what comes back, how files are laid out, what is refused."""

import json
import os

import h5py
import numpy as np
import pytest

import millrace as tf

K, L = tf.keras, tf.keras.layers


@pytest.fixture(autouse=True)
def _fresh():
    K.backend.clear_session()
    yield
    K.backend.clear_session()


def _data(*shape):
    return ((np.arange(np.prod(shape)) * 7 % 11 - 5) * 0.2).reshape(shape).astype(np.float32)


def _nested():
    inner = K.Sequential(
        [L.Dense(3, input_shape=(4,), name="n1"), L.BatchNormalization(name="nb"), L.Dense(3, name="n2")],
        name="nest",
    )
    start = L.Input((6,), name="a")
    return K.Model(start, inner(L.Dense(4, activation="relu", name="d")(start)), name="m")


def _recurrent():
    return K.Sequential(
        [
            L.LSTM(2, input_shape=(3, 6), return_sequences=True),
            L.Bidirectional(L.GRU(2, return_sequences=True)),
            L.TimeDistributed(L.Dense(2)),
            L.RNN([L.SimpleRNNCell(2), L.LSTMCell(3)]),
        ]
    )


def _trained(model, optimizer):
    x, y = _data(4, *model.input_shape[1:]), _data(4, 3)
    model.compile(optimizer, "mse", metrics=["mae"], loss_weights=[0.5])
    model.fit(x, y, epochs=2, verbose=0, shuffle=False)
    return x, y, model.predict(x)


@pytest.mark.parametrize("make", [_nested, _recurrent])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "nadam"])
def test_a_loaded_model_goes_on_as_the_saved_one(tmp_path, make, optimizer):
    model = make()
    x, y, expected = _trained(model, optimizer)
    path = str(tmp_path / "m.h5")
    model.save(path)
    losses = model.train_on_batch(x, y)
    loaded = K.models.load_model(path)
    np.testing.assert_allclose(loaded.predict(x), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(loaded.train_on_batch(x, y), losses, rtol=1e-5)
    np.testing.assert_allclose(loaded.predict(x), model.predict(x), rtol=1e-5, atol=1e-7)
    assert loaded.metrics_names == model.metrics_names


@pytest.mark.parametrize("name", ["w.h5", "w"])
@pytest.mark.parametrize("make", [_nested, _recurrent])
def test_weights_come_back(tmp_path, make, name):
    model = make()
    x, _, expected = _trained(model, "adam")
    path = str(tmp_path / name)
    model.save_weights(path)
    other = make()
    other.load_weights(path)
    np.testing.assert_array_equal(other.predict(x), expected)


def test_a_checkpoint_gives_the_optimizer_its_state_once_that_is_there(tmp_path):
    model = _nested()
    x, y, _ = _trained(model, "adam")
    model.save_weights(str(tmp_path / "w"))
    losses = model.train_on_batch(x, y)
    other = _nested()
    other.compile("adam", "mse", metrics=["mae"], loss_weights=[0.5])
    other.load_weights(str(tmp_path / "w"))
    np.testing.assert_allclose(other.train_on_batch(x, y), losses, rtol=1e-6)
    np.testing.assert_allclose(other.predict(x), model.predict(x), rtol=1e-5)


class _Parts(K.Model):
    def __init__(self):
        super().__init__()
        self.a = L.Dense(2)
        self.l = [L.Dense(2), L.Dense(3)]
        self.d = {"x": L.Dense(2)}

    def call(self, inputs):
        return self.d["x"](self.l[1](self.l[0](self.a(inputs))))


def test_the_keys_of_a_checkpoint_are_attributes(tmp_path):
    model = _Parts()
    model.predict(_data(2, 3))
    path = str(tmp_path / "w")
    model.save_weights(path)
    names = [name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE") for name, _ in tf.train.list_variables(path)]
    assert names == [
        "_CHECKPOINTABLE_OBJECT_GRAPH", "a/bias", "a/kernel", "d/x/bias", "d/x/kernel", "l/0/bias",
        "l/0/kernel", "l/1/bias", "l/1/kernel",
    ]  # fmt: skip
    assert sorted(os.listdir(tmp_path)) == [
        "checkpoint", "w.data-00000-of-00002", "w.data-00001-of-00002", "w.index",
    ]  # fmt: skip


def test_a_model_without_variables_takes_them_later(tmp_path):
    model = _Parts()
    expected = model.predict(_data(2, 3))
    model.save_weights(str(tmp_path / "w"))
    other = _Parts()
    other.load_weights(str(tmp_path / "w"))
    np.testing.assert_array_equal(other.predict(_data(2, 3)), expected)
    with pytest.raises(ValueError, match="subclassed Model"):
        model.save_weights(str(tmp_path / "w.h5"))
        _Parts().load_weights(str(tmp_path / "w.h5"))


def test_the_layout_of_a_file(tmp_path):
    model = _nested()
    _trained(model, "adam")
    path = str(tmp_path / "m.h5")
    model.save(path)
    with h5py.File(path, "r") as file:
        assert sorted(file) == ["model_weights", "optimizer_weights"]
        assert sorted(file.attrs) == ["backend", "keras_version", "model_config", "training_config"]
        weights = file["model_weights"]
        assert list(weights.attrs["layer_names"]) == [b"a", b"d", b"nest"]
        # The trained ones first.
        assert [n.decode() for n in weights["nest"].attrs["weight_names"]] == [
            "n1/kernel:0", "n1/bias:0", "nb/gamma:0", "nb/beta:0", "n2/kernel:0", "n2/bias:0",
            "nb/moving_mean:0", "nb/moving_variance:0",
        ]  # fmt: skip
        training = json.loads(file.attrs["training_config"])
        assert training["loss"] == "mse" and training["optimizer_config"]["class_name"] == "Adam"
        assert file["optimizer_weights"].attrs["weight_names"][0].endswith(b"iter:0")


def test_many_names_are_split(tmp_path):
    names = [f"layer_with_a_rather_long_name_{k:06d}" for k in range(4000)]
    from millrace.models.keras.saving import hdf5

    with h5py.File(tmp_path / "f.h5", "w") as file:
        hdf5.write_names(file, "n", names)
        assert "n" not in file.attrs and "n0" in file.attrs
        assert hdf5.read_names(file, "n") == names
        with pytest.raises(RuntimeError, match="at most"):
            hdf5.write_names(file, "m", ["x" * 70000])


def test_custom_objects_are_found_by_name(tmp_path):
    class Twice(L.Layer):
        def call(self, inputs):
            return inputs * 2

    def loss(y, p):
        return tf.reduce_mean(tf.abs(y - p))

    model = K.Sequential([L.Dense(2, input_shape=(3,)), Twice()])
    model.compile("sgd", loss)
    model.train_on_batch(_data(2, 3), _data(2, 2))
    path = str(tmp_path / "m.h5")
    model.save(path)
    loaded = K.models.load_model(path, {"Twice": Twice, "loss": loss})
    np.testing.assert_array_equal(loaded.predict(_data(2, 3)), model.predict(_data(2, 3)))
    with pytest.raises(ValueError, match="Twice"):
        K.models.load_model(path)


def test_weights_by_name(tmp_path):
    model = K.Sequential([L.Dense(4, input_shape=(3,), name="x"), L.Dense(2, name="y")])
    model.save_weights(str(tmp_path / "w.h5"))
    other = K.Sequential([L.Dense(4, input_shape=(3,), name="x"), L.Dense(5, name="z")])
    before = other.layers[1].get_weights()
    other.load_weights(str(tmp_path / "w.h5"), by_name=True)
    np.testing.assert_array_equal(other.layers[0].get_weights()[0], model.layers[0].get_weights()[0])
    np.testing.assert_array_equal(other.layers[1].get_weights()[0], before[0])
    with pytest.raises(NotImplementedError, match="topology"):
        other.load_weights(str(tmp_path / "w"), by_name=True)


def test_what_does_not_fit_is_refused_and_nothing_changes(tmp_path):
    model = K.Sequential([L.Dense(4, input_shape=(3,)), L.Dense(2)])
    path = str(tmp_path / "w.h5")
    model.save_weights(path)
    fewer = K.Sequential([L.Dense(4, input_shape=(3,))])
    with pytest.raises(ValueError, match="containing 2 layers into a model with 1 layers"):
        fewer.load_weights(path)
    other = K.Sequential([L.Dense(4, input_shape=(3,)), L.Dense(3)])
    before = other.get_weights()
    with pytest.raises(ValueError, match="has shape"):
        other.load_weights(path)
    for old, new in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    with pytest.raises(ValueError, match="No model found"):
        K.models.load_model(path)
    with pytest.raises(OSError, match="does not exist"):
        K.models.load_model(str(tmp_path / "missing.h5"))
    with pytest.raises(tf.errors.NotFoundError):
        model.load_weights(str(tmp_path / "missing"))
    with pytest.raises(ValueError, match="Unknown format"):
        model.save_weights(path, save_format="zip")
    with pytest.raises(ValueError, match="looks like an HDF5"):
        model.save_weights(path, save_format="tf")
    with pytest.raises(NotImplementedError, match="subclassed"):
        _Parts().save(path)


def test_a_file_is_kept_where_the_user_says_so(tmp_path, monkeypatch):
    model = K.Sequential([L.Dense(1, input_shape=(1,))])
    path = str(tmp_path / "w.h5")
    (tmp_path / "w.h5").write_bytes(b"mine")
    answers = iter(["what", "n"])
    monkeypatch.setattr("builtins.input", lambda text: next(answers))
    model.save_weights(path, overwrite=False)
    assert (tmp_path / "w.h5").read_bytes() == b"mine"


def test_a_model_that_was_not_compiled_says_so(tmp_path):
    model = K.Sequential([L.Dense(1, input_shape=(1,))])
    path = str(tmp_path / "m.h5")
    K.models.save_model(model, path)
    with pytest.warns(UserWarning, match="not"):
        loaded = K.models.load_model(path)
    assert loaded.optimizer is None


def test_the_best_model_is_kept(tmp_path):
    model = K.Sequential([L.Dense(1, input_shape=(3,))])
    model.compile("sgd", "mse")
    keep = K.callbacks.ModelCheckpoint(str(tmp_path / "b{epoch}.h5"), monitor="loss", save_best_only=True)
    model.fit(_data(6, 3), _data(6, 1), epochs=2, verbose=0, callbacks=[keep])
    assert sorted(os.listdir(tmp_path)) == ["b1.h5", "b2.h5"]
    np.testing.assert_array_equal(
        K.models.load_model(str(tmp_path / "b2.h5")).predict(_data(2, 3)), model.predict(_data(2, 3))
    )
