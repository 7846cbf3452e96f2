"""Models as estimators of scikit-learn: made by a function, with its arguments as their parameters."""

from __future__ import annotations

import copy
import importlib
import inspect
import types
from typing import Any

import numpy as np

from millrace.core.public import public
from millrace.models.keras.engine.sequential import Sequential
from millrace.models.keras.labels import to_categorical


class BaseWrapper:
    """What both estimators share.

    Args:
      build_fn: makes and compiles the model: a function, or an object that can be called; None for a subclass
        that can be called itself.
      **sk_params: arguments for `build_fn`, and for `fit`, `predict` and `evaluate` of the model.

    Raises:
      ValueError: none of these takes a parameter of that name.
    """

    def __init__(self, build_fn: Any = None, **sk_params: Any) -> None:
        self.build_fn = build_fn
        self.sk_params = sk_params
        self.check_params(sk_params)

    def _maker(self) -> Any:
        """What makes the model, as a function whose arguments can be listed."""
        if self.build_fn is None:
            return getattr(self, "__call__")  # noqa: B004, B009 - a subclass has it
        if isinstance(self.build_fn, types.FunctionType | types.MethodType):
            return self.build_fn
        return self.build_fn.__call__

    def check_params(self, params: dict[str, Any]) -> None:
        """Refuses parameters that neither the model nor its maker takes.

        Args:
          params: by name.

        Raises:
          ValueError: such a one is there.
        """
        model = [Sequential.fit, Sequential.predict, Sequential.predict_classes, Sequential.evaluate]
        takers = [*model, self._maker()]
        for name in params:
            if name != "nb_epoch" and not any(_takes(function, name) for function in takers):
                raise ValueError(f"{name} is not a legal parameter")

    def get_params(self, **params: Any) -> dict[str, Any]:
        """The parameters, `build_fn` among them.

        Args:
          **params: accepted, as scikit-learn gives `deep`.
        """
        return {**copy.deepcopy(self.sk_params), "build_fn": self.build_fn}

    def set_params(self, **params: Any) -> Any:
        """Changes parameters; returns the estimator."""
        self.check_params(params)
        self.sk_params.update(params)
        return self

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """Makes a model and trains it.

        Args:
          x: the samples.
          y: what is true.
          **kwargs: arguments of `Sequential.fit`, before those of the estimator.

        Returns:
          The `History`.
        """
        maker = self._maker()
        self.model = maker(**self.filter_sk_params(maker))
        if _by_classes(self.model) and np.ndim(y) != 2:
            y = to_categorical(y)
        return self.model.fit(x, y, **{**self.filter_sk_params(Sequential.fit), **kwargs})

    def filter_sk_params(self, fn: Any, override: dict[str, Any] | None = None) -> dict[str, Any]:
        """The parameters that a function takes.

        Args:
          fn: the function.
          override: more of them, before the estimator's.
        """
        found = {name: value for name, value in self.sk_params.items() if _takes(fn, name)}
        return {**found, **(override or {})}

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks since 1.6: no type, as in 1.15, so folds are cut whatever the classes."""
        utils = importlib.import_module("sklearn.utils")
        return utils.Tags(estimator_type=None, target_tags=utils.TargetTags(required=True))

    def __sklearn_is_fitted__(self) -> bool:
        """Whether there is a model, for pipelines of scikit-learn."""
        return hasattr(self, "model")


def _takes(function: Any, name: str) -> bool:
    parameters = inspect.signature(function).parameters
    return name in parameters and parameters[name].kind is not inspect.Parameter.VAR_KEYWORD


def _by_classes(model: Any) -> bool:
    loss = model.loss
    return getattr(loss, "__name__", loss) == "categorical_crossentropy"


@public("keras.wrappers.scikit_learn.KerasClassifier")
class KerasClassifier(BaseWrapper):
    """A classifier of scikit-learn around a `Sequential` model; arguments as for `BaseWrapper`."""

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """Makes a model and trains it.

        Args:
          x: `[samples, features]`.
          y: classes of any type, or a row of zeros and one 1 for each sample.
          **kwargs: arguments of `Sequential.fit`.

        Returns:
          The `History`.

        Raises:
          ValueError: `y` has another shape.
        """
        y = np.array(y)
        if y.ndim == 2 and y.shape[1] > 1:
            self.classes_ = np.arange(y.shape[1])
        elif y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1):
            self.classes_ = np.unique(y)
            y = np.searchsorted(self.classes_, y)
        else:
            raise ValueError(f"Invalid shape for y: {y.shape}")
        self.n_classes_ = len(self.classes_)
        return super().fit(x, y, **kwargs)

    def predict(self, x: Any, **kwargs: Any) -> Any:
        """The likeliest class of each sample; arguments of `Sequential.predict_classes`."""
        found = self.model.predict_classes(x, **self.filter_sk_params(Sequential.predict_classes, kwargs))
        return self.classes_[found]

    def predict_proba(self, x: Any, **kwargs: Any) -> Any:
        """The probabilities of the classes, two columns where the model has one output."""
        found = self.model.predict(x, **self.filter_sk_params(Sequential.predict_proba, kwargs))
        return np.hstack([1 - found, found]) if found.shape[1] == 1 else found

    def score(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """The share of right answers.

        Args:
          x: the samples.
          y: their classes.
          **kwargs: arguments of `Sequential.evaluate`.

        Raises:
          ValueError: the model was not compiled with accuracy among its metrics.
        """
        y = np.searchsorted(self.classes_, y)
        if _by_classes(self.model) and y.ndim != 2:
            y = to_categorical(y)
        found = self.model.evaluate(x, y, **self.filter_sk_params(Sequential.evaluate, kwargs))
        for name, value in zip(self.model.metrics_names, np.atleast_1d(found), strict=True):
            if name in ("accuracy", "acc"):
                return value
        raise ValueError(
            "The model is not configured to compute accuracy. "
            'You should pass `metrics=["accuracy"]` to the `model.compile()` method.'
        )


@public("keras.wrappers.scikit_learn.KerasRegressor")
class KerasRegressor(BaseWrapper):
    """A regressor of scikit-learn around a `Sequential` model; arguments as for `BaseWrapper`."""

    def predict(self, x: Any, **kwargs: Any) -> Any:
        """The predictions, without axes of length 1; arguments of `Sequential.predict`."""
        return np.squeeze(self.model.predict(x, **self.filter_sk_params(Sequential.predict, kwargs)))

    def score(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """Minus the loss; arguments of `Sequential.evaluate`."""
        found = self.model.evaluate(x, y, **self.filter_sk_params(Sequential.evaluate, kwargs))
        return -found[0] if isinstance(found, list) else -found
