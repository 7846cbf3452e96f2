"""Nested structures flattened down to the leaves of a shallower one, and the paths of their leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from millrace.core import nest
from millrace.core.public import public

Path = tuple[Any, ...]


def _mismatch(shallow: Any, given: Any) -> TypeError:
    return TypeError(
        "The two structures don't have the same sequence type. Input structure has type "
        f"{type(given).__name__}, while shallow structure has type {type(shallow).__name__}."
    )


@public("contrib.framework.nest.assert_shallow_structure", "python.util.nest.assert_shallow_structure")
def assert_shallow_structure(
    shallow_tree: Any, input_tree: Any, check_types: bool = True, expand_composites: bool = False
) -> None:
    """Checks that `input_tree` nests like `shallow_tree` as far as that goes.

    Args:
      shallow_tree: nested lists, tuples and dicts.
      input_tree: may nest deeper where `shallow_tree` has leaves.
      check_types: whether the containers must be of the same kinds.
      expand_composites: accepted; a composite counts as a leaf.

    Raises:
      TypeError: a leaf stands where `shallow_tree` nests, or containers differ in kind.
      ValueError: lengths or keys differ.
    """
    if not nest.is_nested(shallow_tree):
        return
    if not nest.is_nested(input_tree):
        raise TypeError(
            "If shallow structure is a sequence, input must also be a sequence. Input has type: "
            f"{type(input_tree).__name__}."
        )
    both_maps = isinstance(shallow_tree, Mapping) and isinstance(input_tree, Mapping)
    if check_types and not both_maps and not isinstance(input_tree, type(shallow_tree)):
        raise _mismatch(shallow_tree, input_tree)
    inner, outer = list(nest.children(input_tree)), list(nest.children(shallow_tree))
    if len(inner) != len(outer):
        raise ValueError(
            "The two structures don't have the same sequence length. Input structure has length "
            f"{len(inner)}, while shallow structure has length {len(outer)}."
        )
    if both_maps and {k for k, _ in inner} != {k for k, _ in outer}:
        raise ValueError(
            "The two structures don't have the same keys. Input structure has keys "
            f"{[k for k, _ in inner]}, while shallow structure has keys {[k for k, _ in outer]}."
        )
    for (_, shallow), (_, given) in zip(outer, inner, strict=True):
        assert_shallow_structure(shallow, given, check_types, expand_composites)


def _up_to(shallow: Any, given: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """(path, part) of `given` for each leaf of `shallow`."""
    if not nest.is_nested(shallow):
        yield path, given
        return
    parts = dict(nest.children(given))
    if len(parts) != len(list(nest.children(shallow))):
        raise ValueError(f"nest: lengths differ. Received: {shallow!r} and {given!r}")
    keyed = isinstance(shallow, Mapping) and isinstance(given, Mapping)
    for (key, child), (place, part) in zip(nest.children(shallow), parts.items(), strict=True):
        yield from _up_to(child, parts[key] if keyed else part, (*path, key if keyed else place))


@public("contrib.framework.nest.flatten_up_to", "python.util.nest.flatten_up_to")
def flatten_up_to(
    shallow_tree: Any, input_tree: Any, check_types: bool = True, expand_composites: bool = False
) -> list[Any]:
    """The parts of `input_tree` where `shallow_tree` has leaves; see `assert_shallow_structure`."""
    assert_shallow_structure(shallow_tree, input_tree, check_types, expand_composites)
    return [part for _, part in _up_to(shallow_tree, input_tree)]


@public(
    "contrib.framework.nest.flatten_with_tuple_paths_up_to", "python.util.nest.flatten_with_tuple_paths_up_to"
)
def flatten_with_tuple_paths_up_to(
    shallow_tree: Any, input_tree: Any, check_types: bool = True, expand_composites: bool = False
) -> list[tuple[Path, Any]]:
    """As `flatten_up_to`, each part with its path, a tuple of keys and indices."""
    assert_shallow_structure(shallow_tree, input_tree, check_types, expand_composites)
    return list(_up_to(shallow_tree, input_tree))


@public("contrib.framework.nest.map_structure_up_to", "python.util.nest.map_structure_up_to")
def map_structure_up_to(shallow_tree: Any, func: Callable[..., Any], *inputs: Any, **kwargs: Any) -> Any:
    """`func` of the parts of the inputs where `shallow_tree` has leaves, in its nesting.

    Args:
      shallow_tree: says how deep to go.
      func: takes one part of each input.
      *inputs: at least one; each nests like `shallow_tree` as far as that goes.
      **kwargs: `check_types`, `expand_composites`.

    Raises:
      ValueError: there is no input, or lengths differ.
      TypeError: containers differ in kind.
    """
    return map_structure_with_tuple_paths_up_to(shallow_tree, lambda _, *v: func(*v), *inputs, **kwargs)


@public(
    "contrib.framework.nest.map_structure_with_tuple_paths_up_to",
    "python.util.nest.map_structure_with_tuple_paths_up_to",
)
def map_structure_with_tuple_paths_up_to(
    shallow_tree: Any, func: Callable[..., Any], *inputs: Any, **kwargs: Any
) -> Any:
    """As `map_structure_up_to`; `func` takes the path, a tuple of keys and indices, before the parts."""
    if not inputs:
        raise ValueError("Cannot map over no sequences")
    check_types = kwargs.pop("check_types", True)
    expand = kwargs.pop("expand_composites", False)
    if kwargs:
        raise ValueError(
            f"map_structure: only check_types and expand_composites are keywords. Received: {sorted(kwargs)}"
        )
    for given in inputs:
        assert_shallow_structure(shallow_tree, given, check_types, expand)
    flat = [list(_up_to(shallow_tree, given)) for given in inputs]
    results = [func(path, *(parts[i][1] for parts in flat)) for i, (path, _) in enumerate(flat[0])]
    return nest.pack_sequence_as(shallow_tree, results)


@public(
    "contrib.framework.nest.map_structure_with_tuple_paths", "python.util.nest.map_structure_with_tuple_paths"
)
def map_structure_with_tuple_paths(func: Callable[..., Any], *structure: Any, **kwargs: Any) -> Any:
    """As `nest.map_structure`; `func` takes the path, a tuple of keys and indices, before the leaves."""
    return map_structure_with_tuple_paths_up_to(structure[0], func, *structure, **kwargs)


@public("contrib.framework.nest.map_structure_with_paths", "python.util.nest.map_structure_with_paths")
def map_structure_with_paths(func: Callable[..., Any], *structure: Any, **kwargs: Any) -> Any:
    """As `nest.map_structure`, where `func` takes the path, its keys joined by "/", before the leaves."""
    return map_structure_with_tuple_paths(
        lambda path, *leaves: func("/".join(str(key) for key in path), *leaves), *structure, **kwargs
    )


@public("contrib.framework.nest.yield_flat_paths", "python.util.nest.yield_flattened_paths")
def yield_flat_paths(nest_: Any, expand_composites: bool = False) -> Iterator[Path]:
    """The paths of the leaves, in order, as tuples of keys and indices."""
    del expand_composites
    for path, _ in _up_to(nest_, nest_):
        yield path


@public("contrib.framework.nest.flatten_with_tuple_paths", "python.util.nest.flatten_with_tuple_paths")
def flatten_with_tuple_paths(structure: Any, expand_composites: bool = False) -> list[tuple[Path, Any]]:
    """The leaves in order, each with its path, a tuple of keys and indices."""
    return list(zip(yield_flat_paths(structure), nest.flatten(structure, expand_composites), strict=True))


@public(
    "contrib.framework.nest.flatten_with_joined_string_paths",
    "python.util.nest.flatten_with_joined_string_paths",
)
def flatten_with_joined_string_paths(
    structure: Any, separator: str = "/", expand_composites: bool = False
) -> list[tuple[str, Any]]:
    """The leaves in order, each with its path, the keys joined by `separator`."""
    flat = flatten_with_tuple_paths(structure, expand_composites)
    return [(separator.join(str(key) for key in path), leaf) for path, leaf in flat]


@public("contrib.framework.nest.flatten_dict_items", "python.util.nest.flatten_dict_items")
def flatten_dict_items(dictionary: Any) -> dict[Any, Any]:
    """A dictionary whose nested keys and values are taken apart, each leaf of a key with that of its value.

    Raises:
      TypeError: it is not a dictionary.
      ValueError: a key and its value nest differently, or a leaf occurs in two keys.
    """
    if not isinstance(dictionary, Mapping):
        raise TypeError(f"input must be a dictionary. Received: {type(dictionary).__name__}")
    flat: dict[Any, Any] = {}
    for key, value in dictionary.items():
        if not nest.is_nested(key):
            pairs = [(key, value)]
        else:
            keys, values = nest.flatten(key), nest.flatten(value)
            if len(keys) != len(values):
                raise ValueError(
                    f"Could not flatten dictionary. Key had {len(keys)} elements, but value had "
                    f"{len(values)} elements. Key: {keys}, value: {values}."
                )
            pairs = list(zip(keys, values, strict=True))
        for one, leaf in pairs:
            if one in flat:
                raise ValueError(f"Could not flatten dictionary: key {one} is not unique.")
            flat[one] = leaf
    return flat


@public(
    "contrib.framework.nest.get_traverse_shallow_structure", "python.util.nest.get_traverse_shallow_structure"
)
def get_traverse_shallow_structure(
    traverse_fn: Callable[[Any], Any], structure: Any, expand_composites: bool = False
) -> Any:
    """The shallow structure of the places that a function wants to go into.

    Args:
      traverse_fn: of each part to a bool, or to a structure of bools as shallow as the part's own level.
      structure: nested lists, tuples and dicts.
      expand_composites: accepted; a composite counts as a leaf.

    Returns:
      `structure` with False in place of each part that is not gone into, and of each leaf True or False.

    Raises:
      TypeError: the function returned something else.
      ValueError: its bools nest differently from the part.
    """
    wanted = traverse_fn(structure)
    if not nest.is_nested(structure):
        if not isinstance(wanted, bool):
            raise TypeError(f"traverse_fn returned structure: {wanted!r} for non-structure: {structure!r}")
        return wanted
    if isinstance(wanted, bool):
        children = [child for _, child in nest.children(structure)]
        if not wanted:
            return False
        return nest.like(
            structure, [get_traverse_shallow_structure(traverse_fn, c, expand_composites) for c in children]
        )
    if not nest.is_nested(wanted):
        raise TypeError(f"traverse_fn must return a bool or a structure of them. Received: {wanted!r}")
    assert_shallow_structure(wanted, structure)
    made = []
    for (_, enter), (_, child) in zip(nest.children(wanted), nest.children(structure), strict=True):
        if not isinstance(enter, bool):
            raise TypeError(f"traverse_fn didn't return a depth=1 structure of bools. Received: {wanted!r}")
        made.append(get_traverse_shallow_structure(traverse_fn, child, expand_composites) if enter else False)
    return nest.like(structure, made)


@public("contrib.framework.nest.is_sequence_or_composite", "python.util.nest.is_sequence_or_composite")
def is_sequence_or_composite(structure: Any) -> bool:
    """True for what `nest.flatten` takes apart with `expand_composites`."""
    return nest.is_nested(structure) or nest.is_composite(structure)


@public("python.util.nest._is_namedtuple")
def is_namedtuple(instance: Any, strict: bool = False) -> bool:
    """Whether an object is a named tuple; with `strict` not of a class derived from one."""
    if not isinstance(instance, tuple):
        return False
    if strict and type(instance).__base__ is not tuple:
        return False
    fields = getattr(instance, "_fields", None)
    return isinstance(fields, Sequence) and all(isinstance(field, str) for field in fields)


@public("python.util.nest._is_mapping")
def is_mapping(structure: Any) -> bool:
    """Whether an object is a mapping."""
    return isinstance(structure, Mapping)


@public("python.util.nest._sequence_like")
def sequence_like(instance: Any, args: Any) -> Any:
    """`args` in a container of the kind of `instance`."""
    return nest.like(instance, list(args))


@public("python.util.nest._yield_value")
def yield_value(iterable: Any) -> Iterator[Any]:
    """The elements of one level, dicts by sorted key."""
    for _, child in nest.children(iterable):
        yield child
