"""`tf.contrib.slim.summaries` and the rest of `model_analyzer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.core.public import public
from millrace.graph.graph import Graph
from millrace.lib.nn.functions import zero_fraction
from millrace.lib.summary.operations import histogram, image, scalar
from millrace.ops.flow.logging import print_


def _name(tensor: Any, name: str | None, prefix: str | None) -> str:
    chosen = name or tensor.op.name
    return f"{prefix}/{chosen}" if prefix else chosen


def _each(make: Callable[..., Any], tensors: Any, *args: Any) -> list[Any]:
    return [make(tensor, None, *args) for tensor in tensors]


@public("contrib.slim.summaries.add_histogram_summary")
def add_histogram_summary(tensor: Any, name: str | None = None, prefix: str | None = None) -> Any:
    """A histogram of a tensor, called by its name, behind a prefix."""
    return histogram(_name(tensor, name, prefix), tensor)


@public("contrib.slim.summaries.add_image_summary")
def add_image_summary(
    tensor: Any, name: str | None = None, prefix: str | None = None, print_summary: bool = False
) -> Any:
    """Pictures of a tensor, called by its name, behind a prefix; with `print_summary` also printed."""
    made = image(_name(tensor, name, prefix), tensor)
    return print_(made, [tensor], _name(tensor, name, prefix)) if print_summary else made


@public("contrib.slim.summaries.add_scalar_summary")
def add_scalar_summary(
    tensor: Any, name: str | None = None, prefix: str | None = None, print_summary: bool = False
) -> Any:
    """The value of a scalar, called by its name, behind a prefix; with `print_summary` also printed."""
    made = scalar(_name(tensor, name, prefix), tensor)
    return print_(made, [tensor], _name(tensor, name, prefix)) if print_summary else made


@public("contrib.slim.summaries.add_zero_fraction_summary")
def add_zero_fraction_summary(
    tensor: Any, name: str | None = None, prefix: str | None = None, print_summary: bool = False
) -> Any:
    """The share of zeros in a tensor, called by the tensor's name, behind a prefix."""
    share = zero_fraction(tensor)
    return add_scalar_summary(
        share, f"{name or tensor.op.name}/Fraction of Zero Values", prefix, print_summary
    )


@public("contrib.slim.summaries.add_histogram_summaries")
def add_histogram_summaries(tensors: Any, prefix: str | None = None) -> list[Any]:
    """A histogram of each tensor."""
    return _each(add_histogram_summary, tensors, prefix)


@public("contrib.slim.summaries.add_image_summaries")
def add_image_summaries(tensors: Any, prefix: str | None = None) -> list[Any]:
    """Pictures of each tensor."""
    return _each(add_image_summary, tensors, prefix)


@public("contrib.slim.summaries.add_scalar_summaries")
def add_scalar_summaries(tensors: Any, prefix: str | None = None, print_summary: bool = False) -> list[Any]:
    """The value of each scalar."""
    return _each(add_scalar_summary, tensors, prefix, print_summary)


@public("contrib.slim.summaries.add_zero_fraction_summaries")
def add_zero_fraction_summaries(tensors: Any, prefix: str | None = None) -> list[Any]:
    """The share of zeros in each tensor."""
    return _each(add_zero_fraction_summary, tensors, prefix)


@public("contrib.slim.model_analyzer.tensor_description")
def tensor_description(var: Any) -> str:
    """Dtype and shape of a tensor or variable: "(float32 3x4)"."""
    sizes = "x".join(str(getattr(d, "value", d)) for d in var.get_shape())
    return f"({var.dtype.name} {sizes})"


@public("contrib.slim.model_analyzer.analyze_ops")
def analyze_ops(graph: Graph, print_info: bool = False) -> int:
    """How many elements the results of a graph's operations have, where their shapes are known.

    Args:
      graph: the graph.
      print_info: print each operation's part.
    """
    total, lines = 0, []
    for op in graph.get_operations():
        count = 0
        shapes = []
        for output in op.outputs:
            count += output.get_shape().num_elements() or 0
            if output.get_shape().ndims is not None:
                shapes.append(tensor_description(output))
        total += count
        lines.append(f"{op.name}\t->\t{', '.join(shapes)}\t[{count}]" if shapes else op.name)
    if print_info:
        print("\n".join(["Operations: name -> (type shapes) [size]", *lines, f"Total size: {total}"]))  # noqa: T201
    return total
