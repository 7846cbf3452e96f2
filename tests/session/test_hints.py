"""What a message proposes to somebody who has met it for the first time."""

import pytest

import millrace as tf


def message(kind, call):
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


def test_a_forgotten_initializer():
    v = tf.Variable(1.0, name="v")
    local = tf.Variable(1.0, name="local", collections=[tf.GraphKeys.LOCAL_VARIABLES])
    with tf.Session() as sess:
        kind = tf.errors.FailedPreconditionError
        assert "session.run(tf.global_variables_initializer()) first" in message(kind, lambda: sess.run(v))
        assert "tf.local_variables_initializer()" in message(kind, lambda: sess.run(local))


@pytest.mark.parametrize("resource", [False, True])
def test_a_variable_made_after_the_initializer(resource):
    tf.get_variable("first", [], use_resource=resource)
    init = tf.global_variables_initializer()
    late = tf.get_variable("late", [], use_resource=resource)
    with tf.Session() as sess:
        sess.run(init)
        said = message(tf.errors.FailedPreconditionError, lambda: sess.run(late))
    assert "made after the initializer 'init' (created at test_hints.py:" in said


def test_dtypes_that_do_not_fit():
    ints, floats = tf.constant([1, 2]), tf.constant([1.0, 2.0])
    assert "tf.cast(x, tf.float32)" in message(TypeError, lambda: ints * 0.5)
    assert "tf.cast(x, tf.float32) converts it" in message(TypeError, lambda: floats + ints)
    assert "cast" not in message(TypeError, lambda: floats + tf.constant(["a", "b"]))


def test_missing_brackets():
    assert "brackets" in message(TypeError, lambda: tf.reshape(tf.zeros([6]), 2, 3))
    assert "brackets" in message(TypeError, lambda: tf.placeholder(tf.float32, 2, 3))


def test_tensors_of_another_graph():
    with tf.Graph().as_default():
        other = tf.constant(1.0, name="other")
    with tf.Session() as sess:
        assert "'other' is in another graph" in message(RuntimeError, lambda: sess.run(other))
        tf.constant(2.0)
        said = message(ValueError, lambda: sess.run(other))
    assert "belongs to another one, created at test_hints.py:" in said
    assert "tf.Session(graph=tensor.graph)" in said
    assert "created at test_hints.py" in message(ValueError, lambda: tf.add(tf.constant(1.0), other))


def test_numpy_belongs_to_values():
    for owner in (tf.constant(1.0), tf.Variable(1.0), tf.get_variable("r", [], use_resource=True)):
        assert "session.run" in message(AttributeError, lambda owner=owner: owner.numpy())
        assert not hasattr(owner, "numpy")


def test_names_are_not_variables():
    loss = tf.square(tf.get_variable("w", []))
    said = message(TypeError, lambda: tf.train.GradientDescentOptimizer(0.1).minimize(loss, var_list=["w"]))
    assert "not their names" in said
