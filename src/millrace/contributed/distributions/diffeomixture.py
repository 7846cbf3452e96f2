"""`tf.contrib.distributions.VectorDiffeomixture`: between two affine functions of a vector, by quadrature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.contributed.distributions.bijectors.vectors import AffineLinearOperator
from millrace.contributed.distributions.quadrature import quadrature_scheme_softmaxnormal_quantiles
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.distributions.base import FULLY_REPARAMETERIZED, NOT_REPARAMETERIZED, Distribution, new_seed
from millrace.lib.distributions.discrete import Categorical
from millrace.lib.linear_operators.diagonal import LinearOperatorDiag, LinearOperatorLowerTriangular
from millrace.lib.linear_operators.identity import LinearOperatorIdentity, LinearOperatorScaledIdentity
from millrace.lib.math.reductions import reduce_logsumexp, reduce_sum
from millrace.ops.array.concat import concat, stack
from millrace.ops.array.one_hot import one_hot
from millrace.ops.array.reshape import expand_dims
from millrace.ops.array.shape import broadcast_static_shape
from millrace.ops.linalg.diag_band import matrix_diag_part
from millrace.ops.math.arithmetic import add_n
from millrace.ops.math.elementwise import log, square

_DIAGONAL = (LinearOperatorIdentity, LinearOperatorScaledIdentity, LinearOperatorDiag)


@public("contrib.distributions.VectorDiffeomixture")
class VectorDiffeomixture(Distribution):
    """Vectors w loc_0 + (1 - w) loc_1 + (w scale_0 + (1 - w) scale_1) @ x, with random w and x.

    w and 1 - w are the softmax of a normal number and 0; points and weights stand for their distribution.

    Args:
      mix_loc: `[..., 1]`: the mean of the normal number, times `temperature`.
      temperature: `[..., 1]`: the inverse of its scale.
      distribution: of each of the numbers x; its batch and its events are scalar.
      loc: two vectors `[..., k]`, or None for 0; default both are.
      scale: two linear operators of k rows: identities, diagonal or lower triangular ones.
      quadrature_size: how many points.
      quadrature_fn: a function from the location, scale, `quadrature_size` and `validate_args` to the points
        `[..., 2, quadrature_size]` and their weights.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      ValueError: a list is missing or has another length than the shares, `distribution` is not scalar, or
        the linear operators have different sizes.
      NotImplementedError: there are more than two linear operators.
      TypeError: dtypes differ.
    """

    def __init__(
        self,
        mix_loc: Any,
        temperature: Any,
        distribution: Any,
        loc: Any = None,
        scale: Any = None,
        quadrature_size: int = 8,
        quadrature_fn: Callable[..., Any] = quadrature_scheme_softmaxnormal_quantiles,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "VectorDiffeomixture",
    ) -> None:
        given = dict(locals())
        with name_scope(name, values=[mix_loc, temperature]) as scope:
            scales = _checked(scale)
            dtype = scales[0].dtype.base_dtype
            places = [None] * len(scales) if loc is None else list(loc)
            if len(places) != len(scales):
                raise ValueError(
                    f"size of loc/scale list must be the same. Received: {len(places)} and {len(scales)}"
                )
            loc = [
                None if x is None else convert_to_tensor(x, dtype, f"loc_{i}") for i, x in enumerate(places)
            ]
            _check_scalar(distribution)
            mix_loc = convert_to_tensor(mix_loc, dtype, "mix_loc")
            temperature = convert_to_tensor(temperature, dtype, "temperature")
            self._grid, weights = quadrature_fn(
                mix_loc / temperature, 1.0 / temperature, quadrature_size, validate_args
            )
            if self._grid.shape[-2].value not in (None, len(scales)):
                shares = self._grid.shape[-2].value
                raise ValueError(f"{len(scales)} scales need as many shares. Received: {shares} shares")
            self._weights, self._quadrature_size = weights, quadrature_size
            self._mixture = Categorical(logits=log(weights), allow_nan_stats=allow_nan_stats)
            self._distribution, self._scales, self._locs = distribution, scales, loc
            affine = AffineLinearOperator
            self._ends = [
                affine(shift=x, scale=s, name=f"endpoint_affine_{i}")
                for i, (x, s) in enumerate(zip(loc, scales, strict=True))
            ]
            self._between = [
                affine(shift=self._loc_at(i), scale=self._scale_at(i), name=f"interpolated_affine_{i}")
                for i in range(quadrature_size)
            ]
        kind = distribution.reparameterization_type
        kind = FULLY_REPARAMETERIZED if kind == FULLY_REPARAMETERIZED else NOT_REPARAMETERIZED
        super().__init__(dtype, kind, validate_args, allow_nan_stats, given, [], scope)

    def _share(self, component: int, point: int) -> Tensor:
        return self._grid[..., component, point]

    def _loc_at(self, point: int) -> Tensor | None:
        parts = [
            expand_dims(self._share(i, point), -1) * x for i, x in enumerate(self._locs) if x is not None
        ]
        return add_n(parts) if parts else None

    def _scale_at(self, point: int) -> Any:
        if all(isinstance(s, _DIAGONAL) for s in self._scales):
            parts = [
                expand_dims(self._share(i, point), -1) * s.diag_part() for i, s in enumerate(self._scales)
            ]
            return LinearOperatorDiag(add_n(parts), is_non_singular=True, is_positive_definite=True)
        parts = [
            expand_dims(expand_dims(self._share(i, point), -1), -1) * s.to_dense()
            for i, s in enumerate(self._scales)
        ]
        return LinearOperatorLowerTriangular(add_n(parts), is_non_singular=True)

    @property
    def mixture_distribution(self) -> Any:
        """Which point."""
        return self._mixture

    @property
    def distribution(self) -> Any:
        """The distribution of each number."""
        return self._distribution

    @property
    def grid(self) -> Tensor:
        """The points, `[..., 2, quadrature_size]`."""
        return self._grid

    @property
    def endpoint_affine(self) -> list[Any]:
        """The two affine functions."""
        return self._ends

    @property
    def interpolated_affine(self) -> list[Any]:
        """The affine function at each point."""
        return self._between

    def _batch_shape(self) -> Any:
        shape = self._grid.shape[:-2]
        for x, scale in zip(self._locs, self._scales, strict=True):
            shape = broadcast_static_shape(shape, scale.batch_shape)
            if x is not None:
                shape = broadcast_static_shape(shape, x.shape[:-1])
        return shape

    def _batch_shape_tensor(self) -> Tensor:
        shape = raw.Shape(self._grid)[:-2]
        for x, scale in zip(self._locs, self._scales, strict=True):
            shape = raw.BroadcastArgs(shape, scale.batch_shape_tensor())
            if x is not None:
                shape = raw.BroadcastArgs(shape, raw.Shape(x)[:-1])
        return shape

    def _event_shape(self) -> Any:
        return self._scales[0].shape[-1:]

    def _event_shape_tensor(self) -> Tensor:
        return raw.Reshape(self._scales[0].range_dimension_tensor(), [1])

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        batch = self.batch_shape_tensor()
        shape = concat([[n], batch, self.event_shape_tensor()], 0)
        x = self._distribution.sample(shape, seed=seed)
        chosen = self._mixture.sample(concat([[n], batch], 0), seed=new_seed(seed, "vector_diffeomixture"))
        kept = expand_dims(one_hot(chosen, self._quadrature_size, dtype=self.dtype.base_dtype), -2)
        return reduce_sum(stack([f.forward(x) for f in self._between], -1) * kept, -1)

    def _log_prob(self, x: Tensor) -> Tensor:
        logs = []
        for affine in self._between:
            of_numbers = reduce_sum(self._distribution.log_prob(affine.inverse(x)), -1)
            logs.append(of_numbers + affine.inverse_log_det_jacobian(x, event_ndims=1))
        return reduce_logsumexp(self._mixture.logits + stack(logs, -1), -1)

    def _numbers(self, value: Tensor) -> Tensor:
        """A statistic of each number as that of a vector of them."""
        shape = concat([self.batch_shape_tensor(), self.event_shape_tensor()], 0)
        return raw.BroadcastTo(value, shape)

    def _averaged(self, values: list[Tensor]) -> Tensor:
        """The weighted mean over the points."""
        return reduce_sum(stack(values, -1) * self._weights, -1)

    def _means(self) -> list[Tensor]:
        mean = self._numbers(self._distribution.mean())
        return [f.forward(mean) for f in self._between]

    def _mean(self) -> Tensor:
        return self._averaged(self._means())

    def _covariance(self) -> Tensor:
        variance = self._distribution.variance()
        mean, within, apart = self._mean(), [], []
        for affine, at in zip(self._between, self._means(), strict=True):
            dense = affine.scale.to_dense()
            within.append(variance * raw.BatchMatMulV2(dense, dense, adj_y=True))
            away = expand_dims(at - mean, -1)
            apart.append(raw.BatchMatMulV2(away, away, adj_y=True))
        return self._averaged([a + b for a, b in zip(within, apart, strict=True)])

    def _variance(self) -> Tensor:
        if not all(isinstance(s, _DIAGONAL) for s in self._scales):
            return matrix_diag_part(self._covariance())
        mean = self._mean()
        values = [
            self._distribution.variance() * square(f.scale.diag_part()) + square(at - mean)
            for f, at in zip(self._between, self._means(), strict=True)
        ]
        return self._averaged(values)


def _checked(scale: Any) -> list[Any]:
    if not scale or len(scale) < 2:
        raise ValueError(
            f"scale must be a list of LinearOperators, at least two of them. Received: {scale!r}"
        )
    if len(scale) > 2:
        raise NotImplementedError(
            f"Currently only bimixtures are supported; len(scale)={len(scale)} is not 2."
        )
    for i, s in enumerate(scale):
        if not isinstance(s, (*_DIAGONAL, LinearOperatorLowerTriangular)):
            raise TypeError(
                f"scale[{i}] is an identity, a diagonal or a lower triangular LinearOperator. Received: {s!r}"
            )
    if scale[0].dtype.base_dtype != scale[1].dtype.base_dtype:
        raise TypeError(f"dtype mismatch: scale[1].dtype={scale[1].dtype.name} != {scale[0].dtype.name}")
    rows = [s.shape[-1].value for s in scale]
    if None not in rows and rows[0] != rows[1]:
        raise ValueError(f"the scales must have one size. Received: {rows[0]} and {rows[1]} rows")
    return list(scale)


def _check_scalar(distribution: Any) -> None:
    for what, shape in (("batch", distribution.batch_shape), ("event", distribution.event_shape)):
        if shape.ndims not in (None, 0):
            raise ValueError(f"`distribution` must have a scalar {what}. Received: {what}_shape={shape}")
