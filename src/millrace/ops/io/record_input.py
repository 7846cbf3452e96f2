"""The operation that reads records of many files in random order."""

from __future__ import annotations

from millrace.graph.attrs import integer, number, text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.records.shuffled_input import RecordInput as _RecordInput


@declare(
    "RecordInput() -> records: string",
    file_pattern=text(),
    file_random_seed=integer(default=301),
    file_shuffle_shift_ratio=number(default=0.0),
    file_buffer_size=integer(default=10000),
    file_parallelism=integer(default=16),
    batch_size=integer(default=32),
    compression_type=text(default=""),
    state=_RecordInput,
    effect=True,
    host=True,
)
class RecordInput:
    """The next batch of records."""

    def shape():
        return None

    def kernel(xp, state):
        return state.next_batch(), state

    grad = NOT_DIFFERENTIABLE
