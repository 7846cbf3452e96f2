"""Memories over a grid of time and frequency, in blocks of windows (Kalchbrenner et al. 2015)."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import Any

from millrace.contributed.rnn.sharded import sharded_variable
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.functions import clip_by_value
from millrace.lib.math.lengths import length
from millrace.lib.rnn.cells import RNNCell, depth_of
from millrace.lib.variables.initializers import Zeros
from millrace.lib.variables.scope import get_variable, variable_scope
from millrace.ops.array.concat import concat, split
from millrace.ops.array.constant import zeros
from millrace.ops.array.pad import pad
from millrace.ops.array.slicing import slice_
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.elementwise import sigmoid
from millrace.ops.math.trigonometric import tanh
from millrace.ops.nn.bias import bias_add


@public("contrib.rnn.GridLSTMCell")
class GridLSTMCell(RNNCell):
    """A memory over time and one over frequency, for each window of the inputs' features.

    Args:
      num_units: the size of each memory and output.
      use_peepholes: let the gates see both memories through diagonal weights.
      share_time_frequency_weights: one set of weights for both.
      cell_clip: clip the memories to this magnitude.
      initializer: accepted; the variables take the scope's, as in TensorFlow.
      num_unit_shards: into how many variables kernels are split.
      forget_bias: added to the forget gates.
      feature_size: how many features a window has.
      frequency_skip: how far the next window is.
      num_frequency_blocks: a list: how many windows each block has.
      start_freqindex_list, end_freqindex_list: the features of each block; default: all of them.
      couple_input_forget_gates: forget as much as is written.
      state_is_tuple: False joins the state to one tensor.
      reuse: whether variables may exist already.

    Raises:
      ValueError: `num_frequency_blocks` is not given.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        share_time_frequency_weights: bool = False,
        cell_clip: float | None = None,
        initializer: Any = None,
        num_unit_shards: int = 1,
        forget_bias: float = 1.0,
        feature_size: int | None = None,
        frequency_skip: int | None = None,
        num_frequency_blocks: Any = None,
        start_freqindex_list: Any = None,
        end_freqindex_list: Any = None,
        couple_input_forget_gates: bool = False,
        state_is_tuple: bool = True,
        reuse: Any = None,
    ) -> None:
        super().__init__(_reuse=reuse)
        if num_frequency_blocks is None:
            raise ValueError(f"{type(self).__name__}: num_frequency_blocks must be given. Received: None")
        self._num_units, self._use_peepholes = num_units, use_peepholes
        self._share, self._cell_clip, self._initializer = share_time_frequency_weights, cell_clip, initializer
        self._shards, self._forget_bias = num_unit_shards, forget_bias
        self._feature_size, self._frequency_skip = feature_size, frequency_skip
        self._starts, self._ends = start_freqindex_list, end_freqindex_list
        self._blocks, self._couple = list(num_frequency_blocks), couple_input_forget_gates
        self._total, self._state_is_tuple = sum(self._blocks), state_is_tuple
        self._directions = ("",)
        self._make_sizes("GridLSTMStateTuple")

    def _make_sizes(self, title: str) -> None:
        """Sets the sizes of state and output."""
        names = [
            f"{direction}state_f{fq:02d}_b{block:02d}_{part}"
            for direction in self._directions
            for block, count in enumerate(self._blocks)
            for fq in range(count)
            for part in "cm"
        ]
        self._output_size = self._num_units * len(names)
        if self._state_is_tuple:
            self._state_type = collections.namedtuple(title, names)
            self._state_size: Any = self._state_type(*[self._num_units] * len(names))
        else:
            self._state_type = None
            self._state_size = self._num_units * len(names)

    @property
    def output_size(self) -> Any:
        """The size of the output: those of both memories for each window."""
        return self._output_size

    @property
    def state_size(self) -> Any:
        """The sizes of memory and output of each window."""
        return self._state_size

    @property
    def state_tuple_type(self) -> Any:
        """The type of the state, a named tuple; None where it is one tensor."""
        return self._state_type

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        outputs, states = self._all_blocks(self._windows(inputs), state, inputs, "")
        new = self._state_type(*states) if self._state_type else concat(states, 1)
        return concat(outputs, 1), new

    def _all_blocks(
        self, windows: list[list[Tensor]], state: Any, inputs: Tensor, direction: str
    ) -> tuple[list[Tensor], list[Tensor]]:
        """(outputs, states) of all blocks in one direction."""
        outputs, states = [], []
        for block, own in enumerate(windows):
            before = self._states_of(state, block, len(own), direction)
            found = self._one_block(block, own, before, length(inputs, 0))
            outputs += found[0]
            states += found[1]
        return outputs, states

    def _states_of(
        self, state: Any, block: int, count: int, direction: str
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """(memory, output) of each window."""
        for fq in range(count):
            if self._state_is_tuple:
                name = f"{direction}state_f{fq:02d}_b{block:02d}"
                yield getattr(state, f"{name}_c"), getattr(state, f"{name}_m")
            else:
                # As in TensorFlow, every block begins at the front of the joined state.
                units = self._num_units
                yield (
                    slice_(state, [0, 2 * fq * units], [-1, units]),
                    slice_(state, [0, (2 * fq + 1) * units], [-1, units]),
                )

    def _one_block(
        self, block: int, windows: list[Tensor], before: Iterator[tuple[Tensor, Tensor]], rows: Any
    ) -> tuple[list[Tensor], list[Tensor]]:
        units = self._num_units
        variables = _Variables(self, block, windows[0])
        m_freq = zeros([rows, units], dtype=windows[0].dtype)
        c_freq = zeros([rows, units], dtype=windows[0].dtype)
        outputs, states = [], []
        for window, (c_time, m_time) in zip(windows, before, strict=True):
            joined = concat([window, m_time, m_freq], 1)
            gates_freq = variables.gates("f", joined)
            gates_time = gates_freq if self._share else variables.gates("t", joined)
            seen = c_freq, c_time
            c_freq, c_time = (
                self._written("freq", gates_freq, seen, c_freq, variables),
                self._written("freq" if self._share else "time", gates_time, seen, c_time, variables),
            )
            seen = c_freq, c_time
            m_freq = self._read("freq", gates_freq, seen, c_freq, variables)
            m_time = self._read("freq" if self._share else "time", gates_time, seen, c_time, variables)
            states += [c_time, m_time]
            outputs += [m_time, m_freq]
        return outputs, states

    def _written(self, axis: str, gates: Any, seen: Any, c: Tensor, variables: _Variables) -> Tensor:
        """A memory after the step."""
        i, j, f, _ = gates
        i = sigmoid(variables.peep("I", axis, i, seen))
        keep = 1.0 - i if f is None else sigmoid(variables.peep("F", axis, f + self._forget_bias, seen))
        return self._clipped(keep * c + i * tanh(j))

    def _clipped(self, c: Tensor) -> Tensor:
        if self._cell_clip is None:
            return c
        return clip_by_value(c, -self._cell_clip, self._cell_clip)

    def _read(self, axis: str, gates: Any, seen: Any, c: Tensor, variables: _Variables) -> Tensor:
        """An output after the step."""
        return sigmoid(variables.peep("O", axis, gates[3], seen)) * tanh(c)

    def _windows(self, inputs: Tensor, offset: int = 0) -> list[list[Tensor]]:
        """The windows of each block, `offset` features later, with zeros where there are none."""
        depth = depth_of(inputs.get_shape())
        size, skip = self._feature_size, self._frequency_skip
        if size is None or skip is None:
            raise TypeError(
                f"{type(self).__name__}: feature_size and frequency_skip must be given. Received: "
                f"{size}, {skip}"
            )
        if offset > 0:
            inputs = pad(inputs, [[0, 0], [0, offset]])
        elif offset < 0:
            inputs, offset = pad(inputs, [[0, 0], [-offset, 0]]), 0
        found = []
        for start, end, count in self._bounds(depth):
            fitting = int((end - start - size) / skip) + 1
            if fitting != count:
                raise ValueError(
                    f"Invalid num_frequency_blocks, requires {count} but gets {fitting}, please check the "
                    "input size and filter config are correct."
                )
            found.append([slice_(inputs, [0, start + offset + k * skip], [-1, size]) for k in range(count)])
        return found

    def _bounds(self, depth: int) -> list[tuple[int, int, int]]:
        """(first feature, end, number of windows) of each block."""
        if self._starts is None:
            if len(self._blocks) != 1:
                raise ValueError(
                    f"Length of num_frequency_blocks is not 1, but instead is {len(self._blocks)}"
                )
            return [(0, depth, self._blocks[0])]
        lengths = {len(self._starts), len(self._ends), len(self._blocks)}
        if len(lengths) != 1:
            raise ValueError(
                "start_freqindex_list, end_freqindex_list and num_frequency_blocks must be of one length. "
                f"Received: {self._starts}, {self._ends}, {self._blocks}"
            )
        return list(zip(self._starts, self._ends, self._blocks, strict=True))


@public("contrib.rnn.BidirectionalGridLSTMCell")
class BidirectionalGridLSTMCell(GridLSTMCell):
    """`GridLSTMCell` over the windows from the first to the last, and back.

    Args:
      num_units, use_peepholes, share_time_frequency_weights, cell_clip, initializer, num_unit_shards,
        forget_bias, feature_size, frequency_skip, num_frequency_blocks, start_freqindex_list,
        end_freqindex_list, couple_input_forget_gates, reuse: as for `GridLSTMCell`.
      backward_slice_offset: how many features later the windows of the way back begin.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        share_time_frequency_weights: bool = False,
        cell_clip: float | None = None,
        initializer: Any = None,
        num_unit_shards: int = 1,
        forget_bias: float = 1.0,
        feature_size: int | None = None,
        frequency_skip: int | None = None,
        num_frequency_blocks: Any = None,
        start_freqindex_list: Any = None,
        end_freqindex_list: Any = None,
        couple_input_forget_gates: bool = False,
        backward_slice_offset: int = 0,
        reuse: Any = None,
    ) -> None:
        super().__init__(
            num_units,
            use_peepholes,
            share_time_frequency_weights,
            cell_clip,
            initializer,
            num_unit_shards,
            forget_bias,
            feature_size,
            frequency_skip,
            num_frequency_blocks,
            start_freqindex_list,
            end_freqindex_list,
            couple_input_forget_gates,
            True,
            reuse,
        )
        self._offset = int(backward_slice_offset)
        self._directions = ("fwd_", "bwd_")
        self._make_sizes("BidirectionalGridLSTMStateTuple")

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        forwards = self._windows(inputs)
        back = self._windows(inputs, self._offset) if self._offset else forwards
        with variable_scope("fwd"):
            outputs, states = self._all_blocks(forwards, state, inputs, "fwd_")
        with variable_scope("bwd"):
            found = self._all_blocks([block[::-1] for block in back], state, inputs, "bwd_")
        return concat(outputs + found[0], 1), self._state_type(*states, *found[1])  # type: ignore[misc]


class _Variables:
    """The variables of one block."""

    def __init__(self, cell: Any, block: int, window: Tensor) -> None:
        units, dtype = cell._num_units, window.dtype
        rows = window.get_shape().as_list()[1] + 2 * units
        self._count = 3 if cell._couple else 4
        self._couple = cell._couple
        self._weights: dict[str, tuple[Any, Any]] = {}
        self._peep: dict[tuple[str, str], tuple[Any, Any]] = {}
        for axis in ["f"] if cell._share else ["f", "t"]:
            kernel = sharded_variable(f"W_{axis}_{block}", [rows, self._count * units], dtype, cell._shards)
            bias = get_variable(
                f"B_{axis}_{block}", shape=[self._count * units], initializer=Zeros(), dtype=dtype
            )
            self._weights[axis] = kernel, bias
        if cell._use_peepholes:
            for axis in ["freq"] if cell._share else ["freq", "time"]:
                for gate in "IO" if cell._couple else "FIO":
                    name = f"W_{gate}_diag_{axis}"
                    self._peep[gate, axis] = (
                        get_variable(f"{name}f_{block}", shape=[units], dtype=dtype),
                        get_variable(f"{name}t_{block}", shape=[units], dtype=dtype),
                    )

    def gates(self, axis: str, joined: Tensor) -> list[Any]:
        """Input gate, what is new, forget gate (None where it is coupled) and output gate."""
        kernel, bias = self._weights[axis]
        parts = list(split(bias_add(matmul(joined, kernel), bias), self._count, 1))
        return [*parts[:2], None, parts[2]] if self._couple else parts

    def peep(self, gate: str, axis: str, value: Tensor, seen: tuple[Tensor, Tensor]) -> Tensor:
        """A gate that sees the memories over frequency and time."""
        if (gate, axis) not in self._peep:
            return value
        over_freq, over_time = self._peep[gate, axis]
        return value + over_freq * seen[0] + over_time * seen[1]
