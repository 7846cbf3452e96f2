"""`SaveableObject`: something a saver can write to a checkpoint and restore from one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millrace.core.public import public


@public("python.training.saveable_object.SaveSpec")
class SaveSpec:
    """One tensor that is saved.

    Args:
      tensor: the tensor, or a function that makes it in the graph.
      slice_spec: "", or the whole tensor's shape and which slice of it this is.
      name: its name in the checkpoint.
      dtype: its dtype; needed where `tensor` is a function.
      device: where it is; needed where `tensor` is a function.
    """

    def __init__(
        self, tensor: Any, slice_spec: str, name: str, dtype: Any = None, device: str | None = None
    ) -> None:
        self._tensor = tensor
        self.slice_spec = slice_spec
        self.name = name
        if callable(tensor) and (dtype is None or device is None):
            raise AssertionError(
                f"SaveSpec: with a function, dtype and device are needed. Received: {dtype!r}, {device!r}"
            )
        self.dtype = tensor.dtype if dtype is None else dtype
        self.device = tensor.device if device is None else device

    @property
    def tensor(self) -> Any:
        """The tensor to save; made anew each time where it was given as a function."""
        return self._tensor() if callable(self._tensor) else self._tensor


@public("python.training.saveable_object.SaveableObject")
class SaveableObject:
    """Something that is saved as one or more tensors; `restore` says how it comes back.

    Args:
      op: what is saved: the tensor, operation or object that produces it.
      specs: the tensors to save.
      name: under which a saver finds it.
    """

    def __init__(
        self, op: Any, specs: Sequence[SaveSpec] | Callable[[], Sequence[SaveSpec]], name: str
    ) -> None:
        self.op = op
        self._specs = specs
        self.name = name

    @property
    def specs(self) -> Sequence[SaveSpec]:
        """The tensors to save."""
        return self._specs() if callable(self._specs) else self._specs

    @property
    def device(self) -> str:
        """Where the first of them is."""
        return self.specs[0].device

    @property
    def optional_restore(self) -> bool:
        """Whether a checkpoint may lack it."""
        return False

    def restore(self, restored_tensors: Any, restored_shapes: Any) -> Any:
        """Adds the operation that puts restored values in place.

        Args:
          restored_tensors: one for each of `specs`.
          restored_shapes: for each the shape it is to be given, or None to leave them as they are.

        Returns:
          The operation.
        """
        raise ValueError(f"{type(self).__name__} does not say how it is restored. Received: {self.name!r}")
