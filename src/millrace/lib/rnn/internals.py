"""What programs with cells of their own take from TensorFlow's private `rnn_cell_impl` and `rnn`."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.convert import constant_of, convert_to_tensor
from millrace.building.static import static_value
from millrace.core import dtypes, nest, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond
from millrace.lib.rnn.cells import zero_state_of
from millrace.lib.variables.initializers import Constant
from millrace.lib.variables.scope import get_variable, get_variable_scope, variable_scope
from millrace.ops.array.concat import concat


@public("python.ops.rnn._infer_state_dtype")
def infer_state_dtype(explicit_dtype: Any, state: Any) -> Any:
    """The dtype given, else the one dtype of a state.

    Raises:
      ValueError: the state is empty or has several.
    """
    if explicit_dtype is not None:
        return explicit_dtype
    if not nest.is_nested(state):
        return state.dtype
    kinds = [element.dtype for element in nest.flatten(state)]
    if not kinds:
        raise ValueError("Unable to infer dtype from empty state.")
    if any(kind != kinds[0] for kind in kinds):
        raise ValueError(
            "State has tensors of different inferred_dtypes. Unable to infer a single representative dtype. "
            f"Received: {[k.name for k in kinds]}"
        )
    return kinds[0]


@public("python.ops.rnn_cell_impl.assert_like_rnncell", "python.ops.rnn_cell_impl._assert_like_rnncell")
def assert_like_rnncell(cell_name: str, cell: Any) -> None:
    """Checks that something can serve as a cell.

    Raises:
      TypeError: it lacks a size, a state to begin with, or a call; the message says which.
    """
    lacks = [
        f"'{name}' property is missing" for name in ("output_size", "state_size") if not _has(cell, name)
    ]
    if not _has(cell, "zero_state") and not _has(cell, "get_initial_state"):
        lacks.append("either 'zero_state' or 'get_initial_state' method is required")
    if not callable(cell):
        lacks.append("is not callable")
    if lacks:
        raise TypeError(f"The argument {cell_name!r} ({cell}) is not an RNNCell: {', '.join(lacks)}.")


@public("python.ops.rnn_cell_impl._like_rnncell")
def like_rnncell(cell: Any) -> bool:
    """Whether something can serve as a cell."""
    try:
        assert_like_rnncell("cell", cell)
    except TypeError:
        return False
    return True


def _has(cell: Any, name: str) -> bool:
    """`hasattr`, also where a property raises."""
    try:
        getattr(cell, name)
    except AttributeError:
        return name in dir(type(cell))
    except NotImplementedError:
        return True
    return True


@public("python.ops.rnn_cell_impl._concat", "python.ops.rnn._concat")
def concat_shapes(prefix: Any, suffix: Any, static: bool = False) -> Any:
    """One shape after another.

    Args:
      prefix: a shape, an int, or an int tensor of rank 0 or 1.
      suffix: the same.
      static: give a list of ints and None, as far as the sizes are known; None if a rank is not.

    Returns:
      That list, or an int32 vector.

    Raises:
      ValueError: a tensor has another rank, or a shape is not fully defined.
    """
    parts = [_length_vector(part, what) for part, what in ((prefix, "prefix"), (suffix, "suffix"))]
    if static:
        known = [dims for _, dims in parts]
        return None if None in known else [d for dims in known for d in dims]  # pyright: ignore[reportOptionalIterable]
    for (tensor, dims), given in zip(parts, (prefix, suffix)):
        if tensor is None:
            raise ValueError(f"Provided a prefix or suffix of None: {given} and {suffix}. Known: {dims}")
    return concat([tensor for tensor, _ in parts], 0)


def _length_vector(part: Any, what: str) -> tuple[Tensor | None, list[int | None] | None]:
    if isinstance(part, Tensor):
        value = static_value(part)
        if part.dims is None or len(part.dims) > 1:
            raise ValueError(f"{what} tensor must be either a scalar or vector, but saw tensor: {part}")
        vector = raw.ExpandDims(part, 0) if not part.dims else part
        return vector, None if value is None else [int(v) for v in value.reshape(-1)]
    dims = shapes.as_dims([part] if isinstance(part, int | shapes.Dimension) else part)
    if dims is None or None in dims:
        return None, None if dims is None else list(dims)
    return constant_of(list(dims), dtypes.int32, "Const"), list(dims)


@public("python.ops.rnn_cell_impl._zero_state_tensors")
def zero_state_tensors(state_size: Any, batch_size: Any, dtype: Any) -> Any:
    """Zeros `[batch_size, *size]` for each size of a nested state size."""
    return zero_state_of(state_size, batch_size, dtype)


@public("python.ops.rnn._reverse_seq")
def reverse_sequences(input_seq: Any, lengths: Any) -> list[Any]:
    """A list of `[batch, ...]`, one for each time, in reverse order.

    Args:
      input_seq: the list.
      lengths: `[batch]`: only so many first times of each example are reversed; None: all.
    """
    if lengths is None:
        return list(reversed(input_seq))
    steps = [convert_to_tensor(x) for x in input_seq]
    together = raw.Pack(steps, axis=0)
    turned = raw.ReverseSequence(together, convert_to_tensor(lengths), seq_dim=0, batch_dim=1)
    found = raw.Unpack(turned, num=len(steps), axis=0)
    for old, new in zip(steps, found):
        new.set_shape(old.get_shape())
    return list(found)


@public("python.ops.rnn._rnn_step")
def rnn_step(
    time: Any,
    sequence_length: Any,
    min_sequence_length: Any,
    max_sequence_length: Any,
    zero_output: Any,
    state: Any,
    call_cell: Any,
    state_size: Any,
    skip_conditionals: bool = False,
) -> tuple[Any, Any]:
    """One step of a network whose examples have lengths of their own.

    Args:
      time: int32 scalar: which step.
      sequence_length: `[batch]`: from here on an example gives zeros and keeps its state; None: no end.
      min_sequence_length: int32 scalar: before it the cell is called for all.
      max_sequence_length: int32 scalar: from it on the cell is not called.
      zero_output: what to give after the end, in the structure of the output.
      state: the state before.
      call_cell: a function without arguments that gives (output, next state).
      state_size: the cell's state size.
      skip_conditionals: always call the cell, and choose afterwards.

    Returns:
      (output, state).
    """
    old = nest.flatten(state)
    zeros = nest.flatten(zero_output)

    def chosen(output: Any, new_state: Any) -> list[Any]:
        pairs = zip([*zeros, *old], [*nest.flatten(output), *nest.flatten(new_state)])
        if sequence_length is None:
            return [new for _, new in pairs]
        over = raw.GreaterEqual(time, sequence_length)
        return [new if new.dims == () else raw.Select(over, before, new) for before, new in pairs]

    def some() -> list[Any]:
        output, new_state = call_cell()
        nest.assert_same_structure(zero_output, output)
        nest.assert_same_structure(state, new_state)
        return chosen(output, new_state)

    def all_of_them() -> list[Any]:
        output, new_state = call_cell()
        return [*nest.flatten(output), *nest.flatten(new_state)]

    if skip_conditionals or sequence_length is None:
        found = some()
    else:
        found = cond(
            raw.GreaterEqual(time, max_sequence_length),
            lambda: [*zeros, *old],
            lambda: cond(raw.Less(time, min_sequence_length), all_of_them, some),
        )
    for before, new in zip([*zeros, *old], found):
        if isinstance(new, Tensor) and isinstance(before, Tensor):
            new.set_shape(before.get_shape())
    output = nest.pack_sequence_as(zero_output, found[: len(zeros)])
    return output, nest.pack_sequence_as(state, found[len(zeros) :])


@public("contrib.rnn.python.ops.core_rnn_cell._Linear", "python.ops.rnn_cell_impl._Linear")
class Linear:
    """`x @ kernel + bias` of one tensor, or of several side by side."""

    def __init__(
        self,
        args: Any,
        output_size: int,
        build_bias: bool,
        bias_initializer: Any = None,
        kernel_initializer: Any = None,
    ) -> None:
        """Makes the variables "kernel" and "bias" in the current scope.

        Args:
          args: `[batch, n]`, or a list of them.
          output_size: the last size of the result.
          build_bias: whether something is added.
          bias_initializer: default zeros.
          kernel_initializer: default the scope's.

        Raises:
          ValueError: no argument, one that is not of rank 2, or one whose last size is unknown.
        """
        if args is None or (nest.is_nested(args) and not args):
            raise ValueError("`args` must be specified. Received: none")
        self._is_sequence = nest.is_nested(args)
        tensors = list(args) if self._is_sequence else [args]
        depth = 0
        for tensor in tensors:
            if tensor.dims is None or len(tensor.dims) != 2:
                raise ValueError(f"linear is expecting 2D arguments: {[t.get_shape() for t in tensors]}")
            if tensor.dims[1] is None:
                raise ValueError(f"linear expects shape[1] to be provided. Received: {tensor.get_shape()}")
            depth += tensor.dims[1]
        dtype = tensors[0].dtype
        self._build_bias = build_bias
        with variable_scope(get_variable_scope()) as outer:
            self._weights = get_variable(
                "kernel", [depth, output_size], dtype=dtype, initializer=kernel_initializer
            )
            if build_bias:
                with variable_scope(outer) as inner:
                    inner.set_partitioner(None)
                    self._biases = get_variable(
                        "bias",
                        [output_size],
                        dtype=dtype,
                        initializer=bias_initializer or Constant(0.0, dtype=dtype),
                    )

    def __call__(self, args: Any) -> Tensor:
        """The product for arguments of the shapes that the variables were made for."""
        x = concat(list(args), 1) if self._is_sequence and len(args) > 1 else args
        x = x[0] if isinstance(x, list | tuple) else x
        product = raw.MatMul(x, convert_to_tensor(self._weights))
        return raw.BiasAdd(product, convert_to_tensor(self._biases)) if self._build_bias else product


@public("contrib.rnn.python.ops.core_rnn_cell._linear", "python.ops.rnn_cell_impl._linear")
def linear(
    args: Any, output_size: int, bias: bool, bias_initializer: Any = None, kernel_initializer: Any = None
) -> Tensor:
    """`x @ kernel + bias`, with the variables "kernel" and "bias" of the current scope.

    Args:
      args: `[batch, n]`, or a list of them, which are put side by side.
      output_size: the last size of the result.
      bias: whether to add one.
      bias_initializer: default zeros.
      kernel_initializer: default the scope's.

    Raises:
      ValueError: no argument, one that is not of rank 2, or one whose last size is unknown.
    """
    return Linear(args, output_size, bias, bias_initializer, kernel_initializer)(args)
