"""Operations of clustering: the nearest of several centres, and first centres."""

from __future__ import annotations

import numpy as np

from millrace.core.errors import refusal
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.random.philox import initial_state
from millrace.opkit.random.stream import WordStream
from millrace.opkit.rules.shape_rules import with_rank


def _distances(points: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """The squared distance of each point from each centre, by way of products as TensorFlow computes it."""
    halves = 0.5 * np.sum(np.square(centers), axis=1)
    cross = points @ centers.T
    squares = np.sum(np.square(points), axis=1, keepdims=True)
    return 2 * (halves - cross) + squares


@declare(
    "NearestNeighbors(points: float, centers: float, k: int64) -> nearest_center_indices: int64, "
    "nearest_center_distances: float",
    host=True,
)
class NearestNeighbors:
    """The k centres nearest to each point, and how far they are, squared."""

    def shape(points, centers, k):
        rows = with_rank(points, 2, "points")
        with_rank(centers, 2, "centers")
        return [(rows[0], None), (rows[0], None)]  # type: ignore[index]

    def kernel(xp, points, centers, k):
        if points.ndim != 2 or centers.ndim != 2 or points.shape[1] != centers.shape[1]:
            raise refusal(
                f"points and centers must be matrices of one width. Received: shapes {list(points.shape)} "
                f"and {list(centers.shape)}"
            )
        if int(k) < 1:
            raise refusal(f"k must be positive. Received: {int(k)}")
        count = min(int(k), len(centers))
        distances = _distances(points, centers).astype(np.float32)
        order = np.argsort(distances, axis=1, kind="stable")[:, :count]
        return order.astype(np.int64), np.take_along_axis(distances, order, 1)

    grad = NOT_DIFFERENTIABLE


@declare(
    "KmeansPlusPlusInitialization(points: float, num_to_sample: int64, seed: int64, "
    "num_retries_per_sample: int64) -> samples: float",
    host=True,
)
class KmeansPlusPlusInitialization:
    """Points drawn one after the other, the likelier the farther they are from those before."""

    def shape(points, num_to_sample, seed, num_retries_per_sample):
        rows = with_rank(points, 2, "points")
        return None, rows[1]  # type: ignore[index]

    def kernel(xp, points, num_to_sample, seed, num_retries_per_sample):
        count, retries = int(num_to_sample), int(num_retries_per_sample)
        if not 0 < count <= len(points):
            raise refusal(f"Expected num_to_sample in (0, {len(points)}]. Received: {count}")
        retries = 2 + int(np.log(count)) if retries < 0 else retries
        return _plus_plus(points, count, WordStream(initial_state(int(seed), 0)), retries)

    grad = NOT_DIFFERENTIABLE


def _plus_plus(points: np.ndarray, count: int, random: WordStream, retries: int) -> np.ndarray:
    """The chosen points; of several candidates for each the one that lowers the distances most."""
    chosen = [random.word64() % len(points)]
    nearest = np.full(len(points), np.inf, np.float32)
    latest = chosen[0]
    while len(chosen) < count:
        nearest = np.minimum(nearest, _from(points, latest))
        total = float(np.sum(nearest, dtype=np.float64))
        best, best_total = -1, np.inf
        for _ in range(retries + 1):
            candidate = _drawn(nearest, random.float64() * total)
            after = float(np.minimum(nearest, _from(points, candidate)).sum(dtype=np.float64))
            if after < best_total:
                best, best_total = candidate, after
        latest = best
        chosen.append(latest)
    return points[chosen]


def _from(points: np.ndarray, place: int) -> np.ndarray:
    return np.sum(np.square(points - points[place]), axis=1)


def _drawn(weights: np.ndarray, mark: float) -> int:
    """The first place at which the sum of the weights reaches a mark."""
    sums = np.cumsum(weights, dtype=np.float64)
    return int(min(np.searchsorted(sums, mark), len(weights) - 1))


@declare("KMC2ChainInitialization(distances: float, seed: int64) -> index: int64", host=True)
class KMC2ChainInitialization:
    """The end of a Markov chain over points that prefers those far from the centres."""

    def shape(distances, seed):
        return ()

    def kernel(xp, distances, seed):
        if distances.ndim != 1 or not len(distances):
            raise refusal(f"distances must be a vector. Received: shape {list(distances.shape)}")
        random = WordStream(initial_state(int(seed), 0))
        here, at = float(distances[0]), 0
        for i, there in enumerate(distances.tolist()[1:], 1):
            if here == 0 or there / here > random.float32():
                here, at = there, i
        return np.int64(at)

    grad = NOT_DIFFERENTIABLE
