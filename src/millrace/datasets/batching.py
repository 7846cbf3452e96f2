"""Batches, padded batches, and datasets one after another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.building.static import static_value
from millrace.core import dtypes, shapes
from millrace.core.shapes import Dimension, TensorShape
from millrace.datasets import nesting, specs
from millrace.datasets.elements import attrs_of, int64, rows_of
from millrace.datasets.functions import wrapper
from millrace.datasets.specs import SparseTensorSpec, TensorSpec
from millrace.graph.tensor import Tensor


def flag(value: Any, name: str = "drop_remainder") -> Tensor:
    """A scalar bool tensor."""
    return convert.to_tensor(value, dtypes.bool_, name)


def rows(batch_size: Tensor, drop_remainder: Tensor) -> int | None:
    """The static size of batches, known where all have the same."""
    if not static_value(drop_remainder):
        return None
    size = static_value(batch_size)
    return None if size is None else int(size)


def batched(dataset: Any, batch_size: Any, drop_remainder: Any) -> Any:
    """See `Dataset.batch`."""
    size, drop = int64(batch_size, "batch_size"), flag(drop_remainder)
    count = rows(size, drop)
    structure = nesting.map_structure(lambda spec: spec.batch(count), dataset.element_spec)
    made = raw.BatchDatasetV2(dataset._variant_tensor, size, drop, **attrs_of(structure))
    return dataset._of(made, structure, dataset)


def unbatched(dataset: Any) -> Any:
    """See `Dataset.unbatch`."""

    def normalize(*parts: Any) -> Any:
        flat = rows_of(dataset.element_spec, parts[0] if len(parts) == 1 else parts)
        return flat[0] if len(flat) == 1 else tuple(flat)

    rows_ = dataset.map(wrapper(normalize, "normalize"))
    structure = nesting.map_structure(lambda spec: spec.unbatch(), dataset.element_spec)
    made = raw.UnbatchDataset(rows_._variant_tensor, **attrs_of(structure))
    return dataset._of(made, structure, rows_)


def concatenated(dataset: Any, other: Any) -> Any:
    """See `Dataset.concatenate`."""
    first, second = dataset.element_spec, other.element_spec
    try:
        nesting.assert_same_structure(first, second)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"Two datasets to concatenate have different types {first} and {second}. {error}"
        ) from None
    joined = []
    for a, b in zip(nesting.flatten(first), nesting.flatten(second), strict=True):
        if type(a) is not type(b):
            raise TypeError(f"Two datasets to concatenate have different classes {a} and {b}")
        if a.legacy_type != b.legacy_type:
            raise TypeError(f"Two datasets to concatenate have different types {a} and {b}")
        joined.append(a.most_specific_compatible_type(b))
    structure = nesting.pack(first, joined)
    made = raw.ConcatenateDataset(dataset._variant_tensor, other._variant_tensor, **attrs_of(structure))
    return dataset._of(made, structure, dataset, other)


# --- padded batches ----------------------------------------------------------------------------------------


def padded(
    dataset: Any, batch_size: Any, padded_shapes: Any, padding_values: Any, drop_remainder: Any
) -> Any:
    """See `Dataset.padded_batch`."""
    structure = dataset.element_spec
    flat = nesting.flatten(structure)
    if any(not isinstance(spec, TensorSpec) for spec in flat):
        kind = "sparse tensors" if any(isinstance(s, SparseTensorSpec) for s in flat) else "such elements"
        raise TypeError(f"Batching of padded {kind} is not currently supported")
    size = int64(batch_size, "batch_size")
    wanted = _shape_leaves(structure, padded_shapes)
    values = _value_leaves(structure, padding_values)
    sizes = [_shape_tensor(s, spec.dims) for s, spec in zip(wanted, flat, strict=True)]
    fills = [_fill_tensor(v, spec.dtype) for v, spec in zip(values, flat, strict=True)]
    drop = flag(drop_remainder)
    count = rows(size, drop)
    known = [
        TensorSpec(_with_rows(_static_dims(t), count), spec.dtype)
        for t, spec in zip(sizes, flat, strict=True)
    ]
    result = nesting.pack(structure, known)
    made = raw.PaddedBatchDatasetV2(
        dataset._variant_tensor, size, sizes, fills, drop, output_shapes=specs.flat_shapes(result)
    )
    return dataset._of(made, result, dataset)


def _with_rows(dims: shapes.Dims, count: int | None) -> TensorShape:
    return shapes.shape_of(None if dims is None else (count, *dims))


def _static_dims(sizes: Tensor) -> shapes.Dims:
    value = static_value(sizes)
    if value is not None:
        return tuple(None if d < 0 else int(d) for d in value)
    dims = sizes.dims
    return None if dims is None or dims[0] is None else (None,) * dims[0]


def _shape_leaves(structure: Any, given: Any) -> list[Any]:
    """One padded shape for each component; a shape may be a list, a tuple, a TensorShape or a tensor."""
    if not nesting.is_nested(structure):
        return [given]
    rule = f"padded_shapes must nest as the elements. Received: {given!r} for {structure!r}"
    if isinstance(structure, Mapping):
        if not isinstance(given, Mapping):
            raise TypeError(rule)
        if set(given) != set(structure):
            raise ValueError(rule)
        return [leaf for key in sorted(structure) for leaf in _shape_leaves(structure[key], given[key])]
    if not isinstance(given, tuple | list):
        raise TypeError(rule)
    if len(given) != len(structure):
        raise ValueError(rule)
    return [leaf for s, g in zip(structure, given, strict=True) for leaf in _shape_leaves(s, g)]


def _shape_tensor(given: Any, dims: shapes.Dims) -> Tensor:
    """A padded shape as a tensor, checked against the component's shape.

    Raises:
      TypeError: it is not a vector of int64.
      ValueError: it has another rank, or is smaller than the component.
    """
    if isinstance(given, Tensor):
        if given.dtype is not dtypes.int64:
            raise TypeError(
                f"Padded shape {given} must be a 1-D tensor of tf.int64 values. Received: {given.dtype}"
            )
        if given.dims is not None and len(given.dims) != 1:
            raise ValueError(
                f"Padded shape {given} must be a 1-D tensor of tf.int64 values, but its shape was "
                f"{given.shape}."
            )
        return given
    if isinstance(given, TensorShape | list | tuple | np.ndarray):
        sizes = [_size(d) for d in (given.dims or [] if isinstance(given, TensorShape) else given)]
    else:
        sizes = [_size(d) for d in np.asarray(given).reshape(-1)]
    if dims is not None:
        if len(dims) != len(sizes):
            raise ValueError(
                f"The padded shape {tuple(sizes)} is not compatible with the corresponding input "
                "component shape "
                f"{shapes.format_dims(dims)}."
            )
        for size, known in zip(sizes, dims, strict=True):
            if known is not None and 0 <= size < known:
                raise ValueError(
                    f"The padded shape {tuple(sizes)} is not compatible with the corresponding input "
                    "component shape "
                    f"{shapes.format_dims(dims)}."
                )
    return convert.to_tensor(np.array(sizes, np.int64), dtypes.int64)


def _size(value: Any) -> int:
    if isinstance(value, Dimension):
        value = value.value
    return -1 if value is None else int(value)


def _value_leaves(structure: Any, given: Any) -> list[Any]:
    if given is None:
        return [None] * len(nesting.flatten(structure))
    if nesting.is_nested(structure):
        return nesting.up_to(structure, given)
    return [given]


def _fill_tensor(value: Any, dtype: dtypes.DType) -> Tensor:
    if value is None:
        value = "" if dtype is dtypes.string else np.zeros((), dtype.np_dtype)
    tensor = convert.convert_to_tensor(value, name="padding_value")
    if not shapes.compatible(tensor.dims, ()):
        raise ValueError(f"Padding value should be a scalar, but is not: {tensor}")
    if tensor.dtype.base_dtype is not dtype:
        raise TypeError(f"Padding value tensor ({tensor}) does not match output type: {dtype}")
    return tensor
