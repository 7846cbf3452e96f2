"""`tf.contrib.distributions`: distributions of a value that never changes."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import control_dependencies, name_scope
from millrace.contributed.distributions.scalars import Numbers
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.distributions.base import NOT_REPARAMETERIZED
from millrace.lib.flow.control_flow import with_dependencies
from millrace.lib.math.checks import assert_equal, assert_non_negative, assert_rank_at_least
from millrace.lib.math.reductions import reduce_all
from millrace.ops.array.constant import zeros
from millrace.ops.array.fill import ones_like, zeros_like
from millrace.ops.array.shape import rank as rank_of
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.tile import tile
from millrace.ops.math.elementwise import log


class Certain(Numbers):
    """What the distributions of one value share."""

    def _exact(self, given: dict[str, Any], is_vector: bool = False) -> None:
        loc, atol, rtol = given["loc"], given["atol"], given["rtol"]
        with name_scope(given["name"], values=[loc, atol, rtol]) as scope:
            loc = convert_to_tensor(loc, name="loc")
            if is_vector and given["validate_args"]:
                loc = _checked_vectors(loc)
            self._named = {"loc": loc}
            self._finish(given, NOT_REPARAMETERIZED, scope)
            self._atol, self._rtol = self._tolerance(atol), self._tolerance(rtol)
            self._slack = self._atol if rtol is None else self._atol + self._rtol * raw.Abs(loc)

    def _tolerance(self, tol: Any) -> Tensor:
        if tol is None:
            return convert_to_tensor(0, self.dtype.base_dtype)
        tol = convert_to_tensor(tol, self.dtype.base_dtype)
        if not self.validate_args:
            return tol
        told = "Argument 'tol' must be non-negative"
        return with_dependencies([assert_non_negative(tol, message=told)], tol)

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

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        rank = self.loc.shape.ndims
        if rank is None or isinstance(n, Tensor):
            times = raw.ConcatV2([[n], ones_like(shape_of(self.loc))], 0, name="concat")
        else:
            convert_to_tensor(n)  # default seeds count it
            times = [n] + [1] * rank
        return tile(self.loc[None, ...], times)

    def _entropy(self) -> Tensor:
        return zeros(self.batch_shape_tensor(), self.dtype.base_dtype)

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

    def _prob(self, x: Tensor) -> Tensor:
        return raw.Cast(raw.Abs(x - self.loc) <= self._slack, DstT=self.dtype.base_dtype)

    def _cdf(self, x: Tensor) -> Tensor:
        return raw.Cast(x >= self.loc - self._slack, DstT=self.dtype.base_dtype)


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
        self._exact(dict(locals()), is_vector=True)

    def _batch_shape_tensor(self) -> Tensor:
        return raw.Shape(self.loc)[:-1]

    def _batch_shape(self) -> Any:
        return self.loc.shape[:-1]

    def _event_shape_tensor(self) -> Tensor:
        return raw.Shape(self.loc)[-1:]

    def _event_shape(self) -> Any:
        return self.loc.shape[-1:]

    def _prob(self, x: Tensor) -> Tensor:
        if self.validate_args:
            is_vector = assert_rank_at_least(x, 1)
            told = "Argument 'x' has vectors of another length than this distribution"
            length = raw.GatherV2(shape_of(x), rank_of(x) - 1, 0)
            same = assert_equal(self.event_shape_tensor(), length, message=told)
            with control_dependencies([is_vector, same]):
                x = raw.Identity(x)
        near = reduce_all(raw.Abs(x - self.loc) <= self._slack, -1)
        return raw.Cast(near, DstT=self.dtype.base_dtype)

    def _log_prob(self, x: Tensor) -> Tensor:
        return log(self._prob(x))


def _checked_vectors(loc: Tensor) -> Tensor:
    """`loc`, which must have a dimension of vectors; ValueError, or InvalidArgumentError when run."""
    told = "Argument loc must be at least rank 1."
    if loc.shape.ndims is None:
        return with_dependencies([assert_rank_at_least(loc, 1, message=told)], loc)
    if loc.shape.ndims < 1:
        raise ValueError(f"{told} Received: {loc}")
    return loc
