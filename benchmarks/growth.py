"""How cost grows: a plan of ever more operations, and one plan run a million times. millrace only.

    python benchmarks/growth.py millrace [SIZE ...]

For each size, in a process of its own: microseconds and bytes for each operation to build the graph, to plan
its first run, and to run it warm. Then what a million runs leave behind.
"""

import gc
import subprocess
import sys

import measure
import numpy as np

SIZES = (1_000, 10_000, 100_000)
RUNS = 1_000_000


def size(tf, count):
    """A chain of `count` operations that cannot be folded."""
    x = tf.placeholder(tf.float32, [4])
    feed = {x: np.ones(4, "f")}
    with tf.Session() as sess:
        sess.run(tf.tanh(x) * x, feed)  # imports are done before anything is measured
    start = measure.resident()
    z = x

    def build():
        nonlocal z
        for _ in range(count // 2):
            z = tf.tanh(z) * x

    build_us = measure.timed(build) / count * 1e6
    built = measure.resident()
    sess = tf.Session()
    first_us = measure.timed(lambda: sess.run(z, feed)) / count * 1e6
    planned = measure.resident()
    run_us = measure.warm(lambda: sess.run(z, feed), most=1000) / count * 1e6
    figures = {"forward_us": build_us, "plan_us": first_us, "run_us": run_us}
    figures |= {"graph_bytes": (built - start) / count, "plan_bytes": (planned - built) / count}
    measure.report(f"growth, {count:,} operations", **figures)


def leak(tf):
    """Bytes and objects that a million runs of one plan leave behind."""
    x = tf.placeholder(tf.float32, [])
    total = tf.Variable(0.0)
    step = tf.assign_add(total, x)
    with tf.Session() as sess:
        sess.run(total.initializer)

        def run(count):
            for _ in range(count):
                sess.run(step, {x: 1.0})

        run(10_000)
        gc.collect()
        objects, held = len(gc.get_objects()), measure.resident()
        seconds = measure.timed(lambda: run(RUNS))
        gc.collect()
        left = {"bytes_left": measure.resident() - held, "objects_left": len(gc.get_objects()) - objects}
    measure.report(f"{RUNS:,} runs", step_us=seconds / RUNS * 1e6, **left)


if __name__ == "__main__":
    words = sys.argv[2:]
    if len(words) == 1:
        size(measure.load()[0], int(words[0]))
    else:
        for word in words or SIZES:
            subprocess.run([sys.executable, __file__, measure.MODULE, str(word)], check=True)
        leak(measure.load()[0])
