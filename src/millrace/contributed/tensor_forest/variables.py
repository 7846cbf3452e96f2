"""`tf.contrib.tensor_forest.model_ops` and `stats_ops`: trees and statistics as resources that are saved."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core.public import public
from millrace.core.saveable import SaveableObject, SaveSpec
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.training.sessions.resources import register_resource


def _message(params: Any) -> str:
    """A parameter's serialized message as an attribute holds it: a character for each byte."""
    held = hasattr(params, "serialized_params_proto")
    serialized = params.serialized_params_proto if held else params.SerializeToString()
    return serialized.decode("latin-1")


@public("contrib.tensor_forest.model_ops.TreeVariableSavable")
class TreeVariableSavable(SaveableObject):
    """Saves a tree as one string.

    Args:
      params: the parameters of its forest.
      tree_handle: its handle.
      stats_handle: that of its statistics.
      create_op: what creates it.
      name: under which it is saved.
    """

    def __init__(self, params: Any, tree_handle: Any, stats_handle: Any, create_op: Any, name: str) -> None:
        self.params, self._tree_handle, self._stats_handle = params, tree_handle, stats_handle
        self._create_op = create_op
        spec = SaveSpec(raw.TreeSerialize(tree_handle), "", name)
        super().__init__(tree_handle, [spec], name)

    def restore(self, restored_tensors: Any, restored_shapes: Any) -> Any:
        """Puts a restored tree in place."""
        with control_dependencies([self._create_op]):
            return raw.TreeDeserialize(self._tree_handle, restored_tensors[0], params=_message(self.params))


@public("contrib.tensor_forest.stats_ops.FertileStatsVariableSavable")
class FertileStatsVariableSavable(SaveableObject):
    """Saves the statistics of a tree as one string.

    Args:
      params: the parameters of its forest.
      stats_handle: their handle.
      create_op: what creates them.
      name: under which they are saved.
    """

    def __init__(self, params: Any, stats_handle: Any, create_op: Any, name: str) -> None:
        self.params, self._stats_handle, self._create_op = params, stats_handle, create_op
        spec = SaveSpec(raw.FertileStatsSerialize(stats_handle, params=_message(params)), "", name)
        super().__init__(stats_handle, [spec], name)

    def restore(self, restored_tensors: Any, restored_shapes: Any) -> Any:
        """Puts restored statistics in place."""
        with control_dependencies([self._create_op]):
            return raw.FertileStatsDeserialize(
                self._stats_handle, restored_tensors[0], params=_message(self.params)
            )


class _ForestVariable:
    """A resource with a handle, an initializer and a question whether it is there."""

    def __init__(self, handle: Any, create: Any, is_initialized: Any) -> None:
        self._handle, self._init_op, self._is_initialized = handle, create, is_initialized
        register_resource(handle, create, is_initialized)

    @property
    def resource_handle(self) -> Any:
        """The handle."""
        return self._handle

    @property
    def initializer(self) -> Any:
        """The operation that creates it."""
        return self._init_op

    def is_initialized(self) -> Any:
        """A scalar bool: whether it has been created."""
        return self._is_initialized

    def _saved_as(self, saveable: SaveableObject) -> None:
        get_default_graph().add_to_collection(GraphKeys.SAVEABLE_OBJECTS, saveable)


@public("contrib.tensor_forest.model_ops.TreeVariable")
class TreeVariable(_ForestVariable):
    """A tree.

    Args:
      params: a `TensorForestParams` message, or an object that has it as `serialized_params_proto`.
      tree_config: a serialized tree to start from; empty: one leaf.
      stats_handle: the handle of its statistics.
      name: its name.
      container: the container of its resource.
    """

    def __init__(
        self, params: Any, tree_config: Any, stats_handle: Any, name: str | None, container: str | None = None
    ) -> None:
        text = _message(params)
        with name_scope(name, "TreeVariable") as scope:
            handle = raw.DecisionTreeResourceHandleOp(
                container=container or "", shared_name=scope, name=scope
            )
            create = raw.CreateTreeVariable(handle, tree_config, params=text, name="CreateTreeVariable")
            super().__init__(handle, create, raw.TreeIsInitializedOp(handle))
            self._saved_as(TreeVariableSavable(params, handle, stats_handle, create, handle.name))


@public("contrib.tensor_forest.model_ops.tree_variable")
def tree_variable(
    params: Any, tree_config: Any, stats_handle: Any, name: str, container: str | None = None
) -> Any:
    """The handle of a new tree; arguments as for `TreeVariable`."""
    return TreeVariable(params, tree_config, stats_handle, name, container).resource_handle


@public("contrib.tensor_forest.stats_ops.FertileStatsVariable")
class FertileStatsVariable(_ForestVariable):
    """What the leaves of a tree have seen.

    Args:
      params: a `TensorForestParams` message, or an object that has it as `serialized_params_proto`.
      stats_config: serialized statistics to start from; empty: none.
      name: its name.
      container: the container of its resource.
    """

    def __init__(
        self, params: Any, stats_config: Any, name: str | None, container: str | None = None
    ) -> None:
        text = _message(params)
        with name_scope(name, "FertileStatsVariable") as scope:
            handle = raw.FertileStatsResourceHandleOp(
                container=container or "", shared_name=scope, name=scope
            )
            create = raw.CreateFertileStatsVariable(
                handle, stats_config, params=text, name="CreateFertileStatsVariable"
            )
            super().__init__(handle, create, raw.FertileStatsIsInitializedOp(handle))
            self._saved_as(FertileStatsVariableSavable(params, handle, create, handle.name))


@public("contrib.tensor_forest.stats_ops.fertile_stats_variable")
def fertile_stats_variable(params: Any, stats_config: Any, name: str, container: str | None = None) -> Any:
    """The handle of new statistics; arguments as for `FertileStatsVariable`."""
    return FertileStatsVariable(params, stats_config, name, container).resource_handle
