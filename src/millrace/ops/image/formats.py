"""Axes and shapes of images from one data format to another."""

from __future__ import annotations

import numpy as np

from millrace.core.dtypes import INDEX
from millrace.core.errors import refusal
from millrace.graph.attrs import text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare


@declare(
    "DataFormatDimMap(x: T) -> y: T",
    T=INDEX,
    src_format=text("NHWC"),
    dst_format=text("NCHW"),
    host=True,
)
class DataFormatDimMap:
    """The number of each axis in the other format; negative numbers count from the end."""

    def shape(x):
        return x

    def kernel(xp, x, src_format, dst_format):
        rank = len(src_format)
        places = np.array([dst_format.index(axis) for axis in src_format], x.dtype)
        return places[x % rank]

    grad = NOT_DIFFERENTIABLE


@declare(
    "DataFormatVecPermute(x: T) -> y: T",
    T=INDEX,
    src_format=text("NHWC"),
    dst_format=text("NCHW"),
    host=True,
)
class DataFormatVecPermute:
    """What is told for each axis, `[4]` or `[4, 2]`, in the order of the other format."""

    def shape(x):
        if x is not None and len(x) not in (1, 2):
            raise ValueError(f"x must be a vector or a matrix. Received: x {list(x)}")
        return x

    def kernel(xp, x, src_format, dst_format):
        if x.shape[0] != len(src_format) or x.shape[1:] not in ((), (2,)):
            raise refusal(
                f"x must be [{len(src_format)}] or [{len(src_format)}, 2]. Received: {list(x.shape)}",
            )
        return x[[src_format.index(axis) for axis in dst_format]]

    grad = NOT_DIFFERENTIABLE
