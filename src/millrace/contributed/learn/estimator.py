"""`tf.contrib.learn.Estimator`: the older interface (`fit`, arrays, `ModelFnOps`) to the engine."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from millrace.contributed.learn import serving, session_bundles
from millrace.contributed.learn.configuration import RunConfig
from millrace.contributed.learn.feeds import ArrayFeed, FunctionFeed, OneBatchOfConstants
from millrace.contributed.learn.keys import NotFittedError
from millrace.contributed.learn.monitors.adapter import replace_monitors_with_hooks
from millrace.contributed.learn.specs import ModelFnOps, metric_operations
from millrace.core.public import public
from millrace.models.estimator import evaluating
from millrace.models.estimator.arguments import arguments_of
from millrace.models.estimator.estimator import Estimator as Engine
from millrace.models.estimator.modes import LOSS_METRIC_KEY
from millrace.saver.checkpoint.state import latest_checkpoint


class _Engine(Engine):
    """An estimator whose evaluations have the loss that the model measures, where it does."""

    loss_metric: Any = None
    says_what_it_does = False

    def _metric_operations(self, spec: Any, global_step: Any) -> tuple[Any, dict[str, Any]]:
        return evaluating.metric_operations(spec, global_step, self.loss_metric)


@public("contrib.learn.Evaluable")
class Evaluable:
    """What can be evaluated: it has a folder, and `evaluate`."""

    @property
    def model_dir(self) -> Any:
        """The folder of checkpoints and summaries."""
        raise NotImplementedError("an Evaluable defines model_dir")

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """The metrics of a checkpoint by name; arguments as for `Estimator.evaluate`."""
        raise NotImplementedError("an Evaluable defines evaluate")


@public("contrib.learn.Trainable")
class Trainable:
    """What can be trained: it has `fit`."""

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Trains, and gives the model; arguments as for `Estimator.fit`."""
        raise NotImplementedError("a Trainable defines fit")


@public("contrib.learn.BaseEstimator")
class BaseEstimator(Evaluable, Trainable):
    """What estimators of a program's own begin with: a folder, and a configuration.

    Args:
      model_dir: the folder of checkpoints and summaries; default, that of the configuration, or a new one.
      config: a `RunConfig`.
    """

    def __init__(self, model_dir: Any = None, config: Any = None) -> None:
        self._engine = _Engine(self._spec, model_dir, config if config is not None else RunConfig())
        self._trained_with: tuple[Any, Any] | None = None

    def _spec(self, features: Any, labels: Any, mode: str) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no model. Received: mode {mode}")

    @property
    def model_fn(self) -> Callable[..., Any]:
        """The model as a function of features, labels and mode to `ModelFnOps`."""
        return self._spec

    def export(
        self,
        export_dir: Any,
        input_fn: Callable[..., Any] = session_bundles.default_input_fn,
        input_feature_key: str | None = None,
        use_deprecated_input_fn: bool = True,
        signature_fn: session_bundles.SignatureFn | None = None,
        prediction_key: str | None = None,
        default_batch_size: int | None = 1,
        exports_to_keep: int | None = None,
        checkpoint_path: Any = None,
    ) -> bytes:
        """Writes a session bundle of a checkpoint; SavedModels took its place.

        Args:
          export_dir: the folder in which a new one, named by the step, is made.
          input_fn: from the estimator and serialized examples to features; default, those of its training.
          input_feature_key: the name of the examples among the features, where `input_fn` has no arguments.
          use_deprecated_input_fn: False where `input_fn` has no arguments, and gives features and labels.
          signature_fn: from examples, features and predictions to a default signature and others by name;
            default, a generic one.
          prediction_key: the name of the one prediction that `signature_fn` gets.
          default_batch_size: how many examples; None for any number.
          exports_to_keep: how many folders to keep; default, all.
          checkpoint_path: default: the newest.

        Returns:
          The new folder.

        Raises:
          ValueError: there is no checkpoint, or the estimator was not trained in this process.
          KeyError: there is no such prediction, or no such feature.
          RuntimeError: there is an export of this step already.
        """
        return session_bundles.export(
            self,
            export_dir,
            signature_fn,
            input_fn,
            default_batch_size,
            exports_to_keep,
            input_feature_key,
            use_deprecated_input_fn,
            prediction_key,
            checkpoint_path,
        )

    @property
    def config(self) -> Any:
        """A copy of the configuration."""
        return self._engine.config

    @property
    def model_dir(self) -> Any:
        """The folder of checkpoints and summaries."""
        return self._engine.model_dir

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments that the constructor got, as scikit-learn asks for them.

        Args:
          deep: add those of arguments that are estimators, with the argument's name before theirs.
        """
        names = [name for name in inspect.signature(type(self).__init__).parameters if name != "self"]
        found = {name: getattr(self, name, None) for name in names}
        if deep:
            for name, value in list(found.items()):
                inner: Any = getattr(value, "get_params", None)
                if inner is not None:
                    found.update({f"{name}__{key}": part for key, part in inner().items()})
        return found

    def set_params(self, **params: Any) -> Any:
        """Sets what `get_params` names.

        Raises:
          ValueError: there is no such argument.
        """
        known = self.get_params()
        for name, value in params.items():
            outer, _, inner = name.partition("__")
            if outer not in known:
                raise ValueError(
                    f"Invalid parameter {outer} for estimator {type(self).__name__}. "
                    f"Received: {sorted(params)}"
                )
            if inner:
                known[outer].set_params(**{inner: value})
            else:
                setattr(self, outer, value)
        return self


@public("contrib.learn.Estimator")
class Estimator(BaseEstimator):
    """A model that trains, evaluates and predicts, from arrays or from input functions.

    Args:
      model_fn: takes features, labels, and as far as it names them `mode`, `params`, `config` and
        `model_dir`; gives `ModelFnOps`, or a tuple of predictions, loss and training operation.
      model_dir: the folder of checkpoints and summaries; default, that of the configuration, or a new one.
      config: a `RunConfig`.
      params: passed to `model_fn`.
      feature_engineering_fn: takes features and labels, and gives what `model_fn` gets instead.

    Raises:
      ValueError: `params` are given and `model_fn` takes none.
    """

    def __init__(
        self,
        model_fn: Callable[..., Any],
        model_dir: Any = None,
        config: Any = None,
        params: Any = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
    ) -> None:
        if params is not None and "params" not in arguments_of(model_fn):
            raise ValueError(
                f"Estimator's model_fn ({model_fn}) does not have a params argument, but params ({params}) "
                "were passed to the Estimator's constructor."
            )
        self._old_model_fn, self._params = model_fn, params
        self._feature_engineering_fn = feature_engineering_fn
        super().__init__(model_dir, config)

    @property
    def params(self) -> Any:
        """A copy of the parameters."""
        return copy.deepcopy(self._params)

    @property
    def model_fn(self) -> Callable[..., Any]:
        """The model as a function of features, labels and mode to `ModelFnOps`."""
        return self._model_fn_ops

    def get_variable_names(self) -> list[str]:
        """The names of all variables in the newest checkpoint, sorted.

        Raises:
          ValueError: there is no checkpoint yet.
        """
        return sorted(self._engine.get_variable_names())

    def get_variable_value(self, name: str) -> Any:
        """The value of a variable in the newest checkpoint.

        Raises:
          ValueError: there is no checkpoint yet.
        """
        return self._engine.get_variable_value(name)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        input_fn: Callable[[], Any] | None = None,
        steps: int | None = None,
        batch_size: int | None = None,
        monitors: Any = None,
        max_steps: int | None = None,
    ) -> Any:
        """Trains, from the newest checkpoint on.

        Args:
          x: an array, arrays by name or a table; passes over it do not end.
          y: the labels.
          input_fn: gives features and labels; instead of `x` and `y`.
          steps: how many more steps.
          batch_size: of `x`; default, all.
          monitors: monitors and `SessionRunHook`s.
          max_steps: up to which step in all; instead of `steps`.

        Returns:
          The estimator itself.

        Raises:
          ValueError: arguments exclude each other, or there is nothing to read.
        """
        if steps is not None and max_steps is not None:
            raise ValueError(f"Can not provide both steps and max_steps. Received: {steps} and {max_steps}")
        read, hooks = _input(x, y, input_fn, None, batch_size, True, None)
        hooks += replace_monitors_with_hooks(monitors, self)
        self._engine.train(read, hooks, steps, max_steps)
        return self

    def partial_fit(
        self,
        x: Any = None,
        y: Any = None,
        input_fn: Callable[[], Any] | None = None,
        steps: int | None = 1,
        batch_size: int | None = None,
        monitors: Any = None,
    ) -> Any:
        """As `fit`, for one step where nothing else is said."""
        return self.fit(x, y, input_fn, steps, batch_size, monitors)

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        input_fn: Callable[[], Any] | None = None,
        feed_fn: Callable[[], Any] | None = None,
        batch_size: int | None = None,
        steps: int | None = None,
        metrics: Any = None,
        name: str | None = None,
        checkpoint_path: Any = None,
        hooks: Any = None,
        log_progress: bool = True,
    ) -> dict[str, Any]:
        """Evaluates a checkpoint.

        Args:
          x, y, input_fn: as for `fit`; `x` is read once.
          feed_fn: gives what is fed to each batch, with `input_fn`.
          batch_size: of `x`; default, all.
          steps: how many batches; None for all.
          metrics: `MetricSpec`s by name, or functions of predictions and labels.
          name: tells evaluations on different data apart.
          checkpoint_path: default: the newest.
          hooks: `SessionRunHook`s.
          log_progress: kept for programs that name it.

        Returns:
          The metrics by name, the loss and the global step among them.

        Raises:
          NotFittedError: there is no checkpoint.
          ValueError: arguments exclude each other, or metrics do not fit the predictions.
        """
        del log_progress
        read, own = _input(x, y, input_fn, feed_fn, batch_size, False, 1)
        self._check_fitted(checkpoint_path)
        engine = copy.copy(self._engine)
        engine._model_fn = functools.partial(self._spec_with, engine, metrics)
        return engine.evaluate(read, steps, [*own, *(hooks or ())], checkpoint_path, name)

    def predict(
        self,
        x: Any = None,
        input_fn: Callable[[], Any] | None = None,
        batch_size: int | None = None,
        outputs: Any = None,
        as_iterable: bool = True,
        iterate_batches: bool = False,
    ) -> Any:
        """The predictions of the newest checkpoint.

        Args:
          x: an array, arrays by name or a table.
          input_fn: gives features; instead of `x`.
          batch_size: of `x`; default, all.
          outputs: the names of the predictions to give; default, all.
          as_iterable: True gives one example after another, False all in one array each.
          iterate_batches: give whole batches one after another.

        Raises:
          NotFittedError: there is no checkpoint.
          ValueError: arguments exclude each other, or `outputs` names nothing.
        """
        read, hooks = _input(x, None, input_fn, None, batch_size, False, 1)
        self._check_fitted(None)
        if input_fn is not None:
            hooks.append(OneBatchOfConstants())
        batches = self._engine.predict(read, outputs, hooks, None, as_iterable and not iterate_batches)
        return batches if as_iterable else _together(batches)

    def _predict_one(self, name: str, x: Any, input_fn: Any, batch_size: Any, as_iterable: bool) -> Any:
        """One prediction of each example."""
        found = Estimator.predict(self, x, input_fn, batch_size, [name], as_iterable)
        return (row[name] for row in found) if as_iterable else found[name]

    def export_savedmodel(
        self,
        export_dir_base: Any,
        serving_input_fn: Callable[[], Any],
        default_output_alternative_key: Any = None,
        assets_extra: dict[str, Any] | None = None,
        as_text: bool = False,
        checkpoint_path: Any = None,
        graph_rewrite_specs: Any = None,
        strip_default_attrs: bool = False,
    ) -> bytes:
        """Writes a SavedModel of a checkpoint.

        Args:
          export_dir_base: the folder in which a new one, named by the time, is made.
          serving_input_fn: gives an `InputFnOps`.
          default_output_alternative_key: which output a server fetches; needed where there are several.
          assets_extra: more files, by their place.
          as_text: write the graph as text.
          checkpoint_path: default: the newest.
          graph_rewrite_specs: kept for programs that name it.
          strip_default_attrs: whether attributes with their default values are left out of the graph.

        Returns:
          The new folder.

        Raises:
          NotFittedError: there is no checkpoint.
          ValueError: there is no input function, or no output of that name.
        """
        del graph_rewrite_specs
        return serving.export(
            self,
            export_dir_base,
            serving_input_fn,
            default_output_alternative_key,
            assets_extra,
            as_text,
            checkpoint_path,
            strip_default_attrs,
        )

    def _check_fitted(self, checkpoint_path: Any) -> None:
        if not checkpoint_path and not latest_checkpoint(self.model_dir):
            raise NotFittedError(f"Couldn't find trained model at {self.model_dir}.")

    # --- the model ------------------------------------------------------------------------------------------

    def _model_fn_ops(self, features: Any, labels: Any, mode: str) -> ModelFnOps:
        if self._feature_engineering_fn is not None:
            features, labels = self._feature_engineering_fn(features, labels)
        names = arguments_of(self._old_model_fn)
        known = {"mode": mode, "params": self.params, "config": self.config, "model_dir": self.model_dir}
        given = self._old_model_fn(features, labels, **{k: v for k, v in known.items() if k in names})
        if isinstance(given, ModelFnOps):
            return given
        if not isinstance(given, tuple) or len(given) != 3:
            raise ValueError(
                "Unrecognized value returned by model_fn, please return ModelFnOps, or predictions, loss and "
                f"train_op. Received: {given!r}"
            )
        return ModelFnOps(mode, *given)

    def _spec(self, features: Any, labels: Any, mode: str) -> Any:
        if mode == "train":
            self._trained_with = session_bundles.signature_of(features), session_bundles.signature_of(labels)
        if mode == "infer":
            labels = session_bundles.labels_like_those_of(self)
        return self._model_fn_ops(features, labels, mode)._replace(output_alternatives=None).estimator_spec()

    def _spec_with(self, engine: _Engine, metrics: Any, features: Any, labels: Any, mode: str) -> Any:
        ops = self._model_fn_ops(features, labels, mode)
        engine.loss_metric = ops.eval_metric_ops.get(LOSS_METRIC_KEY)
        added = metric_operations(metrics, features, labels, ops.predictions)
        metrics = {**ops.eval_metric_ops, **added}
        return ops._replace(eval_metric_ops=metrics, output_alternatives=None).estimator_spec()


def _input(
    x: Any, y: Any, input_fn: Any, feed_fn: Any, batch_size: Any, shuffle: bool, epochs: int | None
) -> tuple[Callable[[], Any], list[Any]]:
    """An input function, and the hooks that feed it."""
    if input_fn is None:
        if x is None:
            raise ValueError("Either x or input_fn must be provided.")
        if feed_fn is not None:
            raise ValueError("Can not provide both feed_fn and x or y.")
        feed = ArrayFeed(x, y, batch_size, shuffle, epochs)
        return feed.input_fn, [feed]
    if x is not None or y is not None:
        raise ValueError("Can not provide both input_fn and x or y.")
    if batch_size is not None:
        raise ValueError(f"Can not provide both input_fn and batch_size. Received: {batch_size}")
    return input_fn, [] if feed_fn is None else [FunctionFeed(feed_fn)]


def _together(batches: Iterator[Any]) -> Any:
    found = list(batches)
    if found and isinstance(found[0], dict):
        return {name: np.concatenate([batch[name] for batch in found]) for name in found[0]}
    return np.concatenate(found)


@public("contrib.learn.SKCompat")
class SKCompat:
    """An estimator as scikit-learn calls it: arrays in, arrays out.

    Args:
      estimator: the estimator.
    """

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    def fit(
        self,
        x: Any,
        y: Any,
        batch_size: int = 128,
        steps: int | None = None,
        max_steps: int | None = None,
        monitors: Any = None,
    ) -> SKCompat:
        """Trains; see `Estimator.fit`."""
        self._estimator.fit(x, y, None, steps, batch_size, monitors, max_steps)
        return self

    def score(
        self,
        x: Any,
        y: Any,
        batch_size: int = 128,
        steps: int | None = None,
        metrics: Any = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        """Evaluates; see `Estimator.evaluate`."""
        return self._estimator.evaluate(
            x,
            y,
            batch_size=batch_size,
            steps=steps,
            metrics=metrics,
            name=f"score_{name}" if name else "score",
        )

    def predict(self, x: Any, batch_size: int = 128, outputs: Any = None) -> Any:
        """The predictions, each as one array."""
        return self._estimator.predict(x, None, batch_size, outputs, as_iterable=False)
