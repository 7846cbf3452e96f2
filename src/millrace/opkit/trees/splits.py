"""Where to split the nodes of boosted trees: sums of gradients, and the gain of each candidate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from millrace.core.errors import refusal

_TINY = np.float32(1e-15)
_FINE = 1e-7  # below it, neighbours in float32 may be closer than `_TINY`


class Penalties(NamedTuple):
    """What keeps trees small.

    Attributes:
      l1: of the absolute value of a leaf.
      l2: of its square.
      complexity: of each split.
      least: the least sum of Hessians of a node that may be split.
    """

    l1: np.float32
    l2: np.float32
    complexity: np.float32
    least: np.float32


class Splits(NamedTuple):
    """The best split of some nodes by one feature, a row for each node.

    Attributes:
      nodes: `[n]` which nodes.
      gains: `[n]` what each split gains.
      dimensions: `[n]` which dimension of the feature splits.
      thresholds: `[n]` the last bucket that goes to the left.
      left: `[n, k]` the leaf to the left.
      right: `[n, k]` the leaf to the right.
    """

    nodes: np.ndarray
    gains: np.ndarray
    dimensions: np.ndarray
    thresholds: np.ndarray
    left: np.ndarray
    right: np.ndarray


def leaf_and_gain(
    gradients: np.ndarray, hessians: np.ndarray, penalties: Penalties
) -> tuple[np.ndarray, np.ndarray]:
    """The best value of leaves, and what it gains, element by element.

    Args:
      gradients: sums of gradients.
      hessians: sums of second derivatives.
      penalties: l1 and l2 count here.
    """
    shrunk = gradients
    if penalties.l1 > 0:
        shrunk = np.sign(gradients) * np.maximum(np.abs(gradients) - penalties.l1, np.float32(0))
    below = hessians + penalties.l2
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where(below <= _TINY, np.float32(0), -shrunk / below).astype(np.float32)
    return weights, (-shrunk * weights).astype(np.float32)


def sums_by_bucket(
    node_ids: np.ndarray,
    gradients: np.ndarray,
    hessians: np.ndarray,
    features: Sequence[np.ndarray],
    *shape: int,
) -> np.ndarray:
    """Sums of gradients and Hessians of each feature, node and bucket.

    Quantiles may have one boundary more than there are buckets. What falls beyond the last bucket of a node
    counts in the first of the next, as in TensorFlow 1.15; what falls beyond the last node counts nowhere,
    where TensorFlow writes into memory that is not its own.

    Args:
      node_ids: `[batch]`.
      gradients: `[batch, 1]`.
      hessians: `[batch, 1]`.
      features: `[batch]` buckets of each.
      *shape: how many nodes and buckets there are.

    Returns:
      `[features, nodes, buckets, 2]` float32.
    """
    nodes, buckets = shape
    _check_places(node_ids, nodes, "node_ids")
    places = np.stack([feature_places(feature, node_ids, buckets) for feature in features])
    places += nodes * buckets * np.arange(len(features))[:, None]
    count = len(features) * nodes * buckets
    inside = places < count
    sums = [
        np.bincount(places[inside], np.broadcast_to(parts[:, 0], places.shape)[inside], count)
        for parts in (gradients, hessians)
    ]  # in double precision, as TensorFlow adds them up
    return np.stack(sums, axis=-1).astype(np.float32).reshape(len(features), nodes, buckets, 2)


def feature_places(buckets: np.ndarray, node_ids: np.ndarray, count: int) -> np.ndarray:
    """Where the sums of each example's node and bucket lie, of `count` buckets each.

    Raises:
      InvalidArgumentError: a bucket is negative.
    """
    if buckets.min(initial=0) < 0:
        raise refusal(f"Buckets must not be negative. Received: {buckets.min()}")
    return node_ids.astype(np.int64) * count + buckets


def _check_places(places: np.ndarray, limit: int, what: str) -> None:
    if len(places) and not (places.min() >= 0 and places.max() < limit):
        raise refusal(f"{what} must be in [0, {limit}). Received: {places.min()} to {places.max()}")


def _best_places(gains: np.ndarray) -> np.ndarray:
    """The place of each row's largest gain; where gains differ by less than 1e-15, the first counts."""
    places = np.argmax(gains, axis=1)
    for row in np.flatnonzero(gains.max(axis=1) < _FINE):
        best, places[row] = gains[row, 0], 0
        for place, gain in enumerate(gains[row].tolist()):
            if gain - best >= _TINY:
                best, places[row] = gain, place
    return places


def best_splits(node_range: Sequence[int], sums: np.ndarray, penalties: Penalties) -> Splits:
    """The best split of each node in a range, of those that are heavy enough; of equals the first.

    Args:
      node_range: the first node, and the one behind the last.
      sums: `[nodes, buckets, 2]`, of gradients and of Hessians.
      penalties: all of them count.
    """
    first, last = (int(n) for n in node_range)
    running = np.cumsum(sums[first:last], axis=1, dtype=np.float32)
    total = running[:, -1]
    left, left_gain = leaf_and_gain(running[:, :, 0], running[:, :, 1], penalties)
    rest = total[:, None] - running
    right, right_gain = leaf_and_gain(rest[:, :, 0], rest[:, :, 1], penalties)
    _, parent = leaf_and_gain(total[:, 0], total[:, 1], penalties)
    together = left_gain + right_gain
    places = _best_places(together)
    heavy = np.flatnonzero(total[:, 1] >= penalties.least)
    at = (heavy, places[heavy])
    return Splits(
        nodes=(heavy + first).astype(np.int32),
        gains=together[at] - parent[heavy] - penalties.complexity,
        dimensions=np.zeros(len(heavy), np.int32),
        thresholds=places[heavy].astype(np.int32),
        left=left[at][:, None],
        right=right[at][:, None],
    )
