"""Parts of a step that take what an iterator gives are planned for the shapes that come again."""

import numpy as np
import pytest

import millrace as tf
from millrace.runtime import shaped


@pytest.fixture
def planned(monkeypatch):
    """The shapes for which a part was planned, in order."""
    found = []
    simplify = shaped.simplify

    def noted(plan, dims):
        found.append(dims)
        return simplify(plan, dims)

    monkeypatch.setattr(shaped, "simplify", noted)
    return found


def _mean_of_rows(data):
    x = tf.data.make_one_shot_iterator(data).get_next()
    w = tf.get_variable("w", [2, 1], initializer=tf.ones_initializer())
    rows = tf.shape(x)[0]
    loss = tf.reduce_mean(tf.square(tf.matmul(tf.reshape(x, [rows, 2]), w)))
    return tf.train.GradientDescentOptimizer(0.125).minimize(loss), loss, rows


def _run(data, count, session):
    step, loss, rows = _mean_of_rows(data)
    session.run(tf.global_variables_initializer())
    return [session.run([step, loss, rows])[1:] for _ in range(count)]


def test_a_shape_that_comes_again_gets_a_plan(planned):
    data = tf.data.Dataset.from_tensor_slices(np.ones([7, 2], np.float32)).batch(3).repeat()
    with tf.Session() as session:
        found = _run(data, 9, session)
    assert planned == [[(3, 2)], [(1, 2)]]
    assert [rows for _, rows in found] == [3, 3, 1] * 3
    assert [loss for loss, _ in found] == [4.0 / 4**k for k in range(9)]


def test_too_many_shapes_share_one_plan(planned):
    def one_more(x):
        return tf.ones([x + 1, 2])

    data = tf.data.Dataset.range(6).repeat().map(one_more)
    with tf.Session() as session:
        found = _run(data, 18, session)
    assert len(planned) == 4
    assert [rows for _, rows in found] == [1, 2, 3, 4, 5, 6] * 3


def test_a_failure_in_a_planned_part_names_its_operation(planned):
    data = tf.data.Dataset.from_tensor_slices([1, 1, 2, 2, 1, 9]).batch(2)
    x = tf.data.make_one_shot_iterator(data).get_next()
    for _ in range(8):
        x = x + tf.shape(x)[0] - 2
    chosen = tf.gather([0.0, 1.0, 2.0], x, name="chosen")
    with tf.Session() as session:
        assert session.run(chosen).tolist() == [1.0, 1.0]
        assert session.run(chosen).tolist() == [2.0, 2.0]
        with pytest.raises(tf.errors.InvalidArgumentError, match="9 is not in") as failure:
            session.run(chosen)
    assert failure.value.op.name == "chosen"
    assert planned
