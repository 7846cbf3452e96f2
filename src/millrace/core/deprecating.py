"""The decorators by which libraries on TensorFlow mark what is old: `deprecated`, `deprecated_args`.

Each says so once per function on the 'tensorflow' logger and adds a notice to the docstring.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
import re
from collections import namedtuple
from collections.abc import Callable, Iterator
from typing import Any

from millrace.core.decorators import getfullargspec, make_decorator, unwrap
from millrace.core.public import public

DeprecatedArgSpec = namedtuple("DeprecatedArgSpec", "position has_ok_value ok_value")
public("python.util.deprecation.DeprecatedArgSpec")(DeprecatedArgSpec)


class _Switch:
    """Whether notices are logged, in this process."""

    on = True


def _check(date: str | None, instructions: str) -> None:
    if date is not None and not re.match(r"20\d\d-[01]\d-[0123]\d", date):
        raise ValueError(f"deprecation: date must be YYYY-MM-DD. Received: {date!r}")
    if not instructions:
        raise ValueError("deprecation: instructions must say what to do instead. Received: nothing")


def _when(date: str | None) -> str:
    return "in a future version" if date is None else f"after {date}"


def _documented(func: Any, suffix: str, empty: str, what: str, date: str | None, instructions: str) -> str:
    """The docstring of `func` with a notice below its first line."""
    text = inspect.cleandoc(getattr(func, "__doc__", None) or "")
    first, _, rest = text.partition("\n")
    first = f"{first} ({suffix})" if first else empty
    pronoun = "It" if "FUNCTION" in what else "They"
    until = f"{pronoun} will be removed {_when(date)}."
    notice = f"Warning: {what}. {until}\nInstructions for updating:\n{instructions}"
    return "\n\n".join(part for part in (first, notice, rest.strip()) if part)


def _wrapped(func: Any, wrapper: Any, name: str, doc: str) -> Any:
    made = make_decorator(func, wrapper, name)
    made.__doc__ = doc
    return made


def _say(said: set[Any], key: Any, once: bool, text: str, *args: Any) -> None:
    if _Switch.on and not (once and key in said):
        said.add(key)
        logging.getLogger("tensorflow").warning(text, *args)


@public(
    "python.util.deprecation.deprecated",
    "contrib.framework.deprecated",
    "contrib.slim.deprecated",
    "contrib.learn.datasets.deprecated",
    "contrib.learn.preprocessing.deprecated",
)
def deprecated(date: str | None, instructions: str, warn_once: bool = True) -> Callable[[Any], Any]:
    """Decorator for a function or class that is to go.

    Args:
      date: when, as "YYYY-MM-DD"; None: some day.
      instructions: what to use instead.
      warn_once: say it at the first call only.

    Raises:
      ValueError: the date is not one, or there are no instructions.
    """
    _check(date, instructions)

    def decorate(func: Any) -> Any:
        said: set[Any] = set()

        def say() -> None:
            name = getattr(func, "__qualname__", repr(func))
            text = "%s (from %s) is deprecated and will be removed %s.\nInstructions for updating:\n%s"
            _say(said, "", warn_once, text, name, func.__module__, _when(date), instructions)

        if inspect.isclass(func):
            made = func.__init__

            @functools.wraps(made)
            def init(self: Any, *args: Any, **kwargs: Any) -> None:
                say()
                made(self, *args, **kwargs)

            func.__init__ = init
            return func

        def call(*args: Any, **kwargs: Any) -> Any:
            say()
            return func(*args, **kwargs)

        doc = _documented(
            func,
            "deprecated",
            "DEPRECATED FUNCTION",
            "THIS FUNCTION IS DEPRECATED",
            date,
            instructions,
        )
        return _wrapped(func, call, "deprecated", doc)

    return decorate


@public(
    "python.util.deprecation.deprecated_args",
    "contrib.framework.deprecated_args",
    "contrib.slim.deprecated_args",
)
def deprecated_args(
    date: str | None, instructions: str, *deprecated_arg_names_or_tuples: Any, **kwargs: Any
) -> Callable[[Any], Any]:
    """Decorator for a function some of whose arguments are to go.

    Args:
      date: when, as "YYYY-MM-DD"; None: some day.
      instructions: what to use instead.
      *deprecated_arg_names_or_tuples: names, or pairs of a name and the one value that stays fine.
      **kwargs: `warn_once`, default True.

    Raises:
      ValueError: no such argument, no name at all, or a date that is not one.
      TypeError: another keyword.
    """
    _check(date, instructions)
    if not deprecated_arg_names_or_tuples:
        raise ValueError("deprecated_args: name at least one argument. Received: none")
    once = kwargs.pop("warn_once", True)
    if kwargs:
        raise TypeError(f"deprecated_args takes no keyword but warn_once. Received: {sorted(kwargs)}")
    fine = {
        (item if isinstance(item, str) else item[0]): (() if isinstance(item, str) else tuple(item[1:2]))
        for item in deprecated_arg_names_or_tuples
    }

    def decorate(func: Any) -> Any:
        spec = getfullargspec(func)
        known = {*spec.args, *spec.kwonlyargs, spec.varargs, spec.varkw} - {None}
        if absent := sorted(set(fine) - known):
            raise ValueError(
                f"deprecated_args: {getattr(func, '__name__', func)!r} lacks the arguments {absent}. "
                f"Received: {sorted(known)}"
            )
        said: set[Any] = set()
        signature = inspect.signature(unwrap(func)[1])

        def call(*args: Any, **named: Any) -> Any:
            try:
                given = signature.bind(*args, **named).arguments
            except TypeError:
                given = named
            for name, allowed in fine.items():
                if (
                    name in given
                    and given[name] not in ((), {})
                    and not (allowed and _same(given[name], allowed[0]))
                ):
                    text = (
                        "calling %s (from %s) with %s is deprecated and will be removed %s.\n"
                        "Instructions for updating:\n%s"
                    )
                    _say(
                        said,
                        name,
                        once,
                        text,
                        func.__name__,
                        func.__module__,
                        name,
                        _when(date),
                        instructions,
                    )
            return func(*args, **named)

        what = f"SOME ARGUMENTS ARE DEPRECATED: `({', '.join(sorted(fine))})`"
        doc = _documented(
            func, "deprecated arguments", "DEPRECATED FUNCTION ARGUMENTS", what, date, instructions
        )
        return _wrapped(func, call, "deprecated_args", doc)

    return decorate


def _same(value: Any, fine: Any) -> bool:
    return value is fine or (
        type(value) is type(fine) and isinstance(fine, str | int | float) and value == fine
    )


@public(
    "python.util.deprecation.deprecated_arg_values",
    "contrib.framework.deprecated_arg_values",
    "contrib.slim.deprecated_arg_values",
)
def deprecated_arg_values(
    date: str | None, instructions: str, warn_once: bool = True, **deprecated_kwargs: Any
) -> Callable[[Any], Any]:
    """Decorator for a function that is to stop taking certain values.

    Args:
      date: when, as "YYYY-MM-DD"; None: some day.
      instructions: what to use instead.
      warn_once: say it once for each argument.
      **deprecated_kwargs: name of an argument = the old value.

    Raises:
      ValueError: no argument is named, or the date is not one.
    """
    _check(date, instructions)
    if not deprecated_kwargs:
        raise ValueError("deprecated_arg_values: name at least one argument. Received: none")

    def decorate(func: Any) -> Any:
        said: set[Any] = set()
        signature = inspect.signature(unwrap(func)[1])

        def call(*args: Any, **named: Any) -> Any:
            given = signature.bind(*args, **named).arguments
            for name, old in deprecated_kwargs.items():
                if name in given and _same(given[name], old):
                    text = (
                        "calling %s (from %s) with %s=%s is deprecated and will be removed %s.\n"
                        "Instructions for updating:\n%s"
                    )
                    where = (func.__name__, func.__module__)
                    _say(said, name, warn_once, text, *where, name, old, _when(date), instructions)
            return func(*args, **named)

        pairs = ", ".join(f"{name}={old!r}" for name, old in sorted(deprecated_kwargs.items()))
        what = f"SOME ARGUMENT VALUES ARE DEPRECATED: `({pairs})`"
        doc = _documented(
            func,
            "deprecated argument values",
            "DEPRECATED FUNCTION ARGUMENT VALUES",
            what,
            date,
            instructions,
        )
        return _wrapped(func, call, "deprecated", doc)

    return decorate


@public("python.util.deprecation.deprecated_alias")
def deprecated_alias(deprecated_name: str, name: str, func_or_class: Any, warn_once: bool = True) -> Any:
    """The same function or class under an old name, saying once which name is the new one."""
    said: set[Any] = set()

    def say() -> None:
        text = "The name %s is deprecated. Please use %s instead."
        _say(said, "", warn_once, text, deprecated_name, name)

    if inspect.isclass(func_or_class):

        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            say()
            func_or_class.__init__(self, *args, **kwargs)

        members = {"__init__": init, "__doc__": func_or_class.__doc__, "__module__": func_or_class.__module__}
        metaclass: Any = type(func_or_class)
        return metaclass(func_or_class.__name__, (func_or_class,), members)

    def call(*args: Any, **kwargs: Any) -> Any:
        say()
        return func_or_class(*args, **kwargs)

    return make_decorator(func_or_class, call, "deprecated")


@public("python.util.deprecation.deprecated_endpoints")
def deprecated_endpoints(*args: str) -> Callable[[Any], Any]:
    """Decorator: notes which public names of a function are old."""

    def decorate(func: Any) -> Any:
        func._tf_deprecated_api_names = args
        return func

    return decorate


@public("python.util.deprecation.deprecated_argument_lookup")
def deprecated_argument_lookup(new_name: str, new_value: Any, old_name: str, old_value: Any) -> Any:
    """The value of an argument that has two names.

    Raises:
      ValueError: both are given.
    """
    if old_value is not None:
        if new_value is not None:
            raise ValueError(f"Cannot specify both {old_name!r} and {new_name!r}")
        return old_value
    return new_value


@public("python.util.deprecation.rewrite_argument_docstring")
def rewrite_argument_docstring(old_doc: str, old_argument: str, new_argument: str) -> str:
    """The docstring with an argument's name exchanged."""
    return old_doc.replace(f"`{old_argument}`", f"`{new_argument}`").replace(
        f"{old_argument}:", f"{new_argument}:"
    )


@public("python.util.deprecation.silence")
@contextlib.contextmanager
def silence() -> Iterator[None]:
    """No notices inside the `with`."""
    before = _Switch.on
    _Switch.on = False
    try:
        yield
    finally:
        _Switch.on = before


@public("python.util.deprecation.hide_attribute_from_api")
def hide_attribute_from_api(deprecation_message: str) -> Callable[[Any], Any]:
    """Decorator that leaves a function as it is: only generated documentation cares."""
    del deprecation_message
    return lambda func: func


@public("python.util.tf_should_use.should_use_result")
def should_use_result(fn: Any) -> Any:
    """Decorator that leaves a function as it is: an unused result is not reported in graphs."""
    return fn


public("python.util.tf_should_use.must_use_result_or_fatal")(should_use_result)
