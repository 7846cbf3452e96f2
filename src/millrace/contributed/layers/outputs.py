"""What `tf.contrib.layers` share: collections of their outputs by alias, and variables under other names."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from millrace.contributed.framework.variables import model_variable
from millrace.core import shapes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor


@public("contrib.layers.python.layers.utils.append_tensor_alias", "contrib.slim.utils.append_tensor_alias")
def append_tensor_alias(tensor: Any, alias: str) -> Any:
    """Gives a tensor one more alias; a trailing slash is left out."""
    vars(tensor).setdefault("aliases", []).append(alias.removesuffix("/"))
    return tensor


@public("contrib.layers.python.layers.utils.get_tensor_aliases", "contrib.slim.utils.get_tensor_aliases")
def get_tensor_aliases(tensor: Tensor) -> list[str]:
    """A tensor's aliases; where it has none, its name without ":0"."""
    return vars(tensor).get("aliases") or [tensor.name.removesuffix(":0")]


@public(
    "contrib.layers.python.layers.utils.collect_named_outputs", "contrib.slim.utils.collect_named_outputs"
)
def collect_named_outputs(collections: Any, alias: str, outputs: Any) -> Any:
    """Adds a layer's outputs to collections under an alias, and returns them.

    Args:
      collections: a collection's name, or a list of names; None for none.
      alias: what `convert_collection_to_dict` calls the outputs.
      outputs: the tensor, or a sparse one.
    """
    if collections:
        append_tensor_alias(outputs, alias)
        get_default_graph().add_to_collections(collections, outputs)
    return outputs


@public(
    "contrib.layers.python.layers.utils.convert_collection_to_dict",
    "contrib.slim.utils.convert_collection_to_dict",
)
def convert_collection_to_dict(collection: str, clear_collection: bool = False) -> OrderedDict[str, Tensor]:
    """The tensors of a collection by alias, in their order.

    Args:
      collection: its name.
      clear_collection: leave it empty.
    """
    graph = get_default_graph()
    found = OrderedDict(
        (alias, tensor) for tensor in graph.get_collection(collection) for alias in get_tensor_aliases(tensor)
    )
    if clear_collection:
        graph.clear_collection(collection)
    return found


def collections_of(variables_collections: Any, name: str) -> list[str]:
    """The collections that a variable joins: one list serves all, or a dictionary each by name."""
    if isinstance(variables_collections, dict):
        variables_collections = variables_collections.get(name)
    return (
        [variables_collections]
        if isinstance(variables_collections, str)
        else list(variables_collections or ())
    )


@public("contrib.layers.python.layers.layers._add_variable_to_collections")
def collect_variable(variable: Any, variables_collections: Any, name: str) -> None:
    """Adds a layer's variable, in all its parts, to the collections that `variables_collections` names."""
    if variable is None:
        return
    graph = get_default_graph()
    parts = list(variable) if hasattr(variable, "_get_variable_list") else [variable]
    for collection in collections_of(variables_collections, name):
        held = graph.get_collection_ref(collection)
        for part in parts:
            if not any(v is part for v in held):
                graph.add_to_collection(collection, part)


def regularizer_under(scope: str, regularizer: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`regularizer` under the scope of the name that the layer itself gives its variable."""

    def regularize(variable: Any) -> Any:
        with get_default_graph().name_scope(scope):
            return regularizer(variable)

    return regularize


@public("contrib.layers.python.layers.layers._build_variable_getter")
def model_variable_getter(rename: dict[str, str] | None = None) -> Callable[..., Any]:
    """A custom getter that makes model variables, under other names than the layer's own."""

    def getter(getter: Callable[..., Any], name: str, **settings: Any) -> Any:
        scope, _, own = name.rpartition("/")
        renamed = (rename or {}).get(own, own)
        kept = {k: v for k, v in settings.items() if k in _KEPT}
        if renamed != own and kept.get("regularizer") is not None:
            kept["regularizer"] = regularizer_under(f"{name}/Regularizer/", kept["regularizer"])
        return model_variable(f"{scope}/{renamed}" if scope else renamed, custom_getter=getter, **kept)

    return getter


_KEPT = (
    "shape",
    "dtype",
    "initializer",
    "regularizer",
    "trainable",
    "collections",
    "caching_device",
    "partitioner",
    "use_resource",
    "synchronization",
    "aggregation",
)


def finished(
    outputs: Tensor,
    alias: str,
    outputs_collections: Any,
    activation_fn: Callable[[Any], Any] | None,
    normalizer_fn: Callable[..., Any] | None = None,
    normalizer_params: dict[str, Any] | None = None,
) -> Tensor:
    """Normalizes a layer's outputs, applies its activation and collects the result."""
    if normalizer_fn is not None:
        outputs = normalizer_fn(outputs, **(normalizer_params or {}))
    if activation_fn is not None:
        outputs = activation_fn(outputs)
    return collect_named_outputs(outputs_collections, alias, outputs)


def channels_of(inputs: Tensor, axis: int = -1) -> int:
    """The length of the channels' axis.

    Raises:
      ValueError: it is unknown.
    """
    dims = inputs.dims
    if dims is None or not -len(dims) <= axis < len(dims) or dims[axis] is None:
        raise ValueError(f"the number of channels must be known. Received: shape {shapes.format_dims(dims)}")
    return dims[axis]  # pyright: ignore[reportReturnType]
