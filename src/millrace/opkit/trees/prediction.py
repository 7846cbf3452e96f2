"""What ensembles say of examples: all of it, what is new since the last look, and how it came about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from millrace.core import protos
from millrace.core.errors import refusal
from millrace.opkit.trees.ensemble import Ensemble, Tree


def feature_table(features: Sequence[np.ndarray]) -> np.ndarray:
    """`[batch, features, dimensions]` buckets; features of fewer dimensions are filled up with -1.

    Args:
      features: `[batch]` or `[batch, dimensions]` each.

    Raises:
      InvalidArgumentError: they tell of different numbers of examples.
    """
    columns = [f[:, None] if f.ndim == 1 else f for f in map(np.asarray, features)]
    sizes = {c.shape[0] if c.ndim else None for c in columns}
    if len(sizes) != 1 or any(c.ndim != 2 for c in columns):
        shapes = [list(np.shape(f)) for f in features]
        raise refusal(f"Features must be vectors or matrices of one batch size. Received: shapes {shapes}")
    width = max(c.shape[1] for c in columns)
    table = np.full((columns[0].shape[0], len(columns), width), -1, np.int64)
    for place, column in enumerate(columns):
        table[:, place, : column.shape[1]] = column
    return table


def descend(
    tree: Tree, table: np.ndarray, nodes: np.ndarray, path: list[np.ndarray] | None = None
) -> np.ndarray:
    """The leaves that examples reach.

    Args:
      tree: the tree.
      table: from `feature_table`.
      nodes: `[batch]` where each example starts.
      path: gets the nodes at each step.

    Raises:
      InvalidArgumentError: the tree asks for a feature that is not there.
    """
    feature, threshold, dimension, left, right, equality, missing = tree.arrays()
    if feature.max(initial=-1) >= table.shape[1] or dimension.max(initial=0) >= table.shape[2]:
        raise refusal(
            f"The trees ask for feature {feature.max()}, dimension {dimension.max()}. "
            f"Received: {table.shape[1]} features of {table.shape[2]} dimensions"
        )
    rows, nodes = np.arange(len(nodes)), nodes.copy()
    while True:
        if path is not None:
            path.append(nodes.copy())
        inner = np.flatnonzero(feature[nodes] >= 0)
        if not len(inner):
            return nodes
        at = nodes[inner]
        buckets = table[rows[inner], feature[at], dimension[at]]
        goes_left = np.where(equality[at], buckets == threshold[at], buckets <= threshold[at])
        goes_left = np.where((buckets < 0) & (equality[at] == 0), missing[at] == 0, goes_left)
        nodes[inner] = np.where(goes_left, left[at], right[at])


def predict(ensemble: Ensemble, table: np.ndarray, width: int) -> np.ndarray:
    """The logits `[batch, width]` of examples."""
    return predict_weighted(ensemble, table, width, np.ones(len(ensemble.trees), np.float32))[0]


def predict_weighted(
    ensemble: Ensemble, table: np.ndarray, width: int, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The logits of examples by trees that count `weights` times, and the leaves that they reach.

    Args:
      ensemble: the trees.
      table: from `feature_table`.
      width: how many logits an example has.
      weights: of the first trees; others count for nothing.

    Returns:
      `[batch, width]` float32 and `[batch, trees]` int32.
    """
    logits = np.zeros((len(table), width), np.float32)
    leaves = np.zeros((len(table), len(ensemble.trees)), np.int32)
    for number, tree in enumerate(ensemble.trees):
        ends = leaves[:, number] = descend(tree, table, np.zeros(len(table), np.int64))
        if number < len(weights) and weights[number]:
            logits += np.float32(weights[number] * tree.weight) * tree.leaves(width)[ends]
    return logits, leaves


def predict_news(
    ensemble: Ensemble, table: np.ndarray, width: int, tree_ids: np.ndarray, node_ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the logits of examples change by since each example's last look, and where it has got to.

    Args:
      ensemble: the trees.
      table: from `feature_table`.
      width: how many logits an example has.
      tree_ids: `[batch]` the tree of each example's last look.
      node_ids: `[batch]` the node, or -1 for none yet.

    Returns:
      The change `[batch, width]`, trees and nodes.
    """
    change = np.zeros((len(table), width), np.float32)
    last = len(ensemble.trees) - 1
    if last < 0:
        return change, np.zeros_like(tree_ids), np.zeros_like(node_ids)
    if len(tree_ids) and not (tree_ids.min() >= 0 and tree_ids.max() <= last):
        raise refusal(f"cached_tree_ids must be in [0, {last}]. Received: {tree_ids.tolist()}")
    ends = np.zeros(len(table), np.int64)
    for number in range(int(tree_ids.min(initial=last)), last + 1):
        tree = ensemble.trees[number]
        rows = np.flatnonzero(tree_ids <= number)
        resumed = tree_ids[rows] == number
        starts = np.where(resumed, node_ids[rows], -1).astype(np.int64)
        known = starts >= 0
        leaves = tree.leaves(width)
        part = np.zeros((len(rows), width), np.float32)
        if tree.pruned:
            places, moves = (np.array(column) for column in zip(*tree.pruned, strict=True))
            part[known] += moves[starts[known]]
            starts[known] = places[starts[known]]
        part[known] -= leaves[starts[known]]
        reached = descend(tree, table[rows], np.maximum(starts, 0))
        part += leaves[reached]
        change[rows] += np.float32(tree.weight) * part
        ends[rows] = reached
    return change, np.full_like(tree_ids, last), ends.astype(node_ids.dtype)


def explanations(ensemble: Ensemble, table: np.ndarray) -> np.ndarray:
    """For each example a serialized `DebugOutput`: the features that were asked on its way, and the logit
    after each.
    """
    told = [protos.DebugOutput() for _ in range(len(table))]
    sums = np.zeros(len(table), np.float32)
    for number, tree in enumerate(ensemble.trees):
        path: list[np.ndarray] = []
        descend(tree, table, np.zeros(len(table), np.int64), path)
        leaves = np.float32(tree.weight) * tree.leaves(1)[:, 0]
        for row, message in enumerate(told):
            steps = list(dict.fromkeys(int(step[row]) for step in path))
            message.feature_ids.extend(s.feature for node in steps if (s := tree.nodes[node].split))
            message.logits_path.extend(sums[row] + leaves[node] for node in steps[bool(number) :])
            sums[row] += leaves[path[-1][row]]
    out = np.empty(len(told), object)
    out[:] = [message.SerializeToString() for message in told]
    return out
