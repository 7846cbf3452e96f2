"""Examples in the format of LIBSVM: a label, and features as `index:value`."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building.apply import apply
from millrace.building.sparse_tensor import SparseTensor
from millrace.core.dtypes import float32, float64, int32, int64
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.attrs import integer
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.text.pieces import strings

_NUMBERS = frozenset({float32, float64, int32, int64})


def _number(text: str, dtype: Any, what: str) -> Any:
    try:
        return dtype.np_dtype.type(text)
    except (ValueError, OverflowError):
        raise refusal(f"{what} format incorrect. Received: {text!r}") from None


@declare("DecodeLibsvm(input: string) -> label: label_dtype, feature_indices: int64, feature_values: dtype, "
    "feature_shape: int64", host=True, dtype=dtype_attr(_NUMBERS, float32),
    label_dtype=dtype_attr(_NUMBERS, int64), num_features=integer(minimum=1))  # fmt: skip
class DecodeLibsvm:
    """The labels of lines, and their features as a sparse tensor."""

    def shape(input):
        return [input, (None, None), (None,), (None,)]

    def kernel(xp, input, dtype, label_dtype, num_features):
        labels, places, values = [], [], []
        for place, line in zip(np.ndindex(input.shape), strings(input).reshape(-1), strict=True):
            label, *features = line.decode("utf-8", "replace").split(" ")
            labels.append(_number(label, label_dtype, "Label"))
            for feature in filter(None, features):
                index, colon, value = feature.partition(":")
                if not colon:
                    raise refusal(f"Invalid feature {feature!r}: it must be index:value")
                places.append((*place, int(_number(index, int64, "Feature index"))))
                values.append(_number(value, dtype, "Feature value"))
        return (
            np.asarray(labels, label_dtype.np_dtype).reshape(input.shape),
            np.asarray(places, np.int64).reshape(-1, input.ndim + 1),
            np.asarray(values, dtype.np_dtype),
            np.asarray((*input.shape, num_features), np.int64),
        )

    grad = NOT_DIFFERENTIABLE


@public("contrib.libsvm.decode_libsvm")
def decode_libsvm(
    content: Any, num_features: int, dtype: Any = None, label_dtype: Any = None
) -> tuple[SparseTensor, Tensor]:
    """Reads lines of LIBSVM's format, `label index:value index:value ...`.

    Args:
      content: strings of any shape.
      num_features: how many features there are.
      dtype: of the features; default float32.
      label_dtype: default int64.

    Returns:
      The features, sparse `[..., num_features]`, and the labels, of the shape of `content`.

    Raises:
      InvalidArgumentError: a line is not of that format.
    """
    kinds = {"dtype": dtype or float32, "label_dtype": label_dtype or int64}
    labels, indices, values, shape = apply(DecodeLibsvm, content, num_features=num_features, **kinds)
    return SparseTensor(indices, values, shape), labels
