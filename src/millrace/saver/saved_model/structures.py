"""Nested values of Python in a SavedModel: what functions take and give."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from millrace.core import dtypes, late, protos, shapes
from millrace.core.shapes import TensorShape


def decode(proto: Any) -> Any:
    """The value that a `StructuredValue` holds.

    Raises:
      ValueError: it holds what has no counterpart here.
    """
    kind = proto.WhichOneof("kind")
    if kind in (None, "none_value"):
        return None
    value = getattr(proto, kind)
    if kind in ("float64_value", "int64_value", "string_value", "bool_value"):
        return value
    if kind == "tensor_shape_value":
        return TensorShape(value)
    if kind == "tensor_dtype_value":
        return dtypes.as_dtype(value)
    if kind == "tensor_spec_value":
        return late.module("specs").TensorSpec(TensorShape(value.shape), value.dtype, value.name or None)
    if kind == "type_spec_value":
        return _decode_spec(value)
    if kind == "list_value":
        return [decode(v) for v in value.values]
    if kind == "tuple_value":
        return tuple(decode(v) for v in value.values)
    if kind == "dict_value":
        return {key: decode(v) for key, v in value.fields.items()}
    if kind == "named_tuple_value":
        pairs = {pair.key: decode(pair.value) for pair in value.values}
        return namedtuple(value.name, list(pairs))(**pairs)
    raise ValueError(f"SavedModel: a nested value is of a kind that is not known. Received: {kind!r}")


def _decode_spec(proto: Any) -> Any:
    kinds = protos.TypeSpecProto
    state = decode(proto.type_state)
    specs = late.module("specs")
    if proto.type_spec_class == kinds.SPARSE_TENSOR_SPEC:
        return specs.specs.SparseTensorSpec(*state)
    if proto.type_spec_class == kinds.RAGGED_TENSOR_SPEC:
        return specs.RaggedTensorSpec(*state)
    if len(state) == 3 and isinstance(state[0], TensorShape):
        return specs.TensorSpec(*state)  # a resource's, or a bounded one's
    raise ValueError(
        f"SavedModel: a function takes or gives what is not there. Received: {proto.type_spec_class_name!r}"
    )


def encode(value: Any) -> Any:
    """A value as a `StructuredValue`.

    Raises:
      ValueError: a SavedModel cannot hold it.
    """
    made = protos.StructuredValue()
    if value is None:
        made.none_value.SetInParent()
    elif isinstance(value, bool):
        made.bool_value = value
    elif isinstance(value, int):
        made.int64_value = value
    elif isinstance(value, float):
        made.float64_value = value
    elif isinstance(value, str):
        made.string_value = value
    elif isinstance(value, TensorShape):
        made.tensor_shape_value.CopyFrom(value.as_proto())
    elif isinstance(value, dtypes.DType):
        made.tensor_dtype_value = value.as_datatype_enum
    elif isinstance(value, late.module("specs").TensorSpec):
        spec = made.tensor_spec_value
        spec.name, spec.dtype = value.name or "", value.dtype.as_datatype_enum
        spec.shape.CopyFrom(value.shape.as_proto())
    elif isinstance(value, late.module("specs").specs.TypeSpec):
        _encode_spec(made.type_spec_value, value)
    elif isinstance(value, tuple) and (names := getattr(value, "_fields", None)) is not None:
        made.named_tuple_value.name = type(value).__name__
        for key, one in zip(names, value, strict=True):
            made.named_tuple_value.values.add(key=key).value.CopyFrom(encode(one))
    elif isinstance(value, list | tuple):
        held = made.list_value if isinstance(value, list) else made.tuple_value
        held.SetInParent()
        held.values.extend(encode(v) for v in value)
    elif isinstance(value, dict) and all(isinstance(key, str) for key in value):
        made.dict_value.SetInParent()
        for key, one in value.items():
            made.dict_value.fields[key].CopyFrom(encode(one))
    else:
        raise ValueError(f"SavedModel: a value cannot be held. Received: {value!r}")
    return made


def _encode_spec(proto: Any, spec: Any) -> None:
    specs, kinds = late.module("specs"), protos.TypeSpecProto
    if isinstance(spec, specs.specs.SparseTensorSpec):
        proto.type_spec_class, state = kinds.SPARSE_TENSOR_SPEC, (spec.shape, spec.dtype)
    elif isinstance(spec, specs.RaggedTensorSpec):
        proto.type_spec_class = kinds.RAGGED_TENSOR_SPEC
        state = (spec.shape, spec.dtype, spec.ragged_rank, spec._row_splits_dtype)
    else:
        raise ValueError(f"SavedModel: arguments and results of this kind cannot be held. Received: {spec!r}")
    proto.type_spec_class_name = type(spec).__name__
    proto.type_state.CopyFrom(encode(state))


def components(spec: Any) -> list[tuple[dtypes.DType, shapes.Dims]]:
    """The dtypes and static shapes of the tensors that a spec stands for, of composites their parts."""
    specs = late.module("specs")
    if isinstance(spec, specs.RaggedTensorSpec) and spec.ragged_rank:
        splits = [(spec._row_splits_dtype, (None,))] * spec.ragged_rank
        dims = shapes.as_dims(spec.shape)
        values = None if dims is None else (None, *dims[spec.ragged_rank + 1 :])
        return [(spec.dtype, values), *splits]
    if isinstance(spec, specs.specs.SparseTensorSpec):
        rank = spec.shape.ndims
        return [(dtypes.int64, (None, rank)), (spec.dtype, (None,)), (dtypes.int64, (rank,))]
    return [(spec.dtype, shapes.as_dims(spec.shape))]
