"""Models that train: what `fit` and its relatives give, in which order they tell it, what they refuse."""

import numpy as np
import pytest

import millrace as tf
from millrace.runtime.foresight import foreseen

L = tf.keras.layers


@pytest.fixture(autouse=True)
def _fresh():
    with tf.Graph().as_default():
        yield


def _filled(model, factor=0.3):
    model.set_weights(
        [
            (factor * np.cos(np.arange(w.size) + i)).reshape(w.shape).astype(w.dtype)
            for i, w in enumerate(model.get_weights())
        ]
    )
    return model


def _data(*shape):
    return ((np.arange(np.prod(shape)) * 7 % 11 - 5) * 0.2).reshape(shape).astype(np.float32)


def _small(**kwargs):
    model = tf.keras.Sequential([L.Dense(4, activation="relu", input_shape=(3,)), L.Dense(2)])
    model.compile("sgd", "mse", **kwargs)
    return _filled(model)


def test_a_step_of_gradient_descent_is_the_one_computed_by_hand():
    model = tf.keras.Sequential([L.Dense(1, input_shape=(2,))])
    model.compile(tf.keras.optimizers.SGD(0.1), "mse")
    model.set_weights([np.array([[1.0], [2.0]]), np.array([0.5])])
    x, y = np.array([[1.0, 3.0], [2.0, -1.0]]), np.array([[1.0], [0.0]])
    error = x @ [[1.0], [2.0]] + 0.5 - y
    loss = model.train_on_batch(x, y)
    np.testing.assert_allclose(loss, np.mean(error**2), rtol=1e-5)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(kernel, [[1.0], [2.0]] - 0.1 * 2 * x.T @ error / 2, rtol=1e-5)
    np.testing.assert_allclose(bias, 0.5 - 0.1 * 2 * error.mean(0), rtol=1e-5)


def test_fit_keeps_history_and_validates_on_the_last_samples():
    model = _small(metrics=["mae"])
    history = model.fit(
        _data(8, 3), _data(8, 2), epochs=2, batch_size=4, verbose=0, validation_split=0.25, shuffle=False
    )
    assert sorted(history.history) == [
        "loss",
        "mean_absolute_error",
        "val_loss",
        "val_mean_absolute_error",
    ]
    expected = model.evaluate(_data(8, 3)[6:], _data(8, 2)[6:], verbose=0)
    np.testing.assert_allclose([history.history["val_loss"][-1]], expected[:1], rtol=1e-5)


def test_shuffling_takes_numpys_order():
    seen = []

    class Keep(tf.keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(float(logs["loss"]))

    model = tf.keras.Sequential([L.Dense(1, input_shape=(1,))])
    model.compile(tf.keras.optimizers.SGD(0.0), "mse")
    model.set_weights([[[1.0]], [0.0]])
    x = np.arange(6, dtype=np.float32)[:, None]
    order = np.arange(6)
    np.random.seed(3)
    np.random.shuffle(order)
    np.random.seed(3)
    model.fit(x, x * 0, batch_size=1, verbose=0, callbacks=[Keep()])
    np.testing.assert_allclose(seen, order.astype(float) ** 2)


def test_class_and_sample_weights_scale_the_loss():
    model = _small()
    x, y = _data(4, 3), _data(4, 2)
    each = ((model.predict(x) - y) ** 2).mean(1)
    weights = np.array([1.0, 0.0, 2.0, 0.5])
    np.testing.assert_allclose(
        model.test_on_batch(x, y, sample_weight=weights), (each * weights).mean(), rtol=1e-5
    )
    np.testing.assert_allclose(model.test_on_batch(x, y), each.mean(), rtol=1e-5)


def test_a_mask_takes_steps_out_of_the_loss():
    model = tf.keras.Sequential([L.Masking(0.0, input_shape=(3, 1)), L.TimeDistributed(L.Dense(1))])
    model.compile("sgd", "mse")
    _filled(model)
    x = np.array([[[1.0], [2.0], [0.0]]], np.float32)
    y = np.zeros((1, 3, 1), np.float32)
    found = model.test_on_batch(x, y)
    np.testing.assert_allclose(found, (model.predict(x)[:, :2] ** 2).sum() / 3, rtol=1e-5)


def test_generators_and_sequences_train_like_arrays():
    class Batches(tf.keras.utils.Sequence):
        def __len__(self):
            return 2

        def __getitem__(self, i):
            return _data(4, 3)[2 * i : 2 * i + 2], _data(4, 2)[2 * i : 2 * i + 2]

    def forever():
        while True:
            yield from (Batches()[i] for i in range(2))

    losses = []
    for data in (Batches(), forever()):
        with tf.Graph().as_default():
            model = _small()
            history = model.fit_generator(data, steps_per_epoch=2, epochs=2, verbose=0, shuffle=False)
            losses.append(history.history["loss"])
    with tf.Graph().as_default():
        losses.append(_small().fit(_data(4, 3), _data(4, 2), 2, 2, 0, shuffle=False).history["loss"])
    np.testing.assert_allclose(losses[0], losses[2], rtol=1e-5)
    np.testing.assert_allclose(losses[1], losses[2], rtol=1e-5)


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: (x,), lambda x: {"i": x}, lambda x: [x]])
def test_what_a_generator_gives_outside_a_tuple_is_inputs(wrap):
    inputs = tf.keras.Input((3,), name="i")
    model = tf.keras.Model(inputs, L.Dense(2)(inputs))
    model.add_loss(tf.reduce_mean(model.outputs[0] ** 2))
    model.compile("sgd")
    _filled(model)
    x = _data(4, 3)
    trained = model.fit_generator(iter([wrap(x)] * 2), steps_per_epoch=2, verbose=0).history["loss"]
    _filled(model)
    expected = [model.train_on_batch(x) for _ in range(2)]
    np.testing.assert_allclose(trained, [np.mean(expected)], rtol=1e-5)
    assert model.predict_generator(iter([wrap(x)]), steps=1).shape == (4, 2)


def test_a_generator_of_long_tuples_is_refused():
    with pytest.raises(ValueError, match="tuple of 1 or 2 or 3 elements"):
        _small().predict_generator(iter([(1, 2, 3, 4)]), steps=1)


def test_a_stateful_layer_goes_on_where_it_stopped():
    x = _data(2, 4, 3)
    whole = tf.keras.Sequential([L.LSTM(2, input_shape=(4, 3))])
    parts = tf.keras.Sequential([L.LSTM(2, stateful=True, batch_input_shape=(2, 2, 3))])
    parts.set_weights(_filled(whole).get_weights())
    parts.predict(x[:, :2], batch_size=2)
    np.testing.assert_allclose(parts.predict(x[:, 2:], batch_size=2), whole.predict(x), rtol=1e-5)
    parts.reset_states()
    again = parts.predict(x[:, :2], batch_size=2)
    np.testing.assert_allclose(
        parts.layers[0].states[0].eval(tf.keras.backend.get_session()), again, rtol=1e-5
    )


def test_models_refuse_what_does_not_fit():
    model = _small()
    with pytest.raises(ValueError, match=r"expected dense_input to have shape \(3,\).*\(4,\)"):
        model.predict(_data(2, 4))
    with pytest.raises(ValueError, match="same number of samples"):
        model.fit(_data(2, 3), _data(3, 2), verbose=0)
    with pytest.raises(ValueError, match="Unknown optimizer"):
        model.compile("nonsense", "mse")
    with pytest.raises(ValueError, match="Unknown loss function"):
        model.compile("sgd", "nonsense")
    fresh = tf.keras.Sequential([L.Dense(2, input_shape=(3,))])
    with pytest.raises(RuntimeError, match="compile"):
        fresh.fit(_data(2, 3), _data(2, 2))
    with pytest.raises(ValueError, match="Graph disconnected"):
        a, b = L.Input((2,)), L.Input((2,))
        tf.keras.Model(a, L.add([a, b]))


def test_layers_of_tf_layers_are_layers_of_keras_that_models_refuse():
    layer = tf.layers.Dense(2)
    assert isinstance(layer, L.Layer)
    with pytest.raises(TypeError, match="legacy tf.layers.Layers"):
        tf.keras.Sequential([L.InputLayer((3,)), layer])


def test_operations_between_layers_become_layers():
    x = L.Input((3,))
    y = L.Dense(2)(x) * 2.0 + 1.0
    model = _filled(tf.keras.Model(x, y))
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(model.predict(_data(2, 3)), (_data(2, 3) @ kernel + bias) * 2 + 1, rtol=1e-5)


def test_layers_of_operations_are_called_as_in_1_15():
    x = L.Input((4,))
    with tf.name_scope("a/b"):
        y = tf.reshape(tf.abs(x), [-1, 2, 2])
    model = tf.keras.Model(x, tf.reduce_sum(y * np.float32([1.0, 2.0]), 1))
    layers = [layer.name for layer in model.layers]
    assert layers[1:] == [f"tf_op_layer_{name}" for name in ("a/b/Abs", "a/b/Reshape", "mul", "Sum")]
    assert model.layers[2].output_shape == [(None, 2, 2)]
    first = model.get_config()["layers"][1]
    assert (first["name"], first["config"]["name"]) == ("tf_op_layer_a/b/Abs", "a/b/Abs")
    again = tf.keras.models.model_from_json(model.to_json())
    assert [layer.name for layer in again.layers] == layers
    assert again.layers[1].output.name == "tf_op_layer_a/b/Abs/a/b/Abs:0"
    by_name = tf.get_default_graph().get_operation_by_name
    assert by_name("tf_op_layer_Sum/Sum/reduction_indices").type == "Const"
    assert not [op.name for op in tf.get_default_graph().get_operations() if op.name.startswith("input_0")]
    np.testing.assert_array_equal(again.predict(_data(2, 4)), model.predict(_data(2, 4)))


def test_only_training_makes_the_learning_phase():
    model = tf.keras.Sequential([L.Dense(2, input_shape=(3,))])
    model.compile("sgd", "mse")
    x, y = _data(4, 3), _data(4, 2)

    def phases():
        operations = tf.get_default_graph().get_operations()
        return sum(op.name == "keras_learning_phase" for op in operations)

    model.predict(x)
    model.predict_on_batch(x)
    model.evaluate(x, y, verbose=0)
    assert phases() == 0
    model.fit(x, y, verbose=0)
    assert phases() == 1


def test_a_dataset_trains_like_its_arrays():
    x, y = _data(8, 3), _data(8, 2)
    expected = _small().fit(x, y, 4, 2, 0, shuffle=False).history["loss"]
    with tf.Graph().as_default():
        dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
        history = _small().fit(dataset, epochs=2, verbose=0, validation_data=dataset, validation_steps=2)
    np.testing.assert_allclose(history.history["loss"], expected, rtol=1e-5)
    assert len(history.history["val_loss"]) == 2


def test_validation_draws_an_order_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    shuffled: list[int] = []
    monkeypatch.setattr(np.random, "shuffle", lambda places: shuffled.append(len(places)))
    model = tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=(2,))])
    model.compile("sgd", "mse")
    x, y = np.ones((10, 2)), np.ones((10, 1))
    model.fit(x, y, epochs=2, verbose=0, validation_split=0.3)
    assert shuffled == [7, 3, 7, 3]
    model.evaluate(x, y, verbose=0)
    assert len(shuffled) == 4


def test_a_number_of_steps_runs_whole_arrays(capsys: pytest.CaptureFixture[str]) -> None:
    model = tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=(2,), kernel_initializer="zeros")])
    model.compile("sgd", "mse")
    x = np.arange(20).reshape(10, 2) / 10.0
    y = x.sum(1, keepdims=True)
    history = model.fit(x, y, steps_per_epoch=2, verbose=2).history
    np.testing.assert_allclose(history["loss"], [4.6246877], rtol=1e-6)
    assert capsys.readouterr().out.startswith("Train on 2 samples\n2/2 - ")
    assert model.predict(x, steps=3).shape == (30, 1)


class _Told(tf.keras.callbacks.Callback):
    """Keeps which batches began and ended, and the epochs' losses."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(f"{batch}<")

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(f"{batch}>")

    def on_test_batch_end(self, batch, logs=None):
        self.seen.append(f"v{logs['size']}")

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(f"e{epoch}")


def _regression():
    model = tf.keras.Sequential([L.Dense(2, input_shape=(4,))])
    model.compile("sgd", "mse")
    return _filled(model)


def test_a_dataset_of_known_length_has_so_many_steps():
    told, model = _Told(), _regression()
    data = tf.data.Dataset.from_tensor_slices((_data(8, 4), _data(8, 2))).batch(3)
    history = model.fit(data, epochs=2, verbose=0, callbacks=[told])
    assert told.seen == ["0<", "0>", "1<", "1>", "2<", "2>", "e0", "0<", "0>", "1<", "1>", "2<", "2>", "e1"]
    assert (history.params["steps"], history.params["samples"]) == (3, 3)
    assert "mode" not in history.params
    with pytest.raises(ValueError, match="infinitely repeating dataset"):
        model.fit(data.repeat(), verbose=0)


def test_a_dataset_goes_on_where_a_number_of_steps_stopped():
    told, model = _Told(), _regression()
    x, y = _data(8, 4), _data(8, 2)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(2)
    with pytest.warns(UserWarning, match="ran out of data"):
        history = model.fit(data, epochs=4, steps_per_epoch=3, verbose=0, callbacks=[told])
    assert told.seen == ["0<", "0>", "1<", "1>", "2<", "2>", "e0", "0<", "0>", "1<", "e1"]
    again = _regression()
    each = [again.train_on_batch(x[i : i + 2], y[i : i + 2]) for i in range(0, 8, 2)]
    np.testing.assert_allclose(history.history["loss"], [np.mean(each[:3]), each[3]], rtol=1e-5)


def test_a_dataset_of_unknown_length_runs_until_its_end():
    told, model = _Told(), _regression()
    data = tf.data.Dataset.from_tensor_slices((_data(4, 4), _data(4, 2))).filter(lambda x, y: True).batch(2)
    history = model.fit(data, epochs=2, verbose=0, callbacks=[told])
    assert told.seen == ["0<", "0>", "1<", "1>", "2<", "e0", "0<", "0>", "1<", "1>", "e1"]
    assert (history.params["steps"], history.params["samples"]) == (2, None)


def test_validation_beside_a_generator_takes_batches_of_the_last_ones_size():
    class Uneven(tf.keras.utils.Sequence):
        ends = 0

        def __len__(self):
            return 2

        def __getitem__(self, i):
            count = 4 if i == 0 else 3
            return _data(count, 4), _data(count, 2)

        def on_epoch_end(self):
            self.ends += 1

    told, model, source = _Told(), _regression(), Uneven()
    x, y = _data(7, 4), _data(7, 2)
    history = model.fit(source, epochs=2, shuffle=False, verbose=0, validation_data=(x, y), callbacks=[told])
    assert told.seen[4:] == ["v3", "v3", "v1", "e0", "0<", "0>", "1<", "1>", "v3", "v3", "v1", "e1"]
    parts = [model.evaluate(x[i : i + 3], y[i : i + 3], verbose=0) for i in (0, 3, 6)]
    np.testing.assert_allclose(history.history["val_loss"][-1], np.mean(parts), rtol=1e-5)
    assert source.ends == 1  # between passes


def test_a_sequence_is_shuffled_further_from_pass_to_pass():
    import random

    class Numbered(tf.keras.utils.Sequence):
        def __len__(self):
            return 5

        def __getitem__(self, i):
            return np.full((i + 1, 4), 0.1, "f"), np.zeros((i + 1, 2), "f")

    sizes = []
    collect = tf.keras.callbacks.LambdaCallback(on_batch_end=lambda batch, logs: sizes.append(logs["size"]))
    random.seed(5)
    _regression().fit(Numbered(), epochs=2, verbose=0, callbacks=[collect])
    random.seed(5)
    order, wanted = list(range(5)), []
    for _ in range(2):
        random.shuffle(order)
        wanted += [i + 1 for i in order]
    assert sizes == wanted


def test_a_generator_needs_a_number_of_steps():
    with pytest.raises(ValueError, match="number of steps"):
        _regression().fit_generator(iter([]), verbose=0)


def test_a_bar_of_ones_own_loggers_knows_which_figures_are_averages():
    model = tf.keras.Sequential([L.Dense(2, input_shape=(4,))])
    model.compile("sgd", "mse", metrics=["mae"])
    logger = tf.keras.callbacks.BaseLogger(stateful_metrics=["another"])
    x, y = _data(6, 4), _data(6, 2)
    history = model.fit(x, y, batch_size=4, verbose=0, shuffle=False, callbacks=[logger]).history
    assert logger.stateful_metrics == {"mean_absolute_error"}
    assert history["mean_absolute_error"] == [logger.totals["mean_absolute_error"]]


def test_targets_that_are_tensors_keep_the_order_of_the_inputs():
    losses = []
    for shuffle in (False, True):
        inputs = tf.keras.Input((4,))
        model = tf.keras.Model(inputs, L.Dense(2)(inputs))
        model.compile("sgd", "mse", target_tensors=tf.constant(_data(8, 2)))
        _filled(model)
        losses.append(
            model.fit(_data(8, 4), batch_size=8, epochs=2, verbose=0, shuffle=shuffle).history["loss"]
        )
    np.testing.assert_allclose(losses[0], losses[1])


def test_a_pass_tells_how_often_its_batches_will_run(monkeypatch):
    told = []
    run_flat = type(tf.keras.backend.function([], [tf.constant(0)])).run_flat

    def noting(self, session, values):
        told.append((len(values[0]), foreseen()))
        return run_flat(self, session, values)

    model = _small()
    monkeypatch.setattr("millrace.models.keras.backend.session.Function.run_flat", noting)
    x, y = _data(10, 3), _data(10, 2)
    model.fit(x, y, batch_size=4, epochs=3, verbose=0, validation_data=(x[:4], y[:4]))
    assert told[:4] == [(4, 6), (4, 6), (2, 3), (4, 3)]
    told.clear()
    model.predict(x[:8], batch_size=4)
    model.fit_generator(iter([(x, y)] * 4), steps_per_epoch=2, epochs=2, verbose=0)
    model.train_on_batch(x, y)
    assert told == [(4, 2)] * 2 + [(10, 4)] * 4 + [(10, None)]


class _Thirds(tf.keras.utils.Sequence):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return _data(2, 3), _data(2, 2)


@pytest.mark.parametrize(("validation", "line"), [(_Thirds(), "3/3"), ((_data(6, 3), _data(6, 2)), "6/3")])
def test_validation_between_batches_of_a_generator_shows_its_line_as_in_1_15(validation, line, capsys):
    _small().fit(_Thirds(), epochs=2, verbose=2, validation_data=validation)
    shown = [text.partition(" - ")[0] for text in capsys.readouterr().out.splitlines()]
    assert shown == ["Epoch 1/2", "Epoch 1/2", line, "3/3", "Epoch 2/2", "Epoch 1/2", line, "3/3"]


def test_a_dataset_validates_arrays_that_come_in_batches():
    dataset = tf.data.Dataset.from_tensor_slices((_data(8, 3), _data(8, 2))).batch(2)
    history = _small().fit(
        _data(8, 3), _data(8, 2), 4, verbose=0, validation_data=dataset, validation_steps=2
    )
    assert len(history.history["val_loss"]) == 1


def test_a_dataset_of_unknown_length_shows_one_line_for_an_epoch(capsys):
    batches = [(_data(2, 3), _data(2, 2))] * 3
    kinds = (tf.float32, tf.float32), ((2, 3), (2, 2))
    _small().fit(tf.data.Dataset.from_generator(lambda: iter(batches), *kinds), epochs=2, verbose=2)
    shown = [line.partition(" - ")[0] for line in capsys.readouterr().out.splitlines()]
    assert shown == ["Train on None steps", "Epoch 1/2", "3/3", "Epoch 2/2", "3/3"]


@pytest.mark.parametrize("share", [1.5, 1, -0.2, True])
def test_shares_outside_of_0_and_1_keep_nothing_for_validation(share):
    model = tf.keras.Sequential([tf.keras.layers.Dense(2, input_shape=(3,))])
    model.compile("sgd", "mse")
    assert list(model.fit(_data(6, 3), _data(6, 2), verbose=0, validation_split=share).history) == ["loss"]


def test_predictions_that_are_not_a_batch_are_refused():
    model = tf.keras.Sequential([tf.keras.layers.Lambda(lambda x: x[:1], input_shape=(3,))])
    with pytest.raises(ValueError, match="as many predictions"):
        model.predict(_data(4, 3))


def test_arrays_after_the_models_inputs_are_ignored_as_in_1_15():
    model = tf.keras.Sequential([L.Dense(1, input_shape=(2,), kernel_initializer="ones")])
    data = np.ones((4, 2))
    np.testing.assert_array_equal(model.predict([data, 7 * data]), model.predict(data))
    with pytest.raises(ValueError, match="not the size the model expected"):
        tf.keras.Model([L.Input((2,)), x := L.Input((2,))], x).predict([data])


def test_weights_of_steps_have_a_place_before_there_are_any():
    def model():
        made = tf.keras.Sequential(
            [tf.keras.layers.TimeDistributed(L.Dense(1, kernel_initializer="ones"), input_shape=(3, 2))]
        )
        return made

    data, truth = np.arange(24.0).reshape(4, 3, 2), np.ones((4, 3, 1))
    plain, weighed = model(), model()
    plain.compile("sgd", "mse")
    weighed.compile("sgd", "mse", sample_weight_mode="temporal")
    assert [t.op.name for t in weighed.sample_weights] == ["time_distributed_1_sample_weights"]
    assert plain.sample_weights == [None]
    history = [
        m.fit(data, truth, batch_size=2, shuffle=False, verbose=0).history["loss"] for m in (plain, weighed)
    ]
    np.testing.assert_allclose(history[1], history[0], rtol=1e-6)
    np.testing.assert_allclose(
        weighed.train_on_batch(data, truth), plain.train_on_batch(data, truth), rtol=1e-6
    )
    halves = weighed.evaluate(data, truth, sample_weight=np.full((4, 3), 0.5), verbose=0)
    np.testing.assert_allclose(halves, plain.evaluate(data, truth, verbose=0) / 2, rtol=1e-6)
