"""Python functions of elements as functions of the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert, raw
from millrace.building.function import OrderedGraph
from millrace.building.sparse_tensor import SparseTensor, SparseTensorValue
from millrace.core import dtypes, shapes
from millrace.datasets import nesting, specs
from millrace.graph.defaults import get_default_graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.autograph.gate import prepared


class StructuredFunction:
    """A function from elements of one structure to values of another.

    Args:
      function: what the program gave.
      who: the transformation, for names and messages: "Dataset.map()".
      structure: the nested specs of its argument.

    Attributes:
      graph: the function.
      output: the nested specs of what it returns.

    Raises:
      ValueError: `function` is not callable.
      TypeError: it returns what no tensor can hold.
    """

    def __init__(self, function: Callable[..., Any], who: str, structure: Any) -> None:
        if not callable(function):
            raise ValueError(f"{who}: argument must be callable. Received: {function!r}")
        self.who = who
        name = f"{_identifier(who)}_{_name_of(function)}"
        self.graph = graph = OrderedGraph(name, get_default_graph())
        types, dims = specs.flat_types(structure), specs.flat_shapes(structure)
        with graph.as_default():
            for i, (dtype, known) in enumerate(zip(types, dims, strict=True)):
                graph.add_input(dtype, known, f"args_{i}")
            result = _called(prepared(function), element_from(structure, graph.inputs))
            values = self._checked(result)
            self.output = nesting.map_structure(specs.spec_of, values)
            tensors = [
                t
                for spec, v in zip(nesting.flatten(self.output), nesting.flatten(values), strict=True)
                for t in spec.to_tensors(v)
            ]
            graph.outputs = [raw.Identity(graph.capture(t), name="Identity") for t in tensors]

    @property
    def captured(self) -> list[Tensor]:
        """The outer tensors that it uses."""
        return self.graph.captured()

    def _checked(self, result: Any) -> Any:
        """The result with everything in it as tensors, sparse tensors, datasets and the like."""
        if isinstance(result, list):  # mostly what an operation with several outputs has returned
            result = tuple(result)
        return nesting.map_structure(self._tensor, result)

    def _tensor(self, value: Any) -> Any:
        if isinstance(value, Tensor | SparseTensor):
            return value
        if isinstance(value, SparseTensorValue):
            return SparseTensor.from_value(value)
        if specs.has_spec(value):
            return value
        if isinstance(value, Operation):
            raise TypeError(self._unsupported(value))
        try:
            return convert.convert_to_tensor(value)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{self._unsupported(value)} {error}") from error

    def _unsupported(self, value: Any) -> str:
        return f"Unsupported return value from function passed to {self.who}: {value!r}."


def _called(function: Callable[..., Any], element: Any) -> Any:
    """`function` of an element; a tuple becomes several arguments."""
    return function(*element) if type(element) is tuple else function(element)


def element_from(structure: Any, tensors: Any) -> Any:
    """The element that flat tensors hold."""
    leaves, rest = [], list(tensors)
    for spec in nesting.flatten(structure):
        size = len(spec.flat_types)
        leaves.append(spec.from_tensors(rest[:size]))
        rest = rest[size:]
    return nesting.pack(structure, leaves)


def _identifier(who: str) -> str:
    return who.removesuffix("()").replace(".", "_").replace("(", "").replace(")", "")


def _name_of(function: Any) -> str:
    return getattr(function, "__name__", None) or getattr(
        getattr(function, "func", None), "__name__", type(function).__name__
    )


def wrapper(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """`function` under another name, which the graph's function gets."""

    def call(*args: Any) -> Any:
        return function(*args)

    call.__name__ = name
    return call


def is_scalar(structure: Any, dtype: dtypes.DType | None) -> bool:
    """True for the spec of one scalar tensor of a dtype."""
    if not isinstance(structure, specs.TensorSpec) or not shapes.compatible(structure.dims, ()):
        return False
    return dtype is None or structure.dtype is dtype
