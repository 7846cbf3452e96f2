"""Tests of tf.contrib.layers.optimize_loss and tf.contrib.slim.learning."""

import numpy as np
import pytest

import millrace as tf

learning = tf.contrib.slim.learning


def _values(build, *fetches):
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.train.get_or_create_global_step()
        v = tf.get_variable("v", initializer=[3.0, 4.0])
        train = build(tf.reduce_sum(v * v), step)
        session.run(tf.global_variables_initializer())
        loss = session.run(train)
        tags = [s.op.name for s in tf.get_collection(tf.GraphKeys.SUMMARIES)]
        return loss, session.run(v), session.run(step), tags


@pytest.mark.parametrize(
    "optimizer", ["SGD", tf.train.GradientDescentOptimizer, lambda r: tf.train.GradientDescentOptimizer(r)]
)
def test_optimize_loss(optimizer):
    loss, v, step, tags = _values(lambda loss, s: tf.contrib.layers.optimize_loss(loss, s, 0.1, optimizer))
    assert loss == 25 and step == 1
    np.testing.assert_allclose(v, [2.4, 3.2], rtol=1e-6)
    assert tags == [f"OptimizeLoss/{n}" for n in ("global_norm/gradient_norm", "loss")]


def test_gradients_are_multiplied_and_clipped():
    _, v, step, _ = _values(
        lambda loss, s: tf.contrib.layers.optimize_loss(
            loss, s, 1.0, "SGD", gradient_multipliers={"v:0": 10.0, "v": 7.0}, clip_gradients=1.0,
            increment_global_step=False, summaries=[], learning_rate_decay_fn=lambda r, s: r * 0.5,
        )
    )  # fmt: skip
    np.testing.assert_allclose(v, [3 - 0.3, 4 - 0.4], rtol=1e-6)
    assert step == 0


def test_slim_multiplies_by_names_of_operations_in_scopes():
    _, v, _, _ = _values(
        lambda loss, _: learning.create_train_op(
            loss,
            tf.train.GradientDescentOptimizer(1.0),
            clip_gradient_norm=1,
            gradient_multipliers={"v": 0.01},
        )
    )
    np.testing.assert_allclose(v, [3 - 0.06, 4 - 0.08], rtol=1e-6)
    with tf.Graph().as_default() as graph:
        v = tf.get_variable("v", initializer=[3.0])
        tf.train.create_global_step()
        learning.create_train_op(
            v[0],
            tf.train.GradientDescentOptimizer(1.0),
            clip_gradient_norm=1,
            gradient_multipliers={"v": 1.0},
        )
    scopes = {o.name.split("/")[0] for o in graph.get_operations()}
    assert {"multiply_grads", "clip_grads"} <= scopes and "mul" not in scopes


def test_create_train_op_runs_updates_and_counts():
    def build(loss, _):
        count = tf.get_variable("count", initializer=0, trainable=False)
        tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, tf.assign_add(count, 1))
        return learning.create_train_op(
            loss, tf.train.GradientDescentOptimizer(1.0), clip_gradient_norm=5, summarize_gradients=True
        )

    loss, v, step, tags = _values(build)
    assert (loss, step) == (25, 1)
    assert tags == ["summarize_grads/v_gradient", "summarize_grads/v_gradient_norm"]
    np.testing.assert_allclose(v, [0, 0], atol=1e-6)


def test_refusals():
    optimize = tf.contrib.layers.optimize_loss
    with pytest.raises(ValueError, match="Received: 'None'"):
        _values(lambda loss, s: optimize(loss, s, 0.1, "None"))
    with pytest.raises(ValueError, match="at least 0"):
        _values(lambda loss, s: optimize(loss, s, -1, "SGD"))
    with pytest.raises(ValueError, match="summaries"):
        _values(lambda loss, s: optimize(loss, s, 0.1, "SGD", summaries=["x"]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="inf or nan"):
        _values(lambda loss, s: learning.create_train_op(loss / 0.0, tf.train.GradientDescentOptimizer(0.1)))


def test_summaries_of_collections():
    with tf.Graph().as_default(), tf.Session() as session:
        net = tf.contrib.layers.fully_connected(tf.ones([2, 3]), 4, outputs_collections="activations")
        tf.contrib.layers.summarize_activations()
        tf.contrib.layers.summarize_collection("trainable_variables", "fully_connected/b")
        assert [s.op.name for s in tf.get_collection("summaries")] == [
            "fully_connected/Relu/zeros", "fully_connected/Relu/activation", "fully_connected/biases_summary",
        ]  # fmt: skip
        session.run(tf.global_variables_initializer())
        assert session.run(tf.summary.merge_all()) and net.shape.as_list() == [2, 4]
        analyzed = tf.contrib.slim.model_analyzer.analyze_vars(tf.trainable_variables())
        assert analyzed == (16, 64)


def test_create_train_op_trains_what_is_trainable(caplog):
    with tf.Graph().as_default():
        v = tf.Variable([1.0, 2.0])
        fixed = tf.Variable(1.0, trainable=False)
        loss, optimizer = tf.reduce_sum(v) * fixed, tf.train.GradientDescentOptimizer(0.1)
        for wrong in ([], [fixed]):
            with pytest.raises(AssertionError, match="must be trainable"):
                tf.contrib.training.create_train_op(loss, optimizer, variables_to_train=wrong)
        tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, tf.no_op())
        with caplog.at_level("WARNING", "tensorflow"):
            tf.contrib.slim.learning.create_train_op(loss, optimizer, update_ops=[])
        assert "does not contain all the update_ops" in caplog.text
