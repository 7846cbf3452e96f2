"""Remote files through fsspec, whose file system in memory stands for all others."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import millrace as tf

pytest.importorskip("fsspec")


@pytest.fixture
def folder():
    import fsspec

    system = fsspec.filesystem("memory")
    system.makedirs("/data")
    yield "memory://data"
    system.rm("/", recursive=True)


def test_gfile(folder):
    with tf.gfile.GFile(f"{folder}/a.txt", "w") as file:
        file.write("one\ntwo\n")
    with tf.gfile.GFile(f"{folder}/a.txt") as file:
        assert [line.strip() for line in file] == ["one", "two"]
    assert tf.gfile.Exists(f"{folder}/a.txt") and not tf.gfile.Exists(f"{folder}/b.txt")
    assert tf.gfile.IsDirectory(folder) and tf.gfile.Stat(f"{folder}/a.txt").length == 8
    tf.gfile.Copy(f"{folder}/a.txt", f"{folder}/sub/b.txt")
    tf.gfile.Rename(f"{folder}/sub/b.txt", f"{folder}/sub/c.txt")
    assert tf.gfile.ListDirectory(folder) == ["a.txt", "sub"]
    assert list(tf.gfile.Walk(folder)) == [
        (folder, ["sub"], ["a.txt"]),
        (f"{folder}/sub", [], ["c.txt"]),
    ]
    assert [name.rpartition("/")[2] for name in tf.gfile.Glob(f"{folder}/*.txt")] == ["a.txt"]
    tf.gfile.Remove(f"{folder}/a.txt")
    tf.gfile.DeleteRecursively(f"{folder}/sub")
    assert tf.gfile.ListDirectory(folder) == []
    tf.gfile.MakeDirs(f"{folder}/x/y")
    with pytest.raises(tf.errors.NotFoundError, match=r"a\.txt"):
        tf.gfile.Remove(f"{folder}/a.txt")
    with pytest.raises(tf.errors.NotFoundError):
        tf.gfile.GFile(f"{folder}/none").read()


def test_copies_between_file_systems(folder, tmp_path):
    (tmp_path / "a").write_bytes(b"bytes")
    tf.gfile.Copy(str(tmp_path / "a"), f"{folder}/a")
    tf.gfile.Rename(f"{folder}/a", str(tmp_path / "b"))
    assert (tmp_path / "b").read_bytes() == b"bytes" and not tf.gfile.Exists(f"{folder}/a")


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_records(folder, compression):
    path = f"{folder}/r.tfrecord"
    kind = getattr(tf.python_io.TFRecordCompressionType, compression or "NONE")
    options = tf.python_io.TFRecordOptions(kind)
    with tf.python_io.TFRecordWriter(path, options) as out:
        out.write(b"first")
        out.write(b"second")
    assert list(tf.python_io.tf_record_iterator(path, options)) == [b"first", b"second"]
    batch = tf.data.TFRecordDataset(path, compression).batch(2).make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        assert sess.run(batch).tolist() == [b"first", b"second"]


def test_operations_and_datasets(folder):
    lines = tf.data.TextLineDataset(f"{folder}/a.txt").batch(9).make_one_shot_iterator().get_next()
    pieces = tf.data.FixedLengthRecordDataset(f"{folder}/a.txt", 2).batch(9)
    pieces = pieces.make_one_shot_iterator().get_next()
    write = tf.write_file(f"{folder}/a.txt", "ab\ncd\n")
    read, found = tf.read_file(f"{folder}/a.txt"), tf.matching_files(f"{folder}/*.txt")
    with tf.Session() as sess:
        sess.run(write)
        assert sess.run(read) == b"ab\ncd\n"
        assert [name.rpartition(b"/")[2] for name in sess.run(found)] == [b"a.txt"]
        assert sess.run(lines).tolist() == [b"ab", b"cd"]
        assert sess.run(pieces).tolist() == [b"ab", b"\nc", b"d\n"]


def test_checkpoints_are_read(folder, tmp_path):
    value = tf.get_variable("v", initializer=np.arange(6, dtype="f"))
    saver = tf.train.Saver(save_relative_paths=True)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        saver.save(sess, str(tmp_path / "model"), global_step=3)
    for name in tmp_path.iterdir():
        tf.gfile.Copy(str(name), f"{folder}/{name.name}")
    prefix = tf.train.latest_checkpoint(folder)
    assert prefix == f"{folder}/model-3" and tf.train.checkpoint_exists(prefix)
    assert tf.train.list_variables(prefix) == [("v", [6])]
    with tf.Session() as sess:
        saver.restore(sess, prefix)
        np.testing.assert_array_equal(sess.run(value), np.arange(6))


def test_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(tf.errors.UnimplementedError, match=r"pip install 'millrace\[remote\]'"):
        tf.gfile.Exists("memory://data/a")


def test_unknown_schemes():
    with pytest.raises(tf.errors.UnimplementedError, match="File system scheme 'nowhere' not implemented"):
        tf.gfile.Exists("nowhere://data/a")


def test_lines_of_files_that_fsspec_reads_by_the_block(folder):
    import fsspec
    from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

    class Block(AbstractBufferedFile):
        def _fetch_range(self, start, end):
            return b"one\ntwo\nthree"[start:end]

    class Blocks(AbstractFileSystem):
        protocol = "blocks"

        def _open(self, path, mode="rb", **_):
            return Block(self, path, mode, size=13)

        def info(self, path, **_):
            return {"name": path, "size": 13, "type": "file"}

    fsspec.register_implementation("blocks", Blocks, clobber=True)
    line = tf.data.TextLineDataset("blocks://any").make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        assert [sess.run(line) for _ in range(3)] == [b"one", b"two", b"three"]
        assert sess.run(tf.read_file("blocks://any")) == b"one\ntwo\nthree"
