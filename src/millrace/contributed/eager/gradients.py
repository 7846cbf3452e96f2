"""`tf.contrib.eager`: functions that give gradients of functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from millrace.autodiff.gradients import gradients
from millrace.building import convert
from millrace.core import nest
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph


def _variables_of(result: Any) -> list[Any]:
    """The trainable variables that tensors depend on, in the order in which they were made."""
    variables = get_default_graph().get_collection("trainable_variables")
    by_op = {}
    for variable in variables:
        handle = getattr(variable, "handle", None)
        by_op[(variable._ref() if handle is None else handle).op] = variable
    seen, used, queue = set(), set(), [convert.to_tensor(y).op for y in nest.flatten(result)]
    while queue:
        op = queue.pop()
        if op in seen:
            continue
        seen.add(op)
        if op in by_op:
            used.add(by_op[op])
        queue.extend(t.op for t in op.inputs)
    return [v for v in variables if v in used]


@public("contrib.eager.implicit_value_and_gradients")
def implicit_value_and_gradients(f: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a function that gives what `f` gives, and its gradients by the variables that it uses.

    Args:
      f: of anything to a tensor.

    Returns:
      A function of the same arguments to the result and a list of pairs (gradient, variable).

    Raises:
      ValueError: when called: `f` gives nothing, or uses no trainable variable.
    """

    def both(*args: Any, **kwargs: Any) -> Any:
        result = f(*args, **kwargs)
        if result is None:
            raise ValueError(
                "Cannot differentiate a function that returns None; did you forget to return a "
                f"value from {getattr(f, '__name__', f)}?"
            )
        variables = _variables_of(result)
        if not variables:
            raise ValueError("No trainable variables were accessed while the function was being computed.")
        return result, list(zip(gradients(result, variables), variables, strict=True))

    return both


@public("contrib.eager.implicit_gradients")
def implicit_gradients(f: Callable[..., Any]) -> Callable[..., Any]:
    """As `implicit_value_and_gradients`; the function gives the list of pairs alone."""
    both = implicit_value_and_gradients(f)
    return lambda *args, **kwargs: both(*args, **kwargs)[1]


def _positions(f: Callable[..., Any], params: Any) -> list[int]:
    names = list(inspect.signature(f).parameters)
    if params is None:
        return list(range(len(names)))
    if not params or len(set(map(type, params))) > 1:
        raise ValueError(f"params must be all strings or all integers; got {params}.")
    if isinstance(params[0], str):
        return [names.index(p) for p in params]
    return list(params)


@public("contrib.eager.value_and_gradients_function")
def value_and_gradients_function(f: Callable[..., Any], params: Any = None) -> Callable[..., Any]:
    """Makes a function that gives what `f` gives, and its gradients by its arguments.

    Args:
      f: of tensors to a tensor.
      params: which arguments, by name or by place; default all.

    Returns:
      A function of the arguments, and of the result's gradient as `dy`, to the result and a list of
      gradients.

    Raises:
      ValueError: the arguments are named in several ways; or, when called, `f` gives nothing.
    """

    def both(*args: Any, **kwargs: Any) -> Any:
        dy = kwargs.pop("dy", None)
        if kwargs:
            raise ValueError("Functions to be differentiated cannot receive keyword arguments.")
        places = _positions(f, params)
        given = [convert.to_tensor(x) for x in args]
        result = f(*given)
        if result is None:
            raise ValueError(
                "Cannot differentiate a function that returns None; did you forget to return a "
                f"value from {getattr(f, '__name__', f)}?"
            )
        return result, gradients(result, [given[i] for i in places], dy)

    return both


@public("contrib.eager.gradients_function")
def gradients_function(f: Callable[..., Any], params: Any = None) -> Callable[..., Any]:
    """As `value_and_gradients_function`; the function gives the gradients alone."""
    both = value_and_gradients_function(f, params)
    return lambda *args, **kwargs: both(*args, **kwargs)[1]
