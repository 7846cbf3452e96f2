"""Datasets that read files: lines, records, comma-separated values, tables, names."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from typing import Any, NoReturn

import numpy as np

from millrace.core import dtypes, errors, filesystems
from millrace.core.errors import refusal
from millrace.opkit.datasets.base import (
    UNKNOWN,
    Dataset,
    Element,
    Run,
    Stage,
    invalid,
    scalar,
    string,
    text,
    texts,
    told,
)
from millrace.opkit.records import tfrecord as records
from millrace.opkit.records.opening import BROKEN, open_packed
from millrace.opkit.text import csv as bytes_csv

_PIECE = 1 << 16  # bytes of lines or pieces taken from a file at once


class Files(Dataset):
    """What is read from several files, one after another."""

    owns = True

    def start(self, run: Run) -> Stage:
        return _Read(self)

    def slow(self, run: Run) -> bool:
        return True

    def cardinality(self) -> int:
        return UNKNOWN

    def paths(self) -> list[bytes]:
        """The names of the files."""
        raise NotImplementedError

    def read(self, path: str) -> Generator[list[Element], None, None]:
        """The elements of one file, as many at once as are there at once."""
        raise NotImplementedError


class Strings(Files):
    """Files of strings, which come as their bytes."""

    @property
    def bare(self) -> bool:
        return True

    def read(self, path: str) -> Generator[list[Element], None, None]:
        """The elements of one file, as many at once as are there at once."""
        for strings in self.strings(path):
            yield list(zip(strings, strict=True))

    def strings(self, path: str) -> Iterator[list[bytes]]:
        """The strings of one file, as many at once as are there at once."""
        raise NotImplementedError


class _Read(Stage):
    """The elements of one file after another; `_piece` holds those that were read and not yet taken."""

    __slots__ = ("_at", "_before", "_dataset", "_file", "_paths", "_piece", "_pieces")

    def __init__(self, dataset: Files) -> None:
        self._dataset = dataset
        self._paths = [os.fsdecode(path) for path in dataset.paths()]
        self._file = 0
        self._before = 0  # elements of this file before the piece
        self._piece: list[Element] = []
        self._at = 0
        self._pieces: Generator[list[Element], None, None] | None = None

    def next(self) -> Element | None:
        while self._at >= len(self._piece):
            if not self._read_on():
                return None
        self._at += 1
        return self._piece[self._at - 1]

    def fill(self, elements: list[Element], count: int) -> None:
        """Adds the next elements until there are `count`, fewer at the end."""
        while (missing := count - len(elements)) > 0:
            found = self._piece[self._at : self._at + missing]
            if found:
                self._at += len(found)
                elements += found
            elif not self._read_on():
                return

    def _read_on(self) -> bool:
        """Reads the next piece, which may be empty; False where there is none."""
        if self._pieces is None:
            if self._file >= len(self._paths):
                return False
            self._pieces = self._dataset.read(self._paths[self._file])
        self._before += len(self._piece)
        self._piece, self._at = [], 0
        try:
            for piece in self._pieces:
                self._piece = piece
                return True
        except (errors.OpError, OSError, *BROKEN) as error:
            self._failed(error)
        self._leave()
        return True

    def _leave(self) -> None:
        """Goes on to the next file."""
        self._pieces, self._piece, self._at, self._before = None, [], 0, 0
        self._file += 1

    def _failed(self, error: Exception) -> NoReturn:
        """Raises what an error of a file means; the next element is that of the next file."""
        path, given = self._paths[self._file], self._before
        self._leave()
        if isinstance(error, (OSError, *BROKEN)):
            error = errors.DataLossError(None, None, f"{path}: {error}")
        raise told(error, f"element {given} of {path}, {self._dataset.place}") from None

    def save(self) -> Any:
        return {"file": self._file, "given": self._before + self._at}

    def restore(self, state: Any) -> None:
        self._file = state["file"]
        for _ in range(state["given"]):
            self.next()

    def close(self) -> None:
        if self._pieces is not None:
            self._pieces.close()


class _Rows(_Read):
    """As `_Read`, with an error in the place of a row that cannot be read: the next row follows it."""

    __slots__ = ()

    def next(self) -> Element | None:
        element: Any = super().next()
        if isinstance(element, errors.OpError):
            path, given = self._paths[self._file], self._before + self._at - 1
            raise told(element, f"element {given} of {path}, {self._dataset.place}") from None
        return element

    def fill(self, elements: list[Element], count: int) -> None:
        """Adds the next elements until there are `count`, fewer at the end."""
        while len(elements) < count and (element := self.next()) is not None:
            elements.append(element)

    def restore(self, state: Any) -> None:
        self._file = state["file"]
        for _ in range(state["given"]):
            super().next()


class Lines(Strings):
    """The lines of text files, without their ends."""

    def _take_inputs(self, filenames: Any, compression_type: Any, buffer_size: Any) -> None:
        self._paths, self._compression = texts(filenames), known_compression(compression_type, self)
        self._buffer = scalar(buffer_size)

    def paths(self) -> list[bytes]:
        """The names of the files."""
        return self._paths

    def strings(self, path: str) -> Iterator[list[bytes]]:
        """The lines of one file."""
        with open_packed(path, self._compression) as file:
            while lines := file.readlines(_PIECE):
                yield [
                    line if line[-1:] != b"\n" else line[:-2] if line[-2:] == b"\r\n" else line[:-1]
                    for line in lines
                ]


def known_compression(value: Any, dataset: Dataset) -> str:
    """A compression type.

    Raises:
      InvalidArgumentError: it is not "", "GZIP" or "ZLIB".
    """
    found = text(value)
    if found not in (b"", b"GZIP", b"ZLIB"):
        raise invalid(dataset, f"Unsupported compression_type. Received: {found.decode(errors='replace')!r}")
    return found.decode()


class Records(Strings):
    """The records of TFRecord files."""

    def _take_inputs(self, filenames: Any, compression_type: Any, buffer_size: Any) -> None:
        self._paths, self._compression = texts(filenames), known_compression(compression_type, self)
        self._buffer = scalar(buffer_size)

    def paths(self) -> list[bytes]:
        """The names of the files."""
        return self._paths

    def strings(self, path: str) -> Iterator[list[bytes]]:
        """The records of one file."""
        return records.pieces(path, self._compression)


class FixedLength(Strings):
    """Pieces of one length."""

    def _take_inputs(
        self,
        filenames: Any,
        header_bytes: Any,
        record_bytes: Any,
        footer_bytes: Any,
        buffer_size: Any,
        compression_type: Any = b"",
    ) -> None:
        self._paths, self._compression = texts(filenames), known_compression(compression_type, self)
        self._header, self._length, self._footer = (
            scalar(header_bytes),
            scalar(record_bytes),
            scalar(footer_bytes),
        )
        if self._header < 0 or self._footer < 0:
            raise invalid(
                self, f"header_bytes and footer_bytes must be >= 0. Received: {self._header, self._footer}"
            )
        if self._length <= 0:
            raise invalid(self, f"`record_bytes` must be > 0. Received: {self._length}")

    def paths(self) -> list[bytes]:
        """The names of the files."""
        return self._paths

    def strings(self, path: str) -> Iterator[list[bytes]]:
        """The pieces of one file."""
        with open_packed(path, self._compression) as file:
            if self._compression:
                yield from self._compressed(file, path)
                return
            length = self._length
            size = file.seek(0, os.SEEK_END) - self._header - self._footer
            if size % length:
                raise refusal(
                    f"Excess data in input file {path}: {size} bytes are not a multiple of "
                    f"{length}\n  at "
                    f"{self.place}",
                )
            file.seek(self._header)
            most = max(_PIECE // length, 1) * length
            while size > 0 and (data := file.read(min(size, most))):
                size -= len(data)
                yield [data[at : at + length] for at in range(0, len(data), length)]

    def _compressed(self, file: Any, path: str) -> Iterator[list[bytes]]:
        data, length = file.read(), self._length
        end = len(data) - self._footer
        whole = (end - self._header) // length
        stop = self._header + whole * length
        yield [data[at : at + length] for at in range(self._header, stop, length)]
        if stop < end:
            raise refusal(f"Excess data in input file {path}\n  at {self.place}")


class Csv(Files):
    """Rows of comma-separated values."""

    def __init__(self, op: Any, *inputs: Any) -> None:
        super().__init__(op, *inputs)
        self._names: list[bytes]

    def _take_inputs(
        self,
        filenames: Any,
        compression_type: Any,
        buffer_size: Any,
        header: Any,
        field_delim: Any,
        use_quote_delim: Any,
        na_value: Any,
        select_cols: Any,
        record_defaults: Any,
    ) -> None:
        self._names, self._compression = texts(filenames), known_compression(compression_type, self)
        self._buffer, self._header = scalar(buffer_size), bool(header)
        self._delimiter, self._quotes, self._na = text(field_delim), bool(use_quote_delim), text(na_value)
        self._columns = [int(c) for c in np.asarray(select_cols).reshape(-1)]
        self._defaults = [np.asarray(d) if not isinstance(d, bytes) else string(d) for d in record_defaults]
        if len(self._delimiter) != 1:
            raise invalid(self, f"field_delim should be only 1 char. Received: {self._delimiter!r}")
        if any(b <= a for a, b in zip([-1, *self._columns], self._columns, strict=False)):
            rule = "select_cols should be strictly increasing indices, none of them negative"
            raise invalid(self, f"{rule}. Received: {self._columns}")

    def start(self, run: Run) -> Stage:
        return _Rows(self)

    def paths(self) -> list[bytes]:
        """The names of the files."""
        return self._names

    def read(self, path: str) -> Generator[list[Any], None, None]:
        """The rows of one file, with an error for each that cannot be read."""
        marks = self._delimiter, self._quotes, self._na, self._columns
        one = np.empty(1, object)
        with open_packed(path, self._compression) as file:
            rows = _csv_rows(file, self._quotes)
            if self._header:
                next(rows, None)
            for row in rows:
                one[0] = row
                try:
                    found = bytes_csv.decode_csv(one, self._defaults, *marks)
                except errors.OpError as error:
                    yield [error]
                    continue
                yield [tuple(c[0] if c.dtype.kind != "O" else string(c[0]) for c in found)]


def _csv_rows(file: Any, quotes: bool) -> Iterator[bytes]:
    """The rows of an open file; a row goes on where a quote is open at the end of its line."""
    row = b""
    for line in file:
        row += line
        if quotes and row.count(b'"') % 2:
            continue
        stripped = row.rstrip(b"\r\n")
        row = b""
        if stripped:
            yield stripped
    if row.rstrip(b"\r\n"):
        yield row.rstrip(b"\r\n")


class Sql(Files):
    """The rows of a query."""

    def _take_inputs(self, driver_name: Any, data_source_name: Any, query: Any) -> None:
        if text(driver_name) != b"sqlite":
            raise invalid(self, "The database type is not supported: only 'sqlite' is")
        self._source, self._query = text(data_source_name), text(query)

    def paths(self) -> list[bytes]:
        """The database."""
        return [self._source]

    def read(self, path: str) -> Generator[list[Element], None, None]:
        """The rows of the result."""
        import sqlite3

        kinds = self.attrs["output_types"]
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)
        try:
            cursor = connection.execute(self._query.decode())
            width = len(cursor.description or ())
            if width != len(kinds):
                raise invalid(
                    self, f"The number of columns is {width}, the number of output_types is {len(kinds)}"
                )
            for row in cursor:
                yield [tuple(map(_sql_value, row, kinds))]
        except sqlite3.Error as error:
            raise errors.UnknownError(None, None, f"{error}\n  at {self.place}") from None
        finally:
            connection.close()


def _sql_value(value: Any, dtype: dtypes.DType) -> Any:
    if dtype is dtypes.string:
        found = b"" if value is None else value if isinstance(value, bytes) else str(value).encode()
        return string(found)
    if dtype is dtypes.bool_:
        return np.bool_(bool(value))
    return dtype.np_dtype.type(0 if value is None else value)


class Lmdb(Files):
    """The keys and values of LMDB databases (needs the package lmdb)."""

    def _take_inputs(self, filenames: Any) -> None:
        self._names = texts(filenames)

    def paths(self) -> list[bytes]:
        """The databases."""
        return self._names

    def read(self, path: str) -> Generator[list[Element], None, None]:
        """The pairs of one database."""
        from millrace.opkit.records.readers import lmdb_pairs

        for key, value in lmdb_pairs(path):
            yield [(string(key), string(value))]


class Matching(Files):
    """The names of the files that match patterns."""

    def _take_inputs(self, patterns: Any) -> None:
        self._patterns = texts(patterns)

    def paths(self) -> list[bytes]:
        """The patterns."""
        return self._patterns

    def read(self, path: str) -> Generator[list[Element], None, None]:
        """The names that match one pattern."""
        for name in filesystems.matching(path):
            yield [(string(os.fsencode(name)),)]
