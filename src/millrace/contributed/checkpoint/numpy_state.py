"""Arrays of NumPy in checkpoints of objects."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from millrace.core.public import public
from millrace.saver.python_state import PythonState


class _Array(PythonState):
    """One array, in the format of `numpy.save`."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def serialize(self) -> bytes:
        """The array as a file of NumPy."""
        written = io.BytesIO()
        np.save(written, self.array, allow_pickle=False)
        return written.getvalue()

    def deserialize(self, string_value: bytes) -> None:
        """Takes the array from such a file."""
        self.array = np.load(io.BytesIO(string_value), allow_pickle=False)


@public("contrib.checkpoint.NumpyState")
class NumpyState:
    """An object whose attributes are arrays, which checkpoints of objects hold by the attributes' names.

    An attribute that a checkpoint holds and the object does not is made when the checkpoint is restored.
    """

    _arrays: dict[str, _Array]

    def __init__(self) -> None:
        super().__setattr__("_arrays", {})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self._arrays:
            raise AttributeError(f"NumpyState has no attribute {name!r}")
        return self._arrays[name].array

    def __setattr__(self, name: str, value: Any) -> None:
        if not isinstance(value, np.ndarray | np.generic):
            raise NotImplementedError(  # the class that 1.15 raises
                f"NumpyState: attribute '{name}' must be an array of NumPy. Received: {value!r}"
            )
        self._arrays.setdefault(name, _Array(value)).array = value

    def _trackable_children(self) -> list[tuple[str, Any]]:
        return list(self._arrays.items())

    def _make_child(self, name: str) -> None:
        self._arrays[name] = _Array(np.array([]))
