"""Shampoo, and optimizers of workers with copies of their own: numbers of TensorFlow 1.15."""

import numpy as np
import pytest

import millrace as tf

opt = tf.contrib.opt


def _loss(getter=None):
    with tf.variable_scope("m", custom_getter=getter):
        start = tf.constant_initializer(np.arange(6).reshape(3, 2) / 10.0)
        w = tf.get_variable("w", [3, 2], initializer=start)
        b = tf.get_variable("b", [2], initializer=tf.constant_initializer([0.1, 0.2]))
    x = tf.constant(np.arange(12).reshape(4, 3) / 12.0, tf.float32)
    return tf.reduce_mean(tf.square(tf.matmul(x, w) + b - 1.0))


def _names(collection):
    return [v.op.name for v in tf.get_collection(collection)]


@pytest.mark.parametrize(
    ("arguments", "losses"),
    [
        ({}, [2.443366, 0.296494, 1.135099]),
        ({"use_iterative_root": True}, [2.443361, 0.296556, 1.135051]),
        ({"max_matrix_size": 2}, [3.539447, 0.284626, 1.339092]),
        ({"alpha": 0.25, "epsilon": 0.1}, [0.449746, 0.444240, 0.293812]),
        (
            {
                "gbar_decay": 0.9,
                "gbar_weight": 0.1,
                "mat_gbar_decay": lambda step: 0.9,
                "mat_gbar_weight": 0.1,
                "learning_rate": 0.1,
            },
            [0.235310, 0.181346, 0.135848],
        ),
    ],
)
def test_shampoo(arguments, losses):
    loss = _loss()
    step = opt.ShampooOptimizer(**arguments).minimize(loss)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        found = [(session.run(step), session.run(loss))[1] for _ in range(3)]
    assert found == pytest.approx(losses, rel=5e-4)


def test_shampoo_waits_between_updates():
    loss, count = _loss(), tf.train.get_or_create_global_step()
    optimizer = opt.ShampooOptimizer(count, svd_interval=2, precond_update_interval=3)
    step = optimizer.minimize(loss, count)
    assert _names("variables")[3:8] == [f"m/w/Shampoo{k}" for k in ("", "_1", "_2", "_3", "_4")]
    root, total = (optimizer.get_slot(tf.trainable_variables()[0], name) for name in ("H_0", "Gbar_0"))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        found = [(session.run(step), session.run(loss))[1] for _ in range(2)]
        assert found == pytest.approx([0.1760877, 3001.669], rel=1e-4)
        np.testing.assert_allclose(session.run(root), 10 * np.eye(3), rtol=1e-4)
        assert not session.run(total).any()
        session.run(step)
        assert session.run(total).all()


def test_shampoo_adds_rows_up():
    w = tf.get_variable("e", [5, 2], initializer=tf.constant_initializer(np.arange(10).reshape(5, 2) / 10.0))
    loss = tf.reduce_mean(tf.square(tf.nn.embedding_lookup(w, [1, 3, 1]) - 1.0))
    step = opt.ShampooOptimizer().minimize(loss)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        found = [(session.run(step), session.run(loss))[1] for _ in range(2)]
    assert found == pytest.approx([0.3118129, 0.1245336], rel=1e-4)


def _run(getter, make, hook, steps=3):
    """The losses after each step, the global step at last, and the variables that are global."""
    count = tf.train.get_or_create_global_step()
    loss = _loss(getter)
    optimizer = make(getter)
    step = optimizer.apply_gradients(optimizer.compute_gradients(loss), count)
    everywhere = _names("variables")
    with tf.train.MonitoredSession(hooks=[hook(optimizer)]) as session:
        found = []
        for _ in range(steps):
            session.run(step)
            found.append(session.run(loss))
        return found, session.run(count), everywhere


SGD, MOMENTUM = tf.train.GradientDescentOptimizer, tf.train.MomentumOptimizer
CENTERS = ["global_step", "global_center_variable/m/w", "global_center_variable/m/b"]


@pytest.mark.parametrize(
    ("arguments", "losses"),
    [
        ({}, [0.0920015, 0.1738013, 0.0938068]),
        ({"rho": 0.5}, [0.0920015, 0.1506186, 0.0868241]),
        ({"synchronous": True}, [0.0920015, 0.1738013, 0.0938068]),
    ],
)
def test_elastic_averages(arguments, losses):
    def make(getter):
        return opt.ElasticAverageOptimizer(SGD(0.5), 1, getter, communication_period=2, **arguments)

    getter = opt.ElasticAverageCustomGetter("/cpu:0")
    found, count, everywhere = _run(getter, make, lambda o: o.make_session_run_hook(True, 0))
    assert found == pytest.approx(losses, rel=1e-4)
    assert (count, everywhere) == (1, CENTERS)
    assert _names("local_variables")[:2] == ["m/w", "local_center_variable/m/w"]


def test_a_saver_of_centers(tmp_path):
    getter = opt.ElasticAverageCustomGetter("/cpu:0")
    loss, count = _loss(getter), tf.train.get_or_create_global_step()
    optimizer = opt.ElasticAverageOptimizer(MOMENTUM(0.1, 0.9), 1, getter, communication_period=1)
    step = optimizer.minimize(loss, count)
    assert _names("local_variables")[-2:] == ["m/w/Momentum", "m/b/Momentum"]
    saver = optimizer.swapping_saver()
    with tf.Session() as session:
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        session.run(step)
        path = saver.save(session, str(tmp_path / "m"))
        center = session.run(tf.get_default_graph().get_tensor_by_name("global_center_variable/m/w:0"))
    np.testing.assert_array_equal(tf.train.load_variable(path, "m/w"), center)


@pytest.mark.parametrize(
    ("inner", "period", "losses"),
    [
        (lambda: SGD(0.5), 2, [0.0920015, 0.1361936, 0.0784304]),
        (lambda: tf.train.AdamOptimizer(0.1), 1, [0.1775846, 0.1334164, 0.1227112]),
    ],
)
def test_accumulated_gradients(inner, period, losses):
    def make(getter):
        return opt.AGNOptimizer(inner(), 1, getter, communication_period=period)

    found, count, _ = _run(opt.AGNCustomGetter("/cpu:0"), make, lambda o: o.make_session_run_hook(True, 0))
    assert found == pytest.approx(losses, rel=1e-4)
    assert count == 3 // period


def test_model_averages():
    def make(getter):
        return opt.ModelAverageOptimizer(SGD(0.5), 1, True, getter, interval_steps=2)

    found, count, everywhere = _run(
        opt.ModelAverageCustomGetter("/cpu:0"), make, lambda o: o.make_session_run_hook()
    )
    assert found == pytest.approx([0.0920015, 0.0773166, 0.0670871], rel=1e-4)
    assert (count, everywhere) == (1, CENTERS)


@pytest.mark.parametrize("kind", ["ElasticAverage", "AGN", "ModelAverage"])
def test_the_global_step_is_needed(kind):
    getter = getattr(opt, f"{kind}CustomGetter")("/cpu:0")
    loss = _loss(getter)
    chief = [True] if kind == "ModelAverage" else []
    optimizer = getattr(opt, f"{kind}Optimizer")(SGD(0.5), 1, *chief, getter)
    with pytest.raises(ValueError, match="global_step is required"):
        optimizer.minimize(loss)
