"""Input functions: windows of a series for training, all of it for evaluation, and what follows it."""

from __future__ import annotations

from typing import Any

from millrace.building import operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import control_dependencies
from millrace.contributed.timeseries.readers import TIMES
from millrace.core.dtypes import int32, int64
from millrace.core.public import public
from millrace.graph.keys import GraphKeys
from millrace.lib.flow.control_flow import cond
from millrace.lib.math.reductions import reduce_all, reduce_any
from millrace.lib.variables.assigning import assign, count_up_to
from millrace.lib.variables.sets import is_variable_initialized
from millrace.lib.variables.variable import Variable
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import constant, identity
from millrace.ops.array.gather import batch_gather
from millrace.ops.array.reorder import reverse
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape
from millrace.ops.math.comparison import greater_equal
from millrace.ops.math.top_k import top_k
from millrace.ops.random.draws import random_uniform
from millrace.training.coordination.batching import batch, maybe_shuffle_batch, shuffle_batch


def _in_order_of_time(windows: dict[str, Any]) -> dict[str, Any]:
    """The steps of each window in the order of their times."""
    times = windows[TIMES]
    _, places = top_k(times, shape(times)[-1])
    places = reverse(places, axis=[1])
    return {name: batch_gather(value, places) for name, value in windows.items()}


@public("contrib.timeseries.python.timeseries.input_pipeline.TimeSeriesInputFn")
class TimeSeriesInputFn:
    """Base of input functions: called, it gives features and None."""

    def __call__(self) -> Any:
        """The features of a batch by name, and None instead of labels."""
        return self.create_batch()

    def create_batch(self) -> Any:
        """The features of a batch by name, and None instead of labels."""


@public(
    "contrib.timeseries.WholeDatasetInputFn",
    "contrib.timeseries.python.timeseries.input_pipeline.WholeDatasetInputFn",
)
class WholeDatasetInputFn(TimeSeriesInputFn):
    """Gives the whole series as a batch of one.

    Args:
      time_series_reader: a `TimeSeriesReader`.
    """

    def __init__(self, time_series_reader: Any) -> None:
        self._reader = time_series_reader

    def create_batch(self) -> tuple[dict[str, Any], None]:
        """The features `[1, steps, ...]` by name, and None."""
        features = self._reader.read_full()
        return {name: value[None, ...] for name, value in features.items()}, None


@public(
    "contrib.timeseries.RandomWindowInputFn",
    "contrib.timeseries.python.timeseries.input_pipeline.RandomWindowInputFn",
)
class RandomWindowInputFn(TimeSeriesInputFn):
    """Gives batches of windows of a series, through a queue that shuffles them.

    Args:
      time_series_reader: a `TimeSeriesReader`.
      window_size: how many steps a window has.
      batch_size: how many windows a batch has.
      queue_capacity_multiplier: the queue of windows holds so many batches.
      shuffle_min_after_dequeue_multiplier: and keeps so many for its choice.
      discard_out_of_order: drop windows in which time goes back, as where files begin anew; else the steps of
        each window are put in order.
      discard_consecutive_batches_limit: fail after so many batches of which nothing was left.
      jitter: let windows begin at other steps in each round.
      num_threads: how many threads read.
      shuffle_seed: of the order of the windows.
    """

    def __init__(
        self,
        time_series_reader: Any,
        window_size: int,
        batch_size: int,
        queue_capacity_multiplier: int = 1000,
        shuffle_min_after_dequeue_multiplier: int = 2,
        discard_out_of_order: bool = True,
        discard_consecutive_batches_limit: int = 1000,
        jitter: bool = True,
        num_threads: int = 2,
        shuffle_seed: int | None = None,
    ) -> None:
        self._reader = time_series_reader
        self._window_size, self._batch_size = window_size, batch_size
        self._capacity = batch_size * queue_capacity_multiplier
        self._min_after_dequeue = batch_size * shuffle_min_after_dequeue_multiplier
        self._discard_out_of_order = discard_out_of_order
        self._discard_limit = discard_consecutive_batches_limit
        self._jitter, self._num_threads, self._shuffle_seed = jitter, num_threads, shuffle_seed

    def create_batch(self) -> tuple[dict[str, Any], None]:
        """The features `[batch_size, window_size, ...]` by name, and None.

        Raises:
          ValueError: the reader knows that its series is shorter than a window.
        """
        self._reader.check_dataset_size(self._window_size)
        windows = self._windows(self._reader.read())
        queue = {
            "tensors": windows,
            "batch_size": self._batch_size,
            "capacity": self._capacity,
            "min_after_dequeue": self._min_after_dequeue,
            "enqueue_many": True,
            "num_threads": self._num_threads,
            "seed": self._shuffle_seed,
        }
        if not self._discard_out_of_order:
            queue["tensors"] = _in_order_of_time(windows)
            return shuffle_batch(**queue), None
        rising = reduce_all(greater_equal(windows[TIMES][:, 1:], windows[TIMES][:, :-1]), axis=1)
        with control_dependencies([self._count_discarded(rising)]):
            rising = identity(rising)
        return maybe_shuffle_batch(keep_input=rising, **queue), None

    def _windows(self, features: dict[str, Any]) -> dict[str, Any]:
        """Windows one after the other, `[batch_size, window_size, ...]` by name."""
        jitter: Any = 0
        count: Any = self._window_size * self._batch_size
        if self._jitter:
            jitter = random_uniform([], maxval=2, dtype=int32)
            count = count + jitter
        steps: Any = batch(
            features, batch_size=count, enqueue_many=True, num_threads=self._num_threads,
            capacity=self._capacity * self._window_size,
        )  # fmt: skip
        if self._jitter:
            steps = {name: value[jitter:] for name, value in steps.items()}
        sizes = [self._batch_size, self._window_size]
        return {n: reshape(v, concat([sizes, shape(v)[1:]], axis=0)) for n, v in steps.items()}

    def _count_discarded(self, rising: Any) -> Any:
        """Counts batches of windows of which none is left, and fails at the limit."""
        limiter = Variable(
            initial_value=constant(0, dtype=int64),
            name="discarded_windows_limiter",
            trainable=False,
            collections=[GraphKeys.LOCAL_VARIABLES],
        )

        def counted() -> Any:
            return cond(
                reduce_any(rising),
                lambda: assign(limiter, 0),
                lambda: count_up_to(limiter, self._discard_limit),
            )

        return cond(is_variable_initialized(limiter), counted, lambda: constant(0, dtype=int64))
