"""The formats of checkpoint files: tables, slices, V2, V1."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys

import cramjam
import numpy as np
import pytest

from millrace.core import dtypes, errors, protos
from millrace.opkit.checkpoint import bundle, files, legacy, slices
from millrace.opkit.checkpoint.reading import open_checkpoint, read_tensors
from millrace.opkit.checkpoint.table import MAGIC, Table, read_varint, table, varint
from millrace.opkit.records.tfrecord import masked_crc

# What TensorFlow 1.15 writes for two floats called "a".
INDEX = bytes.fromhex(
    "00000608011a020801" "00010f610801120412020802280835593ce535" "0000000001000000"
    "004419559e" "0000000001000000" "00c0f2a1b0" "000102620024" "0000000001000000" "005a996b35" "2908360e"
) + bytes(36) + struct.pack("<Q", MAGIC)  # fmt: skip


def written(pairs):
    return b"".join(table(iter(pairs)))


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 400])
def test_a_table_gives_back_what_it_got(count):
    pairs = [(b"key%06d" % i, os.urandom(i % 7 * 1000)) for i in range(count)]
    read = Table(written(pairs), "t")
    assert list(read) == pairs
    for key, value in pairs[:: max(1, count // 9)]:
        assert read.get(key) == value
    assert read.get(b"key") is None
    assert read.get(b"zzz") is None


def test_numbers_of_any_length():
    for number in (0, 127, 128, 300, 2**32, 2**63):
        assert read_varint(b"x" + varint(number), 1)[0] == number
    with pytest.raises(ValueError, match="64 bits"):
        read_varint(b"\xff" * 11 + b"\0", 0)


def test_compressed_blocks_are_read():
    first = struct.pack("<II", 0, 1)
    entry = b"\0" + varint(1) + varint(100) + b"a" + b"x" * 100 + first
    packed = bytes(cramjam.snappy.compress_raw(entry))
    stored = packed + b"\1" + struct.pack("<I", masked_crc(packed + b"\1"))
    meta = first + b"\0" + struct.pack("<I", masked_crc(first + b"\0"))
    index = (
        b"\0"
        + varint(1)
        + varint(len(varint(0) + varint(len(packed))))
        + b"b"
        + varint(0)
        + varint(len(packed))
    )
    index += first
    footer = varint(len(stored)) + varint(len(first)) + varint(len(stored) + len(meta)) + varint(len(index))
    data = stored + meta + index + b"\0" + struct.pack("<I", masked_crc(index + b"\0"))
    data += footer.ljust(40, b"\0") + struct.pack("<Q", MAGIC)
    assert list(Table(data, "t")) == [(b"a", b"x" * 100)]


def test_every_flipped_bit_of_a_table_is_found():
    data = written([(b"k%d" % i, b"value" * i) for i in range(9)])
    pairs = list(Table(data, "t"))
    for place in range(0, len(data), 3):
        broken = bytearray(data)
        broken[place] ^= 1 << place % 8
        try:
            assert list(Table(bytes(broken), "t")) == pairs  # padding, or the handle of the empty block
            assert place >= len(data) - 48
        except errors.DataLossError:
            pass
    for end in range(0, len(data), 7):
        with pytest.raises(errors.DataLossError):
            list(Table(data[:end], "t"))


def test_slices_as_text_message_and_key():
    part = slices.parse("2,3:-:0,1")
    assert part.text == "2,3:-:0,1"
    assert slices.from_proto(part.to_proto()) == part
    assert part.within((9, 4, 1)) == (slice(2, 5), slice(0, 4), slice(0, 1))
    assert slices.Slice(((0, 2), (0, 2))).key(b"w") == b"\0w\0\1\1\2\x80\x82\x80\x82"
    assert slices.full(1).key(b"a\0\xff") == b"\0a\0\xff\xff\0\0\1\1\1\x80\x7f"
    assert slices.parse_specification("4 2 0,2:0,2") == ((4, 2), slices.Slice(((0, 2), (0, 2))))
    for bad in ("4 2", "x 0,1", "4 0,5", "4 2 0,2", "4 0,0"):
        with pytest.raises(errors.InvalidArgumentError):
            slices.parse_specification(bad)


@pytest.mark.parametrize(
    ("start", "key"),
    [
        (0, "80"),
        (63, "bf"),
        (64, "c040"),
        (8191, "dfff"),
        (8192, "e02000"),
        (2**20, "f0100000"),
        (2**40, "fd0000000000"),
    ],
)
def test_numbers_in_keys_sort_as_numbers(start, key):
    assert slices.Slice(((start, 1),)).key(b"")[5:-1].hex() == key


def everything():
    rng = np.random.default_rng(0)
    return {
        "f": rng.normal(size=(3, 4)).astype("f"),
        "d": np.float64(2.5),
        "h": np.array([1, 2], np.float16),
        "b16": np.array([1.5], dtypes.bfloat16.np_dtype),
        "i": np.array([[1], [-2]], np.int32),
        "l": np.array([2**40]),
        "u": np.array([255], np.uint8),
        "c": np.array([1 + 2j], np.complex64),
        "t": np.array([True, False]),
        "e": np.zeros((0, 3), "f"),
        "s": np.array([b"", b"x" * 300, b"\0\xff"], object),
        "s0": np.array(b"one", object),
    }  # fmt: skip


def dtype_of(value):
    return dtypes.string if value.dtype == object else dtypes.as_dtype(value.dtype)


def rows(values):
    return [(name, "", dtype_of(value), value) for name, value in values.items()]


def test_v2_bytes_are_tensorflows(tmp_path):
    prefix = str(tmp_path / "m")
    bundle.write(prefix, [("a", "", dtypes.float32, np.array([1, 2], "f"))])
    assert sorted(os.listdir(tmp_path)) == ["m.data-00000-of-00001", "m.index"]
    assert (tmp_path / "m.index").read_bytes() == INDEX


@pytest.mark.parametrize("write", [bundle.write, legacy.write])
def test_every_dtype_comes_back(tmp_path, write):
    values = everything()
    if write is legacy.write:
        del values["b16"]
    prefix = str(tmp_path / "m")
    write(prefix, rows(values))
    opened = open_checkpoint(prefix)
    assert opened.names() == sorted(values)
    for name, value in values.items():
        assert opened.describe(name) == (dtype_of(value), value.shape)
        got = opened.read(name)
        assert got.dtype == value.dtype
        np.testing.assert_array_equal(got, value)


@pytest.mark.parametrize("write", [bundle.write, legacy.write])
def test_slices_are_put_together_anew(tmp_path, write):
    whole = np.arange(24, dtype="f").reshape(6, 4)
    prefix = str(tmp_path / "m")
    write(prefix, [("w", f"6 4 {k},2:0,4", dtypes.float32, whole[k : k + 2]) for k in (0, 2, 4)])
    opened = open_checkpoint(prefix)
    assert opened.names() == ["w"]
    np.testing.assert_array_equal(opened.read("w"), whole)
    np.testing.assert_array_equal(opened.read("w", slices.parse("1,4:1,2")), whole[1:5, 1:3])
    [got] = read_tensors(prefix, ["w"], ["6 4 3,3:-"], [dtypes.float32])
    np.testing.assert_array_equal(got, whole[3:])


def test_slices_that_leave_gaps_or_lie_over_each_other(tmp_path):
    prefix = str(tmp_path / "m")
    part = np.ones((2, 2), "f")
    bundle.write(prefix, [("w", f"4 2 {k},2:0,2", dtypes.float32, part * k) for k in (0, 1)])
    opened = open_checkpoint(prefix)
    np.testing.assert_array_equal(opened.read("w", slices.parse("0,3:-"))[2], [1, 1])
    with pytest.raises(errors.InvalidArgumentError, match="do not cover"):
        opened.read("w")


def test_what_does_not_fit_is_refused_and_changes_nothing(tmp_path):
    prefix = str(tmp_path / "m")
    value = np.ones(2, "f")
    bundle.write(prefix, [("w", "", dtypes.float32, value)])
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    for bad in (
        [("w", "4 0,3", dtypes.float32, value)],
        [("w", "", dtypes.float32, value), ("w", "", dtypes.float32, value)],
        [("r", "", dtypes.resource, value)],
    ):
        with pytest.raises(errors.OpError):
            bundle.write(prefix, bad)
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_shards_are_merged(tmp_path):
    values = everything()
    names = sorted(values)
    for k in range(3):
        part = {name: values[name] for name in names[k::3]}
        extra = [("p", f"6 {2 * k},2", dtypes.float32, np.full(2, k, "f"))]
        bundle.write(str(tmp_path / "temp" / f"part-{k}"), rows(part) + extra)
    prefix = str(tmp_path / "m")
    bundle.merge([str(tmp_path / "temp" / f"part-{k}") for k in range(3)], prefix)
    assert sorted(os.listdir(tmp_path)) == [
        *(f"m.data-{k:05d}-of-00003" for k in range(3)),
        "m.index",
        "temp",
    ]
    assert not os.listdir(tmp_path / "temp")
    opened = open_checkpoint(prefix)
    for name, value in values.items():
        np.testing.assert_array_equal(opened.read(name), value)
    np.testing.assert_array_equal(opened.read("p"), [0, 0, 1, 1, 2, 2])


def test_v1_shards_are_matched_by_a_pattern(tmp_path):
    for k in range(2):
        path = str(tmp_path / f"m-{k:05d}-of-00002")
        legacy.write(path, [("w", f"4 {2 * k},2", dtypes.float32, np.full(2, k, "f"))])
    np.testing.assert_array_equal(open_checkpoint(str(tmp_path / "m-?????-of-00002")).read("w"), [0, 0, 1, 1])


def test_numbers_with_the_highest_byte_first(tmp_path):
    prefix = str(tmp_path / "m")
    bundle.write(prefix, [("a", "", dtypes.int32, np.array([1, 2], np.int32))])
    data = np.array([1, 2], ">i4").tobytes()
    (tmp_path / "m.data-00000-of-00001").write_bytes(data)
    pairs = dict(Table((tmp_path / "m.index").read_bytes(), "m"))
    header = protos.BundleHeaderProto.FromString(pairs[b""])
    header.endianness = protos.BundleHeaderProto.BIG
    entry = protos.BundleEntryProto.FromString(pairs[b"a"])
    entry.crc32c = masked_crc(data)
    pairs = {b"": header.SerializeToString(), b"a": entry.SerializeToString()}
    (tmp_path / "m.index").write_bytes(written(sorted(pairs.items())))
    np.testing.assert_array_equal(open_checkpoint(prefix).read("a"), [1, 2])


def test_missing_names_come_with_the_nearest(tmp_path):
    prefix = str(tmp_path / "m")
    bundle.write(prefix, rows({"net/dense/kernel": np.ones(2), "net/dense/bias": np.ones(2)}))
    with pytest.raises(errors.NotFoundError, match=r"Key net/dens/kernel not found.*\n.*net/dense/kernel"):
        read_tensors(prefix, ["net/dens/kernel"], [""], [dtypes.float64])
    with pytest.raises(errors.InvalidArgumentError, match=r"net/dense/bias.*float32.*float64"):
        read_tensors(prefix, ["net/dense/bias"], [""], [dtypes.float32])
    with pytest.raises(errors.InvalidArgumentError, match=r"\[3\].*\[2\]"):
        read_tensors(prefix, ["net/dense/bias"], ["3 0,1"], [dtypes.float64])
    with pytest.raises(errors.DataLossError, match="is named .*m"):
        open_checkpoint(prefix + ".data-00000-of-00001")


def test_random_damage_never_goes_unnoticed(tmp_path):
    values = everything()
    prefix = str(tmp_path / "m")
    bundle.write(prefix, rows(values))
    rng = random.Random(0)
    for _ in range(150):
        name = rng.choice(["m.index", "m.data-00000-of-00001"])
        data = (tmp_path / name).read_bytes()
        broken = bytearray(data)
        place = rng.randrange(len(data) * 8)
        broken[place // 8] ^= 1 << place % 8
        (tmp_path / name).write_bytes(broken)
        try:
            opened = open_checkpoint(prefix)
            for key, value in values.items():
                np.testing.assert_array_equal(opened.read(key), value)
            assert name == "m.index"
            assert place // 8 >= len(data) - 48  # the padding of the footer
        except errors.DataLossError:
            pass
        (tmp_path / name).write_bytes(data)


def test_leftovers_of_the_dead_are_cleared_away(tmp_path):
    here = os.uname().nodename
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    ended.wait()
    child = ended.pid
    names = [
        f"m.index.tempstate-{owner}-0a" for owner in (f"{here}-{child}", f"{here}-{os.getpid()}", "other-1")
    ]
    for name in names:
        (tmp_path / name).touch()
    bundle.write(str(tmp_path / "m"), [("a", "", dtypes.float32, np.ones(1, "f"))])
    assert sorted(p.name for p in tmp_path.iterdir() if "tempstate" in p.name) == sorted(names[1:])


def test_new_files_leave_nothing_behind(tmp_path):
    path = str(tmp_path / "f")
    files.replace(path, [b"old"])

    def parts():
        yield b"new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.replace(path, parts())
    assert os.listdir(tmp_path) == ["f"]
    assert (tmp_path / "f").read_bytes() == b"old"
