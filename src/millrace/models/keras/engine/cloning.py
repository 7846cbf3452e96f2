"""Copies of models with new weights."""

from __future__ import annotations

from typing import Any

from millrace.core import nest
from millrace.core.public import public
from millrace.lib.layers.node import history
from millrace.models.keras.engine.added import AddMetric
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
    nodes = _called(model._order.by_depth, clone, copies, known)
    outputs = [known[id(t)] for t in model.outputs]
    copy = Model(
        nest.pack_sequence_as(model._nested_inputs, inputs),
        nest.pack_sequence_as(model._nested_outputs, outputs),
        name=model.name,
    )
    _join_added(model, copy, list(copies.values()), nodes)
    return copy


def _called(by_depth: Any, clone: Any, copies: dict[Any, Any], known: dict[int, Any]) -> list[Any]:
    """Calls the copies of layers as the layers were called.

    Args:
      by_depth: the calls, by their distance from the outputs.
      clone: from a layer to its copy.
      copies: the copies that there are; the others join them.
      known: new tensors by the identity of the old ones; what is computed joins them.

    Returns:
      The new calls.
    """
    made = []
    for depth in sorted(by_depth, reverse=True):
        for node in by_depth[depth]:
            if node.input_tensors is None:
                continue
            layer = node.outbound_layer
            if layer not in copies:
                copies[layer] = clone_model(layer) if isinstance(layer, Model) else clone(layer)
            computed = nest.map_structure(lambda t: known[id(t)], node.input_tensors)
            arguments = {
                k: nest.map_structure(lambda v: known.get(id(v), v), v) for k, v in node.arguments.items()
            }
            outputs = copies[layer](computed, **arguments)
            made.append(copies[layer]._inbound_nodes[-1])
            for old, new in zip(nest.flatten(node.output_tensors), nest.flatten(outputs), strict=True):
                known[id(old)] = new
    return made


def _join_added(model: Any, copy: Any, layers: list[Any], nodes: list[Any]) -> None:
    """Adds the copies of what leads to no output, metrics in the order of their names."""
    extra = [layer for layer in layers if not any(layer is known for known in copy.layers)]
    if not extra:
        return
    watching = [layer for layer in extra if isinstance(layer, AddMetric)]
    names = model.metrics_names
    watching.sort(key=lambda layer: names.index(layer.metric_name))
    others = [layer for layer in extra if not isinstance(layer, AddMetric)]
    copy._insert_layers([*others, *watching], nodes)


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

    copies = {
        layer: copied(layer) for layer in model._stack if tensors is None or not isinstance(layer, InputLayer)
    }
    by_depth = model._order.by_depth if model._is_graph_network else {}
    after = {depth: nodes for depth, nodes in by_depth.items() if depth < 0}
    added = [copies[node.outbound_layer] for depth in sorted(after, reverse=True) for node in after[depth]]
    stack = [layer for layer in copies.values() if not any(layer is one for one in added)]
    copy = Sequential([*_given_input(tensors), *stack], name=model.name)
    if added:
        known = {}
        for depth, nodes in copy._order.by_depth.items():
            for new, old in zip(nodes, by_depth[depth], strict=True):
                pairs = zip(nest.flatten(old.output_tensors), nest.flatten(new.output_tensors), strict=True)
                known.update({id(a): b for a, b in pairs})
        _join_added(model, copy, added, _called(after, clone, copies, known))
    return copy


def _given_input(tensors: Any) -> list[Any]:
    """The input layer of a tensor to copy a `Sequential` model on; none for None."""
    if tensors is None:
        return []
    found = nest.flatten(tensors)
    if len(found) != 1:
        raise ValueError(
            "To clone a `Sequential` model, we expect at most one tensor as part of `input_tensors`."
        )
    first = found[0]
    origin = history(first)
    if origin is None:
        first = Input(tensor=first, name=f"input_wrapper_for_{first.name}")
        origin = history(first)
    if not isinstance(origin.layer, InputLayer):  # type: ignore[union-attr]
        raise ValueError(
            "Cannot clone a `Sequential` model on top of a tensor that comes from a Keras layer other than "
            "an `InputLayer`. Use the functional API instead."
        )
    return [origin.layer]  # type: ignore[union-attr]
