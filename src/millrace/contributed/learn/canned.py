"""`tf.contrib.learn`: estimators that bring their model: deep, linear, and both together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millrace.contributed.learn import session_bundles
from millrace.contributed.learn.configuration import RunConfig
from millrace.contributed.learn.dual_ascent import dual_ascent_model, refuse_for_dual_ascent
from millrace.contributed.learn.estimator import Estimator
from millrace.contributed.learn.heads.classes import multi_class_head
from millrace.contributed.learn.heads.numbers import regression_head
from millrace.contributed.learn.models import deep_model, linear_model
from millrace.contributed.linear_optimizer.optimizer import SDCAOptimizer
from millrace.core.public import public
from millrace.ops.nn.activation import relu


class Canned(Estimator):
    """What classifiers and regressors share.

    Attributes:
      feature_columns: the columns of the model.
    """

    exported_prediction: str
    export_signature_fn: Any
    feature_columns: tuple[Any, ...]

    def export(  # type: ignore[override]
        self,
        export_dir: Any,
        input_fn: Callable[..., Any] | None = None,
        input_feature_key: str | None = None,
        use_deprecated_input_fn: bool = True,
        signature_fn: session_bundles.SignatureFn | None = None,
        default_batch_size: int | None = 1,
        exports_to_keep: int | None = None,
    ) -> bytes:
        """Writes a session bundle of the newest checkpoint; see `Estimator.export`.

        Without `input_fn` the feature columns tell what is parsed.
        """
        return super().export(
            export_dir,
            input_fn or session_bundles.parsing_columns(self.feature_columns),
            input_feature_key,
            use_deprecated_input_fn,
            signature_fn or type(self).export_signature_fn,
            self.exported_prediction,
            default_batch_size,
            exports_to_keep,
        )


class Classifier(Canned):
    """What classifiers have more."""

    exported_prediction = "probabilities"
    export_signature_fn = staticmethod(session_bundles.classification_signature_fn_with_prob)

    def predict_classes(
        self,
        x: Any = None,
        input_fn: Callable[[], Any] | None = None,
        batch_size: int | None = None,
        as_iterable: bool = True,
    ) -> Any:
        """The most likely class of each example; arguments and errors as for `predict`."""
        return self._predict_one("classes", x, input_fn, batch_size, as_iterable)

    def predict_proba(
        self,
        x: Any = None,
        input_fn: Callable[[], Any] | None = None,
        batch_size: int | None = None,
        as_iterable: bool = True,
    ) -> Any:
        """The probabilities of each example's classes; arguments and errors as for `predict`."""
        return self._predict_one("probabilities", x, input_fn, batch_size, as_iterable)

    def predict(
        self,
        x: Any = None,
        input_fn: Callable[[], Any] | None = None,
        batch_size: int | None = None,
        outputs: Any = None,
        as_iterable: bool = True,
        iterate_batches: bool = False,
    ) -> Any:
        """The classes, or with `outputs` predictions by name; see `Estimator.predict`."""
        if not outputs:
            return self.predict_classes(x, input_fn, batch_size, as_iterable)
        return super().predict(x, input_fn, batch_size, outputs, as_iterable, iterate_batches)


class Regressor(Canned):
    """What regressors have more."""

    exported_prediction = "scores"
    export_signature_fn = staticmethod(session_bundles.regression_signature_fn)

    def predict_scores(
        self,
        x: Any = None,
        input_fn: Callable[[], Any] | None = None,
        batch_size: int | None = None,
        as_iterable: bool = True,
    ) -> Any:
        """The score of each example; arguments and errors as for `predict`."""
        return self._predict_one("scores", x, input_fn, batch_size, as_iterable)

    def predict(
        self,
        x: Any = None,
        input_fn: Callable[[], Any] | None = None,
        batch_size: int | None = None,
        outputs: Any = None,
        as_iterable: bool = True,
        iterate_batches: bool = False,
    ) -> Any:
        """The scores, or with `outputs` predictions by name; see `Estimator.predict`."""
        if not outputs:
            return self.predict_scores(x, input_fn, batch_size, as_iterable)
        return super().predict(x, input_fn, batch_size, outputs, as_iterable, iterate_batches)


def _columns(given: Any, what: str = "feature_columns") -> tuple[Any, ...]:
    columns = tuple(given or ())
    if not columns:
        raise ValueError(f"{what} must be given. Received: {given!r}")
    return columns


def _deep(
    hidden_units: Any,
    optimizer: Any,
    activation_fn: Any,
    dropout: Any,
    clip: Any,
    multipliers: Any,
    slice_size: Any,
) -> dict[str, Any]:
    return {
        "multipliers": multipliers,
        "slice_size": slice_size,
        "hidden_units": hidden_units,
        "optimizer": optimizer,
        "activation_fn": activation_fn,
        "dropout": dropout,
        "gradient_clip_norm": clip,
    }


@public("contrib.learn.DNNClassifier")
class DNNClassifier(Classifier):
    """A deep model that tells classes apart.

    Args:
      hidden_units: the width of each hidden layer.
      feature_columns: older feature columns.
      model_dir: the folder of checkpoints and summaries.
      n_classes: how many classes.
      weight_column_name: the feature that weighs the examples.
      optimizer: an optimizer, or a function that makes one; default Adagrad.
      activation_fn: of the hidden layers; None for none.
      dropout: the share of a hidden layer that a step of training drops.
      gradient_clip_norm: the longest gradient of all variables together.
      enable_centered_bias: whether a bias is learnt that centres the predictions.
      config: a `RunConfig`.
      feature_engineering_fn: takes features and labels, and gives what the model gets instead.
      embedding_lr_multipliers: factors of the gradients of tables, by embedding column.
      input_layer_min_slice_size: the smallest part of a table, in bytes; default 64 MiB.
      label_keys: the names of the classes; None: labels are numbers.

    Raises:
      ValueError: there is no column, or there are fewer than two classes.
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        feature_columns: Any,
        model_dir: Any = None,
        n_classes: int = 2,
        weight_column_name: str | None = None,
        optimizer: Any = None,
        activation_fn: Callable[..., Any] | None = relu,
        dropout: float | None = None,
        gradient_clip_norm: float | None = None,
        enable_centered_bias: bool = False,
        config: Any = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
        embedding_lr_multipliers: dict[Any, float] | None = None,
        input_layer_min_slice_size: int | None = None,
        label_keys: Sequence[str] | None = None,
    ) -> None:
        head = multi_class_head(
            n_classes,
            weight_column_name=weight_column_name,
            enable_centered_bias=enable_centered_bias,
            label_keys=label_keys,
        )
        config = config or RunConfig()
        given = _deep(
            hidden_units, optimizer, activation_fn, dropout, gradient_clip_norm, embedding_lr_multipliers,
            input_layer_min_slice_size,
        )  # fmt: skip
        self.feature_columns = _columns(feature_columns)
        model = deep_model(head, self.feature_columns, given, config)
        super().__init__(model, model_dir, config, None, feature_engineering_fn)


@public("contrib.learn.DNNRegressor")
class DNNRegressor(Regressor):
    """A deep model that estimates numbers.

    Args:
      hidden_units, feature_columns, model_dir, weight_column_name, optimizer, activation_fn, dropout,
        gradient_clip_norm, enable_centered_bias, config, feature_engineering_fn, embedding_lr_multipliers,
        input_layer_min_slice_size: as for `DNNClassifier`.
      label_dimension: how many numbers an example has.

    Raises:
      ValueError: there is no column.
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        feature_columns: Any,
        model_dir: Any = None,
        weight_column_name: str | None = None,
        optimizer: Any = None,
        activation_fn: Callable[..., Any] | None = relu,
        dropout: float | None = None,
        gradient_clip_norm: float | None = None,
        enable_centered_bias: bool = False,
        config: Any = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
        label_dimension: int = 1,
        embedding_lr_multipliers: dict[Any, float] | None = None,
        input_layer_min_slice_size: int | None = None,
    ) -> None:
        head = regression_head(
            weight_column_name=weight_column_name,
            label_dimension=label_dimension,
            enable_centered_bias=enable_centered_bias,
        )
        config = config or RunConfig()
        given = _deep(
            hidden_units, optimizer, activation_fn, dropout, gradient_clip_norm, embedding_lr_multipliers,
            input_layer_min_slice_size,
        )  # fmt: skip
        self.feature_columns = _columns(feature_columns)
        model = deep_model(head, self.feature_columns, given, config)
        super().__init__(model, model_dir, config, None, feature_engineering_fn)


def _linear(optimizer: Any, clip: Any, joint: bool) -> dict[str, Any]:
    return {"optimizer": optimizer, "gradient_clip_norm": clip, "joint_weights": joint}


@public("contrib.learn.LinearClassifier")
class LinearClassifier(Classifier):
    """A linear model that tells classes apart.

    Args:
      feature_columns, model_dir, n_classes, weight_column_name, gradient_clip_norm, enable_centered_bias,
        config, feature_engineering_fn, label_keys: as for `DNNClassifier`.
      optimizer: an optimizer, or a function that makes one; default Ftrl.
      _joint_weight: whether the weights of all columns are rows of one variable.

    Raises:
      ValueError: there is no column, or there are fewer than two classes.
      AssertionError: the optimizer is an `SDCAOptimizer`, which cannot train such a model.
    """

    def __init__(
        self,
        feature_columns: Any,
        model_dir: Any = None,
        n_classes: int = 2,
        weight_column_name: str | None = None,
        optimizer: Any = None,
        gradient_clip_norm: float | None = None,
        enable_centered_bias: bool = False,
        _joint_weight: bool = False,
        config: Any = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
        label_keys: Sequence[str] | None = None,
    ) -> None:
        head = multi_class_head(
            n_classes,
            weight_column_name=weight_column_name,
            enable_centered_bias=enable_centered_bias,
            label_keys=label_keys,
        )
        config, columns = config or RunConfig(), _columns(feature_columns)
        self.feature_columns = columns
        if isinstance(optimizer, SDCAOptimizer):
            refuse_for_dual_ascent(_joint_weight, enable_centered_bias)
            if n_classes != 2:
                raise AssertionError(f"SDCA only applies to binary classification. Received: {n_classes}")
            model = dual_ascent_model(head, columns, optimizer, weight_column_name, "logistic_loss")
        else:
            model = linear_model(head, columns, _linear(optimizer, gradient_clip_norm, _joint_weight), config)
        super().__init__(model, model_dir, config, None, feature_engineering_fn)


@public("contrib.learn.LinearRegressor")
class LinearRegressor(Regressor):
    """A linear model that estimates numbers.

    Args:
      feature_columns, model_dir, weight_column_name, optimizer, gradient_clip_norm, enable_centered_bias,
        config, feature_engineering_fn: as for `LinearClassifier`.
      label_dimension: how many numbers an example has.
      _joint_weights: whether the weights of all columns are rows of one variable.

    Raises:
      ValueError: there is no column.
      AssertionError: the optimizer is an `SDCAOptimizer`, which cannot train such a model.
    """

    def __init__(
        self,
        feature_columns: Any,
        model_dir: Any = None,
        weight_column_name: str | None = None,
        optimizer: Any = None,
        gradient_clip_norm: float | None = None,
        enable_centered_bias: bool = False,
        label_dimension: int = 1,
        _joint_weights: bool = False,
        config: Any = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
    ) -> None:
        head = regression_head(
            weight_column_name=weight_column_name,
            label_dimension=label_dimension,
            enable_centered_bias=enable_centered_bias,
        )
        config, columns = config or RunConfig(), _columns(feature_columns)
        self.feature_columns = columns
        if isinstance(optimizer, SDCAOptimizer):
            refuse_for_dual_ascent(_joint_weights, enable_centered_bias)
            if label_dimension != 1:
                raise AssertionError(f"SDCA only applies for label_dimension=1. Received: {label_dimension}")
            model = dual_ascent_model(head, columns, optimizer, weight_column_name, "squared_loss")
        else:
            model = linear_model(
                head, columns, _linear(optimizer, gradient_clip_norm, _joint_weights), config
            )
        super().__init__(model, model_dir, config, None, feature_engineering_fn)
