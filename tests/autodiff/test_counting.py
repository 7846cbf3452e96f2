"""What is added after `tf.gradients` has the seeds that it has in TensorFlow 1.15, whose gradients are
other operations: the numbers below were recorded there.
"""

import pytest

import millrace as tf

CASES = [
    ("tf.gradients(m + m, m)", 10),
    ("tf.gradients(m + m[0], m)", 23),
    ("tf.gradients(m[:, :1] + m[:1], m)", 33),
    ("tf.gradients(m * m[0] + m[0], m)", 36),
    ("tf.gradients(x * x, x)", 19),
    ("tf.gradients(tf.maximum(x, 0.0), x)", 23),
    ("tf.gradients(m**2, m)", 33),
    ("tf.gradients(tf.reduce_sum(m, 1), m)", 31),
    ("tf.gradients(tf.reduce_sum(m, 1) + tf.reduce_sum(m * 2, 1), m)", 50),
    ("tf.gradients(tf.reduce_sum(m, []), m)", 32),
    ("tf.gradients(tf.reduce_mean(m), m)", 16),
    ("tf.gradients(tf.reduce_mean(x, 1), x)", 37),
    ("tf.gradients(tf.reduce_prod(m, 1), m)", 59),
    ("tf.gradients(x / tf.cast(tf.shape(x)[0], tf.float32), x)", 27),
    ("tf.gradients(tf.ones_like(x) * x, x)", 21),
    ("tf.gradients(tf.losses.mean_squared_error(x, x * 2), x)", 93),
    ("tf.gradients([x * x, x + 1], x)", 31),
    ("tf.gradients(x * x, x, grad_ys=x)", 17),
    ("tf.gradients(tf.concat([m, x[:, :4]], 0), [m, x])", 24),
    ("tf.gradients(tf.gather(m, rows), m)", 23),
    ("tf.gradients(tf.reduce_sum(tf.gather(m, rows)) + tf.reduce_sum(m * m), m)", 45),
    ("tf.gradients(tf.unsorted_segment_max(x, rows, 3), x)", 35),
    ("tf.gradients(tf.layers.conv2d(sequence[..., None], 2, 3), tf.trainable_variables())", 33),
    ("tf.gradients(tf.nn.softmax_cross_entropy_with_logits(labels=m, logits=x[:, :4]), x)", 59),
    ("tf.gradients(tf.cholesky(m), m)", 42),
    ("tf.gradients(tf.self_adjoint_eigvals(m), m)", 24),
    ("tf.gradients(tf.nn.top_k(x, 2)[0], x)", 53),
    ("tf.gradients(tf.image.resize_nearest_neighbor(tf.reshape(m, [1, 4, 4, 1]), [2, 2]), m)", 16),
    ("tf.gradients(tf.cond(flag, lambda: x * x, lambda: x * 2), x)", 51),
    ("tf.gradients(tf.cond(flag, lambda: tf.exp(x), lambda: m[:, :1]), [x])", 28),
    ("tf.gradients(tf.layers.batch_normalization(x, training=flag), tf.trainable_variables())", 102),
    ("tf.gradients(thrice(lambda a: a * a, x), x)", 79),
    (
        "tf.gradients(thrice(lambda a: tf.matmul(a, m), m), m)",
        69,
    ),
    ("tf.gradients(tf.map_fn(lambda v: v * v, x), x)", 125),
    ("tf.gradients(tf.scan(lambda a, v: a * v, x), x)", 155),
    (
        "tf.gradients(rnn(BASIC(3)), tf.trainable_variables())",
        235,
    ),
    (
        "tf.gradients(rnn(GRU(3), rows), tf.trainable_variables())",
        468,
    ),
    ("tf.train.FtrlOptimizer(0.1).minimize(tf.reduce_sum(tf.layers.dense(x, 1)))", 63),
    ("tf.gradients(tf.matmul(tf.reshape(m, [2, 2, 4]), tf.reshape(m, [2, 4, 2])), m)", 35),
    ("(lambda f: tf.gradients(f(x) + f(2 * x), x))(lambda v: tf.cond(flag, lambda: v * v, lambda: v))", 91),
    ("tf.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(tf.get_variable('big', [40, 30])))", 57),
    ("tf.gradients(tf.cond(flag, lambda: x * x, lambda: x * 2), x, gate_gradients=True)", 60),
    ("tf.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(rnn(GRU(3), rows)))", 575),
    (
        "tf.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(normalized(tf.reshape(x, [1, -1, 5, 1]), flag)))",
        155,
    ),
]


def rnn(cell, *lengths):
    sequence = tf.get_default_graph().get_tensor_by_name("sequence:0")
    return tf.nn.dynamic_rnn(cell, sequence, *lengths, dtype=tf.float32)[0]


def normalized(images, training):
    return tf.layers.batch_normalization(images, training=training)


def thrice(function, start):
    return tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, function(a)), [0, start])[1]


def seed_after(expression):
    with tf.Graph().as_default():
        tf.set_random_seed(7)
        known = {"tf": tf, "rnn": rnn, "thrice": thrice, "normalized": normalized}
        known["GRU"], known["BASIC"] = tf.nn.rnn_cell.GRUCell, tf.nn.rnn_cell.BasicRNNCell
        known["x"], known["m"] = tf.placeholder(tf.float32, [None, 5]), tf.placeholder(tf.float32, [4, 4])
        known["sequence"] = tf.placeholder(tf.float32, [None, 6, 4], "sequence")
        known["flag"], known["rows"] = tf.placeholder(tf.bool, []), tf.placeholder(tf.int32, [None])
        eval(expression, known)
        return tf.get_seed(None)[1]


@pytest.mark.parametrize(("expression", "seed"), CASES)
def test_counts_as_tensorflow(expression, seed):
    assert seed_after(expression) == seed


def test_a_registered_gradient_counts_what_it_adds():
    with tf.Graph().as_default() as graph:

        @tf.RegisterGradient("TestCountingSoftplus")
        def halves(op, dy):
            return dy * 0.5

        x = tf.placeholder(tf.float32, [3])
        with graph.gradient_override_map({"Softplus": "TestCountingSoftplus"}):
            y = tf.nn.softplus(x)
        before, built = graph.last_id, len(graph.get_operations())
        tf.gradients(y, x)
        assert graph.last_id - before == len(graph.get_operations()) - built


def test_a_refused_gradient_leaves_the_count():
    with tf.Graph().as_default() as graph:
        m = tf.placeholder(tf.float32, [4, 4])
        y = tf.unique(tf.reshape(m * m[0], [-1]))[0]
        before = graph.last_id
        with pytest.raises(LookupError):
            tf.gradients(y, m)
        assert graph.last_id == before
        tf.gradients(m * m[0], m)
        again = graph.last_id
        with pytest.raises(LookupError):
            tf.gradients(y, m)
        assert graph.last_id == again
