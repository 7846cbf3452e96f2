"""`tf.contrib.framework`: variables of models, and finding variables by scope, suffix and name."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building.scopes import device as device_scope
from millrace.contributed.framework.arg_scope import add_arg_scope
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.operation import Operation
from millrace.lib.flow.control_flow import group
from millrace.lib.variables.kinds import VariableAggregation, VariableSynchronization
from millrace.lib.variables.scope import VariableScope, get_variable, get_variable_scope
from millrace.lib.variables.variable import Variable
from millrace.ops.array.constant import placeholder


@public("contrib.framework.variable", "contrib.slim.variable")
@add_arg_scope
def variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    collections: Any = None,
    caching_device: Any = None,
    device: Any = None,
    partitioner: Any = None,
    custom_getter: Callable[..., Any] | None = None,
    use_resource: bool | None = None,
    synchronization: Any = VariableSynchronization.AUTO,
    aggregation: Any = VariableAggregation.NONE,
) -> Any:
    """A variable, made or found by `tf.get_variable`.

    Args:
      name: of the variable.
      shape, dtype, initializer, regularizer, trainable, caching_device, partitioner, use_resource,
        synchronization, aggregation: see `tf.get_variable`.
      collections: the collections that a new variable joins; default GLOBAL_VARIABLES.
      device: where it lives: a device name, or a function from an operation to one.
      custom_getter: called in place of `tf.get_variable`, with `reuse` from the scope.
    """
    chosen = list(dict.fromkeys(collections)) if collections is not None else [GraphKeys.GLOBAL_VARIABLES]
    getter = get_variable
    if custom_getter is not None:
        getter = functools.partial(custom_getter, reuse=get_variable_scope().reuse)
    with device_scope(device or ""):
        return getter(
            name,
            shape=shape,
            dtype=dtype,
            initializer=initializer,
            regularizer=regularizer,
            trainable=trainable,
            collections=chosen,
            caching_device=caching_device,
            partitioner=partitioner,
            use_resource=use_resource,
            synchronization=synchronization,
            aggregation=aggregation,
        )


@public("contrib.framework.model_variable", "contrib.slim.model_variable")
@add_arg_scope
def model_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    collections: Any = None,
    caching_device: Any = None,
    device: Any = None,
    partitioner: Any = None,
    custom_getter: Callable[..., Any] | None = None,
    use_resource: bool | None = None,
    synchronization: Any = VariableSynchronization.AUTO,
    aggregation: Any = VariableAggregation.NONE,
) -> Any:
    """As `variable`, for one that also joins GLOBAL_VARIABLES and MODEL_VARIABLES."""
    return variable(
        name,
        shape,
        dtype,
        initializer,
        regularizer,
        trainable,
        [*(collections or ()), GraphKeys.GLOBAL_VARIABLES, GraphKeys.MODEL_VARIABLES],
        caching_device,
        device,
        partitioner,
        custom_getter,
        use_resource,
        synchronization,
        aggregation,
    )


@public("contrib.framework.local_variable", "contrib.slim.local_variable")
def local_variable(
    initial_value: Any, validate_shape: bool = True, name: str | None = None, use_resource: bool | None = None
) -> Any:
    """A variable of LOCAL_VARIABLES that is not trained: not saved, made anew by every process."""
    return Variable(
        initial_value,
        trainable=False,
        collections=[GraphKeys.LOCAL_VARIABLES],
        validate_shape=validate_shape,
        name=name,
        use_resource=use_resource,
    )


@public("contrib.framework.global_variable", "contrib.slim.global_variable")
def global_variable(
    initial_value: Any, validate_shape: bool = True, name: str | None = None, use_resource: bool | None = None
) -> Any:
    """A variable of GLOBAL_VARIABLES that is not trained."""
    return Variable(
        initial_value,
        trainable=False,
        collections=[GraphKeys.GLOBAL_VARIABLES],
        validate_shape=validate_shape,
        name=name,
        use_resource=use_resource,
    )


@public("contrib.framework.add_model_variable", "contrib.slim.add_model_variable")
def add_model_variable(var: Any) -> None:
    """Adds a variable to MODEL_VARIABLES, once."""
    graph = get_default_graph()
    if not any(v is var for v in graph.get_collection_ref(GraphKeys.MODEL_VARIABLES)):
        graph.add_to_collection(GraphKeys.MODEL_VARIABLES, var)


@public("contrib.framework.get_variables", "contrib.slim.get_variables")
def get_variables(
    scope: Any = None, suffix: str | None = None, collection: str = GraphKeys.GLOBAL_VARIABLES
) -> list[Any]:
    """The variables of a collection.

    Args:
      scope: keep those whose names begin with this name (a regular expression) or lie in this variable scope.
      suffix: keep those whose names end in this.
      collection: a collection's name.
    """
    if isinstance(scope, VariableScope):
        scope = scope.name
    if suffix is not None:
        suffix = suffix if ":" in suffix else f"{suffix}:"
        scope = f"{scope or ''}.*{suffix}"
    return get_default_graph().get_collection(collection, scope)


@public("contrib.framework.get_model_variables", "contrib.slim.get_model_variables")
def get_model_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """`get_variables` of MODEL_VARIABLES."""
    return get_variables(scope, suffix, GraphKeys.MODEL_VARIABLES)


@public("contrib.framework.get_local_variables", "contrib.slim.get_local_variables")
def get_local_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """`get_variables` of LOCAL_VARIABLES."""
    return get_variables(scope, suffix, GraphKeys.LOCAL_VARIABLES)


@public("contrib.framework.get_trainable_variables", "contrib.slim.get_trainable_variables")
def get_trainable_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """`get_variables` of TRAINABLE_VARIABLES."""
    return get_variables(scope, suffix, GraphKeys.TRAINABLE_VARIABLES)


@public("contrib.framework.get_variables_to_restore", "contrib.slim.get_variables_to_restore")
def get_variables_to_restore(include: Any = None, exclude: Any = None) -> list[Any]:
    """The global variables to read from a checkpoint.

    Args:
      include: a list of scopes; default all.
      exclude: a list of scopes.

    Raises:
      TypeError: an argument is not a list.
    """
    for given in (include, exclude):
        if given is not None and not isinstance(given, list | tuple):
            raise TypeError(f"get_variables_to_restore: takes lists of scopes. Received: {given!r}")
    chosen = get_variables() if include is None else [v for scope in include for v in get_variables(scope)]
    left_out = {id(v) for scope in exclude or () for v in get_variables(scope)}
    return [v for v in chosen if id(v) not in left_out]


@public("contrib.framework.get_variables_by_suffix", "contrib.slim.get_variables_by_suffix")
def get_variables_by_suffix(suffix: str, scope: Any = None) -> list[Any]:
    """The global variables whose names end in `suffix`."""
    return get_variables(scope=scope, suffix=suffix)


@public("contrib.framework.get_variables_by_name", "contrib.slim.get_variables_by_name")
def get_variables_by_name(given_name: str, scope: Any = None) -> list[Any]:
    """The global variables whose names, without their scopes, are `given_name`."""
    return get_variables(scope=scope, suffix=f"/{given_name}:|^{given_name}:")


@public("contrib.framework.get_unique_variable", "contrib.slim.get_unique_variable")
def get_unique_variable(var_op_name: str) -> Any:
    """The global variable of that full name.

    Raises:
      ValueError: there is none.
    """
    for candidate in get_variables(re.escape(var_op_name)):
        if candidate.op.name == var_op_name:
            return candidate
    raise ValueError(f"there is no global variable of that name. Received: {var_op_name!r}")


@public("contrib.framework.get_variable_full_name", "contrib.slim.get_variable_full_name")
def get_variable_full_name(var: Any) -> str:
    """The name in checkpoints: for a part of a variable, that of the whole."""
    info = var._save_slice_info
    return info.full_name if info else var.op.name


@public("contrib.framework.filter_variables", "contrib.slim.filter_variables")
def filter_variables(
    var_list: Any, include_patterns: Any = None, exclude_patterns: Any = None, reg_search: bool = True
) -> list[Any]:
    """The variables whose names fit one of the first patterns and none of the second.

    Args:
      var_list: variables.
      include_patterns: regular expressions; default all.
      exclude_patterns: regular expressions.
      reg_search: look for the pattern anywhere in the name; False: at its beginning.
    """
    fits = re.search if reg_search else re.match
    return [
        v
        for v in var_list
        if (not include_patterns or any(fits(p, v.op.name) for p in include_patterns))
        and not any(fits(p, v.op.name) for p in exclude_patterns or ())
    ]


@public("contrib.framework.assign_from_values", "contrib.slim.assign_from_values")
def assign_from_values(var_names_to_values: dict[str, Any]) -> tuple[Operation, dict[Any, Any]]:
    """An operation that assigns values to variables by name, and what to feed to it.

    Args:
      var_names_to_values: values, array-like, by the variables' full names.

    Raises:
      ValueError: there is no such variable, or a value is of another shape.
    """
    feeds, assignments = {}, []
    for name, value in var_names_to_values.items():
        var, array = get_unique_variable(name), np.asarray(value)
        given = placeholder(var.dtype.base_dtype, list(array.shape), name=f"placeholder/{var.op.name}")
        assignments.append(var.assign(given))
        feeds[given] = array
    return group(*assignments), feeds


@public("contrib.framework.assign_from_values_fn", "contrib.slim.assign_from_values_fn")
def assign_from_values_fn(var_names_to_values: dict[str, Any]) -> Callable[[Any], Any]:
    """A function of a session that assigns values to variables by name; see `assign_from_values`."""
    assignment, feeds = assign_from_values(var_names_to_values)
    return lambda session: session.run(assignment, feeds)


@public("contrib.framework.get_name_scope")
def get_name_scope() -> str:
    """The current name scope, without a trailing slash."""
    return get_default_graph().get_name_scope()
