"""Rows and columns matched by distance, and areas of equal pixels that touch."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.dtypes import BOOL, REAL, STRING
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.attrs import integer
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import with_rank


@declare(
    "BipartiteMatch(distance_mat: float, num_valid_rows: float) -> row_to_col_match_indices: int32, "
    "col_to_row_match_indices: int32",
    top_k=integer(default=-1),
    host=True,
)
class BipartiteMatch:
    """Pairs of rows and columns, the nearest first, each in one pair; -1 for what has none."""

    def shape(distance_mat, num_valid_rows):
        rows, columns = with_rank(distance_mat, 2, "distance_mat") or (None, None)
        return [(rows,), (columns,)]

    def kernel(xp, distance_mat, num_valid_rows, top_k):
        rows, columns = distance_mat.shape
        if num_valid_rows.size != 1:
            raise refusal(f"num_valid_rows must be one number. Received: {list(num_valid_rows.shape)}")
        valid = float(np.ravel(num_valid_rows)[0])
        valid = int(valid) if valid >= 0 else rows
        if valid > rows:
            raise refusal(f"There should be at least {valid} rows in distance_mat, but only got {rows} rows.")
        of_rows, of_columns = np.full(rows, -1, np.int32), np.full(columns, -1, np.int32)
        most = min(valid, columns) if top_k <= 0 else min(top_k, valid, columns)
        for place in np.argsort(distance_mat[:valid], axis=None, kind="stable") if most else ():
            row, column = divmod(int(place), columns)
            if of_rows[row] < 0 and of_columns[column] < 0:
                of_rows[row], of_columns[column] = column, row
                most -= 1
                if most == 0:
                    break
        return of_rows, of_columns

    grad = NOT_DIFFERENTIABLE


@declare("ImageConnectedComponents(image: dtype) -> components: int64", dtype=REAL | BOOL | STRING, host=True)
class ImageConnectedComponents:
    """Numbers from 1 for areas of equal pixels that touch, image after image; 0 for 0, False and empty."""

    def shape(image):
        return with_rank(image, 3, "image")

    def kernel(xp, image):
        if image.ndim != 3:
            raise refusal(f"image must be [images, rows, columns]. Received: shape {list(image.shape)}")
        return _areas(image, image != (b"" if image.dtype.kind == "O" else image.dtype.type(0)))

    grad = NOT_DIFFERENTIABLE


def _areas(image: Any, inside: Any) -> Any:
    """The number of each pixel's area, by the first pixel of the areas in reading order."""
    first = np.arange(image.size).reshape(image.shape)
    pairs = []
    for axis in (1, 2):
        a, b = [slice(None)] * 3, [slice(None)] * 3
        a[axis], b[axis] = slice(None, -1), slice(1, None)
        same = (image[tuple(a)] == image[tuple(b)]) & inside[tuple(a)]
        pairs.append(np.stack([first[tuple(a)][same], first[tuple(b)][same]]))
    left, right = np.concatenate(pairs, axis=1)
    parent = first.ravel()
    while True:  # each round hooks the larger of two roots to the smaller one, and then shortens all ways
        low = np.minimum(parent[left], parent[right])
        high = np.maximum(parent[left], parent[right])
        if np.array_equal(low, high):
            break
        np.minimum.at(parent, high, low)
        while not np.array_equal(parent, parent[parent]):
            parent = parent[parent]
    number = np.cumsum((parent == np.arange(image.size)) & np.ravel(inside))
    return np.where(inside, number[parent].reshape(image.shape), 0).astype(np.int64)


@public("contrib.image.bipartite_match")
def bipartite_match(
    distance_mat: Any, num_valid_rows: Any, top_k: int = -1, name: str = "bipartite_match"
) -> tuple[Tensor, Tensor]:
    """Pairs of rows and columns, the nearest first, each in one pair.

    Args:
      distance_mat: float32 `[rows, columns]`.
      num_valid_rows: float32 scalar: only so many rows take part; a negative number for all.
      top_k: find so many pairs; with 0 or less, as many as there can be.
      name: op name.

    Returns:
      For each row its column, and for each column its row, int32; -1 for those without.

    Raises:
      ValueError: `distance_mat` is not a matrix.
      InvalidArgumentError: when run, there are fewer rows.
    """
    pair = raw.BipartiteMatch(distance_mat, num_valid_rows, top_k=top_k, name=name)
    return pair[0], pair[1]


@public("contrib.image.connected_components")
def connected_components(images: Any) -> Tensor:
    """Numbers from 1 for areas of equal pixels that touch at their sides; 0 for 0, False and empty ones.

    Args:
      images: `[rows, columns]` or `[images, rows, columns]`, of numbers, truth values or strings.

    Returns:
      int32, of the shape of `images`; numbers go on from one image to the next.

    Raises:
      TypeError: the rank is another one.
      ValueError: it is not known.
    """
    with name_scope("connected_components"):
        images = convert_to_tensor(images, name="images")
        rank = None if images.dims is None else len(images.dims)
        if rank not in (2, 3):
            kind = ValueError if rank is None else TypeError
            raise kind(f"images should have rank 2 or 3. Received: shape {images.shape}")
        images.graph.count(65 if rank == 2 else 60)  # TensorFlow 1.15 numbers the areas anew from 1 by many
        numbers = raw.ImageConnectedComponents(raw.ExpandDims(images, 0) if rank == 2 else images)
        return raw.Cast(raw.Squeeze(numbers, squeeze_dims=[0]) if rank == 2 else numbers, DstT=dtypes.int32)
