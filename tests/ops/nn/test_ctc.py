"""Temporal classification against the sum over all paths."""

import itertools

import numpy as np
import pytest
from scipy import special

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats

_X = floats(5, 3, 4)
_PLACES = np.int64([[0, 0], [0, 1], [1, 0], [2, 0], [2, 1]])
_LABELS = np.int32([1, 1, 2, 0, 2])
_ROWS = [[1, 1], [2], [0, 2]]
_LENGTHS = np.int32([5, 3, 4])


def _collapse(path, merge=True):
    kept = [p for i, p in enumerate(path) if not merge or i == 0 or p != path[i - 1]]
    return [p for p in kept if p != 3]


def _paths(logits):
    """(path, log probability) of every path."""
    logs = special.log_softmax(logits.astype(np.float64), axis=1)
    for path in itertools.product(range(4), repeat=len(logits)):
        yield path, logs[np.arange(len(logits)), path].sum()


def _loss(logits, labels, merge=True):
    return -special.logsumexp([p for path, p in _paths(logits) if _collapse(path, merge) == labels])


def _losses(rows=_ROWS, merge=True):
    def compute(x, *_):
        loss, slope = np.zeros(3, x.dtype), np.zeros(x.shape, x.dtype)
        for b, (labels, n) in enumerate(zip(rows, _LENGTHS)):
            part = x[:n, b].astype(np.float64)
            loss[b] = _loss(part, labels, merge)
            for index in np.ndindex(n, 4):
                step = np.zeros(part.shape)
                step[index] = 1e-5
                rise = _loss(part + step, labels, merge) - _loss(part - step, labels, merge)
                slope[index[0], b, index[1]] = rise / 2e-5
        return [loss, slope]

    return compute


def _greedy(merge):
    def compute(x, lengths):
        found = [_collapse(x[:n, b].argmax(1).tolist(), merge) for b, n in enumerate(lengths)]
        places = [(b, i) for b, row in enumerate(found) for i in range(len(row))]
        cost = [[-x[:n, b].max(1).sum()] for b, n in enumerate(lengths)]
        return [
            np.int64(places).reshape(-1, 2),
            np.int64([label for row in found for label in row]),
            np.int64([3, max(map(len, found))]),
            np.float32(cost),
        ]

    return compute


class TestCTC(OpSuite):
    """The loss sums over paths; the greedy decoder takes one."""

    cases = (
        OpCase("CTCLoss", [_X, _PLACES, _LABELS, _LENGTHS], _losses(), wrt=(), tolerance=1e-5),
        OpCase(
            "CTCLoss",
            [_X, _PLACES, _LABELS, _LENGTHS],
            _losses(merge=False),
            wrt=(),
            tolerance=1e-5,
            ctc_merge_repeated=False,
        ),
        OpCase(
            "CTCLoss",
            [_X, _PLACES, _LABELS, _LENGTHS],
            _losses([[1], [2], [0, 2]]),
            wrt=(),
            tolerance=1e-5,
            preprocess_collapse_repeated=True,
        ),
        OpCase(
            "CTCLoss", [_X.astype(np.float64), _PLACES, _LABELS, _LENGTHS], _losses(), wrt=(), tolerance=1e-8
        ),
        OpCase("CTCGreedyDecoder", [_X, _LENGTHS], _greedy(False), tolerance=1e-6),
        OpCase("CTCGreedyDecoder", [_X, _LENGTHS], _greedy(True), tolerance=1e-6, merge_repeated=True),
        OpCase(
            "CTCBeamSearchDecoder",
            [_X[:, :1], np.int32([5])],
            lambda x, n: _best(x[:, 0]),
            beam_width=200,
            top_paths=2,
            merge_repeated=False,
            tolerance=1e-5,
        ),
    )


def _best(logits):
    """The two most probable labellings, as the decoder gives them."""
    totals = {}
    for path, p in _paths(logits):
        totals.setdefault(tuple(_collapse(path)), []).append(p)
    ranked = sorted(((special.logsumexp(v), k) for k, v in totals.items()), reverse=True)[:2]
    rows = [k for _, k in ranked]
    return [
        *(np.int64([(0, i) for i in range(len(k))]).reshape(-1, 2) for k in rows),
        *(np.int64(k) for k in rows),
        *(np.int64([1, len(k)]) for k in rows),
        np.float32([[p for p, _ in ranked]]),
    ]


@pytest.mark.parametrize(
    ("labels", "lengths", "match"),
    [
        ([1, 1, 2, 0, -1], [5, 3, 4], "not be negative"),
        ([1, 1, 2, 3, 1], [5, 3, 4], "may follow a blank"),
        ([1, 1, 2, 0, 2], [5, 3, 1], "at least as many steps"),
        ([1, 1, 2, 0, 2], [5, 3, 6], r"in \[0, 5\]"),
    ],
)
def test_what_cannot_be_aligned_is_refused(labels, lengths, match):
    loss = tf.nn.ctc_loss(tf.SparseTensor(_PLACES, tf.constant(labels), [3, 2]), tf.constant(_X), lengths)
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match=match):
        session.run(loss)


def test_labels_that_are_too_long_may_be_passed_over():
    loss = tf.nn.ctc_loss(
        tf.SparseTensor(_PLACES, tf.constant(_LABELS), [3, 2]),
        tf.constant(_X),
        [5, 3, 1],
        ignore_longer_outputs_than_inputs=True,
    )
    with tf.Session() as session:
        assert session.run(loss)[2] == 0


def test_the_gradient_of_the_loss_is_its_second_output():
    x = tf.constant(_X)
    loss = tf.nn.ctc_loss(tf.SparseTensor(_PLACES, tf.constant(_LABELS), [3, 2]), x, _LENGTHS)
    with tf.Session() as session:
        got = session.run(tf.gradients(loss, x, np.float32([1, 2, -3]))[0])
    np.testing.assert_allclose(got, _losses()(_X)[1] * [[[1], [2], [-3]]], atol=1e-5)
