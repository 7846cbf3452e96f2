"""`tf.contrib.learn.KMeansClustering`: the older estimator of centres."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from millrace.building.scopes import control_dependencies
from millrace.contributed.factorization.clustering import KMeans
from millrace.contributed.factorization.estimators import FirstCentres, RelativeChange, points_of
from millrace.contributed.learn.configuration import RunConfig
from millrace.contributed.learn.estimator import Estimator
from millrace.contributed.learn.specs import ModelFnOps
from millrace.core.public import public
from millrace.lib.flow.control_flow import group
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.summary.operations import scalar
from millrace.lib.variables.assigning import assign_add
from millrace.training.global_step import get_global_step
from millrace.training.hooks.base import SessionRunHook


@public("contrib.learn.KMeansClustering")
class KMeansClustering(Estimator):
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
      relative_tolerance: training stops when the loss changes by a smaller share.

    Raises:
      ValueError: the metric or the first centres are none of these.
    """

    SQUARED_EUCLIDEAN_DISTANCE: ClassVar[str] = "squared_euclidean"
    COSINE_DISTANCE: ClassVar[str] = "cosine"
    RANDOM_INIT: ClassVar[str] = "random"
    KMEANS_PLUS_PLUS_INIT: ClassVar[str] = "kmeans_plus_plus"
    SCORES: ClassVar[str] = "scores"
    CLUSTER_IDX: ClassVar[str] = "cluster_idx"
    CLUSTERS: ClassVar[str] = "clusters"
    ALL_SCORES: ClassVar[str] = "all_scores"
    LOSS_OP_NAME: ClassVar[str] = "kmeans_loss"

    def __init__(
        self,
        num_clusters: int,
        model_dir: Any = None,
        initial_clusters: Any = "random",
        distance_metric: str = "squared_euclidean",
        random_seed: int = 0,
        use_mini_batch: bool = True,
        mini_batch_steps_per_iteration: int = 1,
        kmeans_plus_plus_num_retries: int = 2,
        relative_tolerance: float | None = None,
        config: Any = None,
    ) -> None:
        def graph_of(points: Any) -> KMeans:
            return KMeans(
                points, num_clusters, initial_clusters, distance_metric, use_mini_batch,
                mini_batch_steps_per_iteration, random_seed, kmeans_plus_plus_num_retries,
            )  # fmt: skip

        graph_of([])  # refuses what it does not know
        self._graph_of, self._tolerance = graph_of, relative_tolerance
        super().__init__(self._clustered, model_dir, config or RunConfig())

    def _clustered(self, features: Any, labels: Any, mode: str, config: Any) -> ModelFnOps:
        del labels
        graph = self._graph_of(points_of(features))
        distances, numbers, nearest, there, begin, step = graph.training_graph()
        loss = reduce_sum(nearest, name=self.LOSS_OP_NAME)
        scalar("loss/raw", loss)
        with control_dependencies([step]):
            train_op = group(assign_add(get_global_step(), 1))
        hooks: list[SessionRunHook] = [FirstCentres(begin, there, config.is_chief)]
        if self._tolerance is not None:
            hooks.append(RelativeChange(loss, self._tolerance))
        return ModelFnOps(
            mode,
            {self.ALL_SCORES: distances[0], self.CLUSTER_IDX: numbers[0]},
            loss,
            train_op,
            {self.SCORES: (loss, loss)},
            training_hooks=hooks,
        )

    def predict_cluster_idx(self, input_fn: Callable[[], Any] | None = None) -> Any:
        """The number of each point's nearest centre, one after the other."""
        return self._predict_one(self.CLUSTER_IDX, None, input_fn, None, True)

    def score(self, input_fn: Callable[[], Any] | None = None, steps: int | None = None) -> Any:
        """The sum of the points' distances from their nearest centres.

        Args:
          input_fn: gives the points.
          steps: how many batches.
        """
        return self.evaluate(input_fn=input_fn, steps=steps)[self.SCORES]

    def transform(self, input_fn: Callable[[], Any] | None = None, as_iterable: bool = False) -> Any:
        """The distances of each point from all centres; euclidean ones are squared.

        Args:
          input_fn: gives the points.
          as_iterable: one after the other; else one array.
        """
        return self._predict_one(self.ALL_SCORES, None, input_fn, None, as_iterable)

    def clusters(self) -> Any:
        """The centres, `[num_clusters, d]`."""
        return self.get_variable_value(self.CLUSTERS)
