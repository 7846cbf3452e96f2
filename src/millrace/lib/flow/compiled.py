"""`tf.xla.experimental`: scopes and functions whose operations are to be compiled together.

What is worth it is compiled anyway. The scope marks operations as TensorFlow does, and the function draws
what TensorFlow draws, so that names, attributes and default seeds are the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import control_dependencies
from millrace.core import nest
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.ops.array.constant import identity, no_op

_SCOPES: Any = ("__xla_scope",)  # the collection that holds a graph's count of scopes
_NAME = "_XlaScope"


@public("xla.experimental.jit_scope", "contrib.compiler.jit.experimental_jit_scope")
@contextlib.contextmanager
def jit_scope(
    compile_ops: Any = True, separate_compiled_gradients: bool = False
) -> Generator[None, None, None]:
    """Marks the operations made inside for compilation, those of one outermost scope together.

    Args:
      compile_ops: whether to, or a function of an operation's NodeDef that says so.
      separate_compiled_gradients: the gradients make a group of their own for each call of `tf.gradients`.
    """
    graph = get_default_graph()
    counter = graph.get_collection_ref(_SCOPES)
    if not counter:
        counter.append(0)
    name = graph.attr_scope.get(_NAME)
    if name is None:
        name = f"jit_scope_{counter[0]}".encode()
        counter[0] += 1
    wanted = compile_ops if callable(compile_ops) else bool(compile_ops)
    attrs = {
        "_XlaCompile": wanted,
        "_XlaSeparateCompiledGradients": bool(separate_compiled_gradients),
        _NAME: name,
    }
    with graph._attr_scope(attrs):
        yield


@public("xla.experimental.compile", "contrib.compiler.xla.compile")
def compile(computation: Callable[..., Any], inputs: list[Any] | None = None) -> Any:
    """Draws a computation as one cluster.

    Args:
      computation: of the inputs to nothing, a tensor, a list of tensors and operations after them, or a
        nested structure of tensors.
      inputs: a list, possibly nested, of what can be tensors.

    Returns:
      The tensors, as a list or in their structure, after the operations; without any tensor, an operation.

    Raises:
      TypeError: `inputs` is not a list, or the computation does not take so many arguments.
      ValueError: an operation stands before a tensor or within a structure.
    """
    if inputs is not None and not isinstance(inputs, list | tuple):
        raise TypeError(f"inputs must be a list. Received: {inputs!r}")
    given = list(inputs or ())
    flat = [convert.to_tensor(each) for each in nest.flatten(given)]
    no_op(name=f"{get_default_graph().unique_name('cluster')}/pivot")
    held = [identity(each, name=f"input_{place}") for place, each in enumerate(flat)]
    outputs = computation(*nest.pack_sequence_as(given, held))
    if _is_flat(outputs):
        return _flat_outputs(outputs)
    return nest.pack_sequence_as(outputs, _left([_inner_tensor(each) for each in nest.flatten(outputs)]))


def _is_flat(outputs: Any) -> bool:
    """Whether what a computation gave is nothing, one value, or a list of values."""
    if not isinstance(outputs, list | tuple):
        return not isinstance(outputs, Mapping)
    return not any(isinstance(each, list | tuple | Mapping) for each in outputs)


def _flat_outputs(outputs: Any) -> Any:
    values = [] if outputs is None else list(outputs) if isinstance(outputs, list | tuple) else [outputs]
    values.append(no_op())
    operations = [value for value in values if isinstance(value, Operation)]
    tensors = [convert.to_tensor(value) for value in values if not isinstance(value, Operation)]
    if any(isinstance(value, Operation) for value in values[: len(tensors)]):
        raise ValueError(
            "An XLA computation must give zero or more tensors followed by zero or more operations. "
            f"Received: {outputs!r}"
        )
    with control_dependencies(operations):
        if not tensors:
            return no_op(name="output_0")
        kept = [identity(each) for each in tensors]
    return _left(kept, held=True)


def _inner_tensor(value: Any) -> Tensor:
    if isinstance(value, Operation):
        raise ValueError(f"An XLA computation cannot give operations within a structure. Received: {value!r}")
    return convert.to_tensor(value)


def _left(values: list[Tensor], held: bool = False) -> list[Tensor]:
    """The values outside of the cluster."""
    kept = values if held else [identity(each) for each in values]
    out = [raw.XlaClusterOutput(each, name=f"output{place}") for place, each in enumerate(kept)]
    return [identity(each, name=f"output_{place}") for place, each in enumerate(out)]
