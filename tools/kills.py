"""Kills a training session at random times, and looks whether each goes on with the bits of one that was not.

    python tools/kills.py [--count 100] [--longest 1.5] [--seed 0]

Every round forks a process that trains in a `MonitoredTrainingSession` (Adam, a shuffled pipeline whose place
is saved), kills it with SIGKILL after a random time, and reads the newest checkpoint. At the end one process
trains undisturbed, and every checkpoint that was read has to hold its bits.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import sys
import tempfile
import time
from typing import Any

EVERY = 5  # steps from one checkpoint to the next


def train(tf: Any, folder: str, last: int | None = None, seen: Any = None) -> None:
    """Trains from the newest checkpoint on, up to step `last`; `seen` is called after each checkpoint."""
    listener = tf.train.CheckpointSaverListener()
    if seen is not None:
        listener.after_save = lambda session, step: seen(step)
    with tf.Graph().as_default():
        tf.set_random_seed(7)
        data = tf.data.Dataset.range(64).shuffle(64, seed=3).repeat().batch(8)
        iterator = tf.data.make_one_shot_iterator(data)
        saveable = tf.data.experimental.make_saveable_from_iterator(iterator)
        tf.add_to_collection(tf.GraphKeys.SAVEABLE_OBJECTS, saveable)
        x = tf.reshape(tf.cast(iterator.get_next(), tf.float32) / 64.0, [8, 1])
        w = tf.get_variable("w", [1, 16], initializer=tf.random_normal_initializer(seed=1))
        u = tf.get_variable("u", [16, 1], initializer=tf.random_normal_initializer(seed=2))
        loss = tf.reduce_mean(tf.square(tf.matmul(tf.tanh(tf.matmul(x, w)), u) - tf.sin(6.0 * x)))
        step = tf.train.get_or_create_global_step()
        train_op = tf.train.AdamOptimizer(0.01).minimize(loss, step)
        saver = tf.train.CheckpointSaverHook(folder, save_steps=EVERY, listeners=[listener])
        hooks = [saver] if last is None else [saver, tf.train.StopAtStepHook(last_step=last)]
        with tf.train.MonitoredTrainingSession(
            checkpoint_dir=folder, hooks=hooks, save_checkpoint_secs=None, save_checkpoint_steps=None,
            save_summaries_steps=None, save_summaries_secs=None, log_step_count_steps=None,
        ) as session:  # fmt: skip
            while not session.should_stop():
                session.run(train_op)


def newest(tf: Any, folder: str) -> tuple[int, str] | None:
    """The step of the newest checkpoint and a digest of all that it holds; None where there is none."""
    path = tf.train.latest_checkpoint(folder)
    if path is None:
        return None
    reader, digest = tf.train.load_checkpoint(path), hashlib.sha256()
    for name in sorted(reader.get_variable_to_shape_map()):
        value = reader.get_tensor(name)
        digest.update(name.encode() + (value if isinstance(value, bytes) else value.tobytes()))
    return int(reader.get_tensor("global_step")), digest.hexdigest()


def killed(tf: Any, folder: str, seconds: float) -> None:
    """Trains in a process of its own, which is killed after some seconds.

    Raises:
      RuntimeError: the process ended by itself.
    """
    child = os.fork()
    if child == 0:
        try:
            train(tf, folder)
        finally:
            os._exit(1)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        raise RuntimeError(f"the training ended by itself. Received: status {status}")


def kill(tf: Any, count: int, longest: float = 1.5, seed: int = 0) -> tuple[int, int, int]:
    """Kills `count` sessions.

    Returns:
      How many checkpoints were read after a kill, how many of these are not those of an undisturbed run, and
      the last step.
    """
    rng, read = random.Random(seed), []
    with tempfile.TemporaryDirectory() as folder:
        train(tf, folder, 1)  # loads the modules that every fork then has
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(count):
            killed(tf, folder, rng.uniform(0.0, longest))
            found = newest(tf, folder)
            if found is not None:
                read.append(found)
    if not read:
        return 0, 0, 0
    expected = {}
    with tempfile.TemporaryDirectory() as folder:
        last = max(step for step, _ in read)

        def note(step: Any) -> None:
            found = newest(tf, folder)
            if found is not None:
                expected[found[0]] = found[1]

        train(tf, folder, max(last, 1), note)
        note(None)
    wrong = sum(expected.get(step) != digest for step, digest in read)
    return len(read), wrong, last


def main() -> int:
    """The program; 1 when a session went on with other bits."""
    parser = argparse.ArgumentParser(description="Kills training sessions.")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--longest", type=float, default=1.5, help="seconds that a session lives at most")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    import millrace as tf

    read, wrong, last = kill(tf, options.count, options.longest, options.seed)
    print(f"{options.count} kills, {read} checkpoints read, {wrong} with other bits, last step {last}")
    return 1 if wrong or not read else 0


if __name__ == "__main__":
    sys.exit(main())
