"""Fifteen further programs: convolutional, recurrent, generative, of reinforcement, sparse; a step of each.

python benchmarks/further.py [MODULE [NAME ...]]
"""

import sys

import measure
import numpy as np

RNG = np.random.RandomState(0)


def weights(tf, *shape):
    return tf.Variable((RNG.randn(*shape) * np.sqrt(1.0 / np.prod(shape[:-1]))).astype("f"))


def dense(tf, x, size, activation=None):
    y = tf.matmul(x, weights(tf, int(x.shape[-1]), size)) + tf.Variable(tf.zeros([size]))
    return y if activation is None else activation(y)


def conv(tf, x, kernel, channels, stride=1):
    filters = weights(tf, kernel, kernel, int(x.shape[-1]), channels)
    return tf.nn.conv2d(x, filters, strides=[1, stride, stride, 1], padding="SAME")


def normed(tf, x):
    """Batch normalisation with the batch's own moments."""
    axes = list(range(len(x.shape) - 1))
    mean, variance = tf.nn.moments(x, axes)
    size = int(x.shape[-1])
    scale, shift = tf.Variable(tf.ones([size])), tf.Variable(tf.zeros([size]))
    return tf.nn.batch_normalization(x, mean, variance, shift, scale, 1e-3)


def labelled(tf, logits, labels):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))


def pictures(tf, batch, side, channels, classes=10):
    x = tf.placeholder(tf.float32, [batch, side, side, channels])
    y = tf.placeholder(tf.int32, [batch])
    return x, y, {x: RNG.rand(batch, side, side, channels), y: RNG.randint(0, classes, batch)}


def adam(tf, loss, rate=1e-3):
    return [tf.train.AdamOptimizer(rate).minimize(loss), loss]


def residual(tf):
    """Three residual blocks of 32 channels with batch normalisation."""
    x, y, feeds = pictures(tf, 16, 32, 3)
    h = conv(tf, x, 3, 32)
    for _ in range(3):
        inner = tf.nn.relu(normed(tf, conv(tf, h, 3, 32)))
        h = tf.nn.relu(h + normed(tf, conv(tf, inner, 3, 32)))
    return adam(tf, labelled(tf, dense(tf, tf.reduce_mean(h, [1, 2]), 10), y)), feeds


def separable(tf):
    """Depthwise and pointwise convolutions."""
    x, y, feeds = pictures(tf, 16, 32, 3)
    h = tf.nn.relu(conv(tf, x, 3, 32, 2))
    for channels in (64, 128):
        h = tf.nn.depthwise_conv2d(h, weights(tf, 3, 3, int(h.shape[-1]), 1), [1, 1, 1, 1], "SAME")
        h = tf.nn.relu(conv(tf, h, 1, channels))
    return adam(tf, labelled(tf, dense(tf, tf.reduce_mean(h, [1, 2]), 10), y)), feeds


def word_convolutions(tf):
    """Sentences of 40 words classified by convolutions of three widths."""
    x, y = tf.placeholder(tf.int32, [64, 40]), tf.placeholder(tf.int32, [64])
    h = tf.nn.embedding_lookup(weights(tf, 5000, 64), x)
    found = [
        tf.reduce_max(tf.nn.relu(tf.nn.conv1d(h, weights(tf, k, 64, 64), 1, "VALID")), 1) for k in (3, 4, 5)
    ]
    feeds = {x: RNG.randint(0, 5000, (64, 40)), y: RNG.randint(0, 2, 64)}
    return adam(tf, labelled(tf, dense(tf, tf.concat(found, 1), 2), y)), feeds


def unrolled_characters(tf):
    """A gated recurrent cell, unrolled over 20 characters."""
    x, y = tf.placeholder(tf.int32, [32, 20]), tf.placeholder(tf.int32, [32, 20])
    gates, new, out = weights(tf, 192, 256), weights(tf, 192, 128), weights(tf, 128, 64)
    embedded = tf.nn.embedding_lookup(weights(tf, 64, 64), x)
    state, losses = tf.zeros([32, 128]), []
    for i in range(20):
        r, z = tf.split(tf.sigmoid(tf.matmul(tf.concat([embedded[:, i], state], 1), gates)), 2, 1)
        candidate = tf.tanh(tf.matmul(tf.concat([embedded[:, i], r * state], 1), new))
        state = z * state + (1.0 - z) * candidate
        losses.append(labelled(tf, tf.matmul(state, out), y[:, i]))
    feeds = {x: RNG.randint(0, 64, (32, 20)), y: RNG.randint(0, 64, (32, 20))}
    return adam(tf, tf.add_n(losses)), feeds


def scanned_states(tf):
    """A plain recurrence written with tf.scan."""
    x = tf.placeholder(tf.float32, [30, 32, 64])
    w, u = weights(tf, 64, 64), weights(tf, 64, 64)
    states = tf.scan(
        lambda h, e: tf.tanh(tf.matmul(h, w) + tf.matmul(e, u)), x, initializer=tf.zeros([32, 64])
    )
    return adam(tf, tf.reduce_mean(tf.square(states - 0.1))), {x: RNG.randn(30, 32, 64)}


def variational(tf):
    """A variational autoencoder of pictures of 28 x 28."""
    x = tf.placeholder(tf.float32, [128, 784])
    h = dense(tf, x, 256, tf.nn.relu)
    mean, spread = dense(tf, h, 16), dense(tf, h, 16)
    code = mean + tf.exp(0.5 * spread) * tf.random_normal([128, 16], seed=1)
    logits = dense(tf, dense(tf, code, 256, tf.nn.relu), 784)
    seen = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits), 1)
    prior = -0.5 * tf.reduce_sum(1.0 + spread - tf.square(mean) - tf.exp(spread), 1)
    return adam(tf, tf.reduce_mean(seen + prior)), {x: RNG.rand(128, 784)}


def adversarial(tf):
    """One step of a generator and one of a discriminator, dense."""
    real, noise = tf.placeholder(tf.float32, [64, 784]), tf.placeholder(tf.float32, [64, 32])
    first, second = weights(tf, 32, 128), weights(tf, 128, 784)
    a, b = weights(tf, 784, 128), weights(tf, 128, 1)

    def judged(x):
        return tf.matmul(tf.nn.leaky_relu(tf.matmul(x, a)), b)

    fake = tf.sigmoid(tf.matmul(tf.nn.relu(tf.matmul(noise, first)), second))
    good, bad = judged(real), judged(fake)
    cross = tf.nn.sigmoid_cross_entropy_with_logits
    critic = tf.reduce_mean(cross(labels=tf.ones_like(good), logits=good))
    critic += tf.reduce_mean(cross(labels=tf.zeros_like(bad), logits=bad))
    maker = tf.reduce_mean(cross(labels=tf.ones_like(bad), logits=bad))
    steps = [
        tf.train.AdamOptimizer(2e-4, 0.5).minimize(critic, var_list=[a, b]),
        tf.train.AdamOptimizer(2e-4, 0.5).minimize(maker, var_list=[first, second]),
    ]
    return [*steps, critic, maker], {real: RNG.rand(64, 784), noise: RNG.randn(64, 32)}


def convolutional_autoencoder(tf):
    """Two convolutions in steps of two, and two that take them back."""
    x = tf.placeholder(tf.float32, [32, 28, 28, 1])
    h = tf.nn.relu(conv(tf, tf.nn.relu(conv(tf, x, 3, 16, 2)), 3, 32, 2))
    for side, inner, outer in ((14, 32, 16), (28, 16, 1)):
        filters = weights(tf, 3, 3, outer, inner)
        h = tf.nn.conv2d_transpose(h, filters, [32, side, side, outer], [1, 2, 2, 1], "SAME")
        h = tf.nn.relu(h) if outer > 1 else h
    return adam(tf, tf.reduce_mean(tf.square(h - x))), {x: RNG.rand(32, 28, 28, 1)}


def q_learning(tf):
    """A step of deep Q-learning with a target network."""
    state, after = (tf.placeholder(tf.float32, [32, 8]) for _ in range(2))
    action, reward = tf.placeholder(tf.int32, [32]), tf.placeholder(tf.float32, [32])

    def network():
        sizes = ((8, 64), (64, 64), (64, 4))
        return [weights(tf, *size) for size in sizes]

    def valued(net, x):
        return tf.matmul(tf.nn.relu(tf.matmul(tf.nn.relu(tf.matmul(x, net[0])), net[1])), net[2])

    online, target = network(), network()
    best = reward + 0.99 * tf.reduce_max(valued(target, after), 1)
    chosen = tf.reduce_sum(valued(online, state) * tf.one_hot(action, 4), 1)
    error = tf.stop_gradient(best) - chosen
    huber = tf.where(tf.abs(error) < 1.0, 0.5 * tf.square(error), tf.abs(error) - 0.5)
    loss = tf.reduce_mean(huber)
    step = tf.train.RMSPropOptimizer(1e-3).minimize(loss, var_list=online)
    follow = [tf.assign(t, 0.99 * t + 0.01 * o) for t, o in zip(target, online)]
    feeds = {state: RNG.randn(32, 8), after: RNG.randn(32, 8)}
    feeds.update({action: RNG.randint(0, 4, 32), reward: RNG.randn(32)})
    return [step, loss, *follow], feeds


def actor_critic(tf):
    """Proximal policy optimisation: clipped ratios, a value, an entropy, clipped gradients."""
    state, action = tf.placeholder(tf.float32, [256, 16]), tf.placeholder(tf.int32, [256])
    old, gain, value = (tf.placeholder(tf.float32, [256]) for _ in range(3))
    h = dense(tf, dense(tf, state, 64, tf.tanh), 64, tf.tanh)
    logits, guess = dense(tf, h, 6), dense(tf, h, 1)[:, 0]
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=action, logits=logits)
    ratio = tf.exp(old + losses)
    policy = tf.reduce_mean(-tf.minimum(ratio * gain, tf.clip_by_value(ratio, 0.8, 1.2) * gain))
    chance = tf.nn.softmax(logits)
    entropy = -tf.reduce_mean(tf.reduce_sum(chance * tf.nn.log_softmax(logits), 1))
    loss = policy + 0.5 * tf.reduce_mean(tf.square(guess - value)) - 0.01 * entropy
    variables = tf.trainable_variables()
    grads, _ = tf.clip_by_global_norm(tf.gradients(loss, variables), 0.5)
    step = tf.train.AdamOptimizer(3e-4).apply_gradients(list(zip(grads, variables)))
    feeds = {state: RNG.randn(256, 16), action: RNG.randint(0, 6, 256)}
    feeds.update({t: RNG.randn(256) for t in (old, gain, value)})
    return [step, loss], feeds


def factors(tf):
    """Matrix factorisation with sparse gradients and biases."""
    user, item = tf.placeholder(tf.int32, [512]), tf.placeholder(tf.int32, [512])
    rating = tf.placeholder(tf.float32, [512])
    p, q = weights(tf, 20000, 32), weights(tf, 10000, 32)
    a, b = tf.Variable(tf.zeros([20000])), tf.Variable(tf.zeros([10000]))
    guess = tf.reduce_sum(tf.gather(p, user) * tf.gather(q, item), 1)
    guess += tf.gather(a, user) + tf.gather(b, item)
    loss = tf.reduce_mean(tf.square(guess - rating))
    feeds = {user: RNG.randint(0, 20000, 512), item: RNG.randint(0, 10000, 512)}
    feeds[rating] = RNG.rand(512)
    return [tf.train.GradientDescentOptimizer(0.1).minimize(loss), loss], feeds


def wide_and_deep(tf):
    """Eight columns of categories, linear and through a dense network."""
    x, y = tf.placeholder(tf.int32, [128, 8]), tf.placeholder(tf.float32, [128, 1])
    places = x + tf.constant(np.arange(8, dtype="i") * 1000)
    wide = tf.reduce_sum(tf.nn.embedding_lookup(weights(tf, 8000, 1), places), 1)
    deep = tf.reshape(tf.nn.embedding_lookup(weights(tf, 8000, 16), places), [128, 128])
    logits = wide + dense(tf, dense(tf, deep, 64, tf.nn.relu), 1)
    loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=logits))
    feeds = {x: RNG.randint(0, 1000, (128, 8)), y: RNG.randint(0, 2, (128, 1))}
    return [tf.train.AdagradOptimizer(0.05).minimize(loss), loss], feeds


def graph_convolutions(tf):
    """Two layers over a sparse neighbourhood of 1,000 nodes."""
    edges = np.unique(RNG.randint(0, 1000, (5000, 2)), axis=0).astype(np.int64)
    near = tf.SparseTensor(edges, np.full(len(edges), 0.2, "f"), [1000, 1000])
    x, y = tf.placeholder(tf.float32, [1000, 64]), tf.placeholder(tf.int32, [1000])
    h = tf.nn.relu(tf.sparse_tensor_dense_matmul(near, tf.matmul(x, weights(tf, 64, 32))))
    logits = tf.sparse_tensor_dense_matmul(near, tf.matmul(h, weights(tf, 32, 7)))
    feeds = {x: RNG.randn(1000, 64), y: RNG.randint(0, 7, 1000)}
    return adam(tf, labelled(tf, logits, y)), feeds


def connected(tf):
    """Three layers of which each takes all before it, and dropout."""
    x, y, feeds = pictures(tf, 16, 16, 3)
    h = conv(tf, x, 3, 24)
    for _ in range(3):
        h = tf.concat([h, conv(tf, tf.nn.relu(normed(tf, h)), 3, 12)], 3)
    h = tf.nn.dropout(tf.reduce_mean(tf.nn.relu(normed(tf, h)), [1, 2]), 0.8, seed=2)
    return adam(tf, labelled(tf, dense(tf, h, 10), y)), feeds


def both_directions(tf):
    """States of two recurrences, forwards and backwards, with attention over them."""
    x, y = tf.placeholder(tf.float32, [32, 25, 48]), tf.placeholder(tf.int32, [32])
    states = []
    for turned in (False, True):
        w, u = weights(tf, 48, 64), weights(tf, 64, 64)
        rows = tf.transpose(tf.reverse(x, [1]) if turned else x, [1, 0, 2])
        found = tf.scan(
            lambda h, e, w=w, u=u: tf.tanh(tf.matmul(e, w) + tf.matmul(h, u)),
            rows,
            initializer=tf.zeros([32, 64]),
        )
        states.append(tf.reverse(found, [0]) if turned else found)
    memory = tf.transpose(tf.concat(states, 2), [1, 0, 2])
    flat = tf.reshape(memory, [32 * 25, 128])
    scores = tf.reshape(
        tf.matmul(tf.tanh(tf.matmul(flat, weights(tf, 128, 64))), weights(tf, 64, 1)), [32, 25]
    )
    read = tf.reduce_sum(tf.expand_dims(tf.nn.softmax(scores), 2) * memory, 1)
    feeds = {x: RNG.randn(32, 25, 48), y: RNG.randint(0, 5, 32)}
    return adam(tf, labelled(tf, dense(tf, read, 5), y)), feeds


PROGRAMS = {
    program.__name__: program
    for program in (
        *(residual, separable, word_convolutions, unrolled_characters, scanned_states, variational),
        *(adversarial, convolutional_autoencoder, q_learning, actor_critic, factors, wide_and_deep),
        *(graph_convolutions, connected, both_directions),
    )
}


def run(name, tf):
    """Reports the first step and a warm one."""
    fetches, feeds = PROGRAMS[name](tf)
    feeds = {t: np.asarray(value, t.dtype.as_numpy_dtype) for t, value in feeds.items()}
    measure.first_and_warm(name, tf, fetches, feeds, (0.5, 60), 1.5)


if __name__ == "__main__":
    tf, _ = measure.load()
    for name in sys.argv[2:] or PROGRAMS:
        with tf.Graph().as_default():
            run(name, tf)
