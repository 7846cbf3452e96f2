"""Objects that hold variables, as a graph: who refers to whom by which name, and the key of each variable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from millrace.core import protos
from millrace.lib.variables.module import dependent
from millrace.lib.variables.variable import Variable
from millrace.saver.python_state import PythonState

VALUE = "VARIABLE_VALUE"
STATE = "py_state"


def is_trackable(value: Any) -> bool:
    """Whether an object has variables that a checkpoint of objects can hold."""
    return isinstance(value, Variable) or hasattr(value, "_trackable_children") or _has_variables(value)


def _has_variables(value: Any) -> bool:
    """True for layers, models and optimizers."""
    return not isinstance(value, type) and hasattr(value, "variables") and hasattr(value, "__dict__")


def is_held(value: Any) -> bool:
    """Whether a checkpoint of objects holds something of an attribute: lists and dicts are looked into."""
    return is_trackable(value) or (isinstance(value, list | dict) and any(held_in(value)))


def held_in(attributes: Any) -> Iterator[tuple[str, Any]]:
    """What a checkpoint of objects holds of a list, by its places, or of a dict, by keys that are text."""
    pairs = attributes.items() if isinstance(attributes, dict) else enumerate(attributes)
    for name, child in pairs:
        if isinstance(name, str | int) and is_held(child):
            yield str(name), child


def children_of(value: Any) -> list[tuple[str, Any]]:
    """What an object refers to: what it says itself, or those of its attributes that hold variables."""
    if isinstance(value, Variable):
        return []
    if hasattr(value, "_trackable_children"):
        return list(value._trackable_children())
    return list(held_in(value if isinstance(value, list | dict) else dependent(value, vars(value))))


class ObjectGraph:
    """Everything that can be reached from an object.

    Attributes:
      nodes: the objects, the nearest first.
      paths: the names on the way to each.
      message: the `TrackableObjectGraph`.
      variables: each variable by its key in a checkpoint.
      states: likewise each object with a state of its own.
    """

    def __init__(self, root: Any) -> None:
        self.nodes: list[Any] = [root]
        self.paths: list[tuple[str, ...]] = [()]
        self._numbers = {id(root): 0}
        self.variables: dict[str, Variable] = {}
        self.states: dict[str, PythonState] = {}
        self.message: Any = protos.TrackableObjectGraph()
        self._walk()
        keys = ["/".join(map(escaped, path)) for path in self.paths]
        self._add_slots(keys)
        for node, key, made in zip(self.nodes, keys, self.message.nodes, strict=True):
            if isinstance(node, Variable):
                name = f"{key}/.ATTRIBUTES/{VALUE}"
                made.attributes.add(name=VALUE, full_name=node.op.name, checkpoint_key=name)
                self.variables[name] = node
            elif isinstance(node, PythonState):
                name = f"{key}/.ATTRIBUTES/{STATE}"
                made.attributes.add(name=STATE, checkpoint_key=name)
                self.states[name] = node

    def _walk(self) -> None:
        for number, node in enumerate(self.nodes):  # which grows meanwhile
            made = self.message.nodes.add()
            for name, child in children_of(node):
                if id(child) not in self._numbers:
                    self._numbers[id(child)] = len(self.nodes)
                    self.nodes.append(child)
                    self.paths.append((*self.paths[number], name))
                made.children.add(node_id=self._numbers[id(child)], local_name=name)

    def _add_slots(self, keys: list[str]) -> None:
        """Adds the slots of optimizers, which belong to a variable and an optimizer at once."""
        for number in range(len(self.nodes)):
            for slot_name, original, slot in slots_of(self.nodes[number], self.nodes):
                owner = self._numbers[id(original)]
                if id(slot) not in self._numbers:
                    self._numbers[id(slot)] = len(self.nodes)
                    self.nodes.append(slot)
                    keys.append(f"{keys[owner]}/.OPTIMIZER_SLOT/{keys[number]}/{escaped(slot_name)}")
                    self.message.nodes.add()
                self.message.nodes[number].slot_variables.add(
                    original_variable_node_id=owner,
                    slot_name=slot_name,
                    slot_variable_node_id=self._numbers[id(slot)],
                )


def slots_of(node: Any, nodes: list[Any]) -> Iterator[tuple[str, Variable, Variable]]:
    """The slots that an optimizer has for variables among `nodes`: name, variable, slot."""
    if not hasattr(node, "get_slot_names"):
        return
    slot_of = getattr(node, "_slot_of", node.get_slot)
    originals = [n for n in list(nodes) if isinstance(n, Variable)]
    for name in node.get_slot_names():
        for original in originals:
            slot = slot_of(original, name)
            if isinstance(slot, Variable):
                yield name, original, slot


def escaped(name: str) -> str:
    """A name as a part of a key."""
    return name.replace(".", "..").replace("/", ".S")
