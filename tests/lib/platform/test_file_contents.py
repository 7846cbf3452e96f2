"""Whole files under `tensorflow.python.lib.io.file_io`, as programs of Cloud ML read and write them."""

import importlib
import zlib

import pytest

import millrace as tf

file_io = importlib.import_module("millrace.python.lib.io.file_io")


def test_text_and_bytes_come_back(tmp_path):
    path = str(tmp_path / "a")
    file_io.write_string_to_file(path, "héllo")
    assert file_io.read_file_to_string(path) == "héllo"
    assert file_io.read_file_to_string(path, binary_mode=True) == "héllo".encode()
    assert file_io.file_crc32(path, block_size=2) == hex(zlib.crc32("héllo".encode()))


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(tf.errors.AlreadyExistsError):
        file_io.atomic_write_string_to_file(str(path), "new", overwrite=False)
    assert path.read_text() == "old"
    file_io.atomic_write_string_to_file(str(path), "new")
    assert path.read_text() == "new" and [p.name for p in tmp_path.iterdir()] == ["a"]


def test_files_are_compared_by_what_they_hold(tmp_path):
    for name, content in {"a": b"12", "b": b"12", "c": b"13", "d": b"123"}.items():
        (tmp_path / name).write_bytes(content)
    same = [file_io.filecmp(str(tmp_path / "a"), str(tmp_path / other)) for other in "bcd"]
    assert same == [True, False, False]


def test_a_mode_must_be_given_to_the_base_of_all_files(tmp_path):
    with file_io.FileIO(str(tmp_path / "a"), mode="w+") as file:
        file.write("x")
    assert isinstance(tf.gfile.GFile(str(tmp_path / "a")), file_io.FileIO)
    with pytest.raises(TypeError):
        file_io.FileIO(str(tmp_path / "a"))
