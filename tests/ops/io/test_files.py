"""Reading, writing and finding whole files."""

from __future__ import annotations

import pathlib

import pytest

import millrace as tf
from millrace.core import filesystems


def test_written_and_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "new" / "a.bin"
    with tf.Graph().as_default(), tf.Session() as sess:
        sess.run(tf.write_file(str(path), b"\x00\xff"))
        assert path.read_bytes() == b"\x00\xff"
        assert sess.run(tf.read_file(str(path))) == b"\x00\xff"
        assert sess.run(
            tf.matching_files([str(tmp_path / "new" / "*"), str(tmp_path / "none")])
        ).tolist() == [str(path).encode()]
        with pytest.raises(tf.errors.NotFoundError, match="No such file"):
            sess.run(tf.read_file(str(tmp_path / "missing")))


@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_whole_files(tmp_path, size):
    (tmp_path / "file").write_bytes(b"x" * size)
    assert filesystems.contents(tmp_path / "file") == b"x" * size
    assert filesystems.contents(f"file://{tmp_path}/file") == b"x" * size


def test_whole_files_without_a_length():
    """Those of the system say 0."""
    assert filesystems.contents("/proc/self/status").startswith(b"Name:")
    with pytest.raises(IsADirectoryError):
        filesystems.contents("/proc")
