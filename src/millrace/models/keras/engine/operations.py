"""Layers made of plain operations between other layers' outputs and a model's."""

from __future__ import annotations

from typing import Any

from millrace.core import nest, protos
from millrace.core.public import public
from millrace.exchange.graphdef import node_name
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.lib.layers.descendants import late
from millrace.lib.layers.layer import Layer
from millrace.lib.layers.node import Node, history
from millrace.models.keras.backend.session import function
from millrace.ops.array.constant import constant

_PREFIX = "tf_op_layer_"


@public("python.keras.engine.base_layer.TensorFlowOpLayer")
class TensorFlowOpLayer(Layer):
    """An operation as a layer.

    Args:
      node_def: the operation's definition: a NodeDef, its serialized form, or its JSON form as a dictionary.
      name: the layer's name, which gets a prefix.
      constants: inputs that are fixed, by their place.
      trainable, dtype: as for `Layer`.
    """

    def __init__(
        self,
        node_def: Any,
        name: str,
        constants: dict[Any, Any] | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=_PREFIX + name, trainable=trainable, dtype=dtype)
        self.node_def = _node_of(node_def)
        self.constants = {int(k): v for k, v in (constants or {}).items()}
        self.built = True

    def call(self, inputs: Any) -> Any:
        """What the operation gives for other inputs."""
        flat = list(nest.flatten(inputs))
        for place, value in sorted(self.constants.items()):
            flat.insert(place, constant(value, name=node_name(self.node_def.input[place])))
        return applied(self.node_def, flat)

    def _connects(self, inputs: Any) -> bool:
        return not nest.flatten(inputs) or super()._connects(
            inputs
        )  # what takes constants only is joined, too

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        config = super().get_config()
        from google.protobuf import json_format  # large, and needed by nobody else

        config["name"] = self.name.removeprefix(_PREFIX)
        config["node_def"] = json_format.MessageToDict(self.node_def)
        config["constants"] = dict(self.constants)
        return config


def _node_of(given: Any) -> Any:
    if isinstance(given, dict):
        from google.protobuf import json_format

        return json_format.ParseDict(given, protos.NodeDef())
    if isinstance(given, str | bytes):
        return protos.NodeDef.FromString(given.encode("latin-1") if isinstance(given, str) else given)
    return given


def applied(node_def: Any, inputs: list[Any]) -> Any:
    """An operation of the same kind with other inputs: its output, or a list of them."""
    op = get_default_graph().create_op(node_def.op, inputs, name=node_def.name, attrs=dict(node_def.attr))
    return op.outputs[0] if len(op.outputs) == 1 else list(op.outputs)


def adopt(tensors: Any) -> None:
    """Makes a layer of each operation between layers' outputs and `tensors` that has none.

    Args:
      tensors: nested tensors; afterwards each has a history.
    """
    done: set[Any] = set()
    for tensor in nest.flatten(tensors):
        if isinstance(tensor, Tensor) and history(tensor) is None:
            _adopt(tensor.op, done)


def _depends(op: Any, memo: dict[Any, bool]) -> bool:
    """Whether an operation depends on a layer's output."""
    pending = [op]
    while pending:
        current = pending[-1]
        if current in memo:
            pending.pop()
            continue
        if any(history(t) is not None for t in current.inputs):
            memo[current] = True
            pending.pop()
            continue
        unknown = [t.op for t in current.inputs if t.op not in memo]
        if unknown:
            pending.extend(unknown)
            continue
        memo[current] = any(memo[t.op] for t in current.inputs)
        pending.pop()
    return memo[op]


def _adopt(op: Any, done: set[Any]) -> None:
    if op in done:
        return
    done.add(op)
    memo: dict[Any, bool] = {}
    inputs, constants = [], {}
    for place, tensor in enumerate(op.inputs):
        if history(tensor) is not None or _depends(tensor.op, memo):
            inputs.append(tensor)
        else:
            constants[place] = _fixed(tensor)
    for tensor in inputs:
        if history(tensor) is None:
            _adopt(tensor.op, done)
    layer = TensorFlowOpLayer(op.node_def, name=op.name, constants=constants)
    Node(layer, inputs, list(op.outputs))


def _fixed(tensor: Tensor) -> Any:
    """The value of an input that does not depend on the model's inputs; a handle stays a tensor."""
    if tensor.dtype.base_dtype.name == "resource":
        return tensor
    return function([], [tensor])([])[0]


late.adopt = adopt
