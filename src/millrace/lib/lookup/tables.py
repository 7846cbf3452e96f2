"""Lookup tables as programs see them: tables with their initializers, and tables that change."""

from __future__ import annotations

from typing import Any, Final

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import colocate_with, control_dependencies, name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.core import shapes
from millrace.core.dtypes import DType, as_dtype, int64, string
from millrace.core.public import public
from millrace.core.saveable import SaveableObject, SaveSpec
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.opkit.state import tables

# ---------------------------------------------------------------- initializers


@public("contrib.lookup.TableInitializerBase")
class TableInitializerBase:
    """Fills a static table.

    Args:
      key_dtype: dtype of the keys.
      value_dtype: dtype of the values.
    """

    def __init__(self, key_dtype: Any, value_dtype: Any) -> None:
        self._key_dtype = as_dtype(key_dtype).base_dtype
        self._value_dtype = as_dtype(value_dtype).base_dtype

    @property
    def key_dtype(self) -> DType:
        """Dtype of the keys."""
        return self._key_dtype

    @property
    def value_dtype(self) -> DType:
        """Dtype of the values."""
        return self._value_dtype

    def initialize(self, table: Any) -> Operation:
        """Adds the operation that fills `table`, and notes it for `tf.tables_initializer`.

        Raises:
          TypeError: the table has other dtypes.
        """
        if (table.key_dtype, table.value_dtype) != (self._key_dtype, self._value_dtype):
            raise TypeError(
                f"Invalid dtypes for table: {self._key_dtype.name} to {self._value_dtype.name} cannot fill "
                f"{table.key_dtype.name} to {table.value_dtype.name}. Received: table {table.name!r}"
            )
        op = self._fill(table)
        get_default_graph().add_to_collection(GraphKeys.TABLE_INITIALIZERS, op)
        return op

    def _fill(self, table: Any) -> Operation:
        raise TypeError(
            f"{type(self).__name__} does not say how to fill a table. Received: table {table.name!r}"
        )


@public("lookup.KeyValueTensorInitializer", "contrib.lookup.KeyValueTensorInitializer")
class KeyValueTensorInitializer(TableInitializerBase):
    """Fills a table from tensors.

    Args:
      keys: `[n]` keys.
      values: `[n]` values.
      key_dtype: dtype of the keys, where they are Python values.
      value_dtype: dtype of the values, where they are Python values.
      name: scope of the filling operation; default "key_value_init".
    """

    def __init__(
        self, keys: Any, values: Any, key_dtype: Any = None, value_dtype: Any = None, name: str | None = None
    ) -> None:
        self._keys = convert_to_tensor(keys, dtype=key_dtype, name="keys")
        self._values = convert_to_tensor(values, dtype=value_dtype, name="values")
        self._name = name if name is not None else "key_value_init"
        super().__init__(self._keys.dtype, self._values.dtype)

    def _fill(self, table: Any) -> Operation:
        with name_scope(self._name, values=(table.resource_handle, self._keys, self._values)):
            return raw.LookupTableImportV2(table.resource_handle, self._keys, self._values)


@public("lookup.TextFileIndex", "contrib.lookup.TextFileIndex")
class TextFileIndex:
    """Columns of a text file that are not columns.

    Attributes:
      WHOLE_LINE: the line itself.
      LINE_NUMBER: its number, counted from 0.
    """

    WHOLE_LINE: Final = tables.WHOLE_LINE
    LINE_NUMBER: Final = tables.LINE_NUMBER


@public("lookup.TextFileInitializer", "contrib.lookup.TextFileInitializer")
class TextFileInitializer(TableInitializerBase):
    """Fills a table from the lines of a text file.

    Args:
      filename: string or scalar tensor.
      key_dtype: dtype of the keys.
      key_index: the column that holds the keys, or a `TextFileIndex`.
      value_dtype: dtype of the values.
      value_index: the column that holds the values, or a `TextFileIndex`.
      vocab_size: how many lines to read; default all.
      delimiter: one character between columns.
      name: scope of the filling operation; default "text_file_init".

    Raises:
      ValueError: a column cannot have its dtype, or the file's name is empty.
    """

    def __init__(
        self,
        filename: Any,
        key_dtype: Any,
        key_index: int,
        value_dtype: Any,
        value_index: int,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str | None = None,
    ) -> None:
        if not isinstance(filename, Tensor) and not filename:
            raise ValueError("TextFileInitializer: a filename is required. Received: an empty one")
        super().__init__(key_dtype, value_dtype)
        tables.check_column("key", key_index, self._key_dtype)
        tables.check_column("value", value_index, self._value_dtype)
        if vocab_size is not None and not isinstance(vocab_size, Tensor) and vocab_size <= 0:
            raise ValueError(f"TextFileInitializer: vocab_size must be positive. Received: {vocab_size}")
        self._name = name if name is not None else "text_file_init"
        self._columns = key_index, value_index
        self._vocab_size = -1 if vocab_size is None else vocab_size
        self._delimiter = delimiter
        self._filename = convert_to_tensor(filename, dtype=string, name="asset_path")
        get_default_graph().add_to_collection(GraphKeys.ASSET_FILEPATHS, self._filename)

    def _fill(self, table: Any) -> Operation:
        with name_scope(self._name, values=(table.resource_handle,)):
            return raw.InitializeTableFromTextFileV2(
                table.resource_handle,
                self._filename,
                key_index=self._columns[0],
                value_index=self._columns[1],
                vocab_size=self._vocab_size,
                delimiter=self._delimiter,
            )


@public("contrib.lookup.TextFileIdTableInitializer")
class TextFileIdTableInitializer(TextFileInitializer):
    """Fills a table from words to numbers, by default one word a line.

    Args:
      filename: string or scalar tensor.
      key_column_index: the column that holds the words; default the whole line.
      value_column_index: the column that holds the numbers; default the line's own.
      vocab_size: how many lines to read; default all.
      delimiter: one character between columns.
      name: scope of the filling operation.
      key_dtype: dtype of the words.
    """

    def __init__(
        self,
        filename: Any,
        key_column_index: int = TextFileIndex.WHOLE_LINE,
        value_column_index: int = TextFileIndex.LINE_NUMBER,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str = "text_file_id_table_init",
        key_dtype: Any = string,
    ) -> None:
        columns = key_dtype, key_column_index, int64, value_column_index
        super().__init__(filename, *columns, vocab_size, delimiter, name)


@public("contrib.lookup.TextFileStringTableInitializer")
class TextFileStringTableInitializer(TextFileInitializer):
    """Fills a table from numbers to words, by default one word a line.

    Args:
      filename: string or scalar tensor.
      key_column_index: the column that holds the numbers; default the line's own.
      value_column_index: the column that holds the words; default the whole line.
      vocab_size: how many lines to read; default all.
      delimiter: one character between columns.
      name: scope of the filling operation.
    """

    def __init__(
        self,
        filename: Any,
        key_column_index: int = TextFileIndex.LINE_NUMBER,
        value_column_index: int = TextFileIndex.WHOLE_LINE,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str = "text_file_string_table_init",
    ) -> None:
        columns = int64, key_column_index, string, value_column_index
        super().__init__(filename, *columns, vocab_size, delimiter, name)


@public("tables_initializer", "initializers.tables_initializer")
def tables_initializer(name: str = "init_all_tables") -> Operation:
    """An operation that fills all static tables of the default graph."""
    with control_dependencies(get_default_graph().get_collection(GraphKeys.TABLE_INITIALIZERS)):
        return raw.NoOp(name=name)


@public("initialize_all_tables")
def initialize_all_tables(name: str = "init_all_tables") -> Operation:
    """Old name of `tables_initializer`."""
    return tables_initializer(name)


# ---------------------------------------------------------------- tables


@public("contrib.lookup.LookupInterface")
class LookupInterface:
    """What all tables offer.

    Args:
      key_dtype: dtype of the keys.
      value_dtype: dtype of the values.
    """

    _find_scope = "_Lookup"
    _key_dims: tuple[int | None, ...] = ()  # the shape of one key

    def __init__(self, key_dtype: Any, value_dtype: Any) -> None:
        self._key_dtype = as_dtype(key_dtype).base_dtype
        self._value_dtype = as_dtype(value_dtype).base_dtype

    @property
    def key_dtype(self) -> DType:
        """Dtype of the keys."""
        return self._key_dtype

    @property
    def value_dtype(self) -> DType:
        """Dtype of the values."""
        return self._value_dtype

    @property
    def resource_handle(self) -> Tensor:
        """The handle of the table."""
        return self._handle

    @property
    def name(self) -> str:
        """The last part of the name of the table's operation."""
        return self._handle.op.name.split("/")[-1]

    def _own(self, handle: Tensor, default_value: Tensor) -> None:
        self._handle = handle
        self._default_value = default_value

    def _keys(self, keys: Any) -> Tensor:
        """The keys as a tensor of the right dtype.

        Raises:
          TypeError: they are of another dtype.
        """
        if not isinstance(keys, Tensor):
            keys = convert_to_tensor(keys, dtype=self._key_dtype, name="keys")
        if keys.dtype.base_dtype is not self._key_dtype:
            raise TypeError(
                f"Signature mismatch. Keys must be dtype {self._key_dtype.name}. Received: {keys.dtype.name}"
            )
        return keys

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The values of some keys.

        Args:
          keys: Tensor or SparseTensor of the key dtype.
          name: scope of the operation.

        Returns:
          The same with values instead of keys; a key that is not there gives the default value.

        Raises:
          TypeError: the keys are of another dtype.
        """
        if isinstance(keys, SparseTensor):
            return SparseTensor(keys.indices, self.lookup(keys.values, name), keys.dense_shape)
        keys = self._keys(keys)
        with name_scope(name, f"{self.name}{self._find_scope}", (self._handle, keys, self._default_value)):
            found = raw.LookupTableFindV2(self._handle, keys, self._default_value)
        outer = keys.dims if keys.dims is None else keys.dims[: len(keys.dims) - len(self._key_dims)]
        found.set_shape(shapes.shape_of(shapes.concat(outer, self._default_value.dims)))
        return found

    def size(self, name: str | None = None) -> Tensor:
        """How many keys there are; scalar int64."""
        with name_scope(name, f"{self.name}_Size", [self._handle]):
            return raw.LookupTableSizeV2(self._handle)


@public("contrib.lookup.InitializableLookupTableBase")
class InitializableLookupTableBase(LookupInterface):
    """A table that an initializer fills.

    Args:
      default_value: the value of keys that are not there.
      initializer: what fills it.
    """

    def __init__(self, default_value: Any, initializer: TableInitializerBase) -> None:
        super().__init__(initializer.key_dtype, initializer.value_dtype)
        default = convert_to_tensor(default_value, dtype=self._value_dtype, name="Const")
        shapes.merge(default.dims, ())
        self._own(self._create(), default)
        self._initializer = initializer
        self._init_op = initializer.initialize(self)

    def _create(self) -> Tensor:
        raise TypeError(f"{type(self).__name__} does not say how to make its table. Received: no handle")

    @property
    def default_value(self) -> Tensor:
        """The value of keys that are not there."""
        return self._default_value

    @property
    def initializer(self) -> Operation:
        """The operation that fills the table."""
        return self._init_op

    @property
    def init(self) -> Operation:
        """Old name of `initializer`."""
        return self._init_op


@public("lookup.StaticHashTable", "python.ops.lookup_ops.HashTable")
class StaticHashTable(InitializableLookupTableBase):
    """A table that its initializer fills once.

    Args:
      initializer: what fills it; it also fixes the dtypes.
      default_value: the value of keys that are not there.
      name: op name; default "hash_table".
    """

    _shared_name = ""

    def __init__(
        self, initializer: TableInitializerBase, default_value: Any, name: str | None = None
    ) -> None:
        self._op_name = name or "hash_table"
        super().__init__(default_value, initializer)

    def _create(self) -> Tensor:
        return raw.HashTableV2(
            shared_name=self._shared_name,
            key_dtype=self._key_dtype,
            value_dtype=self._value_dtype,
            name=self._op_name,
        )

    def export(self, name: str | None = None) -> tuple[Tensor, Tensor]:
        """All keys `[n]` and all values `[n]`."""
        with name_scope(name, f"{self.name}_Export", [self._handle]):
            found = raw.LookupTableExportV2(self._handle, Tkeys=self._key_dtype, Tvalues=self._value_dtype)
        found.keys.set_shape([None])
        found.values.set_shape([None])
        return found.keys, found.values


@public("contrib.lookup.HashTable")
class HashTable(StaticHashTable):
    """A table that its initializer fills once.

    Args:
      initializer: what fills it; it also fixes the dtypes.
      default_value: the value of keys that are not there.
      shared_name: tables of one name in a session are one table.
      name: op name; default "hash_table".
    """

    def __init__(
        self,
        initializer: TableInitializerBase,
        default_value: Any,
        shared_name: str | None = None,
        name: str | None = None,
    ) -> None:
        self._shared_name = shared_name or ""
        super().__init__(initializer, default_value, name)


class _MutableTable(LookupInterface):
    """What the two kinds of tables that change have in common."""

    _find_scope = "_lookup_table_find"

    def insert(self, keys: Any, values: Any, name: str | None = None) -> Operation:
        """Puts values under keys.

        Args:
          keys: `[...]` of the key dtype.
          values: `[..., *value_shape]` of the value dtype.
          name: scope of the operation.

        Raises:
          TypeError: keys or values are of another dtype.
        """
        with name_scope(name, f"{self.name}_lookup_table_insert", [self._handle]):
            keys = self._keys(keys)
            values = convert_to_tensor(values, dtype=self._value_dtype, name="values")
            return raw.LookupTableInsertV2(self._handle, keys, values)

    def remove(self, keys: Any, name: str | None = None) -> Operation:
        """Forgets keys; those that are not there are ignored.

        Args:
          keys: `[...]` of the key dtype.
          name: scope of the operation.

        Raises:
          TypeError: the keys are of another dtype.
        """
        keys = self._keys(keys)
        with name_scope(name, f"{self.name}_lookup_table_remove", (self._handle, keys, self._default_value)):
            return raw.LookupTableRemoveV2(self._handle, keys)

    def export(self, name: str | None = None) -> tuple[Tensor, Tensor]:
        """All keys `[n]` and their values `[n, *value_shape]`."""
        with name_scope(name, f"{self.name}_lookup_table_export_values", [self._handle]):
            found = raw.LookupTableExportV2(self._handle, Tkeys=self._key_dtype, Tvalues=self._value_dtype)
        found.keys.set_shape(shapes.shape_of(shapes.concat((None,), self._key_dims)))
        found.values.set_shape(shapes.shape_of(shapes.concat((None,), self._default_value.dims)))
        return found.keys, found.values


class TableSaveable(SaveableObject):
    """The keys and values of a table, as a saver sees them.

    Args:
      table: the table, which has a `resource_handle` and an `export`.
      name: its name in checkpoints.
    """

    def __init__(self, table: Any, name: str) -> None:
        self._handle = table.resource_handle
        keys, values = table.export()
        super().__init__(
            table, [SaveSpec(keys, "", f"{name}-keys"), SaveSpec(values, "", f"{name}-values")], name
        )

    def restore(self, restored_tensors: Any, restored_shapes: Any) -> Any:
        """Replaces the contents of the table."""
        with name_scope(f"{self.name}_table_restore"), colocate_with(self._handle):
            return raw.LookupTableImportV2(self._handle, *restored_tensors)


@public("contrib.lookup.MutableHashTable")
class MutableHashTable(_MutableTable):
    """A table that programs fill and change. Its contents last as long as the session.

    Args:
      key_dtype: dtype of the keys.
      value_dtype: dtype of the values.
      default_value: the value of keys that are not there; its shape is that of all values.
      name: op name.
      checkpoint: let savers keep the contents, too.
    """

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        name: str = "MutableHashTable",
        checkpoint: bool = True,
    ) -> None:
        super().__init__(key_dtype, value_dtype)
        default = convert_to_tensor(default_value, dtype=self._value_dtype, name="Const")
        kinds = {"key_dtype": self._key_dtype, "value_dtype": self._value_dtype}
        if default.dims == ():
            handle = raw.MutableHashTableV2(use_node_name_sharing=checkpoint, name=name, **kinds)
        else:
            handle = raw.MutableHashTableOfTensorsV2(
                use_node_name_sharing=checkpoint, value_shape=default.dims, name=name, **kinds
            )
        self._own(handle, default)
        if checkpoint:
            get_default_graph().add_to_collection(GraphKeys.SAVEABLE_OBJECTS, TableSaveable(self, self.name))


@public("contrib.lookup.MutableDenseHashTable", "lookup.experimental.DenseHashTable")
class MutableDenseHashTable(_MutableTable):
    """A table that programs fill and change, with two reserved keys; keys may be vectors.

    Args:
      key_dtype: dtype of the keys.
      value_dtype: dtype of the values.
      default_value: the value of keys that are not there; its shape is that of all values.
      empty_key: a key that nobody may use; its shape is that of all keys.
      deleted_key: another one.
      initial_num_buckets: accepted; the table grows by itself.
      name: op name.
      checkpoint: let savers keep the contents, too.
    """

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        empty_key: Any,
        deleted_key: Any,
        initial_num_buckets: int | None = None,
        name: str = "MutableDenseHashTable",
        checkpoint: bool = True,
    ) -> None:
        super().__init__(key_dtype, value_dtype)
        default = convert_to_tensor(default_value, dtype=self._value_dtype, name="default_value")
        empty = convert_to_tensor(empty_key, dtype=self._key_dtype, name="empty_key")
        deleted = convert_to_tensor(deleted_key, dtype=self._key_dtype, name="deleted_key")
        self._key_dims = empty.dims or ()
        handle = raw.MutableDenseHashTableV2(
            empty,
            deleted,
            value_dtype=self._value_dtype,
            value_shape=default.dims,
            use_node_name_sharing=checkpoint,
            initial_num_buckets=initial_num_buckets or 131072,
            name=name,
        )
        self._own(handle, default)
        if checkpoint:
            get_default_graph().add_to_collection(GraphKeys.SAVEABLE_OBJECTS, TableSaveable(self, self.name))

    def insert_or_assign(self, keys: Any, values: Any, name: str | None = None) -> Operation:
        """The same as `insert`."""
        return self.insert(keys, values, name)

    def erase(self, keys: Any, name: str | None = None) -> Operation:
        """The same as `remove`."""
        return self.remove(keys, name)
