"""What a run means, in a page: the model that plans are compared with (docs/design.md, "One meaning").

A program is a list of nodes in creation order; a branch or loop has such lists as its bodies. A write starts
from the version that the last write created before it has left, and gives what it wrote. A read sees the last
write that happens before it along edges, else the value at the start. A branch or loop is one node: it begins
when all that its bodies take is there, what it reads sees the writes before that, and it is itself a write of
each variable that its bodies write, whichever branch is taken. What one round of a loop has written is there
for the next. A variable that is fetched has its value at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import millrace as tf

Result = tuple[int, int]  # a node, and which of its two results


@dataclass(frozen=True)
class Body:
    """The nodes of a body, and the two whose first results are its own."""

    nodes: tuple[Node, ...]
    results: tuple[int, int]


@dataclass(frozen=True)
class Node:
    """One operation of a program, with two results; both are the same where it has no bodies.

    Nodes are counted from 0, those of a body from the number of the node that has it. So a body names the
    nodes around it, which it captures, as it names its own.

    Attributes:
      kind: "read", "assign", "add" (to a variable), "sum" (of the operands), "carried" (a value that the loop
        around it carries), "branch" (where the flag is set the first body, else the second) or "loop" (twice
        where the flag is set, and once more while the variable is odd).
      variable: the number of the variable, or of the carried value.
      operands: what it takes of earlier nodes; reads and branches take none.
      edges: earlier nodes that must come before it.
      number: added to what is written, so that each write is told from the others.
    """

    kind: str
    variable: int = 0
    operands: tuple[Result, ...] = ()
    edges: tuple[int, ...] = ()
    number: int = 0
    bodies: tuple[Body, ...] = ()


class Need:
    """What some results need: of the nodes from `base` on, of those around them, and of what is carried."""

    def __init__(self, nodes: Sequence[Node], base: int, wanted: Iterable[Result]) -> None:
        self.asked: dict[int, set[int]] = {}
        self.carried: set[int] = set()
        self.inner: dict[int, list[Need]] = {}
        stack = list(wanted)
        while stack:
            k, result = stack.pop()
            known = self.asked.setdefault(k, set())
            if result in known:
                continue
            known.add(result)
            if k >= base:
                node = nodes[k - base]
                stack += self.taken(k, node)
                if node.kind == "carried":
                    self.carried.add(node.variable)

    def taken(self, k: int, node: Node) -> list[Result]:
        """What a node takes: its operands, its edges, what its bodies capture and wait for."""
        kept = self.asked[k]
        while True:
            inner = [Need(b.nodes, k, [(b.results[r], 0) for r in sorted(kept)]) for b in node.bodies]
            carried = set().union(*(need.carried for need in inner))
            if node.kind != "loop" or carried <= kept:
                break
            kept |= carried
        self.inner[k] = inner
        if node.kind == "branch":
            self.carried |= carried
        found = [*node.operands, *((e, r) for e in node.edges for r in (0, 1))]
        return found + [(j, r) for need in inner for j, asked in need.asked.items() if j < k for r in asked]

    def written(self, nodes: Sequence[Node], base: int) -> set[int]:
        """The variables that the nodes write."""
        found: set[int] = set()
        for k in (k for k in self.asked if k >= base):
            node = nodes[k - base]
            if node.kind in ("assign", "add"):
                found.add(node.variable)
            for body, need in zip(node.bodies, self.inner[k], strict=True):
                found |= need.written(body.nodes, k)
        return found


class Meaning:
    """Carries out the nodes of one scope.

    Attributes:
      values: what each result is.
      latest: the variables as the last write has left them.
    """

    def __init__(self, flag: bool, latest: list[int]) -> None:
        self.flag = flag
        self.latest = latest

    def scope(self, nodes: Sequence[Node], base: int, need: Need, values: dict[Result, int],
              start: list[int], carried: Sequence[int]) -> dict[Result, int]:  # fmt: skip
        """The values with those of the nodes; `start` is what a read sees that has no write before it."""
        values = dict(values)
        before: dict[int, set[int]] = {}  # node -> the nodes that have happened when it is done
        history: list[list[tuple[int, int]]] = [[] for _ in start]  # variable -> (node, value)
        for k in sorted(k for k in need.asked if k >= base):
            node = nodes[k - base]
            happened = set().union(*(before.get(j, ()) for j, _ in need.taken(k, node)))
            seen = [
                next((value for n, value in reversed(h) if n in happened), first)
                for h, first in zip(history, start, strict=True)
            ]
            taken = sum(values[operand] for operand in node.operands) + node.number
            written: set[int] = set()
            v = node.variable
            if node.bodies:
                bodies = list(zip(node.bodies, need.inner[k], strict=True))
                written = set().union(*(inner.written(body.nodes, k) for body, inner in bodies))
                run = self._loop if node.kind == "loop" else self._branch
                found = run(k, node, bodies, values, seen, carried, taken)
            elif node.kind in ("assign", "add"):
                written = {v}
                self.latest[v] = _wrap(taken if node.kind == "assign" else self.latest[v] + taken)
                found = [self.latest[v]] * 2
            else:
                found = [{"read": seen[v], "sum": taken}.get(node.kind, carried[v])] * 2
            values.update(((k, r), _wrap(value)) for r, value in enumerate(found))
            for variable in written:
                history[variable].append((k, self.latest[variable]))
            before[k] = happened | {k}
        return values

    def _branch(self, k: int, node: Node, bodies: list[tuple[Body, Need]], values: dict[Result, int],
                seen: list[int], carried: Sequence[int], taken: int) -> list[int]:  # fmt: skip
        body, need = bodies[0 if self.flag else 1]
        inside = self.scope(body.nodes, k, need, values, seen, carried)
        return [inside.get((result, 0), 0) for result in body.results]

    def _loop(self, k: int, node: Node, bodies: list[tuple[Body, Need]], values: dict[Result, int],
              seen: list[int], carried: Sequence[int], taken: int) -> list[int]:  # fmt: skip
        (body, need), rounds, state = bodies[0], 0, [taken, taken]
        while rounds < 2 * self.flag + seen[node.variable] % 2:
            inside = self.scope(body.nodes, k, need, values, seen, state)
            state = [inside.get((result, 0), 0) for result in body.results]
            written = need.written(body.nodes, k)
            seen = [self.latest[v] if v in written else value for v, value in enumerate(seen)]
            rounds += 1
        return state


def meaning(
    program: Sequence[Node], start: Sequence[int], fetches: Sequence[Result], flag: bool
) -> tuple[list[int], list[int]]:
    """The values of the results `fetches` and, at the end, of the variables."""
    run = Meaning(flag, list(start))
    values = run.scope(program, 0, Need(program, 0, fetches), {}, list(start), (0, 0))
    return [values[fetch] for fetch in fetches], run.latest


def _wrap(value: int) -> int:
    return (value + 2**63) % 2**64 - 2**63


@dataclass(frozen=True)
class Built:
    """A program as a graph.

    Attributes:
      results: a pair for each node.
      variables, flag: to be fetched, and to be fed.
    """

    results: list[Sequence[Any]]
    variables: list[Any]
    flag: Any


def build(program: Sequence[Node], start: Sequence[int], resource: bool) -> Built:
    """Draws a program in the default graph."""
    variables = [
        tf.Variable(tf.constant(value, tf.int64), use_resource=resource, name=f"v{k}")
        for k, value in enumerate(start)
    ]
    flag = tf.placeholder(tf.bool, [], name="flag")
    draw = _Drawing(variables, flag)
    return Built(draw.nodes(program, [], ()), variables, flag)


class _Drawing:
    def __init__(self, variables: list[Any], flag: Any) -> None:
        self.variables = variables
        self.flag = flag

    def nodes(
        self, nodes: Sequence[Node], around: Sequence[Sequence[Any]], carried: Sequence[Any]
    ) -> list[Any]:
        """The results of nodes, behind those that are around them."""
        known = list(around)
        for node in nodes:
            with tf.control_dependencies([t for k in node.edges for t in known[k]]):
                operands = [known[k][r] for k, r in node.operands]
                known.append(self._node(node, operands, known, carried))
        return known

    def _node(
        self, node: Node, operands: list[Any], known: list[Any], carried: Sequence[Any]
    ) -> Sequence[Any]:
        variable = self.variables[node.variable]
        if node.kind == "carried":
            return [tf.identity(carried[node.variable])] * 2
        if node.kind == "read":
            return [variable + 0] * 2
        if node.kind == "branch":
            then, other = (self._body(body, known, carried) for body in node.bodies)
            return tf.cond(self.flag, then, other)
        taken = tf.add_n([tf.constant(node.number, tf.int64), *operands])
        if node.kind == "loop":
            rounds = tf.cast(self.flag, tf.int64) * 2

            def body(i: Any, *state: Any) -> list[Any]:
                return [i + 1, *self._body(node.bodies[0], known, state)()]

            def test(i: Any, *_: Any) -> Any:
                return i < rounds + variable % 2

            first = [tf.constant(0, tf.int64), taken, taken]
            return tf.while_loop(test, body, first, parallel_iterations=1)[1:]
        if node.kind == "sum":
            return [taken] * 2
        write = variable.assign(taken) if node.kind == "assign" else variable.assign_add(taken)
        return [write + 0] * 2

    def _body(self, body: Body, known: list[Any], carried: Sequence[Any]) -> Callable[[], list[Any]]:
        def draw() -> list[Any]:
            inside = self.nodes(body.nodes, known, carried)
            return [tf.identity(inside[result][0]) for result in body.results]

        return draw
