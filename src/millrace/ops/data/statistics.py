"""Statistics of pipelines, which are accepted and stay empty."""

from __future__ import annotations

import numpy as np

from millrace.graph.attrs import text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare


@declare(
    "StatsAggregatorHandle() -> handle: resource",
    container=text(""),
    shared_name=text(""),
    state=lambda attrs: object(),
    host=True,
)
class StatsAggregatorHandle:
    """What statistics go to; millrace gathers none."""

    def shape():
        return ()

    def kernel(xp, aggregator):
        return aggregator, aggregator

    grad = NOT_DIFFERENTIABLE


@declare("StatsAggregatorSummary(iterator: resource) -> summary: string", effect=True, host=True)
class StatsAggregatorSummary:
    """A serialized Summary of the statistics, which is empty."""

    def shape(iterator):
        return ()

    def kernel(xp, iterator):
        return np.array(b"", object)

    grad = NOT_DIFFERENTIABLE
