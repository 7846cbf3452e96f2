"""Record files, and readers that take file names from a queue."""

from __future__ import annotations

import pathlib

import pytest

import millrace as tf

# two records, b"one" and b"", as TensorFlow 1.15 writes them
GOLDEN = bytes.fromhex("0300000000000000b099490e6f6e6501405508000000000000000029039807d8ea82a2")


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_written_and_read(tmp_path: pathlib.Path, compression: str) -> None:
    path = str(tmp_path / "a.tfrecord")
    options = tf.python_io.TFRecordOptions(compression)
    with tf.python_io.TFRecordWriter(path, options) as writer:
        for record in (b"one", b"", b"x" * 100000):
            writer.write(record)
    assert list(tf.python_io.tf_record_iterator(path, options)) == [b"one", b"", b"x" * 100000]
    queue = tf.FIFOQueue(3, tf.string, [[]])
    key, value = tf.TFRecordReader(options=options).read(queue)
    with tf.Session() as sess:
        sess.run(queue.enqueue([path]))
        found = sess.run([key, value])
        assert found == [path.encode() + b":0", b"one"]
        assert sess.run(key) == path.encode() + b":19"


def test_damage_is_seen(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.tfrecord"
    with tf.python_io.TFRecordWriter(str(path)) as writer:
        writer.write(b"some data")
    data = bytearray(path.read_bytes())
    data[14] ^= 1
    path.write_bytes(data)
    with pytest.raises(tf.errors.DataLossError, match="checksum"):
        list(tf.python_io.tf_record_iterator(str(path)))
    path.write_bytes(data[:10])
    with pytest.raises(tf.errors.DataLossError, match="truncated"):
        list(tf.python_io.tf_record_iterator(str(path)))
    with pytest.raises(tf.errors.NotFoundError):
        list(tf.python_io.tf_record_iterator(str(tmp_path / "none")))


def _read_all(reader: tf.ReaderBase, *files: pathlib.Path) -> list[list[bytes]]:
    queue = tf.FIFOQueue(10, tf.string, [[]])
    pair = reader.read(queue)
    found = []
    with tf.Session() as sess:
        sess.run(queue.enqueue_many([[str(f) for f in files]]))
        sess.run(queue.close())
        with pytest.raises(tf.errors.OutOfRangeError):
            while True:
                found.append(list(sess.run(pair)))
        assert sess.run(reader.num_records_produced()) == len(found)
        assert sess.run(reader.num_work_units_completed()) == len(files)
    return found


def test_lines(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"head\none\r\ntwo")
    name = str(path).encode()
    assert _read_all(tf.TextLineReader(skip_header_lines=1), path) == [
        [name + b":2", b"one"],
        [name + b":3", b"two"],
    ]


def test_whole_files(tmp_path: pathlib.Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"1")
    second.write_bytes(b"22")
    assert [v for _, v in _read_all(tf.WholeFileReader(), first, second)] == [b"1", b"22"]


def test_pieces(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"H" + b"aabbcc" + b"F")
    found = _read_all(tf.FixedLengthRecordReader(2, header_bytes=1, footer_bytes=1), path)
    assert [v for _, v in found] == [b"aa", b"bb", b"cc"]


def test_several_at_once(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("1\n2\n3\n")
    queue = tf.FIFOQueue(10, tf.string, [[]])
    _, values = tf.TextLineReader().read_up_to(queue, 2)
    with tf.Session() as sess:
        sess.run(queue.enqueue([str(path)]))
        assert sess.run(values).tolist() == [b"1", b"2"]
        assert sess.run(values).tolist() == [b"3"]


def test_the_format_is_tensorflows(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.tfrecord"
    with tf.python_io.TFRecordWriter(str(path)) as writer:
        writer.write(b"one")
        writer.write(b"")
    assert path.read_bytes() == GOLDEN
