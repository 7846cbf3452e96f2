"""Structural models: level, trend, periodic patterns and what is left, as one state space model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.contributed.timeseries.state_space.cycles import CycleStateSpaceModel, ResolutionCycleModel
from millrace.contributed.timeseries.state_space.ensembles import (
    StateSpaceCorrelatedFeaturesEnsemble,
    StateSpaceIndependentEnsemble,
)
from millrace.contributed.timeseries.state_space.level_trend import AdderStateSpaceModel
from millrace.contributed.timeseries.state_space.models import StateSpaceModelConfiguration
from millrace.contributed.timeseries.state_space.varma import VARMA
from millrace.core.public import public
from millrace.lib.variables.scope import variable_scope


def _for_each_feature(configuration: Any, make: Callable[[Any], Any]) -> Any:
    """Models of one feature each, with correlated noise, as one of all features."""
    alone = configuration._replace(num_features=1)
    members = []
    for feature in range(configuration.num_features):
        with variable_scope(f"feature{feature}"):
            members.append(make(alone))
    return StateSpaceCorrelatedFeaturesEnsemble(ensemble_members=members, configuration=configuration)


def _parts(
    configuration: Any,
    use_level_noise: bool,
    orders: tuple[int, int],
    periodicities: Any,
    cycle: Callable[[Any, Any], Any],
) -> list[Any]:
    """Level and trend, autoregression with a moving average, and a cycle for each period."""
    noiseless = configuration._replace(use_observation_noise=False)
    with variable_scope("adder"):
        parts = [
            _for_each_feature(
                noiseless, lambda alone: AdderStateSpaceModel(use_level_noise, configuration=alone)
            )
        ]
    with variable_scope("varma"):
        parts.append(VARMA(*orders, configuration=noiseless))
    for number, periodicity in enumerate(periodicities):
        with variable_scope(f"cycle{number}"):
            parts.append(_for_each_feature(noiseless, lambda alone, p=periodicity: cycle(p, alone)))
    return parts


def _listed(periodicities: Any) -> list[Any]:
    return list(periodicities) if isinstance(periodicities, list | tuple) else [periodicities]


@public("contrib.timeseries.python.timeseries.state_space_models.structural_ensemble.StructuralEnsemble")
class StructuralEnsemble(StateSpaceIndependentEnsemble):
    """The sum of a level with a trend, patterns with a value for each step, and a VARMA process.

    Args:
      periodicities: an integer or more, in steps.
      moving_average_order: see `VARMA`.
      autoregressive_order: see `VARMA`.
      use_level_noise: let the level drift by itself, too.
      configuration: a `StateSpaceModelConfiguration`.
    """

    def __init__(
        self,
        periodicities: Any,
        moving_average_order: int,
        autoregressive_order: int,
        use_level_noise: bool = True,
        configuration: Any = StateSpaceModelConfiguration(),  # noqa: B008
    ) -> None:
        parts = _parts(
            configuration,
            use_level_noise,
            (autoregressive_order, moving_average_order),
            _listed(periodicities),
            lambda periodicity, alone: CycleStateSpaceModel(periodicity, configuration=alone),
        )
        super().__init__(ensemble_members=parts, configuration=configuration)


@public(
    "contrib.timeseries.python.timeseries.state_space_models.structural_ensemble"
    ".MultiResolutionStructuralEnsemble"
)
class MultiResolutionStructuralEnsemble(StateSpaceIndependentEnsemble):
    """As `StructuralEnsemble`, with patterns of few values over periods of any length.

    Args:
      cycle_num_latent_values: how many values a pattern has, odd.
      moving_average_order: see `VARMA`.
      autoregressive_order: see `VARMA`.
      periodicities: a number or more, in steps; None for none.
      use_level_noise: let the level drift by itself, too.
      configuration: a `StateSpaceModelConfiguration`.
    """

    def __init__(
        self,
        cycle_num_latent_values: int,
        moving_average_order: int,
        autoregressive_order: int,
        periodicities: Any,
        use_level_noise: bool = True,
        configuration: Any = StateSpaceModelConfiguration(),  # noqa: B008
    ) -> None:
        def cycle(periodicity: Any, alone: Any) -> ResolutionCycleModel:
            return ResolutionCycleModel(cycle_num_latent_values, periodicity, configuration=alone)

        parts = _parts(
            configuration,
            use_level_noise,
            (autoregressive_order, moving_average_order),
            [] if periodicities is None else _listed(periodicities),
            cycle,
        )
        super().__init__(ensemble_members=parts, configuration=configuration)
