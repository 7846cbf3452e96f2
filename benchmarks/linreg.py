"""A small step: a straight line, batches of 100 numbers, gradient descent, four fetches."""

import itertools

import measure
import numpy as np


def main():
    tf, _ = measure.load()
    rng = np.random.RandomState(0)
    xs = rng.randn(800)
    ys = 3.0 * xs + 100.0 + rng.randn(800)
    x, y = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
    m, b = tf.Variable(0.0), tf.Variable(0.0)
    loss = tf.reduce_mean(tf.squared_difference(m * x + b, y))
    step = tf.train.GradientDescentOptimizer(0.0005).minimize(loss)
    feeds = itertools.cycle({x: xs[i : i + 100], y: ys[i : i + 100]} for i in range(0, 800, 100))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())

        def run():
            sess.run([step, loss, m, b], next(feeds))

        measure.report("linreg", first=measure.timed(run), step_us=measure.warm(run) * 1e6)


if __name__ == "__main__":
    main()
