"""Datasets as elements of datasets: their spec, and windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millrace.building import raw
from millrace.core import dtypes, late
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.datasets import nesting
from millrace.datasets.base import DatasetBase
from millrace.datasets.batching import flag
from millrace.datasets.elements import attrs_of, int64
from millrace.datasets.specs import TypeSpec
from millrace.graph.tensor import Tensor


@public("data.DatasetSpec", "data.experimental.DatasetStructure", "contrib.data.DatasetStructure")
class DatasetSpec(TypeSpec):
    """The structure of a dataset that is itself an element.

    Args:
      element_spec: nested specs of its elements.
      dataset_shape: of the tensor that holds it; more than a scalar for batches of datasets.
    """

    def __init__(self, element_spec: Any, dataset_shape: Any = ()) -> None:
        self._element_spec = element_spec
        self._dataset_shape = TensorShape(dataset_shape)

    @staticmethod
    def from_value(value: DatasetBase) -> DatasetSpec:
        """The spec of a dataset."""
        return DatasetSpec(value.element_spec)

    @property
    def element_spec(self) -> Any:
        """Nested specs of its elements."""
        return self._element_spec

    @property
    def value_type(self) -> type:
        """`tf.data.Dataset`."""
        return dataset_class()

    def _key(self) -> tuple[Any, ...]:
        return self._element_spec, self._dataset_shape

    def _joined(self, other: Any) -> TypeSpec:
        joined = nesting.map_structure(
            lambda a, b: a.most_specific_compatible_type(b), self._element_spec, other._element_spec
        )
        return DatasetSpec(joined, self._dataset_shape)

    def to_tensors(self, value: DatasetBase) -> list[Tensor]:
        return [value._variant_tensor]

    def from_tensors(self, tensors: Sequence[Tensor]) -> Any:
        return dataset_class()(tensors[0], self._element_spec)


def dataset_class() -> Any:
    """`tf.data.Dataset`."""
    return late.module("dataset").Dataset


def element_of(output: Any, who: str) -> Any:
    """The structure of the elements of the dataset that a function returned.

    Raises:
      TypeError: it returned something else.
    """
    if not isinstance(output, DatasetSpec):
        raise TypeError(f"`map_func` must return a `Dataset` object. Received: {output!r} ({who})")
    return output.element_spec


def window(dataset: Any, size: Any, shift: Any, stride: Any, drop_remainder: Any) -> Any:
    """See `Dataset.window`."""
    shift = size if shift is None else shift
    structure = nesting.map_structure(DatasetSpec, dataset.element_spec)
    made = raw.WindowDataset(
        dataset._variant_tensor,
        int64(size, "size"),
        int64(shift, "shift"),
        int64(stride, "stride"),
        flag(drop_remainder),
        **attrs_of(structure),
    )
    return dataset._of(made, structure, dataset)


@public("data.experimental.to_variant")
def to_variant(dataset: DatasetBase) -> Tensor:
    """The variant tensor that holds a dataset."""
    return dataset._variant_tensor


@public("data.experimental.from_variant")
def from_variant(variant: Tensor, structure: Any) -> Any:
    """The dataset that a variant tensor holds.

    Args:
      variant: a scalar variant tensor.
      structure: nested specs of its elements.

    Raises:
      TypeError: `variant` is of another dtype.
    """
    if variant.dtype is not dtypes.variant:
        raise TypeError(f"from_variant: a variant tensor is needed. Received: {variant!r}")
    return dataset_class()(variant, structure)
