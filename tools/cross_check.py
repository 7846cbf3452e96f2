"""Checks that checkpoints, meta graphs, SavedModels and frozen graphs travel between millrace and TensorFlow,
both ways.

    python tools/cross_check.py PEER [PEER ...]

A PEER is the Python of an environment with TensorFlow (1.x or 2.x). In each direction one side writes, the
other reads what is there by name, imports the meta graph, restores and runs it; for checkpoints in the format
V2 the files of both sides must be equal to the byte. Prints a line for each check and fails when one does.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np

_UNREAD = "unread"
MODELS = ("saved_model", "frozen")
KINDS = ("v2", "v1", "sharded_v2", "sharded_v1", "partitioned", "resource", "many", "large_index")


def _tensorflow() -> Any:
    """TensorFlow 1's API: of the environment's TensorFlow where there is one, else millrace's."""
    try:
        import tensorflow as tf  # pyright: ignore[reportMissingImports]
    except ImportError:
        import millrace

        return millrace
    if tf.__version__.startswith("2"):
        tf = tf.compat.v1
        tf.disable_v2_behavior()
    tf.logging.set_verbosity(tf.logging.ERROR)
    return tf


def _session(tf: Any) -> Any:
    return tf.Session(config=tf.ConfigProto(device_count={"CPU": 3}, allow_soft_placement=True))


def _values(kind: str) -> dict[str, Any]:
    rng = np.random.RandomState(0)
    if kind == "many":
        return {f"layer_{k:03d}/kernel": rng.randn(3, k % 5).astype("f") for k in range(300)}
    if kind == "large_index":
        return {f"a/rather/long/name/of/a/variable/number_{k:05d}": np.float32(k) for k in range(3000)}
    numbers = {
        "f32": "float32",
        "f64": "float64",
        "i32": "int32",
        "i64": "int64",
        "u8": "uint8",
        "h": "float16",
    }
    found: dict[str, Any] = {name: (rng.randn(4, 3) * 9).astype(dtype) for name, dtype in numbers.items()}
    found["c64"] = (rng.randn(2) + 1j * rng.randn(2)).astype("complex64")
    found["flag"] = np.array([True, False])
    found["text"] = np.array([b"", b"x" * 200, b"\xc3\xa9\x00"], object)
    found["scope/empty"] = np.zeros((0, 2), "f")
    found["scope/scalar"] = np.float32(7)
    return found


def _build(tf: Any, kind: str) -> Any:
    """The graph of a kind; returns its saver."""
    version = tf.train.SaverDef.V1 if kind.endswith("v1") else tf.train.SaverDef.V2
    if kind == "partitioned":
        cut = tf.fixed_size_partitioner(3)
        tf.get_variable("p", [7, 2], initializer=tf.constant_initializer(1.5), partitioner=cut)
        tf.get_variable("q", [5], initializer=tf.ones_initializer())
    else:
        for k, (name, value) in enumerate(_values(kind).items()):
            with tf.device(f"/cpu:{k % 3}" if "sharded" in kind else None):
                tf.get_variable(
                    name,
                    initializer=value.tolist() if value.dtype == object else value,
                    use_resource=kind == "resource",
                )
    x = tf.placeholder(tf.float32, [None], name="x")
    total = tf.add_n([tf.reduce_sum(tf.cast(v, tf.float64)) for v in tf.global_variables() if _adds(v)])
    tf.multiply(tf.cast(x, tf.float64), total, name="y")
    tf.add_to_collection("numbers", 3)
    return tf.train.Saver(write_version=version, sharded="sharded" in kind)


def _adds(variable: Any) -> bool:
    return variable.dtype.base_dtype.name in ("float32", "float64", "int32")


def _write_models(tf: Any, folder: str) -> None:
    """Writes a SavedModel with a branch, a loop, a table and an asset, and the same model frozen."""
    words = os.path.join(folder, "words")
    with open(words, "w", encoding="utf-8") as file:
        file.write("a\nb\nc\n")
    with tf.Graph().as_default(), _session(tf) as sess:
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        w = tf.get_variable("w", initializer=[[1.0, -2.0], [0.5, 3.0]], use_resource=True)
        b = tf.get_variable("b", initializer=[0.25, -1.0])
        h = tf.nn.bias_add(tf.matmul(x, w), b)
        h = tf.cond(tf.reduce_sum(h) > 0.0, lambda: h * b, lambda: h - b)
        h = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * 0.5 + b), [0, h])[1]
        y = tf.identity(h, name="y")
        known = tf.placeholder(tf.string, [None], name="k")
        path = tf.constant(words)
        tf.add_to_collection(tf.GraphKeys.ASSET_FILEPATHS, path)
        start = tf.lookup.TextFileInitializer(
            path, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
        )
        found = tf.identity(tf.lookup.StaticHashTable(start, -1).lookup(known), name="n")
        sess.run([tf.global_variables_initializer(), tf.tables_initializer()])
        where = os.path.join(folder, "saved_model")
        tf.saved_model.simple_save(
            sess, where, {"x": x, "k": known}, {"y": y, "n": found}, tf.tables_initializer()
        )
        frozen = tf.graph_util.convert_variables_to_constants(sess, sess.graph.as_graph_def(), ["y"])
        tf.train.write_graph(frozen, folder, "frozen.pb", as_text=False)
    os.remove(words)


def _read_models(tf: Any, folder: str) -> dict[str, Any]:
    found = {}
    numbers = [[1.0, 2.0], [-3.0, 0.5]], [[-4.0, 1.0]]
    with tf.Graph().as_default(), _session(tf) as sess:
        meta = tf.saved_model.load(sess, ["serve"], os.path.join(folder, "saved_model"))
        signature = meta.signature_def["serving_default"]
        x, k = (signature.inputs[name].name for name in ("x", "k"))
        y, n = (signature.outputs[name].name for name in ("y", "n"))
        runs = [[_listed(v) for v in sess.run([y, n], {x: v, k: ["b", "z"]})] for v in numbers]
        names = sorted(v.name for v in tf.global_variables())
        slope = tf.gradients(
            tf.get_default_graph().get_tensor_by_name(y), tf.get_default_graph().get_tensor_by_name(x)
        )
        slopes = [_listed(sess.run(slope[0], {x: v})) for v in numbers]
        found["saved_model"] = {"run": runs, "variables": names, "gradient": slopes}
    with tf.Graph().as_default(), _session(tf) as sess:
        definition = tf.GraphDef()
        with open(os.path.join(folder, "frozen.pb"), "rb") as file:
            definition.ParseFromString(file.read())
        tf.import_graph_def(definition, name="")
        found["frozen"] = {"run": [_listed(sess.run("y:0", {"x:0": v})) for v in numbers]}
    return found


def write(folder: str) -> None:
    """Writes a checkpoint of each kind, a SavedModel and a frozen graph."""
    tf = _tensorflow()
    os.makedirs(folder, exist_ok=True)
    _write_models(tf, folder)
    for kind in KINDS:
        os.makedirs(os.path.join(folder, kind))
        with tf.Graph().as_default(), _session(tf) as sess:
            saver = _build(tf, kind)
            sess.run(tf.global_variables_initializer())
            saver.save(sess, os.path.join(folder, kind, "m"), global_step=3)


def read(folder: str) -> None:
    """Reads each kind by name and through its meta graph; prints what it finds as JSON."""
    tf = _tensorflow()
    found = _read_models(tf, folder)
    for kind in KINDS:
        prefix = tf.train.latest_checkpoint(os.path.join(folder, kind))
        reader = tf.train.NewCheckpointReader(prefix)
        shapes = reader.get_variable_to_shape_map()
        by_name = {name: [list(shapes[name]), _read(tf, reader, name)] for name in sorted(shapes)}
        with tf.Graph().as_default(), _session(tf) as sess:
            saver = tf.train.import_meta_graph(os.path.join(folder, kind, "m-3.meta"))
            saver.restore(sess, prefix)
            names = sorted(v.name for v in tf.global_variables())
            y = sess.run("y:0", {"x:0": [1.0, 2.0]}).tolist()
            numbers = list(tf.get_collection("numbers"))
        found[kind] = {"by name": by_name, "variables": names, "run": y, "collection": numbers}
    print(json.dumps(found))


def _read(tf: Any, reader: Any, name: str) -> Any:
    try:
        return _listed(reader.get_tensor(name))
    except tf.errors.UnimplementedError:  # 1.15 reads some dtypes into graphs only
        return _UNREAD


def _listed(value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype.kind in "OS":
        return [text.hex() for text in array.ravel().tolist()]
    if array.dtype.kind == "c":
        return [[z.real, z.imag] for z in array.ravel().tolist()]
    return array.ravel().astype(float).tolist()


def _run(python: str, task: str, folder: str) -> Any:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [python, __file__, "--task", task, folder],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{python} cannot {task} {folder}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1]) if task == "read" else None


def check(peer: str, root: pathlib.Path) -> int:
    """Compares millrace with one peer; prints the outcome; returns the number of failures."""
    ours, theirs = root / "ours", root / "theirs"
    _run(sys.executable, "write", str(ours))
    _run(peer, "write", str(theirs))
    reference = _run(peer, "read", str(theirs))
    failures = 0
    for title, python, folder in (
        ("TensorFlow reads millrace's", peer, ours),
        ("millrace reads TensorFlow's", sys.executable, theirs),
        ("millrace reads its own", sys.executable, ours),
    ):
        found = _run(python, "read", str(folder))
        for kind in KINDS + MODELS:
            wrong = [part for part, value in reference[kind].items() if not _equal(found[kind][part], value)]
            failures += bool(wrong)
            print(f"{'FAIL' if wrong else 'ok':4}  {title}: {kind} {', '.join(wrong)}")
    for kind in KINDS:
        names = sorted(
            p.name for p in (theirs / kind).iterdir() if ".data-" in p.name or p.name.endswith(".index")
        )
        wrong = [
            name for name in names if not filecmp.cmp(ours / kind / name, theirs / kind / name, shallow=False)
        ]
        failures += bool(wrong)
        print(f"{'FAIL' if wrong else 'ok':4}  the same bytes: {kind} {', '.join(wrong)}")
    return failures


def _equal(a: Any, b: Any) -> bool:
    if b == _UNREAD:
        return True
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b))
    return a == b or (isinstance(a, float) and abs(a - b) <= 1e-6 * max(1.0, abs(b)))


def main() -> int:
    """Runs the checks, or the part of them that the arguments name."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--task", choices=["write", "read"], help="what a child does in FOLDER")
    parser.add_argument("targets", nargs="+", metavar="PEER", help="Pythons that have TensorFlow")
    given = parser.parse_args()
    if given.task:
        (write if given.task == "write" else read)(given.targets[0])
        return 0
    failures = 0
    for peer in given.targets:
        print(f"== {peer}")
        with tempfile.TemporaryDirectory() as folder:
            failures += check(peer, pathlib.Path(folder))
    print("all equal" if not failures else f"{failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
