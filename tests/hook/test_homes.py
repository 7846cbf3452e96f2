"""Under the hook, public classes and functions live in TensorFlow 1.15's modules, and are found there."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import millrace as tf
from millrace.core import homes
from millrace.hook import finder
from millrace.hook.old_homes import _homes

PROGRAM = """
import pickle
import tensorflow as tf

x = tf.constant([1.0])
v = tf.get_variable("v", initializer=[2.0])
with tf.Session() as sess:
    layer, optimizer = tf.keras.layers.Dense(1), tf.train.AdamOptimizer()
    for thing in (x, x.op, x.graph, sess, v, x.shape, x.dtype, optimizer, layer):
        print(type(thing).__module__)
print(tf.contrib.rnn.LayerNormBasicLSTMCell.__module__)
for kind in (tf.Session, tf.train.Saver, tf.keras.Model, tf.errors.OutOfRangeError, tf.estimator.Estimator):
    assert pickle.loads(pickle.dumps(kind)) is kind
assert b"tensorflow" in pickle.dumps(tf.Session)
for function in (tf.nn.relu, tf.matmul, tf.contrib.layers.fully_connected):
    print(function.__module__)
    assert pickle.loads(pickle.dumps(function)) is function
with tf.Session() as sess:
    print(sess.run(tf.reduce_sum(tf.ragged.constant([[1, 2], [3]]), 1)))
hparams = pickle.loads(pickle.dumps(tf.contrib.training.HParams(rate=0.5)))
assert hparams.rate == 0.5

# what looks for classes in modules finds them as ever
dense = tf.keras.layers.deserialize({"class_name": "Dense", "config": {"units": 3}})
assert type(dense) is tf.keras.layers.Dense
assert type(tf.keras.metrics.get("MeanSquaredError")) is tf.keras.metrics.MeanSquaredError


class Mine(tf.estimator.Estimator):
    def train(self, *args, **kwargs):
        return self


try:
    Mine(lambda features, labels, mode: None)
except ValueError as error:
    print("refused")


class Session(tf.Session):
    pass


print(Session.__module__, tf.autograph.to_graph(lambda y: y + 1)(1))
"""
WANTED = """\
tensorflow.python.framework.ops
tensorflow.python.framework.ops
tensorflow.python.framework.ops
tensorflow.python.client.session
tensorflow.python.ops.variables
tensorflow.python.framework.tensor_shape
tensorflow.python.framework.dtypes
tensorflow.python.training.adam
tensorflow.python.keras.layers.core
tensorflow.contrib.rnn.python.ops.rnn_cell
tensorflow.python.ops.gen_nn_ops
tensorflow.python.ops.math_ops
tensorflow.contrib.layers.python.layers.layers
[3 3]
refused
__main__ 2
"""


def test_what_a_program_sees(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    ran = subprocess.run(
        [sys.executable, "-m", "millrace", "run", str(program)], capture_output=True, text=True, check=False
    )
    assert ran.stdout == WANTED, ran.stderr


def test_everything_is_found_at_home():
    there = [*sys.modules]
    finder.install()
    try:
        wrong = []
        for name, module in _homes().items():
            found = tf
            try:
                for part in name.split("."):
                    found = getattr(found, part)
            except AttributeError:
                continue  # what is not here
            at_home = getattr(importlib.import_module(module), found.__qualname__, None)
            if at_home is not found or found.__module__ != module:
                wrong.append((name, module, found.__module__))
        assert not wrong
        assert homes.module_of(tf.Session) == "millrace.session.session"
        assert homes.module_of(tf.matmul) == "millrace.ops.linalg.matmul"
    finally:
        finder.uninstall()
        for module in {*sys.modules} - {*there}:
            if module.partition(".")[0].startswith("tensorflow"):
                del sys.modules[module]
    assert tf.Session.__module__ == "millrace.session.session"
    assert tf.matmul.__module__ == "millrace.ops.linalg.matmul"


@pytest.mark.parametrize(
    "name", ["rnn_cell", "core_rnn_cell", "lstm_ops", "gru_ops", "fused_rnn_cell", "rnn"]
)
def test_private_modules_of_contrib_rnn(name):
    finder.install()
    try:
        module = importlib.import_module(f"tensorflow.contrib.rnn.python.ops.{name}")
        offered = {"rnn_cell": "NASCell", "core_rnn_cell": "EmbeddingWrapper", "lstm_ops": "LSTMBlockCell",
                   "gru_ops": "GRUBlockCellV2", "fused_rnn_cell": "TimeReversedFusedRNN",
                   "rnn": "stack_bidirectional_dynamic_rnn"}[name]  # fmt: skip
        assert getattr(module, offered) is getattr(tf.contrib.rnn, offered)
    finally:
        finder.uninstall()
