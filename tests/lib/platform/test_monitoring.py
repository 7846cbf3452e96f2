"""Counters and gauges."""

import pytest

from millrace.lib.platform import monitoring


def test_counters_by_labels():
    counter = monitoring.Counter("/a/b", "calls", "who")
    counter.get_cell("x").increase_by(2)
    counter.get_cell("x").increase_by(1)
    assert counter.get_cell("x").value() == 3 and counter.get_cell("y").value() == 0
    with pytest.raises(ValueError, match="labels"):
        counter.get_cell()


@pytest.mark.parametrize(
    ("kind", "empty", "value"),
    [(monitoring.IntGauge, 0, 4), (monitoring.StringGauge, "", "s"), (monitoring.BoolGauge, False, True)],
)
def test_gauges(kind, empty, value):
    cell = kind("/g", "what").get_cell()
    assert cell.value() == empty
    cell.set(value)
    assert cell.value() == value


def test_samples_fall_into_buckets():
    cell = monitoring.Sampler("/s", monitoring.ExponentialBuckets(1.0, 2.0, 2), "times").get_cell()
    for value in (0.5, 1.0, 1.5, 9.0):
        cell.add(value)
    assert cell.value() == [1, 2, 1]
