"""`tf.contrib.factorization.gmm`: mixtures of Gaussians, trained by expectation and maximization."""

from __future__ import annotations

import math
from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import control_dependencies
from millrace.core.dtypes import float32, int64
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond, group
from millrace.lib.math.array import eye
from millrace.lib.math.reductions import reduce_logsumexp, reduce_mean, reduce_sum
from millrace.lib.variables.assigning import assign
from millrace.lib.variables.variable import Variable
from millrace.ops.array.concat import concat, stack
from millrace.ops.array.constant import constant
from millrace.ops.array.gather import gather
from millrace.ops.array.reshape import expand_dims, matrix_transpose
from millrace.ops.array.shape import shape
from millrace.ops.linalg.decomposition import cholesky
from millrace.ops.linalg.diag_band import matrix_diag_part
from millrace.ops.linalg.matmul import matmul
from millrace.ops.linalg.solve import matrix_triangular_solve
from millrace.ops.math.cast import cast
from millrace.ops.math.extremes import argmax
from millrace.ops.random.draws import random_uniform

# Added to variances, so that a cluster of one point keeps a width.
_LEAST_VARIANCE = 1e-3
_LEAST_SHARE = 1e-6


def _covariance(x: Tensor, diagonal: bool) -> Tensor:
    """The covariance of points `[n, d]`; with `diagonal` only the variances, `[d]`."""
    count = raw.Cast(shape(x)[0], DstT=float32)
    away = x - reduce_mean(x, 0, keepdims=True)
    if diagonal:
        matrix = reduce_sum(raw.Square(away), 0) / (count - 1)
        return matrix
    return matmul(away, away, transpose_a=True) / (count - 1)


@public("contrib.factorization.GmmAlgorithm")
class GmmAlgorithm:
    """The graph of a mixture of Gaussians.

    Args:
      data: a list of tensors `[n, d]`.
      num_classes: how many Gaussians.
      initial_means: None: points drawn at random; or `[num_classes, d]`.
      params: letters that say what is trained: "w" weights, "m" means, "c" covariances.
      covariance_type: "full" or "diag".
      random_seed: of the points drawn.

    Raises:
      Exception: another type of covariance, or a letter that is none of these.
    """

    def __init__(
        self,
        data: Any,
        num_classes: int,
        initial_means: Any = None,
        params: str = "wmc",
        covariance_type: str = "full",
        random_seed: int = 0,
    ) -> None:
        if covariance_type not in ("full", "diag"):
            raise Exception("programmer error: Invalid covariance type: " + str(covariance_type))
        if set(params) - set("wmc"):
            raise ValueError(f"params: each letter must be one of w, m and c. Received: {params!r}")
        self._params, self._diagonal = params, covariance_type == "diag"
        self._data = [convert.to_tensor(x) for x in (data if isinstance(data, list | tuple) else [data])]
        self._num_classes = num_classes
        first = self._data[0]
        self._dimensions = int(first.dims[1])  # pyright: ignore[reportOptionalSubscript, reportArgumentType]
        one = constant([], float32)
        self._means = Variable(one, validate_shape=False, name="clusters", dtype=float32)
        self._covs = Variable(one, validate_shape=False, name="clusters_covs", dtype=float32)
        self._alpha = Variable(
            raw.Fill([num_classes], constant(1.0 / num_classes)), name="alphas", dtype=float32
        )
        self._initialized = Variable(False, name="initialized")
        self._begin = self._beginning(first, initial_means, random_seed)
        self._expect()
        self._train = self._maximize()

    def _beginning(self, first: Tensor, initial_means: Any, seed: int) -> Any:
        if initial_means is None:
            count = cast(shape(first)[0], int64)
            places = raw.FloorMod(random_uniform([self._num_classes], 0, count, int64, seed), count)
            means = expand_dims(gather(first, places), 1)
        else:
            means = expand_dims(convert.to_tensor(initial_means, float32), 1)
        cov = _covariance(first, self._diagonal)
        if self._diagonal:
            covs = raw.Tile(expand_dims(cov + _LEAST_VARIANCE, 0), [self._num_classes, 1])
        else:
            covs = raw.Tile(expand_dims(cov + self._floor(), 0), [self._num_classes, 1, 1])

        def make() -> Any:
            held = [
                assign(self._means, means, validate_shape=False).op,
                assign(self._covs, covs, validate_shape=False).op,
            ]
            with control_dependencies(held):
                return assign(self._initialized, True).op

        return cond(
            raw.LogicalNot(raw.Identity(self._initialized)), lambda: _done(make()), lambda: _done(raw.NoOp())
        )

    def _floor(self) -> Tensor:
        return _LEAST_VARIANCE * eye(self._dimensions)

    def _shape(self) -> Any:
        rest = [self._dimensions] if self._diagonal else [self._dimensions, self._dimensions]
        return raw.Reshape(self._covs, [self._num_classes, *rest])

    def _log_densities(self, x: Tensor) -> Tensor:
        """`[classes, n, 1]`: log of weight times density of each point in each class."""
        means = raw.Reshape(self._means, [self._num_classes, 1, self._dimensions])
        away = expand_dims(x, 0) - means
        covs = self._shape()
        if self._diagonal:
            covs = covs + _LEAST_VARIANCE
            log_det = reduce_sum(raw.Log(covs), 1)
            squares = reduce_sum(raw.Square(away) / expand_dims(covs, 1), 2)
        else:
            root = cholesky(covs + self._floor())
            log_det = 2.0 * reduce_sum(raw.Log(matrix_diag_part(root)), 1)
            solved = matrix_triangular_solve(root, matrix_transpose(away), lower=True)
            squares = reduce_sum(raw.Square(solved), 1)
        constant_part = self._dimensions * math.log(2 * math.pi)
        logs = -0.5 * (squares + constant_part + expand_dims(log_det, 1))
        return logs + expand_dims(raw.Log(self._alpha), 1)

    def _expect(self) -> None:
        """The scores of points and the shares of the classes in them."""
        self._logs = [self._log_densities(x) for x in self._data]
        self._scores = [reduce_logsumexp(logs, 0) for logs in self._logs]
        self._shares = [
            raw.Exp(logs - expand_dims(score, 0))
            for logs, score in zip(self._logs, self._scores, strict=True)
        ]

    def _maximize(self) -> Any:
        """New weights, means and covariances."""
        count = (
            raw.AddN([shape(x)[0] for x in self._data]) if len(self._data) > 1 else shape(self._data[0])[0]
        )
        points = _total([reduce_sum(w, 1) for w in self._shares])
        sums = _total([matmul(w, x) for w, x in zip(self._shares, self._data, strict=True)])
        held = expand_dims(points, 1)
        made = []
        old_means = raw.Reshape(self._means, [self._num_classes, self._dimensions])
        means = sums / (held + _LEAST_SHARE) if "m" in self._params else old_means
        if "w" in self._params:
            made.append(assign(self._alpha, points / (raw.Cast(count, DstT=float32) + _LEAST_SHARE)).op)
        if "m" in self._params:
            made.append(assign(self._means, expand_dims(means, 1), validate_shape=False).op)
        if "c" in self._params:
            made.append(assign(self._covs, self._new_covariances(points, means), validate_shape=False).op)
        return group(*made)

    def _new_covariances(self, points: Tensor, means: Tensor) -> Tensor:
        pairs = list(zip(self._shares, self._data, strict=True))
        if self._diagonal:
            squares = _total([matmul(w, raw.Square(x)) for w, x in pairs])
            return squares / (expand_dims(points, 1) + _LEAST_SHARE) - raw.Square(means) + _LEAST_VARIANCE
        outer = []
        for w, x in pairs:
            weighted = expand_dims(w, 2) * expand_dims(x, 0)
            outer.append(
                matmul(weighted, raw.Tile(expand_dims(x, 0), [self._num_classes, 1, 1]), transpose_a=True)
            )
        held = raw.Reshape(points, [self._num_classes, 1, 1])
        own = expand_dims(means, 2) * expand_dims(means, 1)
        return _total(outer) / (held + _LEAST_SHARE) - own + self._floor()

    def training_ops(self) -> Any:
        """The operation of one step."""
        return self._train

    def init_ops(self) -> Any:
        """The operation that makes the first Gaussians where there are none."""
        return self._begin

    def is_initialized(self) -> Any:
        """The variable that says whether there are Gaussians."""
        return self._initialized

    def alphas(self) -> Any:
        """The weights of the Gaussians."""
        return self._alpha

    def clusters(self) -> Any:
        """Their means, `[classes, 1, d]`."""
        return self._means

    def covariances(self) -> Any:
        """Their covariances, `[classes, d, d]` or `[classes, d]`."""
        return self._covs

    def assignments(self) -> list[list[Tensor]]:
        """For each input the most likely class of each point."""
        return [[argmax(w, 0) for w in self._shares]]

    def scores(self) -> Tensor:
        """The log-likelihood of each point, `[n, 1]`."""
        return expand_dims(concat(self._scores, 0), 1)

    def log_likelihood_op(self) -> Tensor:
        """The log of the sum of the points' likelihoods, a scalar."""
        return reduce_logsumexp(stack([reduce_logsumexp(s) for s in self._scores]))


def _total(parts: list[Tensor]) -> Tensor:
    return raw.AddN(parts) if len(parts) > 1 else parts[0]


def _done(op: Any) -> Tensor:
    with control_dependencies([op]):
        return constant(True)


@public("contrib.factorization.gmm")
def gmm(
    inp: Any,
    initial_clusters: Any,
    num_clusters: int,
    random_seed: int,
    covariance_type: str = "full",
    params: str = "wmc",
) -> tuple[Any, ...]:
    """A mixture of Gaussians of points.

    Args:
      inp: float32 `[n, d]`, or a list of such tensors.
      initial_clusters: "random", or the first means, `[num_clusters, d]`.
      num_clusters: how many Gaussians.
      random_seed: of means drawn at random.
      covariance_type: "full" or "diag".
      params: letters that say what is trained: "w" weights, "m" means, "c" covariances.

    Returns:
      The log of the sum of the points' likelihoods; each point's log-likelihood, `[n, 1]`; a list of lists of
      the most likely classes; the operation of one step; the operation that makes the first Gaussians; a
      variable: whether there are any.
    """
    means = None if isinstance(initial_clusters, str) else initial_clusters
    made = GmmAlgorithm(inp, num_clusters, means, params, covariance_type, random_seed)
    return (
        made.log_likelihood_op(), made.scores(), made.assignments(), made.training_ops(), made.init_ops(),
        made.is_initialized(),
    )  # fmt: skip
