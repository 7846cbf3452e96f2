"""The base of values that are made of several tensors."""

from __future__ import annotations

import abc
from typing import Any

from millrace.building.indexed_slices import IndexedSlices
from millrace.building.sparse_tensor import SparseTensor
from millrace.core.public import public


@public("python.framework.composite_tensor.CompositeTensor")
class CompositeTensor(abc.ABC):
    """A value made of several tensors; sparse tensors and indexed slices are such values."""

    @property
    @abc.abstractmethod
    def _type_spec(self) -> Any:
        """What is known of the value before it exists."""


CompositeTensor.register(SparseTensor)
CompositeTensor.register(IndexedSlices)
