"""The objects that boosted trees keep in a session, as graphs and savers see them."""

from __future__ import annotations

from typing import Any, NamedTuple

from millrace.building import raw
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core.saveable import SaveableObject, SaveSpec
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.ops.array.constant import identity
from millrace.training.sessions.resources import register_resource


class States(NamedTuple):
    """How far an ensemble has grown.

    Attributes:
      stamp_token: counts its changes.
      num_trees: how many trees there are.
      num_finalized_trees: how many of them are finished.
      num_attempted_layers: how often a layer was begun.
      last_layer_nodes_range: the first node of the last layer, and the one behind its last.
    """

    stamp_token: Tensor
    num_trees: Tensor
    num_finalized_trees: Tensor
    num_attempted_layers: Tensor
    last_layer_nodes_range: Tensor


class _Saved(SaveableObject):
    """Tensors that an operation puts back into a resource, once that is created."""

    def __init__(self, handle: Tensor, create: Any, tensors: Any, suffixes: Any, name: str) -> None:
        self._create = create
        specs = [
            SaveSpec(tensor, "", f"{name}{suffix}") for tensor, suffix in zip(tensors, suffixes, strict=True)
        ]
        super().__init__(handle, specs, name)
        get_default_graph().add_to_collection(GraphKeys.SAVEABLE_OBJECTS, self)

    def restore(self, restored_tensors: Any, restored_shapes: Any) -> Any:
        """Puts them back."""
        del restored_shapes
        with control_dependencies([self._create]):
            return self._put(restored_tensors)

    def _put(self, tensors: Any) -> Any:
        raise TypeError(f"{type(self).__name__} must say how it is restored. Received: {tensors}")


class _SavedEnsemble(_Saved):
    def _put(self, tensors: Any) -> Any:
        return raw.BoostedTreesDeserializeEnsemble(self.op, *tensors)


class _SavedQuantiles(_Saved):
    def _put(self, tensors: Any) -> Any:
        return raw.BoostedTreesQuantileStreamResourceDeserialize(self.op, list(tensors))


class TreeEnsemble:
    """An ensemble of trees, empty at first.

    Args:
      name: of its operation, which is a scope, too.

    Attributes:
      handle: the resource.
    """

    def __init__(self, name: str) -> None:
        with name_scope(name) as scope:
            self.handle = raw.BoostedTreesEnsembleResourceHandleOp(shared_name=scope, name=scope)
            create = raw.BoostedTreesCreateEnsemble(self.handle, 0, "")
            ready = raw.IsBoostedTreesEnsembleInitialized(self.handle)
            register_resource(self.handle, create, ready)
            tensors = raw.BoostedTreesSerializeEnsemble(self.handle)
            _SavedEnsemble(self.handle, create, tensors, ("_stamp", "_serialized"), self.handle.name)

    def states(self) -> States:
        """How far it has grown, before this run."""
        found = raw.BoostedTreesGetEnsembleStates(self.handle)
        return States(
            *(identity(value, name=name) for value, name in zip(found, States._fields, strict=True))
        )


class QuantileAccumulator:
    """The quantiles of some features.

    Args:
      epsilon: the bound of their error.
      num_streams: how many features.

    Attributes:
      handle: the resource.
    """

    def __init__(self, epsilon: float, num_streams: int) -> None:
        self._count = num_streams
        with name_scope("QuantileAccumulator") as scope:
            self.handle = raw.BoostedTreesQuantileStreamResourceHandleOp(shared_name=scope, name=scope)
            create = raw.BoostedTreesCreateQuantileStreamResource(self.handle, epsilon, num_streams)
            ready = raw.IsBoostedTreesQuantileStreamResourceInitialized(self.handle)
            register_resource(self.handle, create, ready)
        suffixes = [f"_bucket_boundaries_{number}" for number in range(num_streams)]
        _SavedQuantiles(self.handle, create, self.boundaries(), suffixes, self.handle.name)

    def boundaries(self) -> list[Tensor]:
        """The boundaries of each feature's buckets."""
        return list(
            raw.BoostedTreesQuantileStreamResourceGetBucketBoundaries(self.handle, num_features=self._count)
        )

    def add(self, values: list[Tensor], weights: Tensor, epsilon: float) -> Any:
        """An operation that adds a batch."""
        summaries = raw.BoostedTreesMakeQuantileSummaries(values, weights, epsilon)
        return raw.BoostedTreesQuantileStreamResourceAddSummaries(self.handle, list(summaries))

    def flush(self, num_buckets: int) -> Any:
        """An operation that makes boundaries of what has been added."""
        return raw.BoostedTreesQuantileStreamResourceFlush(self.handle, num_buckets)
