"""`tf.layers`: dense, dropout and flatten."""

from __future__ import annotations

import math
from typing import Any

from millrace.building import convert, raw
from millrace.building.sparse_tensor import SparseTensor
from millrace.building.static import static_value
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond
from millrace.lib.layers import layer
from millrace.lib.layers.base import Layer, activation_of, called
from millrace.lib.layers.spec import InputSpec
from millrace.lib.math.contraction import tensordot
from millrace.lib.nn.functions import dropout as nn_dropout
from millrace.lib.variables.initializers import Zeros
from millrace.lib.variables.variable import Variable
from millrace.ops.array.reshape import transpose
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.nn.bias import bias_add
from millrace.ops.sparse.dense import sparse_tensor_dense_matmul

ZEROS = Zeros()


def chosen(condition: Any, if_true: Any, if_false: Any) -> Any:
    """What one of two functions returns; the other is not called where `condition` is known while building.

    Args:
      condition: a bool, an integer or a scalar bool tensor.
      if_true, if_false: functions of no arguments.
    """
    if isinstance(condition, Tensor | Variable):
        tensor = convert.to_tensor(condition)
        value = static_value(tensor)
        if value is None:
            return cond(tensor, if_true, if_false)
        condition = bool(value)
    return if_true() if condition else if_false()


class DenseLayer(layer.Layer):
    """outputs = activation(inputs @ kernel + bias), over the last axis.

    Args:
      units: the length of the outputs' last axis.
      activation: a function of a tensor; None for none.
      use_bias: whether there is a bias.
      kernel_initializer, bias_initializer: first values of the variables `kernel`, `[last, units]`, and
        `bias`, `[units]`.
      kernel_regularizer, bias_regularizer: functions from a variable to a scalar loss.
      activity_regularizer: a function from the outputs to a scalar loss.
      kernel_constraint, bias_constraint: functions that optimizers apply to a variable after each step.
      trainable: whether the variables are trained.
      name: of the layer and of its variables' scope; default "dense".
      **kwargs: `dtype`, see `tf.layers.Layer`.
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = ZEROS,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable, name, activity_regularizer=activity_regularizer, **kwargs)
        self.units = int(units)
        self.activation = activation_of(activation)
        self.use_bias = use_bias
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer
        self.kernel_constraint, self.bias_constraint = kernel_constraint, bias_constraint
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: Any) -> None:
        """Makes `kernel` and `bias`.

        Raises:
          ValueError: the inputs' last dimension is unknown.
        """
        dtype = dtypes.as_dtype(self.dtype or dtypes.float32)
        if not (dtype.is_floating or dtype.is_complex):
            raise TypeError(
                f"Layer {self.name}: `Dense` takes floating-point numbers. Received: {dtype.name}"
            )
        dims = shapes.as_dims(input_shape)
        depth = dims[-1] if dims else None
        if depth is None:
            raise ValueError(
                f"Layer {self.name}: the last dimension of the inputs to `Dense` should be defined. "
                f"Received: shape {shapes.format_dims(dims)}"
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: depth})
        self.kernel = self.add_weight(
            "kernel",
            [depth, self.units],
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                [self.units],
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True

    def call(self, inputs: Any) -> Tensor:
        """The outputs: the shape of `inputs`, with `units` in place of its last dimension."""
        if isinstance(inputs, SparseTensor) and len(shapes.as_dims(inputs.get_shape()) or ()) == 2:
            outputs = sparse_tensor_dense_matmul(inputs, self.kernel)
        elif len((inputs := convert.to_tensor(inputs)).dims or ()) > 2:
            outputs = tensordot(inputs, self.kernel, [[len(inputs.dims) - 1], [0]])
            outputs.set_shape([*inputs.dims[:-1], self.units])
        else:
            outputs = raw.MatMul(self._in_compute_dtype(inputs), self.kernel)
        if self.bias is not None:
            outputs = bias_add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def _in_compute_dtype(self, inputs: Tensor) -> Tensor:
        chosen = dtypes.as_dtype(self._compute_dtype or inputs.dtype)
        return inputs if inputs.dtype.base_dtype is chosen else raw.Cast(inputs, DstT=chosen)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs for inputs of shape `input_shape`."""
        return TensorShape([*(shapes.as_dims(input_shape) or ())[:-1], self.units])


@public("layers.Dense")
class Dense(DenseLayer, Layer):
    """activation(inputs @ kernel + bias), over the last axis; arguments as for `tf.layers.dense`."""


@public("layers.dense")
def dense(
    inputs: Any,
    units: int,
    activation: Any = None,
    use_bias: bool = True,
    kernel_initializer: Any = None,
    bias_initializer: Any = ZEROS,
    kernel_regularizer: Any = None,
    bias_regularizer: Any = None,
    activity_regularizer: Any = None,
    kernel_constraint: Any = None,
    bias_constraint: Any = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """activation(inputs @ kernel + bias), over the last axis; arguments as for `tf.layers.Dense`.

    Args:
      inputs: `[..., last]`, at least rank 2.
      reuse: whether to use the variables of an earlier layer of the same name.

    Returns:
      `[..., units]`.

    Raises:
      ValueError: the last dimension is unknown, or variables of that name exist and are not to be reused.

    Example:
      >>> x = tf.constant([[1.0, 2.0]])
      >>> y = tf.layers.dense(x, 3, kernel_initializer=tf.ones_initializer())
      >>> with tf.Session() as sess:
      ...     sess.run(tf.global_variables_initializer())
      ...     print(sess.run(y))
      [[3. 3. 3.]]
    """
    return called(Dense, locals())


class DropoutLayer(layer.SameShape):
    """Sets elements to zero at random while training and scales the others up.

    Args:
      rate: the probability that an element goes.
      noise_shape: int32, broadcasts with the inputs: elements that share a place in it live or die together.
      seed: the operation's seed.
      name: of the layer; default "dropout".
      **kwargs: see `tf.layers.Layer`.
    """

    def __init__(
        self,
        rate: Any = 0.5,
        noise_shape: Any = None,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.rate, self.noise_shape, self.seed = rate, noise_shape, seed

    def _noise(self, inputs: Any) -> Any:
        """What the noise of some inputs has for a shape, a None in it for theirs; None: theirs."""
        if self.noise_shape is None:
            return None
        sizes = shape_of(inputs)
        if isinstance(self.noise_shape, Tensor):
            return self.noise_shape
        return convert.to_tensor([sizes[i] if n is None else n for i, n in enumerate(self.noise_shape)])

    def call(self, inputs: Any, training: Any = False) -> Tensor:
        """`inputs` with elements dropped where `training`, a bool or a scalar bool tensor, holds."""
        return chosen(
            training,
            lambda: nn_dropout(inputs, noise_shape=self._noise(inputs), seed=self.seed, rate=self.rate),
            lambda: raw.Identity(inputs),
        )


@public("layers.Dropout")
class Dropout(DropoutLayer, Layer):
    """Sets elements to zero at random while training; arguments as for `tf.layers.dropout`."""


@public("layers.dropout")
def dropout(
    inputs: Any,
    rate: Any = 0.5,
    noise_shape: Any = None,
    seed: int | None = None,
    training: Any = False,
    name: str | None = None,
) -> Tensor:
    """Sets elements to zero at random where `training` holds and scales the others up.

    Args:
      inputs: `[...]`, floating.
      rate: the probability that an element goes.
      noise_shape: int32, broadcasts with `inputs`: elements that share a place in it live or die together.
      seed: the operation's seed.
      training: a bool or a scalar bool tensor.
      name: of the layer; default "dropout".

    Returns:
      The shape and dtype of `inputs`.
    """
    return Dropout(rate, noise_shape, seed, name)(inputs, training=training)


class FlattenLayer(layer.Layer):
    """Makes a vector of each element of the batch.

    Args:
      data_format: "channels_last"; "channels_first" moves the channels last first.
      **kwargs: see `tf.layers.Layer`.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = data_format_of(data_format or "channels_last")
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Tensor:
        """`[batch, the product of the other dimensions]`."""
        inputs = convert.to_tensor(inputs)
        rank = len(inputs.dims)
        if self.data_format == "channels_first" and rank > 2:
            inputs = transpose(inputs, [0, *range(2, rank), 1])
        batch, width = _flat(inputs.dims)
        outputs = raw.Reshape(inputs, [batch or raw.Shape(inputs)[0], -1])
        outputs.set_shape([batch, width])
        return outputs

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs for inputs of shape `input_shape`."""
        return TensorShape(_flat(shapes.as_dims(input_shape) or (None,)))


@public("layers.Flatten")
class Flatten(FlattenLayer, Layer):
    """Makes a vector of each element of the batch; arguments as for `tf.layers.flatten`."""


def _flat(dims: tuple[int | None, ...]) -> tuple[int | None, int | None]:
    width = None if None in dims[1:] else math.prod(dims[1:])  # type: ignore[arg-type]
    return dims[0], width


def data_format_of(data_format: str) -> str:
    """The layout, "channels_last" or "channels_first", in lower case.

    Raises:
      ValueError: it is neither.
    """
    if not isinstance(data_format, str):
        raise TypeError(f"The `data_format` argument must be a string. Received: {data_format!r}")
    found = data_format.lower()
    if found not in ("channels_last", "channels_first"):
        raise ValueError(
            f"The `data_format` argument must be channels_first or channels_last. Received: {data_format}"
        )
    return found


@public("layers.flatten")
def flatten(inputs: Any, name: str | None = None, data_format: str = "channels_last") -> Tensor:
    """Makes a vector of each element of the batch.

    Args:
      inputs: `[batch, ...]`.
      name: of the layer; default "flatten".
      data_format: "channels_last"; "channels_first" moves the channels last first.

    Returns:
      `[batch, the product of the other dimensions]`.

    Example:
      >>> print(tf.layers.flatten(tf.zeros([2, 4, 5])).shape)
      (2, 20)
    """
    return Flatten(data_format=data_format, name=name)(inputs)
