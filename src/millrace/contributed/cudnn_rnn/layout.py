"""How the parameters of a whole network lie in one vector, and what they are called apart from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from millrace.graph.tensor import Tensor
from millrace.ops.array.concat import concat, split
from millrace.ops.array.reshape import reshape, transpose

# How many products of the input, and of the state, there are at each step.
GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
_MOST_LAYERS = 1 << 16
_MODES = ("linear_input", "auto_select")
_DIRECTIONS = ("unidirectional", "bidirectional")


@dataclass(frozen=True)
class Layout:
    """The sizes of a network.

    The vector holds the matrices of all layers, then all their biases. A layer has one matrix for each gate
    and its input, then one for each gate and its state; of two directions the one forwards comes first.

    Attributes:
      mode: "lstm", "gru", "rnn_tanh" or "rnn_relu".
      num_layers, num_units, input_size: its sizes.
      num_dirs: 2 where it goes both ways, else 1.
    """

    mode: str
    num_layers: int
    num_units: int
    input_size: int
    num_dirs: int

    @property
    def weight_shapes(self) -> list[tuple[int, int]]:
        """The shapes of all matrices, in order."""
        found: list[tuple[int, int]] = []
        for layer in range(self.num_layers):
            depth = self.input_size if layer == 0 else self.num_dirs * self.num_units
            one = [(self.num_units, depth)] * GATES[self.mode]
            one += [(self.num_units, self.num_units)] * GATES[self.mode]
            found += one * self.num_dirs
        return found

    @property
    def bias_shapes(self) -> list[list[int]]:
        """The shapes of all biases, in order."""
        return [[self.num_units]] * len(self.weight_shapes)

    @property
    def size(self) -> int:
        """The length of the vector."""
        return sum(int(np.prod(s)) for s in [*self.weight_shapes, *self.bias_shapes])

    def pack(self, weights: Sequence[Any], biases: Sequence[Any]) -> Tensor:
        """The vector of matrices and biases."""
        return concat([reshape(w, [-1]) for w in [*weights, *biases]], 0)

    def unpack(self, vector: Any) -> tuple[list[Tensor], list[Tensor]]:
        """(matrices, biases) of a vector."""
        shapes = [*self.weight_shapes, *self.bias_shapes]
        parts = split(vector, [int(np.prod(s)) for s in shapes], 0)
        found = [reshape(p, list(s)) for p, s in zip(parts, shapes, strict=True)]
        return found[: len(self.weight_shapes)], found[len(self.weight_shapes) :]

    def pieces(self, vector: Any) -> list[tuple[list[Tensor], list[Tensor]]]:
        """(matrices, biases) of each direction of each layer."""
        weights, biases = self.unpack(vector)
        count = 2 * GATES[self.mode]
        starts = range(0, len(weights), count)
        return [(weights[i : i + count], biases[i : i + count]) for i in starts]

    def to_cells(self, vector: Any) -> tuple[list[Tensor], list[Tensor]]:
        """(kernels, biases) of the compatible cells, layer by layer."""
        kernels, biases = [], []
        for w, b in self.pieces(vector):
            more = _cell_variables(self.mode, w, b)
            kernels += more[0]
            biases += more[1]
        return kernels, biases

    def from_cells(self, kernels: Sequence[Any], biases: Sequence[Any]) -> Tensor:
        """The vector of the variables of compatible cells; what both biases share goes to each by half."""
        count = 3 if self.mode == "gru" else 1
        weights, both = [], []
        for i in range(0, len(kernels), count):
            depth = self.weight_shapes[len(weights)][1]
            w, b = _cudnn_variables(
                self.mode, kernels[i : i + count], biases[i : i + count], depth, self.num_units
            )
            weights += w
            both += b
        return self.pack(weights, both)


def check_layers(num_layers: int) -> None:
    """Refuses more layers than anybody has room for."""
    if num_layers > _MOST_LAYERS:
        raise ValueError(f"cudnn_rnn: num_layers must be at most {_MOST_LAYERS}. Received: {num_layers}")


def layout_of(
    mode: str, num_layers: int, num_units: int, input_size: int, input_mode: str, direction: str
) -> Layout:
    """The layout of a network.

    Raises:
      ValueError: a mode or direction is not one that there is, or there are too many layers.
    """
    check_layers(num_layers)
    if input_mode not in _MODES:
        raise ValueError(f"cudnn_rnn: input_mode must be one of {_MODES}. Received: {input_mode!r}")
    if direction not in _DIRECTIONS:
        raise ValueError(f"Invalid direction: {direction}, expect one of {_DIRECTIONS}")
    return Layout(mode, num_layers, num_units, input_size, 1 if direction == "unidirectional" else 2)


def _order(mode: str, values: Sequence[Any]) -> list[Any]:
    """Gates as a memory's kernel has them: input, new, forget, output; the same the other way round."""
    if mode != "lstm":
        return list(values)
    return [values[0], values[2], values[1], values[3]]


def _cell_variables(mode: str, w: list[Tensor], b: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    gates = GATES[mode]
    if mode == "gru":
        joined = [concat([w[k], w[3 + k]], 1) for k in range(2)]
        kernels = [transpose(concat(joined, 0)), transpose(w[2]), transpose(w[5])]
        return kernels, [concat(b[:2], 0) + concat(b[3:5], 0), b[2], b[5]]
    joined = _order(mode, [concat([w[k], w[gates + k]], 1) for k in range(gates)])
    sums = _order(mode, [b[k] + b[gates + k] for k in range(gates)])
    return [transpose(concat(joined, 0))], [concat(sums, 0)]


def _cudnn_variables(
    mode: str, kernels: Sequence[Any], biases: Sequence[Any], depth: int, units: int
) -> tuple[list[Tensor], list[Tensor]]:
    gates = GATES[mode]
    shared = 2 if mode == "gru" else gates
    rows = split(transpose(kernels[0]), shared, 0)
    halves = split(biases[0] * 0.5, shared, 0)
    parts = [split(row, [depth, units], 1) for row in _order(mode, rows)]
    halves = _order(mode, halves)
    given, kept = [p[0] for p in parts], [p[1] for p in parts]
    if mode == "gru":
        given, kept = [*given, transpose(kernels[1])], [*kept, transpose(kernels[2])]
        return given + kept, [*halves, biases[1], *halves, biases[2]]
    return given + kept, [*halves, *halves]
