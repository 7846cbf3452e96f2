"""Scopes of the default graph, and operations made by the name of their type."""

from __future__ import annotations

import pytest

import millrace as tf
from millrace.building import raw
from millrace.building.function import FunctionGraph
from millrace.building.scopes import graph_of


def test_the_graph_of_values() -> None:
    here = tf.get_default_graph()
    other = tf.Graph()
    with other.as_default():
        x, y = tf.constant(1.0), tf.constant(2.0)
        v = tf.Variable(1.0)
    foreign = tf.constant(1.0)
    assert graph_of([]) is here and graph_of([1, "a", None]) is here
    assert graph_of([1, [(x,), y]]) is other and graph_of([v]) is other and graph_of(x) is other
    with pytest.raises(ValueError, match="Values must be from the same graph. Received: <tf.Tensor"):
        graph_of([x, [foreign]])


def test_name_scopes_of_values() -> None:
    other = tf.Graph()
    with other.as_default():
        x = tf.constant(1.0)
    with tf.name_scope(None, "default", [x]) as scope:
        assert scope == "default/" and tf.get_default_graph() is other
        assert tf.constant(1.0).name == "default/Const:0"
    assert tf.get_default_graph() is not other
    with tf.name_scope("given", "default") as scope:
        assert scope == "given/" and tf.name_scope("given").name == "given"
    with tf.name_scope(None) as root:
        assert root == ""
    with (
        pytest.raises(ValueError, match="a name or a default_name is needed"),
        tf.name_scope(None, None, [x]),
    ):
        pass
    with pytest.raises(ValueError, match="not a valid scope name"), tf.name_scope("a b"):
        pass
    with tf.op_scope([x], None, "old") as scope:
        assert scope == "old/" and tf.get_default_graph() is other


def test_inside_a_function_everything_belongs_to_it() -> None:
    outer = tf.constant(1.0)
    function = FunctionGraph("f", tf.get_default_graph())
    with tf.Graph().as_default(), tf.Graph().as_default(), function.as_default():
        assert graph_of([outer]) is graph_of([]) is function


def test_functions_of_the_default_graph() -> None:
    a = tf.constant(1.0, name="a")
    with tf.control_dependencies([a]), tf.device("/cpu:1"), tf.container("c"):
        b = tf.Variable(1.0, use_resource=False).op
        n = tf.no_op()
        with tf.init_scope():
            c = tf.constant(2.0).op
    assert b.device == "/device:CPU:1" and b.get_attr("container") == b"c" and n.control_inputs == [a.op]
    assert c.control_inputs == []
    with tf.colocate_with(a):
        assert tf.constant(1.0).op.colocation_groups() == [b"loc:@a"]
    tf.add_to_collection("x", 1)
    tf.add_to_collections(["x", "y"], a)
    assert tf.get_collection("x") == [1, a] and tf.get_collection("x", "a") == [a]
    assert tf.get_collection_ref("y") is tf.get_collection_ref("y") and tf.get_collection("y") == [a]


def test_operations_by_the_name_of_their_type() -> None:
    x = tf.placeholder(tf.float32, [2, 3])
    assert raw.Exp(x).op.type == "Exp" and raw.Exp is raw.Exp
    for module in (raw, tf.raw_ops):
        with pytest.raises(AttributeError):
            module.NoSuchOperation
        with pytest.raises(AttributeError):
            module._private
    product = tf.raw_ops.MatMul(b=x, a=x, transpose_b=True, name="p")
    assert product.name == "p:0" and product.shape == [2, 2]
    with pytest.raises(TypeError, match="raw_ops.MatMul: missing b. Received: a"):
        tf.raw_ops.MatMul(a=x)
    assert {"MatMul", "Exp"} <= set(dir(tf.raw_ops))


def test_what_apply_refuses() -> None:
    x, whole = tf.placeholder(tf.float32, [2, 2], name="x"), tf.constant([[1, 2], [3, 4]])
    with pytest.raises(TypeError, match=r"MatMul takes 2 inputs \['a', 'b'\]. Received: 1"):
        raw.MatMul(x)
    clash = r"input 'b' has dtype int32, which does not match dtype float32 of argument 'a'; tf.cast"
    with pytest.raises(TypeError, match=clash):
        raw.MatMul(x, whole, name="m")
    with pytest.raises(
        TypeError, match="Assign 'Assign': input 'ref' must be a mutable tensor.*Received: <tf.Tensor"
    ):
        raw.Assign(x, x)
    with pytest.raises(TypeError, match="MatMul 'MatMul': has no attribute 'wrong'; it has"):
        raw.MatMul(x, x, wrong=1)
    with pytest.raises(TypeError, match="attribute 'DstT' is missing and has no default"):
        raw.Cast(x)
    with pytest.raises(
        TypeError, match="a name is a string. Received: 3; are|a name is a string. Received: 3"
    ):
        raw.Exp(x, name=3)
    with pytest.raises(TypeError, match="input 'inputs' must be a list of tensors. Received: 3"):
        raw.AddN(3)
    with pytest.raises(
        ValueError, match="input 'input' must have 1 tensors, as attribute 'T' says. Received: 2"
    ):
        raw.IdentityN([x, x], T=[tf.float32])
    with pytest.raises(TypeError, match=r"attribute 'T' is given as tf.float64, the inputs say tf.float32"):
        raw.Exp(x, T=tf.float64)
    assert tf.get_default_graph().get_operations() == [x.op, whole.op]


def test_what_apply_returns_and_infers() -> None:
    x = tf.placeholder(tf.float32, [2, 2], name="x")
    assert isinstance(raw.NoOp(), tf.Operation) and isinstance(raw.IdentityN([x]), list)
    top = raw.TopKV2(x, 1)
    assert (
        type(top).__name__ == "TopKV2" and top._fields == ("values", "indices") and top.values.shape == [2, 1]
    )
    constants = raw.MatMul(x, [[1.0], [2.0]], name="m").op.inputs[1].op
    assert constants.name == "m/b" and constants.type == "Const"
    listed = raw.AddN([x, [[1.0, 2.0], [3.0, 4.0]]], name="n").op.inputs[1].op
    assert listed.name == "n/inputs_1" and listed.outputs[0].dtype == tf.float32
    assert raw.ConcatV2([x, x], 0, T=tf.float32).op.get_attr("N") == 2
    assert raw.Exp(x, name="scope/").name == "scope:0" and raw.Exp(x, name="scope/").name == "scope_1:0"
    assert raw.Pack([1.0, x[0, 0]]).dtype == tf.float32
