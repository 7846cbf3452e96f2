"""What crosses the border of a body: values of any kind as tensors, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert, raw
from millrace.building.composites import CompositeTensor
from millrace.building.indexed_slices import IndexedSlices
from millrace.core import nest
from millrace.graph.nesting import encloses
from millrace.graph.tensor import Tensor
from millrace.lib.flow.tensor_array import TensorArray


class Flat:
    """Values of any kind as tensors, and the way back: what crosses the border of a body."""

    def __init__(self, values: list[Any]) -> None:
        self.tensors: list[Tensor] = []
        self._rebuild: list[tuple[int, Callable[[list[Tensor]], Any]]] = []
        self.kinds: list[str] = []
        self.sizes: list[int] = []
        self.values = values
        for value in values:
            parts, rebuild = _components(value)
            self.sizes.append(len(parts))
            self._rebuild.append((len(parts), rebuild))
            self.tensors.extend(parts)
            self.kinds.append(type(value).__name__ if not isinstance(value, Tensor) else "Tensor")

    def pack(self, tensors: list[Tensor]) -> list[Any]:
        """Values of the original kinds around other tensors."""
        rest, packed = list(tensors), []
        for count, rebuild in self._rebuild:
            packed.append(rebuild(rest[:count]))
            rest = rest[count:]
        return packed


def _components(value: Any) -> tuple[list[Tensor], Callable[[list[Tensor]], Any]]:
    if isinstance(value, TensorArray):
        return [value.flow], lambda ts: value.with_flow(ts[0])
    if isinstance(value, CompositeTensor):
        return value.parts, value.with_parts
    if hasattr(value, "_variant_tensor"):  # a dataset
        return [value._variant_tensor], lambda ts: value._same(ts[0])
    return [convert.convert_to_tensor(value)], lambda ts: ts[0]


def arrays_made_inside(first: Flat, second: Flat) -> list[tuple[int, TensorArray, TensorArray]]:
    """The tensor arrays that both branches return and one of them has made, each with its place: their
    handles cross the border, too.
    """
    return [
        (place, a, b)
        for place, (a, b) in enumerate(zip(first.values, second.values, strict=True))
        if isinstance(a, TensorArray) and isinstance(b, TensorArray)
        if _is_inside(a.handle) or _is_inside(b.handle)
    ]


def _is_inside(tensor: Tensor) -> bool:
    """Whether a tensor is of a body that is being left."""
    here, own = tensor.graph.body, tensor.op.body
    return own is not here and not encloses(own, here)


def dereferenced(tensor: Tensor) -> Tensor:
    """The value of a reference; any other tensor itself."""
    return raw.Identity(tensor) if tensor.dtype.is_ref_dtype else tensor


def grows(value: Any) -> bool:
    """True for sparse and ragged tensors: an iteration may make longer ones; rows keep their number."""
    return isinstance(value, CompositeTensor) and not isinstance(value, IndexedSlices)


def plain(structure: Any) -> Any:
    """The structure with leaves that compare alike."""
    return nest.pack_sequence_as(structure, [0] * len(nest.flatten(structure)))
