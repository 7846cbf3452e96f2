"""How many replicas a program for TPUs is split into, as its parts ask."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from millrace.core.public import public


@public("python.tpu.tpu_function.TpuContext")
class TpuContext:
    """How many replicas a program is split into; None outside of one that is."""

    def __init__(self) -> None:
        self._shards: int | None = None

    @property
    def number_of_shards(self) -> int | None:
        """How many there are."""
        return self._shards

    def set_number_of_shards(self, number_of_shards: int | None) -> None:
        """Says how many there are."""
        self._shards = number_of_shards


_context = TpuContext()


@public("python.tpu.tpu_function.get_tpu_context", "contrib.tpu.python.tpu.tpu_function.get_tpu_context")
def get_tpu_context() -> TpuContext:
    """How many replicas the program is split into."""
    return _context


@public("python.tpu.tpu_function.tpu_shard_context", "contrib.tpu.python.tpu.tpu_function.tpu_shard_context")
@contextlib.contextmanager
def tpu_shard_context(number_of_shards: int) -> Iterator[None]:
    """A context in which the program is split into so many replicas.

    Raises:
      NotImplementedError: one is open already.
    """
    if _context.number_of_shards is not None:
        raise NotImplementedError("tpu_shard_context cannot be nested.")
    _context.set_number_of_shards(number_of_shards)
    try:
        yield
    finally:
        _context.set_number_of_shards(None)
