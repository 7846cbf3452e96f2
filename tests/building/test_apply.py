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


def test_what_an_operation_gives_back():
    x = tf.placeholder(tf.float32, [4])
    one, several, none = raw.Exp(x), raw.TopKV2(x, 1), raw.NoOp()
    assert isinstance(one, tf.Tensor) and isinstance(none, tf.Operation)
    assert type(several).__name__ == "TopKV2" and several._fields == ("values", "indices")
    assert several == (several.values, several.indices) and type(several) is type(raw.TopKV2(x, 2))
    parts = raw.Split(0, x, num_split=2)
    assert type(parts) is list and len(parts) == 2
    called = raw.IdentityN([x, 1])
    assert type(called) is list and [t.dtype for t in called] == [tf.float32, tf.int32]
    decoded = raw.DecodeCSV(tf.constant(["1,2"]), [[1.0], [1.0]])
    assert type(decoded) is list and len(decoded) == 2
    example = raw.ParseExample(
        tf.constant([b""]), tf.constant([], tf.string), ["s"], ["d"], [[1.0]],
        sparse_types=[tf.int64], dense_shapes=[[1]],
    )  # fmt: skip
    assert [type(part) for part in example] == [list] * 4 and len(example.dense_values) == 1


def test_an_input_has_the_dtype_that_the_signature_says():
    x = tf.constant([1.0])
    with pytest.raises(TypeError, match="'n': input 'shape' must be one of int32, int64. Received: float32"):
        raw.Reshape(x, x, name="n")
    with pytest.raises(TypeError, match="input 'input' must be bool. Received: Const:0 of dtype float32"):
        raw.All(x, 0, name="n")
    with pytest.raises(TypeError, match="Exp 'n': input 'x': Failed to convert"):
        raw.Exp(object(), name="n")
    with pytest.raises(ValueError, match="AddN 'n': input 'inputs': .*ragged"):
        raw.AddN([x, [[1.0], [2.0, 3.0]]], name="n")


def test_what_is_not_a_tensor_follows_the_attribute_that_is_given():
    assert raw.Exp(1, T=tf.float64).dtype == tf.float64
    assert raw.AddN([1, 2], T=tf.float64).dtype == tf.float64
    assert raw.Sub(tf.constant(1.0), 1).op.inputs[1].dtype == tf.float32
    assert [t.dtype for t in raw.IdentityN([1, 2], T=[tf.int64, tf.float32])] == [tf.int64, tf.float32]
    assert [t.dtype for t in raw.IdentityN([1, 2.5])] == [tf.int32, tf.float32]
    with pytest.raises(TypeError, match=r"must have dtypes \['int32'\]. Received: \['float32'\]"):
        raw.IdentityN([tf.constant(1.0)], T=[tf.int32])


def test_names_of_converted_inputs_lie_below_the_operation():
    x = tf.constant(1.0, name="x")
    with tf.name_scope("s"):
        y = raw.Sub(x, 2.0, name="d")
        z = raw.AddN((x, 2.0, 3.0), name="n")
    assert [t.op.name for t in y.op.inputs] == ["x", "s/d/y"]
    assert [t.op.name for t in z.op.inputs] == ["x", "s/n/inputs_1", "s/n/inputs_2"]
    assert tf.get_default_graph().scope == ""
    for wrong in (lambda: raw.Sub(x, object()), lambda: raw.AddN([x, object()])):
        with tf.name_scope("t"), pytest.raises(TypeError):
            wrong()
    assert tf.get_default_graph().scope == ""


def test_lists_are_whatever_gives_their_elements_in_order():
    x = tf.constant([1.0])
    made = {"a": x, "b": x}
    for value in ((x, x), [x, x], made.values(), (x for _ in range(2))):
        assert raw.AddN(value).op.get_attr("N") == 2
    with pytest.raises(TypeError, match="input 'inputs' must be a list of tensors"):
        raw.AddN(x)
    with pytest.raises(TypeError, match="input 'input' must be a list of tensors. Received: 3"):
        raw.IdentityN(3)


def test_references_are_taken_where_they_are_wanted():
    v = tf.Variable([1.0, 2.0], use_resource=False)
    up = raw.AssignAdd(v, [1.0, 1.0])
    assert up.dtype.is_ref_dtype and up.op.inputs[0] is v._ref()
    assert not raw.Exp(v).dtype.is_ref_dtype and raw.Exp(v._ref()).op.get_attr("T") == tf.float32
    with pytest.raises(TypeError, match="input 'ref' must be a mutable tensor, a variable's reference"):
        raw.AssignAdd(v.value() + 0.0, [1.0, 1.0])


def test_inputs_are_counted_before_anything_is_made():
    before = tf.get_default_graph().get_operations()
    with pytest.raises(TypeError, match=r"Sub takes 2 inputs \['x', 'y'\]. Received: 1"):
        raw.Sub(1.0)
    with pytest.raises(TypeError, match="Received: 3"):
        raw.Sub(1.0, 2.0, 3.0)
    assert tf.get_default_graph().get_operations() == before


def test_a_conversion_may_not_change_the_graph():
    other = tf.Graph()
    with other.as_default():
        foreign = tf.constant(1.0)

    class Foreign:
        """Stands for a tensor of another graph."""

        def _as_graph_element(self):
            return foreign

    x = tf.constant(1.0)
    with pytest.raises(ValueError, match="tensor 'Const:0' must be from the same graph as the others"):
        raw.Sub(x, Foreign())
    with other.as_default():
        assert raw.Sub(x, 1.0).graph is x.graph


def test_numbers_of_attributes_may_come_from_a_division():
    image, kernel = tf.ones([1, 4, 4, 1]), tf.ones([2, 2, 1, 1])
    assert tf.nn.conv2d(image, kernel, [1, 4 / 2, np.float32(2.5), 1], "SAME").shape == [1, 2, 2, 1]
