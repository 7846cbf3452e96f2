"""Private modules that are empty here."""

import importlib

import pytest


def test_lists_are_leaves_of_what_datasets_nest():
    nest = importlib.import_module("millrace.python.data.util.nest")
    assert nest.flatten(nested=([1, 2], {"b": 3, "a": (4,)})) == [[1, 2], 4, 3]
    assert not nest.is_sequence([1]) and nest.is_sequence((1,))
    assert nest.pack_sequence_as((1, {"a": [2]}), [5, 6]) == (5, {"a": 6})
    assert nest.flatten is not importlib.import_module("millrace.python.util.nest").flatten


def test_an_empty_module_can_be_imported():
    empty = importlib.import_module("millrace.python.autograph.converters.break_statements")
    with pytest.raises(AttributeError, match="transform"):
        empty.transform
