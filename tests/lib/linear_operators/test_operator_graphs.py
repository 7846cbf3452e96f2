"""What linear operators add to a graph, what they become together, and what they refuse."""

import numpy as np
import pytest

import millrace as tf

_L = tf.linalg
_R = np.random.default_rng(3)


def _placeholder(*dims, dtype=tf.float32):
    return tf.placeholder(dtype, dims)


def _names(build):
    graph = tf.Graph()
    with graph.as_default():
        build()
    prefixes = ("LinearOperator", "Placeholder")
    return [o.name.removeprefix(prefixes[0]) for o in graph.get_operations() if o.type != "Placeholder"]


def test_blocks_split_their_argument():
    names = _names(
        lambda: _L.LinearOperatorBlockDiag(
            [
                _L.LinearOperatorFullMatrix(_placeholder(4, 4), name="A"),
                _L.LinearOperatorDiag(_placeholder(4), name="B"),
            ]
        ).matmul(_placeholder(8, 2))
    )
    assert names == [
        "A_ds_B/matmul/Const",
        "A_ds_B/matmul/split/split_dim",
        "A_ds_B/matmul/split",
        "A_ds_B/matmul/A/matmul/MatMul",
        "A_ds_B/matmul/B/matmul/ExpandDims/dim",
        "A_ds_B/matmul/B/matmul/ExpandDims",
        "A_ds_B/matmul/B/matmul/mul",
        "A_ds_B/matmul/concat/axis",
        "A_ds_B/matmul/concat",
    ]


def test_circulant_traces_real_and_imaginary_parts():
    names = _names(lambda: _L.LinearOperatorCirculant(_placeholder(8, dtype=tf.complex64)).trace())
    assert [n for n in names if "strided" not in n and not n.endswith("indices")] == [
        "Circulant/Shape",
        "Circulant/Abs",
        "Circulant/Conj",
        "Circulant/trace/Real",
        "Circulant/trace/Sum",
        "Circulant/trace/Imag",
        "Circulant/trace/Sum_1",
        "Circulant/trace/Complex",
    ]


@pytest.mark.parametrize("adjoint", [False, True])
@pytest.mark.parametrize("kind", ["full", "triangular"])
def test_batches_that_the_operator_lacks_become_columns(kind, adjoint):
    matrix = (_R.normal(size=(2, 3, 3)) + 4 * np.eye(3)).astype("f")
    rhs = _R.normal(size=(5, 2, 3, 4)).astype("f")
    if kind == "full":
        operator, dense = _L.LinearOperatorFullMatrix(matrix), matrix
    else:
        operator, dense = _L.LinearOperatorLowerTriangular(matrix), np.tril(matrix)
    solution = operator.solve(rhs, adjoint=adjoint)
    assert solution.shape.as_list() == [5, 2, 3, 4]
    types = [o.type for o in solution.graph.get_operations()]
    assert "BroadcastTo" not in types
    expected = np.linalg.solve(np.swapaxes(dense, 1, 2) if adjoint else dense, rhs)
    with tf.Session() as sess:
        np.testing.assert_allclose(sess.run(solution), expected, rtol=1e-3, atol=1e-5)


_D, _E = np.array([1.0, 2.0, 4.0]), np.array([3.0, -1.0, 0.5])
_T = np.tril(_R.normal(size=(3, 3))) + 3 * np.eye(3)
_S = np.array([3.0, 1 + 1j, 1 - 1j])


def _kinds():
    return {
        "diag": _L.LinearOperatorDiag(_D, is_non_singular=True),
        "other": _L.LinearOperatorDiag(_E, is_non_singular=True),
        "scaled": _L.LinearOperatorScaledIdentity(3, np.float64(2.5), is_non_singular=True),
        "identity": _L.LinearOperatorIdentity(3, dtype=tf.float64),
        "triangular": _L.LinearOperatorLowerTriangular(_T, is_non_singular=True),
        "zeros": _L.LinearOperatorZeros(3, dtype=tf.float64),
        "full": _L.LinearOperatorFullMatrix(_T + 1, is_non_singular=True),
        "inverse": _L.LinearOperatorInversion(_L.LinearOperatorFullMatrix(_T + 1, is_non_singular=True)),
    }


@pytest.mark.parametrize(
    ("left", "right", "product", "quotient"),
    [
        ("diag", "other", "Diag", "Diag"),
        ("diag", "scaled", "Diag", "Diag"),
        ("scaled", "diag", "Diag", "Diag"),
        ("diag", "triangular", "LowerTriangular", "LowerTriangular"),
        ("triangular", "diag", "LowerTriangular", "Composition"),
        ("identity", "full", "FullMatrix", "FullMatrix"),
        ("full", "identity", "FullMatrix", "Composition"),
        ("full", "zeros", "Zeros", "Composition"),
        ("full", "diag", "Composition", "Composition"),
        ("inverse", "identity", "Inversion", "FullMatrix"),
    ],
)
def test_operators_together_are_of_the_simplest_kind(left, right, product, quotient):
    kinds = _kinds()
    one, other = kinds[left], kinds[right]
    results = one.matmul(other), one.solve(other)
    assert [type(r).__name__ for r in results] == [f"LinearOperator{k}" for k in (product, quotient)]
    with tf.Session() as sess:
        a, b, together, divided = sess.run([o.to_dense() for o in (one, other, *results)])
    np.testing.assert_allclose(together, a @ b, atol=1e-12)
    np.testing.assert_allclose(divided, np.linalg.solve(a, b), atol=1e-12)


def test_circulants_multiply_their_spectra():
    one, other = (_L.LinearOperatorCirculant(s, tf.complex128, is_non_singular=True) for s in (_S, _S[::-1]))
    results = one.matmul(other), one.solve(other)
    assert all(isinstance(r, _L.LinearOperatorCirculant) for r in results)
    with tf.Session() as sess:
        a, b, together, divided = sess.run([o.to_dense() for o in (one, other, *results)])
    np.testing.assert_allclose(together, a @ b, atol=1e-12)
    np.testing.assert_allclose(divided, np.linalg.solve(a, b), atol=1e-12)


@pytest.mark.parametrize(
    ("build", "what"),
    [
        (lambda x: _L.LinearOperatorDiag(x[0]), "assert_non_singular"),
        (lambda x: _L.LinearOperatorDiag(x[0]), "assert_positive_definite"),
        (lambda x: _L.LinearOperatorFullMatrix(x), "assert_non_singular"),
        (lambda x: _L.LinearOperatorFullMatrix(x), "assert_self_adjoint"),
        (lambda x: _L.LinearOperatorLowerTriangular(x), "assert_non_singular"),
        (lambda x: _L.LinearOperatorScaledIdentity(2, x[0, 0]), "assert_non_singular"),
        (lambda x: _L.LinearOperatorScaledIdentity(2, x[0, 0]), "assert_positive_definite"),
        (lambda x: _L.LinearOperatorCirculant(x[0]), "assert_non_singular"),
        (
            lambda x: _L.LinearOperatorBlockDiag([_L.LinearOperatorDiag(x[1]), _L.LinearOperatorDiag(x[0])]),
            "assert_non_singular",
        ),
        (
            lambda x: _L.LinearOperatorKronecker([_L.LinearOperatorDiag(x[1]), _L.LinearOperatorDiag(x[0])]),
            "assert_non_singular",
        ),
    ],
)
def test_assertions_hold_or_fail_when_run(build, what):
    x = _placeholder(2, 2)
    check = getattr(build(x), what)()
    good = {
        "assert_self_adjoint": [[2.0, 1.0], [1.0, 3.0]],
    }.get(what, [[2.0, 1.0], [0.5, 3.0]])
    with tf.Session() as sess:
        sess.run(check, {x: good})
        with pytest.raises(tf.errors.InvalidArgumentError):
            sess.run(check, {x: [[0.0, 1.0], [0.0, 1.0]]})


def test_positive_definite_is_asserted_where_self_adjoint_is_promised():
    x = _placeholder(2, 2)
    with pytest.raises(NotImplementedError, match="is_self_adjoint=None"):
        _L.LinearOperatorFullMatrix(x).assert_positive_definite()
    check = _L.LinearOperatorFullMatrix(x, is_self_adjoint=True).assert_positive_definite()
    with tf.Session() as sess:
        sess.run(check, {x: [[2.0, 0.0], [0.0, 1.0]]})
        with pytest.raises(tf.errors.InvalidArgumentError):
            sess.run(check, {x: [[-2.0, 0.0], [0.0, 1.0]]})


def test_proper_shapes_are_checked_when_run():
    rows, x = _placeholder(dtype=tf.int32), _placeholder(None, 3)
    product = _L.LinearOperatorIdentity(rows, assert_proper_shapes=True).matmul(x)
    with tf.Session() as sess:
        assert sess.run(product, {rows: 2, x: np.ones((2, 3))}).shape == (2, 3)
        with pytest.raises(tf.errors.InvalidArgumentError, match="as many rows"):
            sess.run(product, {rows: 4, x: np.ones((2, 3))})
        with pytest.raises(tf.errors.InvalidArgumentError, match="non-negative"):
            sess.run(product, {rows: -1, x: np.ones((2, 3))})


@pytest.mark.parametrize(
    ("build", "error"),
    [
        (lambda: _L.LinearOperatorFullMatrix(np.eye(4)).matmul(np.ones((5, 2))), ValueError),
        (lambda: _L.LinearOperatorFullMatrix(np.eye(4)).matvec(np.ones(5)), ValueError),
        (lambda: _L.LinearOperatorFullMatrix(np.eye(4)).solve(np.ones((5, 2))), ValueError),
        (lambda: _L.LinearOperatorFullMatrix(np.eye(4)).solvevec(np.ones(5)), ValueError),
        (lambda: _L.LinearOperatorDiag([1.0, 2.0]).matmul(np.ones((2, 2))), TypeError),
        (lambda: _L.LinearOperatorDiag([1.0]).matmul(_L.LinearOperatorDiag([1.0, 2.0])), ValueError),
        (lambda: _L.LinearOperatorIdentity(4, batch_shape=[-2]), ValueError),
        (lambda: _L.LinearOperatorIdentity(4, batch_shape=[[2]]), ValueError),
        (
            lambda: _L.LinearOperatorLowRankUpdate(_L.LinearOperatorDiag(np.ones(4)), np.ones((5, 2))),
            ValueError,
        ),
        (
            lambda: _L.LinearOperatorLowRankUpdate(
                _L.LinearOperatorDiag(np.ones(4)), np.ones((4, 2)), np.ones(3)
            ),
            ValueError,
        ),
        (
            lambda: _L.LinearOperatorBlockDiag([_L.LinearOperatorFullMatrix(_placeholder(None, None))]),
            ValueError,
        ),
        (
            lambda: _L.LinearOperatorKronecker(
                [_L.LinearOperatorFullMatrix(np.ones((2, 3)))]
            ).assert_self_adjoint(),
            tf.errors.InvalidArgumentError,
        ),
    ],
)
def test_what_does_not_fit_is_refused(build, error):
    with pytest.raises(error, match="Received"):
        build()
