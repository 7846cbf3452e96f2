"""`tf.contrib.tensor_forest`: what a forest is to be like."""

from __future__ import annotations

import math
import random
from typing import Any

from millrace.core import protos
from millrace.core.public import public
from millrace.lib.platform import log as logging

CLASSIFICATION_LEAF_MODEL_TYPES = public(
    "contrib.tensor_forest.tensor_forest.CLASSIFICATION_LEAF_MODEL_TYPES"
)({"all_dense": (0, 0), "all_sparse": (1, 1), "sparse_then_dense": (3, 3)})
REGRESSION_MODEL_TYPE = public("contrib.tensor_forest.tensor_forest.REGRESSION_MODEL_TYPE")((2, 2, 0))
FINISH_TYPES = public("contrib.tensor_forest.tensor_forest.FINISH_TYPES")(
    {"basic": 0, "hoeffding": 2, "bootstrap": 3}
)
PRUNING_TYPES = public("contrib.tensor_forest.tensor_forest.PRUNING_TYPES")(
    {"none": 0, "half": 1, "quarter": 2, "10_percent": 3, "hoeffding": 4}
)
SPLIT_TYPES = public("contrib.tensor_forest.tensor_forest.SPLIT_TYPES")({"less_or_equal": 0, "less": 1})


@public(
    "contrib.tensor_forest.tensor_forest.ForestHParams",
    "contrib.tensor_forest.python.tensor_forest.ForestHParams",
)
class ForestHParams:
    """What a forest is to be like; `fill()` adds what follows from the rest.

    Args:
      num_trees: how many trees.
      max_nodes: how many nodes a tree may have at most.
      bagging_fraction: the share of each batch that a tree sees.
      num_splits_to_consider: how many tests a leaf tries; 0: as many as fit the number of features.
      feature_bagging_fraction: the share of the features that a tree sees.
      max_fertile_nodes: kept for older programs.
      split_after_samples: after how many examples a leaf splits.
      valid_leaf_threshold: kept for older programs.
      dominate_method: kept for older programs.
      dominate_fraction: how certain it must be that the best test is the best, to split earlier or to prune.
      model_name: what leaves hold: "all_dense", "all_sparse" or "sparse_then_dense".
      split_finish_name: "basic", or "hoeffding" or "bootstrap" to split earlier.
      split_pruning_name: "none", or "half", "quarter", "10_percent" or "hoeffding" to drop bad tests.
      prune_every_samples: how often they are dropped.
      early_finish_check_every_samples: how often it is asked whether to split earlier.
      collate_examples: kept for older programs.
      checkpoint_stats: save what leaves have seen, too.
      use_running_stats_method: kept for older programs.
      initialize_average_splits: put the bound of a test between examples of different classes.
      inference_tree_paths: give the nodes that an example passes.
      param_file: a file that holds the whole message in text form.
      split_name: "less_or_equal" or "less".
      **kwargs: `num_classes` and `num_features`, which are needed, `regression`, `base_random_seed`.

    Raises:
      KeyError: (from `fill`) a name is not one of these.
      AttributeError: (from `fill`) `num_classes` or `num_features` is missing.
    """

    def __init__(
        self,
        num_trees: int = 100,
        max_nodes: int = 10000,
        bagging_fraction: float = 1.0,
        num_splits_to_consider: Any = 0,
        feature_bagging_fraction: float = 1.0,
        max_fertile_nodes: int = 0,
        split_after_samples: Any = 250,
        valid_leaf_threshold: int = 1,
        dominate_method: str = "bootstrap",
        dominate_fraction: Any = 0.99,
        model_name: str = "all_dense",
        split_finish_name: str = "basic",
        split_pruning_name: str = "none",
        prune_every_samples: Any = 0,
        early_finish_check_every_samples: Any = 0,
        collate_examples: bool = False,
        checkpoint_stats: bool = False,
        use_running_stats_method: bool = False,
        initialize_average_splits: bool = False,
        inference_tree_paths: bool = False,
        param_file: str | None = None,
        split_name: str = "less_or_equal",
        **kwargs: Any,
    ) -> None:
        self.num_trees, self.max_nodes = num_trees, max_nodes
        self.bagging_fraction, self.feature_bagging_fraction = bagging_fraction, feature_bagging_fraction
        self.num_splits_to_consider, self.max_fertile_nodes = num_splits_to_consider, max_fertile_nodes
        self.split_after_samples, self.valid_leaf_threshold = split_after_samples, valid_leaf_threshold
        self.dominate_method, self.dominate_fraction = dominate_method, dominate_fraction
        self.model_name, self.split_name = model_name, split_name
        self.split_finish_name, self.split_pruning_name = split_finish_name, split_pruning_name
        self.prune_every_samples = prune_every_samples
        self.early_finish_check_every_samples = early_finish_check_every_samples
        self.collate_examples, self.checkpoint_stats = collate_examples, checkpoint_stats
        self.use_running_stats_method = use_running_stats_method
        self.initialize_average_splits = initialize_average_splits
        self.inference_tree_paths, self.param_file = inference_tree_paths, param_file
        for name, value in kwargs.items():
            setattr(self, name, value)

    def values(self) -> dict[str, Any]:
        """All parameters by name."""
        return self.__dict__

    def fill(self) -> ForestHParams:
        """Adds what follows from the other parameters, and checks them; returns itself."""
        self.bagged_num_features = int(self.feature_bagging_fraction * self.num_features)  # type: ignore[attr-defined]
        self.bagged_features = None
        if self.feature_bagging_fraction < 1.0:
            every = range(self.num_features)  # type: ignore[attr-defined]
            self.bagged_features = [
                random.sample(every, self.bagged_num_features) for _ in range(self.num_trees)
            ]
        self.regression = getattr(self, "regression", False)
        # A regression has an output for each class that the caller names; a classification is one output.
        self.num_outputs = self.num_classes if self.regression else 1  # type: ignore[attr-defined]
        self.num_output_columns = self.num_classes + 1  # type: ignore[attr-defined]
        few = math.ceil(math.sqrt(self.num_features))  # type: ignore[attr-defined]
        self.num_splits_to_consider = self.num_splits_to_consider or max(10, few)
        self.base_random_seed = getattr(self, "base_random_seed", 0)
        if self.regression:
            self.leaf_model_type = REGRESSION_MODEL_TYPE[0]
            self.stats_model_type = REGRESSION_MODEL_TYPE[1]
        else:
            self.leaf_model_type, self.stats_model_type = CLASSIFICATION_LEAF_MODEL_TYPES[self.model_name]
        self.finish_type = FINISH_TYPES[self.split_finish_name]
        self.pruning_type = PRUNING_TYPES[self.split_pruning_name]
        self.split_type = SPLIT_TYPES[self.split_name]
        return self


@public("contrib.tensor_forest.tensor_forest.parse_number_or_string_to_proto")
def parse_number_or_string_to_proto(proto: Any, param: Any) -> None:
    """Fills a `DepthDependentParam` from a number, or from text: a number, or the message in text form.

    Raises:
      google.protobuf.text_format.ParseError: the text is neither.
    """
    if not isinstance(param, str):
        proto.constant_value = param
        return
    try:
        proto.constant_value = float(param)
    except ValueError:
        from google.protobuf import text_format  # only where a parameter is a message

        text_format.Merge(param, proto)


@public("contrib.tensor_forest.tensor_forest.build_params_proto")
def build_params_proto(params: Any) -> Any:
    """The parameters as a `TensorForestParams` message, which the operations take.

    Args:
      params: filled `ForestHParams`.
    """
    proto = protos.TensorForestParams()
    if params.param_file:
        from google.protobuf import text_format  # only where a file is named

        with open(params.param_file, encoding="utf-8") as file:
            text_format.Merge(file.read(), proto)
        return proto
    outputs = params.num_outputs if params.regression else params.num_classes
    proto.leaf_type, proto.stats_type = params.leaf_model_type, params.stats_model_type
    proto.pruning_type.type, proto.finish_type.type = params.pruning_type, params.finish_type
    proto.inequality_test_type = params.split_type
    proto.num_trees, proto.max_nodes = params.num_trees, params.max_nodes
    proto.num_features, proto.num_outputs = params.num_features, outputs
    proto.is_regression = params.regression
    for flag in (
        "collate_examples",
        "checkpoint_stats",
        "use_running_stats_method",
        "initialize_average_splits",
        "inference_tree_paths",
    ):
        setattr(proto, flag, getattr(params, flag))
    for place, value in (
        (proto.pruning_type.prune_every_samples, params.prune_every_samples),
        (proto.finish_type.check_every_steps, params.early_finish_check_every_samples),
        (proto.num_splits_to_consider, params.num_splits_to_consider),
        (proto.split_after_samples, params.split_after_samples),
        (proto.dominate_fraction, params.dominate_fraction),
    ):
        parse_number_or_string_to_proto(place, value)
    return proto


def logged(params: Any) -> None:
    """Says what forest is made."""
    logging.info("Constructing forest with params = ")
    logging.info(params.__dict__)
