"""Checkpoints of either format, read by name."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from millrace.core.dtypes import DType
from millrace.core.errors import NotFoundError, refusal
from millrace.opkit.checkpoint import bundle, slices, threads
from millrace.opkit.checkpoint.bundle import Bundle
from millrace.opkit.checkpoint.legacy import Slices
from millrace.opkit.checkpoint.values import LARGE

_MANY = 1 << 27  # bytes of small tensors from which on several threads read them
_NAMED = 5  # missing tensors that a message names


def open_checkpoint(prefix: str) -> Bundle | Slices:
    """Opens a checkpoint.

    Args:
      prefix: its name; for one in the format V1, the file or a pattern that matches its files.

    Raises:
      NotFoundError: there is none.
      DataLossError: it is damaged, or something else than a checkpoint.
    """
    return Bundle(prefix) if bundle.exists(prefix) else Slices(prefix)


def read_tensors(
    prefix: str, names: Sequence[str], specifications: Sequence[str], wanted: Sequence[DType]
) -> list[np.ndarray[Any, Any]]:
    """Reads some tensors, or parts of them.

    Args:
      prefix: the checkpoint.
      names: the tensors.
      specifications: for each, "" or its shape and a slice of it.
      wanted: for each, the dtype it must have.

    Raises:
      NotFoundError: there is no such checkpoint, or it lacks some of the tensors.
      InvalidArgumentError: a dtype or shape differs.
      DataLossError: what is there is not what was written.
    """
    opened = open_checkpoint(prefix)
    try:
        missing = [name for name in names if opened.describe(name) is None]
        if missing:
            raise NotFoundError(
                None, None, f"Key {missing[0]} not found in checkpoint" + _advice(missing, opened)
            )
        parts = [_checked(opened, *request) for request in zip(names, specifications, wanted, strict=True)]
        return _read_all(opened, names, parts)
    finally:
        opened.close()


def _read_all(
    opened: Bundle | Slices, names: Sequence[str], parts: Sequence[slices.Slice | None]
) -> list[np.ndarray[Any, Any]]:
    """Reads each large tensor by several threads, and the others, where they are many, beside each other."""
    sizes = [opened.size(name) for name in names]
    others = [number for number, size in enumerate(sizes) if size < LARGE]
    together = threads.readers() if sum(sizes[number] for number in others) >= _MANY else 1
    tasks = [functools.partial(opened.read, names[number], parts[number]) for number in others]
    found = dict(zip(others, threads.beside_each_other(tasks, together), strict=True))
    for number, size in enumerate(sizes):
        if size >= LARGE:
            found[number] = opened.read(names[number], parts[number])
    return [found[number] for number in range(len(names))]


def _checked(opened: Bundle | Slices, name: str, specification: str, wanted: DType) -> slices.Slice | None:
    found = opened.describe(name)
    assert found is not None
    dtype, shape = found
    if dtype != wanted:
        raise refusal(
            f"tensor_name = {name}; expected dtype {wanted.name} does not equal original dtype {dtype.name} "
            f"in {opened.prefix}",
        )
    if not specification:
        return None
    whole, part = slices.parse_specification(specification)
    if whole != shape:
        raise refusal(
            f"tensor_name = {name}; shape in shape_and_slice spec {list(whole)} does not match the shape "
            f"stored in checkpoint: {list(shape)} in {opened.prefix}",
        )
    return part


def _advice(missing: Sequence[str], opened: Bundle | Slices) -> str:
    """Which tensors are missing, and what the checkpoint has under similar names."""
    names = opened.names()
    lines = [f" {opened.prefix}, which holds {len(names)} tensors"]
    for name in missing[:_NAMED]:
        near = nearest(name, names)
        lines.append(
            f"  {name}: nearest keys are {', '.join(near)}" if near else f"  {name}: no key is similar"
        )
    if len(missing) > _NAMED:
        lines.append(f"  and {len(missing) - _NAMED} more are missing")
    return "\n".join(lines)


def nearest(name: str, names: Sequence[str]) -> list[str]:
    """Up to three of `names` that may be what was meant by `name`."""
    last = name.rpartition("/")[2]
    near = difflib.get_close_matches(name, names, 3)
    return near or [other for other in names if other.rpartition("/")[2] == last][:3]
