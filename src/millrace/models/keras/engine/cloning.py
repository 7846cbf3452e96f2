"""Copies of models with new weights."""

from __future__ import annotations

from typing import Any

from millrace.core import nest
from millrace.core.public import public
from millrace.lib.layers.node import history
from millrace.models.keras.engine.inputs import Input, InputLayer
from millrace.models.keras.engine.model import Model
from millrace.models.keras.engine.sequential import Sequential


def same_layer(layer: Any) -> Any:
    """A layer, or a model made of inputs and outputs, with weights of its own."""
    if isinstance(layer, Model):
        return clone_model(layer)
    return type(layer).from_config(layer.get_config())


@public("keras.models.clone_model")
def clone_model(model: Any, input_tensors: Any = None, clone_function: Any = None) -> Any:
    """A model of the same layers, with weights of its own.

    Args:
      model: made of inputs and outputs, or `Sequential`.
      input_tensors: tensors to make it on; default new placeholders.
      clone_function: from a layer to its copy.

    Raises:
      ValueError: the model is defined by `call`, or the function is not callable.
    """
    clone = same_layer if clone_function is None else clone_function
    if not callable(clone):
        raise ValueError(f"Expected `clone_function` argument to be callable. Received: {clone_function!r}")
    if isinstance(model, Sequential):
        return _sequential(model, input_tensors, clone)
    if not isinstance(model, Model) or not model._is_graph_network:
        raise ValueError(
            "Expected `model` argument to be a functional `Model` instance, but got a subclass model instead."
        )
    return _functional(model, input_tensors, clone)


def _given_inputs(model: Any, tensors: Any) -> list[Any]:
    """The inputs of the copy."""
    if tensors is None:
        return [
            Input(
                batch_shape=layer._batch_input_shape, dtype=layer.dtype, sparse=layer.sparse, name=layer.name
            )
            for layer in model._input_layers
        ]
    found = []
    for tensor, layer in zip(nest.flatten(tensors), model._input_layers, strict=True):
        made = history(tensor) is not None
        found.append(tensor if made else Input(tensor=tensor, name="input_wrapper_for_" + layer.name))
    return found


def _functional(model: Any, tensors: Any, clone: Any) -> Any:
    inputs = _given_inputs(model, tensors)
    known = {id(old): new for old, new in zip(model.inputs, inputs, strict=True)}
    copies = {layer: history(new).layer for layer, new in zip(model._input_layers, inputs, strict=True)}  # type: ignore[union-attr]
    by_depth = model._order.by_depth
    for depth in sorted(by_depth, reverse=True):
        for node in by_depth[depth]:
            if node.input_tensors is None or not node.parents():
                continue
            layer = node.outbound_layer
            if layer not in copies:
                copies[layer] = clone_model(layer) if isinstance(layer, Model) else clone(layer)
            computed = nest.map_structure(lambda t: known[id(t)], node.input_tensors)
            arguments = {
                k: nest.map_structure(lambda v: known.get(id(v), v), v) for k, v in node.arguments.items()
            }
            outputs = copies[layer](computed, **arguments)
            for old, new in zip(nest.flatten(node.output_tensors), nest.flatten(outputs), strict=True):
                known[id(old)] = new
    outputs = [known[id(t)] for t in model.outputs]
    return Model(
        nest.pack_sequence_as(model._nested_inputs, inputs),
        nest.pack_sequence_as(model._nested_outputs, outputs),
        name=model.name,
    )


def _sequential(model: Any, tensors: Any, clone: Any) -> Any:
    def copied(layer: Any) -> Any:
        if isinstance(layer, InputLayer):
            return InputLayer(
                batch_input_shape=layer._batch_input_shape,
                dtype=layer.dtype,
                sparse=layer.sparse,
                name=layer.name,
            )
        return clone_model(layer) if isinstance(layer, Model) else clone(layer)

    if tensors is None:
        return Sequential([copied(layer) for layer in model._stack], name=model.name)
    found = nest.flatten(tensors)
    if len(found) != 1:
        raise ValueError(
            "To clone a `Sequential` model, we expect at most one tensor as part of `input_tensors`."
        )
    first = found[0]
    origin = history(first)
    if origin is None:
        first = Input(tensor=first, name="input_wrapper_for_" + str(first.op.name.replace("/", "_")))
        origin = history(first)
    if not isinstance(origin.layer, InputLayer):  # type: ignore[union-attr]
        raise ValueError(
            "Cannot clone a `Sequential` model on top of a tensor that comes from a Keras layer other than "
            "an `InputLayer`. Use the functional API instead."
        )
    return Sequential([origin.layer, *[copied(layer) for layer in model.layers]], name=model.name)  # type: ignore[union-attr]
