"""How tensor processors' tables would be trained: `EmbeddingConfigSpec` and the parameters of optimizers."""

from __future__ import annotations

from typing import Any, NamedTuple

from millrace.core.public import public
from millrace.models.feature_columns.base import DenseColumn


class _Parameters:
    """What optimizers of tables share.

    Args:
      learning_rate: the rate.
      use_gradient_accumulation: whether gradients of a step are summed before they are applied.
      clip_weight_min, clip_weight_max: the bounds of the table's elements, or None.
    """

    def __init__(
        self,
        learning_rate: float,
        use_gradient_accumulation: bool,
        clip_weight_min: float | None,
        clip_weight_max: float | None,
    ) -> None:
        self.learning_rate = learning_rate
        self.use_gradient_accumulation = use_gradient_accumulation
        self.clip_weight_min, self.clip_weight_max = clip_weight_min, clip_weight_max


@public("tpu.experimental.AdagradParameters")
class AdagradParameters(_Parameters):
    """Adagrad for tables.

    Args:
      learning_rate: the rate.
      initial_accumulator: what the sums of squares begin with.
      use_gradient_accumulation: whether gradients of a step are summed before they are applied.
      clip_weight_min, clip_weight_max: the bounds of the table's elements, or None.

    Raises:
      ValueError: `initial_accumulator` is not positive.
    """

    def __init__(
        self,
        learning_rate: float,
        initial_accumulator: float = 0.1,
        use_gradient_accumulation: bool = True,
        clip_weight_min: float | None = None,
        clip_weight_max: float | None = None,
    ) -> None:
        super().__init__(learning_rate, use_gradient_accumulation, clip_weight_min, clip_weight_max)
        if initial_accumulator <= 0:
            raise ValueError(f"Adagrad initial_accumulator must be positive. Received: {initial_accumulator}")
        self.initial_accumulator = initial_accumulator


@public("tpu.experimental.AdamParameters")
class AdamParameters(_Parameters):
    """Adam for tables.

    Args:
      learning_rate: the rate.
      beta1, beta2: how much of the averages a step keeps.
      epsilon: added to the divisor.
      lazy_adam: whether rows that a step did not touch stay as they are.
      sum_inside_sqrt: whether `epsilon` is added below the root.
      use_gradient_accumulation: whether gradients of a step are summed before they are applied.
      clip_weight_min, clip_weight_max: the bounds of the table's elements, or None.

    Raises:
      ValueError: a number is out of its range, or gradients are not summed for Adam that is not lazy.
    """

    def __init__(
        self,
        learning_rate: float,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-08,
        lazy_adam: bool = True,
        sum_inside_sqrt: bool = True,
        use_gradient_accumulation: bool = True,
        clip_weight_min: float | None = None,
        clip_weight_max: float | None = None,
    ) -> None:
        super().__init__(learning_rate, use_gradient_accumulation, clip_weight_min, clip_weight_max)
        for name, value in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must be between 0. and 1; got {value}.")
        if epsilon <= 0:
            raise ValueError(f"epsilon must be positive; got {epsilon}.")
        if not use_gradient_accumulation and not lazy_adam:
            raise ValueError("When disabling Lazy Adam, gradient accumulation must be used.")
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.lazy_adam, self.sum_inside_sqrt = lazy_adam, sum_inside_sqrt


@public("tpu.experimental.StochasticGradientDescentParameters")
class StochasticGradientDescentParameters(_Parameters):
    """Gradient descent for tables.

    Args:
      learning_rate: the rate.
      clip_weight_min, clip_weight_max: the bounds of the table's elements, or None.
    """

    def __init__(
        self, learning_rate: float, clip_weight_min: float | None = None, clip_weight_max: float | None = None
    ) -> None:
        super().__init__(learning_rate, False, clip_weight_min, clip_weight_max)


class _Fields(NamedTuple):
    feature_columns: Any
    optimization_parameters: Any
    clipping_limit: float | None
    pipeline_execution_with_tensor_core: bool
    experimental_gradient_multiplier_fn: Any
    feature_to_config_dict: Any
    table_to_config_dict: Any
    partition_strategy: str


@public("estimator.tpu.experimental.EmbeddingConfigSpec")
class EmbeddingConfigSpec(_Fields):
    """Which tables tensor processors would hold, and how they would be trained; checked, and kept.

    Args:
      feature_columns: columns, those of `tf.tpu.experimental` among them.
      optimization_parameters: `AdagradParameters` or a relative.
      clipping_limit: the largest absolute value of a gradient, or None.
      pipeline_execution_with_tensor_core: whether look-ups run beside the step before.
      experimental_gradient_multiplier_fn: from the step to a factor of gradients.
      feature_to_config_dict, table_to_config_dict: features and tables by name, instead of columns.
      partition_strategy: "div" or "mod".

    Raises:
      ValueError: neither columns nor both dictionaries are given, or parameters or strategy are others.
    """

    __slots__ = ()

    def __new__(  # noqa: D102 - the class says it
        cls,
        feature_columns: Any = None,
        optimization_parameters: Any = None,
        clipping_limit: float | None = None,
        pipeline_execution_with_tensor_core: bool = False,
        experimental_gradient_multiplier_fn: Any = None,
        feature_to_config_dict: Any = None,
        table_to_config_dict: Any = None,
        partition_strategy: str = "div",
    ) -> EmbeddingConfigSpec:
        if not feature_columns and not (feature_to_config_dict and table_to_config_dict):
            raise ValueError(
                "Exactly one of `feature_columns` and the pair `feature_to_config_dict` and "
                "`table_to_config_dict` must be specified. "
                f"Received: {feature_columns}, {feature_to_config_dict}, {table_to_config_dict}"
            )
        if partition_strategy not in ("div", "mod"):
            raise ValueError(
                f'Invalid partition_strategy {partition_strategy}. Must be one of "mod" or "div".'
            )
        for column in feature_columns or ():
            if not isinstance(column, DenseColumn):
                raise TypeError(f"All feature columns must be dense. Received: {column!r}")
        if not isinstance(optimization_parameters, _Parameters):
            raise ValueError(
                "optimization_parameters must be an instance of AdagradParameters, AdamParameters or "
                f"StochasticGradientDescentParameters. Received: {optimization_parameters!r}"
            )
        return super().__new__(
            cls,
            feature_columns,
            optimization_parameters,
            clipping_limit,
            pipeline_execution_with_tensor_core,
            experimental_gradient_multiplier_fn,
            feature_to_config_dict,
            table_to_config_dict,
            partition_strategy,
        )
