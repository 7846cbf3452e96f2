"""`tf.contrib.graph_editor.SubGraphView`: a part of a graph, with its inputs and outputs."""

from __future__ import annotations

import copy as copying
from collections.abc import Iterable
from typing import Any

from millrace.contributed.graph_editor import lists, select
from millrace.core.public import public
from millrace.graph.graph import Graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor


@public("contrib.graph_editor.SubGraphView", "contrib.graph_editor.subgraph.SubGraphView")
class SubGraphView:
    """Some operations of a graph, the tensors that come in, and those that leave.

    Args:
      inside_ops: the operations.
      passthrough_ts: tensors that come in and leave unchanged.

    Raises:
      ValueError: they belong to several graphs.
    """

    def __init__(self, inside_ops: Any = (), passthrough_ts: Any = ()) -> None:
        inside_ops = lists.make_list_of_op(inside_ops)
        passthrough_ts = lists.make_list_of_t(passthrough_ts)
        chosen = [*inside_ops, *passthrough_ts]
        self._graph: Graph | None = None
        self._ops: list[Operation] = []
        self._passthrough_ts: list[Tensor] = []
        self._input_ts: list[Tensor] = []
        self._output_ts: list[Tensor] = []
        if chosen:
            self._graph = lists.get_unique_graph(chosen)
            self._ops = inside_ops
            inputs, outputs, within = select.compute_boundary_ts(inside_ops)
            known = {*inputs, *outputs, *within}
            self._passthrough_ts = [t for t in passthrough_ts if t not in known]
            self._input_ts = inputs + self._passthrough_ts
            self._output_ts = outputs + self._passthrough_ts

    def __copy__(self) -> SubGraphView:
        made = SubGraphView.__new__(SubGraphView)
        for name, value in vars(self).items():
            setattr(made, name, list(value) if isinstance(value, list) else value)
        return made

    def copy(self) -> SubGraphView:
        """Another view of the same part."""
        return copying.copy(self)

    def _assign_from(self, other: SubGraphView) -> None:
        if not isinstance(other, SubGraphView):
            raise TypeError(f"Expected SubGraphView, got: {type(other)}")
        vars(self).update(vars(other.copy()))

    # --- other inputs and outputs -------------------------------------------------------------------------

    def remap_inputs(self, new_input_indices: Iterable[int]) -> SubGraphView:
        """A view with the inputs at these indices, in this order."""
        made = self.copy()
        made._input_ts = [self._input_ts[i] for i in _indices(new_input_indices, self._input_ts, "input")]
        return made

    def remap_outputs(self, new_output_indices: Iterable[int]) -> SubGraphView:
        """A view with the outputs at these indices, in this order; an index may come again."""
        made = self.copy()
        made._output_ts = [
            self._output_ts[i] for i in _indices(new_output_indices, self._output_ts, "output")
        ]
        return made

    def remap(self, new_input_indices: Any = None, new_output_indices: Any = None) -> SubGraphView:
        """A view with other inputs and outputs; None leaves them."""
        made = self.copy()
        if new_input_indices is not None:
            made = made.remap_inputs(new_input_indices)
        return made if new_output_indices is None else made.remap_outputs(new_output_indices)

    def remap_default(self, remove_input_map: bool = True, remove_output_map: bool = True) -> SubGraphView:
        """A view with the inputs and outputs that follow from its operations."""
        made = self.copy()
        inputs, outputs, _ = select.compute_boundary_ts(self._ops)
        if remove_input_map:
            made._input_ts = inputs + self._passthrough_ts
        if remove_output_map:
            made._output_ts = outputs + self._passthrough_ts
        return made

    def remap_outputs_make_unique(self) -> SubGraphView:
        """A view with each output once."""
        made = self.copy()
        made._output_ts = lists.concatenate_unique([], self._output_ts)
        return made

    def remap_outputs_to_consumers(self) -> SubGraphView:
        """A view with each output as often as it is taken."""
        made = self.remap_outputs_make_unique()
        made._output_ts = [t for t in made._output_ts for _ in t.consumers()]
        return made

    def remove_unused_ops(self, control_inputs: bool = True) -> SubGraphView:
        """A view without the operations that no output needs."""
        made = self.copy()
        needed = select.get_walks_union_ops(
            self.connected_inputs, self.connected_outputs, within_ops=self._ops, control_inputs=control_inputs
        )
        made._ops = [op for op in self._ops if op in set(needed)]
        return made

    # --- what is in it ------------------------------------------------------------------------------------

    @property
    def ops(self) -> list[Operation]:
        """The operations."""
        return self._ops

    @property
    def inputs(self) -> lists.ListView:
        """The tensors that come in."""
        return lists.ListView(self._input_ts)

    @property
    def outputs(self) -> lists.ListView:
        """The tensors that leave."""
        return lists.ListView(self._output_ts)

    @property
    def passthroughs(self) -> lists.ListView:
        """The tensors that come in and leave."""
        return lists.ListView(self._passthrough_ts)

    @property
    def connected_inputs(self) -> lists.ListView:
        """The inputs that an operation of the view takes."""
        return lists.ListView([t for t in self._input_ts if not self.is_passthrough(t)])

    @property
    def connected_outputs(self) -> lists.ListView:
        """The outputs that an operation of the view gives."""
        return lists.ListView([t for t in self._output_ts if not self.is_passthrough(t)])

    @property
    def graph(self) -> Graph | None:
        """The graph; None of an empty view."""
        return self._graph

    def op(self, op_id: int) -> Operation:
        """The operation at an index."""
        return self._ops[op_id]

    def is_passthrough(self, t: Tensor) -> bool:
        """Whether a tensor comes in and leaves unchanged."""
        return t in self._passthrough_ts

    def find_op_by_name(self, op_name: str) -> Operation:
        """The operation of that name.

        Raises:
          ValueError: there is none.
        """
        for op in self._ops:
            if op.name == op_name:
                return op
        raise ValueError(f"{op_name} not found in subgraph.")

    def input_index(self, t: Tensor) -> int:
        """The index of an input.

        Raises:
          ValueError: it is not one.
        """
        if t not in self._input_ts:
            raise ValueError(f"Can't find {t} in inputs of subgraph.")
        return self._input_ts.index(t)

    def output_index(self, t: Tensor) -> int:
        """The index of an output.

        Raises:
          ValueError: it is not one.
        """
        if t not in self._output_ts:
            raise ValueError(f"Can't find {t} in outputs of subgraph.")
        return self._output_ts.index(t)

    def consumers(self) -> list[Operation]:
        """The operations outside that take an output."""
        return [op for op in lists.get_consuming_ops(self._output_ts) if op not in self._ops]

    def __bool__(self) -> bool:
        return self._graph is not None

    __nonzero__ = __bool__

    def __enter__(self) -> SubGraphView:
        return self

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        return None

    def __str__(self) -> str:
        if not self:
            return "SubGraphView: empty"
        lines = [f"SubGraphView (graphid={id(self._graph)}):"]
        for title, held in (("ops", self._ops), ("inputs", self._input_ts), ("outputs", self._output_ts)):
            lines.append(f"** {title}[{len(held)}]:")
            lines += [f"  {x.name}" for x in held]
        return "\n".join(lines) + "\n"


def _indices(indices: Iterable[int], held: list[Tensor], what: str) -> list[int]:
    indices = list(indices)
    for i in indices:
        if not 0 <= i < len(held):
            raise ValueError(f"{what} index {i} is not in [0, {len(held)})")
    if what == "input" and len(set(indices)) != len(indices):
        raise ValueError(f"an input index must not come twice. Received: {indices}")
    return indices


@public(
    "contrib.graph_editor.sgv", "contrib.graph_editor.make_view", "contrib.graph_editor.subgraph.make_view"
)
def make_view(*args: Any, **kwargs: Any) -> SubGraphView:
    """A view of operations and tensors; arguments and errors as for `select_ops_and_ts`."""
    if len(args) == 1 and isinstance(args[0], SubGraphView) and not kwargs:
        return args[0]
    return SubGraphView(*select.select_ops_and_ts(*args, **kwargs))


@public(
    "contrib.graph_editor.sgv_scope",
    "contrib.graph_editor.make_view_from_scope",
    "contrib.graph_editor.subgraph.make_view_from_scope",
)
def make_view_from_scope(scope: str, graph: Graph) -> SubGraphView:
    """A view of the operations under a name scope."""
    return SubGraphView(select.get_name_scope_ops(graph, scope))
