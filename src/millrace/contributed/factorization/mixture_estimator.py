"""`GMM`: a mixture of Gaussians as an estimator of `tf.contrib.learn`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from millrace.building.scopes import control_dependencies
from millrace.contributed.factorization.mixtures import gmm
from millrace.contributed.learn.estimator import Estimator
from millrace.contributed.learn.specs import ModelFnOps
from millrace.core.public import public
from millrace.lib.flow.control_flow import group
from millrace.lib.metrics.inputs import metric_variable
from millrace.lib.variables.assigning import assign_add
from millrace.ops.array.concat import concat
from millrace.training.global_step import get_global_step
from millrace.training.hooks.base import SessionRunHook


class _Begin(SessionRunHook):
    """Makes the first Gaussians, where there are none."""

    def __init__(self, begin: Any, done: Any) -> None:
        self._begin, self._done = begin, done

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Runs once for a session; one with a checkpoint has Gaussians."""
        if not session.run(self._done):
            session.run(self._begin)


def _summed(value: Any) -> tuple[Any, Any]:
    """The sum of a tensor over the batches, and its update."""
    total = metric_variable(value.get_shape(), value.dtype, name="total", validate_shape=False)
    return total, assign_add(total, value)


@public("contrib.factorization.GMM")
class GMM(Estimator):
    """A mixture of Gaussians, trained by expectation and maximization.

    Args:
      num_clusters: how many Gaussians.
      model_dir: the folder of checkpoints; default, a new one.
      random_seed: of means drawn at random.
      params: letters that say what is trained: "w" weights, "m" means, "c" covariances.
      initial_clusters: "random", or the first means, `[num_clusters, d]`.
      covariance_type: "full" or "diag".
      config: a `RunConfig`.
    """

    SCORES = "scores"
    LOG_LIKELIHOOD = "loss"
    ASSIGNMENTS = "assignments"

    def __init__(
        self,
        num_clusters: int,
        model_dir: Any = None,
        random_seed: int = 0,
        params: str = "wmc",
        initial_clusters: Any = "random",
        covariance_type: str = "full",
        config: Any = None,
    ) -> None:
        self._num_clusters, self._random_seed, self._letters = num_clusters, random_seed, params
        self._initial_clusters, self._covariance_type = initial_clusters, covariance_type
        super().__init__(_model_fn(self), model_dir, config)

    def predict_assignments(
        self, input_fn: Any = None, batch_size: int | None = None, outputs: Any = None
    ) -> Iterator[Any]:
        """The most likely Gaussian of each point.

        Args:
          input_fn: gives float32 `[n, d]` as features.
          batch_size, outputs: as for `predict`.
        """
        for found in self.predict(input_fn=input_fn, batch_size=batch_size, outputs=outputs):
            yield found[GMM.ASSIGNMENTS]

    def score(self, input_fn: Any = None, batch_size: int | None = None, steps: int | None = None) -> Any:
        """The log of the sum of the likelihoods of the points.

        Args:
          input_fn: gives float32 `[n, d]` as features.
          batch_size, steps: as for `evaluate`.
        """
        return self.evaluate(input_fn=input_fn, batch_size=batch_size, steps=steps)[GMM.LOG_LIKELIHOOD]

    def weights(self) -> np.ndarray:
        """The weights of the Gaussians."""
        return self.get_variable_value("alphas")

    def clusters(self) -> np.ndarray:
        """Their means, `[num_clusters, d]`."""
        held = self.get_variable_value("clusters")
        return np.squeeze(held, 1)

    def covariances(self) -> np.ndarray:
        """Their covariances, `[num_clusters, d, d]` or `[num_clusters, d]`."""
        return self.get_variable_value("clusters_covs")


def _points(features: Any) -> Any:
    """Features in one matrix, those of a dictionary by the order of their names."""
    if isinstance(features, dict):
        return concat([features[k] for k in sorted(features)], 1)
    return features


def _model_fn(model: GMM) -> Any:
    def model_fn(features: Any, labels: Any, mode: str, config: Any = None) -> ModelFnOps:
        assert labels is None, labels
        likelihood, scores, assignments, step, begin, done = gmm(
            _points(features),
            model._initial_clusters,
            model._num_clusters,
            model._random_seed,
            model._covariance_type,
            model._letters,
        )
        counted = assign_add(get_global_step(), 1)
        with control_dependencies([counted]):
            train_op = group(step)
        return ModelFnOps(
            mode=mode,
            predictions={GMM.ASSIGNMENTS: assignments[0][0]},
            eval_metric_ops={GMM.SCORES: _summed(scores)},
            loss=likelihood,
            train_op=train_op,
            training_hooks=[_Begin(begin, done)],
        )

    return model_fn
