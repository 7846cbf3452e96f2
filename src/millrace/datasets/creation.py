"""Datasets from values: tensors, rows, numbers, files, other datasets."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import control_dependencies, name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.core import dtypes, shapes
from millrace.datasets import nesting, specs
from millrace.datasets.base import DatasetBase
from millrace.datasets.elements import (
    attrs_of,
    int64,
    normalized,
    rows_of,
    structure_of,
    tensors_of,
)
from millrace.datasets.specs import TensorSpec


def from_tensors(kind: Any, tensors: Any) -> Any:
    """See `Dataset.from_tensors`."""
    element = normalized(tensors)
    structure = structure_of(element)
    made = raw.TensorDataset(tensors_of(structure, element), output_shapes=specs.flat_shapes(structure))
    return kind(made, structure)


def from_tensor_slices(kind: Any, tensors: Any) -> Any:
    """See `Dataset.from_tensor_slices`."""
    element = normalized(tensors)
    batched = structure_of(element)
    structure = nesting.map_structure(lambda spec: spec.unbatch(), batched)
    rows: Any = None
    for spec in nesting.flatten(batched):
        dims = shapes.as_dims(spec.shape)
        try:
            rows = shapes.merge(rows, None if dims is None else dims[:1])
        except ValueError:
            raise ValueError(
                f"from_tensor_slices: the first dimensions must be equal. Received: {batched}"
            ) from None
    made = raw.TensorSliceDataset(rows_of(batched, element), output_shapes=specs.flat_shapes(structure))
    return kind(made, structure)


def from_sparse_tensor_slices(kind: Any, sparse_tensor: Any) -> Any:
    """See `Dataset.from_sparse_tensor_slices`."""
    if not isinstance(sparse_tensor, SparseTensor):
        raise TypeError(f"`sparse_tensor` must be a `tf.SparseTensor` object. Received: {sparse_tensor!r}")
    indices = sparse_tensor.indices.dims
    rank = None if indices is None or indices[1] is None else indices[1] - 1
    structure = (
        TensorSpec([None, rank], dtypes.int64),
        TensorSpec([None], sparse_tensor.dtype),
        TensorSpec([rank], dtypes.int64),
    )
    made = raw.SparseTensorSliceDataset(
        sparse_tensor.indices,
        sparse_tensor.values,
        sparse_tensor.dense_shape,
    )
    return kind(made, structure)


def number_range(kind: Any, args: tuple[Any, ...]) -> Any:
    """See `Dataset.range`."""
    if not 1 <= len(args) <= 3:
        raise ValueError(f"Invalid arguments to Dataset.range: {args!r}")
    start, stop, step = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]
    structure = TensorSpec([], dtypes.int64)
    made = raw.RangeDataset(
        int64(start, "start"), int64(stop, "stop"), int64(step, "step"), **attrs_of(structure)
    )
    return kind(made, structure)


def zipped(kind: Any, datasets: Any) -> Any:
    """See `Dataset.zip`."""
    flat = nesting.flatten(datasets)
    for dataset in flat:
        if isinstance(dataset, list):
            raise TypeError(
                "The argument to `Dataset.zip()` must be a nested structure of Dataset objects. Nested "
                "structures do "
                f"not support Python lists; please use a tuple instead. Received: {datasets!r}"
            )
        if not isinstance(dataset, DatasetBase):
            raise TypeError(
                "The argument to `Dataset.zip()` must be a nested structure of Dataset objects. "
                f"Received: {dataset!r}"
            )
    structure = nesting.pack(datasets, [d.element_spec for d in flat])
    made = raw.ZipDataset([d._variant_tensor for d in flat], **attrs_of(structure))
    return kind(made, structure, *flat)


def list_files(kind: Any, file_pattern: Any, shuffle: bool | None, seed: int | None) -> Any:
    """See `Dataset.list_files`."""
    with name_scope("list_files"):
        shuffle = True if shuffle is None else shuffle
        pattern = convert.to_tensor(file_pattern, dtypes.string, "file_pattern")
        files = raw.MatchingFiles(pattern)
        count = _first_of(raw.Shape(files, out_type=dtypes.int32))
        found = raw.Greater(
            count, convert.to_tensor(0, dtypes.int32, "match_not_empty/y"), name="match_not_empty"
        )
        patterns = _joined(pattern)
        message = raw.Add(
            convert.to_tensor("No files matched pattern: ", dtypes.string, "message/x"),
            patterns,
            name="message",
        )
        check = raw.Assert(found, [message], summarize=1, name="assert_not_empty/Assert")
        with control_dependencies([check]):
            files = raw.Identity(files)
        structure = TensorSpec([], dtypes.string)
        rows = raw.TensorSliceDataset([files], output_shapes=specs.flat_shapes(structure))
        dataset = kind(rows, structure)
        if shuffle:
            size = raw.Maximum(
                _first_of(raw.Shape(files, out_type=dtypes.int64)),
                convert.to_tensor(1, dtypes.int64, "Maximum/y"),
            )
            dataset = dataset.shuffle(size, seed=seed)
        return dataset


def _joined(pattern: Any) -> Any:
    with name_scope("ReduceJoin"):
        axes = convert.to_tensor(list(range(len(pattern.dims or ()))), dtypes.int32, "Const")
        return raw.ReduceJoin(pattern, axes, keep_dims=False, separator=", ", name="ReduceJoin")


def _first_of(shape: Any) -> Any:
    bounds = ((0, "stack"), (1, "stack_1"), (1, "stack_2"))
    with name_scope("strided_slice") as scope:
        parts = [convert.to_tensor([value], dtypes.int32, name) for value, name in bounds]
        return raw.StridedSlice(shape, *parts, shrink_axis_mask=1, name=scope)
