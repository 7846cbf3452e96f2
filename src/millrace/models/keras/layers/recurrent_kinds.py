"""Recurrent layers with a cell of one kind: `SimpleRNN`, `GRU` and `LSTM`."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.lib.layers.spec import InputSpec
from millrace.models.keras.layers.cells import SimpleRNNCell
from millrace.models.keras.layers.core import weight_settings, with_after
from millrace.models.keras.layers.gated_cells import GRUCell, LSTMCell
from millrace.models.keras.layers.recurrent import RNN


class _Simple(RNN):
    """A recurrent layer with a cell of one kind, whose arguments it takes."""

    cell_names: tuple[str, ...]

    def __init__(self, cell: Any, activity_regularizer: Any, settings_: dict[str, Any], kwargs: Any) -> None:
        super().__init__(cell, **settings_, activity_regularizer=activity_regularizer, **kwargs)
        self.input_spec = [InputSpec(ndim=3)]

    def __getattr__(self, name: str) -> Any:
        if name in type(self).cell_names and "cell" in self.__dict__:
            return getattr(self.__dict__["cell"], name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        own = self.cell.get_config()
        for name in ("name", "trainable", "dtype"):
            own.pop(name)
        own = with_after(own, "bias_regularizer", weight_settings(self, ()))
        return {**super().get_config(), **own}


_WEIGHTS = tuple(
    f"{w}_{kind}"
    for w in ("kernel", "recurrent", "bias")
    for kind in ("initializer", "regularizer", "constraint")
)
_SIMPLE = ("units", "activation", "use_bias", *_WEIGHTS, "dropout", "recurrent_dropout")


def _cell_arguments(given: dict[str, Any], names: tuple[str, ...], kwargs: Any) -> dict[str, Any]:
    """What a layer's cell is made with."""
    found = {k: given[k] for k in names}
    for name in ("dtype", "trainable"):
        if name in kwargs:
            found[name] = kwargs[name]
    return found


def _layer_arguments(given: dict[str, Any]) -> dict[str, Any]:
    return {k: given[k] for k in ("return_sequences", "return_state", "go_backwards", "stateful", "unroll")}


@public("keras.layers.SimpleRNN")
class SimpleRNN(_Simple):
    """A recurrent layer whose output is its state.

    Args:
      units: the state's size.
      activation, use_bias: as for `Dense`.
      kernel_initializer, recurrent_initializer, bias_initializer: first values of the weights.
      kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties of the weights.
      activity_regularizer: a penalty of the outputs.
      kernel_constraint, recurrent_constraint, bias_constraint: what optimizers apply after each step.
      dropout, recurrent_dropout: the probabilities that elements of inputs and states go.
      return_sequences, return_state, go_backwards, stateful, unroll: as for `RNN`.
      **kwargs: as for `RNN`.
    """

    cell_names = _SIMPLE

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
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
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        given = locals()
        cell = SimpleRNNCell(**_cell_arguments(given, _SIMPLE, kwargs))
        super().__init__(cell, activity_regularizer, _layer_arguments(given), kwargs)


_GRU = (*_SIMPLE, "recurrent_activation", "implementation", "reset_after")


@public("keras.layers.GRU")
class GRU(_Simple):
    """A layer of gated recurrent units.

    Args:
      units: the state's size.
      activation, recurrent_activation: of the state and of the gates.
      use_bias: whether there is a bias.
      kernel_initializer, recurrent_initializer, bias_initializer: first values of the weights.
      kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties of the weights.
      activity_regularizer: a penalty of the outputs.
      kernel_constraint, recurrent_constraint, bias_constraint: what optimizers apply after each step.
      dropout, recurrent_dropout: the probabilities that elements of inputs and states go.
      implementation: 1 computes gate by gate, 2 all at once.
      return_sequences, return_state, go_backwards, stateful, unroll: as for `RNN`.
      reset_after: apply the reset gate after the product with the state.
      **kwargs: as for `RNN`.
    """

    cell_names = _GRU

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
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
        implementation: int = 1,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = False,
        **kwargs: Any,
    ) -> None:
        given = locals()
        cell = GRUCell(**_cell_arguments(given, _GRU, kwargs))
        super().__init__(cell, activity_regularizer, _layer_arguments(given), kwargs)


_LSTM = (*_SIMPLE, "recurrent_activation", "implementation", "unit_forget_bias")


@public("keras.layers.LSTM")
class LSTM(_Simple):
    """A layer of long short-term memories.

    Args:
      units: the states' size.
      activation, recurrent_activation: of the states and of the gates.
      use_bias: whether there is a bias.
      kernel_initializer, recurrent_initializer, bias_initializer: first values of the weights.
      unit_forget_bias: begin with a bias of 1 for the forget gate.
      kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties of the weights.
      activity_regularizer: a penalty of the outputs.
      kernel_constraint, recurrent_constraint, bias_constraint: what optimizers apply after each step.
      dropout, recurrent_dropout: the probabilities that elements of inputs and states go.
      implementation: 1 computes gate by gate, 2 all at once.
      return_sequences, return_state, go_backwards, stateful, unroll: as for `RNN`.
      **kwargs: as for `RNN`.
    """

    cell_names = _LSTM

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
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
        implementation: int = 1,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        given = locals()
        cell = LSTMCell(**_cell_arguments(given, _LSTM, kwargs))
        super().__init__(cell, activity_regularizer, _layer_arguments(given), kwargs)
