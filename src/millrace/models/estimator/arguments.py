"""What an estimator checks of its arguments: the model function, hooks, listeners."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from millrace.core.kinds import LISTS
from millrace.core.public import public
from millrace.lib.platform import log
from millrace.training.hooks.base import SessionRunHook
from millrace.training.hooks.saving import CheckpointSaverListener

_MODEL_ARGUMENTS = {"features", "labels", "mode", "params", "self", "config"}


@public("python.estimator.util.fn_args")
def arguments_of(function: Any) -> tuple[str, ...]:
    """The names of a function's arguments; those bound already are left out."""
    bound: set[str] = set()
    count = 0
    while isinstance(function, functools.partial):
        bound |= set(function.keywords)
        count += len(function.args)
        function = function.func
    called = function if inspect.isroutine(function) or inspect.isclass(function) else function.__call__
    found = inspect.getfullargspec(called)
    names = [*found.args, *found.kwonlyargs]
    if inspect.ismethod(called):
        names = names[1:]
    return tuple(n for n in names[count:] if n not in bound)


@public("python.estimator.estimator._verify_model_fn_args")
def check_model_fn(model_fn: Any, params: Any) -> None:
    """A model function takes features, and of the other arguments only those that there are.

    Raises:
      ValueError: it does not.
    """
    names = set(arguments_of(model_fn))
    if "features" not in names:
        raise ValueError(f"model_fn ({model_fn}) must include features argument. Received: {sorted(names)}")
    if params is not None and "params" not in names:
        raise ValueError(
            f"model_fn ({model_fn}) does not include params argument, but params ({params}) is passed."
        )
    if params is None and "params" in names:
        log.warning(
            "Estimator's model_fn (%s) includes params argument, but params are not passed to Estimator.",
            model_fn,
        )
    other = sorted(names - _MODEL_ARGUMENTS)
    if other:
        raise ValueError(f"model_fn ({model_fn}) has following not expected args: {other}")


def check_hooks(hooks: Any) -> list[Any]:
    """Hooks as a list.

    Raises:
      TypeError: one is not a hook.
    """
    found = list(hooks or ())
    for hook in found:
        if not isinstance(hook, SessionRunHook):
            raise TypeError(f"Hooks must be a SessionRunHook, given: {hook}")
    return found


def checked_listeners(listeners: Any) -> list[Any]:
    """Listeners as a list.

    Raises:
      TypeError: one is something else.
    """
    given = listeners or ()
    if not isinstance(given, LISTS) or not all(isinstance(x, CheckpointSaverListener) for x in given):
        raise TypeError(f"saving_listeners must be a list of CheckpointSaverListener, given: {listeners}")
    return list(given)
