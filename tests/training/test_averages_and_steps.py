"""Moving averages of variables and tensors, and the global step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millrace as tf

MAKES = pytest.mark.parametrize("resource", [False, True], ids=["reference", "handle"])


@MAKES
def test_the_average_of_a_variable(resource: bool) -> None:
    v = tf.Variable([1.0, 2.0], name="v", use_resource=resource)
    averages = tf.train.ExponentialMovingAverage(0.5)
    update = averages.apply([v])
    shadow = averages.average(v)
    assert (shadow.name, averages.average_name(v)) == (
        "v/ExponentialMovingAverage:0",
        "v/ExponentialMovingAverage",
    )
    assert tf.moving_average_variables() == [v]
    assert not shadow.trainable
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(shadow).tolist() == [1, 2]
        session.run(v.assign([3.0, 4.0]))
        session.run(update)
        assert session.run(shadow).tolist() == [2, 3]


def test_the_average_of_a_tensor_begins_with_zero_or_is_corrected() -> None:
    x = tf.placeholder(tf.float32, [2], name="x")
    doubled = x * 2.0
    plain, corrected = (
        tf.train.ExponentialMovingAverage(0.9, zero_debias=z, name=f"a{z}") for z in (False, True)
    )
    update = tf.group(plain.apply([doubled]), corrected.apply([doubled]))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(3):
            session.run(update, {x: [1.0, 2.0]})
        found = session.run([plain.average(doubled), corrected.average(doubled)])
    np.testing.assert_allclose(found[0], np.array([2.0, 4.0]) * (1 - 0.9**3), rtol=1e-5)
    np.testing.assert_allclose(found[1], [2.0, 4.0], rtol=1e-5)


def test_the_decay_grows_with_the_number_of_updates() -> None:
    v, n = tf.Variable(0.0), tf.Variable(0)
    averages = tf.train.ExponentialMovingAverage(0.999, num_updates=n)
    update = averages.apply([v])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(v.assign(1.0))
        session.run(update)
        assert session.run(averages.average(v)) == pytest.approx(0.9)


def test_averages_to_restore() -> None:
    v, w = tf.Variable(1.0, name="v"), tf.Variable(1.0, name="w", trainable=False)
    averages = tf.train.ExponentialMovingAverage(0.5)
    averages.apply()
    averages.apply()
    assert averages.average(w) is None
    assert averages.variables_to_restore() == {
        "v/ExponentialMovingAverage": v,
        "w": w,
    }


def test_only_floating_types_have_averages() -> None:
    with pytest.raises(TypeError, match="half, float, or double"):
        tf.train.ExponentialMovingAverage(0.5).apply([tf.Variable(1)])


def test_the_global_step() -> None:
    assert tf.train.get_global_step() is None
    step = tf.train.get_or_create_global_step()
    assert (step.name, step.dtype.base_dtype) == ("global_step:0", tf.int64)
    assert tf.train.get_or_create_global_step() is tf.train.get_global_step() is step
    assert tf.get_collection(tf.GraphKeys.GLOBAL_STEP) == [step]
    assert step not in tf.trainable_variables()
    with pytest.raises(ValueError, match="already exists"):
        tf.train.create_global_step()
    with tf.Session() as session:
        session.run(step.initializer)
        assert tf.train.global_step(session, step) == 0


@pytest.mark.parametrize("value", [1.0, [1, 2]])
def test_what_is_called_global_step_must_be_an_integer_scalar(value: Any) -> None:
    tf.Variable(value, name="global_step")
    with pytest.raises(TypeError, match='Existing "global_step"'):
        tf.train.get_global_step()


def test_operations_of_moving_averages_are_those_of_1_15():
    from millrace.lib.variables.moving_averages import assign_moving_average, weighted_moving_average

    with tf.Graph().as_default() as graph, tf.Session() as session:
        v = tf.get_variable("v", [2], initializer=tf.zeros_initializer())
        moved = assign_moving_average(v, tf.constant([1.0, 2.0]), 0.9, name="Ema")
        assert (moved.name, moved.op.type, moved.op.inputs[1].name) == ("Ema:0", "Assign", "Ema/truediv:0")
        weighted_moving_average(tf.constant([1.0]), 0.9, tf.constant([2.0]))
        assert [w.op.name for w in tf.global_variables()] == [
            "v",
            "v/biased",
            "v/local_step",
            "WeightedMovingAvg/value_x_weight",
            "WeightedMovingAvg/weight",
        ]
        assert graph.get_operation_by_name("v/biased").get_attr("_class") == [b"loc:@v"]
        session.run(tf.global_variables_initializer())
        for _ in range(2):
            np.testing.assert_allclose(session.run(moved), [1.0, 2.0], rtol=1e-6)
