"""The fixed cost of a run: two constants are added."""

import measure


def main():
    tf, _ = measure.load()
    total = tf.constant(1.0) + 2.0
    with tf.Session() as sess:
        first = measure.timed(lambda: sess.run(total))
        measure.report("tiny", first=first, step_us=measure.warm(lambda: sess.run(total)) * 1e6)


if __name__ == "__main__":
    main()
