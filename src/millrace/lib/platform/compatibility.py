"""Until when a change of graphs must be held back so that the programs of three weeks ago can read them."""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterator
from contextvars import ContextVar

from millrace.core.public import public

_DAYS_AHEAD = "TF_FORWARD_COMPATIBILITY_DELTA_DAYS"
_horizon: ContextVar[datetime.date | None] = ContextVar("forward compatibility", default=None)


@public("compat.forward_compatible", "compat.v2.compat.forward_compatible")
def forward_compatible(year: int, month: int, day: int) -> bool:
    """True where graphs may hold what came on a date: it lies before the horizon, 21 August 2019 in 1.15."""
    horizon = _horizon.get()
    if horizon is None:
        ahead = datetime.timedelta(days=int(os.environ.get(_DAYS_AHEAD, "0")))
        horizon = datetime.date(2019, 8, 21) + ahead
    return horizon > datetime.date(year, month, day)


@public("compat.forward_compatibility_horizon", "compat.v2.compat.forward_compatibility_horizon")
@contextlib.contextmanager
def forward_compatibility_horizon(year: int, month: int, day: int) -> Iterator[None]:
    """A context in which the horizon is another date."""
    token = _horizon.set(datetime.date(year, month, day))
    try:
        yield
    finally:
        _horizon.reset(token)
