"""`tf.contrib.specs.summaries`: what networks consist of, as text."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

from millrace.contributed.specs.evaluating import create_net
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.ops.array.constant import placeholder

_SHORT = {
    "BiasAdd": "biasadd",
    "Const": "_",
    "Conv2D": "conv",
    "MatMul": "dot",
    "Placeholder": "_",
    "Sigmoid": "sig",
    "Variable": "var",
}
_VARIABLES = ("Variable", "VariableV2")


def _seen_through(x: Any) -> Any:
    """A tensor, or what it is the same as."""
    while x.op.type == "Identity":
        x = x.op.inputs[0]
    return x


@public("contrib.specs.tf_left_split", "contrib.specs.summaries.tf_left_split")
def tf_left_split(op: Any) -> tuple[Any, list[Any]]:
    """The first input of an operation, and its parameters.

    Args:
      op: an operation.

    Returns:
      The first input and the others, seen through identities; None and nothing where there are none.
    """
    inputs = [_seen_through(x) for x in op.inputs]
    if not inputs:
        return None, []
    return inputs[0], inputs[1:]


@public("contrib.specs.tf_parameter_iter", "contrib.specs.summaries.tf_parameter_iter")
def tf_parameter_iter(x: Any) -> Iterator[tuple[str, int, Any]]:
    """From a network's output back to its input: name, number of parameters and shape of each operation."""
    while True:
        x = _seen_through(x)
        left, right = tf_left_split(x.op)
        sizes = [math.prod(p.get_shape().as_list()) for p in right if p.op.type in _VARIABLES]
        yield x.op.name, sum(sizes), x.get_shape().as_list()
        if left is None:
            return
        x = left


@public("contrib.specs.tf_num_params", "contrib.specs.summaries.tf_num_params")
def tf_num_params(x: Any) -> int:
    """How many parameters a network has."""
    return sum(count for _, count, _ in tf_parameter_iter(x))


def _combined(entries: list[tuple[str, int, Any]]) -> list[tuple[str, int, Any]]:
    """Operations of one scope as one."""
    found = []
    for name, group in itertools.groupby(entries, lambda entry: entry[0].partition("/")[0]):
        parts = list(group)
        found.append((name, sum(count for _, count, _ in parts), parts[0][2]))
    return found


@public("contrib.specs.tf_parameter_summary", "contrib.specs.summaries.tf_parameter_summary")
def tf_parameter_summary(x: Any, printer: Callable[[str], Any] = print, combine: bool = True) -> None:
    """Prints a line for each layer of a network: parameters, name and shape.

    Args:
      x: its output.
      printer: takes each line.
      combine: one line for all operations of a scope.
    """
    entries = list(tf_parameter_iter(x))
    for name, count, dims in reversed(_combined(entries) if combine else entries):
        printer(f"{count:10d} {name:<20s} {dims}")


@public("contrib.specs.tf_print", "contrib.specs.summaries.tf_print")
def tf_print(
    x: Any, depth: int = 0, finished: set[Any] | None = None, printer: Callable[[str], Any] = print
) -> None:
    """Prints the tree of operations that lead to a tensor.

    Args:
      x: the tensor.
      depth: how far to indent.
      finished: tensors that are not printed again.
      printer: takes each line.
    """
    finished = set() if finished is None else finished
    x = _seen_through(x)
    indent = "  " * depth
    if x.op.name in finished:
        printer(f"{indent}<{x.op.name}>")
        return
    finished.add(x.op.name)
    printer(f"{indent}{x.op.name} {x.op.type} {x.get_shape().as_list()}")
    for y in x.op.inputs:
        tf_print(y, depth + 1, finished, printer)


@public("contrib.specs.tf_structure", "contrib.specs.summaries.tf_structure")
def tf_structure(x: Any, include_shapes: bool = False, finished: set[Any] | None = None) -> str:
    """The operations that lead to a tensor as words in the order in which they are computed.

    Args:
      x: the tensor.
      include_shapes: put each tensor's shape before its operation.
      finished: tensors that have been told already; they are "<>".
    """
    finished = set() if finished is None else finished
    x = _seen_through(x)
    if x.op.name in finished:
        return "<>"
    finished.add(x.op.name)
    words = [tf_structure(y, include_shapes, finished) for y in x.op.inputs]
    if include_shapes:
        words.append(str(x.get_shape().as_list()))
    words.append(_SHORT.get(x.op.type) or x.op.type.lower())
    return " ".join(words)


def _drawn(spec: str, inputs: Any, input_shape: Any, input_type: Any) -> Any:
    """The network of an expression, and its graph."""
    if inputs is None:
        inputs = placeholder(input_type, input_shape)
    return create_net(spec, inputs)


@public("contrib.specs.tf_spec_structure", "contrib.specs.summaries.tf_spec_structure")
def tf_spec_structure(
    spec: str, inputs: Any = None, input_shape: Any = None, input_type: Any = float32
) -> str:
    """As `tf_structure`, of the network of an expression.

    Args:
      spec: the expression.
      inputs: what it is applied to; default, a placeholder.
      input_shape, input_type: of the placeholder.
    """
    return tf_structure(_drawn(spec, inputs, input_shape, input_type))


@public("contrib.specs.tf_spec_summary", "contrib.specs.summaries.tf_spec_summary")
def tf_spec_summary(
    spec: str, inputs: Any = None, input_shape: Any = None, input_type: Any = float32
) -> None:
    """As `tf_parameter_summary`, of the network of an expression; arguments as for `tf_spec_structure`."""
    tf_parameter_summary(_drawn(spec, inputs, input_shape, input_type))


@public("contrib.specs.tf_spec_print", "contrib.specs.summaries.tf_spec_print")
def tf_spec_print(spec: str, inputs: Any = None, input_shape: Any = None, input_type: Any = float32) -> None:
    """As `tf_print`, of the network of an expression; arguments as for `tf_spec_structure`."""
    tf_print(_drawn(spec, inputs, input_shape, input_type))
