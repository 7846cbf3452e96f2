"""`tf.autograph` and `tf.contrib.autograph`: conversion that a program asks for."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

from millrace.core.public import public
from millrace.lib.autograph.conversion import converted, tree_of
from millrace.lib.autograph.function_scope import scoped
from millrace.lib.autograph.operators import converted_callable, operators
from millrace.lib.autograph.settings import Feature, Options, entered, features_of
from millrace.lib.autograph.source import SourceError


@public("contrib.autograph.AutoGraphError")
class AutoGraphError(Exception):
    """A function cannot be converted."""


def _function(entity: Any, who: str) -> FunctionType:
    if isinstance(entity, MethodType):
        entity = entity.__func__
    while isinstance(entity, functools.partial):
        entity = entity.func
    if not isinstance(entity, FunctionType):
        raise NotImplementedError(f"{who}: only functions and classes are converted. Received: {entity!r}")
    return entity


def _made(entity: Any, options: Options, who: str) -> Any:
    if isinstance(entity, type):
        return _class(entity, options, who)
    function = _function(entity, who)
    try:
        made = converted(function, options, operators(options))
    except SourceError as error:
        raise AutoGraphError(f"{who}: converting {function!r}: {error}") from error
    made.__name__ = "tf__" + function.__name__.replace("<lambda>", "lambda")
    return scoped(made, options, function.__name__)


def _class(kind: type, options: Options, who: str) -> type:
    """A class derived from another, with its methods converted."""
    methods = {n: _made(v, options, who) for n, v in vars(kind).items() if isinstance(v, FunctionType)}
    for name, method in methods.items():
        method.__name__ = name
    return type(f"Tf{kind.__name__}", (kind,), {"__module__": kind.__module__, **methods})


@public("autograph.to_graph")
def to_graph(
    entity: Any,
    recursive: bool = True,
    arg_values: Any = None,
    arg_types: Any = None,
    experimental_optional_features: Any = None,
) -> Any:
    """A function, or a class, whose `if`, `while`, `for` and logic of tensors become operations of the graph.

    Args:
      entity: the function, method or class. Of a method, the function is converted, which takes `self`.
      recursive: whether the user's functions that it calls are converted, too.
      arg_values, arg_types: accepted.
      experimental_optional_features: of `tf.autograph.experimental.Feature`: one, several or None.

    Returns:
      The converted function, called `tf__` and its name. Its lines are those of the original.

    Raises:
      NotImplementedError: it is neither a function nor a class, or a generator.
      AutoGraphError: its source is not to be had.

    Example:
      >>> def halved(n):
      ...     while n % 2 == 0:
      ...         n = n // 2
      ...     return n
      >>> print(tf.autograph.to_graph(halved)(12))
      3
    """
    del arg_values, arg_types
    return _made(entity, Options(recursive, features_of(experimental_optional_features)), "to_graph")


@public("contrib.autograph.to_graph")
def contrib_to_graph(entity: Any, recursive: bool = True, experimental_optional_features: Any = None) -> Any:
    """`tf.autograph.to_graph`."""
    return to_graph(entity, recursive, None, None, experimental_optional_features)


@public("autograph.to_code")
def to_code(
    entity: Any,
    recursive: bool = True,
    arg_values: Any = None,
    arg_types: Any = None,
    indentation: str = "  ",
    experimental_optional_features: Any = None,
) -> str:
    """The source of a converted function, to look at.

    Args:
      entity, recursive, arg_values, arg_types, experimental_optional_features: as for `to_graph`.
      indentation: of the source, for each level.

    Raises:
      NotImplementedError: it is neither a function nor a class, or a generator.
      AutoGraphError: its source is not to be had.
    """
    del arg_values, arg_types
    options = Options(recursive, features_of(experimental_optional_features))
    methods = [entity]
    if isinstance(entity, type):
        methods = [v for v in vars(entity).values() if isinstance(v, FunctionType)]
    texts = []
    for method in methods:
        function = _function(method, "to_code")
        try:
            node = tree_of(function, options)
        except SourceError as error:
            raise AutoGraphError(f"to_code: converting {function!r}: {error}") from error
        node.name = f"tf__{node.name}"
        texts.append(ast.unparse(node))
    lines = "\n\n".join(texts).splitlines()
    depths = [len(line) - len(line.lstrip(" ")) for line in lines]
    return (
        "\n".join(indentation * (d // 4) + s.lstrip(" ") for d, s in zip(depths, lines, strict=True)) + "\n"
    )


@public("contrib.autograph.to_code")
def contrib_to_code(entity: Any, recursive: bool = True, experimental_optional_features: Any = None) -> str:
    """`tf.autograph.to_code`."""
    return to_code(entity, recursive, experimental_optional_features=experimental_optional_features)


@public("autograph.experimental.do_not_convert", "contrib.autograph.do_not_convert")
def do_not_convert(func: Any = None) -> Any:
    """A decorator: the function, and what it calls, is run as Python runs it.

    Args:
      func: the function; None: the decorator is returned.
    """
    if func is None:
        return do_not_convert

    def called(*args: Any, **kwargs: Any) -> Any:
        with entered(None):
            return func(*args, **kwargs)

    return functools.update_wrapper(called, func) if inspect.isroutine(func) else called


@public("contrib.autograph.convert")
def convert(
    recursive: bool = False, optional_features: Any = None, user_requested: bool = True
) -> Callable[[Any], Any]:
    """A decorator: the function is converted when it is called.

    Args:
      recursive: whether the user's functions that it calls are converted, too.
      optional_features: of `tf.autograph.experimental.Feature`: one, several or None.
      user_requested: accepted.
    """
    del user_requested
    options = Options(recursive, features_of(optional_features))

    def decorated(function: Any) -> Any:
        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            with entered(options):
                return converted_callable(function, options)(*args, **kwargs)

        return called

    return decorated


@public("contrib.autograph.ConversionOptions")
class ConversionOptions:
    """How `converted_call` converts.

    Args:
      recursive: whether the user's functions that it calls are converted, too.
      user_requested, internal_convert_user_code: accepted.
      optional_features: of `tf.autograph.experimental.Feature`: one, several or None.
    """

    def __init__(
        self,
        recursive: bool = False,
        user_requested: bool = False,
        internal_convert_user_code: bool = True,
        optional_features: Any = Feature.ALL,
    ) -> None:
        self.recursive = recursive
        self.user_requested = user_requested
        self.internal_convert_user_code = internal_convert_user_code
        self.optional_features = features_of(optional_features)

    def uses(self, feature: Feature) -> bool:
        """Whether a feature is asked for."""
        return feature in self.optional_features or Feature.ALL in self.optional_features


@public("contrib.autograph.converted_call")
def converted_call(f: Any, options: Any, args: Any, kwargs: Any, caller_fn_scope: Any = None) -> Any:
    """The result of a function that is converted first.

    Args:
      f: the function.
      options: `ConversionOptions`.
      args, kwargs: for the function; None for no keywords.
      caller_fn_scope: accepted.
    """
    del caller_fn_scope
    chosen = Options(options.recursive, frozenset(options.optional_features))
    return operators(chosen).callee(f)(*args, **(kwargs or {}))


@public("contrib.autograph.StackTraceMapper")
class StackTraceMapper:
    """A context in which the traceback of operations names the user's lines: as it does anywhere, since what
    is converted keeps its lines.

    Args:
      converted_fn: the function.
    """

    def __init__(self, converted_fn: Any) -> None:
        self._function = converted_fn

    def __enter__(self) -> StackTraceMapper:
        return self

    def __exit__(self, *error: Any) -> None:
        """Nothing is to be undone."""

    def get_effective_source_map(self) -> dict[Any, Any]:
        """Empty: no line differs."""
        return {}


class _Said:
    """How much is told of conversions."""

    verbosity = 0
    to_stdout = False


@public("autograph.set_verbosity")
def set_verbosity(level: int, alsologtostdout: bool = False) -> None:
    """How much is told of conversions: 0 only warnings.

    Args:
      level: 0 to 10.
      alsologtostdout: whether it is printed, too.
    """
    _Said.verbosity, _Said.to_stdout = level, alsologtostdout


@public("autograph.trace")
def trace(*args: Any) -> None:
    """Prints its arguments when a graph is built, not when it runs.

    Args:
      *args: what to print.
    """
    print(*args)  # noqa: T201 - what it is for


@public("autograph.experimental.set_loop_options", "contrib.autograph.set_loop_options")
def set_loop_options(
    parallel_iterations: Any = None,
    back_prop: Any = None,
    swap_memory: Any = None,
    maximum_iterations: Any = None,
) -> None:
    """Accepted at the start of the body of a loop; it has no effect, as in 1.15.

    Args:
      parallel_iterations, back_prop, swap_memory, maximum_iterations: as for `tf.while_loop`.
    """
    del parallel_iterations, back_prop, swap_memory, maximum_iterations
