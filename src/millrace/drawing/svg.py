"""Nested nodes and their edges as SVG: sizes, layout scope by scope from the inside out, markup."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from millrace.drawing.layout import Edge, Vertex, arrange, break_cycles

_STYLE = {  # kind: (fill, border, text)
    "op": ("#ffffff", "#7f90a8", "#1f2733"),
    "feed": ("#e3f4e6", "#4f9d61", "#1d4d2a"),
    "variable": ("#fdf0d3", "#c79324", "#5b4209"),
    "constant": ("#eef0f3", "#a3adba", "#454f5d"),
    "effect": ("#efe9fb", "#8b6fc4", "#3f2a70"),
    "scope": ("#dfeafa", "#4c7fc0", "#173d6e"),
    "open": ("#f6f8fb", "#b9c5d6", "#48586e"),
}
_LINES = {"data": ("#64748b", ""), "ref": ("#c79324", ""), "control": ("#9a86c9", ' stroke-dasharray="4 3"')}
_NARROW = frozenset("iljtfrI.,:;|!'/[]() ")
_WIDE = frozenset("mwMWQO@%\u00d7")
_FONT, _SMALL, _PAD, _HEADER = 12.5, 10.5, 14.0, 24.0
_LONGEST = 34
_BUSIEST = 9  # nodes that take from more than so many are drawn apart

_Wire = tuple[Any, Any, str, str]  # from operation, to operation, kind, tip


@dataclass(eq=False)
class Node:
    """A box: its label, a second line, how it looks, what hovering tells, the operations it stands for."""

    label: str
    detail: str
    kind: str
    tip: str
    ops: list[Any]
    inside: list[Node] = field(default_factory=list)
    parent: Node | None = None
    vertex: Vertex = field(default_factory=lambda: Vertex(0.0, 0.0))
    lines: list[_Line] = field(default_factory=list)
    entries: dict[Any, _Port] = field(default_factory=dict)
    exits: dict[Any, _Port] = field(default_factory=dict)

    def all_ops(self) -> Iterator[Any]:
        """The operations it stands for, those of the nodes inside included."""
        yield from self.ops
        for node in self.inside:
            yield from node.all_ops()

    def chain(self) -> list[Node]:
        """The nodes around this one, outermost first, and itself."""
        found: list[Node] = []
        node: Node | None = self
        while node is not None:
            found.append(node)
            node = node.parent
        return found[::-1]


@dataclass(eq=False)
class _Port:
    """Where lines from one source cross the border of a scope."""

    vertex: Vertex


@dataclass(eq=False)
class _Line:
    """A part of an edge inside one scope; from or to is a node there, or a port of the scope."""

    tail: Node | _Port
    head: Node | _Port
    tail_port: _Port | None
    head_port: _Port | None
    kind: str
    tips: list[str]
    edge: Edge


def escape(text: str) -> str:
    """`text` for markup."""
    for plain, code in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(plain, code)
    return text


def svg(root: Node, edges: list[_Wire], widest: float) -> str:
    """An SVG document of `root`, an open node.

    Args:
      root: what to draw; its own border is left out.
      edges: (from operation, to operation, kind, tip).
      widest: rows of nodes are broken to stay inside this width; a single node may be wider.
    """
    _adopt(root)
    where = {op: node for node in _leaves(root) for op in node.ops}
    _connect(where, _without_hubs(where, edges))
    width, height = _measure(root, widest)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="Helvetica, Arial, sans-serif">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    parts += _markup(root, 0.0, 0.0, top=True)
    parts.append("</svg>")
    return "\n".join(parts)


def _adopt(node: Node) -> None:
    for inner in node.inside:
        inner.parent = node
        _adopt(inner)


def _leaves(node: Node) -> Iterator[Node]:
    for inner in node.inside:
        if inner.kind == "open":
            yield from _leaves(inner)
        else:
            yield inner


def _without_hubs(where: dict[Any, Node], edges: list[_Wire]) -> list[_Wire]:
    """Leaves out the edges into nodes that take from very many others (optimizers, say); a note says so."""
    tails: dict[Node, set[Node]] = {}
    for source, target, *_ in edges:
        if source in where and target in where and where[source] is not where[target]:
            tails.setdefault(where[target], set()).add(where[source])
    hubs = {head: found for head, found in tails.items() if len(found) > _BUSIEST}
    for head, found in hubs.items():
        note = f"from {len(found)} nodes"
        head.detail = f"{head.detail} · {note}" if head.detail else note
        head.tip += "\nfrom " + ", ".join(sorted(n.tip.split()[0] for n in found))
    return [e for e in edges if where.get(e[1]) not in hubs]


def _connect(where: dict[Any, Node], edges: list[_Wire]) -> None:
    """Cuts each edge at the borders of scopes; what runs the same way from the same node is one line."""
    known: dict[Any, _Line] = {}
    for source, target, kind, tip in edges:
        tail, head = where.get(source), where.get(target)
        if tail is None or head is None or tail is head:
            continue
        down, up = tail.chain(), head.chain()
        common = sum(1 for a, b in zip(down, up) if a is b)  # the nodes around both are a common prefix
        leaving, entering = down[common:-1][::-1], up[common:-1]
        port: _Port | None = None
        inner: Node | _Port = tail
        for scope in leaving:
            exit_port = scope.exits.setdefault((tail, kind == "control"), _Port(Vertex(0.0, 0.0, pin=1)))
            _add_line(known, scope, inner, exit_port, port, None, kind, tip)
            inner, port = scope, exit_port
        outside, outside_port = inner, port
        chain_down: list[tuple[Node, _Port]] = []
        for scope in entering:
            entry = scope.entries.setdefault((tail, kind == "control"), _Port(Vertex(0.0, 0.0, pin=-1)))
            chain_down.append((scope, entry))
        first = chain_down[0] if chain_down else (head, None)
        _add_line(known, down[common - 1], outside, first[0], outside_port, first[1], kind, tip)
        for i, (scope, entry) in enumerate(chain_down):
            following = chain_down[i + 1] if i + 1 < len(chain_down) else (head, None)
            _add_line(known, scope, entry, following[0], None, following[1], kind, tip)


def _add_line(
    known: dict[Any, _Line],
    scope: Node,
    tail: Node | _Port,
    head: Node | _Port,
    tail_port: _Port | None,
    head_port: _Port | None,
    kind: str,
    tip: str,
) -> None:
    key = (scope, tail, head, tail_port, head_port, kind == "control")
    line = known.get(key)
    if line is None:
        line = known[key] = _Line(tail, head, tail_port, head_port, kind, [], Edge(tail.vertex, head.vertex))
        scope.lines.append(line)
    if tip not in line.tips:
        line.tips.append(tip)


def _measure(node: Node, widest: float) -> tuple[float, float]:
    """Sets the size of `node`, placing what is inside it first."""
    if node.kind != "open":
        label, detail = (
            _text_width(_short(node.label), _FONT, True),
            _text_width(node.detail, _SMALL),
        )
        node.vertex.width = max(label, detail, 30.0) + 2 * 10
        node.vertex.height = 42.0 if node.detail else 27.0
        return node.vertex.width, node.vertex.height
    _turn_ports(node)
    for inner in node.inside:
        _measure(inner, widest - 2 * _PAD)
    vertices = [n.vertex for n in node.inside]
    vertices += [p.vertex for p in (*node.entries.values(), *node.exits.values())]
    for line in node.lines:
        line.edge.tail_at, line.edge.head_at = _at(line.tail, line.tail_port), _at(line.head, line.head_port)
    edges = [line.edge for line in node.lines]
    width, height = arrange(vertices, edges, widest=widest - 2 * _PAD)
    title = _text_width(_short(node.label), _FONT, True) + 20 if node.parent else 0.0
    node.vertex.width = max(width + 2 * _PAD, title)
    node.vertex.height = height + _PAD + (_HEADER if node.parent else _PAD)
    return node.vertex.width, node.vertex.height


def _turn_ports(node: Node) -> None:
    """Where scopes inside take from one another in a circle, a line runs upwards: its ports change sides."""
    break_cycles([n.vertex for n in node.inside], [e.edge for e in node.lines if _inside(e)])
    for line in node.lines:
        if line.edge.reversed and line.head_port is not None:
            line.head_port.vertex.pin = 1
    exits = {line.tail_port for line in node.lines if line.tail_port is not None}
    for port in exits:
        if all(line.edge.reversed for line in node.lines if line.tail_port is port):
            port.vertex.pin = -1


def _inside(line: _Line) -> bool:
    return not isinstance(line.tail, _Port) and not isinstance(line.head, _Port)


def _at(end: Node | _Port, port: _Port | None) -> float:
    """Where along the width of its end a line touches it: the middle, or the port of a scope."""
    return end.vertex.width / 2 if port is None else port.vertex.x + _PAD


def _text_width(text: str, size: float, bold: bool = False) -> float:
    units = sum(0.36 if c in _NARROW else 0.95 if c in _WIDE else 0.74 if c.isupper() else 0.62 for c in text)
    return units * size * (1.06 if bold else 1.0)


def _short(text: str, longest: int = _LONGEST) -> str:
    """`text`, its middle left out when it is too long."""
    if len(text) <= longest:
        return text
    half = longest // 2 - 1
    return f"{text[:half]}…{text[-half:]}"


def _markup(node: Node, x: float, y: float, top: bool = False) -> list[str]:
    """`node` with its corner at (x, y)."""
    fill, border, ink = _STYLE[node.kind]
    w, h = node.vertex.width, node.vertex.height
    if node.kind != "open":
        return _leaf_markup(node, x, y)
    parts = []
    if not top:
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" rx="9" fill="{fill}" '
            f'fill-opacity="0.75" stroke="{border}"/>'
        )
    inner_x, inner_y = x + _PAD, y + (_PAD if top else _HEADER)
    parts += [_line_markup(line, inner_x, inner_y, y, y + h) for line in node.lines]
    if not top:
        label = _short(node.label)
        width = _text_width(label, _FONT, True) + 8
        parts.append(
            f'<g data-open="{escape(node.tip)}" style="cursor:pointer">'
            f'<rect x="{x + 6:.1f}" y="{y + 4:.1f}" width="{width:.1f}" height="17" rx="4" fill="{fill}"/>'
            f'<text x="{x + 10:.1f}" y="{y + 17:.1f}" font-size="{_FONT}" font-weight="bold" fill="{ink}">'
            f"<title>{escape(node.tip)}</title>{escape(label)}</text></g>"
        )
    for inner in node.inside:
        parts += _markup(inner, inner_x + inner.vertex.x, inner_y + inner.vertex.y)
    return parts


def _leaf_markup(node: Node, x: float, y: float) -> list[str]:
    fill, border, ink = _STYLE[node.kind]
    w, h = node.vertex.width, node.vertex.height
    rx = h / 2 if node.kind in ("feed", "constant") else 5
    frame = f'width="{w:.1f}" height="{h:.1f}" rx="{rx:.1f}" fill="{fill}" stroke="{border}"'
    middle = x + w / 2
    scope = f' data-scope="{escape(node.tip)}" style="cursor:pointer"' if node.kind == "scope" else ""
    parts = [f"<g{scope}>", f"<title>{escape(node.tip)}</title>"]
    if node.kind == "scope":  # a sheet behind says that there is more inside
        parts.append(f'<rect x="{x + 4:.1f}" y="{y + 4:.1f}" {frame}/>')
    parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" {frame}/>')
    label_y = y + (17.0 if node.detail else h / 2 + 4.5)
    parts.append(
        f'<text x="{middle:.1f}" y="{label_y:.1f}" font-size="{_FONT}" font-weight="bold" '
        f'text-anchor="middle" fill="{ink}">{escape(_short(node.label))}</text>'
    )
    if node.detail:
        parts.append(
            f'<text x="{middle:.1f}" y="{y + 33:.1f}" font-size="{_SMALL}" text-anchor="middle" '
            f'fill="{ink}" fill-opacity="0.75">{escape(node.detail)}</text>'
        )
    return [*parts, "</g>"]


def _line_markup(line: _Line, x: float, y: float, top: float, bottom: float) -> str:
    """A line as a smooth path; it ends in an arrow where it reaches a node."""
    color, dash = _LINES[line.kind]
    points = [(px + x, py + y) for px, py in line.edge.points]
    if isinstance(line.tail, _Port):
        points[0] = (points[0][0], top if line.tail.vertex.pin < 0 else bottom)
    if isinstance(line.head, _Port):
        points[-1] = (points[-1][0], top if line.head.vertex.pin < 0 else bottom)
    arrow = not isinstance(line.head, _Port) and line.head_port is None
    (end_x, end_y), direction = points[-1], -1 if line.edge.reversed else 1
    if arrow:
        points[-1] = (end_x, end_y - 5 * direction)
    path = [f"M{points[0][0]:.1f},{points[0][1]:.1f}"]
    for (x0, y0), (x1, y1) in pairwise(points):
        if abs(x1 - x0) < 0.5:
            path.append(f"L{x1:.1f},{y1:.1f}")
        else:
            middle = (y0 + y1) / 2
            path.append(f"C{x0:.1f},{middle:.1f} {x1:.1f},{middle:.1f} {x1:.1f},{y1:.1f}")
    tips = escape("\n".join(line.tips[:12]))
    stroke = f'stroke="{color}" stroke-width="1.3"{dash}'
    markup = f'<g><title>{tips}</title><path d="{"".join(path)}" fill="none" {stroke}/>'
    if arrow:
        back = end_y - 7 * direction
        corners = f"M{end_x:.1f},{end_y:.1f}L{end_x - 3.6:.1f},{back:.1f}L{end_x + 3.6:.1f},{back:.1f}Z"
        markup += f'<path d="{corners}" fill="{color}"/>'
    return markup + "</g>"
