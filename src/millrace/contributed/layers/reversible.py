"""`tf.contrib.layers.rev_block`: residual layers in pairs that can be run backwards (Gomez et al., 2017)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from millrace.autodiff.registry import RegisterGradient
from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.core import nest
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import tuple_
from millrace.lib.layers.base import Layer
from millrace.lib.variables.scope import AUTO_REUSE, variable_scope


@public("contrib.layers.RevBlock", "contrib.slim.RevBlock")
class RevBlock(Layer):
    """Layers y1 = x1 + f(x2), y2 = x2 + g(y1), one after the other.

    Args:
      f, g: functions of a tensor (and of a list of side inputs) to one of its shape; or a list of them, one
        for each layer.
      num_layers: how many layers there are.
      f_side_input, g_side_input: lists of tensors that the functions get, too.
      use_efficient_backprop: accepted; what a gradient needs is kept by the graph.
      name: default "revblock".
      **kwargs: as for every layer.

    Raises:
      TypeError: a function is not callable.
      AssertionError: there are more or fewer functions than layers.
    """

    def __init__(
        self,
        f: Any,
        g: Any,
        num_layers: int = 1,
        f_side_input: Any = None,
        g_side_input: Any = None,
        use_efficient_backprop: bool = True,
        name: str = "revblock",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        del use_efficient_backprop
        self.f, self.g = self._each(f, num_layers, "f"), self._each(g, num_layers, "g")
        self.num_layers = num_layers
        self.f_side_input, self.g_side_input = list(f_side_input or ()), list(g_side_input or ())
        with variable_scope(None, name) as scope:
            self._block_scope = scope

    @staticmethod
    def _each(function: Any, num_layers: int, what: str) -> list[Callable[..., Any]]:
        functions = list(function) if isinstance(function, list | tuple) else [function] * num_layers
        if any(not callable(one) for one in functions):
            raise TypeError(f"{what} must be callable or a list of callables. Received: {function!r}")
        assert len(functions) == num_layers, (
            f"{what}: {num_layers} functions are needed, got {len(functions)}"
        )
        return functions

    def _applied(self, which: str, i: int, x: Tensor) -> Tensor:
        functions, side = (self.f, self.f_side_input) if which == "f" else (self.g, self.g_side_input)
        with (
            variable_scope(self._block_scope, reuse=AUTO_REUSE, auxiliary_name_scope=False),
            variable_scope(f"revlayer_{i}/{which}", use_resource=True),
        ):
            return functions[i](x, side) if side else functions[i](x)

    def forward(self, x1: Any, x2: Any) -> tuple[Tensor, Tensor]:
        """The outputs for two inputs of one shape."""
        x1, x2 = convert.to_tensor(x1), convert.to_tensor(x2)
        with name_scope(self._block_scope.original_name_scope):
            for i in range(self.num_layers):
                x1, x2 = self._layer(i, x1, x2)
        return x1, x2

    def _layer(self, i: int, x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor]:
        y1 = x1 + self._applied("f", i, x2)
        return y1, x2 + self._applied("g", i, y1)

    def backward(self, y1: Any, y2: Any) -> tuple[Tensor, Tensor]:
        """The inputs for two outputs."""
        y1, y2 = convert.to_tensor(y1), convert.to_tensor(y2)
        with name_scope(self._block_scope.original_name_scope):
            for i in reversed(range(self.num_layers)):
                y2 = y2 - self._applied("g", i, y1)
                y1 = y1 - self._applied("f", i, y2)
        return y1, y2

    def trained(self, x1: Any, x2: Any) -> tuple[Tensor, Tensor]:
        """`forward` with as many operations as 1.15 adds for a gradient that computes the layers again."""
        x1, x2 = convert.to_tensor(x1), convert.to_tensor(x2)
        graph = get_default_graph()
        before = len(graph.get_collection(GraphKeys.GLOBAL_VARIABLES))
        with name_scope(self._block_scope.original_name_scope):
            for i in range(self.num_layers):
                x1, x2 = tuple_(self._layer(i, x1, x2))
            x1, x2 = raw.Identity(x1), raw.Identity(x2)
        variables = len(graph.get_collection(GraphKeys.GLOBAL_VARIABLES)) - before
        graph.count(2 * variables + 1)  # all are read twice around one IdentityN
        return x1, x2

    def build(self, input_shape: Any) -> None:
        """Nothing: the functions make their own variables."""
        self.built = True

    def call(self, inputs: Any, forward: bool = True) -> tuple[Tensor, Tensor]:
        """`forward` or `backward` of a pair."""
        first, second = inputs
        return self.forward(first, second) if forward else self.backward(first, second)


@public("contrib.layers.rev_block", "contrib.slim.rev_block")
def rev_block(
    x1: Any,
    x2: Any,
    f: Any,
    g: Any,
    num_layers: int = 1,
    f_side_input: Any = None,
    g_side_input: Any = None,
    is_training: bool = True,
) -> tuple[Tensor, Tensor]:
    """The outputs of a new `RevBlock` for two inputs of one shape; see there for the arguments.

    Args:
      x1, x2: the inputs.
      f, g, num_layers, f_side_input, g_side_input: of the block.
      is_training: gradients will be taken.
    """
    block = RevBlock(f, g, num_layers, f_side_input, g_side_input)
    return block.trained(x1, x2) if is_training else block.forward(x1, x2)


@public("contrib.layers.recompute_grad", "contrib.slim.recompute_grad")
def recompute_grad(
    fn: Callable[..., Any], use_data_dep: Any = "__rev_block_lib_default", tupleize_grads: bool = False
) -> Callable[..., Any]:
    """The function; what its gradient needs is kept by the graph and not computed a second time.

    Args:
      fn: a function of tensors.
      use_data_dep, tupleize_grads: accepted.
    """
    del use_data_dep, tupleize_grads

    @functools.wraps(fn)
    def same(*args: Any) -> Any:
        results = fn(*args)
        # TensorFlow has an identity of each result, and one of all of them and the arguments
        get_default_graph().count(len(nest.flatten(results)) + 1)
        return results

    return same


_SCALED = "ScaledGradient"


def _scaled(op: Any, dy: Tensor, _: Any = None) -> tuple[Tensor, None]:
    return dy * op.inputs[1], None


RegisterGradient(_SCALED)(_scaled)


@public("contrib.layers.scale_gradient", "contrib.slim.scale_gradient")
def scale_gradient(inputs: Any, gradient_multiplier: Any) -> Tensor:
    """The inputs, whose gradient is multiplied on the way back.

    Args:
      inputs: floating `[...]`.
      gradient_multiplier: a scalar.

    Returns:
      The shape and dtype of `inputs`.
    """
    inputs = convert.to_tensor(inputs)
    factor = convert.to_tensor(gradient_multiplier, inputs.dtype.base_dtype)
    with get_default_graph().gradient_override_map({"IdentityN": _SCALED}):
        return raw.IdentityN([inputs, factor])[0]
