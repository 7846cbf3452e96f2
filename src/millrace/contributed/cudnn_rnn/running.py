"""Runs a network of `Layout` by operations that any device has."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.contributed.cudnn_rnn.layout import Layout
from millrace.core import dtypes
from millrace.graph.tensor import Tensor
from millrace.lib.math.lengths import length
from millrace.lib.nn.functions import dropout
from millrace.lib.rnn.cells import LSTMStateTuple, RNNCell
from millrace.lib.rnn.unrolling import dynamic_rnn
from millrace.ops.array.concat import concat, split, stack
from millrace.ops.array.constant import zeros
from millrace.ops.array.reorder import reverse, reverse_sequence
from millrace.ops.array.reshape import transpose
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.cast import cast


class _Step(RNNCell):
    """One direction of one layer, with its matrices given."""

    def __init__(self, layout: Layout, weights: list[Tensor], biases: list[Tensor]) -> None:
        super().__init__()
        self._layout, self._weights, self._biases = layout, weights, biases

    @property
    def state_size(self) -> Any:
        """The size of the state."""
        units = self._layout.num_units
        return LSTMStateTuple(units, units) if self._layout.mode == "lstm" else units

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return self._layout.num_units

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        mode = self._layout.mode
        h = state.h if mode == "lstm" else state
        count = len(self._weights) // 2
        given = _sums(inputs, self._weights[:count], self._biases[:count])
        kept = _sums(h, self._weights[count:], self._biases[count:])
        if mode == "lstm":
            i, f, new, o = (a + b for a, b in zip(given, kept, strict=True))
            c = raw.Sigmoid(f) * state.c + raw.Sigmoid(i) * raw.Tanh(new)
            h = raw.Sigmoid(o) * raw.Tanh(c)
            return h, LSTMStateTuple(c, h)
        if mode == "gru":
            r, u = raw.Sigmoid(given[0] + kept[0]), raw.Sigmoid(given[1] + kept[1])
            new = (1 - u) * raw.Tanh(given[2] + r * kept[2]) + u * h
            return new, new
        new = (raw.Tanh if mode == "rnn_tanh" else raw.Relu)(given[0] + kept[0])
        return new, new


def _sums(x: Tensor, weights: list[Tensor], biases: list[Tensor]) -> list[Tensor]:
    """x W + b for each gate, by one product."""
    joined = matmul(x, transpose(concat(weights, 0))) + concat(biases, 0)
    return list(split(joined, len(weights), 1))


def _turned(x: Tensor, lengths: Any) -> Tensor:
    return reverse(x, [0]) if lengths is None else reverse_sequence(x, lengths, 0, 1)


def run(
    layout: Layout, vector: Tensor, inputs: Tensor, state: Any, lengths: Any, drop: float, seed: int | None
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """All layers over all steps.

    Args:
      layout: the sizes.
      vector: the parameters.
      inputs: `[time, batch, input_size]`.
      state: (h, c) of a memory, else (h,), each `[layers * directions, batch, units]`; None for zeros.
      lengths: int `[batch]` or None.
      drop: how likely an element between two layers is dropped.
      seed: makes that repeatable.

    Returns:
      (outputs `[time, batch, directions * units]`, the last state in the form of `state`).
    """
    pieces = layout.pieces(vector)
    if state is None:
        start = zeros(stack([len(pieces), length(inputs, 1), layout.num_units]), dtype=inputs.dtype)
        start.set_shape([len(pieces), None, layout.num_units])
        state = (start, start) if layout.mode == "lstm" else (start,)
    if lengths is not None:
        lengths = cast(lengths, dtypes.int32)
    last: list[Any] = []
    for layer in range(layout.num_layers):
        if layer > 0 and drop > 0:
            inputs = dropout(inputs, rate=drop, seed=seed)
        outputs = []
        for direction in range(layout.num_dirs):
            place = layer * layout.num_dirs + direction
            first = _state_of(layout, state, place)
            x = _turned(inputs, lengths) if direction else inputs
            found, after = dynamic_rnn(
                _Step(layout, *pieces[place]),
                x,
                sequence_length=lengths,
                initial_state=first,
                time_major=True,
                scope=f"layer_{place}",
            )
            outputs.append(_turned(found, lengths) if direction else found)
            last.append(after)
        inputs = outputs[0] if len(outputs) == 1 else concat(outputs, 2)
    if layout.mode == "lstm":
        return inputs, (stack([s.h for s in last]), stack([s.c for s in last]))
    return inputs, (stack(last),)


def _state_of(layout: Layout, state: Any, place: int) -> Any:
    if layout.mode == "lstm":
        return LSTMStateTuple(c=state[1][place], h=state[0][place])
    return state[0][place]
