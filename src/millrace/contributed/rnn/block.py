"""Cells whose steps, or whose whole runs, are single operations."""

from __future__ import annotations

import abc
from typing import Any

from millrace.building import convert, raw
from millrace.contributed.rnn.fused import FusedRNNCell
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers.base import Layer
from millrace.lib.layers.spec import InputSpec
from millrace.lib.math.array import sequence_mask
from millrace.lib.math.lengths import length
from millrace.lib.math.reductions import reduce_max
from millrace.lib.rnn.cells import LayerRNNCell, LSTMStateTuple, depth_of
from millrace.lib.variables.initializers import Constant
from millrace.ops.array.concat import concat, stack, unstack
from millrace.ops.array.constant import zeros
from millrace.ops.array.fill import range_
from millrace.ops.array.gather import gather_nd
from millrace.ops.array.reshape import expand_dims, transpose
from millrace.ops.array.tile import tile
from millrace.ops.math.cast import cast


def _diagonals(layer: Layer, units: int, use_peephole: bool) -> list[Any]:
    """The diagonal weights of a layer, made here; none where it has no peepholes."""
    names = ["w_i_diag", "w_f_diag", "w_o_diag"] if use_peephole else []
    return [layer.add_variable(name, [units]) for name in names]


@public("contrib.rnn.LSTMBlockCell")
class LSTMBlockCell(LayerRNNCell):
    """A long short-term memory (Zaremba et al. 2014) whose step is one operation.

    Args:
      num_units: the size of memory and output.
      forget_bias: added to the forget gate.
      cell_clip: clip the memory to this magnitude.
      use_peephole: let the gates see the memory through diagonal weights.
      dtype, name: as for `Layer`.
      reuse: whether variables may exist already.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        dtype: Any = None,
        reuse: Any = None,
        name: str = "lstm_cell",
    ) -> None:
        super().__init__(_reuse=reuse, dtype=dtype, name=name)
        self._num_units, self._forget_bias = num_units, forget_bias
        self._use_peephole = use_peephole
        self._cell_clip = -1 if cell_clip is None else cell_clip
        self.input_spec = InputSpec(ndim=2)

    @property
    def state_size(self) -> Any:
        """The sizes of memory and output."""
        return LSTMStateTuple(self._num_units, self._num_units)

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return self._num_units

    def build(self, input_shape: Any) -> None:
        """Makes the variables."""
        units = self._num_units
        self._kernel = self.add_variable("kernel", [depth_of(input_shape) + units, 4 * units])
        self._bias = self.add_variable("bias", [4 * units], initializer=Constant(0.0))
        self._peepholes = _diagonals(self, units, self._use_peephole)
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        """One step.

        Raises:
          ValueError: the state is not a pair.
        """
        if len(state) != 2:
            raise ValueError(f"{self.name}: Expecting state to be a tuple with length 2. Received: {state!r}")
        c, h = state
        if self._use_peephole:
            wci, wcf, wco = self._peepholes
        else:
            wci = wcf = wco = zeros([self._num_units], dtype=self.dtype)
        _, new_c, _, _, _, _, new_h = raw.LSTMBlockCell(
            inputs,
            c,
            h,
            self._kernel,
            wci,
            wcf,
            wco,
            self._bias,
            forget_bias=self._forget_bias,
            cell_clip=self._cell_clip,
            use_peephole=self._use_peephole,
        )
        return new_h, LSTMStateTuple(new_c, new_h)


@public("contrib.rnn.GRUBlockCell")
class GRUBlockCell(LayerRNNCell):
    """A gated recurrent unit (Cho et al. 2014) whose step is one operation.

    Args:
      num_units: the size of state and output.
      cell_size: the old name of `num_units`.
      reuse: whether variables may exist already.
      name: as for `Layer`.

    Raises:
      ValueError: neither or both of the sizes are given.
    """

    def __init__(
        self,
        num_units: int | None = None,
        cell_size: int | None = None,
        reuse: Any = None,
        name: str = "gru_cell",
    ) -> None:
        super().__init__(_reuse=reuse, name=name)
        if (cell_size is None) == (num_units is None):
            raise ValueError(
                f"{type(self).__name__}: exactly one of num_units or cell_size must be provided. Received: "
                f"{num_units}, {cell_size}"
            )
        self._cell_size: Any = cell_size if num_units is None else num_units
        self.input_spec = InputSpec(ndim=2)

    @property
    def state_size(self) -> Any:
        """The size of the state."""
        return self._cell_size

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return self._cell_size

    def build(self, input_shape: Any) -> None:
        """Makes the variables."""
        depth, units = depth_of(input_shape), self._cell_size
        self._gate_kernel = self.add_variable("w_ru", [depth + units, 2 * units])
        self._gate_bias = self.add_variable("b_ru", [2 * units], initializer=Constant(1.0))
        self._candidate_kernel = self.add_variable("w_c", [depth + units, units])
        self._candidate_bias = self.add_variable("b_c", [units], initializer=Constant(0.0))
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        _, _, _, new = raw.GRUBlockCell(
            inputs,
            state,
            self._gate_kernel,
            self._candidate_kernel,
            self._gate_bias,
            self._candidate_bias,
        )
        return new, new


@public("contrib.rnn.GRUBlockCellV2")
class GRUBlockCellV2(GRUBlockCell):
    """`GRUBlockCell` with the variables of `GRUCell`; arguments as for it."""

    def build(self, input_shape: Any) -> None:
        """Makes the variables."""
        depth, units = depth_of(input_shape), self._cell_size
        self._gate_kernel = self.add_variable("gates/kernel", [depth + units, 2 * units])
        self._gate_bias = self.add_variable("gates/bias", [2 * units], initializer=Constant(1.0))
        self._candidate_kernel = self.add_variable("candidate/kernel", [depth + units, units])
        self._candidate_bias = self.add_variable("candidate/bias", [units], initializer=Constant(0.0))
        self.built = True


@public("contrib.rnn.LSTMBlockWrapper")
class LSTMBlockWrapper(Layer, FusedRNNCell):
    """Base of memories that run over all steps: subclasses say `num_units` and `_call_cell`."""

    @property
    @abc.abstractmethod
    def num_units(self) -> int:
        """The size of memory and output."""

    @abc.abstractmethod
    def _call_cell(
        self, inputs: Tensor, initial_cell_state: Any, initial_output: Any, dtype: Any, sequence_length: Any
    ) -> tuple[Tensor, Tensor]:
        """(memories, outputs) of all steps, `[time, batch, units]`."""

    def call(  # type: ignore[override]
        self, inputs: Any, initial_state: Any = None, dtype: Any = None, sequence_length: Any = None
    ) -> Any:
        """All steps.

        Args:
          inputs: `[time, batch, depth]`, or a list of `[batch, depth]`.
          initial_state: a pair of memory and output; default zeros.
          dtype: of the state; needed where there is no initial state.
          sequence_length: int `[batch]`.

        Returns:
          (outputs, in the form of the inputs; an LSTMStateTuple).

        Raises:
          ValueError: neither state nor dtype is given, or the inputs have another rank.
        """
        is_list = isinstance(inputs, list)
        if is_list:
            inputs = stack(inputs)
        rank = inputs.get_shape().ndims
        if rank is not None and rank != 3:
            raise ValueError(f"{self.name}: inputs must have rank 3. Received: shape {inputs.get_shape()}")
        batch, time = length(inputs, 1), length(inputs, 0)
        if initial_state is None:
            if dtype is None:
                raise ValueError(f"{self.name}: Either initial_state or dtype needs to be specified")
            start = zeros(stack([batch, self.num_units]), dtype=dtype)
            initial_state = start, start
        elif len(initial_state) != 2:
            raise ValueError(
                f"{self.name}: Expecting initial_state to be a tuple with length 2 or None. Received: "
                f"{initial_state!r}"
            )
        elif dtype is None:
            dtype = initial_state[0].dtype
        if sequence_length is not None:
            sequence_length = convert.to_tensor(sequence_length)
        memories, outputs = self._call_cell(
            inputs, initial_state[0], initial_state[1], dtype, sequence_length
        )
        if sequence_length is None:
            last = memories[-1], outputs[-1]
        else:
            last, outputs = self._cut(memories, outputs, initial_state, sequence_length, time, batch)
        return (unstack(outputs) if is_list else outputs), LSTMStateTuple(*last)

    def _cut(
        self, memories: Tensor, outputs: Tensor, start: Any, lengths: Tensor, time: Any, batch: Any
    ) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """(the state at the end of each sequence, outputs that are zero beyond)."""
        mask = transpose(sequence_mask(lengths, time, outputs.dtype), [1, 0])
        outputs = outputs * tile(expand_dims(mask, [-1]), [1, 1, self.num_units])
        joined = [
            concat([expand_dims(first, [0]), rest], 0)
            for first, rest in zip(start, (memories, outputs), strict=True)
        ]
        last = tuple(gather_nd(states, stack([lengths, range_(batch)], 1)) for states in joined)
        return last, outputs  # type: ignore[return-value]


@public("contrib.rnn.LSTMBlockFusedCell")
class LSTMBlockFusedCell(LSTMBlockWrapper):
    """A long short-term memory whose whole run is one operation.

    Args:
      num_units: the size of memory and output.
      forget_bias: added to the forget gate.
      cell_clip: clip the memory to this magnitude.
      use_peephole: let the gates see the memory through diagonal weights.
      reuse: whether variables may exist already.
      dtype, name: as for `Layer`.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        reuse: Any = None,
        dtype: Any = None,
        name: str = "lstm_fused_cell",
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype)
        self._num_units, self._forget_bias = num_units, forget_bias
        self._cell_clip = -1 if cell_clip is None else cell_clip
        self._use_peephole = use_peephole

    @property
    def num_units(self) -> int:
        """The size of memory and output."""
        return self._num_units

    def build(self, input_shape: Any) -> None:
        """Makes the variables."""
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        units = self._num_units
        self._kernel = self.add_variable("kernel", [depth_of(shape) + units, 4 * units])
        self._bias = self.add_variable("bias", [4 * units], initializer=Constant(0.0))
        self._peepholes = _diagonals(self, units, self._use_peephole)
        self.built = True

    def _call_cell(
        self, inputs: Tensor, initial_cell_state: Any, initial_output: Any, dtype: Any, sequence_length: Any
    ) -> tuple[Tensor, Tensor]:
        if self._use_peephole:
            wci, wcf, wco = self._peepholes
        else:
            wci = wcf = wco = zeros([self._num_units], dtype=dtype)
        if sequence_length is None:
            longest = cast(length(inputs, 0), dtypes.int64)
        else:
            longest = cast(reduce_max(sequence_length), dtypes.int64)
        _, cs, _, _, _, _, h = raw.BlockLSTM(
            longest,
            inputs,
            initial_cell_state,
            initial_output,
            self._kernel,
            wci,
            wcf,
            wco,
            self._bias,
            forget_bias=self._forget_bias,
            cell_clip=self._cell_clip,
            use_peephole=self._use_peephole,
        )
        return cs, h
