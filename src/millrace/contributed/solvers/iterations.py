"""`tf.contrib.solvers`: conjugate gradients, least squares by them, and Lanczos bidiagonalization."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.contributed.solvers.vectors import dot, l2norm, l2normalize
from millrace.core.dtypes import int32
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import while_loop
from millrace.lib.flow.tensor_array import TensorArray
from millrace.ops.array.constant import constant, zeros
from millrace.ops.array.fill import zeros_like
from millrace.ops.array.reshape import expand_dims, squeeze, transpose
from millrace.ops.linalg.matmul import matmul
from millrace.ops.random.draws import random_uniform

_Cg = namedtuple("CGState", "i x r p gamma")
_Cgls = namedtuple("CGLSState", "i x r p gamma")
_Lanczos = namedtuple("LanczosBidiagState", "u v alpha beta")


@public("contrib.solvers.linear_equations.conjugate_gradient")
def conjugate_gradient(
    operator: Any,
    rhs: Any,
    preconditioner: Any = None,
    x: Any = None,
    tol: float = 1e-4,
    max_iter: int = 20,
    name: str = "conjugate_gradient",
) -> Any:
    """Solves A x = rhs for a positive definite A.

    Args:
      operator: A, as `solvers.util.create_operator` makes it.
      rhs: `[n]`.
      preconditioner: an operator near the inverse of A; None for none.
      x: where to begin; default zeros.
      tol: it ends when the residual is this share of `rhs` in length,
      max_iter: or after so many rounds.
      name: scope.

    Returns:
      A named tuple of the number of rounds `i`, the solution `x`, the residual `r`, the direction `p` and the
      residual's squared length `gamma`.
    """
    with name_scope(name):
        right = expand_dims(convert.to_tensor(rhs), -1)
        if x is None:
            begin, residual = zeros_like(right), right
        else:
            begin = expand_dims(convert.to_tensor(x, right.dtype), -1)
            residual = right - operator.apply(begin)
        first = residual if preconditioner is None else preconditioner.apply(residual)
        limit = tol * l2norm(right)
        state = _Cg(constant(0, int32), begin, residual, first, dot(residual, first))

        def go_on(i: Tensor, _x: Tensor, r: Tensor, _p: Tensor, _gamma: Tensor) -> Tensor:
            return raw.LogicalAnd(raw.Less(i, max_iter), raw.Greater(l2norm(r), limit))

        def step(i: Tensor, x: Tensor, r: Tensor, p: Tensor, gamma: Tensor) -> Any:
            z = operator.apply(p)
            alpha = gamma / dot(p, z)
            x, r = x + alpha * p, r - alpha * z
            q = r if preconditioner is None else preconditioner.apply(r)
            after = dot(r, q)
            return i + 1, x, r, q + after / gamma * p, after

        i, x, r, p, gamma = while_loop(go_on, step, list(state))
        return _Cg(i, squeeze(x), squeeze(r), squeeze(p), gamma)


@public("contrib.solvers.least_squares.cgls")
def cgls(operator: Any, rhs: Any, tol: float = 1e-6, max_iter: int = 20, name: str = "cgls") -> Any:
    """The x whose image A x comes nearest to rhs.

    Args:
      operator: A, as `solvers.util.create_operator` makes it.
      rhs: `[m]`.
      tol: it ends when the gradient is this share of the first in length,
      max_iter: or after so many rounds.
      name: scope.

    Returns:
      A named tuple of the number of rounds `i`, the solution `x`, the residual `r`, the direction `p` and the
      gradient's squared length `gamma`.
    """
    with name_scope(name):
        right = expand_dims(convert.to_tensor(rhs), -1)
        slope, first = l2normalize(operator.apply_adjoint(right))
        direction = slope * first
        begin = zeros([*operator.shape[1:], 1], right.dtype)
        limit = tol * tol * first * first
        state = _Cgls(constant(0, int32), begin, right, direction, first * first)

        def go_on(i: Tensor, _x: Tensor, _r: Tensor, _p: Tensor, gamma: Tensor) -> Tensor:
            return raw.LogicalAnd(raw.Less(i, max_iter), raw.Greater(gamma, limit))

        def step(i: Tensor, x: Tensor, r: Tensor, p: Tensor, gamma: Tensor) -> Any:
            q = operator.apply(p)
            alpha = gamma / dot(q, q)
            x, r = x + alpha * p, r - alpha * q
            s = operator.apply_adjoint(r)
            after = dot(s, s)
            return i + 1, x, r, s + after / gamma * p, after

        i, x, r, p, gamma = while_loop(go_on, step, list(state))
        return _Cgls(i, squeeze(x), squeeze(r), squeeze(p), gamma)


@public("contrib.solvers.lanczos.lanczos_bidiag")
def lanczos_bidiag(
    operator: Any,
    k: int,
    orthogonalize: bool = True,
    starting_vector: Any = None,
    name: str = "lanczos_bidiag",
) -> Any:
    """The Lanczos bidiagonalization A V = U B, with B lower bidiagonal.

    Args:
      operator: A, `[m, n]`, as `solvers.util.create_operator` makes it.
      k: how many steps; no fewer than 1, no more than both sides of A.
      orthogonalize: make every vector orthogonal to all before it.
      starting_vector: `[m]`; default uniform in [-1, 1).
      name: scope.

    Returns:
      A named tuple of `u` `[m, k + 1]`, `v` `[n, k]`, the diagonal `alpha` `[k]` and, below it, `beta`.
    """

    def against(basis: Any, count: Tensor, vector: Tensor) -> Tensor:
        if not orthogonalize:
            return vector
        for _ in range(2):  # once is not enough for vectors of length near 0
            rows = basis.gather(raw.Range(0, count, 1))
            vector = vector - matmul(rows, matmul(rows, expand_dims(vector, -1)), transpose_a=True)[:, 0]
        return vector

    with name_scope(name):
        m, n = operator.shape
        if starting_vector is None:
            starting_vector = random_uniform([m], -1, 1, dtype=operator.dtype)
        u0, _ = l2normalize(starting_vector)
        kind = operator.dtype
        u = TensorArray(kind, size=k + 1, clear_after_read=False, element_shape=[m]).write(0, u0)
        v = TensorArray(kind, size=k, clear_after_read=False, element_shape=[n])
        alphas, betas = (TensorArray(kind, size=k, element_shape=[]) for _ in range(2))

        def step(
            i: Tensor, u: Any, v: Any, alphas: Any, betas: Any, uj: Tensor, vj: Tensor, beta: Tensor
        ) -> Any:
            r = operator.apply_adjoint(expand_dims(uj, -1))[:, 0] - beta * vj
            vj, alpha = l2normalize(against(v, i, r))
            v = v.write(i, vj)
            p = operator.apply(expand_dims(vj, -1))[:, 0] - alpha * uj
            uj, beta = l2normalize(against(u, i + 1, p))
            return (
                i + 1, u.write(i + 1, uj), v, alphas.write(i, alpha), betas.write(i, beta), uj, vj, beta,
            )  # fmt: skip

        _, u, v, alphas, betas, *_ = while_loop(
            lambda i, *_: raw.Less(i, k),
            step,
            [constant(0), u, v, alphas, betas, u0, zeros([n], kind), zeros([], kind)],
        )
        return _Lanczos(transpose(u.stack()), transpose(v.stack()), alphas.stack(), betas.stack())


@public("contrib.solvers.lanczos.bidiag_matmul")
def bidiag_matmul(
    matrix: Any, alpha: Any, beta: Any, adjoint_b: bool = False, name: str = "bidiag_matmul"
) -> Tensor:
    """The product of a matrix and a lower bidiagonal one.

    Args:
      matrix: `[m, k + 1]`; with `adjoint_b` `[m, k]`.
      alpha: `[k]`, the diagonal.
      beta: `[k]`, the one below it.
      adjoint_b: multiply by the adjoint.
      name: scope.

    Returns:
      `[m, k]`.
    """
    with name_scope(name):
        matrix = convert.to_tensor(matrix)
        alpha, beta = expand_dims(alpha, 0), convert.to_tensor(beta)
        if not adjoint_b:
            beta = expand_dims(beta, 0)
            return matrix[:, :-1] * alpha + matrix[:, 1:] * beta
        beta = expand_dims(beta[:-1], 0)
        first = expand_dims(zeros(raw.Shape(matrix)[:1], matrix.dtype), 1)
        return matrix * alpha + raw.ConcatV2([first, matrix[:, :-1] * beta], 1)
