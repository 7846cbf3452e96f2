"""Compiled code that is over in microseconds: what it gives is what Python and NumPy give."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.core import compiled, filesystems
from millrace.dialect.numpy.array import ArrayVerbs
from millrace.runtime import native_host


@pytest.fixture(autouse=True)
def _used_from_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    library = native_host.brief()
    if library is None:
        pytest.skip("no C compiler")
    code = compiled.Provided(1)
    code.load = lambda: library
    monkeypatch.setattr(compiled, "brief", code)


@pytest.mark.parametrize("size", [0, 1, 4096, (1 << 18) - 1, 1 << 18, (1 << 18) + 1])
def test_files_of_all_sizes(size: int, tmp_path: Path) -> None:
    content = os.urandom(size)
    path = tmp_path / "ä file"
    path.write_bytes(content)
    assert compiled.read(str(path)) == (content if size < 1 << 18 else None)
    assert filesystems.contents(path) == content
    with tf.Session() as sess:
        assert sess.run(tf.read_file(f"file://{path}")) == content


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"another")
    for name in (tmp_path, tmp_path / "none", f"{tmp_path}/a\0b"):
        assert compiled.read(str(name)) is None
    with tf.Session() as sess:
        with pytest.raises(tf.errors.NotFoundError, match="none"):
            sess.run(tf.read_file(str(tmp_path / "none")))
        with pytest.raises(tf.errors.FailedPreconditionError):
            sess.run(tf.read_file(str(tmp_path)))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_loses_nothing(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"x" * 5000,), daemon=True)
    writer.start()
    assert filesystems.contents(pipe) == b"x" * 5000
    writer.join()


def test_files_that_several_threads_read(tmp_path: Path) -> None:
    for i in range(8):
        (tmp_path / str(i)).write_bytes(bytes([i]) * (i * 1000 + 1))
    wrong: list[int] = []

    def reads(i: int) -> None:
        content = bytes([i]) * (i * 1000 + 1)
        wrong.extend(i for _ in range(200) if compiled.read(f"{tmp_path}/{i}") != content)

    threads = [threading.Thread(target=reads, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64, np.complex64, bool])
@pytest.mark.parametrize(
    "shape", [(64, 17, 1), (50, 8, 2), (40, 9, 3), (30, 40, 4), (2000, 1, 3), (1, 999, 3)]
)
def test_pixels_turned(shape: tuple[int, ...], dtype: Any) -> None:
    rows = np.random.RandomState(0).randint(0, 255, shape).astype(dtype)
    np.testing.assert_array_equal(compiled.turned(rows), rows[:, ::-1])
    np.testing.assert_array_equal(ArrayVerbs().flip(rows, (1,)), rows[:, ::-1])
    for view in (rows[::-1], rows[3:-2], rows[:, 1:]):
        np.testing.assert_array_equal(ArrayVerbs().flip(view, (1,)), view[:, ::-1])


@pytest.mark.parametrize("width", range(1, 24))
def test_rows_of_few_pixels_turned(width: int) -> None:
    rows = np.random.RandomState(width).randint(0, 255, [5, width + 2, 3]).astype(np.uint8)
    for view in (rows, rows[:, 1:], rows[1:, :-2]):
        np.testing.assert_array_equal(compiled.turned(view), view[:, ::-1])


_FIGURES = {
    b"+": np.add,
    b"-": np.subtract,
    b"*": np.multiply,
    b"/": np.divide,
    b"~": lambda x, y: y - x,
    b"|": lambda x, y: y / x,
}


@pytest.mark.parametrize("size", [0, 1, 2047, 2048, 2049, 10000])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_numbers_taken_through_operations(size: int, dtype: Any) -> None:
    numbers = (np.random.RandomState(size).randn(size) * 100).astype(dtype)
    if dtype == np.float32:
        numbers[::3] = np.resize([np.nan, np.inf, -np.inf, -0.0, 1e-42, 3e38, 0], len(numbers[::3]))
    others = np.array([127.5, 1e-3, 0, -np.inf, np.nan, 1e-40], np.float32)
    with np.errstate(all="ignore"):
        for letter, function in _FIGURES.items():
            for other in others:
                made = np.empty(size, np.float32)
                assert compiled.figured(numbers, made, letter, other[None])
                np.testing.assert_array_equal(made, function(numbers.astype(np.float32), other))
        made = np.empty(size, np.float32)
        assert compiled.figured(numbers, made, b"/-*", np.array([127.5, 1, 3], np.float32))
        wanted = (numbers.astype(np.float32) / np.float32(127.5) - np.float32(1)) * np.float32(3)
        np.testing.assert_array_equal(made.view(np.int32), wanted.view(np.int32))


def test_numbers_that_numpy_takes_through_operations() -> None:
    out = np.empty([4, 4], np.float32)
    one = np.ones(1, np.float32)
    for other in (np.ones([4, 4]), np.ones([4, 4], np.int8), np.ones([4, 8], np.float32)[:, ::2]):
        assert not compiled.figured(other, out, b"+", one)


def test_what_is_turned_by_numpy() -> None:
    rows = np.arange(3000).reshape(50, 20, 3)
    for other in (rows[:, ::2], rows[..., ::-1], rows[..., :2], rows[None], rows[:0], rows.astype(object)):
        assert compiled.turned(other) is None
        np.testing.assert_array_equal(ArrayVerbs().flip(other, other.ndim - 2), np.flip(other, -2))
