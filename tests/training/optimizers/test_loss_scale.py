"""Scales of losses, and the optimizer of `tf.train` that heeds them."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf

scales = tf.train.experimental


def _run(make, feeds):
    with tf.Graph().as_default():
        v = tf.get_variable("v", initializer=[1.0, 2.0])
        x = tf.placeholder(tf.float32, [2])
        optimizer = make()
        step = optimizer.minimize(tf.reduce_sum(v * v * x), global_step=tf.train.get_or_create_global_step())
        assert tf.get_collection("train_op") == [step]
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            found = []
            for feed in feeds:
                sess.run(step, {x: feed})
                found.append({w.op.name: np.asarray(sess.run(w)).tolist() for w in tf.global_variables()})
        return step.name, optimizer, found


def test_a_fixed_scale_changes_no_step():
    name, _, scaled = _run(
        lambda: scales.MixedPrecisionLossScaleOptimizer(tf.train.MomentumOptimizer(0.1, 0.9), 4.0),
        [[1, 1], [2, 3]],
    )
    _, _, plain = _run(lambda: tf.train.MomentumOptimizer(0.1, 0.9), [[1, 1], [2, 3]])
    assert name == "Momentum"
    for a, b in zip(scaled, plain, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_allclose(a[key], b[key], rtol=1e-6)


def test_a_dynamic_scale_grows_and_shrinks():
    name, optimizer, found = _run(
        lambda: scales.MixedPrecisionLossScaleOptimizer(
            tf.train.MomentumOptimizer(0.1, 0.9), scales.DynamicLossScale(4, 2, 2.0)
        ),
        [[1, 1], [1, 1], [np.inf, 1], [2, 3]],
    )
    assert name == "Momentum"
    assert [(f["current_loss_scale"], f["good_steps"], f["global_step"]) for f in found] == [
        (4.0, 1, 1),
        (8.0, 0, 2),
        (4.0, 0, 2),
        (4.0, 1, 3),
    ]
    assert found[1]["v"] == found[2]["v"]
    np.testing.assert_allclose(found[3]["v"], [-0.03, -0.2439999], rtol=1e-5)
    assert optimizer.get_slot_names() == ["momentum"]


def test_a_scale_stays_at_least_one():
    loss_scale = scales.DynamicLossScale(4, 2, 2.0)
    gradient = tf.placeholder(tf.float32, [2])
    update, fit = loss_scale.update([gradient, None])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        seen = []
        for value in ([1, 1], [1, 1], [np.nan, 1], [np.inf, 1], [1, np.inf], [1, np.nan]):
            flag = sess.run([fit, update], {gradient: value})[0]
            seen.append((bool(flag), float(sess.run(loss_scale()))))
    assert seen == [(True, 4.0), (True, 8.0), (False, 4.0), (False, 2.0), (False, 1.0), (False, 1.0)]


def test_scales_are_described_and_made_again():
    made = scales.DynamicLossScale(4, 3, 2)
    assert repr(made) == "DynamicLossScale(initial_loss_scale=4.0, increment_period=3, multiplier=2.0)"
    again = scales.DynamicLossScale.from_config(made.get_config())
    assert (again.initial_loss_scale, again.increment_period, again.multiplier) == (4.0, 3, 2.0)
    assert repr(scales.FixedLossScale(4)) == "FixedLossScale(4.0)"
    assert scales.FixedLossScale(4).get_config() == {"loss_scale_value": 4.0}


@pytest.mark.parametrize(("value", "rule"), [(0, "at least 1"), ("a", "Python int or float")])
def test_a_fixed_scale_is_a_number(value, rule):
    with pytest.raises(ValueError, match=rule):
        scales.FixedLossScale(value)


def test_a_scale_of_ones_own_says_how_it_changes():
    with pytest.raises(TypeError, match="abstract"):
        scales.LossScale()

    class Halved(scales.LossScale):
        def __init__(self):
            super().__init__()
            self.now = self._add_weight("now", 8.0)

        def __call__(self):
            return self.now.value()

        def update(self, grads):
            return self.now.assign(self.now / 2).op, True

        def get_config(self):
            return {}

    _, _, found = _run(
        lambda: scales.MixedPrecisionLossScaleOptimizer(tf.train.GradientDescentOptimizer(0.1), Halved()),
        [[1, 1], [1, 1]],
    )
    assert [f["now"] for f in found] == [4.0, 2.0]
    np.testing.assert_allclose(found[1]["v"], [0.64, 1.28], rtol=1e-6)
    loss_scale = Halved()
    with pytest.raises(RuntimeError, match="now"):
        loss_scale._add_weight("now", 1.0)


def test_a_checkpoint_of_objects_holds_the_scale(tmp_path):
    optimizer = scales.MixedPrecisionLossScaleOptimizer(tf.train.GradientDescentOptimizer(0.1), "dynamic")
    saved = tf.train.Checkpoint(optimizer=optimizer)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        path = saved.save(str(tmp_path / "x"), session=sess)
    names = [n for n, _ in tf.train.list_variables(path)]
    assert "optimizer/loss_scale/current_loss_scale/.ATTRIBUTES/VARIABLE_VALUE" in names


def test_what_is_refused():
    with pytest.raises(ValueError, match="instance of Optimizer"):
        scales.MixedPrecisionLossScaleOptimizer("sgd", 16)
    with pytest.raises(TypeError, match="loss_scale must be given"):
        scales.MixedPrecisionLossScaleOptimizer(tf.train.GradientDescentOptimizer(0.1), None)
