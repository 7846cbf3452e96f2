"""Matrix verbs of the NumPy dialect. Leading axes are batches; 16-bit floats are computed in float32."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.core import dtypes
from millrace.core.errors import refusal

_BFLOAT16 = dtypes.bfloat16.np_dtype
_NARROW = (np.dtype(np.float16), _BFLOAT16)
_SINGULAR = "Input is not invertible."
_NO_EIGENVALUES = "Self-adjoint eigen decomposition was not successful."


def _widened(function: Callable[..., Any]) -> Callable[..., Any]:
    """Computes in float32 what LAPACK does not offer in 16 bits."""

    @functools.wraps(function)
    def verb(self: Any, a: Any, *args: Any, **flags: Any) -> Any:
        if a.dtype not in _NARROW:
            return function(self, a, *args, **flags)
        wide = [x.astype(np.float32) if getattr(x, "dtype", None) == a.dtype else x for x in (a, *args)]
        result = function(self, *wide, **flags)
        if isinstance(result, tuple):
            return tuple(r.astype(a.dtype) if r.dtype == np.float32 else r for r in result)
        return result.astype(a.dtype)

    return verb


class LinalgVerbs:
    """Products and factorisations of (batches of) matrices."""

    def mat_product(self, a: Any, b: Any) -> Any:
        """Matrix product over the last two axes, leading ones broadcast; bfloat16 sums in float32."""
        if a.dtype == _BFLOAT16:
            return np.matmul(a.astype(np.float32), b.astype(np.float32)).astype(_BFLOAT16)
        return np.matmul(a, b)

    @_widened
    def cholesky(self, a: Any) -> Any:
        """The lower factor L of a = L L^H, from the lower triangle of `a`."""
        try:
            return np.linalg.cholesky(a)
        except np.linalg.LinAlgError:
            rule = "Cholesky decomposition was not successful. The input might not be valid."
            raise refusal(rule) from None

    @_widened
    def mat_inverse(self, a: Any) -> Any:
        """The inverses; a singular matrix is refused."""
        try:
            return np.linalg.inv(a)
        except np.linalg.LinAlgError:
            raise refusal(_SINGULAR) from None

    @_widened
    def mat_solve(self, a: Any, b: Any) -> Any:
        """X in a X = b; a singular matrix is refused."""
        try:
            return np.linalg.solve(a, b)
        except np.linalg.LinAlgError:
            raise refusal(_SINGULAR) from None

    @_widened
    def tri_solve(self, a: Any, b: Any, lower: bool, adjoint: bool) -> Any:
        """X in a X = b, or in a^H X = b, reading one triangle of `a` only."""
        from scipy.linalg import solve_triangular

        if not np.all(np.diagonal(a, axis1=-2, axis2=-1)):
            raise refusal("Input matrix is not invertible.")
        out = np.empty_like(b)
        for at in np.ndindex(a.shape[:-2]):
            if out[at].size:
                out[at] = solve_triangular(
                    a[at], b[at], trans=2 if adjoint else 0, lower=lower, check_finite=False
                )
        return out

    @_widened
    def det(self, a: Any) -> Any:
        """The determinants."""
        return np.asarray(np.linalg.det(a), a.dtype)

    @_widened
    def slogdet(self, a: Any) -> Any:
        """Signs (of modulus one) of the determinants and logarithms of their moduli, both of a's dtype."""
        sign, log = np.linalg.slogdet(a)
        return np.asarray(sign, a.dtype), np.asarray(log, a.dtype)

    @_widened
    def mat_qr(self, a: Any, full: bool) -> Any:
        """Orthonormal Q and upper triangular R with a = Q R."""
        q, r = np.linalg.qr(a, mode="complete" if full else "reduced")
        return q, r

    @_widened
    def mat_svd(self, a: Any, vectors: bool, full: bool) -> Any:
        """Singular values, falling, and U and V with a = U diag(s) V^H, empty unless `vectors`."""
        unknown = ~np.isfinite(a).all((-2, -1))  # NaN comes out; LAPACK may run on and on
        a = np.where(unknown[..., None, None], a.dtype.type(0), a)
        try:
            if not vectors:
                s, none = np.asarray(np.linalg.svd(a, compute_uv=False)), np.empty(0, a.dtype)
                s[unknown] = np.nan
                return s, none, none
            u, s, vh = map(np.asarray, np.linalg.svd(a, full_matrices=full))
        except np.linalg.LinAlgError:
            raise refusal("Singular value decomposition did not converge.") from None
        u[unknown] = s[unknown] = vh[unknown] = np.nan
        return s, u, np.conj(np.swapaxes(vh, -1, -2))

    @_widened
    def mat_eigh(self, a: Any, vectors: bool) -> Any:
        """Eigenvalues, rising, and eigenvectors in columns of Hermitian matrices, from the lower triangle."""
        try:
            if not vectors:
                values, v = np.linalg.eigvalsh(a), np.empty(0, a.dtype)
            else:
                values, v = np.linalg.eigh(a)
        except np.linalg.LinAlgError:
            raise refusal(_NO_EIGENVALUES) from None
        if np.isnan(values).any():  # LAPACK says so in some cases only
            raise refusal(_NO_EIGENVALUES)
        return values, v

    @_widened
    def mat_lu(self, a: Any) -> Any:
        """L and U packed into one matrix, and the permutation p with a[p] = L U."""
        from scipy.linalg import get_lapack_funcs

        (factor,) = get_lapack_funcs(("getrf",), (a,))
        packed = np.empty_like(a)
        rows = np.empty(a.shape[:-1], np.int32)
        for at in np.ndindex(a.shape[:-2]):
            order = np.arange(a.shape[-1], dtype=np.int32)
            if order.size:
                packed[at], pivots, _ = factor(a[at])
                for i, j in enumerate(pivots.tolist()):
                    order[[i, j]] = order[[j, i]]
            rows[at] = order
        if not np.all(np.diagonal(packed, axis1=-2, axis2=-1)):
            raise refusal(_SINGULAR)
        return packed, rows

    @_widened
    def mat_exp(self, a: Any) -> Any:
        """The matrix exponentials."""
        from scipy.linalg import expm

        return expm(a).astype(a.dtype) if a.size else np.empty_like(a)

    @_widened
    def least_squares(self, a: Any, b: Any) -> Any:
        """The shortest X that minimises |a X - b|, of whatever rank `a` is."""
        out = np.empty((*a.shape[:-2], a.shape[-1], b.shape[-1]), a.dtype)
        for at in np.ndindex(a.shape[:-2]):
            out[at] = np.linalg.lstsq(a[at], b[at], rcond=None)[0]
        return out

    @_widened
    def tridiagonal_solve(self, diagonals: Any, b: Any, pivoting: bool) -> Any:
        """X in T X = b where T has the superdiagonal, diagonal and subdiagonal `[..., 3, m]`."""
        from scipy.linalg import LinAlgError, solve_banded

        out = np.empty_like(b)
        for at in np.ndindex(diagonals.shape[:-2]):
            above, main, below = diagonals[at]
            bands = np.stack([np.roll(above, 1), main, np.roll(below, -1)])
            if main.size == 0:
                continue
            try:
                with np.errstate(all="ignore"):
                    out[at] = (
                        b[at] / main
                        if main.size == 1
                        else solve_banded((1, 1), bands, b[at], check_finite=False)
                    )
            except LinAlgError:
                raise refusal(_SINGULAR) from None
        return out
