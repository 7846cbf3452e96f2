"""`tf.layers`: batch normalization."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.building.scopes import colocate_with, control_dependencies, name_scope
from millrace.building.static import static_value
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers import layer
from millrace.lib.layers.base import Layer, called
from millrace.lib.layers.core import ZEROS, chosen
from millrace.lib.layers.spec import InputSpec
from millrace.lib.math.reductions import reduce_mean
from millrace.lib.nn.moments import batch_normalization as nn_batch_normalization
from millrace.lib.nn.moments import fused_batch_norm
from millrace.lib.nn.moments import moments as nn_moments
from millrace.lib.variables.initializers import Ones
from millrace.lib.variables.moving_averages import assign_moving_average
from millrace.lib.variables.variable import Variable
from millrace.ops.array.fill import ones_like, zeros_like
from millrace.ops.math.elementwise import sqrt

ONES = Ones()
_HALVES = (dtypes.float16, dtypes.bfloat16)


class BatchNormalizationLayer(layer.SameShape):
    """Normalizes each channel with the batch's mean and variance, or the moving ones; then scales and shifts.

    While training, `updates` hold the operations that move the averages, also found in UPDATE_OPS.

    Args:
      axis: the channels' axis, or a list of axes.
      momentum: how much of the moving averages each step keeps.
      epsilon: added to the variance.
      center, scale: whether there are `beta`, which is added, and `gamma`, which multiplies.
      beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer: first values.
      beta_regularizer, gamma_regularizer: functions from a variable to a scalar loss.
      beta_constraint, gamma_constraint: functions that optimizers apply to a variable after each step.
      renorm: correct the batch's moments towards the moving ones while training (Batch Renormalization).
      renorm_clipping: bounds of the corrections: "rmin", "rmax", "dmax".
      renorm_momentum: how much of the averages for `renorm` each step keeps.
      fused: normalize in one operation; None: where the inputs have rank 4 and nothing else is asked for.
      trainable: whether `beta` and `gamma` are trained.
      virtual_batch_size: normalize parts of the batch of that size on their own.
      adjustment: a function from the inputs' shape to a scale and a bias used before `gamma` in training.
      name: of the layer and of its variables' scope; default "batch_normalization".
      **kwargs: see `tf.layers.Layer`.

    Raises:
      ValueError: arguments exclude each other.
    """

    def __init__(
        self,
        axis: Any = -1,
        momentum: Any = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = ZEROS,
        gamma_initializer: Any = ONES,
        moving_mean_initializer: Any = ZEROS,
        moving_variance_initializer: Any = ONES,
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: dict[str, Any] | None = None,
        renorm_momentum: Any = 0.99,
        fused: bool | None = None,
        trainable: bool = True,
        virtual_batch_size: int | None = None,
        adjustment: Callable[[Any], Any] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable, name, **kwargs)
        if not isinstance(axis, int | list | tuple):
            raise TypeError(f"axis must be an integer or a list of them. Received: {axis!r}")
        self.axis: Any = axis if isinstance(axis, int) else list(axis)  # a list once it is built
        self.momentum, self.epsilon = momentum, epsilon
        self.center, self.scale = center, scale
        self.beta_initializer, self.gamma_initializer = beta_initializer, gamma_initializer
        self.moving_mean_initializer = moving_mean_initializer
        self.moving_variance_initializer = moving_variance_initializer
        self.beta_regularizer, self.gamma_regularizer = beta_regularizer, gamma_regularizer
        self.beta_constraint, self.gamma_constraint = beta_constraint, gamma_constraint
        self.renorm, self.renorm_momentum = renorm, renorm_momentum
        self.renorm_clipping = dict(renorm_clipping or {})
        if set(self.renorm_clipping) - {"rmin", "rmax", "dmax"}:
            raise ValueError(f"renorm_clipping has the keys rmin, rmax, dmax. Received: {renorm_clipping}")
        self.fused, self.adjustment = fused, adjustment
        self.virtual_batch_size = virtual_batch_size
        self._excluded = {
            "renorm": renorm,
            "virtual_batch_size": virtual_batch_size is not None,
            "adjustment": adjustment is not None,
            "several axes": not isinstance(axis, int) and len(axis) > 1,
        }
        if fused and self._insists:
            self._refuse([k for k, v in self._excluded.items() if v])
        if virtual_batch_size is not None and (virtual_batch_size < 1 or adjustment is not None):
            raise ValueError(
                "virtual_batch_size is a positive integer that divides the batch, and excludes adjustment. "
                f"Received: {virtual_batch_size}, {adjustment}"
            )

    _insists = False  # whether fused=True must be possible: version 1 falls back

    def _refuse(self, found: list[str]) -> None:
        if found:
            raise ValueError(
                f"Layer {self.name}: fused=True excludes {', '.join(found)}. Received: fused=True"
            )

    # --- variables ------------------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Makes `gamma`, `beta` and the moving averages.

        Raises:
          ValueError: the rank or the number of channels is unknown, or the axes do not fit.
        """
        dims = shapes.as_dims(input_shape)
        if dims is None:
            raise ValueError(f"Layer {self.name}: the inputs have an undefined rank")
        rank = len(dims)
        given = [self.axis] if isinstance(self.axis, int) else self.axis
        axes = [a + rank if a < 0 else a for a in given]
        if not axes or len(set(axes)) != len(axes) or not all(0 <= a < rank for a in axes):
            raise ValueError(f"Layer {self.name}: invalid axis for rank {rank}. Received: {self.axis}")
        if any(dims[a] is None for a in axes):
            raise ValueError(
                f"Layer {self.name}: the inputs have an undefined dimension along axis {axes}. "
                f"Received: shape {shapes.format_dims(dims)}"
            )
        self.axis = axes
        self.input_spec = InputSpec(ndim=rank, axes={a: dims[a] for a in axes})
        if self.fused and self._insists:
            self._refuse([f"axis {a}" for a in axes if a not in (1, 3)] + [f"rank {rank}"] * (rank != 4))
        if self.fused is not False:
            self.fused = rank == 4 and not any(self._excluded.values()) and axes[0] in (1, 3)
        self._broadcast_shape = [dims[a] if a in axes else 1 for a in range(rank)]
        if self.virtual_batch_size is not None:
            self._broadcast_shape.insert(1, 1)
        flat = len(axes) == 1 and self.virtual_batch_size is None
        self._param_shape = [dims[axes[0]]] if flat else self._broadcast_shape
        self._make_variables()
        self.built = True

    def _make_variables(self) -> None:
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self._parameter(
                "gamma",
                self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
            )
        elif self.fused:
            self._unscaled = convert.to_tensor(np.ones(self._param_shape, np.float32))  # pyright: ignore[reportArgumentType, reportCallIssue]
        if self.center:
            self.beta = self._parameter(
                "beta",
                self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
            )
        elif self.fused:
            self._unmoved = convert.to_tensor(np.zeros(self._param_shape, np.float32))  # pyright: ignore[reportArgumentType, reportCallIssue]
        # Moving averages are whole even where a scope partitions its variables.
        with self._unpartitioned():
            self.moving_mean = self._average("moving_mean", self.moving_mean_initializer)
            self.moving_variance = self._average("moving_variance", self.moving_variance_initializer)
            if self.renorm:
                with colocate_with(self.moving_variance.op):
                    self.moving_stddev = self._average("moving_stddev", self._first_deviation)
                with colocate_with(self.moving_mean.op):
                    self.renorm_mean = self._average("renorm_mean", ZEROS)
                with colocate_with(self.moving_variance.op):
                    self.renorm_stddev = self._average("renorm_stddev", self._first_deviation)

    def _parameter(self, name: str, initializer: Any, **settings: Any) -> Any:
        own = dtypes.as_dtype(self._dtype or dtypes.float32)
        wide = dtypes.float32 if own in _HALVES else own.name
        return self.add_weight(
            name, self._param_shape, wide, initializer=initializer, experimental_autocast=False, **settings
        )

    def _average(self, name: str, initializer: Any) -> Any:
        return self._parameter(name, initializer, trainable=False)

    def _first_deviation(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        return raw.Sqrt(self.moving_variance_initializer(shape, dtype=dtype))

    # --- computing ------------------------------------------------------------------------------------------

    def call(self, inputs: Any, training: Any = False) -> Tensor:
        """The inputs, normalized.

        Args:
          inputs: `[...]`, floating.
          training: a bool or a scalar bool tensor: use the batch's moments and move the averages.
        """
        inputs = convert.to_tensor(inputs)
        if isinstance(training, Tensor | Variable):
            training = convert.to_tensor(training)
            known = static_value(training)
            training = training if known is None else bool(known)
        if self.fused:
            return self._fused(inputs, training)
        dtype = inputs.dtype.base_dtype
        wide = raw.Cast(inputs, DstT=dtypes.float32) if dtype in _HALVES else inputs
        if self.virtual_batch_size is not None:
            rest = [-1 if d is None else d for d in inputs.dims[1:]]
            wide = raw.Reshape(wide, [self.virtual_batch_size, -1, *rest])
        outputs = self._normalized(wide, training)
        if dtype in _HALVES:
            outputs = raw.Cast(outputs, DstT=dtype)
        if self.virtual_batch_size is not None:
            outputs = raw.Reshape(outputs, [-1, *rest])
        outputs.set_shape(inputs.dims)
        return outputs

    def _normalized(self, inputs: Tensor, training: Any) -> Tensor:
        scale, offset = self._spread(self.gamma), self._spread(self.beta)
        if self.adjustment is not None:
            factor, bias = self.adjustment(convert.shape_tensor(inputs))
            factor = _while_training(training, factor, ones_like)
            bias = _while_training(training, bias, zeros_like)
            scale, offset = _composed(factor, bias, scale, offset)
        if training is False:
            mean, variance = self.moving_mean, self.moving_variance
        else:
            mean, variance = self._batch_moments(inputs)
            mean = self._or_average(training, mean, self.moving_mean)
            variance = self._or_average(training, variance, self.moving_variance)
            whole = self._whole_batch(mean), self._whole_batch(variance)
            if self.renorm:
                factor, bias, whole = self._corrections(*whole, training)
                scale, offset = _composed(factor, bias, scale, offset)
            self._move(*whole, training)
        return nn_batch_normalization(
            inputs, self._spread(mean), self._spread(variance), offset, scale, self.epsilon
        )

    def _batch_moments(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """The batch's mean and variance, of the channels alone, or of each virtual batch."""
        shift_axis = 1 if self.virtual_batch_size is not None else 0
        kept = [a + shift_axis for a in self.axis] + [1] * shift_axis
        over = [a for a in range(len(inputs.dims)) if a not in kept]  # pyright: ignore[reportArgumentType]
        return self._moments(inputs, over, keepdims=len(self._param_shape) > 1)

    def _moments(self, inputs: Tensor, over: list[int], keepdims: bool) -> tuple[Tensor, Tensor]:
        return nn_moments(inputs, over, keepdims=keepdims)

    def _or_average(self, training: Any, moment: Tensor, average: Any) -> Tensor:
        """The batch's `moment` while training, else the moving one."""

        def moving() -> Tensor:
            if not self.virtual_batch_size:
                return average
            value = convert.to_tensor(average)
            with value.graph.counted_as(0):  # a shape for both branches, which TensorFlow does without
                return value + zeros_like(moment)

        return chosen(training, lambda: moment, moving)

    def _whole_batch(self, moment: Tensor) -> Tensor:
        """A moment in the shape of the moving averages: the mean of the virtual batches' ones."""
        return moment if self.virtual_batch_size is None else reduce_mean(moment, 1, keepdims=True)

    def _spread(self, vector: Any) -> Any:
        """A variable or moment in a shape that broadcasts with the inputs."""
        if vector is None or self._broadcast_shape[-1:] == self._param_shape or len(self._param_shape) > 1:
            return vector
        return raw.Reshape(vector, self._broadcast_shape)

    def _move(self, mean: Tensor, variance: Tensor, training: Any) -> None:
        """Adds the operations that move the averages towards a batch's moments."""
        momentum = self.momentum
        self.add_update(self._moved(self.moving_mean, mean, momentum, training))
        if not self.renorm:
            self.add_update(self._moved(self.moving_variance, variance, momentum, training))
            return

        def from_deviation() -> Any:
            # The deviation is what is averaged, with epsilon in it as when normalizing.
            deviation = self._assign(self.moving_stddev, raw.Sqrt(variance + self.epsilon), momentum)
            value = raw.Relu(deviation * deviation - self.epsilon)
            with name_scope("AssignNewValue") as scope:
                return self.moving_variance.assign(value, name=scope)

        self.add_update(chosen(training, from_deviation, lambda: self.moving_variance))

    def _moved(self, average: Any, value: Tensor, momentum: Any, training: Any) -> Any:
        """Moves an average; where a `training` tensor does not hold, it stays as it is."""
        return chosen(training, lambda: self._assign(average, value, momentum), lambda: average)

    def _assign(self, average: Any, value: Tensor, momentum: Any) -> Any:
        with colocate_with(average.op):
            return assign_moving_average(average, value, momentum, zero_debias=False)

    def _corrections(
        self, mean: Tensor, variance: Tensor, training: Any
    ) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
        """Batch Renormalization's scale and bias, constants to the gradient, and the moments that move the
        averages, behind the updates of its own ones.
        """
        deviation = raw.Sqrt(variance + self.epsilon)
        usual = raw.Maximum(self.renorm_stddev, sqrt(self.epsilon))
        scale = deviation / usual
        bias = (mean - self.renorm_mean) / usual
        # The averages move after they were used.
        with control_dependencies([scale, bias]):
            mean, deviation = raw.Identity(mean), raw.Identity(deviation)
        bounds = self.renorm_clipping
        if "rmin" in bounds:
            scale = raw.Maximum(scale, bounds["rmin"])
        if "rmax" in bounds:
            scale = raw.Minimum(scale, bounds["rmax"])
        if "dmax" in bounds:
            bias = raw.Minimum(raw.Maximum(bias, -bounds["dmax"]), bounds["dmax"])
        scale = _while_training(training, scale, ones_like)
        bias = _while_training(training, bias, zeros_like)
        moved = [
            self._renormed(*pair, training)
            for pair in ((self.renorm_mean, mean), (self.renorm_stddev, deviation))
        ]
        # Whoever moves the averages moves those for the corrections too.
        with control_dependencies(moved):
            whole = raw.Identity(mean), raw.Identity(variance)
        scale = self._spread(raw.StopGradient(scale, name="renorm_r"))
        return scale, self._spread(raw.StopGradient(bias, name="renorm_d")), whole

    def _renormed(self, average: Any, value: Tensor, training: Any) -> Any:
        value = raw.Identity(value)
        return chosen(
            training,
            lambda: self._assign(average, value, self.renorm_momentum),
            lambda: raw.Identity(average),
        )

    def _fused(self, inputs: Tensor, training: Any) -> Tensor:
        layout = "NCHW" if self.axis == [1] else "NHWC"
        scale = self._unscaled if self.gamma is None else self.gamma
        offset = self._unmoved if self.beta is None else self.beta

        def with_batch() -> Any:
            return fused_batch_norm(inputs, scale, offset, epsilon=self.epsilon, data_format=layout)

        def with_averages() -> Any:
            return fused_batch_norm(
                inputs,
                scale,
                offset,
                self.moving_mean,
                self.moving_variance,
                self.epsilon,
                layout,
                is_training=False,
            )

        outputs, mean, variance = chosen(training, with_batch, with_averages)
        if isinstance(training, Tensor):
            momentum = chosen(training, lambda: self.momentum, lambda: 1.0)
        else:
            momentum = convert.to_tensor(self.momentum)
        if training is not False:
            self.add_update(self._assign(self.moving_mean, mean, momentum))
            self.add_update(self._assign(self.moving_variance, variance, momentum))
        return outputs


def _while_training(training: Any, value: Tensor, otherwise: Callable[[Tensor], Tensor]) -> Tensor:
    """`value` while training, else what `otherwise` makes of it."""
    return chosen(training, lambda: value, lambda: otherwise(value))


def _composed(factor: Any, bias: Any, scale: Any, offset: Any) -> tuple[Any, Any]:
    """The scale and offset of: times `factor`, plus `bias`, times `scale`, plus `offset`."""
    if scale is not None:
        factor, bias = factor * scale, bias * scale
    return factor, bias if offset is None else bias + offset


@public("layers.BatchNormalization")
class BatchNormalization(BatchNormalizationLayer, Layer):
    """Normalizes each channel; arguments as for `tf.layers.batch_normalization`, but `training`."""


@public("layers.batch_normalization")
def batch_normalization(
    inputs: Any,
    axis: Any = -1,
    momentum: Any = 0.99,
    epsilon: float = 1e-3,
    center: bool = True,
    scale: bool = True,
    beta_initializer: Any = ZEROS,
    gamma_initializer: Any = ONES,
    moving_mean_initializer: Any = ZEROS,
    moving_variance_initializer: Any = ONES,
    beta_regularizer: Any = None,
    gamma_regularizer: Any = None,
    beta_constraint: Any = None,
    gamma_constraint: Any = None,
    training: Any = False,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
    renorm: bool = False,
    renorm_clipping: dict[str, Any] | None = None,
    renorm_momentum: Any = 0.99,
    fused: bool | None = None,
    virtual_batch_size: int | None = None,
    adjustment: Callable[[Any], Any] | None = None,
) -> Tensor:
    """Normalizes each channel; arguments as for `tf.layers.BatchNormalization`.

    While training, the operations in the collection UPDATE_OPS must run beside the step:

        with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
            train_op = optimizer.minimize(loss)

    Args:
      inputs: `[...]`, floating.
      training: a bool or a scalar bool tensor: use the batch's moments and move the averages.
      reuse: whether to use the variables of an earlier layer of the same name.

    Returns:
      The shape and dtype of `inputs`.

    Raises:
      ValueError: the number of channels is unknown, or arguments exclude each other.
    """
    given = {k: v for k, v in locals().items() if k != "training"}
    return called(BatchNormalization, given, training=training)
