"""Estimators of series give TensorFlow 1.15.5's losses, evaluations and predictions."""

import json
from pathlib import Path

import numpy as np
import pytest

import millrace as tf
from contributed.timeseries import scenarios
from millrace.contributed.timeseries import estimators
from millrace.contributed.timeseries.state_space import cycles, level_trend, models, structural, varma

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())


def _check(found, expected, where):
    if isinstance(expected, dict):
        assert sorted(found) == sorted(expected), where
        for name in expected:
            _check(found[name], expected[name], f"{where} {name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for a, b in zip(found, expected, strict=True):
            _check(a, b, where)
    else:
        np.testing.assert_allclose(found, expected, 1e-4, 1e-5, err_msg=where)


class Parts:
    """The models and the regressor that the programs use."""

    StateSpaceRegressor = estimators.StateSpaceRegressor
    StateSpaceModelConfiguration = models.StateSpaceModelConfiguration
    AdderStateSpaceModel = level_trend.AdderStateSpaceModel
    CycleStateSpaceModel = cycles.CycleStateSpaceModel
    ResolutionCycleModel = cycles.ResolutionCycleModel
    StructuralEnsemble = structural.StructuralEnsemble
    VARMA = varma.VARMA


@pytest.mark.filterwarnings("ignore:An IndexedSlices becomes a dense tensor")  # of caches, as in TensorFlow
@pytest.mark.parametrize("name", sorted(set(scenarios.state_space(tf, Parts)) & set(GOLDEN)))
def test_state_space(name):
    _check(scenarios.state_space(tf, Parts)[name](), GOLDEN[name], name)


@pytest.mark.parametrize("name", sorted(scenarios.autoregressive(tf, estimators)))
def test_autoregressive(name):
    """Variables begin with the same bits, so losses of each step are the same within rounding."""
    _check(scenarios.autoregressive(tf, estimators)[name](), GOLDEN[name], name)
