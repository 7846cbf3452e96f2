"""Tests of tf.contrib.graph_editor: selection, walks, rewiring, copies."""

import pytest

import millrace as tf

ge = tf.contrib.graph_editor


def _names(things):
    return [x.name for x in things]


@pytest.fixture
def parts():
    with tf.Graph().as_default():
        a, b = tf.constant(1.0, name="a"), tf.constant(2.0, name="b")
        with tf.name_scope("s"):
            c = tf.add(a, b, name="c")
            e = tf.multiply(c, a, name="e")
        f = tf.negative(e, name="f")
        yield a, b, c, e, f


def _value(t):
    with tf.Session() as session:
        return session.run(t)


@pytest.mark.parametrize(
    ("scope", "found"),
    [("", []), ("s", ["s/c", "s/e"]), ("s/", ["s/c", "s/e"]), ("s/c", ["s/c"]), ("a", ["a"]), ("/", [])],
)
def test_operations_of_a_name_scope(parts, scope, found):
    graph = parts[0].graph
    assert _names(ge.get_name_scope_ops(graph, scope)) == found
    assert _names(ge.make_view_from_scope(scope, graph).ops) == found


def test_views_and_walks(parts):
    a, b, c, e, f = parts
    view = ge.sgv(c.op, e.op)
    assert _names(view.inputs) == ["a:0", "b:0"] and _names(view.outputs) == ["s/e:0"]
    assert _names(view.remap_inputs([1]).inputs) == ["b:0"] and view.consumers() == [f.op]
    assert _names(ge.get_backward_walk_ops(f.op)) == ["f", "s/e", "s/c", "a", "b"]
    assert _names(ge.get_forward_walk_ops(b, stop_at_ts=[e])) == ["s/c", "s/e"]
    assert _names(ge.get_walks_intersection_ops(a.op, f.op)) == ["a", "s/c", "s/e", "f"]
    assert _names(ge.select_ops("^s/", graph=a.graph)) == ["s/c", "s/e"]
    assert _names(ge.select_ts("(?#ts)^s/", graph=a.graph)) == ["s/c:0", "s/e:0"]
    with pytest.raises(ValueError, match="keyword argument 'graph'"):
        ge.select_ops("a")
    with pytest.raises(TypeError, match="Expected a type"):
        ge.sgv(3)
    with pytest.raises(ValueError, match="index 4"):
        view.remap_inputs([4])


def test_rewiring(parts):
    a, b, c, e, f = parts
    z = tf.constant(5.0, name="z")
    assert ge.reroute_ts(z, b) == 1 and _value(e) == 6
    assert ge.swap_ts(a, z, can_modify=[c.op]) == 3  # who takes both takes the second twice, as in 1.15
    assert _names(c.op.inputs) == ["z:0", "z:0"] and _value(e) == 10
    with pytest.raises(ValueError, match="different sizes: 1 != 2"):
        ge.reroute_ts([a], [b, c])
    with pytest.raises(ValueError, match="not compatible"):
        ge.reroute_ts(tf.constant(1), b)
    assert _names(c.op.inputs) == ["z:0", "z:0"]
    ge.add_control_inputs(f.op, z.op)
    assert f.op.control_inputs == [z.op]
    ge.remove_control_inputs(f.op, z.op)
    with pytest.raises(ValueError, match="not a control_input"):
        ge.remove_control_inputs(f.op, z.op)


def test_a_tensor_taken_inside_and_outside_is_both(parts):
    _, _, c, e, _ = parts
    inputs, outputs, within = ge.compute_boundary_ts([c.op, e.op])
    assert _names(inputs) == ["a:0", "b:0"]
    assert (_names(outputs), _names(within)) == (["s/e:0"], ["s/c:0"])
    tf.identity(c, name="g")
    _, outputs, within = ge.compute_boundary_ts([c.op, e.op])
    assert (_names(outputs), _names(within)) == (["s/c:0", "s/e:0"], ["s/c:0"])


def test_stand_ins_of_a_copy_are_in_its_scope(parts):
    _, _, _, e, _ = parts
    made, _ = ge.copy(ge.sgv(e.op), dst_scope="z")
    assert _names(made.ops[0].inputs) == ["z/geph__c_0:0", "z/geph__a_0:0"]


def test_parts_taken_out(parts):
    _, _, c, e, f = parts
    view, stand_ins = ge.detach_inputs(ge.sgv(e.op))
    assert _names(stand_ins) == ["s/geph__c_0:0", "geph__a_0:0"] == _names(view.inputs)
    with tf.Session() as session:
        assert session.run(f, dict(zip(stand_ins, [3.0, 4.0], strict=True))) == -12
    ge.connect(ge.sgv(c.op), ge.sgv(f.op))
    assert _names(f.op.inputs) == ["s/c:0"] and _value(f) == -3
    ge.bypass(ge.sgv(f.op))
    assert _names(f.op.inputs) == ["s/geph__c_0_1:0"]


def test_copies(parts):
    a, b, c, e, f = parts
    z = tf.constant(5.0)
    view, info = ge.copy_with_input_replacements(ge.sgv(c.op, e.op), {a: z}, dst_scope="k")
    assert _names(view.ops) == ["k/s/c", "k/s/e"] and _value(info.transformed(e)) == 35
    assert info.original(info.transformed(c)) is c
    assert _value(ge.graph_replace({"f": f, "a": [a]}, {b: z})) == {"f": -6, "a": [1]}
    other = tf.Graph()
    ge.copy(ge.sgv(c.op, e.op), other)
    assert _names(other.get_operations()) == ["geph__a_0", "geph__b_0", "s/c", "geph__a_0_1", "s/e"]
    with pytest.raises(ValueError, match="not connected"):
        ge.graph_replace(a, {f: z})
    with pytest.raises(TypeError, match=r"Expected a tf.Graph"):
        ge.copy(ge.sgv(c.op), "x")


def test_loops_are_replaced_whole():
    with tf.Graph().as_default():
        x, y = tf.constant(2.0), tf.constant(3.0)
        out = tf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, v * x), [0, 1.0])[1]
        assert _value([out, ge.graph_replace(out, {x: y})]) == [8, 27]


def test_a_text_is_a_leaf_of_a_tree():
    util = tf.contrib.graph_editor.util
    assert util.flatten_tree(["abc", {"k": (b"d", 1)}]) == ["abc", b"d", 1]
    assert util.transform_tree(["abc", ("d",)], str.upper) == ["ABC", ("D",)]
