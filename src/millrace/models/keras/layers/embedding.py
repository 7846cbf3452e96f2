"""`Embedding`: a vector for each of many numbers."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.lib.layers import constraints, penalties, settings
from millrace.lib.nn.embedding import embedding_lookup
from millrace.lib.variables import keras_initializers
from millrace.models.keras.engine.layer import Layer
from millrace.ops.math.cast import cast


@public("keras.layers.Embedding")
class Embedding(Layer):
    """A vector for each number: `[batch, length]` becomes `[batch, length, output_dim]`.

    Args:
      input_dim: how many numbers there are; from 0.
      output_dim: the vectors' length.
      embeddings_initializer, embeddings_regularizer, embeddings_constraint: of the weight.
      activity_regularizer: a penalty of the outputs.
      mask_zero: mask the number 0.
      input_length: the length, where it is fixed.
      **kwargs: as for `Layer`.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        activity_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        input_length: Any = None,
        **kwargs: Any,
    ) -> None:
        if "input_shape" not in kwargs and "batch_input_shape" not in kwargs:
            kwargs["input_shape"] = tuple(settings.as_list(input_length) or [None])
        dtype = kwargs.pop("dtype", settings.floatx())
        super().__init__(dtype=dtype, activity_regularizer=activity_regularizer, **kwargs)
        self.input_dim, self.output_dim = input_dim, output_dim
        self.embeddings_initializer = keras_initializers.get(embeddings_initializer)
        self.embeddings_regularizer = penalties.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero, self.supports_masking = mask_zero, mask_zero
        self.input_length = input_length

    def build(self, input_shape: Any) -> None:
        """Makes `embeddings`, `[input_dim, output_dim]`."""
        self.embeddings = self.add_weight(
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            name="embeddings",
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )
        self.built = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Where the number is not 0, if that is masked."""
        return raw.NotEqual(inputs, 0) if self.mask_zero else None

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs for inputs of shape `input_shape`.

        Raises:
          ValueError: the length is not `input_length`.
        """
        dims = list(shapes.as_dims(input_shape) or ())
        if self.input_length is None:
            return TensorShape([*dims, self.output_dim])
        lengths = settings.as_list(self.input_length) or [self.input_length]
        if isinstance(self.input_length, int):
            lengths = [self.input_length]
        if len(lengths) != len(dims) - 1:
            raise ValueError(
                f'"input_length" is {self.input_length}, but received input has shape {tuple(dims)}'
            )
        for i, (wanted, found) in enumerate(zip(lengths, dims[1:], strict=True)):
            if wanted is not None and found is not None and wanted != found:
                raise ValueError(
                    f'"input_length" is {self.input_length}, but received input has shape {tuple(dims)}'
                )
            lengths[i] = found if wanted is None else wanted  # pyright: ignore[reportArgumentType, reportCallIssue]
        return TensorShape([dims[0], *lengths, self.output_dim])

    def call(self, inputs: Any) -> Any:
        """The vectors of the numbers."""
        if inputs.dtype.base_dtype not in (dtypes.int32, dtypes.int64):
            inputs = cast(inputs, dtypes.int32)
        return embedding_lookup(self.embeddings, inputs)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": keras_initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": penalties.serialize(self.embeddings_regularizer),
            "activity_regularizer": penalties.serialize(self.activity_regularizer),
            "embeddings_constraint": constraints.serialize(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
            "input_length": self.input_length,
        }
