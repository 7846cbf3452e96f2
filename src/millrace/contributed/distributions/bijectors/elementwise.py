"""Bijectors of single numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.contributed.distributions.bijectors.base import Bijector
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.ops.array.fill import ones_like
from millrace.ops.math.elementwise import exp, expm1, log, log1p, sigmoid, sqrt, square
from millrace.ops.math.select import where
from millrace.ops.nn.activation import softplus


@public("contrib.distributions.softplus_inverse")
def softplus_inverse(x: Any, name: str | None = None) -> Tensor:
    """log(exp(x) - 1), without overflow."""
    with name_scope(name, "softplus_inverse", [x]):
        x = convert_to_tensor(x, name="x")
        limit = float(np.log(np.finfo(x.dtype.as_numpy_dtype).eps)) + 2.0
        small, large = raw.Less(x, np.exp(limit)), raw.Greater(x, -limit)
        safe = where(raw.LogicalOr(small, large), ones_like(x), x)
        usual = safe + log(-expm1(-safe))
        return where(small, log(x), where(large, x, usual))


class _Simple(Bijector):
    def __init__(self, validate_args: bool, name: str, constant: bool = False) -> None:
        super().__init__(
            forward_min_event_ndims=0, is_constant_jacobian=constant, validate_args=validate_args, name=name
        )


@public("contrib.distributions.bijectors.Identity")
class Identity(_Simple):
    """y = x."""

    def __init__(self, validate_args: bool = False, name: str = "identity") -> None:
        super().__init__(validate_args, name, True)

    def _forward(self, x: Tensor) -> Tensor:
        return x

    def _inverse(self, y: Tensor) -> Tensor:
        return y

    def _forward_log_det_jacobian(self, x: Tensor) -> Any:
        return convert_to_tensor(0.0, x.dtype.base_dtype)

    def _inverse_log_det_jacobian(self, y: Tensor) -> Any:
        return convert_to_tensor(0.0, y.dtype.base_dtype)


@public("contrib.distributions.bijectors.PowerTransform")
class PowerTransform(Bijector):
    """y = (1 + x power)^(1 / power); exp(x) where the power is 0.

    Raises:
      ValueError: the power is negative.
    """

    def __init__(
        self, power: float = 0.0, validate_args: bool = False, name: str = "power_transform"
    ) -> None:
        if power is None or power < 0:
            raise ValueError(f"`power` must be a non-negative TF constant. Received: {power}")
        self._power = power
        get_default_graph().count(1)  # a constant of the power, in 1.15
        super().__init__(forward_min_event_ndims=0, validate_args=validate_args, name=name)

    @property
    def power(self) -> float:
        """The power."""
        return self._power

    def _forward(self, x: Tensor) -> Tensor:
        return exp(x) if self._power == 0 else exp(log1p(x * self._power) / self._power)

    def _inverse(self, y: Tensor) -> Tensor:
        return log(y) if self._power == 0 else expm1(log(y) * self._power) / self._power

    def _inverse_log_det_jacobian(self, y: Tensor) -> Tensor:
        return (self._power - 1.0) * log(y)

    def _forward_log_det_jacobian(self, x: Tensor) -> Tensor:
        return x if self._power == 0 else (1.0 / self._power - 1.0) * log1p(x * self._power)


@public("contrib.distributions.bijectors.Exp")
class Exp(PowerTransform):
    """y = exp(x)."""

    def __init__(self, validate_args: bool = False, name: str = "exp") -> None:
        super().__init__(0.0, validate_args, name)


@public("contrib.distributions.bijectors.Softplus")
class Softplus(_Simple):
    """y = c log(1 + exp(x / c)), where c is the hinge softness, 1 by default."""

    def __init__(
        self, hinge_softness: Any = None, validate_args: bool = False, name: str = "softplus"
    ) -> None:
        self._softness = None if hinge_softness is None else convert_to_tensor(hinge_softness)
        super().__init__(validate_args, name)

    @property
    def hinge_softness(self) -> Tensor | None:
        """The hinge softness; None for 1."""
        return self._softness

    def _forward(self, x: Tensor) -> Tensor:
        return softplus(x) if self._softness is None else self._softness * softplus(x / self._softness)

    def _inverse(self, y: Tensor) -> Tensor:
        if self._softness is None:
            return softplus_inverse(y)
        return self._softness * softplus_inverse(y / self._softness)

    def _inverse_log_det_jacobian(self, y: Tensor) -> Tensor:
        return -log(-expm1(-(y if self._softness is None else y / self._softness)))

    def _forward_log_det_jacobian(self, x: Tensor) -> Tensor:
        return -softplus(-(x if self._softness is None else x / self._softness))


@public("contrib.distributions.bijectors.Sigmoid")
class Sigmoid(_Simple):
    """y = 1 / (1 + exp(-x))."""

    def __init__(self, validate_args: bool = False, name: str = "sigmoid") -> None:
        super().__init__(validate_args, name)

    def _forward(self, x: Tensor) -> Tensor:
        return sigmoid(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return log(y) - log1p(-y)

    def _inverse_log_det_jacobian(self, y: Tensor) -> Tensor:
        return -log(y) - log1p(-y)

    def _forward_log_det_jacobian(self, x: Tensor) -> Tensor:
        return -softplus(-x) - softplus(x)


@public("contrib.distributions.bijectors.Softsign")
class Softsign(_Simple):
    """y = x / (1 + |x|)."""

    def __init__(self, validate_args: bool = False, name: str = "softsign") -> None:
        super().__init__(validate_args, name)

    def _forward(self, x: Tensor) -> Tensor:
        return x / (1.0 + raw.Abs(x))

    def _inverse(self, y: Tensor) -> Tensor:
        return y / (1.0 - raw.Abs(y))

    def _forward_log_det_jacobian(self, x: Tensor) -> Tensor:
        return -2.0 * log1p(raw.Abs(x))

    def _inverse_log_det_jacobian(self, y: Tensor) -> Tensor:
        return -2.0 * log1p(-raw.Abs(y))


@public("contrib.distributions.bijectors.Square")
class Square(_Simple):
    """y = x², for x that is not negative."""

    def __init__(self, validate_args: bool = False, name: str = "square") -> None:
        super().__init__(validate_args, name)

    def _forward(self, x: Tensor) -> Tensor:
        return square(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return sqrt(y)

    def _forward_log_det_jacobian(self, x: Tensor) -> Tensor:
        return np.log(2.0) + log(x)


@public("contrib.distributions.bijectors.Gumbel")
class Gumbel(_Simple):
    """y = exp(-exp(-(x - loc) / scale))."""

    def __init__(
        self, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool = False, name: str = "gumbel"
    ) -> None:
        with name_scope(name, values=[loc, scale]):
            self._loc = convert_to_tensor(loc, name="loc")
            self._scale = convert_to_tensor(scale, name="scale")
        super().__init__(validate_args, name)

    @property
    def loc(self) -> Tensor:
        """The location."""
        return self._loc

    @property
    def scale(self) -> Tensor:
        """The scale."""
        return self._scale

    def _forward(self, x: Tensor) -> Tensor:
        return exp(-exp(-(x - self._loc) / self._scale))

    def _inverse(self, y: Tensor) -> Tensor:
        return self._loc - self._scale * log(-log(y))

    def _inverse_log_det_jacobian(self, y: Tensor) -> Tensor:
        return log(self._scale / (-log(y) * y))

    def _forward_log_det_jacobian(self, x: Tensor) -> Tensor:
        z = (x - self._loc) / self._scale
        return -z - exp(-z) - log(self._scale)


@public("contrib.distributions.bijectors.AffineScalar")
class AffineScalar(_Simple):
    """y = scale x + shift; either may be None."""

    def __init__(
        self, shift: Any = None, scale: Any = None, validate_args: bool = False, name: str = "affine_scalar"
    ) -> None:
        with name_scope(name, values=[scale, shift]):
            self._shift = None if shift is None else convert_to_tensor(shift, name="shift")
            self._scale = None if scale is None else convert_to_tensor(scale, name="scale")
        super().__init__(validate_args, name, True)

    @property
    def shift(self) -> Tensor | None:
        """What is added."""
        return self._shift

    @property
    def scale(self) -> Tensor | None:
        """What is multiplied by."""
        return self._scale

    def _forward(self, x: Tensor) -> Tensor:
        y = x if self._scale is None else x * self._scale
        return y if self._shift is None else y + self._shift

    def _inverse(self, y: Tensor) -> Tensor:
        x = y if self._shift is None else y - self._shift
        return x if self._scale is None else x / self._scale

    def _forward_log_det_jacobian(self, x: Tensor) -> Any:
        if self._scale is None:
            return convert_to_tensor(0.0, x.dtype.base_dtype)
        return log(raw.Abs(self._scale))


@public("contrib.distributions.bijectors.Kumaraswamy")
class Kumaraswamy(_Simple):
    """y = (1 - (1 - x)^(1 / b))^(1 / a), the quantile function of Kumaraswamy's distribution."""

    def __init__(
        self,
        concentration1: Any = None,
        concentration0: Any = None,
        validate_args: bool = False,
        name: str = "kumaraswamy",
    ) -> None:
        self._a = convert_to_tensor(concentration1, name="concentration1")
        self._b = convert_to_tensor(concentration0, name="concentration0")
        super().__init__(validate_args, name)

    @property
    def concentration1(self) -> Tensor:
        """The parameter a."""
        return self._a

    @property
    def concentration0(self) -> Tensor:
        """The parameter b."""
        return self._b

    def _forward(self, x: Tensor) -> Tensor:
        return exp(log1p(-exp(log1p(-x) / self._b)) / self._a)

    def _inverse(self, y: Tensor) -> Tensor:
        return exp(log1p(-((1 - y**self._a) ** self._b)))

    def _inverse_log_det_jacobian(self, y: Tensor) -> Tensor:
        inner = raw.Xlogy(self._b - 1.0, 1 - y**self._a)
        return log(self._a) + log(self._b) + raw.Xlogy(self._a - 1.0, y) + inner


@public("contrib.distributions.bijectors.AbsoluteValue")
class AbsoluteValue(_Simple):
    """y = |x|; `inverse` gives both, -y and y."""

    def __init__(self, validate_args: bool = False, name: str = "absolute_value") -> None:
        super().__init__(validate_args, name, True)

    def _forward(self, x: Tensor) -> Tensor:
        return raw.Abs(x)

    def _call_inverse(self, y: Any, name: str, **condition: Any) -> Any:
        with self._name_scope(name, [y]):
            y = self._argument(y, "y")
            return -y, y

    def _call_inverse_log_det_jacobian(self, y: Any, event_ndims: int, name: str, **condition: Any) -> Any:
        with self._name_scope(name, [y]):
            y = self._argument(y, "y")
            zero = convert_to_tensor(0.0, y.dtype.base_dtype)
            return zero, zero
