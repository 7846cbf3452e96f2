"""What stands for a tensor without being one: several tensors in one object."""

from __future__ import annotations

from millrace.core.public import public


@public("python.framework.ops._TensorLike", "python.framework.tensor_like._TensorLike")
class TensorLike:
    """Base of sparse tensors and of rows of tensors, for `isinstance`."""
