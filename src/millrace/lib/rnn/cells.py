"""Cells of recurrent networks: one step from an input and a state to an output and the next state."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.building.scopes import name_scope
from millrace.building.static import static_value
from millrace.core import dtypes, nest, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers.base import Layer
from millrace.lib.math.functions import clip_by_value
from millrace.lib.variables.initializers import Constant, Zeros
from millrace.lib.variables.scope import get_variable_scope, variable_scope
from millrace.ops.array.concat import concat, split
from millrace.ops.array.constant import zeros
from millrace.ops.array.slicing import slice_

_LSTMStateTuple = collections.namedtuple("LSTMStateTuple", ("c", "h"))


@public("nn.rnn_cell.LSTMStateTuple", "contrib.rnn.LSTMStateTuple")
class LSTMStateTuple(_LSTMStateTuple):
    """The state of an LSTM: memory `c` and output `h`, in this order."""

    __slots__ = ()

    @property
    def dtype(self) -> dtypes.DType:
        """The dtype of both.

        Raises:
          TypeError: they differ.
        """
        if self.c.dtype != self.h.dtype:
            raise TypeError(f"Inconsistent internal state: {self.c.dtype} vs {self.h.dtype}")
        return self.c.dtype


def zeros_of_size(size: Any, batch_size: Any, dtype: Any, twice: bool = True) -> Tensor:
    """Zeros `[batch_size, *size]`, with as much static shape as is known.

    Args:
      size: an int, a float that is whole (`units / 2`), a shape, or a scalar tensor.
      batch_size: an int or a scalar tensor.
      dtype: the dtype.
      twice: draw the parts of the shape once more, as TensorFlow does for states.
    """
    rest: Any = size
    if not isinstance(size, Tensor):
        rest = list(shapes.as_shape([size] if isinstance(size, int | float) else size).as_list())
    lengths = concat(_shape_parts(batch_size, rest), 0)
    found = zeros(lengths, dtype)
    if twice:
        _shape_parts(batch_size, rest)  # nobody takes them, but TensorFlow adds and counts them
    known = static_value(batch_size) if isinstance(batch_size, Tensor) else batch_size
    inner = [static_value(rest)] if isinstance(rest, Tensor) else rest
    found.set_shape([None if d is None else int(d) for d in (known, *inner)])
    return found


def _shape_parts(*parts: Any) -> list[Tensor]:
    """Vectors of a shape's lengths: of scalar tensors, integers or lists of them."""

    def vector(part: Any) -> Tensor:
        if isinstance(part, Tensor):
            return raw.ExpandDims(part, 0)
        lengths = part if isinstance(part, list) else [int(part)]
        return convert.constant_of(lengths, dtypes.int32, "Const")

    return [vector(part) for part in parts]


def zero_state_of(state_size: Any, batch_size: Any, dtype: Any) -> Any:
    """Zeros for each size of `state_size`, in its structure."""
    leaves = [zeros_of_size(s, batch_size, dtype) for s in sizes_of(state_size)]
    return _pack_like(state_size, leaves)


def _is_size(value: Any) -> bool:
    return isinstance(value, int | float | np.number | shapes.Dimension | shapes.TensorShape | Tensor)


def sizes_of(state_size: Any) -> list[Any]:
    """The sizes in a nested state size, in order."""
    if _is_size(state_size):
        return [state_size]
    return [leaf for item in state_size for leaf in sizes_of(item)]


def _pack_like(state_size: Any, leaves: list[Any]) -> Any:
    if _is_size(state_size):
        return leaves[0]
    return nest.pack_sequence_as(state_size, leaves)


@public("nn.rnn_cell.RNNCell", "contrib.rnn.RNNCell", "contrib.rnn.python.ops.core_rnn_cell.RNNCell")
class RNNCell(Layer):
    """Base of cells: subclasses say `state_size`, `output_size`, and `call(inputs, state)`."""

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        """One step.

        Args:
          inputs: `[batch, input_size]`.
          state: `[batch, size]` for each size of `state_size`, in its structure.
          scope: a variable scope; default: one named after the class.

        Returns:
          (output `[batch, output_size]`, the next state).
        """
        if scope is not None:
            with variable_scope(scope, custom_getter=self._noted) as entered:
                return super().__call__(inputs, state, scope=entered)
        with variable_scope(get_variable_scope(), custom_getter=self._noted):
            return super().__call__(inputs, state)

    def _noted(self, getter: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """A variable that `call` gets, which thereby belongs to the cell."""
        variable = getter(*args, **kwargs)
        trained = kwargs.get("trainable", True) is not False
        found = self._trainable_weights if trained else self._non_trainable_weights
        if not any(known is variable for known in found):
            found.append(variable)
        return variable

    @property
    def state_size(self) -> Any:
        """The sizes of the state: an int, a TensorShape, or nested ones."""
        raise AttributeError(f"{type(self).__name__} must define state_size")

    @property
    def output_size(self) -> Any:
        """The size of the output: an int or a TensorShape."""
        raise AttributeError(f"{type(self).__name__} must define output_size")

    def build(self, _: Any) -> None:
        """Does nothing: a cell may make its variables in `call`."""

    def get_initial_state(self, inputs: Any = None, batch_size: Any = None, dtype: Any = None) -> Any:
        """Zeros for the state; batch size and dtype are taken from `inputs` where it is given.

        Raises:
          ValueError: neither `inputs` nor both of the others are given, or they contradict.
        """
        if inputs is not None:
            tensor = convert.convert_to_tensor(inputs)
            rows = None if tensor.dims is None else tensor.dims[0]
            if batch_size is not None and static_value(convert.convert_to_tensor(batch_size)) != rows:
                raise ValueError(
                    "get_initial_state: batch_size must be that of inputs. Received: batch_size="
                    f"{batch_size}, inputs of shape {tensor.shape}"
                )
            if dtype is not None and dtypes.as_dtype(dtype) is not tensor.dtype.base_dtype:
                raise ValueError(
                    f"get_initial_state: dtype must be that of inputs. Received: dtype={dtype}, inputs of "
                    f"dtype {tensor.dtype.name}"
                )
            if batch_size is None:
                batch_size = rows if rows is not None else _first_length(tensor)
            dtype = tensor.dtype if dtype is None else dtype
        if batch_size is None or dtype is None:
            raise ValueError(
                f"batch_size and dtype cannot be None while constructing initial state. Received: "
                f"{batch_size}, {dtype}"
            )
        return self.zero_state(batch_size, dtype)

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """Zeros `[batch_size, size]` for each size of `state_size`, in its structure."""
        with name_scope(
            type(self).__name__ + "ZeroState", None, [t for t in [batch_size] if isinstance(t, Tensor)]
        ):
            return zero_state_of(self.state_size, batch_size, dtype)


@public(
    "contrib.rnn.LayerRNNCell",
    "python.ops.rnn_cell_impl.LayerRNNCell",
    "python.ops.rnn_cell_impl._LayerRNNCell",  # its name until 1.8
)
class LayerRNNCell(RNNCell):
    """Base of cells that make their variables in `build`, once, as layers do."""

    def __call__(self, inputs: Any, state: Any, scope: Any = None, *args: Any, **kwargs: Any) -> Any:
        """One step, as `RNNCell`; further arguments are handed to `call`."""
        return Layer.__call__(self, inputs, state, *args, scope=scope, **kwargs)


def _first_length(tensor: Tensor) -> Tensor:
    return raw.StridedSlice(raw.Shape(tensor), [0], [1], [1], shrink_axis_mask=1)


def depth_of(input_shape: Any) -> int:
    """The last length of the inputs' shape.

    Raises:
      ValueError: it is unknown.
    """
    shape = shapes.as_shape(input_shape)
    if shape.ndims is None or shape[-1].value is None:
        raise ValueError(f"Expected inputs.shape[-1] to be known, saw shape: {shape}")
    return shape[-1].value


def _activation(given: Any, default: str) -> Callable[..., Tensor]:
    if given is None or isinstance(given, str):
        kind = {"tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "Relu", "linear": "Identity"}[given or default]
        return lambda x: getattr(raw, kind)(x)
    return given


class UnitsCell(LayerRNNCell):
    """A cell of so many units with an activation."""

    def __init__(
        self,
        num_units: int,
        activation: Any,
        reuse: Any,
        name: str | None,
        dtype: Any,
        kwargs: dict[str, Any],
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        self._num_units = num_units
        self._activation = _activation(activation, "tanh")

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return self._num_units


@public("nn.rnn_cell.BasicRNNCell", "contrib.rnn.BasicRNNCell")
class BasicRNNCell(UnitsCell):
    """output = state' = activation(W [input, state] + b) (Elman 1990).

    Args:
      num_units: the size of state and output.
      activation: default tanh.
      reuse: whether variables may exist already.
      name, dtype, **kwargs: as for `Layer`.
    """

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: Any = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_units, activation, reuse, name, dtype, kwargs)

    @property
    def state_size(self) -> Any:
        """The sizes of the state."""
        return self._num_units

    def build(self, input_shape: Any) -> None:
        """Makes kernel and bias."""
        depth = depth_of(input_shape)
        self._kernel = self.add_variable("kernel", [depth + self._num_units, self._num_units])
        self._bias = self.add_variable("bias", [self._num_units], initializer=Zeros(dtype=self.dtype))

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        gate = raw.BiasAdd(raw.MatMul(concat([inputs, state], 1), self._kernel), self._bias)
        output = self._activation(gate)
        return output, output


@public("nn.rnn_cell.GRUCell", "contrib.rnn.GRUCell")
class GRUCell(UnitsCell):
    """A gated recurrent unit (Cho et al. 2014).

    Args:
      num_units: the size of state and output.
      activation: of the candidate; default tanh.
      reuse: whether variables may exist already.
      kernel_initializer, bias_initializer: of both pairs of variables; the bias of the gates starts at one
        by default.
      name, dtype, **kwargs: as for `Layer`.
    """

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: Any = None,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_units, activation, reuse, name, dtype, kwargs)
        self._kernel_initializer = kernel_initializer
        self._bias_initializer = bias_initializer

    @property
    def state_size(self) -> Any:
        """The sizes of the state."""
        return self._num_units

    def build(self, input_shape: Any) -> None:
        """Makes the variables of gates and candidate."""
        width, units = depth_of(input_shape) + self._num_units, self._num_units
        start, bias = self._kernel_initializer, self._bias_initializer
        ones = bias if bias is not None else Constant(1.0, dtype=self.dtype)
        none = bias if bias is not None else Zeros(dtype=self.dtype)
        self._gate_kernel = self.add_variable("gates/kernel", [width, 2 * units], initializer=start)
        self._gate_bias = self.add_variable("gates/bias", [2 * units], initializer=ones)
        self._candidate_kernel = self.add_variable("candidate/kernel", [width, units], initializer=start)
        self._candidate_bias = self.add_variable("candidate/bias", [units], initializer=none)

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        gates = raw.BiasAdd(raw.MatMul(concat([inputs, state], 1), self._gate_kernel), self._gate_bias)
        r, u = split(raw.Sigmoid(gates), 2, 1)
        candidate = raw.MatMul(concat([inputs, r * state], 1), self._candidate_kernel)
        c = self._activation(raw.BiasAdd(candidate, self._candidate_bias))
        new = u * state + (1 - u) * c
        return new, new


@public("nn.rnn_cell.BasicLSTMCell", "contrib.rnn.BasicLSTMCell")
class BasicLSTMCell(UnitsCell):
    """A long short-term memory without peepholes or projection (Zaremba et al. 2014).

    Args:
      num_units: the size of memory and output.
      forget_bias: added to the forget gate, so that memories last at first.
      state_is_tuple: False joins memory and output to one tensor.
      activation: default tanh.
      reuse: whether variables may exist already.
      name, dtype, **kwargs: as for `Layer`.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = None,
        reuse: Any = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_units, activation, reuse, name, dtype, kwargs)
        self._forget_bias = forget_bias
        self._state_is_tuple = state_is_tuple

    @property
    def state_size(self) -> Any:
        """The sizes of the state."""
        units = self._num_units
        return LSTMStateTuple(units, units) if self._state_is_tuple else 2 * units

    def build(self, input_shape: Any) -> None:
        """Makes kernel and bias of all four gates."""
        width = depth_of(input_shape) + self._num_units
        self._kernel = self.add_variable("kernel", [width, 4 * self._num_units])
        self._bias = self.add_variable("bias", [4 * self._num_units], initializer=Zeros(dtype=self.dtype))

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        one = convert.constant_of(1, dtypes.int32, "Const")
        c, h = state if self._state_is_tuple else split(state, 2, one)
        gates = raw.BiasAdd(raw.MatMul(concat([inputs, h], 1), self._kernel), self._bias)
        i, j, f, o = split(gates, 4, one)
        bias = convert.constant_of(self._forget_bias, f.dtype.base_dtype, "Const")
        kept = raw.Mul(c, raw.Sigmoid(raw.Add(f, bias)))
        new_c = raw.Add(kept, raw.Mul(raw.Sigmoid(i), self._activation(j)))
        new_h = raw.Mul(self._activation(new_c), raw.Sigmoid(o))
        return new_h, LSTMStateTuple(new_c, new_h) if self._state_is_tuple else concat([new_c, new_h], 1)


@public("nn.rnn_cell.LSTMCell", "contrib.rnn.LSTMCell")
class LSTMCell(UnitsCell):
    """A long short-term memory with optional peepholes, clipping and projection (Sak et al. 2014).

    Args:
      num_units: the size of the memory.
      use_peepholes: let the gates see the memory through diagonal weights.
      cell_clip: clip the memory to this magnitude.
      initializer: of kernels and peepholes.
      num_proj: project the output to this size.
      proj_clip: clip the projected output to this magnitude.
      num_unit_shards, num_proj_shards: accepted; use a partitioner on the variable scope.
      forget_bias: added to the forget gate.
      state_is_tuple: False joins memory and output to one tensor.
      activation: default tanh.
      reuse: whether variables may exist already.
      name, dtype, **kwargs: as for `Layer`.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        cell_clip: float | None = None,
        initializer: Any = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        num_unit_shards: int | None = None,
        num_proj_shards: int | None = None,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = None,
        reuse: Any = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_units, activation, reuse, name, dtype, kwargs)
        self._use_peepholes = use_peepholes
        self._cell_clip = cell_clip
        self._initializer = initializer
        self._num_proj = num_proj
        self._proj_clip = proj_clip
        self._forget_bias = forget_bias
        self._state_is_tuple = state_is_tuple

    @property
    def _size(self) -> int:
        return self._num_proj or self._num_units

    @property
    def state_size(self) -> Any:
        """The sizes of the state."""
        return (
            LSTMStateTuple(self._num_units, self._size)
            if self._state_is_tuple
            else self._num_units + self._size
        )

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return self._size

    def build(self, input_shape: Any) -> None:
        """Makes the variables."""
        units, start = self._num_units, self._initializer
        self._kernel = self.add_variable(
            "kernel", [depth_of(input_shape) + self._size, 4 * units], initializer=start
        )
        self._bias = self.add_variable("bias", [4 * units], initializer=Zeros(dtype=self.dtype))
        if self._use_peepholes:
            self._w_f = self.add_variable("w_f_diag", [units], initializer=start)
            self._w_i = self.add_variable("w_i_diag", [units], initializer=start)
            self._w_o = self.add_variable("w_o_diag", [units], initializer=start)
        if self._num_proj is not None:
            self._projection = self.add_variable(
                "projection/kernel", [units, self._num_proj], initializer=start
            )

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        if self._state_is_tuple:
            c, h = state
        else:
            c = slice_(state, [0, 0], [-1, self._num_units])
            h = slice_(state, [0, self._num_units], [-1, self._size])
        gates = raw.BiasAdd(raw.MatMul(concat([inputs, h], 1), self._kernel), self._bias)
        i, j, f, o = split(gates, 4, 1)
        f = f + self._forget_bias
        if self._use_peepholes:
            kept = raw.Sigmoid(f + self._w_f * c) * c
            new_c = kept + raw.Sigmoid(i + self._w_i * c) * self._activation(j)
        else:
            new_c = raw.Sigmoid(f) * c + raw.Sigmoid(i) * self._activation(j)
        if self._cell_clip is not None:
            new_c = clip_by_value(new_c, -self._cell_clip, self._cell_clip)
        if self._use_peepholes:
            o = o + self._w_o * new_c
        new_h = raw.Sigmoid(o) * self._activation(new_c)
        if self._num_proj is not None:
            new_h = raw.MatMul(new_h, self._projection)
            if self._proj_clip is not None:
                new_h = clip_by_value(new_h, -self._proj_clip, self._proj_clip)
        return new_h, LSTMStateTuple(new_c, new_h) if self._state_is_tuple else concat([new_c, new_h], 1)


@public("nn.rnn_cell.MultiRNNCell", "contrib.rnn.MultiRNNCell")
class MultiRNNCell(RNNCell):
    """Cells on top of each other.

    Args:
      cells: from the lowest up.
      state_is_tuple: False joins their states to one tensor.

    Raises:
      ValueError: there are no cells, or a state is a tuple and `state_is_tuple` False.
      TypeError: `cells` is not a list.
    """

    def __init__(self, cells: Any, state_is_tuple: bool = True) -> None:
        super().__init__()
        if not cells:
            raise ValueError("Must specify at least one cell for MultiRNNCell.")
        if not isinstance(cells, list | tuple):
            raise TypeError(f"cells must be a list or tuple, but saw: {cells!r}")
        if not state_is_tuple and any(nest.is_nested(c.state_size) for c in cells):
            raise ValueError("Some cells return tuples of states, but the flag state_is_tuple is not set")
        self._cells = list(cells)
        self._state_is_tuple = state_is_tuple

    @property
    def cells(self) -> list[Any]:
        """The cells, from the lowest up."""
        return self._cells

    @property
    def state_size(self) -> Any:
        """The sizes of the state."""
        sizes = tuple(cell.state_size for cell in self._cells)
        return sizes if self._state_is_tuple else sum(sizes)

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return self._cells[-1].output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """Each cell's zero state."""
        with name_scope(
            type(self).__name__ + "ZeroState", None, [t for t in [batch_size] if isinstance(t, Tensor)]
        ):
            if self._state_is_tuple:
                return tuple(cell.zero_state(batch_size, dtype) for cell in self._cells)
            return super().zero_state(batch_size, dtype)

    @property
    def trainable_weights(self) -> list[Any]:
        """The trained variables of the cells inside."""
        return [w for cell in self._cells if isinstance(cell, Layer) for w in cell.trainable_weights]

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The other variables of the cells inside."""
        return [w for cell in self._cells if isinstance(cell, Layer) for w in cell.non_trainable_weights]

    def call(self, inputs: Any, state: Any) -> Any:
        """One step of each cell."""
        new_states, place, current = [], 0, inputs
        for i, cell in enumerate(self._cells):
            with variable_scope(f"cell_{i}"):
                if self._state_is_tuple:
                    if not nest.is_nested(state):
                        raise ValueError(
                            f"Expected state to be a tuple of length {len(self._cells)}, but received: "
                            f"{state!r}"
                        )
                    own = state[i]
                else:
                    own = raw.Slice(state, [0, place], [-1, cell.state_size])
                    place += cell.state_size
                current, new = cell(current, own)
                new_states.append(new)
        return current, tuple(new_states) if self._state_is_tuple else concat(new_states, 1)
