"""What converted functions know as `ag__`."""

from __future__ import annotations

import functools
from types import FunctionType, MethodType
from typing import Any

from millrace.lib.autograph import scan
from millrace.lib.autograph.branches import choose, if_
from millrace.lib.autograph.conversion import converted
from millrace.lib.autograph.function_scope import scoped
from millrace.lib.autograph.lists import append, item, new_list, pop, set_item
from millrace.lib.autograph.logic import and_, assert_, equal, not_, not_equal, or_
from millrace.lib.autograph.loops import for_, while_
from millrace.lib.autograph.replaced import REPLACED, printed
from millrace.lib.autograph.settings import DEFAULT, Options, enabled
from millrace.lib.autograph.source import SourceError
from millrace.lib.autograph.values import NOTHING, bound, is_missing, result
from millrace.lib.platform import log


class Operators:
    """The operators of functions that are converted by the same options.

    Args:
      options: how the functions that they call are converted.
    """

    NOTHING = NOTHING
    if_ = staticmethod(if_)
    choose = staticmethod(choose)
    while_ = staticmethod(while_)
    for_ = staticmethod(for_)
    and_ = staticmethod(and_)
    or_ = staticmethod(or_)
    not_ = staticmethod(not_)
    equal = staticmethod(equal)
    not_equal = staticmethod(not_equal)
    assert_ = staticmethod(assert_)
    bound = staticmethod(bound)
    is_missing = staticmethod(is_missing)
    result = staticmethod(result)
    new_list = staticmethod(new_list)
    append = staticmethod(append)
    pop = staticmethod(pop)
    item = staticmethod(item)
    set_item = staticmethod(set_item)

    def __init__(self, options: Options) -> None:
        self.options = options

    def callee(self, function: Any) -> Any:
        """What is called for `function`: it converted, where it is the user's; where it is one of Python's
        that tensors need another for, that.
        """
        kind = type(function)
        if kind is FunctionType or kind is MethodType:
            return converted_callable(function, self.options)
        if isinstance(function, type) or kind is functools.partial or kind.__module__ == "builtins":
            try:
                found = REPLACED.get(function)
            except TypeError:  # not hashable
                found = None
            if found is not None:
                return found
            return converted_callable(function, self.options) if kind is functools.partial else function
        return converted_callable(function, self.options)

    @staticmethod
    def printer(function: Any) -> Any:
        """`print`, or what prints tensors in its place."""
        return printed if function is print else function


@functools.cache
def operators(options: Options) -> Operators:
    """The operators for some options."""
    return Operators(options)


def converted_callable(function: Any, options: Options = DEFAULT) -> Any:
    """Something callable, converted where it is a function, method or callable object of the user's.

    A function that cannot be converted is left as it is, with a warning.
    """
    if not enabled():
        return function
    if type(function) is MethodType:
        inner = converted_callable(function.__func__, options)
        return function if inner is function.__func__ else MethodType(inner, function.__self__)
    if isinstance(function, functools.partial):
        inner = converted_callable(function.func, options)
        if inner is function.func:
            return function
        return functools.partial(inner, *function.args, **function.keywords)
    if type(function) is not FunctionType:
        call = scan.call_method(function)
        if isinstance(function, type) or call is None or not scan.convertible(call):
            return function
        return MethodType(converted_callable(call, options), function)
    if not scan.convertible(function) or scan.plain(function.__code__):
        return function
    try:
        made = converted(function, options, operators(options))
    except (SourceError, SyntaxError, NotImplementedError) as error:
        _warn(function, error)
        return function
    return scoped(made, options, function.__name__)


class _Warned:
    """The functions that have been warned about."""

    codes: set[int] = set()


def _warn(function: FunctionType, error: Exception) -> None:
    if id(function.__code__) not in _Warned.codes:
        _Warned.codes.add(id(function.__code__))
        log.warn(
            "AutoGraph could not transform %r and will run it as-is. Cause: %s: %s",
            function,
            type(error).__name__,
            error,
        )
