"""Branches and loops with bodies, written as TensorFlow's old control flow, which TensorFlow 1 and 2 read.

An If becomes Switch and Merge nodes, a While a frame of Enter, Merge, Switch, NextIteration and Exit nodes.
What a body's argument stands for comes in through a node of the argument's name. A loop's stacks are lists of
tensors (`TensorListPushBack` and so on); a gradient of a tensor array is TensorFlow's `TensorArrayGradV3`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from millrace.building.body import Body
from millrace.core import dtypes, protos
from millrace.exchange import contexts, kinds
from millrace.exchange.attr_protos import attr_to_proto
from millrace.graph.graph import Graph
from millrace.graph.operation import Operation
from millrace.graph.references import VARIABLE_TYPES
from millrace.graph.tensor import Tensor

WriteNode = Callable[[Operation], Any]


class Context:
    """Where a node is written: in a branch, or in the condition or body of a loop.

    Attributes:
      body: the body whose operations are written.
      parent: the context around it.
      pivot: the node after which operations without inputs run; told when it is known.
      loop: the name of the frame, "" for a branch.
      predicate, side: of a branch.
      definition: what a meta graph says of it; see `contexts`.
    """

    def __init__(self, body: Body, parent: Context | None, loop: str, predicate: str, side: int) -> None:
        self.body = body
        self.parent = parent
        self.loop = loop
        self.predicate = predicate
        self.side = side
        self.pivot = ""
        self.references: dict[Tensor, str] = {}
        self.entered: dict[Operation, str] = {}
        self.definition = protos.ControlFlowContextDef()


class Writer:
    """Writes the operations of one graph as nodes.

    Args:
      graph: the graph.
      write_node: an operation as a NodeDef with its attributes.
      own: what is written is read here at once: operations on arrays of gradients, and dtypes, stay what they
        are.
    """

    def __init__(self, graph: Graph, write_node: WriteNode, own: bool = False) -> None:
        self._graph = graph
        self._own = own
        self._write_node = write_node
        self._taken = {op.name for op in graph.ops}
        self._texts: dict[Tensor, str] = {}
        self._constant: set[str] = set()  # Enter nodes that each iteration gets
        self._members: dict[Body, list[Operation]] = {}
        for op in graph.ops:
            if op.body is not None:
                self._members.setdefault(op.body, []).append(op)
        self.nodes: list[Any] = []
        self.contexts: list[Any] = []  # definitions of those that lie in no other

    # --- names ----------------------------------------------------------------------------------------------

    def unique(self, name: str) -> str:
        """A node name that nothing else has."""
        found, k = name, 0
        while found in self._taken:
            k += 1
            found = f"{name}_{k}"
        self._taken.add(found)
        return found

    def text(self, tensor: Tensor) -> str:
        """A tensor as an input of a node."""
        known = self._texts.get(tensor)
        if known is not None:
            return known
        op = tensor.op
        if op.opdef.has_body:
            name = op.name if not tensor.value_index else f"{op.name}/output_{tensor.value_index}"
            name = name if name == op.name else self.unique(name)
            self._texts[tensor] = name
            return name
        return tensor._as_node_def_input()

    def _controls(self, op: Operation, context: Context | None) -> list[str]:
        found: dict[str, None] = {}
        for control in op.control_inputs:
            for name in self._control(control, context):
                found["^" + name] = None
        return sorted(found)

    def _control(self, control: Operation, context: Context | None) -> list[str]:
        """The nodes to wait for instead of an operation."""
        inside = context
        while inside is not None and inside.body is not control.body and not inside.loop:
            inside = inside.parent
        if inside is not None and inside.body is not control.body:
            return [self._enter_control(control, inside)]
        if control.opdef.has_body:
            return [self.text(t).partition(":")[0] for t in control.outputs]
        if control.type == "BodyArg":
            return [self.text(control.outputs[0]).partition(":")[0]]
        return [control.name]

    def _enter_control(self, control: Operation, context: Context) -> str:
        """A node of a loop that runs after an operation outside."""
        if control not in context.entered:
            waits = [f"^{name}" for name in self._control(control, context.parent)]
            tick = self.constant(np.int32(0), f"{context.loop}/after", context.parent, waits)
            enter = self.enter(tick, dtypes.int32, f"{context.loop}/after/Enter", context, constant=True)
            context.entered[control] = self.node(
                "Identity", [enter], f"{context.loop}/after/Identity", None, T=dtypes.int32
            )
        return context.entered[control]

    def dtype_of(self, tensor: Tensor) -> dtypes.DType:
        """The dtype that a tensor has where it is read."""
        return tensor.dtype.base_dtype if self._own else kinds.dtype_of(tensor)

    # --- nodes ----------------------------------------------------------------------------------------------

    def node(
        self,
        op: str,
        inputs: Iterable[str],
        name: str,
        context: Context | None,
        exact: bool = False,
        **attrs: Any,
    ) -> str:
        """Writes one node; its name."""
        made = protos.NodeDef(name=name if exact else self.unique(name), op=op)
        made.input.extend(inputs)
        for key, value in attrs.items():
            made.attr[key].CopyFrom(attr_to_proto(value))
        self._add(made, context)
        return made.name

    def constant(self, value: Any, name: str, context: Context | None, waits: Sequence[str] = ()) -> str:
        """Writes a constant."""
        array = np.asarray(value)
        dtype = dtypes.string if array.dtype.kind in "OSU" else dtypes.as_dtype(array.dtype)
        made = protos.NodeDef(name=self.unique(name), op="Const")
        made.input.extend(waits)
        made.attr["dtype"].type = dtype.as_datatype_enum
        made.attr["value"].CopyFrom(attr_to_proto(array))
        self._add(made, context)
        return made.name

    def enter(
        self,
        source: str,
        dtype: Any,
        name: str,
        context: Context,
        constant: bool,
        exact: bool = False,
        reference: bool = False,
        parallel: int = 10,
    ) -> str:
        """Writes the way into a loop."""
        made = self.node(
            "RefEnter" if reference else "Enter",
            [source],
            name,
            None,
            exact,
            T=dtype,
            frame_name=context.loop,
            is_constant=constant,
            parallel_iterations=parallel,
        )
        if constant:
            self._constant.add(made)
        return made

    def _add(self, node: Any, context: Context | None) -> None:
        """Adds a node; one that nothing else keeps from running where it should not waits for the pivot."""
        data = [i for i in node.input if not i.startswith("^")]
        waits = [i for i in node.input if i.startswith("^") and i[1:] not in self._constant]
        free = (
            all(i.partition(":")[0] in self._constant for i in data) if context and context.loop else not data
        )
        if context is not None and context.pivot and free and not waits and node.op not in VARIABLE_TYPES:
            node.input.append("^" + context.pivot)
        self.nodes.append(node)

    # --- operations -----------------------------------------------------------------------------------------

    def write(self, op: Operation, context: Context | None = None) -> None:
        """Writes one operation, with everything in its bodies."""
        if op.type == "BodyArg":
            return
        if op.opdef.has_body:
            (self._write_branch if op.type == "If" else self._write_loop)(op, context)
            return
        special = None if self._own and op.type in kinds.OF_GRADIENTS else kinds.SPECIAL.get(op.type)
        inputs = [self._input(t, context) for t in op.inputs]
        if special is not None:
            special(self, op, inputs, self._controls(op, context), context)
            return
        node = self._write_node(op)
        node.input[:] = inputs + self._controls(op, context)
        if not self._own:
            kinds.plain_types(node, op)
        self._add(node, context)

    def _input(self, tensor: Tensor, context: Context | None) -> str:
        if context is None or tensor.op.body is context.body or not tensor.dtype.is_ref_dtype:
            return self.text(tensor)
        return self._reference(tensor, context)

    def _reference(self, tensor: Tensor, context: Context | None) -> str:
        """A variable's reference as it is spelled inside a context."""
        if context is None or tensor.op.body is context.body:
            return self.text(tensor)
        if tensor not in context.references:
            outer = self._reference(tensor, context.parent)
            dtype, name = tensor.dtype.base_dtype, f"{context.body.name}/{tensor.op.name.rpartition('/')[2]}"
            if context.loop:
                found = self.enter(outer, dtype, f"{name}/Enter", context, constant=True, reference=True)
            else:
                found = self.node(
                    "RefSwitch", [outer, context.predicate], f"{name}/Switch", context.parent, T=dtype
                )
                found += ":1" if context.side else ""
            self.nodes[-1].attr["_class"].CopyFrom(attr_to_proto([f"loc:@{tensor.op.name}"]))
            context.references[tensor] = found
        return context.references[tensor]

    def _write_members(self, context: Context) -> None:
        for op in self._members.get(context.body, []):
            self.write(op, context)

    # --- branches -------------------------------------------------------------------------------------------

    def _write_branch(self, op: Operation, context: Context | None) -> None:
        scope = op.name.rpartition("/")[0]
        scope = f"{scope}/" if scope else ""
        predicate = self._input(op.inputs[0], context)
        waits = self._controls(op, context)
        pivot = self.node("Switch", [predicate, predicate, *waits], f"{scope}Switch", context, T=dtypes.bool_)
        results: list[list[str]] = []
        for side, attr in enumerate(("else_branch", "then_branch")):
            body: Body = op.attrs[attr]
            inner = Context(body, context, "", predicate, side)
            first = len(self.nodes)
            way = pivot + (":1" if side else "")
            inner.pivot = self.node(
                "Identity", [way], f"{scope}{'switch_t' if side else 'switch_f'}", None, T=dtypes.bool_
            )
            for argument, outer in zip(body.captures.values(), op.inputs[1:], strict=True):
                switch = self.node(
                    "Switch",
                    [self._input(outer, context), predicate],
                    argument.op.name,
                    context,
                    exact=True,
                    T=self.dtype_of(outer),
                )
                self._texts[argument] = switch + (":1" if side else "")
            self._write_members(inner)
            results.append([self._result(t, op, k, inner) for k, t in enumerate(body.outputs)])
            outer = [
                (self._input(t, context), self._texts[a])
                for a, t in zip(body.captures.values(), op.inputs[1:])
            ]
            contexts.describe_branch(
                inner, f"{scope}cond_text{'' if side else '_1'}", self.nodes[first:], outer
            )
            self._place(inner)
        for k, pair in enumerate(zip(*results, strict=True)):
            name = self.text(op.outputs[k])
            self.node("Merge", pair, name, None, exact=True, T=self.dtype_of(op.outputs[k]), N=2)

    def _result(self, tensor: Tensor, op: Operation, k: int, context: Context) -> str:
        """A result of a branch; where only the other branch has it, something of its dtype."""
        if tensor.op.type != "Nothing":
            return self.text(tensor)
        return kinds.nothing(self, op.outputs[k], f"{context.body.name}/Nothing", context)

    # --- loops ----------------------------------------------------------------------------------------------

    def _write_loop(self, op: Operation, context: Context | None) -> None:
        body: Body = op.attrs["body"]
        test: Body | None = op.attrs["cond"]
        carried, scanned = op.attrs["carried"], op.attrs["scanned"]
        scope = op.name.rpartition("/")[0]
        scope = f"{scope}/" if scope else ""
        frame = self.unique(f"{op.name}/frame")
        around = Context(body, context, frame, "", 0)
        asked = around if test is None else Context(test, context, frame, "", 0)
        asked.definition = around.definition
        inputs = [self._input(t, context) for t in op.inputs]
        waits = self._controls(op, context)
        variables = [(inputs[k], self.dtype_of(op.inputs[k])) for k in range(carried)]
        stacks = list(range(carried, len(op.outputs)))
        length = count = ""
        if test is None:
            length, first = self._counting(op, inputs[carried], scope, context)
            count = first
            variables.append((first, dtypes.int32))
        lists = [kinds.new_list(self, op, k, length, f"{scope}stack", context, waits) for k in stacks]
        variables.extend((name, dtypes.variant) for name in lists)
        merges, switches = [], []
        if waits:  # the first variable holds the loop back
            start, dtype = variables[0]
            variables[0] = self.node("Identity", [start, *waits], f"{scope}start", context, T=dtype), dtype
        began = len(self.nodes)
        for k, (start, dtype) in enumerate(variables):
            enter = self.enter(start, dtype, f"{scope}Enter", around, False, parallel=self._parallel(op))
            if context is not None and context.loop and start in self._constant:
                self.nodes[-1].input.append("^" + context.pivot)
            named = test is not None and k < carried
            name = test.inputs[k].op.name if named else f"{scope}Merge"  # type: ignore[union-attr]
            merges.append(self.node("Merge", [enter, enter], name, None, exact=named, T=dtype, N=2))
            merge_node = self.nodes[-1]
            switches.append((merge_node, dtype))
        asked.pivot = merges[0]
        self._enter_captures(op, test, inputs, asked)
        if test is not None:
            for k in range(carried):
                self._texts[test.inputs[k]] = merges[k]
            self._write_members(asked)
            going = self.text(test.outputs[0])
        else:
            going = self._goes_on(op, merges[carried], length, scope, around)
        loop_condition = self.node("LoopCond", [going], f"{scope}LoopCond", None)
        ways = [
            self.node("Switch", [m, loop_condition], f"{scope}Switch", None, T=d)
            for m, (_, d) in zip(merges, switches, strict=True)
        ]
        insides = []
        for k, (way, (_, dtype)) in enumerate(zip(ways, switches, strict=True)):
            named = k < carried
            name = body.inputs[k].op.name if named else f"{scope}Identity"
            insides.append(self.node("Identity", [way + ":1"], name, None, exact=named, T=dtype))
            if named:
                self._texts[body.inputs[k]] = insides[-1]
        around.pivot = insides[0]
        self._enter_captures(op, body, inputs, around)
        for j in range(scanned):
            argument, dtype = body.inputs[carried + j], self.dtype_of(body.inputs[carried + j])
            whole = self.enter(inputs[carried + j], dtypes.variant, f"{scope}Enter", around, True)
            self._texts[argument] = kinds.element(
                self, whole, insides[carried], dtype, argument.op.name, around
            )
        self._write_members(around)
        after = [self.text(t) for t in body.outputs[:carried]]
        if test is None:
            step = self.constant(np.int32(-1 if op.attrs["reverse"] else 1), f"{scope}step", around)
            after.append(self.node("Add", [insides[carried], step], f"{scope}count", around, T=dtypes.int32))
        for k in stacks:
            kept = body.outputs[k]
            after.append(
                kinds.put(
                    self,
                    insides[len(after)],
                    insides[carried] if count else "",
                    self.text(kept),
                    self.dtype_of(kept),
                    f"{scope}put",
                    around,
                )
            )
        for (merge, dtype), value in zip(switches, after, strict=True):
            merge.input[1] = self.node("NextIteration", [value], f"{scope}NextIteration", around, T=dtype)
        exits = [*range(carried), *stacks]
        places = [*range(carried), *range(len(variables) - len(stacks), len(variables))]
        for k, place in zip(exits, places, strict=True):
            self.node("Exit", [ways[place]], self.text(op.outputs[k]), None, exact=True, T=switches[place][1])
        contexts.describe_loop(around, self._parallel(op), self.nodes[began:])
        self._place(around)

    def _place(self, context: Context) -> None:
        """Hands a context's definition to the one around it, or to the graph's."""
        if context.parent is None:
            self.contexts.append(context.definition)
        else:
            contexts.nest(context.parent, context.definition)

    @staticmethod
    def _parallel(op: Operation) -> int:
        return op.attrs["parallel_iterations"]

    def _enter_captures(self, op: Operation, body: Body | None, inputs: list[str], context: Context) -> None:
        first = op.attrs["carried"] + op.attrs["scanned"]
        for k, argument in enumerate(body.captures.values() if body is not None else ()):
            dtype = self.dtype_of(op.inputs[first + k])
            enter = self.enter(
                inputs[first + k],
                dtype,
                argument.op.name,
                context,
                True,
                exact=True,
                parallel=self._parallel(op),
            )
            self._texts[argument] = enter

    def _counting(self, op: Operation, stack: str, scope: str, context: Context | None) -> tuple[str, str]:
        """The number of turns of a loop over stacks, and the number of the first element."""
        length = self.node("TensorListLength", [stack], f"{scope}length", context)
        if not op.attrs["reverse"]:
            return length, self.constant(np.int32(0), f"{scope}first", context)
        one = self.constant(np.int32(1), f"{scope}one", context)
        return length, self.node("Sub", [length, one], f"{scope}first", context, T=dtypes.int32)

    def _goes_on(self, op: Operation, count: str, length: str, scope: str, context: Context) -> str:
        context.pivot = count
        if op.attrs["reverse"]:
            zero = self.constant(np.int32(0), f"{scope}zero", context)
            found = self.node("GreaterEqual", [count, zero], f"{scope}going", None, T=dtypes.int32)
        else:
            end = self.enter(length, dtypes.int32, f"{scope}Enter", context, True)
            found = self.node("Less", [count, end], f"{scope}going", None, T=dtypes.int32)
        context.pivot = ""
        return found
