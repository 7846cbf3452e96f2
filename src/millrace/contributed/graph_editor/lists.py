"""`tf.contrib.graph_editor.util`: lists of operations and tensors, trees, scopes and placeholders."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from millrace.core.public import public
from millrace.graph.graph import Graph
from millrace.graph.keys import GraphKeys
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.ops.array.constant import placeholder

DEFAULT_PREFIX = "geph"


@public("contrib.graph_editor.util.concatenate_unique")
def concatenate_unique(la: list[Any], lb: Iterable[Any]) -> list[Any]:
    """Adds to the list `la` what of `lb` it lacks, and returns it."""
    held = set(la)
    for x in lb:
        if x not in held:
            held.add(x)
            la.append(x)
    return la


@public("contrib.graph_editor.util.ListView")
class ListView:
    """A list that can be read but not changed."""

    def __init__(self, list_: list[Any]) -> None:
        if not isinstance(list_, list):
            raise TypeError(f"ListView takes a list. Received: {type(list_).__name__}")
        self._list = list_

    def __iter__(self) -> Any:
        return iter(self._list)

    def __len__(self) -> int:
        return len(self._list)

    def __bool__(self) -> bool:
        return bool(self._list)

    def __getitem__(self, i: Any) -> Any:
        return self._list[i]

    def __add__(self, other: Any) -> list[Any]:
        return list(self) + list(other)

    def __str__(self) -> str:
        return str(self._list)


@public("contrib.graph_editor.util.is_iterable")
def is_iterable(obj: Any) -> bool:
    """Whether `obj` can be iterated over; tensors of known length cannot for this purpose."""
    if isinstance(obj, Tensor):
        return False
    try:
        iter(obj)
    except Exception:  # whatever a user's class raises, it is not iterable
        return False
    return True


def _has_branches(tree: Any) -> bool:
    """Whether a tree goes on: a text does not, whose letters are texts again."""
    return not isinstance(tree, str | bytes) and is_iterable(tree)


@public("contrib.graph_editor.util.flatten_tree")
def flatten_tree(tree: Any, leaves: list[Any] | None = None) -> list[Any]:
    """The leaves of nested iterables and dicts, added to `leaves`."""
    leaves = [] if leaves is None else leaves
    if isinstance(tree, dict):
        for value in tree.values():
            flatten_tree(value, leaves)
    elif _has_branches(tree):
        for value in tree:
            flatten_tree(value, leaves)
    else:
        leaves.append(tree)
    return leaves


@public("contrib.graph_editor.util.transform_tree")
def transform_tree(tree: Any, fn: Callable[[Any], Any], iterable_type: type = tuple) -> Any:
    """The same nesting of what `fn` gives for each leaf; unknown iterables become `iterable_type`."""
    if _has_branches(tree):
        if isinstance(tree, dict):
            made = type(tree)()
            made.update((key, transform_tree(child, fn)) for key, child in tree.items())
            return made
        if isinstance(tree, tuple):
            children = [transform_tree(child, fn) for child in tree]
            return type(tree)(*children) if hasattr(tree, "_asdict") else type(tree)(children)
        children = [transform_tree(child, fn) for child in tree]
        return type(tree)(children) if isinstance(tree, list) else iterable_type(children)
    return fn(tree)


@public("contrib.graph_editor.util.check_graphs")
def check_graphs(*args: Any) -> None:
    """Checks that all arguments belong to one graph.

    Raises:
      ValueError: they do not.
    """
    graph = None
    for i, sgv in enumerate(args):
        if graph is None and sgv.graph is not None:
            graph = sgv.graph
        elif sgv.graph is not None and sgv.graph is not graph:
            raise ValueError(f"Argument[{i}]: Wrong graph!")


@public("contrib.graph_editor.util.get_unique_graph")
def get_unique_graph(tops: Any, check_types: Any = None, none_if_empty: bool = False) -> Graph | None:
    """The one graph of operations and tensors.

    Args:
      tops: a Graph, an operation or tensor, or many.
      check_types: the types allowed; default operations and tensors.
      none_if_empty: give None, rather than fail, where there is nothing.

    Raises:
      TypeError: something has another type.
      ValueError: there are several graphs, or none.
    """
    if isinstance(tops, Graph):
        return tops
    if not is_iterable(tops):
        raise TypeError(f"{type(tops)} is not iterable")
    types = (Operation, Tensor) if check_types is None else tuple(flatten_tree(check_types))
    graph = None
    for op in tops:
        if not isinstance(op, types):
            raise TypeError(f"Expected a type in ({', '.join(map(str, types))}), got: {type(op)}")
        if graph is None:
            graph = op.graph
        elif graph is not op.graph:
            raise ValueError(f"Operation {op} does not belong to given graph")
    if graph is None and not none_if_empty:
        raise ValueError("Can't find the unique graph of an empty list")
    return graph


@public("contrib.graph_editor.make_list_of_op", "contrib.graph_editor.util.make_list_of_op")
def make_list_of_op(
    ops: Any, check_graph: bool = True, allow_graph: bool = True, ignore_ts: bool = False
) -> list[Operation]:
    """A list of operations.

    Args:
      ops: one or many, or a Graph, whose operations are listed.
      check_graph: check that they belong to one graph.
      allow_graph: whether a Graph may be given.
      ignore_ts: leave tensors out rather than refuse them.

    Raises:
      TypeError: something is not an operation.
      ValueError: they belong to several graphs.
    """
    if isinstance(ops, Graph):
        if not allow_graph:
            raise TypeError(f"allow_graph is False: cannot convert a tf.Graph. Received: {ops}")
        return ops.get_operations()
    ops = list(ops) if is_iterable(ops) else [ops]
    if not ops:
        return []
    if check_graph:
        get_unique_graph(ops, check_types=None if ignore_ts else Operation)
    return [op for op in ops if isinstance(op, Operation)]


@public("contrib.graph_editor.make_list_of_t", "contrib.graph_editor.util.make_list_of_t")
def make_list_of_t(
    ts: Any, check_graph: bool = True, allow_graph: bool = True, ignore_ops: bool = False
) -> list[Tensor]:
    """A list of tensors; arguments and errors as for `make_list_of_op`, with the parts exchanged."""
    if isinstance(ts, Graph):
        if not allow_graph:
            raise TypeError(f"allow_graph is False: cannot convert a tf.Graph. Received: {ts}")
        return get_tensors(ts)
    ts = list(ts) if is_iterable(ts) else [ts]
    if not ts:
        return []
    if check_graph:
        get_unique_graph(ts, check_types=None if ignore_ops else Tensor)
    return [t for t in ts if isinstance(t, Tensor)]


@public("contrib.graph_editor.get_tensors", "contrib.graph_editor.util.get_tensors")
def get_tensors(graph: Graph) -> list[Tensor]:
    """All tensors of a graph.

    Raises:
      TypeError: it is not a Graph.
    """
    if not isinstance(graph, Graph):
        raise TypeError(f"Expected a graph, got: {type(graph)}")
    return [t for op in graph.get_operations() for t in op.outputs]


@public("contrib.graph_editor.get_generating_ops", "contrib.graph_editor.util.get_generating_ops")
def get_generating_ops(ts: Any) -> list[Operation]:
    """The operations that give the tensors."""
    return [t.op for t in make_list_of_t(ts, allow_graph=False)]


@public("contrib.graph_editor.get_consuming_ops", "contrib.graph_editor.util.get_consuming_ops")
def get_consuming_ops(ts: Any) -> list[Operation]:
    """The operations that take the tensors, each once."""
    ops: list[Operation] = []
    for t in make_list_of_t(ts, allow_graph=False):
        concatenate_unique(ops, t.consumers())
    return ops


@public("contrib.graph_editor.ControlOutputs", "contrib.graph_editor.util.ControlOutputs")
class ControlOutputs:
    """Which operations wait for an operation, in a graph."""

    def __init__(self, graph: Graph) -> None:
        if not isinstance(graph, Graph):
            raise TypeError(f"Expected a tf.Graph, got: {type(graph)}")
        self._graph = graph
        self._outputs: dict[Operation, list[Operation]] = {}
        self._version = -1
        self.update()

    def update(self) -> ControlOutputs:
        """Looks again if the graph has changed."""
        if self._version != self._graph.version:
            self._outputs = {}
            for op in self._graph.get_operations():
                for before in op.control_inputs:
                    waiting = self._outputs.setdefault(before, [])
                    if op not in waiting:
                        waiting.append(op)
            self._version = self._graph.version
        return self

    def get_all(self) -> dict[Operation, list[Operation]]:
        """All control outputs, by operation."""
        return self._outputs

    def get(self, op: Operation) -> list[Operation]:
        """What waits for `op`; an empty tuple where nothing does."""
        return self._outputs.get(op, ())  # type: ignore[return-value]

    @property
    def graph(self) -> Graph:
        """The graph."""
        return self._graph


@public("contrib.graph_editor.util.scope_finalize")
def scope_finalize(scope: str) -> str:
    """The scope with a slash at its end."""
    return scope + "/" if scope and scope[-1] != "/" else scope


@public("contrib.graph_editor.util.scope_dirname")
def scope_dirname(scope: str) -> str:
    """What is before the last name, with its slash."""
    return scope[: scope.rfind("/") + 1]


@public("contrib.graph_editor.util.scope_basename")
def scope_basename(scope: str) -> str:
    """The last name."""
    return scope[scope.rfind("/") + 1 :]


@public("contrib.graph_editor.placeholder_name", "contrib.graph_editor.util.placeholder_name")
def placeholder_name(t: Any = None, scope: str | None = None, prefix: str = DEFAULT_PREFIX) -> str:
    """The name of a placeholder for a tensor.

    Args:
      t: the tensor; None for any.
      scope: its scope; default that of the tensor.
      prefix: how names begin.

    Raises:
      TypeError: `t` is not a tensor.
    """
    if scope is not None:
        scope = scope_finalize(scope)
    if t is None:
        return (scope or "") + prefix
    if not isinstance(t, Tensor):
        raise TypeError(f"Expected a tf.Tensor, got: {type(t)}")
    directory, base = scope_dirname(t.op.name), scope_basename(t.op.name)
    if scope is None:
        scope = directory
    if base.startswith(f"{prefix}__"):
        return scope + base
    return f"{scope}{prefix}__{base}_{t.value_index}"


@public(
    "contrib.graph_editor.make_placeholder_from_tensor",
    "contrib.graph_editor.util.make_placeholder_from_tensor",
)
def make_placeholder_from_tensor(t: Tensor, scope: str | None = None, prefix: str = DEFAULT_PREFIX) -> Tensor:
    """A placeholder of the dtype and shape of a tensor, added to the default graph."""
    return placeholder(t.dtype.base_dtype, t.get_shape(), name=placeholder_name(t, scope, prefix))


@public(
    "contrib.graph_editor.ph",
    "contrib.graph_editor.make_placeholder_from_dtype_and_shape",
    "contrib.graph_editor.util.make_placeholder_from_dtype_and_shape",
)
def make_placeholder_from_dtype_and_shape(
    dtype: Any, shape: Any = None, scope: str | None = None, prefix: str = DEFAULT_PREFIX
) -> Tensor:
    """A placeholder of a dtype and shape, added to the default graph."""
    return placeholder(dtype, shape, name=placeholder_name(scope=scope, prefix=prefix))


@public("contrib.graph_editor.util.get_predefined_collection_names")
def get_predefined_collection_names() -> list[str]:
    """The names of the standard collections."""
    found = {k: v for k, v in vars(GraphKeys).items() if not k.startswith("_") and isinstance(v, str)}
    return [found[k] for k in sorted(found)]


@public("contrib.graph_editor.util.find_corresponding_elem")
def find_corresponding_elem(target: Any, dst_graph: Graph, dst_scope: str = "", src_scope: str = "") -> Any:
    """The operation or tensor of another graph with the name that `target` has, scopes exchanged.

    Returns:
      It, or None where there is none.

    Raises:
      TypeError: `target` is neither an operation nor a tensor.
      ValueError: its name is not in `src_scope`.
    """
    if not isinstance(target, Operation | Tensor):
        raise TypeError(f"Expected a tf.Operation or a tf.Tensor, got: {type(target)}")
    src, dst = scope_finalize(src_scope), scope_finalize(dst_scope)
    if not target.name.startswith(src):
        raise ValueError(f"{target.name} does not start with {src}")
    name = dst + target.name[len(src) :]
    op_name = name.partition(":")[0]
    if op_name not in dst_graph.by_name:
        return None
    find = dst_graph.get_operation_by_name if isinstance(target, Operation) else dst_graph.get_tensor_by_name
    return find(name)


@public("contrib.graph_editor.util.find_corresponding")
def find_corresponding(targets: Any, dst_graph: Graph, dst_scope: str = "", src_scope: str = "") -> Any:
    """`find_corresponding_elem` for each leaf of nested targets."""
    return transform_tree(targets, lambda t: find_corresponding_elem(t, dst_graph, dst_scope, src_scope))
