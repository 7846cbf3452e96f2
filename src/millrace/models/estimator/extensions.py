"""What makes an estimator of another one: more metrics, features that are passed on, clipped gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building.sparse_tensor import SparseTensor
from millrace.core.public import public
from millrace.lib.linalg.norms import clip_by_global_norm
from millrace.lib.sparse.conversion import sparse_tensor_to_dense
from millrace.models.estimator.arguments import arguments_of
from millrace.models.estimator.estimator import Estimator
from millrace.models.estimator.export_outputs import PredictOutput
from millrace.models.estimator.modes import ModeKeys
from millrace.training.optimizers.optimizer import Optimizer


def _like(estimator: Any, model_fn: Callable[..., Any]) -> Estimator:
    return Estimator(model_fn=model_fn, model_dir=estimator.model_dir, config=estimator.config)


@public("estimator.add_metrics", "contrib.estimator.add_metrics")
def add_metrics(estimator: Any, metric_fn: Callable[..., Any]) -> Estimator:
    """An estimator that computes more metrics.

    Args:
      estimator: an `Estimator`.
      metric_fn: takes some of `features`, `labels`, `predictions` and `config`; gives metrics by name.

    Raises:
      ValueError: `metric_fn` takes other arguments.
    """
    names = set(arguments_of(metric_fn))
    other = sorted(names - {"features", "labels", "predictions", "config", "self"})
    if other:
        raise ValueError(f"metric_fn ({metric_fn}) has following not expected args: {other}")

    def model_fn(features: Any, labels: Any, mode: str, config: Any) -> Any:
        spec = estimator.model_fn(features, labels, mode, config)
        if mode != ModeKeys.EVAL:
            return spec
        available = {
            "features": features,
            "labels": labels,
            "predictions": spec.predictions,
            "config": config,
        }
        given = {name: value for name, value in available.items() if name in names}
        return spec._replace(eval_metric_ops={**spec.eval_metric_ops, **(metric_fn(**given) or {})})

    return _like(estimator, model_fn)


@public("contrib.estimator.forward_features")
def forward_features(estimator: Any, keys: Any = None, sparse_default_values: Any = None) -> Estimator:
    """An estimator whose predictions hold features, too.

    Args:
      estimator: an `Estimator`.
      keys: which; default, all.
      sparse_default_values: what fills sparse features, by key.

    Raises:
      ValueError: a key is not that of a feature, or is that of a prediction.
      TypeError: a key is not text.
    """
    wanted = [keys] if isinstance(keys, str) else keys
    for key in wanted or ():
        if not isinstance(key, str):
            raise TypeError(f"All items of keys must be a string. Received: {key!r}")

    def model_fn(features: Any, labels: Any, mode: str, config: Any) -> Any:
        spec = estimator.model_fn(features, labels, mode, config)
        chosen = wanted or list(features)
        predictions = dict(spec.predictions)
        for key in chosen:
            if key not in features:
                raise ValueError(f"Feature {key} is not among the features. Received: {sorted(features)}")
            if key in predictions:
                raise ValueError(f"Cannot forward feature key ({key}). Since it does exist in predictions.")
            predictions[key] = _dense(features[key], (sparse_default_values or {}).get(key))
        changes: dict[str, Any] = {"predictions": predictions}
        if spec.export_outputs:
            outputs = dict(spec.export_outputs)
            for name, output in outputs.items():
                if isinstance(output, PredictOutput):
                    extra = {key: predictions[key] for key in chosen}
                    outputs[name] = PredictOutput({**output.outputs, **extra})
            changes["export_outputs"] = outputs
        return spec._replace(**changes)

    return _like(estimator, model_fn)


def _dense(feature: Any, default: Any) -> Any:
    if not isinstance(feature, SparseTensor):
        return feature
    return sparse_tensor_to_dense(feature, default_value=default)


class ClippingOptimizer(Optimizer):
    """An optimizer whose gradients are scaled down together.

    Args:
      optimizer: what applies them.
      clip_norm: their greatest norm.
    """

    def __init__(self, optimizer: Any, clip_norm: Any) -> None:
        super().__init__(False, f"ClipByNorm{optimizer.get_name()}")
        self._optimizer, self._clip_norm = optimizer, clip_norm

    def compute_gradients(self, *args: Any, **kwargs: Any) -> Any:
        """Those of the optimizer."""
        return self._optimizer.compute_gradients(*args, **kwargs)

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """Applies them, scaled down where their norm is greater."""
        gradients, variables = zip(*grads_and_vars, strict=True)
        clipped, _ = clip_by_global_norm(list(gradients), self._clip_norm)
        pairs = list(zip(clipped, variables, strict=True))
        return self._optimizer.apply_gradients(pairs, global_step=global_step, name=name)


@public("contrib.estimator.clip_gradients_by_norm")
def clip_gradients_by_norm(optimizer: Any, clip_norm: Any) -> ClippingOptimizer:
    """An optimizer whose gradients are scaled down together.

    Args:
      optimizer: what applies them.
      clip_norm: their greatest norm.
    """
    return ClippingOptimizer(optimizer, clip_norm)
