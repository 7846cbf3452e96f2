"""The text of the interpreter's functions: where debuggers look for it, and which step each line is."""

from __future__ import annotations

import linecache
from types import CodeType
from typing import Any

from millrace.runtime.plan.planner import Step

LINES = "LINES"  # in a function's namespace: source name -> the step on each line


class Listing:
    """Generated source, where debuggers and tracebacks look for it, as long as the functions live."""

    def __init__(self) -> None:
        self.units: list[str] = []

    def add(self, unit: str, source: str) -> None:
        """Shows `source` for the file called `unit`."""
        self.units.append(unit)
        linecache.cache[unit] = len(source), None, source.splitlines(keepends=True), unit

    def __del__(self) -> None:
        for unit in self.units:
            linecache.cache.pop(unit, None)


def locate(error: BaseException) -> tuple[Step, list[Any]] | None:
    """The step that raised `error` and the values it was given, found from the traceback."""
    found = None
    trace = error.__traceback__
    while trace is not None:
        code: CodeType = trace.tb_frame.f_code
        if code.co_filename.startswith("<millrace plan"):
            steps = trace.tb_frame.f_globals[LINES][code.co_filename]
            step = steps[trace.tb_lineno - 1]
            if isinstance(step, Step):
                found = step, trace.tb_frame
        trace = trace.tb_next
    if found is None:
        return None
    step, frame = found
    names = frame.f_locals
    values: list[Any] = []
    register = names.get("R")
    for value in step.inputs:
        if register is not None:
            values.append(register[value])
        else:
            values.append(names.get(f"v{value}", frame.f_globals.get(f"c{value}")))
    return step, values
