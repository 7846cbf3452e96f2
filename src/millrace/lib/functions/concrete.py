"""`ConcreteFunction`: a Python function drawn for arguments of certain kinds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from millrace.building import convert, raw
from millrace.building.apply import apply
from millrace.building.function import OrderedGraph, is_effect
from millrace.core import dtypes, late, nest, shapes
from millrace.core.public import public
from millrace.exchange.calls import add_call, library_of
from millrace.graph.defaults import get_default_graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.flow.crossing import Flat
from millrace.lib.variables.creation import variable_creator_scope
from millrace.lib.variables.variable import Variable


class Argument:
    """What is known of a tensor that a function is given.

    Args:
      dtype: its dtype.
      dims: its static shape.
      name: of the tensor inside that stands for it.
    """

    __slots__ = ("dims", "dtype", "name")

    def __init__(self, dtype: dtypes.DType, dims: shapes.Dims, name: str) -> None:
        self.dtype = dtype
        self.dims = dims
        self.name = name

    def accepts(self, tensor: Tensor) -> bool:
        """Whether a tensor is of the dtype, and of a shape that fits."""
        if tensor.dtype.base_dtype is not self.dtype:
            return False
        if self.dims is None or tensor.dims is None:
            return self.dims is None
        return len(self.dims) == len(tensor.dims) and all(
            known is None or known == given for known, given in zip(self.dims, tensor.dims, strict=True)
        )


_OWN = frozenset(("BodyArg", "If", "While"))  # TensorFlow's have state only where their bodies do


class FunctionDrawing(OrderedGraph):
    """The graph of a function, which makes variables outside.

    Args:
      name: of the function.
      outer: the graph around it.
      may_create: whether variables may be made.
    """

    def __init__(self, name: str, outer: Any, may_create: bool) -> None:
        super().__init__(name, outer)
        self.may_create = may_create
        self.created: list[Variable] = []
        self.structured_outputs: Any = None
        self._lifted: dict[Tensor, Tensor] = {}

    @property
    def variables(self) -> list[Any]:
        """The variables that the function uses, as far as they are in the graph's collections."""
        handles = {t.op for t in self.captures}
        known = self.root.get_collection("variables") + self.root.get_collection("local_variables")
        return [v for v in dict.fromkeys(known) if v.op in handles or v.op.outputs[0].op in handles]

    def create_variable(self, following: Callable[..., Any], **arguments: Any) -> Any:
        """Makes a variable in the outermost graph.

        Raises:
          ValueError: the function has been called before.
        """
        if not self.may_create:
            raise ValueError("tf.function-decorated function tried to create variables on non-first call.")
        first = arguments.get("initial_value")
        arguments["use_resource"] = True
        with self.root.as_default(), self.root.control_dependencies(None):
            if isinstance(first, Tensor):
                arguments["initial_value"] = self._outside(first)
            variable = following(**arguments)
        self.created.append(variable)
        return variable

    def _outside(self, tensor: Tensor) -> Tensor:
        """What stands in the outermost graph for a tensor: what it is computed from, copied.

        Raises:
          ValueError: it depends on an argument.
        """
        if tensor.op.graph is not self:
            return tensor
        known = self._lifted.get(tensor) or self.outer_of(tensor)
        if known is not None:
            return known
        op = tensor.op
        if op.type == "BodyArg":
            raise ValueError(
                f"the initial value of a variable must not depend on an argument. Received: {tensor.name!r}"
            )
        args = [
            [self._outside(t) for t in a] if isinstance(a, list | tuple) else self._outside(a)
            for a in op.args()
        ]
        apply(op.opdef, *args, name=op.name, **op.attrs)
        self._lifted.update(zip(op.outputs, self.root.ops[-1].outputs, strict=True))
        return self._lifted[tensor]


@contextlib.contextmanager
def _drawn_into(graph: FunctionDrawing) -> Iterator[None]:
    with graph.as_default(), variable_creator_scope(graph.create_variable):
        yield


@public("python.eager.function.ConcreteFunction")
class ConcreteFunction:
    """A function drawn for arguments of certain kinds, which can be called with tensors like them.

    Args:
      function: of tensors; it returns any nesting of tensors, numbers and None.
      name: what it is called.
      arguments: what the tensors are that it is given.
      keywords: by which names the tensors may be given.
      may_create: whether it may make variables.

    Attributes:
      graph: the function's graph, which has `inputs`, `outputs` and `structured_outputs`.
      structured_input_signature: the arguments by position and by name, `tf.TensorSpec`s for tensors.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        name: str,
        arguments: Sequence[Argument],
        keywords: Sequence[str] = (),
        may_create: bool = True,
    ) -> None:
        self.graph = graph = FunctionDrawing(name, get_default_graph(), may_create)
        self._arguments = list(arguments)
        self._keywords = list(keywords)
        with _drawn_into(graph):
            given = [graph.add_input(a.dtype, a.dims, a.name) for a in arguments]
            self._take(function(*given))
        self._explicit = list(graph.inputs)
        specs = late.module("specs")
        named = [specs.TensorSpec(shapes.shape_of(a.dims), a.dtype, a.name) for a in arguments]
        self.structured_input_signature: Any = (tuple(named), {})
        self._proto: Any = None
        self._gradient: Any = None

    def _take(self, result: Any) -> None:
        """Notes what the function returned; results wait for what it does besides."""
        graph = self.graph
        leaves = [None if isinstance(v, Operation) else v for v in nest.flatten(result)]
        present = Flat([v for v in leaves if v is not None])
        effects = [op for op in graph.ops if op.body is None and is_effect(op)]
        self.stateful = any(op._is_stateful for op in graph.ops if op.type not in _OWN)
        with graph.control_dependencies(effects):
            graph.outputs = [raw.Identity(graph.capture(t), name="Identity") for t in present.tensors]
        self._present = present
        self._structure, self._leaves = result, leaves
        graph.structured_outputs = self.structured_outputs = self._packed(graph.outputs)

    def _packed(self, tensors: Sequence[Tensor]) -> Any:
        """Tensors in the structure of what the function returned."""
        values = iter(self._present.pack(list(tensors)))
        flat = [None if v is None else next(values) for v in self._leaves]
        return nest.pack_sequence_as(self._structure, flat)

    @property
    def name(self) -> str:
        """The function's name."""
        return f"__inference_{self.graph.name}_{id(self) % 10**6}"

    @property
    def inputs(self) -> list[Tensor]:
        """The tensors inside that stand for the arguments, then for what it uses from outside."""
        return [*self._explicit, *self.graph.captures.values()]

    @property
    def outputs(self) -> list[Tensor]:
        """The results, tensors inside."""
        return self.graph.outputs

    @property
    def captured_inputs(self) -> list[Tensor]:
        """The tensors from outside that the function uses."""
        return self.graph.captured()

    @property
    def output_dtypes(self) -> Any:
        """The dtypes of the results, nested."""
        return nest.map_structure(lambda t: None if t is None else t.dtype, self.structured_outputs)

    @property
    def output_shapes(self) -> Any:
        """The static shapes of the results, nested."""
        return nest.map_structure(lambda t: None if t is None else t.shape, self.structured_outputs)

    @property
    def function_def(self) -> Any:
        """The function as a FunctionDef."""
        return self._library().library.function[0]

    def add_to_graph(self, g: Any = None) -> None:
        """Nothing: calls bring the function's operations into the graph."""

    def _library(self) -> Any:
        if self._proto is None:
            self._proto = library_of(self.graph)
            self._proto.library.function[0].signature.name = self.name
        return self._proto

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function in the default graph.

        Args:
          *args, **kwargs: its tensors, in their order or by the names of the arguments.

        Returns:
          The results, nested as the function returned them; for a function that returned None the operation
          that stands for the call.

        Raises:
          TypeError: an argument is missing, or is none of the function's.
          ValueError: a tensor has another dtype or a shape that does not fit.
        """
        given = list(args)
        unknown = [k for k in kwargs if k not in self._keywords[len(args) :]]
        if len(given) + len(kwargs) != len(self._arguments) or unknown:
            raise TypeError(
                f"{self.graph.name}: takes {len(self._arguments)} tensors: {self._keywords}. Received: "
                f"{len(args)} by position and {sorted(kwargs)} by name"
            )
        given += [kwargs[k] for k in self._keywords[len(args) :]]
        return self.called(given)

    def called(self, given: Sequence[Any]) -> Any:
        """The results for as many tensors as there are arguments."""
        tensors = []
        for argument, value in zip(self._arguments, given, strict=True):
            tensor = value if isinstance(value, Tensor) else convert.to_tensor(value, argument.dtype)
            if tensor.dtype.base_dtype is not argument.dtype or not shapes.compatible(
                tensor.dims, argument.dims
            ):
                raise ValueError(
                    f"{self.graph.name}: argument {argument.name!r} must be {argument.dtype.name} of shape "
                    f"{shapes.shape_of(argument.dims)}. Received: {tensor!r}"
                )
            tensors.append(tensor)
        graph = get_default_graph()
        inputs = [graph.capture(t) for t in (*tensors, *self.captured_inputs)]
        kind = "StatefulPartitionedCall" if self.stateful else "PartitionedCall"
        if not self.graph.outputs:
            kind = "PartitionedFunctionCall"
        name = graph.unique_name(kind, mark_as_used=False)
        with graph.counted_as(1):
            results = add_call(self._library(), self.graph.py_functions, inputs, name)
        for result, inside in zip(results, self.graph.outputs, strict=False):
            result.set_shape(inside.shape)
        if self.structured_outputs is None:
            return results[0]  # the operation, to be run for what the function does
        return self._packed(results if self.graph.outputs else [])

    def __repr__(self) -> str:
        return f"<ConcreteFunction {self.graph.name!r}: {len(self._arguments)} arguments>"
