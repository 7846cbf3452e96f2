"""What one operation of a graph takes of each dimension: the size, stride and padding of its window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from millrace.exchange.tensor_messages import make_ndarray

# Operations that compute each place of an image from the same place of their inputs.
_PLACEWISE = frozenset([
    "Abs", "Add", "AddN", "AddV2", "BiasAdd", "Cast", "ConcatV2", "Const", "Elu", "Exp",
    "FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVars", "Floor", "FusedBatchNorm",
    "FusedBatchNormV2", "FusedBatchNormV3", "Identity", "LRN", "LeakyRelu", "Log", "Maximum",
    "Minimum", "Mul", "Neg", "Pow", "RealDiv", "Relu", "Relu6", "Round", "Rsqrt", "Selu", "Sigmoid",
    "Softplus", "Softsign", "Sqrt", "Square", "SquaredDifference", "StopGradient", "Sub", "Tanh",
    "VariableV2",
])  # fmt: skip
_POOLS = ("MaxPool", "AvgPool")
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")


@dataclass(frozen=True)
class Window:
    """One dimension of what an operation takes.

    Attributes:
      size: the extent of its window.
      stride: from one window to the next.
      padding: before the first place; None where it follows from an unknown size.
      output: the size of the result; None where unknown.
    """

    size: int
    stride: int
    padding: int | None
    output: int | None


def windows(node: Any, nodes: dict[str, Any], sizes: tuple[int | None, int | None]) -> tuple[Window, Window]:
    """The windows of a node in height and width.

    Args:
      nodes: all nodes of the graph by name.
      sizes: height and width of its input.

    Raises:
      ValueError: what the node takes of its input does not follow from the graph.
    """
    if node.op in _POOLS or node.op in _CONVOLUTIONS:
        layout = node.attr["data_format"].s.decode() or "NHWC"
        axes = [layout.index("H"), layout.index("W")]
        strides = [node.attr["strides"].list.i[a] for a in axes]
        if node.op in _POOLS:
            extents = [node.attr["ksize"].list.i[a] for a in axes]
        else:
            rates = list(node.attr["dilations"].list.i) or [1] * 4
            kernel = _kernel(node, nodes)
            extents = [(kernel[k] - 1) * rates[a] + 1 for k, a in enumerate(axes)]
        same = node.attr["padding"].s == b"SAME"
        return _slid(extents[0], strides[0], same, sizes[0]), _slid(extents[1], strides[1], same, sizes[1])
    if node.op == "Pad":
        around = _constant(node.input[1], nodes)
        if around is None or around.shape != (4, 2):
            raise ValueError(
                f"The paddings of {node.name!r} must be a constant of shape [4, 2]. Received: others"
            )
        (top, bottom), (left, right) = around[1:3].tolist()
        return _padded(top, bottom, sizes[0]), _padded(left, right, sizes[1])
    if node.op in _PLACEWISE:
        return Window(1, 1, 0, sizes[0]), Window(1, 1, 0, sizes[1])
    raise ValueError(
        f"It must be known what operations take of an image. Unknown layer for operation {node.name!r}: "
        f"{node.op}"
    )


def _padded(before: int, after: int, size: int | None) -> Window:
    return Window(1, 1, before, None if size is None else size + before + after)


def _slid(extent: int, stride: int, same: bool, size: int | None) -> Window:
    """A window of `extent` places, moved by `stride`."""
    if not same:
        return Window(extent, stride, 0, None if size is None else -(-(size - extent + 1) // stride))

    def before(total: int) -> int:
        last = total % stride or stride
        return max(extent - last, 0) // 2

    if size is not None:
        return Window(extent, stride, before(size), -(-size // stride))
    found = {before(n) for n in range(1, stride + 1)}
    return Window(extent, stride, found.pop() if len(found) == 1 else None, None)


def name_of(given: str) -> str:
    """The node of an input "name:1" or "^name"."""
    return given.removeprefix("^").partition(":")[0]


def _kernel(node: Any, nodes: dict[str, Any]) -> list[int]:
    """The height and width of a convolution's weights."""
    weights = nodes[name_of(node.input[1])]
    while weights.op in ("Identity", "ReadVariableOp") and weights.input:
        weights = nodes[name_of(weights.input[0])]
    held = weights.attr["value"].tensor.tensor_shape if weights.op == "Const" else weights.attr["shape"].shape
    dims = [d.size for d in held.dim]
    if len(dims) != 4 or min(dims[:2]) < 1:
        raise ValueError(
            f"The weights of {node.name!r} must be a variable or constant of known shape. Received: "
            f"{weights.op} {weights.name!r}"
        )
    return dims[:2]


def _constant(given: str, nodes: dict[str, Any]) -> np.ndarray | None:
    node = nodes[name_of(given)]
    return make_ndarray(node.attr["value"].tensor) if node.op == "Const" else None
