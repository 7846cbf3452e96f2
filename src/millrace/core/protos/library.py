"""Builds message classes from the schemas, a file at a time, in a descriptor pool of our own."""

from __future__ import annotations

import copyreg
import re
import threading
from collections.abc import Iterable
from typing import Any

from google.protobuf import any_pb2, wrappers_pb2
from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from millrace.core import late
from millrace.core.protos.reader import read_file
from millrace.core.protos.schema import SCHEMAS

_BORROWED = {"any": any_pb2.DESCRIPTOR, "wrappers": wrappers_pb2.DESCRIPTOR}
# What a file exports stands at the margin, or is a value of an enum that does.
_EXPORT = re.compile(r"^(?:message |enum |  (?=[A-Z]\w* = ))(\w+)", re.MULTILINE)


class MessageLibrary:
    """Every message of the schemas, by name.

    The pool is private: a process may hold the real TensorFlow too, whose descriptors of the same names live
    in protobuf's default pool and need not be equal to ours.
    """

    def __init__(self, schemas: Iterable[str]) -> None:
        """Indexes `schemas` by file and by exported name; builds nothing."""
        self._lock = threading.RLock()
        self._pool = DescriptorPool()
        self._texts: dict[str, str] = {}
        self._paths = {name: descriptor.name for name, descriptor in _BORROWED.items()}
        self._homes: dict[str, str] = {}
        self._exports: dict[str, dict[str, Any]] = {}
        for text in re.split(r"^(?=file )", "\n".join(schemas), flags=re.MULTILINE)[1:]:
            path = text.partition("\n")[0].removeprefix("file ")
            file = path.rpartition("/")[2].removesuffix(".proto")
            self._texts[file], self._paths[file] = text, path
            for name in _EXPORT.findall(text):
                self._homes.setdefault(name, file)

    @property
    def names(self) -> list[str]:
        """Every exported name, sorted."""
        return sorted(self._homes)

    @property
    def files(self) -> dict[str, str]:
        """The path of every file, by last name: `{"graph": "tensorflow/core/framework/graph.proto", ...}`."""
        return {file: self._paths[file] for file in self._texts}

    def find(self, name: str) -> Any:
        """Returns the message class, enum or value of a top-level enum called `name`.

        Raises:
          KeyError: no file exports that name.
        """
        return self.exports(self._homes[name])[name]

    def exports(self, file: str) -> dict[str, Any]:
        """Returns what protoc's module for `file` would hold: messages, enums, their values, DESCRIPTOR.

        Args:
          file: last name of a file, such as "node_def".

        Raises:
          KeyError: there is no such file.
        """
        with self._lock:
            if file not in self._exports:
                self._exports[file] = _exports_of(self._descriptor(file))
            return self._exports[file]

    def _descriptor(self, file: str) -> FileDescriptor:
        try:
            return self._pool.FindFileByName(self._paths[file])
        except KeyError:
            pass
        if file in _BORROWED:
            self._pool.AddSerializedFile(_BORROWED[file].serialized_pb)
        else:
            proto = read_file(self._texts[file], self._paths)
            for path in proto.dependency:
                self._descriptor(path.rpartition("/")[2].removesuffix(".proto"))
            self._pool.AddSerializedFile(proto.SerializeToString())
        return self._pool.FindFileByName(self._paths[file])


def _exports_of(descriptor: FileDescriptor) -> dict[str, Any]:
    exports: dict[str, Any] = {"DESCRIPTOR": descriptor}
    for name, message in descriptor.message_types_by_name.items():
        exports[name] = _class_of(message)
    for name, enum in descriptor.enum_types_by_name.items():
        exports[name] = EnumTypeWrapper(enum)
        exports.update(EnumTypeWrapper(enum).items())
    return exports


def _class_of(message: Descriptor, outer: str = "") -> type[Message]:
    """The class of `message`, under the name by which pickle, repr and help can find it again."""
    made = GetMessageClass(message)
    made.__module__ = "millrace.core.protos"
    made.__qualname__ = outer + message.name
    # Message.__reduce__ would look for a nested class in the default pool.
    copyreg.pickle(made, _reduce)
    # protobuf's own text of a message leaves maps in any order, and 1.0 as 1: programs compare such text.
    if message.name == "GraphDef":
        setattr(made, "_repr_html_", _graph_card)  # noqa: B010
    for name in ("__str__", "__repr__"):
        setattr(made, name, _text)
    for nested in message.nested_types:
        # protobuf's pure Python implementation leaves this to generated code.
        setattr(made, nested.name, _class_of(nested, made.__qualname__ + "."))
    return made


def _text(message: Message) -> str:
    from google.protobuf import text_format

    return text_format.MessageToString(message)


def _graph_card(message: Message) -> str:
    return late.module("cards").graph_def(message)


def _reduce(message: Message) -> tuple[Any, ...]:
    return type(message), (), message.__getstate__()


# Made by the import system, so there is one whichever thread asks first: messages of two pools would not mix.
MESSAGES = MessageLibrary(SCHEMAS)
