"""Models that are ready made: a linear one, and one of a linear and a deep one."""

from __future__ import annotations

from typing import Any

from millrace.core import nest
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.lib.layers import penalties, registry
from millrace.lib.variables import keras_initializers
from millrace.models.keras import activations
from millrace.models.keras.engine import tables
from millrace.models.keras.engine.model import Model
from millrace.models.keras.layers.core import Dense
from millrace.ops.nn.bias import bias_add


@public("keras.experimental.LinearModel")
class LinearModel(Model):
    """A weighted sum of the inputs, each with a kernel of its own.

    Args:
      units: how many sums.
      activation: what is applied to them.
      use_bias: whether a bias is added.
      kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer: of the weights.
      **kwargs: as for `Model`.
    """

    def __init__(
        self,
        units: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras_initializers.get(kernel_initializer)
        self.bias_initializer = keras_initializers.get(bias_initializer)
        self.kernel_regularizer = penalties.get(kernel_regularizer)
        self.bias_regularizer = penalties.get(bias_regularizer)

    def build(self, input_shape: Any) -> None:
        """Makes a layer for each input, and the bias.

        Args:
          input_shape: the shape of the input, or a list of shapes.

        Raises:
          ValueError: the inputs have names.
        """
        if isinstance(input_shape, dict):
            raise ValueError(
                "LinearModel takes a tensor or a list of tensors, not a dictionary. "
                f"Received: inputs named {sorted(input_shape)}"
            )
        self.dense_layers = []
        for shape in _shapes(input_shape):
            layer = Dense(
                self.units,
                use_bias=False,
                kernel_initializer=self.kernel_initializer,
                kernel_regularizer=self.kernel_regularizer,
                input_shape=tuple(shape)[1:],
            )
            self.dense_layers.append(layer)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                shape=self.units,
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                dtype=self.dtype,
                trainable=True,
            )

    def call(self, inputs: Any) -> Any:
        """The sums.

        Args:
          inputs: a tensor `[batch, features]`, or a list of such tensors, as many as the model was built for.
        """
        given = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        if len(given) != len(self.dense_layers):
            raise ValueError(f"{self.name}: it has {len(self.dense_layers)} inputs. Received: {len(given)}")
        result = None
        for layer, tensor in zip(self.dense_layers, given, strict=True):
            output = layer(tensor)
            result = output if result is None else result + output
        if self.bias is not None:
            result = bias_add(result, self.bias)
        return result if self.activation is None else self.activation(result)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal model."""
        return {
            **_own(self),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras_initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras_initializers.serialize(self.bias_initializer),
            "kernel_regularizer": penalties.serialize(self.kernel_regularizer),
            "bias_regularizer": penalties.serialize(self.bias_regularizer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """The model that `get_config` describes."""
        with registry.CustomObjectScope(custom_objects or {}):
            return cls(**config)


@public("keras.experimental.WideDeepModel")
class WideDeepModel(Model):
    """The mean of a linear model and a deep one.

    `compile` takes one optimizer for both, or a list of one for the linear and one for the deep model.

    Args:
      linear_model: of the wide features.
      dnn_model: of the deep ones.
      activation: what is applied to the mean.
      **kwargs: as for `Model`.
    """

    def __init__(self, linear_model: Any, dnn_model: Any, activation: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.linear_model = linear_model
        self.dnn_model = dnn_model
        self.activation = activations.get(activation)

    def call(self, inputs: Any) -> Any:
        """The mean of both models.

        Args:
          inputs: one tensor for both, or a pair: the linear model's inputs and the deep one's.

        Raises:
          ValueError: there are more.
        """
        wide = deep = inputs
        if isinstance(inputs, list | tuple):
            if len(inputs) != 2:
                raise ValueError(
                    f"{self.name} takes one input, or a pair: the linear model's and the deep model's. "
                    f"Received: {len(inputs)} inputs"
                )
            wide, deep = inputs
        means = nest.map_structure(lambda a, b: 0.5 * (a + b), self.linear_model(wide), self.dnn_model(deep))
        return means if self.activation is None else nest.map_structure(self.activation, means)

    def _training_updates(self) -> list[Any]:
        optimizers = self.optimizer if isinstance(self.optimizer, list) else [self.optimizer] * 2
        if len(optimizers) != 2:
            raise ValueError(
                f"{self.name} takes one optimizer, or one for the linear and one for the deep model. "
                f"Received: {len(optimizers)}"
            )
        found: list[Any] = []
        for optimizer, part in zip(optimizers, (self.linear_model, self.dnn_model), strict=True):
            found += optimizer.get_updates(self.total_loss, part.trainable_weights)
        return found

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal model."""
        return {
            **_own(self),
            "linear_model": registry.serialize_keras_object(self.linear_model),
            "dnn_model": registry.serialize_keras_object(self.dnn_model),
            "activation": activations.serialize(self.activation),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """The model that `get_config` describes."""
        config = dict(config)
        parts = [tables.deserialize(config.pop(key), custom_objects) for key in ("linear_model", "dnn_model")]
        return cls(*parts, **config)


def _own(model: Model) -> dict[str, Any]:
    return {"name": model.name, "trainable": model.trainable, "dtype": model.dtype}


def _shapes(input_shape: Any) -> list[Any]:
    """The shapes of the inputs, where one shape may stand alone."""
    alone = isinstance(input_shape, TensorShape) or all(d is None or isinstance(d, int) for d in input_shape)
    return [input_shape] if alone else list(input_shape)
