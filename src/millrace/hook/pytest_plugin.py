"""pytest shows no frames inside millrace for tests that fail; an entry point of the package loads this."""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Generator[None, Any, Any]:
    """Shortens the traceback of a failure before it becomes part of a report."""
    if call.excinfo is not None and "millrace" in sys.modules:
        from millrace.hook import tracebacks

        if tracebacks.hides() and tracebacks.shorten(call.excinfo.value):
            call.excinfo = pytest.ExceptionInfo.from_exception(call.excinfo.value)
    return (yield)
