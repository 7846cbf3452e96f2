"""The base of values that are made of several tensors: one protocol for all that takes them apart."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

from millrace.core import late, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor


def spec_of(value: Any) -> Any:
    """What is known of one of millrace's own composites before it exists."""
    return late.module("specs").spec_of(value)


@public("python.framework.composite_tensor.CompositeTensor")
class CompositeTensor(abc.ABC):
    """A value made of several tensors: sparse tensors, rows of a tensor, ragged tensors.

    Whatever takes a value apart and puts it together again (sessions, branches, loops, nested structures)
    asks for `parts`, and calls `with_parts` with other tensors in their places. A class of a program may give
    a `_type_spec` that takes its values apart instead.
    """

    @property
    def parts(self) -> list[Tensor]:
        """The tensors it is made of, in the order in which they are fetched and fed."""
        return list(self._type_spec.to_tensors(self))

    def with_parts(self, parts: Sequence[Any]) -> Any:
        """A value of the same kind around other tensors."""
        return self._type_spec.from_tensors(list(parts))

    def of_arrays(self, arrays: Sequence[Any]) -> Any:
        """What fetching it gives, from the values of its parts."""
        return self.with_parts(arrays)

    def arrays_of(self, value: Any) -> list[Any]:
        """What to feed its parts with, from the value that is fed for it."""
        return list(value)

    def part_dims(self, dims: shapes.Dims) -> list[shapes.Dims]:
        """The shapes of the parts of a value of this kind whose static shape is `dims`: what a loop keeps."""
        del dims
        return [part.dims for part in self.parts]

    @property
    @abc.abstractmethod
    def _type_spec(self) -> Any:
        """What is known of the value before it exists."""

    @property
    def _is_graph_tensor(self) -> bool:
        return True
