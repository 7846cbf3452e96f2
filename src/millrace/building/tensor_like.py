"""What passes for a tensor: tensors, sparse ones, and rows of them."""

from __future__ import annotations

import abc

from millrace.core.public import public
from millrace.graph.tensor import Tensor


@public("python.framework.ops._TensorLike", "python.framework.tensor_like._TensorLike")
class TensorLike(abc.ABC):  # noqa: B024 - it only says who belongs to it
    """Tensors, sparse tensors and rows of tensors, for `isinstance`."""


TensorLike.register(Tensor)
