"""`tf.contrib.distributions.Kumaraswamy`: numbers in (0, 1), much like those of `Beta`."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.contributed.distributions.bijectors import elementwise
from millrace.contributed.distributions.transformed import TransformedDistribution
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.distributions.positive import mode_within
from millrace.lib.distributions.real import Uniform
from millrace.ops.array.fill import fill, ones_like, zeros_like
from millrace.ops.array.shape import shape
from millrace.ops.math.select import where


@public("contrib.distributions.Kumaraswamy")
class Kumaraswamy(TransformedDistribution):
    """The density a b x^(a - 1) (1 - x^a)^(b - 1).

    Args:
      concentration1: a, positive.
      concentration0: b, positive; both broadcast.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self,
        concentration1: Any = None,
        concentration0: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Kumaraswamy",
    ) -> None:
        with name_scope(name, values=[concentration1, concentration0]) as scope:
            self._a = convert_to_tensor(concentration1, name="concentration1")
            self._b = convert_to_tensor(concentration0, self._a.dtype, "concentration0")
            whole = self._a + self._b
            uniform = Uniform(zeros_like(whole), ones_like(whole), allow_nan_stats=allow_nan_stats)
            super().__init__(
                uniform,
                elementwise.Kumaraswamy(self._a, self._b, validate_args=validate_args),
                validate_args=validate_args,
                name=scope,
            )

    @property
    def concentration1(self) -> Tensor:
        """a."""
        return self._a

    @property
    def concentration0(self) -> Tensor:
        """b."""
        return self._b

    def _moment(self, n: int) -> Tensor:
        """The mean of x^n."""
        power = 1 + n / self._a
        log_beta = raw.Lgamma(power) + raw.Lgamma(self._b) - raw.Lgamma(power + self._b)
        return raw.Exp(raw.Log(self._b) + log_beta)

    def _mean(self) -> Tensor:
        return self._moment(1)

    def _variance(self) -> Tensor:
        return self._moment(2) - raw.Square(self._moment(1))

    def _entropy(self) -> Tensor:
        # The signs of the logarithms are those of 1.15.
        harmonic = raw.Digamma(self._b + 1.0) + float(np.euler_gamma)
        logs = raw.Log(self._a) + raw.Log(self._b)
        return (1 - 1 / self._a) + (1 - 1 / self._b) * harmonic + logs

    def _mode(self) -> Tensor:
        a, b = self._a, self._b
        mode = raw.Pow((a - 1) / (a * b - 1), 1 / a)
        if not self.allow_nan_stats:
            return mode_within(mode, a, b)
        inside = raw.LogicalAnd(raw.Greater(a, 1), raw.Greater(b, 1))
        return where(inside, mode, fill(shape(mode), convert_to_tensor(np.nan, mode.dtype)))
