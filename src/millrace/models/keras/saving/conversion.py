"""Weights of older files, and of layers that keep theirs otherwise, made those of a layer of today.

What differs: Keras 1 kept a weight for each gate and other axes of kernels, Theano turns kernels round, and
the layers made for cuDNN keep theirs transposed, with two biases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_CONVOLUTIONS = {"Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "ConvLSTM2D"}
_LSTM_GATES_OF_KERAS_1 = (0, 6, 3, 9)  # input, forget, cell, output, among three weights each


def converted(layer: Any, weights: list[Any], version: str, backend: str | None) -> list[Any]:
    """The arrays of a file for a layer.

    Args:
      layer: the layer.
      weights: its arrays, as they are in the file.
      version: of the Keras that wrote the file.
      backend: what it computed with.

    Raises:
      ValueError: they belong to a layer of another kind.
    """
    if _is_network(layer):
        return _of_network(layer, weights, version, backend)
    kind = type(layer).__name__
    if kind == "Bidirectional":
        half = len(weights) // 2
        forward = converted(layer.forward_layer, weights[:half], version, backend)
        return [*forward, *converted(layer.backward_layer, weights[half:], version, backend)]
    if kind == "TimeDistributed":
        return converted(layer.layer, weights, version, backend)
    if version == "1":
        weights = _of_keras_1(layer, kind, weights)
    if kind in _CONVOLUTIONS:
        weights = _convolution(layer, weights, backend)
    return _recurrent(layer, kind, weights)


def _is_network(layer: Any) -> bool:
    return hasattr(layer, "_is_graph_network") and hasattr(layer, "layers")


def _of_network(network: Any, weights: list[Any], version: str, backend: str | None) -> list[Any]:
    """The trained weights of all its layers come first, then the others."""
    trained = sum(len(layer.trainable_weights) for layer in network.layers)
    first, rest = weights[:trained], weights[trained:]
    trainable: list[Any] = []
    fixed: list[Any] = []
    for layer in network.layers:
        count, others = len(layer.trainable_weights), len(layer.non_trainable_weights)
        mine = converted(layer, [*first[:count], *rest[:others]], version, backend)
        first, rest = first[count:], rest[others:]
        trainable.extend(mine[:count])
        fixed.extend(mine[count:])
    return [*trainable, *fixed, *first, *rest]


# --- kernels ------------------------------------------------------------------------------------------------


def _of_keras_1(layer: Any, kind: str, weights: list[Any]) -> list[Any]:
    first = getattr(layer, "data_format", None) == "channels_first"
    if kind == "Conv1D":
        kernel = weights[0]
        if kernel.shape[:2] != (layer.kernel_size[0], 1) or kernel.shape[3] != layer.filters:
            kernel = np.transpose(kernel, (2, 3, 1, 0))
        return [kernel[:, 0, :, :], *weights[1:]]
    if kind == "Conv2D" and first:
        return [np.transpose(weights[0], (2, 3, 1, 0)), *weights[1:]]
    if kind == "Conv2DTranspose":
        return [np.transpose(weights[0], (2, 3, 0, 1) if first else (0, 1, 3, 2)), *weights[1:]]
    if kind == "Conv3D" and first:
        return [np.transpose(weights[0], (2, 3, 4, 1, 0)), *weights[1:]]
    if kind == "GRU" and len(weights) == 9:
        return [np.concatenate(weights[k::3], axis=-1) for k in range(3)]
    if kind in ("LSTM", "ConvLSTM2D") and len(weights) == 12:
        joined = [np.concatenate([weights[g + k] for g in _LSTM_GATES_OF_KERAS_1], axis=-1) for k in range(3)]
        if kind == "ConvLSTM2D" and first:
            joined = [np.transpose(w, (2, 3, 1, 0)) for w in joined[:2]] + joined[2:]
        return joined
    return weights


def turned(kernel: Any) -> Any:
    """A kernel of a convolution turned round in its spatial axes, as Theano keeps it."""
    array = np.asarray(kernel)
    if not 3 <= array.ndim <= 5:
        raise ValueError(f"A kernel of a convolution has 3 to 5 axes. Received: shape {array.shape}")
    return np.copy(array[(slice(None, None, -1),) * (array.ndim - 2)])


def _convolution(layer: Any, weights: list[Any], backend: str | None) -> list[Any]:
    weights = list(weights)
    turn = backend == "theano"
    places = (0, 1) if type(layer).__name__ == "ConvLSTM2D" else (0,)
    expected = [tuple(w.get_shape().as_list()) for w in layer.weights]
    for place in places[: len(weights)]:
        if turn:
            weights[place] = turned(weights[place])
        if len(expected) > place and expected[place] != weights[place].shape and weights[place].ndim == 4:
            weights[place] = np.transpose(weights[place], (3, 2, 0, 1))
    return weights


# --- recurrent layers ---------------------------------------------------------------------------------------


def _gates(kernel: Any, function: Callable[[Any], Any], count: int) -> Any:
    return np.hstack([function(k) for k in np.hsplit(kernel, count)])


def _input_kernel(from_cudnn: bool) -> Callable[[Any], Any]:
    order = "F" if from_cudnn else "C"
    return lambda kernel: kernel.T.reshape(kernel.shape, order=order)


def _kernels(weights: list[Any], from_cudnn: bool, count: int) -> list[Any]:
    return [
        _gates(weights[0], _input_kernel(from_cudnn), count),
        _gates(weights[1], lambda kernel: kernel.T, count),
    ]


def _recurrent(layer: Any, kind: str, weights: list[Any]) -> list[Any]:
    if len(weights) != 3:
        return weights
    if kind in ("LSTM", "CuDNNLSTM"):
        return _lstm(kind, weights)
    if kind in ("GRU", "CuDNNGRU"):
        return _gru(layer, kind, weights)
    return weights


def _lstm(kind: str, weights: list[Any]) -> list[Any]:
    units = weights[1].shape[0]
    shape = weights[2].shape
    if shape == (2 * units * 4,):
        source = "CuDNNLSTM"
    elif shape == (units * 4,):
        source = "LSTM"
    else:
        raise ValueError(f"Invalid bias shape: {shape}")
    if source == kind:
        return weights
    from_cudnn = source == "CuDNNLSTM"
    bias = np.sum(np.split(weights[2], 2), axis=0) if from_cudnn else np.tile(0.5 * weights[2], 2)
    return [*_kernels(weights, from_cudnn, 4), bias]


def _gru(layer: Any, kind: str, weights: list[Any]) -> list[Any]:
    units = weights[1].shape[0]
    shape = weights[2].shape
    known = {
        (2 * units * 3,): "CuDNNGRU",
        (2, units * 3): "GRU(reset_after=True)",
        (units * 3,): "GRU(reset_after=False)",
    }
    if shape not in known:
        raise ValueError(f"Invalid bias shape: {shape}")
    source = known[shape]
    target = "CuDNNGRU" if kind == "CuDNNGRU" else f"GRU(reset_after={layer.reset_after})"
    if source == target:
        return weights
    if "GRU(reset_after=False)" in (source, target):
        raise ValueError(f"{source} is not compatible with {target}")
    from_cudnn = source == "CuDNNGRU"
    bias = weights[2].reshape((2, -1) if from_cudnn else (-1,))
    return [*_kernels(weights, from_cudnn, 3), bias]
