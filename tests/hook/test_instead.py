"""Packages that cannot be had say why, and what to use."""

import pytest

import millrace as tf
from millrace.hook.instead import INSTEAD


@pytest.mark.parametrize("space", sorted(INSTEAD))
def test_the_error_names_what_to_use(space):
    leaf = space.removeprefix("contrib.")
    with pytest.raises(AttributeError, match="use "):
        getattr(tf.contrib, leaf).anything


def test_names_below():
    with pytest.raises(AttributeError, match="tf.py_func"):
        tf.contrib.rpc.rpc
