"""Saves the one vector of a network as the variables of compatible cells, so that those can read it."""

from __future__ import annotations

from typing import Any

from millrace.building.scopes import control_dependencies
from millrace.contributed.cudnn_rnn import conversion
from millrace.contributed.cudnn_rnn.layout import check_layers
from millrace.core.public import public
from millrace.core.saveable import SaveableObject, SaveSpec
from millrace.graph.tensor import Tensor


class ParametersSaveable(SaveableObject):
    """Base of saveables.

    Args:
      opaque_params: the variable that holds the vector.
      num_layers, num_units, input_size, input_mode, direction: as for the layer.
      scope: the scope of the names in the checkpoint.
      name: under which a saver finds it.
    """

    _converter: Any = None
    _cell_name = "basic_rnn_cell"

    def __init__(
        self,
        opaque_params: Any,
        num_layers: int,
        num_units: int,
        input_size: int,
        input_mode: str = "linear_input",
        direction: str = "unidirectional",
        scope: Any = None,
        name: str = "cudnn_rnn_saveable",
    ) -> None:
        self.format_converter = self._converter(
            num_layers, num_units, input_size, input_mode=input_mode, direction=direction
        )
        self._variable = opaque_params
        kernels, biases = self.format_converter.opaque_to_tf_canonical(opaque_params)
        prefix = getattr(scope, "name", scope) or ""
        prefix = f"{prefix}/" if prefix and not prefix.endswith("/") else prefix
        places = [prefix + p for p in _places(num_layers, direction)]
        names = [f"{place}/{self._cell_name}/{n}" for place in places for n in self._names("kernel")]
        names += [f"{place}/{self._cell_name}/{n}" for place in places for n in self._names("bias")]
        specs = [SaveSpec(t, "", n) for t, n in zip([*kernels, *biases], names, strict=True)]
        super().__init__(opaque_params, specs, name)

    def _names(self, what: str) -> list[str]:
        return [what]

    def restore(self, restored_tensors: Any, restored_shapes: Any) -> Tensor:
        """Adds the operation that puts the cells' variables back into the vector."""
        vector = self.format_converter.tf_canonical_to_opaque(restored_tensors)
        with control_dependencies([vector]):
            return self._variable.assign(vector)


def _places(num_layers: int, direction: str) -> list[str]:
    check_layers(num_layers)
    if direction == "unidirectional":
        return [f"rnn/multi_rnn_cell/cell_{i}" for i in range(num_layers)]
    return [
        f"stack_bidirectional_rnn/cell_{i}/bidirectional_rnn/{way}"
        for i in range(num_layers)
        for way in ("fw", "bw")
    ]


@public("contrib.cudnn_rnn.CudnnLSTMSaveable")
class CudnnLSTMSaveable(ParametersSaveable):
    """Saves a `CudnnLSTM` for `CudnnCompatibleLSTMCell`; arguments as for `ParametersSaveable`."""

    _converter = conversion.CudnnParamsFormatConverterLSTM
    _cell_name = "cudnn_compatible_lstm_cell"


@public("contrib.cudnn_rnn.CudnnGRUSaveable")
class CudnnGRUSaveable(ParametersSaveable):
    """Saves a `CudnnGRU` for `CudnnCompatibleGRUCell`; arguments as for `ParametersSaveable`."""

    _converter = conversion.CudnnParamsFormatConverterGRU
    _cell_name = "cudnn_compatible_gru_cell"

    def _names(self, what: str) -> list[str]:
        return [f"gates/{what}", f"candidate/input_projection/{what}", f"candidate/hidden_projection/{what}"]


@public("contrib.cudnn_rnn.CudnnRNNTanhSaveable")
class CudnnRNNTanhSaveable(ParametersSaveable):
    """Saves a `CudnnRNNTanh` for `BasicRNNCell`; arguments as for `ParametersSaveable`."""

    _converter = conversion.CudnnParamsFormatConverterTanh


@public("contrib.cudnn_rnn.CudnnRNNReluSaveable")
class CudnnRNNReluSaveable(ParametersSaveable):
    """Saves a `CudnnRNNRelu` for `BasicRNNCell` with ReLU; arguments as for `ParametersSaveable`."""

    _converter = conversion.CudnnParamsFormatConverterRelu
