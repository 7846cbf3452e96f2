"""Which variable a tensor names, however it got there, and under which name its value is kept."""

from __future__ import annotations

from typing import Any

import pytest

import millrace as tf
from millrace.building import raw
from millrace.graph.opdef import declared
from millrace.graph.references import cell_key, is_variable_read, passed_on, variable_of


@pytest.fixture
def v() -> Any:
    return tf.Variable([1.0, 2.0], name="v", use_resource=False)


@pytest.fixture
def r() -> Any:
    return tf.Variable([1.0, 2.0], name="r", use_resource=True)


def test_what_is_written_and_passed_on_stands_first() -> None:
    for opdef in declared().values():
        if opdef.writes and any(arg.is_ref for arg in opdef.outputs):
            assert opdef.inputs[0].name == opdef.writes[0] and opdef.inputs[0].is_ref, opdef.name
            assert opdef.single_output, opdef.name


def test_references_are_followed_to_their_variable(v: Any, r: Any) -> None:
    ref, on = v._ref(), tf.constant(True)
    for tensor in (
        ref,
        raw.AssignAdd(ref, [1.0, 1.0]),
        raw.ScatterAdd(raw.Assign(ref, [1.0, 1.0]), [0], [1.0]),
        raw.Switch(ref, on)[0],
        raw.Switch(ref, on)[1],
        raw.RefSwitch(ref, on)[1],
        raw.Enter(ref, frame_name="f"),
        raw.RefEnter(ref, frame_name="f"),
        raw.Identity(ref),
    ):
        assert variable_of(tensor) is v.op, tensor.op
    for tensor in (r.handle, raw.Identity(r.handle), raw.IdentityN([ref, r.handle])[1]):
        assert variable_of(tensor) is r.handle.op, tensor.op
    assert variable_of(raw.IdentityN([ref, r.handle])[0]) is v.op


def test_what_names_no_variable(v: Any) -> None:
    queue = tf.FIFOQueue(1, tf.float32, [[]])
    for tensor in (tf.constant(1.0), v._ref() + 1.0, queue.queue_ref, tf.placeholder(tf.resource, [])):
        assert variable_of(tensor) is None, tensor.op
    assert passed_on(tf.placeholder(tf.resource, [])) is None and passed_on(v._ref()) is None
    assert passed_on(tf.exp(tf.constant(1.0))) is None
    pair = raw.IdentityN([tf.constant(1.0), tf.constant(2.0)])
    assert [passed_on(t) for t in pair] == list(pair[0].op.inputs)


def test_references_are_followed_out_of_bodies(r: Any) -> None:
    inside: list[Any] = []
    flag = tf.placeholder(tf.bool, [])

    def deep() -> Any:
        inside.append(raw.Identity(r.handle).op.inputs[0])
        return r + 0.0

    tf.cond(flag, lambda: tf.cond(flag, deep, lambda: r + 1.0), lambda: r + 2.0)
    (handle,) = inside
    assert handle.op.type == "BodyArg" and handle.op.body is not None
    assert variable_of(handle) is r.handle.op
    assert passed_on(handle).op.type == "BodyArg" and passed_on(passed_on(handle)) is r.handle
    given: list[Any] = []
    tf.data.Dataset.range(1).map(lambda x: given.append(raw.Identity(r.handle).op.inputs[0]) or x)
    assert given[0].op.type == "BodyArg" and given[0].graph is not r.graph
    assert variable_of(given[0]) is r.handle.op  # out of a function with a graph of its own, too


def test_what_was_found_is_used_again(v: Any) -> None:
    ref = v._ref()
    first = raw.Assign(ref, [1.0, 1.0])
    second = raw.Assign(first, [2.0, 2.0])
    known: dict[Any, Any] = {}
    assert variable_of(first, known) is v.op and known == {first: v.op, ref: v.op}
    stands_for = tf.constant(0.0).op
    known[first] = stands_for
    assert variable_of(second, known) is stands_for and known[second] is stands_for
    assert variable_of(tf.constant(1.0), known) is None and None in known.values()


def test_keys() -> None:
    with tf.container("box"):
        boxed = tf.Variable(1.0, name="a", use_resource=False).op
        shared = raw.VarHandleOp(dtype=tf.float32, shape=[], shared_name="b", name="named").op
    plain = tf.Variable(1.0, name="c", use_resource=False).op
    assert [cell_key(op) for op in (boxed, shared, plain)] == ["box/a", "box/b", "c"]
    assert cell_key(tf.constant(1.0, name="d").op) == "d"


def test_reads(v: Any, r: Any) -> None:
    for tensor in (v.value(), r.value(), raw.Identity(v._ref())):
        assert is_variable_read(tensor.op)
    for tensor in (v._ref(), raw.Identity(v.value()), tf.identity(tf.constant(1.0)), raw.Identity(r.handle)):
        assert not is_variable_read(tensor.op), tensor.op
