"""The layers of a graph that are quantized: a product or convolution, a bias, an addition, an activation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from millrace.contributed.quantize.folding import LAYERS
from millrace.graph.graph import Graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor

CLIPPING = ("Relu", "Relu6")
_ACTIVATIONS = (*CLIPPING, "Identity")
_WEIGHTS = ("Identity", "ReadVariableOp", "Mul", "ConcatV2")


@dataclass(frozen=True)
class Layer:
    """One layer with what follows it.

    Attributes:
      op: the product or convolution.
      weights: what is quantized as such.
      biased: what adds the bias, or `op` where nothing does.
      bypass: what adds another path to the biased result before the activation.
      activation: the last of them.
      post_bypass: what adds another path to the activation.
    """

    op: Operation
    weights: Tensor
    biased: Operation
    activation: Operation
    bypass: Operation | None = None
    post_bypass: Operation | None = None


def layers(graph: Graph) -> list[Layer]:
    """The layers in the order in which they are quantized.

    First those whose activation goes into an addition, then all others with an activation, then those that
    end with their bias, then the first halves of separable convolutions; each by the order of the operation
    that ends it.
    """
    found: dict[Operation, Layer] = {}
    ops = [op for op in graph.get_operations() if op.body is None]
    for ends in (_added, _activated, _ended, _halved):
        for op in ops:
            layer = ends(op)
            if layer is not None:
                found.setdefault(layer.op, layer)
    return list(found.values())


def _added(op: Operation) -> Layer | None:
    """A layer with its activation and an addition behind it."""
    if op.type == "Add":
        for term in reversed(op.inputs):
            layer = _activated(term.op)
            if layer is not None:
                return replace(layer, post_bypass=op)
    return None


def _activated(op: Operation) -> Layer | None:
    if op.type not in _ACTIVATIONS:
        return None
    before = op.inputs[0].op
    layer = _ended(before)
    if layer is None and before.type == "Add":
        layer = _first(before, _ended)
        layer = None if layer is None else replace(layer, bypass=before)
    if layer is None and (bare := _bare(before)) is not None:
        layer = _layer(bare, before)
    return None if layer is None else replace(layer, activation=op)


def _ended(op: Operation) -> Layer | None:
    """A layer with a bias."""
    layer = None
    if op.type == "BiasAdd":
        layer = _bare(op.inputs[0].op)
    elif op.type == "Add" and not op.name.endswith("/correction_add"):
        layer = next((found for term in op.inputs if (found := _scaled(term.op)) is not None), None)
    return None if layer is None else _layer(layer, op)


def _halved(op: Operation) -> Layer | None:
    """The depthwise half of a separable convolution, which has no bias."""
    if op.type == "Conv2D" and (half := _bare(op.inputs[0].op)) is not None:
        return _layer(half, op.inputs[0].op) if half.type == "DepthwiseConv2dNative" else None
    return None


def _layer(op: Operation, end: Operation) -> Layer:
    return Layer(op, op.inputs[1], end, end)


def _first(op: Operation, rule: Callable[[Operation], Layer | None]) -> Layer | None:
    return next((found for term in op.inputs if (found := rule(term.op)) is not None), None)


def _scaled(op: Operation) -> Operation | None:
    """A layer, or one with folded normalization behind it: a factor and an offset."""
    layer = _bare(op)
    if layer is None and op.type == "Add":
        layer = next((found for term in op.inputs if (found := _product(term.op)) is not None), None)
    return layer or _product(op)


def _product(op: Operation) -> Operation | None:
    return _bare(op.inputs[1].op) if op.type == "Mul" else None


def _bare(op: Operation) -> Operation | None:
    if op.type == "BatchToSpaceND":
        op = op.inputs[0].op
    if op.type in LAYERS and op.inputs[1].op.type in _WEIGHTS:
        return op
    return None


def products_and_sums(graph: Graph) -> Iterator[Operation]:
    """The additions and multiplications, in order."""
    for op in graph.get_operations():
        if op.type in ("Add", "Mul") and op.body is None:
            yield op
