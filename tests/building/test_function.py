"""Functions that are graphs of their own: what they capture, what they share with the graph around."""

from __future__ import annotations

from typing import Any

import pytest

import millrace as tf
from millrace.building.function import FunctionGraph, OrderedGraph, ValueGraph, is_effect


def test_arguments_stand_at_the_root() -> None:
    outer = tf.Graph()
    with outer.as_default():
        x = tf.placeholder(tf.float32, [2], name="x")
        f = FunctionGraph("f", outer)
    with f.as_default(), tf.name_scope("scope"):
        a = f.add_input(tf.int32, (None, 3), "a")
        inside = f.capture(x)
        after = tf.constant(1.0, name="after")
    assert (a.op.name, a.dtype, a.shape.as_list()) == ("a", tf.int32, [None, 3])
    assert (inside.op.name, inside.dtype, inside.shape.as_list()) == ("x", tf.float32, [2])
    assert after.op.name == "scope/after" and [op.name for op in outer.get_operations()] == ["x"]
    assert f.inputs == [a] and f.captures == {x: inside} and f.captured() == [x]
    assert f.outer_of(inside) is x and f.outer_of(a) is None and f.outer_of(after) is None
    assert repr(f) == "<FunctionGraph 'f': 1 inputs, 1 captures>"


def test_a_reference_is_captured_as_a_value() -> None:
    outer = tf.Graph()
    with outer.as_default():
        v = tf.Variable(1.0, use_resource=False)
    f = FunctionGraph("f", outer)
    assert not f.capture(v._ref()).dtype.is_ref_dtype


def test_a_tensor_is_captured_once() -> None:
    outer, other = tf.Graph(), tf.Graph()
    with outer.as_default():
        x, y = tf.constant(1.0), tf.constant(2.0)
    with other.as_default():
        foreign = tf.constant(3.0)
    f = FunctionGraph("f", outer)
    with f.as_default():
        own = tf.constant(4.0)
        total = x + y + x
    assert f.capture(own) is own and f.capture(x) is f.capture(x)
    assert f.captured() == [x, y] and total.graph is f
    with pytest.raises(ValueError, match="Tensor 'Const:0' must be from the same graph as the function 'f'"):
        f.capture(foreign)
    assert f.captured() == [x, y]


def test_a_function_in_a_function_captures_through_it() -> None:
    outer = tf.Graph()
    with outer.as_default():
        x = tf.constant(1.0, name="x")
    f = FunctionGraph("f", outer)
    g = FunctionGraph("g", f)
    inside = g.capture(x)
    assert f.captured() == [x] and g.captured() == [f.captures[x]] and g.captures[f.captures[x]] is inside
    assert g.root is f.root is outer and g.outer is f
    with tf.Graph().as_default():
        foreign = tf.constant(1.0)
    with pytest.raises(ValueError, match="the function 'f', which uses it"):
        g.capture(foreign)


def test_what_is_shared_with_the_graph_around() -> None:
    outer = tf.Graph()
    outer.seed = 7
    f = FunctionGraph("f", outer)
    with f.as_default():
        tf.add_to_collection("seen", 1)
    assert outer.get_collection("seen") == [1] and f.seed == 7 and f.is_function and f.building_function
    assert not outer.building_function and "test_function.py:" in f.user_location


def test_the_last_arguments_become_captures() -> None:
    outer = tf.Graph()
    with outer.as_default():
        x, y = tf.constant(1), tf.constant(2)
    f = FunctionGraph("f", outer)
    a, b, c = (f.add_input(tf.int32, (), name) for name in "abc")
    f.close_over([x, y])
    assert f.inputs == [a] and f.captures == {x: b, y: c}
    g = FunctionGraph("g", outer)
    g.add_input(tf.int32, (), "a")
    g.close_over([])
    assert len(g.inputs) == 1 and not g.captures


def test_inputs_of_what_is_added_inside_are_captured() -> None:
    outer = tf.Graph()
    with outer.as_default():
        x, y = tf.constant(1), tf.constant(2)
    f = FunctionGraph("f", outer)
    with f.as_default():
        total = tf.add_n([x, y, x])
        doubled = tf.multiply(x, 2)
    found = f.entered((x, [y, 3, x], (x,), "text", None))
    assert found == (f.captures[x], [f.captures[y], 3, f.captures[x]], [f.captures[x]], "text", None)
    assert list(total.op.inputs) == [f.captures[x], f.captures[y], f.captures[x]]
    assert doubled.op.inputs[0] is f.captures[x]


def test_edges_from_outside_are_dropped() -> None:
    outer = tf.Graph()
    with outer.as_default():
        x = tf.constant(1)
    f = FunctionGraph("f", outer)
    with f.as_default():
        a = tf.constant(2)
        with tf.control_dependencies([x, x.op, a]):
            b = tf.constant(3)
            with tf.control_dependencies(None):
                c = tf.constant(4)
    assert b.op.control_inputs == [a.op] and c.op.control_inputs == []


def _by_value(outer: tf.Graph, *allowed: Any) -> ValueGraph:
    return ValueGraph("f", outer, lambda op: op in allowed)


def test_a_function_by_value_copies_what_it_uses() -> None:
    outer = tf.Graph()
    with outer.as_default(), tf.name_scope("s"):
        x = tf.constant([3, 1, 2], name="x")
        values, places = tf.nn.top_k(x, 2)
        both = tf.stack([values, values], name="both")
    f = _by_value(outer)
    with f.as_default(), tf.name_scope("inside"):
        own = tf.constant(1)
        copied = f.capture(both)
        again = f.capture(places)
    assert f.capture(own) is own and f.capture(both) is copied and not f.captures
    assert copied.op.name == "s/both" and [op.type for op in f.get_operations()].count("TopKV2") == 1
    assert again.op is copied.op.inputs[0].op and again.value_index == 1
    assert copied.op.traceback == both.op.traceback
    with tf.Session(graph=f) as sess:
        assert sess.run([copied, again])[0].tolist() == [[3, 2], [3, 2]]


def test_what_cannot_be_copied() -> None:
    outer = tf.Graph()
    with outer.as_default():
        x = tf.placeholder(tf.float32, [], name="x")
        r = tf.random_uniform([], name="r")
        y = tf.identity(r)
    for tensor, message in (
        (x, r"a placeholder \(name:x, type:Placeholder\) by value"),
        (x + 1.0, "a placeholder"),
        (y, r"a stateful node \(name:r/RandomUniform, type:RandomUniform\) by value"),
    ):
        with pytest.raises(ValueError, match=f"Cannot capture {message}"):
            _by_value(outer).capture(tensor)
    with pytest.raises(ValueError, match="a placeholder"):
        _by_value(outer, x.op).capture(x)
    random = outer.get_operation_by_name("r/RandomUniform")
    assert _by_value(outer, random).capture(y).shape == []


def test_an_ordered_function_does_everything_as_written() -> None:
    """What reads, writes or acts waits for the last that wrote or acted; what only computes does not."""
    outer = tf.Graph()
    f = OrderedGraph("f", outer)
    with f.as_default():
        handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], name="v")
        before = tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)
        write = tf.raw_ops.AssignVariableOp(resource=handle, value=tf.constant(1.0))
        first = tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)
        second = tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)
        computed = first + second
        act = tf.py_func(lambda: 1, [], tf.int64)
        again = tf.raw_ops.AssignVariableOp(resource=handle, value=computed)
        last = tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)
    assert f.bodies_apart
    waits = [t.op.control_inputs for t in (before, first, second, computed, act, last)]
    assert waits == [[], [write], [write], [], [write], [again]]
    assert write.control_inputs == [] and again.control_inputs == [act.op]


def test_branches_of_an_ordered_function_are_ordered_inside() -> None:
    f = OrderedGraph("f", tf.Graph())
    with f.as_default():
        flag = f.add_input(tf.bool, (), "flag")
        handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], name="v")
        inside: list[Any] = []

        def branch() -> Any:
            inside.append(tf.raw_ops.AssignVariableOp(resource=handle, value=tf.constant(2.0)))
            inside.append(tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32))
            return tf.constant(3.0)

        chosen = tf.cond(flag, branch, lambda: tf.constant(4.0))
        behind = tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)
    write, read = inside
    branch_op = next(op for op in f.get_operations() if op.type == "If")
    assert read.op.control_inputs == [write] and behind.op.control_inputs == [branch_op]
    (result,) = branch_op.attrs["then_branch"].outputs
    assert result.op.type == "Identity" and result.op.control_inputs == [write]
    (other,) = branch_op.attrs["else_branch"].outputs
    assert other.op.type == "Const" and chosen.op.graph is f


def test_what_acts() -> None:
    x = tf.constant(1.0)
    handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[])
    queue = tf.FIFOQueue(1, tf.float32, [[]])
    assert not any(is_effect(t.op) for t in (x, x + 1.0, handle))
    assert is_effect(tf.raw_ops.AssignVariableOp(resource=handle, value=x))
    assert is_effect(tf.py_func(lambda: 1, [], tf.int64).op) and is_effect(queue.dequeue().op)
