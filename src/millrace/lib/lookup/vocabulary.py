"""Words to numbers and back: tables made from a list or a file of words, with buckets for unknown ones."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.core.dtypes import DType, as_dtype, int64, string
from millrace.core.public import public
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.lookup.tables import (
    HashTable,
    KeyValueTensorInitializer,
    LookupInterface,
    TableInitializerBase,
    TextFileIdTableInitializer,
    TextFileIndex,
    TextFileStringTableInitializer,
)


@public("contrib.lookup.HasherSpec")
class HasherSpec(NamedTuple):
    """How unknown words are hashed to buckets.

    Attributes:
      hasher: "fasthash", "stronghash" or "legacy".
      key: the key of a strong hash, two integers.
    """

    hasher: str
    key: Any


FastHashSpec = public("contrib.lookup.FastHashSpec")(HasherSpec("fasthash", None))
_FAST = FastHashSpec


@public("contrib.lookup.StrongHashSpec")
class StrongHashSpec(HasherSpec):
    """Hashes unknown words under a key.

    Args:
      key: two unsigned integers.

    Raises:
      ValueError: there are not two.
      TypeError: they are not integers.
    """

    __slots__ = ()

    def __new__(cls, key: Any) -> StrongHashSpec:  # noqa: D102 - the class says it
        if len(key) != 2:
            raise ValueError(f"StrongHashSpec: key must have size 2. Received: {key!r}")
        if not all(isinstance(half, int | np.integer) for half in key):
            raise TypeError(f"StrongHashSpec: key must hold unsigned integers. Received: {key!r}")
        return super().__new__(cls, "stronghash", key)


class _Bucketed(LookupInterface):
    """A table of known words in front of hash buckets for the others."""

    def __init__(
        self, table: HashTable | None, num_oov_buckets: int, hasher: HasherSpec, key_dtype: DType
    ) -> None:
        super().__init__(key_dtype, int64)
        self._table = table
        self._buckets = num_oov_buckets
        self._hasher = hasher

    @property
    def initializer(self) -> Operation:
        """The operation that fills the table of known words."""
        if self._table is not None:
            return self._table.initializer
        return raw.NoOp()

    @property
    def init(self) -> Operation:
        """Old name of `initializer`."""
        return self.initializer

    @property
    def resource_handle(self) -> Tensor:
        """The handle of the table of known words.

        Raises:
          ValueError: there are only buckets.
        """
        if self._table is None:
            raise ValueError(f"a table of buckets alone has no handle. Received: {self.name!r}")
        return self._table.resource_handle

    def size(self, name: str | None = None) -> Tensor:
        """How many known words and buckets there are; scalar int64."""
        with name_scope(name, f"{self.name}_Size"):
            known = np.int64(0) if self._table is None else self._table.size()
            return raw.Add(known, np.int64(self._buckets))

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The numbers of some words; an unknown word gets the number of its bucket.

        Args:
          keys: Tensor or SparseTensor of the key dtype.
          name: scope of the operations.

        Returns:
          The same with int64 numbers instead of words.

        Raises:
          TypeError: the keys are of another dtype.
        """
        if isinstance(keys, SparseTensor):
            return SparseTensor(keys.indices, self.lookup(keys.values, name), keys.dense_shape)
        keys = self._keys(keys)
        if self._table is None:
            with name_scope(name, f"{self.name}_Lookup"):
                return self._bucket(keys)
        values = keys
        if self._table.key_dtype is int64 and keys.dtype.base_dtype is not int64:
            values = raw.Cast(keys, DstT=int64)
        if self._buckets == 0:
            return self._table.lookup(values, name=name)
        with name_scope(name, f"{self.name}_Lookup"):
            buckets = self._bucket(keys)
            ids = self._table.lookup(values)
            buckets = raw.Add(buckets, self._table.size())
            return raw.SelectV2(raw.NotEqual(ids, self._table.default_value), ids, buckets)

    def _bucket(self, keys: Tensor) -> Tensor:
        words = keys if keys.dtype.base_dtype is string else raw.AsString(keys)
        hasher, key = self._hasher
        if hasher == "stronghash":
            return raw.StringToHashBucketStrong(words, num_buckets=self._buckets, key=key, name="hash_bucket")
        if hasher == "legacy":
            return raw.StringToHashBucket(words, num_buckets=self._buckets, name="hash_bucket")
        return raw.StringToHashBucketFast(words, num_buckets=self._buckets, name="hash_bucket")


def _checked_key_dtype(table: HashTable | None, key_dtype: Any) -> DType:
    """The dtype of the keys, which a table fixes, up to integers, and which is string without one."""
    if table is None:
        dtype = string if key_dtype is None else as_dtype(key_dtype)
    elif key_dtype is None:
        dtype = table.key_dtype
    else:
        dtype = as_dtype(key_dtype)
        if dtype is not table.key_dtype and dtype.is_integer != table.key_dtype.is_integer:
            raise TypeError(
                f"Invalid key dtype, expected {table.key_dtype.name} or another integer. "
                f"Received: {dtype.name}"
            )
    if dtype is not string and not dtype.is_integer:
        raise TypeError(f"Invalid key dtype, expected an integer or string. Received: {dtype.name}")
    return dtype


@public("contrib.lookup.IdTableWithHashBuckets")
class IdTableWithHashBuckets(_Bucketed):
    """Numbers of known words, and of buckets for all others.

    Args:
      table: the table of known words; None for buckets alone.
      num_oov_buckets: how many buckets; 0 leaves unknown words to the table's default value.
      hasher_spec: how words are hashed to buckets.
      name: what the scopes of its operations begin with.
      key_dtype: dtype of the words.

    Raises:
      ValueError: there are neither a table nor buckets.
      TypeError: the key dtype or the hasher does not fit.
    """

    def __init__(
        self,
        table: HashTable | None,
        num_oov_buckets: int,
        hasher_spec: HasherSpec = _FAST,
        name: str | None = None,
        key_dtype: Any = None,
    ) -> None:
        if table is None and num_oov_buckets <= 0:
            raise ValueError(f"oov_buckets must be > 0 if no table is supplied. Received: {num_oov_buckets}")
        if not isinstance(hasher_spec, HasherSpec):
            raise TypeError(f"hasher_spec must be of type HasherSpec. Received: {type(hasher_spec)}")
        if hasher_spec.hasher not in ("fasthash", "stronghash", "legacy"):
            raise ValueError(
                f"hasher must be fasthash, stronghash or legacy. Received: {hasher_spec.hasher!r}"
            )
        super().__init__(table, num_oov_buckets, hasher_spec, _checked_key_dtype(table, key_dtype))
        default = f"{len(hasher_spec.hasher)}_{num_oov_buckets}_buckets" if table is None else table.name
        self._name = (name or f"hash_table_{default}").split("/")[-1] if table is None else table.name

    @property
    def name(self) -> str:
        """What the scopes of its operations begin with."""
        return self._name


@public("lookup.StaticVocabularyTable")
class StaticVocabularyTable(_Bucketed):
    """Numbers of known words, and of buckets for all others.

    Args:
      initializer: what fills the table of known words with int64 numbers; None for buckets alone.
      num_oov_buckets: how many buckets, at least 1.
      lookup_key_dtype: dtype of the words.
      name: op name of the table.

    Raises:
      ValueError: there is no bucket.
      TypeError: the dtypes do not fit.
    """

    def __init__(
        self,
        initializer: TableInitializerBase | None,
        num_oov_buckets: int,
        lookup_key_dtype: Any = None,
        name: str | None = None,
    ) -> None:
        if num_oov_buckets <= 0:
            raise ValueError(f"StaticVocabularyTable: oov_buckets must be > 0. Received: {num_oov_buckets}")
        table = None
        if initializer is not None:
            if initializer.value_dtype is not int64:
                raise TypeError(
                    f"StaticVocabularyTable: values must be int64. Received: {initializer.value_dtype.name}"
                )
            table = HashTable(initializer, -1, name=name)
        super().__init__(table, num_oov_buckets, _FAST, _checked_key_dtype(table, lookup_key_dtype))
        self._name = table.name if table is not None else name or f"hash_buckets_{num_oov_buckets}"

    @property
    def name(self) -> str:
        """What the scopes of its operations begin with."""
        return self._name


# ---------------------------------------------------------------- words to numbers


def _bucketed(
    table: HashTable, num_oov_buckets: int, hasher_spec: HasherSpec, name: str, key_dtype: Any
) -> HashTable | IdTableWithHashBuckets:
    if not num_oov_buckets:
        return table
    return IdTableWithHashBuckets(table, num_oov_buckets, hasher_spec, name, key_dtype)


@public("python.ops.lookup_ops.index_table_from_tensor")
def index_table_from_list(
    vocabulary_list: Any,
    num_oov_buckets: int = 0,
    default_value: Any = -1,
    hasher_spec: HasherSpec = _FAST,
    dtype: Any = string,
    name: str | None = None,
) -> HashTable | IdTableWithHashBuckets:
    """`tf.contrib.lookup.index_table_from_tensor` with its `mapping` as `vocabulary_list`."""
    return index_table_from_tensor(vocabulary_list, num_oov_buckets, default_value, hasher_spec, dtype, name)


@public("contrib.lookup.index_table_from_tensor")
def index_table_from_tensor(
    mapping: Any,
    num_oov_buckets: int = 0,
    default_value: Any = -1,
    hasher_spec: HasherSpec = _FAST,
    dtype: Any = string,
    name: str | None = None,
) -> HashTable | IdTableWithHashBuckets:
    """A table from words to their places in a list.

    Args:
      mapping: `[n]` words.
      num_oov_buckets: how many numbers after the last for unknown words; 0 gives them the default value.
      default_value: the number of unknown words.
      hasher_spec: how unknown words are hashed to buckets.
      dtype: dtype of the words, where they are Python values.
      name: scope of the operations; default "string_to_index".

    Returns:
      The table; `tf.tables_initializer()` fills it.

    Raises:
      ValueError: there is no mapping, or a negative number of buckets.
    """
    if mapping is None:
        raise ValueError("index_table_from_tensor: mapping must be specified. Received: None")
    if num_oov_buckets < 0:
        raise ValueError(f"num_oov_buckets must be greater or equal than 0. Received: {num_oov_buckets}")
    dtype = as_dtype(dtype)
    if not dtype.is_integer and dtype is not string:
        raise TypeError(f"Only integer and string keys are supported. Received: {dtype.name}")
    if isinstance(mapping, Tensor) and mapping.dtype.is_integer != dtype.is_integer:
        raise ValueError(f"Expected {dtype.name} keys. Received: {mapping.dtype.name}")
    with name_scope(name, "string_to_index") as scope:
        keys = convert_to_tensor(mapping, dtype=None if isinstance(mapping, Tensor) else dtype, name="Const")
        values = _numbers(keys)
        with name_scope(None, "hash_table"):
            keys = raw.Cast(keys, DstT=int64) if keys.dtype.is_integer and keys.dtype is not int64 else keys
            table = HashTable(KeyValueTensorInitializer(keys, values, name="table_init"), default_value)
            return _bucketed(table, num_oov_buckets, hasher_spec, scope, dtype)


def _numbers(words: Tensor) -> Tensor:
    """0, 1, 2, ... as int64, one for each word."""
    count = None if words.dims is None or len(words.dims) != 1 else words.dims[0]
    size = raw.Size(words) if count is None else convert_to_tensor(np.int32(count), name="Size")
    return raw.Cast(raw.Range(np.int32(0), size, np.int32(1), name="range"), DstT=int64)


@public("python.ops.lookup_ops.index_table_from_file", "contrib.lookup.index_table_from_file")
def index_table_from_file(
    vocabulary_file: Any = None,
    num_oov_buckets: int = 0,
    vocab_size: int | None = None,
    default_value: Any = -1,
    hasher_spec: HasherSpec = _FAST,
    key_dtype: Any = string,
    name: str | None = None,
    key_column_index: int = TextFileIndex.WHOLE_LINE,
    value_column_index: int = TextFileIndex.LINE_NUMBER,
    delimiter: str = "\t",
) -> HashTable | IdTableWithHashBuckets:
    """A table from words to their lines in a file.

    Args:
      vocabulary_file: the file, one word a line.
      num_oov_buckets: how many numbers after the last for unknown words; 0 gives them the default value.
      vocab_size: how many lines to read; default all.
      default_value: the number of unknown words.
      hasher_spec: how unknown words are hashed to buckets.
      key_dtype: dtype of the words.
      name: scope of the operations; default "string_to_index".
      key_column_index: the column of the words; default the whole line.
      value_column_index: the column of the numbers; default the line's own.
      delimiter: one character between columns.

    Returns:
      The table; `tf.tables_initializer()` fills it.

    Raises:
      ValueError: there is no file, a negative number of buckets, or a vocabulary without words.
    """
    if vocabulary_file is None or (isinstance(vocabulary_file, str) and not vocabulary_file):
        raise ValueError(
            f"vocabulary_file must be specified and must not be empty. Received: {vocabulary_file!r}"
        )
    if num_oov_buckets < 0:
        raise ValueError(f"num_oov_buckets must be greater or equal than 0. Received: {num_oov_buckets}")
    if vocab_size is not None and vocab_size < 1:
        raise ValueError(f"vocab_size must be greater than 0. Received: {vocab_size}")
    dtype = as_dtype(key_dtype)
    if not dtype.is_integer and dtype is not string:
        raise TypeError(f"Only integer and string keys are supported. Received: {dtype.name}")
    with name_scope(name, "string_to_index") as scope, name_scope(None, "hash_table"):
        initializer = TextFileIdTableInitializer(
            vocabulary_file,
            key_column_index,
            value_column_index,
            vocab_size,
            delimiter,
            "table_init",
            int64 if dtype.is_integer else dtype,
        )
        table = HashTable(initializer, default_value)
        return _bucketed(table, num_oov_buckets, hasher_spec, scope, dtype)


@public("contrib.lookup.string_to_index_table_from_tensor")
def string_to_index_table_from_tensor(
    mapping: Any,
    num_oov_buckets: int = 0,
    default_value: Any = -1,
    hasher_spec: HasherSpec = _FAST,
    name: str | None = None,
) -> HashTable | IdTableWithHashBuckets:
    """Old name of `index_table_from_tensor` for strings."""
    return index_table_from_tensor(mapping, num_oov_buckets, default_value, hasher_spec, string, name)


@public("contrib.lookup.string_to_index_table_from_file")
def string_to_index_table_from_file(
    vocabulary_file: Any = None,
    num_oov_buckets: int = 0,
    vocab_size: int | None = None,
    default_value: Any = -1,
    hasher_spec: HasherSpec = _FAST,
    name: str | None = None,
) -> HashTable | IdTableWithHashBuckets:
    """Old name of `index_table_from_file` for strings."""
    return index_table_from_file(
        vocabulary_file, num_oov_buckets, vocab_size, default_value, hasher_spec, string, name
    )


@public("contrib.lookup.string_to_index")
def string_to_index(tensor: Any, mapping: Any, default_value: Any = -1, name: str | None = None) -> Any:
    """Numbers of words, through a table made on the spot.

    Args:
      tensor: Tensor or SparseTensor of words.
      mapping: `[n]` words.
      default_value: the number of unknown words.
      name: scope of the operations.

    Returns:
      The same with int64 numbers instead of words.
    """
    return index_table_from_tensor(mapping, default_value=default_value, name=name).lookup(tensor)


# ---------------------------------------------------------------- numbers to words


@public("python.ops.lookup_ops.index_to_string_table_from_tensor")
def index_to_string_table_from_list(
    vocabulary_list: Any, default_value: str = "UNK", name: str | None = None
) -> HashTable:
    """`tf.contrib.lookup.index_to_string_table_from_tensor` with its `mapping` as `vocabulary_list`."""
    return index_to_string_table_from_tensor(vocabulary_list, default_value, name)


@public("contrib.lookup.index_to_string_table_from_tensor")
def index_to_string_table_from_tensor(
    mapping: Any, default_value: str = "UNK", name: str | None = None
) -> HashTable:
    """A table from places in a list to words.

    Args:
      mapping: `[n]` words.
      default_value: the word of unknown numbers.
      name: scope of the operations; default "index_to_string".

    Returns:
      The table; `tf.tables_initializer()` fills it.

    Raises:
      ValueError: there is no mapping.
    """
    if mapping is None:
        raise ValueError("index_to_string_table_from_tensor: mapping must be specified. Received: None")
    with name_scope(name, "index_to_string"):
        values = convert_to_tensor(mapping, dtype=string, name="Const")
        initializer = KeyValueTensorInitializer(_numbers(values), values, int64, string, name="table_init")
        return HashTable(initializer, default_value)


@public(
    "python.ops.lookup_ops.index_to_string_table_from_file", "contrib.lookup.index_to_string_table_from_file"
)
def index_to_string_table_from_file(
    vocabulary_file: Any,
    vocab_size: int | None = None,
    default_value: str = "UNK",
    name: str | None = None,
    key_column_index: int = TextFileIndex.LINE_NUMBER,
    value_column_index: int = TextFileIndex.WHOLE_LINE,
    delimiter: str = "\t",
) -> HashTable:
    """A table from line numbers of a file to words.

    Args:
      vocabulary_file: the file, one word a line.
      vocab_size: how many lines to read; default all.
      default_value: the word of unknown numbers.
      name: scope of the operations; default "index_to_string".
      key_column_index: the column of the numbers; default the line's own.
      value_column_index: the column of the words; default the whole line.
      delimiter: one character between columns.

    Returns:
      The table; `tf.tables_initializer()` fills it.

    Raises:
      ValueError: there is no file, or a vocabulary without words.
    """
    if vocabulary_file is None or (isinstance(vocabulary_file, str) and not vocabulary_file):
        raise ValueError(
            f"vocabulary_file must be specified and must not be empty. Received: {vocabulary_file!r}"
        )
    if vocab_size is not None and vocab_size < 1:
        raise ValueError(f"vocab_size must be greater than 0. Received: {vocab_size}")
    with name_scope(name, "index_to_string"):
        initializer = TextFileStringTableInitializer(
            vocabulary_file, key_column_index, value_column_index, vocab_size, delimiter, "table_init"
        )
        return HashTable(initializer, default_value)


@public("contrib.lookup.index_to_string")
def index_to_string(tensor: Any, mapping: Any, default_value: str = "UNK", name: str | None = None) -> Any:
    """Words of numbers, through a table made on the spot.

    Args:
      tensor: Tensor or SparseTensor of int64 numbers.
      mapping: `[n]` words.
      default_value: the word of unknown numbers.
      name: scope of the operations.

    Returns:
      The same with words instead of numbers.
    """
    return index_to_string_table_from_tensor(mapping, default_value, name).lookup(tensor)
