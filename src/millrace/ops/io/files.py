"""Whole files: reading, writing, and finding them by pattern."""

from __future__ import annotations

import math
import os
import re
from typing import Any

import numpy as np

from millrace.building.apply import apply
from millrace.core import errors, filesystems
from millrace.core.dtypes import BOOL, NUMERIC, QUANTIZED
from millrace.core.file_errors import file_error, naming
from millrace.core.public import public
from millrace.graph import attrs
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.attrs import text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor


def _path(name: Any) -> str:
    return os.fsdecode(name if isinstance(name, bytes) else name[()])


@declare("ReadFile(filename: string) -> contents: string", effect=True, host=True)
class ReadFile:
    """The contents of a file."""

    def shape(filename):
        return ()

    def kernel(xp, filename):
        path = _path(filename)
        try:  # not `naming`, which takes as long as the reading of a small file
            return filesystems.contents(path)
        except OSError as error:
            raise file_error(error, path) from None

    grad = NOT_DIFFERENTIABLE


@declare(
    "ImmutableConst() -> tensor: dtype",
    dtype=dtype_attr(NUMERIC | BOOL | QUANTIZED),
    shape=attrs.shape(),
    memory_region_name=text(),
    host=True,
)
class ImmutableConst:
    """A constant whose numbers are those at the beginning of a file."""

    def shape(shape):
        return shape

    def kernel(xp, dtype, shape, memory_region_name):
        with naming(memory_region_name):
            data = filesystems.contents(memory_region_name)
        needed = math.prod(shape) * dtype.np_dtype.itemsize
        if len(data) < needed:
            raise errors.InternalError(
                None,
                None,
                f"Readonly memory region {memory_region_name} has wrong length ({len(data)}) when allocating "
                f"{needed}",
            )
        return np.frombuffer(data, dtype.np_dtype, math.prod(shape)).reshape(shape)

    grad = NOT_DIFFERENTIABLE


@declare("WriteFile(filename: string, contents: string)", effect=True, host=True)
class WriteFile:
    """Writes a file, making the folders that it needs."""

    def shape(filename, contents):
        return []

    def kernel(xp, filename, contents):
        path = _path(filename)
        filesystems.make_directories(os.path.dirname(path) or ".")
        with filesystems.open_file(path, "wb") as file:
            file.write(contents if isinstance(contents, bytes) else contents[()])
        return []

    grad = NOT_DIFFERENTIABLE


def _matching(pattern: str) -> list[str]:
    """The files that match a pattern, whose folder must be there as far as it is spelled out."""
    fixed = os.path.dirname(re.split(r"[*?\[\\]", pattern, maxsplit=1)[0])
    if fixed and not filesystems.is_directory(fixed):
        raise errors.NotFoundError(None, None, f"{fixed}; No such file or directory")
    return filesystems.matching(pattern)


@declare("MatchingFiles(pattern: string) -> filenames: string", effect=True, host=True)
class MatchingFiles:
    """The files that match a pattern, or one of several, sorted."""

    def shape(pattern):
        return (None,)

    def kernel(xp, pattern):
        found: set[str] = set()
        for one in np.ravel(np.asarray(pattern, object)):
            found.update(_matching(os.fsdecode(one)))
        out = np.empty(len(found), object)
        out[:] = [os.fsencode(name) for name in sorted(found)]
        return out

    grad = NOT_DIFFERENTIABLE


@public("read_file", "io.read_file")
def read_file(filename: Any, name: str | None = None) -> Tensor:
    """The contents of the file `filename`, a scalar string, whenever it is computed.

    Raises:
      NotFoundError: when run, if there is no such file.
    """
    return apply(ReadFile, filename, name=name)


@public("write_file", "io.write_file")
def write_file(filename: Any, contents: Any, name: str | None = None) -> Any:
    """An operation that writes `contents` to the file `filename`, both scalar strings."""
    return apply(WriteFile, filename, contents, name=name)


@public("matching_files", "io.matching_files")
def matching_files(pattern: Any, name: str | None = None) -> Tensor:
    """The names of the files that match a shell pattern, or any of a vector of patterns; a string vector,
    sorted.
    """
    return apply(MatchingFiles, pattern, name=name)
