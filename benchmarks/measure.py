"""What the benchmarks share: which module is measured, how a warm run is timed, and how figures are reported.

Every program here is a TensorFlow 1 program that runs unchanged on millrace, on TensorFlow 1 and on
TensorFlow 2's `tensorflow.compat.v1`: `python benchmarks/tiny.py [MODULE]`, by default millrace. Figures are
printed as lines of JSON.
"""

import importlib
import json
import os
import statistics
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
MODULE = sys.argv[1] if len(sys.argv) > 1 else "millrace"


def load():
    """(the module that is measured, seconds that its import took)."""
    start = time.perf_counter()
    tf = importlib.import_module(MODULE)
    seconds = time.perf_counter() - start
    if hasattr(tf, "disable_v2_behavior"):
        tf.disable_v2_behavior()
    return tf, seconds


def report(workload, **figures):
    """Prints one line of figures."""
    tf = sys.modules[MODULE]
    version = f"millrace {tf.MILLRACE_VERSION}" if MODULE == "millrace" else f"TensorFlow {tf.__version__}"
    print(json.dumps({"workload": workload, "side": version, **figures}), flush=True)


def warm(run, seconds=2.0, least=5, most=20_000):
    """Median seconds of `run()`, which has been run before."""
    for _ in range(3):
        run()
    times, end = [], time.perf_counter() + seconds
    while len(times) < least or (time.perf_counter() < end and len(times) < most):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def timed(run):
    """Seconds of one `run()`."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def first_and_warm(workload, tf, fetches, feeds, compiling, seconds):
    """Reports the first run of a program and a warm one, past the run at which it is compiled.

    Args:
      workload: the program's name.
      tf: the module that is measured.
      fetches, feeds: of the run.
      compiling: (seconds that only compiling takes, the most runs to wait for that).
      seconds: for how long warm runs are timed.
    """
    longest, most = compiling
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())

        def once():
            return sess.run(fetches, feeds)

        first = timed(once)
        for _ in range(most):
            if timed(once) > longest:
                break
        report(workload, first=first, step_us=warm(once, seconds) * 1e6)


def resident():
    """Bytes of memory that this process holds now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
