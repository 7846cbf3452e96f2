"""Functions of SciPy's in kernels."""

from __future__ import annotations

from typing import Any

import numpy as np


def wide(function: Any, *values: Any) -> Any:
    """A function of SciPy's on values that it knows, in their own dtype."""
    kind = values[0].dtype
    wide = kind if kind in (np.float32, np.float64) else np.dtype(np.float32)
    return np.asarray(function(*(np.asarray(v, wide) for v in values)), wide).astype(kind)[()]
