"""Initial values computed from other variables, whatever the order in which all are initialised.

`b = tf.Variable(a * 2)` must work in the very run that initialises `a` too: a read that does not come after
the initializer of its variable is replaced by the variable's value if it has one, else its initial value.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from millrace.building.apply import apply
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.operation import Operation, group
from millrace.graph.references import is_variable_read
from millrace.graph.tensor import Tensor

if TYPE_CHECKING:
    from millrace.lib.variables.variable import Variable

# The Switch, the read and the Merge of a guarded read, which TensorFlow adds again.
_OF_A_BRANCH = 3


def without_early_reads(value: Tensor, variable: Variable) -> Tensor:
    """`value` with the early reads in what it is computed from replaced.

    Args:
      value: the initial value.
      variable: the variable that it is for; operations that must be added again are named after it.
    """
    early = _early_reads(value)
    if not early:
        return value
    # TensorFlow leaves reads of resource variables as they are: right where they happen to come late
    guarded = any(not v._is_resource for v in early.values())
    with contextlib.nullcontext() if guarded else value.graph.counted_as(0):
        return _Rewrite(early, variable.op.name).tensor(value)


def _early_reads(value: Tensor) -> dict[Operation, Variable]:
    """The operations among the ancestors of `value` that read a variable too early."""
    found: dict[Operation, Variable] = {}
    known: dict[Tensor, Variable] | None = None
    seen = set()
    stack = [value.op]
    while stack:
        op = stack.pop()
        if op in seen:
            continue
        seen.add(op)
        source = _read_by(op)
        if source is not None:
            known = _variables() if known is None else known
            variable = known.get(source)
            if variable is not None and variable.initializer not in op.control_inputs:
                found[op] = variable
        elif not op.opdef.has_body:
            stack.extend(t.op for t in op.inputs)
    return found


def _read_by(op: Operation) -> Tensor | None:
    """The variable that `op` reads, or whose `initialized_value` it is; TensorFlow guards that once more."""
    if is_variable_read(op):
        return op.inputs[0]
    if op.type == "If" and op.inputs[0].op.type == "IsVariableInitialized":
        return op.inputs[0].op.inputs[0]
    return None


def _variables() -> dict[Tensor, Variable]:
    graph = get_default_graph()
    kinds = (GraphKeys.GLOBAL_VARIABLES, GraphKeys.LOCAL_VARIABLES, GraphKeys.TRAINABLE_VARIABLES)
    return {v._target: v for kind in kinds for v in graph.get_collection(kind) if hasattr(v, "_target")}


class _Rewrite:
    """Adds again the operations that depend on early reads, each once."""

    def __init__(self, early: dict[Operation, Variable], suffix: str) -> None:
        self.early = early
        self.suffix = suffix
        self.safe: dict[Variable, Tensor] = {}
        self.done: dict[Operation, list[Tensor]] = {}

    def tensor(self, tensor: Tensor) -> Tensor:
        return self._outputs(tensor.op)[tensor.value_index]

    def _outputs(self, op: Operation) -> list[Tensor]:
        if op not in self.done:
            self.done[op] = self._renewed(op)
        return self.done[op]

    def _renewed(self, op: Operation) -> list[Tensor]:
        variable = self.early.get(op)
        if variable is not None:
            if variable not in self.safe:
                self.safe[variable] = variable.initialized_value()
            return [self._read_again(op, self.safe[variable])]
        if op.opdef.has_body or is_variable_read(op):
            return op.outputs
        if op.type == "Identity" and op.inputs[0].op.opdef.has_body:
            return [self.tensor(op.inputs[0])]
        inputs = [self.tensor(t) for t in op.inputs]
        if all(new is old for new, old in zip(inputs, op.inputs, strict=True)):
            return op.outputs
        arguments = group(op.opdef.inputs, inputs, op.attrs)
        result: Any = apply(op.opdef, *arguments, name=f"{op.name}_{self.suffix}/", **op.params)
        return result.op.outputs if isinstance(result, Tensor) else result[0].op.outputs

    def _read_again(self, op: Operation, safe: Tensor) -> Tensor:
        """What takes the place of an early read: the safe value."""
        if op.opdef.has_body:
            op.graph.count(_OF_A_BRANCH)
            return safe
        return apply(op.opdef, safe, name=f"{op.name}_{self.suffix}/") if op.type == "Identity" else safe
