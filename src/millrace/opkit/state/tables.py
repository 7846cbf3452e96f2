"""Lookup tables as sessions hold them: dictionaries from keys to values, with the rules of each kind."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import numpy as np

from millrace.core.dtypes import DType, int64, string
from millrace.core.errors import FailedPreconditionError, NotFoundError, refusal
from millrace.opkit.text.numbers import number_reader

WHOLE_LINE = -2
LINE_NUMBER = -1


class Table:
    """A table that can change: keys are scalars, values are arrays of one shape.

    A lock makes every operation whole when several steps use the table at once.
    """

    def __init__(self, key_dtype: DType, value_dtype: DType, value_shape: tuple[int, ...] = ()) -> None:
        self.key_dtype = key_dtype
        self.value_dtype = value_dtype
        self.value_shape = value_shape
        self.items: dict[Any, Any] = {}
        self.lock = threading.Lock()

    def find(self, keys: np.ndarray, default: np.ndarray) -> np.ndarray:
        """The values of some keys.

        Args:
          keys: `[...]` of the key dtype.
          default: `[*value_shape]`, the value of a key that is not there.

        Returns:
          `[..., *value_shape]` of the value dtype.
        """
        names, outer = self._key_list(keys)
        if default.shape != self.value_shape:
            raise refusal(
                f"The default value must have the shape of the table's values, {list(self.value_shape)}. "
                f"Received: shape {list(default.shape)}"
            )
        fallback = default.item() if not self.value_shape else default
        with self.lock:
            get = self.items.get
            found = [get(name, fallback) for name in names]
        values = self._stack(found)
        return values if len(outer) == 1 else values.reshape((*outer, *self.value_shape))

    def insert(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Puts values under keys, over what was there.

        Args:
          keys: `[...]` of the key dtype.
          values: `[..., *value_shape]` of the value dtype.
        """
        pairs = self._pairs(keys, values)
        with self.lock:
            self.items.update(pairs)

    def replace(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Forgets everything and takes these keys and values instead."""
        pairs = self._pairs(keys, values)
        with self.lock:
            self.items.clear()
            self.items.update(pairs)

    def remove(self, keys: np.ndarray) -> None:
        """Forgets keys; those that are not there are ignored."""
        names, _ = self._key_list(keys)
        with self.lock:
            for name in names:
                self.items.pop(name, None)

    def size(self) -> int:
        """How many keys there are."""
        return len(self.items)

    def export(self) -> tuple[np.ndarray, np.ndarray]:
        """All keys `[n]` and their values `[n, *value_shape]`."""
        with self.lock:
            names, values = list(self.items), list(self.items.values())
        keys = np.empty(len(names), self.key_dtype.np_dtype)
        keys[:] = names
        return keys, self._stack(values)

    def _key_list(self, keys: np.ndarray) -> tuple[list[Any], tuple[int, ...]]:
        if keys.dtype != self.key_dtype.np_dtype:
            raise refusal(f"Key must be type {self.key_dtype.name}. Received: {keys.dtype.name}")
        return keys.tolist() if keys.ndim == 1 else keys.ravel().tolist(), keys.shape

    def _pairs(self, keys: np.ndarray, values: np.ndarray) -> Iterable[tuple[Any, Any]]:
        names, outer = self._key_list(keys)
        if values.dtype != self.value_dtype.np_dtype:
            raise refusal(f"Value must be type {self.value_dtype.name}. Received: {values.dtype.name}")
        if values.shape != (*outer, *self.value_shape):
            raise refusal(
                f"Expected shape {[*outer, *self.value_shape]} for values. "
                f"Received: shape {list(values.shape)}"
            )
        if not self.value_shape:
            return list(zip(names, values.ravel().tolist(), strict=True))
        rows = values.reshape((len(names), *self.value_shape))
        return list(zip(names, (row.copy() for row in rows), strict=True))

    def _stack(self, values: list[Any]) -> np.ndarray:
        kind = self.value_dtype.np_dtype
        if not self.value_shape and kind.kind != "O":
            return np.array(values, kind)
        out = np.empty((len(values), *self.value_shape), kind)
        if self.value_shape:
            for row, value in enumerate(values):
                out[row] = value
        else:
            out[:] = values
        return out


class StaticTable(Table):
    """A table that is filled once, by its initializer, before it is read."""

    def __init__(self, key_dtype: DType, value_dtype: DType) -> None:
        super().__init__(key_dtype, value_dtype)
        self.is_filled = False

    def fill(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Fills the table. Filling it again with the same is not an error.

        Raises:
          FailedPreconditionError: one key has two values, or the table holds something else already.
        """
        items: dict[Any, Any] = {}
        for name, value in self._pairs(keys, values):
            known = items.setdefault(name, value)
            if known != value:
                raise FailedPreconditionError(
                    None,
                    None,
                    f"HashTable has different value for same key. Key {name!r} has {known!r} and trying to "
                    f"add value {value!r}",
                )
        with self.lock:
            if self.is_filled and items != self.items:
                raise FailedPreconditionError(
                    None, None, "Table was already initialized with different data."
                )
            self.items, self.is_filled = items, True

    insert = replace = fill

    def remove(self, keys: np.ndarray) -> None:
        """Not for this kind of table."""
        raise refusal("A static table cannot forget keys.")

    def _check(self) -> None:
        if not self.is_filled:
            raise FailedPreconditionError(
                None, None, "Table not initialized. Run tf.tables_initializer() first."
            )

    def find(self, keys: np.ndarray, default: np.ndarray) -> np.ndarray:
        """The values of some keys; the table must be filled."""
        self._check()
        return super().find(keys, default)

    def size(self) -> int:
        """How many keys there are; the table must be filled."""
        self._check()
        return super().size()

    def export(self) -> tuple[np.ndarray, np.ndarray]:
        """All keys and their values; the table must be filled."""
        self._check()
        return super().export()


class DenseTable(Table):
    """A table that reserves two keys, for empty and for deleted places; keys may be vectors."""

    def __init__(self, key_dtype: DType, value_dtype: DType, value_shape: tuple[int, ...] = ()) -> None:
        super().__init__(key_dtype, value_dtype, value_shape)
        self.key_shape: tuple[int, ...] = ()
        self.reserved: dict[Any, str] = {}

    def reserve(self, empty_key: np.ndarray, deleted_key: np.ndarray | None = None) -> None:
        """Sets the one or two keys that nobody may use; their shape is that of all keys.

        Raises:
          InvalidArgumentError: they are the same, or of different shapes.
        """
        self.key_shape = empty_key.shape
        (empty,) = self._names(empty_key)
        self.reserved = {empty: "empty_key"}
        if deleted_key is None:
            return
        if empty_key.shape != deleted_key.shape:
            raise refusal(
                "Empty and deleted keys must have same shape. "
                f"Received: {list(empty_key.shape)} and {list(deleted_key.shape)}"
            )
        (deleted,) = self._names(deleted_key)
        if empty == deleted:
            raise refusal(f"Empty and deleted keys cannot be equal. Received: {empty!r}")
        self.reserved[deleted] = "deleted_key"

    def _names(self, keys: np.ndarray) -> list[Any]:
        if not self.key_shape:
            return keys.ravel().tolist()
        width = int(np.prod(self.key_shape))
        return [tuple(row) for row in keys.reshape((-1, width)).tolist()]

    def _key_list(self, keys: np.ndarray) -> tuple[list[Any], tuple[int, ...]]:
        _, shape = super()._key_list(keys)
        split = len(shape) - len(self.key_shape)
        if split < 0 or shape[split:] != self.key_shape:
            raise refusal(
                f"Expected keys of shape [..., {list(self.key_shape)}]. Received: shape {list(shape)}"
            )
        names = self._names(keys)
        for name, role in self.reserved.items():
            if name in names:
                raise refusal(f"Using the {role} as a table key is not allowed. Received: {name!r}")
        return names, shape[:split]

    def replace(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Forgets everything and takes these keys and values.

        Reserved keys, which stand for empty places in a file, are left out.
        """
        names = self._names(keys)
        kept = [row for row, name in enumerate(names) if name not in self.reserved]
        rows = keys.reshape((len(names), *self.key_shape)), values.reshape((len(names), *self.value_shape))
        super().replace(rows[0][kept], rows[1][kept])

    def export(self) -> tuple[np.ndarray, np.ndarray]:
        """All keys `[n, *key_shape]` and their values `[n, *value_shape]`."""
        with self.lock:
            names, values = list(self.items), list(self.items.values())
        keys = np.empty((len(names), *self.key_shape), self.key_dtype.np_dtype)
        flat = keys.reshape((len(names), int(np.prod(self.key_shape))))
        for row, name in enumerate(names):
            flat[row] = name
        return keys, self._stack(values)


# ---------------------------------------------------------------- text files


def read_text_file(
    filename: str, table: Table, key_index: int, value_index: int, vocab_size: int, delimiter: str
) -> tuple[np.ndarray, np.ndarray]:
    """Keys and values from the lines of a text file.

    Args:
      filename: the file.
      table: for whose dtypes to read.
      key_index: the column of the keys, `WHOLE_LINE` or `LINE_NUMBER`.
      value_index: the same for the values.
      vocab_size: how many lines to read, -1 for all.
      delimiter: one character between columns.

    Raises:
      NotFoundError: there is no such file.
      InvalidArgumentError: a line has too few columns or no number where one is needed, or there are too few
        lines.
    """
    try:
        with open(filename, "rb") as file:
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        raise NotFoundError(None, None, f"{filename}; No such file or directory") from None
    except OSError as problem:
        raise refusal(f"{filename}; {problem.strerror}") from None
    if lines and not lines[-1]:
        lines.pop()
    if vocab_size >= 0:
        if len(lines) < vocab_size:
            raise refusal(f"Invalid vocab_size in {filename}: expected {vocab_size} but got {len(lines)}")
        lines = lines[:vocab_size]
    lines = [line.removesuffix(b"\r") for line in lines]
    mark = delimiter.encode()
    return (
        _column(filename, lines, key_index, table.key_dtype, mark),
        _column(filename, lines, value_index, table.value_dtype, mark),
    )


def _column(filename: str, lines: list[bytes], index: int, dtype: DType, delimiter: bytes) -> np.ndarray:
    out = np.empty(len(lines), dtype.np_dtype)
    if index == LINE_NUMBER:
        out[:] = np.arange(len(lines))
        return out
    read = None if dtype is string else number_reader(dtype.np_dtype)
    for row, line in enumerate(lines):
        text = line
        if index != WHOLE_LINE:
            columns = line.split(delimiter)
            if index >= len(columns):
                raise refusal(
                    f"Invalid number of columns in {filename} line {row} ({line.decode(errors='replace')}): "
                    f"expected at least {index + 1}, got {len(columns)}"
                )
            text = columns[index]
        value = text if read is None else read(text)
        if value is None:
            raise refusal(
                f"Field {text.decode(errors='replace')} in {filename} line {row} is not a valid {dtype.name}."
            )
        out[row] = value
    return out


def check_column(what: str, index: int, dtype: DType) -> None:
    """Checks that a column of a text file can have a dtype.

    Raises:
      ValueError: it cannot: a line number is int64, a whole line a string, other numbers below -2 mean
        nothing.
    """
    if index < WHOLE_LINE:
        raise ValueError(f"Invalid {what}_index. Received: {index}")
    if index == LINE_NUMBER and dtype is not int64:
        raise ValueError(
            f"Signature mismatch. {what.capitalize()} must be dtype int64. Received: {dtype.name}"
        )
    if index == WHOLE_LINE and dtype is not string and what == "key" and not dtype.is_integer:
        raise ValueError(f"Signature mismatch. Keys must be integer or string. Received: {dtype.name}")
    if index == WHOLE_LINE and dtype is not string and what == "value":
        raise ValueError(f"Signature mismatch. Values must be dtype string. Received: {dtype.name}")
