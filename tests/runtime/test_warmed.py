"""What `millrace warm` keeps is used from the first run on, and nothing is compiled again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
import numpy as np
import tensorflow as tf

counted = []
if "count" in sys.argv:
    import jax
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: counted.append(event) if event.endswith("backend_compile_duration") else None)

rng = np.random.RandomState(0)
x, y = tf.placeholder(tf.float32, [None, 256]), tf.placeholder(tf.int32, [None])
table = tf.Variable(rng.randn(256, 256).astype("f") * 0.1)
which = tf.Variable(np.arange(64, dtype=np.int32))
h = tf.nn.relu(tf.matmul(x, table)) + tf.gather(table, tf.gather(which, tf.mod(y, 64)))
logits = tf.sin(tf.matmul(h, tf.Variable(rng.randn(256, 10).astype("f") * 0.1)))
loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
step = tf.train.AdamOptimizer(0.01).minimize(loss)
feeds = {x: rng.randn(64, 256), y: rng.randint(0, 10, 64)}
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    print([float(session.run([step, loss], feeds)[1]) for _ in range(3)])
print("jax" in sys.modules, len(counted))
"""


def run(folder: Path, *words: str, **environment: str) -> list[str]:
    variables = {**os.environ, "MILLRACE_CACHE": str(folder), **environment}
    out = subprocess.run([sys.executable, *words], env=variables, capture_output=True, text=True, timeout=200)
    assert out.returncode == 0, out.stderr
    return out.stdout.splitlines()


@pytest.mark.xla
def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    folder = tmp_path / "programs"
    first = run(folder, "-m", "millrace", "warm", str(script))
    second = run(folder, "-m", "millrace", "run", str(script), "count")
    assert second == [first[0], "True 0"]
    unwarmed = run(tmp_path / "other", "-m", "millrace", "run", str(script))
    assert unwarmed[-1] == "False 0"


def test_without_a_folder_there_is_nothing_to_warm(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("print('ran')\n")
    variables = {**os.environ, "MILLRACE_CACHE": "off"}
    out = subprocess.run(
        [sys.executable, "-m", "millrace", "warm", str(script)], env=variables, capture_output=True, text=True
    )
    assert out.returncode == 2 and "MILLRACE_CACHE" in out.stderr and not out.stdout
