"""`contrib.estimator.replicate_model_fn`: several copies train as one."""

import numpy as np
import pytest

import millrace as tf

CE = tf.contrib.estimator
X = np.arange(16, dtype=np.float32).reshape(8, 2) / 16
Y = X.sum(1, keepdims=True)
TWO = ["/cpu:0", "/cpu:0"]


def _input():
    return tf.data.Dataset.from_tensor_slices(({"x": X}, Y)).batch(8).repeat()


def _model(make):
    def model_fn(features, labels, mode):
        w = tf.get_variable("w", [2, 1], initializer=tf.constant_initializer([[0.1], [0.2]]))
        start = tf.glorot_uniform_initializer(seed=1)
        p = tf.matmul(tf.layers.dense(features["x"], 2, tf.nn.tanh, name="d", kernel_initializer=start), w)
        if mode == "infer":
            outputs = {"serving_default": tf.estimator.export.PredictOutput({"p": p})}
            return tf.estimator.EstimatorSpec(mode, {"p": p}, export_outputs=outputs)
        loss = tf.losses.mean_squared_error(labels, p)
        step = make().minimize(loss, tf.train.get_global_step()) if mode == "train" else None
        metrics = {"m": tf.metrics.mean(p), "mae": tf.metrics.mean_absolute_error(labels, p)}
        return tf.estimator.EstimatorSpec(mode, {"p": p}, loss, step, metrics)

    return model_fn


def _descent():
    return CE.TowerOptimizer(tf.train.GradientDescentOptimizer(0.3))


def _momentum():
    return CE.TowerOptimizer(lambda: tf.train.MomentumOptimizer(0.1, 0.9))


@pytest.mark.parametrize(
    ("make", "options", "found"),
    [
        (_descent, {}, {"loss": 0.03649, "m": 0.93315, "mae": 0.15387}),
        (_descent, {"devices": TWO}, {"loss": 0.03649, "m": 0.93315, "mae": 0.15387}),
        (
            _descent,
            {"devices": TWO, "loss_reduction": tf.losses.Reduction.SUM},
            {"loss": 0.03493, "m": 0.91243, "mae": 0.11364},
        ),
        (_momentum, {"devices": TWO}, {"loss": 0.12164, "m": 1.24305, "mae": 0.30555}),
    ],
)
def test_training(make, options, found, tmp_path):
    config = tf.estimator.RunConfig(tf_random_seed=1)
    replicated = CE.replicate_model_fn(_model(make), **options)
    model = tf.estimator.Estimator(replicated, str(tmp_path), config, {})
    model.train(_input, steps=4)
    assert model.evaluate(_input, steps=2) == pytest.approx({**found, "global_step": 4}, abs=2e-5)
    shown = [p["p"] for _, p in zip(range(8), model.predict(_input), strict=False)]
    assert np.shape(shown) == (8, 1)


def test_rows_are_summed():
    def model_fn(features, labels, mode):
        table = tf.get_variable("t", [4, 1], initializer=tf.zeros_initializer())
        p = tf.nn.embedding_lookup(table, features)
        loss = tf.losses.mean_squared_error(labels, p)
        step = _descent().minimize(loss, tf.train.get_global_step())
        return tf.estimator.EstimatorSpec(mode, p, loss, step)

    tf.train.create_global_step()
    replicated = CE.replicate_model_fn(model_fn, devices=TWO)
    spec = replicated(tf.constant([0, 1, 1, 3]), tf.ones([4, 1]), "train")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(spec.train_op)
        rows = session.run(tf.global_variables()[1])
    np.testing.assert_allclose(rows[:, 0], [0.15, 0.3, 0.0, 0.15], rtol=1e-6)
    assert CE.TowerOptimizer.has_been_used()


def test_refused(tmp_path):
    with pytest.raises(ValueError, match="none reduction"):
        CE.replicate_model_fn(_model(_descent), tf.losses.Reduction.NONE)
    plain = CE.replicate_model_fn(_model(lambda: tf.train.GradientDescentOptimizer(0.1)), devices=TWO)
    with pytest.raises(ValueError, match="wrap optimizers with TowerOptimizer"):
        tf.estimator.Estimator(plain, str(tmp_path)).train(_input, steps=1)


def test_an_optimizer_is_itself_without_copies():
    v = tf.Variable(1.0)
    optimizer = CE.TowerOptimizer(tf.train.AdamOptimizer(0.1))
    step = optimizer.minimize(v * v)
    assert optimizer.get_name() == "Adam"
    assert optimizer.get_slot_names() == ["m", "v"]
    assert len(optimizer.variables()) == 4
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(step)
        assert session.run(v) == pytest.approx(0.9)
