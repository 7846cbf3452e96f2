"""How image resizing samples: which input pixels make an output pixel, and with what weights, along one axis.

All sizes are known before anything is computed, so everything here is NumPy. The float32 arithmetic,
operation by operation, is that of TensorFlow's CPU kernels: a sample on a pixel border goes to the same side.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

_F = np.float32
_TABLE = 1024  # cubic weights are looked up at this resolution


class Linear(NamedTuple):
    """For each output position the two input positions, and the weight of the upper one."""

    lower: np.ndarray
    upper: np.ndarray
    lerp: np.ndarray


def scale_of(size_in: int, size_out: int, align_corners: bool) -> np.float32:
    """How many input pixels one output pixel advances."""
    if align_corners and size_out > 1:
        return _F(size_in - 1) / _F(size_out - 1)
    return _F(size_in) / _F(size_out)


def _positions(size_in: int, size_out: int, align_corners: bool, half_pixel_centers: bool) -> np.ndarray:
    scale = scale_of(size_in, size_out, align_corners)
    at = np.arange(size_out, dtype=_F)
    return (at + _F(0.5)) * scale - _F(0.5) if half_pixel_centers else at * scale


@functools.lru_cache(maxsize=256)
def linear(size_in: int, size_out: int, align_corners: bool, half_pixel_centers: bool) -> Linear:
    """The samples of bilinear resizing along one axis."""
    at = _positions(size_in, size_out, align_corners, half_pixel_centers)
    floor = np.floor(at)
    lower = np.maximum(floor.astype(np.int64), 0)
    upper = np.minimum(np.ceil(at).astype(np.int64), size_in - 1)
    return Linear(lower, upper, at - floor)


@functools.lru_cache(maxsize=256)
def nearest(size_in: int, size_out: int, align_corners: bool, half_pixel_centers: bool) -> np.ndarray:
    """The input position of each output position."""
    scale = scale_of(size_in, size_out, align_corners)
    at = np.arange(size_out, dtype=_F)
    at = (at + _F(0.5)) * scale if half_pixel_centers else at * scale
    chosen = np.floor(at + _F(0.5)) if align_corners else np.floor(at)
    chosen = np.minimum(chosen.astype(np.int64), size_in - 1)
    return np.maximum(chosen, 0) if half_pixel_centers else chosen


@functools.cache
def _cubic_table(a: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights at distances from 0 to 1, and from 1 to 2."""
    x = (np.arange(_TABLE + 1) / _TABLE).astype(_F).astype(np.float64)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    x = x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return near.astype(_F), far.astype(_F)


@functools.lru_cache(maxsize=256)
def cubic(
    size_in: int, size_out: int, align_corners: bool, half_pixel_centers: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The samples of bicubic resizing along one axis.

    Returns:
      `[4, size_out]` input positions and their float32 weights. With half-pixel centres those outside the
      image count nothing and the others are scaled up; otherwise border pixels are repeated.
    """
    at = _positions(size_in, size_out, align_corners, half_pixel_centers)
    floor = np.floor(at)
    base = floor.astype(np.int64)
    offset = np.rint((at - floor) * _F(_TABLE)).astype(np.int64)
    near, far = _cubic_table(-0.5 if half_pixel_centers else -0.75)
    weights = np.stack([far[offset], near[offset], near[_TABLE - offset], far[_TABLE - offset]])
    wanted = np.stack([base + k for k in (-1, 0, 1, 2)])
    places = np.clip(wanted, 0, size_in - 1)
    if half_pixel_centers:
        weights = np.where(places == wanted, weights, _F(0))
        total = weights[0] + weights[1] + weights[2] + weights[3]
        solid = np.abs(total) >= 1000 * np.finfo(_F).tiny
        weights = np.where(solid, weights * (_F(1) / np.where(solid, total, _F(1))), weights)
    return places, weights.astype(_F)


@functools.lru_cache(maxsize=256)
def area(size_in: int, size_out: int, align_corners: bool) -> np.ndarray:
    """The weights of area resizing along one axis: float32 `[size_out, size_in]`, each row a mean."""
    scale = scale_of(size_in, size_out, align_corners)
    weights = np.zeros((size_out, size_in), _F)
    for i in range(size_out):
        first, last = _F(i) * scale, _F(i + 1) * scale
        for j in range(int(np.floor(first)), int(np.ceil(last))):
            if j < first:
                part = scale if j + 1 > last else _F(j + 1) - first
            else:
                part = last - _F(j) if j + 1 > last else _F(1)
            weights[i, min(max(j, 0), size_in - 1)] += part
    return weights / scale


def weights_matrix(size_in: int, places: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`[taps, size_out]` positions and weights as one matrix, float32 `[size_out, size_in]`."""
    matrix = np.zeros((places.shape[1], size_in), _F)
    for tap in range(places.shape[0]):
        np.add.at(matrix, (np.arange(places.shape[1]), places[tap]), weights[tap])
    return matrix


def linear_matrix(size_in: int, samples: Linear) -> np.ndarray:
    """Bilinear samples as a matrix, float32 `[size_out, size_in]`."""
    places = np.stack([samples.lower, samples.upper])
    return weights_matrix(size_in, places, np.stack([_F(1) - samples.lerp, samples.lerp]))


_KERNELS = {"lanczos1": 1.0, "lanczos3": 3.0, "lanczos5": 5.0, "gaussian": 1.5, "box": 1.0, "triangle": 1.0,
            "keyscubic": 2.0, "mitchellcubic": 2.0}  # fmt: skip


def _kernel_value(kind: str, x: np.ndarray) -> np.ndarray:
    x = np.abs(x)
    radius = _KERNELS[kind]
    if kind.startswith("lanczos"):
        safe = np.where(x < 1e-3, 1.0, x)
        value = radius * np.sin(np.pi * safe) * np.sin(np.pi * safe / radius) / (np.pi * np.pi * safe * safe)
        return np.where(x > radius, 0.0, np.where(x < 1e-3, 1.0, value))
    if kind == "gaussian":
        sigma = radius / 3.0
        return np.where(x >= radius, 0.0, np.exp(-x * x / (2.0 * sigma * sigma)))
    if kind == "box":
        return np.where(x < 0.5, 1.0, np.where(x == 0.5, 0.5, 0.0))
    if kind == "triangle":
        return np.where(x < 1.0, 1.0 - x, 0.0)
    if kind == "keyscubic":
        outer = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
        return np.where(x >= 2.0, 0.0, np.where(x >= 1.0, outer, (1.5 * x - 2.5) * x * x + 1.0))
    outer = (((-7.0 / 18.0) * x + 2.0) * x - 10.0 / 3.0) * x + 16.0 / 9.0
    return np.where(x >= 2.0, 0.0, np.where(x >= 1.0, outer, (((7.0 / 6.0) * x - 2.0) * x) * x + 8.0 / 9.0))


def spans(
    size_in: int, size_out: int, scale: float, translation: float, kind: str, antialias: bool
) -> np.ndarray:
    """The weights of ScaleAndTranslate along one axis: float32 `[size_out, size_in]`.

    Args:
      size_in, size_out: lengths.
      scale: output pixels per input pixel.
      translation: output pixels to move by.
      kind: the sampling kernel.
      antialias: widen the kernel where the image shrinks.
    """
    inverse = _F(1) / _F(scale)
    shift = -inverse * _F(translation)
    stretch = max(inverse, _F(1)) if antialias else _F(1)
    radius = _F(_KERNELS[kind]) * stretch
    half = _F(0.5)
    matrix = np.zeros((size_out, size_in), _F)
    for x in range(size_out):
        sample = (_F(x) + half) * inverse + shift
        if sample < 0 or sample > size_in:
            continue
        first = max(int(np.ceil(sample - radius - half)), 0)
        last = min(int(np.floor(sample + radius - half)), size_in - 1)
        at = np.arange(first, last + 1, dtype=_F)
        weights = _kernel_value(kind, (at + half - sample) * (_F(1) / stretch)).astype(_F)
        total = weights.sum(dtype=_F)
        if abs(total) >= 1000 * np.finfo(_F).tiny:
            matrix[x, first : last + 1] = weights * (_F(1) / total)
    return matrix


def is_kernel(kind: str) -> bool:
    """Says whether `kind` names a sampling kernel."""
    return kind in _KERNELS
