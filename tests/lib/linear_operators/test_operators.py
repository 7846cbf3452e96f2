"""Every linear operator against the matrix that it stands for, written out with NumPy."""

import numpy as np
import pytest
import scipy.linalg

import millrace as tf

_R = np.random.default_rng(0)
_A = _R.normal(size=(2, 3, 3))
_S = _A @ np.swapaxes(_A, 1, 2) + 2 * np.eye(3)
_D = _R.random((2, 3)) + 0.5
_B = _R.normal(size=(4, 4))
_U = _R.normal(size=(2, 3, 2))


def _diag(d):
    return d[..., None] * np.eye(d.shape[-1])


def _householder(v):
    unit = v / np.linalg.norm(v, axis=-1, keepdims=True)
    return np.eye(v.shape[-1]) - 2 * unit[..., :, None] * np.conj(unit[..., None, :])


def _circulant(spectrum):
    """The matrix that multiplies by the spectrum between two Fourier transforms."""
    n = spectrum.size
    columns = np.eye(n).reshape(n, *spectrum.shape)
    axes = tuple(range(1, columns.ndim))
    return np.fft.ifftn(np.fft.fftn(columns, axes=axes) * spectrum, axes=axes).reshape(n, n).T


_SPECTRUM = np.array([3, 1 + 1j, 2, 1 - 1j])
_SPECTRUM2 = _R.random((2, 3)) + 1 + 1j
_SPECTRUM3 = np.arange(12.0).reshape(2, 3, 2) + 1
_L = tf.linalg

_OPERATORS = {
    "full": (lambda: _L.LinearOperatorFullMatrix(_A, is_non_singular=True), _A),
    "positive": (
        lambda: _L.LinearOperatorFullMatrix(_S, is_self_adjoint=True, is_positive_definite=True),
        _S,
    ),
    "complex": (lambda: _L.LinearOperatorFullMatrix(_A + 1j * _S, is_non_singular=True), _A + 1j * _S),
    "diag": (lambda: _L.LinearOperatorDiag(_D, is_positive_definite=True), _diag(_D)),
    "identity": (lambda: _L.LinearOperatorIdentity(3, [2], tf.float64), np.tile(np.eye(3), (2, 1, 1))),
    "scaled": (
        lambda: _L.LinearOperatorScaledIdentity(3, np.array([2.0, 3.0]), is_positive_definite=True),
        np.eye(3) * np.array([2.0, 3.0])[:, None, None],
    ),
    "triangular": (lambda: _L.LinearOperatorLowerTriangular(_A, is_non_singular=True), np.tril(_A)),
    "householder": (lambda: _L.LinearOperatorHouseholder(_D), _householder(_D)),
    "composition": (
        lambda: _L.LinearOperatorComposition(
            [
                _L.LinearOperatorFullMatrix(_A, is_non_singular=True),
                _L.LinearOperatorDiag(_D, is_non_singular=True),
            ]
        ),
        _A @ _diag(_D),
    ),
    "adjoint": (lambda: _L.LinearOperatorAdjoint(_L.LinearOperatorFullMatrix(_A)), np.swapaxes(_A, 1, 2)),
    "inversion": (lambda: _L.LinearOperatorInversion(_L.LinearOperatorFullMatrix(_A)), np.linalg.inv(_A)),
    "blocks": (
        lambda: _L.LinearOperatorBlockDiag([_L.LinearOperatorFullMatrix(_B), _L.LinearOperatorDiag(_D[0])]),
        scipy.linalg.block_diag(_B, _diag(_D[0])),
    ),
    "kronecker": (
        lambda: _L.LinearOperatorKronecker(
            [_L.LinearOperatorFullMatrix(_A[0]), _L.LinearOperatorFullMatrix(_B)]
        ),
        np.kron(_A[0], _B),
    ),
    "update": (
        lambda: _L.LinearOperatorLowRankUpdate(
            _L.LinearOperatorDiag(_D, is_positive_definite=True),
            _U,
            np.array([0.5, 2.0]),
            is_diag_update_positive=True,
        ),
        _diag(_D) + _U @ _diag(np.array([0.5, 2.0])) @ np.swapaxes(_U, 1, 2),
    ),
    "update of two": (
        lambda: _L.LinearOperatorLowRankUpdate(_L.LinearOperatorFullMatrix(_A), _U, v=_U[..., ::-1]),
        _A + _U @ np.swapaxes(_U[..., ::-1], 1, 2),
    ),
    "circulant": (lambda: _L.LinearOperatorCirculant(_SPECTRUM, tf.complex128), _circulant(_SPECTRUM)),
    "circulant 2D": (lambda: _L.LinearOperatorCirculant2D(_SPECTRUM2, tf.complex128), _circulant(_SPECTRUM2)),
    "circulant 3D": (lambda: _L.LinearOperatorCirculant3D(_SPECTRUM3, tf.complex128), _circulant(_SPECTRUM3)),
    "toeplitz": (
        lambda: _L.LinearOperatorToeplitz(np.array([4.0, 1, 2]), np.array([4.0, -1, 0.5])),
        scipy.linalg.toeplitz([4.0, 1, 2], [4.0, -1, 0.5]),
    ),
}


def _h(x):
    return np.conj(np.swapaxes(x, -1, -2))


@pytest.mark.parametrize("name", _OPERATORS)
def test_operator_is_its_matrix(name):
    make, dense = _OPERATORS[name]
    x = np.random.default_rng(1).normal(size=(*dense.shape[:-1], 2)).astype(dense.dtype)
    with tf.Graph().as_default(), tf.Session() as session:
        operator = make()
        assert operator.shape.as_list() == list(dense.shape) and operator.tensor_rank == dense.ndim
        sign, log = np.linalg.slogdet(dense)
        expected = {
            "to_dense": (operator.to_dense(), dense),
            "shape_tensor": (operator.shape_tensor(), dense.shape),
            "batch_shape_tensor": (operator.batch_shape_tensor(), dense.shape[:-2]),
            "matmul": (operator.matmul(x), dense @ x),
            "matmul adjoint": (operator.matmul(x, adjoint=True), _h(dense) @ x),
            "matmul of adjoint": (operator.matmul(_h(x), adjoint_arg=True), dense @ x),
            "matvec": (operator.matvec(x[..., 0]), (dense @ x)[..., 0]),
            "solve": (operator.solve(x), np.linalg.solve(dense, x)),
            "solve adjoint": (operator.solve(x, adjoint=True), np.linalg.solve(_h(dense), x)),
            "solvevec": (operator.solvevec(x[..., 0]), np.linalg.solve(dense, x)[..., 0]),
            "determinant": (operator.determinant(), sign * np.exp(log)),
            "log_abs_determinant": (operator.log_abs_determinant(), log),
            "trace": (operator.trace(), np.trace(dense, axis1=-2, axis2=-1)),
            "diag_part": (operator.diag_part(), np.diagonal(dense, axis1=-2, axis2=-1)),
            "add_to_tensor": (operator.add_to_tensor(dense), 2 * dense),
            "adjoint": (operator.adjoint().to_dense(), _h(dense)),
            "H": (operator.H.to_dense(), _h(dense)),
            "inverse": (operator.inverse().to_dense(), np.linalg.inv(dense)),
            "square": (operator.matmul(operator).to_dense(), dense @ dense),
        }
        if operator.is_positive_definite and operator.is_self_adjoint:
            expected["cholesky"] = operator.cholesky().to_dense(), np.linalg.cholesky(dense)
        values = session.run({key: tensor for key, (tensor, _) in expected.items()})
        for key, (_, want) in expected.items():
            np.testing.assert_allclose(values[key], want, atol=1e-9, err_msg=key)
        session.run(operator.assert_non_singular())


def test_zeros():
    with tf.Graph().as_default(), tf.Session() as session:
        operator = tf.linalg.LinearOperatorZeros(
            2, 3, dtype=tf.float64, is_square=False, is_self_adjoint=False
        )
        product, dense = session.run([operator.matmul(np.ones((3, 4))), operator.to_dense()])
        assert product.shape == (2, 4) and dense.shape == (2, 3) and not product.any()
        with pytest.raises(NotImplementedError, match="solve"):
            operator.solve(np.ones((2, 1)))


def test_promises_are_checked():
    with tf.Graph().as_default(), tf.Session() as session:
        for make, match in (
            (
                lambda: tf.linalg.LinearOperatorFullMatrix(
                    _A, is_positive_definite=True, is_non_singular=False
                ),
                "always",
            ),
            (lambda: tf.linalg.LinearOperatorDiag(_D, is_self_adjoint=False), "self adjoint"),
            (lambda: tf.linalg.LinearOperatorIdentity(-1), "non-negative"),
            (lambda: tf.linalg.LinearOperatorComposition([]), "at least one"),
            (lambda: tf.linalg.LinearOperatorFullMatrix(_D[0]), "at least 2 dimensions"),
            (lambda: tf.linalg.LinearOperatorFullMatrix(_A).cholesky(), "positive definite"),
        ):
            with pytest.raises(ValueError, match=match):
                make()
        with pytest.raises(TypeError, match="floating or complex"):
            tf.linalg.LinearOperatorFullMatrix(np.eye(2, dtype=np.int32))
        singular = tf.linalg.LinearOperatorFullMatrix(np.ones((2, 2)))
        with pytest.raises(tf.errors.InvalidArgumentError, match="Singular"):
            session.run(singular.assert_non_singular())
        with pytest.raises(tf.errors.InvalidArgumentError, match="adjoint"):
            session.run(tf.linalg.LinearOperatorFullMatrix(_A).assert_self_adjoint())


def test_operators_of_programs_find_the_scope_and_the_check_of_dtypes():
    operator = tf.linalg.LinearOperatorFullMatrix(tf.eye(2), name="own")
    with operator._name_scope(name="doubled"):
        inside = tf.constant(1.0, name="c")
    assert inside.op.name == "own/doubled/c"
    operator._check_input_dtype(tf.constant(1.0))
    with pytest.raises(TypeError, match="Expected argument to have dtype"):
        operator._check_input_dtype(tf.constant(1))


@pytest.mark.parametrize(
    ("make", "method", "added"),
    [
        (lambda: tf.linalg.LinearOperatorIdentity(4), "trace", ["ones", "mul/x", "mul"]),
        (lambda: tf.linalg.LinearOperatorZeros(4), "to_dense", ["eye/ones", "eye/diag"]),
        (lambda: tf.linalg.LinearOperatorZeros(4, batch_shape=[2]), "diag_part", ["zeros"]),
        (lambda: tf.linalg.LinearOperatorHouseholder([3.0, 4.0]), "to_dense", ["norm/mul"]),
    ],
)
def test_operators_add_the_operations_of_tensorflow(make, method, added):
    operator = make()
    graph = tf.get_default_graph()
    before = len(graph.get_operations())
    getattr(operator, method)()
    names = [op.name for op in graph.get_operations()[before:]]
    assert names[: len(added)] == [f"{operator.name}/{method}/{name}" for name in added]


def test_special_operators_agree_with_their_matrices():
    axis = np.array([3.0, 4.0, 12.0], np.float32)
    unit = axis / np.linalg.norm(axis)
    mirror = np.eye(3) - 2 * np.outer(unit, unit)
    x = np.arange(6.0, dtype=np.float32).reshape(3, 2)
    household = tf.linalg.LinearOperatorHouseholder(axis)
    zero = tf.linalg.LinearOperatorZeros(3, batch_shape=[2])
    scaled = tf.linalg.LinearOperatorScaledIdentity(3, [2.0, 3.0])
    identity = tf.linalg.LinearOperatorIdentity(3, batch_shape=[2])
    checks = [
        (household.to_dense(), mirror),
        (household.matmul(x), mirror @ x),
        (household.diag_part(), np.diag(mirror)),
        (household.trace(), np.trace(mirror)),
        (household.determinant(), -1.0),
        (household.log_abs_determinant(), 0.0),
        (zero.matmul(x), np.zeros((2, 3, 2))),
        (zero.trace(), np.zeros(2)),
        (scaled.trace(), [6.0, 9.0]),
        (scaled.add_to_tensor(np.ones((2, 3, 3), np.float32))[0], np.ones((3, 3)) + 2 * np.eye(3)),
        (identity.matmul(x), np.stack([x, x])),
        (identity.trace(), [3.0, 3.0]),
        (tf.linalg.LinearOperatorIdentity(3).add_to_tensor(np.ones((3, 3), np.float32)), 1 + np.eye(3)),
    ]
    with tf.Session() as sess:
        for value, expected in checks:
            np.testing.assert_allclose(sess.run(value), expected, atol=1e-6)
