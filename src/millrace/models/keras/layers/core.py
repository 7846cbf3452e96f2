"""Layers that models are full of: dense, activation, reshaping, dropout, functions."""

from __future__ import annotations

import base64
import builtins
import importlib
import marshal
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.core import nest, shapes
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.lib.layers import constraints, core, penalties, registry, settings
from millrace.lib.layers.spec import InputSpec
from millrace.lib.variables import keras_initializers
from millrace.models.keras import activations
from millrace.models.keras.backend import calculation
from millrace.models.keras.engine.layer import Layer
from millrace.ops.array.reshape import reshape, transpose
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.tile import tile
from millrace.ops.math.cast import cast


@public("keras.layers.Dense")
class Dense(core.DenseLayer):
    """outputs = activation(inputs @ kernel + bias), over the last axis.

    Args:
      units: the length of the outputs' last axis.
      activation: a name or a function; None for none.
      use_bias: whether there is a bias.
      kernel_initializer, bias_initializer: first values of `kernel`, `[last, units]`, and `bias`, `[units]`.
      kernel_regularizer, bias_regularizer: penalties of the weights.
      activity_regularizer: a penalty of the outputs.
      kernel_constraint, bias_constraint: what optimizers apply to a weight after each step.
      **kwargs: as for `Layer`.
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        if "input_shape" not in kwargs and "input_dim" in kwargs:
            kwargs["input_shape"] = (kwargs.pop("input_dim"),)
        super().__init__(
            units,
            activations.get(activation),
            use_bias,
            keras_initializers.get(kernel_initializer),
            keras_initializers.get(bias_initializer),
            penalties.get(kernel_regularizer),
            penalties.get(bias_regularizer),
            activity_regularizer,
            constraints.get(kernel_constraint),
            constraints.get(bias_constraint),
            **kwargs,
        )
        self.supports_masking = True

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **weight_settings(self, ("kernel", "bias")),
        }


def weight_settings(layer: Any, weights: tuple[str, ...]) -> dict[str, Any]:
    """A layer's initializers, regularizers and constraints as they are saved."""
    found: dict[str, Any] = {}
    for weight in weights:
        found[f"{weight}_initializer"] = keras_initializers.serialize(getattr(layer, f"{weight}_initializer"))
    for weight in weights:
        found[f"{weight}_regularizer"] = penalties.serialize(getattr(layer, f"{weight}_regularizer"))
    found["activity_regularizer"] = penalties.serialize(layer.activity_regularizer)
    for weight in weights:
        found[f"{weight}_constraint"] = constraints.serialize(getattr(layer, f"{weight}_constraint"))
    return found


@public("keras.layers.Activation")
class Activation(Layer):
    """An activation applied to the inputs.

    Args:
      activation: a name or a function.
      **kwargs: as for `Layer`.
    """

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.activation = activations.get(activation)

    def call(self, inputs: Any) -> Any:
        """The activation of the inputs."""
        return self.activation(inputs)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "activation": activations.serialize(self.activation)}


@public("keras.layers.Dropout")
class Dropout(core.DropoutLayer):
    """Sets elements to zero at random while training and scales the others up.

    Args:
      rate: the probability that an element goes.
      noise_shape: broadcasts with the inputs: elements that share a place in it live or die together.
      seed: of the random numbers.
      **kwargs: as for `Layer`.
    """

    def __init__(self, rate: Any, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, noise_shape, seed, **kwargs)
        self.supports_masking = True

    def _noise(self, inputs: Any) -> Any:
        if self.noise_shape is None:
            return None
        sizes = shape_of(inputs)
        return convert.to_tensor([sizes[i] if n is None else n for i, n in enumerate(self.noise_shape)])

    def call(self, inputs: Any, training: Any = None) -> Any:
        """The inputs with elements dropped while training."""
        return self.dropped(inputs, settings.learning_phase() if training is None else training)

    def dropped(self, inputs: Any, training: Any) -> Any:
        """The inputs with elements dropped where `training` holds."""
        return super().call(inputs, training)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        own = {"rate": self.rate, "noise_shape": self.noise_shape, "seed": self.seed}
        return {**super().get_config(), **own}


class _SpatialDropout(Dropout):
    """Drops whole channels."""

    rank: int

    def __init__(self, rate: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)
        found = settings.image_data_format() if data_format is None else data_format
        if found not in ("channels_last", "channels_first"):
            raise ValueError('data_format must be in {"channels_last", "channels_first"}')
        self.data_format = found
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _noise(self, inputs: Any) -> Any:
        sizes = shape_of(inputs)
        ones = [1] * self.rank
        if self.data_format == "channels_first":
            return [sizes[0], sizes[1], *ones]
        return [sizes[0], *ones, sizes[self.rank + 1]]


@public("keras.layers.SpatialDropout1D")
class SpatialDropout1D(_SpatialDropout):
    """Drops whole channels of `[batch, length, channels]`.

    Args:
      rate: the probability that a channel goes.
      **kwargs: as for `Layer`.
    """

    rank = 1

    def __init__(self, rate: Any, **kwargs: Any) -> None:
        super().__init__(rate, "channels_last", **kwargs)


@public("keras.layers.SpatialDropout2D")
class SpatialDropout2D(_SpatialDropout):
    """Drops whole channels of images.

    Args:
      rate: the probability that a channel goes.
      data_format: the layout; default `image_data_format()`.
      **kwargs: as for `Layer`.
    """

    rank = 2

    def __init__(self, rate: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(rate, data_format, **kwargs)


@public("keras.layers.SpatialDropout3D")
class SpatialDropout3D(_SpatialDropout):
    """Drops whole channels of volumes; arguments as for `SpatialDropout2D`."""

    rank = 3

    def __init__(self, rate: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(rate, data_format, **kwargs)


@public("keras.layers.Flatten")
class Flatten(core.FlattenLayer):
    """Makes a vector of each element of the batch.

    Args:
      data_format: the layout; "channels_first" moves the channels last first.
      **kwargs: as for `Layer`.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(settings.image_data_format() if data_format is None else data_format, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "data_format": self.data_format}


@public("keras.layers.Masking")
class Masking(Layer):
    """Masks time steps of which all features have a value.

    Args:
      mask_value: the value.
      **kwargs: as for `Layer`.
    """

    _makes_masks = True

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.mask_value = mask_value

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Where a time step counts."""
        return calculation.any(raw.NotEqual(inputs, self.mask_value), axis=-1)

    def call(self, inputs: Any) -> Any:
        """The inputs, zero where masked."""
        keep = calculation.any(raw.NotEqual(inputs, self.mask_value), axis=-1, keepdims=True)
        outputs = inputs * cast(keep, inputs.dtype)
        outputs._keras_mask = raw.Squeeze(keep, squeeze_dims=[-1])
        return outputs

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "mask_value": self.mask_value}


@public("keras.layers.Reshape")
class Reshape(Layer):
    """The elements of each element of the batch in another shape.

    Args:
      target_shape: the shape without the batch; one length may be -1.
      **kwargs: as for `Layer`.
    """

    def __init__(self, target_shape: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)

    def _lengths(self, dims: tuple[Any, ...]) -> list[Any]:
        found = list(self.target_shape)
        known = int(np.prod([d for d in found if d != -1], dtype=np.int64))
        unknown = [i for i, d in enumerate(found) if d == -1]
        message = f"total size of new array must be unchanged. Received: {dims} and {self.target_shape}"
        if len(unknown) > 1:
            raise ValueError("Can only specify one unknown dimension.")
        whole = int(np.prod(dims, dtype=np.int64))
        if unknown:
            if known == 0 or whole % known:
                raise ValueError(message)
            found[unknown[0]] = whole // known
        elif whole != known:
            raise ValueError(message)
        return found

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs for inputs of shape `input_shape`."""
        dims = tuple(shapes.as_dims(input_shape) or ())
        if None in dims[1:]:
            return TensorShape([dims[0], *[None if s == -1 else s for s in self.target_shape]])
        return TensorShape([dims[0], *self._lengths(dims[1:])])

    def call(self, inputs: Any) -> Any:
        """The inputs in the other shape."""
        return reshape(inputs, [shape_of(inputs)[0], *self.target_shape])

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "target_shape": self.target_shape}


@public("keras.layers.Permute")
class Permute(Layer):
    """The axes in another order.

    Args:
      dims: the axes, counted from 1, in their new order.
      **kwargs: as for `Layer`.

    Raises:
      ValueError: `dims` is not an order of the axes.
    """

    def __init__(self, dims: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(dims) != list(range(1, len(dims) + 1)):
            raise ValueError(
                f"Invalid permutation `dims` for Permute Layer: {dims}. The set of indices in `dims` must be "
                "consecutive and start from 1."
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs for inputs of shape `input_shape`."""
        found = shapes.as_dims(input_shape) or ()
        return TensorShape([found[0], *[found[d] for d in self.dims]])  # pyright: ignore[reportGeneralTypeIssues]

    def call(self, inputs: Any) -> Any:
        """The inputs with their axes in order."""
        return transpose(inputs, perm=(0, *self.dims))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "dims": self.dims}


@public("keras.layers.RepeatVector")
class RepeatVector(Layer):
    """`[batch, features]` repeated: `[batch, n, features]`.

    Args:
      n: how often.
      **kwargs: as for `Layer`.
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = n
        self.input_spec = InputSpec(ndim=2)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs for inputs of shape `input_shape`."""
        dims: tuple[Any, ...] = shapes.as_dims(input_shape) or ()
        return TensorShape([dims[0], self.n, dims[1]])

    def call(self, inputs: Any) -> Any:
        """The inputs repeated."""
        return tile(raw.ExpandDims(inputs, 1), convert.to_tensor([1, self.n, 1], name="stack"))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "n": self.n}


@public("keras.layers.ActivityRegularization")
class ActivityRegularization(Layer):
    """A penalty of the inputs, which pass unchanged.

    Args:
      l1, l2: factors of the magnitudes and of the squares.
      **kwargs: as for `Layer`.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=penalties.L1L2(l1=l1, l2=l2), **kwargs)
        self.supports_masking = True
        self.l1, self.l2 = l1, l2

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "l1": self.l1, "l2": self.l2}


@public("keras.layers.Lambda")
class Lambda(Layer):
    """A function as a layer.

    Args:
      function: of the inputs.
      output_shape: the outputs' shape without the batch, or a function from the inputs' shape to it.
      mask: the outputs' mask, or a function that makes it.
      arguments: more arguments of the function.
      **kwargs: as for `Layer`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.function = function
        self.arguments = arguments or {}
        self.mask = mask
        if mask is not None:
            self.supports_masking = True
        self._output_shape = output_shape
        names = _argument_names(function)
        self._expects_training = "training" in names
        self._expects_mask = "mask" in names
        self._takes = names

    def _remember_call_arguments(self) -> None:
        self._call_arguments = ["inputs", "mask", "training"]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs for inputs of shape `input_shape`.

        Raises:
          NotImplementedError: nobody said and the function tells nothing.
        """
        if self._output_shape is None:
            return self._inferred_shape(input_shape)
        if callable(self._output_shape):
            return TensorShape(self._output_shape(input_shape))
        dims = nest.flatten(input_shape)
        batch = dims[0] if not hasattr(input_shape, "dims_tuple") else input_shape[0].value
        return TensorShape([batch, *self._output_shape])

    def _inferred_shape(self, input_shape: Any) -> Any:
        from millrace.graph.graph import Graph
        from millrace.ops.array.constant import placeholder

        def made(shape: Any) -> Any:
            return placeholder(self._dtype or settings.floatx(), shape)

        with Graph().as_default():
            several = isinstance(input_shape, list) and not all(
                isinstance(d, int | None) for d in input_shape
            )
            inputs = [made(s) for s in input_shape] if several else made(input_shape)
            try:
                return nest.map_structure(lambda t: t.get_shape(), self.call(inputs))
            except Exception as error:
                raise NotImplementedError(
                    "We could not automatically infer the static shape of the Lambda's output. Please "
                    "specify the `output_shape` argument for this Lambda layer."
                ) from error

    def call(self, inputs: Any, mask: Any = None, training: Any = None) -> Any:
        """The function of the inputs."""
        arguments = dict(self.arguments)
        if "mask" in self._takes:
            arguments["mask"] = mask
        if "training" in self._takes:
            arguments["training"] = training
        return self.function(inputs, **arguments)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the outputs."""
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer; a lambda as its code."""
        function, kind, module = _described(self.function)
        shape, shape_kind, shape_module = _described(self._output_shape)
        return {
            **super().get_config(),
            "function": function,
            "module": module,
            "function_type": kind,
            "output_shape": shape,
            "output_shape_type": shape_kind,
            "output_shape_module": shape_module,
            "arguments": self.arguments,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """The layer that `get_config` describes."""
        config = dict(config)
        config["function"] = _function_of(config, "function", custom_objects)
        config["output_shape"] = _function_of(config, "output_shape", custom_objects)
        arguments = config.get("arguments")
        for key, value in (arguments or {}).items():
            if isinstance(value, dict) and value.get("type") == "ndarray":
                arguments[key] = np.array(value["value"])  # type: ignore[index]
        return cls(**config)


def _argument_names(function: Any) -> list[str]:
    code = getattr(function, "__code__", None)
    if code is None and not isinstance(function, type):
        code = getattr(getattr(type(function), "__call__"), "__code__", None)  # noqa: B004, B009
    return list(code.co_varnames[: code.co_argcount]) if code is not None else []


def _described(thing: Any) -> tuple[Any, str, Any]:
    if isinstance(thing, types.LambdaType) and thing.__name__ == "<lambda>":
        return _dumped(thing), "lambda", thing.__module__
    if callable(thing):
        return thing.__name__, "function", thing.__module__
    return thing, "raw", None


def _dumped(function: Any) -> tuple[str, Any, Any]:
    code = base64.encodebytes(marshal.dumps(function.__code__)).decode("ascii")
    cells = tuple(c.cell_contents for c in function.__closure__) if function.__closure__ else None
    return code, function.__defaults__, cells


def _function_of(config: dict[str, Any], what: str, custom_objects: Any) -> Any:
    kind = config.pop(f"{what}_type", "raw")
    module = config.pop("module" if what == "function" else f"{what}_module", None)
    given = config[what]
    if kind == "function":
        known = {}
        if module:
            try:
                known = vars(importlib.import_module(module))
            except ImportError:
                known = {}
        return registry.deserialize_keras_object(
            given, dict(known), custom_objects, "function in Lambda layer"
        )
    if kind == "lambda":
        return _loaded(given, module, custom_objects)
    return tuple(given) if isinstance(given, list) else given


def _loaded(given: Any, module: str | None, custom_objects: Any) -> Any:
    code, defaults, cells = given
    loaded = marshal.loads(base64.decodebytes(code.encode("ascii")))
    closure = tuple(types.CellType(c) for c in cells) if cells else None
    names: dict[str, Any] = {"__builtins__": builtins}
    if module:
        try:
            names = vars(importlib.import_module(module))
        except ImportError:
            names = {"__builtins__": builtins}
    if custom_objects:
        names = {**names, **custom_objects}
    return types.FunctionType(loaded, names, argdefs=tuple(defaults) if defaults else None, closure=closure)
