"""Files that are replaced whole, and values that several threads read."""

import os

import numpy as np
import pytest

from millrace import errors
from millrace.core import dtypes
from millrace.opkit.checkpoint import bundle, files, reading


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
