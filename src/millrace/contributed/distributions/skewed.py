"""`tf.contrib.distributions`: normal numbers and vectors, skewed and with other tails."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.contributed.distributions.bijectors import composed, elementwise, skewed, vectors
from millrace.contributed.distributions.bijectors.vectors import make_scale
from millrace.contributed.distributions.transformed import TransformedDistribution
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.distributions.real import Normal
from millrace.ops.array.fill import ones_like, zeros_like


@public("contrib.distributions.SinhArcsinh")
class SinhArcsinh(TransformedDistribution):
    """loc + scale C sinh((arcsinh(z) + skewness) tailweight) for normal z; C keeps the place of z = 2.

    Args:
      loc, scale: place and scale, which broadcast.
      skewness: default 0.
      tailweight: positive; default 1.
      distribution: of z; default the standard normal distribution.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self,
        loc: Any,
        scale: Any,
        skewness: Any = None,
        tailweight: Any = None,
        distribution: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "SinhArcsinh",
    ) -> None:
        given = dict(locals())
        with name_scope(name, values=[loc, scale, skewness, tailweight]) as scope:
            self._loc = convert_to_tensor(loc, name="loc")
            dtype = self._loc.dtype
            self._scale = convert_to_tensor(scale, dtype, "scale")
            self._tailweight = convert_to_tensor(
                1.0 if tailweight is None else tailweight, dtype, "tailweight"
            )
            self._skewness = convert_to_tensor(0.0 if skewness is None else skewness, dtype, "skewness")
            # Parameters of the whole batch's shape make the distribution of z have it, too.
            batch = (
                self._scale
                + zeros_like(self._skewness)
                + zeros_like(self._tailweight)
                + zeros_like(self._loc)
            )
            if distribution is None:
                distribution = Normal(zeros_like(batch), ones_like(batch), allow_nan_stats=allow_nan_stats)
            shaped = skewed.SinhArcsinh(self._skewness, self._tailweight)
            plain = skewed.SinhArcsinh(zeros_like(self._skewness), self._tailweight)
            c = 2 * self._scale / plain.forward(convert_to_tensor(2.0, dtype))
            affine = elementwise.AffineScalar(shift=self._loc, scale=c, validate_args=validate_args)
            super().__init__(
                distribution,
                composed.Chain([affine, shaped]),
                validate_args=validate_args,
                name=scope,
            )
        self._parameters = given

    @property
    def loc(self) -> Tensor:
        """The place."""
        return self._loc

    @property
    def scale(self) -> Tensor:
        """The scale."""
        return self._scale

    @property
    def skewness(self) -> Tensor:
        """The skewness."""
        return self._skewness

    @property
    def tailweight(self) -> Tensor:
        """The weight of the tails."""
        return self._tailweight


@public("contrib.distributions.VectorSinhArcsinhDiag")
class VectorSinhArcsinhDiag(TransformedDistribution):
    """loc + C scale_diag sinh((arcsinh(z) + skewness) tailweight) for vectors z of independent numbers.

    C keeps the place of z = 2 where there is no skewness.

    Args:
      loc: `[..., k]`; default 0.
      scale_diag: `[..., k]`, positive; default 1.
      scale_identity_multiplier: `[...]`: added to it; alone, it is the scale.
      skewness: default 0.
      tailweight: positive; default 1.
      distribution: of each number of z; default the standard normal distribution.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      ValueError: nothing says how long vectors are.
    """

    def __init__(
        self,
        loc: Any = None,
        scale_diag: Any = None,
        scale_identity_multiplier: Any = None,
        skewness: Any = None,
        tailweight: Any = None,
        distribution: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "MultivariateNormalLinearOperator",
    ) -> None:
        parameters = dict(locals())
        parts = [loc, scale_diag, scale_identity_multiplier, skewness, tailweight]
        with name_scope(name, values=parts) as scope:
            loc = None if loc is None else convert_to_tensor(loc, name="loc")
            self._linear = scale = make_scale(loc, scale_identity_multiplier, scale_diag, None)
            dtype = scale.dtype
            self._tailweight = convert_to_tensor(
                1.0 if tailweight is None else tailweight, dtype, "tailweight"
            )
            self._skewness = convert_to_tensor(0.0 if skewness is None else skewness, dtype, "skewness")
            if distribution is None:
                zero, one = (convert_to_tensor(v, dtype) for v in (0.0, 1.0))
                distribution = Normal(zero, one, allow_nan_stats=allow_nan_stats)
            plain = skewed.SinhArcsinh(zeros_like(self._skewness), self._tailweight)
            c = convert_to_tensor(2.0, dtype) / plain.forward(convert_to_tensor(2.0, dtype))
            affine = vectors.Affine(shift=loc, scale_diag=c * scale.diag_part(), validate_args=validate_args)
            shaped = skewed.SinhArcsinh(self._skewness, self._tailweight)
            batch = scale.batch_shape_tensor()
            for x in (loc, self._skewness, self._tailweight):
                if x is not None and x.dims and len(x.dims) > 1:
                    batch = raw.BroadcastArgs(batch, raw.Shape(x)[:-1])
            super().__init__(
                distribution,
                composed.Chain([affine, shaped]),
                batch_shape=batch,
                event_shape=raw.Reshape(scale.range_dimension_tensor(), [1]),
                validate_args=validate_args,
                name=scope,
            )
        self._loc, self._parameters = loc, {k: v for k, v in parameters.items() if k != "__class__"}

    @property
    def loc(self) -> Tensor | None:
        """The place."""
        return self._loc

    @property
    def scale(self) -> Any:
        """The scale, a linear operator."""
        return self._linear

    @property
    def skewness(self) -> Tensor:
        """The skewness."""
        return self._skewness

    @property
    def tailweight(self) -> Tensor:
        """The weight of the tails."""
        return self._tailweight
