"""A few of the changed files of `tools/fuzz_files.py`, which has them by the thousand."""

import importlib.util
import pathlib
import random

import pytest

import millrace as tf

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "tools" / "fuzz_files.py"
spec = importlib.util.spec_from_file_location("fuzz_files", SOURCE)
fuzz = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fuzz)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return fuzz.Files(tf, tmp_path_factory.mktemp("files"))


@pytest.mark.parametrize("kind", range(11))
def test_changed_files_are_read_or_refused(files, kind):
    kind, chance = files.kinds[kind], random.Random(kind)
    whole = {path: path.read_bytes() for path in files.folder.rglob("*") if path.is_file()}
    for _ in range(4):
        what, read = files.change(kind, chance)
        try:
            read()
        except (tf.errors.OpError, ValueError, TypeError, AssertionError) as error:
            assert str(error), what
        for path, data in whole.items():
            path.write_bytes(data)
