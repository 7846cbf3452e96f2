"""`tf.contrib.tensor_forest.tensor_forest`: the graphs that train a forest and ask it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import control_dependencies, device
from millrace.contributed.tensor_forest.data import ParseDataTensorOrDict, ParseLabelTensorOrDict
from millrace.contributed.tensor_forest.parameters import build_params_proto, logged
from millrace.contributed.tensor_forest.variables import fertile_stats_variable, tree_variable
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import group
from millrace.lib.math.reductions import reduce_mean, reduce_sum
from millrace.lib.variables.scope import get_variable
from millrace.ops.array.concat import concat, split, stack
from millrace.ops.array.fill import ones_like
from millrace.ops.array.gather import gather
from millrace.ops.array.reshape import squeeze
from millrace.ops.array.shape import shape
from millrace.ops.array.slicing import strided_slice
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import less
from millrace.ops.math.division import truediv
from millrace.ops.math.select import where
from millrace.ops.random.draws import random_uniform


def _params_text(params: Any) -> str:
    return params.serialized_params_proto.decode("latin-1")


@public("contrib.tensor_forest.tensor_forest.get_epoch_variable")
def get_epoch_variable() -> list[int]:
    """The pass over the data that training is in: always the first."""
    return [0]


@public("contrib.tensor_forest.tensor_forest.TreeVariables")
class TreeVariables:
    """The resources of one tree: `tree`, and `stats` where it is trained.

    Args:
      params: filled parameters of the forest.
      tree_num: the tree's number.
      training: whether it is trained.
      tree_config: a serialized tree to start from.
      tree_stat: serialized statistics to start from.
    """

    def __init__(
        self, params: Any, tree_num: int, training: bool, tree_config: str = "", tree_stat: str = ""
    ) -> None:
        if not hasattr(params, "params_proto"):
            params.params_proto = build_params_proto(params)
            params.serialized_params_proto = params.params_proto.SerializeToString()
        self.stats = None
        if training:
            self.stats = fertile_stats_variable(params, tree_stat, self.get_tree_name("stats", tree_num))
        self.tree = tree_variable(params, tree_config, self.stats, self.get_tree_name("tree", tree_num))

    def get_tree_name(self, name: str, num: int) -> str:
        """The name of a resource of a tree."""
        return f"{name}-{num}"


@public("contrib.tensor_forest.tensor_forest.ForestVariables")
class ForestVariables:
    """The resources of all trees, by number.

    Args:
      params: filled parameters.
      device_assigner: has `get_device(tree_number)`; default, devices are left as they are.
      training: whether they are trained.
      tree_variables_class: makes the resources of a tree.
      tree_configs, tree_stats: serialized trees and statistics to start from.
    """

    def __init__(
        self,
        params: Any,
        device_assigner: Any,
        training: bool = True,
        tree_variables_class: Callable[..., Any] = TreeVariables,
        tree_configs: Any = None,
        tree_stats: Any = None,
    ) -> None:
        # A variable for each tree, whose device says where all of the tree is to be.
        self.device_dummies = []
        with device(device_assigner):
            for i in range(params.num_trees):
                self.device_dummies.append(get_variable(name=f"device_dummy_{i}", shape=0))
        self.variables = []
        for i in range(params.num_trees):
            kwargs = {}
            if tree_configs is not None:
                kwargs["tree_config"] = tree_configs[i]
            if tree_stats is not None:
                kwargs["tree_stat"] = tree_stats[i]
            with device(self.device_dummies[i].device):
                self.variables.append(tree_variables_class(params, i, training, **kwargs))

    def __setitem__(self, t: int, val: Any) -> None:
        self.variables[t] = val

    def __getitem__(self, t: int) -> Any:
        return self.variables[t]


def _sparse_parts(sparse_features: Any) -> tuple[Any, Any, Any]:
    if sparse_features is None:
        return [], [], []
    return sparse_features.indices, sparse_features.values, sparse_features.dense_shape


@public("contrib.tensor_forest.tensor_forest.RandomTreeGraphs")
class RandomTreeGraphs:
    """The graphs of one tree.

    Args:
      variables: its `TreeVariables`.
      params: filled parameters of the forest.
      tree_num: its number.
    """

    def __init__(self, variables: Any, params: Any, tree_num: int) -> None:
        self.variables, self.params, self.tree_num = variables, params, tree_num

    def training_graph(
        self,
        input_data: Any,
        input_labels: Any,
        random_seed: int,
        data_spec: Any,
        sparse_features: Any = None,
        input_weights: Any = None,
    ) -> Any:
        """The operation that trains on a batch.

        Args:
          input_data: float32 `[batch, features]`; None where all features are sparse.
          input_labels: float32 `[batch]`, or `[batch, outputs]`.
          random_seed: of the features that leaves try.
          data_spec: a `TensorForestDataSpec`.
          sparse_features: a `SparseTensor` of float32.
          input_weights: float32 `[batch]`.
        """
        cast(-1, dtypes.int32)  # nothing uses it: it keeps the names of what follows TensorFlow's
        params, spec = _params_text(self.params), data_spec.SerializeToString()
        weights = [] if input_weights is None else input_weights
        dense = [] if input_data is None else input_data
        sparse = _sparse_parts(sparse_features)
        tree, stats = self.variables.tree, self.variables.stats
        leaf_ids = raw.TraverseTreeV4(tree, dense, *sparse, input_spec=spec, params=params)
        update = raw.UpdateModelV4(tree, leaf_ids, input_labels, weights, params=params)
        finished = raw.ProcessInputV4(
            tree,
            stats,
            dense,
            *sparse,
            input_labels,
            weights,
            leaf_ids,
            input_spec=spec,
            random_seed=random_seed,
            params=params,
        )
        with control_dependencies([update]):
            return raw.GrowTreeV4(tree, stats, finished, params=params)

    def inference_graph(
        self, input_data: Any, data_spec: Any, sparse_features: Any = None
    ) -> tuple[Any, Any]:
        """Probabilities or means `[batch, outputs]`, and the paths of examples."""
        dense = [] if input_data is None else input_data
        found = raw.TreePredictionsV4(
            self.variables.tree,
            dense,
            *_sparse_parts(sparse_features),
            input_spec=data_spec.SerializeToString(),
            params=_params_text(self.params),
        )
        return found[0], found[1]

    def size(self) -> Tensor:
        """How many nodes the tree has, int32."""
        return raw.TreeSize(self.variables.tree)

    def feature_usage_counts(self) -> Tensor:
        """How many tests of each feature it has, int32 `[features]`."""
        return raw.FeatureUsageCounts(self.variables.tree, params=_params_text(self.params))


@public(
    "contrib.tensor_forest.tensor_forest.RandomForestGraphs",
    "contrib.tensor_forest.python.tensor_forest.RandomForestGraphs",
)
class RandomForestGraphs:
    """The graphs of a forest.

    Args:
      params: filled `ForestHParams`.
      tree_configs, tree_stats: serialized trees and statistics to start from.
      device_assigner: a device function for the trees; default, the CPU.
      variables: `ForestVariables`; made where None.
      tree_variables_class: makes the resources of a tree.
      tree_graphs: makes the graphs of a tree; default `RandomTreeGraphs`.
      training: whether the forest is trained.
    """

    def __init__(
        self,
        params: Any,
        tree_configs: Any = None,
        tree_stats: Any = None,
        device_assigner: Any = None,
        variables: Any = None,
        tree_variables_class: Callable[..., Any] = TreeVariables,
        tree_graphs: Callable[..., Any] | None = None,
        training: bool = True,
    ) -> None:
        self.params = params
        self.device_assigner = device_assigner or "/device:CPU:0"
        logged(params)
        self.variables = variables or ForestVariables(
            params,
            device_assigner=self.device_assigner,
            training=training,
            tree_variables_class=tree_variables_class,
            tree_configs=tree_configs,
            tree_stats=tree_stats,
        )
        graphs = tree_graphs or RandomTreeGraphs
        self.trees = [graphs(self.variables[i], params, i) for i in range(params.num_trees)]

    def _bag_features(self, tree_num: int, input_data: Any) -> Tensor:
        columns = split(value=input_data, num_or_size_splits=self.params.num_features, axis=1)
        return concat([columns[i] for i in self.params.bagged_features[tree_num]], 1)

    def get_all_resource_handles(self) -> list[Any]:
        """The handles of all trees, then those of all statistics."""
        count = self.params.num_trees
        trees = [self.variables[i].tree for i in range(count)]
        return trees + [self.variables[i].stats for i in range(count)]

    def training_graph(
        self,
        input_data: Any,
        input_labels: Any,
        num_trainers: int = 1,
        trainer_id: int = 0,
        **tree_kwargs: Any,
    ) -> Any:
        """The operation that trains on a batch.

        Args:
          input_data: a tensor `[batch, features]`, a `SparseTensor`, or such by name.
          input_labels: `[batch]`, or tensors by name.
          num_trainers: how many processes share the trees.
          trainer_id: which of them this is.
          **tree_kwargs: for each tree's `training_graph`, such as `input_weights`.

        Raises:
          ValueError: features of sparse input were to be drawn.
        """
        dense, sparse, spec = ParseDataTensorOrDict(input_data)
        labels = ParseLabelTensorOrDict(input_labels)
        each = self.params.num_trees / num_trainers
        grown = []
        for i in range(int(trainer_id * each), int((trainer_id + 1) * each)):
            with device(self.variables.device_dummies[i].device):
                seed = self.params.base_random_seed
                seed += i if seed else 0
                data, wanted, own = dense, labels, dict(tree_kwargs)
                if self.params.bagging_fraction < 1.0:
                    data, wanted = self._bagged(dense, labels, seed, own)
                if self.params.bagged_features:
                    if sparse is not None:
                        raise ValueError("Feature bagging not supported with sparse features.")
                    data = self._bag_features(i, data)
                grown.append(
                    self.trees[i].training_graph(
                        data, wanted, seed, data_spec=spec, sparse_features=sparse, **own
                    )
                )
        return group(*grown, name="train")

    def _bagged(self, data: Any, labels: Any, seed: int, kwargs: dict[str, Any]) -> tuple[Any, Any]:
        """A random part of a batch, with the weights of what is in it."""
        count = strided_slice(shape(data), [0], [1])
        drawn = random_uniform(count, seed=seed)
        chosen = less(drawn, ones_like(drawn) * self.params.bagging_fraction)
        places = squeeze(where(chosen), axis=[1])
        data, labels = gather(data, places), gather(labels, places)
        if kwargs.get("input_weights") is not None:
            kwargs["input_weights"] = gather(kwargs["input_weights"], places)
        return data, labels

    def inference_graph(self, input_data: Any, **inference_args: Any) -> tuple[Any, Any, Any]:
        """Asks the forest.

        Args:
          input_data: as for `training_graph`.
          **inference_args: for each tree's `inference_graph`.

        Returns:
          Probabilities, or means for a regression, `[batch, outputs]`; the paths of examples, serialized
          `TreePath` messages `[batch, trees]`; the variances among the trees, `[batch, outputs]`.
        """
        dense, sparse, spec = ParseDataTensorOrDict(input_data)
        values, paths = [], []
        for i in range(self.params.num_trees):
            with device(self.variables.device_dummies[i].device):
                data = self._bag_features(i, dense) if self.params.bagged_features else dense
                found = self.trees[i].inference_graph(data, spec, sparse_features=sparse, **inference_args)
                values.append(found[0])
                paths.append(found[1])
        with device(self.variables.device_dummies[0].device):
            every = stack(values)
            count = self.params.num_trees
            average = truediv(reduce_sum(every, 0), count, name="probabilities")
            tree_paths = stack(paths, axis=1)
            squares = truediv(reduce_sum(every * every, 0), count, name="div")
            variance = raw.Maximum(0.0, squares - average * average)
        return average, tree_paths, variance

    def average_size(self) -> Tensor:
        """How many nodes the trees have on average."""
        sizes = []
        for i in range(self.params.num_trees):
            with device(self.variables.device_dummies[i].device):
                sizes.append(self.trees[i].size())
        return reduce_mean(cast(stack(sizes), dtypes.float32))

    def training_loss(self, features: Any, labels: Any, name: str = "training_loss") -> Tensor:
        """Minus the average size of the trees: training makes them grow."""
        return raw.Neg(self.average_size(), name=name)

    def validation_loss(self, features: Any, labels: Any) -> Tensor:
        """Minus the average size of the trees."""
        return raw.Neg(self.average_size())

    def average_impurity(self) -> Tensor:
        """The impurity that the trees leave, on average.

        Raises:
          AttributeError: the trees' graphs do not tell it; those of `RandomTreeGraphs` do not.
        """
        return reduce_mean(stack([getattr(tree, "average_impurity")() for tree in self.trees]))  # noqa: B009

    def feature_importances(self) -> Tensor:
        """The share of each feature in the tests of all trees, float64 `[features]`."""
        counts = [tree.feature_usage_counts() for tree in self.trees]
        total = reduce_sum(stack(counts), 0)
        return truediv(total, reduce_sum(total))
