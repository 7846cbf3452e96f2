"""Convolutions with a kernel of its own at each place."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.core import shapes
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.lib.layers import constraints, penalties, settings
from millrace.lib.layers.core import data_format_of
from millrace.lib.layers.pooling import output_length, padding_of, sizes_of
from millrace.lib.layers.spec import InputSpec
from millrace.lib.math.reductions import reduce_prod
from millrace.lib.variables import keras_initializers
from millrace.models.keras import activations
from millrace.models.keras.backend import convolutions, products
from millrace.models.keras.engine.layer import Layer
from millrace.models.keras.layers.core import weight_settings
from millrace.ops.array.reshape import reshape, transpose
from millrace.ops.array.shape import shape as shape_of


class _Local(Layer):
    """A kernel of its own at each place.

    Args:
      filters: how many channels the outputs have.
      kernel_size, strides: the window and its steps.
      padding: "valid", or "same" where `implementation` is not 1.
      data_format: the layout.
      activation, use_bias: as for `Dense`.
      kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer: of the weights.
      activity_regularizer, kernel_constraint, bias_constraint: likewise.
      implementation: 1 computes place by place, 2 with one matrix, mostly zeros, 3 with a sparse one.
      **kwargs: as for `Layer`.

    Raises:
      ValueError: an argument is out of range.
    """

    rank: int

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        implementation: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = filters
        self.kernel_size = sizes_of(kernel_size, self.rank, "kernel_size")
        self.strides = sizes_of(strides, self.rank, "strides")
        self.padding = padding_of(padding)
        if self.padding != "valid" and implementation == 1:
            raise ValueError(
                f"Invalid border mode for {type(self).__name__} (only 'valid' is supported if implementation "
                f"is 1): {padding}"
            )
        if implementation not in (1, 2, 3):
            raise ValueError(f"Unrecognized implementation mode: {implementation}.")
        found = settings.image_data_format() if data_format is None else data_format
        self.data_format = data_format_of(found)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras_initializers.get(kernel_initializer)
        self.bias_initializer = keras_initializers.get(bias_initializer)
        self.kernel_regularizer = penalties.get(kernel_regularizer)
        self.bias_regularizer = penalties.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.implementation = implementation
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _first(self) -> bool:
        return self.data_format == "channels_first"

    def _split(self, dims: Any) -> tuple[Any, list[Any]]:
        """The number of channels and the spatial lengths."""
        found = list(dims)
        return (found[1], found[2:]) if self._first else (found[-1], found[1:-1])

    def _places(self, lengths: Any) -> list[Any]:
        return [
            output_length(n, k, self.padding, s)
            for n, k, s in zip(lengths, self.kernel_size, self.strides, strict=True)
        ]

    def build(self, input_shape: Any) -> None:
        """Makes the kernels and the bias.

        Raises:
          ValueError: a length of the inputs is unknown.
        """
        dims: tuple[Any, ...] = shapes.as_dims(input_shape) or ()
        depth, lengths = self._split(dims)
        if depth is None or None in lengths:
            raise ValueError(
                "The spatial dimensions and the channels of the inputs to a locally connected layer should "
                f"be fully-defined, but layer received the inputs shape {tuple(dims)}"
            )
        self._lengths, self._depth = lengths, depth
        self._output = self._places(lengths)
        if self.implementation == 1:
            window = int(np.prod(self.kernel_size))
            shape = [int(np.prod(self._output)), window * depth, self.filters]
        elif self.implementation == 2:
            shape = self._dense_shape()
            self._mask = self._dense_mask()
        else:
            self._sparse_places = self._places_of_weights()
            shape = [len(self._sparse_places)]
        self.kernel = self.add_weight(
            shape=shape,
            initializer=self.kernel_initializer,
            name="kernel",
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                shape=[*self._output, self.filters],
                initializer=self.bias_initializer,
                name="bias",
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        axis = 1 if self._first else -1
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: depth})
        self.built = True

    def _dense_shape(self) -> list[int]:
        if self._first:
            return [self._depth, *self._lengths, self.filters, *self._output]
        return [*self._lengths, self._depth, *self._output, self.filters]

    def _dense_mask(self) -> np.ndarray:
        """1 where an input lies in an output's window."""
        found = np.ones(())
        for n, m, k, s in zip(self._lengths, self._output, self.kernel_size, self.strides, strict=True):
            offset = k // 2 if self.padding == "same" else 0
            place = np.arange(n)[:, None] - (np.arange(m)[None, :] * s - offset)
            mask = ((place >= 0) & (place < k)).astype(float)
            found = np.multiply.outer(found, mask)
        rank = self.rank
        order = [2 * i for i in range(rank)] + [2 * i + 1 for i in range(rank)]
        whole = np.transpose(found, order)
        if self._first:
            return whole.reshape([1, *self._lengths, 1, *self._output])
        return whole.reshape([*self._lengths, 1, *self._output, 1])

    def call(self, inputs: Any) -> Any:
        """The outputs."""
        if self.implementation == 1:
            outputs = convolutions.locally(
                inputs, self.kernel, self.kernel_size, self.strides, tuple(self._output), self.data_format
            )
        else:
            flat = reshape(inputs, [shape_of(inputs)[0], int(np.prod([self._depth, *self._lengths]))])
            flat = self._masked_product(flat) if self.implementation == 2 else self._sparse_product(flat)
            shape = [self.filters, *self._output] if self._first else [*self._output, self.filters]
            outputs = reshape(flat, [shape_of(flat)[0], *shape])
        if self.bias is not None:
            outputs = products.bias_add(outputs, self.bias, data_format=self.data_format)
        return self.activation(outputs)

    def _masked_product(self, flat: Any) -> Any:
        kernel = self._mask.astype(self.kernel.dtype.as_numpy_dtype) * self.kernel
        dims = shape_of(kernel)
        rows, columns = dims[: self.rank + 1], dims[self.rank + 1 :]
        kernel = reshape(kernel, [reduce_prod(rows), reduce_prod(columns)])
        return raw.SparseMatMul(flat, kernel, b_is_sparse=True)

    def _sparse_product(self, flat: Any) -> Any:
        dims = self._dense_shape()
        sizes = [int(np.prod(part)) for part in (dims[self.rank + 1 :], dims[: self.rank + 1])]
        return transpose(
            raw.SparseTensorDenseMatMul(self._sparse_places, self.kernel, sizes, flat, adjoint_b=True)
        )

    def _places_of_weights(self) -> np.ndarray:
        """Row (of the flat outputs) and column (of the flat inputs) of each weight, in order."""
        whole = np.broadcast_to(self._dense_mask(), self._dense_shape())
        rows = whole.reshape([self._depth * int(np.prod(self._lengths)), -1])
        return np.argwhere(rows.T)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs for inputs of shape `input_shape`."""
        dims: tuple[Any, ...] = shapes.as_dims(input_shape) or ()
        found = self._places(self._split(dims)[1])
        return TensorShape(
            [dims[0], self.filters, *found] if self._first else [dims[0], *found, self.filters]
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **weight_settings(self, ("kernel", "bias")),
            "implementation": self.implementation,
        }


@public("keras.layers.LocallyConnected1D")
class LocallyConnected1D(_Local):
    """Along one axis, `[batch, length, channels]`, with a kernel of its own at each place."""

    rank = 1


@public("keras.layers.LocallyConnected2D")
class LocallyConnected2D(_Local):
    """Over images, `[batch, height, width, channels]`, with a kernel of its own at each place."""

    rank = 2
