"""The objects of a SavedModel that is written: which there are, and what they refer to."""

from __future__ import annotations

from typing import Any

from millrace.core import protos
from millrace.graph.tensor import Tensor
from millrace.lib.functions.concrete import ConcreteFunction
from millrace.lib.functions.polymorphic import Function
from millrace.lib.variables.variable import Variable
from millrace.saver.saved_model.restored import RestoredConcrete, RestoredFunction
from millrace.saver.saved_model.tables import (
    CONTENTS,
    contents_functions,
    functions_of,
    has_contents,
    is_resource,
    is_table,
)
from millrace.saver.tracking import VALUE, children_of, escaped, is_trackable, slots_of

CONCRETE = (ConcreteFunction, RestoredConcrete)
POLYMORPHIC = (Function, RestoredFunction)
_CONTAINERS = {list: "trackable_list_wrapper", dict: "trackable_dict_wrapper"}


def is_function(value: Any) -> bool:
    """Whether a value is a function that a SavedModel can hold."""
    return isinstance(value, (*CONCRETE, *POLYMORPHIC))


def _is_held(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_is_held, value))
    if isinstance(value, dict):
        return all(isinstance(k, str) for k in value) and any(map(_is_held, value.values()))
    return is_function(value) or isinstance(value, Signatures) or is_table(value) or is_trackable(value)


class Signatures:
    """The signatures of a model, as one of its objects."""

    def __init__(self, functions: dict[str, Any]) -> None:
        self.functions = functions


def children(value: Any) -> list[tuple[str, Any]]:
    """What an object refers to, functions included."""
    if isinstance(value, (*CONCRETE, *POLYMORPHIC, Variable, Tensor)):
        return []
    if isinstance(value, Signatures):
        return list(value.functions.items())
    if is_resource(value):
        return functions_of(value)
    if isinstance(value, list | tuple):
        return [(str(i), v) for i, v in enumerate(value) if _is_held(v)]
    if isinstance(value, dict):
        return [(key, v) for key, v in value.items() if _is_held(v)]
    found = dict(children_of(value))
    # What describes itself, as layers do, also says what it holds; only functions may be kept beside.
    kept = is_function if hasattr(value, "_saved_description") else _is_held
    for name, one in vars(value).items():
        if name not in found and not isinstance(one, tuple) and (kept(one) or is_table(one)):
            found[name] = one
    for name in dir(type(value)):
        if isinstance(vars_of_class(type(value), name), Function) and name not in found:
            found[name] = getattr(value, name)
    return list(found.items())


def vars_of_class(kind: type, name: str) -> Any:
    """An attribute of a class as it was written, not bound to anything."""
    return next((vars(c)[name] for c in kind.__mro__ if name in vars(c)), None)


def _attribute(tracked: Any, name: str, full_name: str, key: str) -> str:
    """Notes what a checkpoint has of an object; under which key."""
    made = tracked.attributes.add(name=name, full_name=full_name, checkpoint_key=f"{key}/.ATTRIBUTES/{name}")
    return made.checkpoint_key


class Objects:
    """Everything that can be reached from an object, numbered, the nearest first.

    Attributes:
      nodes: the objects.
      message: the `SavedObjectGraph`, without what functions are.
      tracked: the `TrackableObjectGraph` of the checkpoint.
      variables: each variable by its key in the checkpoint.
      tables: the tables that it has keys and values of, likewise.
    """

    def __init__(self, root: Any, signatures: Signatures) -> None:
        self.nodes: list[Any] = [root]
        self._numbers = {id(root): 0}
        self.message: Any = protos.SavedObjectGraph()
        self.tracked: Any = protos.TrackableObjectGraph()
        self.variables: dict[str, Variable] = {}
        self.tables: dict[str, Any] = {}
        paths: list[tuple[str, ...]] = [()]
        keys: list[str] = []
        for number, node in enumerate(self.nodes):  # which grows meanwhile
            made, tracked = self.message.nodes.add(), self.tracked.nodes.add()
            self._describe(made, node)
            held = children(node)
            if number == 0:
                held = [(n, v) for n, v in held if n != "signatures"] + [("signatures", signatures)]
            for name, child in held:
                if id(child) not in self._numbers:
                    self._numbers[id(child)] = len(self.nodes)
                    self.nodes.append(child)
                    paths.append((*paths[number], name))
                for message in (made, tracked):
                    message.children.add(node_id=self._numbers[id(child)], local_name=name)
            if is_resource(node):
                self._numbers[id(node.resource_handle)] = number
            key = "/".join(map(escaped, paths[number]))
            keys.append(key)
            if isinstance(node, Variable):
                self.variables[_attribute(tracked, VALUE, node.op.name, key)] = node
            elif is_resource(node) and has_contents(node):
                self.tables[_attribute(tracked, CONTENTS, node.name, key)] = node
                save, restore = contents_functions(node)
                made.saveable_objects[CONTENTS].save_function = self._add(save, paths)
                made.saveable_objects[CONTENTS].restore_function = self._add(restore, paths)
        self._add_slots(keys)

    def _add_slots(self, keys: list[str]) -> None:
        """Adds the slots of optimizers, which belong to a variable and an optimizer at once."""
        for number in range(len(keys)):
            for name, original, slot in slots_of(self.nodes[number], self.nodes[: len(keys)]):
                owner = self._numbers[id(original)]
                if id(slot) not in self._numbers:
                    self._add(slot, [])
                    self._describe(self.message.nodes.add(), slot)
                    key = f"{keys[owner]}/.OPTIMIZER_SLOT/{keys[number]}/{escaped(name)}"
                    self.variables[_attribute(self.tracked.nodes.add(), VALUE, slot.op.name, key)] = slot
                for message in (self.message, self.tracked):
                    message.nodes[number].slot_variables.add(
                        original_variable_node_id=owner,
                        slot_name=name,
                        slot_variable_node_id=self._numbers[id(slot)],
                    )

    def _add(self, node: Any, paths: list[tuple[str, ...]]) -> int:
        """Numbers an object that no other refers to by name."""
        self._numbers[id(node)] = number = len(self.nodes)
        self.nodes.append(node)
        paths.append(())
        return number

    def number(self, value: Any) -> int | None:
        """The number of an object, None where it cannot be reached."""
        return self._numbers.get(id(value))

    def child(self, value: Any, name: str) -> Any:
        """What an object refers to by a name."""
        held = self.message.nodes[self._numbers[id(value)]].children
        return next(self.nodes[c.node_id] for c in held if c.local_name == name)

    def add_constant(self, tensor: Tensor, operation: str) -> int:
        """Adds a tensor that a function captured; its number."""
        self.message.nodes.add().constant.operation = operation
        self.tracked.nodes.add()
        return self._add(tensor, [])

    def add_asset(self, tensor: Tensor, place: int) -> int:
        """Adds a file that a function reads, by its place among the assets; its number."""
        self.message.nodes.add().asset.asset_file_def_index = place
        self.tracked.nodes.add()
        return self._add(tensor, [])

    def _describe(self, made: Any, node: Any) -> None:
        if isinstance(node, Variable):
            made.variable.dtype = node.dtype.base_dtype.as_datatype_enum
            made.variable.shape.CopyFrom(node.get_shape().as_proto())
            made.variable.trainable = bool(node.trainable)
            made.variable.name = node.op.name
        elif is_resource(node):
            made.resource.SetInParent()
        elif not is_function(node):
            kind = "signature_map" if isinstance(node, Signatures) else _CONTAINERS.get(type(node))
            describe = getattr(node, "_saved_description", None)
            identifier, metadata = (kind, "") if describe is None else describe()
            made.user_object.identifier = identifier or "_generic_user_object"
            made.user_object.metadata = metadata
            made.user_object.version.producer = made.user_object.version.min_consumer = 1
