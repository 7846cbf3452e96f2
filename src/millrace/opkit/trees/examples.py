"""Where to split the nodes of a layer whose examples are all at hand: any number of features and logits.

The sums of a node's buckets are made and forgotten node by node, so that deep trees over many features need
no table of all nodes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from millrace.opkit.trees.dimensions import EQUAL, LEFT, RIGHT, Best
from millrace.opkit.trees.splits import Penalties, leaf_and_gain


class Layer(NamedTuple):
    """The examples that have come to the leaves of a tree.

    Attributes:
      nodes: `[n]` where each example is.
      gradients: `[n, k]`.
      hessians: `[n, k]`, or `[n, k * k]` for whole matrices.
      buckets: `[n, features]`; -1 where a value is missing.
    """

    nodes: np.ndarray
    gradients: np.ndarray
    hessians: np.ndarray
    buckets: np.ndarray


def best_of_layer(
    layer: Layer, allowed: np.ndarray, penalties: Penalties, equality: bool
) -> list[tuple[int, Best]]:
    """The best split of each node that is heavy enough.

    Args:
      layer: the examples.
      allowed: `[features]` which may be asked.
      penalties: all of them count.
      equality: ask for one bucket instead of a range.
    """
    features = np.flatnonzero(allowed)
    values = np.concatenate([layer.gradients, layer.hessians], axis=1).astype(np.float64)
    found: list[tuple[int, Best]] = []
    if not len(features):
        return found
    order = np.argsort(layer.nodes, kind="stable")
    nodes, starts = np.unique(layer.nodes[order], return_index=True)
    for node, rows in zip(nodes.tolist(), np.split(order, starts[1:]), strict=True):
        chosen = layer.buckets[rows][:, features]
        best = _best_of_node(values[rows], chosen, layer.gradients.shape[1], penalties, equality)
        if best is not None:
            found.append((node, best._replace(dimension=int(features[best.dimension]))))
    return found


def _best_of_node(
    values: np.ndarray, buckets: np.ndarray, logits: int, penalties: Penalties, equality: bool
) -> Best | None:
    total = values.sum(axis=0)
    if np.linalg.norm(total[logits:]) < penalties.least:
        return None
    _, parent = _leaves(total, logits, penalties)
    best: Best | None = None
    for kind, thresholds, left in _sides(values, buckets, equality):
        first, gain = _leaves(left, logits, penalties)
        second, other = _leaves(total - left, logits, penalties)
        gains = np.where(thresholds < 0, -np.inf, gain + other)
        place = np.unravel_index(np.argmax(gains), gains.shape)
        if gains[place] > (-np.inf if best is None else best.gain):
            threshold = int(np.broadcast_to(thresholds, gains.shape)[place])
            best = Best(float(gains[place]), int(place[0]), threshold, first[place], second[place], kind)
    return best and best._replace(gain=best.gain - float(parent) - float(penalties.complexity))


def _sides(values: np.ndarray, buckets: np.ndarray, equality: bool) -> Any:
    """What may go to the left, as triples of a kind, thresholds and `[features, candidates, k]` sums.

    Thresholds are broadcast to features and candidates; one below 0 is not a candidate.
    """
    if equality:  # identifiers may be large: count their places among those that occur
        names, places = np.unique(buckets, return_inverse=True)
        sums = _sums(values, np.where(buckets < 0, -1, places.reshape(buckets.shape)))
        yield EQUAL, names[: sums.shape[1] - 1], sums[:, :-1]
        return
    if len(values) <= buckets.max(initial=0):
        thresholds, running, missing = _running_examples(values, buckets)
    else:
        sums = _sums(values, buckets)
        thresholds, missing = np.arange(sums.shape[1] - 1), sums[:, -1:]
        running = np.cumsum(sums[:, :-1], axis=1) + missing
    yield LEFT, thresholds, running
    if missing.any():
        yield RIGHT, thresholds, running - missing


def _running_examples(values: np.ndarray, buckets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For a node of few examples: thresholds `[features, n]` and the sums up to each, missing values first,
    and those of missing values.
    """
    order = np.argsort(buckets, axis=0, kind="stable")
    thresholds = np.take_along_axis(buckets, order, axis=0).T
    running = np.cumsum(values[order.T], axis=1)
    before = np.sum(thresholds < 0, axis=1)
    missing = np.where(before[:, None] > 0, running[np.arange(len(running)), before - 1], 0.0)[:, None]
    inner = thresholds[:, :-1] == thresholds[:, 1:]  # more of the same bucket follow
    thresholds = np.concatenate([np.where(inner, -1, thresholds[:, :-1]), thresholds[:, -1:]], axis=1)
    return thresholds, running, missing


def _sums(values: np.ndarray, buckets: np.ndarray) -> np.ndarray:
    """`[features, buckets + 1, k]` sums of each bucket, the last for missing values."""
    features, count = buckets.shape[1], int(buckets.max(initial=0)) + 2
    places = (np.where(buckets < 0, count - 1, buckets) + count * np.arange(features)).ravel()
    columns = [np.bincount(places, np.repeat(column, features), features * count) for column in values.T]
    return np.stack(columns, axis=-1).reshape(features, count, -1)


def _leaves(sums: np.ndarray, logits: int, penalties: Penalties) -> tuple[np.ndarray, np.ndarray]:
    """The best leaves `[..., logits]` of nodes, and what each gains."""
    gradients, hessians = sums[..., :logits], sums[..., logits:]
    if hessians.shape[-1] == logits:
        leaves, gains = leaf_and_gain(gradients, hessians, penalties)
        return leaves, gains.sum(axis=-1)
    matrices = hessians.reshape(*hessians.shape[:-1], logits, logits) + penalties.l2 * np.eye(logits)
    shrunk = np.sign(gradients) * np.maximum(np.abs(gradients) - penalties.l1, 0)
    leaves = -(np.linalg.pinv(matrices, hermitian=True) @ shrunk[..., None])[..., 0]
    return leaves.astype(np.float32), -np.sum(shrunk * leaves, axis=-1)
