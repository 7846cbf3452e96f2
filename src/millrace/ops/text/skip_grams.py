"""Skip-grams: pairs of a token and one of its neighbours, within windows of random width."""

from __future__ import annotations

import numpy as np

from millrace.core.dtypes import int8, int16, int32, int64, string
from millrace.core.errors import refusal
from millrace.graph.attrs import integer
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.random.philox import skip
from millrace.opkit.random.seeds import generator
from millrace.opkit.random.stream import WordStream
from millrace.opkit.rules.shape_rules import with_rank


@declare(
    "SkipGramGenerateCandidates(input_tensor: T, min_skips: int32, max_skips: int32, start: int32, "
    "limit: int32, emit_self_as_target: bool) -> tokens: T, labels: T",
    state=generator, host=True, T=frozenset({int8, int16, int32, int64, string}),
    seed=integer(0), seed2=integer(0))  # fmt: skip
class SkipGramGenerateCandidates:
    """Each token of a span with each of its neighbours, in order."""

    def shape(input_tensor, min_skips, max_skips, start, limit, emit_self_as_target):
        with_rank(input_tensor, 1, "input_tensor")
        for name, dims in (
            ("min_skips", min_skips),
            ("max_skips", max_skips),
            ("start", start),
            ("limit", limit),
            ("emit_self_as_target", emit_self_as_target),
        ):
            with_rank(dims, 0, name)
        return [(None,), (None,)]

    def kernel(xp, state, input_tensor, min_skips, max_skips, start, limit, emit_self_as_target):
        least, most, first = int(min_skips), int(max_skips), int(start)
        count = _checked_count(len(input_tensor), least, most, first, int(limit))
        random = WordStream(state, count)
        centers: list[int] = []
        others: list[int] = []
        for here in range(count):
            reach = least + random.below(most - least + 1)
            for there in range(max(here - reach, 0), min(here + reach, count - 1) + 1):
                if there != here or emit_self_as_target:
                    centers.append(here)
                    others.append(there)
        span = input_tensor[first : first + count]
        moved = skip(np, state, count // 4 + 1)  # a word for each token and one more, whatever was read
        return span[np.asarray(centers, np.int64)], span[np.asarray(others, np.int64)], moved

    grad = NOT_DIFFERENTIABLE


def _checked_count(size: int, least: int, most: int, first: int, limit: int) -> int:
    """How many tokens the span has."""
    if least < 0 or most < 0:
        raise refusal(f"Both min_skips and max_skips must be >= 0. Received: {least} and {most}")
    if least > most:
        raise refusal(f"min_skips must be <= max_skips. Received: {least} and {most}")
    if first < 0:
        raise refusal(f"start must not be negative. Received: {first}")
    rest = max(size - first, 0)
    return rest if limit < 0 else min(limit, rest)
