"""The resource that gives each iteration of a shuffled dataset its seeds."""

from __future__ import annotations

import numpy as np

from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.datasets.base import scalar
from millrace.opkit.datasets.shuffling import SeedGenerator
from millrace.opkit.datasets.sources import entropy


@declare(
    "AnonymousRandomSeedGenerator(seed: int64, seed2: int64) -> handle: resource, deleter: variant",
    host=True,
    effect=True,
)
class AnonymousRandomSeedGenerator:
    """A new generator of seeds; two seeds of 0 stand for any."""

    def shape(seed, seed2):
        return (), ()

    def kernel(xp, seed, seed2):
        return SeedGenerator(entropy(scalar(seed), scalar(seed2))), np.zeros((), object)

    grad = NOT_DIFFERENTIABLE
