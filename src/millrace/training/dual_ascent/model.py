"""A linear model that dual coordinate ascent trains: its weights, its losses, its steps."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import control_dependencies, name_scope
from millrace.building.slicing import boolean_mask
from millrace.core.dtypes import float32, float64, int32, int64
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import group
from millrace.lib.lookup import tables  # noqa: F401 - declares what tables are made of
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.nn.cross_entropy import log_poisson_loss, sigmoid_cross_entropy_with_logits
from millrace.lib.nn.embedding import embedding_lookup
from millrace.lib.summary.operations import scalar
from millrace.lib.variables.assigning import assign, assign_add, scatter_add
from millrace.lib.variables.resource_variables import is_resource_variable
from millrace.lib.variables.variable import Variable
from millrace.ops.array.concat import concat, split
from millrace.ops.array.constant import identity
from millrace.ops.array.fill import ones_like, zeros_like
from millrace.ops.array.gather import gather
from millrace.ops.array.reshape import expand_dims, reshape
from millrace.ops.array.where import unique
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.arithmetic import add_n
from millrace.ops.math.cast import cast
from millrace.ops.math.segment import segment_sum
from millrace.ops.nn.activation import relu
from millrace.ops.state.dual_ascent import LOSSES, sdca_fprint
from millrace.training.dual_ascent.table import ShardedTable

_HINGES = ("hinge_loss", "smooth_hinge_loss")


@public("contrib.linear_optimizer.SparseFeatureColumn")
class SparseFeatureColumn:
    """Sparse features of a batch: which example has which feature, and how much of it.

    Args:
      example_indices: int64 `[k]`, growing.
      feature_indices: int64 `[k]`.
      feature_values: float32 `[k]`; None: 1 everywhere.
    """

    def __init__(self, example_indices: Any, feature_indices: Any, feature_values: Any) -> None:
        with name_scope(None, "SparseFeatureColumn", [example_indices, feature_indices]):
            self._examples = convert.to_tensor(example_indices, int64, name="example_indices")
            self._features = convert.to_tensor(feature_indices, int64, name="feature_indices")
            self._values = None
        if feature_values is not None:
            with name_scope(None, "SparseFeatureColumn", [feature_values]):
                self._values = convert.to_tensor(feature_values, float32, name="feature_values")

    @property
    def example_indices(self) -> Tensor:
        """The example of each feature."""
        return self._examples

    @property
    def feature_indices(self) -> Tensor:
        """The number of each feature."""
        return self._features

    @property
    def feature_values(self) -> Tensor | None:
        """How much there is of each feature."""
        return self._values


def parts_of(variable: Any) -> list[Any]:
    """The parts of a variable that may be in parts."""
    if isinstance(variable, list | tuple):
        return [part for one in variable for part in parts_of(one)]
    return list(variable) if hasattr(variable, "_get_partitions") else [variable]


@public("contrib.linear_optimizer.SdcaModel")
class SdcaModel:
    """A linear model for stochastic dual coordinate ascent.

    Args:
      examples: a dict: "sparse_features", a list of `SparseFeatureColumn`s; "dense_features", a list of
        float32 tensors `[n, width]`; "example_labels" and "example_weights", float32 `[n]`;
        "example_ids", strings `[n]`.
      variables: a dict: "sparse_features_weights" and "dense_features_weights", lists with a variable, or its
        parts, for each of the features.
      options: a dict: "symmetric_l1_regularization", "symmetric_l2_regularization", "loss_type"; perhaps
        "num_loss_partitions", "num_table_shards", "adaptive".

    Raises:
      ValueError: something is not there, the loss is unknown, or a regularization is negative.
      KeyError: a key is missing.
    """

    _SLOT = "_unshrinked/SDCAOptimizer"
    _EXPANDED = True  # dense weights are vectors

    def __init__(self, examples: Any, variables: Any, options: Any) -> None:
        if not examples or not variables or not options:
            raise ValueError("examples, variables and options must all be specified.")
        if options["loss_type"] not in LOSSES:
            raise ValueError(f"Unsupported loss_type: {options['loss_type']!r}. Known: {', '.join(LOSSES)}")
        for key in ("example_labels", "example_weights", "example_ids", "sparse_features", "dense_features"):
            examples[key]
        for key in ("sparse_features", "dense_features"):
            _check_list(examples[key], key)
        for key in ("sparse_features_weights", "dense_features_weights"):
            _check_list(variables[key], key)
        for key in ("symmetric_l2_regularization", "symmetric_l1_regularization"):
            if options[key] < 0.0:
                raise ValueError(f"{key} should be non-negative. Found ({options[key]:f})")
        self._examples, self._variables, self._options = examples, variables, options
        self._sparse = [parts_of(v) for v in variables["sparse_features_weights"]]
        self._dense = [parts_of(v) for v in variables["dense_features_weights"]]
        self._slots = {part: self._slot(part) for parts in (*self._sparse, *self._dense) for part in parts}
        shards = options.get("num_table_shards")
        self._table = ShardedTable(1 if shards is None else shards)
        scalar("approximate_duality_gap", self.approximate_duality_gap())
        scalar("examples_seen", self._table.size())

    def _slot(self, variable: Any) -> Any:
        """The weights before shrinking."""
        return Variable(
            initial_value=zeros_like(variable.initialized_value(), dtype=float32),
            name=variable.op.name + self._SLOT,
        )

    def _l1(self) -> float:
        return float(self._options["symmetric_l1_regularization"])

    def _l2(self) -> float:
        return float(self._options["symmetric_l2_regularization"])

    def _pass_l2(self) -> float:
        """The L2 regularization that passes and shrinking use: no less than 1, as 1.15's."""
        return max(self._l2(), 1.0)

    def _weights(self) -> list[Any]:
        return [part for parts in (*self._sparse, *self._dense) for part in parts]

    def _l1_loss(self) -> Tensor:
        """float64: the sum of all weights' sizes, times the L1 regularization."""
        with name_scope("sdca/l1_loss"):
            sums = [reduce_sum(raw.Abs(cast(w, float64))) for w in self._weights()]
            return self._l1() * add_n(sums)

    def _l2_loss(self, l2: float) -> Tensor:
        """float64: half the sum of all weights' squares, times `l2`."""
        with name_scope("sdca/l2_loss"):
            sums = [reduce_sum(raw.Square(cast(w, float64))) for w in self._weights()]
            return l2 * add_n(sums) / 2.0

    def _linear_predictions(self, examples: Any) -> Tensor:
        """float32 `[n]`: what the model says before its loss's function."""
        with name_scope("sdca/prediction"):
            total: Any = 0.0
            for column, parts in zip(examples["sparse_features"], self._sparse, strict=True):
                weights = self._gathered(parts, column.feature_indices)
                values = column.feature_values
                total = total + segment_sum(raw.Mul(weights, values), column.example_indices)
            sparse, total = total, 0.0
            for tensor, parts in zip(examples["dense_features"], self._dense, strict=True):
                weights = parts[0] if len(parts) == 1 else concat(parts, 0)
                if self._EXPANDED and weights.get_shape().ndims != 2:
                    weights = expand_dims(weights, -1)
                total = total + matmul(tensor, weights)
        if not self._dense:
            return reshape(sparse, [-1])
        return reshape(total, [-1]) + sparse

    def predictions(self, examples: Any) -> Tensor:
        """What the model says of examples: probabilities, classes, numbers or rates, by its loss.

        Args:
          examples: as for the model; its labels are not needed.

        Returns:
          float32 `[n]`.

        Raises:
          KeyError: a key is missing.
        """
        for key in ("example_weights", "sparse_features", "dense_features"):
            examples[key]
        _check_list(examples["sparse_features"], "sparse_features")
        _check_list(examples["dense_features"], "dense_features")
        found = self._linear_predictions(examples)
        if self._options["loss_type"] == "logistic_loss":
            with name_scope("sdca/logistic_prediction"):
                return raw.Sigmoid(found)
        if self._options["loss_type"] == "poisson_loss":
            with name_scope("sdca/poisson_prediction"):
                return raw.Exp(found)
        return found

    def _gathered(self, parts: list[Any], ids: Any) -> Tensor:
        """The weights of some features."""
        return gather(parts[0], ids) if len(parts) == 1 else embedding_lookup(parts, ids, "div")

    def minimize(self, global_step: Any = None, name: str | None = None) -> Any:
        """One pass over the examples.

        Args:
          global_step: a variable that grows by 1.
          name: a scope; default "sdca/minimize".

        Returns:
          An operation.
        """
        with name_scope(name, "sdca/minimize"):
            ids = sdca_fprint(convert.to_tensor(self._examples["example_ids"]))
            state = self._table.lookup(ids)
            columns = self._examples["sparse_features"]
            features = [cast(unique(cast(c.feature_indices, int32))[0], int64) for c in columns]
            slots = [[self._slots[part] for part in parts] for parts in self._sparse]
            known = [reshape(self._gathered(s, f), [-1]) if len(s) > 1 else self._gathered(s, f)
                     for s, f in zip(slots, features, strict=True)]  # fmt: skip
            dense_slots = [[self._slots[part] for part in parts] for parts in self._dense]
            found = raw.SdcaOptimizerV2(
                [c.example_indices for c in columns],
                [c.feature_indices for c in columns],
                [c.feature_values for c in columns if c.feature_values is not None],
                self._examples["dense_features"],
                convert.to_tensor(self._examples["example_weights"], float32),
                convert.to_tensor(self._examples["example_labels"], float32),
                features,
                known,
                [s[0] if len(s) == 1 else concat(s, 0) for s in dense_slots],
                state,
                loss_type=self._options["loss_type"],
                l1=self._l1(),
                l2=self._pass_l2(),
                num_loss_partitions=self._options.get("num_loss_partitions", 1),
                num_inner_iterations=1,
                adaptive=self._adaptive(),
            )
            with control_dependencies([found.out_example_state_data]) if self._held() else name_scope(None):
                done: list[Any] = [self._table.insert(ids, found.out_example_state_data)]
                changes = zip(slots, features, found.out_delta_sparse_weights, strict=True)
                done += [op for s, f, change in changes for op in self._added(s, f, change)]
                for s, change in zip(dense_slots, found.out_delta_dense_weights, strict=True):
                    cut = [change] if len(s) == 1 else split(change, [p.get_shape()[0].value for p in s], 0)
                    done += [assign_add(p, c) for p, c in zip(s, cut, strict=True)]
        if global_step is None:
            return group(*done)
        with control_dependencies(done):
            return assign_add(global_step, 1, name=name).op

    def _adaptive(self) -> bool:
        return bool(self._options.get("adaptive", True))

    def _held(self) -> bool:
        return False

    def _added(self, parts: list[Any], ids: Any, change: Any) -> list[Any]:
        """Operations that add changes to some features' weights."""
        if len(parts) == 1:
            return [scatter_add(parts[0], ids, _rows_like(change, parts[0]))]
        made, start = [], 0
        for part in parts:
            end = start + part.get_shape()[0].value
            mine = raw.LogicalAnd(ids >= start, ids < end)
            rows = _rows_like(boolean_mask(change, mine), part)
            made.append(scatter_add(part, boolean_mask(ids, mine) - start, rows))
            start = end
        return made

    def update_weights(self, train_op: Any) -> Any:
        """After training: the model's weights, shrunk as the L1 regularization asks.

        Args:
          train_op: runs before.

        Returns:
          An operation.
        """
        with control_dependencies([train_op]):
            made = [assign(w, identity(self._slots[w])).op for w in self._weights()]
        with control_dependencies(made):
            shrunk = [self._shrunk(w) for w in self._weights()]
        return group(*made, *shrunk)

    def _shrunk(self, weights: Any) -> Any:
        if not is_resource_variable(weights):
            return raw.SdcaShrinkL1([weights._ref()], l1=self._l1(), l2=self._pass_l2())
        by = self._l1() / self._pass_l2()
        now = identity(weights)
        return assign(weights, raw.Sign(now) * raw.Maximum(raw.Abs(now) - by, 0.0)).op

    def approximate_duality_gap(self) -> Tensor:
        """How far the primal is from the dual at most, as the examples' last passes saw it, by weight.

        Returns:
          A float64 scalar.
        """
        with name_scope("sdca/approximate_duality_gap"):
            sums = [reduce_sum(cast(values, float64), axis=0) for values in self._table.values()]
            total = sums[0] if len(sums) == 1 else add_n(sums)
            loss = total[1] + total[2]
            return (loss + self._l1_loss() + 2.0 * self._l2_loss(self._l2())) / total[3]

    def unregularized_loss(self, examples: Any) -> Tensor:
        """The loss of examples, on average by weight.

        Args:
          examples: as for the model.

        Returns:
          A float64 scalar.
        """
        with name_scope("sdca/unregularized_loss"):
            said = cast(self._linear_predictions(examples), float64)
            labels = cast(convert.to_tensor(examples["example_labels"]), float64)
            weights = cast(convert.to_tensor(examples["example_weights"]), float64)
            kind = self._options["loss_type"]
            if kind == "logistic_loss":
                losses = sigmoid_cross_entropy_with_logits(labels=labels, logits=said)
            elif kind == "poisson_loss":
                losses = log_poisson_loss(targets=labels, log_input=said)
            elif kind in _HINGES:
                one = ones_like(labels)
                losses = relu(raw.Sub(one, raw.Mul(raw.Sub(2 * labels, one), said)))
            else:
                squares = raw.Square(raw.Sub(labels, said))
                return reduce_sum(raw.Mul(squares, weights)) / (2.0 * reduce_sum(weights))
            return reduce_sum(raw.Mul(losses, weights)) / reduce_sum(weights)

    def regularized_loss(self, examples: Any) -> Tensor:
        """The loss of examples and the regularization, on average by weight.

        Args:
          examples: as for the model.

        Returns:
          A float64 scalar.
        """
        with name_scope("sdca/regularized_loss"):
            weights = reduce_sum(cast(convert.to_tensor(examples["example_weights"]), float64))
            penalty = (self._l1_loss() + self._l2_loss(self._l2())) / weights
            return penalty + self.unregularized_loss(examples)


def _check_list(given: Any, key: str) -> None:
    if not isinstance(given, list):
        raise ValueError(f"{key} must be a list. Received: {given!r}")


def _rows_like(change: Any, weights: Any) -> Any:
    """Changes of rows, of the rank that the weights have."""
    return (
        change
        if weights.get_shape().ndims == 1
        else reshape(change, [-1, *weights.get_shape().as_list()[1:]])
    )
