"""The global step: one integer variable of a graph that counts training steps."""

from __future__ import annotations

import logging
from typing import Any

from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.graph import Graph
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.variables import initializers
from millrace.lib.variables.kinds import VariableAggregation
from millrace.lib.variables.scope import get_variable
from millrace.lib.variables.variable import Variable


@public("train.global_step", "python.training.training_util.global_step")
def global_step(sess: Any, global_step_tensor: Any) -> int:
    """The value of a global step in a session.

    Args:
      sess: the session.
      global_step_tensor: the step's variable or tensor.
    """
    return int(sess.run(global_step_tensor))


@public(
    "train.get_global_step",
    "python.training.training_util.get_global_step",
    "python.training.training.get_global_step",
    "contrib.framework.get_global_step",
    "contrib.slim.get_global_step",
)
def get_global_step(graph: Graph | None = None) -> Any:
    """The global step of `graph` (default: the default graph), or None where there is none.

    Raises:
      TypeError: what is called "global_step" is not an integer scalar.
    """
    graph = graph or get_default_graph()
    if not isinstance(graph, Graph):
        raise TypeError(f"get_global_step: graph must be a tf.Graph. Received: {graph!r}")
    collected = graph.get_collection(GraphKeys.GLOBAL_STEP)
    if len(collected) > 1:
        logging.getLogger("tensorflow").error("Multiple tensors in global_step collection.")
        return None
    if collected:
        found = collected[0]
    else:
        try:
            found = graph.get_tensor_by_name("global_step:0")
        except KeyError:
            return None
    assert_global_step(found)
    return found


@public(
    "train.create_global_step",
    "python.training.training_util.create_global_step",
    "contrib.framework.create_global_step",
    "contrib.slim.create_global_step",
)
def create_global_step(graph: Graph | None = None) -> Variable:
    """Makes the global step of `graph` (default: the default graph): an int64 scalar that begins with 0.

    Raises:
      ValueError: the graph has one already.
    """
    graph = graph or get_default_graph()
    if get_global_step(graph) is not None:
        raise ValueError('"global_step" already exists.')
    with graph.as_default(), graph.name_scope(None):
        return get_variable(
            GraphKeys.GLOBAL_STEP,
            shape=[],
            dtype=dtypes.int64,
            initializer=initializers.Zeros(),
            trainable=False,
            aggregation=VariableAggregation.ONLY_FIRST_REPLICA,
            collections=[GraphKeys.GLOBAL_VARIABLES, GraphKeys.GLOBAL_STEP],
        )


@public(
    "train.get_or_create_global_step",
    "python.training.training_util.get_or_create_global_step",
    "contrib.framework.get_or_create_global_step",
    "contrib.slim.get_or_create_global_step",
)
def get_or_create_global_step(graph: Graph | None = None) -> Any:
    """The global step of `graph` (default: the default graph), made where there is none."""
    graph = graph or get_default_graph()
    found = get_global_step(graph)
    return create_global_step(graph) if found is None else found


@public(
    "train.assert_global_step",
    "python.training.training_util.assert_global_step",
    "contrib.framework.assert_global_step",
    "contrib.slim.assert_global_step",
)
def assert_global_step(global_step_tensor: Any) -> None:
    """Checks that `global_step_tensor` is an integer scalar.

    Raises:
      TypeError: it is not.
    """
    if not isinstance(global_step_tensor, Variable | Tensor):
        raise TypeError(
            f'Existing "global_step" must be a Variable or Tensor. Received: {global_step_tensor!r}'
        )
    if not global_step_tensor.dtype.base_dtype.is_integer:
        raise TypeError(
            f'Existing "global_step" does not have integer type. Received: {global_step_tensor.dtype.name}'
        )
    shape = global_step_tensor.get_shape()
    if shape.ndims != 0 and shape.is_fully_defined():
        raise TypeError(f'Existing "global_step" is not scalar. Received: shape {shape}')


_READS = "global_step_read_op_cache"


@public("python.training.training_util._get_or_create_global_step_read")
def global_step_read(graph: Graph | None = None) -> Tensor | None:
    """A tensor of the global step's value before the run, made once for a graph; None without a step."""
    graph = graph or get_default_graph()
    found = graph.get_collection(_READS)
    if len(found) > 1:
        raise RuntimeError(f"There are several reads of the global step in collection {_READS!r}: {found}")
    if found:
        return found[0]
    step = get_global_step(graph)
    if step is None:
        return None
    with graph.as_default(), graph.name_scope(None), graph.name_scope(f"{step.op.name}/"):
        value = step.initialized_value() if isinstance(step, Variable) else step
        read = value + 0
        graph.add_to_collection(_READS, read)
        return read
