"""`TensorHandle`: what fetching `tf.get_session_handle(...)` gives."""

from __future__ import annotations

from typing import Any

from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.defaults import session_for
from millrace.ops.state import session_handles

HANDLE_TYPES = frozenset(("GetSessionHandle",))


@public("python.ops.session_ops.TensorHandle")
class TensorHandle:
    """A value that a run has left in the process; it is freed with this object.

    Attributes:
      handle: the name by which operations find the value.
      dtype: of the value.
    """

    def __init__(self, handle: Any, dtype: dtypes.DType, session: Any) -> None:
        self.handle: str = (handle if isinstance(handle, bytes) else handle[()]).decode()
        self.dtype = dtype
        self._session = session
        self._persistent = False

    def eval(self) -> Any:
        """The value, as an array of the caller's own.

        Raises:
          InvalidArgumentError: it has been deleted.
        """
        holder, tensor = self._operation(
            "read", lambda: session_handles.get_session_tensor(self.handle, self.dtype)
        )
        return self._session.run(tensor, {holder: self.handle})

    def delete(self) -> None:
        """Frees the value.

        Raises:
          InvalidArgumentError: it has been deleted.
        """
        holder, op = self._operation("delete", lambda: session_handles.delete_session_tensor(self.handle))
        self._session.run(op, {holder: self.handle})

    def to_numpy_array(self) -> Any:
        """The value; the same as `eval`."""
        return self.eval()

    def get_raw_handle(self) -> str:
        """The name, for operations that take it; the value outlives this object from now on."""
        self._persistent = True
        return self.handle

    def _operation(self, purpose: str, make: Any) -> Any:
        """The operation that reads or deletes values of this dtype, made once in each graph."""
        graph = self._session.graph
        session_for(graph, self._session, "use a tensor handle")
        with graph.as_default(), graph.control_dependencies(None):
            return graph.get_scoped(f"session handle {purpose} {self.dtype.name}", make)

    def __str__(self) -> str:
        return self.handle

    def __del__(self) -> None:
        if not getattr(self, "_persistent", True):  # True also where the constructor has refused
            session_handles.forget(self.handle.encode())
