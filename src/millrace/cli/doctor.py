"""`millrace doctor script.py [args]`: runs the script, watches, and reports what commonly goes wrong."""

import contextlib
import functools
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from millrace.cli.findings import Finding, Seen, examine, is_update
from millrace.cli.run import run_script
from millrace.graph.location import capture, describe
from millrace.runtime.plan.planner import Step, ancestors
from millrace.session import session

_LARGE = 1 << 10  # elements of a feed whose conversion costs something
_OFTEN = 3


def examine_script(script: str, arguments: Sequence[str]) -> int:
    """Runs a script as `millrace run` does, then prints what is wrong with it.

    Args:
      script: path of a Python file.
      arguments: words for `sys.argv[1:]`.

    Returns:
      The script's exit status.
    """
    doctor = _Doctor()
    with doctor.watching():
        try:
            status = run_script(script, arguments, "doctor")
        except SystemExit as leaving:
            code = leaving.code
            status = code if isinstance(code, int) else 0 if code is None else 1
    found = list(doctor.findings())
    print(f"\nmillrace doctor: {doctor.runs} runs watched", file=sys.stderr)
    for finding in found:
        place = f"{finding.where}: " if finding.where else ""
        print(f"\n* {place}{finding.what}\n  remedy: {finding.remedy}", file=sys.stderr)
    if not found:
        print("nothing wrong was found", file=sys.stderr)
    return status


class _Doctor:
    """Watches every run of the process."""

    def __init__(self) -> None:
        self._graphs: dict[Any, Seen] = {}
        self._sessions: dict[int, tuple[Any, str]] = {}
        self._feeds: Counter[tuple[str, str, str, str]] = Counter()

    @property
    def runs(self) -> int:
        """How many runs there were."""
        return sum(seen.runs for seen in self._graphs.values())

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Sees the runs, and the feeds as the program gives them, while it lasts."""
        plain = session.BaseSession.run

        @functools.wraps(plain)
        def run(sess: Any, fetches: Any, feed_dict: Any = None, *args: Any, **kwargs: Any) -> Any:
            place = describe(capture())
            self._sessions.setdefault(id(sess), (sess, place))
            for key, value in (feed_dict or {}).items():
                self._note_feed(key, value, place)
            return plain(sess, fetches, feed_dict, *args, **kwargs)

        watched: Any = session.BaseSession
        watched.run = run
        session.observers.append(self._observe)
        try:
            yield
        finally:
            session.observers.remove(self._observe)
            watched.run = plain

    def findings(self) -> Iterator[Finding]:
        """All that is wrong."""
        for seen in self._graphs.values():
            yield from examine(seen)
        for (name, kind, wanted, place), count in self._feeds.items():
            if count >= _OFTEN:
                yield Finding(
                    f"{name} was fed {kind} {count} times, which becomes {wanted} anew in every run",
                    place,
                    f"convert it once, before the loop: np.asarray(value, np.{wanted})",
                )
        for sess, place in self._sessions.values():
            if not sess.closed and not isinstance(sess, session.InteractiveSession):
                yield Finding("a session is left open", place, "`with tf.Session() as sess:` closes it")

    def _note_feed(self, key: Any, value: Any, place: str) -> None:
        dtype = getattr(key, "dtype", None)
        if dtype is None:
            return
        wanted = dtype.base_dtype.name
        if isinstance(value, np.ndarray):
            if value.size >= _LARGE and value.dtype != dtype.base_dtype.as_numpy_dtype and wanted != "string":
                self._feeds[key.name, f"an array of {value.dtype}", wanted, place] += 1
        elif isinstance(value, list) and np.size(value) >= _LARGE:
            self._feeds[key.name, "a list", wanted, place] += 1

    def _observe(self, runner: Any, values: Any) -> Any:
        if not runner.elements:
            return None
        graph = runner.elements[0].graph
        seen = self._graphs.get(graph)
        if seen is None:
            seen = self._graphs[graph] = Seen(graph)
        seen.note_run()
        needed = ancestors(runner.elements, frozenset(feed.tensor for feed in runner.feeds))
        seen.ran.update(needed)
        seen.shapes.setdefault(tuple(runner.elements), set()).add(tuple(v.shape for v in values))
        if any(op.type == "Relu" or is_update(op) for op in needed):
            return _Values(seen)
        return None


class _Values:
    """Looks at gradients and activations of one run."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._known: dict[int, Any] = {}

    def __call__(self, part: Any, start: int, end: int, results: Sequence[Any]) -> None:
        """Notes what a step has given."""
        self._known.update(zip(part.gives, results, strict=True))
        for step in part.steps:
            if not isinstance(step, Step):
                continue
            op = step.op
            if op.type == "Relu" and step.outputs and step.outputs[0] in self._known:
                self._seen.observed[op] += 1
                self._seen.dead[op] += bool(np.any(np.asarray(self._known[step.outputs[0]]) > 0))
            elif is_update(op):
                self._note_update(step)

    def _note_update(self, step: Step) -> None:
        """Counts runs of an update, and those in which its gradient was not all zeros."""
        op = step.op
        gradients = [
            self._known[v]
            for tensor, v in zip(op.inputs[-len(step.inputs) :], step.inputs, strict=False)
            if v in self._known and "grad" in tensor.name
        ]
        if gradients:
            self._seen.observed[op] += 1
            self._seen.zero[op] += any(np.any(np.asarray(g)) for g in gradients)
