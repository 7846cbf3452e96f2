"""The table of gradient functions, as programs reach into it."""

import copy
import importlib

import pytest

import millrace as tf

ops = importlib.import_module("millrace.python.framework.ops")


def test_a_declared_gradient_is_replaced_and_restored():
    table = ops._gradient_registry
    saved = copy.copy(table._registry)
    x = tf.constant([1.0, 2.0])
    table._registry["Square"] = {"type": lambda op, dy: dy * 7.0, "location": None}
    replaced = tf.gradients(tf.square(x), x)[0]
    table._registry = saved
    restored = tf.gradients(tf.square(x), x)[0]
    with tf.Session() as sess:
        assert [v.tolist() for v in sess.run([replaced, restored])] == [[7.0, 7.0], [2.0, 4.0]]


def test_names_are_looked_up():
    table = ops._gradient_registry
    table.register(lambda op, dy: dy, "TestOfTheTable")
    assert "TestOfTheTable" in table.list() and table.lookup("TestOfTheTable")(None, 3) == 3
    del table._registry["TestOfTheTable"]
    with pytest.raises(LookupError, match="no entry for: TestOfTheTable"):
        table.lookup("TestOfTheTable")
    assert callable(table.lookup("MatMul"))


def test_the_type_of_an_entry_is_replaced_in_place():
    table = ops._gradient_registry._registry
    declared = table["Square"]["type"]
    x = tf.constant([1.0, 2.0])
    table["Square"]["type"] = lambda op, dy: dy * 9.0
    replaced = tf.gradients(tf.square(x), x)[0]
    table["Square"]["type"] = declared
    restored = tf.gradients(tf.square(x), x)[0]
    with tf.Session() as sess:
        assert [v.tolist() for v in sess.run([replaced, restored])] == [[9.0, 9.0], [2.0, 4.0]]


def test_a_gradient_that_tensorflow_has_not_gives_way_to_that_of_a_program():
    with pytest.raises(KeyError, match="two gradients"):
        tf.RegisterGradient("Relu")(lambda op, dy: dy)
    try:
        tf.RegisterGradient("SegmentProd")(lambda op, dy: [tf.fill([4], 7.0), None])
        with pytest.raises(KeyError, match="two gradients"):
            tf.RegisterGradient("SegmentProd")(lambda op, dy: dy)
        x = tf.constant([1.0, 2.0, 3.0, 4.0])
        (gradient,) = tf.gradients(tf.segment_prod(x, [0, 0, 1, 1]), [x])
        with tf.Session() as session:
            assert session.run(gradient).tolist() == [7.0] * 4
    finally:
        del ops._gradient_registry._registry["SegmentProd"]
