"""Nested structures of lists, tuples, named tuples, dicts and attrs objects, flattened in TensorFlow's
order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from millrace.core.depth import bounded
from millrace.core.public import public


@public(
    "nest.is_nested",
    "contrib.framework.nest.is_nested",
)
def is_nested(seq: Any) -> bool:
    """True for lists, tuples, dicts and attrs objects; a string or a tensor is a leaf."""
    return isinstance(seq, list | tuple | Mapping) or hasattr(type(seq), "__attrs_attrs__")


@public("contrib.framework.nest.is_sequence", "python.util.nest.is_sequence")
def is_sequence(o: Any) -> bool:
    """True for lists, tuples, dicts and attrs objects; a string or a tensor is a leaf."""
    return is_nested(o)


def children(structure: Any) -> Iterator[tuple[Any, Any]]:
    """(key, child) of one level: dicts in sorted key order."""
    if isinstance(structure, Mapping):
        try:
            keys = sorted(structure)
        except TypeError:
            raise TypeError(
                f"nest only supports dicts with sortable keys. Received: {list(structure)!r}"
            ) from None
        for key in keys:
            yield key, structure[key]
    elif hasattr(type(structure), "__attrs_attrs__"):
        for attribute in type(structure).__attrs_attrs__:
            yield attribute.name, getattr(structure, attribute.name)
    else:
        yield from enumerate(structure)


def like(structure: Any, children: list[Any]) -> Any:
    """`children` in a container of the kind of `structure`."""
    if isinstance(structure, Mapping):
        new = dict(zip(sorted(structure), children, strict=True))
        ordered = [(key, new[key]) for key in structure]
        kind = type(structure)
        if hasattr(structure, "default_factory"):
            return kind(structure.default_factory, ordered)  # type: ignore[call-arg]
        return kind(ordered)  # type: ignore[call-arg]
    if isinstance(structure, tuple) and hasattr(structure, "_fields"):
        return type(structure)(*children)
    if hasattr(type(structure), "__attrs_attrs__"):
        return type(structure)(*children)
    return type(structure)(children)


def is_composite(value: Any) -> bool:
    """True for a value made of several tensors, by the protocol of `CompositeTensor`."""
    return hasattr(type(value), "with_parts")


@public("nest.flatten", "contrib.framework.nest.flatten", "python.util.nest.flatten")
@bounded
def flatten(structure: Any, expand_composites: bool = False) -> list[Any]:
    """The leaves in order; a leaf gives a list of itself.

    Args:
      structure: nested lists, tuples, dicts (by sorted key) and attrs objects.
      expand_composites: take sparse tensors, ragged tensors and IndexedSlices apart, too.
    """
    return _leaves(structure, expand_composites)


def _leaves(structure: Any, expand_composites: bool) -> list[Any]:
    if expand_composites and is_composite(structure):
        return list(structure.parts)
    if not is_nested(structure):
        return [structure]
    return [leaf for _, child in children(structure) for leaf in _leaves(child, expand_composites)]


@public(
    "nest.pack_sequence_as", "contrib.framework.nest.pack_sequence_as", "python.util.nest.pack_sequence_as"
)
def pack_sequence_as(structure: Any, flat_sequence: Any, expand_composites: bool = False) -> Any:
    """The leaves of `flat_sequence` in the nesting of `structure`.

    Args:
      structure: nested lists, tuples, dicts and attrs objects.
      flat_sequence: the leaves.
      expand_composites: `flat_sequence` has the parts of composite values, which are put together.

    Raises:
      ValueError: there are more or fewer leaves than `structure` has.
    """
    flat = list(flat_sequence)
    if not is_nested(structure) and not (expand_composites and is_composite(structure)):
        if len(flat) != 1:
            raise ValueError(f"Structure is a scalar but len(flat_sequence) == {len(flat)} > 1")
        return flat[0]
    wanted = len(flatten(structure, expand_composites))
    if wanted != len(flat):
        raise ValueError(
            f"Could not pack sequence. Structure had {wanted} elements, but flat_sequence had {len(flat)} "
            f"elements. Structure: {structure!r}, flat_sequence: {flat!r}"
        )
    return _pack(structure, iter(flat), expand_composites)


def _pack(structure: Any, leaves: Iterator[Any], expand_composites: bool = False) -> Any:
    if expand_composites and is_composite(structure):
        return structure.with_parts([next(leaves) for _ in structure.parts])
    if not is_nested(structure):
        return next(leaves)
    return like(structure, [_pack(child, leaves, expand_composites) for _, child in children(structure)])


@public(
    "nest.assert_same_structure",
    "contrib.framework.nest.assert_same_structure",
    "python.util.nest.assert_same_structure",
)
@bounded
def assert_same_structure(
    nest1: Any, nest2: Any, check_types: bool = True, expand_composites: bool = False
) -> None:
    """Checks that two structures nest alike.

    Raises:
      ValueError: they differ in nesting or length.
      TypeError: with `check_types`, their containers are of different kinds.
    """
    if is_nested(nest1) != is_nested(nest2):
        raise ValueError(
            "The two structures don't have the same nested structure.\n\n"
            f"First structure: {nest1!r}\n\nSecond structure: {nest2!r}"
        )
    if not is_nested(nest1):
        return
    if (
        check_types
        and type(nest1) is not type(nest2)
        and not (isinstance(nest1, Mapping) and isinstance(nest2, Mapping))
    ):
        raise TypeError(
            "The two structures don't have the same sequence type. First structure has type "
            f"{type(nest1).__name__}, while second structure has type {type(nest2).__name__}"
        )
    first, second = list(children(nest1)), list(children(nest2))
    if [k for k, _ in first] != [k for k, _ in second]:
        raise ValueError(
            "The two structures don't have the same nested structure: their keys or lengths differ.\n\n"
            f"First structure: {nest1!r}\n\nSecond structure: {nest2!r}"
        )
    for (_, a), (_, b) in zip(first, second, strict=True):
        assert_same_structure(a, b, check_types, expand_composites)


@public("nest.map_structure", "contrib.framework.nest.map_structure", "python.util.nest.map_structure")
def map_structure(func: Callable[..., Any], *structure: Any, **kwargs: Any) -> Any:
    """`func` of corresponding leaves, in the nesting of the first structure.

    Args:
      func: takes one leaf of each structure.
      *structure: structures that nest alike.
      **kwargs: `check_types`, `expand_composites`.

    Raises:
      TypeError: `func` is not callable, or containers differ in kind.
      ValueError: no structure was given, or they nest differently.
    """
    if not callable(func):
        raise TypeError(f"func must be callable. Received: {func!r}")
    if not structure:
        raise ValueError("map_structure: at least one structure is needed")
    check_types = kwargs.pop("check_types", True)
    expand = kwargs.pop("expand_composites", False)
    if kwargs:
        raise ValueError(
            f"map_structure: only check_types and expand_composites are keywords. Received: {sorted(kwargs)}"
        )
    for other in structure[1:]:
        assert_same_structure(structure[0], other, check_types, expand)
    flat = [flatten(one, expand) for one in structure]
    return pack_sequence_as(structure[0], [func(*leaves) for leaves in zip(*flat, strict=True)], expand)
