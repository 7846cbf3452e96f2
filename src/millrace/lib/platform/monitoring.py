"""Counters and gauges as `tensorflow.python.eager.monitoring` has them, for programs that count."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

from millrace.core.public import public

_LOCK = threading.Lock()


@public("python.eager.monitoring.CounterCell")
class CounterCell:
    """A number that only grows."""

    def __init__(self) -> None:
        self._value: Any = 0

    def increase_by(self, value: int) -> None:
        """Adds to it."""
        with _LOCK:
            self._value += value

    def value(self) -> int:
        """What it is."""
        return self._value


class _GaugeCell:
    def __init__(self, empty: Any) -> None:
        self._value = empty

    def set(self, value: Any) -> None:
        """Replaces the value."""
        self._value = value

    def value(self) -> Any:
        """What was set last."""
        return self._value


@public("python.eager.monitoring.SamplerCell")
class SamplerCell:
    """How many samples fell into each bucket."""

    def __init__(self, limits: list[float]) -> None:
        self._limits = limits
        self._counts = [0] * (len(limits) + 1)

    def add(self, value: float) -> None:
        """Adds a sample."""
        with _LOCK:
            self._counts[bisect_right(self._limits, value)] += 1

    def value(self) -> list[int]:
        """The counts, the first for what is below all limits."""
        return list(self._counts)


@public("python.eager.monitoring.ExponentialBuckets")
class ExponentialBuckets:
    """Limits `scale * growth_factor ** i`, for `bucket_count` of them."""

    def __init__(self, scale: float, growth_factor: float, bucket_count: int) -> None:
        self.limits = [scale * growth_factor**i for i in range(bucket_count)]


class _Metric:
    """Cells by the values of labels."""

    def __init__(self, name: str, description: str, *labels: str) -> None:
        self.name = name
        self.description = description
        self._labels = labels
        self._cells: dict[tuple[Any, ...], Any] = {}

    _make: Callable[[], Any]

    def get_cell(self, *labels: Any) -> Any:
        """The cell of these values of the labels.

        Raises:
          ValueError: there are more or fewer values than labels.
        """
        if len(labels) != len(self._labels):
            raise ValueError(f"The {self.name} expects taking {len(self._labels)} labels. Received: {labels}")
        with _LOCK:
            return self._cells.setdefault(labels, self._make())


@public("python.eager.monitoring.Counter")
class Counter(_Metric):
    """Numbers that only grow."""

    _make = staticmethod(CounterCell)


@public("python.eager.monitoring.IntGauge")
class IntGauge(_Metric):
    """Numbers that are set."""

    _make = staticmethod(lambda: _GaugeCell(0))


@public("python.eager.monitoring.StringGauge")
class StringGauge(_Metric):
    """Texts that are set."""

    _make = staticmethod(lambda: _GaugeCell(""))


@public("python.eager.monitoring.BoolGauge")
class BoolGauge(_Metric):
    """Truth values that are set."""

    _make = staticmethod(lambda: _GaugeCell(False))


@public("python.eager.monitoring.Sampler")
class Sampler(_Metric):
    """Counts of samples by buckets."""

    def __init__(self, name: str, buckets: ExponentialBuckets, description: str, *labels: str) -> None:
        super().__init__(name, description, *labels)
        self._make = lambda: SamplerCell(buckets.limits)
