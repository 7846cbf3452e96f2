"""The thread's current graph and session: the only hidden state that the library keeps."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from millrace.core import late
from millrace.core.public import public

if TYPE_CHECKING:
    from millrace.graph.graph import Graph


class _Stack(threading.local):
    """A stack for each thread."""

    def __init__(self) -> None:
        self.items: list[Any] = []

    def entered(self, item: Any) -> _Entered:
        """A context in which `item` is the innermost."""
        return _Entered(self, item)


class _Entered:
    """`with stack.entered(item)`: a class, since entering a generator takes five times as long."""

    __slots__ = ("_item", "_stack")

    def __init__(self, stack: _Stack, item: Any) -> None:
        self._stack = stack
        self._item = item

    def __enter__(self) -> Any:
        self._stack.items.append(self._item)
        return self._item

    def __exit__(self, *error: Any) -> None:
        items = self._stack.items
        if self._item not in items:  # the stack was emptied meanwhile, as the start of a test does
            return
        if items[-1] is not self._item:
            raise AssertionError(
                f"Nesting violated: {self._item!r} was left while it was not the innermost default"
            )
        items.pop()


class _GlobalGraph:
    """The graph used where no other is current; shared by threads, made on first use."""

    def __init__(self) -> None:
        self.graph: Graph | None = None


graph_stack = _Stack()
session_stack = _Stack()
shared = _GlobalGraph()


@public("get_default_graph")
def get_default_graph() -> Graph:
    """The graph that new operations are added to: the innermost `Graph.as_default`, else the global one.

    Example:
      >>> with tf.Graph().as_default() as graph:
      ...     print(tf.get_default_graph() is graph)
      True
    """
    items = graph_stack.items
    if items:
        return items[-1]
    if shared.graph is None:
        shared.graph = late.module("graph").Graph()
    return shared.graph  # pyright: ignore[reportReturnType]


@public(
    "executing_eagerly",
    "contrib.eager.executing_eagerly",
    "contrib.eager.in_eager_mode",
    "python.eager.context.executing_eagerly",
    "python.eager.context.in_eager_mode",
)
def executing_eagerly() -> bool:
    """True inside of a function that `tf.py_function` calls, where operations run at once; else False."""
    items = graph_stack.items
    return bool(items) and items[-1].executes


@public("reset_default_graph")
def reset_default_graph() -> None:
    """Replaces the global default graph by an empty one.

    Raises:
      AssertionError: called inside a `with graph.as_default()` block, whose graph cannot be replaced.

    Example:
      >>> x = tf.constant(1.0)
      >>> tf.reset_default_graph()
      >>> print(len(tf.get_default_graph().get_operations()))
      0
    """
    if graph_stack.items:
        raise AssertionError("reset_default_graph: do not call it inside `with graph.as_default():` blocks")
    shared.graph = None


@public("get_default_session")
def get_default_session() -> Any:
    """The innermost session entered with `with session:` or `session.as_default()`, else None.

    Example:
      >>> with tf.Session() as sess:
      ...     print(tf.get_default_session() is sess)
      True
    """
    items = session_stack.items
    return items[-1] if items else None


def session_for(graph: Graph, session: Any, purpose: str) -> Any:
    """`session`, or the default one, checked to hold `graph`.

    Raises:
      ValueError: there is none, or it holds another graph.
    """
    if session is None:
        session = get_default_session()
        if session is None:
            raise ValueError(
                f"Cannot {purpose}: no default session is registered. Use `with sess.as_default()` or pass "
                "session="
            )
    if session.graph is not graph:
        raise ValueError(
            f"Cannot {purpose}: the session's graph is another one. Pass a session of that graph"
        )
    return session
