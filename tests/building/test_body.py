"""Bodies: what they capture, under which names, and how captures follow edits."""

from __future__ import annotations

import pytest

import millrace as tf
from millrace.autodiff.bodies import align
from millrace.building import raw
from millrace.building.body import Body, names_variable
from millrace.building.static import static_value


@pytest.fixture
def graph() -> tf.Graph:
    return tf.get_default_graph()


def test_a_tensor_is_captured_once(graph: tf.Graph) -> None:
    x, y = tf.placeholder(tf.float32, [2, None], name="x"), tf.constant([1, 2], name="y")
    assert tf.contrib.util.constant_value(y).tolist() == [1, 2]
    body = Body(graph, "Switch")
    first, again, other = body.capture(x), body.capture(x), body.capture(y, "named")
    assert first is again and body.captures == {x: first, y: other}
    assert first.op.type == "BodyArg" and first.op.body is body and first.shape.as_list() == [2, None]
    assert first.name == "Switch:0" and other.name == "named:0" and other.dtype == tf.int32
    assert body.find(x) is first and body.find(tf.constant(1.0)) is None
    assert body.outer_of(other) is y and body.outer_of(x) is None
    assert static_value(other).tolist() == [1, 2]  # what is known outside is known inside
    assert repr(body) == "<Body '': 0 inputs, 2 captures>"


def test_bodies_inside_bodies_capture_through_each_other(graph: tf.Graph) -> None:
    x = tf.placeholder(tf.float32, [])
    outer = Body(graph, "Switch")
    with graph.inside(outer):
        inner = Body(graph, "Enter")
        local = tf.constant(1.0)
    assert inner.parent is outer and outer.parent is None
    inside = inner.capture(x)
    between = outer.captures[x]
    assert inner.captures == {between: inside} and inner.capture(between) is inside
    assert inner.capture(local).op.body is inner and local not in outer.captures
    with pytest.raises(ValueError, match="exists only there"):
        Body(graph, "Switch").capture(local)


def test_arguments_are_no_captures(graph: tf.Graph) -> None:
    x = tf.placeholder(tf.float32, [3])
    body = Body(graph, "Enter")
    argument = body.add_input(tf.float32, (None, 2), "i")
    bound = body.bind(x, (None,), "named")
    assert body.inputs == [argument] and body.captures == {x: bound} and body.capture(x) is bound
    assert argument.shape.as_list() == [None, 2] and bound.shape.as_list() == [None]
    assert body.outer_of(argument) is None and body.outer_of(bound) is x


def test_references_keep_their_names(graph: tf.Graph) -> None:
    v = tf.Variable(1.0, use_resource=False)._ref()
    body, twin = Body(graph, "Enter"), Body(graph, "Enter")
    before = graph.last_id
    assert names_variable(v) and body.capture(v) is v and body.captures == {}
    assert graph.last_id == before + 1
    body.capture(v)
    twin.twin = body
    twin.capture(v)
    assert graph.last_id == before + 1
    assert not names_variable(tf.constant(1.0)) and not names_variable(tf.assign(v, 2.0))


def test_what_a_twin_has_captured_is_counted_once(graph: tf.Graph) -> None:
    x, y = tf.constant(1.0), tf.constant(2.0)
    condition, body = Body(graph, "Enter"), Body(graph, "Enter")
    body.twin = condition
    condition.capture(x)
    before = graph.last_id
    body.capture(x)
    assert graph.last_id == before
    body.capture(y)
    assert graph.last_id == before + 1


def test_captures_follow_an_edit(graph: tf.Graph) -> None:
    x, y, z = tf.constant(1.0), tf.constant(2.0), tf.constant(3.0)
    body = Body(graph, "Switch")
    inside, other = body.capture(x), body.capture(z)
    body.replace_outer(x, y)
    assert list(body.captures.items()) == [(y, inside), (z, other)]
    assert body.find(y) is inside and body.find(x) is None
    body.replace_outer(y, z)  # which stands for something else already
    assert list(body.captures) == [y, z]
    flag = tf.placeholder(tf.bool, [])
    chosen = tf.cond(flag, lambda: x + 1.0, lambda: z)
    branch = next(op for op in graph.get_operations() if op.type == "If")
    branch._update_input(branch.inputs.index(x), y)
    with tf.Session() as sess:
        assert sess.run(chosen, {flag: True}) == 3 and sess.run(chosen, {flag: False}) == 3


def test_bodies_of_one_operation_capture_alike(graph: tf.Graph) -> None:
    x, y, z = tf.constant(1.0), tf.constant(2.0), tf.constant(3.0)
    first, second = Body(graph, "Switch"), Body(graph, "Switch")
    first.capture(x), first.capture(y)
    second.capture(z), second.capture(x)
    assert align([first, second]) == [x, y, z]
    assert list(first.captures) == list(second.captures) == [x, y, z]


def test_what_is_captured_late_becomes_an_input(graph: tf.Graph) -> None:
    x, late = tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, [])
    flag = tf.placeholder(tf.bool, [])
    chosen = tf.cond(flag, lambda: tf.exp(x), lambda: x)
    branch = next(op for op in graph.get_operations() if op.type == "If")
    body = branch.attrs["then_branch"]
    with graph.inside(body):
        more = raw.Add(body.outputs[0], late)
    body.outputs = [more]
    assert branch.inputs[-1] is late and branch.get_attr("Tin") == [tf.float32, tf.float32]
    assert branch in late.consumers()
    assert [list(branch.attrs[name].captures) for name in ("then_branch", "else_branch")] == [[x, late]] * 2
    with tf.Session() as sess:
        assert sess.run(chosen, {flag: True, x: 0.0, late: 5.0}) == 6
        assert sess.run(chosen, {flag: False, x: 2.0, late: 5.0}) == 2


@pytest.mark.parametrize("take", [lambda t: tf.assign_add(t, 1.0), lambda t: t + 1.0])
def test_what_another_branch_wrote_is_not_there(take: object) -> None:
    v = tf.Variable(1.0, use_resource=False)
    flag = tf.placeholder(tf.bool, [])
    leaked: list[tf.Tensor] = []
    tf.cond(flag, lambda: leaked.append(v.assign(2.0)) or tf.constant(1.0), lambda: tf.constant(1.0))
    with pytest.raises(
        ValueError, match="computed inside the body 'cond' and exists only there; return it from the branch"
    ):
        tf.cond(flag, lambda: take(leaked[0]), lambda: tf.constant(1.0))  # type: ignore[operator]


def test_what_a_loop_captures_late_is_counted(graph: tf.Graph) -> None:
    late = tf.placeholder(tf.float32, [])
    total = tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x + 1.0), [0, 0.0])[1]
    loop = next(op for op in graph.get_operations() if op.type == "While")
    before = loop.attrs["captured"]
    body = loop.attrs["body"]
    with graph.inside(body):
        body.outputs = [body.outputs[0], raw.Add(body.outputs[1], late)]
    assert loop.attrs["captured"] == before + 1 and loop.inputs[-1] is late
    with tf.Session() as sess:
        assert sess.run(total, {late: 10.0}) == 33
