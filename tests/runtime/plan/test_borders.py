"""What crosses the border of a body is an input or an edge of its operation, in either tier."""

import numpy as np
import pytest

import millrace as tf


@pytest.fixture(autouse=True, params=["interpret", "compile"])
def tier(request, monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", request.param)


@pytest.fixture(params=[False, True], ids=["reference", "handle"])
def v(request):
    return tf.get_variable("v", initializer=1.0, use_resource=request.param)


def run(fetches, feeds=None):
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        result = sess.run(fetches, feeds)
        variables = tf.global_variables()
        return result, sess.run(variables[0]) if variables else None


def after(op, function):
    def build(*args):
        with tf.control_dependencies([op]):
            return function(*args)

    return build


EDGES = {
    "branch": lambda p, up: tf.cond(p, after(up, lambda: tf.constant(1.0)), lambda: tf.constant(2.0)),
    "branch not taken": lambda p, up: tf.cond(
        p, lambda: tf.constant(1.0), after(up, lambda: tf.constant(2.0))
    ),
    "branch in a branch": lambda p, up: tf.cond(
        p,
        lambda: tf.cond(p, after(up, lambda: tf.constant(1.0)), lambda: tf.constant(0.0)),
        lambda: tf.constant(2.0),
    ),
    "loop": lambda p, up: tf.while_loop(lambda i: i < 3, after(up, lambda i: i + 1), [0]),
    "condition": lambda p, up: tf.while_loop(after(up, lambda i: i < 3), lambda i: i + 1, [0]),
    "branch in a loop": lambda p, up: tf.while_loop(
        lambda i: i < 3, lambda i: tf.cond(i > 0, after(up, lambda: i + 1), lambda: i + 2), [0]
    ),
    "map": lambda p, up: tf.map_fn(after(up, lambda e: e * 2.0), tf.constant([1.0, 2.0])),
    "scan": lambda p, up: tf.scan(after(up, lambda a, e: a + e), tf.constant([1.0, 2.0])),
    "fold": lambda p, up: tf.foldl(after(up, lambda a, e: a + e), tf.constant([1.0, 2.0])),
    "case": lambda p, up: tf.case([(p, after(up, lambda: tf.constant(1)))], default=lambda: tf.constant(0)),
    "group": lambda p, up: tf.cond(p, lambda: tf.group(up), lambda: tf.no_op()),
}


@pytest.mark.parametrize("kind", EDGES)
def test_an_edge_to_an_operation_outside_is_kept(kind, v):
    up = tf.assign_add(v, 1.0)
    y = EDGES[kind](tf.placeholder_with_default(True, []), up if isinstance(up, tf.Tensor) else up.op)
    assert run(y)[1] == 2.0


def test_the_result_of_a_write_is_a_value_inside(v):
    up = tf.assign_add(v, 1.0)
    p = tf.placeholder_with_default(True, [])
    y = tf.cond(p, lambda: up * 10.0, lambda: up * 1.0)
    z = tf.while_loop(lambda i, b: i < 3, lambda i, b: (i + 1, b + up), [0, 0.0])[1]
    assert run([y, z])[0] == [20.0, 6.0]


def test_the_result_of_a_write_is_written_inside():
    a, b = tf.Variable(0), tf.Variable(0)
    up = tf.assign_add(a, 1)
    y = tf.while_loop(lambda i: i < 10, lambda i: after(tf.assign_add(b, up), lambda: i + 1)(), [0])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(y)
        assert sess.run([a, b]) == [1, 10]


def test_a_write_outside_through_which_one_inside_writes():
    v = tf.Variable(1.0)
    up = tf.assign_add(v, 1.0)
    y = tf.cond(tf.placeholder_with_default(True, []), lambda: tf.assign_add(up, 10.0) + 0.0, lambda: v + 0.0)
    assert run(y) == (12.0, 12.0)


def test_feeding_a_variable_reaches_every_body():
    v = tf.Variable(1.0)
    p = tf.placeholder_with_default(True, [])
    loop = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * v), [0, 1.0])[1]
    ys = [
        v * 3.0,
        tf.cond(p, lambda: v * 7.0, lambda: v * 1.0),
        loop,
        tf.gradients(loop, v)[0],
        tf.while_loop(lambda a: a < v, lambda a: a + 1.0, [0.0]),
        tf.map_fn(lambda e: e * v, tf.constant([1.0, 2.0])),
        tf.cond(p, lambda: tf.cond(p, lambda: v + 1.0, lambda: v + 2.0), lambda: v + 3.0),
    ]
    with tf.Session() as sess:  # not initialized
        got = sess.run(ys, {v: 2.0})
    for value, wanted in zip(got, [6.0, 14.0, 8.0, 12.0, 2.0, [2.0, 4.0], 3.0], strict=True):
        np.testing.assert_allclose(value, wanted)


def test_a_fed_variable_is_not_written():
    v = tf.Variable(1.0)
    with tf.Session() as sess:
        sess.run(v.initializer)
        with pytest.raises(tf.errors.InvalidArgumentError, match="'v.*is fed|'Variable:0', which is fed"):
            sess.run(v.assign_add(1.0), {v: 2.0})
        assert sess.run(v) == 1.0


def test_a_resource_variable_is_fed_by_its_read():
    v = tf.get_variable("v", initializer=1.0, use_resource=True)
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run([v, v * 3.0], {v: 2.0}) == [2.0, 3.0]
        with pytest.raises(TypeError, match="handle of a resource"):
            sess.run(v * 3.0, {"v:0": 2.0})


def test_a_read_that_is_fed_is_not_read_anew():
    v = tf.Variable(1.0)
    read = v.value()
    p = tf.placeholder_with_default(True, [])
    y = tf.cond(p, lambda: after(tf.assign(v, 9.0), lambda: read * 2.0)(), lambda: read * 1.0)
    assert run(y, {read: 5.0})[0] == 10.0
    assert run(y)[0] == 18.0


def test_a_condition_sees_what_the_body_writes():
    v = tf.Variable(0)
    y = tf.while_loop(
        lambda i: v < 10, lambda i: after(tf.assign_add(v, 1), lambda: i + 1)(), [0], maximum_iterations=50
    )
    assert run(y) == (10, 10)


def test_one_result_runs_its_own_part():
    v, w = tf.Variable(7), tf.Variable(7)
    x = tf.placeholder(tf.int32, [])
    both = tf.cond(tf.placeholder_with_default(True, []), lambda: [tf.assign(v, 1), tf.assign(w, x)],
                   lambda: [tf.constant(0), tf.constant(0)])  # fmt: skip
    one = tf.while_loop(lambda i, a: i < 3, lambda i, a: [i + 1, a + x], [0, 0])[0]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run([both[0], one]) == [1, 3]  # x is not needed
        assert sess.run([v, w]) == [1, 7]
        with tf.control_dependencies([both[0]]):
            assert sess.run(tf.constant(2)) == 2
        with pytest.raises(tf.errors.InvalidArgumentError, match="must feed"):
            sess.run(both[1])


def test_one_result_runs_its_own_part_beside_a_wait():
    """A step that waits is run apart; what comes before it is what the results that are wanted need."""
    v = tf.Variable(7)
    queue = tf.FIFOQueue(3, [tf.int32], [[]])
    fill = queue.enqueue(3)
    first, second = tf.cond(
        tf.placeholder_with_default(True, []), lambda: [tf.constant(2), tf.assign(v, 1)],
        lambda: [tf.constant(0), tf.constant(0)],
    )  # fmt: skip
    with tf.control_dependencies([first]):
        taken = queue.dequeue()
    with tf.Session() as sess:
        sess.run(v.initializer)
        sess.run(fill)
        assert sess.run([taken, first]) == [3, 2] and sess.run(v) == 7
        sess.run(fill)
        assert sess.run([taken, second]) == [3, 1] and sess.run(v) == 1


def test_an_edge_into_a_body_is_refused_with_both_lines():
    inside = []
    p = tf.placeholder_with_default(True, [])
    tf.cond(p, lambda: inside.append(tf.constant(1.0)) or inside[0] * 1.0, lambda: tf.constant(2.0))
    before = len(tf.get_default_graph().get_operations())
    with (
        pytest.raises(ValueError, match=r"test_borders.py:\d+\) cannot wait .*test_borders.py:\d+"),
        tf.control_dependencies(inside),
    ):
        tf.constant(3.0)
    assert len(tf.get_default_graph().get_operations()) == before


def test_an_input_that_is_replaced_inside_a_body_counts_in_the_next_run():
    x, other = tf.placeholder_with_default(1.0, []), tf.placeholder_with_default(10.0, [])
    made = []
    p = tf.placeholder_with_default(True, [])
    y = tf.cond(p, lambda: made.append(x * 2.0) or made[0], lambda: x * 3.0)
    z = tf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, made.append(a + x) or made[1]), [0, 0.0])[1]
    with tf.Session() as sess:
        assert sess.run([y, z]) == [2.0, 2.0]
        made[0].op._update_input(0, other)
        made[1].op._update_input(1, other)
        assert sess.run([y, z]) == [20.0, 20.0]
        with pytest.raises(ValueError, match="exists only there|inside a branch or loop"):
            y.op._update_input(0, made[0])


def test_the_gradient_of_a_loop_without_rounds():
    w, n = tf.Variable([[0.5, 0.1], [0.2, 0.3]]), tf.placeholder(tf.int32, [])
    x = tf.placeholder(tf.float32, [2])
    y = tf.while_loop(
        lambda i, a: i < n, lambda i, a: (i + 1, tf.reshape(tf.matmul(a[None], w), [2])), [0, x]
    )[1]
    rows = tf.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, a + tf.gather(w, [0])[0]), [0, x])[1]
    slopes = [tf.convert_to_tensor(tf.gradients(t, w)[0]) for t in (y, rows)]
    with tf.Session() as sess:
        sess.run(w.initializer)
        for slope in sess.run(slopes, {x: [1.0, 1.0], n: 0}):
            np.testing.assert_array_equal(slope, np.zeros([2, 2]))


def test_rows_in_branches_stay_rows():
    w = tf.Variable(tf.ones([5, 2]))
    p = tf.placeholder(tf.bool, [])
    y = tf.cond(p, lambda: tf.gather(w, [0, 0]), lambda: tf.gather(w, tf.constant([1, 2], tf.int64)))
    slope = tf.gradients(y, w)[0]
    assert isinstance(slope, tf.IndexedSlices)
    assert slope.indices.dtype == tf.int64
    with tf.Session() as sess:
        dense = tf.convert_to_tensor(slope)
        sess.run(w.initializer)
        assert sess.run(dense, {p: True})[:, 0].tolist() == [2, 0, 0, 0, 0]
        assert sess.run(dense, {p: False})[:, 0].tolist() == [0, 1, 1, 0, 0]
