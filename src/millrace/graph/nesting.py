"""Which body lies in which, and what may cross their borders. A body has a `parent` and a `name`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from millrace.graph.operation import Operation
    from millrace.graph.tensor import Tensor


def encloses(outer: Any, inner: Any) -> bool:
    """True where the body `inner` lies inside of `outer`; None is the graph around all bodies."""
    while inner is not None:
        inner = inner.parent
        if inner is outer:
            return True
    return False


def escaped(thing: Tensor | Operation) -> str:
    """The message for a tensor or operation used outside the body that it belongs to."""
    op: Any = getattr(thing, "op", thing)
    kind = "Operation" if op is thing else "Tensor"
    return (
        f"{kind} '{thing.name}' is computed inside the body {getattr(op.body, 'name', '')!r} and "
        "exists only there; return it from the branch or loop to use it outside (created at "
        f"{op.user_location})"
    )


def check_edges(op: Operation) -> None:
    """Refuses a control edge that leads into a body.

    Raises:
      ValueError: an operation that `op` waits for is in a body that `op` is not in.
    """
    for control in op.control_inputs:
        if control.body is not op.body and not encloses(control.body, op.body):
            raise ValueError(
                f"{op.type} '{op.name}' (created at {op.user_location}) cannot wait for what a branch or "
                f"loop may run any number of times: {escaped(control)}"
            )
