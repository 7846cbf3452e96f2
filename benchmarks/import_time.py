"""Seconds from nothing to `import` done, and to the first result, with the files in the system's cache.

The second figure is the fair one: millrace imports a module when a name in it is first used.
"""

import time

import measure

if __name__ == "__main__":
    start = time.perf_counter()
    tf, import_s = measure.load()
    with tf.Session() as sess:
        assert sess.run(tf.constant(1.0) + 2.0) == 3.0
    measure.report("import", import_s=import_s, result_s=time.perf_counter() - start)
