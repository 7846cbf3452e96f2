"""What programs take from TensorFlow's private `framework.ops` and `tensor_util`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from millrace.building import convert
from millrace.building.composites import CompositeTensor
from millrace.building.convert import convert_n_to_tensor, convert_to_tensor
from millrace.building.sparse_tensor import SparseTensor
from millrace.building.static import constant_value_as_shape
from millrace.core import dtypes, scoped_names, shapes
from millrace.core.collection_protos import collection_proto
from millrace.core.kinds import LISTS, TEXT
from millrace.core.public import public
from millrace.graph import defaults
from millrace.graph.graph import Graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor

# --- numbers, names, graphs ---------------------------------------------------------------------------------


class _Counter:
    """Numbers that are given out once in a process."""

    last = -1


@public("python.framework.ops.uid")
def uid() -> int:
    """A number that this process has not given out before."""
    _Counter.last += 1
    return _Counter.last


@public("python.framework.ops.prepend_name_scope", "contrib.framework.prepend_name_scope")
def prepend_name_scope(name: str, import_scope: str | None) -> str:
    """The name of a node, edge or colocation as it is called inside `import_scope`."""
    return scoped_names.in_scope(name, import_scope)


@public("python.framework.ops.strip_name_scope", "contrib.framework.strip_name_scope")
def strip_name_scope(name: str, export_scope: str | None) -> str:
    """The name of a node, edge or colocation without `export_scope`."""
    return scoped_names.out_of_scope(name, export_scope)


@public("python.framework.ops.name_from_scope_name")
def name_from_scope_name(name: str) -> str:
    """The name of an operation that is to have the name of a scope: without its last slash."""
    return name[:-1] if name and name[-1] == "/" else name


@public("python.framework.ops.get_name_scope")
def get_name_scope() -> str:
    """The default graph's name scope."""
    return defaults.get_default_graph().get_name_scope()


@public("python.framework.ops.get_all_collection_keys")
def get_all_collection_keys() -> list[str]:
    """The names of the default graph's collections."""
    return defaults.get_default_graph().get_all_collection_keys()


@public("python.framework.ops.has_default_graph")
def has_default_graph() -> bool:
    """Whether the thread is inside a `Graph.as_default`."""
    return bool(defaults.graph_stack.items)


@public("python.framework.ops.inside_function")
def inside_function() -> bool:
    """Whether the default graph is the body of a function."""
    return defaults.get_default_graph().building_function


@public("python.framework.ops.executing_eagerly_outside_functions")
def executing_eagerly_outside_functions() -> bool:
    """Whether the outermost graph runs operations at once: inside of `tf.py_function` only."""
    return defaults.get_default_graph().root.executes


@public("python.framework.ops.default_session")
def default_session(session: Any) -> Any:
    """A context in which `session` is the thread's default session."""
    return defaults.session_stack.entered(session)


@public("python.framework.ops._get_graph_from_inputs")
def get_graph_from_inputs(op_input_list: Any, graph: Graph | None = None) -> Graph:
    """The graph of the tensors and operations in a list.

    Args:
      op_input_list: tensors, operations, composites of tensors; anything else is passed over.
      graph: the graph that they must be from; None: that of the first, else the default graph.

    Raises:
      TypeError: `graph` is not a Graph.
      ValueError: they are not of one graph.
    """
    if graph is not None and not isinstance(graph, _GRAPHS):
        raise TypeError(f"Input graph needs to be a Graph: {graph!r}")
    first = None
    for item in op_input_list:
        if isinstance(item, CompositeTensor):
            item = item.parts[0]
        element = as_graph_element(item)
        if element is None:
            continue
        if graph is None:
            graph, first = element.graph, element
        elif element.graph is not graph:
            if first is None:
                raise ValueError(f"{element!r} is not from the passed-in graph.")
            raise ValueError(f"{element!r} must be from the same graph as {first!r}.")
    return graph or defaults.get_default_graph()


@public("python.framework.ops._as_graph_element")
def as_graph_element(obj: Any) -> Any:
    """The tensor or operation that `obj` is or stands for; None for anything else."""
    if isinstance(obj, Tensor | Operation):
        return obj
    stands_for = getattr(obj, "_as_graph_element", None)
    return stands_for() if callable(stands_for) else None


@public("python.framework.ops.dismantle_graph")
def dismantle_graph(graph: Graph) -> None:
    """Forgets the operations and collections of a graph that nobody uses any more."""
    graph.roll_back(0)
    for name in graph.collections:
        graph.clear_collection(name)


@public("python.framework.ops.NullContextmanager")
class NullContextmanager(contextlib.nullcontext[Any]):
    """A context that does nothing, whatever it is made from."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()


# --- values -------------------------------------------------------------------------------------------------


@public("python.framework.ops.internal_convert_to_tensor")
def internal_convert_to_tensor(
    value: Any,
    dtype: Any = None,
    name: str | None = None,
    as_ref: bool = False,
    preferred_dtype: Any = None,
    ctx: Any = None,
    accepted_result_types: Any = (Tensor,),
) -> Any:
    """`convert_to_tensor`; with `as_ref`, a reference variable gives its reference."""
    if as_ref and hasattr(value, "_ref"):
        return value._ref()
    return convert_to_tensor(value, dtype, name, preferred_dtype)


@public("python.framework.ops.internal_convert_n_to_tensor")
def internal_convert_n_to_tensor(
    values: Any,
    dtype: Any = None,
    name: str | None = None,
    as_ref: bool = False,
    preferred_dtype: Any = None,
    ctx: Any = None,
) -> list[Any]:
    """Each of `values` as `internal_convert_to_tensor` converts it; names are `name_<index>`."""
    return [
        internal_convert_to_tensor(v, dtype, None if name is None else f"{name}_{i}", as_ref, preferred_dtype)
        for i, v in enumerate(values)
    ]


@public(
    "python.framework.ops.convert_to_tensor_or_composite",
    "python.framework.ops.internal_convert_to_tensor_or_composite",
)
def convert_to_tensor_or_composite(
    value: Any, dtype: Any = None, name: str | None = None, as_ref: bool = False
) -> Any:
    """A tensor, or the composite of tensors that `value` is.

    Raises:
      ValueError: a composite of another dtype than `dtype`.
    """
    if isinstance(value, CompositeTensor):
        found = value.parts[0].dtype if not isinstance(value, SparseTensor) else value.dtype
        if dtype is not None and not dtypes.as_dtype(dtype).is_compatible_with(found):
            raise ValueError(f"Tensor conversion requested dtype {dtypes.as_dtype(dtype).name} for {value!r}")
        return value
    return internal_convert_to_tensor(value, dtype, name, as_ref)


@public(
    "python.framework.ops.convert_n_to_tensor_or_composite",
    "python.framework.ops.internal_convert_n_to_tensor_or_composite",
)
def convert_n_to_tensor_or_composite(
    values: Any, dtype: Any = None, name: str | None = None, as_ref: bool = False
) -> list[Any]:
    """Each of `values` as `convert_to_tensor_or_composite` converts it."""
    return [
        None if v is None else convert_to_tensor_or_composite(v, dtype, name and f"{name}_{i}", as_ref)
        for i, v in enumerate(values)
    ]


public("python.framework.ops.convert_n_to_tensor")(convert_n_to_tensor)


class _TensorLike:
    """The types that count as tensors besides `Tensor`."""

    types: tuple[type, ...] = (Tensor,)


@public("python.framework.ops.register_dense_tensor_like_type")
def register_dense_tensor_like_type(tensor_type: type) -> None:
    """Lets values of a type pass as tensors in `is_dense_tensor_like`.

    Raises:
      TypeError: `tensor_type` lacks the properties `name` and `dtype`.
    """
    for needed in ("name", "dtype"):
        if not isinstance(getattr(tensor_type, needed, None), property):
            raise TypeError(f"Type {tensor_type.__name__} does not define a `{needed}` property")
    _TensorLike.types = (*_TensorLike.types, tensor_type)


@public("python.framework.ops.is_dense_tensor_like")
def is_dense_tensor_like(t: Any) -> bool:
    """Whether `t` is a tensor or of a registered type; variables are."""
    return isinstance(t, _TensorLike.types) or (
        convert.is_tensor_like(t) and not isinstance(t, CompositeTensor | list | tuple)
    )


@public("python.framework.ops.tensor_id")
def tensor_id(tensor: Any) -> int:
    """The number of a tensor in this process."""
    return id(tensor)


@public("python.framework.tensor_util.maybe_set_static_shape")
def maybe_set_static_shape(tensor: Tensor, shape: Any) -> None:
    """Gives a tensor of incompletely known shape the shape that `shape` holds statically."""
    if isinstance(shape, Tensor) and not tensor.shape.is_fully_defined():
        tensor.set_shape(constant_value_as_shape(shape))


@public("python.framework.tensor_util.shape_tensor")
def shape_tensor(shape: Any) -> Tensor:
    """A shape as an int32 or int64 vector."""
    wanted = None
    if isinstance(shape, LISTS) and all(isinstance(d, int | shapes.Dimension) for d in shape):
        wanted = dtypes.int32
    return convert_to_tensor(shape, dtype=wanted, name="shape")


@public("python.framework.tensor_util.TensorShapeProtoToList")
def tensor_shape_proto_to_list(shape: Any) -> list[int]:
    """The sizes in a TensorShapeProto."""
    return [d.size for d in shape.dim]


@public("python.framework.tensor_util.ShapeEquals")
def shape_equals(tensor_proto: Any, shape: Any) -> bool:
    """Whether a TensorProto has that shape, given as sizes or as a TensorShapeProto.

    Raises:
      TypeError: no TensorProto, or no shape.
    """
    if not hasattr(tensor_proto, "tensor_shape"):
        raise TypeError(f"tensor_proto is not a TensorProto. Received: {tensor_proto!r}")
    sizes = tensor_shape_proto_to_list(shape) if hasattr(shape, "dim") else list(shape)
    return tensor_shape_proto_to_list(tensor_proto.tensor_shape) == sizes


# --- collections and shapes ---------------------------------------------------------------------------------


@public("python.framework.ops.get_collection_proto_type")
def get_collection_proto_type(collection_name: str) -> Any:
    """The type of a collection's messages, or None."""
    found = collection_proto(collection_name)
    if found is None or not isinstance(found.message, str):
        return None if found is None else found.message
    from millrace.core import protos  # here, since it needs protobuf

    return getattr(protos, found.message)


@public("python.framework.ops.get_to_proto_function")
def get_to_proto_function(collection_name: str) -> Any:
    """What turns a collection's items into messages, or None."""
    found = collection_proto(collection_name)
    return None if found is None else found.to_proto


@public("python.framework.ops.get_from_proto_function")
def get_from_proto_function(collection_name: str) -> Any:
    """What turns a collection's messages into items, or None."""
    found = collection_proto(collection_name)
    return None if found is None else found.from_proto


@public("python.framework.ops.RegisterShape")
class RegisterShape:
    """Decorator of old programs for the shape function of an operation; shapes come with operations."""

    def __init__(self, op_type: str) -> None:
        """Makes the decorator.

        Args:
          op_type: the type of the operation.
        """
        self._op_type = op_type

    def __call__(self, f: Any) -> Any:
        """The function itself."""
        return f


@public(
    "python.framework.ops.set_shapes_for_outputs",
    "python.framework.ops.set_shape_and_handle_data_for_outputs",
)
def set_shapes_for_outputs(op: Operation) -> None:
    """Does nothing: shapes are known as soon as an operation is added."""
    del op


@public("python.framework.ops.OpStats")
class OpStats:
    """A figure about an operation: how many floating point operations it takes, for example."""

    def __init__(self, statistic_type: str, value: Any = None) -> None:
        """Makes a figure.

        Args:
          statistic_type: what it counts, "flops" for example.
          value: the number; None: unknown.
        """
        self.statistic_type = statistic_type
        self.value = value

    def __iadd__(self, other: OpStats) -> OpStats:
        if other.statistic_type != self.statistic_type:
            raise ValueError(
                f"Can't add an OpStat of type {self.statistic_type} to one of {other.statistic_type}."
            )
        if self.value is None:
            self.value = other.value
        elif other.value is not None:
            self.value += other.value
        return self


_GRAPHS: tuple[type, ...] = (Graph,)
_STATISTICS: dict[tuple[str, str], Callable[[Graph, Any], OpStats]] = {}


@public("python.framework.ops.RegisterStatistics")
class RegisterStatistics:
    """Decorator: `f(graph, node_def)` counts something about operations of a type."""

    def __init__(self, op_type: str, statistic_type: str) -> None:
        """Makes the decorator.

        Args:
          op_type: the type of the operations.
          statistic_type: what is counted.

        Raises:
          TypeError: a type is not a string.
        """
        if not isinstance(op_type, TEXT):
            raise TypeError(f"op_type must be a string. Received: {op_type!r}")
        if "," in op_type:
            raise TypeError(f"op_type must not contain a comma. Received: {op_type!r}")
        if not isinstance(statistic_type, TEXT):
            raise TypeError(f"statistic_type must be a string. Received: {statistic_type!r}")
        self._key = (op_type, statistic_type)

    def __call__(self, f: Callable[[Graph, Any], OpStats]) -> Callable[[Graph, Any], OpStats]:
        """Registers the function."""
        _STATISTICS[self._key] = f
        return f


@public("python.framework.ops.get_stats_for_node_def")
def get_stats_for_node_def(graph: Graph, node: Any, statistic_type: str) -> OpStats:
    """A figure about a node; its value is None where nothing counts it.

    Args:
      graph: the graph of the node.
      node: a NodeDef.
      statistic_type: what is counted.
    """
    function = _STATISTICS.get((node.op, statistic_type))
    return OpStats(statistic_type) if function is None else function(graph, node)


@RegisterStatistics("MatMul", "flops")
def _matmul_flops(graph: Graph, node: Any) -> OpStats:
    """Two for each product: one multiplication, one addition."""
    op = graph.get_operation_by_name(node.name)
    a, out = op.inputs[0].dims, shapes.num_elements(op.outputs[0].dims)
    inner = None if a is None else a[0 if op.get_attr("transpose_a") else -1]
    return OpStats("flops", None if inner is None or out is None else 2 * out * inner)


@RegisterStatistics("Conv2D", "flops")
def _conv_flops(graph: Graph, node: Any) -> OpStats:
    op = graph.get_operation_by_name(node.name)
    window, out = op.inputs[1].dims, shapes.num_elements(op.outputs[0].dims)
    each = None if window is None else shapes.num_elements(window[:3])
    return OpStats("flops", None if each is None or out is None else 2 * out * each)


@RegisterStatistics("BiasAdd", "flops")
def _bias_flops(graph: Graph, node: Any) -> OpStats:
    return OpStats("flops", shapes.num_elements(graph.get_operation_by_name(node.name).inputs[0].dims))
