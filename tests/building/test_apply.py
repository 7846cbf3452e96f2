"""What building an operation costs, counted in Python calls: the same on every machine."""

import sys

import numpy as np
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


def test_a_matmul_takes_at_most_43_calls():
    x = tf.placeholder(tf.float32, [3, 3])
    assert calls(lambda: tf.matmul(x, x)) <= 43


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


def test_values_of_attributes_have_one_form():
    x = tf.constant(1.0)
    packed = raw.Pack([x, x], axis=np.int64(0)).op
    assert type(packed.attrs["axis"]) is int
    assert type(raw.ArgMax(tf.ones([2]), 0, output_type="int32").op.attrs["output_type"]) is tf.DType
    with pytest.raises(TypeError, match="attribute 'axis' must be int"):
        raw.Pack([x, x], axis="first")
    with pytest.raises(TypeError, match="attribute 'shape' is missing and has no default"):
        raw.VariableV2(dtype=tf.float32)


@pytest.mark.parametrize(
    ("found", "remedy"),
    [(tf.int32, True), (tf.complex64, True), (tf.bool, True), (tf.float64, True), (tf.string, False)],
)
def test_numbers_of_another_dtype_can_be_cast(found, remedy):
    y = tf.constant("text") if found is tf.string else tf.cast(tf.constant(1), found)
    with pytest.raises(TypeError, match="input 'y' has dtype") as caught:
        raw.Sub(tf.constant(1.0), y)
    assert ("tf.cast(x, tf.float32) converts it" in str(caught.value)) is remedy


def test_a_list_has_the_dtype_of_its_tensors_or_of_what_has_one():
    x = tf.constant(1.0, tf.float64)
    v = tf.Variable(2.0, dtype=tf.float64, use_resource=True)
    assert [t.dtype for t in raw.AddN([1.0, x]).op.inputs] == [tf.float64] * 2
    assert [t.dtype for t in raw.AddN([1.0, v]).op.inputs] == [tf.float64] * 2
    assert raw.AddN([1.0, 2.0]).dtype == tf.float32
