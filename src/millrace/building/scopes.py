"""The scope functions of the public API: each acts on the default graph."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

from millrace.core.kinds import LISTS
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph, graph_stack
from millrace.graph.graph import Graph
from millrace.graph.tensor import Tensor


def graph_of(values: Any) -> Graph:
    """The graph of the tensors among `values` (nested lists allowed), else the default graph.

    Raises:
      ValueError: they are from different graphs.
    """
    current = graph_stack.items
    if current and current[-1].is_function:
        return current[-1]
    graph: Graph | None = None
    pending = [values]
    while pending:
        value = pending.pop()
        if type(value) is Tensor:
            found = value.op.graph
        elif isinstance(value, LISTS):
            pending.extend(value)
            continue
        else:
            found = getattr(value, "graph", None)
            if not isinstance(found, Graph):
                continue
        if graph is None:
            graph = found
        elif found is not graph:
            raise ValueError(
                f"Values must be from the same graph. Received: {value!r}, which is from another one"
            )
    return get_default_graph() if graph is None else graph


@public("name_scope", "keras.backend.name_scope")
class name_scope:  # noqa: N801 - TensorFlow's name
    """Prefixes the names of operations created inside; `as` gives the full scope with a trailing slash.

    Args:
      name: the scope; made unique. None takes `default_name`.
      default_name: used when `name` is None.
      values: tensors whose graph becomes the default inside.

    Raises:
      TypeError: neither a name nor a default name was given, but values were.
      ValueError: the values are from different graphs, or the name is not valid.

    Example:
      >>> with tf.name_scope("loss"):
      ...     print(tf.constant(1.0, name="x").name)
      loss/x:0
    """

    _constructed_often = True  # and what it refuses, it refuses when it is entered

    def __init__(self, name: str | None, default_name: str | None = None, values: Any = None) -> None:
        self._name = default_name if name is None else name
        self._values = values

    @property
    def name(self) -> str | None:
        """The name asked for."""
        return self._name

    def __enter__(self) -> str:
        if self._name is None and self._values is not None:
            raise ValueError(
                "name_scope: with values, a name or a default_name is needed. Received: None for both"
            )
        graph = get_default_graph() if self._values is None else graph_of(list(self._values))
        self._entered = graph.as_default()
        self._entered.__enter__()
        self._scope = graph.name_scope(self._name)
        try:
            return self._scope.__enter__()
        except BaseException:
            self._entered.__exit__()
            raise

    def __exit__(self, *error: Any) -> None:
        self._scope.__exit__()
        self._entered.__exit__()


@public("op_scope")
@contextlib.contextmanager
def op_scope(values: Any, name: str | None, default_name: str | None = None) -> Generator[str, None, None]:
    """The old argument order of `name_scope`."""
    with name_scope(name, default_name, values) as scope:
        yield scope


@public("control_dependencies")
def control_dependencies(control_inputs: Any) -> Any:
    """Operations created inside run after `control_inputs` (operations or tensors); None clears outer
    ones.

    Example:
      >>> count = tf.Variable(0)
      >>> with tf.control_dependencies([tf.assign_add(count, 1)]):
      ...     later = tf.identity(count)
      >>> with tf.Session() as sess:
      ...     sess.run(tf.global_variables_initializer())
      ...     print(sess.run(later))
      1
    """
    return get_default_graph().control_dependencies(control_inputs)


@public("device")
def device(device_name_or_function: Any) -> Any:
    """Places operations created inside on a device.

    Example:
      >>> with tf.device("/cpu:0"):
      ...     x = tf.constant(1.0)
      >>> print(x.device)
      /device:CPU:0
    """
    return get_default_graph().device(device_name_or_function)


@public("python.framework.ops.colocate_with", "colocate_with")
def colocate_with(op: Any, ignore_existing: bool = False) -> Any:
    """Keeps operations created inside on the device of `op`."""
    return get_default_graph().colocate_with(op, ignore_existing)


@public("container")
def container(container_name: str) -> Any:
    """Keeps the state of stateful operations created inside under `container_name`."""
    return get_default_graph().container(container_name)


@public("init_scope")
@contextlib.contextmanager
def init_scope() -> Generator[None, None, None]:
    """Lifts operations created inside out of control-flow bodies and control dependencies."""
    graph = get_default_graph()
    with graph.root.as_default(), graph.root.control_dependencies(None):
        yield


@public("add_to_collection")
def add_to_collection(name: str, value: Any) -> None:
    """Appends `value` to the default graph's collection `name`."""
    get_default_graph().add_to_collection(name, value)


@public("add_to_collections")
def add_to_collections(names: Any, value: Any) -> None:
    """Appends `value` to each of the default graph's collections `names`."""
    get_default_graph().add_to_collections(names, value)


@public("get_collection")
def get_collection(key: str, scope: str | None = None) -> list[Any]:
    """A copy of the default graph's collection `key`; with `scope`, of the items whose name matches it.

    Example:
      >>> w = tf.Variable(1.0, name="w")
      >>> print(tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES)[0].name)
      w:0
    """
    return get_default_graph().get_collection(key, scope)


@public("get_collection_ref")
def get_collection_ref(key: str) -> list[Any]:
    """The list that holds the default graph's collection `key` itself."""
    return get_default_graph().get_collection_ref(key)
