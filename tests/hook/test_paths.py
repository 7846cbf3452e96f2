"""Private modules that are empty here."""

import importlib

import pytest


def test_an_empty_module_has_what_its_namesake_has():
    """`python.data.util.nest` does what `python.util.nest` does, and a module of nothing can be imported."""
    nest = importlib.import_module("millrace.python.data.util.nest")
    assert nest.flatten is importlib.import_module("millrace.python.util.nest").flatten
    empty = importlib.import_module("millrace.python.autograph.converters.break_statements")
    with pytest.raises(AttributeError, match="transform"):
        empty.transform
