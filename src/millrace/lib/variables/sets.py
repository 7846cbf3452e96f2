"""The variables of a graph, by kind, and operations that initialise or check many of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.scopes import name_scope
from millrace.building.slicing import boolean_mask
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import group
from millrace.lib.variables.variable import Variable


@public("global_variables", "python.ops.variables.global_variables")
def global_variables(scope: str | None = None) -> list[Any]:
    """The variables that all parts of a program share; with `scope`, those whose name matches it.

    Example:
      >>> w = tf.Variable(1.0, name="w")
      >>> step = tf.Variable(0, name="step", trainable=False)
      >>> print([v.name for v in tf.global_variables()])
      ['w:0', 'step:0']
    """
    return get_default_graph().get_collection(GraphKeys.GLOBAL_VARIABLES, scope)


@public("all_variables", "python.ops.variables.all_variables")
def all_variables() -> list[Any]:
    """The old name of `global_variables`."""
    return global_variables()


@public("local_variables", "python.ops.variables.local_variables")
def local_variables(scope: str | None = None) -> list[Any]:
    """The variables of this process only; with `scope`, those whose name matches it."""
    return get_default_graph().get_collection(GraphKeys.LOCAL_VARIABLES, scope)


@public("model_variables", "python.ops.variables.model_variables")
def model_variables(scope: str | None = None) -> list[Any]:
    """The variables that a model needs for inference; with `scope`, those whose name matches it."""
    return get_default_graph().get_collection(GraphKeys.MODEL_VARIABLES, scope)


@public("trainable_variables", "python.ops.variables.trainable_variables")
def trainable_variables(scope: str | None = None) -> list[Any]:
    """The variables that optimizers change by default; with `scope`, those whose name matches it.

    Example:
      >>> w = tf.Variable(1.0, name="w")
      >>> step = tf.Variable(0, name="step", trainable=False)
      >>> print([v.name for v in tf.trainable_variables()])
      ['w:0']
    """
    return get_default_graph().get_collection(GraphKeys.TRAINABLE_VARIABLES, scope)


@public("moving_average_variables", "python.ops.variables.moving_average_variables")
def moving_average_variables(scope: str | None = None) -> list[Any]:
    """The variables that have moving averages; with `scope`, those whose name matches it."""
    return get_default_graph().get_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, scope)


@public("variables_initializer", "initializers.variables", "python.ops.variables.variables_initializer")
def variables_initializer(var_list: Iterable[Any], name: str = "init") -> Operation:
    """An operation that initialises variables.

    Args:
      var_list: the variables.
      name: op name.

    Raises:
      TypeError: one of `var_list` is not a variable.
    """
    variables = list(var_list or ())
    for variable in variables:
        if not hasattr(variable, "initializer"):
            raise TypeError(f"variables_initializer: var_list must hold variables. Received: {variable!r}")
    return group(*[v.initializer for v in variables], name=name)


@public("initialize_variables")
def initialize_variables(var_list: Iterable[Any], name: str = "init") -> Operation:
    """The old name of `variables_initializer`."""
    return variables_initializer(var_list, name)


@public(
    "global_variables_initializer",
    "initializers.global_variables",
    "python.ops.variables.global_variables_initializer",
)
def global_variables_initializer() -> Operation:
    """An operation that initialises all global variables.

    Example:
      >>> w = tf.Variable([1.0, 2.0])
      >>> with tf.Session() as sess:
      ...     sess.run(tf.global_variables_initializer())
      ...     print(sess.run(w))
      [1. 2.]
    """
    return variables_initializer(global_variables())


@public("initialize_all_variables")
def initialize_all_variables() -> Operation:
    """The old name of `global_variables_initializer`."""
    return global_variables_initializer()


@public(
    "local_variables_initializer",
    "initializers.local_variables",
    "python.ops.variables.local_variables_initializer",
)
def local_variables_initializer() -> Operation:
    """An operation that initialises all local variables."""
    return variables_initializer(local_variables())


@public("initialize_local_variables")
def initialize_local_variables() -> Operation:
    """The old name of `local_variables_initializer`."""
    return local_variables_initializer()


@public("is_variable_initialized", "python.ops.variables.is_variable_initialized")
def is_variable_initialized(variable: Any) -> Tensor:
    """Whether a variable has a value: a bool scalar."""
    if isinstance(variable, Variable):
        return variable._is_initialized()
    return raw.IsVariableInitialized(variable)


def _variables_to_check(var_list: Any) -> list[Any]:
    if var_list is not None:
        return list(var_list)
    found = global_variables() + local_variables()
    if found:
        return found
    types = ("Variable", "VariableV2", "AutoReloadVariable")
    return [op.outputs[0] for op in get_default_graph().get_operations() if op.type in types]


@public("assert_variables_initialized", "python.ops.variables.assert_variables_initialized")
def assert_variables_initialized(var_list: Any = None) -> Tensor | None:
    """A tensor that fails with FailedPreconditionError while one of the variables has no value.

    Args:
      var_list: the variables; default all global and local ones.

    Returns:
      The ranks of the variables, packed where there are several; None when there are no variables.
    """
    found = _variables_to_check(var_list)
    if not found:
        return None
    ranks = [raw.Rank(v) for v in found]
    return ranks[0] if len(ranks) == 1 else raw.Pack(ranks)


@public("report_uninitialized_variables", "python.ops.variables.report_uninitialized_variables")
def report_uninitialized_variables(
    var_list: Any = None, name: str = "report_uninitialized_variables"
) -> Tensor:
    """The names of the variables that have no value.

    Args:
      var_list: the variables; default all global and local ones.
      name: op name.

    Returns:
      string `[n]`.
    """
    found = _variables_to_check(var_list)
    with name_scope(name):
        if not found:
            return raw.Const(value=np.array([], object), dtype=dtypes.string, name="Const")
        mask = raw.LogicalNot(raw.Pack([is_variable_initialized(v) for v in found], name="stack"))
        names = np.array([v.op.name.encode() for v in found], object)
        return boolean_mask(raw.Const(value=names, dtype=dtypes.string, name="Const"), mask)
