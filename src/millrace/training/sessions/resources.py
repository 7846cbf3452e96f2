"""Resources that a graph's sessions initialize: objects other than variables, in the graph's collections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from millrace.building import raw
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import group
from millrace.ops.array import concat, constant
from millrace.ops.math import comparison


class Resource(NamedTuple):
    """A resource.

    Attributes:
      handle: a tensor.
      create: the operation that initializes it.
      is_initialized: a scalar bool.
    """

    handle: Any
    create: Any
    is_initialized: Any


@public("python.ops.resources.register_resource")
def register_resource(handle: Any, create_op: Any, is_initialized_op: Any, is_shared: bool = True) -> None:
    """Adds a resource to the default graph's shared or local ones."""
    key = GraphKeys.RESOURCES if is_shared else GraphKeys.LOCAL_RESOURCES
    get_default_graph().add_to_collection(key, Resource(handle, create_op, is_initialized_op))


@public("python.ops.resources.shared_resources")
def shared_resources() -> list[Resource]:
    """The resources that all workers share."""
    return get_default_graph().get_collection(GraphKeys.RESOURCES)


@public("python.ops.resources.local_resources")
def local_resources() -> list[Resource]:
    """The resources that each worker has for itself."""
    return get_default_graph().get_collection(GraphKeys.LOCAL_RESOURCES)


@public("python.ops.resources.initialize_resources")
def initialize_resources(resource_list: Sequence[Resource], name: str = "init") -> Any:
    """An operation that initializes all of them."""
    if resource_list:
        return group(*[r.create for r in resource_list], name=name)
    return constant.no_op(name=name)


@public("python.ops.resources.report_uninitialized_resources")
def report_uninitialized_resources(
    resource_list: Sequence[Resource] | None = None, name: str = "report_uninitialized_resources"
) -> Tensor:
    """The names of those that are not initialized, a string vector; default: of shared and local ones."""
    if resource_list is None:
        resource_list = [*shared_resources(), *local_resources()]
    with name_scope(name):
        if not resource_list:
            return constant.constant([], dtype=dtypes.string)
        flags = concat.stack([r.is_initialized for r in resource_list])
        names = constant.constant([r.handle.name for r in resource_list])
        with control_dependencies([flags]):
            missing = comparison.logical_not(flags)
        return raw.Reshape(raw.GatherNd(names, raw.Where(missing)), [-1])
