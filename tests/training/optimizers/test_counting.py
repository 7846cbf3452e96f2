"""What optimizers add counts for default seeds as it does in TensorFlow 1.15, where these were recorded."""

import pytest

import millrace as tf

OPT = tf.contrib.opt
DENSE = [
    (lambda: OPT.AdamWOptimizer(0.01, 0.1), 162),
    (lambda: OPT.MomentumWOptimizer(0.01, 0.1, 0.9), 132),
    (lambda: OPT.LARSOptimizer(0.1), 255),
    (lambda: OPT.LARSOptimizer(0.1, skip_list=["bias"]), 195),
    (lambda: OPT.MultitaskOptimizerWrapper(tf.train.AdamOptimizer(0.1)), 253),
    (lambda: OPT.extend_with_decoupled_weight_decay(tf.train.RMSPropOptimizer)(0.1, learning_rate=0.1), 150),
]
ROWS = [
    (lambda: OPT.LazyAdamOptimizer(0.1), False, 137),
    (lambda: OPT.LazyAdamOptimizer(0.1), True, 143),
    (lambda: OPT.AdamWOptimizer(0.01, 0.1), False, 135),
    (lambda: OPT.AdamWOptimizer(0.01, 0.1), True, 153),
    (lambda: OPT.MomentumWOptimizer(0.01, 0.1, 0.9), False, 92),
    (lambda: OPT.AdaMaxOptimizer(), False, 120),
    (lambda: OPT.NadamOptimizer(), True, 153),
    (lambda: OPT.PowerSignOptimizer(), False, 111),
    (lambda: OPT.AddSignOptimizer(), False, 109),
    (lambda: tf.train.AdamOptimizer(0.1), True, 146),
    (lambda: tf.train.GradientDescentOptimizer(0.1), True, 77),
]


def inputs():
    """The placeholders that the graphs in which this was recorded had."""
    with tf.name_scope("inputs"):
        x = tf.placeholder(tf.float32, [None, 5])
        y, rows = tf.placeholder(tf.float32, [None, 1]), tf.placeholder(tf.int32, [None])
        for _ in range(5):
            tf.placeholder(tf.float32)
    return x, y, rows


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        yield


@pytest.mark.parametrize(("make", "seed"), DENSE)
def test_a_network(make, seed):
    x, y, _ = inputs()
    loss = tf.reduce_mean(tf.square(tf.layers.dense(tf.layers.dense(x, 4, tf.nn.relu), 1) - y))
    make().minimize(loss)
    assert tf.get_seed(None)[1] == seed


@pytest.mark.parametrize(("make", "resource", "seed"), ROWS)
def test_rows(make, resource, seed):
    _, _, rows = inputs()
    table = tf.get_variable("t", [10, 3], use_resource=resource)
    make().minimize(tf.reduce_sum(tf.nn.embedding_lookup(table, rows) ** 2))
    assert tf.get_seed(None)[1] == seed


@pytest.mark.parametrize("resource", [False, True])
def test_many_ones(resource):
    inputs()
    v = tf.get_variable("v", [50, 40], use_resource=resource)
    tf.train.RMSPropOptimizer(0.1).minimize(tf.reduce_sum(v * v))
    assert tf.get_seed(None)[1] == (57 if resource else 52)


def test_replicas():
    x, y, _ = inputs()
    loss = tf.reduce_mean(tf.square(tf.layers.dense(tf.layers.dense(x, 4, tf.nn.relu), 1) - y))
    optimizer = tf.train.SyncReplicasOptimizer(tf.train.AdamOptimizer(0.1), 2)
    optimizer.minimize(loss, tf.train.get_or_create_global_step())
    assert tf.get_seed(None)[1] == 226


def test_noise_on_rows_makes_a_gradient_dense():
    _, _, rows = inputs()
    step = tf.train.get_or_create_global_step()
    loss = tf.reduce_sum(tf.nn.embedding_lookup(tf.get_variable("t", [10, 3]), rows) ** 2)
    tf.contrib.layers.optimize_loss(loss, step, 0.1, "Adam", gradient_noise_scale=0.1)
    assert tf.get_seed(None)[1] == 131
