"""Models as estimators of scikit-learn."""

import importlib
import types

import numpy as np
import pytest

import millrace as tf

K = tf.keras
W = K.wrappers.scikit_learn
_R = np.random.RandomState(0)
X = _R.rand(40, 3).astype(np.float32)
CLASSES = (X.sum(1) > 1.5).astype(int)


@pytest.fixture(autouse=True)
def _fresh():
    with tf.Graph().as_default():
        yield


def _classifier(hidden=4, n=1):
    ones = {"kernel_initializer": "ones"}
    end = K.layers.Dense(n, activation="sigmoid" if n == 1 else "softmax", **ones)
    model = K.Sequential([K.layers.Dense(hidden, input_dim=3, activation="relu", **ones), end])
    loss = "binary_crossentropy" if n == 1 else "categorical_crossentropy"
    model.compile("sgd", loss, metrics=["accuracy"])
    return model


def _regressor(hidden=4):
    ones = {"kernel_initializer": "ones"}
    model = K.Sequential([K.layers.Dense(hidden, input_dim=3, **ones), K.layers.Dense(1, **ones)])
    model.compile("sgd", "mse")
    return model


def test_two_classes():
    one = W.KerasClassifier(_classifier, hidden=5, epochs=2, batch_size=8, verbose=0)
    history = one.fit(X, CLASSES, shuffle=False)
    np.testing.assert_allclose(history.history["loss"], [2.6581, 2.4954], rtol=1e-4)
    assert one.predict(X[:4]).shape == (4, 1) and one.n_classes_ == 2
    np.testing.assert_allclose(one.predict_proba(X[:2]).sum(1), 1, rtol=1e-6)
    assert one.score(X, CLASSES) == 0.5
    assert sorted(one.get_params()) == ["batch_size", "build_fn", "epochs", "hidden", "verbose"]


def test_classes_of_any_type():
    names = np.array(["a", "b", "c"])[(X.sum(1) * 1.5).astype(int) % 3]
    one = W.KerasClassifier(_classifier, n=3, verbose=0)
    one.fit(X, names, epochs=1, shuffle=False)
    assert list(one.classes_) == ["a", "b", "c"] and set(one.predict(X)) <= {"a", "b", "c"}
    one = W.KerasClassifier(_classifier, n=2, verbose=0)
    one.fit(X, np.eye(2)[CLASSES])
    assert 0 <= one.score(X, np.eye(2)[CLASSES]) <= 1


def test_numbers():
    one = W.KerasRegressor(_regressor, hidden=3, epochs=2, verbose=0)
    history = one.fit(X, X.sum(1), shuffle=False)
    np.testing.assert_allclose(history.history["loss"], [8.8248, 2.6985], rtol=1e-4)
    np.testing.assert_allclose(one.predict(X[:1]), 3.2070608, rtol=1e-4)
    assert one.predict(X[:1]).shape == () and one.score(X, X.sum(1)) == pytest.approx(-1.1796, rel=1e-3)


class _Maker:
    def __call__(self, hidden=3):
        return _regressor(hidden)


class _Itself(W.KerasRegressor):
    def __call__(self, hidden=2):
        return _regressor(hidden)


@pytest.mark.parametrize("made", [lambda: W.KerasRegressor(_Maker(), hidden=2), lambda: _Itself(hidden=2)])
def test_the_maker_may_be_an_object_or_the_estimator(made):
    assert "loss" in made().fit(X, X.sum(1), verbose=0).history


def test_parameters():
    one = W.KerasRegressor(_regressor, epochs=3, verbose=0, hidden=2)
    assert one.set_params(hidden=7) is one and one.get_params()["hidden"] == 7
    found = one.filter_sk_params(K.Sequential.fit, {"batch_size": 3})
    assert found == {"epochs": 3, "verbose": 0, "batch_size": 3}
    for refused in (lambda: one.set_params(bar=1), lambda: W.KerasClassifier(_classifier, foo=3)):
        with pytest.raises(ValueError, match="is not a legal parameter"):
            refused()
    with pytest.raises(ValueError, match="Invalid shape for y"):
        W.KerasClassifier(_classifier).fit(X, np.zeros((40, 2, 2)))


def test_a_score_needs_accuracy():
    def plain():
        model = K.Sequential([K.layers.Dense(1, input_dim=3, activation="sigmoid")])
        model.compile("sgd", "binary_crossentropy")
        return model

    one = W.KerasClassifier(plain, verbose=0)
    one.fit(X, CLASSES)
    with pytest.raises(ValueError, match="not configured to compute accuracy"):
        one.score(X, CLASSES)


def test_what_later_releases_of_scikit_learn_ask(monkeypatch):
    later = types.SimpleNamespace(Tags=dict, TargetTags=dict)
    monkeypatch.setattr(importlib, "import_module", {"sklearn.utils": later}.__getitem__)
    one = W.KerasRegressor(_regressor, verbose=0)
    assert one.__sklearn_tags__() == {"estimator_type": None, "target_tags": {"required": True}}
    assert not one.__sklearn_is_fitted__()
    one.fit(X, X.sum(1))
    assert one.__sklearn_is_fitted__()
