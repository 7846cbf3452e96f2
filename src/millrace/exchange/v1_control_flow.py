"""TensorFlow 1's control flow nodes in a GraphDef, turned into branches and loops with bodies.

TensorFlow 1 writes `tf.while_loop` as nodes of a named frame (Enter, Merge, Switch, NextIteration, Exit,
LoopCond) and `tf.cond` as Switch and Merge nodes. `raise_control_flow` finds them and writes While and If
nodes instead, with functions in the form of `functiondef`: loops from the innermost frame outwards, then the
branches of each region, again from the inside. The names of Exit and Merge nodes stay, as Identity nodes, so
that `return_elements` and later nodes still find them; what only a loop or branch could reach has moved
inside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from millrace.core import protos
from millrace.exchange.attr_protos import attr_to_proto
from millrace.exchange.graphdef import node_name

_REF = "Ref"  # RefSwitch is a Switch of a variable's reference, and so on
_KINDS = frozenset(("Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond"))

Conditions = frozenset[tuple[str, int]]  # (predicate, branch) that must hold for a node to run


def kind_of(node: Any) -> str:
    """The node's type, the same for references and values."""
    plain = node.op.removeprefix(_REF)
    return plain if plain in _KINDS else node.op


def raise_control_flow(nodes: list[Any], functions: MutableMapping[str, Any]) -> list[Any]:
    """The nodes with loops and branches as While and If.

    Args:
      nodes: NodeDefs of a graph.
      functions: FunctionDefs by name; the bodies are added.

    Raises:
      ValueError: control flow nodes are put together as no loop or branch is.
    """
    if not any(kind_of(node) in _KINDS for node in nodes):
        return nodes
    work = _Raiser({node.name: _copy(node) for node in nodes}, functions)
    work.raise_loops()
    return list(work.raise_branches(work.nodes, []).values())


def _copy(node: Any) -> Any:
    made = protos.NodeDef()
    made.CopyFrom(node)
    return made


def _key(text: str) -> str:
    """`a` and `a:0` as `a:0`."""
    return text if ":" in text else text + ":0"


def _data(node: Any) -> list[str]:
    return [_key(i) for i in node.input if not i.startswith("^")]


def _controls(node: Any) -> list[str]:
    return [i[1:] for i in node.input if i.startswith("^")]


def _scope(name: str) -> str:
    return name.rpartition("/")[0]


def _identity(node: Any, source: str) -> Any:
    """A node called like `node` that passes `source` on."""
    made = protos.NodeDef(name=node.name, op="Identity", input=[source], device=node.device)
    made.attr["T"].CopyFrom(node.attr["T"])
    return made


@dataclass
class _Argument:
    """What stands inside a body for something outside: how inputs spell it, and the operation it becomes."""

    spelled: str
    op_name: str
    outer: str
    is_ref: bool = False


@dataclass
class _Cut:
    """The border of a body: inputs that stop there, and the arguments they become."""

    explicit: list[_Argument] = field(default_factory=list)
    captured: dict[str, _Argument] = field(default_factory=dict)  # by outer tensor
    stops: dict[str, _Argument] = field(default_factory=dict)  # by the input found inside
    walls: set[str] = field(default_factory=set)  # nodes of the loop itself, which no body has inside

    def add_explicit(self, key: str, op_name: str, outer: str) -> None:
        """The next loop variable, found inside as `key`."""
        argument = _Argument(f"_arg{len(self.explicit)}", op_name, outer)
        self.explicit.append(argument)
        self.stops[key] = argument

    def capture(self, key: str, outer: str, op_name: str, is_ref: bool) -> None:
        """The outer tensor that is found inside as `key`; several inputs may be one tensor."""
        if outer not in self.captured:
            self.captured[outer] = _Argument(f"_cap{len(self.captured)}", op_name, outer, is_ref)
        self.stops[key] = self.captured[outer]

    def values(self) -> list[_Argument]:
        """The captures that are values; the others are references to variables."""
        return [a for a in self.captured.values() if not a.is_ref]

    def references(self) -> list[_Argument]:
        """The captured references to variables."""
        return [a for a in self.captured.values() if a.is_ref]


class _Raiser:
    """The rewriting of one GraphDef."""

    def __init__(self, nodes: dict[str, Any], functions: MutableMapping[str, Any]) -> None:
        self.nodes = nodes
        self.functions = functions
        self.taken = set(nodes)

    # --- loops ----------------------------------------------------------------------------------------------

    def raise_loops(self) -> None:
        """Replaces every frame, the innermost first."""
        frame_of, parents = self._frames()
        for frame in sorted(parents, key=lambda f: -_depth(f, parents)):
            members = {n: node for n, node in self.nodes.items() if frame_of.get(n) == frame}
            for made in self._raise_loop(frame, members):
                frame_of[made.name] = parents[frame]

    def _frames(self) -> tuple[dict[str, str], dict[str, str]]:
        """The frame of every node, "" outside loops, and the frame around each frame."""
        frame_of: dict[str, str] = {}
        parents: dict[str, str] = {"": ""}
        for node in _forward(self.nodes):
            inputs = [node_name(i) for i in node.input if node_name(i) in frame_of]
            frames = [self._output_frame(i, frame_of, parents) for i in inputs]
            around = max(frames, key=lambda f: _depth(f, parents), default="")
            if kind_of(node) == "Enter":
                frame = node.attr["frame_name"].s.decode()
                parents.setdefault(frame, around)
                around = frame
            frame_of[node.name] = around
        del parents[""]
        return frame_of, parents

    def _output_frame(self, name: str, frame_of: Mapping[str, str], parents: Mapping[str, str]) -> str:
        frame = frame_of[name]
        return parents.get(frame, "") if kind_of(self.nodes[name]) == "Exit" else frame

    def _raise_loop(self, frame: str, members: dict[str, Any]) -> list[Any]:
        """Replaces the nodes of a frame; the nodes put in their place."""
        kinds: dict[str, list[Any]] = {kind: [] for kind in _KINDS}
        for node in members.values():
            kinds.setdefault(kind_of(node), []).append(node)
        if len(kinds["LoopCond"]) != 1:
            found = len(kinds["LoopCond"])
            raise ValueError(
                f"import_graph_def: the loop {frame!r} must have one LoopCond. Received: {found}"
            )
        test = kinds["LoopCond"][0]
        merges = [
            m
            for m in kinds["Merge"]
            if any(kind_of(self.nodes[node_name(i)]) == "NextIteration" for i in m.input)
        ]
        switches = {node_name(s.input[0]): s for s in kinds["Switch"] if node_name(s.input[1]) == test.name}
        exits = {node_name(e.input[0]): e for e in kinds["Exit"]}
        walls = {n.name for kind in _KINDS - {"Merge", "Switch"} for n in kinds[kind]}
        walls.update(n.name for n in (*merges, *switches.values()))
        before, after = _Cut(walls=walls), _Cut(walls=walls)
        starts, nexts = [], []
        for merge in merges:
            enter, following = self._merge_inputs(merge)
            switch = switches.get(merge.name)
            starts.append(_key(enter.input[0]))
            nexts.append(_key(following.input[0]))
            before.add_explicit(f"{merge.name}:0", merge.name, starts[-1])
            after.add_explicit(f"{merge.name}:0" if switch is None else f"{switch.name}:1",
                               merge.name if switch is None else switch.name, starts[-1])  # fmt: skip
        variables = {self._merge_inputs(m)[0].name for m in merges}
        for enter in kinds["Enter"]:
            if enter.name not in variables:
                for cut in (before, after):
                    cut.capture(
                        f"{enter.name}:0", _key(enter.input[0]), enter.name, enter.op.startswith(_REF)
                    )
        name = self._unused(f"{_scope(test.name)}/While".lstrip("/"))
        loop = protos.NodeDef(name=name, op="While", input=[*starts, *(a.outer for a in after.values())])
        for attr, cut, results in (("cond", before, [_key(test.input[0])]), ("body", after, nexts)):
            region = self._reach(results, cut, members, pivots=True)
            region = self.raise_branches(region, results)
            self._write(f"{name}_{attr}", region, cut, results, "Enter")
            loop.attr[attr].func.name = f"{name}_{attr}"
        loop.attr["carried"].i = len(starts)
        loop.attr["captured"].i = len(after.values())
        made = [loop]
        for k, merge in enumerate(merges):
            switch = switches.get(merge.name)
            if switch is not None and switch.name in exits:
                made.append(_identity(exits[switch.name], f"{name}:{k}"))
        for member in members:
            del self.nodes[member]
        self.nodes.update((node.name, node) for node in made)
        return made

    def _merge_inputs(self, merge: Any) -> tuple[Any, Any]:
        """What a loop variable starts as and becomes: the Enter and the NextIteration of its Merge."""
        first, second = (self.nodes[node_name(i)] for i in merge.input[:2])
        return (second, first) if kind_of(first) == "NextIteration" else (first, second)

    # --- branches -------------------------------------------------------------------------------------------

    def raise_branches(self, nodes: dict[str, Any], results: list[str]) -> dict[str, Any]:
        """The nodes of a region with If in place of Switch and Merge; the rest of a branch goes away."""
        if not any(kind_of(n) in ("Switch", "Merge") for n in nodes.values()):
            return nodes
        nodes = {node.name: node for node in _forward(nodes)}
        conditions: dict[str, Conditions] = {}
        groups: dict[tuple[str, str, Conditions], list[Any]] = {}
        for node in nodes.values():
            found = [self._conditions(i, nodes, conditions) for i in node.input]
            holds = frozenset().union(*found)
            if kind_of(node) == "Merge":
                predicate = _decided(node, found)
                holds = frozenset(c for c in holds if c[0] != predicate)
                groups.setdefault((predicate, _scope(node.name), holds), []).append(node)
            conditions[node.name] = holds
        for (predicate, scope, holds), merges in sorted(groups.items(), key=lambda item: -len(item[0][2])):
            for made in self._raise_branch(predicate, scope, merges, nodes, conditions):
                nodes[made.name] = made
                conditions[made.name] = holds
        kept = {
            name: node for name, node in nodes.items() if not conditions[name] and kind_of(node) != "Switch"
        }
        return {node.name: node for node in _forward(kept)}

    def _conditions(self, text: str, nodes: Mapping[str, Any], known: Mapping[str, Conditions]) -> Conditions:
        """Under which conditions the input `text` is there."""
        source = nodes.get(node_name(text))
        if source is None:
            return frozenset()
        holds = known[source.name]
        if kind_of(source) == "Switch" and not text.startswith("^"):
            holds |= {(_root(source.input[1], nodes), int(_key(text).partition(":")[2]))}
        return holds

    def _raise_branch(
        self,
        predicate: str,
        scope: str,
        merges: list[Any],
        nodes: dict[str, Any],
        conditions: dict[str, Conditions],
    ) -> list[Any]:
        """The If for `merges`, and an Identity for each of them."""
        cut = _Cut()
        sides: list[tuple[str, int]] = [("else_branch", 0), ("then_branch", 1)]
        regions = []
        for _, side in sides:
            results = [self._on_side(m, predicate, side, nodes, conditions) for m in merges]
            here = {n: v for n, v in nodes.items() if (predicate, side) in conditions[n]}
            for node in nodes.values():
                if kind_of(node) == "Switch" and _root(node.input[1], nodes) == predicate:
                    cut.capture(
                        f"{node.name}:{side}", _key(node.input[0]), node.name, node.op.startswith(_REF)
                    )
            regions.append((results, self._reach(results, cut, here, pivots=False)))
        used = {
            i
            for results, region in regions
            for i in [*results, *(i for n in region.values() for i in _data(n))]
        } | {o for _, region in regions for n in region.values() for o in self._outer_of(n)}
        needed = {argument.outer for key, argument in cut.stops.items() if key in used}
        cut.captured = {outer: a for outer, a in cut.captured.items() if outer in needed}
        name = self._unused(f"{scope}/If".lstrip("/"))
        branch = protos.NodeDef(name=name, op="If", input=[predicate, *(a.outer for a in cut.values())])
        for (attr, _), (results, region) in zip(sides, regions, strict=True):
            self._write(f"{name}_{attr}", region, cut, results, "Switch")
            branch.attr[attr].func.name = f"{name}_{attr}"
        return [branch, *(_identity(m, f"{name}:{k}") for k, m in enumerate(merges))]

    def _on_side(
        self,
        merge: Any,
        predicate: str,
        side: int,
        nodes: Mapping[str, Any],
        conditions: Mapping[str, Conditions],
    ) -> str:
        for text in _data(merge):
            if (predicate, side) in self._conditions(text, nodes, conditions):
                return text
        raise ValueError(
            f"import_graph_def: node '{merge.name}' (type {merge.op}): must join the sides of a condition. "
            f"Received: {list(merge.input)}"
        )

    # --- bodies ---------------------------------------------------------------------------------------------

    def _outer_of(self, node: Any) -> list[str]:
        """The tensors around it that the functions of a node name."""
        found = []
        for value in node.attr.values():
            if value.WhichOneof("value") == "func" and value.func.name in self.functions:
                attrs = self.functions[value.func.name].attr
                found += [s.decode() for key in ("_captures", "_references") for s in attrs[key].list.s]
        return found

    def _reach(
        self, results: list[str], cut: _Cut, members: Mapping[str, Any], pivots: bool
    ) -> dict[str, Any]:
        """The nodes among `members` that `results` need, up to the border, in order.

        A control input from a pivot says in which branch a node is. With `pivots` it is followed, for
        branches that are yet to be raised.
        """
        found: set[str] = set()
        pending = [node_name(r) for r in results if r not in cut.stops]
        while pending:
            name = pending.pop()
            if name in found or name not in members:
                continue
            found.add(name)
            node = members[name]
            pending += [node_name(i) for i in [*_data(node), *self._outer_of(node)] if i not in cut.stops]
            for control in _controls(node):
                if control in members and (pivots or not _is_pivot(members[control], self.nodes)):
                    pending += [control] if control not in cut.walls else []
        return {name: _copy(node) for name, node in members.items() if name in found}

    def _write(self, name: str, region: dict[str, Any], cut: _Cut, results: list[str], tag: str) -> None:
        """Adds the function of a body to the library."""
        made = protos.FunctionDef()
        made.signature.name = name
        arguments = [*cut.explicit, *cut.values(), *cut.references()]
        for i, argument in enumerate(arguments):
            made.signature.input_arg.add(name=argument.spelled)
            made.arg_attr[i].attr["_op_name"].CopyFrom(attr_to_proto(argument.op_name))
        spelled = {key: a.spelled for key, a in cut.stops.items()}
        for node in region.values():
            controls = [f"^{c}" for c in _controls(node) if c in region]
            node.input[:] = [spelled.get(i, i) for i in _data(node)] + controls
            self._rename_captures(node, cut)
            made.node_def.append(node)
        for i, result in enumerate(results):
            made.signature.output_arg.add(name=f"out{i}")
            made.ret[f"out{i}"] = spelled.get(result, result)
        made.attr["_captures"].CopyFrom(attr_to_proto([a.outer for a in cut.values()]))
        made.attr["_references"].CopyFrom(attr_to_proto([a.outer for a in cut.references()]))
        made.attr["_scope"].CopyFrom(attr_to_proto(_scope(name)))
        made.attr["_tag"].CopyFrom(attr_to_proto(tag))
        self.functions[name] = made

    def _rename_captures(self, node: Any, cut: _Cut) -> None:
        """What the bodies of `node` take from around them now has the names of this body's arguments."""
        for value in node.attr.values():
            if value.WhichOneof("value") != "func" or value.func.name not in self.functions:
                continue
            attrs = self.functions[value.func.name].attr
            for key in ("_captures", "_references"):
                outer = [s.decode() for s in attrs[key].list.s]
                inside = [f"{cut.stops[o].op_name}:0" if o in cut.stops else o for o in outer]
                attrs[key].CopyFrom(attr_to_proto(inside))

    def _unused(self, name: str) -> str:
        made, k = name, 0
        while (
            made in self.taken or f"{made}_body" in self.functions or f"{made}_then_branch" in self.functions
        ):
            k += 1
            made = f"{name}_{k}"
        self.taken.add(made)
        return made


def _depth(frame: str, parents: Mapping[str, str]) -> int:
    depth = 0
    while frame:
        frame = parents.get(frame, "")
        depth += 1
    return depth


def _root(predicate: str, nodes: Mapping[str, Any]) -> str:
    """The tensor behind the Identity nodes that a predicate passes."""
    key = _key(predicate)
    while (node := nodes.get(node_name(key))) is not None and node.op == "Identity":
        key = _key(node.input[0])
    return key


def _decided(merge: Any, found: list[Conditions]) -> str:
    """The predicate whose sides `merge` joins."""
    sides: dict[str, set[int]] = {}
    for holds in found:
        for predicate, side in holds:
            sides.setdefault(predicate, set()).add(side)
    both = [p for p, s in sides.items() if len(s) == 2]
    if len(both) != 1:
        raise ValueError(
            f"import_graph_def: node '{merge.name}' (type {merge.op}): must join the sides of one condition. "
            f"Received: {list(merge.input)}"
        )
    return both[0]


def _is_pivot(node: Any, nodes: Mapping[str, Any]) -> bool:
    """True for control flow nodes, and the Identity of one that `tf.cond` makes for each side."""
    if kind_of(node) in _KINDS:
        return True
    if node.op != "Identity" or not node.input:
        return False
    source = nodes.get(node_name(node.input[0]))
    return (
        source is not None
        and kind_of(source) == "Switch"
        and node_name(source.input[0]) == node_name(source.input[1])
    )


def _forward(nodes: Mapping[str, Any]) -> Iterable[Any]:
    """The nodes with inputs first, taking a NextIteration's way back to its Merge for no input."""
    done: set[str] = set()
    for root in nodes:
        stack = [(root, iter(_sources(nodes[root], nodes)))] if root not in done else []
        done.add(root)
        while stack:
            name, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                yield nodes[name]
            elif following not in done:
                done.add(following)
                stack.append((following, iter(_sources(nodes[following], nodes))))


def _sources(node: Any, nodes: Mapping[str, Any]) -> list[str]:
    back = kind_of(node) == "Merge"
    names = [node_name(i) for i in node.input]
    return [n for n in names if n in nodes and not (back and kind_of(nodes[n]) == "NextIteration")]
