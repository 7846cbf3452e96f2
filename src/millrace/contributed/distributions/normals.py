"""`tf.contrib.distributions`: normal, Laplace and exponential vectors by a linear operator of the scale."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.contributed.distributions.bijectors.vectors import AffineLinearOperator, make_scale
from millrace.contributed.distributions.transformed import MORE_OF_LOG_PROB, TransformedDistribution
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.lib.distributions.divergence import RegisterKL
from millrace.lib.distributions.positive import Exponential
from millrace.lib.distributions.real import Laplace, Normal
from millrace.lib.linear_operators.diagonal import LinearOperatorDiag
from millrace.lib.math.reductions import reduce_sum
from millrace.ops.array.fill import zeros_like
from millrace.ops.array.reshape import expand_dims
from millrace.ops.linalg.decomposition import cholesky
from millrace.ops.linalg.diag_band import matrix_diag_part
from millrace.ops.math.elementwise import sqrt, square
from millrace.ops.nn.activation import softplus


class _Linear(TransformedDistribution):
    """shift + scale @ x, for independent numbers x."""

    _variance_of_one = 1.0
    _mean_of_one = 0.0

    def _begin(self, given: dict[str, Any], loc: Any, scale: Any, base: Any) -> None:
        """Of the location, the linear operator, and the distribution of each number."""
        event = scale.range_dimension_tensor()
        batch = scale.batch_shape_tensor()
        if loc is not None and loc.dims and len(loc.dims) > 1:
            batch = raw.BroadcastArgs(batch, raw.Shape(loc)[:-1])
        known = scale.batch_shape.ndims
        wide = known is None or known > 0 or (loc is not None and len(loc.dims or ()) > 1)
        super().__init__(
            base,
            AffineLinearOperator(shift=loc, scale=scale, validate_args=given["validate_args"]),
            batch_shape=batch if wide else None,
            event_shape=raw.Reshape(event, [1]),
            validate_args=given["validate_args"],
            name=given["scope"],
        )
        self._dynamic = not (self.batch_shape.is_fully_defined() and self.event_shape.is_fully_defined())
        get_default_graph().count(self._more_at_first(given["loc"], wide))
        self._parameters = {k: v for k, v in given.items() if k not in ("scope", "__class__")}

    # What 1.15 adds to tell shapes, beyond what every transformed distribution adds: default seeds count it.

    def _more_at_first(self, loc: Any, wide: bool) -> int:
        more = -2 if loc is None or isinstance(loc, Tensor) else -1
        if self._dynamic:
            return more + (5 if self.event_shape.is_fully_defined() else 8)
        return more + (1 if wide else 3 if loc is None else 4)

    def _more_of_matrices(self) -> int:
        if not self._dynamic:
            return 0
        of_batch = 10 if self.scale.batch_shape.is_fully_defined() else 15
        return of_batch if self.event_shape.is_fully_defined() else of_batch + 12

    def _more_of_samples(self) -> int:
        diagonal = isinstance(self.scale, LinearOperatorDiag)
        return (30 if diagonal else 25) + self._more_of_matrices()

    def _more_of_log_prob(self, known: bool) -> int:
        if known:
            return MORE_OF_LOG_PROB - 1
        return MORE_OF_LOG_PROB + 3 + min(self._more_of_matrices(), 15)

    @property
    def loc(self) -> Tensor | None:
        """The location."""
        return self.bijector.shift

    @property
    def scale(self) -> Any:
        """The linear operator."""
        return self.bijector.scale

    def _spread(self) -> Tensor:
        if isinstance(self.scale, LinearOperatorDiag):
            return square(self.scale.diag_part())
        return matrix_diag_part(self.scale.matmul(self.scale.to_dense(), adjoint_arg=True))

    def _mean(self) -> Tensor:
        if self._mean_of_one:
            ones = raw.OnesLike(self._spread()) * self._mean_of_one
            return self.bijector.forward(ones)
        return self._mode()

    def _variance(self) -> Tensor:
        with get_default_graph().counted_as(self._count_of_spread()):
            return self._variance_of_one * self._spread()

    def _stddev(self) -> Tensor:
        with get_default_graph().counted_as(self._count_of_spread(root=True)):
            return sqrt(self._variance_of_one * self._spread())

    def _count_of_spread(self, root: bool = False) -> int:
        """How many operations 1.15 takes for it: the diagonal of a scale is the deviation already."""
        if isinstance(self.scale, LinearOperatorDiag):
            return 1 if self._variance_of_one == 1.0 else 3
        return 9 if root else 8

    def _covariance(self) -> Tensor:
        if isinstance(self.scale, LinearOperatorDiag):
            return raw.MatrixDiag(self._variance())
        return self._variance_of_one * self.scale.matmul(self.scale.to_dense(), adjoint_arg=True)

    def _mode(self) -> Tensor:
        with get_default_graph().counted_as(8 if self._dynamic else 1):
            zero = zeros_like(self._spread())
            return zero if self.loc is None else self.loc + zero

    def _entropy(self) -> Tensor:
        with get_default_graph().counted_as(28 if self._own_batch is not None else 18):
            return super()._entropy()


def _tensor(x: Any, name: str) -> Any:
    return None if x is None else convert_to_tensor(x, name=name)


class _NormalVector(_Linear):
    def _normal(self, given: dict[str, Any], parts: tuple[Any, ...]) -> None:
        """Of the parts that `make_scale` takes after the location."""
        with name_scope(given["name"], values=[given["loc"], *parts]) as scope:
            loc = _tensor(given["loc"], "loc")
            scale = make_scale(loc, *parts)
            zero, one = (convert_to_tensor(v, scale.dtype) for v in (0.0, 1.0))
        arguments = {**given, "scope": scope}
        self._begin(arguments, loc, scale, Normal(zero, one))


@public("contrib.distributions.MultivariateNormalDiag")
class MultivariateNormalDiag(_NormalVector):
    """Normal vectors of independent numbers.

    Args:
      loc: `[..., k]`: the mean; default 0.
      scale_diag: `[..., k]`: the standard deviations.
      scale_identity_multiplier: `[...]`: added to them; alone, it is them.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      ValueError: nothing says how long vectors are.
    """

    def __init__(
        self,
        loc: Any = None,
        scale_diag: Any = None,
        scale_identity_multiplier: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "MultivariateNormalDiag",
    ) -> None:
        given = dict(locals())
        self._normal(given, (scale_identity_multiplier, scale_diag, None))


@public("contrib.distributions.MultivariateNormalDiagWithSoftplusScale")
class MultivariateNormalDiagWithSoftplusScale(_NormalVector):
    """`MultivariateNormalDiag` with softplus(scale_diag)."""

    def __init__(
        self,
        loc: Any,
        scale_diag: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "MultivariateNormalDiagWithSoftplusScale",
    ) -> None:
        given = dict(locals())
        self._normal(given, (None, softplus(scale_diag), None))


@public("contrib.distributions.MultivariateNormalTriL")
class MultivariateNormalTriL(_NormalVector):
    """Normal vectors by a lower triangular scale.

    Args:
      loc: `[..., k]`: the mean; default 0.
      scale_tril: `[..., k, k]`: lower triangular, its diagonal positive; default the identity.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      ValueError: neither was given.
    """

    def __init__(
        self,
        loc: Any = None,
        scale_tril: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "MultivariateNormalTriL",
    ) -> None:
        given = dict(locals())
        self._normal(given, (None, None, scale_tril))


@public("contrib.distributions.MultivariateNormalFullCovariance")
class MultivariateNormalFullCovariance(_NormalVector):
    """Normal vectors by their covariances.

    Args:
      loc: `[..., k]`: the mean; default 0.
      covariance_matrix: `[..., k, k]`: symmetric, positive definite; default the identity.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      ValueError: neither was given.
    """

    def __init__(
        self,
        loc: Any = None,
        covariance_matrix: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "MultivariateNormalFullCovariance",
    ) -> None:
        given = dict(locals())
        self._normal(given, (None, None, None if covariance_matrix is None else cholesky(covariance_matrix)))


@public("contrib.distributions.MultivariateNormalDiagPlusLowRank")
class MultivariateNormalDiagPlusLowRank(_NormalVector):
    """Normal vectors whose scale is a diagonal and a product of thin matrices.

    Args:
      loc: `[..., k]`: the mean; default 0.
      scale_diag: `[..., k]`.
      scale_identity_multiplier: `[...]`: added to it.
      scale_perturb_factor: `[..., k, r]`: adds factor @ diag(perturb_diag) @ factor transposed.
      scale_perturb_diag: `[..., r]`; default 1.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self,
        loc: Any = None,
        scale_diag: Any = None,
        scale_identity_multiplier: Any = None,
        scale_perturb_factor: Any = None,
        scale_perturb_diag: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "MultivariateNormalDiagPlusLowRank",
    ) -> None:
        given = dict(locals())
        low = (scale_perturb_factor, scale_perturb_diag)
        self._normal(given, (scale_identity_multiplier, scale_diag, None, *low))


@RegisterKL(_NormalVector, _NormalVector)
def _kl_normal_vectors(a: Any, b: Any, name: str | None = None) -> Tensor:
    with name_scope(name, "kl_mvn"):
        get_default_graph().count(4)
        size = raw.Cast(a.scale.range_dimension_tensor(), DstT=a.dtype.base_dtype)
        ratio = b.scale.solve(a.scale.to_dense())
        moved = b.scale.solve(expand_dims(b.mean() - a.mean(), -1))
        squares = reduce_sum(square(ratio), axis=[-2, -1]) + reduce_sum(square(moved), axis=[-2, -1])
        return b.scale.log_abs_determinant() - a.scale.log_abs_determinant() + 0.5 * (squares - size)


@public("contrib.distributions.VectorLaplaceDiag")
class VectorLaplaceDiag(_Linear):
    """Vectors of independent Laplace numbers; arguments as for `MultivariateNormalDiag`."""

    _variance_of_one = 2.0

    def __init__(
        self,
        loc: Any = None,
        scale_diag: Any = None,
        scale_identity_multiplier: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "VectorLaplaceDiag",
    ) -> None:
        given = dict(locals())
        with name_scope(name, values=[loc, scale_diag, scale_identity_multiplier]) as scope:
            loc = _tensor(loc, "loc")
            scale = make_scale(loc, scale_identity_multiplier, scale_diag, None)
            zero, one = (convert_to_tensor(v, scale.dtype) for v in (0.0, 1.0))
        self._begin({**given, "scope": scope}, loc, scale, Laplace(zero, one))


@public("contrib.distributions.VectorExponentialDiag")
class VectorExponentialDiag(_Linear):
    """Vectors of independent exponential numbers; arguments as for `MultivariateNormalDiag`."""

    _mean_of_one = 1.0

    def __init__(
        self,
        loc: Any = None,
        scale_diag: Any = None,
        scale_identity_multiplier: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "VectorExponentialDiag",
    ) -> None:
        given = dict(locals())
        with name_scope(name, values=[loc, scale_diag, scale_identity_multiplier]) as scope:
            loc = _tensor(loc, "loc")
            scale = make_scale(loc, scale_identity_multiplier, scale_diag, None)
            one = convert_to_tensor(1.0, scale.dtype)
        self._begin({**given, "scope": scope}, loc, scale, Exponential(one))
