"""A model of 1 GiB: seconds to save and to restore it, and the most memory that saving takes.

    python benchmarks/gigabyte.py [--mebibytes 1024] [--module millrace]

The variables are of 64 MiB each. The memory is that of the process above what it had before the save, divided
by the size of the variables; 1.15 is the goal for the variables and a save together.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import sys
import tempfile
import time

import numpy as np

_SIDE = 4096  # of a square of 64 MiB


def _peak() -> int:
    """The most memory that the process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _now() -> int:
    """The memory that the process has, in bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> int:
    """Prints one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mebibytes", type=int, default=1024, help="default: %(default)s")
    parser.add_argument("--module", default="millrace", help="default: %(default)s")
    given = parser.parse_args()
    tf = importlib.import_module(given.module)
    if hasattr(tf, "disable_v2_behavior"):
        tf.disable_v2_behavior()
    rows = np.linspace(0, 1, _SIDE, dtype=np.float32)
    with tf.Session() as sess, tempfile.TemporaryDirectory() as folder:
        before = _now()
        made = []
        for k in range(max(given.mebibytes // 64, 1)):
            made.append(tf.get_variable(f"v{k}", [_SIDE, _SIDE]))
            made[-1].load(np.multiply.outer(rows, rows) + k, sess)
        size = len(made) * 4 * _SIDE**2
        saver = tf.train.Saver(made)
        start = time.perf_counter()
        path = saver.save(sess, os.path.join(folder, "m"), write_meta_graph=False)
        saved = time.perf_counter()
        peak = _peak() - before
        saver.restore(sess, path)
        restored = time.perf_counter()
    figures = {
        "mebibytes": size >> 20,
        "save_s": saved - start,
        "restore_s": restored - saved,
        "peak": peak / size,
    }
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
