"""Microseconds to add one operation to a graph: forward by hand, backward by `tf.gradients`."""

import measure


def main():
    tf, _ = measure.load()
    with tf.Graph().as_default() as graph:
        z = tf.constant(1.0)

        def add():
            nonlocal z
            for _ in range(5000):
                z = z + 1.0

        forward = measure.timed(add) / 10_000  # a constant and an addition each
        x = z = tf.placeholder(tf.float32, [10])
        for _ in range(1000):
            z = tf.tanh(z) * z
        before = len(graph.get_operations())
        seconds = measure.timed(lambda: tf.gradients(z, x))
        backward = seconds / (len(graph.get_operations()) - before)
    measure.report("build", forward_us=forward * 1e6, backward_us=backward * 1e6)


if __name__ == "__main__":
    main()
