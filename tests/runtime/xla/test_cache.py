"""The folder of compiled programs: only what millrace wrote is used."""

import logging
import os

import pytest

from millrace.runtime.xla import cache


@pytest.fixture
def folder(monkeypatch, tmp_path):
    place = tmp_path / "programs"
    monkeypatch.setenv("MILLRACE_CACHE", str(place))
    return place


def test_what_was_saved_is_loaded(folder):
    cache.save("a", b"content")
    assert cache.load("a") == b"content"
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("place", [0, 10, 32, 38])
def test_a_flipped_bit_is_noticed(folder, place):
    cache.save("a", b"content")
    data = bytearray((folder / "a").read_bytes())
    data[place] ^= 4
    (folder / "a").write_bytes(data)
    assert cache.load("a") is None
    cache.save("a", b"content")
    assert cache.load("a") == b"content"


@pytest.mark.parametrize("length", [0, 5, 32, 35])
def test_a_cut_file_is_noticed(folder, length):
    cache.save("a", b"content")
    (folder / "a").write_bytes((folder / "a").read_bytes()[:length])
    assert cache.load("a") is None


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners of files here")
@pytest.mark.parametrize("mode", [0o770, 0o777, 0o702])
def test_a_folder_that_others_may_write_to_is_not_used(folder, mode, caplog):
    cache.save("a", b"content")
    folder.chmod(mode)
    with caplog.at_level(logging.WARNING, "millrace"):
        assert cache.load("a") is None
    assert "others may write to it" in caplog.text
    cache.save("b", b"content")
    assert not (folder / "b").exists()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners of files here")
def test_a_file_that_others_may_write_to_is_not_used(folder):
    cache.save("a", b"content")
    (folder / "a").chmod(0o666)
    assert cache.load("a") is None


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners of files here")
def test_a_folder_of_somebody_else_is_not_used(folder, monkeypatch):
    cache.save("a", b"content")
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert cache.load("a") is None
