"""Packages that cannot be had say why, and what to use."""

import functools

import pytest

import millrace as tf
from millrace.hook import absent
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
    assert (
        tf.contrib.eager.Saver
        and "contrib.eager.EagerVariableStore" in NAMES
        and "contrib.eager" not in NAMES
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("keras.layers.MultiHeadAttention", "it belongs to TensorFlow 2 (since a release after 2.0)"),
        ("data.AUTOTUNE", "near it here: tf.data.experimental.AUTOTUNE"),
        ("types", "it belongs to TensorFlow 2"),
        ("nn.gelu", "it belongs to TensorFlow 2"),
        ("config.list_physical_devices", "in TensorFlow 1: tf.Session().list_devices()"),
        ("layers.Conv2d", "Did you mean 'conv2d'?"),
        ("mul", "TensorFlow 1.0 renamed it tf.multiply"),
    ],
)
def test_errors_say_since_when_a_name_exists_and_what_is_near(name, said):
    with pytest.raises(AttributeError) as caught:
        functools.reduce(getattr, name.split("."), tf)
    assert said in str(caught.value)


def test_names_of_later_releases_are_neither_here_nor_in_1_15():
    later = absent.later_names()
    assert set(later.values()) == {"2.0", "2"}
    assert not set(later) & set(absent.known_names())
    assert not [name for name in later if absent._is_here(name)]
