"""`tf.train.Checkpoint`: objects saved by the names of their attributes, and restored when they are there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.scopes import device, init_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.core.text import as_bytes
from millrace.drawing import cards
from millrace.graph.defaults import get_default_session
from millrace.lib.variables.module import attribute_of, dependent
from millrace.lib.variables.variable import Variable
from millrace.opkit.checkpoint import bundle
from millrace.opkit.checkpoint.reading import open_checkpoint, read_tensors
from millrace.ops.array.constant import placeholder
from millrace.saver.checkpoint import state
from millrace.saver.checkpoint.object_graph import GRAPH_KEY, object_graph
from millrace.saver.python_state import PythonState
from millrace.saver.saver import Saver
from millrace.saver.tracking import ObjectGraph, held_in, is_held, is_trackable


def _session(session: Any) -> Any:
    found = get_default_session() if session is None else session
    if found is None:
        raise RuntimeError(
            "tf.train.Checkpoint: no session. Give one, or enter its as_default(). Received: None"
        )
    return found


_OWN = frozenset(("_counter", "_writes", "_restored"))


@public("train.Checkpoint", "contrib.eager.Checkpoint")
class Checkpoint:
    """A group of objects that are saved and restored together.

    Args:
      **kwargs: variables, optimizers, layers, models and other checkpoints, by the names they get in files.

    Raises:
      ValueError: something else.
    """

    _restored: CheckpointLoadStatus | None = None  # what becomes of the last `restore`

    def __init__(self, **kwargs: Any) -> None:
        for name, value in sorted(kwargs.items()):
            if not is_trackable(value):
                raise ValueError(
                    f"Checkpoint: '{name}' must be a variable or an object that has some. Received: {value!r}"
                )
            setattr(self, name, value)
        self._counter: Variable | None = None
        self._counting: tuple[Any, Any] | None = None  # whether the counter has a value, and its next one
        self._writes: dict[Variable, tuple[Any, Any]] = {}  # what is fed, and what assigns it

    def __setattr__(self, name: str, value: Any) -> None:
        value = attribute_of(self, name, value)
        super().__setattr__(name, value)
        if self._restored is not None and is_held(value) and ObjectGraph(value).states:
            self._restored.set_states()

    def _repr_html_(self) -> str:
        variables = ObjectGraph(self).variables
        tensors = [(key, v.dtype.base_dtype, str(v.get_shape())) for key, v in sorted(variables.items())]
        return cards.tracked([name for name, _ in self._trackable_children()], tensors)

    def _trackable_children(self) -> list[tuple[str, Any]]:
        attributes = {n: v for n, v in dependent(self, vars(self)).items() if n not in _OWN}
        own = list(held_in(attributes))
        return own if self._counter is None else [*own, ("save_counter", self._counter)]

    @property
    def save_counter(self) -> Variable:
        """A variable that counts the calls of `save`."""
        if self._counter is None:
            with init_scope(), device("cpu:0"):
                made = Variable(
                    0, trainable=False, dtype=dtypes.int64, name="save_counter", use_resource=True
                )
            self._counter = made
            return made
        return self._counter

    def _count(self, session: Any) -> int:
        """The number of the next checkpoint."""
        counter: Any = self.save_counter
        if self._counting is None:
            self._counting = counter.is_initialized(), counter.assign_add(1).read_value()
        has_value, following = self._counting
        if not session.run(has_value):
            session.run(counter.initializer)
        return int(session.run(following))

    def _assign(self, session: Any, values: dict[Variable, Any]) -> None:
        """Sets variables in one step."""
        for variable in values:
            if variable not in self._writes:
                given = placeholder(variable.dtype.base_dtype, variable.get_shape())
                write = raw.AssignVariableOp if variable._is_resource else raw.Assign
                made = write(variable._target, given)
                self._writes[variable] = given, getattr(made, "op", made)
        writes = [self._writes[variable] for variable in values]
        session.run(
            [write for _, write in writes],
            {given: value for (given, _), value in zip(writes, values.values(), strict=True)},
        )

    def write(self, file_prefix: str, session: Any = None) -> str:
        """Writes the variables of all objects to a checkpoint of that very name; returns the name.

        Args:
          file_prefix: the name.
          session: holds the values; default, the default session.

        Raises:
          RuntimeError: there is no session.
          FailedPreconditionError: a variable has no value.
        """
        session, path = _session(session), os.fsdecode(file_prefix)
        graph = ObjectGraph(self)
        keys = list(graph.variables)
        values = session.run([graph.variables[key] for key in keys])
        rows: list[Any] = [
            (key, "", graph.variables[key].dtype.base_dtype, value)
            for key, value in zip(keys, values, strict=True)
        ]
        rows += [
            (key, "", dtypes.string, np.array(as_bytes(one.serialize()), object))
            for key, one in graph.states.items()
        ]
        # The description of the objects lies in a file of its own, as TensorFlow's writer has it.
        described = [(GRAPH_KEY, "", dtypes.string, graph.message.SerializeToString())]
        bundle.write(path, sorted(rows, key=lambda row: row[0]), described)
        return path

    def save(self, file_prefix: str, session: Any = None) -> str:
        """Writes a checkpoint whose name ends in the number of the call, and lists it; returns the name.

        Arguments and errors are those of `write`.
        """
        session = _session(session)
        path = self.write(f"{os.fsdecode(file_prefix)}-{self._count(session)}", session)
        state.write_state(os.path.dirname(path), path, [path], None, True)
        return path

    def restore(self, save_path: Any) -> LoadStatus:
        """Prepares to set variables from a checkpoint; the status sets those that are there when it is asked.

        States of Python are set at once, or when they become attributes.

        Args:
          save_path: the checkpoint, of objects or one that a `tf.train.Saver` wrote; None for none.

        Raises:
          NotFoundError: there is no such checkpoint.
        """
        if save_path is None:
            return InitializationOnlyStatus(self)
        path = os.fsdecode(save_path)
        open_checkpoint(path).close()
        self.save_counter  # noqa: B018 - it is part of what a checkpoint holds
        if object_graph(path) is None:
            return NameBasedStatus(self, path)
        self._restored = CheckpointLoadStatus(self, path)
        return self._restored


class LoadStatus:
    """What became of a `restore`."""

    def __init__(self, checkpoint: Checkpoint, path: str = "") -> None:
        self._checkpoint, self._path = checkpoint, path

    def _refused(self, reason: str) -> AssertionError:
        return AssertionError(f"{reason}. Received: checkpoint {self._path or None}")

    def expect_partial(self) -> LoadStatus:
        """Says that it is well when something is not restored."""
        return self

    def _values(self) -> dict[Variable, Any]:
        """The value of each variable that the checkpoint has."""
        raise self._refused("There is nothing to restore")

    def assert_consumed(self) -> LoadStatus:
        """Checks that every value of the checkpoint belongs to an object, and every object has one.

        Raises:
          AssertionError: it is not so.
        """
        raise self._refused("There is nothing to restore")

    def assert_existing_objects_matched(self) -> LoadStatus:
        """Checks that every object has a value in the checkpoint; raises as `assert_consumed`."""
        return self.assert_consumed()

    def assert_nontrivial_match(self) -> LoadStatus:
        """Checks that some object has a value in the checkpoint; raises as `assert_consumed`."""
        return self.assert_consumed()

    def run_restore_ops(self, session: Any = None) -> None:
        """Sets the variables that the checkpoint has values for."""
        self._checkpoint._assign(_session(session), self._values())

    def initialize_or_restore(self, session: Any = None) -> None:
        """Sets those variables, and initializes the others."""
        session = _session(session)
        values = self._values() if self._path else {}
        others = [v for v in ObjectGraph(self._checkpoint).variables.values() if v not in values]
        session.run([v.initializer for v in others])
        self._checkpoint._assign(session, values)


class CheckpointLoadStatus(LoadStatus):
    """What became of restoring a checkpoint of objects."""

    def __init__(self, checkpoint: Checkpoint, path: str) -> None:
        super().__init__(checkpoint, path)
        self._set: set[int] = set()  # which states have been
        self.set_states()

    def set_states(self) -> None:
        """Sets the states of Python that have not been set yet."""
        found = [(one, key) for one, key in self._matched()[0] if isinstance(one, PythonState)]
        found = [(one, key) for one, key in found if id(one) not in self._set]
        for (one, _), value in zip(found, self._read(found), strict=True):
            self._set.add(id(one))
            one.deserialize(value.item())

    def _read(self, found: list[tuple[Any, str]]) -> list[Any]:
        wanted = [dtypes.string if isinstance(one, PythonState) else one.dtype.base_dtype for one, _ in found]
        return read_tensors(self._path, [key for _, key in found], [""] * len(found), wanted)

    def _matched(self) -> tuple[list[tuple[Any, str]], list[str], list[Any]]:
        """Variables and states with their keys, keys that belong to no object, those without a key."""
        saved = object_graph(self._path)
        makes = True
        while makes:
            ours, makes = ObjectGraph(self._checkpoint), False
            pairs: dict[int, int] = {0: 0}  # numbers in the checkpoint to numbers of ours
            for theirs in _in_order(pairs):
                mine = pairs[theirs]
                by_name = {child.local_name: child.node_id for child in ours.message.nodes[mine].children}
                for child in saved.nodes[theirs].children:
                    if child.local_name in by_name:
                        pairs.setdefault(child.node_id, by_name[child.local_name])
                    elif hasattr(ours.nodes[mine], "_make_child"):
                        ours.nodes[mine]._make_child(child.local_name)
                        makes = True
        self._match_slots(ours, saved, pairs)
        found: list[tuple[Any, str]] = []
        unused: list[str] = []
        for number, node in enumerate(saved.nodes):
            for attribute in node.attributes:
                target = ours.nodes[pairs[number]] if number in pairs else None
                if isinstance(target, Variable | PythonState):
                    found.append((target, attribute.checkpoint_key))
                else:
                    unused.append(attribute.checkpoint_key)
        have = {id(one) for one, _ in found}
        every = [*ours.variables.values(), *ours.states.values()]
        return found, unused, [one for one in every if id(one) not in have]

    def _match_slots(self, ours: ObjectGraph, saved: Any, pairs: dict[int, int]) -> None:
        for theirs, mine in list(pairs.items()):
            slots = {
                (slot.original_variable_node_id, slot.slot_name): slot.slot_variable_node_id
                for slot in ours.message.nodes[mine].slot_variables
            }
            for slot in saved.nodes[theirs].slot_variables:
                key = pairs.get(slot.original_variable_node_id), slot.slot_name
                if key in slots:
                    pairs[slot.slot_variable_node_id] = slots[key]

    def _values(self) -> dict[Variable, Any]:
        self.set_states()
        found = [(one, key) for one, key in self._matched()[0] if isinstance(one, Variable)]
        return dict(zip((one for one, _ in found), self._read(found), strict=True))

    def assert_consumed(self) -> LoadStatus:
        """Checks that every value of the checkpoint belongs to an object, and every object has one.

        Raises:
          AssertionError: it is not so.
        """
        _, unused, without = self._matched()
        if unused:
            raise self._refused(f"Unresolved object in checkpoint: {', '.join(unused)} belong to no object")
        if without:
            raise self._refused(f"Object not restored: {', '.join(map(_shown, without))}")
        return self

    def assert_existing_objects_matched(self) -> LoadStatus:
        """Checks that every object has a value in the checkpoint; raises as `assert_consumed`."""
        _, _, without = self._matched()
        if without:
            raise self._refused(f"Object not restored: {', '.join(map(_shown, without))}")
        return self

    def assert_nontrivial_match(self) -> LoadStatus:
        """Checks that some object has a value in the checkpoint; raises as `assert_consumed`."""
        found, _, _ = self._matched()
        if all(one is self._checkpoint._counter for one, _ in found):
            raise self._refused("Nothing in the checkpoint belongs to an object")
        return self


def _shown(one: Any) -> str:
    return one.name if isinstance(one, Variable) else type(one).__name__


def _in_order(pairs: dict[int, int]) -> Iterator[int]:
    """The numbers of the checkpoint's objects that were found, those that are found meanwhile included."""
    done: set[int] = set()
    while left := [number for number in pairs if number not in done]:
        for number in left:
            done.add(number)
            yield number


class NameBasedStatus(LoadStatus):
    """What became of restoring a checkpoint that a `tf.train.Saver` wrote."""

    def run_restore_ops(self, session: Any = None) -> None:
        """Sets all variables of the objects, by their names."""
        Saver(list(ObjectGraph(self._checkpoint).variables.values())).restore(_session(session), self._path)

    def initialize_or_restore(self, session: Any = None) -> None:
        """The same as `run_restore_ops`."""
        self.run_restore_ops(session)

    def assert_consumed(self) -> LoadStatus:
        """Refused: such a checkpoint does not say which objects it holds."""
        raise self._refused("A checkpoint that is saved by name does not tell its objects")


class InitializationOnlyStatus(LoadStatus):
    """What became of restoring nothing."""
