"""The training of `tf.contrib.boosted_trees`: what a batch adds, when a layer grows, and what trees count.

The examples of a layer wait in a queue until there are enough of them, so that nothing as large as nodes
times features times logits is ever made. The trees are an ensemble of the same kind as that of
`tf.estimator.BoostedTreesClassifier`; beside it stands a variable of what each tree counts.
"""

from __future__ import annotations

from typing import Any

from millrace.autodiff.gradients import gradients as gradients_of
from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import control_dependencies, name_scope
from millrace.contributed.boosted_trees.features import Features
from millrace.contributed.boosted_trees.learner import Learner, LearnerConfig
from millrace.core.dtypes import bool_, float32, int32
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond
from millrace.lib.input.queues import FIFOQueue
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.variables.variable import Variable
from millrace.models.estimator.trees.resources import QuantileAccumulator, TreeEnsemble
from millrace.models.estimator.trees.stopping import StopAtTreesHook
from millrace.ops.array.concat import concat, stack, unstack
from millrace.ops.array.constant import constant, no_op
from millrace.ops.array.fill import range_ as range_of
from millrace.ops.array.gather import gather
from millrace.ops.array.one_hot import one_hot
from millrace.ops.array.reshape import expand_dims
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal, greater_equal, less
from millrace.ops.math.select import where
from millrace.ops.random.stateless import stateless_random_uniform
from millrace.training.global_step import get_global_step

_ANY_NUMBER = -1
_MORE_TREES = 1000  # what is kept room for where the number of trees is not bounded
_LEFT_OUT, _SKIPPED, _ASKED = range(3)  # second halves of seeds: what is drawn


class TreeModel:
    """Trees, and the logits of a batch.

    Args:
      learner: how they learn.
      features: of the batch.
      logits_dimension: how many logits an example has.
      num_trees: how many trees there will be at most, or None.
      num_quantiles: how many buckets a number has.
      training: whether the batch is for training.

    Attributes:
      logits: `[batch, logits_dimension]`.
      leaves: `[batch, trees]` where each example ends.
    """

    def __init__(
        self,
        learner: Learner,
        features: Features,
        logits_dimension: int,
        num_trees: int | None,
        num_quantiles: int,
        training: bool,
    ) -> None:
        self.learner, self.features, self.num_logits = learner, features, logits_dimension
        self.num_trees, self.num_quantiles = num_trees, num_quantiles
        with name_scope("gbdt") as scope:
            self.ensemble = TreeEnsemble(scope)
            count = features.num_numbers
            self.quantiles = QuantileAccumulator(1.0 / num_quantiles, count) if count else None
            room = (num_trees or _MORE_TREES) + 1
            self.tree_weights = Variable(
                [1.0] * room, trainable=False, name="tree_weights", use_resource=True
            )
            self.states = self.ensemble.states()
            self.buckets = features.buckets(self.quantiles)
            weights = self.tree_weights.read_value() * self._counted(room, training)
            self.logits, self.leaves = raw.BoostedTreesWeightedPredict(
                self.ensemble.handle, weights, *self.buckets, logits_dimension=logits_dimension
            )

    def _counted(self, room: int, training: bool) -> Tensor:
        """`[room]` the share of each tree that counts in this batch."""
        learner, states = self.learner, self.states
        numbers = range_of(room)
        counted = less(numbers, states.num_finalized_trees if learner.whole_trees else states.num_trees)
        shares = cast(counted, float32)
        if training:
            return shares if learner.dropout is None else shares * (1.0 - self.left_out(room))
        return shares * self._averaging(numbers) if learner.averaged not in (0.0, 1.0) else shares

    def _averaging(self, numbers: Tensor) -> Tensor:
        """What each tree counts in the mean of the last ensembles, each of one tree more than the last."""
        total = cast(self.states.num_finalized_trees, float32)
        averaged = self.learner.averaged
        last: Any = averaged if averaged > 0 else raw.Maximum(1.0, raw.Ceil(-averaged * total))
        return raw.ClipByValue((total - cast(numbers, float32)) / last, 0.0, 1.0)

    def left_out(self, room: int) -> Tensor:
        """`[room]` 1 for each finished tree that the present one does without, else 0.

        The same for every batch of one tree: its number is the seed.
        """
        dropout: Any = self.learner.dropout
        finished = self.states.num_finalized_trees
        drawn = stateless_random_uniform([room], stack([finished, _LEFT_OUT]))
        kept = stateless_random_uniform([], stack([finished, _SKIPPED])) < dropout.skipped
        chosen = raw.LogicalAnd(less(drawn, dropout.probability), less(range_of(room), finished))
        return cast(raw.LogicalAnd(chosen, raw.LogicalNot(kept)), float32)


class Trainer:
    """The operation that trains a model.

    Args:
      model: the model.
      examples_per_layer: a number, or a function of the number of the layer in its tree.
      center_bias: whether the first tree begins with a bias.
      differences: of the logits of the first half of the batch and those of the second, where the loss is one
        of pairs.
    """

    def __init__(
        self, model: TreeModel, examples_per_layer: Any, center_bias: bool, differences: Tensor | None = None
    ) -> None:
        self._model, self._examples_per_layer = model, examples_per_layer
        self._differences = differences
        self._bias_needed: Any = _flag(center_bias, "center_bias_needed")
        self._ready: Any = _flag(model.quantiles is None, "are_boundaries_ready")
        self._seen: Any = Variable(0, trainable=False, name="quantile_examples", use_resource=True)
        self._center_bias = center_bias

    def stop_hook(self) -> StopAtTreesHook | None:
        """Stops when there are enough trees; None where their number is not bounded."""
        model, states = self._model, self._model.states
        if model.num_trees is None:
            return None
        layers = model.num_trees * model.learner.max_depth
        return StopAtTreesHook(
            states.num_finalized_trees, states.num_attempted_layers, model.num_trees, layers
        )

    def step(self, loss: Tensor) -> Any:
        """Learns of one batch, whose loss is given."""
        with name_scope("update"):
            learned = cond(self._ready.read_value(), lambda: self._grow(loss), self._learn_quantiles)
        with control_dependencies([learned]):
            counter: Any = get_global_step()
            return counter.assign_add(1).op

    @property
    def _wanted(self) -> Any:
        """How many examples the present layer grows of."""
        wanted = self._examples_per_layer
        if not callable(wanted):
            return wanted
        return wanted(raw.FloorMod(self._model.states.num_attempted_layers, self._model.learner.max_depth))

    # --- quantiles ------------------------------------------------------------------------------------------

    def _learn_quantiles(self) -> Any:
        """Adds a batch to the quantiles; after as many examples as a layer has, they are ready."""
        model = self._model
        quantiles = model.quantiles
        if quantiles is None or model.features.numbers is None:
            return no_op()
        added = quantiles.add(
            unstack(model.features.numbers, axis=1), constant([1.0]), 1.0 / model.num_quantiles
        )
        with control_dependencies([added]):
            seen = self._seen.assign_add(shape_of(model.features.any)[0])
            return cond(greater_equal(seen, self._wanted), self._flushed, no_op)

    def _flushed(self) -> Any:
        quantiles: Any = self._model.quantiles
        with control_dependencies([quantiles.flush(self._model.num_quantiles)]):
            return self._ready.assign(True).op

    # --- growing --------------------------------------------------------------------------------------------

    def _grow(self, loss: Tensor) -> Any:
        gradients, hessians = self._derivatives(loss)
        if not self._center_bias:
            return self._added(gradients, hessians)
        return cond(
            self._bias_needed.read_value(),
            lambda: self._centered(gradients, hessians),
            lambda: self._added(gradients, hessians),
        )

    def _derivatives(self, loss: Tensor) -> tuple[Tensor, Tensor]:
        """`[batch, k]` gradients, and Hessians of as many columns, or of `k * k`."""
        model = self._model
        logits = model.logits if self._differences is None else self._differences
        first: Any = gradients_of(loss, logits, name="Gradients")[0]
        parts = unstack(first, num=model.num_logits, axis=1)
        rows: list[Any] = [gradients_of(part, logits, name="Hessians")[0] for part in parts]
        if model.learner.strategy == LearnerConfig.FULL_HESSIAN:
            return first, concat(rows, axis=1)
        second = stack([row[:, place] for place, row in enumerate(rows)], axis=1)
        if self._differences is None:
            return first, second
        return concat([first, -first], axis=0), concat([second, second], axis=0)

    def _centered(self, gradients: Tensor, hessians: Tensor) -> Any:
        learner, logits = self._model.learner, self._model.num_logits
        if learner.strategy == LearnerConfig.FULL_HESSIAN:
            hessians = hessians[:, :: logits + 1]  # the diagonals
        first, second = (expand_dims(reduce_sum(part, axis=0), 0) for part in (gradients, hessians))
        again = raw.BoostedTreesCenterBias(self._model.ensemble.handle, first, second, learner.l1, learner.l2)
        return self._bias_needed.assign(again).op

    def _added(self, gradients: Tensor, hessians: Tensor) -> Any:
        """Adds the batch to the examples of the layer, and grows it where they are enough."""
        model = self._model
        if model.learner.strategy == LearnerConfig.TREE_PER_CLASS:
            gradients, hessians = (gather(p, self._class(), axis=1)[:, None] for p in (gradients, hessians))
        columns = (self._nodes(), gradients, hessians, *model.buckets)
        widths = [[int(column.shape[1])] for column in (gradients, hessians)]
        widths += [[model.features.num_numbers], [model.features.num_categories]]
        kept = FIFOQueue(_ANY_NUMBER, [c.dtype for c in columns], [[], *widths], shared_name="gbdt_examples")
        with control_dependencies([kept.enqueue_many(columns)]):
            waiting = kept.size()
            return cond(
                greater_equal(waiting, self._wanted),
                lambda: self._grown(kept.dequeue_many(kept.size())),
                no_op,
                name="wait_until_examples_accumulated",
            )

    def _nodes(self) -> Tensor:
        """`[batch]` where each example is in the tree that grows; before the first, at its root."""
        batch = shape_of(self._model.features.any)[0]
        roots = raw.Fill(stack([batch, 1]), constant(0, int32))
        return concat([roots, self._model.leaves], axis=1)[:, -1]

    def _class(self) -> Tensor:
        """The class that the present tree is for."""
        return raw.FloorMod(self._model.states.num_finalized_trees, self._model.num_logits)

    def _grown(self, layer: Any) -> Any:
        nodes, gradients, hessians, *features = layer
        model, learner = self._model, self._model.learner
        counts = model.features.num_numbers, model.features.num_categories
        asked = [place for place, count in enumerate(counts) if count]
        columns: list[list[Any]] = [[] for _ in range(7)]
        for place in asked:
            found = raw.BoostedTreesSplitExamples(
                nodes,
                gradients,
                hessians,
                features[place],
                self._allowed(counts[place], place),
                learner.l1,
                learner.l2,
                learner.tree_complexity,
                learner.min_node_weight,
                equality=place == 1,
            )
            for column, values in zip(columns, found, strict=True):
                column.append(values)
        split_nodes, gains, dimensions, thresholds, left, right, kinds = columns
        if learner.strategy == LearnerConfig.TREE_PER_CLASS:
            row = one_hot(self._class(), model.num_logits)
            left, right = ([part * row for part in side] for side in (left, right))
        grown = raw.BoostedTreesUpdateEnsembleV2(
            model.ensemble.handle,
            asked,
            dimensions,
            split_nodes,
            gains,
            thresholds,
            left,
            right,
            kinds,
            learner.max_depth,
            learner.learning_rate,
            learner.pruning_mode,
        )
        return grown if learner.dropout is None else self._weighed(grown)

    def _allowed(self, count: int, place: int) -> Tensor:
        """`[count]` which features this tree, or this layer, may ask."""
        learner, states = self._model.learner, self._model.states
        if learner.fraction == 1:
            return constant([True] * count)
        turn = states.num_attempted_layers if learner.by_level else states.num_finalized_trees
        drawn = stateless_random_uniform([count], stack([turn, _ASKED + place]))
        ranks = reduce_sum(cast(less(drawn[None, :], drawn[:, None]), int32), axis=1)
        return less(ranks, max(1, round(count * learner.fraction)))

    def _weighed(self, grown: Any) -> Any:
        """When a tree is finished: it and those it did without count together as much as those did."""
        model = self._model
        room = int(model.tree_weights.shape[0])
        before, out = model.states.num_finalized_trees, model.left_out(room)
        dropped = reduce_sum(out)
        share = dropped / (dropped + 1.0)
        is_new = equal(range_of(room), raw.Minimum(before, room - 1))
        weights = model.tree_weights.read_value() * where(out > 0, out * share, 1.0 - out)
        weights = where(is_new, 1.0 / (dropped + 1.0) + weights * 0.0, weights)
        with control_dependencies([grown]):
            finished = model.ensemble.states().num_finalized_trees
        return cond(finished > before, lambda: model.tree_weights.assign(weights).op, no_op)


def _flag(value: bool, name: str) -> Any:
    return Variable(value, dtype=bool_, trainable=False, name=name, use_resource=True)
