"""Matrix verbs of the JAX dialect. Leading axes are batches; 16-bit floats are computed in float32.

A compiled program cannot stop half-way: a matrix that the NumPy dialect refuses is reported when it has run.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from millrace.core.errors import refusal
from millrace.dialect.jax import native as jax_native

_DEEP = 256  # length of the inner axis from which a product's layout matters
_NARROW = (jnp.float16, jnp.bfloat16)


def _widened(function: Callable[..., Any]) -> Callable[..., Any]:
    """Computes in float32 what the factorisations do not offer in 16 bits."""

    @functools.wraps(function)
    def verb(self: Any, a: Any, *args: Any, **flags: Any) -> Any:
        if a.dtype not in _NARROW:
            return function(self, a, *args, **flags)
        wide = [x.astype(jnp.float32) if getattr(x, "dtype", None) == a.dtype else x for x in (a, *args)]
        result = function(self, *wide, **flags)
        if isinstance(result, tuple):
            return tuple(r.astype(a.dtype) if r.dtype == jnp.float32 else r for r in result)
        return result.astype(a.dtype)

    return verb


def _refused(message: str) -> Callable[[], Exception]:
    return lambda: refusal(message)


def _lu_solve(packed: Any, rows: Any, b: Any) -> Any:
    """X in a X = b, from the LU decomposition of a."""
    b = jnp.take_along_axis(b, rows[..., None], axis=-2)
    y = lax.linalg.triangular_solve(packed, b, left_side=True, lower=True, unit_diagonal=True)
    return lax.linalg.triangular_solve(packed, y, left_side=True, lower=False)


class LinalgVerbs:
    """Products and factorisations of (batches of) matrices."""

    check: Callable[..., None]  # of the dialect that this is mixed into

    def mat_product(self, a: Any, b: Any) -> Any:
        """Matrix product over the last two axes, leading ones broadcast; in full precision everywhere."""
        return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)

    def column_sums(self, x: Any) -> Any:
        """The sums over all axes but the last; None where no kernel computes them."""
        return jax_native.column_sums(jnp.asarray(x))

    def dense_product(self, a: Any, b: Any, turn_a: bool, turn_b: bool) -> Any:
        """The product of two matrices, either of which is transposed first."""
        a, b = jnp.asarray(a), jnp.asarray(b)
        found = jax_native.matmul(a, b, turn_a, turn_b)
        if found is not None:
            return found
        x, y = jnp.transpose(a) if turn_a else a, jnp.transpose(b) if turn_b else b
        return self._turned_product(x, y) if turn_a and not turn_b else self.mat_product(x, y)

    def _turned_product(self, a: Any, b: Any) -> Any:
        """`mat_product` of matrices of which `a` was transposed, as for the gradient of a dense layer.

        XLA reads such an `a` slowly on CPUs where `b` is much narrower. Then (b^T a^T)^T takes 4.0 ms of
        processor time instead of 5.6 for `[1024, 1024]^T [1024, 256]`; the barriers keep XLA from undoing it.
        """
        (rows, inner), columns = a.shape, b.shape[1]
        if (
            jax.default_backend() != "cpu"
            or rows < 2 * columns
            or inner < max(columns, _DEEP)
            or columns < 64
        ):
            return self.mat_product(a, b)
        turned = lax.optimization_barrier(jnp.transpose(b))
        return jnp.transpose(lax.optimization_barrier(self.mat_product(turned, jnp.transpose(a))))

    @_widened
    def cholesky(self, a: Any) -> Any:
        """The lower factor L of a = L L^H, from the lower triangle of `a`."""
        factor = lax.linalg.cholesky(a, symmetrize_input=False)
        rule = "Cholesky decomposition was not successful. The input might not be valid."
        known = jnp.isfinite(jnp.tril(a)).all((-2, -1), keepdims=True)  # else NaN is not a failure
        self.check(~(jnp.isnan(factor) & known), _refused(rule))
        return factor

    @_widened
    def mat_inverse(self, a: Any) -> Any:
        """The inverses; a singular matrix is refused."""
        packed, rows = self.mat_lu(a)
        return _lu_solve(packed, rows, jnp.broadcast_to(jnp.eye(a.shape[-1], dtype=a.dtype), a.shape))

    @_widened
    def mat_solve(self, a: Any, b: Any) -> Any:
        """X in a X = b; a singular matrix is refused."""
        packed, rows = self.mat_lu(a)
        return _lu_solve(packed, rows, b)

    @_widened
    def tri_solve(self, a: Any, b: Any, lower: bool, adjoint: bool) -> Any:
        """X in a X = b, or in a^H X = b, reading one triangle of `a` only."""
        self.check(jnp.diagonal(a, axis1=-2, axis2=-1) != 0, _refused("Input matrix is not invertible."))
        return lax.linalg.triangular_solve(
            a,
            b,
            left_side=True,
            lower=lower,
            transpose_a=adjoint,
            conjugate_a=adjoint and jnp.iscomplexobj(a),
        )

    @_widened
    def det(self, a: Any) -> Any:
        """The determinants."""
        return jnp.linalg.det(a)

    @_widened
    def slogdet(self, a: Any) -> Any:
        """Signs (of modulus one) of the determinants and logarithms of their moduli, both of a's dtype."""
        sign, log = jnp.linalg.slogdet(a)
        return sign.astype(a.dtype), log.astype(a.dtype)

    @_widened
    def mat_qr(self, a: Any, full: bool) -> Any:
        """Orthonormal Q and upper triangular R with a = Q R."""
        q, r = lax.linalg.qr(a, full_matrices=full)
        return q, r

    @_widened
    def mat_svd(self, a: Any, vectors: bool, full: bool) -> Any:
        """Singular values, falling, and U and V with a = U diag(s) V^H, empty unless `vectors`."""
        if not vectors:
            none = jnp.zeros(0, a.dtype)
            return jnp.linalg.svd(a, compute_uv=False), none, none
        u, s, vh = jnp.linalg.svd(a, full_matrices=full)
        return s, u, jnp.conj(jnp.swapaxes(vh, -1, -2))

    @_widened
    def mat_eigh(self, a: Any, vectors: bool) -> Any:
        """Eigenvalues, rising, and eigenvectors in columns of Hermitian matrices, from the lower triangle."""
        v, values = lax.linalg.eigh(a, lower=True, symmetrize_input=False)
        rule = "Self-adjoint eigen decomposition was not successful."
        self.check(~jnp.isnan(values), _refused(rule))
        return values, v if vectors else jnp.zeros(0, a.dtype)

    @_widened
    def mat_lu(self, a: Any) -> Any:
        """L and U packed into one matrix, and the permutation p with a[p] = L U."""
        packed, _, rows = lax.linalg.lu(a)
        self.check(jnp.diagonal(packed, axis1=-2, axis2=-1) != 0, _refused("Input is not invertible."))
        return packed, rows

    @_widened
    def mat_exp(self, a: Any) -> Any:
        """The matrix exponentials."""
        return jax.scipy.linalg.expm(a, max_squarings=48)

    @_widened
    def least_squares(self, a: Any, b: Any) -> Any:
        """The shortest X that minimises |a X - b|, of whatever rank `a` is."""
        return jnp.matmul(jnp.linalg.pinv(a), b, precision=lax.Precision.HIGHEST)

    @_widened
    def tridiagonal_solve(self, diagonals: Any, b: Any, pivoting: bool) -> Any:
        """X in T X = b where T has the superdiagonal, diagonal and subdiagonal `[..., 3, m]`."""
        above, main, below = (diagonals[..., i, :] for i in range(3))
        above = above.at[..., -1].set(0)
        below = below.at[..., 0].set(0)
        x = lax.linalg.tridiagonal_solve(below, main, above, b)
        if main.shape[-1] > 1:  # a single equation is divided, and may give infinity
            known = jnp.isfinite(diagonals).all((-3, -2, -1)) & jnp.isfinite(b).all((-2, -1))
            solved = jnp.isfinite(x).all((-2, -1)) | ~known
            self.check(solved, _refused("Input is not invertible."))
        return x
