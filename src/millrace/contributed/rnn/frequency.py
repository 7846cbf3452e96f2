"""Memories over time and frequency (Li et al. 2015; Sainath and Li 2016)."""

from __future__ import annotations

from typing import Any

from millrace.contributed.rnn.sharded import sharded_variable
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.functions import clip_by_value
from millrace.lib.math.lengths import length
from millrace.lib.rnn.cells import RNNCell, depth_of
from millrace.lib.variables.initializers import Zeros
from millrace.lib.variables.scope import get_variable
from millrace.ops.array.concat import concat, split
from millrace.ops.array.constant import zeros
from millrace.ops.array.slicing import slice_
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.elementwise import sigmoid
from millrace.ops.math.trigonometric import tanh
from millrace.ops.nn.bias import bias_add


@public("contrib.rnn.TimeFreqLSTMCell")
class TimeFreqLSTMCell(RNNCell):
    """A memory that goes over windows of the inputs' features, handing its output on from one to the next.

    Args:
      num_units: the size of memory and output.
      use_peepholes: let the gates see the memory through diagonal weights.
      cell_clip: clip the memory to this magnitude.
      initializer: accepted; the variables take the scope's, as in TensorFlow.
      num_unit_shards: into how many variables the kernel is split.
      forget_bias: added to the forget gate.
      feature_size: how many features a window has.
      frequency_skip: how far the next window is.
      reuse: whether variables may exist already.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        cell_clip: float | None = None,
        initializer: Any = None,
        num_unit_shards: int = 1,
        forget_bias: float = 1.0,
        feature_size: int | None = None,
        frequency_skip: int = 1,
        reuse: Any = None,
    ) -> None:
        super().__init__(_reuse=reuse)
        self._num_units, self._use_peepholes, self._cell_clip = num_units, use_peepholes, cell_clip
        self._initializer, self._shards, self._forget_bias = initializer, num_unit_shards, forget_bias
        self._feature_size, self._frequency_skip = feature_size, frequency_skip

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return self._num_units

    @property
    def state_size(self) -> Any:
        """The size of memory and output together."""
        return 2 * self._num_units

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        units, dtype = self._num_units, inputs.dtype
        windows = self._windows(inputs)
        depth = int(windows[0].get_shape()[1])
        kernel = sharded_variable("W", [depth + 2 * units, 4 * units], dtype, self._shards)
        bias = get_variable("B", shape=[4 * units], initializer=Zeros(), dtype=dtype)
        see: list[Any] = [None] * 3
        if self._use_peepholes:
            see = [get_variable(f"W_{gate}_diag", shape=[units], dtype=dtype) for gate in "FIO"]
        below = zeros([length(inputs, 0), units], dtype=dtype)
        outputs, states = [], []
        for fq, window in enumerate(windows):
            c = slice_(state, [0, 2 * fq * units], [-1, units])
            m = slice_(state, [0, (2 * fq + 1) * units], [-1, units])
            gates = bias_add(matmul(concat([window, m, below], 1), kernel), bias)
            i, j, f, o = split(gates, 4, 1)
            f = f + self._forget_bias
            if self._use_peepholes:
                f, i = f + see[0] * c, i + see[1] * c
            c = sigmoid(f) * c + sigmoid(i) * tanh(j)
            if self._cell_clip is not None:
                c = clip_by_value(c, -self._cell_clip, self._cell_clip)
            m = sigmoid(o + see[2] * c) * tanh(c) if self._use_peepholes else sigmoid(o) * tanh(c)
            below = m
            outputs.append(m)
            states.append(concat([c, m], 1))
        return _joined(outputs), _joined(states)

    def _windows(self, inputs: Tensor) -> list[Tensor]:
        size = self._feature_size
        if size is None:
            raise ValueError("TimeFreqLSTMCell: feature_size must be given. Received: None")
        count = int((depth_of(inputs.get_shape()) - size) / self._frequency_skip) + 1
        return [slice_(inputs, [0, k * self._frequency_skip], [-1, size]) for k in range(count)]


def _joined(values: list[Tensor]) -> Tensor:
    """All of them at the last axis, one after the other."""
    found = values[0]
    for value in values[1:]:
        found = concat([found, value], 1)
    return found
