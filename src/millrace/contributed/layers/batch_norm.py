"""Batch normalization as `tf.contrib.layers` draws it itself: where its updates are not left in the usual
collection, where examples have weights, and of matrices.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.building.scopes import control_dependencies
from millrace.contributed.framework.variables import model_variable
from millrace.contributed.layers.outputs import channels_of, collections_of, finished, model_variable_getter
from millrace.core.dtypes import bfloat16, float16, float32
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.lib.layers.core import ZEROS, chosen
from millrace.lib.layers.normalization import ONES
from millrace.lib.nn.moments import batch_normalization, fused_batch_norm, moments, weighted_moments
from millrace.lib.variables.moving_averages import assign_moving_average
from millrace.lib.variables.scope import get_variable_scope, variable_scope


class BatchNormByHand:
    """One application of batch normalization; `outputs` is its result.

    Args:
      inputs: `[...]`, at least rank 2, floating; for `fused` rank 2 or 4.
      given: the arguments of `batch_norm` by name.
      fused: normalize in one operation.
    """

    def __init__(self, inputs: Tensor, given: dict[str, Any], fused: bool) -> None:
        self.given = given
        self.second = given["data_format"] == "NCHW"
        # What is not fused makes all its variables, also those of an unbiased average, the model's.
        getter = None if fused else model_variable_getter()
        with variable_scope(
            given["scope"], "BatchNorm", [inputs], reuse=given["reuse"], custom_getter=getter
        ) as found:
            flat = fused and len(inputs.dims or ()) == 2
            x = self._as_image(inputs) if flat else inputs
            self.weights = self._example_weights(x)
            self._make_variables(x, fused)
            outputs = self._fused(x) if fused else self._unfused(x)
            outputs.set_shape(x.dims)
            if flat:
                outputs = raw.Reshape(outputs, convert.shape_tensor(inputs))
            self.outputs = finished(outputs, found.name, given["outputs_collections"], given["activation_fn"])

    def _as_image(self, x: Tensor) -> Tensor:
        channels = channels_of(x)
        return raw.Reshape(x, [-1, channels, 1, 1] if self.second else [-1, 1, 1, channels])

    def _make_variables(self, x: Tensor, fused: bool) -> None:
        shape = [channels_of(x, 1 if self.second else -1)]
        dtype = float32 if x.dtype.base_dtype in (float16, bfloat16) else x.dtype.base_dtype
        given = self.given

        def made(name: str, initializer: Any, trainable: bool = False) -> Any:
            return model_variable(
                name,
                shape,
                dtype,
                (given["param_initializers"] or {}).get(name, initializer),
                # As in TensorFlow, `param_regularizers` are passed over where the operation is not fused.
                regularizer=(given["param_regularizers"] or {}).get(name) if fused else None,
                collections=collections_of(given["variables_collections"], name),
                trainable=trainable,
            )

        def filled(value: float) -> Any:
            return raw.Const(value=np.full(shape, value, dtype.np_dtype), dtype=dtype) if fused else None

        trainable = given["trainable"]
        self.beta = made("beta", ZEROS, trainable) if given["center"] else filled(0.0)
        self.gamma = made("gamma", ONES, trainable) if given["scale"] else filled(1.0)
        with variable_scope(get_variable_scope()):
            self.moving_mean = made("moving_mean", ZEROS)
            self.moving_variance = made("moving_variance", ONES)

    def _updates(self, mean: Tensor, variance: Tensor) -> list[Any]:
        decay, debias = self.given["decay"], self.given["zero_debias_moving_mean"]
        return [
            assign_moving_average(self.moving_mean, mean, decay, zero_debias=debias),
            assign_moving_average(self.moving_variance, variance, decay, zero_debias=False),
        ]

    def _collect(self, updates: Any) -> None:
        for update in updates:
            get_default_graph().add_to_collections(self.given["updates_collections"], update)

    def _fused(self, x: Tensor) -> Tensor:
        layout, epsilon = self.given["data_format"], self.given["epsilon"]
        averages = self.moving_mean, self.moving_variance

        def with_batch() -> Any:
            return fused_batch_norm(x, self.gamma, self.beta, epsilon=epsilon, data_format=layout)

        def with_averages() -> Any:
            return fused_batch_norm(
                x, self.gamma, self.beta, *averages, epsilon=epsilon, data_format=layout, is_training=False
            )

        training = self.given["is_training"]
        outputs, mean, variance = chosen(training, with_batch, with_averages)
        if training is False:
            return outputs
        if self.given["updates_collections"] is not None:
            self._collect(chosen(training, lambda: self._updates(mean, variance), lambda: list(averages)))
            return outputs

        def updated() -> Tensor:
            with control_dependencies(self._updates(mean, variance)):
                return raw.Identity(outputs)

        return chosen(training, updated, lambda: outputs)

    def _unfused(self, x: Tensor) -> Tensor:
        training = self.given["is_training"]
        averages = [self.moving_mean, self.moving_variance]
        mean, variance = averages
        if training is not False:
            mean, variance = self._moments(x)
        if training is not False and self.given["updates_collections"] is None:
            mean, variance = chosen(training, lambda: self._updated(mean, variance), lambda: averages)
        elif training is not False:
            both = chosen(
                training,
                lambda: [mean, variance, *self._updates(mean, variance)],
                lambda: [*averages, *averages],
            )
            mean, variance = both[:2]
            self._collect(both[2:])
        spread = self._spread(x)
        return batch_normalization(
            x, spread(mean), spread(variance), spread(self.beta), spread(self.gamma), self.given["epsilon"]
        )

    def _updated(self, mean: Tensor, variance: Tensor) -> list[Tensor]:
        with control_dependencies(self._updates(mean, variance)):
            return [raw.Identity(mean), raw.Identity(variance)]

    def _moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        rank = len(x.dims or ())
        over = [0, *range(2, rank)] if self.second else list(range(rank - 1))
        if self.weights is None:
            return moments(x, over)
        return weighted_moments(x, over, self.weights)

    def _example_weights(self, x: Tensor) -> Tensor | None:
        if self.given["batch_weights"] is None:
            return None
        weights = convert.to_tensor(self.given["batch_weights"], x.dtype.base_dtype)
        return raw.Reshape(weights, [-1, *[1] * (len(x.dims or ()) - 1)])

    def _spread(self, x: Tensor) -> Any:
        if not self.second:
            return lambda value: value
        shape = [1, channels_of(x, 1), *[1] * (len(x.dims or ()) - 2)]
        return lambda value: None if value is None else raw.Reshape(value, shape)
