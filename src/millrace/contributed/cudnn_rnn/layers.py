"""Layers of recurrent networks over whole sequences, their parameters in one variable, as cuDNN has them."""

from __future__ import annotations

from typing import Any

from millrace.building import convert
from millrace.building.scopes import add_to_collection
from millrace.contributed.cudnn_rnn import saving
from millrace.contributed.cudnn_rnn.layout import Layout, layout_of
from millrace.contributed.cudnn_rnn.running import run
from millrace.core import dtypes
from millrace.core.public import public
from millrace.core.shapes import as_shape
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.layers.base import Layer
from millrace.lib.layers.core import chosen
from millrace.lib.layers.spec import InputSpec
from millrace.lib.variables.initializers import Constant, GlorotUniform
from millrace.lib.variables.scope import get_variable, get_variable_scope
from millrace.ops.array.reshape import transpose


class RecurrentLayer(Layer):
    """Base of the layers.

    Args:
      num_layers: how many are on top of each other.
      num_units: the size of the state in each.
      input_mode: "linear_input" or "auto_select".
      direction: "unidirectional" or "bidirectional".
      dropout: how likely an element between two layers is dropped while training.
      seed: of the dropout and of the kernels' first values.
      dtype: float16, float32 or float64.
      kernel_initializer: of each matrix; default Glorot's.
      bias_initializer: of each bias; default zeros.
      name: as for `Layer`.

    Raises:
      ValueError: a mode, direction or dtype is not one that there is.
    """

    _rnn_mode = ""
    _saveable_cls: Any = None

    def __init__(
        self,
        num_layers: int,
        num_units: int,
        input_mode: str = "linear_input",
        direction: str = "unidirectional",
        dropout: float = 0.0,
        seed: int | None = None,
        dtype: Any = dtypes.float32,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(dtype=dtype, name=name)
        layout_of(self._rnn_mode, num_layers, num_units, 1, input_mode, direction)
        kind = dtypes.as_dtype(dtype)
        if kind not in (dtypes.float16, dtypes.float32, dtypes.float64):
            raise ValueError(f"{self.name}: Only support float16, float32, float64. Received: {kind.name}")
        self.num_layers, self.num_units = num_layers, num_units
        self.input_mode, self.direction, self.rnn_mode = input_mode, direction, self._rnn_mode
        self._dropout, self._seed = dropout, seed
        self._kernel_initializer = kernel_initializer or GlorotUniform(seed=seed, dtype=kind)
        self._bias_initializer = bias_initializer or Constant(0.0, dtype=kind)
        self._layout: Layout | None = None
        self.input_spec = InputSpec(ndim=3)
        self.saveable: Any = None

    @property
    def num_dirs(self) -> int:
        """2 where the layer goes both ways, else 1."""
        return 1 if self.direction == "unidirectional" else 2

    @property
    def input_size(self) -> int:
        """The depth of the inputs.

        Raises:
          ValueError: the layer was not called yet.
        """
        return self._built_layout.input_size

    @property
    def _built_layout(self) -> Layout:
        if self._layout is None:
            raise ValueError(f"'input_size' is unknown since layer {self.name} has not been built.")
        return self._layout

    @property
    def canonical_weight_shapes(self) -> list[tuple[int, int]]:
        """The shapes of all matrices, layer by layer."""
        return self._built_layout.weight_shapes

    @property
    def canonical_bias_shapes(self) -> list[list[int]]:
        """The shapes of all biases, layer by layer."""
        return self._built_layout.bias_shapes

    def state_shape(self, batch_size: Any) -> tuple[list[Any], ...]:
        """The shapes of the states."""
        one = [self.num_layers * self.num_dirs, batch_size, self.num_units]
        return (one, list(one)) if self._rnn_mode == "lstm" else (one,)

    def build(self, input_shape: Any) -> None:
        """Makes `opaque_kernel`, and what saves it.

        Raises:
          ValueError: the inputs' depth is unknown.
        """
        depth = as_shape(input_shape)[-1].value
        if depth is None:
            raise ValueError(
                f"{self.name}: The last dimension of the inputs should be defined. Received: {input_shape}"
            )
        layout = layout_of(
            self._rnn_mode, self.num_layers, self.num_units, depth, self.input_mode, self.direction
        )
        self._layout = layout
        kind = dtypes.as_dtype(self.dtype)

        def first_values(shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
            weights = [self._kernel_initializer(s, dtype=kind) for s in layout.weight_shapes]
            return layout.pack(weights, [self._bias_initializer(s, dtype=kind) for s in layout.bias_shapes])

        outer = get_variable_scope()  # the layer's own where it is called
        with self._in_scope():
            self._kernel = get_variable(
                "opaque_kernel", initializer=first_values, dtype=kind, shape=[layout.size]
            )
        self._trainable_weights.append(self._kernel)
        self.saveable = self._saveable_cls(
            self._kernel,
            self.num_layers,
            self.num_units,
            depth,
            self.input_mode,
            self.direction,
            scope=outer,
            name=f"{self._kernel.op.name}_saveable",
        )
        add_to_collection(GraphKeys.SAVEABLE_OBJECTS, self.saveable)
        self.built = True

    def call(  # type: ignore[override]
        self,
        inputs: Any,
        initial_state: Any = None,
        sequence_lengths: Any = None,
        time_major: bool = True,
        training: Any = True,
    ) -> Any:
        """All layers over all steps.

        Args:
          inputs: `[time, batch, input_size]`; `[batch, time, input_size]` without `time_major`.
          initial_state: (h, c) of a memory, else (h,), each `[layers * directions, batch, units]`; default
            zeros.
          sequence_lengths: int `[batch]`.
          time_major: how inputs and outputs are laid out.
          training: whether elements are dropped; a bool or a scalar bool tensor.

        Returns:
          (outputs, the last state, in the form of `initial_state`).

        Raises:
          ValueError: the state is not a tuple of so many tensors.
        """
        if initial_state is not None:
            count = len(self.state_shape(None))
            if not isinstance(initial_state, tuple) or len(initial_state) != count:
                raise ValueError(
                    f"{self.name}: initial_state must be a tuple of {count} tensors. Received: "
                    f"{initial_state!r}"
                )
        inputs = convert.convert_to_tensor(inputs, dtype=self.dtype)
        if not time_major:
            inputs = transpose(inputs, [1, 0, 2])
        vector = convert.convert_to_tensor(self._kernel)

        def computed(drop: float) -> Any:
            found, after = run(
                self._built_layout, vector, inputs, initial_state, sequence_lengths, drop, self._seed
            )
            return [found, *after]

        if self._dropout == 0.0 or self.num_layers == 1:
            outputs, *last = computed(0.0)
        else:
            outputs, *last = chosen(training, lambda: computed(self._dropout), lambda: computed(0.0))
        return (outputs if time_major else transpose(outputs, [1, 0, 2])), tuple(last)


@public("contrib.cudnn_rnn.CudnnLSTM")
class CudnnLSTM(RecurrentLayer):
    """Long short-term memories; arguments as for `RecurrentLayer`. The state is (h, c)."""

    _rnn_mode = "lstm"
    _saveable_cls = saving.CudnnLSTMSaveable


@public("contrib.cudnn_rnn.CudnnGRU")
class CudnnGRU(RecurrentLayer):
    """Gated recurrent units, the reset gate behind the product; arguments as for `RecurrentLayer`."""

    _rnn_mode = "gru"
    _saveable_cls = saving.CudnnGRUSaveable


@public("contrib.cudnn_rnn.CudnnRNNTanh")
class CudnnRNNTanh(RecurrentLayer):
    """Cells with tanh; arguments as for `RecurrentLayer`."""

    _rnn_mode = "rnn_tanh"
    _saveable_cls = saving.CudnnRNNTanhSaveable


@public("contrib.cudnn_rnn.CudnnRNNRelu")
class CudnnRNNRelu(RecurrentLayer):
    """Cells with ReLU; arguments as for `RecurrentLayer`."""

    _rnn_mode = "rnn_relu"
    _saveable_cls = saving.CudnnRNNReluSaveable
