"""`keras.backend.rnn`: a step applied along the time axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert, raw
from millrace.core import dtypes, nest
from millrace.core.public import public
from millrace.lib.flow.control_flow import while_loop
from millrace.lib.flow.tensor_array import TensorArray
from millrace.ops.array.concat import stack, unstack
from millrace.ops.array.constant import constant
from millrace.ops.array.fill import zeros_like
from millrace.ops.array.reorder import reverse
from millrace.ops.array.reshape import expand_dims, transpose
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.tile import tile
from millrace.ops.math.cast import cast
from millrace.ops.math.select import where


@public("keras.backend.rnn")
def rnn(
    step_function: Callable[[Any, Any], Any],
    inputs: Any,
    initial_states: Any,
    go_backwards: bool = False,
    mask: Any = None,
    constants: Any = None,
    unroll: bool = False,
    input_length: Any = None,
    time_major: bool = False,
    zero_output_for_mask: bool = False,
) -> tuple[Any, Any, Any]:
    """A step applied to the slices of sequences in turn.

    Args:
      step_function: `(input, states) -> (output, new states)`; `input` is a slice, `[batch, ...]`; `states`
        are followed by the constants.
      inputs: nested, `[batch, time, ...]`.
      initial_states: the first states, `[batch, ...]`.
      go_backwards: begin with the last slice.
      mask: `[batch, time]`: where it does not hold, states stay as they are.
      constants: more tensors for each step.
      unroll: build every step, not a loop; the length must be known.
      input_length: the length, an integer or one tensor, where it is not that of the inputs.
      time_major: inputs and outputs are `[time, batch, ...]`.
      zero_output_for_mask: where the mask does not hold, outputs are zero; else the last that counted.

    Returns:
      The last output, all outputs, `[batch, time, ...]`, and the last states.

    Raises:
      ValueError: `unroll` and the length is unknown.
    """
    inputs = nest.map_structure(convert.to_tensor, inputs)
    if not time_major:
        inputs = nest.map_structure(_swapped, inputs)
    first = nest.flatten(inputs)[0]
    length, batch = first.dims[0], first.dims[1]
    count = shape_of(first)[0]
    if mask is not None:
        mask = convert.to_tensor(mask)
        if mask.dtype.base_dtype is not dtypes.bool_:
            mask = cast(mask, dtypes.bool_)
        if len(mask.dims) == 2:
            mask = expand_dims(mask, -1)
        if not time_major:
            mask = _swapped(mask)
    states, constants = tuple(initial_states), list(constants or [])
    sequence = _Sequence(step_function, constants, mask, zero_output_for_mask, go_backwards)
    if unroll:
        if length is None:
            raise ValueError("Unrolling requires a fixed number of timesteps. Received: unknown length")
        last, outputs, states = sequence.unrolled(inputs, states, length)
    else:
        last, outputs, states = sequence.looped(inputs, states, count, input_length)

    def known(x: Any) -> Any:
        if x.dims is not None:
            x.set_shape([length, batch, *x.dims[2:]])
        return x if time_major else _swapped(x)

    return last, nest.map_structure(known, outputs), states


def _swapped(x: Any) -> Any:
    """Time and batch the other way round."""
    return transpose(x, [1, 0, *range(2, len(x.dims))])


class _Sequence:
    """A step along time, masks applied."""

    def __init__(
        self, step: Any, constants: list[Any], mask: Any, zero_output: bool, go_backwards: bool
    ) -> None:
        self._step, self._constants, self._mask = step, constants, mask
        self._zero_output, self._backwards = zero_output, go_backwards

    def _outputs_of(self, inputs: Any, states: Any) -> tuple[Any, list[Any]]:
        output, new = self._step(inputs, (*states, *self._constants))
        return output, list(nest.flatten(new))

    # --- every step built --------------------------------------------------------------------------------

    def unrolled(self, inputs: Any, states: Any, length: int) -> tuple[Any, Any, Any]:
        flat = [unstack(t) for t in nest.flatten(inputs)]
        masks = None if self._mask is None else unstack(self._mask)
        order = range(length - 1, -1, -1) if self._backwards else range(length)
        outputs: list[Any] = []
        structure, now = states, nest.flatten(states)
        for time in order:
            x = nest.pack_sequence_as(inputs, [pieces[time] for pieces in flat])
            output, new = self._outputs_of(x, nest.pack_sequence_as(structure, now))
            if masks is not None:
                before = nest.flatten(outputs[-1]) if outputs else None
                output = nest.pack_sequence_as(output, _chosen(masks[time], nest.flatten(output), before))
                new = [_chosen(masks[time], [n], [o])[0] for n, o in zip(new, now, strict=True)]
            outputs.append(output)
            now = new
        last = outputs[-1]
        stacked = [stack(pieces) for pieces in zip(*map(nest.flatten, outputs), strict=True)]
        if masks is not None and self._zero_output:
            last = nest.map_structure(lambda o: _chosen(masks[order[-1]], [o])[0], last)
            # As in TensorFlow, the mask is not turned round for `go_backwards`, though the outputs are.
            stacked = [_chosen(self._mask, [o], fixed=2)[0] for o in stacked]
        return last, nest.pack_sequence_as(last, stacked), list(nest.pack_sequence_as(structure, now))

    # --- a loop ---------------------------------------------------------------------------------------------

    def looped(self, inputs: Any, states: Any, count: Any, input_length: Any) -> tuple[Any, Any, Any]:
        flat = nest.flatten(inputs)
        arrays = [TensorArray(t.dtype.base_dtype, size=count) for t in flat]
        rows = [
            a.unstack(reverse(t, [0]) if self._backwards else t) for a, t in zip(arrays, flat, strict=True)
        ]
        first = nest.pack_sequence_as(inputs, [t[0] for t in flat])
        shape, _ = self._outputs_of(first, states)
        pattern = nest.flatten(shape)
        written = [TensorArray(o.dtype.base_dtype, size=count) for o in pattern]
        start, masks, zeros = constant(0, dtypes.int32, name="time"), None, []
        if self._mask is not None:
            mask = reverse(self._mask, [0]) if self._backwards else self._mask
            masks = TensorArray(dtypes.bool_, size=count).unstack(mask)
            zeros = [zeros_like(o) for o in pattern]

        def body(time: Any, written: Any, previous: Any, now: Any) -> Any:
            x = nest.pack_sequence_as(inputs, [r.read(time) for r in rows])
            mask = None if masks is None else masks.read(time)
            output, new = self._outputs_of(x, nest.pack_sequence_as(states, now))
            outputs = nest.flatten(output)
            if mask is not None:
                outputs = _chosen(mask, outputs, zeros if self._zero_output else previous)
            for tensor, state in zip(new, now, strict=True):
                if tensor.dims is None or state.dims is not None:
                    tensor.set_shape(state.dims)
            if mask is not None:
                new = _chosen(mask, new, now)
            written = [w.write(time, o) for w, o in zip(written, outputs, strict=True)]
            return time + 1, written, outputs if masks is not None else previous, new

        _, written, _, now = while_loop(
            lambda time, *_: time < count,
            body,
            (start, written, zeros, nest.flatten(states)),
            maximum_iterations=input_length,
        )
        outputs = [w.stack() for w in written]
        last = nest.pack_sequence_as(shape, [o[-1] for o in outputs])
        return last, nest.pack_sequence_as(shape, outputs), list(nest.pack_sequence_as(states, now))


def _chosen(mask: Any, new: list[Any], old: list[Any] | None = None, fixed: int = 1) -> list[Any]:
    """The new values where a mask `[batch, 1]` holds, elsewhere the old ones, or zeros; see `_spread`."""
    masks = [_spread(mask, n, fixed) for n in new]
    old = [zeros_like(n) for n in new] if old is None else old
    return [where(m, n, o) for m, n, o in zip(masks, new, old, strict=True)]


def _spread(mask: Any, tensor: Any, fixed: int = 1) -> Any:
    """A mask repeated to the shape of a tensor that has more dimensions; the first `fixed` ones agree."""
    for _ in range(len(tensor.dims) - len(mask.dims)):
        mask = expand_dims(mask, -1)
    if len(tensor.dims) < len(mask.dims):
        return raw.Squeeze(mask, squeeze_dims=[-1])
    times = [1 if i < fixed else shape_of(tensor)[i] if d is None else d for i, d in enumerate(tensor.dims)]
    return tile(mask, times)
