"""Metrics that are not the mean of a function: errors relative to others, overlaps of classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.building.convert import to_tensor
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers import settings
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.metrics.confusion import confusion_matrix
from millrace.models.keras.backend.session import batch_set_value
from millrace.models.keras.losses.weighting import aligned
from millrace.models.keras.metrics.base import Mean, Metric
from millrace.ops.linalg.diag import diag_part
from millrace.ops.math.cast import cast
from millrace.ops.math.division import div_no_nan


@public("keras.metrics.MeanRelativeError")
class MeanRelativeError(Mean):
    """The mean of the differences' magnitudes, divided by a normalizer.

    Args:
      normalizer: what to divide by, of the predictions' shape.
      name, dtype: as for `Metric`.
    """

    def __init__(self, normalizer: Any, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)  # type: ignore[arg-type]
        self.normalizer = cast(normalizer, self._dtype)
        self._normalizer = np.asarray(normalizer, settings.floatx())

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The operation that adds a batch."""
        y_true, y_pred = cast(y_true, self._dtype), cast(y_pred, self._dtype)
        y_true, y_pred = aligned(convert.to_tensor(y_true), convert.to_tensor(y_pred))
        errors = div_no_nan(raw.Abs(y_true - y_pred), self.normalizer)
        return super().update_state(errors, sample_weight=sample_weight)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal metric."""
        return {**super().get_config(), "normalizer": self._normalizer}


@public("keras.metrics.RootMeanSquaredError")
class RootMeanSquaredError(Mean):
    """The root of the mean of the squared differences."""

    def __init__(self, name: str = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype=dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The operation that adds a batch."""
        y_true, y_pred = cast(y_true, self._dtype), cast(y_pred, self._dtype)
        y_true, y_pred = aligned(convert.to_tensor(y_true), convert.to_tensor(y_pred))
        return super().update_state(raw.SquaredDifference(y_pred, y_true), sample_weight=sample_weight)

    def result(self) -> Any:
        """The root so far."""
        return raw.Sqrt(div_no_nan(self.total, self.count))


def _flat(x: Tensor) -> Tensor:
    """All elements as a vector."""
    return x if x.dims is not None and len(x.dims) <= 1 else raw.Reshape(x, [-1])


@public("keras.metrics.MeanIoU")
class MeanIoU(Metric):
    """The mean over classes of intersection over union of prediction and truth.

    Args:
      num_classes: how many classes there are.
      name, dtype: as for `Metric`.
    """

    def __init__(self, num_classes: int, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.num_classes = num_classes
        self.total_cm = self.add_weight(
            "total_confusion_matrix",
            shape=(num_classes, num_classes),
            initializer="zeros",
            dtype=dtypes.float64,
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The operation that counts a batch of classes, integers."""
        flat = [_flat(y) for y in (cast(y_true, self._dtype), cast(y_pred, self._dtype))]
        weights = None if sample_weight is None else _flat(to_tensor(sample_weight))
        counts = confusion_matrix(*flat, self.num_classes, weights=weights, dtype=dtypes.float64)  # pyright: ignore[reportCallIssue]
        return self.total_cm.assign_add(counts)

    def result(self) -> Any:
        """The mean so far, over the classes that occurred."""
        counts = self.total_cm
        rows, columns = cast(reduce_sum(counts, 0), self._dtype), cast(reduce_sum(counts, 1), self._dtype)
        right = cast(diag_part(counts), self._dtype)
        union = rows + columns - right
        valid = reduce_sum(cast(raw.NotEqual(union, 0), self._dtype))
        return div_no_nan(reduce_sum(div_no_nan(right, union), name="mean_iou"), valid)

    def reset_states(self) -> None:
        """Sets all counts to zero."""
        batch_set_value([(v, np.zeros((self.num_classes, self.num_classes))) for v in self.variables])

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal metric."""
        return {**super().get_config(), "num_classes": self.num_classes}
