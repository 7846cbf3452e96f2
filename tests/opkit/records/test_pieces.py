"""Records that are read a piece at a time: each comes, in order, up to the first that is wrong."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf
from millrace.opkit.records import tfrecord


def _written(path, records, compression=""):
    writer = tfrecord.Writer(str(path), compression)
    for record in records:
        writer.write(record)
    writer.close()


def _records(kind):
    rng = np.random.RandomState(3)
    if kind == "one length":
        return [rng.bytes(30) for _ in range(700)]
    if kind == "runs":
        return [rng.bytes(int(n)) for n in np.repeat([3, 40, 0, 7, 7000], [9, 300, 130, 4, 60])]
    if kind == "all lengths":
        return [rng.bytes(int(n)) for n in rng.randint(0, 500, 2000)]
    return [rng.bytes(n) for n in (5, 300_000, 600_000, 1, 0)]


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
@pytest.mark.parametrize("kind", ["one length", "runs", "all lengths", "long"])
def test_every_record_comes(tmp_path, kind, compression):
    records = _records(kind)
    _written(tmp_path / "r", records, compression)
    assert list(tfrecord.iterate(str(tmp_path / "r"), compression)) == records


def test_an_empty_file_has_none(tmp_path):
    (tmp_path / "r").write_bytes(b"")
    assert list(tfrecord.iterate(str(tmp_path / "r"))) == []


@pytest.mark.parametrize("number", [0, 1, 5, 137, 199])
@pytest.mark.parametrize(
    ("part", "message"), [(0, "its length"), (9, "its length"), (13, "its data"), (-1, "its data")]
)
def test_what_comes_before_a_damaged_record_is_given(tmp_path, number, part, message):
    records = [bytes([i]) * 20 for i in range(200)]
    _written(tmp_path / "r", records)
    data = bytearray((tmp_path / "r").read_bytes())
    begin = 36 * number
    data[begin + (part if part >= 0 else 35)] ^= 1
    (tmp_path / "r").write_bytes(data)
    found = tfrecord.iterate(str(tmp_path / "r"))
    assert [next(found) for _ in range(number)] == records[:number]
    with pytest.raises(tf.errors.DataLossError, match=f"corrupted record.*{message}"):
        next(found)


@pytest.mark.parametrize("cut", [1, 4, 11, 12, 15, 19, 35])
def test_a_file_that_was_cut_off(tmp_path, cut):
    records = [bytes([i]) * 20 for i in range(10)]
    _written(tmp_path / "r", records)
    data = (tmp_path / "r").read_bytes()
    (tmp_path / "r").write_bytes(data[: 36 * 9 + cut])
    found = tfrecord.iterate(str(tmp_path / "r"))
    assert [next(found) for _ in range(9)] == records[:9]
    with pytest.raises(tf.errors.DataLossError, match="truncated record"):
        next(found)
