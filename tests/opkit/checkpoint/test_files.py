"""Files that are replaced whole, and values that several threads read."""

import functools
import os
import threading
import time

import numpy as np
import pytest

from millrace import errors
from millrace.core import dtypes
from millrace.opkit.checkpoint import assembly, bundle, checksums, files, reading, threads, values


def contents(folder):
    return {name: (folder / name).read_bytes() for name in os.listdir(folder)}


@pytest.mark.parametrize("hints", [True, False])
def test_files_of_many_pieces(tmp_path, monkeypatch, hints):
    monkeypatch.setattr(files, "_BETWEEN_STARTS", 10)
    if not hints:
        monkeypatch.setattr(files, "_sync_file_range", lambda: None)
    parts = [bytes([i]) * i for i in range(50)]
    files.replace(str(tmp_path / "a"), parts)
    assert contents(tmp_path) == {"a": b"".join(parts)}


def test_every_file_is_synced_before_any_is_closed(tmp_path, monkeypatch):
    synced = []
    sync = files.NewFile.sync
    monkeypatch.setattr(files.NewFile, "sync", lambda self: (synced.append(self), sync(self))[1])
    written = [files.NewFile(str(tmp_path / name)) for name in "abc"]
    files.finish(written)
    assert set(map(id, synced)) == set(map(id, written))


@pytest.mark.parametrize("which", [0, 1])
def test_a_sync_that_fails_leaves_what_was_there(tmp_path, monkeypatch, which):
    prefix = str(tmp_path / "m")
    bundle.write(prefix, [("v", "", dtypes.float32, np.zeros(3, "f"))])
    before = contents(tmp_path)
    sync, ending = files.NewFile.sync, (".index", ".data-00000-of-00001")[which]

    def failing(self):
        if self._path.endswith(ending):
            raise errors.ResourceExhaustedError(None, None, "the disk is full")
        sync(self)

    monkeypatch.setattr(files.NewFile, "sync", failing)
    with pytest.raises(errors.ResourceExhaustedError):
        bundle.write(prefix, [("v", "", dtypes.float32, np.ones(3, "f"))])
    assert contents(tmp_path) == before


@pytest.fixture
def several(tmp_path):
    """A checkpoint of several tensors, and what it holds."""
    rng = np.random.RandomState(0)
    held = {f"v{i}": rng.randn(i + 1, 700).astype("f") for i in range(9)}
    held["words"] = np.array([b"a", b"", b"long" * 99], object)
    kinds = {name: dtypes.string if name == "words" else dtypes.float32 for name in held}
    prefix = str(tmp_path / "m")
    bundle.write(prefix, [(name, "", kinds[name], value) for name, value in held.items()])
    return prefix, held, kinds


def test_tensors_in_any_order(several):
    prefix, held, kinds = several
    names = [*reversed(held)]
    found = reading.read_tensors(prefix, names, [""] * len(names), [kinds[name] for name in names])
    for name, value in zip(names, found, strict=True):
        np.testing.assert_array_equal(value, held[name])
    (part,) = reading.read_tensors(prefix, ["v3"], ["4 700 1,2:-"], [dtypes.float32])
    np.testing.assert_array_equal(part, held["v3"][1:3])


def test_damage_tells_the_tensor(several):
    prefix, held, kinds = several
    path = bundle.data_path(prefix, 0, 1)
    with open(path, "r+b") as file:
        file.seek(700 * 4 * 2)
        file.write(b"\xff")
    names = [name for name in held if name != "words"]
    with pytest.raises(errors.DataLossError, match="tensor v1"):
        reading.read_tensors(prefix, names, [""] * len(names), [kinds[name] for name in names])
    os.truncate(path, 700 * 4)
    with pytest.raises(errors.OutOfRangeError, match="cut off"):
        reading.read_tensors(prefix, names, [""] * len(names), [kinds[name] for name in names])


def test_a_file_prepared_by_a_thread(tmp_path):
    place = str(tmp_path / "checkpoint")
    first, second = files.Prepared(place, b"one"), files.Prepared(place, b"two")
    assert first.place()
    second.discard()
    assert contents(tmp_path) == {"checkpoint": b"one"}
    missing = files.Prepared(str(tmp_path / "none" / "checkpoint"), b"one")
    assert not missing.place()
    missing.discard()
    assert contents(tmp_path) == {"checkpoint": b"one"}


@pytest.fixture
def threaded(monkeypatch):
    """Three threads read whatever there is, in small stretches; which of them did, by name."""
    monkeypatch.setattr(threads, "readers", lambda: 3)
    for module in (values, assembly, reading):
        monkeypatch.setattr(module, "LARGE", 1000)
    monkeypatch.setattr(reading, "_MANY", 1000)
    monkeypatch.setattr(values, "_STRETCH", 400)
    monkeypatch.setattr(values, "_LONG_PIECE", 130)
    took, preadv = set(), os.preadv

    def noted(*arguments):
        took.add(threading.current_thread())
        time.sleep(0)  # another thread's turn
        return preadv(*arguments)

    monkeypatch.setattr(os, "preadv", noted)
    return took


def test_several_threads_read_what_is_large(several, threaded):
    prefix, held, kinds = several
    for names in (list(held), ["v8"]):
        threaded.clear()
        found = reading.read_tensors(prefix, names, [""] * len(names), [kinds[name] for name in names])
        for name, value in zip(names, found, strict=True):
            np.testing.assert_array_equal(value, held[name])
        assert len(threaded) > 1


def test_threads_find_the_damage_that_one_finds(several, threaded):
    prefix, held, kinds = several
    path = bundle.data_path(prefix, 0, 1)
    names = [name for name in held if name != "words"]
    with open(path, "rb") as file:
        whole = file.read()
    for place in range(0, len(whole), 4001):
        with open(path, "wb") as file:
            file.write(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(errors.DataLossError, match=r"damaged"):
            reading.read_tensors(prefix, [*held], [""] * len(held), [kinds[name] for name in held])
    os.truncate(path, 4000)
    with pytest.raises(errors.OutOfRangeError, match="tensor v1 .*cut off"):
        reading.read_tensors(prefix, names, [""] * len(names), [kinds[name] for name in names])


def test_a_file_cut_off_while_threads_read_it(several, threaded, monkeypatch):
    prefix, _, _ = several
    path, preadv = bundle.data_path(prefix, 0, 1), os.preadv

    def cutting(*arguments):
        os.truncate(path, 8000)
        return preadv(*arguments)

    with bundle.Bundle(prefix) as opened:
        monkeypatch.setattr(os, "preadv", cutting)
        with pytest.raises(errors.OutOfRangeError, match="tensor v8 .*cut off at byte"):
            opened.read("v8")


def test_slices_are_put_together_by_several_threads(tmp_path, threaded):
    whole = np.random.RandomState(0).randn(12, 300).astype("f")
    rows = [("w", f"12 300 {k},3:-", dtypes.float32, whole[k : k + 3]) for k in range(0, 12, 3)]
    prefix = str(tmp_path / "m")
    bundle.write(prefix, rows)
    for text, wanted in (("", whole), ("12 300 2,8:10,90", whole[2:10, 10:100])):
        (found,) = reading.read_tensors(prefix, ["w"], [text], [dtypes.float32])
        np.testing.assert_array_equal(found, wanted)
    assert len(threaded) > 1
    with bundle.Bundle(prefix) as opened:
        assert opened.size("w") == whole.nbytes


@pytest.mark.parametrize("size", [0, 1, 7, 4096, 1 << 22])
def test_checksums_of_stretches_are_joined(size):
    data = np.random.RandomState(size % 99).bytes(size + 13)
    first, second = checksums.extend(0, data[:13]), checksums.extend(0, data[13:])
    assert checksums.joined(first, second, size) == checksums.extend(0, data)


def test_the_first_failure_in_order_is_told():
    def work(number):
        time.sleep(0.001 * (9 - number))
        if number in (2, 3):
            raise ValueError(number)
        return number

    for count in (1, 3):
        with pytest.raises(ValueError, match="2"):
            threads.beside_each_other([functools.partial(work, n) for n in range(9)], count)
        assert threads.beside_each_other([functools.partial(work, n) for n in range(2)], count) == [0, 1]
    assert threads.beside_each_other([], 3) == []
