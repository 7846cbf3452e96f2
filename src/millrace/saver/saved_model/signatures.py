"""Signatures: which tensors of a graph a caller feeds and fetches, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from millrace.building.sparse_tensor import SparseTensor
from millrace.core import dtypes, protos
from millrace.core.public import public
from millrace.core.scoped_names import in_scope
from millrace.graph.defaults import get_default_graph
from millrace.graph.graph import Graph
from millrace.graph.tensor import Tensor
from millrace.saver.saved_model import constants

_CLASSIFY_OUTPUTS = frozenset((constants.CLASSIFY_OUTPUT_CLASSES, constants.CLASSIFY_OUTPUT_SCORES))


@public("saved_model.build_tensor_info", "saved_model.utils.build_tensor_info")
def build_tensor_info(tensor: Any) -> Any:
    """The `TensorInfo` that names a tensor.

    Args:
      tensor: a tensor, variable or sparse tensor of a graph, of any shape and dtype.

    Returns:
      The message: name or names, dtype, shape.

    Raises:
      TypeError: it is none of these.
    """
    if not hasattr(tensor, "get_shape"):
        raise TypeError(f"build_tensor_info: a tensor is needed. Received: {tensor!r}")
    info = protos.TensorInfo(
        dtype=dtypes.as_dtype(tensor.dtype).as_datatype_enum, tensor_shape=tensor.get_shape().as_proto()
    )
    if isinstance(tensor, SparseTensor):
        info.coo_sparse.values_tensor_name = tensor.values.name
        info.coo_sparse.indices_tensor_name = tensor.indices.name
        info.coo_sparse.dense_shape_tensor_name = tensor.dense_shape.name
        return info
    info.name = tensor.name
    if not isinstance(tensor, Tensor) and tensor.op.outputs[0].dtype.is_ref_dtype:  # a plain variable
        info.dtype = tensor.op.outputs[0].dtype.as_datatype_enum
    return info


@public("saved_model.get_tensor_from_tensor_info", "saved_model.utils.get_tensor_from_tensor_info")
def get_tensor_from_tensor_info(
    tensor_info: Any, graph: Graph | None = None, import_scope: str | None = None
) -> Any:
    """The tensor that a `TensorInfo` names.

    Args:
      tensor_info: the message.
      graph: where to look; default, the default graph.
      import_scope: the scope that the graph was imported into.

    Returns:
      A tensor, or a sparse tensor.

    Raises:
      KeyError: the graph has no such tensor.
      ValueError: the message names nothing.
    """
    graph = get_default_graph() if graph is None else graph

    def find(name: str) -> Tensor:
        return graph.get_tensor_by_name(in_scope(name, import_scope))

    encoding = tensor_info.WhichOneof("encoding")
    if encoding == "name":
        return find(tensor_info.name)
    if encoding == "coo_sparse":
        sparse = tensor_info.coo_sparse
        return SparseTensor(
            find(sparse.indices_tensor_name),
            find(sparse.values_tensor_name),
            find(sparse.dense_shape_tensor_name),
        )
    raise ValueError(
        f"get_tensor_from_tensor_info: a tensor info must name its tensor. Received: {tensor_info}"
    )


@public("saved_model.build_signature_def", "saved_model.signature_def_utils.build_signature_def")
def build_signature_def(
    inputs: dict[str, Any] | None = None,
    outputs: dict[str, Any] | None = None,
    method_name: str | None = None,
) -> Any:
    """A `SignatureDef`.

    Args:
      inputs: names to `TensorInfo` messages, what a caller feeds.
      outputs: names to `TensorInfo` messages, what a caller fetches.
      method_name: what the signature is for.
    """
    for what, given in (("inputs", inputs), ("outputs", outputs)):
        if given and not isinstance(given, Mapping):
            raise TypeError(f"build_signature_def: {what} must be a dict of messages. Received: {given!r}")
    signature = protos.SignatureDef()
    for name, info in (inputs or {}).items():
        signature.inputs[name].CopyFrom(info)
    for name, info in (outputs or {}).items():
        signature.outputs[name].CopyFrom(info)
    if method_name is not None:
        signature.method_name = method_name
    return signature


def _checked(who: str, what: str, tensor: Any, dtype: dtypes.DType, other: str) -> Any:
    """The `TensorInfo` of a tensor that must be of one dtype."""
    if not isinstance(tensor, Tensor):
        raise ValueError(f"{who}: {what} must be a tensor. Received: {tensor!r}")
    info = build_tensor_info(tensor)
    if info.dtype != dtype.as_datatype_enum:
        raise ValueError(f"{who}: {what} must be a {other} tensor. Received: {tensor!r}")
    return info


@public("saved_model.regression_signature_def", "saved_model.signature_def_utils.regression_signature_def")
def regression_signature_def(examples: Any, predictions: Any) -> Any:
    """The signature of a model that predicts numbers.

    Args:
      examples: a string tensor of serialized examples.
      predictions: a float32 tensor.

    Raises:
      ValueError: one of them is missing, not a tensor, or of another dtype.
    """
    who = "regression_signature_def"
    for what, tensor in (("examples", examples), ("predictions", predictions)):
        if tensor is None:
            raise ValueError(f"{who}: {what} cannot be None")
    inputs = {constants.REGRESS_INPUTS: _checked(who, "examples", examples, dtypes.string, "string")}
    outputs = {
        constants.REGRESS_OUTPUTS: _checked(who, "predictions", predictions, dtypes.float32, "float32")
    }
    return build_signature_def(inputs, outputs, constants.REGRESS_METHOD_NAME)


@public(
    "saved_model.classification_signature_def", "saved_model.signature_def_utils.classification_signature_def"
)
def classification_signature_def(examples: Any, classes: Any, scores: Any) -> Any:
    """The signature of a model that tells classes.

    Args:
      examples: a string tensor of serialized examples.
      classes: a string tensor, or None.
      scores: a float32 tensor, or None.

    Raises:
      ValueError: there are no examples, or neither classes nor scores, or one is not a tensor of its dtype.
    """
    who = "classification_signature_def"
    if examples is None:
        raise ValueError(f"{who}: examples cannot be None")
    if classes is None and scores is None:
        raise ValueError(f"{who}: classes and scores cannot both be None")
    inputs = {constants.CLASSIFY_INPUTS: _checked(who, "examples", examples, dtypes.string, "string")}
    outputs = {}
    if classes is not None:
        outputs[constants.CLASSIFY_OUTPUT_CLASSES] = _checked(
            who, "classes", classes, dtypes.string, "string"
        )
    if scores is not None:
        outputs[constants.CLASSIFY_OUTPUT_SCORES] = _checked(who, "scores", scores, dtypes.float32, "float32")
    return build_signature_def(inputs, outputs, constants.CLASSIFY_METHOD_NAME)


@public("saved_model.predict_signature_def", "saved_model.signature_def_utils.predict_signature_def")
def predict_signature_def(inputs: dict[str, Any], outputs: dict[str, Any]) -> Any:
    """The signature of a model of any kind.

    Args:
      inputs: names to tensors.
      outputs: names to tensors.

    Raises:
      ValueError: one of them is missing or empty.
    """
    for what, given in (("inputs", inputs), ("outputs", outputs)):
        if given and not isinstance(given, Mapping):
            raise TypeError(f"predict_signature_def: {what} must be a dict of tensors. Received: {given!r}")
        if not given:
            raise ValueError(f"predict_signature_def: {what} cannot be None or empty. Received: {given!r}")
    return build_signature_def(
        {name: build_tensor_info(tensor) for name, tensor in inputs.items()},
        {name: build_tensor_info(tensor) for name, tensor in outputs.items()},
        constants.PREDICT_METHOD_NAME,
    )


@public("saved_model.is_valid_signature", "saved_model.signature_def_utils.is_valid_signature")
def is_valid_signature(signature_def: Any) -> bool:
    """Whether a signature is one that a server of TensorFlow models takes."""
    if signature_def is None:
        return False
    method, inputs, outputs = signature_def.method_name, signature_def.inputs, signature_def.outputs
    if method == constants.PREDICT_METHOD_NAME:
        return bool(inputs) and bool(outputs)
    if method == constants.REGRESS_METHOD_NAME:
        return _is_one(inputs, constants.REGRESS_INPUTS, dtypes.string) and _is_one(
            outputs, constants.REGRESS_OUTPUTS, dtypes.float32
        )
    if method != constants.CLASSIFY_METHOD_NAME:
        return False
    kinds = {
        constants.CLASSIFY_OUTPUT_CLASSES: dtypes.string,
        constants.CLASSIFY_OUTPUT_SCORES: dtypes.float32,
    }
    return (
        _is_one(inputs, constants.CLASSIFY_INPUTS, dtypes.string)
        and bool(outputs)
        and set(outputs) <= _CLASSIFY_OUTPUTS
        and all(outputs[name].dtype == kinds[name].as_datatype_enum for name in outputs)
    )


def _is_one(infos: Any, name: str, dtype: dtypes.DType) -> bool:
    return set(infos) == {name} and infos[name].dtype == dtype.as_datatype_enum
