"""`tf.contrib.image`: polyharmonic splines, and images warped by them or by a flow."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core.dtypes import int32
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.array import eye, meshgrid
from millrace.lib.math.checks import assert_greater_equal
from millrace.lib.math.reductions import reduce_sum
from millrace.ops.array.concat import concat, stack, unstack
from millrace.ops.array.constant import constant, zeros
from millrace.ops.array.fill import ones_like, range_
from millrace.ops.array.gather import gather
from millrace.ops.array.reshape import expand_dims, transpose
from millrace.ops.array.shape import shape
from millrace.ops.linalg.diag_band import matrix_diag_part
from millrace.ops.linalg.matmul import matmul
from millrace.ops.linalg.solve import matrix_solve

_LEAST = 1e-10


def _distances(x: Tensor, y: Tensor) -> Tensor:
    """`[batch, n, m]`: the squared distances of the points of x from those of y."""
    x2 = reduce_sum(raw.Square(x), 2, keepdims=True)
    y2 = reduce_sum(raw.Square(y), 2, keepdims=True)
    return x2 - 2 * matmul(x, y, transpose_b=True) + transpose(y2, [0, 2, 1])


def _own_distances(x: Tensor) -> Tensor:
    products = matmul(x, x, transpose_b=True)
    squares = expand_dims(matrix_diag_part(products), 2)
    return squares - 2 * products + transpose(squares, [0, 2, 1])


def _basis(r2: Tensor, order: Any) -> Tensor:
    """The radial function of a spline's order, of squared distances."""
    with name_scope("phi"):
        safe = raw.Maximum(r2, _LEAST)
        if order == 1:
            return raw.Sqrt(safe)
        if order == 2:
            return 0.5 * r2 * raw.Log(safe)
        if order == 4:
            return 0.5 * raw.Square(r2) * raw.Log(safe)
        if order % 2 == 0:
            return 0.5 * safe ** (0.5 * order) * raw.Log(safe)
        return safe ** (0.5 * order)


def _with_one(x: Tensor) -> Tensor:
    return concat([x, ones_like(x[..., :1])], 2)


def _solved(c: Tensor, f: Tensor, order: Any, regularization: float) -> tuple[Tensor, Tensor]:
    """The weights of the radial functions and of the linear part."""
    batch, n, _ = unstack(shape(c), num=3)
    a = _basis(_own_distances(c), order)
    if regularization > 0:
        a = a + expand_dims(regularization * eye(n, dtype=c.dtype), 0)
    b = _with_one(c)
    inner = int(c.dims[2]) + 1  # pyright: ignore[reportOptionalSubscript, reportArgumentType]
    left = concat([a, transpose(b, [0, 2, 1])], 1)
    right = concat([b, zeros([batch, inner, inner], c.dtype)], 1)
    lhs = concat([left, right], 2)
    rhs = concat([f, zeros([batch, inner, f.dims[2]], c.dtype)], 1)  # pyright: ignore[reportOptionalSubscript]
    both = matrix_solve(lhs, rhs)
    return both[:, :n, :], both[:, n:, :]


@public("contrib.image.interpolate_spline")
def interpolate_spline(
    train_points: Any,
    train_values: Any,
    query_points: Any,
    order: Any,
    regularization_weight: float = 0.0,
    name: str = "interpolate_spline",
) -> Tensor:
    """Values between points by a polyharmonic spline: radial functions of the distances and a linear part.

    Args:
      train_points: `[batch, n, d]`, floating: the points.
      train_values: `[batch, n, k]`: the values at them.
      query_points: `[batch, m, d]`: where values are wanted.
      order: of the radial function; 2 is the thin plate spline.
      regularization_weight: 0: the spline passes through the values; greater: it only comes near them.
      name: scope.

    Returns:
      `[batch, m, k]`.

    Raises:
      ValueError: the last dimensions are unknown or do not fit.
    """
    with name_scope(name):
        points = convert.to_tensor(train_points)
        values = convert.to_tensor(train_values)
        queries = convert.to_tensor(query_points)
        for tensor, what in ((points, "train_points"), (values, "train_values")):
            if tensor.dims is None or len(tensor.dims) != 3 or tensor.dims[2] is None:
                raise ValueError(f"interpolate_spline: {what} must be [batch, n, known]. Received: {tensor}")
        points.graph.count(2)  # TensorFlow 1.15 takes squared distances apart otherwise
        with name_scope("solve"):
            w, v = _solved(points, values, order, regularization_weight)
        with name_scope("predict"):
            radial = matmul(_basis(_distances(queries, points), order), w)
            return radial + matmul(_with_one(queries), v)


def _bilinear(grid: Tensor, queries: Tensor) -> Tensor:
    """`[batch, n, channels]`: images `[batch, height, width, channels]` read at (y, x) `[batch, n, 2]`.

    Places outside are moved to the edge.
    """
    with name_scope("interpolate_bilinear"):
        batch, height, width, channels = (shape(grid)[i] for i in range(4))
        count = shape(queries)[1]
        checks = [assert_greater_equal(height, 2), assert_greater_equal(width, 2)]
        with control_dependencies(checks):
            places = unstack(queries, num=2, axis=2)
        floors, ceils, shares = [], [], []
        for place, length in zip(places, (height, width), strict=True):
            dtype = place.dtype.base_dtype
            most = raw.Cast(length - 2, DstT=dtype)
            below = raw.Minimum(raw.Maximum(constant(0, dtype), raw.Floor(place)), most)
            floors.append(raw.Cast(below, DstT=int32))
            ceils.append(floors[-1] + 1)
            share = raw.Cast(place - below, DstT=grid.dtype.base_dtype)
            one, zero = constant(1, share.dtype), constant(0, share.dtype)
            shares.append(expand_dims(raw.Minimum(raw.Maximum(zero, share), one), 2))
        flat = raw.Reshape(grid, stack([batch * height * width, channels]))
        start = raw.Reshape(range_(batch) * height * width, [-1, 1])

        def read(y: Tensor, x: Tensor) -> Tensor:
            rows = gather(flat, raw.Reshape(start + y * width + x, [-1]))
            return raw.Reshape(rows, stack([batch, count, channels]))

        top_left, top_right = read(floors[0], floors[1]), read(floors[0], ceils[1])
        low_left, low_right = read(ceils[0], floors[1]), read(ceils[0], ceils[1])
        top = shares[1] * (top_right - top_left) + top_left
        low = shares[1] * (low_right - low_left) + low_left
        return shares[0] * (low - top) + top


@public("contrib.image.dense_image_warp")
def dense_image_warp(image: Any, flow: Any, name: str = "dense_image_warp") -> Tensor:
    """Images whose pixel (y, x) is what was at (y, x) - flow[y, x]; outside, what is at the edge.

    Args:
      image: `[batch, height, width, channels]`, floating, height and width at least 2.
      flow: `[batch, height, width, 2]`, floating.
      name: scope.

    Returns:
      The shape and dtype of `image`.

    Raises:
      InvalidArgumentError: when run, the image is smaller.
    """
    with name_scope(name):
        image, flow = convert.to_tensor(image), convert.to_tensor(flow)
        image.graph.count(
            41 if image.dtype == flow.dtype else 43
        )  # TensorFlow 1.15 checks more while it interpolates
        batch, height, width, channels = (shape(image)[i] for i in range(4))
        xs, ys = meshgrid(range_(width), range_(height))
        grid = raw.Cast(stack([ys, xs], 2), DstT=flow.dtype.base_dtype)
        places = expand_dims(grid, 0) - flow
        flat = raw.Reshape(places, stack([batch, height * width, 2]))
        pixels = _bilinear(image, flat)
        result = raw.Reshape(pixels, stack([batch, height, width, channels]))
        result.set_shape(image.dims)
        return result


def _boundary(height: int, width: int, between: int) -> np.ndarray:
    """`[n, 2]`: points (y, x) on the edge of an image, `between` inside each side and the corners."""
    ys, xs = np.meshgrid(
        np.linspace(0, height - 1, between + 2), np.linspace(0, width - 1, between + 2), indexing="ij"
    )
    edge = (xs == 0) | (xs == width - 1) | (ys == 0) | (ys == height - 1)
    return np.stack([ys[edge], xs[edge]], axis=-1)


@public("contrib.image.sparse_image_warp")
def sparse_image_warp(
    image: Any,
    source_control_point_locations: Any,
    dest_control_point_locations: Any,
    interpolation_order: Any = 2,
    regularization_weight: float = 0.0,
    num_boundary_points: int = 0,
    name: str = "sparse_image_warp",
) -> tuple[Tensor, Tensor]:
    """Images pulled at some points; in between the pull is a polyharmonic spline.

    Args:
      image: `[batch, height, width, channels]`, floating, of known shape.
      source_control_point_locations: `[batch, n, 2]`: points (y, x).
      dest_control_point_locations: `[batch, n, 2]`: where they go.
      interpolation_order: of the spline.
      regularization_weight: of the spline.
      num_boundary_points: how many points stay where they are on each side of the image, with the first
        corner; 0: none, 1: the corners.
      name: scope.

    Returns:
      The warped images and the flow, `[batch, height, width, 2]`.

    Raises:
      ValueError: the shape of the image is not known.
    """
    image = convert.to_tensor(image)
    source = convert.to_tensor(source_control_point_locations)
    dest = convert.to_tensor(dest_control_point_locations)
    flows = dest - source
    clamp = num_boundary_points > 0
    with name_scope(name):
        if image.dims is None or None in image.dims or len(image.dims) != 4:
            raise ValueError(f"sparse_image_warp: the image's shape must be known. Received: {image}")
        batch, height, width, _ = (int(d) for d in image.dims)  # pyright: ignore[reportArgumentType]
        ys, xs = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
        grid = np.stack([ys, xs], axis=-1).reshape(-1, 2)
        queries = constant(np.broadcast_to(grid, (batch, *grid.shape)).copy(), image.dtype.base_dtype)
        if clamp:
            edge = _boundary(height, width, num_boundary_points - 1)
            edge = np.broadcast_to(edge, (batch, *edge.shape)).copy()
            dest = concat([dest, constant(edge, dest.dtype.base_dtype)], 1)
            flows = concat([flows, constant(np.zeros_like(edge), flows.dtype.base_dtype)], 1)
        flat = interpolate_spline(dest, flows, queries, interpolation_order, regularization_weight)
        dense = raw.Reshape(flat, [batch, height, width, 2])
        return dense_image_warp(image, dense), dense
