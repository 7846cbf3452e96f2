"""The statistics of all leaves of a tree that may split, and how a batch changes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core import protos
from millrace.opkit.forest.examples import Examples
from millrace.opkit.forest.growth import ClassGrowth, Growth, growth_for
from millrace.opkit.forest.settings import ForestSettings
from millrace.opkit.forest.tree import DecisionTree, read_split, read_values, write_split, write_values
from millrace.opkit.forest.unordered import in_set_order
from millrace.opkit.random.stream import WordStream


class FertileStats:
    """What the leaves of one tree have seen; `settings` is None until it is created."""

    def __init__(self) -> None:
        self.settings: ForestSettings | None = None
        self._growths: dict[int, Growth] = {}

    def start(self, settings: ForestSettings, config: bytes) -> None:
        """Makes what `config` describes, a serialized `FertileStats`; one empty leaf where it is empty."""
        slots = protos.FertileStats.FromString(config).node_to_slot
        self.settings, self._growths = settings, {}
        if not slots:
            self._growths[0] = growth_for(settings, 0)
        for slot in slots:
            self._growths[slot.node_id] = self._read(slot)

    def process(
        self,
        examples: Examples,
        targets: np.ndarray,
        weights: np.ndarray,
        leaf_ids: np.ndarray,
        random: WordStream,
    ) -> np.ndarray:
        """Takes a batch.

        Args:
          examples: the batch.
          targets: float32 labels, `[n]` or `[n, outputs]`.
          weights: float32 `[n]`.
          leaf_ids: the leaf of each example.
          random: draws the features of candidates.

        Returns:
          The leaves that may split, int32.
        """
        counted: dict[int, list[int]] = {}
        done: list[tuple[int, int]] = []
        for row, leaf in enumerate(leaf_ids.tolist()):
            growth = self._growths[leaf]
            if growth.initialized:
                counted.setdefault(leaf, []).append(row)
                continue
            growth.begin(examples.sample(row, random), _first(targets[row]), examples, row)
            if growth.finished:
                done.append((row, leaf))
        for leaf, rows in counted.items():
            where = np.array(rows)
            place = self._growths[leaf].add(examples, where, targets[where], weights[where])
            if place is not None:
                done.append((rows[place], leaf))
        return np.array(in_set_order(leaf for _, leaf in sorted(done)), np.int32)

    def grow(self, tree: DecisionTree, finished: list[int]) -> None:
        """Splits finished leaves by their best candidates, as long as the tree may grow."""
        assert self.settings is not None
        for node in finished:
            if tree.size >= self.settings.max_nodes:
                return
            growth = self._growths[node]
            best = growth.best()
            if best is None:
                self._growths[node] = growth_for(self.settings, growth.depth)
                continue
            children = tree.split(node, growth.splits[best], *growth.sides(best))
            del self._growths[node]
            for child in children:
                self._growths[child] = growth_for(self.settings, growth.depth + 1)

    # ---------------------------------------------------------------- messages

    def serialized(self) -> bytes:
        """All of it as a serialized `FertileStats`; counts only where the settings ask for them."""
        message = protos.FertileStats()
        message.node_to_slot.extend(self._message(n, self._growths[n]) for n in in_set_order(self._growths))
        return message.SerializeToString()

    def _message(self, node: int, growth: Growth) -> Any:
        assert self.settings is not None
        slot = protos.FertileSlot(node_id=node, depth=growth.depth)
        if self.settings.checkpoint_stats and isinstance(growth, ClassGrowth):
            _write_counts(slot.post_init_leaf_stats, growth.totals(), float(growth.weight))
            for place, split in enumerate(growth.splits):
                candidate = slot.candidates.add()
                write_split(candidate.split, split)
                left = growth.sides(place)[0]
                _write_counts(candidate.left_stats, left, float(left.sum()))
        return slot

    def _read(self, slot: Any) -> Growth:
        assert self.settings is not None
        growth = growth_for(self.settings, slot.depth)
        if isinstance(growth, ClassGrowth) and slot.HasField("post_init_leaf_stats"):
            for candidate in slot.candidates:
                growth.add_split(read_split(candidate.split))
            left = [self._counts(candidate.left_stats) for candidate in slot.candidates]
            growth.restore(
                left, self._counts(slot.post_init_leaf_stats), slot.post_init_leaf_stats.weight_sum
            )
        return growth

    def _counts(self, stat: Any) -> np.ndarray:
        assert self.settings is not None
        counts = protos.Leaf(vector=stat.classification.dense_counts)
        return read_values(counts, self.settings.outputs)


def _write_counts(stat: Any, counts: np.ndarray, weight: float) -> None:
    stat.weight_sum = weight
    held = protos.Leaf()
    write_values(held, counts, 0)
    stat.classification.dense_counts.CopyFrom(held.vector)


def _first(target: Any) -> float:
    return float(np.ravel(target)[0])
