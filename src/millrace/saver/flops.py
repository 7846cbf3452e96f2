"""How much work a graph is, told from its static shapes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from millrace.core import errors
from millrace.core.shapes import Dims
from millrace.exchange.importer import import_graph_def
from millrace.graph.graph import Graph
from millrace.graph.operation import Operation


def _size(dims: Dims) -> int:
    """The number of elements, for one example where the first dimension is open.

    Raises:
      ValueError: another dimension is open, too.
    """
    if dims is None or None in dims[1:]:
        raise ValueError("open")
    return math.prod(1 if d is None else d for d in dims)


def _inner(op: Operation) -> int:
    """The length of the sums of a matrix product."""
    dims = op.inputs[0].dims
    if dims is None or len(dims) < 2:
        raise ValueError("open")
    flipped = op.attrs.get("transpose_a") or op.attrs.get("adj_x")
    return _size((1, dims[-2] if flipped else dims[-1]))


def _product(op: Operation) -> int:
    return 2 * _size(op.outputs[0].dims) * _inner(op)


def _convolution(op: Operation) -> int:
    """Each output is a sum over the window and the channels of the filter."""
    filters = op.inputs[1].dims
    return 2 * _size(op.outputs[0].dims) * _size((1, *(filters or (None, None))[:-1]))


def _depthwise(op: Operation) -> int:
    filters = op.inputs[1].dims
    return 2 * _size(op.outputs[0].dims) * _size((1, *(filters or (None, None))[:2]))


def _transposed(op: Operation) -> int:
    """As the convolution whose input gradient it is."""
    filters = op.inputs[1].dims
    return 2 * _size(op.inputs[2].dims) * _size((1, *(filters or (None, None))[:-1]))


_FLOPS: dict[str, Callable[[Operation], int]] = {
    **dict.fromkeys(("BatchMatMul", "BatchMatMulV2", "MatMul", "QuantizedMatMul"), _product),
    **dict.fromkeys(("Conv2D", "Conv3D", "QuantizedConv2D"), _convolution),
    **dict.fromkeys(("Conv2DBackpropInput", "Conv3DBackpropInputV2"), _transposed),
    "DepthwiseConv2dNative": _depthwise,
}


def of_operation(op: Operation) -> int:
    """The operations on numbers of a product or convolution; 0 for other types.

    Raises:
      ValueError: its shapes are not known.
    """
    return _FLOPS[op.type](op) if op.type in _FLOPS else 0


def count_flops(graph_def: Any) -> int | None:
    """The operations on numbers of all products and convolutions of a graph, each counted once.

    Args:
      graph_def: a GraphDef whose types are known. An open first dimension counts as 1.

    Returns:
      None where the shape of one is not known, or the graph cannot be read without running it.
    """
    graph = Graph()
    try:
        with graph.as_default():
            import_graph_def(graph_def, name="")
        return sum(of_operation(op) for op in graph.ops)
    except (ValueError, TypeError, errors.OpError):
        return None
