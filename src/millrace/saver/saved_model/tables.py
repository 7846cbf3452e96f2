"""Tables in a SavedModel: functions that make and fill each, and what it holds, in the checkpoint."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Sequence
from typing import Any

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import control_dependencies
from millrace.core import dtypes
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.functions.concrete import Argument, ConcreteFunction
from millrace.lib.functions.polymorphic import Function, Settings
from millrace.lib.lookup.tables import InitializableLookupTableBase, LookupInterface
from millrace.opkit.checkpoint.reading import open_checkpoint

CONTENTS = "table"  # the attribute of an object by which a checkpoint has a table's keys and values
_DRAWN_ONCE = Settings((), autograph=False, relax=False, strict=False)


class RestoredResource:
    """A table or the like, which is made and filled by functions that were saved with it.

    Attributes:
      initializer: the operation that fills it, None without one.
      contents: dtypes of the keys and values that a checkpoint had of it, None where it had none.
    """

    def __init__(self) -> None:
        self._handle: Tensor | None = None
        self.initializer: Operation | None = None
        self.contents: tuple[dtypes.DType, dtypes.DType] | None = None

    @property
    def resource_handle(self) -> Tensor:
        """Its handle."""
        if self._handle is None:
            with get_default_graph().control_dependencies(None):
                self._handle = vars(self)["_create_resource"]()
        assert self._handle is not None
        return self._handle

    @property
    def name(self) -> str:
        """The last part of the name of what made it."""
        return self.resource_handle.op.name.rpartition("/")[2]

    def export(self) -> tuple[Tensor, Tensor]:
        """All keys and their values, of a table that changes."""
        assert self.contents is not None
        return _exported(self.resource_handle, self.contents)

    def fill(self, path: str, key: str | None) -> None:
        """Notes the operation that fills it among those that start a session.

        Args:
          path: the checkpoint.
          key: under which it has keys and values of the table, None where it has not.
        """
        made = vars(self)["_initialize"]() if "_initialize" in vars(self) else None
        op = getattr(made, "op", made)
        if key is not None:
            names = [f"{key}-keys", f"{key}-values"]
            with contextlib.closing(open_checkpoint(path)) as opened:
                described = [opened.describe(name) for name in names]
            if None in described:
                raise ValueError(f"SavedModel: the checkpoint {path} lacks the table {key}")
            keys, values = (found[0] for found in described if found)
            self.contents = keys, values
            with control_dependencies([] if op is None else [op]):
                found = raw.RestoreV2(path, names, ["", ""], dtypes=self.contents)
                op = raw.LookupTableImportV2(self.resource_handle, *found)
        self.initializer = op
        if op is not None:
            get_default_graph().add_to_collection(GraphKeys.TABLE_INITIALIZERS, op)


def _exported(handle: Tensor, kinds: Sequence[dtypes.DType]) -> tuple[Tensor, Tensor]:
    """All keys and their values, which are of the two `kinds`."""
    keys, values = kinds
    found = raw.LookupTableExportV2(handle, Tkeys=keys, Tvalues=values)
    return found.keys, found.values


def is_table(value: Any) -> bool:
    """Whether a value is a table, or something that has one."""
    return isinstance(value, LookupInterface | RestoredResource)


def is_resource(value: Any) -> bool:
    """Whether a value is a table itself: one of words with buckets for others only has one."""
    return isinstance(value, RestoredResource) or (
        isinstance(value, LookupInterface) and not isinstance(vars(value).get("_table"), LookupInterface)
    )


def has_contents(table: Any) -> bool:
    """Whether a checkpoint has the keys and values of a table: where they change."""
    if isinstance(table, RestoredResource):
        return table.contents is not None
    return not isinstance(table, InitializableLookupTableBase)


def functions_of(table: Any) -> list[tuple[str, Any]]:
    """The functions that make, fill and end a table, by their names in a SavedModel."""
    if isinstance(table, RestoredResource):
        return [(name, value) for name, value in vars(table).items() if callable(value)]
    op = table.resource_handle.op
    attrs = {**op.attrs, "shared_name": op.attrs["shared_name"] or f"{table.name}_{uuid.uuid4()}"}

    def create() -> Tensor:
        return getattr(raw, op.type)(*map(_again, op.inputs), **attrs)

    def initialize() -> Tensor:
        filled = [] if has_contents(table) else [table._initializer._fill(table)]
        with control_dependencies(filled):
            return convert_to_tensor(1)

    def destroy() -> Tensor:
        return convert_to_tensor(1)

    named = {"_create_resource": create, "_initialize": initialize, "_destroy_resource": destroy}
    return [(name, Function(run, run.__name__, _DRAWN_ONCE)) for name, run in named.items()]


def _again(tensor: Tensor) -> Tensor:
    """A constant once more, in the graph of a function."""
    known = tensor.op.attrs["value"] if tensor.op.type == "Const" else None
    return tensor if known is None else convert_to_tensor(known, tensor.dtype.base_dtype)


def contents_functions(table: Any) -> tuple[ConcreteFunction, ConcreteFunction]:
    """The functions that give what a checkpoint has of a table, and that take it."""

    def save_fn(key: Tensor) -> list[dict[str, Tensor]]:
        whole = convert_to_tensor("")
        return [
            {"name": raw.Add(key, ending), "slice_spec": whole, "tensor": tensor}
            for ending, tensor in zip(("-keys", "-values"), table.export(), strict=True)
        ]

    def restore_fn(*restored: Tensor) -> Tensor:
        with control_dependencies([raw.LookupTableImportV2(table.resource_handle, *restored)]):
            return convert_to_tensor(1)

    key = [Argument(dtypes.string, (), "checkpoint_key")]
    save = ConcreteFunction(save_fn, "save_fn", key, ["checkpoint_key"], may_create=False)
    kinds = [one["tensor"].dtype.base_dtype for one in save.structured_outputs]
    taken = [Argument(kind, None, f"restored_tensors_{i}") for i, kind in enumerate(kinds)]
    return save, ConcreteFunction(restore_fn, "restore_fn", taken, [a.name for a in taken], may_create=False)


class TableCopy:
    """A table in the graph of a SavedModel.

    Attributes:
      resource_handle: its handle there.
    """

    def __init__(self, handle: Tensor, kinds: Sequence[dtypes.DType]) -> None:
        self.resource_handle = handle
        self._kinds = kinds

    def export(self) -> tuple[Tensor, Tensor]:
        """All keys and their values."""
        return _exported(self.resource_handle, self._kinds)
