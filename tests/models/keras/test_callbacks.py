"""Callbacks: what they write and say."""

import numpy as np
import pytest

import millrace as tf

L, C = tf.keras.layers, tf.keras.callbacks
X = np.random.RandomState(0).rand(24, 3).astype(np.float32)
Y = X.sum(1, keepdims=True)


@pytest.fixture(autouse=True)
def _fresh():
    with tf.Graph().as_default():
        yield


def _model():
    layers = [L.Dense(4, input_shape=(3,), name="a"), L.Dense(1, name="b")]
    model = tf.keras.Sequential(layers)
    model.compile("sgd", "mse")
    return model


def _tags(folder):
    (path,) = folder.iterdir()
    return [
        (event.step, value.tag)
        for event in tf.train.summary_iterator(str(path))
        for value in event.summary.value
    ]


def test_tensorboard_writes_layers_with_each_batch_of_validation(tmp_path):
    board = C.TensorBoard(str(tmp_path), histogram_freq=2, write_grads=True, write_images=True)
    _model().fit(X, Y, 8, 3, 0, [board], validation_data=(X, Y))
    kinds = {"a/kernel_0", "a/bias_0", "b/kernel_0", "b/bias_0"}
    pictures = {f"{name}_1/image/0" for name in kinds - {"b/bias_0"}}  # one number is not drawn
    layers = kinds | {f"{name}_grad" for name in kinds} | pictures | {"a_out", "b_out"}
    found = _tags(tmp_path)
    assert len(found) == len(set(found))
    assert {tag for _, tag in found if not tag.startswith("epoch_")} == layers
    # Three batches of validation in the epochs 0 and 2, counted together.
    assert sorted(step for step, tag in found if tag == "a_out") == [0, 1, 2, 3, 4, 5]
    assert [step for step, tag in found if tag == "epoch_val_loss"] == [0, 1, 2]


def test_tensorboard_writes_no_layers_without_validation(tmp_path):
    _model().fit(X, Y, verbose=0, callbacks=[C.TensorBoard(str(tmp_path), histogram_freq=1)])
    assert _tags(tmp_path) == [(0, "epoch_loss")]


def test_early_stopping_says_that_it_goes_back(capsys):
    stopping = C.EarlyStopping("loss", patience=1, min_delta=1e6, restore_best_weights=True, verbose=1)
    _model().fit(X, Y, epochs=4, verbose=0, callbacks=[stopping])
    assert capsys.readouterr().out.splitlines() == [
        "Restoring model weights from the end of the best epoch.",
        "Epoch 00002: early stopping",
    ]


@pytest.mark.parametrize("given", [[1.0, 9.0], np.array([1.0, 9.0])])
def test_only_a_dictionary_weighs_classes(given):
    classes = (Y > 1.5).astype(int)
    model = _model()
    expected = model.test_on_batch(X, classes)
    np.testing.assert_allclose(model.train_on_batch(X, classes, class_weight=given), expected, rtol=1e-5)
