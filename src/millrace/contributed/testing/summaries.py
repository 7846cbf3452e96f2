"""`tf.contrib.testing`: summaries read back, checked, and written to nowhere."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from typing import Any

from millrace.core import protos
from millrace.core.public import public
from millrace.summaries.file_writer import summary_iterator


@public("contrib.testing.to_summary_proto")
def to_summary_proto(summary_str: bytes) -> Any:
    """A `Summary` of a serialized one."""
    return protos.Summary.FromString(summary_str)


@public("contrib.testing.assert_summary")
def assert_summary(
    expected_tags: Iterable[str], expected_simple_values: dict[str, float], summary_proto: Any
) -> None:
    """Checks the tags of a summary and its numbers.

    Args:
      expected_tags: all tags.
      expected_simple_values: numbers by tag, compared to six digits.
      summary_proto: a `Summary`.

    Raises:
      AssertionError: a tag is missing or too much, or a number differs.
    """
    found = {value.tag: value for value in summary_proto.value}
    if set(found) != set(expected_tags):
        raise AssertionError(f"the tags must be {sorted(expected_tags)}. Received: {sorted(found)}")
    for tag, number in expected_simple_values.items():
        got = found[tag].simple_value if tag in found else None
        if got is None or abs(got - number) > 1e-6 * max(1.0, abs(number)):
            raise AssertionError(f"the value of {tag!r} must be {number}. Received: {got}")


@public("contrib.testing.latest_event_file")
def latest_event_file(base_dir: str) -> str | None:
    """The newest event file of a folder, or None."""
    files = glob.glob(os.path.join(base_dir, "events.*"))
    return max(files, key=lambda path: (os.path.getctime(path), path)) if files else None


@public("contrib.testing.latest_events")
def latest_events(base_dir: str) -> list[Any]:
    """The events of the newest event file of a folder."""
    path = latest_event_file(base_dir)
    return [] if path is None else list(summary_iterator(path))


@public("contrib.testing.latest_summaries")
def latest_summaries(base_dir: str) -> list[Any]:
    """The events with summaries of the newest event file of a folder."""
    return [event for event in latest_events(base_dir) if event.HasField("summary")]


@public("contrib.testing.simple_values_from_events")
def simple_values_from_events(events: Iterable[Any], tags: Iterable[str]) -> dict[str, float]:
    """The numbers of the greatest step by tag.

    Args:
      events: `Event`s.
      tags: whose numbers are wanted.

    Raises:
      ValueError: a summary of such a tag is not a number.
    """
    wanted, found = set(tags), {}
    for event in events:
        for value in event.summary.value if event.HasField("summary") else ():
            if value.tag not in wanted:
                continue
            if not value.HasField("simple_value"):
                raise ValueError(f"Summary for {value.tag} is not a simple_value.")
            if value.tag not in found or event.step > found[value.tag][0]:
                found[value.tag] = (event.step, value.simple_value)
    return {tag: number for tag, (_, number) in found.items()}


@public("contrib.testing.FakeSummaryWriter")
class FakeSummaryWriter:
    """A summary writer that keeps what it is given.

    Args:
      logdir: what `logdir` tells.
      graph: None, or a graph.
    """

    def __init__(self, logdir: str, graph: Any = None) -> None:
        self._logdir, self._graph = logdir, graph
        self._summaries: dict[int, dict[str, Any]] = {}
        self._added_graphs: list[Any] = []
        self._added_meta_graphs: list[Any] = []
        self._added_session_logs: list[Any] = []
        self._closed = False

    @property
    def summaries(self) -> dict[int, dict[str, Any]]:
        """For each step the numbers by tag."""
        return self._summaries

    def assert_summaries(
        self,
        test_case: Any,
        expected_logdir: str | None = None,
        expected_graph: Any = None,
        expected_summaries: Any = None,
        expected_added_graphs: Any = None,
        expected_added_meta_graphs: Any = None,
        expected_session_logs: Any = None,
    ) -> None:
        """Checks what was kept, as far as it is told.

        Args:
          test_case: a `TestCase`.
          expected_logdir, expected_graph: of the writer.
          expected_summaries: for each step some numbers by tag.
          expected_added_graphs, expected_added_meta_graphs, expected_session_logs: what was added.
        """
        pairs = (
            (expected_logdir, self._logdir),
            (expected_added_graphs, self._added_graphs),
            (expected_added_meta_graphs, self._added_meta_graphs),
            (expected_session_logs, self._added_session_logs),
        )
        for expected, kept in pairs:
            if expected is not None:
                test_case.assertEqual(expected, kept)
        if expected_graph is not None:
            test_case.assertTrue(expected_graph is self._graph)
        for step, numbers in (expected_summaries or {}).items():
            test_case.assertIn(step, self._summaries)
            for tag, number in numbers.items():
                test_case.assertIn(tag, self._summaries[step])
                test_case.assertAlmostEqual(number, self._summaries[step][tag], places=5)

    def add_summary(self, summ: Any, current_global_step: int) -> None:
        """Keeps the numbers of a summary, or of one serialized."""
        made = to_summary_proto(summ) if isinstance(summ, bytes) else summ
        kept = self._summaries.setdefault(current_global_step, {})
        kept.update({v.tag: v.simple_value for v in made.value if v.HasField("simple_value")})

    def add_graph(self, graph: Any, global_step: Any = None, graph_def: Any = None) -> None:
        """Keeps a graph.

        Raises:
          ValueError: a step or a GraphDef is given.
        """
        if global_step is not None and global_step < 0:
            raise ValueError(f"Invalid global_step {global_step}.")
        if graph_def is not None:
            raise ValueError(f"Unexpected graph_def {graph_def}.")
        self._added_graphs.append(graph)

    def add_meta_graph(self, meta_graph_def: Any, global_step: Any = None) -> None:
        """Keeps a MetaGraphDef."""
        if global_step is not None and global_step < 0:
            raise ValueError(f"Invalid global_step {global_step}.")
        self._added_meta_graphs.append(meta_graph_def)

    def add_session_log(self, session_log: Any, global_step: Any = None) -> None:
        """Keeps a session's log."""
        del global_step
        self._added_session_logs.append(session_log)

    def flush(self) -> None:
        """Nothing."""

    def reopen(self) -> None:
        """Opens the writer again."""
        self._closed = False

    def close(self) -> None:
        """Closes the writer."""
        self._closed = True
