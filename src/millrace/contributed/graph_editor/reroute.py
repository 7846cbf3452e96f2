"""`tf.contrib.graph_editor.reroute` and `edit`: who takes what, exchanged."""

from __future__ import annotations

from typing import Any

from millrace.contributed.graph_editor import lists, select
from millrace.contributed.graph_editor.view import SubGraphView, make_view
from millrace.core.public import public
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.ops.array.constant import placeholder

Views = tuple[SubGraphView, SubGraphView]


def _pairs(ts0: Any, ts1: Any) -> list[tuple[Tensor, Tensor]]:
    a, b = lists.make_list_of_t(ts0), lists.make_list_of_t(ts1)
    lists.get_unique_graph([*a, *b], check_types=Tensor, none_if_empty=True)
    if len(a) != len(b):
        raise ValueError(f"ts0 and ts1 have different sizes: {len(a)} != {len(b)}")
    for t0, t1 in zip(a, b, strict=True):
        if not t0.dtype.is_compatible_with(t1.dtype):
            raise ValueError(f"Dtypes {t0.dtype} and {t1.dtype} are not compatible.")
        if not t0.get_shape().is_compatible_with(t1.get_shape()):
            raise ValueError(f"Shapes {t0.get_shape()} and {t1.get_shape()} are not compatible.")
    return list(zip(a, b, strict=True))


def _movable(consumers: list[Operation], can_modify: Any, cannot_modify: Any) -> list[Operation]:
    if can_modify is not None:
        consumers = [op for op in consumers if op in can_modify]
    if cannot_modify is not None:
        consumers = [op for op in consumers if op not in cannot_modify]
    return list(dict.fromkeys(consumers))


def _moved(old: Tensor, new: Tensor, consumers: list[Operation]) -> int:
    """Gives `new` to the operations that take `old`; how many inputs changed."""
    count = 0
    for op in consumers:
        for i, t in enumerate(op.inputs):
            if t is old:
                op._update_input(i, new)
                count += 1
    return count


def _rewired(ts0: Any, ts1: Any, both: bool, can_modify: Any, cannot_modify: Any) -> int:
    can = None if can_modify is None else frozenset(lists.make_list_of_op(can_modify))
    cannot = None if cannot_modify is None else frozenset(lists.make_list_of_op(cannot_modify))
    plan = []
    for t0, t1 in _pairs(ts0, ts1):
        if t0 is not t1:
            ours = _movable(t0.consumers(), can, cannot) if both else []
            plan.append((t0, t1, ours, _movable(t1.consumers(), can, cannot)))
    # one after the other, as in TensorFlow: who took both tensors of a swap takes the second twice
    return sum(_moved(t1, t0, theirs) + _moved(t0, t1, ours) for t0, t1, ours, theirs in plan)


@public("contrib.graph_editor.swap_ts", "contrib.graph_editor.reroute.swap_ts")
def swap_ts(ts0: Any, ts1: Any, can_modify: Any = None, cannot_modify: Any = None) -> int:
    """Exchanges who takes `ts0` and who takes `ts1`, pair by pair; who takes both takes that of `ts1` twice.

    Args:
      ts0, ts1: as many tensors, of dtypes and shapes that fit.
      can_modify: operations whose inputs may change; None for all.
      cannot_modify: operations whose inputs must not change.

    Returns:
      How many inputs changed.

    Raises:
      ValueError: the numbers, dtypes or shapes differ.
    """
    return _rewired(ts0, ts1, True, can_modify, cannot_modify)


@public("contrib.graph_editor.reroute_ts", "contrib.graph_editor.reroute.reroute_ts")
def reroute_ts(ts0: Any, ts1: Any, can_modify: Any = None, cannot_modify: Any = None) -> int:
    """Gives `ts0` to who takes `ts1`, pair by pair; arguments, result and errors as for `swap_ts`."""
    return _rewired(ts0, ts1, False, can_modify, cannot_modify)


def _views(sgv0: Any, sgv1: Any) -> Views:
    sgv0, sgv1 = make_view(sgv0), make_view(sgv1)
    lists.check_graphs(sgv0, sgv1)
    return sgv0, sgv1


def _inputs(sgv0: Any, sgv1: Any, both: bool) -> Views:
    sgv0, sgv1 = _views(sgv0, sgv1)
    can = [*sgv0.ops, *sgv1.ops]
    can += lists.get_consuming_ops(sgv0.passthroughs) + lists.get_consuming_ops(sgv1.passthroughs)
    _rewired(sgv0.inputs, sgv1.inputs, both, dict.fromkeys(can), None)
    return sgv0, sgv1


def _outputs(sgv0: Any, sgv1: Any, both: bool) -> Views:
    sgv0, sgv1 = _views(sgv0, sgv1)
    _rewired(sgv0.outputs, sgv1.outputs, both, None, dict.fromkeys([*sgv0.ops, *sgv1.ops]))
    return sgv0, sgv1


@public("contrib.graph_editor.swap_inputs", "contrib.graph_editor.reroute.swap_inputs")
def swap_inputs(sgv0: Any, sgv1: Any) -> Views:
    """Exchanges the inputs of two views."""
    return _inputs(sgv0, sgv1, True)


@public("contrib.graph_editor.reroute_inputs", "contrib.graph_editor.reroute.reroute_inputs")
def reroute_inputs(sgv0: Any, sgv1: Any) -> Views:
    """Gives the inputs of the first view to the second too."""
    return _inputs(sgv0, sgv1, False)


@public("contrib.graph_editor.swap_outputs", "contrib.graph_editor.reroute.swap_outputs")
def swap_outputs(sgv0: Any, sgv1: Any) -> Views:
    """Exchanges who takes the outputs of two views."""
    return _outputs(sgv0, sgv1, True)


@public("contrib.graph_editor.reroute_outputs", "contrib.graph_editor.reroute.reroute_outputs")
def reroute_outputs(sgv0: Any, sgv1: Any) -> Views:
    """Gives the outputs of the first view to who takes those of the second."""
    return _outputs(sgv0, sgv1, False)


@public("contrib.graph_editor.swap_ios", "contrib.graph_editor.reroute.swap_ios")
def swap_ios(sgv0: Any, sgv1: Any) -> Views:
    """Exchanges the inputs and the outputs of two views."""
    swap_inputs(sgv0, sgv1)
    return swap_outputs(sgv0, sgv1)


@public("contrib.graph_editor.reroute_ios", "contrib.graph_editor.reroute.reroute_ios")
def reroute_ios(sgv0: Any, sgv1: Any) -> Views:
    """`reroute_inputs` and `reroute_outputs`."""
    reroute_inputs(sgv0, sgv1)
    return reroute_outputs(sgv0, sgv1)


@public("contrib.graph_editor.remove_control_inputs", "contrib.graph_editor.reroute.remove_control_inputs")
def remove_control_inputs(op: Operation, cops: Any) -> None:
    """Makes an operation no longer wait for others.

    Raises:
      TypeError: `op` is not an operation.
      ValueError: it does not wait for one of them.
    """
    cops = _control(op, cops)
    for cop in cops:
        if cop not in op.control_inputs:
            raise ValueError(f"{op.name} is not a control_input of {cop.name}")
    op.control_inputs = [c for c in op.control_inputs if c not in cops]
    op.graph.changed()


@public("contrib.graph_editor.add_control_inputs", "contrib.graph_editor.reroute.add_control_inputs")
def add_control_inputs(op: Operation, cops: Any) -> None:
    """Makes an operation wait for others.

    Raises:
      TypeError: `op` is not an operation.
      ValueError: it waits for one of them already.
    """
    cops = _control(op, cops)
    for cop in cops:
        if cop in op.control_inputs:
            raise ValueError(f"{cop.name} is already a control_input of {op.name}")
    op._add_control_inputs(cops)


def _control(op: Any, cops: Any) -> list[Operation]:
    if not isinstance(op, Operation):
        raise TypeError(f"Expected a tf.Operation, got: {type(op)}")
    return lists.make_list_of_op(cops, allow_graph=False)


# --- parts taken out --------------------------------------------------------------------------------------


@public("contrib.graph_editor.detach_control_inputs", "contrib.graph_editor.edit.detach_control_inputs")
def detach_control_inputs(sgv: Any) -> None:
    """Makes the operations of a view no longer wait for any outside."""
    sgv = make_view(sgv)
    for op in sgv.ops:
        outside = [c for c in op.control_inputs if c not in sgv.ops]
        if outside:
            remove_control_inputs(op, outside)


@public("contrib.graph_editor.detach_control_outputs", "contrib.graph_editor.edit.detach_control_outputs")
def detach_control_outputs(sgv: Any, control_outputs: lists.ControlOutputs) -> None:
    """Makes the operations outside of a view no longer wait for those in it.

    Raises:
      TypeError: `control_outputs` is not a `ControlOutputs`.
    """
    if not isinstance(control_outputs, lists.ControlOutputs):
        raise TypeError(f"Expected a ControlOutputs, got: {type(control_outputs)}")
    control_outputs.update()
    sgv = make_view(sgv)
    for op in sgv.ops:
        for waiting in list(control_outputs.get(op)):
            if waiting not in sgv.ops:
                remove_control_inputs(waiting, op)


def _stand_ins(sgv: SubGraphView, ts: Any) -> list[Tensor]:
    assert sgv.graph is not None
    with sgv.graph.as_default():
        return [placeholder(t.dtype.base_dtype, t.get_shape(), name=lists.placeholder_name(t)) for t in ts]


@public("contrib.graph_editor.detach_inputs", "contrib.graph_editor.edit.detach_inputs")
def detach_inputs(sgv: Any, control_inputs: bool = False) -> tuple[SubGraphView, list[Tensor]]:
    """Gives a view placeholders for inputs.

    Args:
      sgv: the view.
      control_inputs: detach these too.

    Returns:
      The view with its new inputs, and the placeholders.
    """
    sgv = make_view(sgv)
    stand_ins = _stand_ins(sgv, sgv.inputs)
    can = sgv.ops + lists.get_consuming_ops(sgv.passthroughs)
    reroute_ts(stand_ins, list(sgv.inputs), can_modify=can)
    if control_inputs:
        detach_control_inputs(sgv)
    made = sgv.copy()
    made._input_ts = list(stand_ins)
    return made, stand_ins


@public("contrib.graph_editor.detach_outputs", "contrib.graph_editor.edit.detach_outputs")
def detach_outputs(sgv: Any, control_outputs: Any = None) -> tuple[SubGraphView, list[Tensor]]:
    """Gives placeholders to who takes the outputs of a view.

    Args:
      sgv: the view.
      control_outputs: a `ControlOutputs`, to detach these too.

    Returns:
      The view with those outputs that were taken, and the placeholders.
    """
    sgv = make_view(sgv)
    taken = sgv.remap_outputs([i for i, t in enumerate(sgv.outputs) if t.consumers()])
    stand_ins = _stand_ins(taken, taken.outputs) if taken.graph is not None else []
    reroute_ts(stand_ins, list(taken.outputs), cannot_modify=sgv.ops)
    if control_outputs is not None:
        detach_control_outputs(taken, control_outputs)
    return taken, stand_ins


@public("contrib.graph_editor.detach", "contrib.graph_editor.edit.detach")
def detach(
    sgv: Any, control_inputs: Any = False, control_outputs: Any = None, control_ios: Any = None
) -> tuple[SubGraphView, list[Tensor], list[Tensor]]:
    """`detach_inputs` and `detach_outputs`: the view, and both lists of placeholders."""
    follow, outputs = select.check_cios(control_inputs, control_outputs, control_ios)
    sgv, inputs = detach_inputs(sgv, follow)
    sgv, given = detach_outputs(sgv, outputs)
    return sgv, inputs, given


@public("contrib.graph_editor.connect", "contrib.graph_editor.edit.connect")
def connect(sgv0: Any, sgv1: Any, disconnect_first: bool = False) -> Views:
    """Gives the outputs of the first view to the second as inputs.

    Args:
      sgv0, sgv1: views with as many outputs as inputs.
      disconnect_first: take the outputs from their old consumers, and the old inputs away, before.

    Raises:
      ValueError: the numbers, dtypes or shapes differ.
    """
    sgv0, sgv1 = _views(sgv0, sgv1)
    if disconnect_first:
        detach_outputs(sgv0)
        sgv1, _ = detach_inputs(sgv1)
    reroute_ts(list(sgv0.outputs), list(sgv1.inputs), can_modify=sgv1.ops)
    return sgv0, sgv1


@public("contrib.graph_editor.bypass", "contrib.graph_editor.edit.bypass")
def bypass(sgv: Any) -> tuple[SubGraphView, list[Tensor]]:
    """Gives the inputs of a view to who takes its outputs, and placeholders to the view.

    Returns:
      The view with its new inputs, and the placeholders.
    """
    sgv = make_view(sgv)
    inputs = list(sgv.inputs)
    sgv, stand_ins = detach_inputs(sgv)
    reroute_ts(inputs, list(sgv.outputs))
    return sgv, stand_ins
