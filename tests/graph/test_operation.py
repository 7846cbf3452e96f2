"""Operations, their tensors and their references: what they tell of themselves, and how they are edited."""

from __future__ import annotations

import pytest

import millrace as tf
from millrace.building import raw
from millrace.graph import location
from millrace.graph.nesting import encloses, escaped
from millrace.graph.operation import group, is_ref
from millrace.graph.references import cell_key, is_variable_read, passed_on, variable_of


def test_what_an_operation_tells() -> None:
    x = tf.placeholder(tf.float32, [4, 2], name="x")
    op = tf.split(x, 2, name="parts")[0].op
    assert op.type == "Split" and op.name == "parts" and op.params == {"num_split": 2}
    assert op.get_attr("num_split") == 2 and op.get_attr("T") == tf.float32
    with pytest.raises(
        ValueError, match=r"'parts' \(type Split\) has no attr named 'x'; it has \['T', 'num_split'\]"
    ):
        op.get_attr("x")
    assert op.values() == tuple(op.outputs) and len(op.outputs) == 2
    assert op.args() == [op.inputs[0], x] and op.results() == [tuple(op.outputs)]
    assert repr(op) == "<tf.Operation 'parts' type=Split>" and 'name: "parts"' in str(op)
    assert op.user_location.startswith("test_operation.py:")
    assert op.traceback[-1][2] == "test_what_an_operation_tells" and "tf.split(x, 2" in op.traceback[-1][3]
    assert raw.MatMul(x, x, transpose_b=True).op.params == {"transpose_a": False, "transpose_b": True}


def test_attributes_are_set_and_read_back() -> None:
    op = tf.constant(1.0).op
    op._set_attr("_mark", 3)
    assert op.get_attr("_mark") == 3
    op._set_attr("_mark", tf.AttrValue(s=b"text"))
    assert op.get_attr("_mark") == b"text"


def test_inputs_are_replaced_where_they_fit() -> None:
    a, b, whole = tf.constant(1.0), tf.constant(2.0), tf.constant(1)
    c = tf.add(a, a)
    c.op._update_input(1, b)
    assert c.op.inputs == (a, b) and a.consumers() == [c.op] and b.consumers() == [c.op]
    with pytest.raises(TypeError, match="input 0 has dtype float32. Received: Const_2:0 of dtype int32"):
        c.op._update_input(0, whole)
    with tf.Graph().as_default():
        foreign = tf.constant(1.0)
    with pytest.raises(ValueError, match="input 0 must be from the same graph"):
        c.op._update_input(0, foreign)
    assert c.op.inputs == (a, b)


def test_an_input_of_a_branch_is_replaced_for_its_bodies() -> None:
    flag, a, b = tf.placeholder(tf.bool, []), tf.constant(1.0), tf.constant(2.0)
    found = tf.cond(flag, lambda: a * 10.0, lambda: a * 100.0)
    branch = found.op.inputs[0].op
    branch._update_input(list(branch.inputs).index(a), b)
    with tf.Session() as sess:
        assert [sess.run(found, {flag: value}) for value in (True, False)] == [20, 200]
        assert sess.run(found, {flag: True, a: 5.0}) == 20 and sess.run(found, {flag: True, b: 5.0}) == 50


def test_edges_do_not_lead_out_of_bodies() -> None:
    flag, x = tf.placeholder(tf.bool, []), tf.placeholder(tf.float32, [])
    inside: list[tf.Tensor] = []
    chosen = tf.cond(flag, lambda: inside.append(tf.exp(x)) or inside[0], lambda: x)
    after = tf.negative(chosen)
    with pytest.raises(ValueError, match=r"cannot wait for what a branch or loop may run.*exists only there"):
        after.op._add_control_input(inside[0].op)
    assert after.op.control_inputs == []
    with pytest.raises(ValueError, match="must not be inside a branch or loop"):
        after.op._update_input(0, inside[0])
    inside[0].op._add_control_input(flag.op)
    assert inside[0].op.control_inputs == [flag.op]
    body = inside[0].op.body
    assert body is not None and encloses(None, body) and not encloses(body, body) and not encloses(body, None)
    assert escaped(inside[0]).startswith("Tensor ") and escaped(inside[0].op).startswith("Operation ")


def test_flat_sequences_are_grouped_by_signature() -> None:
    x = tf.constant([1.0])
    op = raw.ConcatV2([x, x, x], 0).op
    assert group(op.opdef.inputs, "abcd", op.attrs) == [("a", "b", "c"), "d"]
    called = tf.py_func(lambda a, b: a, [x, x], [tf.float32])[0].op
    assert group(called.opdef.inputs, [1, 2], called.attrs) == [(1, 2)]


def test_references_name_their_variables() -> None:
    v = tf.Variable(1.0, name="v", use_resource=False)
    w = tf.Variable(1.0, name="w", use_resource=True)
    written = tf.assign(tf.assign_add(v._ref(), 1.0), 2.0)
    assert variable_of(written) is v.op and variable_of(w.handle) is w.handle.op
    assert passed_on(written) is written.op.inputs[0] and passed_on(v._ref()) is None
    known: dict[tf.Tensor, tf.Operation | None] = {}
    assert variable_of(written, known) is v.op and set(known.values()) == {v.op} and len(known) == 3
    assert variable_of(tf.constant(1.0)) is None and passed_on(tf.identity(tf.constant(1.0))) is not None
    parts = raw.IdentityN([tf.constant(1.0), tf.constant(2.0)])
    assert passed_on(parts[1]) is parts[1].op.inputs[1]
    assert is_variable_read(w.value().op) and is_variable_read(v.value().op)
    assert not is_variable_read(tf.identity(tf.constant(1.0)).op)
    assert is_ref(v._ref().dtype) and is_ref(w.handle.dtype) and not is_ref(tf.float32)


def test_keys_of_cells() -> None:
    with tf.container("here"):
        inside = tf.Variable(1.0, name="inside", use_resource=False)
    shared = tf.FIFOQueue(1, tf.float32, [[]], shared_name="shared", name="named").queue_ref.op
    plain = tf.FIFOQueue(1, tf.float32, [[]], name="plain").queue_ref.op
    assert cell_key(inside.op) == "here/inside" and cell_key(shared) == "shared"
    assert cell_key(plain) == "plain"


def test_what_a_tensor_tells() -> None:
    with tf.device("/gpu:0"):
        x = tf.placeholder(tf.float32, [None, 2], name="x")
    y = tf.placeholder(tf.int32, name="y")
    assert repr(x) == "<tf.Tensor 'x:0' shape=(?, 2) dtype=float32>"
    assert str(x) == 'Tensor("x:0", shape=(?, 2), dtype=float32, device=/device:GPU:0)'
    assert str(y) == 'Tensor("y:0", dtype=int32)'
    assert x.shape is x.shape and x.get_shape() == x.shape and x == x and x != y and len({x, y, x}) == 2
    x.set_shape([3, None])
    assert x.shape.as_list() == [3, 2]
    with pytest.raises(ValueError, match="Tensor 'x:0': set_shape: "):
        x.set_shape([4, 2])
    y.set_shape([None])
    assert y.shape.ndims == 1 and y.consumers() == []
    for wrong in (lambda: list(x), lambda: len(x), lambda: bool(x)):
        with pytest.raises(TypeError, match="Tensor 'x:0'"):
            wrong()
    with pytest.raises(AttributeError, match=r"session.run\(tensor\) gives 'x:0'"):
        _ = x.numpy
    with pytest.raises(NotImplementedError, match="is symbolic"):
        x.__array__()
    assert (x._as_node_def_input(), tf.split(x, 2, 1, name="s")[1]._as_node_def_input()) == ("x", "s:1")


def test_evaluating_needs_a_session_of_the_graph() -> None:
    x = tf.constant(3.0, name="x")
    with pytest.raises(ValueError, match="Cannot evaluate tensor 'x:0': no default session"):
        x.eval()
    with pytest.raises(ValueError, match="Cannot run operation 'x': no default session"):
        x.op.run()
    with tf.Session() as sess:
        assert x.eval() == 3 and x.eval({x: 4.0}) == 4 and x.op.run() is None
    other = tf.Session(graph=tf.Graph())
    with pytest.raises(ValueError, match="the session's graph is another one"):
        x.eval(session=other)
    assert sess.graph is x.graph


def test_places_in_programs() -> None:
    def here() -> location.Frames:
        return location.capture(0)

    assert location.describe(()) == "" and location.place("/a/b/model.py", 42) == "model.py:42"
    frames = here()
    assert location.describe(frames).startswith("test_operation.py:")
    rows = location.traceback(frames)
    assert rows[-1][0] == __file__ and rows[-1][3].startswith("return location.capture")
    assert [row[2] for row in rows[-2:]] == ["test_places_in_programs", "here"] and len(rows) <= 8
