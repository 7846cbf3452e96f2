"""Segment reductions, counts, histograms and numeric checks against plain loops."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints

# The number of segments is known only when run, so the gradients of gradients become dense with a warning.
pytestmark = pytest.mark.filterwarnings("ignore:An IndexedSlices becomes a dense tensor")

_ROWS = floats(6, 3)
_IDS = [0, 0, 1, 3, 3, 3]
_ANY_IDS = np.int32([2, -1, 0, 2, 0, 4])
_PICKED = np.int32([5, 0, 0, 3])
_PICKED_IDS = [0, 0, 2, 2]


def _segments(combine, empty):
    """A row for each number: the rows with that number combined, or `empty` where there is none."""

    def oracle(data, ids, count=None):
        ids = np.asarray(ids)
        count = ids[-1] + 1 if count is None else count
        flat = data.reshape(ids.size, *data.shape[ids.ndim :])
        rows = [flat[ids.reshape(-1) == i] for i in range(int(count))]
        return np.stack([combine(r) if len(r) else np.full(flat.shape[1:], empty) for r in rows]).astype(
            data.dtype
        )

    return oracle


_SUM, _PROD = _segments(lambda r: r.sum(0), 0), _segments(lambda r: r.prod(0), 1)
_MEAN = _segments(lambda r: r.mean(0), 0)
_SQRT = _segments(lambda r: r.sum(0) / np.sqrt(len(r)), 0)


def _max(empty):
    return _segments(lambda r: r.max(0), empty)


def _min(empty):
    return _segments(lambda r: r.min(0), empty)


def _picked(oracle):
    return lambda data, indices, ids, *count: oracle(data[indices], ids, *count)


class TestSorted(OpSuite):
    """Numbers in order."""

    cases = (
        OpCase("SegmentSum", [_ROWS, _IDS], _SUM),
        OpCase("SegmentSum", [ints(6), _IDS], _SUM),
        OpCase("SegmentSum", [floats(6, 2, 2, dtype=np.complex64), _IDS], _SUM),
        OpCase("SegmentMean", [_ROWS, _IDS], _MEAN),
        OpCase("SegmentMean", [4 * ints(6), _IDS], _segments(lambda r: np.trunc(r.sum(0) / len(r)), 0)),
        OpCase("SegmentProd", [_ROWS, _IDS], _PROD, order=1),
        OpCase("SegmentProd", [np.float32([0, 2, 0, 0, 3, 4]), _IDS], _PROD, order=1),
        OpCase("SegmentMax", [_ROWS, _IDS], _max(0), order=1),
        OpCase("SegmentMin", [_ROWS, _IDS], _min(0), order=1),
    )


class TestUnsorted(OpSuite):
    """Numbers in any order, some below 0, and a number of segments."""

    cases = (
        OpCase("UnsortedSegmentSum", [_ROWS, _ANY_IDS, 5], _SUM),
        OpCase("UnsortedSegmentSum", [floats(2, 3, 4), np.int64([[1, 0, 1], [0, 0, -3]]), 2], _SUM),
        OpCase("UnsortedSegmentSum", [_ROWS, np.int32([1, 0, 0, 1, 1, 0]), 2], _SUM),
        OpCase("UnsortedSegmentProd", [_ROWS, _ANY_IDS, 5], _PROD, order=1),
        OpCase("UnsortedSegmentProd", [np.float32([0, 2, 0, 5, 3, 4]), _ANY_IDS, 5], _PROD, order=1),
        OpCase("UnsortedSegmentMax", [_ROWS, _ANY_IDS, 5], _max(np.finfo(np.float32).min), wrt=()),
        OpCase("UnsortedSegmentMax", [_ROWS, np.int32([1, 0, 0, 1, 1, -1]), 2], _max(0), order=1),
        OpCase("UnsortedSegmentMin", [ints(6), _ANY_IDS, 5], _min(2**31 - 1)),
        OpCase("UnsortedSegmentMin", [_ROWS, np.int32([1, 0, 0, 1, 1, -1]), 2], _min(0), order=1),
    )


class TestChosenRows(OpSuite):
    """Rows gathered first."""

    cases = (
        OpCase("SparseSegmentSum", [_ROWS, _PICKED, _PICKED_IDS], _picked(_SUM)),
        OpCase("SparseSegmentSum", [ints(6, 2), _PICKED, _PICKED_IDS], _picked(_SUM)),
        OpCase("SparseSegmentMean", [_ROWS, _PICKED, _PICKED_IDS], _picked(_MEAN)),
        OpCase("SparseSegmentSqrtN", [_ROWS, _PICKED, _PICKED_IDS], _picked(_SQRT)),
        OpCase("SparseSegmentSumWithNumSegments", [_ROWS, _PICKED, _PICKED_IDS, 4], _picked(_SUM)),
        OpCase("SparseSegmentMeanWithNumSegments", [_ROWS, _PICKED, _PICKED_IDS, 4], _picked(_MEAN)),
        OpCase("SparseSegmentSqrtNWithNumSegments", [_ROWS, _PICKED, _PICKED_IDS, 4], _picked(_SQRT)),
        OpCase(
            "SparseSegmentSumGrad",
            [floats(3, 2), _PICKED, _PICKED_IDS, 6],
            lambda dy, i, s, n: _SUM(dy[s], i, n),
        ),
        OpCase(
            "SparseSegmentMeanGrad",
            [floats(3, 2), _PICKED, _PICKED_IDS, 6],
            lambda dy, i, s, n: _SUM((dy / np.float32([[2], [1], [2]]))[s], i, n),
        ),
        OpCase(
            "SparseSegmentSqrtNGrad",
            [floats(3, 2), _PICKED, _PICKED_IDS, 6],
            lambda dy, i, s, n: _SUM((dy / np.sqrt(np.float32([[2], [1], [2]])))[s], i, n),
        ),
    )


class TestCounting(OpSuite):
    """Counts and ranges."""

    cases = (
        OpCase(
            "Bincount", [np.int32([1, 1, 3, 7]), 5, np.zeros(0, np.int64)], lambda a, n, w: np.bincount(a)[:5]
        ),
        OpCase(
            "Bincount",
            [np.int32([1, 1, 3, 7]), 5, np.float32([0.5, 1, 2, 4])],
            lambda a, n, w: np.bincount(a, w)[:5].astype(np.float32),
        ),
        OpCase(
            "HistogramFixedWidth",
            [np.float32([-1, 0, 1.5, 2, 5, 15]), np.float32([0, 5]), 5],
            lambda v, r, n: np.int32([2, 1, 1, 0, 2]),
        ),
        OpCase(
            "Bucketize",
            [
                floats(3, 4),
            ],
            lambda x: np.digitize(x, [-1, 0.5, 1]).astype(np.int32),
            boundaries=[-1, 0.5, 1],
        ),
        OpCase("CheckNumerics", [floats(2, 3)], lambda x: x, message="fine"),
    )


def _run(value, feed=None):
    with tf.Session() as session:
        return session.run(value, feed)


def test_numbers_out_of_order():
    with pytest.raises(tf.errors.InvalidArgumentError, match="not increasing"):
        _run(tf.segment_sum([1.0, 2.0], [1, 0]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="same size"):
        ids = tf.placeholder(tf.int32)
        _run(tf.segment_sum([1.0, 2.0], ids), {ids: [0]})


def test_numbers_out_of_range():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"range \[0, 3\)"):
        _run(tf.unsorted_segment_sum([1.0, 2.0], [1, 5], 3))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices must be in range \[0, 3\)"):
        _run(tf.sparse_segment_sum(tf.ones([3, 2]), [0, 5], [0, 2]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="num_segments 3"):
        _run(tf.sparse_segment_sum(tf.ones([3, 2]), [0, 1], [0, 7], num_segments=3))


def test_means_of_unsorted_segments():
    data, ids = floats(6, 3), np.int32([2, -1, 0, 2, 0, 4])
    np.testing.assert_allclose(_run(tf.unsorted_segment_mean(data, ids, 5)), _MEAN(data, ids, 5), rtol=1e-6)
    np.testing.assert_allclose(_run(tf.unsorted_segment_sqrt_n(data, ids, 5)), _SQRT(data, ids, 5), rtol=1e-6)


def test_bincount_lengths():
    assert _run(tf.bincount([1, 1, 3])).tolist() == [0, 2, 0, 1]
    assert _run(tf.bincount([1, 1, 3], minlength=6)).tolist() == [0, 2, 0, 1, 0, 0]
    assert _run(tf.bincount([1, 1, 3], maxlength=2)).tolist() == [0, 2]
    assert _run(tf.bincount([1, 1, 3], weights=[0.5, 1.0, 2.0])).tolist() == [0, 1.5, 0, 2]
    assert _run(tf.bincount(np.zeros(0, np.int32))).tolist() == []
    with pytest.raises(tf.errors.InvalidArgumentError, match="non-negative"):
        _run(tf.bincount([-1, 1]))


def test_histogram_bins():
    values = [-1.0, 0.0, 1.5, 2.0, 5.0, 15.0]
    assert _run(tf.histogram_fixed_width_bins(values, [0.0, 5.0], nbins=5)).tolist() == [0, 0, 1, 2, 4, 4]
    with pytest.raises(tf.errors.InvalidArgumentError, match="value_range"):
        _run(tf.histogram_fixed_width(values, [5.0, 0.0]))
    with pytest.raises(ValueError, match="nbins"):
        tf.histogram_fixed_width(values, [0.0, 5.0], nbins=0)


def test_confusion_matrix():
    assert _run(tf.confusion_matrix([1, 2, 4], [2, 2, 4])).tolist() == [
        [0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 1],
    ]
    weighted = tf.confusion_matrix([0, 1], [[0], [0]], num_classes=2, dtype=tf.float32, weights=[0.5, 2.0])
    assert _run(weighted).tolist() == [[0.5, 0], [2, 0]]


@pytest.mark.parametrize(
    ("bad", "text"), [([1, np.nan], "NaN"), ([1, np.inf], "Inf"), ([np.nan, np.inf], "Inf and NaN")]
)
def test_check_numerics(bad, text):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"mine : Tensor had {text} values"):
        _run(tf.check_numerics(np.float32(bad), "mine"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="mine"):
        _run(tf.verify_tensor_all_finite(np.float32(bad), "mine"))


def test_add_check_numerics_ops():
    x = tf.placeholder(tf.float32, [])
    tf.log(x, name="logarithm")
    check = tf.add_check_numerics_ops()
    assert _run(check, {x: 1.0}) is None
    with pytest.raises(tf.errors.InvalidArgumentError, match="logarithm:0"):
        _run(check, {x: 0.0})


def test_ascending():
    assert _run(tf.is_non_decreasing([1, 1, 2]))
    assert not _run(tf.is_strictly_increasing([1, 1, 2]))
    assert _run(tf.is_strictly_increasing([1.0]))


def test_scalar_mul():
    assert _run(tf.scalar_mul(2.0, tf.constant([1.0, 2.0]))).tolist() == [2, 4]
    with pytest.raises(ValueError, match="scalar_mul"):
        tf.scalar_mul([2.0], tf.constant([1.0]))


def test_polyval():
    assert _run(tf.math.polyval([3.0, 2.0, 1.0], [0.0, 1.0, 2.0])).tolist() == [1, 6, 17]
    assert _run(tf.math.polyval([], [1.0, 2.0])).tolist() == [0, 0]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "int64", "complex64"])
@pytest.mark.parametrize("shape", [(40,), (40, 1), (40, 3, 2), (40, 0)])
def test_sums_go_from_first_to_last(dtype, shape):
    rng = np.random.RandomState(0)
    data, ids = (100 * rng.randn(*shape)).astype(dtype), rng.randint(-1, 7, 40)
    expected = np.zeros((9, *shape[1:]), dtype)
    for i, row in zip(ids, data):
        if i >= 0:
            expected[i] += row
    found = _run(tf.unsorted_segment_sum(tf.constant(data), tf.constant(ids), 9))
    if dtype in ("float16", "complex64"):
        np.testing.assert_allclose(found, expected, rtol=0.05)
    else:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.xla
def test_sums_are_the_compilers_to_the_bit(monkeypatch):
    rng = np.random.RandomState(1)
    data, ids = rng.randn(500, 16).astype("f"), rng.randint(0, 30, 500)
    fed = tf.placeholder(tf.float32, [500, 16])
    total = tf.unsorted_segment_sum(fed, tf.constant(ids), 30)
    found = []
    for tier in ("interpret", "compile"):
        monkeypatch.setenv("MILLRACE_TIER", tier)
        with tf.Session() as sess:
            found.append(sess.run(total, {fed: data}))
    np.testing.assert_array_equal(*found)
