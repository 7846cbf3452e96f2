"""Whether graphs travel: what millrace writes runs in TensorFlow, what TensorFlow writes runs here, alike.

    PYTHONPATH=src python tools/check_exchange.py /path/to/tf1/bin/python /path/to/tf2/bin/python [NAME ...]

Each peer is a Python that has TensorFlow 1.15 or 2. Every program below is built by each side, written as a
GraphDef, and run by both: the values of `y` for three values of `x`, and before each a step of `train` where
the program has one. Each Python runs one process for all its tasks, for TensorFlow 2 takes long to
import; what takes longer than LIMIT seconds is ended and counts as a difference.
"""

from __future__ import annotations

import importlib
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from subprocess import PIPE
from typing import Any

import numpy as np

LIMIT = 120
FEEDS = ([0.5, -1.0, 2.0], [1.5, 0.5, -0.25], [-2.0, 3.0, 0.1])
PROGRAMS: dict[str, Callable[[Any, Any], Any]] = {}


def program(build: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Registers a program: of the module and `x` to its results, a list."""
    PROGRAMS[build.__name__] = build
    return build


@program
def branch(tf: Any, x: Any) -> Any:
    y = tf.cond(x[0] > 0.0, lambda: x * 2.0, lambda: x * x * 3.0)
    return [y, *tf.gradients(y, x)]


@program
def nested_branches(tf: Any, x: Any) -> Any:
    inner = lambda: tf.cond(x[1] > 0.0, lambda: tf.sin(x), lambda: tf.exp(x))  # noqa: E731
    y, z = tf.cond(x[0] > 0.0, lambda: (inner(), x[0]), lambda: (x * x, x[1] * x[2]))
    return [y, z, *tf.gradients([y, z], x)]


@program
def branch_of_constants(tf: Any, x: Any) -> Any:
    return [tf.cond(x[0] > 0.0, lambda: tf.constant(7.0), lambda: tf.constant(8.0))]


@program
def chosen(tf: Any, x: Any) -> Any:
    y = tf.case([(x[0] > 1.0, lambda: x * x), (x[0] > 0.0, lambda: x + 1.0)], default=lambda: tf.exp(x))
    return [y, *tf.gradients(y, x)]


@program
def loop(tf: Any, x: Any) -> Any:
    y = tf.while_loop(lambda i, a: i < 4, lambda i, a: (i + 1, a * x + 1.0), [0, x])[1]
    return [y, *tf.gradients(y, x)]


@program
def loop_that_ends_with_the_data(tf: Any, x: Any) -> Any:
    y = tf.while_loop(lambda a: tf.reduce_max(tf.abs(a)) < 20.0, lambda a: a * 2.0 + x, [x + 1.0])
    return [y, *tf.gradients(y, x)]


@program
def loop_of_no_rounds(tf: Any, x: Any) -> Any:
    y = tf.while_loop(lambda i, a: i < 0, lambda i, a: (i + 1, a * x), [0, x])[1]
    return [y, *tf.gradients(y, x)]


@program
def nested_loops(tf: Any, x: Any) -> Any:
    def body(i: Any, a: Any) -> Any:
        return i + 1, tf.while_loop(lambda j, b: j < 2, lambda j, b: (j + 1, b * x + tf.sin(b)), [0, a])[1]

    y = tf.while_loop(lambda i, a: i < 3, body, [0, x])[1]
    return [y, *tf.gradients(y, x)]


@program
def branch_in_a_loop(tf: Any, x: Any) -> Any:
    def body(i: Any, a: Any) -> Any:
        return i + 1, tf.cond(tf.equal(i % 2, 0), lambda: a * x, lambda: tf.sin(a) + x)

    y = tf.while_loop(lambda i, a: i < 4, body, [0, x])[1]
    return [y, *tf.gradients(y, x)]


@program
def loop_in_a_branch(tf: Any, x: Any) -> Any:
    inner = lambda: tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x), [0, x])[1]  # noqa: E731
    y = tf.cond(x[0] > 0.0, inner, lambda: tf.exp(x))
    return [y, *tf.gradients(y, x)]


@program
def mapped(tf: Any, x: Any) -> Any:
    y = tf.map_fn(lambda v: v * v + x[0], x)
    return [y, *tf.gradients(y, x)]


@program
def scanned(tf: Any, x: Any) -> Any:
    y = tf.scan(lambda a, v: a * v + v, x, initializer=1.0)
    return [y, tf.foldl(lambda a, v: a * 2.0 + v, x), *tf.gradients(y, x)]


@program
def arrays(tf: Any, x: Any) -> Any:
    array = tf.TensorArray(tf.float32, 0, dynamic_size=True, infer_shape=False, clear_after_read=False)
    array = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a.write(i, x[i] * x[:2])), [0, array])[1]
    y = array.concat()
    return [y, array.read(1), *tf.gradients(y, x)]


@program
def gathers(tf: Any, x: Any) -> Any:
    w = tf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], name="w")

    def body(i: Any, a: Any) -> Any:
        return i + 1, a + tf.reduce_sum(tf.gather(w, [i, i]) * x[0])

    y = tf.while_loop(lambda i, a: i < 3, body, [0, 0.0])[1]
    g = tf.gradients(y, w)[0]
    return [y, tf.convert_to_tensor(g)]


@program
def edges(tf: Any, x: Any) -> Any:
    v = tf.Variable(0.0, name="v", trainable=False)
    up = tf.assign_add(v, 1.0)

    def body(i: Any, a: Any) -> Any:
        with tf.control_dependencies([up]):
            return i + 1, a + x

    y = tf.while_loop(lambda i, a: i < 3, body, [0, x])[1]
    with tf.control_dependencies([y]):
        return [y, tf.identity(v.read_value())]


@program
def writes_in_a_branch(tf: Any, x: Any) -> Any:
    v = tf.Variable([1.0, 2.0, 3.0], name="v", use_resource=False)
    y = tf.cond(x[0] > 0.0, lambda: tf.assign_add(v, x), lambda: tf.assign(v, x * 2.0))
    return [y]


@program
def writes_in_a_loop(tf: Any, x: Any) -> Any:
    v = tf.Variable(1.0, name="v", use_resource=False)

    def body(i: Any) -> Any:
        with tf.control_dependencies([tf.assign_add(v, x[0])]):
            return i + 1

    y = tf.while_loop(lambda i: i < 3, body, [0])
    with tf.control_dependencies([y]):
        return [tf.identity(v.read_value())]


@program
def handles(tf: Any, x: Any) -> Any:
    v = tf.get_variable("v", initializer=[1.0, 2.0, 3.0], use_resource=True)
    y = tf.cond(x[0] > 0.0, lambda: v * x, lambda: tf.gather(v, [0, 1, 1]))
    z = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * v), [0, x])[1]
    return [y, z, *map(tf.convert_to_tensor, tf.gradients([y, z], [x, v]))]


def _trained(tf: Any, loss: Any, optimizer: Any) -> list[Any]:
    tf.identity_n([loss], name="loss")
    optimizer.minimize(loss, name="train")
    return [loss]


def _net(tf: Any, x: Any, cell: Any, **options: Any) -> Any:
    sequence = tf.reshape(tf.concat([x, x * 0.5], 0), [2, 3, 1])
    with tf.variable_scope("net", initializer=tf.constant_initializer(0.3)):
        return tf.nn.dynamic_rnn(cell, sequence, dtype=tf.float32, **options)


@program
def recurrent(tf: Any, x: Any) -> Any:
    outputs, state = _net(tf, x, tf.nn.rnn_cell.BasicLSTMCell(2))
    return _trained(
        tf, tf.reduce_sum(outputs * outputs) + tf.reduce_sum(state.h), tf.train.AdamOptimizer(0.1)
    )


@program
def recurrent_with_lengths(tf: Any, x: Any) -> Any:
    outputs, _ = _net(tf, x, tf.nn.rnn_cell.GRUCell(2), sequence_length=[3, 2])
    return _trained(tf, tf.reduce_sum(tf.square(outputs)), tf.train.GradientDescentOptimizer(0.1))


@program
def trained_on_a_condition(tf: Any, x: Any) -> Any:
    w = tf.get_variable("w", initializer=[1.0, 2.0, 3.0])
    training = tf.placeholder_with_default(True, [], name="training")
    y = tf.cond(training, lambda: w * x, lambda: w * 2.0)
    return _trained(tf, tf.reduce_sum(y * y), tf.train.AdamOptimizer(0.1))


@program
def dropped(tf: Any, x: Any) -> Any:
    training = tf.placeholder_with_default(False, [], name="training")
    w = tf.get_variable("w", initializer=[[0.5, 0.1], [0.2, 0.3], [0.4, 0.6]])
    y = tf.layers.dropout(tf.matmul(x[None], w), training=training)
    return _trained(tf, tf.reduce_sum(y * y), tf.train.AdamOptimizer(0.1))


@program
def normalized(tf: Any, x: Any) -> Any:
    training = tf.placeholder_with_default(True, [], name="training")
    y = tf.layers.batch_normalization(tf.reshape(tf.concat([x, x * x], 0), [3, 2]), training=training)
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        return _trained(tf, tf.reduce_sum(tf.square(y - 1.0)), tf.train.GradientDescentOptimizer(0.1))


# --- building and running, on either side -------------------------------------------------------------------


def module_of(python: str) -> str:
    """The module that a peer's Python has TensorFlow 1's API in."""
    found = subprocess.run(
        [python, "-c", "import tensorflow as tf; print(tf.__version__)"], capture_output=True
    )
    return "tensorflow" if found.stdout.startswith(b"1.") else "tensorflow.compat.v1"


def build(tf: Any, name: str) -> Any:
    """The GraphDef of a program; its results are called `y_0`, `y_1`, ..."""
    with tf.Graph().as_default() as graph:
        if hasattr(tf, "disable_v2_behavior"):
            tf.disable_v2_behavior()
        x = tf.placeholder(tf.float32, [3], name="x")
        for k, y in enumerate(PROGRAMS[name](tf, x)):
            tf.identity(y, name=f"y_{k}")
        tf.global_variables_initializer().name  # noqa: B018 - called `init`
        return graph.as_graph_def()


def run(tf: Any, graph_def: Any) -> list[Any]:
    """What a GraphDef gives for each of the feeds."""
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        names = {op.name for op in graph.get_operations()}
        ys = [f"y_{k}:0" for k in range(10) if f"y_{k}" in names]
        found = []
        with tf.Session() as sess:
            sess.run("init")
            for feed in FEEDS:
                if "train" in names:
                    sess.run("train", {"x:0": feed})
                found.append([np.asarray(v).tolist() for v in sess.run(ys, {"x:0": feed})])
        return found


def at_work(module: str) -> None:
    """What a process of a peer does: builds programs into files and runs files, as each line says."""
    warnings.simplefilter("ignore")
    tf = importlib.import_module(module)
    print("RESULT null", flush=True)
    for line in sys.stdin:
        task, name, file = json.loads(line)
        try:
            if task == "build":
                pathlib.Path(file).write_bytes(build(tf, name).SerializeToString())
                found: Any = None
            else:
                graph_def = tf.GraphDef()
                graph_def.ParseFromString(pathlib.Path(file).read_bytes())
                found = run(tf, graph_def)
        except Exception as error:
            found = f"{type(error).__name__}: {str(error)[:300]}"
        print("RESULT " + json.dumps(found), flush=True)


class Peer:
    """A Python with TensorFlow 1's API in one of its modules."""

    def __init__(self, python: str, module: str) -> None:
        self.module = module
        self._command = [python, __file__, "--at-work", module]
        self._process: subprocess.Popen[str] | None = None

    def ask(self, task: str, name: str, file: pathlib.Path) -> Any:
        """Lets it do one task; the result, or a line about what went wrong."""
        if self._process is None:
            self._process = subprocess.Popen(
                self._command, stdin=PIPE, stdout=PIPE, stderr=subprocess.DEVNULL, text=True
            )
            self._answer()
        if self._process is None or self._process.stdin is None:
            return f"{self.module} cannot be imported"
        self._process.stdin.write(json.dumps([task, name, str(file)]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        process = self._process
        assert process is not None and process.stdout is not None
        timer = threading.Timer(LIMIT, process.kill)
        timer.start()
        try:
            for line in process.stdout:
                if line.startswith("RESULT "):
                    return json.loads(line[7:])
        finally:
            timer.cancel()
        self._process = None
        return f"ended with {process.wait()}" if process.wait() != -9 else f"took more than {LIMIT} s"

    def close(self) -> None:
        """Ends its process."""
        if self._process is not None:
            self._process.communicate()


def same(a: Any, b: Any) -> bool:
    """True where two results are alike."""
    if isinstance(a, str) or isinstance(b, str):
        return False
    pairs = zip(a, b, strict=True)
    return all(np.allclose(u, v, 1e-4, 1e-5) for m, n in pairs for u, v in zip(m, n, strict=True))


def check(here: Peer, there: Peer, name: str, folder: pathlib.Path) -> Iterator[str]:
    """What of a program does not travel between here and a peer; "" where the peer cannot write it."""
    file = folder / f"{name}.pb"
    for builder, runner in ((here, there), (there, here)):
        failed = builder.ask("build", name, file)
        if failed:
            print(f"{name}: {builder.module} cannot write it: {failed}", flush=True)
            yield ""
            continue
        wanted, found = builder.ask("run", name, file), runner.ask("run", name, file)
        if not same(wanted, found):
            yield f"{name}: written by {builder.module}, {wanted}\n  there, but by {runner.module}, {found}"


def main() -> int:
    """Checks every program with every peer."""
    if sys.argv[1:2] == ["--at-work"]:
        at_work(sys.argv[2])
        return 0
    peers = [Peer(a, module_of(a)) for a in sys.argv[1:] if "/" in a]
    names = [a for a in sys.argv[1:] if "/" not in a] or list(PROGRAMS)
    here = Peer(sys.executable, "millrace")
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        for peer in peers:
            wrong = lacking = 0
            for name in names:
                problems = list(check(here, peer, name, pathlib.Path(folder)))
                lacking += "" in problems
                wrong += any(problems)
                for problem in filter(None, problems):
                    print(problem, flush=True)
            count += wrong
            both = len(names) - wrong - lacking
            print(f"{peer.module}: {both} of {len(names)} programs travel both ways, {wrong} do not,")
            print(f"  {lacking} travel from here, and cannot be written there", flush=True)
    for peer in (here, *peers):
        peer.close()
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main())
