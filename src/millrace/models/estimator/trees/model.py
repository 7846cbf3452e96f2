"""The model function of boosted trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from millrace.autodiff.gradients import gradients as gradients_of
from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core.dtypes import bool_, float32, int32
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond, group
from millrace.lib.input.accumulators import ConditionalAccumulator
from millrace.lib.summary.operations import scalar
from millrace.lib.variables.variable import Variable
from millrace.models.estimator.modes import ModeKeys
from millrace.models.estimator.trees import columns as column_kinds
from millrace.models.estimator.trees.growing import BatchGrower, Derivatives, Grower, Settings
from millrace.models.estimator.trees.resources import QuantileAccumulator, States, TreeEnsemble
from millrace.models.estimator.trees.stopping import BeginHook, StopAtTreesHook
from millrace.models.feature_columns.numeric import numeric_column
from millrace.ops.array.concat import unstack
from millrace.ops.array.constant import constant, no_op, ones, zeros
from millrace.ops.array.shape import shape as shape_of
from millrace.training.global_step import get_global_step


@dataclass(frozen=True)
class TreesModel:
    """A model of boosted trees.

    Attributes:
      head: what stands on the logit.
      columns: bucketized, indicator and numeric ones.
      weight_column: the feature with weights, or None.
      settings: how trees grow.
      n_batches_per_layer: how many batches a layer grows from.
      epsilon: the bound of the error of quantiles.
      in_memory: all examples are one batch, which is kept.
      derivatives: of the loss, from logits and labels; None takes them from the graph.
    """

    head: Any
    columns: Any
    weight_column: Any
    settings: Settings
    n_batches_per_layer: Any
    epsilon: float
    in_memory: bool = False
    derivatives: Derivatives | None = None

    def __call__(self, features: Any, labels: Any, mode: str, config: Any) -> Any:
        """The `EstimatorSpec` of a mode."""
        if mode == ModeKeys.TRAIN:
            if self.in_memory:
                self._check_in_memory(config)
            return _Training(self, features).spec(labels)
        with name_scope("boosted_trees") as scope:
            ensemble = TreeEnsemble(scope)
            quantiles = self.quantiles()
            logits = raw.BoostedTreesPredict(
                ensemble.handle, self.buckets(features, quantiles), logits_dimension=1
            )
            return self.head.create_estimator_spec(
                features, mode, logits, labels=labels, train_op_fn=no_training
            )

    def _check_in_memory(self, config: Any) -> None:
        if self.n_batches_per_layer != 1:
            raise AssertionError(
                "When train_in_memory is enabled, input_fn should return the entire dataset as a single "
                f"batch, and n_batches_per_layer should be set as 1. Received: {self.n_batches_per_layer}"
            )
        if config is not None and config.num_worker_replicas > 1:
            raise ValueError(
                "train_in_memory does not support distributed training. "
                f"Received: {config.num_worker_replicas} workers"
            )

    def quantiles(self) -> QuantileAccumulator | None:
        """The quantiles of numeric columns, where there are some."""
        count = sum(map(column_kinds.width_of, column_kinds.float_columns(self.columns)))
        return QuantileAccumulator(self.epsilon, count) if count else None

    @property
    def num_quantiles(self) -> int:
        """How many buckets the features of numeric columns have."""
        return int(1.0 / self.epsilon)

    def buckets(self, features: Any, quantiles: QuantileAccumulator | None) -> list[Tensor]:
        """The buckets of all features."""
        boundaries = quantiles.boundaries() if quantiles else []
        found = column_kinds.transformed(features, self.columns)
        return column_kinds.bucketized(found, self.columns, boundaries)


def no_training(loss: Any) -> Any:
    """What modes other than training train: nothing."""
    del loss
    return no_op()


class _Training:
    """The graph of the training.

    Args:
      model: the model.
      features: of a batch.
    """

    def __init__(self, model: TreesModel, features: Any) -> None:
        self._model, self._features = model, features

    def spec(self, labels: Any) -> Any:
        """The `EstimatorSpec`."""
        model, settings = self._model, self._model.settings
        with name_scope("boosted_trees") as scope:
            ensemble = TreeEnsemble(scope)
            self._quantiles = model.quantiles()
            self._ready: Any = _flag(self._quantiles is None, "are_boundaries_ready")
            self._kept_features = self._feature_cache() if model.in_memory else None
            self._buckets = model.buckets(self._features, self._quantiles)
            self._cache = _Cache(shape_of(self._buckets[0])[0]) if model.in_memory else None
            self._states = ensemble.states()
            logits = self._logits(ensemble)
            groups = column_kinds.groups_of(model.columns, model.num_quantiles)
            self._grower: Grower = (
                Grower(ensemble, self._states, settings, groups)
                if model.in_memory
                else BatchGrower(ensemble, self._states, settings, groups, model.n_batches_per_layer)
            )
            _summarize(self._states)
            self._bias_needed: Any = _flag(settings.center_bias, "center_bias_needed")
            self._weights = self._example_weights()
        spec = model.head.create_estimator_spec(
            self._features,
            ModeKeys.TRAIN,
            logits,
            labels=labels,
            train_op_fn=lambda loss: self._step(loss, logits, labels),
        )
        stop = StopAtTreesHook(
            self._states.num_finalized_trees,
            self._states.num_attempted_layers,
            settings.n_trees,
            settings.n_trees * settings.max_depth,
        )
        return spec._replace(
            training_hooks=(*spec.training_hooks, stop),
            training_chief_hooks=(BeginHook(self._grower.begin()), *spec.training_chief_hooks),
        )

    def _feature_cache(self) -> tuple[list[Any], Any]:
        """Variables for the buckets of the one batch and for whether they hold them, as in 1.15's files."""
        first = next(iter(self._features.values()))
        batch = shape_of(first)[0]
        count = sum(map(column_kinds.width_of, self._model.columns))
        kept = [_variable(zeros([batch], int32), f"cached_feature_{number}") for number in range(count)]
        return kept, _flag(False, "are_features_cached")

    def _logits(self, ensemble: TreeEnsemble) -> Tensor:
        cache = self._cache
        if cache is None:
            batch = shape_of(self._buckets[0])[0]
            tree_ids, node_ids = zeros([batch], int32), -1 * ones([batch], int32)
            before = zeros([batch, 1], float32)
        else:
            tree_ids, node_ids, before = cache.tree_ids, cache.node_ids, cache.logits
        change, self._tree_ids, self._node_ids = raw.BoostedTreesTrainingPredict(
            ensemble.handle, tree_ids, node_ids, self._buckets, logits_dimension=1
        )
        return before + change

    def _example_weights(self) -> Tensor:
        column = self._model.weight_column
        if column is None:
            return constant([1.0])
        if isinstance(column, str):
            column = numeric_column(column, shape=(1,))
        found = column_kinds.transformed(self._features, [column])[column]
        return unstack(found, num=1, axis=1)[0]

    # --- one step -------------------------------------------------------------------------------------------

    def _step(self, loss: Tensor, logits: Tensor, labels: Any) -> Any:
        if self._quantiles is None:
            return self._grow(loss, logits, labels)
        return cond(
            self._ready.read_value(),
            lambda: self._grow(loss, logits, labels),
            self._learn_quantiles,
        )

    def _learn_quantiles(self) -> Any:
        """Adds a batch to the quantiles; after the first, they are ready."""
        model, quantiles = self._model, self._quantiles
        with name_scope("UpdateQuantile"):
            assert quantiles is not None
            floats = column_kinds.float_columns(model.columns)
            values = column_kinds.float_features(column_kinds.transformed(self._features, floats), floats)
            added = quantiles.add(values, self._weights, model.epsilon)
            if model.in_memory:
                kept, flag = self._kept_features  # type: ignore[misc]
                stored = [v.assign(b).op for v, b in zip(kept, self._buckets, strict=True)]
                return self._flushed([added, *stored, flag.assign(constant(True)).op])
            batches = ConditionalAccumulator(float32, [], shared_name="quantile_summary_accum")
            begun = batches.set_global_step(self._states.stamp_token)
            counted = batches.apply_grad(0.0, self._states.stamp_token)
            with control_dependencies([group(added, begun, counted)]):
                enough = batches.num_accumulated() >= model.n_batches_per_layer
                return cond(
                    enough,
                    lambda: self._flushed([batches.take_grad(1)]),
                    no_op,
                    name="wait_until_quaniles_accumulated",
                )

    def _flushed(self, before: list[Any]) -> Any:
        quantiles: Any = self._quantiles
        with control_dependencies(before):
            flushed = quantiles.flush(self._model.num_quantiles)
        with control_dependencies([flushed]):
            return self._ready.assign(constant(True)).op

    def _grow(self, loss: Tensor, logits: Tensor, labels: Any) -> Any:
        model, grower = self._model, self._grower
        done = [self._kept(logits)] if self._cache else []
        if model.derivatives is None:
            gradients, hessians = derivatives_of(loss, logits)
        else:
            gradients, hessians = model.derivatives(logits, labels)
        summaries = grower.summaries(self._node_ids, gradients, hessians, self._buckets)
        if model.settings.center_bias:
            grown = cond(
                self._bias_needed.read_value(),
                lambda: grower.center_bias(self._bias_needed, gradients, hessians),
                lambda: grower.grow(summaries),
            )
        else:
            grown = grower.grow(summaries)
        with control_dependencies([*done, grown]):
            step: Any = get_global_step()
            counted = step.assign_add(1)
        return group(*done, grown, counted, name="grow_op")

    def _kept(self, logits: Tensor) -> Any:
        cache: Any = self._cache
        return cond(
            self._bias_needed.read_value(),
            no_op,
            lambda: cache.kept(self._tree_ids, self._node_ids, logits),
        )


class _Cache:
    """Where each example of the one batch has got to, as variables.

    Args:
      batch: how many examples there are.
    """

    def __init__(self, batch: Tensor) -> None:
        self.tree_ids = _variable(zeros([batch], int32), "tree_ids_cache")
        self.node_ids = _variable(-1 * ones([batch], int32), "node_ids_cache")
        self.logits = _variable(zeros([batch, 1], float32), "logits_cache")

    def kept(self, tree_ids: Tensor, node_ids: Tensor, logits: Tensor) -> Any:
        """An operation that keeps all three."""
        pairs = (self.tree_ids, tree_ids), (self.node_ids, node_ids), (self.logits, logits)
        return group(*[variable.assign(value).op for variable, value in pairs])


def derivatives_of(loss: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients and Hessians of the loss, each `[batch, 1]`."""
    first: Any = gradients_of(loss, logits, name="Gradients")[0]
    second: Any = gradients_of(first, logits, name="Hessians")[0]
    return first, second


def _flag(value: bool, name: str) -> Any:
    return Variable(value, dtype=bool_, trainable=False, name=name, use_resource=True)


def _variable(value: Tensor, name: str) -> Any:
    return Variable(value, trainable=False, name=name, use_resource=True)


def _summarize(states: States) -> None:
    with name_scope("ensemble"):
        scalar("num_trees", states.num_trees)
        scalar("num_finalized_trees", states.num_finalized_trees)
        scalar("num_attempted_layers", states.num_attempted_layers)
