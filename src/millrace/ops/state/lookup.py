"""The operations of lookup tables. A handle is the table itself, which the session keeps in a cell of its
operation.

The classes that programs use are in `millrace.lib.lookup`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core import shapes
from millrace.core.dtypes import ALL
from millrace.graph import attrs
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.attrs import flag, integer, number, text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules.families import handle
from millrace.opkit.state.tables import DenseTable, StaticTable, Table, read_text_file
from millrace.opkit.text.pieces import array_of, strings

_KINDS: dict[str, Any] = {"key_dtype": dtype_attr(), "value_dtype": dtype_attr()}
_NAMES: dict[str, Any] = {
    "container": text(""),
    "shared_name": text(""),
    "use_node_name_sharing": flag(False),
}


def _static(attrs: Any) -> StaticTable:
    return StaticTable(attrs["key_dtype"], attrs["value_dtype"])


def _mutable(attrs: Any) -> Table:
    return Table(attrs["key_dtype"], attrs["value_dtype"], attrs.get("value_shape", ()))


def _dense(attrs: Any) -> DenseTable:
    return DenseTable(attrs["key_dtype"], attrs["value_dtype"], attrs["value_shape"])


# --- tables ------------------------------------------------------------------------------------------------


HashTableV2 = handle(
    "HashTableV2() -> table_handle: resource",
    _static,
    "A table that an initializer fills once.",
    __name__,
    effect=True,
    **_KINDS,
    **_NAMES,
)


MutableHashTableV2 = handle(
    "MutableHashTableV2() -> table_handle: resource",
    _mutable,
    "A table of scalars that programs fill and change.",
    __name__,
    effect=True,
    **_KINDS,
    **_NAMES,
)


MutableHashTableOfTensorsV2 = handle(
    "MutableHashTableOfTensorsV2() -> table_handle: resource",
    _mutable,
    "A table of tensors that programs fill and change.",
    __name__,
    effect=True,
    **_KINDS,
    **_NAMES,
    value_shape=attrs.shape(()),
)


@declare(
    "MutableDenseHashTableV2(empty_key: key_dtype, deleted_key: key_dtype) -> table_handle: resource",
    state=_dense,
    key_dtype=ALL,
    value_dtype=dtype_attr(),
    **_NAMES,
    value_shape=attrs.shape(()),
    initial_num_buckets=integer(131072),
    max_load_factor=number(0.8),
    effect=True,
    host=True,
)
class MutableDenseHashTableV2:
    """A table whose keys may be vectors, two of which are reserved."""

    def shape(empty_key, deleted_key):
        return ()

    def kernel(xp, state, empty_key, deleted_key):
        state.reserve(array_of(empty_key), array_of(deleted_key))
        return state, state

    grad = NOT_DIFFERENTIABLE


# --- filling -----------------------------------------------------------------------------------------------


@declare(
    "InitializeTableV2(table_handle: resource, keys: Tkey, values: Tval)",
    Tkey=ALL,
    Tval=ALL,
    effect=True,
    host=True,
)
class InitializeTableV2:
    """Fills a table from tensors."""

    def shape(table_handle, keys, values):
        shapes.merge(keys, values)
        return []

    def kernel(xp, table_handle, keys, values):
        table_handle.fill(array_of(keys), array_of(values))

    grad = NOT_DIFFERENTIABLE


@declare(
    "InitializeTableFromTextFileV2(table_handle: resource, filename: string)",
    key_index=integer(minimum=-2),
    value_index=integer(minimum=-2),
    vocab_size=integer(-1, minimum=-1),
    delimiter=text("\t"),
    effect=True,
    host=True,
)
class InitializeTableFromTextFileV2:
    """Fills a table from the lines of a file."""

    def shape(table_handle, filename):
        return []

    def kernel(xp, table_handle, filename, key_index, value_index, vocab_size, delimiter):
        path = strings(filename).item().decode()
        table_handle.fill(*read_text_file(path, table_handle, key_index, value_index, vocab_size, delimiter))

    grad = NOT_DIFFERENTIABLE


@declare(
    "LookupTableInsertV2(table_handle: resource, keys: Tin, values: Tout)",
    Tin=ALL,
    Tout=ALL,
    effect=True,
    host=True,
)
class LookupTableInsertV2:
    """Puts values under keys."""

    def shape(table_handle, keys, values):
        return []

    def kernel(xp, table_handle, keys, values):
        table_handle.insert(array_of(keys), array_of(values))

    grad = NOT_DIFFERENTIABLE


@declare(
    "LookupTableImportV2(table_handle: resource, keys: Tin, values: Tout)",
    Tin=ALL,
    Tout=ALL,
    effect=True,
    host=True,
)
class LookupTableImportV2:
    """Replaces the whole contents."""

    def shape(table_handle, keys, values):
        return []

    def kernel(xp, table_handle, keys, values):
        table_handle.replace(array_of(keys), array_of(values))

    grad = NOT_DIFFERENTIABLE


@declare("LookupTableRemoveV2(table_handle: resource, keys: Tin)", Tin=ALL, effect=True, host=True)
class LookupTableRemoveV2:
    """Forgets keys."""

    def shape(table_handle, keys):
        return []

    def kernel(xp, table_handle, keys):
        table_handle.remove(array_of(keys))

    grad = NOT_DIFFERENTIABLE


# --- reading -----------------------------------------------------------------------------------------------


@declare(
    "LookupTableFindV2(table_handle: resource, keys: Tin, default_value: Tout) -> values: Tout",
    Tin=ALL,
    Tout=ALL,
    effect=True,
    host=True,
)
class LookupTableFindV2:
    """The values of some keys."""

    def shape(table_handle, keys, default_value):
        return None  # whether the keys' last dimensions belong to one key, only the table knows

    def kernel(xp, table_handle, keys, default_value):
        return table_handle.find(array_of(keys), array_of(default_value))

    grad = NOT_DIFFERENTIABLE


@declare("LookupTableSizeV2(table_handle: resource) -> size: int64", effect=True, host=True)
class LookupTableSizeV2:
    """How many keys a table holds."""

    def shape(table_handle):
        return ()

    def kernel(xp, table_handle):
        return np.array(table_handle.size(), np.int64)

    grad = NOT_DIFFERENTIABLE


@declare(
    "LookupTableExportV2(table_handle: resource) -> keys: Tkeys, values: Tvalues",
    Tkeys=dtype_attr(),
    Tvalues=dtype_attr(),
    effect=True,
    host=True,
)
class LookupTableExportV2:
    """All keys and values."""

    def shape(table_handle):
        return [None, None]

    def kernel(xp, table_handle):
        return table_handle.export()

    grad = NOT_DIFFERENTIABLE


# --- old graphs: handles are references to strings ------------------------------------------------------


HashTable = handle(
    "HashTable() -> table_handle: Ref[string]",
    _static,
    "`HashTableV2` of old graphs.",
    __name__,
    effect=True,
    **_KINDS,
    **_NAMES,
)


MutableHashTable = handle(
    "MutableHashTable() -> table_handle: Ref[string]",
    _mutable,
    "`MutableHashTableV2` of old graphs.",
    __name__,
    effect=True,
    **_KINDS,
    **_NAMES,
)


MutableHashTableOfTensors = handle(
    "MutableHashTableOfTensors() -> table_handle: Ref[string]",
    _mutable,
    "`MutableHashTableOfTensorsV2` of old graphs.",
    __name__,
    effect=True,
    **_KINDS,
    **_NAMES,
    value_shape=attrs.shape(()),
)


@declare(
    "MutableDenseHashTable(empty_key: key_dtype) -> table_handle: Ref[string]",
    state=_dense,
    key_dtype=ALL,
    value_dtype=dtype_attr(),
    **_NAMES,
    value_shape=attrs.shape(()),
    initial_num_buckets=integer(131072),
    max_load_factor=number(0.8),
    effect=True,
    host=True,
)
class MutableDenseHashTable:
    """`MutableDenseHashTableV2` of old graphs, which reserves one key."""

    def shape(empty_key):
        return ()

    def kernel(xp, state, empty_key):
        state.reserve(array_of(empty_key))
        return state, state

    grad = NOT_DIFFERENTIABLE


@declare(
    "InitializeTable(table_handle: Ref[string], keys: Tkey, values: Tval)",
    Tkey=ALL,
    Tval=ALL,
    effect=True,
    host=True,
)
class InitializeTable:
    """`InitializeTableV2` of old graphs."""

    shape, kernel, grad = InitializeTableV2.shape, InitializeTableV2.kernel, NOT_DIFFERENTIABLE


@declare(
    "InitializeTableFromTextFile(table_handle: Ref[string], filename: string)",
    key_index=integer(minimum=-2),
    value_index=integer(minimum=-2),
    vocab_size=integer(-1, minimum=-1),
    delimiter=text("\t"),
    effect=True,
    host=True,
)
class InitializeTableFromTextFile:
    """`InitializeTableFromTextFileV2` of old graphs."""

    shape = InitializeTableFromTextFileV2.shape
    kernel = InitializeTableFromTextFileV2.kernel
    grad = NOT_DIFFERENTIABLE


@declare(
    "LookupTableInsert(table_handle: Ref[string], keys: Tin, values: Tout)",
    Tin=ALL,
    Tout=ALL,
    effect=True,
    host=True,
)
class LookupTableInsert:
    """`LookupTableInsertV2` of old graphs."""

    shape, kernel, grad = LookupTableInsertV2.shape, LookupTableInsertV2.kernel, NOT_DIFFERENTIABLE


@declare(
    "LookupTableImport(table_handle: Ref[string], keys: Tin, values: Tout)",
    Tin=ALL,
    Tout=ALL,
    effect=True,
    host=True,
)
class LookupTableImport:
    """`LookupTableImportV2` of old graphs."""

    shape, kernel, grad = LookupTableImportV2.shape, LookupTableImportV2.kernel, NOT_DIFFERENTIABLE


@declare(
    "LookupTableFind(table_handle: Ref[string], keys: Tin, default_value: Tout) -> values: Tout",
    Tin=ALL,
    Tout=ALL,
    effect=True,
    host=True,
)
class LookupTableFind:
    """`LookupTableFindV2` of old graphs."""

    shape, kernel, grad = LookupTableFindV2.shape, LookupTableFindV2.kernel, NOT_DIFFERENTIABLE


@declare("LookupTableSize(table_handle: Ref[string]) -> size: int64", effect=True, host=True)
class LookupTableSize:
    """`LookupTableSizeV2` of old graphs."""

    shape, kernel, grad = LookupTableSizeV2.shape, LookupTableSizeV2.kernel, NOT_DIFFERENTIABLE


@declare(
    "LookupTableExport(table_handle: Ref[string]) -> keys: Tkeys, values: Tvalues",
    Tkeys=dtype_attr(),
    Tvalues=dtype_attr(),
    effect=True,
    host=True,
)
class LookupTableExport:
    """`LookupTableExportV2` of old graphs."""

    shape, kernel, grad = LookupTableExportV2.shape, LookupTableExportV2.kernel, NOT_DIFFERENTIABLE
