"""Classes as vectors, and vectors of length 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core.public import public


@public("keras.utils.to_categorical")
def to_categorical(y: Any, num_classes: int | None = None, dtype: Any = "float32") -> np.ndarray:
    """Classes as vectors that are 1 at the class and 0 elsewhere.

    Args:
      y: classes, integers from 0; a last axis of length 1 is dropped.
      num_classes: how many there are; default one more than the greatest.
      dtype: of the vectors.

    Returns:
      The shape of `y` with `num_classes` at its end.
    """
    classes = np.array(y, dtype="int")
    shape = classes.shape
    if shape and shape[-1] == 1 and len(shape) > 1:
        shape = shape[:-1]
    flat = classes.ravel()
    count = num_classes or int(np.max(flat)) + 1
    vectors = np.zeros((flat.shape[0], count), dtype=dtype)
    vectors[np.arange(flat.shape[0]), flat] = 1
    return vectors.reshape((*shape, count))


@public("keras.utils.normalize")
def normalize(x: Any, axis: int = -1, order: int = 2) -> np.ndarray:
    """Vectors along an axis divided by their lengths; those of length 0 stay as they are.

    Args:
      x: an array.
      axis: the axis.
      order: of the norm.
    """
    lengths = np.atleast_1d(np.linalg.norm(x, order, axis))
    lengths[lengths == 0] = 1
    return x / np.expand_dims(lengths, axis)
