"""`tf.contrib.opt`: numbers of TensorFlow 1.15, dense and sparse, for both kinds of variables."""

import os

import numpy as np
import pytest

import millrace as tf

opt = tf.contrib.opt


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield


def steps(optimizer, gradient, count=2, use_resource=False):
    v = tf.get_variable("v", initializer=[[1.0, -2.0], [3.0, 0.5]], use_resource=use_resource)
    train = optimizer.apply_gradients([(gradient, v)])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(count):
            sess.run(train)
        return sess.run(v)


def dense():
    return tf.constant([[0.1, 0.2], [0.3, -0.4]])


def sparse():
    return tf.IndexedSlices(tf.constant([[0.1, 0.2], [0.1, 0.1]]), tf.constant([1, 1]), tf.constant([2, 2]))


EVERY = {
    "adamw": lambda: opt.AdamWOptimizer(0.01, 0.1),
    "momentumw": lambda: opt.MomentumWOptimizer(0.01, 0.1, 0.9),
    "lazy": lambda: opt.LazyAdamOptimizer(0.1),
    "nadam": lambda: opt.NadamOptimizer(0.1),
    "adamax": lambda: opt.AdaMaxOptimizer(0.1),
    "addsign": lambda: opt.AddSignOptimizer(0.1),
    "powersign": lambda: opt.PowerSignOptimizer(0.1),
    "lars": lambda: opt.LARSOptimizer(0.1, weight_decay=0.5, eeta=1.0),
    "adamgs": lambda: opt.AdamGSOptimizer(0, 0.1),
    "lazygs": lambda: opt.LazyAdamGSOptimizer(0, 0.1),
    "multitask": lambda: opt.MultitaskOptimizerWrapper(tf.train.MomentumOptimizer(0.1, 0.9)),
    "extended": lambda: opt.extend_with_decoupled_weight_decay(tf.train.AdagradOptimizer)(
        0.01, learning_rate=0.1
    ),
}


@pytest.mark.parametrize("kind", sorted(EVERY))
@pytest.mark.parametrize("gradient", [dense, sparse])
def test_both_kinds_of_variables_move_alike(kind, gradient):
    with tf.Graph().as_default():
        plain = steps(EVERY[kind](), gradient(), 3)
    with tf.Graph().as_default():
        np.testing.assert_allclose(steps(EVERY[kind](), gradient(), 3, True), plain, rtol=1e-6)
    if gradient is sparse and kind != "multitask":
        assert plain[0].tolist() == [1, -2]


def test_rates_by_norms():
    v = steps(opt.LARSOptimizer(0.1, momentum=0.9, weight_decay=0.5, eeta=1.0), dense(), 1)
    weights = np.array([[1, -2], [3, 0.5]])
    g = np.array([[0.1, 0.2], [0.3, -0.4]])
    norm, slope = np.linalg.norm(weights), np.linalg.norm(g)
    rate = 0.1 * norm / (slope + 0.5 * norm)
    np.testing.assert_allclose(v, weights - rate * (g + 0.5 * weights), rtol=1e-6)
    with tf.Graph().as_default():
        plain = steps(opt.LARSOptimizer(0.1, skip_list=["v"]), dense(), 1)
        np.testing.assert_allclose(plain, weights - 0.1 * g, rtol=1e-6)
    with pytest.raises(ValueError, match="momentum"):
        opt.LARSOptimizer(0.1, momentum=-1.0)


def test_weights_decay_only_where_wanted():
    v, w = tf.Variable(1.0, name="v"), tf.Variable(1.0, name="w")
    loss = tf.stop_gradient(v) * 0 + v * 0.0 + w * 0.0
    optimizer = opt.AdamWOptimizer(0.25, 0.1)
    train = optimizer.apply_gradients(optimizer.compute_gradients(loss), decay_var_list=[v])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        assert sess.run([v, w]) == [0.75, 1.0]
        train = opt.AdamWOptimizer(0.5, 0.1).minimize(loss, decay_var_list=[v])  # as in 1.15: all of them
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        assert sess.run([v, w]) == [0.5, 0.5]


def test_averages_are_saved_in_place_of_variables(tmp_path):
    v = tf.Variable([1.0, 2.0], name="v")
    optimizer = opt.MovingAverageOptimizer(tf.train.GradientDescentOptimizer(0.1), 0.9)
    with pytest.raises(RuntimeError, match="before creating"):
        optimizer.swapping_saver()
    train = optimizer.minimize(tf.reduce_sum(tf.square(v)))
    saver = optimizer.swapping_saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(3):
            sess.run(train)
        path = saver.save(sess, os.path.join(tmp_path, "m"))
        np.testing.assert_allclose(sess.run(v), [0.512, 1.024], rtol=1e-5)
    np.testing.assert_allclose(tf.train.load_variable(path, "v"), [0.9026, 1.8052], rtol=1e-5)
    found = tf.train.load_variable(path, "v/ExponentialMovingAverage")
    np.testing.assert_allclose(found, [0.512, 1.024], rtol=1e-5)


def test_variables_are_clipped():
    v = steps(None or _clipping(), dense(), 1)
    assert np.linalg.norm(v, axis=1).max() <= 0.5 + 1e-6


def _clipping():
    class Around(opt.VariableClippingOptimizer):
        def apply_gradients(self, grads_and_vars, global_step=None, name=None):
            self._clip_dims = {grads_and_vars[0][1]: [1]}
            return super().apply_gradients(grads_and_vars, global_step, name)

    return Around(tf.train.GradientDescentOptimizer(0.1), {}, 0.5)


def test_old_gradients_are_dropped():
    step = tf.train.get_or_create_global_step()
    v = tf.Variable(1.0)
    optimizer = opt.DropStaleGradientOptimizer(tf.train.GradientDescentOptimizer(0.1), 2)
    train = optimizer.minimize(tf.square(v), global_step=step)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        assert sess.run([v, step]) == [np.float32(0.8), 1]
    with pytest.raises(ValueError, match="Global step"):
        optimizer.apply_gradients([(tf.constant(1.0), v)])


def test_tasks_that_take_turns():
    v = tf.Variable([1.0, 2.0])
    optimizer = opt.MultitaskOptimizerWrapper(tf.train.MomentumOptimizer(0.1, 0.9))
    fed = tf.placeholder(tf.float32, [2])
    train = optimizer.apply_gradients([(fed, v)])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train, {fed: [1.0, 1.0]})
        before = sess.run(v)
        sess.run(train, {fed: [0.0, 0.0]})
        assert sess.run(v).tolist() == before.tolist()
    with pytest.raises(TypeError, match="Optimizer"):
        opt.MultitaskOptimizerWrapper(3)
    given = [(tf.constant([3.0, 4.0]), v), (None, v), (tf.zeros([2]), v)]
    pairs, norm = opt.clip_gradients_by_global_norm(given, 1.0)
    assert pairs[1] == (None, v) and [pair[1] for pair in pairs] == [v] * 3
    with tf.Session() as sess:
        (clipped, nothing), length = sess.run([[pairs[0][0], pairs[2][0]], norm])
        np.testing.assert_allclose(clipped, [0.6, 0.8], rtol=1e-6)
        assert nothing.tolist() == [0.0, 0.0] and length == 5.0


def test_scipy_minimizes():
    pytest.importorskip("scipy")
    v = tf.Variable([7.0, 7.0])
    loss = tf.reduce_sum(tf.square(v))
    losses = []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        opt.ScipyOptimizerInterface(loss, var_to_bounds={v: ([1, 2], np.inf)}).minimize(
            sess, fetches=[loss], loss_callback=losses.append
        )
        np.testing.assert_allclose(sess.run(v), [1, 2], rtol=1e-4)
        assert losses
        constrained = opt.ScipyOptimizerInterface(
            loss, equalities=[v[0] + v[1] - 4.0], inequalities=[v[0] - 3.0]
        )
        constrained.minimize(sess)
        np.testing.assert_allclose(sess.run(v), [3, 1], rtol=1e-4)


def test_clipped_updates_bear_their_name():
    v = tf.Variable([3.0, 4.0])
    optimizer = opt.VariableClippingOptimizer(tf.train.GradientDescentOptimizer(0.1), {v: [0]}, 1.0)
    assert optimizer.apply_gradients([(tf.ones([2]), v)], name="go").name == "go"
