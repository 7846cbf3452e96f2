"""`assert_shapes`: several tensors, whose sizes must fit a pattern and each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.core.public import public
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import group
from millrace.lib.math.checks import Assert, assert_rank, assert_rank_at_least, assert_rank_in
from millrace.ops.array.shape import shape as shape_of

_FREE = (None, ".")
_ANY_NUMBER = (Ellipsis, "...", "*")


class _Size:
    """Where the size that a symbol stands for was first seen."""

    def __init__(self, tensor: Any, axis: int, origin: str) -> None:
        self.tensor = tensor
        self.axis = axis
        self.origin = origin

    @property
    def known(self) -> int | None:
        return _dims(self.tensor)[self.axis] if _dims(self.tensor) is not None else None

    def dynamic(self) -> Tensor:
        return shape_of(self.tensor)[self.axis]


def _dims(tensor: Any) -> Any:
    shape = tensor.get_shape()
    return None if shape.ndims is None else shape.as_list()


def _label(tensor: Any) -> str:
    return (tensor.values if isinstance(tensor, SparseTensor) else tensor).name


@public("debugging.assert_shapes")
def assert_shapes(
    shapes: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Asserts the shapes of tensors, and which of their sizes are equal.

        tf.debugging.assert_shapes([(x, ("N", "Q")), (y, ("N", 3)), (scalar, ())])

    Args:
      shapes: a dict, or a list of pairs, from a tensor to a tuple with an entry for each dimension: a number,
      a
        symbol that stands for one size wherever it occurs, or None or "." for any size. A first or last entry
        "..." or "*" stands for any number of dimensions. A scalar may stand where one dimension of size 1 is
        asked.
      data, summarize, message: as for `assert_equal`.
      name: a scope; default "assert_shapes".

    Returns:
      An operation to depend on.

    Raises:
      ValueError: the static shapes do not fit.
      InvalidArgumentError: when run, where the shapes do not fit.
    """
    pairs = list(shapes.items() if isinstance(shapes, Mapping) else shapes)
    prefix = message or ""
    with name_scope(name, "assert_shapes", [t for t, _ in pairs]):
        checks: list[Operation] = []
        sizes: dict[Any, _Size] = {}
        for given, pattern in pairs:
            tensor = given if isinstance(given, SparseTensor) else convert_to_tensor(given)
            entries = tuple(pattern) if isinstance(pattern, tuple | list | str) else (pattern,)
            leading, entries = entries[:1] if entries[:1] and entries[0] in _ANY_NUMBER else (), entries
            entries = entries[len(leading) :]
            trailing = bool(entries) and entries[-1] in _ANY_NUMBER
            entries = entries[:-1] if trailing else entries
            free = bool(leading) or trailing
            checks.append(_rank_check(tensor, len(entries), free, data, summarize, message))
            if len(entries) == 1 and not free and tensor.get_shape().ndims == 0:
                continue
            start = -len(entries) if leading else 0
            for k, entry in enumerate(entries):
                if entry in _FREE:
                    continue
                own = _Size(tensor, start + k, f"Specified by tensor {_label(tensor)} dimension {start + k}")
                if not isinstance(entry, int):
                    first = sizes.setdefault(entry, own)
                    if first.tensor is tensor and first.axis == own.axis:
                        continue
                    wanted, value, origin = first.known, first, first.origin
                else:
                    wanted, value, origin = entry, None, "Specified explicitly"
                check = _size_check(own, wanted, value, origin, prefix, data, summarize)
                if check is not None:
                    checks.append(check)
        return group(*checks)


def _rank_check(
    tensor: Any, rank: int, free: bool, data: Any, summarize: Any, message: str | None
) -> Operation:
    options = dict(data=data, summarize=summarize, message=message)
    if free:
        return assert_rank_at_least(tensor, rank, **options)
    return assert_rank_in(tensor, [0, 1], **options) if rank == 1 else assert_rank(tensor, rank, **options)


def _size_check(
    own: _Size, wanted: int | None, first: _Size | None, origin: str, prefix: str, data: Any, summarize: Any
) -> Operation | None:
    """An assertion that a dimension has the wanted size; None where that is known already."""
    found, label = own.known, _label(own.tensor)
    rule = f"Tensor {label} dimension {own.axis} must have size"
    if found is not None and wanted is not None:
        if found != wanted:
            raise ValueError(
                f"{prefix}.  {origin}.  {rule} {wanted}.  Received size {found}, "
                f"shape {own.tensor.get_shape()}"
            )
        return None
    size: Any = wanted if first is None or wanted is not None else first.dynamic()
    shown = [prefix, origin, rule, size, "Received shape: ", shape_of(own.tensor)] if data is None else data
    return Assert(raw.Equal(own.dynamic(), size), shown, summarize=summarize)
