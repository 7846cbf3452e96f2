"""What a run means, in a few lines: the model that plans are compared with (docs/design.md, "Semantics").

A program is a list of nodes in creation order. A write starts from the version that the last write created
before it has left, and gives what it wrote. A read sees the last write that happens before it along edges,
else the value at the start. A variable that is fetched has its value at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import millrace as tf


@dataclass(frozen=True)
class Node:
    """One operation of a program.

    Attributes:
      kind: "read", "assign", "add" (to a variable), "sum" (of two nodes), "branch" (writes where the flag is
        set, else gives its operand) or "look" (reads in a branch).
      variable: the number of the variable.
      operands: numbers of earlier nodes whose values it takes.
      edges: numbers of earlier nodes that must come before it.
      number: added to what is written, so that each write is told from the others.
    """

    kind: str
    variable: int
    operands: tuple[int, ...]
    edges: tuple[int, ...]
    number: int


def meaning(
    program: Sequence[Node], start: Sequence[int], fetches: Sequence[int], flag: bool
) -> tuple[list[int], list[int]]:
    """The values of the nodes `fetches` and, at the end, of the variables."""
    needed: set[int] = set()
    stack = list(fetches)
    while stack:
        n = stack.pop()
        if n not in needed:
            needed.add(n)
            stack += [*program[n].operands, *program[n].edges]
    values: dict[int, int] = {}
    before: dict[int, set[int]] = {}  # node -> the writes that have happened when it is done
    writes: list[list[tuple[int, int]]] = [[(-1, v)] for v in start]  # variable -> (node, value)
    for n in sorted(needed):
        node = program[n]
        happened = set().union(*(before[k] for k in (*node.operands, *node.edges)))
        history = writes[node.variable]
        taken = sum(values[k] for k in node.operands) + node.number
        seen = next(value for k, value in reversed(history) if k < 0 or k in happened)
        if node.kind in ("read", "look"):
            values[n] = seen if node.kind == "read" or flag else taken
        elif node.kind == "sum" or (node.kind == "branch" and not flag):
            values[n] = taken
        else:
            values[n] = taken if node.kind == "assign" else history[-1][1] + taken
            history.append((n, values[n]))
        before[n] = happened | {n}
    return [values[n] for n in fetches], [history[-1][1] for history in writes]


def build(program: Sequence[Node], start: Sequence[int], resource: bool) -> tuple[list[Any], list[Any], Any]:
    """The program's tensors, its variables and its flag, in the default graph."""
    variables = [tf.Variable(value, use_resource=resource, name=f"v{k}") for k, value in enumerate(start)]
    flag = tf.placeholder(tf.bool, [], name="flag")
    tensors: list[Any] = []
    for node in program:
        variable = variables[node.variable]
        with tf.control_dependencies([tensors[k] for k in node.edges]):
            operands = [tensors[k] for k in node.operands]
            if node.kind == "read":
                tensors.append(_after(operands, variable))
                continue
            taken = tf.add_n([tf.constant(node.number), *operands])
            if node.kind == "sum":
                made = taken
            elif node.kind == "assign":
                made = variable.assign(taken) + 0
            elif node.kind == "add":
                made = variable.assign_add(taken) + 0
            elif node.kind == "look":
                made = tf.cond(flag, lambda v=variable: v + 0, lambda t=taken: tf.identity(t))
            else:
                made = tf.cond(
                    flag,
                    lambda v=variable, t=taken: v.assign_add(t) + 0,
                    lambda t=taken: tf.identity(t),
                )
        tensors.append(made)
    return tensors, variables, flag


def _after(operands: list[Any], variable: Any) -> Any:
    with tf.control_dependencies(operands):
        return variable + 0
