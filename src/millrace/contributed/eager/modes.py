"""`tf.contrib.eager`: modes, callbacks and tests, whose operations wait for a session here."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np

from millrace.core.public import public
from millrace.lib.platform import app
from millrace.lib.variables.template import make_template as _make_template

SYNC = public("contrib.eager.SYNC")(0)
ASYNC = public("contrib.eager.ASYNC")(1)
DEVICE_PLACEMENT_EXPLICIT = public("contrib.eager.DEVICE_PLACEMENT_EXPLICIT")(0)
DEVICE_PLACEMENT_WARN = public("contrib.eager.DEVICE_PLACEMENT_WARN")(1)
DEVICE_PLACEMENT_SILENT = public("contrib.eager.DEVICE_PLACEMENT_SILENT")(2)


class _Settings:
    """What was asked for in this process; nothing runs eagerly that could heed it."""

    checks: Any = None
    callbacks: ClassVar[list[Any]] = []


@public("contrib.eager.execution_mode")
@contextlib.contextmanager
def execution_mode(mode: int | None) -> Iterator[None]:
    """A `with` in which eager operations would run as `mode` says: SYNC or ASYNC."""
    set_execution_mode(mode)
    yield


@public("contrib.eager.set_execution_mode")
def set_execution_mode(mode: int | None) -> None:
    """Checks the mode; a session decides how operations run.

    Raises:
      ValueError: it is neither SYNC, nor ASYNC, nor None.
    """
    if mode not in (None, SYNC, ASYNC):
        raise ValueError(f"Execution mode should be None/SYNC/ASYNC. Received: {mode!r}")


@public("contrib.eager.async_wait")
def async_wait() -> None:
    """Nothing: no eager operation is under way."""


@public("contrib.eager.async_clear_error")
def async_clear_error() -> None:
    """Nothing: no eager operation has failed."""


@public("contrib.eager.ExecutionCallback")
class ExecutionCallback:
    """What a check of eager results does: IGNORE, PRINT, WARN or RAISE."""

    IGNORE, PRINT, RAISE, WARN = "ignore", "print", "raise", "warn"


@public("contrib.eager.add_execution_callback")
def add_execution_callback(callback: Callable[..., Any]) -> None:
    """Notes a function that is called after every eager operation, of which there are none."""
    _Settings.callbacks.append(callback)


@public("contrib.eager.clear_execution_callbacks")
def clear_execution_callbacks() -> None:
    """Forgets the functions."""
    _Settings.callbacks.clear()


def _check(name: str, outputs: Any, action: str, bad: Callable[[Any], bool], what: str) -> None:
    for output in outputs:
        values = np.asarray(output)
        if values.dtype.kind in "fc" and bad(values):
            message = f"{what} in an output of {name}"
            if action == ExecutionCallback.RAISE:
                raise InfOrNanError(message)
            if action in (ExecutionCallback.PRINT, ExecutionCallback.WARN):
                print(f"Warning: {message}")  # noqa: T201 - what it was asked for


class InfOrNanError(Exception):
    """A result is infinite or not a number."""


@public("contrib.eager.inf_callback")
def inf_callback(
    op_type: str, inputs: Any, attrs: Any, outputs: Any, op_name: str, action: str = ExecutionCallback.RAISE
) -> None:
    """Checks arrays for infinities; see `ExecutionCallback` for `action`."""
    del inputs, attrs
    _check(op_name or op_type, outputs, action, lambda v: bool(np.isinf(v).any()), "infinity")


@public("contrib.eager.nan_callback")
def nan_callback(
    op_type: str, inputs: Any, attrs: Any, outputs: Any, op_name: str, action: str = ExecutionCallback.RAISE
) -> None:
    """Checks arrays for what is not a number; see `ExecutionCallback` for `action`."""
    del inputs, attrs
    _check(op_name or op_type, outputs, action, lambda v: bool(np.isnan(v).any()), "NaN")


@public("contrib.eager.inf_nan_callback")
def inf_nan_callback(
    op_type: str,
    inputs: Any,
    attrs: Any,
    outputs: Any,
    op_name: str,
    check_inf: bool = True,
    check_nan: bool = True,
    action: str = ExecutionCallback.RAISE,
) -> None:
    """`inf_callback` and `nan_callback`, as far as asked for."""
    if check_inf:
        inf_callback(op_type, inputs, attrs, outputs, op_name, action)
    if check_nan:
        nan_callback(op_type, inputs, attrs, outputs, op_name, action)


@public("contrib.eager.seterr")
def seterr(inf_or_nan: str | None = None) -> dict[str, Any]:
    """Says what to do about eager results that are infinite or not numbers.

    Args:
      inf_or_nan: one of `ExecutionCallback`'s; None leaves it.

    Returns:
      What was said before.

    Raises:
      ValueError: it is none of them.
    """
    if inf_or_nan not in (None, "ignore", "print", "raise", "warn"):
        raise ValueError(f"{inf_or_nan} is not a valid action")
    before = {"inf_or_nan": _Settings.checks}
    if inf_or_nan is not None:
        _Settings.checks = inf_or_nan
    return before


@public("contrib.eager.errstate")
@contextlib.contextmanager
def errstate(inf_or_nan: str | None = None) -> Iterator[None]:
    """A `with` around `seterr`."""
    before = seterr(inf_or_nan)
    try:
        yield
    finally:
        _Settings.checks = before["inf_or_nan"]


@public("contrib.eager.run")
def run(main: Any = None, argv: Any = None) -> None:
    """`tf.app.run`; graphs are built as ever."""
    app.run(main, argv)


@public("contrib.eager.make_template")
def make_template(
    name_: str,
    func_: Callable[..., Any],
    create_scope_now_: bool = False,
    unique_name_: str | None = None,
    custom_getter_: Any = None,
    create_graph_function_: bool = False,
    **kwargs: Any,
) -> Any:
    """`tf.make_template`; with `create_graph_function_` too the function is drawn where it is called."""
    del create_graph_function_
    return _make_template(name_, func_, create_scope_now_, unique_name_, custom_getter_, **kwargs)


@public("contrib.eager.run_test_in_graph_and_eager_modes")
def run_test_in_graph_and_eager_modes(
    func: Any = None,
    config: Any = None,
    use_gpu: bool = True,
    reset_test: bool = True,
    assert_no_eager_garbage: bool = False,
) -> Any:
    """Runs a test method with a graph and a session, the one mode that there is.

    Args:
      func: the method; None: a decorator is returned.
      config: of the session.
      use_gpu, reset_test, assert_no_eager_garbage: accepted.
    """

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def tested(self: Any, *args: Any, **kwargs: Any) -> None:
            with self.test_session(use_gpu=use_gpu, config=config):
                method(self, *args, **kwargs)

        return tested

    return decorate if func is None else decorate(func)


@public("contrib.eager.run_all_tests_in_graph_and_eager_modes")
def run_all_tests_in_graph_and_eager_modes(cls: Any) -> Any:
    """Decorates every test method of a class; see `run_test_in_graph_and_eager_modes`."""
    for name, method in list(vars(cls).items()):
        if callable(method) and name.startswith("test") and name != "test_session":
            setattr(cls, name, run_test_in_graph_and_eager_modes(method))
    return cls


@public("contrib.eager.set_server_def")
def set_server_def(server_def: Any) -> None:
    """Refused: eager operations do not run on other machines; `tf.Session(target)` does.

    Raises:
      ValueError: always.
    """
    raise ValueError(
        f"set_server_def: use tf.train.Server and tf.Session(server.target). Received: {server_def!r}"
    )
