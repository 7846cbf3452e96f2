"""The border of public functions: what an argument cannot do is an error that names function and argument."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any, TypeVar

from millrace.core.depth import bounded

_T = TypeVar("_T")

_LEAKS = (AttributeError, LookupError, ArithmeticError, RecursionError, MemoryError)
_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LIBRARY = os.path.dirname(os.__file__) + os.sep
_PACKAGES = f"{os.sep}site-packages{os.sep}"
_LONG = 100


def bordered(thing: _T) -> _T:
    """A public function, or a class with its constructor, whose wrong arguments are refused by name.

    Where code of this package stumbles over an argument (it lacks an attribute, a key, an element, or is
    beyond all bounds), the caller gets a TypeError or ValueError that names both, with the stumble as its
    cause. What a `raise` says, and whatever happens in functions of the caller's, goes through as it is.
    """
    if isinstance(thing, type):
        if "__init__" in vars(thing):
            thing.__init__ = _guarded(thing.__init__, thing.__name__)  # type: ignore[misc]
        return thing
    return _guarded(thing, thing.__name__)  # type: ignore[attr-defined, no-any-return]


def _guarded(function: Any, name: str) -> Any:
    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except _LEAKS as error:
            if not _is_stumble(error, (*args, *kwargs.values())):
                raise
            raise _refusal(function, name, args, kwargs, error) from error

    guarded.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return guarded


def _is_stumble(error: BaseException, given: tuple[Any, ...]) -> bool:
    """Whether code of this package has met the error without anybody raising it; or code of a library that it
    has handed an argument on to, which lacks an attribute.
    """
    step = error.__traceback__
    last: TracebackType | None = None
    handed_on = False
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if not file.startswith(_HERE):
            if not file.startswith(_LIBRARY) and _PACKAGES not in file:
                return False
            handed_on = True
        last, step = step, step.tb_next
    if last is None:
        return False
    if handed_on:
        return any(getattr(error, "obj", None) is value for value in given)
    import dis

    return dis.opname[last.tb_frame.f_code.co_code[last.tb_lasti]] != "RAISE_VARARGS"


def _refusal(function: Any, name: str, args: Any, kwargs: Any, error: Exception) -> Exception:
    kind = TypeError if isinstance(error, AttributeError) else ValueError
    try:
        given = inspect.signature(function).bind(*args, **kwargs).arguments
    except TypeError:
        given = dict(kwargs)
    given = {key: value for key, value in given.items() if key != "self"}
    what = str(error) if not isinstance(error, LookupError) else f"{type(error).__name__}: {error}"
    culprit = _owner(given, getattr(error, "obj", None))
    if culprit is not None:
        return kind(
            f"{name}: argument '{culprit}' is not what it takes ({what}). Received: {_short(given[culprit])}"
        )
    rule = f"{name}: an argument is not what it takes ({what or type(error).__name__})"
    shown = ", ".join(f"{key}={_short(value)}" for key, value in given.items())
    return kind(f"{rule}. Received: {shown}")


def _owner(given: Mapping[str, Any], thing: Any) -> str | None:
    """The argument that is `thing`, or holds it; the only one where there is but one."""
    for key, value in given.items():
        if thing is not None and value is thing:
            return key
    for key, value in given.items():
        held = value.values() if isinstance(value, Mapping) else value
        if isinstance(value, list | tuple | set | Mapping) and any(item is thing for item in held):
            return key
    return next(iter(given)) if len(given) == 1 else None


@bounded
def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONG else text[: _LONG - 3] + "..."
