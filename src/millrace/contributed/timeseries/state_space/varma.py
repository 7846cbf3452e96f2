"""Vector autoregression with a moving average, as a state space model."""

from __future__ import annotations

from typing import Any

from millrace.building import operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.contributed.timeseries.covariances import variable_covariance_matrix
from millrace.contributed.timeseries.state_space.models import StateSpaceModel, StateSpaceModelConfiguration
from millrace.core.public import public
from millrace.lib.math.array import eye
from millrace.lib.math.reductions import reduce_mean
from millrace.lib.variables.initializers import Zeros
from millrace.lib.variables.scope import get_variable, variable_scope
from millrace.ops.array.concat import concat
from millrace.ops.array.pad import pad
from millrace.ops.array.reshape import reshape
from millrace.ops.array.tile import tile
from millrace.ops.math.elementwise import log
from millrace.ops.math.select import maximum


@public("contrib.timeseries.python.timeseries.state_space_models.varma.VARMA")
class VARMA(StateSpaceModel):
    """Values as a linear function of those before them, and of the noise before.

    The state holds the values of as many steps as are needed.

    Args:
      autoregressive_order: of how many steps before the values count.
      moving_average_order: of how many steps before the noise counts.
      configuration: a `StateSpaceModelConfiguration`.
    """

    def __init__(
        self,
        autoregressive_order: int,
        moving_average_order: int,
        configuration: Any = StateSpaceModelConfiguration(),  # noqa: B008
    ) -> None:
        self.ar_order, self.ma_order = autoregressive_order, moving_average_order
        self.state_num_blocks = max(autoregressive_order, moving_average_order + 1)
        super().__init__(configuration=configuration)
        self.state_dimension = self.state_num_blocks * self.num_features

    def _define_parameters(self, observation_transition_tradeoff_log: Any = None) -> None:
        width = self.num_features
        with variable_scope(self._variable_scope):
            self.ar_coefs = get_variable(
                name="ar_coefs", shape=[width, width, self.ar_order], dtype=self.dtype, initializer=Zeros()
            )
            self.ma_coefs = get_variable(
                name="ma_coefs",
                initializer=tile(eye(width, dtype=self.dtype)[None, :, :], [self.ma_order, 1, 1]),
                dtype=self.dtype,
            )
        super()._define_parameters(observation_transition_tradeoff_log)

    def get_state_transition(self) -> Any:
        """The newest values follow from those before, which move one step on."""
        width = self.num_features
        missing = self.state_num_blocks - self.ar_order
        coefficients = pad(self.ar_coefs, [[0, 0], [0, 0], [0, missing]])
        newest = reshape(coefficients, [width, self.state_dimension])
        others = eye(self.state_dimension - width, dtype=self.dtype)
        return concat([newest, pad(others, [[0, 0], [0, width]])], axis=0)

    def get_noise_transform(self) -> Any:
        """New noise comes with the coefficients of the moving average."""
        width = self.num_features
        missing = self.state_num_blocks - self.ma_order - 1
        coefficients = pad(self.ma_coefs, [[missing, 0], [0, 0], [0, 0]])
        spread = reshape(coefficients, [(self.state_num_blocks - 1) * width, width], name="noise_transform")
        return concat([spread, eye(width, dtype=self.dtype)], axis=0)

    def get_state_transition_noise_covariance(self, minimum_initial_variance: float = 1e-5) -> Any:
        """The covariance of the noise of a step: large, because values vary by it alone."""
        if self._input_statistics is None:
            initial: Any = 0.0
        else:
            initial = log(maximum(reduce_mean(self._variance_ratio()), minimum_initial_variance))
        return variable_covariance_matrix(
            self.get_noise_transform().get_shape()[1].value,  # type: ignore[arg-type]
            "state_transition_noise",
            dtype=self.dtype,
            initial_overall_scale_log=initial,
        )

    def get_observation_model(self, times: Any) -> Any:
        """The newest values are seen; where the moving average is the longer part, with the newest noise."""
        del times
        seen = eye(self.num_features, dtype=self.dtype)
        rest = self.state_dimension - self.num_features
        newest = pad(seen, [[0, 0], [0, rest]], name="observation_model")
        if self.ar_order == self.state_num_blocks:
            return newest
        return newest + pad(seen, [[0, 0], [rest, 0]])
