"""Kills programs while they save, and looks whether the newest checkpoint is whole each time.

    PYTHONPATH=src python tests/saver/kill_writers.py FOLDER [TIMES] [SEED]

A child saves again and again, in place of the checkpoint before, under new names, or in shards; every
variable holds the number of the save. It says through a pipe which saves are done. After the kill the newest
checkpoint must be readable, all its values of one save, and that one not older than the last that was done.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback

import numpy as np

import millrace as tf

_SIZE = 40_000  # elements: a save takes about as long to write as to rename


def write(folder: str, first: int, done: int) -> None:
    """Saves without end."""
    with tf.Graph().as_default(), tf.Session() as sess:
        for k in range(3):
            with tf.device(f"/cpu:{k}"):
                tf.Variable(np.full(_SIZE, first, "f"), name=f"v{k}")
        step = tf.Variable(float(first), name="step")
        grow = [v.assign_add(tf.ones_like(v)) for v in tf.global_variables()]
        kinds = [
            (tf.train.Saver(max_to_keep=2), "same", None),
            (tf.train.Saver(max_to_keep=2), "step", step),
            (tf.train.Saver(max_to_keep=1, sharded=True), "shards", None),
        ]
        sess.run(tf.global_variables_initializer())
        saver, name, number = kinds[first % 3]
        state = tf.train.get_checkpoint_state(folder)
        if state is not None:
            saver.recover_last_checkpoints(state.all_model_checkpoint_paths)
        while True:
            now = sess.run(grow)
            given = None if number is None else int(now[-1])
            saver.save(sess, os.path.join(folder, name), given, write_meta_graph=False)
            os.write(done, int(now[-1]).to_bytes(8, "little"))


def look(folder: str) -> int:
    """The number of the save that the newest checkpoint holds; 0 where there is none.

    Raises:
      AssertionError: its values are of different saves.
    """
    path = tf.train.latest_checkpoint(folder)
    if path is None:
        assert not os.path.exists(os.path.join(folder, "checkpoint"))
        return 0
    reader = tf.train.NewCheckpointReader(path)
    values = [np.unique(reader.get_tensor(name)) for name in ("step", "v0", "v1", "v2")]
    numbers = {float(x) for value in values for x in value}
    assert len(numbers) == 1, (path, numbers)
    return int(numbers.pop())


def kill_once(folder: str, newest: int, seconds: float) -> int:
    """Lets a child save for a while, kills it; the number of the newest save."""
    read, done = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            write(folder, newest, done)
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    os.close(done)
    first = os.read(read, 8)  # the child is at work
    assert first, "the child failed"
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    said = first
    while more := os.read(read, 1 << 16):
        said += more
    os.close(read)
    found = look(folder)
    last = int.from_bytes(said[-8:], "little")
    assert found >= last, f"save {last} was done, the newest checkpoint is of {found}"
    return found


def main(folder: str, times: int, seed: int) -> None:
    """Kills `times` children."""
    chance = random.Random(seed)
    newest = look(folder)
    for _ in range(times):
        newest = kill_once(folder, newest, chance.random() * 0.02)
    print(f"{times} kills, {newest} saves, nothing lost")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, [*sys.argv[2:4], *["20", "0"][len(sys.argv) - 2 :]]))
