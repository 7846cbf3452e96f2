"""Reads the notation of `schema` into the file descriptors that protobuf builds classes from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

_FIELD = re.compile(r"(\w+): (?:map\[(\w+), ([\w.]+)\]|([\w.]+)(\[\])?) = (\d+)( deprecated)?")
_Owner: TypeAlias = FileDescriptorProto | DescriptorProto | EnumDescriptorProto
_OPTIONAL, _REPEATED = FieldDescriptorProto.LABEL_OPTIONAL, FieldDescriptorProto.LABEL_REPEATED
_SCALARS = {
    name.removeprefix("TYPE_").lower(): number
    for name, number in FieldDescriptorProto.Type.items()
    if name not in ("TYPE_MESSAGE", "TYPE_ENUM", "TYPE_GROUP")
}


class SchemaError(ValueError):
    """A schema line that the reader does not understand."""


def read_file(text: str, paths: Mapping[str, str]) -> FileDescriptorProto:
    """Reads the text of one file.

    Args:
      text: the lines from `file` up to the next `file`.
      paths: full path of every file that `uses` may name, by last name.

    Returns:
      The descriptor, ready for a pool. Type names are left relative: the pool resolves them and finds out
      whether they are messages or enums.

    Raises:
      SchemaError: a line is not in the notation.
    """
    file = FileDescriptorProto(syntax="proto3", package="tensorflow")
    # blocks[d] owns the lines indented d steps; a oneof is its message with the index its fields belong to.
    blocks: list[tuple[_Owner, int | None]] = [(file, None)]
    for line in text.splitlines():
        content = line.lstrip()
        depth = (len(line) - len(content)) // 2
        if not content:
            continue
        del blocks[depth + 1 :]
        owner, oneof = blocks[-1] if depth < len(blocks) else (None, None)
        match owner, content.split():
            case FileDescriptorProto(), ["file", path]:
                file.name = path
            case FileDescriptorProto(), ["uses", *names]:
                file.dependency.extend(paths[name] for name in names)
            case FileDescriptorProto(), ["package", package]:
                file.package = package
            case FileDescriptorProto(), ["message", name]:
                blocks.append((owner.message_type.add(name=name), None))
            case DescriptorProto(), ["message", name]:
                blocks.append((owner.nested_type.add(name=name), None))
            case FileDescriptorProto() | DescriptorProto(), ["enum", name]:
                blocks.append((owner.enum_type.add(name=name), None))
            case EnumDescriptorProto(), [name, "=", number]:
                owner.value.add(name=name, number=int(number))
            case DescriptorProto(), ["oneof", name]:
                blocks.append((owner, len(owner.oneof_decl)))
                owner.oneof_decl.add(name=name)
            case DescriptorProto(), _ if field := _FIELD.fullmatch(content):
                _add_field(owner, field, oneof)
            case _:
                raise SchemaError(f"schema of {file.name}: a line is not in the notation. Received: {line!r}")
    return file


def _add_field(message: DescriptorProto, match: re.Match[str], oneof: int | None) -> None:
    name, key_type, value_type, plain_type, repeated, number, deprecated = match.groups()
    label = _REPEATED if key_type or repeated else _OPTIONAL
    field = message.field.add(name=name, number=int(number), label=label)
    if oneof is not None:
        field.oneof_index = oneof
    if deprecated:
        field.options.deprecated = True
    if key_type is None:
        _set_type(field, plain_type)
        return
    # A map is a repeated message of key and value whose name protoc derives from the field's.
    entry = message.nested_type.add(name=name.title().replace("_", "") + "Entry")
    entry.options.map_entry = True
    for part, number_in_entry, part_type in (("key", 1, key_type), ("value", 2, value_type)):
        _set_type(entry.field.add(name=part, number=number_in_entry, label=_OPTIONAL), part_type)
    _set_type(field, entry.name)


def _set_type(field: FieldDescriptorProto, type_name: str) -> None:
    if type_name in _SCALARS:
        field.type = _SCALARS[type_name]
    else:
        field.type_name = type_name
