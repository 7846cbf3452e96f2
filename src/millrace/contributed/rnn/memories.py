"""Variants of the long short-term memory: normalized, coupled, in groups, on a clock."""

from __future__ import annotations

from typing import Any

from millrace.contributed.layers.normalization import layer_norm
from millrace.contributed.rnn.linear import Linear
from millrace.contributed.rnn.sharded import sharded_variable
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.functions import clip_by_value
from millrace.lib.nn.functions import dropout
from millrace.lib.rnn.cells import LSTMStateTuple, RNNCell, depth_of
from millrace.lib.variables.initializers import Constant, RandomUniform, Zeros
from millrace.lib.variables.scope import get_variable, get_variable_scope, variable_scope
from millrace.ops.array.concat import concat, split
from millrace.ops.array.constant import stop_gradient
from millrace.ops.array.slicing import slice_
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import less
from millrace.ops.math.division import floormod
from millrace.ops.math.elementwise import exp, log, sigmoid
from millrace.ops.math.select import where
from millrace.ops.math.trigonometric import tanh
from millrace.ops.nn.bias import bias_add
from millrace.ops.random.draws import random_uniform


def normalized(x: Tensor, scope: str, gain: float, shift: float) -> Tensor:
    """Layer normalization of the last axis, whose variables begin with `gain` and `shift`."""
    length = [x.get_shape()[-1]]
    with variable_scope(scope):
        get_variable("gamma", shape=length, initializer=Constant(gain), dtype=x.dtype)
        get_variable("beta", shape=length, initializer=Constant(shift), dtype=x.dtype)
    return layer_norm(x, reuse=True, scope=scope)


@public("contrib.rnn.LayerNormBasicLSTMCell")
class LayerNormBasicLSTMCell(RNNCell):
    """A memory with layer normalization (Ba et al. 2016) and dropout that forgets nothing (Semeniuta et al.).

    Args:
      num_units: the size of memory and output.
      forget_bias: added to the forget gate.
      input_size: accepted for old programs.
      activation: of what is written.
      layer_norm: False for a bias in its place.
      norm_gain, norm_shift: how the normalization's variables begin.
      dropout_keep_prob: how likely an element that is written is kept; a float or a scalar tensor.
      dropout_prob_seed: makes it repeatable.
      reuse: whether variables may exist already.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        input_size: Any = None,
        activation: Any = tanh,
        layer_norm: bool = True,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
        dropout_keep_prob: Any = 1.0,
        dropout_prob_seed: int | None = None,
        reuse: Any = None,
    ) -> None:
        super().__init__(_reuse=reuse)
        self._num_units, self._forget_bias, self._activation = num_units, forget_bias, activation
        self._layer_norm, self._norm = layer_norm, (norm_gain, norm_shift)
        self._keep_prob, self._seed = dropout_keep_prob, dropout_prob_seed

    @property
    def state_size(self) -> Any:
        """The sizes of memory and output."""
        return LSTMStateTuple(self._num_units, self._num_units)

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return self._num_units

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        c, h = state
        joined = concat([inputs, h], 1)
        width = 4 * self._num_units
        kernel = get_variable("kernel", [joined.get_shape()[-1], width], dtype=joined.dtype)
        gates = matmul(joined, kernel)
        if not self._layer_norm:
            gates = bias_add(gates, get_variable("bias", [width], dtype=joined.dtype))
        i, j, f, o = split(gates, 4, 1)
        if self._layer_norm:
            i, j = normalized(i, "input", *self._norm), normalized(j, "transform", *self._norm)
            f, o = normalized(f, "forget", *self._norm), normalized(o, "output", *self._norm)
        g = self._activation(j)
        if not isinstance(self._keep_prob, float) or self._keep_prob < 1:
            g = dropout(g, self._keep_prob, seed=self._seed)
        new_c = c * sigmoid(f + self._forget_bias) + sigmoid(i) * g
        if self._layer_norm:
            new_c = normalized(new_c, "state", *self._norm)
        new_h = self._activation(new_c) * sigmoid(o)
        return new_h, LSTMStateTuple(new_c, new_h)


@public("contrib.rnn.CoupledInputForgetGateLSTMCell")
class CoupledInputForgetGateLSTMCell(RNNCell):
    """A memory that writes as much as it forgets (Greff et al. 2015).

    Args:
      num_units: the size of the memory.
      use_peepholes: let the gates see the memory through diagonal weights.
      initializer: accepted; the variables take the scope's, as in TensorFlow.
      num_proj: project the output to this size.
      proj_clip: clip the projected output to this magnitude.
      num_unit_shards, num_proj_shards: into how many variables kernels are split.
      forget_bias: added to the forget gate.
      state_is_tuple: False joins memory and output to one tensor.
      activation: of what is written and read.
      reuse: whether variables may exist already.
      layer_norm: normalize gates and memory.
      norm_gain, norm_shift: how the normalization's variables begin.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        initializer: Any = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        num_unit_shards: int = 1,
        num_proj_shards: int = 1,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = tanh,
        reuse: Any = None,
        layer_norm: bool = False,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
    ) -> None:
        super().__init__(_reuse=reuse)
        self._num_units, self._use_peepholes, self._initializer = num_units, use_peepholes, initializer
        self._num_proj, self._proj_clip = num_proj, proj_clip
        self._shards = num_unit_shards, num_proj_shards
        self._forget_bias, self._state_is_tuple, self._activation = forget_bias, state_is_tuple, activation
        self._layer_norm, self._norm = layer_norm, (norm_gain, norm_shift)

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return self._num_proj or self._num_units

    @property
    def state_size(self) -> Any:
        """The sizes of memory and output."""
        sizes = LSTMStateTuple(self._num_units, self.output_size)
        return sizes if self._state_is_tuple else sum(sizes)

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        units, size, dtype = self._num_units, self.output_size, inputs.dtype
        if self._state_is_tuple:
            c, m = state
        else:
            c, m = slice_(state, [0, 0], [-1, units]), slice_(state, [0, units], [-1, size])
        depth = depth_of(inputs.get_shape())
        kernel = sharded_variable("W", [depth + size, 3 * units], dtype, self._shards[0])
        bias = get_variable("B", shape=[3 * units], initializer=Zeros(), dtype=dtype)
        gates = matmul(concat([inputs, m], 1), kernel)
        if not self._layer_norm:
            gates = bias_add(gates, bias)
        j, f, o = split(gates, 3, 1)
        if self._layer_norm:
            j = normalized(j, "transform", *self._norm)
            f, o = normalized(f, "forget", *self._norm), normalized(o, "output", *self._norm)
        if self._use_peepholes:
            see_f = get_variable("W_F_diag", shape=[units], dtype=dtype)
            see_o = get_variable("W_O_diag", shape=[units], dtype=dtype)
            f = sigmoid(f + self._forget_bias + see_f * c)
        else:
            f = sigmoid(f + self._forget_bias)
        new_c = f * c + (1 - f) * self._activation(j)
        if self._layer_norm:
            new_c = normalized(new_c, "state", *self._norm)
        new_m = sigmoid(o + see_o * new_c) if self._use_peepholes else sigmoid(o)
        new_m = new_m * self._activation(new_c)
        if self._num_proj is not None:
            new_m = matmul(new_m, sharded_variable("W_P", [units, self._num_proj], dtype, self._shards[1]))
            if self._proj_clip is not None:
                new_m = clip_by_value(new_m, -self._proj_clip, self._proj_clip)
        return new_m, LSTMStateTuple(new_c, new_m) if self._state_is_tuple else concat([new_c, new_m], 1)


@public("contrib.rnn.GLSTMCell")
class GLSTMCell(RNNCell):
    """A memory in groups that do not see each other (Kuchaiev and Ginsburg 2017).

    Args:
      num_units: the size of the memory.
      initializer: of the variables.
      num_proj: project the output to this size.
      number_of_groups: must divide the sizes of memory and output.
      forget_bias: added to the forget gate.
      activation: of what is read.
      reuse: whether variables may exist already.

    Raises:
      ValueError: the groups do not divide a size.
    """

    def __init__(
        self,
        num_units: int,
        initializer: Any = None,
        num_proj: int | None = None,
        number_of_groups: int = 1,
        forget_bias: float = 1.0,
        activation: Any = tanh,
        reuse: Any = None,
    ) -> None:
        super().__init__(_reuse=reuse)
        size = num_proj or num_units
        if size % number_of_groups != 0:
            raise ValueError(
                "GLSTMCell: number_of_groups must divide the sizes of memory and output. Received: "
                f"{number_of_groups} for {size}"
            )
        if num_units % number_of_groups != 0:
            raise ValueError(
                "GLSTMCell: number_of_groups must divide the sizes of memory and output. Received: "
                f"{number_of_groups} for {num_units}"
            )
        self._num_units, self._initializer, self._num_proj = num_units, initializer, num_proj
        self._groups, self._forget_bias, self._activation = number_of_groups, forget_bias, activation
        self._group_shape = size // number_of_groups, num_units // number_of_groups
        self._linears: list[Any] = []
        self._project: Any = None

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return self._num_proj or self._num_units

    @property
    def state_size(self) -> Any:
        """The sizes of memory and output."""
        return LSTMStateTuple(self._num_units, self.output_size)

    def _part(self, x: Tensor, group: int, size: int) -> Tensor:
        """What of `x` belongs to a group, `size` columns."""
        rows = x.get_shape().as_list()[0]
        return slice_(
            x,
            [0, group * size],
            [-1 if rows is None else rows, size],
            name=f"GLSTM_group{group}_input_generation",
        )

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        c, m = state
        units = self._num_units
        depth, own = depth_of(inputs.get_shape()) // self._groups, self._group_shape[0]
        with variable_scope(get_variable_scope(), initializer=self._initializer):
            parts: list[list[Tensor]] = [[], [], [], []]
            for group in range(self._groups):
                with variable_scope(f"group{group}"):
                    joined = concat([self._part(inputs, group, depth), self._part(m, group, own)], 1)
                    if len(self._linears) <= group:
                        self._linears.append(Linear(joined, 4 * self._group_shape[1], False))
                    for part, gate in zip(parts, split(self._linears[group](joined), 4, 1), strict=True):
                        part.append(gate)
            biases = [
                get_variable(f"bias_{gate}", [units], dtype=inputs.dtype, initializer=Constant(0.0))
                for gate in "ijfo"
            ]
            i, j, f, o = (bias_add(concat(p, 1), b) for p, b in zip(parts, biases, strict=True))
        new_c = sigmoid(f + self._forget_bias) * c + sigmoid(i) * tanh(j)
        new_m = sigmoid(o) * self._activation(new_c)
        if self._num_proj is not None:
            with variable_scope("projection"):
                if self._project is None:
                    self._project = Linear(new_m, self._num_proj, False)
                new_m = self._project(new_m)
        return new_m, LSTMStateTuple(new_c, new_m)


def _log_uniform(low: float, high: float, seed: int | None = None, dtype: Any = None) -> Any:
    """An initializer: numbers whose logarithms are uniform."""

    def start(shape: Any, dtype: Any = dtype, partition_info: Any = None) -> Tensor:
        return exp(random_uniform(shape, log(low), log(high), dtype, seed=seed))

    return start


def _cycled(x: Tensor, period: Any) -> Tensor:
    """The remainder of x, with the gradient of x itself."""
    return stop_gradient(floormod(x, period) - x) + x


@public("contrib.rnn.PhasedLSTMCell")
class PhasedLSTMCell(RNNCell):
    """A memory whose units are open only during a part of a period of their own (Neil et al. 2016).

    Its inputs are a pair: times `[batch, 1]` and values `[batch, depth]`.

    Args:
      num_units: the size of memory and output.
      use_peepholes: let the gates see the memory.
      leak: how open a closed unit is.
      ratio_on: during which part of the period a unit is open.
      trainable_ratio_on: whether that is trained.
      period_init_min, period_init_max: how periods begin.
      reuse: whether variables may exist already.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        leak: float = 0.001,
        ratio_on: float = 0.1,
        trainable_ratio_on: bool = True,
        period_init_min: float = 1.0,
        period_init_max: float = 1000.0,
        reuse: Any = None,
    ) -> None:
        super().__init__(_reuse=reuse)
        self._num_units, self._use_peepholes, self._leak = num_units, use_peepholes, leak
        self._ratio_on, self._trainable_ratio_on = ratio_on, trainable_ratio_on
        self._period_init = period_init_min, period_init_max
        self._linears: dict[str, Linear] = {}

    @property
    def state_size(self) -> Any:
        """The sizes of memory and output."""
        return LSTMStateTuple(self._num_units, self._num_units)

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return self._num_units

    def _gate(self, name: str, values: list[Tensor], size: int) -> Tensor:
        if name not in self._linears:
            self._linears[name] = Linear(values, size, True)
        return self._linears[name](values)

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        c, h = state
        time, x = inputs
        units = self._num_units
        with variable_scope("mask_gates"):
            seen = [x, h, c] if self._use_peepholes else [x, h]
            write, keep = split(sigmoid(self._gate("mask_gates", seen, 2 * units)), 2, 1)
        with variable_scope("new_input"):
            new = tanh(self._gate("new_input", [x, h], units))
        new_c = c * keep + write * new
        with variable_scope("output_gate"):
            seen = [x, h, new_c] if self._use_peepholes else [x, h]
            read = sigmoid(self._gate("output_gate", seen, units))
        new_h = tanh(new_c) * read
        k = self._openness(time, x.dtype)
        new_c = k * new_c + (1.0 - k) * c
        new_h = k * new_h + (1.0 - k) * h
        return new_h, LSTMStateTuple(new_c, new_h)

    def _openness(self, time: Tensor, dtype: Any) -> Tensor:
        """How open each unit is at a time: up, down, and a leak for the rest of the period."""
        units = [self._num_units]
        low, high = self._period_init
        period = get_variable("period", units, initializer=_log_uniform(low, high), dtype=dtype)
        phase = get_variable(
            "phase", units, initializer=RandomUniform(0.0, period.initial_value), dtype=dtype
        )
        ratio_on: Any = get_variable(
            "ratio_on",
            units,
            initializer=Constant(self._ratio_on),
            trainable=self._trainable_ratio_on,
            dtype=dtype,
        )
        shift, length = phase, period
        if time.dtype.base_dtype is not phase.dtype.base_dtype:
            shift, length = cast(phase, time.dtype), cast(period, time.dtype)
        ratio = _cycled(time - shift, length) / length
        if ratio.dtype.base_dtype is not dtype.base_dtype:
            ratio = cast(ratio, dtype)
        up = 2.0 * ratio / ratio_on
        down = 2.0 - up
        closed = self._leak * ratio
        k = where(less(ratio, ratio_on), down, closed)
        return where(less(ratio, 0.5 * ratio_on), up, k)
