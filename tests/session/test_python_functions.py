"""Python functions in a run: what they get, how they fail, what they may wait for, how long they live."""

import gc
import threading
import traceback
import weakref

import numpy as np
import pytest

import millrace as tf


def test_scalars_come_as_numbers_and_bytes():
    seen = []
    op = tf.py_func(lambda *v: seen.extend(v), [tf.constant("a"), tf.constant(3), tf.constant([1.0])], [])
    assert isinstance(op, tf.Operation)
    with tf.Session() as sess:
        sess.run(op)
    assert seen[0] == b"a" and {3: 1}[seen[1]] == 1 and isinstance(seen[2], np.ndarray)


def test_bytes_keep_their_zeros():
    with tf.Session() as sess:
        assert sess.run(tf.py_func(lambda: b"a\0", [], tf.string)) == b"a\0"


def test_the_users_own_error_is_the_cause():
    def broken(x):
        raise KeyError("no such row")

    with (
        tf.Session() as sess,
        pytest.raises(tf.errors.UnknownError, match="KeyError: 'no such row'") as caught,
    ):
        sess.run(tf.py_func(broken, [tf.constant(1)], tf.int32))
    cause = caught.value.__cause__
    assert isinstance(cause, KeyError)
    assert traceback.extract_tb(cause.__traceback__)[-1].name == "broken"


@pytest.mark.parametrize("inside", ["plain", "map_fn"])
def test_a_function_may_wait_for_another_thread_of_its_session(inside):
    v = tf.Variable(1.0)
    up = v.assign_add(10.0)
    sess = tf.Session()

    def wait(x):
        seen = []
        worker = threading.Thread(target=lambda: seen.append(sess.run(up)))
        worker.start()
        worker.join(20)
        return np.float32(x + seen[0])

    call = lambda x: tf.py_func(wait, [x], tf.float32)  # noqa: E731
    y = call(v + 0.0) if inside == "plain" else tf.map_fn(call, [tf.constant([1.0])][0])
    z = v.assign_add(1.0) if inside == "plain" else tf.no_op()
    sess.run(v.initializer)
    got = sess.run([y, z])[0]
    assert np.ravel(got)[0] == 12.0
    assert sess.run(v) == (12.0 if inside == "plain" else 11.0)  # no increment is lost


def test_a_function_goes_with_its_graph():
    class Big:
        def __call__(self):
            return np.float32(1)

    function = Big()
    alive = weakref.ref(function)
    with tf.Graph().as_default(), tf.Session() as sess:
        sess.run(tf.py_func(function, [], tf.float32))
    del function, sess
    gc.collect()
    assert alive() is None


def test_an_imported_token_calls_nothing():
    called = []
    tf.py_func(lambda: called.append(1), [], [], name="f")
    definition = tf.get_default_graph().as_graph_def()
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        tf.import_graph_def(definition, name="")
        with pytest.raises(tf.errors.InvalidArgumentError, match="callback pyfunc_.* is not found"):
            sess.run(graph.get_operation_by_name("f"))
    assert not called


def test_what_is_not_a_function():
    with pytest.raises(TypeError, match="py_func: func must be callable"):
        tf.py_func(3, [], tf.float32)
    assert not tf.get_default_graph().get_operations()


@pytest.mark.parametrize(
    ("function", "outputs", "kind"),
    [
        (lambda: 1.0, [], tf.errors.InvalidArgumentError),
        (lambda: {}, tf.float32, tf.errors.InternalError),
        (lambda: np.array([[1], [2, 3]], object), tf.float32, tf.errors.InternalError),
    ],
)
def test_what_a_function_may_not_return(function, outputs, kind):
    with tf.Session() as sess, pytest.raises(kind, match="pyfunc_"):
        sess.run(tf.py_func(function, [], outputs))


def test_an_error_of_tensorflow_in_a_function_is_one_of_the_function():
    def lost():
        raise tf.errors.NotFoundError(None, None, "gone")

    with tf.Session() as sess, pytest.raises(tf.errors.UnknownError, match="NotFoundError: gone"):
        sess.run(tf.py_func(lost, [], tf.float32))
