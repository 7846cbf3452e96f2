"""k-means as estimators: `tf.estimator.experimental.KMeans`, `tf.contrib.factorization.KMeansClustering`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np

from millrace.building import operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import control_dependencies
from millrace.contributed.factorization.clustering import KMeans as KMeansGraph
from millrace.core.public import public
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.metrics.means import mean
from millrace.lib.summary.operations import scalar
from millrace.lib.variables.assigning import assign_add
from millrace.models.estimator.estimator import Estimator
from millrace.models.estimator.export_outputs import PredictOutput
from millrace.models.estimator.spec import EstimatorSpec
from millrace.models.feature_columns.input_layer import input_layer
from millrace.ops.array.concat import concat
from millrace.ops.math.arithmetic import add_n
from millrace.training.global_step import get_global_step
from millrace.training.hooks.base import SessionRunArgs, SessionRunHook


class FirstCentres(SessionRunHook):
    """Makes the first centres before training, in the chief; others wait for them.

    Args:
      begin: an operation that makes centres, some at each run.
      there: a variable: whether there are enough.
      is_chief: whether this process makes them.
    """

    def __init__(self, begin: Any, there: Any, is_chief: bool) -> None:
        self._begin, self._there, self._is_chief = begin, there, is_chief

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Runs the operation until there are enough centres."""
        del coord
        while not session.run(self._there):
            if self._is_chief:
                session.run(self._begin)
            else:
                time.sleep(1)


class RelativeChange(SessionRunHook):
    """Stops when the loss changes by a smaller share from one step to the next.

    Args:
      loss: the loss.
      tolerance: the share.
    """

    def __init__(self, loss: Any, tolerance: float) -> None:
        self._loss, self._tolerance = loss, tolerance
        self._before: Any = None

    def before_run(self, run_context: Any) -> SessionRunArgs:
        """Asks for the loss."""
        del run_context
        return SessionRunArgs(self._loss)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Compares it with the one before."""
        loss = run_values.results
        before = self._before
        if before and abs(loss - before) / abs(before) < self._tolerance:
            run_context.request_stop()
        self._before = loss


def points_of(features: Any, feature_columns: Any = None) -> Any:
    """The points of a batch, `[n, d]`: one tensor, several beside each other, or what columns make of them.

    Raises:
      ValueError: there are columns, and the features have no names.
    """
    if feature_columns is not None:
        if not isinstance(features, dict):
            raise ValueError(f"feature_columns need features by name. Received: {features}")
        return input_layer(features, feature_columns)
    if isinstance(features, dict):
        parts = [convert_to_tensor(features[name]) for name in sorted(features)]
        return parts[0] if len(parts) == 1 else concat(parts, 1)
    if isinstance(features, list | tuple):
        parts = [convert_to_tensor(part) for part in features]
        return parts[0] if len(parts) == 1 else concat(parts, 1)
    return convert_to_tensor(features)


class _Clustering(Estimator):
    """What both estimators share; arguments as theirs."""

    SQUARED_EUCLIDEAN_DISTANCE: ClassVar[str] = "squared_euclidean"
    COSINE_DISTANCE: ClassVar[str] = "cosine"
    RANDOM_INIT: ClassVar[str] = "random"
    KMEANS_PLUS_PLUS_INIT: ClassVar[str] = "kmeans_plus_plus"
    SCORE: ClassVar[str] = "score"
    CLUSTER_INDEX: ClassVar[str] = "cluster_index"
    CLUSTER_CENTERS_VAR_NAME: ClassVar[str] = "clusters"
    ALL_DISTANCES: ClassVar[str] = "all_distances"

    def __init__(
        self,
        num_clusters: Any,
        model_dir: Any,
        initial_clusters: Any,
        distance_metric: str,
        seed: int | None,
        use_mini_batch: bool,
        mini_batch_steps_per_iteration: int,
        kmeans_plus_plus_num_retries: int,
        relative_tolerance: float | None,
        config: Any,
        feature_columns: Any,
    ) -> None:
        def graph_of(points: Any) -> KMeansGraph:
            return KMeansGraph(
                points, num_clusters, initial_clusters, distance_metric, use_mini_batch,
                mini_batch_steps_per_iteration, seed, kmeans_plus_plus_num_retries,  # type: ignore[arg-type]
            )  # fmt: skip

        graph_of([])  # refuses what it does not know
        self._root = distance_metric == self.SQUARED_EUCLIDEAN_DISTANCE
        super().__init__(_model_fn(graph_of, relative_tolerance, feature_columns), model_dir, config)

    def _predicted(self, key: str, input_fn: Callable[[], Any]) -> Iterator[Any]:
        for row in self.predict(input_fn=input_fn, predict_keys=[key]):
            yield row[key]

    def predict_cluster_index(self, input_fn: Callable[[], Any]) -> Iterator[Any]:
        """The number of each point's nearest centre.

        Args:
          input_fn: gives the points, once.
        """
        return self._predicted(self.CLUSTER_INDEX, input_fn)

    def score(self, input_fn: Callable[[], Any]) -> Any:
        """The sum of all points' distances from their nearest centres.

        Args:
          input_fn: gives the points.
        """
        return self.evaluate(input_fn=input_fn, steps=1)[self.SCORE]

    def transform(self, input_fn: Callable[[], Any]) -> Iterator[np.ndarray]:
        """The distances of each point from all centres.

        Args:
          input_fn: gives the points, once.
        """
        for row in self._predicted(self.ALL_DISTANCES, input_fn):
            yield np.sqrt(row) if self._root else row

    def cluster_centers(self) -> np.ndarray:
        """The centres, `[num_clusters, d]`."""
        return self.get_variable_value(self.CLUSTER_CENTERS_VAR_NAME)


def _model_fn(
    graph_of: Callable[[Any], KMeansGraph], tolerance: float | None, columns: Any
) -> Callable[..., Any]:
    def model_fn(features: Any, labels: Any, mode: str, config: Any) -> Any:
        del labels
        points = points_of(features, columns)
        distances, numbers, nearest, there, begin, step = graph_of(points).training_graph()
        loss = reduce_sum(nearest[0]) if len(nearest) == 1 else add_n([reduce_sum(n) for n in nearest])
        scalar("loss/raw", loss)
        with control_dependencies([step]):
            train_op = assign_add(get_global_step(), 1, name="train_op")
        hooks: list[SessionRunHook] = [FirstCentres(begin, there, config.is_chief)]
        if tolerance is not None:
            hooks.append(RelativeChange(loss, tolerance))
        outputs = {
            "all_distances": PredictOutput(distances[0]),
            "cluster_index": PredictOutput(numbers[0]),
            "serving_default": PredictOutput(numbers[0]),
        }
        return EstimatorSpec(
            mode=mode,
            predictions={"all_distances": distances[0], "cluster_index": numbers[0]},
            loss=loss,
            train_op=train_op,
            eval_metric_ops={"score": mean(loss)},
            training_hooks=hooks,
            export_outputs=outputs,
        )

    return model_fn


@public("contrib.factorization.KMeansClustering", "contrib.factorization.python.ops.kmeans.KMeansClustering")
class KMeansClustering(_Clustering):
    """Groups points around centres.

    Args:
      num_clusters: how many centres.
      model_dir, config: as for every estimator.
      initial_clusters: "random", "kmeans_plus_plus", the first centres, or a function from the points and a
        number to centres.
      distance_metric: "squared_euclidean" or "cosine".
      random_seed: of the first centres.
      use_mini_batch: move centres by each batch; else by all points at once.
      mini_batch_steps_per_iteration: after how many batches the moved centres are used.
      kmeans_plus_plus_num_retries: how many more candidates "kmeans_plus_plus" draws for each centre.
      relative_tolerance: training stops when the loss changes by a smaller share; for whole passes.
      feature_columns: make points of features by name.

    Raises:
      ValueError: the metric or the first centres are none of these.
    """

    def __init__(
        self,
        num_clusters: Any,
        model_dir: Any = None,
        initial_clusters: Any = "random",
        distance_metric: str = "squared_euclidean",
        random_seed: int = 0,
        use_mini_batch: bool = True,
        mini_batch_steps_per_iteration: int = 1,
        kmeans_plus_plus_num_retries: int = 2,
        relative_tolerance: float | None = None,
        config: Any = None,
        feature_columns: Any = None,
    ) -> None:
        super().__init__(
            num_clusters, model_dir, initial_clusters, distance_metric, random_seed, use_mini_batch,
            mini_batch_steps_per_iteration, kmeans_plus_plus_num_retries, relative_tolerance, config,
            feature_columns,
        )  # fmt: skip


@public("estimator.experimental.KMeans")
class KMeans(_Clustering):
    """Groups points around centres; arguments and errors as for `tf.contrib.factorization.KMeansClustering`.

    Args:
      seed: of the first centres.
      num_clusters, model_dir, initial_clusters, distance_metric, use_mini_batch,
        mini_batch_steps_per_iteration, kmeans_plus_plus_num_retries, relative_tolerance, config,
        feature_columns: the same.
    """

    def __init__(
        self,
        num_clusters: Any,
        model_dir: Any = None,
        initial_clusters: Any = "random",
        distance_metric: str = "squared_euclidean",
        seed: int | None = None,
        use_mini_batch: bool = True,
        mini_batch_steps_per_iteration: int = 1,
        kmeans_plus_plus_num_retries: int = 2,
        relative_tolerance: float | None = None,
        config: Any = None,
        feature_columns: Any = None,
    ) -> None:
        super().__init__(
            num_clusters, model_dir, initial_clusters, distance_metric, seed, use_mini_batch,
            mini_batch_steps_per_iteration, kmeans_plus_plus_num_retries, relative_tolerance, config,
            feature_columns,
        )  # fmt: skip
