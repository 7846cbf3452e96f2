"""Attribute values to AttrValue messages and back.

`op.attrs` holds what kernels like: DTypes, str, tuples for lists, dims for shapes, arrays for tensors, bodies
for functions. A GraphDef holds AttrValue messages. `Operation.get_attr` gives a third form, TensorFlow's:
bytes, lists, TensorShapeProto and TensorProto messages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building.body import Body
from millrace.building.function import FunctionGraph
from millrace.core import dtypes, protos, shapes, tensor_proto
from millrace.core.dtypes import DType
from millrace.graph.attrs import Attr
from millrace.graph.operation import Operation

FunctionNames = Callable[[Any], str]

_FIELDS = {
    "int": "i",
    "bool": "b",
    "float": "f",
    "string": "s",
    "type": "type",
    "shape": "shape",
    "tensor": "tensor",
    "func": "func",
}
_KINDS = {field: kind for kind, field in _FIELDS.items()}


def text_to_bytes(text: str | bytes) -> bytes:
    """The bytes of a string attribute; the inverse of `bytes_to_text`."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def bytes_to_text(data: bytes) -> str:
    """A string attribute as `op.attrs` holds it. Bytes that are not UTF-8 survive as lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def _encode_tensor(value: Any) -> Any:
    """A TensorProto of an array; one that repeats a number in memory of one element lists it once."""
    if not isinstance(value, np.ndarray | np.generic):
        return value
    array = np.asarray(value)
    dtype = dtypes.as_dtype(array.dtype) if array.dtype != object else dtypes.string
    if array.size > 1 and not any(array.strides):
        return tensor_proto.encode(array[(slice(1),) * array.ndim].reshape(1), dtype, array.shape)
    return tensor_proto.encode(array, dtype)


def _decode_tensor(proto: Any) -> np.ndarray[Any, Any]:
    """The array of a TensorProto; one element that is listed once stays one in memory."""
    array = tensor_proto.decode(proto, writable=False)
    if array.size > 1 and not proto.tensor_content and tensor_proto.listed(proto) == 1:
        return np.broadcast_to(array[(slice(1),) * array.ndim].reshape(()), array.shape)
    return array


def _encode_function(value: Any, function_name: FunctionNames) -> Any:
    if isinstance(value, Body | FunctionGraph):
        return protos.NameAttrList(name=function_name(value))
    return protos.NameAttrList(name=value) if isinstance(value, str) else value


def _encode(kind: str, value: Any, function_name: FunctionNames) -> Any:
    """One element of `kind` in the form its field of AttrValue takes."""
    if kind == "string":
        return text_to_bytes(value)
    if kind == "type":
        return value.as_datatype_enum
    if kind == "shape":
        return shapes.shape_of(shapes.as_dims(value)).as_proto()
    if kind == "tensor":
        return _encode_tensor(value)
    if kind == "func":
        return _encode_function(value, function_name)
    return value


def _decode(kind: str, value: Any, functions: Callable[[Any], Any] | None) -> Any:
    if kind == "string":
        return bytes_to_text(value)
    if kind == "type":
        return dtypes.as_dtype(value)
    if kind == "shape":
        return shapes.as_dims(value)
    if kind == "tensor":
        return _decode_tensor(value)
    if kind == "func" and functions is not None:
        return functions(value)
    return value


_QUICK: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "bool": ("b", lambda proto: proto.b),
    "float": ("f", lambda proto: proto.f),
    "int": ("i", lambda proto: proto.i),
    "string": ("s", lambda proto: bytes_to_text(proto.s)),
    "tensor": ("tensor", lambda proto: _decode_tensor(proto.tensor)),
    "type": ("type", lambda proto: dtypes.as_dtype(proto.type)),
}


def kind_of(value: Any) -> str:
    """The kind of an attribute that no declaration describes, told from its value.

    Raises:
      TypeError: no AttrValue can hold it.
    """
    if isinstance(value, tuple | list):
        return f"list({kind_of(value[0])})" if value else "list(string)"
    for types, kind in (
        (str | bytes, "string"),
        (bool | np.bool_, "bool"),
        (int | np.integer, "int"),
        (float | np.floating, "float"),
        (DType, "type"),
        (shapes.TensorShape, "shape"),
        (np.ndarray, "tensor"),
        (Body | FunctionGraph, "func"),
    ):
        if isinstance(value, types):
            return kind
    raise TypeError(
        f"an attribute must be a number, string, dtype, shape, array or list of those. Received: {value!r}"
    )


def _nameless(body: Body) -> str:
    return body.name


def attr_to_proto(value: Any, kind: Attr | None = None, function_name: FunctionNames = _nameless) -> Any:
    """The AttrValue message for `value`.

    Args:
      value: as `op.attrs` holds it; an AttrValue is returned as it is.
      kind: the declared kind; None for attributes that no declaration describes (their names start with `_`).
      function_name: names the function that a body is written as.

    Raises:
      TypeError: `kind` is None and no AttrValue can hold the value.
    """
    if hasattr(value, "WhichOneof"):
        return value
    proto = protos.AttrValue()
    _fill(proto, value, kind_of(value) if kind is None else kind.kind, function_name)
    return proto


def _fill(proto: Any, value: Any, name: str, function_name: FunctionNames) -> None:
    """Puts `value`, of the kind `name`, into an empty AttrValue."""
    if name.startswith("list("):
        element = name[5:-1]
        proto.list.SetInParent()  # an empty list is a list all the same
        getattr(proto.list, _FIELDS[element]).extend(_encode(element, v, function_name) for v in value)
    elif name in ("shape", "tensor", "func"):
        getattr(proto, _FIELDS[name]).CopyFrom(_encode(name, value, function_name))
    else:
        setattr(proto, _FIELDS[name], _encode(name, value, function_name))


def attr_from_proto(
    proto: Any, kind: Attr | None = None, functions: Callable[[Any], Any] | None = None
) -> Any:
    """The value of an AttrValue message as `op.attrs` holds it.

    Args:
      proto: an AttrValue.
      kind: the declared kind; None takes the kind that the message shows.
      functions: makes the body for a NameAttrList; without it the message stays.

    Raises:
      TypeError: the message holds another kind than declared.
    """
    field = proto.WhichOneof("value")
    if kind is not None:
        quick = _QUICK.get(kind.kind)
        if quick is not None and quick[0] == field:
            return quick[1](proto)
    if kind is None:
        if field == "list":
            found = next(((d.name, v) for d, v in proto.list.ListFields()), None)
            return () if found is None else tuple(_decode(_KINDS[found[0]], v, functions) for v in found[1])
        return None if field is None else _decode(_KINDS[field], getattr(proto, field), functions)
    if kind.kind.startswith("list("):
        element = kind.kind[5:-1]
        others = {d.name for d, _ in proto.list.ListFields()} - {_FIELDS[element]}
        if field not in ("list", None) or others:
            raise TypeError(f"must be {kind.kind}. Received: {_one_line(proto)}")
        return tuple(_decode(element, v, functions) for v in getattr(proto.list, _FIELDS[element]))
    if field != _FIELDS[kind.kind]:
        raise TypeError(f"must be {kind.kind}. Received: {_one_line(proto)}")
    return _decode(kind.kind, getattr(proto, field), functions)


def _one_line(proto: Any) -> str:
    text = " ".join(str(proto).split())
    return text[:200] or "nothing"


def attr_to_python(value: Any, kind: Attr | None = None) -> Any:
    """The value in the form that TensorFlow's `Operation.get_attr` gives it.

    Strings are bytes, types DTypes, shapes TensorShapeProto, tensors TensorProto, functions NameAttrList; a
    list is a Python list of those.
    """
    proto = attr_to_proto(value, kind)
    field = proto.WhichOneof("value")
    if field == "list":
        found = next(((d.name, v) for d, v in proto.list.ListFields()), None)
        if found is None:
            return []
        return [dtypes.as_dtype(v) for v in found[1]] if found[0] == "type" else list(found[1])
    if field is None:
        return []
    return dtypes.as_dtype(proto.type) if field == "type" else getattr(proto, field)


def write_attrs(node: Any, op: Operation, function_name: Callable[[Body], str] | None) -> None:
    """Fills in the attributes of a NodeDef."""
    kinds = op.opdef.attrs
    named = function_name or _nameless
    for name, value in op.attrs.items():
        kind = kinds.get(name)
        if value is None and kind is not None and kind.kind != "shape":
            continue  # an optional attribute that was left out
        if kind is not None and kind.later and value == kind.default:
            continue
        if hasattr(value, "WhichOneof"):
            node.attr[name].CopyFrom(value)
        else:
            _fill(node.attr[name], value, kind_of(value) if kind is None else kind.kind, named)
