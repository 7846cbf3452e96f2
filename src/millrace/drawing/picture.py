"""Pictures of a graph: `svg` for a file, `html` for a notebook, where each picture is an image that holds its
own data: notebooks strip drawings from outputs that they do not trust, and keep images.

A graph is shown by name scope. What belongs to one operation by its name (the constants `add/y` of `add`, the
initialiser, assignment and read of a variable) is drawn as one node. Scopes open, the outermost first, while
the picture stays small enough to read; the others stay closed boxes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from millrace.drawing import embedded
from millrace.drawing import svg as drawing
from millrace.drawing.svg import Node

if TYPE_CHECKING:
    from millrace.graph.graph import Graph
    from millrace.graph.operation import Operation
    from millrace.graph.tensor import Tensor

_NODES = 40  # in one picture
_PICTURES = 400  # in one page
_FOLDS = 100  # in a notebook, for readers who run no scripts
_UNFOLDINGS = 16  # in a notebook; each is a whole picture, some kilobytes when packed
_WIDEST = 860.0  # in a notebook: letters stay readable where 720 pixels are left
_WIDEST_FILE = 1600.0
_LONGEST = 46  # letters of a node's second line; a type and shape may take more
_VARIABLES = frozenset(("Variable", "VariableV2", "VarHandleOp"))
_SOURCES = {
    "Placeholder": "feed",
    "PlaceholderWithDefault": "feed",
    "PlaceholderV2": "feed",
    "Const": "constant",
}


@dataclass(eq=False)
class Scope:
    """A name scope; with `op`, an operation and what belongs to it, where nothing is inside to open."""

    name: str
    op: Operation | None = None
    ops: list[Operation] = field(default_factory=list)  # its own, without those of inner scopes
    inner: dict[str, Scope] = field(default_factory=dict)
    count: int = 0

    @property
    def label(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]

    def all_ops(self) -> Iterator[Operation]:
        """Its operations and those of all inner scopes."""
        yield from self.ops
        for scope in self.inner.values():
            yield from scope.all_ops()


def svg(graph: Graph, limit: int = _NODES) -> str:
    """The graph as an SVG document.

    Args:
      graph: what to draw.
      limit: open scopes while the picture has at most so many nodes.
    """
    root = scope_tree(graph)
    return drawing.svg(_node(root, _opened(root, limit)), _edges(graph, root), _WIDEST_FILE)


def html(graph: Graph) -> str:
    """The graph as HTML: the picture, and below it a picture of each closed scope, to unfold."""
    root = scope_tree(graph)
    opened = _opened(root, _NODES)
    budget = [_FOLDS]
    folds = "".join(_fold(scope, graph, budget) for scope in _closed(root, opened))
    counts = _summary(graph)
    still = f"<div>{_image(root, opened, graph, f'Graph: {counts}')}</div>{folds}"
    pictures = _unfoldings(root, graph, _NODES, _WIDEST, _UNFOLDINGS)
    return f'<div style="margin-bottom:6px"><b>Graph</b> {counts}</div>{embedded.unfolding(still, pictures)}'


def page(graph: Graph, limit: int = _NODES) -> str:
    """The graph as an HTML document: clicks unfold, the wheel zooms, dragging moves, hovering tells.

    Args:
      graph: what to draw.
      limit: open scopes while the picture has at most so many nodes.
    """
    pictures = _unfoldings(scope_tree(graph), graph, limit, _WIDEST_FILE, _PICTURES)
    return embedded.page(pictures, f"Graph: {_summary(graph)}")


def _unfoldings(root: Scope, graph: Graph, limit: int, widest: float, most: int) -> dict[str, str]:
    """A picture for each scope that a click may open, what is around it open as well; "" for the first.

    Args:
      root: of the whole graph.
      graph: for its edges.
      limit: open inner scopes while a scope shows at most so many nodes.
      widest: of a row of nodes, in pixels.
      most: so many pictures; the outer scopes come first.
    """
    edges = _edges(graph, root)
    found: dict[str, str] = {}
    waiting = deque([(root, set[Scope]())])
    while waiting and len(found) < most:
        scope, around = waiting.popleft()
        inside = _opened(scope, limit)
        opened = around | inside
        found[scope.name] = drawing.svg(_node(root, opened), edges, widest)
        waiting.extend((inner, opened) for inner in _closed(scope, inside))
    return found


def _image(scope: Scope, opened: set[Scope], graph: Graph, text: str) -> str:
    return embedded.image(drawing.svg(_node(scope, opened), _edges(graph, scope), _WIDEST), text)


def scope_tree(graph: Graph) -> Scope:
    """The operations by name scope, with what belongs to one operation gathered in it."""
    root = Scope("")
    for op in graph.ops:
        at = root
        for i, part in enumerate(op.name.split("/")[:-1]):
            name = part if i == 0 else f"{at.name}/{part}"
            at = at.inner.setdefault(name, Scope(name))
        at.ops.append(op)
    _gather(root)
    return root


def _gather(scope: Scope) -> int:
    """Makes single nodes of operations and the scopes named like them; counts operations."""
    for op in list(scope.ops):
        own = scope.inner.get(op.name)
        if own is None:
            continue
        scope.ops.remove(op)
        if _belongs(op, own):
            own.op = op
            own.ops = [op, *own.all_ops()]
            own.count = len(own.ops)
            own.inner = {}
        else:  # `random_normal` is the result of what `random_normal/` computes
            own.ops.append(op)
    scope.count = len(scope.ops) + sum(
        s.count if s.op is not None else _gather(s) for s in scope.inner.values()
    )
    return scope.count


def _belongs(op: Operation, scope: Scope) -> bool:
    if op.type in _VARIABLES:
        return True
    return not scope.inner and all(o.type == "Const" for o in scope.ops)


def _opened(root: Scope, limit: int) -> set[Scope]:
    """The scopes to open, breadth first, the small before the large, while at most `limit` nodes show.

    Scopes with the same content open together or not at all.
    """
    opened = {root}
    visible = len(root.ops) + len(root.inner)
    forms: dict[Scope, Any] = {}
    level = [root]
    while level:
        alike: dict[Any, list[Scope]] = {}
        for scope in level:
            for inner in scope.inner.values():
                if inner.op is None:
                    alike.setdefault(_form(inner, forms), []).append(inner)
        level = []
        for group in sorted(alike.values(), key=lambda g: len(g[0].ops) + len(g[0].inner)):
            more = sum(len(scope.ops) + len(scope.inner) - 1 for scope in group)
            if visible + more <= limit:
                visible += more
                opened.update(group)
                level += group
    return opened


def _form(scope: Scope, forms: dict[Scope, Any]) -> Any:
    """What is the same for scopes with the same kinds of operations, inside their inner scopes too."""
    if scope not in forms:
        own = tuple(sorted(op.type for op in scope.ops))
        forms[scope] = hash((own, tuple(sorted(_form(inner, forms) for inner in scope.inner.values()))))
    return forms[scope]


def _closed(scope: Scope, opened: set[Scope]) -> Iterator[Scope]:
    for inner in scope.inner.values():
        if inner in opened:
            yield from _closed(inner, opened)
        elif inner.op is None:
            yield inner


def _fold(scope: Scope, graph: Graph, budget: list[int]) -> str:
    """One closed scope as an element to unfold, its own closed scopes inside."""
    title = f"{drawing.escape(scope.name)} <small>{_count(scope.count)}</small>"
    if budget[0] <= 0:
        return f"<div style='margin:3px 0 3px 14px'>{title}</div>"
    budget[0] -= 1
    opened = _opened(scope, _NODES)
    inner = "".join(_fold(s, graph, budget) for s in _closed(scope, opened))
    return (
        f"<details style='margin:3px 0 3px 14px'><summary style='cursor:pointer'>{title}</summary>"
        f"<div>{_image(scope, opened, graph, f'Scope {scope.name}')}</div>{inner}</details>"
    )


def _node(scope: Scope, opened: set[Scope]) -> Node:
    """The scope as nested nodes; each names the operations it stands for."""
    if scope.op is not None:
        return _op_node(scope.op, scope.ops)
    if scope not in opened:
        return Node(scope.label, _count(scope.count), "scope", scope.name, list(scope.all_ops()))
    made = Node(scope.label, "", "open", scope.name, [])
    made.inside = [_op_node(op, [op]) for op in scope.ops] + [_node(s, opened) for s in scope.inner.values()]
    made.inside.sort(key=lambda n: min((op.id for op in n.all_ops()), default=0))
    return made


def _op_node(op: Operation, ops: list[Operation]) -> Node:
    if op.type in _VARIABLES:
        kind = "variable"
    else:
        kind = _SOURCES.get(op.type, "effect" if not op.outputs or op.opdef.writes else "op")
    label = op.name.rpartition("/")[2]
    written = (
        []
        if kind == "variable"
        else [f"{o.name.rpartition('/')[2]} = {text}" for o in ops[1:] if (text := _value(o))]
    )
    line = [] if label.rstrip("_0123456789").lower() == op.type.lower() else [op.type]
    if op.type == "Const" and (text := _value(op)):
        line = [text]
    elif op.outputs:
        line.append(_type(op.outputs[0]))
    for text in written:
        if len(" · ".join([*line, text])) <= _LONGEST:
            line.append(text)
    return Node(label, " · ".join(line), kind, _tip(op), ops)


def _type(tensor: Tensor) -> str:
    dims = tensor.dims
    shape = (
        " ?"
        if dims is None
        else ""
        if not dims
        else " " + "\u00d7".join("?" if d is None else str(d) for d in dims)
    )
    return tensor.dtype.base_dtype.name + shape


def _value(op: Operation) -> str:
    """A constant that is short enough to show."""
    value = op.attrs.get("value") if op.type == "Const" and op.body is None else None
    if value is None or value.size > 4:
        return ""
    text = str(value.tolist()) if value.ndim else str(value)
    return text if len(text) <= 24 else ""


def _tip(op: Operation) -> str:
    """What hovering over a node tells."""
    lines = [f"{op.name}  ({op.type})"]
    lines += [f"in: {t.name}  {_type(t)}" for t in op.inputs]
    lines += [f"after: {c.name}" for c in op.control_inputs]
    lines += [f"out: {t.name}  {_type(t)}" for t in op.outputs]
    if op.device:
        lines.append(f"on {op.device}")
    if op.user_location:
        lines.append(f"created at {op.user_location}")
    return "\n".join(lines)


def _edges(graph: Graph, within: Scope) -> list[tuple[Any, Any, str, str]]:
    """(from, to, kind, tip) of each input of the operations in `within` from another one there."""
    members = set(within.all_ops()) if within.name else set(graph.ops)
    found = []
    for op in graph.ops:
        if op not in members:
            continue
        for tensor in op.inputs:
            if tensor.op in members:
                kind = "ref" if tensor.dtype.is_ref_dtype or tensor.dtype.name == "resource" else "data"
                found.append((tensor.op, op, kind, f"{tensor.name}  {_type(tensor)}"))
        found += [
            (c, op, "control", f"{op.name} runs after {c.name}") for c in op.control_inputs if c in members
        ]
        for body_input in _captured(op):
            if body_input in members:
                found.append((body_input, op, "data", body_input.name))
    return found


def _captured(op: Operation) -> Iterator[Operation]:
    """The operations that give its bodies' results: edges from them let a body stand before its user."""
    if op.opdef.has_body:
        from millrace.exchange.functiondef import bodies_of

        for _, body in bodies_of(op):
            yield from dict.fromkeys(t.op for t in body.outputs)


def _count(number: int) -> str:
    return f"{number} operation{'' if number == 1 else 's'}"


def _summary(graph: Graph) -> str:
    ops = graph.ops
    variables = sum(op.type in _VARIABLES for op in ops)
    feeds = sum(op.type.startswith("Placeholder") for op in ops)
    parts = [_count(len(ops))]
    for number, name in ((variables, "variable"), (feeds, "placeholder")):
        if number:
            parts.append(f"{number} {name}{'' if number == 1 else 's'}")
    return ", ".join(parts)
