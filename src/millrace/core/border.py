"""The border of public functions: what an argument cannot do is an error that names function and argument."""

from __future__ import annotations

import functools
import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType, TracebackType
from typing import Any, NamedTuple, TypeVar

from millrace.core.callers import HERE

_T = TypeVar("_T")

_LEAKS = (AttributeError, LookupError, ArithmeticError, RecursionError, MemoryError)
_LIBRARY = os.path.dirname(os.__file__) + os.sep
_PACKAGES = f"{os.sep}site-packages{os.sep}"
_LOOKUPS = (KeyError, IndexError, LookupError)
_ODD = (AssertionError, NotImplementedError, AttributeError, LookupError)
_CONSTRUCTORS = ("__init__", "__new__")
_INVALID_ARGUMENT = 3
_LONG = 100
_STARRED = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS


class Savepoints(NamedTuple):
    """How a graph goes back to what it was before a call: set by the layer of graphs when it is imported."""

    make: Callable[[], Any]
    back: Callable[[Any], None]
    close: Callable[[Any], None]


savepoints = Savepoints(lambda: None, lambda _: None, lambda _: None)


def bordered(thing: _T, names: Sequence[str] = ()) -> _T:
    """A public function, or a class with its constructor, whose wrong arguments are refused by name.

    Where code of this package stumbles over an argument (it lacks an attribute, a key, an element, or is
    beyond all bounds), the caller gets a TypeError or ValueError that names both, with the stumble as its
    cause. A refusal that does not say so already names the function and the argument, too. What happens in
    functions of the caller's goes through as it is. The graph is as it was before a call that failed.
    """
    if not str(getattr(thing, "__module__", "")).startswith("millrace."):
        return thing
    if isinstance(thing, type):
        _guard_constructor(thing, _called(thing, names))
    if isinstance(thing, FunctionType):
        return _guarded(thing, _called(thing, names))  # type: ignore[return-value]
    return thing


def _guard_constructor(made: type[Any], name: str) -> None:
    """Guards the constructor of a class: its own, or that of a base that has no public name."""
    if issubclass(made, BaseException) or hasattr(made, "_constructed_often"):
        return
    maker: Any = vars(made).get("__new__")
    if isinstance(maker, staticmethod) and maker.__func__.__module__.startswith("millrace."):
        made.__new__ = staticmethod(_guarded(maker.__func__, name))  # type: ignore[assignment]
    constructor: Any = made.__init__
    if not isinstance(constructor, FunctionType) or not constructor.__module__.startswith("millrace."):
        return
    guard = _guarded(constructor, name)
    if guard is not constructor:
        made.__init__ = guard


def _called(thing: Any, names: Sequence[str]) -> str:
    """What a program calls a function or class."""
    short = [name.rpartition(".")[2] for name in names]
    return thing.__name__ if not short or thing.__name__ in short else short[0]


def _guarded(function: FunctionType, name: str) -> Any:
    code = function.__code__
    if hasattr(function, "_is_bordered") or not (
        code.co_argcount or code.co_kwonlyargcount or code.co_flags & _STARRED
    ):
        return function

    constructor = function.__name__ in _CONSTRUCTORS

    def border(error: Exception, inner: bool, args: Any, kwargs: Any) -> Exception:
        called = name
        if constructor and args:
            called = (args[0] if isinstance(args[0], type) else type(args[0])).__name__
        if isinstance(error, _LEAKS) and _is_stumble(error, (*args, *kwargs.values())):
            return _refusal(function, called, args, kwargs, error)
        return error if inner else _named(error, function, called, args, kwargs)

    if code.co_flags & inspect.CO_GENERATOR:

        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                return (yield from function(*args, **kwargs))
            except Exception as error:
                found = border(error, False, args, kwargs)
                if found is error:
                    raise
                raise found from error

    else:

        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            inner = sys._getframe(1).f_code.co_filename.startswith(HERE)  # a part of the call around it
            before = None if inner else savepoints.make()
            try:
                return function(*args, **kwargs)
            except Exception as error:
                if before is not None:
                    savepoints.back(before)
                found = border(error, inner, args, kwargs)
                if found is error:
                    raise
                raise found from error
            finally:
                if before is not None:
                    savepoints.close(before)

    guarded.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    guarded._is_bordered = True  # type: ignore[attr-defined]
    return guarded


def _is_stumble(error: BaseException, given: tuple[Any, ...]) -> bool:
    """Whether code of this package has met the error without anybody raising it; or code of a library that it
    has handed an argument on to, which lacks an attribute or is beyond bounds.
    """
    step = error.__traceback__
    last: TracebackType | None = None
    handed_on = False
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if not file.startswith(HERE):
            if not _is_library(file):
                return False
            handed_on = True
        last, step = step, step.tb_next
    if last is None:
        return False
    if handed_on:
        return isinstance(error, (ArithmeticError, MemoryError, IndexError)) or any(
            getattr(error, "obj", None) is value for value in given
        )
    import dis

    return dis.opname[last.tb_frame.f_code.co_code[last.tb_lasti]] != "RAISE_VARARGS"


def _refusal(function: Any, name: str, args: Any, kwargs: Any, error: Exception) -> Exception:
    kind: Any = TypeError if isinstance(error, AttributeError) else ValueError
    if isinstance(error, LookupError):
        kind = _both(kind, next(base for base in _LOOKUPS if isinstance(error, base)))
    given = _given(function, args, kwargs)
    what = str(error) if not isinstance(error, LookupError) else f"{type(error).__name__}: {error}"
    culprit = _owner(given, getattr(error, "obj", None)) or _taken(given, error)
    if culprit is not None:
        return kind(
            f"{name}: argument '{culprit}' is not what it takes ({what}). Received: {_short(given[culprit])}"
        )
    rule = f"{name}: an argument is not what it takes ({what or type(error).__name__})"
    return kind(f"{rule}. Received: {_listed(given)}")


def _named(error: Exception, function: Any, name: str, args: Any, kwargs: Any) -> Exception:
    """A refusal whose message says which function and which argument; any other error itself.

    What 1.15 refuses by an AssertionError, a NotImplementedError or a LookupError is a ValueError besides,
    what it refuses by an AttributeError a TypeError.
    """
    refused = getattr(error, "error_code", None) == _INVALID_ARGUMENT and getattr(error, "op", None) is None
    if not (refused or isinstance(error, (ValueError, TypeError, *_ODD))) or not _is_own(error):
        return error
    said = error.args[0] if isinstance(error, KeyError) and error.args else error
    text = _with_names(str(said), error, function, name, args, kwargs)
    if refused:
        error._message = text  # type: ignore[attr-defined]
        return error
    if isinstance(error, ValueError | TypeError):
        if not error.args or str(error) != error.args[0]:  # it makes its text of what it holds
            return (ValueError if isinstance(error, ValueError) else TypeError)(text)
        error.args = (text, *error.args[1:])
        return error
    base = next(kind for kind in (*_LOOKUPS, *_ODD) if isinstance(error, kind))
    return _both(TypeError if base is AttributeError else ValueError, base)(text)


def _both(kind: type[Exception], base: type[Exception]) -> Any:
    """A class of errors that are of both, with the name of the second."""
    return type(base.__name__, (kind, base), {"__str__": BaseException.__str__})


def _with_names(text: str, error: Exception, function: Any, name: str, args: Any, kwargs: Any) -> str:
    words = set(re.findall(r"\w+", text))
    given = _given(function, args, kwargs)
    if given and words.isdisjoint(inspect.signature(function).parameters):
        culprit = _taken(given, error)
        rest = text.removeprefix(f"{name}: ")
        return f"{name}: argument '{culprit}': {rest}" if culprit else f"{name}({_listed(given)}): {rest}"
    return text if _plain(name) in map(_plain, words) else f"{name}: {text}"


def _is_library(file: str) -> bool:
    return file.startswith(_LIBRARY) or _PACKAGES in file or file.endswith((".pyx", ".pxd"))


def _plain(name: str) -> str:
    """A name as those of functions, classes and operations are compared: `MatMul` is `matmul`."""
    return re.sub(r"v\d$", "", name.replace("_", "").lower())


def _is_own(error: BaseException) -> bool:
    """Whether no code of the caller's has raised the error."""
    step = error.__traceback__
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if not file.startswith((HERE, "<")) and not _is_library(file):
            return False
        step = step.tb_next
    return True


def _given(function: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """The arguments of a call by name, without the object or class that a constructor is called on."""
    try:
        given = inspect.signature(function).bind(*args, **kwargs).arguments
    except TypeError:
        return dict(kwargs)
    if function.__name__ in _CONSTRUCTORS and given:
        given.pop(next(iter(given)))
    return given


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


def _taken(given: Mapping[str, Any], error: BaseException) -> str | None:
    """The argument that was handed on to where the error is; None where none was, or several were."""
    if len(given) == 1:
        return next(iter(given))
    step, frames = error.__traceback__, []
    while step is not None:
        frames.append(step.tb_frame)
        step = step.tb_next
    for frame in reversed(frames[2:]):  # the function's own names may stand for other things by now
        there = {id(value) for value in frame.f_locals.values()}
        held = [key for key, value in given.items() if id(value) in there and not _is_common(value)]
        if held:
            return held[0] if len(held) == 1 else None
    return None


def _is_common(value: Any) -> bool:
    """Whether a value is the same object wherever it occurs."""
    return (
        value is None
        or isinstance(value, bool | type)
        or (isinstance(value, str | tuple) and not value)
        or type(value) is int
    )


def _listed(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={_short(value)}" for key, value in given.items())


def _short(value: Any) -> str:
    from reprlib import Repr

    shown = Repr()
    shown.maxstring = shown.maxother = _LONG
    shown.maxlevel = 4
    try:
        text = shown.repr(value)
    except Exception:  # of the caller's own __repr__
        return f"<{type(value).__name__} object>"
    return text if len(text) <= _LONG else text[: _LONG - 3] + "..."
