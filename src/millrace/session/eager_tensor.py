"""`EagerTensor`: a tensor that has its value, as the functions that `tf.py_function` calls get them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from millrace.building.convert import to_tensor
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.runtime.values import private

_said: Any = vars(Tensor)["dims"]  # the slot
_PLACE = "/job:localhost/replica:0/task:0/device:CPU:0"


@public("python.framework.ops.EagerTensor")
class EagerTensor(Tensor):
    """A tensor whose operation has run: `numpy()` gives the value."""

    __slots__ = ()

    held: Any  # an array or scalar; what a handle stands for

    @property
    def numpy(self) -> Callable[[], Any]:
        """A function that gives the value: an array of the caller's own, or a NumPy scalar; bytes for a
        string. It raises NotImplementedError for a handle or a variant.
        """
        return lambda: private(dtypes.plain_numbers(self._numbers()))

    def _numbers(self) -> Any:
        if not self.dtype.is_numpy_compatible:
            raise NotImplementedError(f"numpy() is not there for tensors of dtype {self.dtype.name}")
        return self.held

    if not TYPE_CHECKING:  # where it is what every tensor has

        @property
        def dims(self) -> shapes.Dims:
            """The shape of the value; of a handle or variant what the graph says."""
            if self.dtype.is_numpy_compatible and not self.dtype.is_ref_dtype:
                return np.shape(self.held)
            return _said.__get__(self)

        @dims.setter
        def dims(self, dims: shapes.Dims) -> None:
            _said.__set__(self, dims)

    @property
    def _id(self) -> int:
        return id(self)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return np.ndim(self._numbers())

    def _rank(self) -> int:
        return self.ndim

    def _num_elements(self) -> int:
        return int(np.size(self._numbers()))

    def _datatype_enum(self) -> int:
        return self.dtype.as_datatype_enum

    @property
    def device(self) -> str:
        """The device that has the value."""
        return _PLACE

    @property
    def backing_device(self) -> str:
        """The device that has the value."""
        return _PLACE

    def cpu(self) -> Tensor:
        """The tensor, on the CPU: itself."""
        return self

    def gpu(self, gpu_index: int = 0) -> NoReturn:
        """Refused.

        Raises:
          RuntimeError: always: values are on the CPU.
        """
        raise RuntimeError(f"There is no GPU device here. Received: {gpu_index}")

    def set_shape(self, shape: Any) -> None:
        """Checks that the tensor has a shape.

        Raises:
          ValueError: it has another one.
        """
        if not self.shape.is_compatible_with(shape):
            raise ValueError(
                f"Tensor's shape {self.shape} is not compatible with supplied shape. Received: {shape}"
            )

    def eval(self, feed_dict: Any = None, session: Any = None) -> NoReturn:
        """Refused.

        Raises:
          NotImplementedError: always: `numpy()` gives the value.
        """
        raise NotImplementedError(
            "eval is not supported when eager execution is enabled, is .numpy() what you're looking for?"
        )

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array(self.numpy(), dtype)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("Scalar tensor has no `len()`")
        return len(self._numbers())

    def __iter__(self) -> Iterator[Any]:
        if not self.ndim:
            raise TypeError("Cannot iterate over a scalar tensor.")
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.numpy())

    def __int__(self) -> int:
        return int(self.numpy())

    def __float__(self) -> float:
        return float(self.numpy())

    def __complex__(self) -> complex:
        return complex(self.numpy())

    def __index__(self) -> int:
        return operator.index(self.numpy())

    def __format__(self, format_spec: str) -> str:
        return format(self.numpy(), format_spec)

    def __copy__(self) -> Tensor:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.numpy(), self.dtype)

    def _described(self, named: bool) -> str:
        if not self.dtype.is_numpy_compatible:
            return "<unprintable>"
        value: Any = self.numpy()
        text = repr(value) if named and np.ndim(value) else str(value)
        return "\n" + text if named and "\n" in text else text

    def __repr__(self) -> str:
        return (
            f"<tf.Tensor: id={self._id}, shape={self.shape}, dtype={self.dtype.name}, "
            f"numpy={self._described(True)}>"
        )

    def __str__(self) -> str:
        return f"tf.Tensor({self._described(False)}, shape={self.shape}, dtype={self.dtype.name})"

    __hash__ = Tensor.__hash__


def _restored(value: Any, dtype: dtypes.DType) -> Tensor:
    return to_tensor(value, dtype)
