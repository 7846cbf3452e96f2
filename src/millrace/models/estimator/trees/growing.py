"""The training of boosted trees: what one batch adds, and when a layer grows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from millrace.building import raw
from millrace.building.scopes import control_dependencies
from millrace.core.dtypes import float32
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond, group
from millrace.lib.input.accumulators import ConditionalAccumulator
from millrace.lib.math.reductions import reduce_mean, reduce_min
from millrace.models.estimator.trees.columns import Groups
from millrace.models.estimator.trees.resources import States, TreeEnsemble
from millrace.ops.array.concat import stack, unstack
from millrace.ops.array.constant import no_op
from millrace.ops.array.reshape import expand_dims, squeeze

Derivatives = Callable[[Tensor, Any], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Settings:
    """How trees grow.

    Attributes:
      n_trees: how many, at most.
      max_depth: how many layers each has.
      learning_rate: what changes of leaves are multiplied by.
      l1, l2: penalties of leaves.
      tree_complexity: the penalty of a split.
      min_node_weight: the least sum of Hessians of a node that is split.
      center_bias: begin with a bias.
      pruning_mode: 0 for none, 1 before a split, 2 after a tree.
    """

    n_trees: int
    max_depth: int
    learning_rate: float
    l1: float
    l2: float
    tree_complexity: float
    min_node_weight: float
    center_bias: bool
    pruning_mode: int

    @property
    def max_splits(self) -> int:
        """How many nodes of a tree may be split."""
        return (1 << self.max_depth) - 1


class Grower:
    """Grows a layer from one batch: the whole of the examples.

    Args:
      ensemble: the trees.
      states: how far they have grown.
      settings: how they grow.
      groups: the features.
    """

    def __init__(self, ensemble: TreeEnsemble, states: States, settings: Settings, groups: Groups) -> None:
        self._ensemble, self._states, self._settings, self._groups = ensemble, states, settings, groups

    def begin(self) -> Any:
        """An operation that a new session runs first."""
        return no_op()

    def summaries(
        self, node_ids: Tensor, gradients: Tensor, hessians: Tensor, features: list[Tensor]
    ) -> list[list[Tensor]]:
        """The sums of gradients and Hessians of each feature, by group."""
        return [
            [
                squeeze(
                    raw.BoostedTreesMakeStatsSummary(
                        node_ids,
                        gradients,
                        hessians,
                        [features[number]],
                        max_splits=self._settings.max_splits,
                        num_buckets=buckets,
                    ),
                    axis=0,
                )
                for number in numbers
            ]
            for numbers, buckets in self._groups
        ]

    def center_bias(self, needed: Any, gradients: Tensor, hessians: Tensor) -> Any:
        """An operation that moves the bias."""
        means = reduce_mean(stack([gradients, hessians]), axis=1)
        return self._centered(needed, means)

    def _centered(self, needed: Any, means: Tensor) -> Any:
        first, second = unstack(means, axis=0)
        settings = self._settings
        again = raw.BoostedTreesCenterBias(
            self._ensemble.handle, expand_dims(first, 0), expand_dims(second, 0), settings.l1, settings.l2
        )
        return needed.assign(again)

    def grow(self, summaries: list[list[Tensor]]) -> Any:
        """An operation that grows a layer."""
        return self._grown(summaries)

    def _grown(self, summaries: list[list[Tensor]]) -> Any:
        settings = self._settings
        columns: list[list[Tensor]] = [[] for _ in range(5)]
        ids: list[int] = []
        for (numbers, _), group_summaries in zip(self._groups, summaries, strict=True):
            found = raw.BoostedTreesCalculateBestGainsPerFeature(
                self._states.last_layer_nodes_range,
                group_summaries,
                settings.l1,
                settings.l2,
                settings.tree_complexity,
                settings.min_node_weight,
                max_splits=settings.max_splits,
            )
            ids += numbers
            for column, values in zip(columns, found, strict=True):
                column += values
        nodes, gains, thresholds, left, right = columns
        return raw.BoostedTreesUpdateEnsemble(
            self._ensemble.handle,
            ids,
            nodes,
            gains,
            thresholds,
            left,
            right,
            settings.max_depth,
            settings.learning_rate,
            pruning_mode=settings.pruning_mode,
        )


class BatchGrower(Grower):
    """Grows a layer from several batches, whose sums accumulators hold.

    Args:
      ensemble, states, settings, groups: as for `Grower`.
      n_batches_per_layer: how many.
    """

    def __init__(
        self,
        ensemble: TreeEnsemble,
        states: States,
        settings: Settings,
        groups: Groups,
        n_batches_per_layer: Any,
    ) -> None:
        super().__init__(ensemble, states, settings, groups)
        self._batches = n_batches_per_layer
        self._begin: list[Any] = []
        self._sums = [
            self._accumulator(
                [len(numbers), settings.max_splits, buckets, 2],
                f"numeric_stats_summary_accumulator_{place}",
            )
            for place, (numbers, buckets) in enumerate(groups)
        ]
        self._bias = self._accumulator([2, 1], "bias_accumulator") if settings.center_bias else None

    def _accumulator(self, shape: list[int], name: str) -> ConditionalAccumulator:
        made = ConditionalAccumulator(float32, shape, shared_name=name)
        self._begin.append(made.set_global_step(self._states.stamp_token))
        return made

    def begin(self) -> Any:
        """An operation that a new session runs first."""
        return group(*self._begin)

    def center_bias(self, needed: Any, gradients: Tensor, hessians: Tensor) -> Any:
        """An operation that moves the bias after so many batches."""
        bias: Any = self._bias
        means = reduce_mean(stack([gradients, hessians]), axis=1)
        applied = bias.apply_grad(means, self._states.stamp_token)

        def move() -> Any:
            moved = self._centered(needed, bias.take_grad(1))
            with control_dependencies([moved]):
                return cond(needed.read_value(), no_op, self._restarted)

        return self._when_enough([applied], [bias], "wait_until_n_batches_for_bias_accumulated", move)

    def _restarted(self) -> Any:
        """Gradients from before the bias have settled are too old from now on."""
        return group(*[sums.set_global_step(self._states.stamp_token + 1) for sums in self._sums])

    def _when_enough(
        self, applied: list[Any], accumulators: list[Any], name: str, then: Callable[[], Any]
    ) -> Any:
        with control_dependencies(applied):
            counts = [accumulator.num_accumulated() for accumulator in accumulators]
            fewest = reduce_min(stack(counts))
            return cond(fewest >= self._batches, then, no_op, name=name)

    def grow(self, summaries: list[list[Tensor]]) -> Any:
        """An operation that grows a layer after so many batches."""
        applied = [
            sums.apply_grad(stack(group_summaries, axis=0), self._states.stamp_token)
            for sums, group_summaries in zip(self._sums, summaries, strict=True)
        ]

        def then() -> Any:
            taken = [unstack(sums.take_grad(1), axis=0) for sums in self._sums]
            return self._grown(taken)

        return self._when_enough(applied, self._sums, "wait_until_n_batches_accumulated", then)
