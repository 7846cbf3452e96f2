"""The arguments of a call, told apart: tensors, by their kind, and values of Python's, by value."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millrace.building import convert
from millrace.core import dtypes, late, nest, shapes
from millrace.graph.tensor import Tensor
from millrace.lib.flow.crossing import Flat
from millrace.lib.flow.tensor_array import TensorArray
from millrace.lib.functions.concrete import Argument


class Call:
    """The arguments of one call, bound to the parameters of a function.

    Attributes:
      key: equal for calls that one drawing serves.
      tensors: those among the arguments.
      arguments: what they are.
      keywords: by which names they may be given.
    """

    def __init__(self, parameters: inspect.Signature, args: Any, kwargs: Any) -> None:
        self._parameters = parameters
        bound = parameters.bind(*args, **kwargs)
        bound.apply_defaults()
        self._args, self._kwargs = bound.args, bound.kwargs
        named = dict(bound.arguments)
        self.tensors: list[Any] = []
        self.arguments: list[Argument] = []
        self.keywords: list[str] = []
        key: list[Any] = []
        self._rebuild: list[Any] = []
        for name, value in named.items():
            parts = nest.flatten(value)
            for i, leaf in enumerate(parts):
                key.append(self._leaf(leaf, name if len(parts) == 1 else f"{name}_{i}"))
            key.append(_shape_of_nesting(value))
        self._named = named
        self.key = tuple(key)

    def _leaf(self, leaf: Any, name: str) -> Any:
        """Notes one value; the part of the key that it is."""
        name = getattr(leaf, "name", None) or name if is_spec(leaf) else name
        if is_spec(leaf):
            dims = shapes.as_dims(leaf.shape)
            self._add(Argument(leaf.dtype.base_dtype, dims, name), None)
            self._rebuild.append((1, lambda ts: ts[0]))
            return ("tensor", leaf.dtype.base_dtype, dims)
        composite = isinstance(leaf, TensorArray) or hasattr(leaf, "dense_shape")
        if isinstance(leaf, np.ndarray | np.generic):
            leaf = convert.convert_to_tensor(leaf)
        if not isinstance(leaf, Tensor) and not composite:
            self._rebuild.append((0, lambda _, leaf=leaf: leaf))
            return _of_value(leaf)
        flat = Flat([leaf])
        for tensor in flat.tensors:
            self._add(Argument(tensor.dtype.base_dtype, tensor.dims, name), tensor)
        self._rebuild.append((len(flat.tensors), lambda ts, flat=flat: flat.pack(list(ts))[0]))
        return ("tensor", *[(t.dtype.base_dtype, t.dims) for t in flat.tensors])

    def _add(self, argument: Argument, tensor: Any) -> None:
        self.tensors.append(tensor)
        self.arguments.append(argument)
        self.keywords.append(argument.name)

    def relaxed(self, known: Sequence[Argument]) -> bool:
        """Gives the arguments the shapes that both they and others have; False where they differ in rank."""
        wider = []
        for mine, other in zip(self.arguments, known, strict=True):
            if mine.dims is None or other.dims is None or len(mine.dims) != len(other.dims):
                return False
            dims = tuple(a if a == b else None for a, b in zip(mine.dims, other.dims, strict=True))
            wider.append(Argument(mine.dtype, dims, mine.name))
        self.arguments = wider
        return True

    def structure(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments by position and by name, defaults left out; `tf.TensorSpec`s stand for tensors."""
        specs = late.module("specs")
        known = iter(self.arguments)

        def described(leaf: Any) -> Any:
            if is_spec(leaf) or isinstance(leaf, np.ndarray | np.generic | Tensor):
                found = next(known)
                return specs.TensorSpec(shapes.shape_of(found.dims), found.dtype, found.name)
            if isinstance(leaf, TensorArray) or hasattr(leaf, "dense_shape"):
                for _ in Flat([leaf]).tensors:
                    next(known)
                return specs.spec_of(leaf)
            return leaf

        flat = [described(leaf) for value in self._named.values() for leaf in nest.flatten(value)]
        leaves = iter(flat)
        packed = {
            name: nest.pack_sequence_as(value, [next(leaves) for _ in nest.flatten(value)])
            for name, value in self._named.items()
        }
        defaults = {
            name: p.default for name, p in self._parameters.parameters.items() if p.kind is p.KEYWORD_ONLY
        }
        bound = self._parameters.bind_partial()
        bound.arguments.update((k, v) for k, v in packed.items() if k not in defaults or v is not defaults[k])
        return bound.args, bound.kwargs

    def applied(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of the tensors alone."""

        def with_tensors(*tensors: Tensor) -> Any:
            rest, leaves = list(tensors), []
            for count, rebuild in self._rebuild:
                leaves.append(rebuild(rest[:count]))
                rest = rest[count:]
            values = iter(leaves)
            packed = {
                name: nest.pack_sequence_as(value, [next(values) for _ in nest.flatten(value)])
                for name, value in self._named.items()
            }
            bound = self._signature_of(function).bind_partial()
            bound.arguments.update(packed)
            return function(*bound.args, **bound.kwargs)

        return with_tensors

    def _signature_of(self, function: Callable[..., Any]) -> inspect.Signature:
        return inspect.signature(function)


def is_spec(value: Any) -> bool:
    """True for a `tf.TensorSpec`."""
    return (
        hasattr(value, "dtype")
        and hasattr(value, "shape")
        and hasattr(value, "is_compatible_with")
        and (not isinstance(value, Tensor) and not hasattr(value, "op"))
    )


def _of_value(value: Any) -> Any:
    """What stands in a key for a value of Python's: numbers and strings by value, objects by identity."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | dtypes.DType):
        return type(value), value
    return _Identity(value)


class _Identity:
    """Equal for the same object only, which it keeps alive: its id is not given to another."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __hash__(self) -> int:
        return id(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other._value is self._value


def _shape_of_nesting(value: Any) -> Any:
    """How a value nests, as something that can be compared."""
    if isinstance(value, dict):
        return type(value), tuple((k, _shape_of_nesting(value[k])) for k in sorted(value, key=str))
    if nest.is_nested(value):
        return type(value), tuple(_shape_of_nesting(v) for v in value)
    return None
