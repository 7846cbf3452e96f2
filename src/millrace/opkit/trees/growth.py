"""How ensembles grow: layers of splits, leaves that are pruned away, and a bias before the first tree."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from millrace.core.errors import refusal
from millrace.opkit.trees.ensemble import Ensemble, Leaf, Node, Split, Tree
from millrace.opkit.trees.splits import Penalties, leaf_and_gain

NO_PRUNING, PRE_PRUNING, POST_PRUNING = range(3)
_SMALL_CHANGE = np.float32(0.01)


class Candidate(NamedTuple):
    """A split that a node might get.

    Attributes:
      gain: what it gains.
      split: the question; its children are not known yet.
      left, right: `[k]` what the children add to the node's leaf.
    """

    gain: np.float32
    split: Split
    left: np.ndarray
    right: np.ndarray


def best_candidates(candidates: Any) -> dict[int, Candidate]:
    """The candidate of each node with the largest gain, by node; of equals the first.

    Args:
      candidates: pairs of a node's number and a `Candidate`.
    """
    found: dict[int, Candidate] = {}
    for node, candidate in candidates:
        best = found.get(node)
        if best is None or candidate.gain > best.gain:
            found[node] = candidate
    return dict(sorted(found.items()))


def grow(ensemble: Ensemble, best: dict[int, Candidate], max_depth: int, rate: float, pruning: int) -> None:
    """Grows one layer; a tree of `max_depth` layers is finished, and the next begins.

    Args:
      ensemble: is changed.
      best: the split of each node that gets one.
      max_depth: of trees.
      rate: what the changes of leaves are multiplied by.
      pruning: `PRE_PRUNING` leaves splits of negative gain out, `POST_PRUNING` takes them back when a tree is
        finished.
    """
    fresh = not ensemble.trees or ensemble.trees[-1].is_finished
    tree = ensemble.add_tree() if fresh else ensemble.trees[-1]
    if pruning == PRE_PRUNING:
        best = {node: candidate for node, candidate in best.items() if candidate.gain >= 0}
    wrong = [node for node in best if not (0 <= node < len(tree.nodes) and tree.nodes[node].split is None)]
    if wrong:
        raise refusal(f"Only leaves of the last tree may be split. Received: nodes {wrong}")
    if not tree.layers:
        ensemble.trees_tried += 1
    ensemble.layers_tried += 1
    ensemble.stamp += 1
    start = len(tree.nodes)
    for node, candidate in best.items():
        _split(tree, node, candidate, np.float32(rate))
    ensemble.is_grown = True
    if not best:
        return
    tree.layers += 1
    ensemble.last_layer = (start, len(tree.nodes))
    if tree.layers >= max_depth:
        tree.is_finished = True
        if pruning == POST_PRUNING:
            prune(tree)
        ensemble.add_tree()
        ensemble.last_layer = (0, 1)


def _split(tree: Tree, number: int, candidate: Candidate, rate: np.float32) -> None:
    node = tree.nodes[number]
    leaf: Any = node.leaf
    if number or leaf.any():
        node.original = leaf
    node.leaf, node.gain = None, float(candidate.gain)
    left = len(tree.nodes)
    candidate.split.left, candidate.split.right = left, left + 1
    node.split = candidate.split
    for change in (candidate.left, candidate.right):
        tree.nodes.append(Node(leaf=leaf + rate * change))


def prune(tree: Tree) -> None:
    """Takes splits of negative gain back that have only leaves below them, from the bottom up.

    Where anything is taken back, the tree remembers for each node which one it has become, for examples that
    know only the old number.
    """
    gone: dict[int, tuple[int, Leaf]] = {}
    _prune_below(tree, 0, gone)
    if not gone:
        return
    kept = [number for number in range(len(tree.nodes)) if number not in gone]
    renamed = {number: place for place, number in enumerate(kept)}
    tree.pruned = []
    for number in range(len(tree.nodes)):
        change = np.zeros_like(_own_leaf(tree.nodes[0]))
        while number in gone:
            number, step = gone[number]
            change = change + step
        tree.pruned.append((renamed[number], change))
    nodes = [tree.nodes[number] for number in kept]
    for node in nodes:
        if node.split:
            node.split.left, node.split.right = renamed[node.split.left], renamed[node.split.right]
    tree.nodes = nodes


def _own_leaf(node: Node) -> Leaf:
    leaf = node.original if node.leaf is None else node.leaf
    return np.zeros(1, np.float32) if leaf is None else leaf


def _prune_below(tree: Tree, number: int, gone: dict[int, tuple[int, Leaf]]) -> None:
    node = tree.nodes[number]
    split = node.split
    if split is None:
        return
    _prune_below(tree, split.left, gone)
    _prune_below(tree, split.right, gone)
    children = [tree.nodes[split.left].leaf, tree.nodes[split.right].leaf]
    if node.gain is None or node.gain >= 0 or any(leaf is None for leaf in children):
        return
    own = _own_leaf(node)
    for child, leaf in zip((split.left, split.right), children, strict=True):
        gone[child] = (number, own - leaf)
    node.leaf, node.split, node.gain, node.original = own, None, None, None


def center(ensemble: Ensemble, gradients: np.ndarray, hessians: np.ndarray, l1: float, l2: float) -> bool:
    """Moves the root of the first tree towards the bias; whether it should be moved again.

    Args:
      ensemble: is changed.
      gradients: `[1, k]` mean gradients.
      hessians: `[1, k]` mean Hessians.
      l1, l2: of leaves.
    """
    penalties = Penalties(np.float32(l1), np.float32(l2), np.float32(0), np.float32(0))
    change, _ = leaf_and_gain(gradients[0], hessians[0], penalties)
    root = (ensemble.trees or [ensemble.add_tree(np.zeros_like(change))])[0].nodes[0]
    before: Any = root.leaf
    root.leaf = before + change
    ensemble.stamp += 1
    with np.errstate(divide="ignore", invalid="ignore"):
        return bool(np.any(np.abs(change / before) > _SMALL_CHANGE))
