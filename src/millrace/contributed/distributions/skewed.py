"""`tf.contrib.distributions.SinhArcsinh`: normal numbers, skewed and with other tails."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.contributed.distributions.bijectors import composed, elementwise, skewed
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
