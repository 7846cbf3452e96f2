"""What branches and loops keep for gradients, where a Python function or a wait cuts the step in two."""

import numpy as np
import pytest

import millrace as tf

TIERS = ["interpret", pytest.param("compile", marks=pytest.mark.xla)]


def called(x):
    made = tf.py_func(lambda v: v, [x], tf.float32)
    made.set_shape(x.shape)
    return made


@pytest.mark.parametrize("tier", TIERS)
def test_the_gradient_of_a_branch_that_calls_python(tier, monkeypatch):
    """Of two branches one keeps nothing; the gradient takes both, and does not look at that."""
    monkeypatch.setenv("MILLRACE_TIER", tier)
    x, flag = tf.placeholder(tf.float32, [2]), tf.placeholder(tf.bool, [])
    square = lambda: tf.sin(x) * tf.exp(x) + 0.0 * called(tf.stop_gradient(x))  # noqa: E731
    y = tf.cond(flag, square, lambda: x * 2.0)
    slope = tf.gradients(y, x)[0]
    with tf.Session() as sess:
        for truth in (True, False, True, False):
            got = sess.run(slope, {x: [0.5, -1.0], flag: truth})
            v = np.array([0.5, -1.0])
            wanted = np.exp(v) * (np.sin(v) + np.cos(v)) if truth else np.full(2, 2.0)
            np.testing.assert_allclose(got, wanted, rtol=1e-5)


@pytest.mark.parametrize("tier", TIERS)
def test_an_array_that_a_wait_cuts_off_from_its_gradient(tier, monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", tier)
    x = tf.placeholder(tf.float32, [3])
    written = tf.TensorArray(tf.float32, size=3).unstack(tf.exp(x))
    total = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a + written.read(i) ** 2.0), [0, 0.0])[1]
    loss = total * called(total)
    slope = tf.gradients(loss, x, grad_ys=called(tf.stop_gradient(total)))[0]
    text = tf.as_string(called(total))
    read = tf.cond(called(total) > 0.0, lambda: written.read(tf.strings.length(text) * 0 + 1), lambda: 0.0)
    with tf.Session() as sess:
        v = np.array([0.1, 0.2, 0.3])
        s = np.sum(np.exp(2 * v))
        np.testing.assert_allclose(sess.run(read, {x: v}), np.exp(0.2), rtol=1e-5)
        np.testing.assert_allclose(sess.run(slope, {x: v}), s * s * 2 * np.exp(2 * v), rtol=1e-5)


@pytest.mark.parametrize("tier", TIERS)
def test_the_second_gradient_of_a_branch_with_a_loop(tier, monkeypatch):
    """In the branch without the loop there is no stack, and none of zeros."""
    monkeypatch.setenv("MILLRACE_TIER", tier)
    x, flag = tf.placeholder(tf.float32, [2]), tf.placeholder(tf.bool, [])
    power = lambda: tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x), [0, x])[1]  # noqa: E731
    y = tf.cond(flag, power, lambda: tf.sin(x))
    first = tf.gradients(y, x)[0]
    second = tf.gradients(first, x)[0]
    with tf.Session() as sess:
        for truth in (True, False):
            got = sess.run(second, {x: [0.5, 2.0], flag: truth})
            v = np.array([0.5, 2.0])
            np.testing.assert_allclose(got, 12 * v**2 if truth else -np.sin(v), rtol=1e-5)


def test_an_operation_that_a_branch_returns_gives_the_condition():
    flag = tf.placeholder(tf.bool, [])
    done = tf.cond(flag, tf.no_op, tf.no_op)
    with tf.Session() as sess:
        assert [sess.run(done, {flag: truth}) for truth in (True, False)] == [True, False]


def test_rows_given_as_lists_come_out_of_a_branch():
    flag = tf.placeholder(tf.bool, [])
    wide = tf.constant([1], tf.int64)
    rows = tf.cond(flag, lambda: tf.IndexedSlices([1.0], [0]), lambda: tf.IndexedSlices([2.0], wide))
    with tf.Session() as sess:
        assert [sess.run(rows, {flag: t}).indices.tolist() for t in (True, False)] == [[0], [1]]


def test_texts_of_a_loop_are_objects():
    texts = tf.map_fn(lambda r: r, tf.constant(["a", "bcd"]))
    with tf.Session() as sess:
        got = sess.run(texts)
    assert got.dtype == object
    assert got.tolist() == [b"a", b"bcd"]


def test_a_slice_is_assigned_what_fits_exactly():
    v = tf.Variable(np.zeros((2, 3), np.float32))
    with tf.Session() as sess:
        sess.run(v.initializer)
        for wrong in (v[0].assign([1.0]), v[...].assign(1.0), v[0].assign([1.0, 2.0])):
            with pytest.raises(tf.errors.UnimplementedError, match="nothing is broadcast"):
                sess.run(wrong)
        assert not sess.run(v).any()


def test_what_remains_behind_a_place_that_is_known():
    n, x = tf.placeholder(tf.int32, []), tf.placeholder(tf.float32, [None, 3])
    assert tf.slice(x, [n, 1], [1, -1]).shape.as_list() == [1, 2]
    assert tf.slice(x, [n, 1], [-1, 2]).shape.as_list() == [None, 2]


def test_types_of_devices_are_known_in_any_case():
    assert tf.DeviceSpec(device_type="cpu", device_index=0) == tf.DeviceSpec.from_string("/cpu:0")


@pytest.mark.parametrize("tier", TIERS)
def test_a_slice_in_a_body_ends_where_the_run_says(tier, monkeypatch):
    """A program for one shape cannot have it: it is left to the interpreter, not taken whole."""
    monkeypatch.setenv("MILLRACE_TIER", tier)
    x, n, flag = tf.placeholder(tf.float32, [3]), tf.placeholder(tf.int32, []), tf.placeholder(tf.bool, [])
    size = tf.cond(flag, lambda: tf.size(tf.exp(x)[:n]), lambda: n)
    total = tf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, a + tf.reduce_sum(x[n:])), [0, 0.0])[1]
    slope = tf.gradients(tf.cond(flag, lambda: tf.reduce_sum(x[:n] ** 2.0), lambda: 0.0), x)[0]
    row = tf.cond(flag, lambda: x[n], lambda: 0.0)
    with tf.Session() as sess:
        for end in (2, 1, 0):
            feeds = {x: [1.0, 2.0, 3.0], n: end, flag: True}
            got = sess.run([size, total, slope, row], feeds)
            assert got[0] == end
            assert got[1] == 2 * sum([1.0, 2.0, 3.0][end:])
            assert got[2].tolist() == [2.0 * v if k < end else 0.0 for k, v in enumerate([1.0, 2.0, 3.0])]
            assert got[3] == [1.0, 2.0, 3.0][end]
