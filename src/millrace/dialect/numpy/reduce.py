"""Reductions of the NumPy dialect: NumPy's own functions look at their arguments for longer than a small
array takes to add up.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class ReduceVerbs:
    """Sums and extremes along axes; all of them by default."""

    def sum(self, x: Any, axis: Any = None, **more: Any) -> Any:
        """As `np.sum`."""
        return np.add.reduce(x, axis, **more)

    def max(self, x: Any, axis: Any = None, **more: Any) -> Any:
        """As `np.max`."""
        return np.maximum.reduce(x, axis, **more)

    def min(self, x: Any, axis: Any = None, **more: Any) -> Any:
        """As `np.min`."""
        return np.minimum.reduce(x, axis, **more)
