"""Nested structures: order, kinds of containers, and what does not fit."""

from __future__ import annotations

import collections

import pytest

from millrace.core import nest

Pair = collections.namedtuple("Pair", "b a")


def test_dicts_are_flattened_by_key_and_keep_their_own_order() -> None:
    structure = {"z": 1, "a": [2, {"k": 3, "b": 4}]}
    assert nest.flatten(structure) == [2, 4, 3, 1]
    packed = nest.pack_sequence_as(structure, [10, 20, 30, 40])
    assert packed == {"z": 40, "a": [10, {"k": 30, "b": 20}]}
    assert list(packed) == ["z", "a"] and list(packed["a"][1]) == ["k", "b"]


def test_containers_keep_their_kind() -> None:
    structure = (Pair(1, [2]), collections.OrderedDict(b=3, a=4), collections.defaultdict(int, x=5))
    assert nest.flatten(structure) == [1, 2, 4, 3, 5]
    packed = nest.pack_sequence_as(structure, range(5))
    assert packed == (Pair(0, [1]), collections.OrderedDict(b=3, a=2), {"x": 4})
    assert list(packed[1]) == ["b", "a"] and packed[2]["missing"] == 0


def test_leaves() -> None:
    assert nest.flatten("text") == ["text"] and nest.flatten([]) == []
    assert nest.pack_sequence_as(3, [4]) == 4
    assert nest.is_nested({}) and not nest.is_nested("x")


def test_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="had 2 elements.*had 3"):
        nest.pack_sequence_as([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="scalar"):
        nest.pack_sequence_as(1, [1, 2])
    with pytest.raises(TypeError, match="sortable keys"):
        nest.flatten({1: 1, "a": 2})
    with pytest.raises(ValueError, match="same nested structure"):
        nest.assert_same_structure([1, 2], [1, [2]])
    with pytest.raises(ValueError, match="same nested structure"):
        nest.assert_same_structure({"a": 1}, {"b": 1})
    with pytest.raises(TypeError, match="same sequence type"):
        nest.assert_same_structure([1], (1,))
    nest.assert_same_structure([1], (1,), check_types=False)
