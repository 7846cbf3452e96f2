"""Ragged tensors against what nested Python lists say."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf

ROWS = [[1, 2], [], [3]]
DEEP = [[[1, 2], [4]], [], [[3]]]


@pytest.fixture(autouse=True)
def fresh():
    with tf.Graph().as_default():
        yield


def run(x, feed=None):
    with tf.Session() as sess:
        found = sess.run(x, feed)
    return found.to_list() if hasattr(found, "to_list") else np.asarray(found).tolist()


@pytest.mark.parametrize(
    ("make", "rows"),
    [
        (lambda v: tf.RaggedTensor.from_row_splits(v, [0, 2, 2, 3]), ROWS),
        (lambda v: tf.RaggedTensor.from_row_lengths(v, [2, 0, 1]), ROWS),
        (lambda v: tf.RaggedTensor.from_row_starts(v, [0, 2, 2]), ROWS),
        (lambda v: tf.RaggedTensor.from_row_limits(v, [2, 2, 3]), ROWS),
        (lambda v: tf.RaggedTensor.from_value_rowids(v, [0, 0, 2]), ROWS),
        (lambda v: tf.RaggedTensor.from_value_rowids(v, [0, 0, 2], nrows=4), [*ROWS, []]),
        (lambda v: tf.RaggedTensor.from_nested_row_splits(v, [[0, 1, 2], [0, 2, 3]]), [[[1, 2]], [[3]]]),
        (lambda v: tf.RaggedTensor.from_nested_row_lengths(v, [[1, 1], [2, 1]]), [[[1, 2]], [[3]]]),
        (lambda v: tf.RaggedTensor.from_nested_value_rowids(v, [[0, 1], [0, 0, 1]]), [[[1, 2]], [[3]]]),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_factories(make, rows, known):
    values = [1, 2, 3] if known else tf.placeholder_with_default([1, 2, 3], [None])
    assert run(make(values)) == rows


@pytest.mark.parametrize("rows", [ROWS, DEEP, [[]], [["a"], ["b", "c"]]])
def test_constant_and_value_agree(rows):
    assert run(tf.ragged.constant(rows)) == [
        [c.encode() if isinstance(c, str) else c for c in r] for r in tf.ragged.constant_value(rows).to_list()
    ]


@pytest.mark.parametrize("bad", [[0, 1], [0, 3, 2], [1, 2]])
def test_rows_that_do_not_fit_fail_when_run(bad):
    rt = tf.RaggedTensor.from_row_splits([1, 2], bad)
    with pytest.raises(tf.errors.InvalidArgumentError, match="do not form a valid RaggedTensor"):
        run(rt)


def test_what_is_known_fails_at_once():
    with pytest.raises(ValueError, match="private"):
        tf.RaggedTensor(tf.constant([1]), tf.constant([0, 1]))
    with pytest.raises(ValueError, match="may not be empty"):
        tf.RaggedTensor.from_row_splits([1], [])
    with pytest.raises(ValueError, match="nrows >= 0"):
        tf.RaggedTensor.from_value_rowids([1, 2], [0, 1], nrows=-1)
    with pytest.raises(ValueError, match="same nesting depth"):
        tf.ragged.constant([[1], 2])
    with pytest.raises(ValueError, match="ragged_rank=3"):
        tf.ragged.constant([[1, 2], [3]], ragged_rank=3)
    with pytest.raises(ValueError, match="inconsistent shape"):
        tf.ragged.constant([[[1, 2], [3]]], ragged_rank=1)
    rt = tf.ragged.constant(ROWS)
    with pytest.raises(TypeError, match="boolean"):
        bool(rt)
    with pytest.raises(TypeError, match="to_tensor"):
        tf.convert_to_tensor(rt)
    with pytest.raises(ValueError, match="inner ragged dimension"):
        rt[:, 0]
    with pytest.raises(TypeError):
        tf.nn.relu(rt)


@pytest.mark.parametrize(
    ("key", "rows"),
    [
        (0, [1, 2]),
        (-1, [3]),
        ((0, 1), 2),
        (slice(1, None), [[], [3]]),
        (slice(None, -1), [[1, 2], []]),
        (slice(None, None, 2), [[1, 2], [3]]),
        (slice(None, None, -1), [[3], [], [1, 2]]),
        ((slice(None), slice(1, None)), [[2], [], []]),
        ((slice(None), slice(None, -1)), [[1], [], []]),
        ((slice(None), slice(None, None, -1)), [[2, 1], [], [3]]),
        ((slice(None), slice(-1, None)), [[2], [], [3]]),
        ((Ellipsis, slice(None, 1)), [[1], [], [3]]),
        (None, [ROWS]),
        ((slice(None), None), [[r] for r in ROWS]),
        (Ellipsis, ROWS),
    ],
)
def test_indexing(key, rows):
    assert run(tf.ragged.constant(ROWS)[key]) == rows


def test_indexing_inside():
    rt = tf.ragged.constant(DEEP)
    assert run(rt[0, 0, 1]) == 2
    assert run(rt[:, :1, 1:]) == [[[2]], [], [[]]]
    inner = tf.ragged.constant([[[1, 2], [3, 4]], [], [[5, 6]]], ragged_rank=1)
    assert run(inner[:, :, 0]) == [[1, 3], [], [5]]
    assert run(inner[..., 1]) == [[2, 4], [], [6]]


def test_dense_and_sparse():
    rt = tf.ragged.constant(ROWS)
    assert run(rt.to_tensor()) == [[1, 2], [0, 0], [3, 0]]
    assert run(tf.ragged.constant(DEEP).to_tensor(-1)) == [
        [[1, 2], [4, -1]],
        [[-1, -1], [-1, -1]],
        [[3, -1], [-1, -1]],
    ]
    assert run(tf.RaggedTensor.from_sparse(rt.to_sparse())) == ROWS
    assert run(tf.RaggedTensor.from_tensor([[1, 2, 0], [3, 0, 0]], padding=0)) == [[1, 2], [3]]
    assert run(tf.RaggedTensor.from_tensor([[1, 2, 0], [3, 0, 0]], lengths=[1, 5])) == [[1], [3, 0, 0]]
    cube = np.arange(12).reshape(2, 3, 2)
    assert run(tf.RaggedTensor.from_tensor(cube, ragged_rank=2)) == cube.tolist()
    assert run(tf.RaggedTensor.from_tensor(cube, lengths=([2, 1], [1, 2, 1]))) == [[[0], [2, 3]], [[6]]]
    again = tf.RaggedTensor._from_variant(rt._to_variant(), tf.int32, 1, 1)
    assert run(again) == ROWS
    assert run(rt.bounding_shape()) == [3, 2]


def test_variants_of_rows():
    rows = tf.ragged.constant(DEEP)._to_variant(batched_input=True)
    assert run(tf.RaggedTensor._from_variant(rows, tf.int32, 2, 1)) == DEEP
    with pytest.raises(ValueError, match="output_ragged_rank"):
        tf.RaggedTensor._from_variant(rows, tf.int32, 3, 1)


def test_what_it_is_made_of():
    rt = tf.ragged.constant(DEEP)
    assert rt.ragged_rank == 2
    assert rt.shape.as_list() == [3, None, None]
    assert run(rt.nrows()) == 3
    assert run(rt.row_lengths()) == [2, 0, 1]
    assert run(rt.row_lengths(axis=2)) == [[2, 1], [], [1]]
    assert run(rt.value_rowids()) == [0, 0, 2]
    assert [run(x) for x in rt.nested_value_rowids()] == [[0, 0, 2], [0, 0, 1, 2]]
    assert run(rt.row_starts()) == [0, 2, 2]
    assert run(rt.row_limits()) == [2, 2, 3]
    assert run(rt.with_flat_values(rt.flat_values * 2)) == [[[2, 4], [8]], [], [[6]]]
    assert rt.with_row_splits_dtype(tf.int32).row_splits.dtype == tf.int32
    assert repr(rt).startswith("tf.RaggedTensor(values=")


def test_feeding_and_fetching():
    rt = tf.ragged.placeholder(tf.int32, 2)
    value = tf.ragged.constant_value(DEEP, dtype=np.int32)
    assert run(rt + 1, {rt: value}) == [[[2, 3], [5]], [], [[4]]]
    with tf.Session():
        assert tf.ragged.constant(ROWS).eval().to_list() == ROWS
    flat = tf.nest.flatten({"a": rt, "b": 1}, expand_composites=True)
    assert len(flat) == 4
    packed = tf.nest.pack_sequence_as({"a": rt, "b": 1}, flat, expand_composites=True)
    assert run(packed["a"], {rt: value}) == DEEP


def test_branches_and_loops():
    rt = tf.ragged.constant(ROWS)
    flag = tf.placeholder_with_default(True, [])
    assert run(tf.cond(flag, lambda: rt, lambda: rt + 1)) == ROWS
    assert run(tf.cond(flag, lambda: rt, lambda: rt + 1), {flag: False}) == [[2, 3], [], [4]]
    _, longer = tf.while_loop(
        lambda i, x: i < 2, lambda i, x: (i + 1, tf.concat([x, x], axis=1)), [tf.constant(0), rt]
    )
    assert run(longer) == [r * 4 for r in ROWS]
