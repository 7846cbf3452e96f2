"""Private modules that are empty here."""

import importlib

import pytest

import millrace as tf


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


def test_the_first_version_is_below_the_second():
    """Programs write `import tensorflow.compat.v2 as tf` and `tf.compat.v1.placeholder`."""
    assert tf.compat.v2.compat.v1 is tf.compat.v1
    assert tf.compat.v2.compat.v1.placeholder is tf.placeholder
    assert tf.compat.v2.compat.as_str(b"x") == "x"
