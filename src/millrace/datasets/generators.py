"""Datasets of what Python generators yield."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.building.literals import to_array
from millrace.core import dtypes, shapes
from millrace.datasets import nesting, specs
from millrace.datasets.creation import from_tensors
from millrace.datasets.elements import attrs_of, nesting_shapes
from millrace.datasets.functions import StructuredFunction, wrapper
from millrace.datasets.specs import TensorSpec


class _Generators:
    """The iterators of one `from_generator`, by number."""

    def __init__(self, generator: Callable[..., Any]) -> None:
        self._generator = generator
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._arguments: dict[int, tuple[Any, ...]] = {}
        self._iterators: dict[int, Any] = {}

    def new(self, *args: Any) -> int:
        """The number of an iteration with these arguments, which starts at its first element."""
        with self._lock:
            number = next(self._numbers)
            self._arguments[number] = args
        return number

    def next(self, number: int) -> Any:
        """The next element of an iteration."""
        iterator = self._iterators.get(number)
        if iterator is None:
            iterator = iter(self._generator(*self._arguments.pop(number)))
            self._iterators[number] = iterator
        return next(iterator)

    def end(self, number: int) -> None:
        """Forgets an iteration."""
        self._arguments.pop(number, None)
        self._iterators.pop(number, None)


def from_generator(kind: Any, generator: Any, output_types: Any, output_shapes: Any, args: Any) -> Any:
    """See `Dataset.from_generator`."""
    if not callable(generator):
        raise TypeError(f"`generator` must be callable. Received: {generator!r}")
    structure = _structure(output_types, output_shapes)
    arguments = [convert.convert_to_tensor(a, name=f"args_{i}") for i, a in enumerate(args or ())]
    running = _Generators(generator)
    types, known = specs.flat_types(structure), specs.flat_shapes(structure)

    def number_of(_: Any) -> Any:
        return _python(lambda *values: np.int64(running.new(*values)), arguments, [dtypes.int64])[0]

    def element(number: Any) -> Any:
        def call(value: Any) -> list[Any]:
            return _arrays(running.next(int(value)), structure, types, known)

        tensors = _python(call, [number], types)
        for tensor, dims in zip(tensors, known, strict=True):
            tensor.dims = shapes.merge(tensor.dims, dims)
        return nesting.pack(structure, tensors)

    def end(number: Any) -> Any:
        def call(value: Any) -> np.int64:
            running.end(int(value))
            return np.int64(0)

        return _python(call, [number], [dtypes.int64])[0]

    def flat_map_fn(seed: Any) -> Any:
        begin = wrapper(number_of, "get_iterator_id_fn")
        return _generator_dataset(
            kind, seed, begin, wrapper(element, "generator_next_fn"), wrapper(end, "finalize_fn")
        )

    return from_tensors(kind, 0).flat_map(wrapper(flat_map_fn, "flat_map_fn"))


def _structure(output_types: Any, output_shapes: Any) -> Any:
    flat = nesting.flatten(output_types)
    dims = [None] * len(flat) if output_shapes is None else nesting_shapes(output_types, output_shapes)
    return nesting.pack(output_types, [TensorSpec(d, t) for t, d in zip(flat, dims, strict=True)])


def _python(function: Callable[..., Any], inputs: list[Any], types: list[dtypes.DType]) -> list[Any]:
    from millrace.ops.flow.script import py_func

    return py_func(function, inputs, types, True)


def _arrays(values: Any, structure: Any, types: Any, known: Any) -> list[np.ndarray]:
    """What a generator yielded as arrays.

    Raises:
      TypeError: it does not nest as `output_types`, or is of another kind.
      ValueError: an array has another shape.
    """
    if isinstance(values, list) and nesting.is_nested(structure):
        values = tuple(values)
    try:
        flat = nesting.up_to(structure, values)
    except (TypeError, ValueError):
        raise TypeError(
            "`generator` yielded an element that did not match the expected structure. The expected "
            "structure was "
            f"{_shown(structure)}, but the yielded element was {values}."
        ) from None
    found = []
    for value, dtype, dims in zip(flat, types, known, strict=True):
        try:
            array = _array(value, dtype)
        except (TypeError, ValueError):
            raise TypeError(
                "`generator` yielded an element that could not be converted to the expected type. The "
                "expected type "
                f"was {dtype.name}, but the yielded element was {value}."
            ) from None
        if not shapes.compatible(array.shape, dims):
            raise ValueError(
                f"`generator` yielded an element of shape {array.shape} where an element of shape "
                f"{shapes.format_dims(dims)} was expected."
            )
        found.append(array)
    return found


def _array(value: Any, dtype: dtypes.DType) -> np.ndarray:
    if dtype is dtypes.string:
        return to_array(value, dtype)
    array = np.asarray(value)
    if array.dtype.kind in "SUO":
        raise TypeError(value)
    return array.astype(dtype.np_dtype, copy=False)


def _shown(structure: Any) -> Any:
    return nesting.map_structure(lambda spec: spec.dtype, structure)


def _generator_dataset(kind: Any, seed: Any, begin: Any, element: Any, end: Any) -> Any:
    """What `element` gives for the number that `begin` gave, until it says that there is no more."""
    who = "Dataset.from_generator()"
    init = StructuredFunction(begin, who, specs.spec_of(seed))
    following = StructuredFunction(element, who, init.output)
    finalize = StructuredFunction(end, who, init.output)
    made = raw.GeneratorDataset(
        [seed, *init.captured],
        following.captured,
        finalize.captured,
        init_func=init.graph,
        next_func=following.graph,
        finalize_func=finalize.graph,
        **attrs_of(following.output),
    )
    return kind(made, following.output)
