"""Checkpoints in the format V2: `PREFIX.index`, a table of what there is, and the values in
`PREFIX.data-00000-of-00001` and its siblings.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from millrace.core import dtypes, filesystems, protos
from millrace.core.dtypes import DType
from millrace.core.errors import (
    DataLossError,
    FailedPreconditionError,
    NotFoundError,
    OutOfRangeError,
    refusal,
)
from millrace.core.file_errors import naming
from millrace.opkit.checkpoint import files, slices, values
from millrace.opkit.checkpoint.assembly import assemble
from millrace.opkit.checkpoint.slices import Slice
from millrace.opkit.checkpoint.table import Table, table
from millrace.opkit.records.tfrecord import mask

_VERSION = 1  # of the format, as TensorFlow writes it
_OPEN_AT_ONCE = 64  # files of values


def data_path(prefix: str, shard: int, shards: int) -> str:
    """The file that holds the values of one shard."""
    return f"{prefix}.data-{shard:05d}-of-{shards:05d}"


def exists(prefix: str) -> bool:
    """Whether there is a checkpoint of that name and format."""
    return any(map(filesystems.exists, (prefix + ".index", prefix + ".index" + files.NEW)))


def write(prefix: str, *shards: Sequence[tuple[str, str, DType, Any]]) -> None:
    """Writes a checkpoint, in place of the one that was there.

    Args:
      prefix: its name.
      *shards: what goes into each file of values: name, shape and slice as `SaveV2` takes them ("" for a
        whole tensor), dtype and value.

    Raises:
      InvalidArgumentError: a name occurs twice, or a slice does not fit its value.
      OpError: the system refuses to write; what was there before is as it was.
    """
    _make_folder(prefix)
    places = [data_path(prefix, number, len(shards)) for number in range(len(shards))]
    written: list[files.NewFile] = []
    entries: dict[bytes, Any] = {}
    try:
        for number, tensors in enumerate(shards):
            written.append(files.NewFile(places[number]))
            _write_values(written[number], tensors, number, entries)
        index = files.NewFile(prefix + ".index")
        written.append(index)
        _write_index(index, entries, len(shards))
        files.finish(written)
        moves = [(file.temporary, place) for file, place in zip(written, places, strict=False)]
        files.commit((index.temporary, prefix + ".index"), moves)
    except BaseException:
        for file in written:
            file.discard()
        raise


def _make_folder(prefix: str) -> None:
    """Makes the folder of a checkpoint; the folder around it must be there."""
    folder = os.path.dirname(prefix)
    if folder and not os.path.isdir(folder):
        with naming(folder), contextlib.suppress(FileExistsError):
            os.mkdir(folder)


def _write_values(
    file: files.NewFile,
    tensors: Sequence[tuple[str, str, DType, Any]],
    shard: int,
    entries: dict[bytes, Any],
) -> None:
    """Writes values, and adds what the index says of them to `entries`."""
    offset = 0
    for name, specification, dtype, value in tensors:
        key, dims = name.encode("utf-8", "surrogateescape"), np.shape(value)
        if specification:
            whole, part = slices.parse_specification(specification)
            if part.shape_in(whole) != dims:
                raise refusal(
                    f"Slice specification {specification!r} of tensor {name!r} does not match its value. "
                    f"Received: shape {list(dims)}",
                )
            if dims != whole:
                _add_slice(entries, key, dtype, whole, part)
                key = part.key(key)
        if key in entries:
            raise refusal(f"Adding duplicate key: {name}")
        size, crc = values.write(value, dtype, file.write)
        entry = _entry(dtype, dims)
        entry.shard_id, entry.offset, entry.size, entry.crc32c = shard, offset, size, mask(crc)
        entries[key] = entry
        offset += size


def _entry(dtype: DType, shape: tuple[int, ...]) -> Any:
    entry = protos.BundleEntryProto(dtype=dtype.as_datatype_enum)
    entry.shape.SetInParent()
    for size in shape:
        entry.shape.dim.add().size = size
    return entry


def _add_slice(
    entries: dict[bytes, Any], key: bytes, dtype: DType, whole: tuple[int, ...], part: Slice
) -> None:
    """Notes at the whole tensor's entry that there is one more part of it."""
    known = entries.setdefault(key, _entry(dtype, whole))
    if _shape(known) != whole or known.dtype != dtype.as_datatype_enum or not _is_open(known):
        raise refusal(
            f"Slices of tensor {_text(key)!r} differ in the shape or dtype of the whole. "
            f"Received: {dtype.name} {list(whole)} after "
            f"{dtypes.as_dtype(known.dtype).name} {list(_shape(known))}",
        )
    known.slices.append(part.to_proto())


def _is_open(entry: Any) -> bool:
    return not entry.size and not entry.crc32c


def _shape(entry: Any) -> tuple[int, ...]:
    return tuple(dim.size for dim in entry.shape.dim)


def _write_index(file: files.NewFile, entries: dict[bytes, Any], shards: int) -> None:
    header = protos.BundleHeaderProto(num_shards=shards)
    header.version.producer = _VERSION
    pairs = {b"": header, **entries}
    for part in table((key, pairs[key].SerializeToString()) for key in sorted(pairs)):
        file.write(part)


def merge(prefixes: Sequence[str], prefix: str) -> None:
    """Makes one checkpoint of several, whose files of values are moved.

    Raises:
      InvalidArgumentError: two of them hold the same tensor, or different views of it.
    """
    entries: dict[bytes, Any] = {}
    moved: list[str] = []
    for source in dict.fromkeys(prefixes):
        with Bundle(source) as part:
            first = len(moved)
            moved.extend(data_path(source, k, part.shards) for k in range(part.shards))
            for key, entry in part.entries.items():
                _merge_entry(entries, key, entry, first)
    _make_folder(prefix)
    index = files.NewFile(prefix + ".index")
    try:
        _write_index(index, entries, len(moved))
        files.finish([index])
        places = [(path, data_path(prefix, k, len(moved))) for k, path in enumerate(moved)]
        files.commit((index.temporary, prefix + ".index"), places)
    except BaseException:
        index.discard()
        raise
    for source in dict.fromkeys(prefixes):
        with contextlib.suppress(FileNotFoundError):
            os.remove(source + ".index")


def _merge_entry(entries: dict[bytes, Any], key: bytes, entry: Any, first: int) -> None:
    known = entries.get(key)
    if known is None:
        if not entry.slices:
            entry.shard_id += first
        entries[key] = entry
        return
    if not entry.slices or not known.slices or known.dtype != entry.dtype or known.shape != entry.shape:
        raise refusal(f"Merging checkpoints that both hold tensor {_text(key)!r}")
    known.slices.extend(entry.slices)


class Bundle:
    """A checkpoint that is read.

    The files are opened together, so that a writer who replaces them meanwhile does no harm.

    Attributes:
      prefix: its name.
      shards: how many files of values it has.
      entries: what the index says, by key.

    Raises:
      NotFoundError: there is none.
      DataLossError: the index is damaged.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._handles: dict[int, int] = {}
        self._opening = threading.Lock()
        with files.folder_lock(prefix, shared=True):
            self._is_new = filesystems.exists(prefix + ".index" + files.NEW)
            path = files.current(prefix + ".index", self._is_new)
            with naming(path), filesystems.open_file(path) as file:
                data = file.read()
            self._read_index(data, path)
            if self.shards <= _OPEN_AT_ONCE:
                for shard in range(self.shards):
                    with contextlib.suppress(NotFoundError):  # told when a value in it is asked for
                        self._handle(shard)

    def _read_index(self, data: bytes, path: str) -> None:
        pairs = dict(Table(data, path))
        header = _parsed(protos.BundleHeaderProto, pairs.pop(b"", None), path)
        if header.version.min_consumer > _VERSION or _VERSION in header.version.bad_consumers:
            raise FailedPreconditionError(
                None,
                None,
                f"{path} needs a reader of version {header.version.min_consumer}; this one has "
                f"version {_VERSION}",
            )
        self.shards: int = header.num_shards
        self._swapped = header.endianness == protos.BundleHeaderProto.BIG
        self.entries = {key: _parsed(protos.BundleEntryProto, value, path) for key, value in pairs.items()}

    def __enter__(self) -> Bundle:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Closes the files."""
        for handle in self._handles.values():
            os.close(handle)
        self._handles = {}

    def _handle(self, shard: int) -> int:
        with self._opening:
            handle = self._handles.get(shard)
            if handle is None:
                path = data_path(self.prefix, shard, self.shards)
                handle = self._handles[shard] = files.open_file(files.current(path, self._is_new))
            return handle

    def names(self) -> list[str]:
        """The tensors' names, sorted by their bytes; slices have keys of their own, which are left out."""
        return [_text(key) for key in sorted(self.entries) if not key.startswith(b"\0")]

    def entry_names(self) -> list[str]:
        """All keys, those of slices included, without the entries of what is kept in slices."""
        return [_text(key) for key in sorted(self.entries) if not self.entries[key].slices]

    def describe(self, name: str) -> tuple[DType, tuple[int, ...]] | None:
        """Dtype and shape of a tensor, or None."""
        entry = self.entries.get(_bytes(name))
        return None if entry is None else (dtypes.as_dtype(entry.dtype), _shape(entry))

    def size(self, name: str) -> int:
        """How many bytes a tensor has, all its slices together."""
        key = _bytes(name)
        keys = [key, *(slices.from_proto(part).key(key) for part in self.entries[key].slices)]
        return sum(self.entries[each].size for each in keys if each in self.entries)

    def read(self, name: str, part: Slice | None = None) -> np.ndarray[Any, Any]:
        """A tensor, or a part of it; several threads may read at once.

        Raises:
          NotFoundError: there is no such tensor, or a file of values is missing.
          DataLossError: what is there is not what was written.
          InvalidArgumentError: the part does not fit the tensor.
        """
        key = _bytes(name)
        entry = self.entries.get(key)
        if entry is None:
            raise NotFoundError(None, None, f"Key {name} not found in checkpoint")
        shape = _shape(entry)
        if not entry.slices:
            array = self._value(entry, name)
            return array if part is None or part.is_full else array[part.within(shape)].copy()
        wanted = slices.full(len(shape)) if part is None else part
        stored = [slices.from_proto(message) for message in entry.slices]
        return assemble(
            name, dtypes.as_dtype(entry.dtype), shape, wanted, stored, lambda s: self._part(key, s, name)
        )

    def _part(self, key: bytes, part: Slice, name: str) -> np.ndarray[Any, Any]:
        entry = self.entries.get(part.key(key))
        if entry is None:
            raise DataLossError(
                None,
                None,
                f"{self.prefix}.index names the slice {part.text} of tensor {name}, which is missing",
            )
        return self._value(entry, f"{name}, slice {part.text}")

    def _value(self, entry: Any, name: str) -> np.ndarray[Any, Any]:
        path = data_path(self.prefix, entry.shard_id, self.shards)
        what = f"tensor {name} in {path}"
        stored = _Stored(self._handle(entry.shard_id), entry.offset, entry.size, what)
        dtype = dtypes.as_dtype(entry.dtype)
        return values.read(stored.into, dtype, _shape(entry), entry.size, entry.crc32c, self._swapped, what)


class _Stored:
    """Some bytes of a file."""

    def __init__(self, handle: int, offset: int, size: int, what: str) -> None:
        end = os.fstat(handle).st_size
        if offset < 0 or size < 0 or offset + size > end:
            raise OutOfRangeError(
                None,
                None,
                f"{what}: the file is cut off; bytes {offset} to {offset + size} of {end} were asked for",
            )
        self._handle, self._offset, self._what = handle, offset, what

    def into(self, memory: Any, start: int) -> None:
        """Fills `memory` with the bytes from `start` on; several threads may do so at once."""
        left, place = memoryview(memory), self._offset + start
        while left:
            count = os.preadv(self._handle, [left], place)
            if not count:
                raise OutOfRangeError(None, None, f"{self._what}: the file is cut off at byte {place}")
            place += count
            left = left[count:]


def _parsed(kind: Any, value: bytes | None, path: str) -> Any:
    from google.protobuf.message import DecodeError

    try:
        if value is None:
            raise DecodeError("it has no header")
        return kind.FromString(value)
    except DecodeError as error:
        raise DataLossError(None, None, f"{path} is damaged: {error}") from None


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _text(key: bytes) -> str:
    return key.decode("utf-8", "surrogateescape")
