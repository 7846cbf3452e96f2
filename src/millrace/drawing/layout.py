"""Layered layout of a directed graph: pure geometry, top to bottom, for `picture`.

The steps are Sugiyama's: break cycles, give every vertex a row so that edges point down, cut long edges into
pieces of one row each, order the rows by the barycentre of neighbours, then move vertices towards their
neighbours. The last step solves `minimise sum w (x - wish)^2, keeping the order and the gaps` exactly, by
pooling adjacent violators.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass, field

_SWEEPS = 12
_STRAIGHT = 8.0  # how much more the inside of a long edge wants to be straight than an edge wants to be short


@dataclass(eq=False)
class Vertex:
    """A rectangle to place, its corner at (x, y). `pin` keeps it in the top (-1) or bottom (1) row."""

    width: float
    height: float
    pin: int = 0
    x: float = 0.0
    y: float = 0.0
    rank: int = 0
    index: int = 0
    hidden: bool = False  # a bend of a long edge


@dataclass(eq=False)
class Edge:
    """An edge to route, from `tail_at` along the width of its tail to `head_at` along that of its head."""

    tail: Vertex
    head: Vertex
    tail_at: float = 0.0
    head_at: float = 0.0
    points: list[tuple[float, float]] = field(default_factory=list)
    reversed: bool = False


@dataclass(eq=False)
class _Piece:
    """The part of an edge between neighbouring rows."""

    upper: Vertex
    lower: Vertex
    upper_at: float
    lower_at: float
    weight: float = 1.0


def arrange(
    vertices: list[Vertex],
    edges: list[Edge],
    gap: float = 24.0,
    row_gap: float = 34.0,
    widest: float = float("inf"),
) -> tuple[float, float]:
    """Places the vertices and routes the edges.

    Args:
      vertices: in the order that ties are broken by; their corners are set.
      edges: between them; their points are set, from tail to head.
      gap: least distance of neighbours in a row.
      row_gap: distance of rows.
      widest: a row of more than so much becomes several, one below the other.

    Returns:
      (width, height) of the whole.
    """
    linked = {v for e in edges for v in (e.tail, e.head)}
    main = [v for v in vertices if v in linked or v.pin]
    loose = [v for v in vertices if v not in linked and not v.pin]
    break_cycles(main, edges)
    _assign_ranks(main, edges)
    _wrap(main, gap, widest)
    pieces, chains = _cut(main, edges)
    rows = _rows([*main, *(v for chain in chains for v in chain)])
    _order(rows, pieces)
    _spread(rows, pieces, gap)
    bands = _stack(rows, row_gap)
    height = bands[-1][1] if bands else 0.0
    width = max((v.x + v.width for row in rows for v in row), default=0.0)
    for edge, chain in zip(edges, chains, strict=True):
        _route(edge, chain, bands)
    return _append_loose(loose, width, height, gap, widest)


def break_cycles(vertices: list[Vertex], edges: list[Edge]) -> None:
    """Turns round the edges that close a cycle, found by a depth-first walk, or that pins send upwards."""
    outgoing: dict[Vertex, list[Edge]] = {v: [] for v in vertices}
    for edge in edges:
        edge.reversed = edge.reversed or edge.tail.pin > 0 or edge.head.pin < 0
        outgoing[_ends(edge)[0]].append(edge)
    state: dict[Vertex, int] = {}
    for root in vertices:
        if root in state:
            continue
        state[root] = 1
        stack = [(root, iter(outgoing[root]))]
        while stack:
            vertex, rest = stack[-1]
            edge = next(rest, None)
            if edge is None:
                state[vertex] = 2
                stack.pop()
                continue
            lower = _ends(edge)[1]
            if state.get(lower) == 1:
                edge.reversed = not edge.reversed
            elif lower not in state:
                state[lower] = 1
                stack.append((lower, iter(outgoing[lower])))


def _ends(edge: Edge) -> tuple[Vertex, Vertex]:
    return (edge.head, edge.tail) if edge.reversed else (edge.tail, edge.head)


def _assign_ranks(vertices: list[Vertex], edges: list[Edge]) -> None:
    """Longest paths from above; then vertices with more users than inputs move down to their users."""
    below: dict[Vertex, list[Vertex]] = {v: [] for v in vertices}
    above: dict[Vertex, list[Vertex]] = {v: [] for v in vertices}
    for edge in edges:
        upper, lower = _ends(edge)
        if upper is not lower:
            below[upper].append(lower)
            above[lower].append(upper)
    waiting = {v: len(above[v]) for v in vertices}
    order = [v for v in vertices if not waiting[v]]
    first = 1 if any(v.pin < 0 for v in vertices) else 0
    for v in order:
        v.rank = 0 if v.pin < 0 else max([first, *(u.rank + 1 for u in above[v])])
        for w in below[v]:
            waiting[w] -= 1
            if not waiting[w]:
                order.append(w)
    for v in reversed(order):
        users = [w.rank for w in below[v] if not w.pin]
        if users and not v.pin and len(above[v]) < len(below[v]):
            v.rank = min(users) - 1
    last = max((v.rank for v in vertices if v.pin <= 0), default=0)
    for v in vertices:
        if v.pin > 0:
            v.rank = last + 1


def _wrap(vertices: list[Vertex], gap: float, widest: float) -> None:
    """Breaks rows that are too wide; no edge runs inside a row, so that all edges still point down."""
    added = 0
    for row in _rows(vertices):
        at = 0.0
        for v in row:
            if at and not v.pin and at + v.width > widest:
                added, at = added + 1, 0.0
            v.rank += added
            at += v.width + gap


def _cut(vertices: list[Vertex], edges: list[Edge]) -> tuple[list[_Piece], list[list[Vertex]]]:
    """Edges as pieces of one row each; for each edge the bends put in, from above."""
    pieces, chains = [], []
    for edge in edges:
        upper, lower = _ends(edge)
        upper_at, lower_at = (edge.head_at, edge.tail_at) if edge.reversed else (edge.tail_at, edge.head_at)
        chain = [Vertex(0.0, 0.0, rank=r, hidden=True) for r in range(upper.rank + 1, lower.rank)]
        chains.append(chain)
        line = [upper, *chain, lower]
        for i in range(len(line) - 1):
            weight = _STRAIGHT if line[i].hidden and line[i + 1].hidden else 1.0
            pieces.append(
                _Piece(
                    line[i],
                    line[i + 1],
                    upper_at if i == 0 else 0.0,
                    lower_at if i == len(line) - 2 else 0.0,
                    weight,
                )
            )
    return [p for p in pieces if p.upper.rank < p.lower.rank], chains


def _rows(vertices: list[Vertex]) -> list[list[Vertex]]:
    rows: list[list[Vertex]] = [[] for _ in range(max((v.rank for v in vertices), default=-1) + 1)]
    for v in vertices:
        v.index = len(rows[v.rank])
        rows[v.rank].append(v)
    return rows


def _order(rows: list[list[Vertex]], pieces: list[_Piece]) -> None:
    """Reorders each row to reduce crossings; keeps the best order seen."""
    up: dict[Vertex, list[tuple[Vertex, float, float]]] = {}
    down: dict[Vertex, list[tuple[Vertex, float, float]]] = {}
    for p in pieces:
        up.setdefault(p.lower, []).append((p.upper, p.upper_at, p.upper.width))
        down.setdefault(p.upper, []).append((p.lower, p.lower_at, p.lower.width))
    by_rank: list[list[_Piece]] = [[] for _ in rows]
    for p in pieces:
        by_rank[p.upper.rank].append(p)
    best, fewest = [list(row) for row in rows], _crossings(by_rank)
    if not fewest:
        return
    for sweep in range(_SWEEPS):
        neighbours = up if sweep % 2 == 0 else down
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wish = {
                v: sum(u.index + at / (w or 1.0) for u, at, w in found) / len(found)
                for v in row
                if (found := neighbours.get(v))
            }
            row.sort(key=lambda v: wish.get(v, float(v.index)))
            for i, v in enumerate(row):
                v.index = i
        count = _crossings(by_rank)
        if count < fewest:
            best, fewest = [list(row) for row in rows], count
    for row, kept in zip(rows, best, strict=True):
        row[:] = kept
        for i, v in enumerate(row):
            v.index = i


def _crossings(by_rank: list[list[_Piece]]) -> int:
    total = 0
    for pieces in by_rank:
        ends = sorted((p.upper.index, p.upper_at, p.lower.index, p.lower_at) for p in pieces)
        seen: list[tuple[int, float]] = []
        for *_, index, at in ends:
            total += len(seen) - bisect_right(seen, (index, at))
            insort(seen, (index, at))
    return total


def _spread(rows: list[list[Vertex]], pieces: list[_Piece], gap: float) -> None:
    """Sets every x: packed at first, then row after row towards its neighbours."""
    up: dict[Vertex, list[_Piece]] = {}
    down: dict[Vertex, list[_Piece]] = {}
    for p in pieces:
        up.setdefault(p.lower, []).append(p)
        down.setdefault(p.upper, []).append(p)
    for row in rows:
        at = 0.0
        for v in row:
            v.x = at
            at += v.width + (gap / 2 if v.hidden else gap)
    still = 0  # sweeps, one after the other, that moved nothing
    for sweep in range(_SWEEPS):
        if still >= 2 and sweep < _SWEEPS - 4:
            continue
        before = [v.x for row in rows for v in row]
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wishes, weights = [], []
            for v in row:
                above = [(p.upper.x + p.upper_at - p.lower_at, p.weight) for p in up.get(v, ())]
                below = [(p.lower.x + p.lower_at - p.upper_at, p.weight) for p in down.get(v, ())]
                if sweep >= _SWEEPS - 4:
                    pulls = above + below
                else:
                    pulls = (above or below) if sweep % 2 == 0 else (below or above)
                weight = sum(w for _, w in pulls)
                wishes.append(sum(x * w for x, w in pulls) / weight if weight else v.x)
                weights.append(weight or 0.01)
            for v, x in zip(row, _separate(row, wishes, weights, gap), strict=True):
                v.x = x
        still = still + 1 if before == [v.x for row in rows for v in row] else 0
    left = min((v.x for row in rows for v in row), default=0.0)
    for row in rows:
        for v in row:
            v.x -= left


def _separate(row: list[Vertex], wishes: list[float], weights: list[float], gap: float) -> list[float]:
    """The positions nearest to `wishes` that keep the order of `row` and the gaps: isotonic regression."""
    offsets, at = [], 0.0
    for i, v in enumerate(row):
        offsets.append(at)
        tight = v.hidden or (i + 1 < len(row) and row[i + 1].hidden)
        at += v.width + (gap / 2 if tight else gap)
    blocks: list[tuple[float, float, int]] = []  # (mean, weight, size)
    for wish, weight, offset in zip(wishes, weights, offsets, strict=True):
        mean, size = wish - offset, 1
        while blocks and blocks[-1][0] >= mean:
            before, heavy, count = blocks.pop()
            mean = (before * heavy + mean * weight) / (heavy + weight)
            weight, size = weight + heavy, size + count
        blocks.append((mean, weight, size))
    means = [mean for mean, _, size in blocks for _ in range(size)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _stack(rows: list[list[Vertex]], row_gap: float) -> list[tuple[float, float]]:
    """Sets every y; gives the top and bottom of each row. Rows of pins keep close to their neighbours."""
    bands: list[tuple[float, float]] = []
    y = 0.0
    for i, row in enumerate(rows):
        height = max((v.height for v in row), default=0.0)
        bands.append((y, y + height))
        for v in row:
            v.y = y if v.pin else y + (height - v.height) / 2
        following = rows[i + 1] if i + 1 < len(rows) else []
        close = all(v.pin < 0 for v in row) or all(v.pin > 0 for v in following)
        y += height + (row_gap / 2 if close else row_gap)
    return bands


def _route(edge: Edge, chain: list[Vertex], bands: list[tuple[float, float]]) -> None:
    """The points of an edge. Inside a row it runs straight down, past neighbours taller than its ends."""
    upper, lower = _ends(edge)
    upper_at, lower_at = (edge.head_at, edge.tail_at) if edge.reversed else (edge.tail_at, edge.head_at)
    start, end = upper.x + upper_at, lower.x + lower_at
    points = [(start, upper.y + upper.height), (start, bands[upper.rank][1])]
    for bend in chain:
        points += [(bend.x, bands[bend.rank][0]), (bend.x, bands[bend.rank][1])]
    points += [(end, bands[lower.rank][0]), (end, lower.y)]
    edge.points = points[::-1] if edge.reversed else points


def _append_loose(
    loose: list[Vertex], width: float, height: float, gap: float, widest: float
) -> tuple[float, float]:
    """Puts vertices without edges below the rest, in lines as wide as it or as a page."""
    if not loose:
        return width, height
    page = max(width, min(widest, 720.0))
    x, y, tall = 0.0, height + (gap if height else 0.0), 0.0
    for v in loose:
        if x and x + v.width > page:
            x, y, tall = 0.0, y + tall + gap, 0.0
        v.x, v.y = x, y
        x += v.width + gap
        width, tall = max(width, v.x + v.width), max(tall, v.height)
    return width, y + tall
