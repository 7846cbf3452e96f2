"""Matrix verbs of the NumPy dialect."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core import dtypes

_BFLOAT16 = dtypes.bfloat16.np_dtype


class LinalgVerbs:
    """Products and factorisations of (batches of) matrices."""

    def mat_product(self, a: Any, b: Any) -> Any:
        """Matrix product over the last two axes, leading ones broadcast; bfloat16 sums in float32."""
        if a.dtype == _BFLOAT16:
            return np.matmul(a.astype(np.float32), b.astype(np.float32)).astype(_BFLOAT16)
        return np.matmul(a, b)
