"""What building an operation costs, counted in Python calls: the same on every machine."""

import sys

import pytest

import millrace as tf
from millrace.building import raw


def calls(function):
    """How many Python functions `function` calls."""
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event == "call"

    function()  # the first time imports the room
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count - 1


def test_a_matmul_takes_at_most_40_calls():
    x = tf.placeholder(tf.float32, [3, 3])
    assert calls(lambda: tf.matmul(x, x)) <= 40


def test_an_operator_with_its_constant_takes_at_most_50_calls():
    x = tf.placeholder(tf.float32, [3, 3])
    assert calls(lambda: x + 1.0) <= 50


def test_a_clash_of_dtypes_names_the_first_argument_of_the_type():
    x, y = tf.constant(1.0), tf.constant(1)
    with pytest.raises(
        TypeError, match="input 'y' has dtype int32, which does not match dtype float32 of argument 'x'"
    ):
        raw.Sub(x, y)
    with pytest.raises(TypeError, match="of argument 'params'|of argument 'ref'"):
        raw.ScatterUpdate(tf.Variable(1.0, use_resource=False)._ref(), tf.constant(0), tf.constant(1))


@pytest.mark.parametrize("given", [[tf.float32], [tf.float32] * 3])
def test_a_list_is_as_long_as_its_types(given):
    x = tf.constant(1.0)
    message = f"must have {len(given)} tensors, as attribute 'T' says. Received: 2"
    with pytest.raises(ValueError, match=message):
        raw.IdentityN([x, x], T=given)


def test_a_type_with_a_default_is_preferred():
    """What is not a tensor takes the default of its type attribute, where it fits."""
    assert raw.ExpandDims(tf.constant(1.0), 0).op.inputs[1].dtype is tf.int32
    assert raw.OneHot(1, 3, 1.0, 0.0).op.inputs[0].dtype is tf.int64
    with pytest.raises(TypeError, match="must be a list of tensors. Received: 3"):
        raw.AddN(3)
