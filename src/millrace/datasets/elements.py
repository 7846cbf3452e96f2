"""Values of a program as elements of datasets: tensors for everything, and their structure."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import name_scope
from millrace.building.sparse_tensor import SparseTensor, SparseTensorValue
from millrace.core import dtypes, shapes
from millrace.core.shapes import TensorShape
from millrace.datasets import composite_specs as composite_specs
from millrace.datasets import nesting, specs
from millrace.datasets.specs import SparseTensorSpec, TensorSpec
from millrace.graph.tensor import Tensor
from millrace.lib.ragged.splits import tensor_or_ragged
from millrace.lib.ragged.values import RaggedTensorValue
from millrace.opkit.random.seeds import get_seed


def normalized(element: Any) -> Any:
    """`element` with tensors for arrays and numbers."""

    def tensor(i: int, value: Any) -> Any:
        if isinstance(value, SparseTensor | SparseTensorValue):
            return SparseTensor.from_value(value)
        if isinstance(value, RaggedTensorValue):
            return tensor_or_ragged(value)
        if specs.has_spec(value):
            return value
        return convert.convert_to_tensor(value, name=f"component_{i}")

    with name_scope("normalize_element"):
        leaves = [tensor(i, value) for i, value in enumerate(nesting.flatten(element))]
    return nesting.pack(element, leaves)


def structure_of(element: Any) -> Any:
    """The nested specs of a normalized element."""
    return nesting.map_structure(specs.spec_of, element)


def tensors_of(structure: Any, element: Any) -> list[Tensor]:
    """The flat tensors that hold an element."""
    pairs = zip(nesting.flatten(structure), nesting.flatten(element), strict=True)
    return [t for spec, value in pairs for t in spec.to_tensors(value)]


def rows_of(structure: Any, element: Any) -> list[Tensor]:
    """The flat tensors that hold the rows of an element."""
    found = []
    for spec, value in zip(nesting.flatten(structure), nesting.flatten(element), strict=True):
        found += (
            spec.to_batched_tensors(value) if hasattr(spec, "to_batched_tensors") else spec.to_tensors(value)
        )
    return found


def attrs_of(structure: Any) -> dict[str, Any]:
    """The attributes that tell an operation an element's dtypes and shapes."""
    return {"output_types": specs.flat_types(structure), "output_shapes": specs.flat_shapes(structure)}


def legacy_structure(types: Any, dims: Any = None, classes: Any = None) -> Any:
    """The nested specs for TF 1's nested dtypes, shapes and classes.

    Raises:
      TypeError, ValueError: they nest differently, or a class is not known.
    """
    if dims is None:
        dims = nesting.map_structure(lambda _: TensorShape(None), types)
    flat = nesting.flatten(types)
    kinds = [Tensor] * len(flat) if classes is None else nesting.up_to(types, classes)
    found = []
    for dtype, shape, kind in zip(flat, nesting_shapes(types, dims), kinds, strict=True):
        if isinstance(dtype, specs.TypeSpec):
            found.append(dtype)
        elif kind is Tensor:
            found.append(TensorSpec(shape, dtype))
        elif kind is SparseTensor:
            found.append(SparseTensorSpec(shape, dtype))
        else:
            raise TypeError(f"Could not build a structure for output class {kind!r}")
    return nesting.pack(types, found)


def nesting_shapes(types: Any, dims: Any) -> list[Any]:
    """One shape for each dtype of `types`, where shapes may be lists, tuples and TensorShapes."""
    if not nesting.is_nested(types):
        return [dims]
    if isinstance(types, dict):
        if not isinstance(dims, dict) or set(dims) != set(types):
            raise TypeError(f"The shapes must nest as the types. Received: {types!r} and {dims!r}")
        return [s for key in sorted(types) for s in nesting_shapes(types[key], dims[key])]
    if not isinstance(dims, tuple | list) or len(dims) != len(types):
        raise TypeError(f"The shapes must nest as the types. Received: {types!r} and {dims!r}")
    return [s for t, d in zip(types, dims, strict=True) for s in nesting_shapes(t, d)]


def int64(value: Any, name: str) -> Tensor:
    """An int64 tensor."""
    return convert.to_tensor(value, dtypes.int64, name)


def seeds(seed: int | None) -> tuple[Tensor, Tensor]:
    """The two seeds of a dataset, as tensors; entropy where neither the graph nor the program gives one."""
    first, second = get_seed(seed) if not isinstance(seed, Tensor) else (0, seed)
    one = convert.to_tensor(0 if first is None else first, dtypes.int64, "seed")
    if second is None:
        return one, convert.to_tensor(0, dtypes.int64, "seed2")
    with name_scope("seed2") as scope:
        two = convert.to_tensor(second, dtypes.int64)
        both = raw.LogicalAnd(
            raw.Equal(one, convert.to_tensor(0, dtypes.int64, "Equal/y")),
            raw.Equal(two, convert.to_tensor(0, dtypes.int64, "Equal_1/y"), name="Equal_1"),
        )
        return one, raw.Select(both, convert.to_tensor(2**31 - 1, dtypes.int64, "Const"), two, name=scope)


def known_shape(dims: shapes.Dims) -> TensorShape:
    """A shape from dims."""
    return shapes.shape_of(dims)
