"""Names of operations, scopes and constants: what TensorFlow calls them, so that programs find them."""

import numpy as np
import pytest

import millrace as tf


def names():
    return [op.name for op in tf.get_default_graph().get_operations()]


def test_operations_are_numbered():
    tf.constant(1.0)
    tf.constant(1.0)
    tf.constant(1.0, name="a_1")
    tf.constant(1.0, name="a")
    tf.constant(1.0, name="a")
    assert names() == ["Const", "Const_1", "a_1", "a", "a_2"]


def test_names_differ_by_case():
    x = tf.placeholder(tf.float32, name="x")
    assert tf.add(x, x).op.name == "Add"
    assert (x + x).op.name == "add"
    assert tf.add(x, x).op.name == "Add_1"


def test_operators_name_their_constants():
    x = tf.placeholder(tf.float32, name="x")
    x + 1.0
    2.0 * x
    tf.subtract(x, 3.0)
    x / 4.0
    assert names() == [
        "x", "add/y", "add", "mul/x", "mul", "Sub/y", "Sub", "truediv/y", "truediv",
    ]  # fmt: skip


def test_arguments_name_their_constants():
    tf.matmul([[1.0]], [[2.0]])
    tf.matmul([[1.0]], [[2.0]], name="m")
    assert names() == ["MatMul/a", "MatMul/b", "MatMul", "m/a", "m/b", "m"]


def test_scopes_nest_number_and_reopen():
    with tf.name_scope("s") as first:
        tf.constant(1.0, name="a")
        with tf.name_scope("s"):
            tf.constant(1.0, name="a")
    with tf.name_scope("s"):
        tf.constant(1.0, name="a")
    with tf.name_scope(first):
        tf.constant(1.0, name="a")
        with tf.name_scope(None):
            tf.constant(1.0, name="a")
    assert first == "s/"
    assert names() == ["s/a", "s/s/a", "s_1/a", "s/a_1", "a"]


def test_a_name_that_ends_with_a_slash_is_taken_as_it_is():
    with tf.name_scope("s"):
        assert tf.constant(1.0, name="t/u/").op.name == "t/u"
    assert tf.constant(1.0, name="t/u/").op.name == "t/u_1"
    with tf.name_scope("t"):
        assert tf.constant(1.0, name="u").op.name == "t/u_2"


@pytest.mark.parametrize("name", ["a b", "-a", "a:0", "\u00e9", "_a"])
def test_bad_names(name):
    with pytest.raises(ValueError, match="not a valid"):
        tf.constant(1.0, name=name)
    with pytest.raises(ValueError, match="not a valid"), tf.name_scope(name):
        pass
    assert names() == []


def test_a_scope_may_begin_with_an_underscore_inside_another():
    with tf.name_scope("a"), tf.name_scope("_b") as scope:
        assert scope == "a/_b/"


def test_a_failed_operation_takes_no_name():
    a, b = tf.zeros([2, 3], name="a"), tf.zeros([2, 3], name="b")
    with pytest.raises(ValueError):
        tf.matmul(a, b)
    with pytest.raises((TypeError, ValueError)):
        tf.add(a, "text")
    assert names() == ["a", "b"]
    assert tf.get_default_graph().unique_name("Add") == "Add"


def test_an_exception_leaves_scopes_and_graphs_as_they_were():
    graph = tf.get_default_graph()
    with pytest.raises(KeyError), tf.name_scope("a"), tf.Graph().as_default(), tf.name_scope("b"):
        raise KeyError
    assert tf.get_default_graph() is graph
    assert graph.get_name_scope() == ""
    with pytest.raises(ValueError), tf.name_scope("a b"):
        pass
    assert tf.get_default_graph() is graph


def test_values_choose_the_graph_of_a_scope():
    with tf.Graph().as_default() as other:
        x = tf.constant(1.0)
    with tf.name_scope("s", values=[x, [x]]):
        assert tf.get_default_graph() is other
    with pytest.raises(ValueError, match="same graph"), tf.name_scope("s", values=[x, tf.constant(1.0)]):
        pass
    with pytest.raises(ValueError, match="default_name"), tf.name_scope(None, values=[x]):
        pass


def test_leaving_graphs_in_the_wrong_order():
    first, second = tf.Graph().as_default(), tf.Graph().as_default()
    first.__enter__()
    second.__enter__()
    with pytest.raises(AssertionError, match="Nesting violated"):
        first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    first.__exit__(None, None, None)


def test_control_dependencies_skip_what_data_implies():
    a = tf.constant(1.0, name="a")
    with tf.control_dependencies([a]):
        b = tf.identity(a)
        c = tf.constant(2.0)
        d = tf.identity(c)
        with tf.control_dependencies(None):
            e = tf.constant(3.0)
    assert [t.op.control_inputs for t in (b, c, d, e)] == [[], [a.op], [], []]


def test_consumers_count_inputs():
    a = tf.constant(1.0)
    b = tf.add(a, a)
    assert a.consumers() == [b.op, b.op]


def test_lists_that_hold_tensors_are_packed():
    a = tf.constant(1.0, name="a")
    packed = tf.convert_to_tensor([[a, 2.0], [3.0, a]], name="p")
    assert names() == ["a", "p/0/1", "p/0", "p/1/0", "p/1", "p"]
    with tf.Session() as sess:
        np.testing.assert_array_equal(sess.run(packed), [[1.0, 2.0], [3.0, 1.0]])
