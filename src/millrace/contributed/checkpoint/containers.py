"""`tf.contrib.checkpoint`: containers and states for checkpoints of objects."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from millrace.core import protos
from millrace.core.public import public
from millrace.lib.variables.module import Module
from millrace.lib.variables.variable import Variable
from millrace.saver.checkpoint.object_graph import GRAPH_KEY
from millrace.saver.checkpoint.reader import load_checkpoint
from millrace.saver.tracking import ObjectGraph, is_trackable


class _Tracked(type):
    """Makes everything that a checkpoint of objects can hold an instance."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return super().__instancecheck__(instance) or (cls is CheckpointableBase and is_trackable(instance))


class _AutoTracked(_Tracked):
    """Makes modules, layers and models instances, too."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return super().__instancecheck__(instance) or (cls is Checkpointable and isinstance(instance, Module))


@public("contrib.checkpoint.CheckpointableBase")
class CheckpointableBase(metaclass=_Tracked):
    """An object that a checkpoint of objects can hold."""


@public("contrib.checkpoint.Checkpointable", "contrib.eager.Checkpointable")
class Checkpointable(CheckpointableBase, metaclass=_AutoTracked):
    """An object whose attributes a checkpoint of objects holds."""


CheckpointableObjectGraph = public("contrib.checkpoint.CheckpointableObjectGraph")(
    protos.TrackableObjectGraph
)


@public("contrib.checkpoint.List")
class List(list):
    """A list whose elements a checkpoint of objects holds by their places.

    Args:
      *args, **kwargs: as for `list`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)

    def _trackable_children(self) -> Iterator[tuple[str, Any]]:
        return ((str(i), item) for i, item in enumerate(self) if is_trackable(item))

    @property
    def variables(self) -> list[Any]:
        """The variables of all elements."""
        return [
            v
            for item in self
            for v in ([item] if isinstance(item, Variable) else getattr(item, "variables", []))
        ]


@public("contrib.checkpoint.Mapping")
class Mapping(dict):
    """A dictionary from text to objects that a checkpoint of objects holds by their keys; it only grows.

    Args:
      *args, **kwargs: as for `dict`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"Mapping accepts only string keys, but got a key {key!r}.")
        if key in self and self[key] is not value:
            raise ValueError(
                f"Mappings are an append-only data structure. Tried to overwrite the key '{key}'"
            )
        super().__setitem__(key, value)

    def _trackable_children(self) -> Iterator[tuple[str, Any]]:
        return ((key, value) for key, value in self.items() if is_trackable(value))


@public("contrib.checkpoint.UniqueNameTracker")
class UniqueNameTracker:
    """Objects under names that are made unique."""

    def __init__(self) -> None:
        self._named: OrderedDict[str, Any] = OrderedDict()

    def track(self, trackable: Any, base_name: str) -> Any:
        """Keeps an object under `base_name`, or that and a number, and gives it.

        Raises:
          ValueError: a checkpoint cannot hold it.
        """
        if not is_trackable(trackable):
            raise ValueError(f"Expected a trackable value. Received: {trackable!r}")
        name, number = base_name, 0
        while name in self._named:
            number += 1
            name = f"{base_name}_{number}"
        self._named[name] = trackable
        return trackable

    def _trackable_children(self) -> Iterator[tuple[str, Any]]:
        return iter(self._named.items())


@public("contrib.checkpoint.list_objects")
def list_objects(root_trackable: Any) -> list[Any]:
    """All objects that a checkpoint of `root_trackable` holds, itself first."""
    return list(ObjectGraph(root_trackable).nodes)


@public("contrib.checkpoint.object_metadata")
def object_metadata(save_path: Any) -> Any:
    """The graph of objects of a checkpoint, a `TrackableObjectGraph`.

    Raises:
      ValueError: the checkpoint is not one of objects.
    """
    reader = load_checkpoint(save_path)
    if not reader.has_tensor(GRAPH_KEY):
        raise ValueError(f"The checkpoint {save_path!r} does not hold a graph of objects")
    message = protos.TrackableObjectGraph()
    message.ParseFromString(reader.get_tensor(GRAPH_KEY))
    return message


@public("contrib.checkpoint.dot_graph_from_checkpoint")
def dot_graph_from_checkpoint(save_path: Any) -> str:
    """The graph of objects of a checkpoint in the language of Graphviz."""
    found = object_metadata(save_path)
    lines = ["digraph {"]
    for number, node in enumerate(found.nodes):
        label = "".join(f"{a.name}: {a.full_name}" for a in node.attributes) or ("root" if not number else "")
        lines.append(f'  N_{number} [label="{label}"];')
        lines += [
            f'  N_{number} -> N_{child.node_id} [label="{child.local_name}"];' for child in node.children
        ]
        lines += [
            f'  N_{number} -> N_{slot.slot_variable_node_id} [label="{slot.slot_name}",style=dotted];'
            for slot in node.slot_variables
        ]
    return "\n".join([*lines, "}"])
