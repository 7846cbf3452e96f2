"""Packages that cannot be had say why, and what to use."""

import pytest

import millrace as tf
from millrace.hook.instead import INSTEAD, NAMES


@pytest.mark.parametrize("space", sorted(INSTEAD))
def test_the_error_names_what_to_use(space):
    leaf = space.removeprefix("contrib.")
    with pytest.raises(AttributeError, match="use "):
        getattr(tf.contrib, leaf).anything


def test_names_below():
    with pytest.raises(AttributeError, match="tf.py_func"):
        tf.contrib.rpc.rpc


@pytest.mark.parametrize("name", sorted(NAMES))
def test_names_that_are_left_out_say_why(name):
    space = tf
    with pytest.raises(AttributeError, match="because .*; use "):
        for part in [*name.split("."), "anything"]:
            space = getattr(space, part)


def test_what_is_there_is_not_among_the_names_left_out():
    assert tf.contrib.eager.Saver and "contrib.eager.py_func" in NAMES and "contrib.eager" not in NAMES
