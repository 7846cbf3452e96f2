"""Training steps of the sizes that people train on one machine.

python benchmarks/training.py [MODULE [NAME ...]]
"""

import sys

import measure
import numpy as np

RNG = np.random.RandomState(0)


def parameter(tf, *shape):
    return tf.Variable((RNG.randn(*shape) * 0.05).astype("f"))


def softmax_loss(tf, logits, labels):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))


def train(tf, name, loss, feeds, optimizer=None, seconds=3.0):
    """Reports the first step and the warm one of `optimizer` (default Adam) on a loss."""
    step = (optimizer or tf.train.AdamOptimizer(1e-3)).minimize(loss)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        timed_steps(name, lambda: sess.run([step, loss], feeds), seconds)


def timed_steps(name, run, seconds):
    first = measure.timed(run)
    for _ in range(60):  # past the run at which it is compiled
        if measure.timed(run) > 0.2:
            break
    measure.report(name, first=first, step_us=measure.warm(run, seconds) * 1e6)


def mlp(tf):
    """784-512-512-10, batches of 128."""
    x, y = tf.placeholder(tf.float32, [None, 784]), tf.placeholder(tf.int32, [None])
    h = x
    for i, o in ((784, 512), (512, 512)):
        h = tf.nn.relu(tf.matmul(h, parameter(tf, i, o)) + parameter(tf, o))
    logits = tf.matmul(h, parameter(tf, 512, 10)) + parameter(tf, 10)
    train(tf, "mlp", softmax_loss(tf, logits, y), {x: RNG.randn(128, 784), y: RNG.randint(0, 10, 128)})


def cnn(tf):
    """Two convolutions of 5 x 5 with pools, 1024 hidden, batches of 64 pictures of 28 x 28."""
    x, y = tf.placeholder(tf.float32, [None, 28, 28, 1]), tf.placeholder(tf.int32, [None])
    h = x
    for i, o in ((1, 32), (32, 64)):
        h = tf.nn.conv2d(h, parameter(tf, 5, 5, i, o), [1, 1, 1, 1], "SAME") + parameter(tf, o)
        h = tf.nn.max_pool(tf.nn.relu(h), [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    h = tf.reshape(h, [-1, 3136])
    h = tf.nn.relu(tf.matmul(h, parameter(tf, 3136, 1024)) + parameter(tf, 1024))
    logits = tf.matmul(h, parameter(tf, 1024, 10)) + parameter(tf, 10)
    feeds = {x: RNG.randn(64, 28, 28, 1), y: RNG.randint(0, 10, 64)}
    train(tf, "cnn", softmax_loss(tf, logits, y), feeds, seconds=5.0)


def lstm(tf, batch=32, length=40, width=128):
    """An LSTM over 40 steps in a `while_loop` with tensor arrays, gradients through the loop."""
    x = tf.placeholder(tf.float32, [None, length, width])
    w, b = parameter(tf, 2 * width, 4 * width), parameter(tf, 4 * width)
    read = tf.TensorArray(tf.float32, length).unstack(tf.transpose(x, [1, 0, 2]))

    def cell(t, state, output, outputs):
        gates = tf.matmul(tf.concat([read.read(t), output], 1), w) + b
        taken, new, forget, shown = tf.split(gates, 4, 1)
        state = state * tf.sigmoid(forget + 1.0) + tf.sigmoid(taken) * tf.tanh(new)
        output = tf.tanh(state) * tf.sigmoid(shown)
        return t + 1, state, output, outputs.write(t, output)

    zeros = tf.zeros([tf.shape(x)[0], width])
    start = [tf.constant(0), zeros, zeros, tf.TensorArray(tf.float32, length)]
    open_batch = tf.TensorShape([None, width])
    shapes = [tf.TensorShape([]), open_batch, open_batch, tf.TensorShape(None)]
    outputs = tf.while_loop(lambda t, *_: t < length, cell, start, shape_invariants=shapes)[3].stack()
    train(tf, "lstm", tf.reduce_mean(tf.square(outputs - 0.1)), {x: RNG.randn(batch, length, width)})


def transformer(tf, batch=8, length=128, depth=256, heads=4, layers=4):
    """Four layers of attention and feed-forward, 128 places of 256 numbers, batches of 8."""
    x = tf.placeholder(tf.float32, [batch, length, depth])

    def norm(z):
        mean, variance = tf.nn.moments(z, [-1], keep_dims=True)
        return (z - mean) * tf.rsqrt(variance + 1e-5) * tf.Variable(tf.ones([depth])) + parameter(tf, depth)

    def dense(z, i, o):
        y = tf.matmul(tf.reshape(z, [-1, i]), parameter(tf, i, o))
        return tf.reshape(y, [batch, length, o]) + parameter(tf, o)

    def attention(z):
        split = tf.reshape(dense(z, depth, 3 * depth), [batch, length, 3, heads, depth // heads])
        q, k, v = tf.unstack(tf.transpose(split, [2, 0, 3, 1, 4]))
        shares = tf.nn.softmax(tf.matmul(q, k, transpose_b=True) * (depth // heads) ** -0.5)
        mixed = tf.transpose(tf.matmul(shares, v), [0, 2, 1, 3])
        return dense(tf.reshape(mixed, [batch, length, depth]), depth, depth)

    def gelu(z):
        return 0.5 * z * (1.0 + tf.tanh(0.79788456 * (z + 0.044715 * z * z * z)))

    h = x
    for _ in range(layers):
        h = h + attention(norm(h))
        h = h + dense(gelu(dense(norm(h), depth, 4 * depth)), 4 * depth, depth)
    loss = tf.reduce_mean(tf.square(h - 1.0))
    train(tf, "transformer", loss, {x: RNG.randn(batch, length, depth)}, seconds=6.0)


def elementwise(tf):
    """Thirty sines of a million numbers in a chain, and the gradient: nothing but memory and fusion."""
    x = z = tf.placeholder(tf.float32, [None])
    for _ in range(30):
        z = tf.sin(z) * 1.1 + 0.1 * x
    gradient = tf.gradients(tf.reduce_sum(z), x)
    data = RNG.randn(1_000_000).astype("f")
    with tf.Session() as sess:
        timed_steps("elementwise", lambda: sess.run(gradient, {x: data}), 4.0)


def embedding(tf):
    """64 rows of a table of 200,000 x 64 are looked up and changed."""
    ids = tf.placeholder(tf.int32, [None])
    table = tf.Variable((RNG.randn(200_000, 64) * 0.1).astype("f"))
    loss = tf.reduce_mean(tf.square(tf.nn.embedding_lookup(table, ids)))
    optimizer = tf.train.GradientDescentOptimizer(0.1)
    train(tf, "embedding", loss, {ids: RNG.randint(0, 200_000, 64)}, optimizer)


def adam_small(tf, layers=100, width=16):
    """Adam over 200 small variables: what many tiny updates and products cost beside the arithmetic."""
    x = h = tf.placeholder(tf.float32, [None, width])
    for _ in range(layers):
        h = tf.tanh(tf.matmul(h, parameter(tf, width, width)) + parameter(tf, width))
    train(tf, "adam_small", tf.reduce_mean(tf.square(h)), {x: RNG.randn(32, width)})


def nce(tf, classes=50_000, width=128):
    """Word vectors with noise-contrastive estimation: 64 sampled classes of 50,000, sparse gradients."""
    words, labels = tf.placeholder(tf.int32, [None]), tf.placeholder(tf.int64, [None, 1])
    vectors, weights = parameter(tf, classes, width), parameter(tf, classes, width)
    bias = tf.Variable(tf.zeros([classes]))
    looked_up = tf.nn.embedding_lookup(vectors, words)
    loss = tf.reduce_mean(tf.nn.nce_loss(weights, bias, labels, looked_up, 64, classes))
    feeds = {words: RNG.randint(0, classes, 128), labels: RNG.randint(0, classes, (128, 1))}
    train(tf, "nce", loss, feeds, tf.train.GradientDescentOptimizer(1.0))


def dynamic_rnn(tf, batch=64, length=30, width=100):
    """Two layers of `LSTMCell` under `dynamic_rnn`, sequences of 5 to 30 steps, clipped gradients, Adam."""
    x, lengths = tf.placeholder(tf.float32, [None, length, width]), tf.placeholder(tf.int32, [None])
    cells = tf.nn.rnn_cell
    stack = cells.MultiRNNCell([cells.LSTMCell(width) for _ in range(2)])
    outputs, _ = tf.nn.dynamic_rnn(stack, x, sequence_length=lengths, dtype=tf.float32)
    loss = tf.reduce_mean(tf.square(outputs - 0.1))
    variables = tf.trainable_variables()
    gradients, _ = tf.clip_by_global_norm(tf.gradients(loss, variables), 5.0)
    step = tf.train.AdamOptimizer(1e-3).apply_gradients(list(zip(gradients, variables)))
    feeds = {x: RNG.randn(batch, length, width), lengths: RNG.randint(5, length + 1, batch)}
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        timed_steps("dynamic_rnn", lambda: sess.run([step, loss], feeds), 4.0)


def resnet(tf, batch=8, size=64):
    """Inference of a residual network of 50 layers with batch normalization, 3, 4, 6 and 3 blocks."""

    def conv(h, out, side=1, stride=1, active=True):
        w = parameter(tf, side, side, int(h.get_shape()[-1]), out)
        h = tf.nn.conv2d(h, w, [1, stride, stride, 1], "SAME")
        one, zero = tf.Variable(tf.ones([out])), tf.Variable(tf.zeros([out]))
        h = tf.nn.fused_batch_norm(h, one, zero, zero, one, is_training=False)[0]
        return tf.nn.relu(h) if active else h

    x = tf.placeholder(tf.float32, [None, size, size, 3])
    h = tf.nn.max_pool(conv(x, 64, 7, 2), [1, 3, 3, 1], [1, 2, 2, 1], "SAME")
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            stride = 2 if block == 0 and width > 64 else 1
            short = h if block else conv(h, 4 * width, 1, stride, active=False)
            inner = conv(conv(h, width), width, 3, stride)
            h = tf.nn.relu(short + conv(inner, 4 * width, active=False))
    classes = tf.nn.softmax(tf.matmul(tf.reduce_mean(h, [1, 2]), parameter(tf, 2048, 1000)))
    data = RNG.randn(batch, size, size, 3).astype("f")
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        timed_steps("resnet", lambda: sess.run(classes, {x: data}), 4.0)


PROGRAMS = (
    mlp,
    cnn,
    lstm,
    transformer,
    elementwise,
    embedding,
    adam_small,
    nce,
    dynamic_rnn,
    resnet,
)
ALL = {f.__name__: f for f in PROGRAMS}

if __name__ == "__main__":
    module, _ = measure.load()
    for chosen in sys.argv[2:] or ALL:
        with module.Graph().as_default():
            ALL[chosen](module)
