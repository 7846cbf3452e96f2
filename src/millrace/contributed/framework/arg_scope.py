"""`tf.contrib.framework.arg_scope`: default arguments for the functions called inside a `with`."""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from millrace.core.public import public

_Function = TypeVar("_Function", bound=Callable[..., Any])
Defaults = dict[str, dict[str, Any]]


class _Scopes(threading.local):
    """A thread's arg scopes, innermost last."""

    def __init__(self) -> None:
        self.stack: list[Defaults] = [{}]


_scopes = _Scopes()


@public("contrib.framework.current_arg_scope", "contrib.slim.current_arg_scope")
def current_arg_scope() -> Defaults:
    """The default arguments in force: for each function's key, values by argument name."""
    return _scopes.stack[-1]


@public("contrib.framework.has_arg_scope", "contrib.slim.has_arg_scope")
def has_arg_scope(func: Any) -> bool:
    """Whether `func` was decorated with `add_arg_scope`."""
    return hasattr(func, "_key_op")


@public("contrib.slim.arg_scope_func_key")
def arg_scope_func_key(op: Any) -> str:
    """The key under which arg scopes keep the defaults of `op`."""
    return getattr(op, "_key_op", str(op))


@public("contrib.framework.arg_scoped_arguments", "contrib.slim.arg_scoped_arguments")
def arg_scoped_arguments(func: Any) -> tuple[str, ...]:
    """The names of the arguments of `func` that an arg scope can set.

    Raises:
      ValueError: `func` was not decorated with `add_arg_scope`.
    """
    _check_decorated(func)
    return func._scoped_arguments


def _check_decorated(op: Any) -> None:
    if not has_arg_scope(op):
        raise ValueError(f"arg_scope takes functions decorated with @add_arg_scope. Received: {op!r}")


@public(
    "contrib.framework.add_arg_scope",
    "contrib.framework.python.ops.add_arg_scope",
    "contrib.slim.add_arg_scope",
)
def add_arg_scope(func: _Function) -> _Function:
    """Lets `arg_scope` set defaults for the arguments of `func`."""
    key = f"{func.__module__}.{func.__qualname__}"

    @functools.wraps(func)
    def scoped(*args: Any, **kwargs: Any) -> Any:
        defaults = _scopes.stack[-1].get(key)
        return func(*args, **kwargs) if defaults is None else func(*args, **{**defaults, **kwargs})

    parameters = inspect.signature(func).parameters.values()
    scoped._key_op = key  # type: ignore[attr-defined]
    scoped._scoped_arguments = tuple(  # type: ignore[attr-defined]
        p.name for p in parameters if p.default is not p.empty
    )
    return scoped  # type: ignore[return-value]


@public("contrib.framework.arg_scope", "contrib.framework.python.ops.arg_scope", "contrib.slim.arg_scope")
@contextlib.contextmanager
def arg_scope(list_ops_or_scope: Any, **kwargs: Any) -> Iterator[Defaults]:
    """Sets default arguments for functions called inside; inner scopes come before outer ones.

        with arg_scope([conv2d, fully_connected], weights_regularizer=l2_regularizer(1e-4)) as scope:
            net = conv2d(images, 64, 3)
        with arg_scope(scope):  # the same defaults again
            ...

    Args:
      list_ops_or_scope: functions decorated with `add_arg_scope`, or a scope given by an earlier `with`.
      **kwargs: the defaults; none when a scope is entered again.

    Raises:
      TypeError: it is neither a list nor a scope.
      ValueError: defaults for a scope, or a function that is not decorated.
    """
    if isinstance(list_ops_or_scope, dict):
        if kwargs:
            raise ValueError(
                f"arg_scope: a scope is entered again without other defaults. Received: {kwargs}"
            )
        scope = list_ops_or_scope.copy()
    elif isinstance(list_ops_or_scope, list | tuple):
        scope = current_arg_scope().copy()
        for op in list_ops_or_scope:
            _check_decorated(op)
            scope[op._key_op] = {**scope.get(op._key_op, {}), **kwargs}
    else:
        raise TypeError(f"arg_scope: takes a list of functions or a scope. Received: {list_ops_or_scope!r}")
    _scopes.stack.append(scope)
    try:
        yield scope
    finally:
        _scopes.stack.pop()
