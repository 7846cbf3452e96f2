"""Tables whose values are tensors of any shape, or tuples of them."""

from __future__ import annotations

from typing import Any

from millrace.building.convert import convert_to_tensor
from millrace.core import nest
from millrace.core.public import public
from millrace.lib.flow.control_flow import group
from millrace.lib.lookup.tables import LookupInterface, MutableDenseHashTable
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import identity
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape


@public("contrib.timeseries.python.timeseries.math_utils.TensorValuedMutableDenseHashTable")
class TensorValuedMutableDenseHashTable(MutableDenseHashTable):
    """A `MutableDenseHashTable` whose values are tensors of one shape.

    Args:
      key_dtype: of keys.
      value_dtype: of values.
      default_value: the value of keys that are not there.
      *args, **kwargs: as `MutableDenseHashTable`'s.
    """

    def __init__(
        self, key_dtype: Any, value_dtype: Any, default_value: Any, *args: Any, **kwargs: Any
    ) -> None:
        self._non_vector_value_shape = shape(default_value)
        super().__init__(key_dtype, value_dtype, reshape(default_value, [-1]), *args, **kwargs)

    def insert(self, keys: Any, values: Any, name: str | None = None) -> Any:
        """Puts values `[..., *shape of a value]` at keys `[...]`."""
        keys = reshape(keys, [-1])
        return super().insert(keys, reshape(values, [shape(keys)[0], -1]), name)

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The values `[..., *shape of a value]` of keys `[...]`."""
        found = super().lookup(reshape(keys, [-1]), name)
        return reshape(found, concat([shape(keys), self._non_vector_value_shape], axis=0))


@public("contrib.timeseries.python.timeseries.math_utils.TupleOfTensorsLookup")
class TupleOfTensorsLookup(LookupInterface):
    """A table whose values are tensors in a structure: one table for each.

    Args:
      key_dtype: of keys.
      default_values: the value of keys that are not there.
      empty_key, deleted_key: keys that nobody may use.
      name: of the tables, with numbers behind.
      checkpoint: let savers keep the contents, too.
    """

    def __init__(
        self,
        key_dtype: Any,
        default_values: Any,
        empty_key: Any,
        deleted_key: Any,
        name: str,
        checkpoint: bool = True,
    ) -> None:
        super().__init__(key_dtype, nest.flatten(default_values)[0].dtype)
        self._structure = default_values
        self._tables = [
            TensorValuedMutableDenseHashTable(
                key_dtype=key_dtype,
                value_dtype=part.dtype.base_dtype,
                default_value=part,
                empty_key=empty_key,
                deleted_key=deleted_key,
                name=f"{name}_{number}",
                checkpoint=checkpoint,
            )
            for number, part in enumerate(nest.flatten(default_values))
        ]

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The values `[..., *shape of a part]` of keys `[...]`, in the structure."""
        del name
        return nest.pack_sequence_as(self._structure, [table.lookup(keys) for table in self._tables])

    def insert(self, keys: Any, values: Any, name: str | None = None) -> Any:
        """Puts values in the structure at keys."""
        del name
        nest.assert_same_structure(self._structure, values)
        # The keys and values are fixed before the first table changes.
        parts = [identity(value) for value in nest.flatten(values)]
        keys = convert_to_tensor(keys)
        return group(*(table.insert(keys, part) for table, part in zip(self._tables, parts, strict=True)))

    def check_table_dtypes(self, key_dtype: Any, value_dtype: Any) -> None:
        """Nothing: each table checks its own."""
        del key_dtype, value_dtype
