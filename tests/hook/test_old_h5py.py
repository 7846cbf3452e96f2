"""h5py as version 2 was, in a process of its own: the changes stay where they are made."""

import subprocess
import sys

import pytest

pytest.importorskip("h5py")

_PROGRAM = """
import os
import numpy as np
import h5py
from millrace.hook import old_h5py

old_h5py.restore(h5py)
path = os.path.join({folder!r}, "file.h5")
with h5py.File(path) as file:  # made, since it is not there
    file.attrs["names"] = [b"ab", b"c"]
    file.attrs["one"] = b"xx"
    file.attrs["text"] = "text"
    file.attrs["none"] = []
    assert file.attrs.get_id("names").dtype == "S2"
    file.attrs["texts"] = ["x", "y"]
    file["words"] = ["one", "two"]
    file["word"] = "three"
    file["numbers"] = [1, 2]
    assert file.fid is file.id or file.fid == file.id
with h5py.File(path) as file:
    assert [n.decode("utf8") for n in file.attrs["names"]] == ["ab", "c"]
    assert file.attrs["names"].tolist() == [b"ab", b"c"]
    assert file.attrs["one"].decode("utf8") == "xx" and file.attrs["text"] == "text"
    assert list(file.attrs["texts"]) == ["x", "y"]
    assert not file.attrs["none"] and file.attrs["none"].tolist() == []
    assert file["words"][:].tolist() == ["one", "two"] and file["word"][()] == "three"
    assert file["words"].asstr()[0] == "one" and file["word"].value == "three"
    assert file["numbers"].value.sum() == 3
os.chmod(path, 0o400)
with h5py.File(path, "r") as file:
    assert file["numbers"].shape == (2,)
"""


def test_programs_for_version_2_run(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(folder=str(tmp_path))],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
