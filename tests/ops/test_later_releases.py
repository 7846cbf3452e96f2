"""Operations of later releases, which SavedModels of TensorFlow 2 hold."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats

raw = tf.raw_ops


def run(fetches):
    with tf.Session() as sess:
        return sess.run(fetches)


_X, _Y = floats(3, 4, low=-0.9, high=0.9), floats(4, low=-0.5, high=2)


class TestFunctions(OpSuite):
    """Special functions."""

    cases = (
        OpCase("Xlog1py", [_X, _Y], lambda x, y: x * np.log1p(y)),
        OpCase("Erfinv", [_X], lambda x: np.float32(_inverse_error_function(x))),
        OpCase("Ndtri", [np.abs(_X)], lambda p: np.float32(np.sqrt(2) * _inverse_error_function(2 * p - 1))),
    )


def _inverse_error_function(y):
    """By Newton's method, with the error function of the standard library."""
    from math import erf

    x = np.zeros_like(y, np.float64)
    for _ in range(60):
        x = x - (np.vectorize(erf)(x) - y) * np.sqrt(np.pi) / 2 * np.exp(x * x)
    return x


def test_xlog1py_of_zero():
    assert run(raw.Xlog1py(x=[0.0, 0.0], y=[-1.0, np.inf])).tolist() == [0, 0]


def test_extremes_at_coordinates():
    x, places = np.float32([[1, 2], [3, 4], [5, 6]]), np.int32([[0], [2], [0]])
    rows = np.float32([[5, 0], [0, 9], [2, 7]])
    assert run(raw.TensorScatterMax(tensor=x, indices=places, updates=rows)).tolist() == [
        [5, 7],
        [3, 4],
        [5, 9],
    ]
    assert run(raw.TensorScatterMin(tensor=x, indices=places, updates=rows)).tolist() == [
        [1, 0],
        [3, 4],
        [0, 6],
    ]
    with pytest.raises(tf.errors.InvalidArgumentError, match="inside of"):
        run(raw.TensorScatterMax(tensor=x, indices=np.int32([[3]]), updates=rows[:1]))


@pytest.mark.parametrize("binary", [False, True])
def test_counts(binary):
    rows = np.int32([[1, 3, 1], [0, 7, 2]])
    wanted = np.int32([[0, 2, 0, 1], [1, 0, 1, 0]])
    wanted = np.minimum(wanted, 1) if binary else wanted
    none = np.zeros(0, np.int32)
    counted = {"size": np.int32(4), "weights": none, "binary_output": binary}
    dense = raw.DenseBincount(input=rows, **counted)
    assert dense.shape == (2, 4)
    assert run(dense).tolist() == wanted.tolist()
    assert run(raw.DenseBincount(input=rows[0], **counted)).tolist() == wanted[0].tolist()
    ragged = raw.RaggedBincount(splits=np.int64([0, 3, 6]), values=rows.ravel(), **counted)
    assert run(ragged).tolist() == wanted.tolist()
    places = np.int64([[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]])
    sparse = raw.SparseBincount(indices=places, values=rows.ravel(), dense_shape=np.int64([2, 3]), **counted)
    assert run(sparse).tolist() == wanted.tolist()


def test_weighted_counts():
    weights = np.float32([[0.5, 1, 2], [4, 8, 16]])
    found = raw.DenseBincount(input=np.int32([[1, 3, 1], [0, 7, 2]]), size=np.int32(4), weights=weights)
    assert run(found).tolist() == [[0, 2.5, 0, 1], [4, 0, 16, 0]]
    for wrong, message in ((np.int32([-1]), "non-negative"), (np.int32([1, 2, 3]), "shape of the input")):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            run(raw.DenseBincount(input=wrong, size=np.int32(4), weights=np.float32([1.0, 2.0])))
    with pytest.raises(tf.errors.InvalidArgumentError, match="0 to the number"):
        run(
            raw.RaggedBincount(
                splits=np.int64([0, 3]), values=np.int32([1]), size=np.int32(2), weights=weights[:0]
            )
        )


def test_numbers_of_a_seed():
    """Those of the operations that take the seed itself."""
    key, counter, alg = raw.StatelessRandomGetKeyCounterAlg(seed=[1, 2])
    pair = raw.StatelessRandomGetKeyCounter(seed=[1, 2])
    where = {"shape": [5], "key": key, "counter": counter, "alg": raw.StatelessRandomGetAlg()}
    again = {"shape": [5], "seed": [1, 2]}
    for new, old in (
        (raw.StatelessRandomUniformV2(**where), raw.StatelessRandomUniform(**again)),
        (raw.StatelessRandomNormalV2(**where), raw.StatelessRandomNormal(**again)),
        (raw.StatelessTruncatedNormalV2(**where), raw.StatelessTruncatedNormal(**again)),
        (
            raw.StatelessRandomUniformIntV2(**where, minval=0, maxval=10),
            raw.StatelessRandomUniformInt(**again, minval=0, maxval=10),
        ),
    ):
        a, b = run([new, old])
        np.testing.assert_array_equal(a, b)
    first, second, third, whole = run([key, pair.key, alg, raw.StatelessRandomUniformFullIntV2(**where)])
    assert (first.tolist(), int(third)) == (second.tolist(), 1)
    assert (whole.dtype, len(set(whole.tolist()))) == (np.uint64, 5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="algorithm 2"):
        run(raw.StatelessRandomUniformV2(shape=[1], key=key, counter=counter, alg=2))
    with pytest.raises(ValueError, match="key must have rank 1"):
        raw.StatelessRandomUniformV2(shape=[1], key=np.uint64(1), counter=counter, alg=1)


def test_a_generator_moves_on():
    state = tf.Variable(np.int64([1, 2, 7]), use_resource=True)
    read = raw.RngReadAndSkip(resource=state.handle, alg=1, delta=np.uint64(3))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run(read).tolist() == [1, 2, 7]
        assert sess.run(read).tolist() == [1 + 3 * 256, 2, 7]
        assert sess.run(state).tolist() == [1 + 6 * 256, 2, 7]


def test_draws_of_a_generator():
    """Numbers and states of TensorFlow 1.15.5."""
    state = tf.Variable(np.int64([1, 2, 7]), use_resource=True)
    given = {"resource": state.handle, "algorithm": np.int64(1), "shape": np.int64([3])}
    draws = [
        (raw.StatefulUniform(**given), [0.10157979, 0.86369145, 0.67601836]),
        (raw.StatefulStandardNormalV2(**given), None),
        (raw.StatefulTruncatedNormal(**given), None),
        (raw.StatefulUniformInt(**given, minval=np.int64(0), maxval=np.int64(100)), None),
        (raw.StatefulUniformFullInt(**given), None),
    ]
    with tf.Session() as sess:
        sess.run(state.initializer)
        for k, (draw, wanted) in enumerate(draws, 1):
            found = sess.run(draw)
            assert found.shape == (3,)
            assert sess.run(state).tolist() == [1 + 3 * 256 * k, 2, 7]
            if wanted:
                np.testing.assert_allclose(found, wanted, rtol=1e-6)
        for start, draw, wanted in (
            (1281, draws[1][0], [0.23952556, -0.20516674, 0.33068061]),
            (2561, draws[2][0], [-0.40896699, 0.34574041, -0.46415278]),
            (3841, draws[3][0], [16, 66, 25]),
            (5121, draws[4][0], [8646403713547608204, 12786360606194289313, 13504947659696289606]),
        ):
            state.load(np.int64([start, 2, 7]), sess)
            np.testing.assert_allclose(sess.run(draw), np.array(wanted), rtol=1e-6)
        sess.run(raw.RngSkip(resource=state.handle, algorithm=np.int64(1), delta=np.int64(2)))
        assert sess.run(state).tolist() == [5121 + 5 * 256, 2, 7]
        with pytest.raises(tf.errors.InvalidArgumentError, match="algorithm id: 2"):
            sess.run(raw.StatefulUniform(**{**given, "algorithm": np.int64(2)}))


def test_a_dense_table_is_restored_from_its_places():
    """A file holds the places of the table, empty ones under the reserved key."""
    table = raw.MutableDenseHashTableV2(
        empty_key=np.int64(-1), deleted_key=np.int64(-2), value_dtype=tf.float32
    )
    keys, rows = np.int64([[-1], [5], [-1], [7], [-2]]), np.float32([[0], [1], [0], [2], [0]])
    filled = raw.LookupTableImportV2(table_handle=table, keys=keys, values=rows)
    with tf.control_dependencies([filled]):
        found = raw.LookupTableFindV2(table_handle=table, keys=np.int64([7, 5, 9]), default_value=-1.0)
        size = raw.LookupTableSizeV2(table_handle=table)
    assert [v.tolist() for v in run([found, size])] == [[2, 1, -1], 2]


def test_aligned_diagonals():
    x = np.arange(1.0, 13.0).reshape(3, 4)
    part = {"input": x, "k": [-1, 1], "padding_value": np.float64(0)}
    # above, below
    wanted = {
        "LEFT_LEFT": ([2, 7, 12], [5, 10, 0]),
        "LEFT_RIGHT": ([2, 7, 12], [0, 5, 10]),
        "RIGHT_LEFT": ([2, 7, 12], [5, 10, 0]),
        "RIGHT_RIGHT": ([2, 7, 12], [0, 5, 10]),
    }
    for align, (above, below) in wanted.items():
        found = raw.MatrixDiagPartV3(**part, align=align)
        assert run(found).tolist() == [above, [1, 6, 11], below]
        back = raw.MatrixSetDiagV3(input=np.zeros((3, 4)), diagonal=found, k=[-1, 1], align=align)
        band = np.triu(np.tril(x, 1), -1)
        np.testing.assert_array_equal(run(back), band)
        made = raw.MatrixDiagV3(
            diagonal=found, k=[-1, 1], num_rows=3, num_cols=4, padding_value=np.float64(0), align=align
        )
        np.testing.assert_array_equal(run(made), band)
        slope = tf.gradients(tf.reduce_sum(found * tf.constant(np.arange(9.0).reshape(3, 3))), found)
        assert slope[0].shape == (3, 3)
    above = raw.MatrixDiagPartV3(input=x, k=[2, 3], padding_value=np.float64(-1))
    assert run(above).tolist() == [[-1, 4], [3, 8]]


def test_gradients_of_aligned_diagonals():
    x = tf.constant(floats(3, 3))
    rows = raw.MatrixDiagPartV3(input=x, k=[0, 1], padding_value=0.0)
    back = raw.MatrixDiagV3(diagonal=rows, k=[0, 1], num_rows=-1, num_cols=-1, padding_value=0.0)
    mixed = raw.MatrixSetDiagV3(input=x, diagonal=rows, k=[0, 1])
    weights = floats(3, 3)
    slopes = tf.gradients([back, mixed], x, [tf.constant(weights), tf.constant(weights)])
    band = np.triu(np.tril(weights, 1))
    np.testing.assert_allclose(run(slopes[0]), band + weights, rtol=1e-6)


def of_list(handle, size, shape=(2,)):
    given = {"input_handle": handle, "element_shape": list(shape), "element_dtype": tf.float32}
    return [raw.TensorListGetItem(**given, index=k) for k in range(size)]


def test_edits_of_lists():
    rows = np.float32([[1, 2], [3, 4]])
    some = raw.TensorListFromTensor(tensor=rows, element_shape=[2])
    both = raw.TensorListConcatLists(input_a=some, input_b=some, element_dtype=tf.float32)
    assert run(raw.TensorListLength(input_handle=both)) == 4
    joined, lengths = raw.TensorListConcat(input_handle=some, element_dtype=tf.float32)
    assert [v.tolist() for v in run([joined, lengths])] == [[1, 2, 3, 4], [2, 2]]
    longer = raw.TensorListResize(input_handle=some, size=3)
    assert [v.tolist() for v in run(of_list(longer, 3))] == [[1, 2], [3, 4], [0, 0]]
    spread = raw.TensorListScatter(tensor=rows, indices=[2, 0], element_shape=[2])
    assert [v.tolist() for v in run(of_list(spread, 3))] == [[3, 4], [0, 0], [1, 2]]
    sized = raw.TensorListScatterV2(tensor=rows, indices=[2, 0], element_shape=[2], num_elements=4)
    assert run(raw.TensorListLength(input_handle=sized)) == 4
    over = raw.TensorListScatterIntoExistingList(input_handle=some, tensor=rows[:1], indices=[1])
    assert [v.tolist() for v in run(of_list(over, 2))] == [[1, 2], [1, 2]]
    for wrong, message in (
        (raw.TensorListResize(input_handle=some, size=-1), "non-negative"),
        (raw.TensorListScatter(tensor=rows, indices=[-1, 0], element_shape=[2]), "non-negative"),
        (raw.TensorListScatter(tensor=rows, indices=[1], element_shape=[2]), "Specified a list"),
        (raw.TensorListScatterV2(tensor=rows, indices=[2, 0], element_shape=[2], num_elements=2), "beyond 2"),
        (raw.TensorListScatterV2(tensor=rows, indices=[2, 0], element_shape=[2], num_elements=-2), "-1"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            run(raw.TensorListLength(input_handle=wrong))
