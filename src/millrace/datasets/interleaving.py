"""`parallel_interleave` and its kin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import raw
from millrace.core.public import public
from millrace.datasets.batching import flag
from millrace.datasets.elements import attrs_of, int64
from millrace.datasets.functions import StructuredFunction
from millrace.datasets.windows import element_of


def interleaved(
    dataset: Any, map_func: Any, cycle_length: Any, block_length: Any, sloppy: Any, buffer: Any, ahead: Any
) -> Any:
    """Blocks of elements of the datasets that `map_func` makes, `cycle_length` of them in turn."""
    function = StructuredFunction(
        map_func, "tf.data.experimental.parallel_interleave()", dataset.element_spec
    )
    inner = element_of(function.output, "parallel_interleave")
    cycle, block = int64(cycle_length, "cycle_length"), int64(block_length, "block_length")
    made = raw.ParallelInterleaveDataset(
        dataset._variant_tensor,
        function.captured,
        cycle,
        block,
        flag(bool(sloppy), "sloppy"),
        int64(2 * block_length if buffer is None else buffer, "buffer_output_elements"),
        int64(2 * cycle_length if ahead is None else ahead, "prefetch_input_elements"),
        f=function.graph,
        **attrs_of(inner),
    )
    return dataset._of(made, inner, dataset)


@public("data.experimental.parallel_interleave", "contrib.data.parallel_interleave")
def parallel_interleave(
    map_func: Callable[..., Any],
    cycle_length: Any,
    block_length: Any = 1,
    sloppy: Any = False,
    buffer_output_elements: Any = None,
    prefetch_input_elements: Any = None,
) -> Callable[[Any], Any]:
    """Blocks of elements of the datasets that `map_func` makes of each element, several of them in turn.

    Args:
      map_func: of an element to a dataset.
      cycle_length: how many datasets take turns.
      block_length: how many elements one gives before the next.
      sloppy: accepted; the order is always the same.
      buffer_output_elements: how many elements a thread may take ahead of each.
      prefetch_input_elements: how many datasets are opened ahead.

    Returns:
      A function for `Dataset.apply`.
    """

    def transform(dataset: Any) -> Any:
        return interleaved(
            dataset,
            map_func,
            cycle_length,
            block_length,
            sloppy,
            buffer_output_elements,
            prefetch_input_elements,
        )

    return transform


@public("contrib.data.sloppy_interleave")
def sloppy_interleave(
    map_func: Callable[..., Any], cycle_length: Any, block_length: Any = 1
) -> Callable[[Any], Any]:
    """`parallel_interleave` under its old name."""
    return parallel_interleave(map_func, cycle_length, block_length, sloppy=True)
