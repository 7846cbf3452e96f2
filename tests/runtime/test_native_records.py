"""Records read by compiled code: the same results and errors as in Python, whatever the records hold."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.core import compiled, protos
from millrace.core.errors import OpError
from millrace.opkit.records import example
from millrace.opkit.records.columns import Dense, Sparse
from millrace.runtime import native_code, native_host

_STRING, _FLOAT, _INT = np.dtype(object), np.dtype(np.float32), np.dtype(np.int64)
_LISTS = {_STRING: "bytes_list", _FLOAT: "float_list", _INT: "int64_list"}
_KINDS = {"words": _STRING, "sizes": _FLOAT, "ids": _INT}
_DENSE = [
    Dense(b"words", _STRING, (2,), np.array([b"d", b"e"], object)),
    Dense(b"sizes", _FLOAT, (1, 2), np.array([[5, 6]], np.float32)),
    Dense(b"ids", _INT, (2,), np.array([5, 6])),
    Dense(b"ids", _INT, (-1,), np.array([3])),
]
_SPARSE = [Sparse(key.encode(), dtype) for key, dtype in _KINDS.items()] + [Sparse(b"none", _INT)]


@pytest.fixture(scope="module")
def library() -> Any:
    found = native_host.records()
    if found is None:
        pytest.skip("no C compiler")
    return found


def _fill(feature: Any, dtype: np.dtype, draw: random.Random) -> None:
    """Fills a feature with a few values, now and then of another kind."""
    if draw.random() < 0.01:
        dtype = draw.choice(list(_LISTS))
    values: list[Any] = [
        {_STRING: b"w" * draw.choice([0, 3, 200]), _FLOAT: draw.random()}.get(
            dtype, draw.choice([0, 127, 128, -1, 2**62, -(2**63)])
        )
        for _ in range(draw.choice([0, 1, 2, 2, 2, 2, 2, 3]))
    ]
    if values or draw.random() < 0.5:
        found = getattr(feature, _LISTS[dtype])
        found.SetInParent()
        found.value.extend(values)


def _example(draw: random.Random) -> bytes:
    record = protos.Example()
    for key in draw.sample([*_KINDS, "another" * 20], 4):
        if draw.random() < 0.9:
            _fill(record.features.feature[key], _KINDS.get(key, _INT), draw)
    return _damaged(record.SerializeToString(), draw)


def _sequence(draw: random.Random) -> bytes:
    record = protos.SequenceExample()
    for key, dtype in _KINDS.items():
        _fill(record.context.feature[key], dtype, draw)
        if draw.random() < 0.9:
            steps = record.feature_lists.feature_list[key].feature
            for _ in range(draw.randrange(4)):
                _fill(steps.add(), dtype, draw)
    return _damaged(record.SerializeToString(), draw)


def _damaged(record: bytes, draw: random.Random) -> bytes:
    if draw.random() > 0.02 or not record:
        return record
    data = bytearray(record)
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(data[: draw.choice([len(data), draw.randrange(len(data) + 1)])])


def _shown(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tolist()
    return [_shown(part) for part in value]


def _outcome(parse: Any) -> Any:
    try:
        return _shown(parse())
    except OpError as error:
        return type(error), error.message


def _use(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets records be read by `library` from the first."""
    code = compiled.Provided(1)
    code.load = lambda: library
    monkeypatch.setattr(compiled, "records", code)


def _both(parse: Any, library: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What `parse` gives, the same with and without the library."""
    outcomes = []
    for found in (None, library):
        _use(found, monkeypatch)
        outcomes.append(repr(_outcome(parse)))
    assert outcomes[0] == outcomes[1]
    return outcomes[0]


@pytest.mark.parametrize("seed", range(200))
def test_examples(seed: int, library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(seed)
    records = [_example(draw) for _ in range(draw.choice([1, 4, 9]))]
    names = [b"record %d" % i for i in range(len(records))]
    sparse, dense = draw.sample(_SPARSE, 2), draw.sample(_DENSE, draw.randrange(3))
    _both(lambda: example.parse_examples(records, names, sparse, dense), library, monkeypatch)


@pytest.mark.parametrize("seed", range(200))
def test_sequences(seed: int, library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(seed)
    records = [_sequence(draw) for _ in range(draw.choice([1, 4, 9]))]
    dense = [Dense(b"words", _STRING, (2,)), Dense(b"sizes", _FLOAT, (2,)), Dense(b"ids", _INT, (1, 2))]
    spec = example.SequenceSpec(
        draw.sample(_SPARSE, 1),
        draw.sample(_DENSE, draw.randrange(2)),
        draw.sample(_SPARSE, 2),
        draw.sample(dense, draw.randrange(2)),
        frozenset(draw.sample([b"words", b"sizes", b"ids"], 2)),
        draw.sample(_SPARSE, 1),
    )

    def parse() -> Any:
        found = example.parse_sequence_examples(records, [], spec)
        return [getattr(found, part) for part in found.__slots__]

    _both(parse, library, monkeypatch)


def test_lists_that_are_not_packed_are_read_in_python(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    feature = b"\x1a\x04" + b"\x08\x05\x08\x07"  # 5 and 7, each by itself
    entry = b"\x0a\x03ids" + b"\x12\x06" + feature
    record = b"\x0a\x0f" + b"\x0a\x0d" + entry
    outcome = _both(lambda: example.parse_examples([record] * 5, [], [], [_DENSE[2]]), library, monkeypatch)
    assert "[5, 7]" in outcome


def test_a_program_reads_sequences_with_it(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _use(library, monkeypatch)
    records = []
    for n in range(1, 5):
        record = protos.SequenceExample()
        record.context.feature["n"].int64_list.value.append(n)
        for i in range(n):
            record.feature_lists.feature_list["x"].feature.add().float_list.value.extend([i, n])
        records.append(record.SerializeToString())
    with tf.Graph().as_default(), tf.Session() as sess:
        context, lists, lengths = tf.io.parse_sequence_example(
            tf.placeholder_with_default(records, [None]),
            {"n": tf.FixedLenFeature([], tf.int64)},
            {"x": tf.FixedLenSequenceFeature([2], tf.float32)},
        )
        found, x, steps = sess.run([context["n"], lists["x"], lengths["x"]])
    assert found.tolist() == steps.tolist() == [1, 2, 3, 4]
    assert x.shape == (4, 4, 2) and x[1].tolist() == [[0, 2], [1, 2], [0, 0], [0, 0]]


@pytest.mark.parametrize("compiler", ["no-such-compiler", "'"])
def test_without_a_compiler_there_is_none(compiler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", compiler)
    monkeypatch.setenv("MILLRACE_CACHE", "0")
    assert native_host.records() is None


def test_the_user_may_want_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_NATIVE", "0")
    assert not native_code.wanted() and native_host.records() is None
