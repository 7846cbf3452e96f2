"""What TensorFlow's optimizer of pipelines changes in the order of elements."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

from millrace.opkit.datasets.base import Dataset, Run, Stage, texts
from millrace.opkit.datasets.mapping import Map, ParallelMap
from millrace.opkit.datasets.reshaping import Batch
from millrace.opkit.datasets.selecting import Repeat, Same, Skip, Take
from millrace.opkit.datasets.shuffling import Shuffle, ShuffleAndRepeat

_EPOCHS, _BATCHES = b"shuffle_and_repeat_fusion", b"map_and_batch_fusion"
_FUSIONS = frozenset((_EPOCHS, _BATCHES))


class Optimize(Same):
    """The elements as they are, but as in TensorFlow.

    A shuffle that is repeated at once mixes its epochs, and an element that fails in a map takes the others
    of its batch along.
    """

    fusions: frozenset[bytes] = frozenset()

    def _take_inputs(self, input_dataset: Dataset, optimizations: Any) -> None:
        self.fusions = _FUSIONS.intersection(texts(optimizations))
        if self.fusions:
            self.sources = (_fused(input_dataset, self.fusions),)

    def start(self, run: Run) -> Stage:
        if self.fusions:
            run.adapt = partial(_fused, fusions=self.fusions)
        return super().start(run)


def _idle(dataset: Dataset) -> bool:
    """True for what TensorFlow leaves out before it looks at neighbours: it changes nothing."""
    if isinstance(dataset, Repeat):
        return dataset.count == 1
    if isinstance(dataset, Take):
        return dataset.count == -1
    return isinstance(dataset, Skip) and dataset.count == 0


def _fused(dataset: Dataset, fusions: frozenset[bytes]) -> Dataset:
    sources = tuple(_fused(source, fusions) for source in dataset.sources)
    if _idle(dataset):
        return sources[0]
    if type(dataset) is Repeat and dataset.count and type(sources[0]) is Shuffle and sources[0].reshuffles:
        if _EPOCHS in fusions:
            return ShuffleAndRepeat.fused(sources[0], dataset.count)
    elif type(dataset) is Batch and isinstance(sources[0], Map | ParallelMap) and _BATCHES in fusions:
        changed = copy.copy(dataset)
        changed.sources, changed.together = sources, True
        return changed
    if all(new is old for new, old in zip(sources, dataset.sources, strict=True)):
        return dataset
    changed = copy.copy(dataset)
    changed.sources = sources
    return changed
