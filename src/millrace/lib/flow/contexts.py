# ruff: noqa: N802 (TensorFlow's names)
"""Control flow as TensorFlow 1's graphs write it: `switch` and `merge`, and the contexts of operations.

Branches and loops here are operations with bodies, which stand in no context. A context of a program's own
still gets every operation that is added between its `Enter` and `Exit`.
"""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.composites import CompositeTensor
from millrace.building.convert import convert_to_tensor
from millrace.building.indexed_slices import IndexedSlices
from millrace.building.scopes import name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.core.public import public
from millrace.graph import defaults
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor


@public("python.ops.control_flow_ops.ControlFlowContext")
class ControlFlowContext:
    """Base of contexts: between `Enter` and `Exit`, `AddOp` is called with every operation that is added."""

    def __init__(self, values_def: Any = None, import_scope: str | None = None) -> None:
        """Makes a context inside the one that is current.

        Args:
          values_def: a ValuesDef: the names of the values known inside.
          import_scope: the scope that the names are imported into.
        """
        self._outer_context: ControlFlowContext | None = None
        graph = defaults.get_default_graph()
        self._outer_context = graph._get_control_flow_context()
        self._context_stack: list[Any] = []
        prefix = f"{import_scope}/" if import_scope else ""
        self._values = {prefix + name for name in getattr(values_def, "values", ())}
        self._external_values: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """The name of the context."""
        return getattr(self, "_name", "")

    @property
    def outer_context(self) -> ControlFlowContext | None:
        """The context around this one."""
        return self._outer_context

    @property
    def grad_state(self) -> Any:
        """None: gradients of loops are drawn from their bodies."""
        return None

    @property
    def back_prop(self) -> bool:
        """Whether gradients go through."""
        return True

    def AddName(self, name: str) -> None:
        """Notes that the value of that name is known inside."""
        self._values.add(name)

    def AddValue(self, val: Tensor) -> Tensor:
        """What stands inside for a tensor from outside."""
        self._values.add(val.name)
        return val if self._outer_context is None else self._outer_context.AddValue(val)

    def AddOp(self, op: Operation) -> None:
        """Takes in an operation."""
        self._AddOpInternal(op)

    def AddInnerOp(self, op: Operation) -> None:
        """Takes in an operation of a context inside this one."""
        if self._outer_context is not None:
            self._outer_context.AddInnerOp(op)

    def _AddOpInternal(self, op: Operation) -> None:
        self._values.update(out.name for out in op.outputs)
        if self._outer_context is not None:
            self._outer_context.AddInnerOp(op)

    def Enter(self) -> None:
        """Makes this the graph's current context."""
        graph = defaults.get_default_graph()
        self._context_stack.append(graph._get_control_flow_context())
        graph._set_control_flow_context(self)

    def Exit(self) -> None:
        """Makes the context before `Enter` current again."""
        defaults.get_default_graph()._set_control_flow_context(self._context_stack.pop())

    __enter__ = Enter

    def __exit__(self, *error: Any) -> None:
        self.Exit()

    def ExitResult(self, result: Any) -> None:
        """Makes the outer context know the results."""
        if self._outer_context is not None:
            for tensor in result if isinstance(result, list | tuple) else [result]:
                self._outer_context.AddName(getattr(tensor, "name", ""))

    def EnterGradientColocation(self, op: Operation, gradient_uid: Any) -> None:
        """Called before the gradient of an operation inside is drawn."""

    def ExitGradientColocation(self, op: Operation, gradient_uid: Any) -> None:
        """Called after the gradient of an operation inside is drawn."""

    def GetWhileContext(self) -> Any:
        """The loop's context around this one, or None."""
        return None if self._outer_context is None else self._outer_context.GetWhileContext()

    def GetControlPivot(self) -> Any:
        """An operation that runs whenever the context runs, or None."""
        return None

    def IsWhileContext(self) -> bool:
        """Whether this is a loop's."""
        return False

    def IsCondContext(self) -> bool:
        """Whether this is a branch's."""
        return False

    def IsXLAContext(self) -> bool:
        """Whether operations inside are compiled together."""
        return False

    def _RemoveExternalControlEdges(self, op: Operation) -> tuple[list[Operation], list[Operation]]:
        """(control inputs inside, control inputs outside); the operation keeps those inside."""
        inside = [c for c in op.control_inputs if c._get_control_flow_context() is self]
        outside = [c for c in op.control_inputs if c not in inside]
        if outside:
            op._remove_all_control_inputs()
            op._add_control_inputs(inside)
        return inside, outside

    def to_control_flow_context_def(self, context_def: Any, export_scope: str | None = None) -> None:
        """Refused: a context of a program's own has no message.

        Raises:
          NotImplementedError: always; subclasses that can be exported define it.
        """
        raise NotImplementedError(f"{type(self).__name__}.to_control_flow_context_def is not defined")


@public("python.ops.control_flow_ops.XLAControlFlowContext")
class XLAControlFlowContext(ControlFlowContext):
    """Base of contexts whose operations are compiled together."""

    def __init__(self) -> None:
        super().__init__()
        self._name = "XLAControlFlowContext"

    def IsXLAContext(self) -> bool:
        """True."""
        return True

    def AddOp(self, op: Operation) -> None:
        """Takes in an operation."""
        self._AddOpInternal(op)

    def AddValue(self, val: Tensor) -> Tensor:
        """The tensor itself."""
        return val


@public("python.ops.control_flow_util.GetContainingXLAContext")
def containing_xla_context(ctxt: Any) -> Any:
    """The innermost context around, or the context itself, whose operations are compiled together."""
    while ctxt is not None and not ctxt.IsXLAContext():
        ctxt = ctxt.outer_context
    return ctxt


@public("python.ops.control_flow_util.GetContainingWhileContext")
def containing_while_context(ctxt: Any, stop_ctxt: Any = None) -> Any:
    """The innermost loop's context around, or the context itself; None beyond `stop_ctxt`."""
    while ctxt is not None:
        if ctxt.IsWhileContext() or ctxt is stop_ctxt:
            return ctxt
        ctxt = ctxt.outer_context
    return None


@public("python.ops.control_flow_util.GetContainingCondContext")
def containing_cond_context(ctxt: Any) -> Any:
    """The innermost branch's context around, or the context itself."""
    while ctxt is not None and not ctxt.IsCondContext():
        ctxt = ctxt.outer_context
    return ctxt


@public("python.ops.control_flow_util.IsContainingContext")
def is_containing_context(ctxt: Any, maybe_containing_ctxt: Any) -> bool:
    """Whether one context is the other or around it."""
    while ctxt is not maybe_containing_ctxt:
        if ctxt is None:
            return False
        ctxt = ctxt.outer_context
    return True


@public("python.ops.control_flow_util.IsInXLAContext")
def is_in_xla_context(op: Operation) -> bool:
    """Whether an operation is compiled together with others."""
    try:
        if op.get_attr("_XlaCompile"):
            return True
    except ValueError:
        pass
    return containing_xla_context(op._get_control_flow_context()) is not None


@public(
    "python.ops.control_flow_util.InXlaContext", "python.ops.control_flow_util.GraphOrParentsInXlaContext"
)
def in_xla_context(graph: Any) -> bool:
    """Whether operations added to a graph now are compiled together."""
    return containing_xla_context(graph._get_control_flow_context()) is not None


@public("python.ops.control_flow_util.GetOutputContext")
def output_context(op: Operation) -> Any:
    """The context of an operation's outputs."""
    return op._get_control_flow_context()


def _in_body(op: Operation, kind: str) -> bool:
    body = op.body
    while body is not None:
        if any(owner.type == kind for owner in body.owners):
            return True
        body = body.parent
    return False


@public("python.ops.control_flow_util.IsInWhileLoop")
def is_in_while_loop(op: Operation) -> bool:
    """Whether an operation belongs to a loop's body."""
    ctxt = op._get_control_flow_context()
    return containing_while_context(ctxt) is not None or _in_body(op, "While")


@public("python.ops.control_flow_util.IsInCond")
def is_in_cond(op: Operation) -> bool:
    """Whether an operation belongs to a branch."""
    return containing_cond_context(op._get_control_flow_context()) is not None or _in_body(op, "If")


@public("python.ops.control_flow_util.GetWhileContext")
def get_while_context(op: Operation) -> Any:
    """The loop's context around an operation, or None."""
    ctxt = op._get_control_flow_context()
    return None if ctxt is None else ctxt.GetWhileContext()


@public("python.ops.control_flow_util.EnableControlFlowV2")
def enables_control_flow_v2(graph: Any) -> bool:
    """True: branches and loops keep their bodies as sub-graphs."""
    return True


@public("python.ops.control_flow_util.IsSwitch", "python.ops.control_flow_util.IsCondSwitch")
def is_switch(op: Operation) -> bool:
    """Whether an operation is a Switch."""
    return op.type in ("Switch", "RefSwitch")


@public("python.ops.control_flow_util.IsMerge", "python.ops.control_flow_util.IsCondMerge")
def is_merge(op: Operation) -> bool:
    """Whether an operation is a Merge."""
    return op.type in ("Merge", "RefMerge")


@public("python.ops.control_flow_util.IsLoopEnter")
def is_loop_enter(op: Operation) -> bool:
    """Whether an operation is an Enter."""
    return op.type in ("Enter", "RefEnter")


@public("python.ops.control_flow_util.IsLoopExit")
def is_loop_exit(op: Operation) -> bool:
    """Whether an operation is an Exit."""
    return op.type in ("Exit", "RefExit")


def _parts(data: Any) -> tuple[list[Tensor], Any]:
    if isinstance(data, IndexedSlices):  # its dense shape is the same both ways
        return [data.values, data.indices], lambda v, i: IndexedSlices(v, i, data.dense_shape)
    if isinstance(data, SparseTensor):
        return [data.values, data.indices, data.dense_shape], lambda v, i, s: SparseTensor(i, v, s)
    if isinstance(data, CompositeTensor):
        return data.parts, lambda *parts: data.with_parts(parts)
    return [data], lambda x: x


@public("python.ops.control_flow_ops.switch")
def switch(data: Any, pred: Any, dtype: Any = None, name: str | None = None) -> tuple[Any, Any]:
    """Sends `data` one of two ways; what follows on the other way does not run.

    Args:
      data: a tensor or a composite of tensors.
      pred: a bool scalar.
      dtype: the dtype, where `data` is not a tensor yet.
      name: op name; default "Switch".

    Returns:
      (data if `pred` is false, data if `pred` is true).
    """
    with name_scope(name, "Switch", [data, pred]) as scope:
        if not isinstance(data, CompositeTensor):
            data = convert_to_tensor(data, dtype, name="data")
        pred = convert_to_tensor(pred, name="pred")
        pred.graph.get_scoped("old control flow", list).append(scope)
        tensors, join = _parts(data)
        if len(tensors) == 1:
            return raw.Switch(tensors[0], pred, name=scope)
        ways = [raw.Switch(t, pred) for t in tensors]
        return join(*(w[0] for w in ways)), join(*(w[1] for w in ways))


@public("python.ops.control_flow_ops._SwitchRefOrTensor")
def switch_ref_or_tensor(data: Any, pred: Any, name: str = "Switch") -> tuple[Any, Any]:
    """`switch` of a tensor or of a variable's reference."""
    if isinstance(data, Tensor) and data.op.type == "RefSwitch":
        return raw.RefSwitch(data, pred, name=name)
    return switch(data, pred, name=name)


@public("python.ops.control_flow_ops.merge")
def merge(inputs: Any, name: str | None = None) -> tuple[Any, Tensor]:
    """The one of several values that is there.

    Args:
      inputs: tensors or composites of one dtype.
      name: op name; default "Merge".

    Returns:
      (the value, its index among `inputs`: an int32 scalar).

    Raises:
      ValueError: an input is None.
    """
    if any(value is None for value in inputs):
        raise ValueError(f"At least one of the merge inputs is None: {inputs}")
    with name_scope(name, "Merge", list(inputs)) as scope:
        values = [v if isinstance(v, CompositeTensor) else convert_to_tensor(v) for v in inputs]
        tensors, join = _parts(values[0])
        if len(tensors) == 1:
            return raw.Merge(values, name=scope)
        merged = [raw.Merge([_parts(v)[0][i] for v in values]) for i in range(len(tensors))]
        return join(*(m[0] for m in merged)), merged[0][1]
