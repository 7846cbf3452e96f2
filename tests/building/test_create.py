"""Adding operations: what signatures demand, and that a refused call leaves nothing behind."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf
from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.create import create
from millrace.graph import attrs
from millrace.graph.opdef import NOT_DIFFERENTIABLE, lookup, make_opdef


def _state(graph: tf.Graph) -> object:
    consumers = [[t.consumers() for t in op.outputs] for op in graph.get_operations()]
    return graph.get_operations(), dict(graph.names), dict(graph.by_name), consumers


def test_lists_have_their_minimum() -> None:
    x = tf.constant([1.0])
    with pytest.raises(ValueError, match="'inputs' must have at least 1 tensors. Received: 0"):
        raw.AddN([])
    with pytest.raises(ValueError, match="'values' must have at least 2 tensors. Received: 1"):
        raw.ConcatV2([x], 0)
    assert raw.ConcatV2([x, x], 0).shape == [2] and raw.AddN([x]).shape == [1]


def test_attributes_have_their_minimum() -> None:
    attribute = attrs.ints(minimum=2)
    assert attribute.canonical([1, 2], "Op 'o'", "a") == (1, 2)
    with pytest.raises(ValueError, match=r"Op 'o': attribute 'a' must be at least 2. Received: \(?1"):
        attribute.canonical([1], "Op 'o'", "a")
    number = attrs.integer(minimum=0)
    assert number.canonical(0, "Op 'o'", "n") == 0
    with pytest.raises(ValueError, match="must be at least 0. Received: -1"):
        number.canonical(-1, "Op 'o'", "n")


def test_lists_of_one_type_and_one_length() -> None:
    with pytest.raises(TypeError, match="must all be float32"):
        raw.AddN([tf.constant(1.0), tf.constant(1)])


@pytest.mark.parametrize(
    "refused",
    [
        lambda x: tf.matmul(x, tf.constant([[1, 2]], name="fresh")),
        lambda x: tf.reshape(x, [7, 7], name="a/b/c"),
        lambda x: tf.add_n([x, x + 1.0, tf.zeros([5])], name="x"),
        lambda x: tf.concat([x, "text"], 0),
        lambda x: raw.ConcatV2([x], 0, name="x"),
        lambda x: x + [1.0, [2.0]],
    ],
)
def test_a_refused_operation_leaves_no_trace(refused: object) -> None:
    graph = tf.get_default_graph()
    x = tf.ones([2, 3], name="x")
    _ = x + 1.0
    inner = tf.ones([2, 3]) + 1.0
    before = _state(graph)
    with pytest.raises((ValueError, TypeError)):
        raw.MatMul(x, raw.Reshape(inner, [7, 7], name="deep"), name="deep")
    assert _state(graph) == before
    try:
        refused(x)  # type: ignore[operator]
    except (ValueError, TypeError):
        leftovers = [op.type for op in graph.get_operations()[len(before[0]) :]]  # type: ignore[index]
        assert not {"MatMul", "Reshape", "ConcatV2"} & set(leftovers)
    else:
        raise AssertionError("was not refused")


def test_names_taken_by_a_refused_operation_are_free_again() -> None:
    x = tf.ones([2, 3], name="x")
    for _ in range(3):
        with pytest.raises(ValueError):
            raw.MatMul(x, x, name="m")
    assert raw.MatMul(x, x, transpose_b=True, name="m").name == "m:0"
    assert raw.MatMul(x, x, transpose_b=True, name="m").name == "m_1:0"
    with pytest.raises(ValueError):
        raw.MatMul(x, x, name="m")
    assert raw.MatMul(x, x, transpose_b=True, name="m").name == "m_2:0"


def test_create_takes_tensors_and_gives_the_operation() -> None:
    x, y = tf.placeholder(tf.float32, [2, 3], name="x"), tf.placeholder(tf.float32, [3, 4])
    op = create(lookup("MatMul"), x, y, name="product")
    assert isinstance(op, tf.Operation) and op.name == "product" and op.outputs[0].shape == [2, 4]
    assert op.inputs == (x, y) and op.get_attr("T") == tf.float32 and op.get_attr("transpose_a") is False
    assert create(lookup("MatMul"), x, y).name == "MatMul"
    assert create(lookup("Pack"), [x, x], axis=1).outputs[0].shape == [2, 2, 3]
    twice = create(lookup("MatMul"), x, y, transpose_a=False)
    assert twice.attrs == op.attrs and twice.attrs is not op.attrs
    with pytest.raises(ValueError, match="MatMul 'm': .*inputs: x:0"):
        create(lookup("MatMul"), x, x, name="m")
    with tf.Graph().as_default():
        assert create(lookup("NoOp")).graph is tf.get_default_graph()
        assert create(lookup("Exp"), x).graph is x.graph


def test_inputs_of_two_graphs_are_refused_with_the_line_of_the_second() -> None:
    x = tf.constant(1.0)
    with tf.Graph().as_default():
        foreign = tf.constant(2.0, name="foreign")
    for call in (
        lambda: create(lookup("Add"), x, foreign, name="sum"),
        lambda: create(lookup("AddN"), [x, foreign], name="sum"),
        lambda: raw.AddN([x, 1.0, foreign], name="sum"),
        lambda: raw.ConcatV2([x, x], foreign, name="sum"),
    ):
        with pytest.raises(ValueError, match=r"'sum': tensor 'foreign:0' must be from the same graph as the"):
            call()
    assert tf.get_default_graph().get_operations() == [x.op]


def test_a_finalized_graph_takes_no_operation() -> None:
    x = tf.constant(1.0)
    tf.get_default_graph().finalize()
    for call in (lambda: create(lookup("Exp"), x), lambda: raw.Exp(x), lambda: tf.constant(1.0)):
        with pytest.raises(RuntimeError, match="finalized"):
            call()


def test_an_operation_has_a_bounded_number_of_outputs() -> None:
    x = tf.placeholder(tf.float32, [1 << 17])
    assert len(raw.Unpack(x, num=1 << 17)) == 1 << 17
    y = tf.placeholder(tf.float32)
    with pytest.raises(ValueError, match="at most 131072 outputs. Received: num=131073"):
        raw.Unpack(y, num=(1 << 17) + 1)


def test_lists_share_their_dtype_and_their_length() -> None:
    x, y = tf.constant([1.0]), tf.constant([1])
    places = tf.constant([0])
    with pytest.raises(TypeError, match="tensors in list 'inputs' must all be float32. Received: .*'int32'"):
        create(lookup("AddN"), [x, y])
    with pytest.raises(TypeError, match="tensors in list 'indices' must be int32. Received: Const:0 "):
        create(lookup("DynamicStitch"), [x], [x])
    with pytest.raises(ValueError, match="list 'data' must have 1 tensors, as many as the lists before it"):
        create(lookup("DynamicStitch"), [places], [x, x])
    with pytest.raises(TypeError, match="must be one of .*float32.*Received: string"):
        create(lookup("AddN"), [tf.constant("a")])
    stitched = create(lookup("DynamicStitch"), [places, places], [x, x])
    assert stitched.get_attr("N") == 2 and stitched.get_attr("T") == tf.float32


def test_names_with_a_slash_are_taken_as_they_are() -> None:
    x = tf.constant(1.0)
    with tf.name_scope("outer"), tf.name_scope("inner") as scope:
        assert raw.Exp(x, name=scope).name == "outer/inner:0"
        assert raw.Exp(x, name=scope).name == "outer/inner_1:0"
        assert raw.Exp(x, name="other/").name == "other:0"
        assert raw.Exp(x, name="n").name == "outer/inner/n:0"
    assert tf.get_default_graph().scope == ""
    raw.Exp(x, name="a_1")
    raw.Exp(x, name="a/")
    assert raw.Exp(x, name="a/").name == "a_2:0"


@pytest.mark.parametrize(("name", "hint"), [(3, True), ([2, 3], True), ((2,), True), (2.5, False)])
def test_what_is_not_a_name(name: object, hint: bool) -> None:
    with pytest.raises(TypeError, match="Exp: a name is a string. Received: ") as caught:
        raw.Exp(1.0, name=name)
    assert ("are brackets missing" in str(caught.value)) is hint
    with pytest.raises(ValueError, match="not a valid operation name"):
        raw.Exp(1.0, name="a b")


def test_attributes_that_follow_from_the_inputs_may_be_given() -> None:
    x = tf.constant(1.0)
    assert raw.Exp(x, T=tf.float32).op.attrs == raw.Exp(x).op.attrs
    assert raw.Exp(x, T=np.float32).op.get_attr("T") == tf.float32
    assert raw.Exp(x, _mine=3).op.get_attr("_mine") == 3
    for wrong in (dict(T=tf.int32), dict(mine=3)):
        with pytest.raises(TypeError):
            raw.Exp(x, **wrong)
    assert raw.AddN([x, x], N=2).op.get_attr("N") == 2
    with pytest.raises(TypeError, match="attribute 'N' is given as 3, the inputs say 2"):
        raw.AddN([x, x], N=3)


def test_none_is_an_attributes_default() -> None:
    assert raw.Placeholder(dtype=tf.float32, shape=None).shape.ndims is None
    a = tf.zeros([2, 3, 3])
    product = tf.matmul(a, a, adjoint_a=None, adjoint_b=None)
    assert product.op.get_attr("adj_x") is False
    x = tf.zeros([1, 2, 2, 3])
    assert tf.raw_ops.LRN(input=x, depth_radius=None).op.get_attr("depth_radius") == 5
    with pytest.raises(TypeError, match="'strides' must be"):
        tf.raw_ops.Conv2D(input=x, filter=tf.zeros([1, 1, 3, 3]), strides=None, padding="SAME")


def test_bodies_know_the_operations_that_own_them() -> None:
    flag, x = tf.placeholder(tf.bool, []), tf.constant(1.0)
    tf.cond(flag, lambda: x + 1.0, lambda: x)
    branch = next(op for op in tf.get_default_graph().get_operations() if op.type == "If")
    for name in ("then_branch", "else_branch"):
        assert branch.attrs[name].owners == [branch]


def test_an_operation_with_bodies_waits_unless_what_it_always_takes_has_waited() -> None:
    """A run may leave out what only a branch takes; the predicate it always takes."""
    up, fed = tf.no_op(name="up"), tf.placeholder(tf.bool, [])
    with tf.control_dependencies([up]):
        flag, x = tf.identity(tf.placeholder(tf.bool, [])), tf.identity(tf.constant(1.0))
        by_flag = tf.cond(flag, lambda: tf.constant(1.0), lambda: tf.constant(2.0))
        by_value = tf.cond(fed, lambda: x * 1.0, lambda: x * 2.0)
        counted = tf.while_loop(lambda i: i < 3.0, lambda i: i + 1.0, [x])
        start = tf.constant(0.0)
        other = tf.while_loop(lambda i, s: i < 3.0, lambda i, s: (i + 1.0, s + x), [start, x])
    del by_value, other
    ops = {op.name: op for op in tf.get_default_graph().get_operations() if op.type in ("If", "While")}
    waits = [op.control_inputs for op in ops.values()]
    assert waits[0] == [] and up in waits[1] and waits[2] == []
    assert by_flag.op.graph is counted.op.graph


def test_the_dtype_of_an_empty_list_is_the_default_if_there_is_one() -> None:
    members = {"shape": lambda a: (), "grad": NOT_DIFFERENTIABLE}
    floats = frozenset((tf.float32, tf.float64))
    open_, closed = (
        make_opdef(f"EmptyListForTest{n}(a: N*T) -> y: float", members, {}, {"T": attrs.dtype(floats, d)})
        for n, d in ((1, tf.float64), (2, attrs.MISSING))
    )
    assert apply(open_, []).op.get_attr("T") == tf.float64
    assert apply(open_, [], T=tf.float32).op.get_attr("T") == tf.float32
    assert apply(closed, [], T=tf.float32).op.get_attr("N") == 0
    with pytest.raises(TypeError, match="dtype 'T' cannot be told from an empty list"):
        apply(closed, [])


def test_a_shape_rule_gives_a_shape_for_each_output() -> None:
    members = {"shape": lambda x: [(), ()], "grad": NOT_DIFFERENTIABLE}
    wrong = make_opdef("ShapesForTest(x: float) -> a: float, b: float, c: float", members, {}, {})
    with pytest.raises(TypeError, match="the shape rule gave 2 shapes for 3 outputs"):
        apply(wrong, 1.0)
    x = tf.placeholder(tf.float32, [None, 4])
    assert [t.shape.as_list() for t in tf.split(x, [1, 3], 1)] == [[None, 1], [None, 3]]
    assert [t.shape.as_list() for t in tf.nn.top_k(x, 2)] == [[None, 2], [None, 2]]


def test_a_read_has_the_shape_of_its_variable_however_far_it_is() -> None:
    v = tf.get_variable("v", [2, 3], use_resource=True)
    flag = tf.placeholder(tf.bool, [])
    found: list[tf.Tensor] = []

    def inside() -> tf.Tensor:
        found.append(raw.ReadVariableOp(v.handle, dtype=tf.float32))
        return found[0]

    tf.cond(flag, inside, lambda: tf.zeros([2, 3]))
    found.append(raw.ReadVariableOp(tf.identity(v.handle), dtype=tf.float32))
    assert [t.shape.as_list() for t in found] == [[2, 3]] * 2
    handle = tf.placeholder(tf.resource, [])
    assert raw.ReadVariableOp(handle, dtype=tf.float32).shape.ndims is None
