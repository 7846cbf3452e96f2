"""Connectionist temporal classification in NumPy: the loss of a labelling, and the search for the best one.

Graves et al., Connectionist Temporal Classification (ICML 2006); the last class stands for "no label", blank.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

_NEVER = -np.inf


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log probabilities over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def collapse(labels: list[int]) -> list[int]:
    """`labels` with each run of equal ones reduced to one."""
    return [label for i, label in enumerate(labels) if i == 0 or label != labels[i - 1]]


def loss_and_gradient(
    logits: np.ndarray, labels: list[int], merge_repeated: bool
) -> tuple[float, np.ndarray]:
    """Minus the log probability of `labels`, and its gradient in `logits`.

    Args:
      logits: `[time, classes]`, float64; the last class is blank.
      labels: classes other than blank.
      merge_repeated: whether a label may last for several steps.

    Returns:
      The loss, infinite where `labels` do not fit into the time, and `[time, classes]`.
    """
    logs = log_softmax(logits)
    blank = logs.shape[1] - 1
    # The labels with blanks around each: every path is a walk along these states that may skip a blank.
    states = np.full(2 * len(labels) + 1, blank)
    states[1::2] = labels
    stays = np.ones(states.size, bool) if merge_repeated else states == blank
    skips = np.zeros(states.size, bool)
    skips[2:] = states[2:] != blank
    if merge_repeated:
        skips[2:] &= states[2:] != states[:-2]
    seen = logs[:, states]
    ahead = _forward(seen, stays, skips)
    # A walk backwards may stay where a walk forwards may, and skips from a state to where a skip led to it.
    back = np.zeros(states.size, bool)
    back[2:] = skips[2:][::-1]
    behind = _forward(seen[::-1, ::-1], stays[::-1], back)[::-1, ::-1] - seen
    total = _log_sum(ahead[-1, -2:])
    softmax = np.exp(logs)
    if total == _NEVER:
        return np.inf, softmax
    share = np.exp(ahead + behind - total)
    expected = np.zeros_like(softmax)
    np.add.at(expected.T, states, share.T)
    return -total, softmax - expected


def _forward(seen: np.ndarray, stays: np.ndarray, skips: np.ndarray) -> np.ndarray:
    """The log probability of all walks that reach each state at each step."""
    out = np.full(seen.shape, _NEVER)
    out[0, :2] = seen[0, :2]
    for t in range(1, len(seen)):
        before = out[t - 1]
        reach = np.where(stays, before, _NEVER)
        reach[1:] = np.logaddexp(reach[1:], before[:-1])
        reach[2:] = np.logaddexp(reach[2:], np.where(skips[2:], before[:-2], _NEVER))
        out[t] = reach + seen[t]
    return out


def _log_sum(values: np.ndarray) -> float:
    return float(np.logaddexp.reduce(values))


def greedy(logits: np.ndarray, merge_repeated: bool, blank: int) -> tuple[list[int], float]:
    """The labelling of the path that takes the best class at every step.

    Args:
      logits: `[time, classes]`.
      merge_repeated: whether a class that lasts for several steps is one label.
      blank: the class that stands for no label.

    Returns:
      The labels, and minus the sum of the logits on the path.
    """
    if not len(logits):
        return [], 0.0
    best = logits.argmax(axis=1)
    cost = -logits[np.arange(len(logits)), best].sum(dtype=logits.dtype)
    path = collapse(best.tolist()) if merge_repeated else best.tolist()
    return [label for label in path if label != blank], float(cost)


@dataclass(slots=True, eq=False)
class _Prefix:
    """A labelling, and the log probability of all paths that give it, by how they end."""

    parent: _Prefix | None
    label: int
    children: dict[int, _Prefix] = field(default_factory=dict)
    total: float = _NEVER
    blank: float = _NEVER
    labelled: float = _NEVER
    old_total: float = _NEVER
    old_blank: float = _NEVER

    def forget(self) -> None:
        self.total = self.blank = self.labelled = _NEVER


class _Beam:
    """The best prefixes at one step, at most `width`."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.members: list[_Prefix] = []

    def worst(self) -> _Prefix:
        return min(self.members, key=lambda p: p.total)

    def takes(self, total: float) -> bool:
        return total > _NEVER and (len(self.members) < self.width or total > self.worst().total)

    def push(self, prefix: _Prefix) -> None:
        if len(self.members) == self.width:
            worst = self.worst()
            worst.forget()
            self.members.remove(worst)
        self.members.append(prefix)

    def best_first(self) -> list[_Prefix]:
        return sorted(self.members, key=lambda p: -p.total)


def beam_search(
    logits: np.ndarray, width: int, paths: int, merge_repeated: bool
) -> list[tuple[list[int], float]]:
    """The most probable labellings among those that a beam of `width` prefixes finds.

    Args:
      logits: `[time, classes]`; the last class is blank.
      width: how many prefixes survive each step.
      paths: how many labellings to return.
      merge_repeated: whether equal neighbours in a labelling found are written once.

    Returns:
      (labels, log probability) pairs, the most probable first; fewer than `paths` where there are no more.
    """
    root = _Prefix(None, -1, total=0.0, blank=0.0)
    beam = _Beam(width)
    beam.push(root)
    for row in log_softmax(logits.astype(np.float64)) if len(logits) else ():
        beam = _step(beam, row.tolist(), width)
    return [(_labels(p, merge_repeated), p.total) for p in beam.best_first()[:paths]]


def _step(beam: _Beam, row: list[float], width: int) -> _Beam:
    """Extends every prefix by one step: by blank, by its own label again, or by a new label."""
    blank = len(row) - 1
    branches = beam.best_first()
    after = _Beam(width)
    for p in branches:
        p.old_total, p.old_blank = p.total, p.blank
    for p in branches:
        if p.parent is not None:
            if p.parent.total > _NEVER or p.parent in branches:
                before = p.parent.old_blank if p.label == p.parent.label else p.parent.old_total
                p.labelled = float(np.logaddexp(p.labelled, before))
            p.labelled += row[p.label]
        p.blank = p.old_total + row[blank]
        p.total = float(np.logaddexp(p.blank, p.labelled))
        after.push(p)
    for p in branches:
        if not after.takes(p.old_total):
            continue
        for label in range(blank):
            child = p.children.get(label)
            if child is None:
                child = p.children[label] = _Prefix(p, label)
            if child.total > _NEVER:
                continue
            before = p.old_blank if label == p.label else p.old_total
            child.blank = _NEVER
            child.labelled = child.total = before + row[label]
            if after.takes(child.total):
                after.push(child)
            else:
                child.forget()
                child.old_total = child.old_blank = _NEVER
    return after


def _labels(prefix: _Prefix, merge_repeated: bool) -> list[int]:
    labels = []
    at: _Prefix | None = prefix
    while at is not None and at.parent is not None:
        labels.append(at.label)
        at = at.parent
    labels.reverse()
    return collapse(labels) if merge_repeated else labels
