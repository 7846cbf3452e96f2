"""`tf.contrib.distributions`: distributions of a value that never changes."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.contributed.distributions.scalars import Numbers
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.distributions.base import (
    NOT_REPARAMETERIZED,
    drawn_shape,
)
from millrace.lib.math.reductions import reduce_all
from millrace.ops.array.fill import zeros_like
from millrace.ops.math.elementwise import log


class Certain(Numbers):
    """What the distributions of one value share."""

    def _exact(self, given: dict[str, Any]) -> None:
        loc, atol, rtol = given["loc"], given["atol"], given["rtol"]
        with name_scope(given["name"], values=[loc, atol, rtol]) as scope:
            loc = convert_to_tensor(loc, name="loc")
            self._named = {"loc": loc}
            kind = loc.dtype.base_dtype
            self._atol, self._rtol = (convert_to_tensor(0 if t is None else t, kind) for t in (atol, rtol))
        self._finish(given, NOT_REPARAMETERIZED, scope)

    @property
    def loc(self) -> Tensor:
        """The only value."""
        return self._named["loc"]

    @property
    def atol(self) -> Tensor:
        """How far from it others count as it."""
        return self._atol

    @property
    def rtol(self) -> Tensor:
        """The same as a share of it."""
        return self._rtol

    def _slack(self) -> Tensor:
        return self._atol + self._rtol * raw.Abs(self.loc)

    def _mean(self) -> Tensor:
        return raw.Identity(self.loc)

    def _mode(self) -> Tensor:
        return raw.Identity(self.loc)

    def _variance(self) -> Tensor:
        return zeros_like(self.loc)


@public("contrib.distributions.Deterministic")
class Deterministic(Certain):
    """Always the same number.

    Args:
      loc: `[...]`: the number.
      atol, rtol: how far from it, absolute and as a share, another counts as it; default 0.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self,
        loc: Any,
        atol: Any = None,
        rtol: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Deterministic",
    ) -> None:
        self._exact(dict(locals()))

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        return raw.BroadcastTo(self.loc, drawn_shape(n, self.batch_shape_tensor()))

    def _prob(self, x: Tensor) -> Tensor:
        return raw.Cast(raw.Abs(x - self.loc) <= self._slack(), DstT=self.dtype.base_dtype)

    def _cdf(self, x: Tensor) -> Tensor:
        return raw.Cast(x >= self.loc - self._slack(), DstT=self.dtype.base_dtype)

    def _entropy(self) -> Tensor:
        return zeros_like(self.loc)


@public("contrib.distributions.VectorDeterministic")
class VectorDeterministic(Certain):
    """Always the same vector.

    Args:
      loc: `[..., n]`: the vector.
      atol, rtol: how far from it, absolute and as a share, another counts as it; default 0.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self,
        loc: Any,
        atol: Any = None,
        rtol: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "VectorDeterministic",
    ) -> None:
        self._exact(dict(locals()))

    def _batch_shape_tensor(self) -> Tensor:
        return raw.Shape(self.loc)[:-1]

    def _batch_shape(self) -> Any:
        return self.loc.shape[:-1]

    def _event_shape_tensor(self) -> Tensor:
        return raw.Shape(self.loc)[-1:]

    def _event_shape(self) -> Any:
        return self.loc.shape[-1:]

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        return raw.BroadcastTo(self.loc, drawn_shape(n, raw.Shape(self.loc)))

    def _prob(self, x: Tensor) -> Tensor:
        near = reduce_all(raw.Abs(x - self.loc) <= self._slack(), -1)
        return raw.Cast(near, DstT=self.dtype.base_dtype)

    def _log_prob(self, x: Tensor) -> Tensor:
        return log(self._prob(x))

    def _entropy(self) -> Tensor:
        return zeros_like(self.loc[..., 0])
