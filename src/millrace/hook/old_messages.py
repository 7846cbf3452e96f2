"""Modules `*_pb2` that a protocol compiler before 3.20 wrote: today's protobuf refuses their code.

What such a module says is in one string, the description of its file; from that today's protobuf makes the
same messages. The module's own statements are not run, but for its imports.
"""

from __future__ import annotations

import ast
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import Any

_MARKS = (b"serialized_pb=", b".FileDescriptor(")


def specified(spec: ModuleSpec | None) -> ModuleSpec | None:
    """The spec of a module of messages, with a loader that reads old ones."""
    if spec is None or type(spec.loader) is not SourceFileLoader or spec.origin is None:
        return None
    with open(spec.origin, "rb") as file:
        source = file.read()
    if all(mark in source for mark in _MARKS):
        spec.loader = _OldMessages(spec.loader, source)  # pyright: ignore[reportAttributeAccessIssue]
    return spec


class _OldMessages:
    def __init__(self, inner: Any, source: bytes) -> None:
        self._inner = inner
        self._source = source

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        from google.protobuf import descriptor_pool
        from google.protobuf.internal import builder

        tree = ast.parse(self._source)
        wanted = [line for line in tree.body if _imports_messages(line)]
        exec(compile(ast.Module(wanted, []), module.__file__ or "", "exec"), vars(module))
        described = next(filter(None, map(_description, ast.walk(tree))), b"")
        file = descriptor_pool.Default().AddSerializedFile(described)
        vars(module)["DESCRIPTOR"] = file
        builder.BuildMessageAndEnumDescriptors(file, vars(module))
        builder.BuildTopDescriptorsAndMessages(file, module.__name__, vars(module))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _imports_messages(line: ast.stmt) -> bool:
    """Whether a statement imports other modules of messages."""
    if isinstance(line, ast.ImportFrom):
        return (line.module or "").endswith("_pb2") or any(n.name.endswith("_pb2") for n in line.names)
    return isinstance(line, ast.Import) and any(n.name.endswith("_pb2") for n in line.names)


def _description(node: ast.AST) -> bytes | None:
    """The serialized FileDescriptorProto where a node is the call that takes it."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return None
    if node.func.attr != "FileDescriptor":
        return None
    for keyword in node.keywords:
        if keyword.arg == "serialized_pb":
            value = keyword.value
            if isinstance(value, ast.Call):  # _b('...') of compilers that wrote for Python 2, too
                value = value.args[0]
            found = ast.literal_eval(value)
            return found.encode("latin-1") if isinstance(found, str) else found
    return None
