"""`create_training_graph` and its kin: a graph that computes as its quantized twin would."""

from __future__ import annotations

import re
from dataclasses import replace

from millrace.contributed.quantize.folding import fold_batch_norms, reroute, scope_of
from millrace.contributed.quantize.matching import CLIPPING, Layer, layers, products_and_sums
from millrace.contributed.quantize.ranges import Settings, delayed, quantized
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.graph import Graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor

_TRAINING = re.compile(r"(Resource)?(Sparse)?Apply[A-Z]")
_THROUGH = ("MaxPool", "Reshape", "Identity", "Max")  # a quantized value stays one of its integers in these


class _Rewriting:
    """Quantizes the values of one graph."""

    def __init__(self, graph: Graph, settings: Settings) -> None:
        self.graph = graph
        self.settings = settings
        self.scope = settings.scope.rstrip("/") + "/" if settings.scope else ""
        self.done: set[Operation] = set()
        self.results: set[Tensor] = set()

    def run(self) -> None:
        for layer in layers(self.graph):
            if layer.op.name.startswith(self.scope):
                self._layer(layer)
        for op in list(products_and_sums(self.graph)):
            if op.name.startswith(self.scope) and self._is_open(op):
                # In TensorFlow 1.15 `a + b` is not the operation of `tf.add(a, b)`; here only the name tells.
                kind = "AddV2" if re.search(r"(^|/)add(_\d+)?$", op.name) else op.type
                self._insert(op, f"{op.name}/activation_{kind}_quant", symmetric=False)

    def _layer(self, layer: Layer) -> None:
        context = scope_of(layer.op)
        self._insert(layer.weights.op, f"{context}weights_quant", weights=layer.weights)
        around = context if layer.bypass is None else scope_of(layer.bypass)
        self._insert(layer.activation, f"{around}act_quant", (0.0, 6.0))
        if layer.bypass is not None:
            self._insert(layer.biased, f"{context}conv_quant")
            self.done.add(layer.bypass)
        after = layer.post_bypass
        if after is not None and not any(c.type in CLIPPING for c in after.outputs[0].consumers()):
            self._insert(after, f"{scope_of(after)}post_activation_bypass_quant")

    def _insert(
        self,
        producer: Operation,
        prefix: str,
        initial: tuple[float, float] = (-6.0, 6.0),
        weights: Tensor | None = None,
        symmetric: bool = True,
    ) -> None:
        """Gives a quantized value to whoever takes what `producer` makes."""
        if producer in self.done:
            return
        self.done.add(producer)
        value = producer.outputs[0] if weights is None else weights
        takers = list(value.consumers())
        around = self.graph.get_name_scope()
        prefix = prefix.removeprefix(f"{around}/") if around else prefix
        follow = "average" if weights is None else "last"
        settings = self.settings if symmetric else replace(self.settings, symmetric=False)
        result = quantized(value, prefix, settings, follow, initial)
        if (delay := self.settings.delay or 0) > 0:
            result = delayed(value, result, prefix, delay)
        for taker in takers:
            reroute(taker, value, result)
        self.results.add(result)

    def _is_open(self, op: Operation) -> bool:
        """True for an operation on quantized values whose own is not, and is not clipped right after."""
        if op in self.done or not any(map(self._is_quantized, op.inputs)):
            return False
        takers = op.outputs[0].consumers()
        return not (len(takers) == 1 and takers[0].type in CLIPPING)

    def _is_quantized(self, value: Tensor) -> bool:
        while value not in self.results and value.op.type in _THROUGH:
            value = value.op.inputs[0]
        return value in self.results or value.op.type == "FakeQuantWithMinMaxVars"


def _rewrite(graph: Graph | None, settings: Settings, freeze_delay: int | None = None) -> None:
    graph = graph or get_default_graph()
    trained = {op.type for op in graph.get_operations() if _TRAINING.match(op.type)}
    if trained:
        raise ValueError(
            f"The graph must be rewritten before an optimizer adds the updates of its variables. "
            f"Received: a graph with {', '.join(sorted(trained))}"
        )
    with graph.as_default():
        fold_batch_norms(graph, settings.is_training, freeze_delay)
        _Rewriting(graph, settings).run()


@public("contrib.quantize.create_training_graph")
def create_training_graph(input_graph: Graph | None = None, quant_delay: int = 0) -> None:
    """Rewrites a graph in place so that training knows of quantization to 8 bits.

    Weights and activations are rounded as their 8-bit integers would be, in ranges that follow the values,
    and batch normalizations are folded into the weights before them. Call it after the forward pass is built
    and before the optimizer's `minimize`.

    Args:
      input_graph: default the default graph.
      quant_delay: the step from which values are rounded; before, ranges only follow the values.

    Raises:
      ValueError: the graph has a training operation already, or a normalization has no averages.
    """
    _rewrite(input_graph, Settings(True, delay=quant_delay))


@public("contrib.quantize.create_eval_graph")
def create_eval_graph(input_graph: Graph | None = None) -> None:
    """Rewrites a graph in place as `create_training_graph` does, with ranges as training left them.

    Args:
      input_graph: default the default graph; built for inference.

    Raises:
      ValueError: as for `create_training_graph`.
    """
    _rewrite(input_graph, Settings(False))


@public("contrib.quantize.experimental_create_training_graph")
def experimental_create_training_graph(
    input_graph: Graph | None = None,
    weight_bits: int = 8,
    activation_bits: int = 8,
    symmetric: bool = False,
    quant_delay: int = 0,
    freeze_bn_delay: int | None = None,
    scope: str | None = None,
) -> None:
    """Rewrites a graph in place as `create_training_graph` does, with more choices.

    Args:
      input_graph: default the default graph.
      weight_bits, activation_bits: of the integers, 2 to 16.
      symmetric: ranges are symmetric around zero.
      quant_delay: the step from which values are rounded.
      freeze_bn_delay: the step from which the moving averages of batch normalizations stay as they are and
        normalize; None for never.
      scope: only layers in this scope are rounded; None for all.

    Raises:
      ValueError: as for `create_training_graph`, or the number of bits is not one.
    """
    settings = Settings(True, weight_bits, activation_bits, symmetric, quant_delay, scope or "")
    _rewrite(input_graph, settings, freeze_bn_delay)


@public("contrib.quantize.experimental_create_eval_graph")
def experimental_create_eval_graph(
    input_graph: Graph | None = None,
    weight_bits: int = 8,
    activation_bits: int = 8,
    symmetric: bool = False,
    quant_delay: int | None = None,
    scope: str | None = None,
) -> None:
    """Rewrites a graph in place as `create_eval_graph` does, with more choices.

    Args:
      input_graph: default the default graph; built for inference.
      weight_bits, activation_bits: of the integers, 2 to 16.
      symmetric: as in training; the ranges are read.
      quant_delay: the step from which values are rounded; None, 0 or less for always.
      scope: only layers in this scope are rounded; None for all.

    Raises:
      ValueError: as for `experimental_create_training_graph`.
    """
    _rewrite(input_graph, Settings(False, weight_bits, activation_bits, symmetric, quant_delay, scope or ""))
