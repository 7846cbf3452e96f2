"""`tf.contrib.layers` and `tf.contrib.slim`: summaries of tensors, activations and whole collections."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_mean
from millrace.lib.summary.operations import histogram, scalar
from millrace.lib.variables.variable import Variable
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import greater, less


@public(
    "contrib.layers.summarize_tensor",
    "contrib.layers.summaries.summarize_tensor",
    "contrib.slim.summarize_tensor",
)
def summarize_tensor(tensor: Any, tag: str | None = None) -> Tensor:
    """A summary of a tensor: of a scalar its value, else a histogram.

    Args:
      tensor: a real tensor or variable of known rank.
      tag: default the name of its operation.
    """
    tag = tag or f"{tensor.op.name}_summary"
    return (scalar if tensor.get_shape().ndims == 0 else histogram)(tag, tensor)


@public(
    "contrib.layers.summarize_activation",
    "contrib.layers.summaries.summarize_activation",
    "contrib.slim.summarize_activation",
)
def summarize_activation(op: Tensor) -> Tensor:
    """A histogram of a layer's outputs; of relu and softplus also how many inputs are below 0, or above 6.

    Args:
      op: the outputs.
    """
    kind, name = op.op.type, op.op.name
    if kind in ("Relu", "Softplus", "Relu6"):
        scalar(f"{name}/zeros", _share(less(op.op.inputs[0], cast(0.0, op.dtype))))
    if kind == "Relu6":
        scalar(f"{name}/sixes", _share(greater(op.op.inputs[0], cast(6.0, op.dtype))))
    return histogram(f"{name}/activation", op)


def _share(true: Tensor) -> Tensor:
    return reduce_mean(cast(true, float32, name="ToFloat"))


@public(
    "contrib.layers.summarize_tensors",
    "contrib.layers.summaries.summarize_tensors",
    "contrib.slim.summarize_tensors",
)
def summarize_tensors(tensors: Any, summarizer: Callable[[Any], Tensor] = summarize_tensor) -> list[Tensor]:
    """A summary of each tensor."""
    return [summarizer(tensor) for tensor in tensors]


@public(
    "contrib.layers.summarize_collection",
    "contrib.layers.summaries.summarize_collection",
    "contrib.slim.summarize_collection",
)
def summarize_collection(
    collection: str, name_filter: str | None = None, summarizer: Callable[[Any], Tensor] = summarize_tensor
) -> list[Tensor]:
    """A summary of each tensor of a collection.

    Args:
      collection: its name.
      name_filter: a regular expression that an operation's name must begin with.
      summarizer: makes the summaries.
    """
    found = get_default_graph().get_collection(collection)
    chosen = [t for t in found if name_filter is None or re.match(name_filter, t.op.name)]
    return summarize_tensors(chosen, summarizer)


summarize_variables = public("contrib.slim.summarize_variables")(
    functools.partial(summarize_collection, GraphKeys.GLOBAL_VARIABLES)
)
summarize_weights = public("contrib.slim.summarize_weights")(
    functools.partial(summarize_collection, GraphKeys.WEIGHTS)
)
summarize_biases = public("contrib.slim.summarize_biases")(
    functools.partial(summarize_collection, GraphKeys.BIASES)
)


@public(
    "contrib.layers.summarize_activations",
    "contrib.layers.summaries.summarize_activations",
    "contrib.slim.summarize_activations",
)
def summarize_activations(
    name_filter: str | None = None, summarizer: Callable[[Any], Tensor] = summarize_activation
) -> list[Tensor]:
    """A summary of each tensor of the collection ACTIVATIONS; arguments as for `summarize_collection`."""
    return summarize_collection(GraphKeys.ACTIVATIONS, name_filter, summarizer)


@public("contrib.slim.model_analyzer.analyze_vars")
def analyze_vars(variables: Any, print_info: bool = False) -> tuple[int, int]:
    """How large variables are together.

    Args:
      variables: variables of known shape.
      print_info: print each one's name, shape and size.

    Returns:
      The number of elements and the number of bytes.
    """
    lines, elements, taken = [], 0, 0
    for variable in variables:
        count = variable.get_shape().num_elements() or 0
        size = count * variable.dtype.size
        elements, taken = elements + count, taken + size
        lines.append(f"{variable.name} {_described(variable)} [{count}, bytes: {size}]")
    if print_info:
        rule = "-" * 9
        lines = [rule, "Variables: name (type shape) [size]", rule, *lines]
        lines += [f"Total size of variables: {elements}", f"Total bytes of variables: {taken}"]
        print("\n".join(lines))  # noqa: T201 - what it was asked for
    return elements, taken


def _described(variable: Variable) -> str:
    sizes = "x".join(str(d) for d in variable.get_shape().as_list())
    return f"({variable.dtype.base_dtype.name}_ref {sizes or '[]'})"
