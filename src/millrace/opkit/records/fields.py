"""The fields of protocol buffer messages that are described while running."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from millrace.core import errors
from millrace.core.dtypes import DType
from millrace.core.errors import refusal

_BYTES = "bytes://"
_LINKED = ("", "local://")
_STRINGS = frozenset(("string",))
# what a field's elements may come out as, by the number of its type in a FieldDescriptorProto
_ALLOWED: dict[int, frozenset[str]] = {
    1: frozenset(("float64",)),
    2: frozenset(("float32", "float64")),
    **dict.fromkeys((3, 16, 18), frozenset(("int64",))),
    **dict.fromkeys((4, 6), frozenset(("uint64",))),
    **dict.fromkeys((5, 15, 17), frozenset(("int32", "int64"))),
    **dict.fromkeys((7, 13), frozenset(("uint32", "int64", "uint64"))),
    8: frozenset(("bool",)),
    **dict.fromkeys((9, 10, 11, 12), _STRINGS),
    14: frozenset(("int32",)),
}
_MESSAGES, _TEXT = (10, 11), 9


@functools.lru_cache(maxsize=32)
def _pool(source: bytes | str) -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool
    from google.protobuf.message import DecodeError

    if source in _LINKED:
        from millrace.core import protos

        return protos.Example.DESCRIPTOR.file.pool
    if isinstance(source, bytes):
        content = source.removeprefix(_BYTES.encode())
    else:
        try:
            with open(source, "rb") as file:
                content = file.read()
        except OSError as error:
            raise errors.NotFoundError(None, None, f"{source}; {error.strerror}") from None
    pool = descriptor_pool.DescriptorPool()
    try:
        described = descriptor_pb2.FileDescriptorSet.FromString(content)
        for file in described.file:
            pool.Add(file)
    except (DecodeError, TypeError) as error:
        raise refusal(f"Unable to parse the descriptor source: {error}") from None
    return pool


class Fields:
    """Chosen fields of a message type.

    Attributes:
      message: the class of the messages.
    """

    def __init__(self, type_name: str, names: tuple[str, ...], source: bytes) -> None:
        """Looks a type and its fields up.

        Args:
          type_name: with its package.
          names: of the fields, `package.name` for extensions.
          source: `local://` for the messages that are linked, `bytes://` and a serialized
            FileDescriptorSet, or the path of a file that holds one.

        Raises:
          InvalidArgumentError: there is no such type or field.
        """
        from google.protobuf import message_factory

        pool = _pool(source if source.startswith(_BYTES.encode()) else source.decode())
        try:
            described = pool.FindMessageTypeByName(type_name)
        except KeyError:
            raise refusal(f"No descriptor found for message type {type_name}") from None
        self._type_name = type_name
        self.message = message_factory.GetMessageClass(described)
        self._fields = [described.fields_by_name.get(name) for name in names]
        for name, field in zip(names, self._fields, strict=True):
            if field is None:
                raise refusal(f"Unknown field: {name} in message type {type_name}")

    def check(self, dtypes: tuple[DType, ...]) -> None:
        """Refuses dtypes that the fields do not come in.

        Raises:
          InvalidArgumentError: one does not fit.
        """
        if len(dtypes) != len(self._fields):
            raise refusal(f"There are {len(self._fields)} fields. Received: {len(dtypes)} types")
        for field, dtype in zip(self._fields, dtypes, strict=True):
            allowed = _ALLOWED[field.type]
            if dtype.name not in allowed:
                raise refusal(
                    f"Unexpected output type for {self._type_name}.{field.name}: it may be "
                    f"{' or '.join(sorted(allowed))}. Received: {dtype.name}"
                )

    def decode(
        self, messages: np.ndarray, dtypes: tuple[DType, ...], is_text: bool
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """How many elements each field has in each message, and the elements.

        Raises:
          DataLossError: a message is malformed.
        """
        self.check(dtypes)
        read = [self._read(data, is_text) for data in messages.ravel().tolist()]
        found = [[self._elements(message, field) for field in self._fields] for message in read]
        sizes = np.array([[len(part) for part in row] for row in found], np.int32)
        sizes = sizes.reshape(*messages.shape, len(self._fields))
        values = []
        for k, (field, dtype) in enumerate(zip(self._fields, dtypes, strict=True)):
            longest = max((len(row[k]) for row in found), default=0) or int(not field.is_repeated)
            column = np.empty((len(found), longest), dtype.np_dtype)
            column[...] = self._filling(field)
            for row, parts in zip(column, found, strict=True):
                row[: len(parts[k])] = parts[k]
            values.append(column.reshape(*messages.shape, longest))
        return sizes, values

    def encode(self, sizes: np.ndarray, values: list[np.ndarray]) -> np.ndarray:
        """The messages whose fields have these elements.

        Raises:
          InvalidArgumentError: shapes do not fit each other, or a value does not fit its field.
        """
        outer, count = sizes.shape[:-1], sizes.shape[-1]
        if count != len(self._fields) or len(values) != count:
            raise refusal(
                f"sizes must end with {len(self._fields)}, one for each field. Received: {list(sizes.shape)}"
            )
        for field, column in zip(self._fields, values, strict=True):
            if column.shape[:-1] != outer or (sizes.size and column.shape[-1] < 0):
                raise refusal(
                    f"Values must match up to the last dimension: {field.name} has {list(column.shape)}"
                )
        flat = [column.reshape(-1, column.shape[-1]) for column in values]
        rows = sizes.reshape(-1, count).tolist()
        made = np.empty(len(rows), object)
        for k, row in enumerate(rows):
            made[k] = self._written(row, [column[k] for column in flat])
        return made.reshape(outer)

    def _read(self, data: bytes, is_text: bool) -> Any:
        from google.protobuf import text_format
        from google.protobuf.message import DecodeError

        try:
            if is_text:
                return text_format.Parse(data, self.message())
            return self.message.FromString(data)
        except (DecodeError, text_format.ParseError, UnicodeDecodeError) as error:
            rule = f"Unable to parse a message of type {self._type_name}: {error}"
            raise errors.DataLossError(None, None, rule) from None

    @staticmethod
    def _elements(message: Any, field: Any) -> list[Any]:
        if field.is_repeated:
            parts = list(getattr(message, field.name))
        elif field.has_presence and not message.HasField(field.name):
            parts = []
        else:
            parts = [getattr(message, field.name)]
            if not field.has_presence and parts[0] == field.default_value:
                parts = []
        if field.type in _MESSAGES:
            return [part.SerializeToString(deterministic=True) for part in parts]
        return [part.encode() for part in parts] if field.type == _TEXT else parts

    @staticmethod
    def _filling(field: Any) -> Any:
        if field.type in _MESSAGES or (field.is_repeated and field.type in (_TEXT, 12)):
            return b""
        if field.is_repeated:
            return 0
        return field.default_value.encode() if field.type == _TEXT else field.default_value

    def _written(self, sizes: list[int], columns: list[np.ndarray]) -> bytes:
        message = self.message()
        for field, size, column in zip(self._fields, sizes, columns, strict=True):
            if size > len(column) or size < 0 or (size > 1 and not field.is_repeated):
                raise refusal(f"Size {size} does not fit field {field.name} with {len(column)} values")
            parts = column[:size].tolist()
            try:
                self._put(message, field, parts)
            except (ValueError, TypeError, UnicodeDecodeError) as error:
                raise refusal(f"Cannot write {field.name} of {self._type_name}: {error}") from None
        return message.SerializeToString(deterministic=True)

    @staticmethod
    def _put(message: Any, field: Any, parts: list[Any]) -> None:
        from google.protobuf.message import DecodeError

        if field.type in _MESSAGES:
            for part in parts:
                inner = getattr(message, field.name)
                try:
                    (inner.add() if field.is_repeated else inner).MergeFromString(part)
                except DecodeError as error:
                    raise ValueError(str(error)) from None
                if not field.is_repeated:
                    inner.SetInParent()
            return
        parts = [part.decode() for part in parts] if field.type == _TEXT else parts
        if field.is_repeated:
            getattr(message, field.name).extend(parts)
        elif parts:
            setattr(message, field.name, parts[0])
