"""`tf.function` and `defun`: one name for a Python function and all that it has been drawn for."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from millrace.building import convert
from millrace.core import late, nest
from millrace.core.nest_shallow import flatten_up_to
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.lib.functions.concrete import ConcreteFunction
from millrace.lib.functions.signature import Call, is_spec


class Settings:
    """How a function is drawn.

    Args:
      input_signature: nested `TensorSpec`s, for the positional arguments, or None.
      autograph: whether its branches and loops are converted.
      relax: whether a drawing for several shapes takes the place of many.
      strict: whether variables may be made by the first drawing only.
    """

    def __init__(self, input_signature: Any, autograph: bool, relax: bool, strict: bool) -> None:
        if input_signature is not None:
            if not isinstance(input_signature, list | tuple):
                raise TypeError(
                    "input_signature must be either a tuple or a list. "
                    f"Received: {type(input_signature).__name__}"
                )
            wrong = [s for s in nest.flatten(input_signature) if not is_spec(s)]
            if wrong:
                raise TypeError(f"input_signature holds TensorSpecs. Received: {wrong[0]!r}")
        self.input_signature = None if input_signature is None else tuple(input_signature)
        self.autograph = autograph
        self.relax = relax
        self.strict = strict


@public("python.eager.def_function.Function", "python.eager.function.Function")
class Function:
    """A Python function that is drawn when it is called: once for each kind of arguments.

    Tensors are told apart by dtype and static shape, all other arguments by value. A call adds what was
    drawn to the default graph, under the name of the call.

    Args:
      function: the Python function.
      name: what it is called.
      settings: how it is drawn.
    """

    def __init__(self, function: Callable[..., Any], name: str, settings: Settings) -> None:
        self._python_function = function
        self._name = name
        self._settings = settings
        self._parameters = inspect.signature(function)
        self._drawn: WeakKeyDictionary[Any, dict[Any, ConcreteFunction]] = WeakKeyDictionary()
        self._bound: WeakKeyDictionary[Any, Function] = WeakKeyDictionary()
        self._called = False
        self._lock = threading.RLock()
        functools.update_wrapper(self, function, updated=())
        _check(self._parameters, settings.input_signature, name)

    @property
    def python_function(self) -> Callable[..., Any]:
        """The Python function."""
        return self._python_function

    @property
    def input_signature(self) -> Any:
        """The specs of the arguments, or None."""
        return self._settings.input_signature

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """The function as a method of an object, which has drawings of its own."""
        if instance is None:
            return self
        try:
            known = self._bound.get(instance)
        except TypeError:  # it cannot be kept by weak reference, or has no hash
            return self._of(instance)
        if known is None:
            known = self._bound[instance] = self._of(instance)
        return known

    def _of(self, instance: Any) -> Function:
        return Function(self._python_function.__get__(instance), self._name, self._settings)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function in the default graph, drawn for such arguments now or before.

        Returns:
          What the function returned, with tensors of the default graph.

        Raises:
          TypeError: the arguments do not fit the function's parameters.
          ValueError: they do not fit the input signature, or a later drawing makes variables.
        """
        call = self._call(args, kwargs)
        return self._concrete(call).called(call.tensors)

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> ConcreteFunction:
        """The function as drawn for such arguments.

        Args:
          *args, **kwargs: tensors, `TensorSpec`s or other values; none where there is an input signature.

        Raises:
          ValueError: there is an input signature and the arguments do not fit it.
        """
        signature = self._settings.input_signature
        if signature is not None:
            given = nest.flatten(args)
            if kwargs or (args and not all(map(is_spec, given)) and len(args) > len(signature)):
                raise ValueError(f"{self._name}: the arguments do not fit the input signature {signature}")
            return self._concrete(Call(self._parameters, signature, {}))
        return self._concrete(Call(self._parameters, args, kwargs))

    def _call(self, args: Any, kwargs: Any) -> Call:
        signature = self._settings.input_signature
        if signature is None:
            return Call(self._parameters, args, kwargs)
        bound = self._parameters.bind(*args, **kwargs) if args or kwargs else None
        values = () if bound is None else bound.args
        if bound is not None and (len(values) > len(signature) or bound.kwargs):
            raise TypeError(
                f"{self._name}: only arguments that the input signature covers may be given. Received: "
                f"{len(values) + len(bound.kwargs)} arguments for {len(signature)} specs"
            )
        call = Call(self._parameters, signature, {})
        try:
            leaves = flatten_up_to(signature, tuple(values))
        except (TypeError, ValueError):
            raise ValueError(
                f"{self._name}: the arguments do not nest as the input signature {signature}. Received: "
                f"{values!r}"
            ) from None
        tensors = [
            v if isinstance(v, Tensor) else convert.convert_to_tensor(v, None if _has_dtype(v) else a.dtype)
            for v, a in zip(leaves, call.arguments, strict=True)
        ]
        if not all(a.accepts(t) for t, a in zip(tensors, call.arguments, strict=True)):
            raise ValueError(
                f"{self._name}: the arguments are not compatible with the input signature {signature}. "
                f"Received: {tensors!r}"
            )
        call.tensors = tensors
        return call

    def _concrete(self, call: Call) -> ConcreteFunction:
        with self._lock:
            graph = get_default_graph()
            known = self._drawn.setdefault(graph, {})
            found = known.get(call.key)
            if found is None:
                found = self._serving(call, list(known.values())) or self._draw(call)
                known[call.key] = found
            return found

    def _serving(self, call: Call, known: list[ConcreteFunction]) -> ConcreteFunction | None:
        """A drawing whose shapes are wide enough for a call, where shapes may be relaxed."""
        if not self._settings.relax:
            return None
        for drawn in known:
            arguments = drawn._arguments
            same = len(arguments) == len(call.arguments)
            if same and all(
                a.accepts(t) for a, t in zip(arguments, call.tensors, strict=True) if t is not None
            ):
                return drawn
        for drawn in known:
            arguments = drawn._arguments
            if [a.dtype for a in arguments] == [a.dtype for a in call.arguments] and call.relaxed(arguments):
                break
        return None

    def _draw(self, call: Call) -> ConcreteFunction:
        function = self._python_function
        if self._settings.autograph:
            function = late.module("autograph").converted_callable(function)
        applied = call.applied(function)
        first, self._called = not self._called, True
        strict = self._settings.strict

        def drawn(may_create: bool) -> ConcreteFunction:
            return ConcreteFunction(applied, self._name, call.arguments, call.keywords, may_create)

        try:
            made = drawn(first or not strict)
        except BaseException:
            self._called = not first
            raise
        if strict and made.graph.created:
            made = drawn(False)
        made.structured_input_signature = call.structure()
        return made

    @property
    def drawings(self) -> list[ConcreteFunction]:
        """What it has been drawn for in the default graph so far."""
        return list(dict.fromkeys(self._drawn.get(get_default_graph(), {}).values()))

    def __repr__(self) -> str:
        return f"<tf.function {self._name!r}>"


def _has_dtype(value: Any) -> bool:
    return hasattr(value, "dtype")


def _check(parameters: inspect.Signature, signature: Any, name: str) -> None:
    if signature is None:
        return
    try:
        parameters.bind(*signature)
    except TypeError as error:
        if next(iter(parameters.parameters), None) == "self":  # a method, which is bound to an object later
            rest = list(parameters.parameters.values())[1:]
            return _check(parameters.replace(parameters=rest), signature, name)
        raise TypeError(f"{name}: the input signature does not fit the parameters. {error}") from None
    if any(p.kind is p.VAR_KEYWORD for p in parameters.parameters.values()):
        raise ValueError(f"{name}: an input signature and **kwargs exclude each other")


def _decorator(settings: Settings, func: Any) -> Any:
    def decorated(inner: Callable[..., Any]) -> Function:
        return Function(inner, getattr(inner, "__name__", type(inner).__name__), settings)

    return decorated if func is None else decorated(func)


@public("function", "contrib.eager.function")
def function(
    func: Any = None,
    input_signature: Any = None,
    autograph: bool = True,
    experimental_autograph_options: Any = None,
    experimental_relax_shapes: bool = False,
    experimental_compile: Any = None,
) -> Any:
    """A function that is drawn when it is called, once for each kind of arguments, and then called.

    Args:
      func: a Python function of tensors and other values; None: a decorator is returned.
      input_signature: `tf.TensorSpec`s of the arguments, nested: it is drawn once, for these.
      autograph: whether `if`, `while`, `for` and logic of tensors become operations.
      experimental_autograph_options: accepted.
      experimental_relax_shapes: draw it for several shapes at once, where it is called with many.
      experimental_compile: accepted; what is worth it is compiled.

    Raises:
      TypeError: `input_signature` is not a list or tuple of specs, or does not fit the parameters.

    Example:
      >>> @tf.function
      ... def absolute(x):
      ...     if x > 0:
      ...         return x
      ...     return -x
      >>> with tf.Session() as sess:
      ...     print(sess.run(absolute(tf.constant(-3))))
      3
    """
    del experimental_autograph_options, experimental_compile
    return _decorator(Settings(input_signature, autograph, experimental_relax_shapes, True), func)


@public("contrib.eager.defun")
def defun(
    func: Any = None,
    input_signature: Any = None,
    autograph: bool = True,
    experimental_autograph_options: Any = None,
    experimental_relax_shapes: bool = False,
) -> Any:
    """`tf.function`, which may make variables each time that it is drawn.

    Args:
      func, input_signature, autograph, experimental_autograph_options, experimental_relax_shapes: as for
        `tf.function`.
    """
    del experimental_autograph_options
    return _decorator(Settings(input_signature, autograph, experimental_relax_shapes, False), func)
