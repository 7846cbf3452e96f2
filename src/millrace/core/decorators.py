"""Functions wrapped by functions, and what can be asked of them: TensorFlow's decorators and its `inspect`.

A decorator made here knows what it wraps, so that `getfullargspec` and the like answer for the function that
a user wrote, or for the signature that the decorator states.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections import namedtuple
from collections.abc import Callable
from typing import Any

from millrace.core import homes
from millrace.core.public import public

FullArgSpec = public("python.util.tf_inspect.FullArgSpec")(inspect.FullArgSpec)

ArgSpec = namedtuple("ArgSpec", "args varargs keywords defaults")
public("python.util.tf_inspect.ArgSpec")(ArgSpec)


@public("python.util.tf_decorator.TFDecorator")
class TFDecorator:
    """A callable around another one."""

    def __init__(
        self,
        decorator_name: str,
        target: Any,
        decorator_doc: str = "",
        decorator_argspec: Any = None,
    ) -> None:
        """Wraps `target`.

        Args:
          decorator_name: which decorator this is.
          target: the callable inside.
          decorator_doc: text for readers of the decorated function.
          decorator_argspec: the signature of the result where it differs from the target's.
        """
        self._decorated_target = target
        self._decorator_name = decorator_name
        self._decorator_doc = decorator_doc
        self._decorator_argspec = decorator_argspec
        for name in ("__name__", "__qualname__"):
            if hasattr(target, name):
                setattr(self, name, getattr(target, name))
        self.__doc__ = getattr(target, "__doc__", None) or decorator_doc
        self.__wrapped__ = target
        if callable(target) and (signature := _signature(decorator_argspec, target)) is not None:
            self.__signature__ = signature

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self._decorated_target.__get__(instance, owner)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the callable inside."""
        return self._decorated_target(*args, **kwargs)

    @property
    def decorated_target(self) -> Any:
        """The callable inside."""
        return self._decorated_target

    @decorated_target.setter
    def decorated_target(self, target: Any) -> None:
        self._decorated_target = self.__wrapped__ = target

    @property
    def decorator_name(self) -> str:
        """Which decorator this is."""
        return self._decorator_name

    @property
    def decorator_doc(self) -> str:
        """Text for readers of the decorated function."""
        return self._decorator_doc

    @property
    def decorator_argspec(self) -> Any:
        """The stated signature; None where the target's holds."""
        return self._decorator_argspec


def _signature(argspec: Any, target: Any) -> inspect.Signature | None:
    if argspec is None:
        try:
            return inspect.signature(target)
        except (TypeError, ValueError):
            return None
    kinds = inspect.Parameter
    defaults = [kinds.empty] * (len(argspec.args) - len(argspec.defaults or ())) + [*(argspec.defaults or ())]
    found = [kinds(n, kinds.POSITIONAL_OR_KEYWORD, default=d) for n, d in zip(argspec.args, defaults)]
    if argspec.varargs:
        found.append(kinds(argspec.varargs, kinds.VAR_POSITIONAL))
    given = getattr(argspec, "kwonlydefaults", None) or {}
    only = getattr(argspec, "kwonlyargs", ())
    found += [kinds(n, kinds.KEYWORD_ONLY, default=given.get(n, kinds.empty)) for n in only]
    keywords = getattr(argspec, "varkw", None) or getattr(argspec, "keywords", None)
    if keywords:
        found.append(kinds(keywords, kinds.VAR_KEYWORD))
    return inspect.Signature(found)


@public("python.util.tf_decorator.make_decorator")
def make_decorator(
    target: Any,
    decorator_func: Any,
    decorator_name: str | None = None,
    decorator_doc: str = "",
    decorator_argspec: Any = None,
) -> Any:
    """Marks `decorator_func` as the wrapper of `target` and returns it.

    Args:
      target: the callable that is wrapped.
      decorator_func: the wrapper; gets the target's name, module and docstring.
      decorator_name: which decorator this is; default: the function that calls.
      decorator_doc: text for readers.
      decorator_argspec: the signature of the result where it differs from the target's.
    """
    if decorator_name is None:
        frame = inspect.currentframe()
        decorator_name = frame.f_back.f_code.co_name if frame and frame.f_back else ""
    decorator = TFDecorator(decorator_name, target, decorator_doc, decorator_argspec)
    decorator_func._tf_decorator = decorator
    for name in ("__name__", "__qualname__", "__module__"):
        if hasattr(target, name):
            setattr(decorator_func, name, getattr(target, name))
    decorator_func.__dict__.update(
        {k: v for k, v in getattr(target, "__dict__", {}).items() if k not in decorator_func.__dict__}
    )
    decorator_func.__doc__ = decorator.__doc__
    decorator_func.__wrapped__ = target
    decorator_func._original = target
    if hasattr(decorator, "__signature__"):
        decorator_func.__signature__ = decorator.__signature__
    return decorator_func


@public("python.util.tf_decorator.unwrap")
def unwrap(maybe_tf_decorator: Any) -> tuple[list[TFDecorator], Any]:
    """The decorators around a callable, outermost first, and the callable inside."""
    decorators: list[TFDecorator] = []
    current = maybe_tf_decorator
    while True:
        if isinstance(current, TFDecorator):
            decorators.append(current)
        elif isinstance(getattr(current, "_tf_decorator", None), TFDecorator):
            decorators.append(current._tf_decorator)
        else:
            return decorators, current
        current = decorators[-1].decorated_target


@public("python.util.tf_decorator.rewrap")
def rewrap(decorator_func: Any, previous_target: Any, new_target: Any) -> Any:
    """Puts `new_target` where `previous_target` stands inside the decorators of `decorator_func`.

    Returns:
      The decorated function; `new_target` itself where there was not a decorator.
    """
    decorators, inner = unwrap(decorator_func)
    if not decorators:
        return new_target
    for decorator in decorators:
        if decorator.decorated_target is previous_target or decorator is decorators[-1]:
            decorator.decorated_target = new_target
            break
    del inner
    return decorator_func


@public("python.util.tf_contextlib.contextmanager")
def contextmanager(target: Callable[..., Any]) -> Any:
    """`contextlib.contextmanager`, whose result still has the signature of `target`."""
    return make_decorator(target, contextlib.contextmanager(target), "contextmanager")


def _stated(obj: Any) -> Any:
    """The signature that a decorator of `obj` states, or None."""
    return next((d.decorator_argspec for d in unwrap(obj)[0] if d.decorator_argspec is not None), None)


@public("python.util.tf_inspect.getfullargspec")
def getfullargspec(obj: Any) -> Any:
    """`inspect.getfullargspec` of a function, looking through decorators and partial application."""
    stated = _stated(obj)
    if stated is not None:
        if hasattr(stated, "kwonlyargs"):
            return stated
        return inspect.FullArgSpec(
            stated.args, stated.varargs, stated.keywords, stated.defaults, [], None, {}
        )
    inner = unwrap(obj)[1]
    plain = isinstance(inner, functools.partial) or inspect.isclass(inner) or inspect.isroutine(inner)
    spec = inspect.getfullargspec(inner if plain else type(inner).__call__)
    # TensorFlow's functions have no annotations, and programs compare specifications with their own.
    ours = inspect.isfunction(inner) and str(homes.module_of(inner)).startswith("millrace.")
    return spec._replace(annotations={}) if ours else spec


@public("python.util.tf_inspect.getargspec")
def getargspec(obj: Any) -> Any:
    """The arguments as Python 2 described them: (args, varargs, keywords, defaults)."""
    full = getfullargspec(obj)
    return ArgSpec(full.args, full.varargs, full.varkw, full.defaults)


@public("python.util.tf_inspect.getcallargs")
def getcallargs(*func_and_positional: Any, **named: Any) -> dict[str, Any]:
    """Name of argument -> value, for a call of the first argument with the others."""
    func, *positional = func_and_positional
    call = inspect.signature(unwrap(func)[1]).bind(*positional, **named)
    call.apply_defaults()
    return dict(call.arguments)


@public("python.util.tf_inspect.signature")
def signature(obj: Any, *, follow_wrapped: bool = True) -> inspect.Signature:
    """`inspect.signature` of what the decorators wrap."""
    return inspect.signature(unwrap(obj)[1], follow_wrapped=follow_wrapped)


def _through(name: str) -> Callable[[Any], Any]:
    """The function `name` of `inspect`, asked of what the decorators wrap."""
    asked = getattr(inspect, name)

    def ask(object: Any) -> Any:
        return asked(unwrap(object)[1])

    ask.__name__ = ask.__qualname__ = name
    ask.__doc__ = f"`inspect.{name}` of what the decorators wrap."
    return ask


getdoc = public("python.util.tf_inspect.getdoc")(_through("getdoc"))
getfile = public("python.util.tf_inspect.getfile")(_through("getfile"))
getmodule = public("python.util.tf_inspect.getmodule")(_through("getmodule"))
getsource = public("python.util.tf_inspect.getsource")(_through("getsource"))
getsourcefile = public("python.util.tf_inspect.getsourcefile")(_through("getsourcefile"))
getsourcelines = public("python.util.tf_inspect.getsourcelines")(_through("getsourcelines"))
isbuiltin = public("python.util.tf_inspect.isbuiltin")(_through("isbuiltin"))
isclass = public("python.util.tf_inspect.isclass")(_through("isclass"))
isframe = public("python.util.tf_inspect.isframe")(_through("isframe"))
isfunction = public("python.util.tf_inspect.isfunction")(_through("isfunction"))
isgenerator = public("python.util.tf_inspect.isgenerator")(_through("isgenerator"))
isgeneratorfunction = public("python.util.tf_inspect.isgeneratorfunction")(_through("isgeneratorfunction"))
ismethod = public("python.util.tf_inspect.ismethod")(_through("ismethod"))
ismodule = public("python.util.tf_inspect.ismodule")(_through("ismodule"))
isroutine = public("python.util.tf_inspect.isroutine")(_through("isroutine"))

currentframe = public("python.util.tf_inspect.currentframe")(inspect.currentframe)
getmro = public("python.util.tf_inspect.getmro")(inspect.getmro)
stack = public("python.util.tf_inspect.stack")(inspect.stack)


@public("python.util.tf_inspect.getmembers")
def getmembers(object: Any, predicate: Callable[[Any], Any] | None = None) -> list[tuple[str, Any]]:
    """`inspect.getmembers`."""
    return inspect.getmembers(object, predicate)


@public("python.util.function_utils.fn_args")
def fn_args(fn: Any) -> tuple[str, ...]:
    """Names of the arguments that a caller of `fn` gives; `self` of a bound method is not one.

    Args:
      fn: a function, method, object with `__call__` or `functools.partial`.

    Raises:
      ValueError: `fn` is not callable.
    """
    if isinstance(fn, functools.partial):
        names = fn_args(fn.func)[len(fn.args) :]
        return tuple(name for name in names if name not in fn.keywords)
    if not callable(fn):
        raise ValueError(f"fn_args: fn must be callable. Received: {fn!r}")
    inner = unwrap(fn)[1]
    call = inner if inspect.isroutine(inner) or inspect.isclass(inner) else type(inner).__call__
    names = getfullargspec(fn).args
    bound = inspect.ismethod(fn) or inspect.ismethod(inner) or call is not inner
    return tuple(names[1:] if bound and names else names)


@public("python.util.function_utils.has_kwargs")
def has_kwargs(fn: Any) -> bool:
    """Whether `fn` takes any keyword argument.

    Raises:
      TypeError: `fn` is not callable.
    """
    if isinstance(fn, functools.partial):
        return has_kwargs(fn.func)
    if not callable(fn):
        raise TypeError(f"has_kwargs: fn must be callable. Received: {fn!r}")
    return getfullargspec(fn).varkw is not None


@public("python.util.function_utils.get_func_name")
def get_func_name(func: Any) -> str:
    """The name of a function, of what a partial applies, or of a callable object's class.

    Raises:
      ValueError: `func` is not callable.
    """
    inner = unwrap(func)[1]
    if not callable(inner):
        raise ValueError(f"get_func_name: func must be callable. Received: {func!r}")
    if isinstance(inner, functools.partial):
        return get_func_name(inner.func)
    if inspect.isroutine(inner):
        name = getattr(inner, "__qualname__", inner.__name__)
        return "<lambda>" if inner.__name__ == "<lambda>" else name.rpartition("<locals>.")[2]
    return getattr(inner, "__name__", type(inner).__name__)


@public("python.util.function_utils.get_func_code")
def get_func_code(func: Any) -> Any:
    """The code object of a function; None for a callable without one.

    Raises:
      ValueError: `func` is not callable.
    """
    inner = unwrap(func)[1]
    if not callable(inner):
        raise ValueError(f"get_func_code: func must be callable. Received: {func!r}")
    return getattr(inner, "__code__", None)
