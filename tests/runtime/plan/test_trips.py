"""Tensor arrays that grow in loops: how long they get is found out where it can be, and both tiers agree."""

import numpy as np
import pytest

import millrace as tf
from millrace.runtime.plan.planner import make_plan
from millrace.runtime.plan.segments import host_reasons
from millrace.runtime.plan.simplify import simplify
from millrace.runtime.plan.trips import _LARGEST, _MOST_STEPS


def planned(*fetches, feeds=()):
    return simplify(make_plan(list(fetches), list(feeds)), [t.dims for t in feeds])


def room(plan):
    (step,) = [s for s in plan.steps if s.op.type == "TensorArrayV3"]
    return step.room


def session(level):
    options = tf.ConfigProto()
    options.graph_options.optimizer_options.global_jit_level = level
    return tf.Session(config=options)


def both(fetches, feeds=None):
    """The values in the interpreter, after the compiled program was found to give the same."""
    with session(-1) as plain, session(1) as compiled:
        for sess in (plain, compiled):
            sess.run(tf.global_variables_initializer())
        first, second = plain.run(fetches, feeds), compiled.run(fetches, feeds)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    return first


def growing(shape=()):
    return tf.TensorArray(tf.float32, 0, dynamic_size=True, element_shape=shape)


def counted(rounds, step=1, x=1.0):
    """The array that a loop of `rounds` rounds fills with multiples of x."""
    return tf.while_loop(
        lambda i, a: i < rounds * step,
        lambda i, a: (i + step, a.write(i, tf.cast(i, tf.float32) * x)),
        (0, growing()),
    )[1]


def until(x, limit):
    """The doubles of x, from x on, that are below 100."""
    return tf.while_loop(
        lambda i, v, a: tf.reduce_all(v < 100.0),
        lambda i, v, a: (i + 1, v * 2, a.write(i, v)),
        (0, x, growing(x.shape)),
        maximum_iterations=limit,
    )[2]


def test_the_size_after_a_counted_loop_is_a_constant():
    array = counted(4, step=2)
    plan = planned(array.size(), array.stack())
    assert room(plan) == (7, True)
    assert plan.constants[plan.fetches[0]] == 7
    assert plan.dims[plan.fetches[1]] == (7,)
    assert not any(host_reasons(plan))


def test_a_loop_of_no_rounds_leaves_the_array_as_it_was():
    plan = planned(counted(0).size())
    assert plan.constants[plan.fetches[0]] == 0


def test_rounds_that_flags_decide():
    lengths = tf.constant([2, 5, 3])

    def step(time, done, array):
        return (
            time + 1,
            tf.logical_or(done, time + 1 >= lengths),
            array.write(time, tf.cast(time, tf.float32)),
        )

    array = tf.while_loop(
        lambda time, done, array: tf.logical_not(tf.reduce_all(done)), step, (0, lengths <= 0, growing())
    )[2]
    plan = planned(array.size())
    assert plan.constants[plan.fetches[0]] == 5
    assert both([array.stack(), array.size()])[1] == 5


def test_the_most_rounds_where_data_decides():
    x = tf.placeholder(tf.float32, [2])
    plan = planned(until(x, 9).stack(), feeds=[x])
    assert room(plan) == (9, False)
    reasons = {s.op.type: why for s, why in zip(plan.steps, host_reasons(plan), strict=True)}
    assert reasons["While"] == reasons["TensorArrayV3"] == reasons["TensorArraySizeV3"] == ""
    assert reasons["TensorArrayGatherV3"]


def test_a_loop_without_a_known_end_stays_in_the_interpreter():
    x = tf.placeholder(tf.float32, [2])
    array = until(x, None)
    plan = planned(array.stack(), feeds=[x])
    assert room(plan) is None
    reasons = {s.op.type: why for s, why in zip(plan.steps, host_reasons(plan), strict=True)}
    assert reasons["TensorArrayV3"] == "how long it gets depends on values"
    assert reasons["While"]
    assert len(both([array.stack()], {x: [1, 2]})[0]) == 6


def test_a_loop_that_takes_too_long_to_follow():
    plan = planned(counted(_MOST_STEPS).size())
    assert room(plan) is None


@pytest.mark.parametrize("start", [[1, 2], [60, 70], [99, 100], [100, 200], [0, 0]])
def test_one_program_for_ends_that_data_decides(start):
    x = tf.placeholder(tf.float32, [2])
    array = until(x, 9)
    stacked, size, last = both([array.stack(), array.size(), array.size() + 1], {x: start})
    expected = []
    while all(v < 100 for v in start) and len(expected) < 9:
        expected.append(start)
        start = [2 * v for v in start]
    np.testing.assert_array_equal(stacked, np.reshape(expected, [-1, 2]))
    assert size == len(expected) == last - 1


def test_a_program_is_used_again_for_another_end():
    x = tf.placeholder(tf.float32, [2])
    stacked = until(x, 9).stack()
    with session(1) as sess:
        sizes = [len(sess.run(stacked, {x: [first, first]})) for first in (1, 50, 100, 3, 0)]
    assert sizes == [7, 1, 0, 6, 9]


def test_what_was_never_written_is_zero():
    array = tf.while_loop(
        lambda i, a: i < 3,
        lambda i, a: (i + 1, a.write(2 * i + 1, tf.cast(i + 1, tf.float32))),
        (0, growing()),
    )[1]
    assert both([array.stack()])[0].tolist() == [0, 1, 0, 2, 0, 3]


def test_an_array_that_is_measured_in_the_loop():
    array = tf.while_loop(
        lambda i, a: i < 3, lambda i, a: (i + 1, a.write(i, tf.cast(a.size(), tf.float32))), (0, growing())
    )[1]
    plan = planned(array.stack())
    assert room(plan) is None
    assert both([array.stack()])[0].tolist() == [0, 1, 2]


def test_an_array_that_two_loops_fill():
    first = counted(3)
    second = tf.while_loop(
        lambda i, a: i < 5, lambda i, a: (i + 1, a.write(i, tf.cast(i, tf.float32))), (3, first)
    )[1]
    plan = planned(first.size(), second.size())
    assert [plan.constants[v] for v in plan.fetches] == [3, 5]
    assert both([second.stack(), first.size()])[0].tolist() == [0, 1, 2, 3, 4]


def test_equal_arrays_of_other_sizes():
    a, b = growing(), growing()
    _, a, b = tf.while_loop(
        lambda i, a, b: i < 3,
        lambda i, a, b: (i + 1, a.write(i, tf.cast(i, tf.float32)), b.write(2 * i, tf.cast(i, tf.float32))),
        (0, a, b),
    )
    first, second = both([a.stack(), b.stack()])
    assert first.tolist() == [0, 1, 2]
    assert second.tolist() == [0, 0, 1, 0, 2]


def test_places_that_follow_from_data():
    place = tf.placeholder(tf.int32, [3])
    array = tf.while_loop(
        lambda i, a: i < 3, lambda i, a: (i + 1, a.write(place[i], tf.cast(i, tf.float32))), (0, growing())
    )[1]
    assert room(planned(array.stack(), feeds=[place])) is None
    assert both([array.stack()], {place: [2, 0, 1]})[0].tolist() == [1, 2, 0]


@pytest.mark.parametrize("known", [True, False])
def test_gradients_of_what_a_loop_has_written(known):
    x = tf.placeholder(tf.float32, [])
    rounds = 4 if known else tf.cast(x, tf.int32) + 2
    y = counted(rounds, x=x).stack()
    loss = tf.reduce_sum(y * y)
    grads = tf.gradients(loss, x)
    plan = planned(loss, *grads, feeds=[x])
    assert any(host_reasons(plan)) is not known
    value, grad = both([loss, *grads], {x: 2.0})
    assert (value, grad) == (14 * 4, 14 * 2 * 2)


def test_a_loop_in_a_loop():
    array = tf.while_loop(
        lambda i, total: i < 3,
        lambda i, total: (i + 1, total + tf.reduce_sum(counted(4).stack())),
        (0, 0.0),
    )[1]
    assert both([array]) == [18]


@pytest.mark.parametrize(("size", "known"), [(20, True), (_LARGEST, True), (_LARGEST + 1, False)])
def test_conditions_of_many_elements_are_followed_so_far(size, known):
    plan = planned(until(tf.ones([size]), 50).size() + 0)
    assert (room(plan) is not None and room(plan).exact) is known
