"""`keras.backend.rnn`: a step applied along the time axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert, raw
from millrace.core import dtypes, nest
from millrace.core.public import public
from millrace.lib.flow.control_flow import while_loop
from millrace.lib.flow.tensor_array import TensorArray
from millrace.ops.array.concat import stack
from millrace.ops.array.constant import constant
from millrace.ops.array.fill import zeros_like
from millrace.ops.array.reorder import reverse
from millrace.ops.array.reshape import transpose
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

    def swapped(x: Any) -> Any:
        rank = len(x.dims)
        return transpose(x, [1, 0, *range(2, rank)])

    if not time_major:
        inputs = nest.map_structure(swapped, inputs)
    flat = nest.flatten(inputs)
    length, batch = flat[0].dims[0], flat[0].dims[1]
    if mask is not None:
        mask = convert.to_tensor(mask)
        if mask.dtype.base_dtype is not dtypes.bool_:
            mask = cast(mask, dtypes.bool_)
        if len(mask.dims) == 2:
            mask = raw.ExpandDims(mask, -1)
        if not time_major:
            mask = transpose(mask, [1, 0, 2])
    states, constants = tuple(initial_states), list(constants or [])
    sequence = _Sequence(step_function, constants, mask, zero_output_for_mask, go_backwards)
    if unroll:
        if length is None:
            raise ValueError("Unrolling requires a fixed number of timesteps. Received: unknown length")
        last, outputs, states = sequence.unrolled(inputs, states, length)
    else:
        last, outputs, states = sequence.looped(inputs, states, input_length)

    def known(x: Any) -> Any:
        if x.dims is not None:
            x.set_shape([length, batch, *x.dims[2:]])
        return x if time_major else swapped(x)

    return last, nest.map_structure(known, outputs), states


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

    def _choose(self, mask: Any, new: Any, old: Any) -> Any:
        return where(_spread(mask, new), new, old)

    # --- every step built --------------------------------------------------------------------------------

    def unrolled(self, inputs: Any, states: Any, length: int) -> tuple[Any, Any, Any]:
        flat = [raw.Unpack(t, num=length) for t in nest.flatten(inputs)]
        masks = None if self._mask is None else raw.Unpack(self._mask, num=length)
        order = range(length - 1, -1, -1) if self._backwards else range(length)
        outputs: list[Any] = []
        structure, now = states, nest.flatten(states)
        for time in order:
            x = nest.pack_sequence_as(inputs, [pieces[time] for pieces in flat])
            output, new = self._outputs_of(x, nest.pack_sequence_as(structure, now))
            if masks is not None:
                before = outputs[-1] if outputs and not self._zero_output else None
                old = nest.map_structure(zeros_like, output) if before is None else before
                output = nest.map_structure(lambda n, o: self._choose(masks[time], n, o), output, old)  # noqa: B023
                new = [self._choose(masks[time], n, o) for n, o in zip(new, now, strict=True)]
            outputs.append(output)
            now = new
        stacked = [stack(pieces) for pieces in zip(*(nest.flatten(o) for o in outputs), strict=True)]
        last = outputs[-1]
        whole = nest.pack_sequence_as(last, stacked)
        return last, whole, list(nest.pack_sequence_as(structure, now))

    # --- a loop ---------------------------------------------------------------------------------------------

    def looped(self, inputs: Any, states: Any, input_length: Any) -> tuple[Any, Any, Any]:
        flat = nest.flatten(inputs)
        count = flat[0].dims[0] if flat[0].dims[0] is not None else shape_of(flat[0])[0]
        length = count if input_length is None else input_length
        rows = [_rows(reverse(t, [0]) if self._backwards else t, count) for t in flat]
        first = nest.pack_sequence_as(inputs, [t[0] for t in flat])
        shape, _ = self._outputs_of(first, states)
        pattern = nest.flatten(shape)
        written = [TensorArray(o.dtype.base_dtype, size=count, element_shape=o.shape) for o in pattern]
        masks = None
        if self._mask is not None:
            masks = _rows(reverse(self._mask, [0]) if self._backwards else self._mask, count)
        packed, start = nest.flatten(states), constant(0, dtypes.int32)
        previous = [zeros_like(o) for o in pattern] if masks is not None and not self._zero_output else []

        def body(time: Any, written: Any, previous: Any, now: Any) -> Any:
            x = nest.pack_sequence_as(inputs, [r.read(time) for r in rows])
            output, new = self._outputs_of(x, nest.pack_sequence_as(states, now))
            outputs = nest.flatten(output)
            if masks is not None:
                mask = masks.read(time)
                old = previous or [zeros_like(o) for o in outputs]
                outputs = [self._choose(mask, n, o) for n, o in zip(outputs, old, strict=True)]
                new = [self._choose(mask, n, o) for n, o in zip(new, now, strict=True)]
            for tensor, state in zip(new, now, strict=True):
                if tensor.dims is None or state.dims is not None:
                    tensor.set_shape(state.dims)
            written = [w.write(time, o) for w, o in zip(written, outputs, strict=True)]
            return time + 1, written, outputs if previous else previous, new

        found = while_loop(lambda time, *_: raw.Less(time, length), body, (start, written, previous, packed))
        _, written, _, now = found
        outputs = [w.stack() for w in written]
        last = nest.pack_sequence_as(shape, [o[-1] for o in outputs])
        return last, nest.pack_sequence_as(shape, outputs), list(nest.pack_sequence_as(states, now))


def _rows(tensor: Any, count: Any) -> Any:
    return TensorArray(tensor.dtype.base_dtype, size=count, element_shape=tensor.dims[1:]).unstack(tensor)


def _spread(mask: Any, tensor: Any) -> Any:
    """A mask `[batch, 1]` repeated to the shape of a tensor `[batch, ...]`."""
    for _ in range(len(tensor.dims) - len(mask.dims)):
        mask = raw.ExpandDims(mask, -1)
    times = [1] + [shape_of(tensor)[i] if d is None else d for i, d in enumerate(tensor.dims) if i > 0]
    if len(tensor.dims) == 1:
        return raw.Squeeze(mask, squeeze_dims=[1])
    return tile(mask, stack(times) if any(not isinstance(t, int) for t in times) else times)
