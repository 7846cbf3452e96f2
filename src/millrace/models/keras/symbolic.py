"""Which values stand for tensors of a graph, as layers see them."""

from __future__ import annotations

from typing import Any

from millrace.building.composites import CompositeTensor
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.variables.variable import Variable

_registered: list[type] = [Tensor, CompositeTensor]


@public("python.keras.utils.tf_utils.register_symbolic_tensor_type")
def register_symbolic_tensor_type(cls: type) -> None:
    """Lets `is_symbolic_tensor` be true for the instances of a class, which `convert_to_tensor` can take."""
    if cls not in _registered:
        _registered.append(cls)


@public("python.keras.utils.tf_utils.is_symbolic_tensor")
def is_symbolic_tensor(tensor: Any) -> bool:
    """True for tensors, what is made of them, and instances of registered classes; False for variables."""
    return isinstance(tensor, tuple(_registered)) and not isinstance(tensor, Variable)
