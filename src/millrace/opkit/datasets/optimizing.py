"""What TensorFlow's optimizer of pipelines changes in the order of elements."""

from __future__ import annotations

import copy
from typing import Any

from millrace.opkit.datasets.base import Dataset, Run, Stage, texts
from millrace.opkit.datasets.selecting import Repeat, Same, Skip, Take
from millrace.opkit.datasets.shuffling import Shuffle, ShuffleAndRepeat


class Optimize(Same):
    """The elements as they are; but a shuffle that is repeated at once mixes its epochs, as in TensorFlow."""

    fuses = False

    def _take_inputs(self, input_dataset: Dataset, optimizations: Any) -> None:
        if b"shuffle_and_repeat_fusion" in texts(optimizations):
            self.sources = (_fused(input_dataset),)
            self.fuses = True

    def start(self, run: Run) -> Stage:
        if self.fuses:
            run.adapt = _fused
        return super().start(run)


def _idle(dataset: Dataset) -> bool:
    """True for what TensorFlow leaves out before it looks at neighbours: it changes nothing."""
    if isinstance(dataset, Repeat):
        return dataset.count == 1
    if isinstance(dataset, Take):
        return dataset.count == -1
    return isinstance(dataset, Skip) and dataset.count == 0


def _fused(dataset: Dataset) -> Dataset:
    sources = tuple(map(_fused, dataset.sources))
    if _idle(dataset):
        return sources[0]
    if type(dataset) is Repeat and dataset.count and type(sources[0]) is Shuffle and sources[0].reshuffles:
        return ShuffleAndRepeat.fused(sources[0], dataset.count)
    if all(new is old for new, old in zip(sources, dataset.sources, strict=True)):
        return dataset
    changed = copy.copy(dataset)
    changed.sources = sources
    return changed
