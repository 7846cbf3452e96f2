"""Protocol buffer messages taken apart into tensors, and put together from them."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building.apply import apply
from millrace.core import dtypes
from millrace.core.public import public
from millrace.exchange.attr_protos import text_to_bytes
from millrace.graph.attrs import flag, text, texts, types
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.records.fields import Fields
from millrace.opkit.text.pieces import strings


@declare(
    "DecodeProtoV2(bytes: string) -> sizes: int32, values: output_types",
    message_type=text(),
    field_names=texts(),
    output_types=types(minimum=0),
    descriptor_source=text("local://"),
    message_format=text("binary"),
    sanitize=flag(False),
    host=True,
)
class DecodeProtoV2:
    """The fields of serialized messages."""

    def shape(bytes, field_names, output_types, message_format):
        if message_format not in ("binary", "text"):
            raise ValueError(f"message_format must be 'binary' or 'text'. Received: {message_format!r}")
        outer = None if bytes is None else (*bytes, None)
        return [None if bytes is None else (*bytes, len(field_names)), *[outer for _ in output_types]]

    def kernel(xp, bytes, message_type, field_names, output_types, descriptor_source, message_format):
        fields = Fields(message_type, tuple(field_names), text_to_bytes(descriptor_source))
        return fields.decode(strings(bytes), tuple(output_types), message_format == "text")

    grad = NOT_DIFFERENTIABLE


@declare(
    "EncodeProto(sizes: int32, values: Tinput_types) -> bytes: string",
    field_names=texts(),
    message_type=text(),
    descriptor_source=text("local://"),
    Tinput_types=types(minimum=1),
    host=True,
)
class EncodeProto:
    """Serialized messages with the given fields."""

    def shape(sizes, values, field_names):
        if sizes is not None and sizes and sizes[-1] not in (None, len(field_names)):
            raise ValueError(f"sizes must end with {len(field_names)}. Received: {list(sizes)}")
        return None if not sizes else sizes[:-1]

    def kernel(xp, sizes, values, field_names, message_type, descriptor_source):
        fields = Fields(message_type, tuple(field_names), text_to_bytes(descriptor_source))
        return fields.encode(np.asarray(sizes), [np.asarray(value) for value in values])

    grad = NOT_DIFFERENTIABLE


@public("io.decode_proto")
def decode_proto(
    bytes: Any,
    message_type: str,
    field_names: Any,
    output_types: Any,
    descriptor_source: Any = "local://",
    message_format: str = "binary",
    sanitize: bool = False,
    name: str | None = None,
) -> Any:
    """The fields of serialized protocol buffer messages.

    Args:
      bytes: `[...]` strings.
      message_type: the type's name with its package.
      field_names: which fields.
      output_types: a dtype for each: that of the field or a wider one, string for texts, bytes and messages.
      descriptor_source: "local://" for the messages of TensorFlow, "bytes://" and a serialized
        FileDescriptorSet, or the path of a file that holds one.
      message_format: "binary" or "text".
      sanitize: accepted; what is read is always written anew.
      name: op name; default "DecodeProtoV2".

    Returns:
      A named tuple: `sizes`, int32 `[..., fields]`, and `values`, for each field `[..., longest]`, filled up
      with the field's default.

    Raises:
      InvalidArgumentError: when run, if type or fields are unknown or a dtype does not fit.
      DataLossError: when run, if a message is malformed.
    """
    return apply(
        DecodeProtoV2,
        bytes,
        message_type=message_type,
        field_names=field_names,
        output_types=[dtypes.as_dtype(t) for t in output_types],
        descriptor_source=descriptor_source,
        message_format=message_format,
        sanitize=sanitize,
        name=name,
    )


@public("io.encode_proto")
def encode_proto(
    sizes: Any,
    values: Any,
    field_names: Any,
    message_type: str,
    descriptor_source: Any = "local://",
    name: str | None = None,
) -> Tensor:
    """Serialized protocol buffer messages.

    Args:
      sizes: int32 `[..., fields]`, how many elements each field has.
      values: for each field `[..., at least that many]`.
      field_names: the fields.
      message_type: the type's name with its package.
      descriptor_source: as for `decode_proto`.
      name: op name; default "EncodeProto".

    Returns:
      `[...]` strings.

    Raises:
      InvalidArgumentError: when run, if type or fields are unknown, or a size or value does not fit.
    """
    return apply(
        EncodeProto,
        sizes,
        values,
        field_names=field_names,
        message_type=message_type,
        descriptor_source=descriptor_source,
        name=name,
    )
