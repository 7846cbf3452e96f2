"""Checkpoints in the format V1: one table, or several matched by a pattern, whose values are messages."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from millrace.core import dtypes, protos, tensor_proto
from millrace.core.dtypes import DType
from millrace.core.errors import (
    DataLossError,
    FailedPreconditionError,
    NotFoundError,
    OpError,
    UnimplementedError,
    refusal,
)
from millrace.core.file_errors import naming
from millrace.opkit.checkpoint import files, slices
from millrace.opkit.checkpoint.assembly import assemble
from millrace.opkit.checkpoint.slices import Slice
from millrace.opkit.checkpoint.table import Table, table
from millrace.opkit.text.pieces import array_of

_VERSION = 1
_NOT_SAVED = (dtypes.bfloat16, dtypes.uint32, dtypes.uint64, dtypes.resource, dtypes.variant)
_MOST = (1 << 31) - (1 << 16)  # bytes of one value, which a message must be able to hold


def write(path: str, tensors: Sequence[tuple[str, str, DType, Any]]) -> None:
    """Writes a checkpoint of one file, in place of the one that was there.

    Args:
      path: the file.
      tensors: name, shape and slice as `SaveSlices` takes them ("" for a whole tensor), dtype and value.

    Raises:
      UnimplementedError: the format has no such dtype.
      InvalidArgumentError: a slice does not fit its value, or a value is too large for the format.
      OpError: the system refuses to write; what was there before is as it was.
    """
    metas: dict[str, Any] = {}
    pairs: dict[bytes, tuple[str, Slice, DType, Any]] = {}
    for name, specification, dtype, value in tensors:
        array = array_of(value)
        _check(name, dtype, array)
        shape, part = array.shape, slices.full(array.ndim)
        if specification:
            shape, part = slices.parse_specification(specification)
            if part.shape_in(shape) != array.shape:
                raise refusal(
                    f"Slice specification {specification!r} of tensor {name!r} does not match its value. "
                    f"Received: shape {list(array.shape)}",
                )
        _add_meta(metas, name, dtype, shape, part)
        pairs[part.key(name.encode("utf-8", "surrogateescape"))] = (name, part, dtype, array)
    head = protos.SavedTensorSlices()
    head.meta.tensor.extend(metas[name] for name in sorted(metas))
    head.meta.versions.producer = _VERSION
    content = [(b"", head.SerializeToString)]
    content += [(key, _Value(*pairs[key]).serialize) for key in sorted(pairs)]
    files.replace(path, table((key, serialize()) for key, serialize in content))


def _check(name: str, dtype: DType, array: np.ndarray[Any, Any]) -> None:
    if dtype in _NOT_SAVED:
        raise UnimplementedError(
            None, None, f"Saving data type {dtype.name} not yet supported in the format V1 (tensor {name!r})"
        )
    size = array.nbytes if dtype is not dtypes.string else sum(map(len, array.ravel().tolist()))
    if size > _MOST:
        raise refusal(
            f"Tensor {name!r} is too large to serialize in the format V1; use V2, or partitions. "
            f"Received: {size} bytes",
        )


def _add_meta(metas: dict[str, Any], name: str, dtype: DType, shape: tuple[int, ...], part: Slice) -> None:
    meta = metas.get(name)
    if meta is None:
        meta = metas[name] = protos.SavedSliceMeta(name=name, type=dtype.as_datatype_enum)
        meta.shape.SetInParent()
        for size in shape:
            meta.shape.dim.add().size = size
    known = tuple(dim.size for dim in meta.shape.dim)
    if known != shape or meta.type != dtype.as_datatype_enum:
        raise refusal(
            f"Mismatching shapes or dtypes: tensor {name!r} is {dtypes.as_dtype(meta.type).name} "
            f"{list(known)}. Received: {dtype.name} {list(shape)}",
        )
    meta.slice.append(part.to_proto())


class _Value:
    """One slice, made into a message only when it is written."""

    def __init__(self, name: str, part: Slice, dtype: DType, array: np.ndarray[Any, Any]) -> None:
        self.name, self.part, self.dtype, self.array = name, part, dtype, array

    def serialize(self) -> bytes:
        message = protos.SavedTensorSlices()
        message.data.name = self.name
        message.data.slice.CopyFrom(self.part.to_proto())
        message.data.data.SetInParent()
        tensor_proto.list_elements(message.data.data, self.array, self.dtype)
        return message.SerializeToString()


class Slices:
    """A checkpoint in the format V1 that is read.

    Args:
      pattern: the file, or a pattern that matches those of a sharded one.

    Raises:
      NotFoundError: nothing matches.
      DataLossError: a file is not a table, or damaged.
    """

    def __init__(self, pattern: str) -> None:
        self.prefix = pattern
        paths = [pattern] if os.path.isfile(pattern) else sorted(glob.glob(pattern))
        if not paths:
            raise NotFoundError(
                None,
                None,
                "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for "
                f"{pattern}{_hint(pattern)}",
            )
        self._metas: dict[str, Any] = {}
        self._homes: dict[tuple[str, Slice], tuple[str, Table]] = {}
        for path in paths:
            self._add(path)

    def _add(self, path: str) -> None:
        try:
            with naming(path), open(path, "rb") as file:
                opened = Table(file.read(), path)
        except OpError as error:
            raise DataLossError(
                None,
                None,
                f"Unable to open table file {path}: {error.message}: perhaps your file is in a different "
                f"file format and you need to use a different restore operator?{_hint(path)}",
            ) from None
        meta = _parsed(opened.get(b""), path).meta
        if meta.versions.min_consumer > _VERSION:
            raise FailedPreconditionError(
                None, None, f"{path} needs a reader of version {meta.versions.min_consumer}"
            )
        for tensor in meta.tensor:
            known = self._metas.setdefault(tensor.name, tensor)
            if known.shape != tensor.shape or known.type != tensor.type:
                raise refusal(f"{self.prefix}: the files do not agree on tensor {tensor.name!r}")
            for part in tensor.slice:
                self._homes[tensor.name, slices.from_proto(part)] = path, opened

    def names(self) -> list[str]:
        """The tensors' names, sorted."""
        return sorted(self._metas)

    entry_names = names

    def describe(self, name: str) -> tuple[DType, tuple[int, ...]] | None:
        """Dtype and shape of a tensor, or None."""
        meta = self._metas.get(name)
        if meta is None:
            return None
        return dtypes.as_dtype(meta.type), tuple(dim.size for dim in meta.shape.dim)

    def size(self, name: str) -> int:
        """None of its bytes can be read by several threads: taking messages apart holds Python's lock."""
        return 0

    def read(self, name: str, part: Slice | None = None) -> np.ndarray[Any, Any]:
        """A tensor, or a part of it.

        Raises:
          NotFoundError: there is no such tensor.
          DataLossError: what is there is not what was written.
          InvalidArgumentError: the part does not fit the tensor, or the slices do not cover it.
        """
        described = self.describe(name)
        if described is None:
            raise NotFoundError(None, None, f"Key {name} not found in checkpoint")
        dtype, shape = described
        wanted = slices.full(len(shape)) if part is None else part
        stored = [found for owner, found in self._homes if owner == name]
        return assemble(name, dtype, shape, wanted, stored, lambda s: self._value(name, s, dtype, shape))

    def _value(self, name: str, part: Slice, dtype: DType, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        path, opened = self._homes[name, part]
        message = _parsed(opened.get(part.key(name.encode("utf-8", "surrogateescape"))), path).data.data
        message.dtype = dtype.as_datatype_enum
        del message.tensor_shape.dim[:]
        for size in part.shape_in(shape):
            message.tensor_shape.dim.add().size = size
        try:
            return tensor_proto.decode(message)
        except (TypeError, ValueError) as error:
            raise DataLossError(None, None, f"tensor {name} in {path} is damaged: {error}") from None

    def close(self) -> None:
        """Nothing is open."""


def _hint(path: str) -> str:
    """What to say to somebody who names a file of a checkpoint instead of the checkpoint."""
    for ending in (".index", ".meta", ".data-"):
        head, found, _ = path.rpartition(ending)
        if found and os.path.isfile(head + ".index"):
            return f" (the checkpoint in the format V2 that this file belongs to is named {head})"
    return ""


def _parsed(value: bytes | None, path: str) -> Any:
    from google.protobuf.message import DecodeError

    try:
        if value is None:
            raise DecodeError("an entry is missing")
        return protos.SavedTensorSlices.FromString(value)
    except DecodeError as error:
        raise DataLossError(None, None, f"{path} is damaged: {error}") from None
