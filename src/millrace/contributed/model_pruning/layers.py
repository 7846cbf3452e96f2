"""`tf.contrib.model_pruning`: layers whose weights have masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.contributed.framework.arg_scope import add_arg_scope
from millrace.contributed.framework.variables import model_variable
from millrace.contributed.layers.initializers import xavier_initializer
from millrace.contributed.layers.outputs import collect_named_outputs, regularizer_under
from millrace.contributed.model_pruning.masks import mask_of, masked, threshold_of
from millrace.core.public import public
from millrace.lib.nn.convolution import convolution
from millrace.lib.rnn import cells
from millrace.lib.variables.initializers import Ones, Zeros
from millrace.lib.variables.scope import get_variable_scope, variable_scope
from millrace.ops.linalg.matmul import matmul
from millrace.ops.nn.activation import relu
from millrace.ops.nn.bias import bias_add

_XAVIER, _ZEROS = xavier_initializer(), Zeros()


def _biases(given: dict[str, Any], depth: int, dtype: Any) -> Any:
    """The variable of the biases; None where there are none, or a normalization takes their place."""
    if given["normalizer_fn"] is not None or given["biases_initializer"] is None:
        return None
    return model_variable(
        "biases",
        [depth],
        dtype,
        given["biases_initializer"],
        _regularizer("bias", given["biases_regularizer"]),
        given["trainable"],
        _collections(given["variables_collections"], "biases"),
    )


def _finished(
    outputs: Any, given: dict[str, Any], biases: Any, scope: Any, data_format: str | None = None
) -> Any:
    """Biases or normalization, activation, collections."""
    if given["normalizer_fn"] is not None:
        outputs = given["normalizer_fn"](outputs, **(given["normalizer_params"] or {}))
    elif biases is not None:
        outputs = bias_add(outputs, biases, data_format=data_format)
    if given["activation_fn"] is not None:
        outputs = given["activation_fn"](outputs)
    return collect_named_outputs(given["outputs_collections"], scope.name, outputs)


def _collections(given: Any, name: str) -> Any:
    return given.get(name) if isinstance(given, dict) else given


def _regularizer(own: str, regularizer: Any) -> Any:
    """`regularizer` under the name that a layer of `tf.layers` gives its variable."""
    if regularizer is None:
        return None
    return regularizer_under(f"{get_variable_scope().name}/{own}/Regularizer/", regularizer)


def _weights(dims: list[Any], dtype: Any, given: dict[str, Any]) -> Any:
    return model_variable(
        "weights",
        dims,
        dtype,
        given["weights_initializer"],
        _regularizer("kernel", given["weights_regularizer"]),
        given["trainable"],
        _collections(given["variables_collections"], "weights"),
    )


@public("contrib.model_pruning.masked_fully_connected")
@add_arg_scope
def masked_fully_connected(
    inputs: Any,
    num_outputs: int,
    activation_fn: Callable[..., Any] | None = relu,
    normalizer_fn: Any = None,
    normalizer_params: dict[str, Any] | None = None,
    weights_initializer: Any = _XAVIER,
    weights_regularizer: Any = None,
    biases_initializer: Any = _ZEROS,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Any:
    """As `tf.contrib.layers.fully_connected`, of weights with a mask.

    Raises:
      ValueError: the length of the last axis is not known.
    """
    given = dict(locals())
    with variable_scope(scope, "fully_connected", [inputs], reuse=reuse) as opened:
        inputs = convert_to_tensor(inputs)
        dims, dtype = inputs.dims, inputs.dtype.base_dtype
        if not dims or len(dims) < 2 or dims[-1] is None:
            raise ValueError(f"The last dimension of inputs must be known. Received: shape {dims}")
        weights = _weights([dims[-1], num_outputs], dtype, given)
        mask, threshold = (
            mask_of([dims[-1], num_outputs], dtype, layer=True),
            threshold_of(dtype, layer=True),
        )
        product = masked(weights, mask, threshold)
        biases = _biases(given, num_outputs, dtype)
        rows = inputs if len(dims) == 2 else raw.Reshape(inputs, [-1, dims[-1]])
        outputs = matmul(rows, product)
        if len(dims) > 2:
            outputs = raw.Reshape(outputs, [*[-1 if d is None else d for d in dims[:-1]], num_outputs])
        return _finished(outputs, given, biases, opened)


@public("contrib.model_pruning.masked_convolution", "contrib.model_pruning.masked_conv2d")
@add_arg_scope
def masked_convolution(
    inputs: Any,
    num_outputs: int,
    kernel_size: Any,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str | None = None,
    rate: Any = 1,
    activation_fn: Callable[..., Any] | None = relu,
    normalizer_fn: Any = None,
    normalizer_params: dict[str, Any] | None = None,
    weights_initializer: Any = _XAVIER,
    weights_regularizer: Any = None,
    biases_initializer: Any = _ZEROS,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Any:
    """As `tf.contrib.layers.conv2d`, of weights with a mask.

    Raises:
      ValueError: the inputs are not pictures, or their depth is not known.
    """
    given = dict(locals())
    with variable_scope(scope, "Conv", [inputs], reuse=reuse) as opened:
        inputs = convert_to_tensor(inputs)
        dims, dtype = inputs.dims, inputs.dtype.base_dtype
        if dims is None or len(dims) != 4:
            raise ValueError(f"Convolution not supported for input with shape {dims}")
        first = bool(data_format) and data_format.startswith("NC")  # type: ignore[union-attr]
        depth = dims[1] if first else dims[3]
        if depth is None:
            raise ValueError(f"The depth of the inputs must be known. Received: shape {dims}")
        size, steps, holes = _pair(kernel_size), _pair(stride), _pair(rate)
        shape = [*size, depth, num_outputs]
        mask = mask_of(shape, dtype, layer=True)
        weights = _weights(shape, dtype, given)
        product = masked(weights, mask, threshold_of(dtype, layer=True))
        biases = _biases(given, num_outputs, dtype)
        outputs = convolution(inputs, product, padding.upper(), steps, holes, data_format=data_format)
        return _finished(outputs, given, biases, opened, "NCHW" if first else "NHWC")


def _pair(value: Any) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


class _MaskedKernel:
    """A cell whose kernel has a mask."""

    def build(self: Any, input_shape: Any) -> None:
        """Makes the variables, and those of the mask."""
        super().build(input_shape)  # type: ignore[misc]
        dims, dtype = self._kernel.get_shape().as_list(), self._kernel.dtype.base_dtype
        mask = self.add_variable("mask", dims, initializer=Ones(), trainable=False, dtype=dtype)
        threshold = self.add_variable("threshold", [], initializer=Zeros(), trainable=False, dtype=dtype)
        self._kernel = masked(self._kernel, mask, threshold)


@public("contrib.model_pruning.MaskedBasicLSTMCell")
class MaskedBasicLSTMCell(_MaskedKernel, cells.BasicLSTMCell):
    """As `tf.nn.rnn_cell.BasicLSTMCell`, of weights with a mask."""


@public("contrib.model_pruning.MaskedLSTMCell")
class MaskedLSTMCell(_MaskedKernel, cells.LSTMCell):
    """As `tf.nn.rnn_cell.LSTMCell`, of weights with a mask."""
