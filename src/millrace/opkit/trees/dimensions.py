"""Splits by features of several dimensions, for one logit or more: the newer form of boosted trees.

The last bucket of each dimension is that of missing values, which a split sends to one side as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from millrace.opkit.trees.splits import Penalties, leaf_and_gain

LEFT, RIGHT, EQUAL = b"INEQUALITY_DEFAULT_LEFT", b"INEQUALITY_DEFAULT_RIGHT", b"EQUALITY_DEFAULT_RIGHT"
_TINY = 1e-15


class Best(NamedTuple):
    """The best split of a node.

    Attributes:
      gain: what it gains.
      dimension: of the feature.
      threshold: the last bucket to the left, or the only one.
      left, right: `[k]` leaves.
      kind: `LEFT`, `RIGHT` or `EQUAL`.
    """

    gain: float
    dimension: int
    threshold: int
    left: np.ndarray
    right: np.ndarray
    kind: bytes


def aggregated(
    node_ids: np.ndarray, values: np.ndarray, features: np.ndarray, nodes: int, buckets: int
) -> np.ndarray:
    """Sums of each node, dimension and bucket, `[nodes, dimensions, buckets + 1, k]`.

    Args:
      node_ids: `[batch]`.
      values: `[batch, k]` what is added up.
      features: `[batch, dimensions]` buckets; -1 where the value is missing.
      nodes, buckets: how many.
    """
    dimensions = features.shape[1]
    sums = np.zeros((nodes, dimensions, buckets + 1, values.shape[1]), np.float32)
    places = np.where(features < 0, buckets, features)
    for dimension in range(dimensions):
        where: tuple[np.ndarray, ...] = (
            node_ids,
            np.full_like(node_ids, dimension),
            places[:, dimension],
        )
        np.add.at(sums, where, values)  # type: ignore[arg-type]
    return sums


def _leaf(sums: np.ndarray, logits: int, penalties: Penalties) -> tuple[np.ndarray, float]:
    """The best leaf `[logits]` of a node whose sums are given, and what it gains."""
    gradients, hessians = sums[:logits], sums[logits:]
    if len(hessians) <= logits:
        leaf, gain = leaf_and_gain(gradients, hessians, penalties)
        return leaf, float(np.sum(gain, dtype=np.float32))
    matrix = hessians.reshape(logits, logits) + penalties.l2 * np.eye(logits, dtype=np.float32)
    if not matrix.any():
        return np.zeros(logits, np.float32), 0.0
    leaf = -np.linalg.lstsq(matrix.astype(np.float64), gradients.astype(np.float64), rcond=None)[0]
    return leaf.astype(np.float32), float(-gradients @ leaf)


def _candidates(sums: np.ndarray, equality: bool, present: np.ndarray | None) -> Iterator[tuple]:
    """What may go to the left, as (dimension, bucket, kind, sums)."""
    for dimension, row in enumerate(sums):
        left, missing = np.zeros_like(row[0]), row[-1]
        for bucket, here in enumerate(row[:-1]):
            left = left + here
            if present is not None and not present[dimension, bucket]:
                continue
            if equality:
                yield dimension, bucket, EQUAL, here
                continue
            both = (dimension, bucket, LEFT, left + missing), (dimension, bucket, RIGHT, left)
            yield from both if present is None else both[::-1]


def best_of_node(
    sums: np.ndarray,
    logits: int,
    penalties: Penalties,
    equality: bool = False,
    present: np.ndarray | None = None,
) -> Best | None:
    """The best split of one node; None where it is not heavy enough or there is none.

    Args:
      sums: `[dimensions, buckets + 1, k]`.
      logits: how many gradients each sum begins with; Hessians follow, one for each or a matrix.
      penalties: all of them count.
      equality: ask for one bucket instead of a range.
      present: `[dimensions, buckets]`, which buckets are looked at; default, all.
    """
    totals = np.asarray(np.sum(sums, axis=1, dtype=np.float32))
    if np.linalg.norm(totals[0, logits:]) < penalties.least:
        return None
    if logits > 1:
        penalties = penalties._replace(l1=np.float32(0))  # as in TensorFlow, which has none here
    _, parent = _leaf(totals[0], logits, penalties)
    best: Best | None = None
    for dimension, bucket, kind, left in _candidates(sums, equality, present):
        (first, gain), (second, other) = (
            _leaf(part, logits, penalties) for part in (left, totals[dimension] - left)
        )
        if best is None or gain + other - best.gain >= _TINY:
            best = Best(gain + other, dimension, bucket, first, second, kind)
    return best and best._replace(gain=best.gain - parent - float(penalties.complexity))


def columns_of(found: Sequence[tuple[int, Best]], logits: int) -> tuple[np.ndarray, ...]:
    """The best splits of some nodes as arrays: nodes, gains, dimensions, thresholds, leaves, kinds."""
    kinds = np.empty(len(found), object)
    kinds[:] = [best.kind for _, best in found]
    return (
        np.array([node for node, _ in found], np.int32),
        np.array([best.gain for _, best in found], np.float32),
        np.array([best.dimension for _, best in found], np.int32),
        np.array([best.threshold for _, best in found], np.int32),
        np.array([best.left for _, best in found], np.float32).reshape(-1, logits),
        np.array([best.right for _, best in found], np.float32).reshape(-1, logits),
        kinds,
    )
