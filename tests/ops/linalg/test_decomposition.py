"""Factorisations of matrices: what they multiply to, and gradients of what they determine."""

import numpy as np
import pytest
import scipy.linalg

import millrace as tf
from millrace.building import raw
from ops.opcases import OpCase, OpSuite, floats

_C = np.complex128


def _h(x):
    return np.conj(np.swapaxes(x, -1, -2))


def _positive(*shape, dtype=np.float64):
    a = floats(*shape, dtype=dtype)
    return a @ _h(a) + 3 * np.eye(shape[-1])


class TestCholesky(OpSuite):
    """The factor is unique, so NumPy's is the oracle."""

    cases = (
        OpCase("Cholesky", [_positive(3, 3)], np.linalg.cholesky, wrt=()),
        OpCase("Cholesky", [_positive(2, 4, 4)], np.linalg.cholesky, wrt=()),
        OpCase(
            "Cholesky", [_positive(2, 3, 3).astype(np.float32)], np.linalg.cholesky, tolerance=1e-5, wrt=()
        ),
        OpCase("Cholesky", [_positive(3, 3, dtype=_C)], np.linalg.cholesky, wrt=()),
        OpCase("Cholesky", [np.zeros((2, 0, 0))], np.zeros_like, wrt=()),
    )


class TestEigenvalues(OpSuite):
    """Eigenvalues and singular values are unique too."""

    cases = (
        OpCase(
            "SelfAdjointEigV2",
            [_positive(2, 3, 3)],
            lambda a: [np.linalg.eigvalsh(a), np.empty(0)],
            compute_v=False,
            wrt=(),
        ),
        OpCase(
            "Svd",
            [floats(2, 4, 3, dtype=np.float64)],
            lambda a: [np.linalg.svd(a, compute_uv=False), np.empty(0), np.empty(0)],
            compute_uv=False,
            wrt=(),
        ),
    )


def _run(function, *arrays):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(function(*(tf.constant(a) for a in arrays)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("shape", [(3, 3), (2, 4, 3), (2, 3, 4)])
@pytest.mark.parametrize("full", [False, True])
def test_qr_and_svd_multiply_back(dtype, shape, full):
    a = floats(*shape, dtype=dtype)
    tolerance = 1e-4 if np.dtype(dtype).itemsize in (4, 8) and dtype != np.float64 else 1e-10
    q, r = _run(lambda a: tf.qr(a, full_matrices=full), a)
    assert q.shape[-1] == r.shape[-2] == (shape[-2] if full else min(shape[-2:]))
    np.testing.assert_allclose(q @ r, a, atol=tolerance)
    identity = np.broadcast_to(np.eye(q.shape[-1]), (*q.shape[:-2], q.shape[-1], q.shape[-1]))
    np.testing.assert_allclose(_h(q) @ q, identity, atol=tolerance)
    assert np.allclose(np.tril(r, -1), 0)
    s, u, v = _run(lambda a: tf.svd(a, full_matrices=full), a)
    k = s.shape[-1]
    assert s.dtype == np.zeros(0, dtype).real.dtype and u.dtype == v.dtype == dtype
    np.testing.assert_allclose((u[..., :k] * s[..., None, :]) @ _h(v[..., :k]), a, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_eigenvectors_multiply_back(dtype):
    a = _positive(2, 3, 3, dtype=dtype).astype(dtype)
    e, v = _run(tf.self_adjoint_eig, a)
    assert e.dtype == dtype
    np.testing.assert_allclose((v * e[..., None, :]) @ _h(v), a, rtol=1e-4, atol=1e-4)


def test_only_lower_triangles_are_read():
    a = _positive(3, 3)
    spoilt = a + np.triu(np.full((3, 3), 7.0), 1)
    np.testing.assert_allclose(_run(tf.cholesky, spoilt), np.linalg.cholesky(a))
    np.testing.assert_allclose(_run(tf.self_adjoint_eigvals, spoilt), np.linalg.eigvalsh(a))


def test_lu():
    a = floats(2, 4, 4, dtype=_C)
    packed, rows = _run(tf.linalg.lu, a)
    assert rows.dtype == np.int32
    for m, p, order in zip(a, packed, rows):
        lower = np.tril(p, -1) + np.eye(4)
        np.testing.assert_allclose(m[order], lower @ np.triu(p))
        np.testing.assert_allclose(m, np.linalg.multi_dot(scipy.linalg.lu(m)))


def _check_gradient(function, a, lower_only=False):
    """Compares tf.gradients with central differences in a random direction."""
    direction = floats(*a.shape, dtype=a.dtype, seed=7)
    direction = direction + _h(direction) if lower_only else direction
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.as_dtype(a.dtype), a.shape)
        y = function(x)
        gradient = session.run(tf.gradients(y, x)[0], {x: a})
        step = 1e-6
        up, down = (session.run(y, {x: a + s * step * direction}) for s in (1, -1))
    np.testing.assert_allclose(
        np.real(np.sum(np.conj(gradient) * direction)), (up - down) / (2 * step), rtol=1e-5
    )


@pytest.mark.parametrize("shape", [(3, 3), (2, 4, 3), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_gradient_of_svd_of_what_does_not_depend_on_phases(shape, dtype):
    def function(x):
        s, u, v = tf.svd(x)
        product = tf.matmul(u, v, adjoint_b=True)
        return tf.reduce_sum(s * s * s) + tf.reduce_sum(tf.pow(tf.real(product), 3))

    _check_gradient(function, floats(*shape, dtype=dtype))


@pytest.mark.parametrize("shape", [(3, 3), (2, 4, 3)])
def test_gradient_of_qr(shape):
    def function(x):
        q, r = tf.qr(x)
        return tf.reduce_sum(tf.pow(tf.abs(q), 3)) + tf.reduce_sum(tf.pow(tf.abs(r), 3))

    _check_gradient(function, floats(*shape, dtype=np.float64))


def test_gradient_of_eigenvectors():
    def function(x):
        e, v = tf.self_adjoint_eig(x)
        return tf.reduce_sum(e * e * e) + tf.reduce_sum(tf.pow(tf.abs(v), 3))

    _check_gradient(function, _positive(2, 3, 3), lower_only=True)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_gradient_of_cholesky(dtype):
    def function(x):
        return tf.reduce_sum(tf.pow(tf.real(tf.cholesky(x)), 3))

    _check_gradient(function, _positive(2, 3, 3, dtype=dtype), lower_only=True)


def test_gradient_of_lu():
    def function(x):
        packed, _ = tf.linalg.lu(x)
        return tf.reduce_sum(packed * packed * packed)

    _check_gradient(function, floats(2, 3, 3, dtype=np.float64))


def test_cholesky_grad_is_the_gradient_of_cholesky():
    a, dy = _positive(2, 3, 3), floats(2, 3, 3, dtype=np.float64)
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant(a)
        factor = tf.cholesky(x)
        want = tf.gradients(factor, x, dy)[0]
        got, want = session.run([raw.CholeskyGrad(factor, dy), want])
    np.testing.assert_allclose(got, want)


def test_old_form_of_eigenvectors():
    a = _positive(3, 3)
    out = _run(raw.SelfAdjointEig, a)
    np.testing.assert_allclose((out[1:] * out[:1]) @ out[1:].T, a)


def test_refusals():
    with tf.Graph().as_default(), tf.Session() as session:
        with pytest.raises(ValueError, match="square"):
            tf.cholesky(np.ones((2, 3)))
        x = tf.placeholder(tf.float64, None)
        with pytest.raises(tf.errors.InvalidArgumentError, match="Cholesky decomposition was not successful"):
            session.run(tf.cholesky(x), {x: -np.eye(2)})
        with pytest.raises(tf.errors.InvalidArgumentError, match="square"):
            session.run(tf.cholesky(x), {x: np.ones((2, 3))})
        with pytest.raises(tf.errors.InvalidArgumentError, match="not invertible"):
            session.run(tf.linalg.lu(x), {x: np.zeros((2, 2))})
        with pytest.raises(NotImplementedError, match="no more columns than rows"):
            q, _ = tf.qr(tf.constant(floats(2, 3)))
            tf.gradients(q, q.op.inputs[0])
