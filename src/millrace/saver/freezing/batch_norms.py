"""Batch normalization behind a convolution, folded into the convolution's weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from millrace.core import protos, tensor_proto
from millrace.core.public import public
from millrace.exchange.attr_protos import attr_to_proto
from millrace.exchange.graphdef import node_name

_FUSED = frozenset(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"))
_OLD = "BatchNormWithGlobalNormalization"
_CONVOLUTIONS = frozenset(("Conv2D", "DepthwiseConv2dNative"))


@public("python.tools.optimize_for_inference_lib.fold_batch_norms")
def fold_batch_norms(input_graph_def: Any) -> Any:
    """The graph with each batch normalization of a convolution as weights of the convolution and a BiasAdd.

    Only what stays the same is folded: the weights and all of the normalization's other inputs are constants,
    and nothing else takes the convolution's or the normalization's further results.

    Args:
      input_graph_def: a frozen GraphDef, variables and training nodes removed.

    Returns:
      A new GraphDef; the BiasAdd has the normalization's name.
    """
    nodes = {node.name: node for node in input_graph_def.node}
    users = _users(input_graph_def.node)
    replaced: dict[str, list[Any]] = {}
    for node in input_graph_def.node:
        if node.op in _FUSED or node.op == _OLD:
            found = _folded(node, nodes, users)
            if found is not None:
                conv = nodes[node_name(node.input[0])]
                replaced[conv.name], replaced[node.name] = [], found
    made = protos.GraphDef(versions=input_graph_def.versions, library=input_graph_def.library)
    for node in input_graph_def.node:
        made.node.extend(replaced.get(node.name, [node]))
    return _without_unused(made, {n.name for n in input_graph_def.node if not users.get(n.name)})


def _users(nodes: Iterable[Any]) -> dict[str, list[str]]:
    """Who takes a node, by the node's name: inputs as they are spelled."""
    found: dict[str, list[str]] = {}
    for node in nodes:
        for text in node.input:
            found.setdefault(node_name(text), []).append(text)
    return found


def value_of(node: Any) -> np.ndarray[Any, Any]:
    """The array that a Const holds."""
    return tensor_proto.decode(node.attr["value"].tensor)


def constant(name: str, value: np.ndarray[Any, Any]) -> Any:
    """A Const node."""
    made = protos.NodeDef(name=name, op="Const")
    made.attr["value"].CopyFrom(attr_to_proto(value))
    made.attr["dtype"].type = made.attr["value"].tensor.dtype
    return made


def _folded(norm: Any, nodes: dict[str, Any], users: dict[str, list[str]]) -> list[Any] | None:
    conv = nodes[node_name(norm.input[0])]
    if conv.op not in _CONVOLUTIONS or len(users[conv.name]) != 1 or norm.attr["is_training"].b:
        return None
    if any(text not in (norm.name, norm.name + ":0") for text in users.get(norm.name, ())):
        return None
    weights = nodes[node_name(conv.input[1])]
    sources = [weights, *(nodes[node_name(text)] for text in norm.input[1:5])]
    if any(source.op != "Const" for source in sources):
        return None
    scale, offset = _scale_and_offset(norm, [value_of(source) for source in sources[1:]])
    old = value_of(weights)
    shape = old.shape[-2:] if conv.op == "DepthwiseConv2dNative" else (old.shape[-1],)
    new = constant(weights.name if len(users[weights.name]) == 1 else f"{conv.name}_folded_weights",
                   (old * scale.reshape(shape)).astype(old.dtype))  # fmt: skip
    made = protos.NodeDef()
    made.CopyFrom(conv)
    made.input[1] = new.name
    bias = constant(conv.name + "_bn_offset", offset.astype(old.dtype))
    add = protos.NodeDef(name=norm.name, op="BiasAdd", input=[conv.name, bias.name])
    add.input.extend(text for text in norm.input if text.startswith("^"))
    add.attr["T"].CopyFrom(conv.attr["T"])
    if "data_format" in conv.attr:
        add.attr["data_format"].CopyFrom(conv.attr["data_format"])
    return [new, made, bias, add]


def _scale_and_offset(norm: Any, values: list[np.ndarray[Any, Any]]) -> tuple[Any, Any]:
    """What a normalization multiplies by and then adds."""
    if norm.op == _OLD:
        mean, variance, beta, gamma = values
        epsilon = norm.attr["variance_epsilon"].f
        if not norm.attr["scale_after_normalization"].b:
            gamma = np.ones_like(gamma)
    else:
        gamma, beta, mean, variance = values
        epsilon = norm.attr["epsilon"].f if "epsilon" in norm.attr else 1e-4
    scale = gamma / np.sqrt(variance + np.asarray(epsilon, variance.dtype))
    return scale, beta - mean * scale


def _without_unused(graph_def: Any, wanted: set[str]) -> Any:
    """The graph without constants that nothing takes any more; two nodes of one name become one."""
    taken = {node_name(text) for node in graph_def.node for text in node.input} | wanted
    made = protos.GraphDef(versions=graph_def.versions, library=graph_def.library)
    last = {node.name: k for k, node in enumerate(graph_def.node)}
    for k, node in enumerate(graph_def.node):
        if last[node.name] == k and (node.op != "Const" or node.name in taken):
            made.node.add().CopyFrom(node)
    return made
