"""Functions that a SavedModel holds, to be called in a graph again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millrace.building import convert
from millrace.building.sparse_tensor import SparseTensor
from millrace.core import late, nest, protos, shapes
from millrace.core.nest_shallow import flatten_up_to
from millrace.exchange.calls import add_call
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.lib.functions.concrete import Argument, ConcreteFunction
from millrace.lib.ragged.ragged_tensor import RaggedTensor
from millrace.saver.saved_model.structures import components, decode


def is_spec(value: Any) -> bool:
    """Whether a leaf of a signature stands for tensors."""
    return hasattr(value, "is_compatible_with") and hasattr(value, "dtype") and hasattr(value, "shape")


class Library:
    """The functions of a graph, by name."""

    def __init__(self, graph_def: Any) -> None:
        self._versions = graph_def.versions
        self._functions = {f.signature.name: f for f in graph_def.library.function}
        self._protos: dict[str, Any] = {}

    def of(self, name: str) -> Any:
        """A GraphDef with a function, first, and those that it uses.

        Raises:
          ValueError: there is no such function.
        """
        if name not in self._functions:
            raise ValueError(f"SavedModel: a function is missing. Received: {name!r}")
        if name not in self._protos:
            made = protos.GraphDef(versions=self._versions)
            wanted, seen = [name], {name}
            for current in wanted:  # which grows meanwhile
                made.library.function.append(self._functions[current])
                new = [n for n in self._used(self._functions[current]) if n not in seen]
                wanted += new
                seen.update(new)
            self._protos[name] = made
        return self._protos[name]

    def _used(self, function: Any) -> list[str]:
        found: dict[str, None] = {}
        for node in function.node_def:
            if node.op in self._functions:
                found[node.op] = None
            for value in node.attr.values():
                kind = value.WhichOneof("value")
                used = [value.func] if kind == "func" else value.list.func if kind == "list" else ()
                found.update((f.name, None) for f in used if f.name in self._functions)
        return list(found)


class RestoredConcrete:
    """A function for arguments of certain kinds, which can be called with tensors like them.

    Args:
      name: of the function.
      proto: its SavedConcreteFunction.
      library: where it is.
      captured: the tensors that it uses from outside.
    """

    def __init__(self, name: str, proto: Any, library: Library, captured: Sequence[Tensor]) -> None:
        self.name = name
        self._library = library
        self._captured = list(captured)
        given = decode(proto.canonicalized_input_signature)
        self.structured_input_signature: Any = ((), {}) if given is None else given
        self.structured_outputs: Any = decode(proto.output_signature)
        self.keywords: list[str] | None = None
        self.positional = 0
        self._drawn: ConcreteFunction | None = None

    @property
    def function_def(self) -> Any:
        """The function as a FunctionDef."""
        return self._library.of(self.name).library.function[0]

    @property
    def captured_inputs(self) -> list[Tensor]:
        """The tensors from outside that the function uses."""
        return list(self._captured)

    @property
    def specs(self) -> list[Any]:
        """What the tensors are that it is given, composites included."""
        return [s for s in nest.flatten(self.structured_input_signature) if is_spec(s)]

    @property
    def output_dtypes(self) -> Any:
        """The dtypes of the results, nested."""
        return nest.map_structure(lambda s: s.dtype, self.structured_outputs)

    @property
    def output_shapes(self) -> Any:
        """The static shapes of the results, nested."""
        return nest.map_structure(lambda s: s.shape, self.structured_outputs)

    def _names(self) -> list[str]:
        arguments = self.function_def.signature.input_arg
        return [arg.name for arg in arguments[: len(arguments) - len(self._captured)]]

    def _draw(self) -> ConcreteFunction:
        if self._drawn is None:
            kinds = [kind for spec in self.specs for kind in components(spec)]
            arguments = [
                Argument(dtype, dims, name) for (dtype, dims), name in zip(kinds, self._names(), strict=True)
            ]
            self._drawn = ConcreteFunction(lambda *tensors: self.called(tensors), self.name, arguments)
        return self._drawn

    @property
    def graph(self) -> Any:
        """The function's graph."""
        return self._draw().graph

    @property
    def inputs(self) -> list[Tensor]:
        """The tensors inside that stand for the arguments, then for what it uses from outside."""
        return self._draw().inputs

    @property
    def outputs(self) -> list[Tensor]:
        """The results, tensors inside."""
        return self._draw().outputs

    def add_to_graph(self, g: Any = None) -> None:
        """Nothing: calls bring the function's operations into the graph."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function in the default graph.

        Args:
          *args, **kwargs: its tensors, in their order or by the names of the arguments.

        Returns:
          The results, nested as the function returned them.

        Raises:
          TypeError: an argument is missing, or is none of the function's.
        """
        names = self._names() if self.keywords is None else self.keywords
        given = dict(zip(names, args, strict=False))
        missing = [n for n in names if n not in given and n not in kwargs]
        wrong = [n for n in kwargs if n not in names or n in given]
        if missing or wrong or len(args) > max(self.positional, 0 if self.keywords else len(names)):
            raise TypeError(
                f"{self.name}: Expected argument names {names} but got values for "
                f"{sorted({*given, *kwargs})}. Missing: {missing}. Received: {len(args)} by position"
            )
        values = [kwargs[n] if n in kwargs else given[n] for n in names]
        arguments = self.function_def.signature.input_arg
        return self.called([convert.convert_to_tensor(v, arg.type) for v, arg in zip(values, arguments)])

    def called(self, given: Sequence[Tensor]) -> Any:
        """The results for all the tensors that the arguments stand for."""
        graph = get_default_graph()
        inputs = [graph.capture(t) for t in (*given, *self._captured)]
        name = graph.unique_name("StatefulPartitionedCall", mark_as_used=False)
        with graph.counted_as(1):
            found = add_call(self._library.of(self.name), {}, inputs, name)
        if not self.function_def.signature.output_arg:
            return found
        return self._packed(list(found))

    def _packed(self, tensors: list[Tensor]) -> Any:
        """The results in the structure that the file tells."""
        if self.structured_outputs is None:
            return tensors[0] if len(tensors) == 1 else tensors
        leaves = []
        for spec in nest.flatten(self.structured_outputs):
            parts = components(spec) if is_spec(spec) else []
            taken, tensors = tensors[: len(parts)], tensors[len(parts) :]
            for tensor, (_, dims) in zip(taken, parts, strict=True):
                tensor.set_shape(shapes.shape_of(dims))
            leaves.append(_assembled(spec, taken) if parts else spec)
        return nest.pack_sequence_as(self.structured_outputs, leaves)

    def __repr__(self) -> str:
        return f"<restored ConcreteFunction {self.name!r}>"


def _assembled(spec: Any, parts: list[Tensor]) -> Any:
    specs = late.module("specs")
    if isinstance(spec, specs.specs.SparseTensorSpec):
        return SparseTensor(*parts)
    if isinstance(spec, specs.RaggedTensorSpec) and spec.ragged_rank:
        return RaggedTensor.from_nested_row_splits(parts[0], parts[1:], validate=False)
    return parts[0]


def _parts(spec: Any, value: Any, converting: bool) -> list[Tensor] | None:
    """The tensors of a value where a spec admits it, else None."""
    specs = late.module("specs")
    if isinstance(spec, specs.specs.SparseTensorSpec):
        return [value.indices, value.values, value.dense_shape] if isinstance(value, SparseTensor) else None
    if isinstance(spec, specs.RaggedTensorSpec) and spec.ragged_rank:
        if not isinstance(value, RaggedTensor) or value.ragged_rank != spec.ragged_rank:
            return None
        return [value.flat_values, *value.nested_row_splits]
    if not isinstance(value, Tensor):
        if not converting or value is None:
            return None
        try:
            value = convert.convert_to_tensor(value, spec.dtype)
        except (TypeError, ValueError):
            return None
    fits = value.dtype.base_dtype is spec.dtype and shapes.compatible(value.dims, shapes.as_dims(spec.shape))
    return [value] if fits else None


class RestoredFunction:
    """A function that was drawn for some kinds of arguments, and can be called with these.

    Args:
      name: what it was called.
      spec: its FunctionSpec.
      concrete: its drawings.
    """

    def __init__(self, name: str, spec: Any, concrete: Sequence[RestoredConcrete]) -> None:
        self._name = name
        self.concrete_functions = list(concrete)
        described = decode(spec.fullargspec)
        self._args: list[str] = [*getattr(described, "args", ())][int(spec.is_method) :]
        defaults = tuple(getattr(described, "defaults", None) or ())
        self._defaults = dict(zip(self._args[len(self._args) - len(defaults) :], defaults, strict=True))
        self._keyword_defaults = dict(getattr(described, "kwonlydefaults", None) or {})
        self.input_signature = decode(spec.input_signature)

    def _canonical(self, args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments by position as far as they have one, and defaults filled in."""
        kwargs = {**self._keyword_defaults, **kwargs}
        found = list(args)
        for name in self._args[len(args) :]:
            if name in kwargs:
                found.append(kwargs.pop(name))
            elif name in self._defaults:
                found.append(self._defaults[name])
            else:
                break
        return tuple(found), kwargs

    def _whole(self, concrete: RestoredConcrete) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What a drawing is for, defaults included."""
        args, kwargs = concrete.structured_input_signature
        return tuple(args), {**self._keyword_defaults, **kwargs}

    def _tensors(self, concrete: RestoredConcrete, args: Any, kwargs: Any, converting: bool) -> Any:
        """The tensors of a call, or None where a drawing is not for such arguments."""
        wanted = self._whole(concrete)
        try:
            leaves = flatten_up_to(wanted, (args, kwargs))
        except (TypeError, ValueError):
            return None
        tensors: list[Tensor] = []
        for spec, value in zip(nest.flatten(wanted), leaves, strict=True):
            if is_spec(spec):
                parts = _parts(spec, value, converting)
                if parts is None:
                    return None
                tensors += parts
            elif isinstance(value, Tensor) or spec != value:
                return None
        return tensors

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function in the default graph, as it was drawn for such arguments.

        Returns:
          What the function returned, with tensors of the default graph.

        Raises:
          ValueError: it was not drawn for such arguments.
        """
        positional, named = self._canonical(args, kwargs)
        for converting in (False, True):
            for concrete in self.concrete_functions:
                tensors = self._tensors(concrete, positional, named, converting)
                if tensors is not None:
                    return concrete.called(tensors)
        raise ValueError(self._refused(positional, named))

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> RestoredConcrete:
        """The drawing for such arguments.

        Args:
          *args, **kwargs: tensors, `TensorSpec`s or other values; none where there is one drawing.

        Raises:
          ValueError: there is none.
        """
        if not args and not kwargs and len(self.concrete_functions) == 1:
            return self.concrete_functions[0]
        positional, named = self._canonical(args, kwargs)
        for concrete in self.concrete_functions:
            wanted = self._whole(concrete)
            try:
                leaves = flatten_up_to(wanted, (positional, named))
            except (TypeError, ValueError):
                continue
            pairs = list(zip(nest.flatten(wanted), leaves, strict=True))
            if all(_like(spec, value) for spec, value in pairs):
                return concrete
        raise ValueError(self._refused(positional, named))

    def _refused(self, args: Any, kwargs: Any) -> str:
        options = [f"{c.structured_input_signature}" for c in self.concrete_functions]
        known = "; ".join(f"option {i}: {text}" for i, text in enumerate(options, 1))
        return (
            f"{self._name}: Could not find matching function to call loaded from the SavedModel. It was "
            f"saved for {len(options)} kinds of arguments: {known or 'none'}. Received: {args}, {kwargs}"
        )

    def __repr__(self) -> str:
        return f"<restored function {self._name!r}>"


def _like(spec: Any, value: Any) -> bool:
    if not is_spec(spec):
        return bool(spec == value)
    return (
        is_spec(value)
        and spec.dtype == value.dtype
        and shapes.compatible(shapes.as_dims(spec.shape), shapes.as_dims(value.shape))
    )
