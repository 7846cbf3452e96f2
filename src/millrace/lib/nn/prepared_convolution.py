"""A convolution whose shapes are checked before it has an input: what layers of old programs keep."""

from __future__ import annotations

from typing import Any

from millrace.core import shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.nn.convolution import Convolving, layout_of, per_spatial


@public("python.ops.nn_ops.Convolution")
class Convolution:
    """A convolution, ready to be applied to an input and filters.

    Args:
      input_shape: of the input, `[batch, ..., in]` or `[batch, in, ...]`; its rank must be known.
      filter_shape: of the filters, `[..., in, out]`.
      padding: "SAME" or "VALID".
      strides: one integer for each spatial axis; default 1.
      dilation_rate: likewise; strides and dilation cannot both be above 1.
      name: of the operation.
      data_format: the layout; default channels last.

    Raises:
      ValueError: the shapes or the arguments do not fit together.
    """

    def __init__(
        self,
        input_shape: Any,
        filter_shape: Any,
        padding: str,
        strides: Any = None,
        dilation_rate: Any = None,
        name: str | None = None,
        data_format: str | None = None,
    ) -> None:
        self.input_shape, self.filter_shape = shapes.as_shape(input_shape), shapes.as_shape(filter_shape)
        self.padding, self.data_format, self.name = padding, data_format, name
        rank = self.filter_shape.ndims or self.input_shape.ndims
        if rank is None or (self.input_shape.ndims or rank) != rank:
            raise ValueError(
                "Convolution: input and filter must be of one known rank. "
                f"Received: {input_shape} and {filter_shape}"
            )
        layout = layout_of(data_format, rank - 2)
        channels = self.input_shape[layout.index("C")] if self.input_shape.ndims else None
        if channels is not None and not channels.is_compatible_with(self.filter_shape[rank - 2]):
            raise ValueError(
                "number of input channels does not match corresponding dimension of filter, "
                f"{channels} != {self.filter_shape[rank - 2]}"
            )
        self.strides = per_spatial(strides, rank - 2, "strides")
        self.dilation_rate = per_spatial(dilation_rate, rank - 2, "dilation_rate")
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                "Convolution: strides and dilation_rate cannot both be above 1. "
                f"Received: strides {self.strides}, dilation_rate {self.dilation_rate}"
            )
        self._layout = layout
        self._drawn: Convolving | None = None

    def __call__(self, inp: Any, filter: Any) -> Tensor:
        """The convolution of `inp` with `filter`."""
        if self._drawn is None:
            self._drawn = Convolving(
                filter, self.strides, self.dilation_rate, self.padding, self._layout, self.name
            )
        return self._drawn(inp, filter)
