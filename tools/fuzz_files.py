"""Changes messages inside files, checksums kept right, and looks how reading takes it.

    python tools/fuzz_files.py [--files 2000] [--seed 0] [--only KIND]

What `damage.py` flips, a checksum finds. Here the bytes are whole and what they say is wrong: a size below
zero, a shape of 2^62, a dtype that there is none of, a name twice, a node that takes itself. Each changed
file is read by a process of its own, which must end soon, without a signal, without much memory, and with
values or an error of the classes that TensorFlow has.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import os
import pathlib
import random
import resource
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

SECONDS = 20  # that a reader may take
MEBIBYTES = 300  # that it may take beyond what it has when it starts
NUMBERS = (
    0,
    1,
    -1,
    2,
    7,
    255,
    1 << 20,
    1 << 31,
    -(1 << 31),
    1 << 40,
    (1 << 62) + 1,
    (1 << 63) - 1,
    -(1 << 63),
)
FLOATS = (0.0, -1.0, float("nan"), float("inf"), 1e308)
TEXTS = (
    b"",
    b"x",
    b"/",
    b"^a",
    b"a:9",
    b"loc:@nowhere",
    b"\xff\xfe",
    b"../up",
    b"a" * 3000,
    b"v0",
    b"Const",
    b"%s\0",
)


# --- changing a message -------------------------------------------------------------------------------------


def places(message: Any) -> list[tuple[Any, Any]]:
    """All fields that are set in a message and in those within it, with the message that has them."""
    found = []
    for field, value in message.ListFields():
        found.append((message, field))
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                found += [place for key in value for place in places(value[key])]
        else:
            for inner in value if field.is_repeated else [value]:
                found += places(inner)
    return found


def change(message: Any, chance: random.Random) -> str:
    """Changes one field of a message; which."""
    found = places(message)
    if not found:
        return "nothing"
    owner, field = chance.choice(found)
    what = f"{owner.DESCRIPTOR.name}.{field.name}"
    value = getattr(owner, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        keys = sorted(value)
        del value[chance.choice(keys)]
        return f"{what} lacks a key"
    if field.is_repeated:
        return f"{what} {_change_list(value, field, chance)}"
    if field.message_type is not None or chance.random() < 0.15:
        owner.ClearField(field.name)
        return f"{what} cleared"
    _set(owner, field, chance)
    return f"{what} = {str(getattr(owner, field.name))[:40]}"


def _change_list(value: Any, field: Any, chance: random.Random) -> str:
    place = chance.randrange(len(value))
    how = chance.choice(["removed", "twice", "changed", "moved"])
    if how == "removed":
        del value[place]
    elif field.message_type is not None:
        if how == "moved" and len(value) > 1:
            copy = type(value[0])()
            copy.CopyFrom(value[place])
            del value[place]
            value.insert(chance.randrange(len(value) + 1), copy) if hasattr(
                value, "insert"
            ) else value.append(copy)
        else:
            value.add().CopyFrom(value[place])
    elif how == "twice":
        value.append(value[place])
    else:
        value[place] = _other(field, value[place], chance)
    return how


def _other(field: Any, old: Any, chance: random.Random) -> Any:
    if field.enum_type is not None:
        return chance.choice([0, 1, 3, 7, 20, 21, 23, 99, 101, 1000])
    if isinstance(old, bool):
        return not old
    if isinstance(old, int):
        wide = field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64)
        low = (
            0
            if field.cpp_type in (field.CPPTYPE_UINT32, field.CPPTYPE_UINT64)
            else -(1 << (63 if wide else 31))
        )
        high = (1 << (64 if wide else 32)) + low - 1
        return max(low, min(high, chance.choice([*NUMBERS, old + 1, old - 1, old * 2])))
    if isinstance(old, float):
        return chance.choice(FLOATS)
    text = chance.choice(
        [*TEXTS, bytes(old if isinstance(old, bytes) else old.encode()) + b"_", chance.randbytes(9)]
    )
    return text if isinstance(old, bytes) else text.decode("utf-8", "replace")


def _set(owner: Any, field: Any, chance: random.Random) -> None:
    setattr(owner, field.name, _other(field, getattr(owner, field.name), chance))


def change_bytes(data: bytes, kind: type[Any], chance: random.Random) -> tuple[bytes, str]:
    """A serialized message with one or two fields changed."""
    message = kind.FromString(data)
    what = change(message, chance)
    if chance.random() < 0.3:
        what += ", " + change(message, chance)
    return message.SerializeToString(), what


# --- the kinds of files -------------------------------------------------------------------------------------


def pairs_of(path: pathlib.Path) -> list[tuple[bytes, bytes]]:
    """What a table holds."""
    from millrace.opkit.checkpoint.table import Table

    return list(Table(path.read_bytes(), str(path)))


def put_table(path: pathlib.Path, pairs: list[tuple[bytes, bytes]]) -> None:
    """Writes a table; its keys may be in any order."""
    from millrace.opkit.checkpoint.table import table

    path.write_bytes(b"".join(table(iter(pairs))))


def change_table(path: pathlib.Path, kinds: Callable[[bytes], Any], chance: random.Random) -> str:
    """Changes one pair of a table: its key, its place, or the message that is its value."""
    pairs = pairs_of(path)
    place = chance.randrange(len(pairs))
    key, value = pairs[place]
    how = chance.random()
    if how < 0.1:
        del pairs[place]
        what = f"{key!r} removed"
    elif how < 0.2:
        pairs.insert(chance.randrange(len(pairs) + 1), (chance.choice(TEXTS), value))
        what = f"{key!r} once more"
    elif how < 0.3:
        pairs[place] = key, chance.randbytes(len(value))
        what = f"{key!r} has nonsense"
    else:
        changed, what = change_bytes(value, kinds(key), chance)
        pairs[place] = key, changed
        what = f"{key!r}: {what}"
    put_table(path, pairs)
    return what


def change_block(path: pathlib.Path, chance: random.Random) -> str:
    """Changes bytes of the first block of a table, and its checksum with them."""
    import struct

    from millrace.opkit.checkpoint.table import MAGIC, read_varint
    from millrace.opkit.records.tfrecord import masked_crc

    data = bytearray(path.read_bytes())
    assert struct.unpack("<Q", data[-8:])[0] == MAGIC
    footer = bytes(data[-48:])
    at, handles = 0, []
    for _ in range(2):
        start, at = read_varint(footer, at)
        size, at = read_varint(footer, at)
        handles.append((start, size))
    start, size = chance.choice([(0, handles[0][0] - 5), handles[1]])
    places = [start + chance.randrange(size + 1) for _ in range(chance.choice([1, 1, 2, 5]))]
    for place in places:
        data[place] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
    data[start + size + 1 : start + size + 5] = struct.pack(
        "<I", masked_crc(bytes(data[start : start + size + 1]))
    )
    path.write_bytes(data)
    return f"bytes {places} of the block at {start}"


class Files:
    """Makes files of all kinds, changes them, and reads them.

    Args:
      tf: the module.
      folder: where the files are made.
    """

    def __init__(self, tf: Any, folder: pathlib.Path) -> None:
        self.tf, self.folder = tf, folder
        self.kinds = [name.removeprefix("_change_") for name in dir(self) if name.startswith("_change_")]
        with tf.Graph().as_default(), tf.Session() as sess:
            self._model(sess)
        with tf.Graph().as_default(), tf.Session() as sess:
            made = tf.train.Checkpoint(**self._objects())
            sess.run(tf.global_variables_initializer())
            made.write(str(folder / "objects"), sess)

        with tf.Graph().as_default(), tf.Session() as sess:
            model = self._module()
            sess.run([tf.global_variables_initializer(), tf.tables_initializer()])
            tf.saved_model.save(model, str(folder / "served"))

    def _module(self) -> Any:
        """An object with a variable, tables and a function."""
        tf = self.tf
        model = tf.Module()
        model.v = tf.Variable([1.0, 2.0], use_resource=True)
        filled = tf.lookup.KeyValueTensorInitializer(tf.constant(["a"]), tf.constant([3.0]))
        model.tables = [tf.lookup.StaticHashTable(filled, -1.0)]
        model.changed = tf.contrib.lookup.MutableHashTable(tf.string, tf.float32, 0.0)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def look(x: Any) -> Any:
            return model.tables[0].lookup(x) + model.changed.lookup(x) + tf.reduce_sum(model.v)

        model.look = look
        return model

    def change(self, kind: str, chance: random.Random) -> tuple[str, Callable[[], Any]]:
        """Changes a file of a kind; what was changed, and what reads it."""
        return getattr(self, f"_change_{kind}")(chance)

    def _objects(self) -> dict[str, Any]:
        """Variables of a checkpoint of objects."""
        return {key: self.tf.get_variable(key, initializer=[1.0, 2.0], use_resource=True) for key in "ab"}

    def _model(self, sess: Any) -> None:
        tf, folder = self.tf, self.folder
        x = tf.placeholder(tf.float32, [None, 4], name="x")
        w = tf.get_variable("v0", [4, 3], partitioner=tf.fixed_size_partitioner(2))
        words = tf.get_variable("words", initializer=["a", "bc"])
        table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(tf.constant(["a"]), tf.constant([1], tf.int64)), 0
        )
        y = tf.nn.softmax(tf.matmul(x, tf.convert_to_tensor(w)), name="y")
        y = tf.while_loop(lambda i, _: i < 3, lambda i, v: (i + 1, v * 2.0), (0, y))[1]
        y = tf.identity(tf.cond(tf.reduce_sum(y) > 0, lambda: y + 1.0, lambda: y), name="out")
        looked = table.lookup(words)
        tf.summary.scalar("s", tf.reduce_sum(y))
        tf.summary.histogram("h", y)
        tf.summary.image("i", tf.zeros([1, 4, 4, 3]))
        tf.summary.audio("a", tf.zeros([1, 9, 1]), 8000)
        merged = tf.summary.merge_all()
        sess.run([tf.global_variables_initializer(), tf.tables_initializer()])
        saver = tf.train.Saver()
        saver.save(sess, str(folder / "v2"))
        tf.train.Saver(write_version=tf.train.SaverDef.V1).save(
            sess, str(folder / "v1"), write_meta_graph=False
        )
        tf.saved_model.simple_save(
            sess, str(folder / "sm"), {"x": x}, {"y": y, "looked": looked}, tf.tables_initializer()
        )
        frozen = tf.graph_util.convert_variables_to_constants(sess, sess.graph_def, ["out"])
        (folder / "frozen.pb").write_bytes(frozen.SerializeToString())
        with tf.summary.FileWriter(str(folder / "events"), sess.graph) as writer:
            for step in range(3):
                writer.add_summary(sess.run(merged, {x: np.ones([2, 4])}), step)
        example = tf.train.Example()
        example.features.feature["a"].float_list.value.extend([1.0, 2.0])
        example.features.feature["b"].bytes_list.value.append(b"abc")
        example.features.feature["c"].int64_list.value.extend([1, 2, 3])
        self.example = example
        with tf.python_io.TFRecordWriter(str(folder / "records")) as writer:
            for _ in range(5):
                writer.write(example.SerializeToString())

    def _change_index(self, chance: random.Random) -> tuple[str, Callable[[], Any]]:
        from millrace.core import protos

        head, entry = protos.BundleHeaderProto, protos.BundleEntryProto
        what = change_table(self.folder / "v2.index", lambda key: entry if key else head, chance)
        return what, self._read_v2

    def _change_blocks(self, chance: random.Random) -> tuple[str, Callable[[], Any]]:
        return change_block(self.folder / "v2.index", chance), self._read_v2

    def _read_v2(self) -> None:
        self._inspect(str(self.folder / "v2"))
        self._read_checkpoint(str(self.folder / "v2"))

    def _read_checkpoint(self, prefix: str) -> None:
        reader = self.tf.train.NewCheckpointReader(prefix)
        errors = []
        for name in reader.get_variable_to_shape_map():
            try:
                reader.get_tensor(name)
            except Exception as error:
                errors.append(error)
        with self.tf.Graph().as_default(), self.tf.Session() as sess:
            self.tf.get_variable("v0", [4, 3])
            self.tf.train.Saver().restore(sess, prefix)
        if errors:
            raise errors[0]

    def _change_objects(self, chance: random.Random) -> tuple[str, Callable[[], Any]]:
        from millrace.core import protos
        from millrace.opkit.checkpoint import bundle

        path = str(self.folder / "objects")
        with bundle.Bundle(path) as opened:
            held = {name: opened.read(name) for name in opened.names()}
            kinds = {name: found[0] for name in held if (found := opened.describe(name))}
        key = "_CHECKPOINTABLE_OBJECT_GRAPH"
        changed, what = change_bytes(held[key].item(), protos.TrackableObjectGraph, chance)
        held[key] = np.array(changed, object)
        bundle.write(path, [(name, "", kinds[name], value) for name, value in held.items()])

        def read() -> None:
            self._inspect(path)
            with self.tf.Graph().as_default(), self.tf.Session() as sess:
                status = self.tf.train.Checkpoint(**self._objects()).restore(path)
                status.initialize_or_restore(sess)
                sess.run(self.tf.global_variables())
                status.assert_consumed()

        return what, read

    def _change_slices(self, chance: random.Random) -> tuple[str, Callable[[], Any]]:
        from millrace.core import protos

        what = change_table(self.folder / "v1", lambda key: protos.SavedTensorSlices, chance)
        return what, lambda: (
            self._inspect(str(self.folder / "v1")),
            self._read_checkpoint(str(self.folder / "v1")),
        )

    def _change_meta(self, chance: random.Random) -> tuple[str, Callable[[], Any]]:
        path = self.folder / "v2.meta"
        data, what = change_bytes(path.read_bytes(), self.tf.MetaGraphDef, chance)
        path.write_bytes(data)

        def read() -> None:
            self._inspect(str(path))
            with self.tf.Graph().as_default(), self.tf.Session() as sess:
                saver = self.tf.train.import_meta_graph(str(path))
                saver.restore(sess, str(self.folder / "v2"))
                sess.run("out:0", {"x:0": np.ones([2, 4])})

        return what, read

    def _change_frozen(self, chance: random.Random) -> tuple[str, Callable[[], Any]]:
        path = self.folder / "frozen.pb"
        data, what = change_bytes(path.read_bytes(), self.tf.GraphDef, chance)
        path.write_bytes(data)

        def read() -> None:
            self._inspect(str(path))
            with self.tf.Graph().as_default(), self.tf.Session() as sess:
                graph = self.tf.GraphDef.FromString(path.read_bytes())
                self.tf.import_graph_def(graph, name="")
                sess.run("out:0", {"x:0": np.ones([2, 4])})

        return what, read

    def _change_saved(self, chance: random.Random) -> tuple[str, Callable[[], Any]]:
        from millrace.core import protos

        path = self.folder / "sm" / "saved_model.pb"
        data, what = change_bytes(path.read_bytes(), protos.SavedModel, chance)
        path.write_bytes(data)

        def read() -> None:
            self._inspect(str(self.folder / "sm"))
            with self.tf.Graph().as_default(), self.tf.Session() as sess:
                meta = self.tf.saved_model.load(sess, ["serve"], str(self.folder / "sm"))
                signature = meta.signature_def["serving_default"]
                names = [signature.outputs[key].name for key in sorted(signature.outputs)]
                sess.run(names, {signature.inputs["x"].name: np.ones([2, 4])})

        return what, read

    def _change_served(self, chance: random.Random) -> tuple[str, Callable[[], Any]]:
        from millrace.core import protos

        path = self.folder / "served" / "saved_model.pb"
        model = protos.SavedModel.FromString(path.read_bytes())
        graph = model.meta_graphs[0]
        what = change(graph.object_graph_def if chance.random() < 0.7 else graph.graph_def.library, chance)
        path.write_bytes(model.SerializeToString())

        def read() -> None:
            self._inspect(str(self.folder / "served"))
            with self.tf.Graph().as_default(), self.tf.Session() as sess:
                model = self.tf.saved_model.load_v2(str(self.folder / "served"))
                signatures: Any = vars(model).get("signatures", {})
                served = signatures.get("serving_default", dict) if hasattr(signatures, "get") else dict
                look = getattr(model, "look", tuple)  # the name may have been changed
                found = look(self.tf.constant(["a", "b"])), served(x=self.tf.constant(["a"]))
                sess.run([self.tf.global_variables_initializer(), self.tf.tables_initializer()])
                sess.run(found)

        return what, read

    def _change_events(self, chance: random.Random) -> tuple[str, Callable[[], Any]]:
        (path,) = (self.folder / "events").iterdir()
        what = self._changed_record(path, self.tf.Event, chance)

        def read() -> None:
            self._inspect(str(path))
            for event in self.tf.train.summary_iterator(str(path)):
                [
                    self.tf.make_ndarray(value.tensor)
                    for value in event.summary.value
                    if value.HasField("tensor")
                ]

        return what, read

    def _change_records(self, chance: random.Random) -> tuple[str, Callable[[], Any]]:
        path = self.folder / "records"
        what = self._changed_record(path, self.tf.train.Example, chance)
        return what, lambda: self._read_records(path)

    def _read_records(self, path: pathlib.Path) -> None:
        tf = self.tf
        self._inspect(str(path))
        features = {
            "a": tf.FixedLenFeature([2], tf.float32),
            "b": tf.FixedLenFeature([], tf.string, ""),
            "c": tf.VarLenFeature(tf.int64),
        }
        with tf.Graph().as_default(), tf.Session() as sess:
            data = tf.data.TFRecordDataset(str(path)).map(
                lambda text: tf.parse_single_example(text, features)
            )
            element = tf.data.make_one_shot_iterator(data).get_next()
            while True:
                sess.run(element)

    def _changed_record(self, path: pathlib.Path, kind: Any, chance: random.Random) -> str:
        from millrace.opkit.records.tfrecord import framed

        held = list(self.tf.python_io.tf_record_iterator(str(path)))
        place = chance.randrange(len(held))
        how = chance.random()
        if how < 0.2:
            data = b"".join(map(framed, held))
            cut = chance.randrange(len(data))
            path.write_bytes(data[:cut] + chance.choice([b"", b"\0" * 40, chance.randbytes(40)]))
            return f"cut off at {cut}"
        if how < 0.3:
            path.write_bytes(gzip.compress(b"".join(map(framed, held))))
            return "compressed"
        if how < 0.4:
            held[place] = chance.randbytes(chance.choice([0, 1, 9, 100]))
            what = "nonsense"
        else:
            held[place], what = change_bytes(held[place], kind, chance)
        path.write_bytes(b"".join(map(framed, held)))
        return what

    def _change_state(self, chance: random.Random) -> tuple[str, Callable[[], Any]]:
        path = self.folder / "checkpoint"
        text = path.read_text()
        place = chance.randrange(len(text))
        text = (
            text[:place]
            + chance.choice(["", '"', "\n", ":", "\0", "[", "nonsense", "é"])
            + text[place + chance.randrange(9) :]
        )
        path.write_text(text)

        def read() -> None:
            self._inspect(str(self.folder))
            found = self.tf.train.latest_checkpoint(str(self.folder))
            if found is not None:
                self._read_checkpoint(found)

        return f"{text!r}", read

    def _inspect(self, path: str) -> None:
        """What `millrace inspect` does, whose refusals are errors, too."""
        from millrace.saver.inspection import inspect

        with contextlib.suppress(self.tf.errors.OpError, ValueError, TypeError):
            inspect(path)


# --- reading in a process of its own ------------------------------------------------------------------------


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def child(tf: Any, read: Callable[[], Any]) -> tuple[str, str]:
    """Reads in a fork; what came of it in a word, and the traceback where it was wrong."""
    ours, theirs = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(ours)
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        trace = ""
        before = max(_resident(), 0)
        try:
            read()
            word = "read"
        except tf.errors.OpError as error:
            word = type(error).__name__
            if isinstance(error, (tf.errors.InternalError, tf.errors.UnknownError, LookupError)):
                word, trace = f"WRONG {word}", traceback.format_exc()
        except (ValueError, TypeError, AssertionError, RuntimeError) as error:
            # TensorFlow has the last two where objects are not consumed, and where tags are not there
            word = type(error).__name__
            if not str(error) or isinstance(error, LookupError | RecursionError):
                word, trace = f"WRONG {word}", traceback.format_exc()
        except BaseException as error:
            word, trace = f"WRONG {type(error).__name__}", traceback.format_exc()
        if _peak() - before > MEBIBYTES:
            word, trace = f"WRONG {_peak() - before} MiB, {word}", trace
        os.write(theirs, f"{word}\n{trace}".encode()[:60000])
        os._exit(0)
    os.close(theirs)
    with open(ours, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):  # where it took too long, too
        return f"WRONG signal {os.WTERMSIG(status)}", ""
    word, _, trace = said.partition("\n")
    return word, trace


def main() -> int:
    """Runs all; 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=2000, help="how many to change (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice (default: %(default)s)")
    parser.add_argument("--only", help="one kind of files")
    given = parser.parse_args()
    os.environ.setdefault("MILLRACE_TIER", "interpret")
    import millrace as tf

    tf.logging.set_verbosity(tf.logging.ERROR)
    chance, wrong = random.Random(given.seed), 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        made = Files(tf, folder)
        whole = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        kinds = [given.only] if given.only else made.kinds
        seen: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
        for number in range(given.files):
            kind = kinds[number % len(kinds)]
            what, read = made.change(kind, chance)
            word, trace = child(tf, read)
            seen[kind][word] += 1
            if word.startswith("WRONG"):
                wrong += 1
                print(f"{kind} {number}: {what}: {word}\n{trace}", flush=True)
            for path, data in whole.items():
                path.write_bytes(data)
    for kind in kinds:
        print(kind, *(f"{word} {count}" for word, count in seen[kind].most_common()), sep="\n  ")
    print(f"{given.files} files, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
