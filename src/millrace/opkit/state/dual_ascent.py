"""Stochastic dual coordinate ascent: Shalev-Shwartz and Zhang, JMLR 14 (2013).

A linear model `w` minimizes the losses of weighted examples, `sum c φ(x·w)`, plus `l1 |w| + l2/2 |w|²`. Each
example has one dual variable `a`; `l2 w` is the sum of all `c a x`, up to shrinking. A step looks at one
example and sets its dual variable to the best value with all others fixed, a problem in one unknown.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from millrace.core.errors import refusal
from millrace.opkit.random.philox import initial_state
from millrace.opkit.random.stream import WordStream


class Loss:
    """One loss: its value, the value of its conjugate, and the best dual variable.

    Labels are as `label` gives them: -1 or 1 for classes.
    """

    def label(self, given: float) -> float:
        """The label as the formulas take it.

        Raises:
          InvalidArgumentError: the loss is not made for it.
        """
        if given not in (0.0, 1.0):
            raise refusal(
                f"Only labels of 0.0 or 1.0 are supported right now. Found example with label: {given:g}"
            )
        return 1.0 if given == 1.0 else -1.0

    def primal(self, y: float, z: float) -> float:
        """The loss of an example with label `y` where the model says `z`."""
        raise TypeError(f"{type(self).__name__} must define primal. Received: {y}, {z}")

    def dual(self, y: float, a: float) -> float:
        """The conjugate of the loss at `-a`; infinite where it is not defined."""
        raise TypeError(f"{type(self).__name__} must define dual. Received: {y}, {a}")

    def best(self, y: float, a: float, z: float, slope: float) -> float:
        """The best dual variable.

        Args:
          y: the label.
          a: the dual variable so far.
          z: what the model says.
          slope: by how much `z` grows where the dual variable grows by 1.
        """
        raise TypeError(f"{type(self).__name__} must define best. Received: {y}, {a}, {z}, {slope}")


class _Logistic(Loss):
    """log(1 + exp(-y z))."""

    def primal(self, y: float, z: float) -> float:
        return max(-y * z, 0.0) + math.log1p(math.exp(-abs(y * z)))

    def dual(self, y: float, a: float) -> float:
        inside = y * a
        return _entropy(inside) + _entropy(1.0 - inside)

    def best(self, y: float, a: float, z: float, slope: float) -> float:
        low, high, b = 0.0, 1.0, 0.5
        for _ in range(
            60
        ):  # Newton's method for b = sigmoid(-y z(b)), with halving where it would leave the bounds
            here = _sigmoid(-(y * z + slope * (b - y * a)))
            value = b - here
            low, high = (low, b) if value > 0 else (b, high)
            after = b - value / (1.0 + slope * here * (1.0 - here))
            if not low <= after <= high:
                after = 0.5 * (low + high)
            if abs(after - b) < 1e-12:
                return y * after
            b = after
        return y * b


class _Squared(Loss):
    """(y - z)² / 2."""

    def label(self, given: float) -> float:
        return given

    def primal(self, y: float, z: float) -> float:
        return 0.5 * (y - z) ** 2

    def dual(self, y: float, a: float) -> float:
        return a * (0.5 * a - y)

    def best(self, y: float, a: float, z: float, slope: float) -> float:
        return a + (y - a - z) / (1.0 + slope)


class _Hinge(Loss):
    """max(0, 1 - y z)."""

    def primal(self, y: float, z: float) -> float:
        return max(0.0, 1.0 - y * z)

    def dual(self, y: float, a: float) -> float:
        return -a * y if 0.0 <= a * y <= 1.0 else math.inf

    def best(self, y: float, a: float, z: float, slope: float) -> float:
        lack = 1.0 - y * z
        step = lack / slope if slope else math.copysign(math.inf, lack)
        return y * min(1.0, max(0.0, step + y * a))


class _SmoothHinge(Loss):
    """The hinge with a parabola between 0 and 1 instead of the corner."""

    def primal(self, y: float, z: float) -> float:
        lack = 1.0 - y * z
        return 0.0 if lack <= 0 else 0.5 * lack * lack if lack < 1 else lack - 0.5

    def dual(self, y: float, a: float) -> float:
        return a * (0.5 * a - y) if 0.0 <= a * y <= 1.0 else math.inf

    def best(self, y: float, a: float, z: float, slope: float) -> float:
        step = (1.0 - y * z - y * a) / (1.0 + slope)
        return y * min(1.0, max(0.0, step + y * a))


class _Poisson(Loss):
    """exp(z) - y z."""

    def label(self, given: float) -> float:
        if given < 0:
            raise refusal(
                "Only non-negative labels can be used with the Poisson log loss. Found example with label: "
                f"{given:g}"
            )
        return given

    def primal(self, y: float, z: float) -> float:
        return _exp(z) - y * z

    def dual(self, y: float, a: float) -> float:
        rate = y - a
        return math.inf if rate < 0 else _entropy(rate) - rate

    def best(self, y: float, a: float, z: float, slope: float) -> float:
        if slope <= 0:
            return y - _exp(z)
        end = z + slope * (y - a)  # u + slope exp(u) = end, for what the model says afterwards, u
        u = max(min(end, 0.0), min(end, math.log(end / slope)) if end > 0 else -math.inf)
        for _ in range(100):  # from the right, where Newton's method never oversteps
            grown = slope * math.exp(u)
            step = (u + grown - end) / (1.0 + grown)
            u -= step
            if step < 1e-12 * max(1.0, abs(u)):
                break
        return y - math.exp(u)


def _entropy(x: float) -> float:
    return x * math.log(x) if x > 0 else 0.0


def _sigmoid(x: float) -> float:
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    grown = math.exp(max(x, -745.0))
    return grown / (1.0 + grown)


def _exp(x: float) -> float:
    return math.exp(x) if x < 709 else math.inf


LOSSES: dict[str, Loss] = {
    "logistic_loss": _Logistic(),
    "squared_loss": _Squared(),
    "hinge_loss": _Hinge(),
    "smooth_hinge_loss": _SmoothHinge(),
    "poisson_loss": _Poisson(),
}


class Examples:
    """The features of all examples, each example's as places among all weights and values.

    Attributes:
      count: how many examples.
      weights: all weights of the model, end to end, float64.
    """

    _STARTS: ClassVar = (0,)

    def __init__(self, count: int, weights: list[np.ndarray]) -> None:
        self.count = count
        sizes = [w.size for w in weights]
        self._starts = np.concatenate([self._STARTS, np.cumsum(sizes)]).astype(np.int64)
        flat = [w.ravel() for w in weights]
        self.weights = np.concatenate(flat).astype(np.float64) if flat else np.zeros(0)
        self._examples: list[np.ndarray] = []
        self._places: list[np.ndarray] = []
        self._values: list[np.ndarray] = []

    def add_sparse(self, group: int, examples: Any, features: Any, values: Any, known: Any) -> None:
        """Adds the sparse features of one column.

        Args:
          group: whose weights they have.
          examples, features, values: one of each for every feature.
          known: the numbers of the features that have weights.

        Raises:
          InvalidArgumentError: a feature has no weight, or an example has it twice.
        """
        size = min(len(examples), len(features), len(values))
        examples, features, values = examples[:size], features[:size], values[:size]
        order = np.argsort(known, kind="stable")
        found = np.searchsorted(known, features, sorter=order)
        inside = found < len(known)
        places = order[np.where(inside, found, 0)] if len(known) else np.zeros(size, np.int64)
        lacking = ~inside if not len(known) else known[places] != features
        if lacking.any():
            raise refusal(
                f"Found sparse feature indices out of valid range: {int(features[lacking.argmax()])}"
            )
        pairs = np.stack([examples, places], 1)
        if len(np.unique(pairs, axis=0)) != len(pairs):
            raise refusal("Duplicate index in sparse vector.")
        there = (examples >= 0) & (examples < self.count)
        self._examples.append(examples[there])
        self._places.append(places[there] + self._starts[group])
        self._values.append(values[there].astype(np.float64))

    def add_dense(self, group: int, values: np.ndarray) -> None:
        """Adds a dense feature, `[examples, width]`."""
        values = values[: self.count]
        rows, width = values.shape
        self._examples.append(np.repeat(np.arange(rows), width))
        self._places.append(np.tile(np.arange(width) + self._starts[group], rows))
        self._values.append(values.ravel().astype(np.float64))

    def rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(where each example's features start, their places, their values)."""
        examples = np.concatenate(self._examples)
        order = np.argsort(examples, kind="stable")
        starts = np.searchsorted(examples[order], np.arange(self.count + 1))
        return starts, np.concatenate(self._places)[order], np.concatenate(self._values)[order]

    def parts(self, flat: np.ndarray, shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
        """Numbers for all weights, as arrays of the groups' shapes."""
        cut = np.split(flat.astype(np.float32), self._starts[1:-1])
        return [part.reshape(shape) for part, shape in zip(cut, shapes, strict=True)]


def _shrunk(weights: np.ndarray, by: float) -> np.ndarray:
    return np.sign(weights) * np.maximum(np.abs(weights) - by, 0.0) if by > 0 else weights


def ascend(
    examples: Examples,
    loss: Loss,
    labels: np.ndarray,
    costs: np.ndarray,
    state: np.ndarray,
    l1: float,
    l2: float,
    partitions: int,
    adaptive: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """One pass over the examples.

    Args:
      examples: their features, and the model's weights.
      loss: of an example.
      labels, costs: of the examples.
      state: `[n, 4]`: dual variable, loss, conjugate, cost.
      l1, l2: how strong the regularization is.
      partitions: how many passes like this go on beside each other.
      adaptive: take examples more often whose dual variable is far from its best.

    Returns:
      The new state, and by how much the weights change.
    """
    starts, places, values = examples.rows()
    with np.errstate(all="ignore"):
        by = float(np.float64(l1) / l2)
        change = np.zeros_like(examples.weights)
        bounds = list(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True))
        said = np.array([_shrunk(examples.weights[places[i:j]], by) @ values[i:j] for i, j in bounds])
        slopes = (
            np.array([values[i:j] @ values[i:j] for i, j in bounds]) * costs * partitions / np.float64(l2)
        )
        given = [loss.label(float(y)) for y in labels]
        new = state.astype(np.float32, copy=True)
        order: Any = range(len(given))
        if adaptive:
            order = _drawn(_hurry(loss, given, costs, state, said, slopes))
        for i in order:
            start, end = bounds[i]
            mine, x, cost = places[start:end], values[start:end], float(costs[i])
            z = float(_shrunk(examples.weights[mine] + partitions * change[mine], by) @ x)
            before = float(new[i, 0])
            after = loss.best(given[i], before, z, float(slopes[i]))
            change[mine] += x * ((after - before) * cost / np.float64(l2))
            new[i] = (
                after,
                loss.primal(given[i], float(said[i])) * cost,
                loss.dual(given[i], before) * cost,
                cost,
            )
    return new, change


def _hurry(
    loss: Loss,
    labels: list[float],
    costs: np.ndarray,
    state: np.ndarray,
    said: np.ndarray,
    slopes: np.ndarray,
) -> np.ndarray:
    """How far each dual variable is from where the loss alone would have it, weighed by its features."""
    far = [
        abs(float(a) - loss.best(y, float(a), float(z), 0.0))
        for y, a, z in zip(labels, state[:, 0], said, strict=True)
    ]
    return np.asarray(far) * costs * np.sqrt(1.0 + slopes)


def _drawn(weights: np.ndarray) -> list[int]:
    """Examples in the order in which they are taken, as many as there are, some perhaps twice.

    An example that was taken is ten times less likely to be taken again; after as many refusals as there are
    examples, those that were never taken follow, the likeliest first.
    """
    count, total = len(weights), float(weights.sum())
    if not 0 < total < math.inf:
        return list(range(count))
    sums, stream = np.cumsum(weights) / total, WordStream(initial_state(0, 0))
    taken, order, refused = [0] * count, [], 0
    while len(order) < count and refused < count:
        i = min(int(np.searchsorted(sums, stream.word() / 2**32, side="right")), count - 1)
        if stream.word() / 2**32 >= 0.1 ** taken[i]:
            refused += 1
            continue
        taken[i] += 1
        order.append(i)
    never = sorted((i for i in range(count) if not taken[i]), key=lambda i: -weights[i])
    return order + never[: count - len(order)]
