"""`Tensor`: one output of one operation, a name for a value that will be computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from millrace.core import dtypes, late, shapes
from millrace.core.errors import OperatorNotAllowedInGraphError
from millrace.graph import defaults
from millrace.graph.inside import TensorInside

if TYPE_CHECKING:
    import numpy as np

    from millrace.graph.graph import Graph
    from millrace.graph.operation import Operation

UNKNOWN_VALUE: Any = object()  # static_value() has been tried and the graph does not determine the value


class Tensor(TensorInside):
    """A symbolic handle on output `value_index` of `op`; it holds no numbers."""

    __slots__ = (
        "__dict__",
        "__weakref__",
        "_shape",
        "dims",
        "dtype",
        "known_value",
        "op",
        "takers",
        "value_index",
    )
    __array_priority__ = 100  # so that ndarray + Tensor asks the Tensor
    _constructed_often = True  # by operations, not by programs

    op: Operation
    value_index: int
    dtype: dtypes.DType
    dims: shapes.Dims

    if TYPE_CHECKING:
        # what Keras's layers note on tensors, for TensorFlow's programs to find
        _keras_mask: Any
        _unconditional_loss: bool
        _metric_obj: Any

        # what operators.py gives to tensors

        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __div__(self, other: Any) -> Tensor: ...
        def __rdiv__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __rfloordiv__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __rmod__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __rand__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __ror__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __rxor__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __getitem__(self, key: Any) -> Tensor: ...

        OVERLOADABLE_OPERATORS: ClassVar[set[str]]

    def __init__(
        self, op: Operation, value_index: int, dtype: dtypes.DType, dims: shapes.Dims = None
    ) -> None:
        self.op = op
        self.value_index = value_index
        self.dtype = dtype
        self.dims = dims
        self.takers: list[Operation] | None = None
        self.known_value: Any = None
        self._shape: shapes.TensorShape | None = None

    @property
    def name(self) -> str:
        """`op_name:index`."""
        return f"{self.op.name}:{self.value_index}"

    @property
    def graph(self) -> Graph:
        """The graph that holds the operation."""
        return self.op.graph

    @property
    def device(self) -> str:
        """The device its operation was placed on, empty when none was asked for."""
        return self.op.device

    @property
    def shape(self) -> shapes.TensorShape:
        """The static shape, as far as the graph determines it; the same object until it changes."""
        shape = self._shape
        if shape is None or shape.dims_tuple is not self.dims:
            shape = self._shape = shapes.shape_of(self.dims)
        return shape

    def get_shape(self) -> shapes.TensorShape:
        """The static shape; the same as `.shape`."""
        return self.shape

    def set_shape(self, shape: Any) -> None:
        """Adds what the caller knows about the static shape.

        Raises:
          ValueError: `shape` contradicts what is known already.
        """
        try:
            self.dims = shapes.merge(self.dims, shapes.as_dims(shape))
        except ValueError as error:
            raise ValueError(f"Tensor '{self.name}': set_shape: {error}") from None

    def consumers(self) -> list[Operation]:
        """The operations that take this tensor, one entry for each input that it is."""
        return list(self.takers or ())

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """Runs this tensor in `session` (default: the current default session) and returns its value.

        Raises:
          ValueError: there is no session, or it holds another graph.
        """
        return defaults.session_for(self.graph, session, f"evaluate tensor '{self.name}'").run(
            self, feed_dict
        )

    def _as_tf_output(self) -> Tensor:
        return self

    def _as_node_def_input(self) -> str:
        return self.op.name if self.value_index == 0 else f"{self.op.name}:{self.value_index}"

    def __repr__(self) -> str:
        return f"<tf.Tensor '{self.name}' shape={self.get_shape()} dtype={self.dtype.name}>"

    def __str__(self) -> str:
        shape = "" if self.dims is None else f", shape={self.get_shape()}"
        device = f", device={self.device}" if self.device else ""
        return f'Tensor("{self.name}"{shape}, dtype={self.dtype.name}{device})'

    def _repr_html_(self) -> str:
        return late.module("cards").tensor(self)

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __iter__(self) -> Any:
        raise OperatorNotAllowedInGraphError(
            f"Tensor '{self.name}' cannot be iterated over while the graph is built: its values do not "
            "exist yet; use tf.unstack, tf.map_fn or tf.while_loop"
        )

    def __len__(self) -> int:
        raise TypeError(f"Tensor '{self.name}' has no len(); use its .shape or tf.shape(tensor)")

    def __bool__(self) -> bool:
        raise OperatorNotAllowedInGraphError(
            f"Tensor '{self.name}' used as a Python bool while the graph is built: its value does not exist "
            "yet; write `if t is not None:` to test for presence, tf.cond to choose by value"
        )

    @property
    def numpy(self) -> Any:
        """Not there: the value of a tensor of a graph is computed by a session."""
        raise AttributeError(
            "'Tensor' object has no attribute 'numpy': a graph describes values, a session computes them; "
            f"session.run(tensor) gives {self.name!r} as an array, there is no eager execution here"
        )

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise NotImplementedError(  # as 1.15 does, and nothing is missing: a graph's tensor has no value
            f"Tensor '{self.name}' is symbolic and cannot become a NumPy array; run it in a session first"
        )

    @staticmethod
    def _override_operator(operator: str, function: Any) -> None:
        """Replaces one of the Python operators of all tensors."""
        setattr(Tensor, operator, function)


def tensor_by_parts(op: Operation, index: int) -> Tensor:
    """Output `index` of `op`.

    Raises:
      ValueError: the operation has fewer outputs.
    """
    if not 0 <= index < len(op.outputs):
        raise ValueError(
            f"Operation '{op.name}' has {len(op.outputs)} outputs. Received: output number {index}"
        )
    return op.outputs[index]
