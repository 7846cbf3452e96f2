"""Lets a step of training fail at every line that it runs, and looks whether it is whole or absent.

    python tools/failures.py [--tier interpret|compile|auto] [--kind small|many|cut|rows] [--most 3000]

A step is run again and again; the first time it fails at the first line of millrace's code that it reaches,
then at the second, and so on to the end of the step: inside kernels, between them, between compiled programs,
in a Python function, while values are stored. It fails with MemoryError, and with KeyboardInterrupt. Each
time the variables must agree, and the next step must do its work. Lines beyond `--most` are sampled.
"""

from __future__ import annotations

import argparse
import importlib.util
import linecache
import os
import pathlib
import random
import sys
from collections.abc import Callable
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
KINDS = ("small", "many", "cut", "rows")
TIERS = ("interpret", "compile", "auto")
ERRORS = (MemoryError, KeyboardInterrupt)
_ROOMS = ("runtime", "session", "opkit", "ops", "dialect", "core")
_PLACES = ("<millrace plan", *(f"/millrace/{room}/" for room in _ROOMS))


def steps() -> Any:
    """`tools/interrupts.py`, which has the steps."""
    spec = importlib.util.spec_from_file_location("interrupts", HERE / "interrupts.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Failing:
    """Raises an error at the n-th line of millrace's own code that this thread reaches."""

    def __init__(self, at: int, error: type[BaseException]) -> None:
        self.at, self.error = at, error
        self.lines = 0
        self.place = ""

    def __enter__(self) -> Failing:
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _call(self, frame: Any, event: str, _: Any) -> Any:
        return self._line if any(p in frame.f_code.co_filename for p in _PLACES) else None

    def _line(self, frame: Any, event: str, _: Any) -> Any:
        if event == "line" and not _leaves(frame):
            self.lines += 1
            if self.lines == self.at:
                self.place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
                sys.settrace(None)
                raise self.error("injected")
        return self._line


def _leaves(frame: Any) -> bool:
    """Whether a line is one of a `with`, which is reached once more before what it holds is let go: no
    signal's handler runs there, and nothing can fail.
    """
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno).lstrip().startswith("with ")


def fail(
    tf: Any, kind: str, error: type[BaseException], most: int, report: Callable[[str], None] = print
) -> tuple[int, int]:
    """How often a step was let fail, and how often it was torn or the session useless afterwards."""
    tried = bad = 0
    with tf.Graph().as_default(), tf.Session() as sess:
        step, variables, before = steps().build(tf, kind)
        start = tf.global_variables_initializer()
        sess.run(start)

        def prepare() -> None:
            for op in before:
                sess.run(op)

        for _ in range(20):
            prepare()
            sess.run(step)
        prepare()
        with Failing(-1, error) as counted:
            sess.run(step)
        places = range(1, counted.lines + 1)
        if len(places) > most:
            places = sorted(random.Random(0).sample(places, most))
        for at in places:
            prepare()
            value = float(sess.run(variables[0]).ravel()[0])
            ended = False
            with Failing(at, error) as failing:
                try:
                    sess.run(step)
                    ended = True
                except (error, tf.errors.OpError):
                    pass
            tried += 1
            got = {float(x) for v in sess.run(variables) for x in v.ravel()}
            wrong = got not in ({value}, {value + 1.0}) or (ended and got != {value + 1.0})
            if not wrong:
                prepare()
                sess.run(step)
                after = {float(x) for v in sess.run(variables) for x in v.ravel()}
                wrong = after != {next(iter(got)) + 1.0}
            if wrong:
                bad += 1
                report(f"{kind}: torn at line {at} ({failing.place}): {sorted(got)[:3]} after {value}")
                sess.run(start)
    return tried, bad


def main() -> int:
    """Lets all kinds fail in all tiers; 1 where something was torn."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--most", type=int, default=3000, help="lines of each step (default: %(default)s)")
    parser.add_argument("--tier", choices=TIERS, action="append", help="by default all")
    parser.add_argument("--kind", choices=KINDS, action="append", help="by default all")
    given = parser.parse_args()
    import millrace as tf

    failed = 0
    for tier in given.tier or TIERS:
        os.environ["MILLRACE_TIER"] = tier
        for kind in given.kind or KINDS:
            for error in ERRORS:
                tried, bad = fail(tf, kind, error, given.most)
                failed += bad
                print(f"{tier:10} {kind:6} {error.__name__:18} {tried} failures, {bad} torn", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
