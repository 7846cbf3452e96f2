"""Running cells over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import control_dependencies, name_scope
from millrace.building.static import constant_value
from millrace.core import dtypes, nest, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.assertion import Assert
from millrace.lib.flow.control_flow import cond, limited_loop, while_loop
from millrace.lib.flow.tensor_array import TensorArray
from millrace.lib.math.reductions import reduce_all, reduce_max, reduce_min
from millrace.lib.rnn.cells import zero_state_of, zeros_of_size
from millrace.lib.variables.scope import variable_scope
from millrace.opkit.rules.idioms import rank_tensor
from millrace.ops.array.concat import stack
from millrace.ops.array.reshape import transpose


def _check_cell(cell: Any, name: str = "cell") -> None:
    if not callable(cell) or not hasattr(cell, "output_size") or not hasattr(cell, "state_size"):
        raise TypeError(
            f"The argument {name!r} ({cell!r}) is not an RNNCell: it needs output_size, state_size and a call"
        )


def _swapped(x: Tensor) -> Tensor:
    """`[batch, time, ...]` as `[time, batch, ...]`, and back."""
    if x.dims is not None and len(x.dims) < 2:
        raise ValueError(
            f"Expected input tensor {x.name} to have rank at least 2, but saw shape: {x.get_shape()}"
        )
    order = raw.ConcatV2([[1, 0], raw.Range(2, rank_tensor(x), 1, name="range")], 0, name="concat")
    return transpose(x, order)


def _initial_state(cell: Any, given: Any, batch_size: Any, dtype: Any) -> Any:
    if given is not None:
        return given
    if dtype is None:
        raise ValueError("If there is no initial_state, you must give a dtype.")
    if hasattr(cell, "zero_state"):
        return cell.zero_state(batch_size, dtype)
    return zero_state_of(cell.state_size, batch_size, dtype)


def _lengths(sequence_length: Any) -> Tensor | None:
    if sequence_length is None:
        return None
    lengths = convert.convert_to_tensor(sequence_length)
    if lengths.dtype.base_dtype is not dtypes.int32:
        lengths = raw.Cast(lengths, DstT=dtypes.int32)
    if lengths.dims is not None and len(lengths.dims) not in (None, 1):
        raise ValueError(
            f"sequence_length must be a vector of length batch_size, but saw shape: {lengths.get_shape()}"
        )
    return raw.Identity(lengths, name="sequence_length")


def _of_length(lengths: Tensor, batch: Any) -> Tensor:
    """`lengths` behind the assertion that there is one for each element of the batch."""
    found, wanted = convert.shape_tensor(lengths), stack([batch])
    data = [
        f"Expected shape for Tensor {lengths.name} is ",
        wanted,
        " but saw shape: ",
        found,
    ]
    with control_dependencies([Assert(reduce_all(raw.Equal(found, wanted)), data)]):
        return raw.Identity(lengths, name="CheckSeqLen")


def _kept(finished: Tensor, old: Any, new: Any) -> Any:
    """`old` for the rows that are finished, `new` for the others."""

    def choose(a: Any, b: Any) -> Any:
        if isinstance(a, TensorArray) or (isinstance(b, Tensor) and b.dims == ()):
            return b
        result = raw.Select(finished, a, b)
        result.set_shape(b.get_shape())
        return result

    return nest.map_structure(choose, old, new, check_types=False)


def _batch_of(inputs: list[Tensor], axis: int) -> Any:
    """The batch size: an int where the static shapes tell, else a scalar tensor."""
    for tensor in inputs:
        if tensor.dims is not None and tensor.dims[axis] is not None:
            return tensor.dims[axis]
    return raw.Shape(inputs[0])[axis]


@public("python.ops.rnn._maybe_tensor_shape_from_tensor")
def shape_where_known(shape: Any) -> Any:
    """The shape that a constant tensor of lengths holds, unknown otherwise; anything else as it is."""
    return shapes.TensorShape(constant_value(shape)) if isinstance(shape, Tensor) else shape


@public(
    "python.ops.rnn._transpose_batch_time",
    "contrib.rnn.transpose_batch_time",
    "contrib.seq2seq.python.ops.decoder._transpose_batch_time",
    "contrib.seq2seq.python.ops.helper._transpose_batch_time",
)
def transpose_batch_time(x: Any) -> Any:
    """The first two dimensions swapped, with as much static shape as is known.

    Raises:
      ValueError: `x` has a rank below two.
    """
    return _swapped(convert.convert_to_tensor(x))


@public("python.ops.rnn._best_effort_input_batch_size", "contrib.rnn.best_effort_input_batch_size")
def best_effort_input_batch_size(flat_input: Any) -> Any:
    """The batch size of inputs `[time, batch, ...]`: an int where a static shape tells, else a scalar tensor.

    Raises:
      ValueError: an input has a rank below two.
    """
    for x in flat_input:
        if x.dims is not None and len(x.dims) < 2:
            raise ValueError(f"Expected input tensor {x.name} to have rank at least 2. Received: {x.shape}")
    return _batch_of(list(flat_input), 1)


@public("nn.dynamic_rnn")
def dynamic_rnn(
    cell: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> Any:
    """Runs a cell over the time axis, in a loop.

    Args:
      cell: an `RNNCell`.
      inputs: `[batch, time, ...]`, nested; `[time, batch, ...]` with `time_major`.
      sequence_length: int vector `[batch]`; beyond it outputs are zero and the state stays.
      initial_state: default: zeros.
      dtype: of the outputs, and of the initial state where none is given.
      parallel_iterations, swap_memory: accepted.
      time_major: how `inputs` and outputs are laid out.
      scope: a variable scope; default "rnn".

    Returns:
      (outputs `[batch, time, output_size]`, the last state).

    Raises:
      TypeError: `cell` is not a cell.
      ValueError: the depth of the inputs is unknown, or neither `initial_state` nor `dtype` is given.

    Example:
      >>> cell = tf.nn.rnn_cell.BasicLSTMCell(8)
      >>> outputs, state = tf.nn.dynamic_rnn(cell, tf.zeros([2, 5, 3]), dtype=tf.float32)
      >>> print(outputs.shape, state.h.shape)
      (2, 5, 8) (2, 8)
    """
    _check_cell(cell)
    with variable_scope(scope or "rnn"):
        flat = [convert.convert_to_tensor(x) for x in nest.flatten(inputs)]
        if not time_major:
            flat = [_swapped(x) for x in flat]
        for x in flat:
            if x.dims is None or any(d is None for d in x.dims[2:]):
                raise ValueError(
                    f"Input size (depth of inputs) must be accessible via shape inference, but saw value "
                    f"None: {x.name}"
                )
        lengths = _lengths(sequence_length)
        batch = _batch_of(flat, 1)
        state = _initial_state(cell, initial_state, batch, dtype)
        lengths = None if lengths is None else _of_length(lengths, batch)
        outputs, state = _loop(cell, inputs, flat, state, lengths, batch, parallel_iterations or 32, dtype)
        if not time_major:
            outputs = nest.map_structure(_swapped, outputs)
    return outputs, state


def _loop(
    cell: Any,
    structure: Any,
    flat: list[Tensor],
    state: Any,
    lengths: Tensor | None,
    batch: Any,
    parallel: int,
    dtype: Any,
) -> Any:
    steps = flat[0].dims[0] if flat[0].dims else None
    length = convert.shape_tensor(flat[0])[0]
    rows = batch if isinstance(batch, int) else None
    if rows is None:
        batch = convert.shape_tensor(flat[0])[1]
    sizes = [
        shapes.as_shape([s] if isinstance(s, int) else s).as_list() for s in nest.flatten(cell.output_size)
    ]
    kind = _output_dtype(dtype, state, flat)
    zero = [zeros_of_size(shapes.as_shape(size), batch, kind, twice=False) for size in sizes]
    longest = length
    if lengths is not None:
        reduce_min(lengths)
        longest = reduce_max(lengths)
    time = convert.constant_of(0, dtypes.int32, "time")
    with name_scope("dynamic_rnn"):
        pass  # TensorFlow names its arrays after a scope of this name
    writes = [TensorArray(kind, size=length, element_shape=[rows, *size]) for size in sizes]
    reads = [TensorArray(x.dtype, size=length, element_shape=x.dims[1:]) for x in flat]  # type: ignore
    reads = [array.unstack(x) for array, x in zip(reads, flat, strict=True)]
    state = nest.map_structure(
        lambda s: s if isinstance(s, TensorArray) else convert.convert_to_tensor(s), state
    )
    raw.Minimum(length, raw.Maximum(1, longest))  # where TensorFlow ends; the loop here has a known length
    count = length if steps is None else steps

    def step(time: Any, written: list[TensorArray], now: Any) -> Any:
        x = nest.pack_sequence_as(structure, [r.read(time) for r in reads])
        finished = None if lengths is None else raw.GreaterEqual(time, lengths)
        output, new = cell(x, now)
        nest.assert_same_structure(now, new, check_types=False)
        values = nest.flatten(output)
        if finished is not None:
            values = [_kept(finished, z, v) for z, v in zip(zero, values, strict=True)]
            new = _kept(finished, now, new)
        new = nest.map_structure(_same_shape, now, new, check_types=False)
        return time + 1, [w.write(time, v) for w, v in zip(written, values, strict=True)], new

    _, written, last = limited_loop(
        lambda time, *_: time < count, step, [time, writes, state], length, parallel, of_the_limit=3
    )
    outputs = [w.stack() for w in written]
    for tensor, size in zip(outputs, sizes, strict=True):
        for part in ([steps, rows], size):  # TensorFlow leaves the known parts of the shape in the graph
            if None not in part:
                convert.constant_of(part, dtypes.int32, "Const")
        tensor.set_shape([steps, rows, *size])
    return nest.pack_sequence_as(cell.output_size, outputs), last


def _output_dtype(dtype: Any, state: Any, flat: list[Tensor]) -> dtypes.DType:
    """The dtype asked for, else that of the state.

    Raises:
      ValueError: none is asked for, and the parts of the state differ.
    """
    if dtype is not None:
        return dtypes.as_dtype(dtype).base_dtype
    kinds = {v.dtype.base_dtype for v in nest.flatten(state) if not isinstance(v, TensorArray)}
    if len(kinds) > 1:
        raise ValueError(
            "dynamic_rnn: the dtype of the outputs cannot be told from a state of different dtypes; give "
            f"dtype. Received: {sorted(k.name for k in kinds)}"
        )
    return kinds.pop() if kinds else flat[0].dtype.base_dtype


def _same_shape(old: Any, new: Any) -> Any:
    if isinstance(new, Tensor) and isinstance(old, Tensor) and old.dims is not None:
        new.set_shape(old.get_shape())
    return new


@public("nn.bidirectional_dynamic_rnn")
def bidirectional_dynamic_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> Any:
    """Runs one cell forwards and one backwards over the time axis; arguments as for `dynamic_rnn`.

    Returns:
      ((outputs forwards, outputs backwards), (last state forwards, last state backwards)).
    """
    _check_cell(cell_fw, "cell_fw")
    _check_cell(cell_bw, "cell_bw")
    time_axis, batch_axis = (0, 1) if time_major else (1, 0)
    options = dict(
        sequence_length=sequence_length,
        dtype=dtype,
        parallel_iterations=parallel_iterations,
        swap_memory=swap_memory,
        time_major=time_major,
    )

    def reversed_(x: Any) -> Tensor:
        x = convert.convert_to_tensor(x)
        if sequence_length is None:
            return raw.ReverseV2(x, [time_axis])
        return raw.ReverseSequence(
            x, convert.convert_to_tensor(sequence_length), seq_dim=time_axis, batch_dim=batch_axis
        )

    with variable_scope(scope or "bidirectional_rnn"):
        with variable_scope("fw") as fw_scope:
            output_fw, state_fw = dynamic_rnn(
                cell_fw, inputs, initial_state=initial_state_fw, scope=fw_scope, **options
            )
        with variable_scope("bw") as bw_scope:
            backwards = nest.map_structure(reversed_, inputs)
            output_bw, state_bw = dynamic_rnn(
                cell_bw, backwards, initial_state=initial_state_bw, scope=bw_scope, **options
            )
    output_bw = nest.map_structure(reversed_, output_bw)
    return (output_fw, output_bw), (state_fw, state_bw)


@public("nn.raw_rnn")
def raw_rnn(
    cell: Any,
    loop_fn: Callable[..., Any],
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    scope: Any = None,
) -> Any:
    """Runs a cell in a loop that the caller steers.

    Args:
      cell: an `RNNCell`.
      loop_fn: of (time, output, state, loop state) to (finished `[batch]`, next input, next state, output to
        emit, loop state); called first with time 0 and None for the others, when the emitted output only
        shows its structure.
      parallel_iterations, swap_memory: accepted.
      scope: a variable scope; default "rnn".

    Returns:
      (a TensorArray of what was emitted, the last state, the last loop state).

    Raises:
      TypeError: `cell` is not a cell, or `loop_fn` is not callable.
    """
    _check_cell(cell)
    if not callable(loop_fn):
        raise TypeError(f"loop_fn must be a callable. Received: {loop_fn!r}")
    with variable_scope(scope or "rnn"):
        time = convert.constant_of(0, dtypes.int32, "Const")
        finished, following, state, emitted, loop_state = loop_fn(time, None, None, None)
        has_loop_state = loop_state is not None
        loop_state = loop_state if has_loop_state else convert.constant_of(0, dtypes.int32, "Const")
        flat_input = [convert.convert_to_tensor(x) for x in nest.flatten(following)]
        following = nest.pack_sequence_as(following, flat_input)
        batch = _batch_of(flat_input, 0)
        rows = batch if isinstance(batch, int) else None
        if emitted is not None:
            flat_emitted = [convert.convert_to_tensor(e) for e in nest.flatten(emitted)]
            sizes = [e.get_shape().as_list() for e in flat_emitted]
            kinds = [e.dtype for e in flat_emitted]
            structure = emitted
        else:
            structure = cell.output_size
            sizes = [
                shapes.as_shape([s] if isinstance(s, int) else s).as_list() for s in nest.flatten(structure)
            ]
            first = nest.flatten(state)[0]
            kinds = [first.dtype.base_dtype] * len(sizes)
        arrays = [
            TensorArray(k, size=0, dynamic_size=True, element_shape=[rows, *size], name=f"rnn_output_{i}")
            for i, (k, size) in enumerate(zip(kinds, sizes, strict=True))
        ]
        zero = [
            zeros_of_size(shapes.as_shape(size), batch, k, twice=False)
            for k, size in zip(kinds, sizes, strict=True)
        ]

        def step(time: Any, done: Any, x: Any, written: list[TensorArray], now: Any, loop_state: Any) -> Any:
            output, new = cell(x, now)
            after = time + 1
            next_done, next_x, next_state, emit, next_loop = loop_fn(
                after, output, new, loop_state if has_loop_state else None
            )
            next_loop = loop_state if next_loop is None else next_loop
            values = nest.flatten(emit)
            values = [_kept(done, z, v) for z, v in zip(zero, values, strict=True)]
            next_state = _kept(done, now, next_state)
            written = [w.write(time, v) for w, v in zip(written, values, strict=True)]
            return after, raw.LogicalOr(done, next_done), next_x, written, next_state, next_loop

        _, _, _, written, last, loop_state = while_loop(
            lambda time, done, *_: raw.LogicalNot(reduce_all(done)),
            step,
            [time, convert.convert_to_tensor(finished), following, arrays, state, loop_state],
            parallel_iterations=parallel_iterations or 32,
        )
        return nest.pack_sequence_as(structure, written), last, loop_state if has_loop_state else None


@public("nn.static_rnn", "contrib.rnn.static_rnn")
def static_rnn(
    cell: Any,
    inputs: Any,
    initial_state: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> Any:
    """Runs a cell over a list of inputs, one piece of graph for each.

    Args:
      cell: an `RNNCell`.
      inputs: a list of `[batch, input_size]`, nested.
      initial_state: default: zeros.
      dtype: of the initial state, where none is given.
      sequence_length: int vector `[batch]`; beyond it outputs are zero and the state stays.
      scope: a variable scope; default "rnn".

    Returns:
      (a list of outputs, the last state).

    Raises:
      TypeError: `cell` is not a cell, or `inputs` is not a list.
      ValueError: the list is empty, a depth is unknown, or neither `initial_state` nor `dtype` is given.
    """
    _check_cell(cell)
    if not nest.is_nested(inputs):
        raise TypeError("inputs must be a sequence")
    if not inputs:
        raise ValueError("inputs must not be empty")
    outputs = []
    with variable_scope(scope or "rnn") as entered:
        first = inputs
        while nest.is_nested(first):
            first = first[0]
        first = convert.convert_to_tensor(first)
        for x in nest.flatten(inputs):
            if x.get_shape().ndims is None or any(d is None for d in x.get_shape().as_list()[1:]):
                raise ValueError(
                    f"Input size (dimension 1 of inputs) must be accessible via shape inference, but saw "
                    f"value None: {x!r}"
                )
        batch = _batch_of([first], 0)
        state = _initial_state(cell, initial_state, batch, dtype)
        step = _plain_step(cell)
        if sequence_length is not None:
            step = _limited_step(cell, sequence_length, batch, first.dtype)
        for time, x in enumerate(inputs):
            if time > 0:
                entered.reuse_variables()
            output, state = step(time, x, state)
            outputs.append(output)
    return outputs, state


def _plain_step(cell: Any) -> Callable[[int, Any, Any], Any]:
    return lambda time, x, state: cell(x, state)


def _limited_step(cell: Any, sequence_length: Any, batch: Any, dtype: Any) -> Callable[[int, Any, Any], Any]:
    """A step that leaves the cell out once all sequences have ended, and keeps the rows that have."""
    lengths = convert.convert_to_tensor(sequence_length, name="sequence_length")
    zero = [_zero_output(size, batch, dtype) for size in nest.flatten(cell.output_size)]
    if lengths.dtype.base_dtype is not dtypes.int32:
        lengths = raw.Cast(lengths, DstT=dtypes.int32)
    shortest, longest = reduce_min(lengths), reduce_max(lengths)

    def step(time: int, x: Any, state: Any) -> Any:
        kept = zero + nest.flatten(state)
        ended = raw.LessEqual(lengths, time)

        def run() -> list[Any]:
            output, new = cell(x, state)
            fresh = nest.flatten(output) + nest.flatten(new)
            return cond(raw.Greater(shortest, time), lambda: fresh, lambda: _kept(ended, kept, fresh))

        found = cond(raw.LessEqual(longest, time), lambda: kept, run)
        for tensor, old in zip(found, kept, strict=True):
            if isinstance(tensor, Tensor):
                tensor.set_shape(old.get_shape())
        output = nest.pack_sequence_as(cell.output_size, found[: len(zero)])
        return output, nest.pack_sequence_as(state, found[len(zero) :])

    return step


def _zero_output(size: Any, batch: Any, dtype: Any) -> Tensor:
    """Zeros for an output of this size, with the static shape's constants that 1.15 counts."""
    zeros = zeros_of_size(size, batch, dtype, twice=False)
    if not isinstance(batch, Tensor):
        convert.constant_of([int(batch)], dtypes.int32, "Const")
    convert.constant_of(shapes.as_shape(size).as_list(), dtypes.int32, "Const")
    return zeros


@public("nn.static_state_saving_rnn", "contrib.rnn.static_state_saving_rnn")
def static_state_saving_rnn(
    cell: Any, inputs: Any, state_saver: Any, state_name: Any, sequence_length: Any = None, scope: Any = None
) -> Any:
    """`static_rnn` whose state is loaded from and saved to an object.

    Args:
      cell, inputs, sequence_length, scope: as for `static_rnn`.
      state_saver: has `state(name)` and `save_state(name, value)`.
      state_name: the name of the state, nested as the cell's state.

    Returns:
      (a list of outputs, the last state).

    Raises:
      TypeError: `cell` is not a cell, or `state_saver` cannot save a state.
      ValueError: there is not one name for each state.
    """
    _check_cell(cell)
    if not hasattr(state_saver, "state") or not hasattr(state_saver, "save_state"):
        raise TypeError(
            "static_state_saving_rnn: state_saver needs the methods state and save_state. "
            f"Received: {state_saver!r}"
        )
    sizes, names = nest.flatten(cell.state_size), nest.flatten(state_name)
    if len(sizes) != len(names):
        raise ValueError(f"#elems(state_name) != #elems(state_size): {len(names)} vs. {len(sizes)}")
    start = nest.pack_sequence_as(cell.state_size, [state_saver.state(n) for n in names])
    outputs, state = static_rnn(cell, inputs, start, sequence_length=sequence_length, scope=scope)
    saved = [state_saver.save_state(n, s) for n, s in zip(names, nest.flatten(state), strict=True)]
    last = outputs[-1].graph
    with last.control_dependencies(saved):
        outputs[-1] = nest.map_structure(lambda t: raw.Identity(t), outputs[-1])
        state = nest.map_structure(lambda t: raw.Identity(t), state)
    return outputs, state


@public("nn.static_bidirectional_rnn", "contrib.rnn.static_bidirectional_rnn")
def static_bidirectional_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> Any:
    """Runs one cell forwards and one backwards over a list of inputs; arguments as for `static_rnn`.

    Returns:
      (a list of both outputs joined, last state forwards, last state backwards).
    """
    _check_cell(cell_fw, "cell_fw")
    _check_cell(cell_bw, "cell_bw")
    if not nest.is_nested(inputs):
        raise TypeError("inputs must be a sequence")
    if not inputs:
        raise ValueError("inputs must not be empty")
    options: dict[str, Any] = dict(dtype=dtype, sequence_length=sequence_length)
    with variable_scope(scope or "bidirectional_rnn"):
        with variable_scope("fw") as fw_scope:
            output_fw, state_fw = static_rnn(cell_fw, inputs, initial_state_fw, scope=fw_scope, **options)
        with variable_scope("bw") as bw_scope:
            backwards = _reversed_list(inputs, sequence_length)
            output_bw, state_bw = static_rnn(cell_bw, backwards, initial_state_bw, scope=bw_scope, **options)
    output_bw = _reversed_list(output_bw, sequence_length)
    outputs = [
        nest.map_structure(lambda a, b: raw.ConcatV2([a, b], 1, name="concat"), f, b)
        for f, b in zip(output_fw, output_bw, strict=True)
    ]
    return outputs, state_fw, state_bw


def _reversed_list(items: Any, lengths: Any) -> list[Any]:
    """The list from its end; with lengths, each row from the end of its sequence."""
    if lengths is None:
        return list(reversed(items))
    columns = zip(*[nest.flatten(item) for item in items], strict=True)
    turned = []
    for column in columns:
        stacked = raw.ReverseSequence(
            raw.Pack(list(column), name="stack"), convert.convert_to_tensor(lengths), seq_dim=0, batch_dim=1
        )
        turned.append(raw.Unpack(stacked, num=len(items), axis=0, name="unstack"))
    return [nest.pack_sequence_as(item, [t[i] for t in turned]) for i, item in enumerate(items)]
