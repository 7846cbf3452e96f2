"""Layered layout: nothing overlaps, edges point down, the same graph gives the same picture."""

import itertools
import random

import pytest

from millrace.drawing.layout import Edge, Vertex, arrange


def some_graph(seed, size=30, cyclic=False):
    rng = random.Random(seed)
    vertices = [Vertex(rng.uniform(20, 120), rng.uniform(20, 60)) for _ in range(size)]
    edges = []
    for _ in range(size * 3 // 2):
        i, j = rng.sample(range(size), 2)
        tail, head = (vertices[i], vertices[j]) if cyclic or i < j else (vertices[j], vertices[i])
        edges.append(Edge(tail, head, tail.width / 2, head.width / 2))
    return vertices, edges


def overlap(a, b):
    apart_x = a.x + a.width <= b.x + 1e-6 or b.x + b.width <= a.x + 1e-6
    apart_y = a.y + a.height <= b.y + 1e-6 or b.y + b.height <= a.y + 1e-6
    return not (apart_x or apart_y)


@pytest.mark.parametrize("cyclic", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_nothing_overlaps_and_all_is_inside(seed, cyclic):
    vertices, edges = some_graph(seed, cyclic=cyclic)
    width, height = arrange(vertices, edges)
    assert not [1 for a, b in itertools.combinations(vertices, 2) if overlap(a, b)]
    for v in vertices:
        assert -1e-6 <= v.x <= width - v.width + 1e-6
        assert -1e-6 <= v.y <= height - v.height + 1e-6
    for edge in edges:
        xs = [x for x, _ in edge.points]
        assert min(xs) >= -1e-6
        assert edge.points[0][0] == pytest.approx(edge.tail.x + edge.tail_at)
        assert edge.points[-1][0] == pytest.approx(edge.head.x + edge.head_at)


@pytest.mark.parametrize("seed", range(4))
def test_edges_of_an_acyclic_graph_point_down(seed):
    vertices, edges = some_graph(seed)
    arrange(vertices, edges)
    for edge in edges:
        assert not edge.reversed
        assert [y for _, y in edge.points] == sorted(y for _, y in edge.points)


def test_a_chain_is_straight():
    vertices = [Vertex(40 + 10 * i, 20) for i in range(5)]
    edges = [Edge(a, b, a.width / 2, b.width / 2) for a, b in itertools.pairwise(vertices)]
    arrange(vertices, edges)
    assert len({round(v.x + v.width / 2, 3) for v in vertices}) == 1


def test_pins_and_loose_vertices():
    top, middle, bottom, alone = (Vertex(30, 20) for _ in range(4))
    top.pin, bottom.pin = -1, 1
    arrange([alone, bottom, middle, top], [Edge(top, middle, 15, 15), Edge(middle, bottom, 15, 15)])
    assert top.y < middle.y < bottom.y < alone.y


def test_empty_and_single():
    assert arrange([], []) == (0, 0)
    assert arrange([Vertex(30, 20)], []) == (30, 20)


def test_the_same_every_time():
    first, second = some_graph(3), some_graph(3)
    assert arrange(*first) == arrange(*second)
    assert [(v.x, v.y) for v in first[0]] == [(v.x, v.y) for v in second[0]]
