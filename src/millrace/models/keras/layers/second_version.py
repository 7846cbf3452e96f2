"""The layers that `tf.compat.v2` changed: recurrent ones as cuDNN computes them, and batch normalization that
does not learn while it is frozen.
"""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.lib.layers import settings
from millrace.models.keras.layers import gated_cells, normalization, recurrent_kinds


def _handed_on(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a constructor, for the one above it."""
    named = {k: v for k, v in given.items() if k not in ("self", "kwargs", "__class__")}
    return {**named, **given["kwargs"]}


@public("compat.v2.keras.layers.GRUCell")
class GRUCell(gated_cells.GRUCell):
    """A gated recurrent unit: sigmoid gates, the reset after the product. Arguments as for version 1."""

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 2,
        reset_after: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**_handed_on(locals()))


@public("compat.v2.keras.layers.LSTMCell")
class LSTMCell(gated_cells.LSTMCell):
    """A long short-term memory with sigmoid gates. Arguments as for version 1."""

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**_handed_on(locals()))


@public("compat.v2.keras.layers.GRU")
class GRU(recurrent_kinds.GRU):
    """Gated recurrent units: sigmoid gates, the reset after the product. Arguments as for version 1."""

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 2,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        time_major: bool = False,
        reset_after: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**_handed_on(locals()))


@public("compat.v2.keras.layers.LSTM")
class LSTM(recurrent_kinds.LSTM):
    """A layer of long short-term memories with sigmoid gates. Arguments as for version 1."""

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 2,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        time_major: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**_handed_on(locals()))


@public("compat.v2.keras.layers.BatchNormalization")
class BatchNormalization(normalization.BatchNormalization):
    """Batch normalization by the moving averages where it is not trainable. Arguments as for version 1.

    Raises:
      ValueError: `fused` is True where version 1 falls back to several operations.
    """

    _insists = True

    def call(self, inputs: Any, training: Any = None) -> Any:
        """The inputs, normalized; where the layer is frozen as if `training` were False."""
        if not self.trainable:
            return super().call(inputs, False)
        return super().call(inputs, settings.learning_phase() if training is None else training)
