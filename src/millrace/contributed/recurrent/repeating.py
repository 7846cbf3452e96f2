"""`Recurrent`: a function of a state and of one step of the inputs, over all steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import to_tensor
from millrace.core import nest
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import while_loop
from millrace.lib.flow.custom_gradient import tied
from millrace.lib.flow.tensor_array import TensorArray
from millrace.ops.array.fill import zeros_like
from millrace.ops.array.shape import shape as shape_of

Leaves = list[Tensor]


@dataclass
class _Repeating:
    """One function over the steps of a sequence, in terms of the leaves of its structures."""

    theta: Any
    state: Any
    inputs: Any
    extras: Any
    cell: Callable[..., Any]
    first: Tensor | None
    end: Tensor | None

    @property
    def length(self) -> Tensor:
        """How many steps the inputs have."""
        return shape_of(nest.flatten(self.inputs)[0])[0]

    def step(self, state: Leaves, at: Leaves) -> tuple[Leaves, Leaves]:
        """The next state, and the extras of the step."""
        new, extras = self.cell(
            self.theta, nest.pack_sequence_as(self.state, state), nest.pack_sequence_as(self.inputs, at)
        )
        nest.assert_same_structure(self.state, new)
        return _tensors(new), [] if self.extras is None else _tensors(extras)

    def kept(self, t: Tensor, new: Leaves, old: Leaves) -> Leaves:
        """`new` where step `t` is one that counts, else `old`."""
        if self.first is None:
            return new
        counts = raw.LogicalAnd(raw.GreaterEqual(t, self.first), raw.Less(t, self.end))
        return [raw.SelectV2(counts, a, b) for a, b in zip(new, old, strict=True)]

    def forward(self, keeps: bool) -> tuple[list[Leaves], Leaves]:
        """The states after each step, and with `keeps` those before it and the extras; and the last state."""
        length, start = self.length, _tensors(self.state)
        rows = [TensorArray(x.dtype, length).unstack(x) for x in _tensors(self.inputs)]
        extras = _tensors(self.extras) if keeps and self.extras is not None else []
        kinds = [[*start], [*start], extras] if keeps else [[*start]]
        arrays = [[TensorArray(x.dtype, length, element_shape=x.shape) for x in kind] for kind in kinds]

        def body(t: Tensor, state: Leaves, held: Any) -> tuple[Any, ...]:
            new, more = self.step(state, [r.read(t) for r in rows])
            shown = self.kept(t, new, [zeros_like(x) for x in new])
            written = [shown, state, more] if keeps else [shown]
            held = [
                [a.write(t, x) for a, x in zip(some, values, strict=True)]
                for some, values in zip(held, written, strict=True)
            ]
            return t + 1, self.kept(t, new, state), held

        _, last, arrays = while_loop(lambda t, *_: raw.Less(t, length), body, (to_tensor(0), start, arrays))
        return [[a.stack() for a in some] for some in arrays], last

    def backward(
        self, cell_grad: Callable[..., Any], kept: list[Leaves], d_all: Leaves, d_last: Leaves
    ) -> tuple[Leaves, Leaves, Leaves]:
        """The gradients of the weights, of the first state and of the inputs."""
        length, inputs = self.length, _tensors(self.inputs)
        _, before, extras = kept
        arrays = [TensorArray(x.dtype, length, element_shape=x.shape[1:]) for x in inputs]

        def body(t: Tensor, d_theta: Leaves, d_state: Leaves, d_inputs: Any) -> tuple[Any, ...]:
            arriving = [a + b[t] for a, b in zip(d_state, d_all, strict=True)]
            found = cell_grad(
                self.theta,
                nest.pack_sequence_as(self.state, [x[t] for x in before]),
                nest.pack_sequence_as(self.inputs, [x[t] for x in inputs]),
                () if self.extras is None else nest.pack_sequence_as(self.extras, [x[t] for x in extras]),
                nest.pack_sequence_as(self.state, arriving),
            )
            to_theta, to_state, to_inputs = (nest.flatten(f) for f in found)
            more = [a if g is None else a + g for a, g in zip(d_theta, to_theta, strict=True)]
            back = [
                zeros_like(a) if g is None else to_tensor(g) for a, g in zip(d_state, to_state, strict=True)
            ]
            rows = [
                zeros_like(x[t]) if g is None else to_tensor(g)
                for x, g in zip(inputs, to_inputs, strict=True)
            ]
            d_inputs = [
                a.write(t, x)
                for a, x in zip(d_inputs, self.kept(t, rows, [zeros_like(x) for x in rows]), strict=True)
            ]
            return t - 1, self.kept(t, more, d_theta), self.kept(t, back, d_state), d_inputs

        start = (length - 1, [zeros_like(x) for x in _tensors(self.theta)], d_last, arrays)
        _, d_theta, d_state, arrays = while_loop(lambda t, *_: raw.GreaterEqual(t, 0), body, start)
        return d_theta, d_state, [a.stack() for a in arrays]


def _or_zeros(gradients: list[Any], like: Leaves) -> Leaves:
    return [zeros_like(x) if g is None else to_tensor(g) for g, x in zip(gradients, like, strict=True)]


def _tensors(structure: Any) -> Leaves:
    return [to_tensor(x) for x in nest.flatten(structure)]


@public("contrib.recurrent.Recurrent")
def Recurrent(  # noqa: N802
    theta: Any,
    state0: Any,
    inputs: Any,
    cell_fn: Callable[..., Any],
    cell_grad: Callable[..., Any] | None = None,
    extras: Any = None,
    max_input_length: Any = None,
    use_tpu: bool = False,
    aligned_end: bool = False,
) -> tuple[Any, Any]:
    """state[t + 1], extras[t] = cell_fn(theta, state[t], inputs[t]), for all steps.

    Args:
      theta: a structure of tensors, the weights.
      state0: a structure of tensors, the first state.
      inputs: a structure of tensors `[time, ...]`.
      cell_fn: (theta, state, inputs of one step) -> (state of the same structure, extras).
      cell_grad: (theta, state, inputs of one step, extras, gradients of the next state) -> gradients of
        theta, of the state and of the inputs; None to differentiate `cell_fn`.
      extras: the structure of what `cell_fn` leaves for `cell_grad`; None where it leaves nothing.
      max_input_length: an int32 scalar: how many steps count; after the others states are zeros. None for
        all.
      use_tpu: of no effect.
      aligned_end: the last steps count, not the first.

    Returns:
      The states after each step, `[time, ...]`, and the last state.

    Raises:
      ValueError: a state that `cell_fn` gives has another structure.
    """
    first = end = None
    if max_input_length is not None:
        count, length = to_tensor(max_input_length), shape_of(nest.flatten(inputs)[0])[0]
        first, end = (length - count, length) if aligned_end else (to_tensor(0), count)
    told = _Repeating(theta, state0, inputs, extras if cell_grad else None, cell_fn, first, end)
    kept, last = told.forward(cell_grad is not None)
    if cell_grad is None:
        return nest.pack_sequence_as(state0, kept[0]), nest.pack_sequence_as(state0, last)
    count_of_states = len(last)
    sources = [*_tensors(theta), *_tensors(state0), *_tensors(inputs)]
    of_cell = cell_grad

    def backward(op: Any, *dys: Any) -> Leaves:
        d_all, d_last = list(dys[:count_of_states]), list(dys[count_of_states : 2 * count_of_states])
        found = told.backward(of_cell, kept, d_all, d_last)
        return [g for leaves in found for g in leaves]

    made = tied(sources[0].graph, [*kept[0], *last], sources, backward)
    return (
        nest.pack_sequence_as(state0, made[:count_of_states]),
        nest.pack_sequence_as(state0, made[count_of_states:]),
    )
