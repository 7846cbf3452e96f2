"""`Input`: where a model begins."""

from __future__ import annotations

from typing import Any

from millrace.core import shapes
from millrace.core.public import public
from millrace.lib.layers import settings
from millrace.lib.layers.layer import Layer
from millrace.lib.layers.node import Node, int_shape
from millrace.models.keras.backend import arrays


@public("keras.layers.InputLayer")
class InputLayer(Layer):
    """The layer that makes a model's input.

    Args:
      input_shape: the shape without the batch.
      batch_size: the batch's length; None for any.
      dtype: default `floatx()`, or that of `input_tensor`.
      input_tensor: use this tensor instead of a placeholder.
      sparse: make a SparseTensor.
      name: default "input_1", ...
      ragged: refused.
      **kwargs: `batch_input_shape`: the whole shape.

    Raises:
      ValueError: another keyword, or two shapes.
    """

    def __init__(
        self,
        input_shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        input_tensor: Any = None,
        sparse: bool = False,
        name: str | None = None,
        ragged: bool = False,
        **kwargs: Any,
    ) -> None:
        if "batch_input_shape" in kwargs:
            whole = kwargs.pop("batch_input_shape")
            if input_shape and whole:
                raise ValueError(
                    "Only provide the input_shape OR batch_input_shape argument to InputLayer, not both at "
                    "the same time."
                )
            batch_size, input_shape = (None, None) if whole is None else (whole[0], whole[1:])
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments: {list(kwargs)}")
        if not name:
            name = f"input_{settings.get_uid('input')}"
        if dtype is None:
            dtype = settings.floatx() if input_tensor is None else arrays.dtype(input_tensor)
        super().__init__(dtype=dtype, name=name)
        self.built, self.sparse, self.ragged = True, sparse, ragged
        self.batch_size = batch_size
        self.supports_masking = True
        if input_shape is not None:
            input_shape = tuple(shapes.as_dims(input_shape) or ())
        if input_tensor is None:
            whole = None if input_shape is None else (batch_size, *input_shape)
            self.is_placeholder = True
            input_tensor = arrays.placeholder(
                shape=whole, dtype=dtype, name=self.name, sparse=sparse, ragged=ragged
            )
            self._batch_input_shape = whole
        else:
            self.is_placeholder = False
            self._batch_input_shape = int_shape(input_tensor)
        input_tensor._keras_mask = None
        node = Node(self, None, [input_tensor])
        node.input_shapes = node.output_shapes

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {
            "batch_input_shape": self._batch_input_shape,
            "dtype": self.dtype,
            "sparse": self.sparse,
            "ragged": self.ragged,
            "name": self.name,
        }


@public("keras.Input", "keras.layers.Input")
def Input(  # noqa: N802 - TensorFlow's name
    shape: Any = None,
    batch_size: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    sparse: bool = False,
    tensor: Any = None,
    ragged: bool = False,
    **kwargs: Any,
) -> Any:
    """A model's input.

    Args:
      shape: the shape without the batch, None for dimensions of any length.
      batch_size: the batch's length; None for any.
      name: the layer's name; default "input_1", ...
      dtype: default `floatx()`.
      sparse: make a SparseTensor.
      tensor: use this tensor instead of a placeholder.
      ragged: refused.
      **kwargs: `batch_shape`: the whole shape.

    Returns:
      A tensor that layers can be called with.

    Raises:
      ValueError: there is no shape, or there are two, or another keyword.
    """
    batch_shape = kwargs.pop("batch_shape", kwargs.pop("batch_input_shape", None))
    if shape is not None and batch_shape is not None:
        raise ValueError(
            "Only provide the `shape` OR `batch_input_shape` argument to Input, not both at the same time."
        )
    if kwargs:
        raise ValueError(f"Unrecognized keyword arguments: {list(kwargs)}")
    if batch_shape is not None:
        batch_shape = tuple(shapes.as_dims(batch_shape) or ())
        batch_size, shape = batch_shape[0], batch_shape[1:]
    if shape is None and tensor is None:
        raise ValueError(
            "Please provide to Input either a `shape` or a `tensor` argument. Note that `shape` does not "
            "include the batch dimension."
        )
    made = InputLayer(
        input_shape=shape,
        batch_size=batch_size,
        name=name,
        dtype=dtype,
        sparse=sparse,
        ragged=ragged,
        input_tensor=tensor,
    )
    return made._inbound_nodes[0].output_tensors[0]
