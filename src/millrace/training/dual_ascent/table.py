"""A table from examples to what dual coordinate ascent remembers of them, in several parts."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.scopes import name_scope
from millrace.core.dtypes import float32, int32, int64
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import group
from millrace.lib.lookup.tables import MutableDenseHashTable
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape
from millrace.ops.array.where import dynamic_partition, dynamic_stitch
from millrace.ops.math.arithmetic import add_n
from millrace.ops.math.cast import cast

_WIDTH = 4  # dual variable, loss, conjugate of the loss, weight


class ShardedTable:
    """From fingerprints of 128 bits, as pairs of int64, to four numbers.

    Args:
      parts: how many tables share the keys.

    Raises:
      ValueError: there would be none.
    """

    def __init__(self, parts: int) -> None:
        if parts < 1:
            raise ValueError(f"a table has at least one part. Received: {parts}")
        self._tables: list[Any] = []
        with name_scope(None, "ShardedMutableHashTable"):
            for i in range(parts):
                table = MutableDenseHashTable(
                    int64, float32, [0.0] * _WIDTH, [0, 0], [1, 1],
                    name=f"ShardedMutableHashTable-{i + 1}-of-{parts}", checkpoint=True,
                )  # fmt: skip
                self._tables.append(table)

    def _numbers(self, keys: Any) -> Tensor:
        """Which table has each key."""
        first = reshape(raw.Slice(keys, [0, 0], [-1, 1]), [-1])
        return cast(raw.Abs(first) % len(self._tables), int32)

    def lookup(self, keys: Any) -> Tensor:
        """The numbers of each key, `[n, 4]`; zeros where it is new."""
        if len(self._tables) == 1:
            return self._tables[0].lookup(keys)
        numbers, count = self._numbers(keys), len(self._tables)
        found = [
            table.lookup(mine)
            for table, mine in zip(self._tables, dynamic_partition(keys, numbers, count), strict=True)
        ]
        rows = raw.Range(0, shape(keys)[0], 1)
        joined = dynamic_stitch(dynamic_partition(rows, numbers, count), found)
        joined.set_shape((keys.get_shape()[0], _WIDTH))
        return joined

    def insert(self, keys: Any, values: Any) -> Operation:
        """Remembers the numbers of keys."""
        if len(self._tables) == 1:
            return self._tables[0].insert(keys, values)
        numbers, count = self._numbers(keys), len(self._tables)
        split = zip(
            self._tables,
            dynamic_partition(keys, numbers, count),
            dynamic_partition(values, numbers, count),
            strict=True,
        )
        return group(*[table.insert(mine, those) for table, mine, those in split])

    def size(self) -> Tensor:
        """How many keys there are."""
        with name_scope("sharded_mutable_hash_table_size"):
            sizes = [table.size() for table in self._tables]
            return sizes[0] if len(sizes) == 1 else add_n(sizes)

    def values(self) -> list[Tensor]:
        """The numbers of all keys, for each table."""
        return [table.export()[1] for table in self._tables]
