"""Sparse tensors against dense NumPy arrays."""

import numpy as np
import pytest

import millrace as tf
from millrace.building import raw
from ops.opcases import OpCase, OpSuite, floats, ints

# gradients that pass through gathers of an unknown number of rows
pytestmark = pytest.mark.filterwarnings("ignore:An IndexedSlices becomes a dense tensor")

_DIMS = np.int64([3, 4])
_AT = np.int64([[0, 1], [0, 3], [1, 0], [2, 3]])
_OTHER = np.int64([[0, 1], [1, 2], [2, 3]])
_TURNED = np.int64([[2, 3], [0, 3], [1, 0], [0, 1]])
_CUBE = np.int64([[0, 1, 0], [0, 1, 2], [1, 0, 1], [1, 1, 1]])
_X, _Y = floats(4), floats(3, seed=1)


def _dense(indices, values, dims, start=0):
    out = np.full(tuple(dims), start, values.dtype)
    for place, value in zip(indices, values, strict=True):
        out[tuple(place)] += value
    return out


def _where(mask, values):
    return [np.argwhere(mask), values[mask]]


def _add(ai, av, dims, bi, bv, _, limit):
    total = _dense(ai, av, dims) + _dense(bi, bv, dims)
    there = _dense(ai, np.ones(len(ai)), dims) + _dense(bi, np.ones(len(bi)), dims) > 0
    return [*_where(there & (np.abs(total) >= limit), total), dims]


def _both(function):
    def oracle(ai, av, dims, bi, bv, _):
        there = _dense(ai, np.ones(len(ai)), dims) + _dense(bi, np.ones(len(bi)), dims) > 0
        return _where(there, function(_dense(ai, av, dims), _dense(bi, bv, dims)))

    return oracle


def _add_grad(dy, ai, bi, si):
    found = {tuple(p): v for p, v in zip(si.tolist(), dy, strict=True)}
    return [np.array([found.get(tuple(p), 0) for p in x.tolist()], dy.dtype) for x in (ai, bi)]


def _matmul(adjoint_a=False, adjoint_b=False):
    def oracle(indices, values, dims, b):
        a = _dense(indices, values, dims)
        return (a.conj().T if adjoint_a else a) @ (b.conj().T if adjoint_b else b)

    return oracle


def _max(axes, keep):
    def oracle(indices, values, dims, _):
        dense = np.full(tuple(dims), -np.inf, values.dtype)
        dense[tuple(indices.T)] = values
        found = dense.max(axes, keepdims=keep)
        return np.where(np.isinf(found), 0, found).astype(values.dtype)

    return oracle


def _softmax(indices, values, dims):
    out = np.zeros_like(values)
    rows = [tuple(p[:-1]) for p in indices.tolist()]
    for row in set(rows):
        at = [k for k, r in enumerate(rows) if r == row]
        powers = np.exp(values[at] - values[at].max())
        out[at] = powers / powers.sum()
    return out


def _reorder(indices, values, _):
    order = np.lexsort(indices.T[::-1])
    return [indices[order], values[order]]


def _reshape(indices, dims, new):
    size = np.prod(dims)
    new = np.where(new == -1, size // -np.prod(new), new)
    flat = np.ravel_multi_index(tuple(indices.T), tuple(dims))
    return [np.stack(np.unravel_index(flat, tuple(new)), 1), new]


def _concat(axis):
    def oracle(indices, values, shapes):
        arrays = [_dense(i, v, s) for i, v, s in zip(indices, values, shapes, strict=True)]
        joined = np.concatenate(arrays, axis)
        return [*_where(joined != 0, joined), np.int64(joined.shape)]

    return oracle


def _slice(indices, values, dims, start, size):
    box = _dense(indices, values, dims)[tuple(slice(s, s + n) for s, n in zip(start, size, strict=True))]
    return [*_where(box != 0, box), np.int64(box.shape)]


def _slice_grad(dy, indices, start, cut):
    found = {tuple(p): v for p, v in zip((cut + start).tolist(), dy, strict=True)}
    return np.array([found.get(tuple(p), 0) for p in indices.tolist()], dy.dtype)


def _split(count):
    def oracle(axis, indices, values, dims):
        pieces = np.array_split(_dense(indices, values, dims), count, int(axis))
        found = [[*_where(p != 0, p), np.int64(p.shape)] for p in pieces]
        return [part[k] for k in range(3) for part in found]

    return oracle


def _fill_rows(indices, values, dims, default):
    found, reverse = [], np.zeros(len(indices), np.int64)
    for row in range(dims[0]):
        own = [k for k in range(len(indices)) if indices[k, 0] == row]
        for k in own:
            reverse[k] = len(found)
            found.append((indices[k], values[k]))
        if not own:
            found.append((np.eye(len(dims), dtype=np.int64)[0] * row, default))
    empty = np.bincount(indices[:, 0], minlength=dims[0]) == 0
    return [np.stack([p for p, _ in found]), np.array([v for _, v in found], values.dtype), empty, reverse]


def _to_dense(indices, dims, values, default):
    out = np.full(tuple(dims), default, values.dtype)
    out[tuple(np.atleast_2d(indices).T if indices.ndim == 2 else (indices,))] = values
    return out


_A = [_AT, _X, _DIMS]
_B = [_OTHER, _Y, _DIMS]


class TestWithDense(OpSuite):
    """Sparse tensors and dense ones."""

    cases = (
        OpCase("SparseToDense", [_AT, _DIMS, _X, np.array(2, np.float32)], _to_dense),
        OpCase(
            "SparseToDense",
            [_AT.astype(np.int32), [3, 4], np.array(3, np.float64), np.array(2, np.float64)],
            _to_dense,
        ),
        OpCase(
            "SparseToDense", [np.int32([1, 4]), [6], np.float32([1, 2]), np.array(-1, np.float32)], _to_dense
        ),
        OpCase("SparseToDense", [np.int32(2), [6], np.int32(7), np.int32(1)], _to_dense),
        OpCase(
            "SparseToDense", [_TURNED, _DIMS, _X, np.array(0, np.float32)], _to_dense, validate_indices=False
        ),
        OpCase("SparseTensorDenseAdd", [*_A, floats(3, 4)], lambda i, v, s, b: _dense(i, v, s) + b),
        OpCase(
            "SparseTensorDenseAdd",
            [_TURNED, ints(4), _DIMS, ints(3, 4)],
            lambda i, v, s, b: _dense(i, v, s) + b,
        ),
        *(
            OpCase(
                name,
                [*_A, dense],
                lambda i, v, s, b, f=f: f(v, np.broadcast_to(b, (3, 4))[tuple(i.T)]),
            )
            for name, f in (
                ("SparseDenseCwiseMul", np.multiply),
                ("SparseDenseCwiseDiv", np.divide),
                ("SparseDenseCwiseAdd", np.add),
            )
            for dense in (floats(3, 4, low=0.5), floats(4, low=0.5), floats(3, 1, low=0.5), floats(low=0.5))
        ),
        OpCase(
            "SparseDenseCwiseDiv",
            [_AT, np.int32([7, -7, 7, -7]), _DIMS, np.int32([2, -2, 2, 2])],
            lambda *_: np.int32([-3, -3, 3, -3]),
        ),
        *(
            OpCase(
                "SparseTensorDenseMatMul",
                [_AT, values, _DIMS, b],
                _matmul(*flags),
                adjoint_a=flags[0],
                adjoint_b=flags[1],
            )
            for flags in ((False, False), (True, False), (False, True), (True, True))
            for values, b in (
                (_X, floats(*((2, 3 if flags[0] else 4) if flags[1] else (3 if flags[0] else 4, 2)))),
                (
                    floats(4, dtype=np.complex64),
                    floats(
                        *((2, 3 if flags[0] else 4) if flags[1] else (3 if flags[0] else 4, 2)),
                        dtype=np.complex64,
                    ),
                ),
            )
        ),
        OpCase("SparseTensorDenseMatMul", [_TURNED.astype(np.int32), ints(4), _DIMS, ints(4, 2)], _matmul()),
        OpCase(
            "SparseTensorDenseMatMul",
            [_AT, floats(4, dtype=np.float16), _DIMS, floats(4, 2, dtype=np.float16)],
            _matmul(),
        ),
    )


class TestArithmetic(OpSuite):
    """Sums, extremes, reductions, softmax."""

    cases = (
        OpCase("SparseAdd", [*_A, *_B, np.array(0, np.float32)], _add, wrt=(1, 4)),
        OpCase("SparseAdd", [*_A, *_B, np.array(0.6, np.float32)], _add, wrt=(1, 4)),
        OpCase("SparseAdd", [_AT, ints(4), _DIMS, _OTHER, ints(3), _DIMS, np.int32(1)], _add),
        OpCase(
            "SparseAdd",
            [
                _AT,
                floats(4, dtype=np.complex64),
                _DIMS,
                _OTHER,
                floats(3, dtype=np.complex64),
                _DIMS,
                np.array(0, np.float32),
            ],
            _add,
            wrt=(1, 4),
        ),
        OpCase(
            "SparseAddGrad",
            [floats(5), _AT, _OTHER, np.int64([[0, 1], [0, 3], [1, 0], [1, 2], [2, 3]])],
            _add_grad,
        ),
        OpCase("SparseAddGrad", [floats(2), _AT, _OTHER, np.int64([[0, 1], [1, 2]])], _add_grad),
        OpCase("SparseSparseMaximum", [*_A, *_B], _both(np.maximum)),
        OpCase("SparseSparseMinimum", [*_A, *_B], _both(np.minimum)),
        *(
            OpCase(
                "SparseReduceSum",
                [*_A, axes],
                lambda i, v, s, _, a=tuple(axes), k=keep: _dense(i, v, s).sum(a, keepdims=k),
                keep_dims=keep,
            )
            for axes in ([0], [1], [0, 1], [-1])
            for keep in (False, True)
        ),
        OpCase(
            "SparseReduceSum",
            [_CUBE, floats(4), np.int64([2, 2, 3]), [0, 2]],
            lambda i, v, s, _: _dense(i, v, s).sum((0, 2)),
        ),
        OpCase(
            "SparseReduceSum",
            [_TURNED, ints(4), _DIMS, [1]],
            lambda i, v, s, _: _dense(i, v, s).sum(1).astype(np.int32),
        ),
        OpCase("SparseReduceSum", [*_A, np.int32([])], lambda i, v, s, _: _dense(i, v, s)),
        OpCase("SparseReduceMax", [*_A, [1]], _max(1, False)),
        OpCase("SparseReduceMax", [*_A, [0]], _max(0, True), keep_dims=True),
        OpCase("SparseReduceMax", [*_A, [0, 1]], _max((0, 1), False)),
        OpCase(
            "SparseReduceSumSparse",
            [*_A, [1]],
            lambda i, v, s, _: [np.int64([[0], [1], [2]]), _dense(i, v, s).sum(1), s[:1]],
        ),
        OpCase(
            "SparseReduceSumSparse",
            [*_A, [1]],
            lambda i, v, s, _: [np.int64([[0, 0], [1, 0], [2, 0]]), _dense(i, v, s).sum(1), np.int64([3, 1])],
            keep_dims=True,
        ),
        OpCase(
            "SparseReduceMaxSparse",
            [*_A, [1]],
            lambda i, v, s, a: [np.int64([[0], [1], [2]]), _max(1, False)(i, v, s, a), s[:1]],
        ),
        OpCase("SparseSoftmax", _A, _softmax),
        OpCase("SparseSoftmax", [_CUBE, floats(4, dtype=np.float64), np.int64([2, 2, 3])], _softmax),
    )


class TestRearranged(OpSuite):
    """Order, shape, pieces."""

    cases = (
        OpCase("SparseReorder", [_TURNED, _X, _DIMS], _reorder),
        OpCase("SparseReorder", [np.int64([[1, 0], [0, 1], [0, 1]]), np.int32([1, 2, 3]), _DIMS], _reorder),
        OpCase("SparseReshape", [_AT, _DIMS, np.int64([2, -1])], _reshape),
        OpCase("SparseReshape", [_AT, _DIMS, np.int64([12])], _reshape),
        OpCase("SparseReshape", [_AT, _DIMS, np.int64([3, 2, 2])], _reshape),
        OpCase("SparseReshape", [_AT, _DIMS, np.int64([3, 4])], _reshape),
        OpCase("SparseConcat", [(_AT, _OTHER), (_X, _Y), (_DIMS, _DIMS)], _concat(1), concat_dim=1),
        OpCase(
            "SparseConcat",
            [(_AT, _TURNED, _OTHER), (_X, floats(4, seed=2), _Y), (_DIMS, _DIMS, _DIMS)],
            _concat(-2),
            concat_dim=-2,
        ),
        OpCase("SparseSlice", [*_A, np.int64([0, 1]), np.int64([2, 3])], _slice),
        OpCase("SparseSlice", [*_A, np.int64([1, 0]), np.int64([9, 9])], _slice),
        OpCase("SparseSliceGrad", [_X[:2], _AT, np.int64([0, 1]), np.int64([[0, 0], [0, 2]])], _slice_grad),
        OpCase("SparseSplit", [np.int64(1), *_A], _split(3), num_split=3),
        OpCase("SparseSplit", [np.int64(0), *_A], _split(2), num_split=2),
        OpCase(
            "SparseFillEmptyRows",
            [np.int64([[0, 1], [3, 0], [3, 2]]), _Y, np.int64([5, 4]), np.array(9, np.float32)],
            _fill_rows,
        ),
        OpCase(
            "SparseFillEmptyRows",
            [np.int64([[3, 1], [0, 0], [3, 0]]), _Y, np.int64([5, 4]), np.array(9, np.float32)],
            _fill_rows,
        ),
        OpCase("SparseFillEmptyRows", _A + [np.array(9, np.float32)], _fill_rows),
        OpCase(
            "SparseFillEmptyRowsGrad",
            [np.int64([0, 3, 4]), floats(6)],
            lambda m, g: [g[m], np.float32(g.sum() - g[m].sum())],
            tolerance=1e-5,
        ),
    )


def test_crosses():
    columns = np.int64([[1, 2], [3, 4]]), np.int64([[5], [6]])
    kinds = dict(hashed_output=False, num_buckets=0, hash_key=1, out_type=tf.string, internal_type=tf.string)
    with tf.Session() as session:
        places, values, shape = session.run(raw.SparseCross([], [], [], columns, **kinds))
    assert places.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert values.tolist() == [b"1_X_5", b"2_X_5", b"3_X_6", b"4_X_6"]
    assert shape.tolist() == [2, 2]


def test_wrong_places_are_reported_by_both_tiers():
    indices = tf.placeholder(tf.int64, [None, 2])
    fetches = (
        tf.sparse_to_dense(indices, np.int64([3, 4]), np.float32([1, 2])),
        raw.SparseTensorDenseMatMul(indices, np.float32([1, 2]), [3, 4], tf.ones([4, 2])),
        raw.SparseReduceSum(indices, np.float32([1, 2]), [3, 4], [0]),
    )
    levels = (tf.OptimizerOptions.OFF, tf.OptimizerOptions.ON_1)
    for level in levels:
        options = tf.GraphOptions(optimizer_options=tf.OptimizerOptions(global_jit_level=level))
        with tf.Session(config=tf.ConfigProto(graph_options=options)) as session:
            for fetch in fetches:
                session.run(fetch, {indices: [[0, 1], [2, 3]]})
                with pytest.raises(tf.errors.InvalidArgumentError, match="bounds"):
                    session.run(fetch, {indices: [[0, 1], [2, 4]]})
            with pytest.raises(tf.errors.InvalidArgumentError, match="order"):
                session.run(fetches[0], {indices: [[2, 3], [0, 1]]})


def test_sparse_tensors_kept_by_number():
    """AddSparseToTensorsMap, AddManySparseToTensorsMap and TakeManySparseFromTensorsMap."""
    one = raw.AddSparseToTensorsMap(np.int64([[0], [2]]), np.float32([1, 2]), np.int64([4]))
    many = raw.AddManySparseToTensorsMap(np.int64([[0, 1], [2, 0]]), np.float32([3, 4]), np.int64([3, 5]))
    with tf.Session() as session:
        first, others = session.run([one, many])
        numbers = tf.placeholder(tf.int64, [None])
        taken = raw.TakeManySparseFromTensorsMap(numbers, dtype=tf.float32)
        indices, values, shape = session.run(taken, {numbers: [first, *others]})
        assert indices.tolist() == [[0, 0], [0, 2], [1, 1], [3, 0]]
        assert values.tolist() == [1, 2, 3, 4] and shape.tolist() == [4, 5]
        with pytest.raises(tf.errors.InvalidArgumentError, match="Unable to find"):
            session.run(taken, {numbers: [first]})


def test_hashed_crosses_of_texts():
    """Texts are hashed first where numbers come out, whatever the internal type; as TensorFlow 1.15.5."""
    places, dims = np.int64([[0, 0], [0, 1], [1, 0]]), np.int64([2, 2])
    texts = np.array([b"x", b"yy", b"z"], object)
    found = tf.raw_ops.SparseCross(
        indices=[places, places],
        values=[texts, texts],
        shapes=[dims, dims],
        dense_inputs=[],
        hashed_output=True,
        num_buckets=10,
        hash_key=0xDECAFCAFFE,
        out_type=tf.int64,
        internal_type=tf.string,
    )
    with tf.Session() as session:
        indices, values, shape = session.run(list(found))
    assert values.tolist() == [8, 6, 1, 9, 8]
    assert (indices.tolist(), shape.tolist()) == ([[0, 0], [0, 1], [0, 2], [0, 3], [1, 0]], [2, 4])


@pytest.mark.parametrize("function", [tf.square, tf.sqrt, tf.abs, tf.sign, tf.negative, tf.tanh, tf.math.erf])
def test_rows_that_come_twice_are_summed_before_a_function_of_them(function):
    rows = tf.IndexedSlices(tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.constant([1, 1]), tf.constant([2, 2]))
    found, expected = function(rows), function(tf.constant([[0.0, 0.0], [4.0, 6.0]]))
    with tf.Session() as sess:
        np.testing.assert_allclose(*sess.run([found, expected]))
    assert isinstance(tf.cast(rows, tf.float64), tf.IndexedSlices)
