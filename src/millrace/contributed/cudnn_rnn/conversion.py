"""The parameters of a network as its one vector, and as the variables of compatible cells."""

from __future__ import annotations

from typing import Any

from millrace.contributed.cudnn_rnn.layout import layout_of
from millrace.core.public import public
from millrace.graph.tensor import Tensor


class FormatConverter:
    """Base of converters.

    Args:
      num_layers, num_units, input_size: the sizes of the network.
      num_proj: must be None or 0.
      input_mode: "linear_input" or "auto_select".
      direction: "unidirectional" or "bidirectional".

    Raises:
      ValueError: a mode or direction is not one that there is, or there is a projection.
    """

    _rnn_mode = ""

    def __init__(
        self,
        num_layers: int,
        num_units: int,
        input_size: int,
        num_proj: int | None = None,
        input_mode: str = "linear_input",
        direction: str = "unidirectional",
    ) -> None:
        if num_proj:
            raise ValueError(f"{type(self).__name__}: num_proj must be None or 0. Received: {num_proj}")
        self._layout = layout_of(self._rnn_mode, num_layers, num_units, input_size, input_mode, direction)

    def opaque_to_tf_canonical(self, opaque_param: Any) -> tuple[list[Tensor], list[Tensor]]:
        """(kernels, biases) of the compatible cells, layer by layer, from the vector."""
        return self._layout.to_cells(opaque_param)

    def tf_canonical_to_opaque(self, tf_canonicals: Any, weights_proj: Any = None) -> Tensor:
        """The vector, from kernels and biases of the compatible cells in one list.

        Raises:
          ValueError: there are projections.
        """
        if weights_proj:
            raise ValueError(f"{type(self).__name__}: weights_proj must be None. Received: {weights_proj!r}")
        half = len(tf_canonicals) // 2
        return self._layout.from_cells(tf_canonicals[:half], tf_canonicals[half:])


@public("contrib.cudnn_rnn.CudnnParamsFormatConverterLSTM")
class CudnnParamsFormatConverterLSTM(FormatConverter):
    """Converts the parameters of a `CudnnLSTM`; see `FormatConverter`."""

    _rnn_mode = "lstm"


@public("contrib.cudnn_rnn.CudnnParamsFormatConverterGRU")
class CudnnParamsFormatConverterGRU(FormatConverter):
    """Converts the parameters of a `CudnnGRU`; see `FormatConverter`."""

    _rnn_mode = "gru"


@public("contrib.cudnn_rnn.CudnnParamsFormatConverterTanh")
class CudnnParamsFormatConverterTanh(FormatConverter):
    """Converts the parameters of a `CudnnRNNTanh`; see `FormatConverter`."""

    _rnn_mode = "rnn_tanh"


@public("contrib.cudnn_rnn.CudnnParamsFormatConverterRelu")
class CudnnParamsFormatConverterRelu(FormatConverter):
    """Converts the parameters of a `CudnnRNNRelu`; see `FormatConverter`."""

    _rnn_mode = "rnn_relu"
