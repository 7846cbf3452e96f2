"""The way back through a beam search: from each last entry along its parents to the first."""

from __future__ import annotations

import numpy as np

from millrace.building.apply import apply
from millrace.core import shapes
from millrace.core.dtypes import int32
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import with_rank


@declare("GatherTree(step_ids: T, parent_ids: T, max_sequence_lengths: int32, end_token: T) -> beams: T",
    T=frozenset({int32}))  # fmt: skip
class GatherTree:
    """For each beam of the last step, the ids that led there; after the first `end_token` only that."""

    def shape(step_ids, parent_ids, max_sequence_lengths, end_token):
        dims = shapes.merge(with_rank(step_ids, 3, "step_ids"), with_rank(parent_ids, 3, "parent_ids"))
        lengths = with_rank(max_sequence_lengths, 1, "max_sequence_lengths")
        with_rank(end_token, 0, "end_token")
        time, batch, beams = dims or (None, None, None)
        return (time, shapes.merge((batch,), lengths)[0], beams)  # type: ignore[index]

    def kernel(xp, step_ids, parent_ids, max_sequence_lengths, end_token):
        times, batch, beams = step_ids.shape
        _check(step_ids.shape, parent_ids.shape, max_sequence_lengths.shape)
        if times == 0 or batch == 0 or beams == 0:
            return step_ids
        limit = xp.minimum(max_sequence_lengths, times)
        started = xp.arange(times)[:, None, None] < limit[None, :, None]
        outside = xp.logical_and(started, xp.logical_or(parent_ids < 0, parent_ids >= beams))
        followed = xp.logical_and(outside, xp.arange(times)[:, None, None] > 0)
        xp.check(
            xp.logical_not(xp.any(followed)),
            lambda: refusal(
                f"parent_ids must be in [0, {beams}). Received: {np.asarray(parent_ids).tolist()}"
            ),
        )
        parents = xp.clip(parent_ids, 0, beams - 1)
        rows = xp.arange(batch)[:, None]

        def step(carry):
            t, beam, out = carry
            live = (t < limit)[:, None]
            out = xp.updated(out, t, xp.where(live, step_ids[t][rows, beam], end_token))
            beam = xp.where(live, parents[t][rows, beam], beam)
            return t - 1, beam, out

        beam = xp.zeros((batch, beams), np.int32) + xp.arange(beams, dtype=np.int32)
        start = (xp.asarray(times - 1, dtype=np.int32), beam, xp.zeros_like(step_ids))
        _, _, out = xp.repeat_while(lambda carry: carry[0] >= 0, step, start)
        ends = xp.cumsum(xp.asarray(out == end_token, dtype=np.int32), axis=0) > 0
        return xp.where(ends, end_token, out)

    grad = NOT_DIFFERENTIABLE


def _check(ids, parents, lengths):
    if parents != ids:
        raise refusal(f"step_ids and parent_ids must have one shape. Received: {list(ids)}, {list(parents)}")
    if lengths != ids[1:2]:
        raise refusal(f"max_sequence_lengths must be [{ids[1]}]. Received: shape {list(lengths)}")


@public("contrib.seq2seq.gather_tree")
def gather_tree(
    step_ids: Tensor,
    parent_ids: Tensor,
    max_sequence_lengths: Tensor,
    end_token: Tensor,
    name: str | None = None,
) -> Tensor:
    """Whole sequences from what a beam search chose step by step.

    Args:
      step_ids: int32 `[time, batch, beams]`, the ids chosen.
      parent_ids: as `step_ids`, which beam of the step before each came from.
      max_sequence_lengths: int32 `[batch]`; what lies beyond is `end_token`.
      end_token: int32 scalar; all behind the first one in a sequence is `end_token`, too.
      name: op name; default "GatherTree".

    Returns:
      As `step_ids`.

    Raises:
      InvalidArgumentError: when run, a parent is not a beam.
    """
    return apply(GatherTree, step_ids, parent_ids, max_sequence_lengths, end_token, name=name)
