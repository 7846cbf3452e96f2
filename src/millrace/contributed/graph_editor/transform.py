"""`tf.contrib.graph_editor.transform`: parts of a graph copied, with other inputs where wanted."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy as shallow
from typing import Any

from millrace.contributed.graph_editor import lists, select
from millrace.contributed.graph_editor.view import SubGraphView, make_view
from millrace.core.public import public
from millrace.graph.graph import Graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor


@public(
    "contrib.graph_editor.replace_t_with_placeholder_handler",
    "contrib.graph_editor.transform.replace_t_with_placeholder_handler",
)
def replace_t_with_placeholder_handler(info: Any, t: Tensor) -> Tensor:
    """A placeholder in the new graph and scope for a tensor of the old one."""
    with info.graph_.as_default():
        return lists.make_placeholder_from_tensor(t, scope=info.scope_)


@public(
    "contrib.graph_editor.keep_t_if_possible_handler",
    "contrib.graph_editor.transform.keep_t_if_possible_handler",
)
def keep_t_if_possible_handler(info: Any, t: Tensor) -> Tensor:
    """The tensor itself within one graph, else a placeholder."""
    return t if info.graph is info.graph_ else replace_t_with_placeholder_handler(info, t)


@public(
    "contrib.graph_editor.assign_renamed_collections_handler",
    "contrib.graph_editor.transform.assign_renamed_collections_handler",
)
def assign_renamed_collections_handler(info: Any, elem: Any, elem_: Any) -> None:
    """Adds a copy to the collections of its original, under the new scope's name unless standard."""
    known = lists.get_predefined_collection_names()
    for name in info.graph.get_all_collection_keys():
        if any(x is elem for x in info.graph.get_collection_ref(name)):
            own = name in known or info.scope_ == "" or not name.startswith(info.scope)
            info.graph_.add_to_collection(name if own else info.new_name(name), elem_)


@public(
    "contrib.graph_editor.transform_op_if_inside_handler",
    "contrib.graph_editor.transform.transform_op_if_inside_handler",
)
def transform_op_if_inside_handler(
    info: Any, op: Operation, keep_if_possible: bool = True
) -> Operation | None:
    """The copy of an operation; itself within one graph if `keep_if_possible`; else None."""
    if op in info.sgv.ops:
        return info.transformed_ops[op]
    return op if keep_if_possible and info.graph is info.graph_ else None


@public("contrib.graph_editor.copy_op_handler", "contrib.graph_editor.transform.copy_op_handler")
def copy_op_handler(
    info: Any, op: Operation, new_inputs: list[Tensor], copy_shape: bool = False, nodedef_fn: Any = None
) -> tuple[Operation, list[Tensor]]:
    """Copies an operation.

    Args:
      info: where from and to.
      op: the original.
      new_inputs: its inputs in the new graph.
      copy_shape: give the outputs the static shapes of the original.
      nodedef_fn: a function of a NodeDef, whose result is copied in its place.

    Returns:
      The copy and its outputs.
    """
    name = info.graph_.unique_name(info.new_name(op.name), mark_as_used=False)
    if nodedef_fn is None:
        kind, attrs = op.type, {k: v for k, v in op.attrs.items() if k != "_class"}
    else:
        node = nodedef_fn(op.node_def)
        kind, attrs = node.op, {k: v for k, v in node.attr.items() if k != "_class"}
    made = info.graph_.create_op(kind, new_inputs, name=name + "/", attrs=attrs)
    made._set_device(op.device)
    if copy_shape:
        for t, t_ in zip(op.outputs, made.outputs, strict=True):
            t_.set_shape(t.get_shape())
    return made, list(made.outputs)


@public("contrib.graph_editor.TransformerInfo", "contrib.graph_editor.transform.TransformerInfo")
class TransformerInfo:
    """What a transformation made of what."""

    def __init__(self, info: Any) -> None:
        self._graph, self._scope = info.graph, info.scope
        self._graph_, self._scope_ = info.graph_, info.scope_
        self._transformed_ops = info.transformed_ops
        self._transformed_ts = info.transformed_ts

    def _find(self, target: Any, maps: Any, missing_fn: Any) -> Any:
        def one(x: Any) -> Any:
            held = maps[0] if isinstance(x, Operation) else maps[1]
            if x in held:
                return held[x]
            return None if missing_fn is None else missing_fn(x)

        if isinstance(target, SubGraphView):
            return SubGraphView([one(op) for op in target.ops])
        return lists.transform_tree(target, one)

    def transformed(self, original: Any, missing_fn: Callable[[Any], Any] | None = None) -> Any:
        """The copy of each operation or tensor in a structure; `missing_fn` of it where there is none."""
        return self._find(original, (self._transformed_ops, self._transformed_ts), missing_fn)

    def original(self, transformed: Any, missing_fn: Callable[[Any], Any] | None = None) -> Any:
        """What a copy was made from; `missing_fn` of it where it is not a copy."""
        ops = {v: k for k, v in self._transformed_ops.items()}
        ts = {v: k for k, v in self._transformed_ts.items()}
        return self._find(transformed, (ops, ts), missing_fn)

    def __str__(self) -> str:
        def place(graph: Any, scope: str) -> str:
            return f"{graph} (scope {scope!r})"

        return (
            f"Transformer result info:\n  from {place(self._graph, self._scope)}\n"
            f"  to {place(self._graph_, self._scope_)}\n"
            f"  {len(self._transformed_ops)} operations, {len(self._transformed_ts)} tensors\n"
        )


class _Work:
    """The state of one transformation."""

    def __init__(self, sgv: SubGraphView, graph_: Graph, scope_: str, scope: str) -> None:
        assert sgv.graph is not None
        self.sgv, self.ops = sgv, frozenset(sgv.ops)
        self.graph, self.scope = sgv.graph, scope
        self.graph_, self.scope_ = graph_, scope_
        self.transformed_ops: dict[Operation, Operation] = {}
        self.transformed_ts: dict[Tensor, Tensor] = {}

    def new_name(self, name: str) -> str:
        """The name under the new scope.

        Raises:
          ValueError: it is not under the old one.
        """
        if not name.startswith(self.scope):
            raise ValueError(f"{name} does not belong to source scope: {self.scope}.")
        return self.scope_ + name[len(self.scope) :]


@public("contrib.graph_editor.Transformer", "contrib.graph_editor.transform.Transformer")
class Transformer:
    """Copies a part of a graph; its handlers, which can be replaced, say how.

    Attributes:
      assign_collections_handler: (info, original, copy): puts the copy into collections.
      transform_external_input_handler: (info, tensor): what takes the place of an input from outside.
      transform_external_hidden_input_handler: the same for what is not an input of the view.
      transform_op_handler: (info, operation, inputs): the copy and its outputs.
      transform_control_input_handler: (info, operation): what takes the place of a control input, or None.
      transform_original_op_handler: (info, operation): what takes the place of a gradient's operation.
    """

    def __init__(self) -> None:
        self.assign_collections_handler: Any = assign_renamed_collections_handler
        self.transform_external_input_handler: Any = replace_t_with_placeholder_handler
        self.transform_external_hidden_input_handler: Any = keep_t_if_possible_handler
        self.transform_op_handler: Any = copy_op_handler
        self.transform_control_input_handler: Any = transform_op_if_inside_handler
        self.transform_original_op_handler: Any = transform_op_if_inside_handler

    def __call__(
        self, sgv: Any, dst_graph: Any, dst_scope: str, src_scope: str = "", reuse_dst_scope: bool = False
    ) -> tuple[SubGraphView, TransformerInfo]:
        """Copies `sgv` into `dst_graph`.

        Args:
          sgv: the view.
          dst_graph: the graph of the copies.
          dst_scope: their scope, made unique unless `reuse_dst_scope`.
          src_scope: the scope of the originals, which the new one takes the place of.
          reuse_dst_scope: whether copies may go into a scope that exists.

        Returns:
          A view of the copies, and what became of what.

        Raises:
          TypeError: `dst_graph` is not a graph.
          ValueError: an operation is not under `src_scope`.
        """
        sgv = make_view(sgv)
        if not isinstance(dst_graph, Graph):
            raise TypeError(f"Expected a tf.Graph, got: {type(dst_graph)}")
        src_scope, dst_scope = lists.scope_finalize(src_scope), lists.scope_finalize(dst_scope)
        if dst_scope and not reuse_dst_scope:
            dst_scope = lists.scope_finalize(dst_graph.unique_name(dst_scope[:-1]))
        work = _Work(sgv, dst_graph, dst_scope, src_scope)
        for op in sorted(sgv.ops, key=lambda op: op._id):
            self._copy(work, op)
        for op, op_ in work.transformed_ops.items():
            self._connect(work, op, op_)
        return self._view(work), TransformerInfo(work)

    def _input(self, work: _Work, t: Tensor) -> Tensor:
        if t in work.transformed_ts:
            return work.transformed_ts[t]
        if t.op in work.ops:
            return t  # of an operation that comes later: a loop, connected afterwards
        inside = t in list(work.sgv.inputs)
        handler = (
            self.transform_external_input_handler if inside else self.transform_external_hidden_input_handler
        )
        return handler(work, t)

    def _copy(self, work: _Work, op: Operation) -> None:
        op_, outputs = self.transform_op_handler(work, op, [self._input(work, t) for t in op.inputs])
        if op is op_:
            return
        work.transformed_ops[op] = op_
        self.assign_collections_handler(work, op, op_)
        for t, t_ in zip(op.outputs, outputs, strict=True):
            work.transformed_ts[t] = t_
            self.assign_collections_handler(work, t, t_)

    def _connect(self, work: _Work, op: Operation, op_: Operation) -> None:
        for i, t in enumerate(op.inputs):
            if t.op in work.ops and t in work.transformed_ts and op_.inputs[i] is t:
                op_._update_input(i, work.transformed_ts[t])
        controls = [self.transform_control_input_handler(work, c) for c in op.control_inputs]
        kept = [c for c in controls if c is not None]
        if kept:
            op_._add_control_inputs(kept)

    def _view(self, work: _Work) -> SubGraphView:
        made = shallow(work.sgv)
        made._graph = work.graph_
        made._ops = [work.transformed_ops.get(op, op) for op in work.sgv.ops]
        for name in ("_input_ts", "_output_ts", "_passthrough_ts"):
            held = [work.transformed_ts[t] for t in getattr(work.sgv, name) if t in work.transformed_ts]
            setattr(made, name, held)
        return made


@public("contrib.graph_editor.copy", "contrib.graph_editor.transform.copy")
def copy(
    sgv: Any, dst_graph: Any = None, dst_scope: str = "", src_scope: str = "", reuse_dst_scope: bool = False
) -> tuple[SubGraphView, TransformerInfo]:
    """Copies a view; arguments, result and errors as for a `Transformer`; default graph is the same one."""
    sgv = make_view(sgv)
    graph = sgv.graph if dst_graph is None else dst_graph
    return Transformer()(sgv, graph, dst_scope, src_scope, reuse_dst_scope)


@public(
    "contrib.graph_editor.copy_with_input_replacements",
    "contrib.graph_editor.transform.copy_with_input_replacements",
)
def copy_with_input_replacements(
    sgv: Any,
    replacement_ts: dict[Any, Any],
    dst_graph: Any = None,
    dst_scope: str = "",
    src_scope: str = "",
    reuse_dst_scope: bool = False,
) -> tuple[SubGraphView, TransformerInfo]:
    """Copies a view, with other tensors for some of its inputs.

    Args:
      replacement_ts: from an input to the tensor that takes its place.

    Other arguments, result and errors are those of `copy`.
    """
    sgv = make_view(sgv)
    graph = sgv.graph if dst_graph is None else dst_graph
    made = Transformer()

    def replaced(info: Any, t: Tensor) -> Tensor:
        return replacement_ts[t] if t in replacement_ts else keep_t_if_possible_handler(info, t)

    made.transform_external_input_handler = replaced
    return made(sgv, graph, dst_scope, src_scope, reuse_dst_scope)


@public("contrib.graph_editor.graph_replace", "contrib.graph_editor.transform.graph_replace")
def graph_replace(
    target_ts: Any,
    replacement_ts: dict[Any, Any],
    dst_scope: str = "",
    src_scope: str = "",
    reuse_dst_scope: bool = False,
) -> Any:
    """Tensors computed again from others: what lies between is copied.

    Args:
      target_ts: a tensor, or a nesting of them.
      replacement_ts: from tensors that they follow from to those that take their place.
      dst_scope, src_scope, reuse_dst_scope: as for `copy`.

    Returns:
      The nesting of the new tensors; a target that follows from none of them stays.

    Raises:
      ValueError: no target follows from any.
    """
    flat = lists.flatten_tree(target_ts)
    graph = lists.get_unique_graph(flat, check_types=Tensor)
    assert graph is not None
    ios = lists.ControlOutputs(graph)
    keys = list(replacement_ts)
    ops = select.get_walks_intersection_ops(keys, flat, control_ios=ios) if keys else []
    if not ops:
        raise ValueError("Targets and replacements are not connected!")
    _, info = copy_with_input_replacements(ops, replacement_ts, None, dst_scope, src_scope, reuse_dst_scope)

    def missing(t: Any) -> Any:
        return replacement_ts.get(t, t)

    return info.transformed(target_ts, missing)
