"""`Defun`: Python functions as functions of a graph.

The Python function is called once for each tuple of argument types and drawn in a graph of its own. A call
adds the function's operations under the name of the call, as reading a GraphDef with such a call does, and an
IdentityN of that name for the results.
"""

from __future__ import annotations

import base64
import hashlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from millrace.building import convert, raw
from millrace.building.function import FunctionGraph, ValueGraph
from millrace.core import dtypes
from millrace.core.public import public
from millrace.exchange.calls import add_call, library_of
from millrace.graph.defaults import get_default_graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.flow.custom_gradient import tied
from millrace.lib.variables.scope import get_variable_scope, variable_scope


class CalledOp:
    """The operation of a call, as gradient and shape functions see it: its inputs are the function's.

    Attributes:
      type: the function's name.
      inputs: the arguments of the call, then what the function captured.
      outputs: its results.
    """

    def __init__(self, op: Operation, kind: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        self._op = op
        self.type = kind
        self.inputs = tuple(inputs)
        self.outputs = list(outputs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._op, name)


class _Drawing:
    """A graph in which a function is drawn, and the variables that it got from `tf.get_variable`.

    Args:
      graph: the function's graph.
    """

    def __init__(self, graph: FunctionGraph) -> None:
        self.graph = graph
        self.scope = get_variable_scope()
        self.variables: list[Any] = []

    def get_variable(self, getter: Any, *args: Any, **kwargs: Any) -> Any:
        """A variable outside of the function, for `tf.get_variable` inside."""
        with self.graph.outer.as_default(), variable_scope(self.scope, auxiliary_name_scope=False):
            variable = getter(*args, **kwargs)
        self.variables.append(variable)
        return variable


_drawings: WeakKeyDictionary[FunctionGraph, _Drawing] = WeakKeyDictionary()


class DefinedFunction:
    """One function of given argument types.

    Args:
      func: the Python function of tensors; it returns a tensor, several, an operation or None.
      argnames: what its arguments are called.
      input_types: their types.
      func_name: the function's name; without it one is made from `func` and what it holds.
      grad_func: a defined function of (inputs, gradients of the outputs) to the gradients of the inputs.
      python_grad_func: a Python function (operation, *gradients of the outputs) to the same.
      out_names: what its results are called.
      shape_func: of the operation of a call to the shapes of the outputs.
      capture_by_value: copy what the function uses from outside instead of taking it as further inputs.
      whitelisted_stateful_ops: operations with state that may be copied all the same.
      capture_resource_var_by_value: read the variables it gets outside; they are read outside in any case.
      kwargs: attributes of the function, such as `noinline`; they change nothing here.
    """

    def __init__(
        self,
        func: Callable[..., Any],
        argnames: Sequence[str],
        input_types: Sequence[Any],
        func_name: str | None = None,
        grad_func: Any = None,
        python_grad_func: Callable[..., Any] | None = None,
        out_names: Sequence[str] | None = None,
        shape_func: Callable[..., Any] | None = None,
        capture_by_value: bool = False,
        whitelisted_stateful_ops: Any = None,
        capture_resource_var_by_value: bool = True,
        **kwargs: Any,
    ) -> None:
        self._func = func
        self._argnames = list(argnames)
        self._types = tuple(dtypes.as_dtype(t) for t in input_types)
        self._func_name = func_name
        self._grad_func: Any = grad_func
        self._python_grad_func = python_grad_func
        self._out_names = out_names
        self._shape_func = shape_func
        self._by_value = capture_by_value
        self._stateful = set(whitelisted_stateful_ops or ())
        self._kwargs = kwargs
        self._graph: FunctionGraph | None = None
        self._proto: Any = None
        self._drawing: _Drawing | None = None

    @property
    def name(self) -> str:
        """The function's name in the library of a GraphDef."""
        return self.definition.signature.name

    @property
    def definition(self) -> Any:
        """The function as a FunctionDef."""
        return self._drawn().library.function[0]

    @property
    def declared_input_types(self) -> tuple[dtypes.DType, ...]:
        """The types of the explicit arguments."""
        return self._types

    @property
    def captured_inputs(self) -> list[Tensor]:
        """The tensors from outside that the function uses, its last inputs."""
        self._drawn()
        assert self._graph is not None
        return self._graph.captured()

    @property
    def stateful_ops(self) -> list[tuple[str, str]]:
        """(name, type) of the operations with state."""
        self._drawn()
        assert self._graph is not None
        return [(op.name, op.type) for op in self._graph.ops if not op.opdef.pure and op.type != "BodyArg"]

    @property
    def grad_func_name(self) -> str | None:
        """The name of the function that computes its gradient; None where there is none."""
        return None if self._grad_func is None else self._grad_func.name

    @property
    def python_grad_func(self) -> Callable[..., Any] | None:
        """The Python function that adds its gradient; None where there is none."""
        return self._python_grad_func

    def set_grad_func(self, grad_func: Any) -> None:
        """Lets a defined function compute the gradient.

        Raises:
          ValueError: it is not a defined function, or a Python function does so already.
        """
        if not isinstance(grad_func, DefinedFunction | OverloadedFunction) or self._python_grad_func:
            raise ValueError(f"set_grad_func: takes one defined function. Received: {grad_func!r}")
        self._grad_func = grad_func

    def add_to_graph(self, g: Any) -> None:
        """Draws the function; calls bring its operations into the graph."""
        self._drawn()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function in the default graph.

        Args:
          args: as many tensors as it has arguments.
          kwargs: `name` of the call; `noinline` and the like change nothing.

        Returns:
          A tensor, a tuple of several, or the operation where there is no result.

        Raises:
          ValueError: there are more or fewer arguments than the function has, or one has another type.
        """
        if len(args) != len(self._types):
            raise ValueError(f"Expected number of arguments: {len(self._types)}, received: {len(args)}")
        proto = self._drawn()
        inputs = [self._argument(*given) for given in zip(args, self._types, self._argnames, strict=False)]
        return self._called(proto, [*inputs, *self.captured_inputs], kwargs.get("name"))

    def _argument(self, value: Any, dtype: dtypes.DType, name: str) -> Tensor:
        tensor = convert.convert_to_tensor(value, dtype if not isinstance(value, Tensor) else None)
        if tensor.dtype.base_dtype is not dtype.base_dtype:
            raise ValueError(
                f"Input '{name}' passed {tensor.dtype.base_dtype.name} expected {dtype.name} while calling "
                f"the function {self.name!r}"
            )
        return tensor

    def _called(self, proto: Any, inputs: list[Tensor], name: str | None) -> Any:
        signature = proto.library.function[0].signature
        graph = get_default_graph()
        own = self._python_grad_func is not None or self._grad_func is not None
        call_name = graph.unique_name(name or signature.name, mark_as_used=False)
        prefix = f"{call_name}/call" if own else call_name
        count = len(signature.output_arg)
        assert self._graph is not None
        results = add_call(proto, self._graph.py_functions, inputs, prefix)
        if not count:
            return results[0]
        if own:
            results = tied(graph, results, inputs, self._backward, call_name)
        if self._shape_func is not None:
            seen = CalledOp(results[0].op, self.name, inputs, results)
            for tensor, shape in zip(results, self._shape_func(seen), strict=True):
                tensor.set_shape(shape)
        return results[0] if count == 1 else tuple(results)

    def _backward(self, op: Operation, *dys: Any) -> list[Any]:
        count = len(self.definition.signature.output_arg)
        called = CalledOp(op, self.name, op.inputs[count:], op.outputs[:count])
        dys = dys[:count]
        if self._python_grad_func is not None:
            found = self._python_grad_func(called, *dys)
        else:
            given = [dy if dy is not None else raw.ZerosLike(y) for dy, y in zip(dys, called.outputs)]
            found = self._grad_func(*called.inputs, *map(convert.convert_to_tensor, given))
        found = list(found) if isinstance(found, list | tuple) else [found]
        return found + [None] * (len(called.inputs) - len(found))

    def _drawn(self) -> Any:
        """The function as a GraphDef of nothing but its library, drawn when it is first needed."""
        if self._proto is None:
            self._graph = graph = self._new_graph()
            self._drawing = _drawings[graph] = _Drawing(graph)
            self._draw(graph)
            proto = library_of(graph)
            self._describe(proto.library.function[0])
            self._proto = proto
        return self._proto

    def _new_graph(self) -> FunctionGraph:
        outer, name = get_default_graph(), self._func_name or _name_of(self._func)
        if self._by_value:
            return ValueGraph(name, outer, lambda op: op.name in self._stateful or op in self._stateful)
        return FunctionGraph(name, outer)

    def _draw(self, graph: FunctionGraph) -> None:
        drawing = _drawings[graph]
        with graph.as_default(), variable_scope(drawing.scope, custom_getter=drawing.get_variable,
                                                auxiliary_name_scope=False):  # fmt: skip
            for dtype, name in zip(self._types, self._argnames, strict=False):
                graph.add_input(dtype, None, name)
            results = self._func(*graph.inputs)
            if results is None or isinstance(results, Operation):
                results = ()
            results = list(results) if isinstance(results, list | tuple) else [results]
            if any(r is None for r in results):
                raise ValueError(f"Function {graph.name!r} can not return None.")
            graph.outputs = [graph.capture(convert.convert_to_tensor(r)) for r in results]

    def _describe(self, proto: Any) -> None:
        """Names the function and what goes in and out."""
        names = list(self._out_names or ())
        if names and len(names) != len(proto.signature.output_arg):
            raise ValueError(
                f"Length of out_names ({len(names)}) does not match number of outputs "
                f"({len(proto.signature.output_arg)}): {', '.join(names)}"
            )
        for arg, name in zip(proto.signature.output_arg, names):
            source = proto.ret.pop(arg.name)
            arg.name = name
            proto.ret[name] = source
        name = self._func_name
        if name is None:
            held = [n.SerializeToString(deterministic=True) for n in proto.node_def]
            digest = hashlib.sha256(b"\0".join([str(self._types).encode(), *held])).digest()[:8]
            name = _name_of(self._func) + "_" + base64.b64encode(digest, b"ab").decode().rstrip("=")
        if self._grad_func is not None and self._func_name is None:
            name = f"{name}_{self._grad_func.name}"
        proto.signature.name = name


class OverloadedFunction:
    """A function whose argument types follow from its calls, one `DefinedFunction` for each tuple of them.

    Args:
      func: as for `DefinedFunction`, and so are the others.
    """

    def __init__(
        self,
        func: Callable[..., Any],
        argnames: Sequence[str],
        func_name: str | None = None,
        grad_func: Any = None,
        python_grad_func: Callable[..., Any] | None = None,
        out_names: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        self._func = func
        self._argnames = argnames
        self._func_name = func_name
        if grad_func is not None and not isinstance(grad_func, OverloadedFunction):
            raise TypeError("grad_func: must be a Defun without types too")
        self._grad_func = grad_func
        self._settings = {"python_grad_func": python_grad_func, "out_names": out_names, **kwargs}
        self._known: dict[tuple[Any, ...], DefinedFunction] = {}

    def instantiate(self, input_types: Sequence[Any]) -> DefinedFunction:
        """The function of the given argument types."""
        key = tuple(dtypes.as_dtype(t).base_dtype for t in input_types)
        known = self._known.get(key)
        if known is None:
            name = self._func_name
            if name is not None:
                name = "_".join([name, *(t.name for t in key)])
            known = DefinedFunction(self._func, self._argnames, key, name, **self._settings)
            self._known[key] = known
            if self._grad_func is not None:
                results = known.definition.signature.output_arg
                known.set_grad_func(self._grad_func.instantiate([*key, *(r.type for r in results)]))
                known._proto = None
        return known

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function that fits the arguments' types."""
        given = [convert.convert_to_tensor(a) for a in args]
        return self.instantiate([a.dtype for a in given])(*given, **kwargs)


@public("python.framework.function.Defun")
class Defun:
    """Decorates a Python function of tensors: calls of it are calls of a function of the graph.

    Args:
      input_types: the types of the arguments; without any they follow from each call.
      kwargs: `func_name`, `grad_func` (a Defun of the inputs and the gradients of the outputs),
        `python_grad_func` (of the operation of a call and the gradients of its outputs), `out_names`,
        `shape_func` (of the operation of a call to the shapes of its outputs), `capture_by_value`; others,
        such as `noinline`, change nothing.
    """

    def __init__(self, *input_types: Any, **kwargs: Any) -> None:
        self._types = [dtypes.as_dtype(t) for t in input_types]
        self._func_name = kwargs.pop("func_name", None)
        self._grad_func = kwargs.pop("grad_func", None)
        self._python_grad_func = kwargs.pop("python_grad_func", None)
        self._out_names = kwargs.pop("out_names", None)
        self._settings = kwargs

    def __call__(self, func: Callable[..., Any]) -> DefinedFunction | OverloadedFunction:
        """The function of the graph for a Python function.

        Raises:
          ValueError: `func` is not callable, takes more or fewer arguments than there are types, or has both
            kinds of gradient functions.
        """
        if not callable(func):
            raise ValueError(f"function {func} must be callable")
        if self._grad_func is not None and self._python_grad_func is not None:
            raise ValueError("Gradient defined twice for function: grad_func and python_grad_func")
        names, least, many = _arguments(func)
        settings = {
            "grad_func": self._grad_func,
            "python_grad_func": self._python_grad_func,
            "out_names": self._out_names,
            **self._settings,
        }
        if not self._types and names:
            return OverloadedFunction(func, names, self._func_name, **settings)
        if len(self._types) < least or (not many and len(self._types) > len(names)):
            more = "more" if len(self._types) < least else "fewer"
            raise ValueError(f"The function has {more} arguments than the number of specified input types.")
        names += [f"arg_{i}" for i in range(len(names), len(self._types))]
        return DefinedFunction(func, names, self._types, self._func_name, **settings)


def _arguments(func: Callable[..., Any]) -> tuple[list[str], int, bool]:
    """The names of the positional arguments, how many have no default, and whether there may be more."""
    found = inspect.signature(func).parameters.values()
    plain = [p for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    least = sum(p.default is p.empty for p in plain)
    return [p.name for p in plain], least, any(p.kind is p.VAR_POSITIONAL for p in found)


def _name_of(func: Callable[..., Any]) -> str:
    name = getattr(func, "__name__", type(func).__name__)
    return "lambda" if name == "<lambda>" else name


public("python.framework.function._DefinedFunction")(DefinedFunction)
public("python.framework.function._OverloadedFunction")(OverloadedFunction)
public("python.framework.function._FuncGraph")(FunctionGraph)


def _current() -> tuple[FunctionGraph, _Drawing] | None:
    graph = get_default_graph()
    return (graph, _drawings[graph]) if isinstance(graph, FunctionGraph) and graph in _drawings else None


@public("python.framework.function.get_extra_vars")
def get_extra_vars() -> list[Any]:
    """The variables that the function being drawn got so far; empty outside of one."""
    found = _current()
    return [] if found is None else list(found[1].variables)


@public("python.framework.function.get_extra_inputs")
def get_extra_inputs() -> list[Tensor]:
    """The tensors from outside that the function being drawn uses so far; empty outside of one."""
    found = _current()
    return [] if found is None else found[0].captured()


@public("python.framework.function.get_extra_args")
def get_extra_args() -> list[Tensor]:
    """What stands inside for `get_extra_inputs`; empty outside of a function."""
    found = _current()
    return [] if found is None else list(found[0].captures.values())
