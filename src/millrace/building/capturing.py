"""`Capturing`: what `Body`, drawn in the graph around it, and `FunctionGraph`, a graph of its own, share."""

from __future__ import annotations

import abc

from millrace.core import dtypes, shapes
from millrace.graph.tensor import Tensor


class Capturing(abc.ABC):
    """A function of `inputs`, then `captures`, to `outputs`.

    Attributes:
      inputs: the tensors inside that stand for the explicit arguments.
      captures: outer tensor -> the tensor inside that stands for it, in order of capture.
      outputs: tensors inside, the results.
    """

    def __init__(self) -> None:
        self.inputs: list[Tensor] = []
        self.captures: dict[Tensor, Tensor] = {}
        self.outputs: list[Tensor] = []

    def add_input(self, dtype: dtypes.DType, dims: shapes.Dims, name: str) -> Tensor:
        """A new explicit argument, as a tensor inside."""
        tensor = self._argument(dtype, dims, name)
        self.inputs.append(tensor)
        return tensor

    def outer_of(self, inside: Tensor) -> Tensor | None:
        """The outer tensor that `inside` stands for; None for an explicit argument."""
        return next((outer for outer, tensor in self.captures.items() if tensor is inside), None)

    @abc.abstractmethod
    def _argument(self, dtype: dtypes.DType, dims: shapes.Dims, name: str) -> Tensor:
        """A new tensor inside that stands for a value from outside."""
