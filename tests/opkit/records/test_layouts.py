"""Batches of Examples read by columns give what each record gives by itself."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf
from millrace.opkit.records import example as examples
from millrace.opkit.records.example import Dense, Sparse


def _record(**features):
    def feature(values):
        if isinstance(values[0], bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        if isinstance(values[0], float):
            return tf.train.Feature(float_list=tf.train.FloatList(value=values))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    message = tf.train.Example(
        features=tf.train.Features(feature={k: feature(v) for k, v in features.items() if v})
    )
    return message.SerializeToString()


def _mixed(count):
    rng = np.random.RandomState(7)
    for i in range(count):
        yield _record(
            x=[float(v) for v in rng.randn(3)],
            n=[int(rng.choice([i, 5, -3, 1 << 40]))],
            s=[b"ab" if i % 3 else b"longer"],
            **({"v": [1] * (i % 4)} if i % 4 else {}),
        )


WANTED = (
    [Sparse(b"v", np.dtype(np.int64)), Sparse(b"s", np.dtype(object))],
    [
        Dense(b"x", np.dtype(np.float32), (3,)),
        Dense(b"n", np.dtype(np.int64), ()),
        Dense(b"v", np.dtype(np.int64), (-1,)),
        Dense(b"w", np.dtype(np.float32), (2,), np.ones(2, np.float32)),
    ],
)


@pytest.mark.parametrize("count", [1, 3, 5, 64])
def test_columns_are_the_rows(count):
    records = list(_mixed(count))
    sparse, dense = examples.parse_examples(records, [], *WANTED)
    for i, record in enumerate(records):
        single, row = examples.parse_example(record, *WANTED)
        for (indices, values, _), (_, alone, _) in zip(sparse, single, strict=True):
            np.testing.assert_array_equal(values[indices[:, 0] == i], alone)
        for column, alone in zip(dense, row, strict=True):
            if not np.ndim(alone):
                assert column[i] == alone
                continue
            np.testing.assert_array_equal(column[i][: len(alone)], alone)
            assert not column[i][len(alone) :].any()


def test_columns_of_equal_records_belong_to_the_caller():
    records = [_record(x=[float(i), 2.0], n=[i]) for i in range(8)]
    _, (x, n) = examples.parse_examples(
        records, [], [], [Dense(b"x", np.dtype(np.float32), (2,)), Dense(b"n", np.dtype(np.int64), ())]
    )
    assert x.flags.writeable and n.flags.writeable
    np.testing.assert_array_equal(x[:, 0], range(8))
    np.testing.assert_array_equal(n, range(8))


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (Dense(b"x", np.dtype(np.int64), (3,)), "Data types don't match"),
        (Dense(b"x", np.dtype(np.float32), (4,)), "Number of float values != expected"),
        (Dense(b"absent", np.dtype(np.float32), (3,)), "required but could not be found"),
    ],
)
def test_errors_are_those_of_records(feature, message):
    records = [_record(x=[1.0, 2.0, 3.0])] * 6
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        examples.parse_examples(records, [], [], [feature])


def test_malformed_record_among_equal_ones():
    good = _record(x=[1.0, 2.0, 3.0])
    bad = b"\xff" * len(good)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Could not parse example input"):
        examples.parse_examples(
            [good, good, bad, good, bad], [], [], [Dense(b"x", np.dtype(np.float32), (3,))]
        )
