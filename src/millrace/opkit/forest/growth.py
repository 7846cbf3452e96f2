"""What one leaf has seen since it may be split: candidate tests, and the examples on either side of each."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np

from millrace.opkit.forest.examples import CATEGORICAL, Examples
from millrace.opkit.forest.settings import (
    DOMINATE_BOOTSTRAP,
    DOMINATE_HOEFFDING,
    HOEFFDING_PRUNING,
    KEPT_OUT,
    NO_PRUNING,
    ForestSettings,
)
from millrace.opkit.forest.tree import AT_MOST, BELOW, EQUAL, Split, goes_left


class Growth(ABC):
    """The candidates of one leaf and their statistics.

    The first examples of a leaf each propose a test: a feature drawn at random, at their own value. From then
    on examples are counted on one side or the other of every test.
    """

    def __init__(self, settings: ForestSettings, depth: int) -> None:
        self.settings, self.depth = settings, depth
        self.splits: list[Split] = []
        self._asked: list[Split] = []  # the same with the bounds that examples are counted by
        self.weight = np.float32(0)
        self._wanted = int(settings.splits(depth))
        self._after = int(settings.split_after(depth))
        self._half: dict[int, int] = {}  # candidates whose bound waits for an example of another class
        self._prunings = self._checks = 0
        self._done_early = False

    @property
    def initialized(self) -> bool:
        """Whether all candidates are there, so that examples count."""
        full = self.weight > 0 or len(self.splits) >= self._wanted
        return bool(full) and not self._half

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Whether the leaf may split now."""

    @abstractmethod
    def totals(self) -> np.ndarray:
        """What was counted on both sides together."""

    @abstractmethod
    def scores(self) -> np.ndarray:
        """The impurity that each candidate leaves, float32; the smallest is best."""

    @abstractmethod
    def _useful(self) -> np.ndarray:
        """Which candidates have examples on both sides."""

    @abstractmethod
    def sides(self, split: int) -> tuple[np.ndarray, np.ndarray]:
        """The values with which the two children of a candidate start."""

    @abstractmethod
    def _count(self, left: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> None:
        """Counts examples; `left` says for each candidate and each example on which side it is."""

    @abstractmethod
    def _grow(self) -> None:
        """Makes room for one more candidate."""

    @abstractmethod
    def _keep(self, kept: list[int]) -> None:
        """Drops the statistics of all other candidates."""

    def begin(self, sample: tuple[int, float, int], target: float, examples: Examples, row: int) -> None:
        """Takes one of the first examples, and the feature drawn from it."""
        if self._half:
            self._settle(int(target), examples, row)
        if len(self.splits) >= self._wanted:
            return
        feature, value, kind = sample
        below = BELOW if self.settings.strict else AT_MOST
        self.add_split(Split(feature, value, EQUAL if kind == CATEGORICAL else below))
        if self.settings.average_splits and kind != CATEGORICAL and not self.settings.regression:
            self._half[len(self.splits) - 1] = int(target)

    def _settle(self, label: int, examples: Examples, row: int) -> None:
        """Moves the bounds that wait for another class half-way to this example's values.

        Examples go on being counted by the bounds of before, as in TensorFlow.
        """
        for place in [p for p, first in self._half.items() if first != label]:
            old = self.splits[place]
            value = float(examples.take(np.array([row]), np.array([old.feature]))[0])
            self.splits[place] = Split(old.feature, float(np.float32((old.value + value) / 2)), old.kind)
            del self._half[place]

    def add_split(self, split: Split) -> None:
        """Adds a candidate."""
        self.splits.append(split)
        self._asked.append(split)
        self._grow()

    def add(
        self, examples: Examples, rows: np.ndarray, targets: np.ndarray, weights: np.ndarray
    ) -> int | None:
        """Counts some examples.

        Args:
          examples: the batch.
          rows: which of them.
          targets: the labels of the rows, float32.
          weights: of the rows, float32.

        Returns:
          The place in `rows` at which the leaf was finished; None where it is not.
        """
        one_by_one = self.settings.pruning != NO_PRUNING or self.settings.finish in (
            DOMINATE_HOEFFDING,
            DOMINATE_BOOTSTRAP,
        )
        if not one_by_one:
            at = self._finish(targets, weights)
            self._count(self._decide(examples, rows), targets, weights)
            return at
        at = None
        for place in range(len(rows)):
            part = slice(place, place + 1)
            self._count(self._decide(examples, rows[part]), targets[part], weights[part])
            self._finish_early()
            self._prune()
            if at is None and self.finished:
                at = place
        return at

    @abstractmethod
    def _finish(self, targets: np.ndarray, weights: np.ndarray) -> int | None:
        """The first of some further examples with which the leaf has seen enough; None without one."""

    def _decide(self, examples: Examples, rows: np.ndarray) -> np.ndarray:
        features = np.array([s.feature for s in self._asked], np.int64)[:, None]
        bounds = np.array([s.value for s in self._asked], np.float32)[:, None]
        kinds = np.array([s.kind for s in self._asked], np.int8)[:, None]
        return goes_left(examples.take(rows[None, :], features), bounds, kinds)

    def best(self) -> int | None:
        """The place of the candidate that leaves the least impurity; None where all are useless."""
        useful = np.flatnonzero(self._useful())
        return int(useful[np.argmin(self.scores()[useful])]) if len(useful) else None

    # ---------------------------------------------------------------- pruning and finishing early

    def _bound(self) -> float:
        """How far two scores must lie apart to differ for certain enough (Hoeffding, 1963)."""
        fraction = self.settings.dominate_fraction(self.depth)
        spread = 0.25 * self.settings.outputs * float(self.weight)
        return spread * math.sqrt(0.5 * math.log(1 / (1 - fraction)) / float(self.weight))

    def _prune(self) -> None:
        every = self.settings.prune_every(self.depth)
        if self.settings.pruning == NO_PRUNING or self.finished or not self.splits:
            return
        if float(self.weight) < (self._prunings + 1) * every:
            return
        self._prunings += 1
        scores = self.scores()
        if self.settings.pruning == HOEFFDING_PRUNING:
            kept = np.flatnonzero(scores - scores.min() <= self._bound()).tolist()
        else:
            drop = int(len(scores) * KEPT_OUT[self.settings.pruning])
            worst = np.lexsort((np.arange(len(scores)), -scores))  # of equal ones the oldest first
            kept = sorted(worst[drop:].tolist())
        if len(kept) < len(scores):
            self.splits = [self.splits[i] for i in kept]
            self._asked = [self._asked[i] for i in kept]
            self._keep(kept)

    def _finish_early(self) -> None:
        every = self.settings.check_every(self.depth)
        if self._done_early or len(self.splits) < 2 or float(self.weight) < (self._checks + 1) * every:
            return
        self._checks += 1
        if self.settings.finish not in (DOMINATE_HOEFFDING, DOMINATE_BOOTSTRAP):
            return
        scores = self.scores()
        first, second = np.argsort(scores, kind="stable")[:2].tolist()
        if self.settings.finish == DOMINATE_HOEFFDING:
            self._done_early = bool(scores[second] - scores[first] > self._bound())
        else:
            self._done_early = self._dominates(first, second)

    def _dominates(self, first: int, second: int) -> bool:
        """Whether one candidate beats another in every one of several bootstrap samples."""
        return False


def _first_true(flags: np.ndarray) -> int | None:
    return int(np.argmax(flags)) if flags.any() else None


class ClassGrowth(Growth):
    """Counts of classes; impurity is Gini's, with one example of each class added."""

    def __init__(self, settings: ForestSettings, depth: int) -> None:
        super().__init__(settings, depth)
        self._total = np.zeros(settings.outputs, np.float32)
        self._left = np.zeros((0, settings.outputs), np.float32)
        self._random = np.random.default_rng()

    @property
    def finished(self) -> bool:
        """Enough weight, and more than one class; or one candidate dominates."""
        enough = self.weight >= self._after and np.count_nonzero(self._total) > 1
        return bool(enough) or self._done_early

    def _finish(self, targets: np.ndarray, weights: np.ndarray) -> int | None:
        seen = self._total > 0
        sums = self.weight + np.cumsum(weights, dtype=np.float32)
        first = targets[0] if not seen.any() else np.flatnonzero(seen)[0]
        other = seen.sum() > 1 or np.logical_or.accumulate((targets != first) & (weights > 0))
        return _first_true((sums >= self._after) & other)

    def totals(self) -> np.ndarray:
        """Examples of each class."""
        return self._total

    def _grow(self) -> None:
        self._left = np.vstack([self._left, np.zeros((1, self.settings.outputs), np.float32)])

    def _keep(self, kept: list[int]) -> None:
        self._left = self._left[kept]

    def _count(self, left: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> None:
        labels = targets.astype(np.int64)
        np.add.at(self._total, labels, weights)
        for place, side in enumerate(left):
            np.add.at(self._left[place], labels[side], weights[side])
        self.weight = np.float32(self.weight + weights.sum(dtype=np.float32))

    def restore(self, left: list[np.ndarray], total: np.ndarray, weight: float) -> None:
        """Puts counts back that a checkpoint held."""
        self._left = np.array(left, np.float32).reshape(len(left), self.settings.outputs)
        self._total, self.weight = total, np.float32(weight)

    def sides(self, split: int) -> tuple[np.ndarray, np.ndarray]:
        """Counts on the left and on the right."""
        return self._left[split], self._total - self._left[split]

    def _useful(self) -> np.ndarray:
        sums = self._left.sum(axis=1)
        return (sums > 0) & ((self._total - self._left).sum(axis=1) > 0)

    def scores(self) -> np.ndarray:
        """The weighted impurity of both sides."""
        classes = self.settings.outputs
        return _impurity(self._left, classes) + _impurity(self._total - self._left, classes)

    def _dominates(self, first: int, second: int) -> bool:
        chance, samples = 1.0 - self.settings.dominate_fraction(self.depth), 1
        while chance < 1.0:
            chance, samples = 2 * chance, samples + 1
        worst = max(self._resampled(first) for _ in range(samples))
        best = min(self._resampled(second) for _ in range(samples))
        return worst < best

    def _resampled(self, split: int) -> float:
        """The impurity of as many examples again, drawn from the counts of a candidate, smoothed."""
        counts = np.concatenate(self.sides(split)) + 1.0
        drawn = self._random.multinomial(int(self.weight), counts / counts.sum()).astype(np.float32)
        return float(_impurity(drawn.reshape(2, -1), self.settings.outputs).sum())


def _impurity(counts: np.ndarray, classes: int) -> np.ndarray:
    """Gini's impurity of rows of counts with one of each class added, times the weight without these."""
    sums = counts.sum(axis=1, dtype=np.float32)
    squares = np.square(counts).sum(axis=1, dtype=np.float32)
    whole = sums + np.float32(classes)
    return sums * (np.float32(1) - (squares + 2 * sums + np.float32(classes)) / (whole * whole))


class MeanGrowth(Growth):
    """Sums and sums of squares of numbers; impurity is the variance on both sides."""

    def __init__(self, settings: ForestSettings, depth: int) -> None:
        super().__init__(settings, depth)
        width = settings.outputs
        self._sums = np.zeros((2, width), np.float32)  # of values, of squares
        self._left = np.zeros((0, 2, width), np.float32)
        self._left_weight = np.zeros(0, np.float32)

    @property
    def finished(self) -> bool:
        """Enough weight; or one candidate dominates."""
        return bool(self.weight >= self._after) or self._done_early

    def _finish(self, targets: np.ndarray, weights: np.ndarray) -> int | None:
        return _first_true(self.weight + np.cumsum(weights, dtype=np.float32) >= self._after)

    def totals(self) -> np.ndarray:
        """The mean of each output."""
        return self._sums[0] / max(self.weight, np.float32(1e-30))

    def _grow(self) -> None:
        self._left = np.concatenate([self._left, np.zeros((1, *self._sums.shape), np.float32)])
        self._left_weight = np.append(self._left_weight, np.float32(0))

    def _keep(self, kept: list[int]) -> None:
        self._left, self._left_weight = self._left[kept], self._left_weight[kept]

    def _count(self, left: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> None:
        values = targets.reshape(len(weights), -1)
        both = np.stack([values, values * values], axis=1) * weights[:, None, None]
        self._sums += both.sum(axis=0, dtype=np.float32)
        self._left += np.einsum("sn,nkw->skw", left.astype(np.float32), both)
        self._left_weight += left.astype(np.float32) @ weights
        self.weight = np.float32(self.weight + weights.sum(dtype=np.float32))

    def sides(self, split: int) -> tuple[np.ndarray, np.ndarray]:
        """The means on the left and on the right."""
        left = self._left[split, 0] / self._left_weight[split]
        right = (self._sums[0] - self._left[split, 0]) / (self.weight - self._left_weight[split])
        return left, right

    def _useful(self) -> np.ndarray:
        return (self._left_weight > 0) & (self._left_weight < self.weight)

    def scores(self) -> np.ndarray:
        """The variances of both sides, summed over outputs."""
        with np.errstate(divide="ignore", invalid="ignore"):
            left = self._left / self._left_weight[:, None, None]
            right = (self._sums - self._left) / (self.weight - self._left_weight)[:, None, None]
            both = [side[:, 1] - np.square(side[:, 0]) for side in (left, right)]
        return (both[0] + both[1]).sum(axis=1)


def growth_for(settings: ForestSettings, depth: int) -> Growth:
    """The statistics of a leaf that has just been made."""
    return MeanGrowth(settings, depth) if settings.regression else ClassGrowth(settings, depth)
