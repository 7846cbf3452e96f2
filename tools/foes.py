"""Changes GraphDefs and files, thousands of times, and looks whether reading them ends well.

    python tools/foes.py [--count 5000] [--seed 0] [--kind graph ...]

A changed file is read, and what it makes is run where it is a graph or a picture. It must work, or end in
ValueError, TypeError, OSError, a plain RuntimeError (an empty graph, tags that are not there) or an error of
TensorFlow's classes, within two seconds of this process's time and one GiB above what it had. Each hundred
runs in a process of its own, so that a crash costs no more.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pathlib
import random
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

SECONDS, BYTES, AT_ONCE = 2.0, 1 << 30, 100
_LARGE = (-1, 0, 1, 7, 2**31 - 1, -(2**31), 2**40, 2**63 - 1)


class TooLong(BaseException):
    """Two seconds have passed."""


# --- what is changed ----------------------------------------------------------------------------------------


def _layers(tf: Any) -> None:
    x = tf.placeholder_with_default(np.ones([1, 8, 8, 3], "f"), [None, 8, 8, 3], name="x")
    h = tf.layers.max_pooling2d(tf.layers.conv2d(x, 4, 3, activation=tf.nn.relu), 2, 2)
    h = tf.layers.batch_normalization(h, training=True)
    y = tf.layers.dense(tf.layers.flatten(h), 3)
    labels = tf.constant([1])
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=y), name="y")
    tf.train.AdamOptimizer(0.1).minimize(loss, name="train")


def _flow(tf: Any) -> None:
    x = tf.placeholder_with_default([0.5, -1.0, 2.0], [3], name="x")
    w = tf.Variable([1.0, 2.0, 3.0], name="w")
    loop = tf.while_loop(lambda i, a: i < 4, lambda i, a: (i + 1, a * w + tf.sin(x)), [0, x])[1]
    branch = tf.cond(x[0] > 0.0, lambda: loop * 2.0, lambda: tf.exp(-loop))
    array = tf.TensorArray(tf.float32, 3).unstack(branch).stack()
    y = tf.reduce_sum(tf.map_fn(lambda v: v * v, array), name="y")
    tf.train.GradientDescentOptimizer(0.1).minimize(y, name="train")


def _texts(tf: Any) -> None:
    x = tf.placeholder_with_default(["a b", "c", ""], [3], name="x")
    parts = tf.string_split(x)
    table = tf.contrib.lookup.index_table_from_tensor(tf.constant(["a", "c"]), num_oov_buckets=2)
    ids = table.lookup(tf.sparse.to_dense(parts, default_value=""))
    joined = tf.string_join([tf.as_string(ids), tf.strings.substr(tf.as_string(ids), 0, 1)], "-")
    tf.reduce_join(tf.regex_replace(joined, "[0-9]+", "n"), axis=[0, 1], name="y")


def _shapes(tf: Any) -> None:
    x = tf.placeholder_with_default(np.arange(24, dtype="f").reshape(2, 3, 4), None, name="x")
    parts = tf.split(tf.reshape(x, [2, 12]), 3, axis=1)
    h = tf.transpose(tf.stack(parts), [1, 0, 2])[:, ::-1, 1:3]
    h = tf.pad(tf.tile(h, [1, 2, 1]), [[0, 0], [1, 1], [0, 2]])
    h = tf.gather_nd(h, [[0, 1], [1, 2]]) + tf.gather(h, [0, 2], axis=1)[0]
    h = tf.concat([h, tf.one_hot([1, 0], 4)], 0)
    tf.add_n(
        [tf.reduce_sum(tf.cumsum(h, 1)), tf.reduce_prod(tf.cast(tf.nn.top_k(h, 2)[1], tf.float32))], name="y"
    )


def _input(tf: Any) -> None:
    queue = tf.FIFOQueue(5, [tf.float32, tf.int32], [[2], []], name="q")
    put = queue.enqueue_many([tf.ones([3, 2]), [1, 2, 3]])
    data = tf.data.Dataset.range(6).map(lambda v: v * 2).batch(2).make_one_shot_iterator().get_next()
    with tf.control_dependencies([put]):
        a, b = queue.dequeue_up_to(2)
    tf.add_n(
        [tf.reduce_sum(a), tf.cast(tf.reduce_sum(b), tf.float32), tf.cast(data[0], tf.float32)], name="y"
    )


GRAPHS = (_layers, _flow, _texts, _shapes, _input)


def graphs(tf: Any) -> list[Any]:
    """GraphDefs of everyday programs, whose results are called `y`."""
    made = []
    for build in GRAPHS:
        with tf.Graph().as_default() as graph:
            build(tf)
            tf.group(tf.global_variables_initializer(), tf.tables_initializer(), name="start")
            made.append(graph.as_graph_def())
    return made


def pictures(tf: Any) -> dict[str, bytes]:
    """Small files of pictures and of sound."""
    shades = np.random.RandomState(0).randint(0, 256, [19, 23, 3]).astype("u1")
    with tf.Graph().as_default(), tf.Session() as sess:
        made = {
            "png": tf.image.encode_png(shades),
            "png16": tf.image.encode_png(shades.astype("u2") * 251),
            "jpeg": tf.image.encode_jpeg(shades),
            "progressive": tf.image.encode_jpeg(shades, progressive=True),
            "wav": tf.audio.encode_wav(np.zeros([50, 2], "f"), 8000),
        }
        found = {k: sess.run(v) for k, v in made.items()}
    header = b"BM" + (54 + 4 * 5 * 3).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little")
    sizes = (40, 4, 5), (1, 24)
    header += b"".join(n.to_bytes(4, "little") for n in sizes[0]) + b"".join(
        n.to_bytes(2, "little") for n in sizes[1]
    )
    found["bmp"] = header + bytes(24) + bytes(range(4 * 5 * 3))
    return found


# --- changes ------------------------------------------------------------------------------------------------


def damaged(data: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, cut out, doubled or made large numbers."""
    new = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        if not new:
            break
        k, n = chance.randrange(len(new)), chance.randint(1, 8)
        kind = chance.randrange(6)
        if kind == 0:
            new[k] ^= 1 << chance.randrange(8)
        elif kind == 1:
            new[k] = chance.randrange(256)
        elif kind == 2:
            del new[k : k + n]
        elif kind == 3:
            new[k:k] = new[k : k + n]
        elif kind == 4:
            new[k : k + n] = chance.choice((b"\xff", b"\x00", b"\x7f")) * len(new[k : k + n])
        else:
            del new[k:]
    return bytes(new)


def rewritten(definition: Any, chance: random.Random) -> Any:
    """A GraphDef with nodes whose inputs, attributes, types or names are others."""
    nodes = definition.node
    for _ in range(chance.choice((1, 1, 2, 5))):
        node, other = chance.choice(nodes), chance.choice(nodes)
        kind = chance.randrange(9)
        if kind == 0 and node.input:
            node.input[chance.randrange(len(node.input))] = chance.choice(
                (other.name, f"{other.name}:{chance.choice(_LARGE)}", f"^{other.name}", node.name, "", "?")
            )
        elif kind == 1 and node.input:
            del node.input[chance.randrange(len(node.input))]
        elif kind == 2:
            node.input.append(other.name)
        elif kind == 3:
            node.op = other.op
        elif kind == 4:
            node.name = other.name
        elif kind == 5 and node.attr:
            del node.attr[chance.choice(sorted(node.attr))]
        elif kind == 6 and node.attr and other.attr:
            node.attr[chance.choice(sorted(node.attr))].CopyFrom(
                other.attr[chance.choice(sorted(other.attr))]
            )
        elif node.attr:
            _other_value(node.attr[chance.choice(sorted(node.attr))], chance)
    return definition


def _other_value(value: Any, chance: random.Random) -> None:
    kind = value.WhichOneof("value")
    if kind == "i":
        value.i = chance.choice(_LARGE)
    elif kind == "b":
        value.b = not value.b
    elif kind == "f":
        value.f = chance.choice((float("nan"), float("inf"), -1.0, 1e30))
    elif kind == "type":
        value.type = chance.choice((0, 1, 2, 3, 7, 9, 10, 20, 21, 22, 101, 999))
    elif kind == "s":
        value.s = chance.choice((b"", b"SAME", b"\xff\xfe", b"a" * 1000, value.s[:1]))
    elif kind == "shape":
        value.shape.unknown_rank = False
        value.shape.dim.add(size=chance.choice(_LARGE))
    elif kind == "list":
        value.list.i.append(chance.choice(_LARGE))
    elif kind == "tensor":
        tensor = value.tensor
        if chance.random() < 0.5 and tensor.tensor_shape.dim:
            chance.choice(tensor.tensor_shape.dim).size = chance.choice(_LARGE)
        elif chance.random() < 0.5:
            tensor.dtype = chance.choice((0, 1, 3, 7, 9, 14, 20, 21, 999))
        else:
            tensor.tensor_content = damaged(tensor.tensor_content or b"\0" * 8, chance)


# --- reading ------------------------------------------------------------------------------------------------


def run_graph(tf: Any, definition: Any) -> None:
    """Imports a GraphDef and runs its start, `y` and its step of training."""
    with tf.Graph().as_default() as graph:
        try:
            tf.import_graph_def(definition, name="")
        except BaseException:
            assert not graph.get_operations(), "an import that failed has left operations"
            raise
        names = {op.name for op in graph.get_operations()}
        with tf.Session() as sess:
            options = tf.RunOptions(timeout_in_ms=500)
            for fetch in ("start", "y:0", "train"):
                if fetch.partition(":")[0] in names:
                    sess.run(fetch, options=options)


def run_picture(tf: Any, kind: str, data: bytes) -> None:
    """Decodes a picture, or a sound."""
    with tf.Graph().as_default(), tf.Session() as sess:
        if kind == "wav":
            sess.run(tf.audio.decode_wav(data))
            return
        if kind == "bmp":
            sess.run(tf.image.decode_bmp(data))
        else:
            dtype = tf.uint16 if kind == "png16" else tf.uint8
            sess.run(tf.image.decode_png(data, dtype=dtype) if "png" in kind else tf.image.decode_jpeg(data))
        sess.run(tf.image.decode_image(data))


class Changed:
    """Reads what was changed; one method for each kind."""

    KINDS = ("graph", "bytes", "picture", "checkpoint", "records", "examples", "meta", "model")

    def __init__(self, tf: Any, folder: pathlib.Path) -> None:
        self._tf, self._folder = tf, folder
        self._graphs, self._pictures = graphs(tf), pictures(tf)
        self._models = self._written()

    def _written(self) -> dict[str, dict[str, bytes]]:
        """Folders with a checkpoint, a meta graph, a SavedModel; what files they have."""
        tf = self._tf
        with tf.Graph().as_default(), tf.Session() as sess:
            _flow(tf)
            tf.get_variable("words", initializer=["a", "bc" * 40])
            sess.run(tf.global_variables_initializer())
            tf.train.Saver().save(sess, str(self._folder / "ckpt" / "m"))
            x, y = (sess.graph.get_tensor_by_name(n) for n in ("x:0", "y:0"))
            tf.saved_model.simple_save(sess, str(self._folder / "model"), {"x": x}, {"y": y})
        files = [p for p in self._folder.rglob("*") if p.is_file()]
        return {
            top: {str(p.relative_to(self._folder)): p.read_bytes() for p in files if top in str(p)}
            for top in ("ckpt", "model")
        }

    def graph(self, chance: random.Random) -> None:
        """A GraphDef whose nodes were rewritten."""
        definition = self._tf.GraphDef()
        definition.CopyFrom(chance.choice(self._graphs))
        run_graph(self._tf, rewritten(definition, chance))

    def bytes(self, chance: random.Random) -> None:
        """A GraphDef whose bytes were changed."""
        data = damaged(chance.choice(self._graphs).SerializeToString(), chance)
        run_graph(self._tf, _parsed(self._tf.GraphDef, data))

    def picture(self, chance: random.Random) -> None:
        """A picture."""
        kind = chance.choice(sorted(self._pictures))
        run_picture(self._tf, kind, damaged(self._pictures[kind], chance))

    def _damage(self, top: str, ending: str, chance: random.Random) -> None:
        files = self._models[top]
        chosen = chance.choice([name for name in sorted(files) if ending in name])
        for name, data in files.items():
            (self._folder / name).write_bytes(damaged(data, chance) if name == chosen else data)

    def checkpoint(self, chance: random.Random) -> None:
        """A checkpoint, of which all values are read."""
        self._damage("ckpt", chance.choice(("index", "data", "checkpoint")), chance)
        tf = self._tf
        path = tf.train.latest_checkpoint(str(self._folder / "ckpt")) or str(self._folder / "ckpt" / "m")
        reader = tf.train.NewCheckpointReader(path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)

    def records(self, chance: random.Random) -> None:
        """A file of records, read by Python and by a dataset."""
        tf, path = self._tf, str(self._folder / "records")
        options = chance.choice((None, tf.io.TFRecordOptions("GZIP"), tf.io.TFRecordOptions("ZLIB")))
        with tf.io.TFRecordWriter(path, options) as file:
            for k in range(20):
                file.write(b"%d" % k * k)
        pathlib.Path(path).write_bytes(damaged(pathlib.Path(path).read_bytes(), chance))
        if chance.random() < 0.5:
            list(tf.python_io.tf_record_iterator(path, options))
            return
        name = "" if options is None else tf.io.TFRecordOptions.get_compression_type_string(options)
        with tf.Graph().as_default(), tf.Session() as sess:
            element = tf.data.TFRecordDataset(path, name).make_one_shot_iterator().get_next()
            for _ in range(25):
                sess.run(element)

    def examples(self, chance: random.Random) -> None:
        """Examples, lines of CSV, JSON, raw bytes, encoded tensors, compressed texts."""
        tf = self._tf
        example = tf.train.Example()
        example.features.feature["a"].float_list.value.extend([1.0, 2.0])
        example.features.feature["b"].bytes_list.value.append(b"text")
        example.features.feature["c"].int64_list.value.extend([1, -2, 3])
        data = damaged(example.SerializeToString(), chance)
        spec = {"a": tf.FixedLenFeature([2], tf.float32), "b": tf.VarLenFeature(tf.string),
                "c": tf.FixedLenSequenceFeature([], tf.int64, True)}  # fmt: skip
        text = damaged(b'1.5,"a ""b""",3\n', chance)
        proto = damaged(tf.make_tensor_proto(np.ones([2, 3], "f")).SerializeToString(), chance)
        with tf.Graph().as_default(), tf.Session() as sess:
            made = chance.choice((
                lambda: tf.parse_single_example(data, spec), lambda: tf.parse_example([data, data], spec),
                lambda: tf.decode_csv([text], [[1.0], [""], [1]]), lambda: tf.decode_raw(data, tf.int32),
                lambda: tf.io.parse_tensor(proto, tf.float32), lambda: tf.io.decode_base64(text),
                lambda: tf.decode_compressed(data, chance.choice(("ZLIB", "GZIP"))),
                lambda: tf.io.decode_json_example(damaged(b'{"features": {"feature": {}}}', chance)),
                lambda: tf.strings.unicode_decode(data, chance.choice(("UTF-8", "UTF-16-BE"))),
                lambda: tf.string_to_number([text], tf.float32),
                lambda: tf.io.decode_proto(data, "tensorflow.Example", ["features"], [tf.string]),
            ))()  # fmt: skip
            sess.run(made)

    def meta(self, chance: random.Random) -> None:
        """A MetaGraph."""
        self._damage("ckpt", ".meta", chance)
        tf = self._tf
        with tf.Graph().as_default(), tf.Session() as sess:
            saver = tf.train.import_meta_graph(str(self._folder / "ckpt" / "m.meta"))
            if saver is not None:
                saver.restore(sess, str(self._folder / "ckpt" / "m"))
            sess.run("y:0", options=tf.RunOptions(timeout_in_ms=500))

    def model(self, chance: random.Random) -> None:
        """A SavedModel."""
        self._damage("model", chance.choice(("saved_model.pb", "variables")), chance)
        tf = self._tf
        with tf.Graph().as_default(), tf.Session() as sess:
            tf.saved_model.load(sess, ["serve"], str(self._folder / "model"))
            sess.run("y:0", options=tf.RunOptions(timeout_in_ms=500))


def _parsed(kind: Any, data: bytes) -> Any:
    try:
        return kind.FromString(data)
    except Exception as error:  # protobuf's own, for bytes that are not a message
        raise ValueError(str(error)) from None


# --- judging ------------------------------------------------------------------------------------------------


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def one(tf: Any, changed: Changed, kind: str, number: int) -> str:
    """How the reading of one changed file ended: read, the class of a documented error, WRONG and why."""

    def end(*_: Any) -> None:
        raise TooLong

    refused = (ValueError, TypeError, OSError, tf.errors.OpError)
    signal.signal(signal.SIGVTALRM, end)
    peak = _peak()
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            getattr(changed, kind)(random.Random(number))
        result = "read"
    except refused as error:
        result = type(error).__name__
    except BaseException as error:
        if type(error) is RuntimeError:
            return "RuntimeError"
        places = traceback.extract_tb(error.__traceback__)[-2:]
        where = " < ".join(f"{pathlib.Path(p.filename).name}:{p.lineno}" for p in reversed(places))
        result = f"WRONG {kind} {number}: {type(error).__name__}: {str(error)[:120]} ({where})"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return f"WRONG {kind} {number}: took {_peak() - peak >> 20} MiB" if _peak() - peak > BYTES else result


def some(kind: str, numbers: range, write: Callable[[str], Any]) -> None:
    """Reads changed files, in this process, and writes how each ended."""
    import millrace as tf

    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        changed = Changed(tf, pathlib.Path(folder))
        used = resource.getrlimit(resource.RLIMIT_AS)
        limit = (
            int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + 3 * BYTES
        )
        resource.setrlimit(resource.RLIMIT_AS, (limit, used[1]))
        for number in numbers:
            write(f"{number} ")
            write(one(tf, changed, kind, number).replace("\n", " ") + "\n")


def _write(file: int, text: str) -> None:
    os.write(file, text.encode())


def many(kind: str, numbers: range) -> list[str]:
    """How the reading of changed files ended, each hundred in a process of its own; a crash is WRONG, too."""
    found: list[str] = []
    start = numbers.start
    while start < numbers.stop:
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.close(reader)
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 2)
            os.dup2(null, 1)
            some(kind, range(start, min(start + AT_ONCE, numbers.stop)), partial(_write, writer))
            os._exit(0)
        os.close(writer)
        with open(reader, encoding="utf-8") as file:
            lines = file.read().splitlines()
        status = os.waitpid(child, 0)[1]
        if not lines:
            raise RuntimeError(f"no file was read: {status}")
        last = lines[-1].partition(" ")
        if status:
            lines[-1] = f"{last[0]} WRONG {kind} {last[0]}: the process ended with {status}"
        found += [line.partition(" ")[2] for line in lines]
        start = int(last[0]) + 1
    return found


def main() -> int:
    """Reads all kinds; 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--count", type=int, default=5000, help="of all kinds together (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="the first number is this million (default: %(default)s)"
    )
    parser.add_argument("--kind", choices=Changed.KINDS, action="append", help="by default all")
    given = parser.parse_args()
    importlib.import_module("millrace")
    kinds, bad = given.kind or Changed.KINDS, 0
    for kind in kinds:
        first = given.seed * 10**6
        found = many(kind, range(first, first + given.count // len(kinds)))
        for line in found:
            if line.startswith("WRONG"):
                bad += 1
                print(line, flush=True)
        seen = Counter("WRONG" if line.startswith("WRONG") else line for line in found)
        print(f"{kind}: {', '.join(f'{n} {name}' for name, n in seen.most_common())}", flush=True)
    print("nothing wrong" if not bad else f"{bad} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
