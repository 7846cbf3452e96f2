"""Damages files and folders, and looks whether reading and saving say so: no wrong value, no lost checkpoint.

    python tools/damage.py [--bits 2000] [--seed 0]

Bits: one bit of a checkpoint (V2, V1, of objects) or of a file of records is flipped, and what there is to
read is read. The bit must be found out (an error of TensorFlow's classes), or change nothing that is read.
Places: a full disk, a folder that is read-only or vanishes, a file where a folder should be; afterwards the
last checkpoint must be there, whole. Writers: two programs that save into one folder.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

REFUSED = (OSError, ValueError, TypeError)  # besides the errors of TensorFlow's classes, for messages
KINDS = ("v2", "v1", "objects", "records")
PLACES = ("full disk", "read-only folder", "vanished folder", "a file for a folder")


def build(tf: Any, number: float) -> list[Any]:
    """Variables that all hold `number`."""
    made = [
        tf.get_variable(f"scope_{k}/kernel", initializer=np.full((40, k + 1), number, "f")) for k in range(5)
    ]
    made.append(tf.get_variable("words", initializer=[str(number), "x" * 300]))
    return [*made, tf.get_variable("count", initializer=np.int64(number))]


def write(tf: Any, kind: str, folder: str) -> str:
    """Writes one file or checkpoint of a kind; where it is."""
    path = os.path.join(folder, "m")
    if kind == "records":
        with tf.python_io.TFRecordWriter(path) as file:
            for k in range(50):
                file.write(b"%d" % k * k)
        return path
    version = tf.train.SaverDef.V1 if kind == "v1" else tf.train.SaverDef.V2
    with tf.Graph().as_default(), tf.Session() as sess:
        made = build(tf, 3)
        sess.run(tf.global_variables_initializer())
        if kind == "objects":
            return tf.train.Checkpoint(**{f"v{k}": v for k, v in enumerate(made)}).save(path, sess)
        return tf.train.Saver(write_version=version).save(sess, path, write_meta_graph=False)


def read(tf: Any, kind: str, path: str) -> Any:
    """All that can be read of what `write` wrote."""
    if kind == "records":
        return list(tf.python_io.tf_record_iterator(path))
    reader = tf.train.NewCheckpointReader(path)
    shapes = reader.get_variable_to_shape_map()
    return {
        name: (list(shapes[name]), np.asarray(reader.get_tensor(name)).tolist()) for name in sorted(shapes)
    }


def flip(tf: Any, kind: str, count: int, chance: random.Random) -> Counter[str]:
    """Flips single bits of the files of a kind; how often that was found out, or changed nothing."""
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = write(tf, kind, folder)
        whole = read(tf, kind, path)
        files = [p for p in pathlib.Path(folder).iterdir() if p.name.startswith("m")]
        bits = [(file, k) for file in files for k in range(8 * file.stat().st_size)]
        for file, k in chance.sample(bits, min(count, len(bits))):
            old = file.read_bytes()
            new = bytearray(old)
            new[k // 8] ^= 1 << k % 8
            file.write_bytes(new)
            try:
                found = read(tf, kind, path)
            except (tf.errors.OpError, *REFUSED) as error:
                seen[type(error).__name__] += 1
            else:
                seen["unchanged" if found == whole else f"WRONG {file.name} bit {k}"] += 1
            file.write_bytes(old)
    return seen


@contextlib.contextmanager
def in_trouble(place: str, folder: pathlib.Path) -> Iterator[None]:
    """Makes a folder one that cannot be saved into."""
    if place == "full disk":
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, ignored)
    elif place == "read-only folder":
        folder.chmod(0o500)
        try:
            yield
        finally:
            folder.chmod(0o700)
    else:
        away = folder.with_name("away")
        folder.rename(away)
        if place == "a file for a folder":
            folder.write_text("no folder")
        try:
            yield
        finally:
            if folder.is_dir():
                shutil.rmtree(folder)
            folder.unlink(missing_ok=True)
            away.rename(folder)


def save_into(tf: Any, place: str, root: pathlib.Path) -> str:
    """Saves, then again where it cannot be; the name of the error.

    Raises:
      AssertionError: the first checkpoint is not there, whole.
    """
    folder = root / "folder"
    folder.mkdir()
    with tf.Graph().as_default(), tf.Session() as sess:
        made = build(tf, 5)
        saver = tf.train.Saver(max_to_keep=2)
        sess.run(tf.global_variables_initializer())
        path = saver.save(sess, str(folder / "m"), 1, write_meta_graph=False)
        before = {p.name: p.read_bytes() for p in folder.iterdir()}
        sess.run(made[-1].assign_add(1))
        error = "nothing"
        with in_trouble(place, folder):
            try:
                saver.save(sess, str(folder / "m"), 2, write_meta_graph=False)
            except (tf.errors.OpError, ValueError) as caught:
                error = type(caught).__name__
        after = {p.name: p.read_bytes() for p in folder.iterdir()}
        if error != "nothing":
            assert after == before, (place, sorted(after), sorted(before))
            assert tf.train.latest_checkpoint(str(folder)) == path, place
            saver.restore(sess, path)
            assert sess.run(made[-1]) == 5, place
            assert saver.save(sess, str(folder / "m"), 3, write_meta_graph=False).endswith("m-3"), place
    shutil.rmtree(folder)
    return error


_WRITER = """
import sys, numpy as np, millrace as tf
folder, number, times = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
with tf.Session() as sess:
    made = [tf.Variable(np.full(5000, number, "f"), name=f"v{k}") for k in range(4)]
    sess.run(tf.global_variables_initializer())
    saver = tf.train.Saver(max_to_keep=3)
    for _ in range(times):
        saver.save(sess, folder + "/same", write_meta_graph=False)
"""


def two_writers(tf: Any, folder: str, times: int) -> int:
    """Two programs save under one name; how often a reader meanwhile found a whole checkpoint of one of them.

    Raises:
      AssertionError: values of both were mixed.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", _WRITER, folder]
    writers = [subprocess.Popen([*command, n, str(times)], env=environment) for n in ("1", "2")]
    seen = 0
    while any(w.poll() is None for w in writers) or not seen:
        path = tf.train.latest_checkpoint(folder)
        if path is None:
            assert any(w.poll() is None for w in writers), "no writer left a checkpoint"
            continue
        reader = tf.train.NewCheckpointReader(path)
        numbers = {float(x) for k in range(4) for x in np.unique(reader.get_tensor(f"v{k}"))}
        assert len(numbers) == 1, numbers
        seen += 1
    assert [w.returncode for w in writers] == [0, 0]
    return seen


def main(report: Callable[[str], None] = print) -> int:
    """Runs all; 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bits", type=int, default=2000, help="how many to flip (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice (default: %(default)s)")
    given = parser.parse_args()
    import millrace as tf

    chance, bad = random.Random(given.seed), 0
    for kind in KINDS:
        seen = flip(tf, kind, given.bits // len(KINDS), chance)
        bad += sum(n for name, n in seen.items() if name.startswith("WRONG"))
        report(f"{kind}: {', '.join(f'{n} {name}' for name, n in seen.most_common())}")
    with tempfile.TemporaryDirectory() as root:
        for place in PLACES:
            report(f"{place}: {save_into(tf, place, pathlib.Path(root))}")
        report(f"two writers: read whole {two_writers(tf, root, 30)} times")
    report("nothing wrong" if not bad else f"{bad} wrong values")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
