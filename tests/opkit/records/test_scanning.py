"""Records scanned by what their entries begin with are those that each gives by itself."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf
from millrace.opkit.records import example as examples
from millrace.opkit.records import wire
from millrace.opkit.records.example import Dense, Sparse

INT, FLOAT, TEXT = np.dtype(np.int64), np.dtype(np.float32), np.dtype(object)


def _number(value):
    value &= (1 << 64) - 1
    found = b""
    while value >= 0x80:
        found, value = found + bytes([value & 0x7F | 0x80]), value >> 7
    return found + bytes([value])


def _message(number, content):
    return _number(number << 3 | 2) + _number(len(content)) + content


def _list(values, is_packed=True):
    if not values:
        return b""
    if isinstance(values[0], bytes):
        return _message(1, b"".join(_message(1, v) for v in values))
    if isinstance(values[0], float):
        items = [np.float32(v).tobytes() for v in values]
        content = _message(1, b"".join(items)) if is_packed else b"".join(b"\x0d" + i for i in items)
        return _message(2, content)
    items = [_number(v) for v in values]
    content = _message(1, b"".join(items)) if is_packed else b"".join(b"\x08" + i for i in items)
    return _message(3, content)


def _record(features, is_packed=True):
    entries = [_message(1, _message(1, k) + _message(2, _list(v, is_packed))) for k, v in features]
    return _message(1, b"".join(entries))


def _random_records(seed, count):
    rng = np.random.RandomState(seed)
    names = [b"a", b"ab", b"label", b"image/encoded", b"image/format", b"n" * 120, b"unused"]
    for _ in range(count):
        features = []
        for name in rng.permutation(len(names))[: rng.randint(len(names) + 1)]:
            size = rng.choice([0, 1, 1, 1, 2, 5, 60])
            kind = name % 3
            if kind == 0:
                values = [
                    int(rng.choice([0, 1, 127, 128, 300, -1, 1 << 40, -(1 << 63)])) for _ in range(size)
                ]
            elif kind == 1:
                values = [float(v) for v in rng.randn(size)]
            else:
                values = [rng.bytes(int(rng.choice([0, 3, 90, 130, 9000]))) for _ in range(min(size, 3))]
            features.append((names[name], values))
        yield _record(features, rng.rand() < 0.9)


WANTED = [
    Dense(b"a", INT, (-1,)),
    Dense(b"ab", FLOAT, (-1,)),
    Dense(b"label", TEXT, (-1,)),
    Dense(b"n" * 120, TEXT, (-1,)),
    Dense(b"absent", INT, (-1,)),
]
SPARSE = [Sparse(b"image/encoded", INT), Sparse(b"image/format", FLOAT)]


@pytest.mark.parametrize("seed", range(6))
def test_columns_are_what_each_record_has(seed):
    records = list(_random_records(seed, 40))
    sparse, dense = examples.parse_examples(records, [], SPARSE, WANTED)
    for i, record in enumerate(records):
        table = wire.read_example(record)
        for feature, column in zip(WANTED, dense, strict=True):
            place = wire.find(record, table, feature.key)
            alone = [] if place is None else wire.values(record, place).tolist()
            assert column[i].tolist()[: len(alone)] == alone
            assert not any(column[i].tolist()[len(alone) :])
        for feature, (indices, values, _) in zip(SPARSE, sparse, strict=True):
            place = wire.find(record, table, feature.key)
            alone = [] if place is None else wire.values(record, place).tolist()
            assert values[indices[:, 0] == i].tolist() == alone
        single, row = examples.parse_example(record, SPARSE, WANTED)
        for column, alone in zip(dense, row, strict=True):
            assert column[i].tolist()[: len(alone)] == alone.tolist()
        for (indices, values, shape), (place, alone, size) in zip(sparse, single, strict=True):
            assert alone.tolist() == values[indices[:, 0] == i].tolist()
            assert place[:, 0].tolist() == list(range(len(alone))) and size.tolist() == [len(alone)]
            assert shape[0] == len(records)


def _one(key, values):
    return _record([(key, values)])


def test_a_name_of_another_kind_later_on():
    records = [_one(b"a", [1]), _one(b"a", [2]), _one(b"a", [3.0]), _one(b"a", [4, 5]), _one(b"a", [6])]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Key: a, Index: 2.*Data types don't match"):
        examples.parse_examples(records, [], [], [Dense(b"a", INT, (1,))])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Key: a, Index: 2.*Values size: 2"):
        examples.parse_examples(records[:2] + records[3:] * 2, [], [], [Dense(b"a", INT, (1,))])


def test_of_a_repeated_name_the_last_counts():
    twice = _record([(b"a", [1]), (b"b", [9]), (b"a", [2])])
    cleared = _record([(b"a", [1]), (b"a", [])])
    _, (column,) = examples.parse_examples([twice] * 3 + [cleared], [], [], [Dense(b"a", INT, (-1,))])
    assert column.tolist() == [[2], [2], [2], [0]]


def test_one_name_as_two_kinds():
    records = [_one(b"a", [i]) for i in range(5)]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Data types don't match"):
        examples.parse_examples(records, [], [Sparse(b"a", FLOAT)], [Dense(b"a", INT, (1,))])


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_record_that_was_cut_off(cut):
    good = _record([(b"a", [1]), (b"b", [b"text"])])
    wanted = [Dense(b"a", INT, (1,))]
    examples.parse_examples([good] * 5, [], [], wanted)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Could not parse example input"):
        examples.parse_examples([good, good[:-cut], good, good, good], [], [], wanted)
