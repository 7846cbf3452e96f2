"""`tf.contrib.distributions`: points and weights in place of log-normal or softmax-normal numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.contributed.distributions.bijectors.elementwise import Exp
from millrace.contributed.distributions.bijectors.vectors import SoftmaxCentered
from millrace.contributed.distributions.transformed import TransformedDistribution
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.distributions.real import Normal
from millrace.ops.array.fill import fill
from millrace.ops.array.reshape import expand_dims, reshape, transpose


def _hermite(size: int, dtype: Any) -> tuple[Tensor, Tensor]:
    """The points and the weights, which sum up to 1, of a standard normal number."""
    points, weights = np.polynomial.hermite.hermgauss(deg=size)
    weights = weights / np.sum(np.abs(weights))
    kind = dtype.as_numpy_dtype
    return convert_to_tensor((points * math.sqrt(2.0)).astype(kind)), convert_to_tensor(weights.astype(kind))


def _quantiles(distribution: Any, size: int) -> tuple[Tensor, Tensor]:
    """The middles between quantiles at equal steps, `[size, ...]`, and their equal weights.

    The lowest and the highest quantile, which may be infinite, have no part in them.
    """
    dtype = distribution.dtype.base_dtype
    edges = convert_to_tensor(np.linspace(0.0, 1.0, size + 3)[1:-1].astype(dtype.as_numpy_dtype))
    edges = reshape(edges, [-1] + [1] * (distribution.batch_shape.ndims or 0))
    at = distribution.quantile(edges)
    return (at[:-1] + at[1:]) / 2.0, fill([size], convert_to_tensor(1.0 / size, dtype))


def _last(x: Tensor) -> Tensor:
    """The first axis moved to the end."""
    rank = len(x.dims or ())
    return transpose(x, [*range(1, rank), 0])


@public("contrib.distributions.quadrature_scheme_lognormal_gauss_hermite")
def quadrature_scheme_lognormal_gauss_hermite(
    loc: Any, scale: Any, quadrature_size: int, validate_args: bool = False, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """Gauss-Hermite points of the logarithm of a log-normal number.

    Args:
      loc, scale: `[...]`, of the normal number.
      quadrature_size: how many points.
      validate_args: check arguments when run.
      name: a scope.

    Returns:
      The points `[..., quadrature_size]`, and their weights `[quadrature_size]`.
    """
    with name_scope(name, "vector_diffeomixture_quadrature_gauss_hermite", [loc, scale]):
        loc, scale = convert_to_tensor(loc, name="loc"), convert_to_tensor(scale, name="scale")
        points, weights = _hermite(quadrature_size, loc.dtype.base_dtype)
        return expand_dims(loc, -1) + expand_dims(scale, -1) * points, weights


@public("contrib.distributions.quadrature_scheme_lognormal_quantiles")
def quadrature_scheme_lognormal_quantiles(
    loc: Any, scale: Any, quadrature_size: int, validate_args: bool = False, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """Points of a log-normal number, in the middle between its quantiles.

    Args:
      loc, scale: `[...]`, of the normal number.
      quadrature_size: how many points.
      validate_args: check arguments when run.
      name: a scope.

    Returns:
      The points `[..., quadrature_size]`, and their weights `[quadrature_size]`.
    """
    with name_scope(name, "quadrature_scheme_lognormal_quantiles", [loc, scale]):
        normal = Normal(loc=loc, scale=scale)
        points, weights = _quantiles(
            TransformedDistribution(normal, Exp(), validate_args=validate_args), quadrature_size
        )
        return _last(points), weights


def _bimixture(parameter: Any, name: str) -> Tensor:
    """A parameter whose last axis has length 1.

    Raises:
      ValueError: it is a scalar.
      NotImplementedError: there are more than two components.
    """
    parameter = convert_to_tensor(parameter, name=name)
    if parameter.dims is not None:
        if not parameter.dims:
            raise ValueError(f"Mixing params must be a (batch of) vector; {name}.rank=0 is not at least one.")
        if parameter.dims[-1] not in (None, 1):
            raise NotImplementedError(
                f"Currently only bimixtures are supported; {name}.shape[-1]={parameter.dims[-1]} is not 1."
            )
    return parameter


@public("contrib.distributions.quadrature_scheme_softmaxnormal_gauss_hermite")
def quadrature_scheme_softmaxnormal_gauss_hermite(
    normal_loc: Any,
    normal_scale: Any,
    quadrature_size: int,
    validate_args: bool = False,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """Gauss-Hermite points of the shares of two components, the softmax of a normal number and 0.

    Args:
      normal_loc, normal_scale: `[..., 1]`, of the normal number.
      quadrature_size: how many points.
      validate_args: check arguments when run.
      name: a scope.

    Returns:
      The points `[..., 2, quadrature_size]`, and their weights `[quadrature_size]`.

    Raises:
      NotImplementedError: the last axis is longer than 1.
    """
    with name_scope(name, "quadrature_scheme_softmaxnormal_gauss_hermite", [normal_loc, normal_scale]):
        loc, scale = _bimixture(normal_loc, "normal_loc"), _bimixture(normal_scale, "normal_scale")
        points, weights = _hermite(quadrature_size, loc.dtype.base_dtype)
        numbers = expand_dims(loc[..., 0], -1) + expand_dims(scale[..., 0], -1) * points
        shares = raw.Sigmoid(numbers)
        return raw.Pack([shares, 1.0 - shares], axis=-2), weights


@public("contrib.distributions.quadrature_scheme_softmaxnormal_quantiles")
def quadrature_scheme_softmaxnormal_quantiles(
    normal_loc: Any,
    normal_scale: Any,
    quadrature_size: int,
    validate_args: bool = False,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """Points of the shares of two components, in the middle between their quantiles.

    Args:
      normal_loc, normal_scale: `[..., 1]`, of the normal number whose softmax with 0 the shares are.
      quadrature_size: how many points.
      validate_args: check arguments when run.
      name: a scope.

    Returns:
      The points `[..., 2, quadrature_size]`, and their weights `[quadrature_size]`.

    Raises:
      NotImplementedError: the last axis is longer than 1.
    """
    with name_scope(name, "softmax_normal_grid_and_probs", [normal_loc, normal_scale]):
        loc, scale = _bimixture(normal_loc, "normal_loc"), _bimixture(normal_scale, "normal_scale")
        normal = Normal(loc=loc, scale=scale)
        shares = TransformedDistribution(normal, _Softmax(), validate_args=validate_args)
        points, weights = _quantiles(shares, quadrature_size)
        return _last(points), weights


class _Softmax(SoftmaxCentered):
    """The shares, for a distribution of numbers: its axis of length 1 is one of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self._forward_min_event_ndims = self._inverse_min_event_ndims = 0
