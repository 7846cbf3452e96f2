"""`tf.contrib.distributions`: distributions whose parameters are made positive by softplus."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.contributed.distributions.scalars import InverseGamma
from millrace.core.public import public
from millrace.lib.distributions.positive import Beta, Exponential, Gamma
from millrace.lib.distributions.real import Laplace, Normal, StudentT
from millrace.ops.math.elementwise import floor
from millrace.ops.nn.activation import softplus


@public("contrib.distributions.NormalWithSoftplusScale")
class NormalWithSoftplusScale(Normal):
    """`Normal` with softplus(scale)."""

    def __init__(
        self,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "NormalWithSoftplusScale",
    ) -> None:
        given = dict(locals())
        with name_scope(name, values=[scale]) as scope:
            super().__init__(
                loc, softplus(scale, name="softplus_scale"), validate_args, allow_nan_stats, scope
            )
        self._parameters = given


@public("contrib.distributions.LaplaceWithSoftplusScale")
class LaplaceWithSoftplusScale(Laplace):
    """`Laplace` with softplus(scale)."""

    def __init__(
        self,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "LaplaceWithSoftplusScale",
    ) -> None:
        given = dict(locals())
        with name_scope(name, values=[loc, scale]) as scope:
            super().__init__(
                loc, softplus(scale, name="softplus_scale"), validate_args, allow_nan_stats, scope
            )
        self._parameters = given


@public("contrib.distributions.StudentTWithAbsDfSoftplusScale")
class StudentTWithAbsDfSoftplusScale(StudentT):
    """`StudentT` with floor(|df|) and softplus(scale)."""

    def __init__(
        self,
        df: Any,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "StudentTWithAbsDfSoftplusScale",
    ) -> None:
        given = dict(locals())
        with name_scope(name, values=[df, scale]) as scope:
            df, scale = floor(raw.Abs(df)), softplus(scale, name="softplus_scale")
            super().__init__(df, loc, scale, validate_args, allow_nan_stats, scope)
        self._parameters = given


@public("contrib.distributions.GammaWithSoftplusConcentrationRate")
class GammaWithSoftplusConcentrationRate(Gamma):
    """`Gamma` with softplus(concentration) and softplus(rate)."""

    def __init__(
        self,
        concentration: Any,
        rate: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "GammaWithSoftplusConcentrationRate",
    ) -> None:
        given = dict(locals())
        with name_scope(name, values=[concentration, rate]) as scope:
            parts = (
                softplus(concentration, name="softplus_concentration"),
                softplus(rate, name="softplus_rate"),
            )
            super().__init__(*parts, validate_args, allow_nan_stats, scope)
        self._parameters = given


@public("contrib.distributions.BetaWithSoftplusConcentration")
class BetaWithSoftplusConcentration(Beta):
    """`Beta` with softplus of both concentrations."""

    def __init__(
        self,
        concentration1: Any,
        concentration0: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "BetaWithSoftplusConcentration",
    ) -> None:
        given = dict(locals())
        with name_scope(name, values=[concentration1, concentration0]) as scope:
            one = softplus(concentration1, name="softplus_concentration1")
            zero = softplus(concentration0, name="softplus_concentration0")
            super().__init__(one, zero, validate_args, allow_nan_stats, scope)
        self._parameters = given


@public("contrib.distributions.ExponentialWithSoftplusRate")
class ExponentialWithSoftplusRate(Exponential):
    """`Exponential` with softplus(rate)."""

    def __init__(
        self,
        rate: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "ExponentialWithSoftplusRate",
    ) -> None:
        given = dict(locals())
        with name_scope(name, values=[rate]) as scope:
            super().__init__(softplus(rate, name="softplus_rate"), validate_args, allow_nan_stats, scope)
        self._parameters = given


@public("contrib.distributions.InverseGammaWithSoftplusConcentrationRate")
class InverseGammaWithSoftplusConcentrationRate(InverseGamma):
    """`InverseGamma` with softplus(concentration) and softplus(rate)."""

    def __init__(
        self,
        concentration: Any,
        rate: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "InverseGammaWithSoftplusConcentrationRate",
    ) -> None:
        given = dict(locals())
        with name_scope(name, values=[concentration, rate]) as scope:
            parts = (
                softplus(concentration, name="softplus_concentration"),
                softplus(rate, name="softplus_rate"),
            )
            super().__init__(*parts, validate_args, allow_nan_stats, scope)
        self._parameters = given
