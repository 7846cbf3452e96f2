"""How elements of datasets nest: tuples, dicts and attrs objects; a list is a tensor, unlike elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from millrace.building.sparse_tensor import SparseTensorValue
from millrace.core.public import public


@public("python.data.util.nest.is_sequence")
def is_nested(structure: Any) -> bool:
    """True for tuples, dicts and attrs objects."""
    if isinstance(structure, SparseTensorValue):
        return False
    return isinstance(structure, tuple | Mapping) or hasattr(type(structure), "__attrs_attrs__")


def _children(structure: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(structure, Mapping):
        yield from ((key, structure[key]) for key in sorted(structure))
    elif isinstance(structure, tuple):
        yield from enumerate(structure)
    else:
        yield from ((a.name, getattr(structure, a.name)) for a in type(structure).__attrs_attrs__)


@public("python.data.util.nest.flatten")
def flatten(nested: Any) -> list[Any]:
    """The leaves, dicts by sorted key."""
    if not is_nested(nested):
        return [nested]
    return [leaf for _, child in _children(nested) for leaf in flatten(child)]


@public("python.data.util.nest.pack_sequence_as")
def pack(structure: Any, flat_sequence: Any) -> Any:
    """The leaves in the nesting of `structure`."""
    return _packed(structure, iter(flat_sequence))


def _packed(structure: Any, leaves: Iterator[Any]) -> Any:
    if not is_nested(structure):
        return next(leaves)
    children = [_packed(child, leaves) for _, child in _children(structure)]
    if isinstance(structure, Mapping):
        new = dict(zip(sorted(structure), children, strict=True))
        ordered = [(key, new[key]) for key in structure]
        if hasattr(structure, "default_factory"):
            return type(structure)(structure.default_factory, ordered)  # type: ignore[call-arg]
        return type(structure)(ordered)  # type: ignore[call-arg]
    if isinstance(structure, tuple) and not hasattr(structure, "_fields"):
        return tuple(children)
    return type(structure)(*children)


@public("python.data.util.nest.map_structure")
def map_structure(func: Callable[..., Any], first: Any, *others: Any) -> Any:
    """`func` of corresponding leaves, in the nesting of the first structure."""
    for other in others:
        assert_same_structure(first, other)
    return pack(first, [func(*leaves) for leaves in zip(*map(flatten, (first, *others)), strict=True)])


@public("python.data.util.nest.assert_same_structure")
def assert_same_structure(nest1: Any, nest2: Any, check_types: bool = True) -> None:
    """Checks that two structures nest alike.

    Raises:
      ValueError: they differ in nesting or length.
      TypeError: with `check_types`, their containers are of different kinds.
    """
    first, second = nest1, nest2
    if is_nested(first) != is_nested(second):
        raise ValueError(
            "The two structures don't have the same nested structure.\n\n"
            f"First structure: {first!r}\n\nSecond structure: {second!r}"
        )
    if not is_nested(first):
        return
    maps = isinstance(first, Mapping) and isinstance(second, Mapping)
    if check_types and type(first) is not type(second) and not maps:
        raise TypeError(
            "The two structures don't have the same sequence type. First structure has type "
            f"{type(first).__name__}, while second structure has type {type(second).__name__}"
        )
    ones, twos = list(_children(first)), list(_children(second))
    if [k for k, _ in ones] != [k for k, _ in twos]:
        raise ValueError(
            "The two structures don't have the same nested structure: their keys or lengths differ.\n\n"
            f"First structure: {first!r}\n\nSecond structure: {second!r}"
        )
    for (_, a), (_, b) in zip(ones, twos, strict=True):
        assert_same_structure(a, b, check_types)


@public("python.data.util.nest.flatten_up_to")
def up_to(shallow_tree: Any, input_tree: Any) -> list[Any]:
    """The parts of `input_tree` that stand at the leaves of `shallow_tree`.

    Raises:
      ValueError, TypeError: `input_tree` does not nest like `shallow_tree` that far.
    """
    shallow, structure = shallow_tree, input_tree
    if not is_nested(shallow):
        return [structure]
    if not is_nested(structure):
        raise TypeError(
            f"If shallow structure is a sequence, input must also be a sequence. Received: {structure!r}"
        )
    ones, twos = list(_children(shallow)), list(_children(structure))
    if [k for k, _ in ones] != [k for k, _ in twos]:
        raise ValueError(f"The structures nest differently. Received: {shallow!r} and {structure!r}")
    return [leaf for (_, a), (_, b) in zip(ones, twos, strict=True) for leaf in up_to(a, b)]
