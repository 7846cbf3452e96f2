"""`millrace run --check-numerics`: runs step by step, and stops where numbers stop being finite."""

from typing import Any

from millrace.runtime.finite import FiniteWatch
from millrace.session import session


def check_numerics() -> None:
    """Makes every run of this process stop at the first operation that makes NaN or infinity."""
    session.observers.append(_watch)


def _watch(runner: Any, values: Any) -> FiniteWatch:
    return FiniteWatch(list(zip((feed.tensor for feed in runner.feeds), values, strict=True)))
