"""Tensor arrays that a branch makes and the program goes on using; 1.15 knows the handle of one branch."""

import pytest

import millrace as tf

TIERS = ["interpret", "compile"]


def filled(values):
    return lambda: tf.TensorArray(tf.float32, 3, clear_after_read=False).unstack(values)


@pytest.mark.parametrize("tier", TIERS)
def test_an_array_of_either_branch_is_read_written_and_has_gradients(tier, monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", tier)
    flag, x = tf.placeholder(tf.bool, []), tf.placeholder(tf.float32, [3])
    array = tf.cond(flag, filled(x * x), filled(10.0 * x))
    results = [array.stack(), array.size(), array.read(1), tf.gradients(array.stack(), x)[0]]
    with tf.Session() as sess:
        for _ in range(2):
            stacked, size, one, slope = sess.run(results, {flag: True, x: [1.0, 2.0, 3.0]})
            assert (stacked.tolist(), size, one, slope.tolist()) == ([1.0, 4.0, 9.0], 3, 4.0, [2.0, 4.0, 6.0])
            stacked, size, one, slope = sess.run(results, {flag: False, x: [1.0, 2.0, 3.0]})
            assert (stacked.tolist(), size, one) == ([10.0, 20.0, 30.0], 3, 20.0)
            assert slope.tolist() == [10.0, 10.0, 10.0]


@pytest.mark.parametrize("tier", TIERS)
def test_an_array_from_outside_and_one_made_inside(tier, monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", tier)
    flag, other = tf.placeholder(tf.bool, []), filled([7.0, 8.0, 9.0])()

    def grown():
        array = tf.TensorArray(tf.float32, 0, dynamic_size=True)
        return tf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, a.write(i, 1.0)), [0, array])[1]

    array = tf.cond(flag, lambda: other, grown)
    with tf.Session() as sess:
        assert sess.run(array.size(), {flag: True}) == 3
        assert sess.run(array.stack(), {flag: False}).tolist() == [1.0, 1.0]


def test_elements_of_two_shapes_and_branches_in_branches():
    flag, second = tf.placeholder(tf.bool, []), tf.placeholder(tf.bool, [])
    short, long = filled(tf.ones([3, 1])), filled(tf.ones([3, 2]))
    array = tf.cond(flag, lambda: tf.cond(second, short, long), long)
    row = array.read(0)
    assert row.shape.as_list() == [None]
    with tf.Session() as sess:
        assert sess.run(row, {flag: True, second: True}).tolist() == [1.0]
        assert sess.run(row, {flag: False, second: True}).tolist() == [1.0, 1.0]


def test_it_goes_through_a_graph_def():
    flag, x = tf.placeholder(tf.bool, [], name="flag"), tf.placeholder(tf.float32, [3], name="x")
    array = tf.cond(flag, filled(x), filled(2.0 * x))
    tf.gradients(array.stack(), x, name="slope")
    tf.identity(array.stack(), name="y")
    message = tf.get_default_graph().as_graph_def()
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.import_graph_def(message, name="")
        got = sess.run("y:0", {"flag:0": False, "x:0": [1.0, 2.0, 3.0]})
        assert got.tolist() == [2.0, 4.0, 6.0]
