"""`tf.contrib.distributions`: Poisson numbers whose rate is log-normal, by quadrature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor, shape_tensor
from millrace.building.scopes import name_scope
from millrace.contributed.distributions.counts import Poisson
from millrace.contributed.distributions.quadrature import quadrature_scheme_lognormal_quantiles
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.distributions.base import NOT_REPARAMETERIZED, Distribution, new_seed
from millrace.lib.distributions.discrete import Categorical
from millrace.lib.math.reductions import reduce_logsumexp
from millrace.ops.array.concat import concat
from millrace.ops.array.gather import gather
from millrace.ops.array.reshape import expand_dims, reshape
from millrace.ops.array.shape import broadcast_static_shape
from millrace.ops.math.elementwise import exp, log, square
from millrace.ops.random.counts import random_poisson


@public("contrib.distributions.PoissonLogNormalQuadratureCompound")
class PoissonLogNormalQuadratureCompound(Distribution):
    """Poisson numbers of a rate exp(x), x by the points and weights that stand for its distribution.

    As in TensorFlow, the points are taken as logarithms of rates, even those of
    `quadrature_scheme_lognormal_quantiles`, which are rates; with
    `quadrature_scheme_lognormal_gauss_hermite`, x is a normal number.

    Args:
      loc: `[...]`, floating: of the normal number.
      scale: broadcasts with `loc`.
      quadrature_size: how many points.
      quadrature_fn: a function from `loc`, `scale`, `quadrature_size` and `validate_args` to the points
        `[..., quadrature_size]` and their weights.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      TypeError: the dtypes of `loc` and `scale` differ.
    """

    def __init__(
        self,
        loc: Any,
        scale: Any,
        quadrature_size: int = 8,
        quadrature_fn: Callable[..., Any] = quadrature_scheme_lognormal_quantiles,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "PoissonLogNormalQuadratureCompound",
    ) -> None:
        given = dict(locals())
        with name_scope(name, values=[loc, scale]) as scope:
            self._loc = None if loc is None else convert_to_tensor(loc, name="loc")
            self._scale = None if scale is None else convert_to_tensor(scale, name="scale")
            points, weights = quadrature_fn(loc, scale, quadrature_size, validate_args)
            dtype = weights.dtype.base_dtype
            for what, x in (("loc", self._loc), ("scale", self._scale)):
                if x is not None and x.dtype.base_dtype != dtype:
                    raise TypeError(f"{what}.dtype({x.dtype.name}) must be {dtype.name}")
            self._distribution = Poisson(log_rate=points, allow_nan_stats=allow_nan_stats)
            self._mixture = Categorical(logits=log(weights), allow_nan_stats=allow_nan_stats)
            self._quadrature_size = quadrature_size
        held = [x for x in (self._loc, self._scale) if x is not None]
        super().__init__(dtype, NOT_REPARAMETERIZED, validate_args, allow_nan_stats, given, held, scope)

    @property
    def mixture_distribution(self) -> Any:
        """Which point."""
        return self._mixture

    @property
    def distribution(self) -> Any:
        """The Poisson distributions of all points."""
        return self._distribution

    @property
    def loc(self) -> Tensor | None:
        """The mean of the normal number."""
        return self._loc

    @property
    def scale(self) -> Tensor | None:
        """The scale of the normal number."""
        return self._scale

    @property
    def quadrature_size(self) -> int:
        """How many points there are."""
        return self._quadrature_size

    def _batch_shape(self) -> Any:
        return broadcast_static_shape(self._distribution.batch_shape, self._mixture.logits.shape)[:-1]

    def _batch_shape_tensor(self) -> Tensor:
        return raw.BroadcastArgs(self._distribution.batch_shape_tensor(), shape_tensor(self._mixture.logits))[
            :-1
        ]

    def _event_shape(self) -> Any:
        return ()

    def _event_shape_tensor(self) -> Tensor:
        return self._distribution.event_shape_tensor()

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        batch, size = self.batch_shape_tensor(), self._quadrature_size
        members = raw.Prod(batch, 0)
        salt = "poisson_lognormal_quadrature_compound"
        chosen = self._mixture.sample(concat([[n], reshape(members, [1])], 0), seed=new_seed(seed, salt))
        places = chosen + raw.Range(0, members * size, size)
        rates = gather(reshape(self._distribution.rate, [-1]), places)
        shape = concat([[n], batch], 0)
        return random_poisson(reshape(rates, shape), [], dtype=self.dtype, seed=seed)

    def _log_prob(self, x: Tensor) -> Tensor:
        return reduce_logsumexp(
            self._mixture.logits + self._distribution.log_prob(expand_dims(x, -1)), axis=-1
        )

    def _averaged(self, x: Tensor) -> Tensor:
        """The weighted mean over the points, `x` holding logarithms."""
        return exp(reduce_logsumexp(self._mixture.logits + x, axis=-1))

    def _mean(self) -> Tensor:
        return self._averaged(self._distribution.log_rate)

    def _variance(self) -> Tensor:
        # The rate is the variance at a point; to its mean comes how far the points lie apart.
        apart = square(self._distribution.rate - expand_dims(self._mean(), -1))
        return self._averaged(log(apart)) + self._mean()
