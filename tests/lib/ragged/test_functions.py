"""Ordinary functions of ragged tensors, and the functions of `tf.ragged` and `tf.strings`."""

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


def run(x):
    with tf.Session() as sess:
        found = sess.run(x)
    return found.to_list() if hasattr(found, "to_list") else np.asarray(found).tolist()


def rag(rows):
    return tf.ragged.constant(rows)


@pytest.mark.parametrize(
    ("function", "rows"),
    [
        (lambda r: r + 1, [[2, 3], [], [4]]),
        (lambda r: 10 - r, [[9, 8], [], [7]]),
        (lambda r: tf.constant(2) * r, [[2, 4], [], [6]]),
        (lambda r: r * r, [[1, 4], [], [9]]),
        (lambda r: r + tf.constant([[10], [20], [30]]), [[11, 12], [], [33]]),
        (lambda r: r - [[1], [2], [3]], [[0, 1], [], [0]]),
        (lambda r: r + rag([[1, 1], [], [5]]), [[2, 3], [], [8]]),
        (lambda r: tf.maximum(r, 2), [[2, 2], [], [3]]),
        (lambda r: r // 2 + r % 2 + r**2, [[2, 5], [], [11]]),
        (lambda r: (r > 1) & (r <= 2), [[False, True], [], [False]]),
        (lambda r: ~(r < 2) | (r >= 3) ^ (r > 5), [[False, True], [], [True]]),
        (lambda r: abs(-r), ROWS),
        (lambda r: tf.clip_by_value(r, 2, 2), [[2, 2], [], [2]]),
        (lambda r: tf.cast(r, tf.float32) / 2, [[0.5, 1.0], [], [1.5]]),
        (lambda r: tf.add_n([r, r, r]), [[3, 6], [], [9]]),
        (lambda r: tf.ones_like(r), [[1, 1], [], [1]]),
        (lambda r: tf.where(r > 1, r, -r), [[-1, 2], [], [3]]),
        (lambda r: tf.where([True, False, False], r, r + 5), [[1, 2], [], [8]]),
        (lambda r: tf.where(r > 1), [[0, 1], [2, 0]]),
        (lambda r: tf.concat([r, r], 0), ROWS + ROWS),
        (lambda r: tf.concat([r, [[7], [8], [9]]], 1), [[1, 2, 7], [8], [3, 9]]),
        (lambda r: tf.stack([r, r], 0), [ROWS, ROWS]),
        (lambda r: tf.stack([r, r], 1), [[x, x] for x in ROWS]),
        (lambda r: tf.stack([r, r], 2), [[[1, 1], [2, 2]], [], [[3, 3]]]),
        (lambda r: tf.tile(r, [2, 2]), [x * 2 for x in ROWS] * 2),
        (lambda r: tf.expand_dims(r, 0), [ROWS]),
        (lambda r: tf.expand_dims(r, 1), [[x] for x in ROWS]),
        (lambda r: tf.expand_dims(r, -1), [[[1], [2]], [], [[3]]]),
        (lambda r: tf.squeeze(tf.expand_dims(r, 0), 0), ROWS),
        (lambda r: tf.squeeze(tf.expand_dims(r, 1), 1), ROWS),
        (lambda r: tf.gather(r, [2, 0]), [[3], [1, 2]]),
        (lambda r: tf.gather(r, rag([[0], [2, 1]])), [[[1, 2]], [[3], []]]),
        (lambda r: tf.gather([10, 20, 30, 40], r), [[20, 30], [], [40]]),
        (lambda r: tf.gather_nd(r, [[0, 1], [2, 0]]), [2, 3]),
        (lambda r: tf.batch_gather(r, rag([[1, 0], [], [0]])), [[2, 1], [], [3]]),
        (lambda r: tf.size(r), 3),
        (lambda r: tf.rank(r), 2),
        (lambda r: tf.one_hot(r, 4)[0], [[0, 1, 0, 0], [0, 0, 1, 0]]),
        (lambda r: tf.reduce_sum(r), 6),
        (lambda r: tf.reduce_sum(r, axis=0), [4, 2]),
        (lambda r: tf.reduce_sum(r, axis=1), [3, 0, 3]),
        (lambda r: tf.reduce_sum(r, axis=[0, 1]), 6),
        (lambda r: tf.reduce_prod(r, axis=-1), [2, 1, 3]),
        (lambda r: tf.reduce_max(r, axis=1)[0], 2),
        (lambda r: tf.reduce_min(r, axis=0), [1, 2]),
        (lambda r: tf.reduce_mean(tf.cast(r, tf.float32), axis=0), [2.0, 2.0]),
        (lambda r: tf.reduce_any(r > 2, axis=1), [False, False, True]),
        (lambda r: tf.reduce_all(r > 1, axis=1), [False, True, True]),
        (lambda r: tf.math.unsorted_segment_sum(r, [0, 1, 0], 2), [[4, 2], []]),
        (lambda r: tf.math.unsorted_segment_sum(r, rag([[0, 1], [], [0]]), 2), [4, 2]),
        (lambda r: tf.math.unsorted_segment_mean(tf.cast(r, tf.float32), [0, 1, 0], 2), [[2.0, 2.0], []]),
        (lambda r: tf.math.unsorted_segment_sqrt_n(tf.cast(r, tf.float32), [0, 1, 1], 2)[1], [3.0]),
        (lambda r: tf.dynamic_partition(r, [0, 1, 0], 2)[0], [[1, 2], [3]]),
        (lambda r: tf.ragged.stack_dynamic_partitions(r, [1, 0, 1], 2), [[[]], [[1, 2], [3]]]),
        (lambda r: tf.ragged.boolean_mask(r, [True, False, True]), [[1, 2], [3]]),
        (lambda r: tf.ragged.boolean_mask(r, rag([[True, False], [], [True]])), [[1], [], [3]]),
        (lambda r: tf.ragged.map_flat_values(tf.add, r, r), [[2, 4], [], [6]]),
    ],
)
def test_function(function, rows):
    assert run(function(rag(ROWS))) == rows


def test_deep():
    rt = rag(DEEP)
    assert run(tf.reduce_sum(rt, 0)) == [[4, 2], [4]]
    assert run(tf.reduce_sum(rt, 1)) == [[5, 2], [], [3]]
    assert run(tf.reduce_sum(rt, [1, 2])) == [7, 0, 3]
    assert run(tf.tile(rt, [1, 2, 1])) == [[[1, 2], [4], [1, 2], [4]], [], [[3], [3]]]
    assert run(tf.concat([rt, rt], 2)) == [[[1, 2, 1, 2], [4, 4]], [], [[3, 3]]]
    assert run(rt + tf.constant([[[1]], [[2]], [[3]]])) == [[[2, 3], [5]], [], [[6]]]
    assert run(tf.ragged.boolean_mask(rt, rt > 1)) == [[[2], [4]], [], [[3]]]


def test_ragged_functions():
    assert run(tf.ragged.range([2, 0, 3])) == [[0, 1], [], [0, 1, 2]]
    assert run(tf.ragged.range([0, 5, 8], [3, 3, 12], 2)) == [[0, 2], [], [8, 10]]
    assert run(tf.ragged.row_splits_to_segment_ids([0, 3, 3, 5])) == [0, 0, 0, 2, 2]
    assert run(tf.ragged.segment_ids_to_row_splits([0, 0, 0, 2, 2, 3], num_segments=5)) == [0, 3, 3, 5, 6, 6]
    assert run(tf.ragged.boolean_mask([[1, 2], [3, 4]], [[True, False], [True, True]])) == [[1], [3, 4]]
    assert run(tf.ragged.stack([rag(ROWS)])) == [ROWS]
    assert run(tf.ragged.stack_dynamic_partitions([1, 2, 3, 4], [0, 1, 0, 2], 3)) == [[1, 3], [2], [4]]


def test_refusals():
    rt = rag(ROWS)
    with pytest.raises(ValueError, match="keepdims"):
        tf.reduce_sum(rt, 1, keepdims=True)
    with pytest.raises(ValueError, match="batch_dims"):
        tf.gather(rt, rt, batch_dims=1)
    with pytest.raises(ValueError, match="mismatched row_splits"):
        rt + rt.with_row_splits_dtype(tf.int32)
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(rt + rag([[1], [2, 3], [4]]))
    with pytest.raises(ValueError, match="identical ragged splits"):
        tf.add_n([rt, rag(DEEP)])


def test_gradients():
    values = tf.constant([1.0, 2.0, 3.0])
    rt = tf.RaggedTensor.from_row_splits(values, [0, 2, 2, 3], validate=False)
    (gradient,) = tf.gradients(tf.reduce_sum(tf.square(tf.reduce_sum(rt, axis=1))), values)
    assert run(gradient) == [6.0, 6.0, 6.0]
    weights = tf.constant([[1.0], [2.0], [3.0]])
    (gradient,) = tf.gradients((rt * weights).flat_values, weights)
    assert run(tf.convert_to_tensor(gradient)) == [[3.0], [0.0], [3.0]]


def test_strings():
    assert run(tf.strings.split(["a b", "", "c"], result_type="RaggedTensor")) == [[b"a", b"b"], [], [b"c"]]
    assert run(tf.strings.split("a b", result_type="RaggedTensor")) == [b"a", b"b"]
    assert run(tf.strings.split(rag([["a b"], []]), result_type="RaggedTensor")) == [[[b"a", b"b"]], []]
    assert run(tf.string_split(["a b", "c"], result_type="RaggedTensor")) == [[b"a", b"b"], [b"c"]]
    with pytest.raises(ValueError, match="result_type"):
        tf.strings.split(["a"], result_type="dense")
    assert run(tf.strings.bytes_split(["ab", ""])) == [[b"a", b"b"], []]
    assert run(tf.strings.bytes_split([["ab"], ["c"]])) == [[[b"a", b"b"]], [[b"c"]]]
    assert run(tf.strings.unicode_decode(["dé", ""], "UTF-8")) == [[100, 233], []]
    assert run(tf.strings.unicode_decode("dé", "UTF-8")) == [100, 233]
    assert run(tf.strings.unicode_split([["dé"]], "UTF-8")) == [[[b"d", "é".encode()]]]
    characters, starts = tf.strings.unicode_split_with_offsets(["éd"], "UTF-8")
    assert run(characters) == [["é".encode(), b"d"]]
    assert run(starts) == [[0, 2]]
    points, starts = tf.strings.unicode_decode_with_offsets(rag([["éd"], []]), "UTF-8")
    assert run(points) == [[[233, 100]], []]
    assert run(starts) == [[[0, 2]], []]
    with pytest.raises(ValueError, match="statically known"):
        tf.strings.unicode_decode(tf.placeholder(tf.string), "UTF-8")
    assert run(tf.strings.unicode_encode(rag([[[97, 98], []], [[233]]]), "UTF-8")) == [
        [b"ab", b""],
        ["é".encode()],
    ]
    assert run(tf.strings.unicode_encode([[[97, 98]]], "UTF-8")) == [[b"ab"]]
    assert run(tf.strings.ngrams(rag([["a", "b", "c"], ["d"]]), 2)) == [[b"a b", b"b c"], []]
    assert run(tf.strings.ngrams([["a", "b", "c"]], 2)) == [[b"a b", b"b c"]]
    assert run(tf.strings.reduce_join(rag([["a", "b"], []]), axis=1, separator="-")) == [b"a-b", b""]
    assert run(tf.strings.length(rag([["a", "bcd"], [""]]))) == [[1, 3], [0]]
    assert run(tf.strings.join([rag([["a"], []]), "x"])) == [[b"ax"], []]


def test_own_dispatcher():
    class Money:
        def __init__(self, amount):
            self.amount = amount

    from millrace.building import dispatch

    @dispatch.dispatch_for_types(tf.square, Money)
    def squared(x, name=None):
        return Money(x.amount**2)

    assert tf.square(Money(3)).amount == 9
    with pytest.raises(TypeError):
        tf.sin(Money(3))
    tf.square._tf_dispatchers.clear()


def test_repeat():
    assert run(tf.repeat([1, 2, 3], [1, 2, 0], axis=0)) == [1, 2, 2]
    assert run(tf.repeat(np.arange(4).reshape(2, 2), [1, 2], axis=1)) == [[0, 1, 1], [2, 3, 3]]
    assert run(tf.repeat(tf.placeholder_with_default([[1, 2]], None), 2, axis=1)) == [[1, 1, 2, 2]]
