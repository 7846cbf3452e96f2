"""`tf.contrib.distributions`: functions that distributions are made with, and conjugate posteriors."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.distributions.real import Normal
from millrace.lib.math.reductions import reduce_max, reduce_mean, reduce_sum
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import zeros
from millrace.ops.array.fill import ones_like, zeros_like
from millrace.ops.array.reshape import reshape, squeeze, transpose
from millrace.ops.array.shape import shape
from millrace.ops.linalg.diag_band import matrix_diag_part, matrix_set_diag
from millrace.ops.math.select import where
from millrace.ops.math.top_k import top_k


@public("contrib.distributions.fill_triangular")
def fill_triangular(x: Any, upper: bool = False, name: str | None = None) -> Tensor:
    """Triangular matrices of vectors, filled in a spiral.

    Args:
      x: `[..., n (n + 1) / 2]`, the length known.
      upper: give upper triangular matrices.
      name: scope; default "fill_triangular".

    Returns:
      `[..., n, n]`.

    Raises:
      ValueError: no n has such a length.
    """
    with name_scope(name, "fill_triangular", [x]):
        x = convert.to_tensor(x, name="x")
        m = x.dims[-1] if x.dims else None
        if m is None:
            raise ValueError(f"fill_triangular: the last dimension must be known. Received: {x}")
        n = round(math.sqrt(0.25 + 2 * m) - 0.5)
        if n * (n + 1) // 2 != m:
            raise ValueError(f"Input right-most shape ({m}) does not correspond to a triangular matrix.")
        last = [len(x.dims) - 1]
        if upper:
            whole = concat([x, raw.ReverseV2(x[..., n:], last)], -1)
        else:
            whole = concat([x[..., n:], raw.ReverseV2(x, last)], -1)
        matrix = reshape(whole, concat([shape(x)[:-1], [n, n]], 0))
        matrix.set_shape([*x.dims[:-1], n, n])
        return raw.MatrixBandPart(matrix, 0 if upper else -1, -1 if upper else 0)


@public("contrib.distributions.fill_triangular_inverse")
def fill_triangular_inverse(x: Any, upper: bool = False, name: str | None = None) -> Tensor:
    """The vectors of which `fill_triangular` makes these matrices, `[..., n, n]`."""
    with name_scope(name, "fill_triangular_inverse", [x]):
        x = convert.to_tensor(x, name="x")
        n = x.dims[-1] if x.dims else None
        if n is None:
            raise ValueError(f"fill_triangular_inverse: the last dimension must be known. Received: {x}")
        # Where each element of a vector goes, found by filling a matrix with the places themselves.
        m = n * (n + 1) // 2
        places = np.arange(1, m + 1)
        whole = np.concatenate([places, places[n:][::-1]] if upper else [places[n:], places[::-1]])
        matrix = np.triu(whole.reshape(n, n)) if upper else np.tril(whole.reshape(n, n))
        at = np.argsort(matrix.ravel(), kind="stable")[-m:]
        flat = reshape(x, concat([shape(x)[:-2], [n * n]], 0))
        vector = raw.GatherV2(flat, at.astype(np.int32), -1)
        vector.set_shape([*x.dims[:-2], m])
        return vector


@public("contrib.distributions.tridiag")
def tridiag(below: Any = None, diag: Any = None, above: Any = None, name: str | None = None) -> Tensor:
    """Matrices with given diagonals.

    Args:
      below: `[..., n - 1]`, the diagonal below the main one; None for zeros.
      diag: `[..., n]`, the main one.
      above: `[..., n - 1]`, the one above.
      name: scope; default "tridiag".

    Returns:
      `[..., n, n]`.

    Raises:
      ValueError: no diagonal was given.
    """

    def wide(x: Tensor) -> Tensor:
        return zeros(concat([shape(x)[:-1], [1]], 0), x.dtype)

    def diagonal(x: Any, shift: int) -> Tensor:
        x = convert.to_tensor(x)
        edge = wide(x)
        matrix = raw.MatrixDiag(concat([edge, x] if shift > 0 else [x, edge], -1) if shift else x)
        if not shift:
            return matrix
        n = shape(matrix)[-1]
        empty = zeros(concat([shape(matrix)[:-2], [1, n]], 0), x.dtype)
        if shift > 0:
            return concat([matrix[..., 1:, :], empty], -2)
        return concat([empty, matrix[..., :-1, :]], -2)

    with name_scope(name, "tridiag", [below, diag, above]):
        parts = [diagonal(x, k) for x, k in ((below, -1), (diag, 0), (above, 1)) if x is not None]
        if not parts:
            raise ValueError("Must specify at least one of `below`, `diag`, `above`.")
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total


@public("contrib.distributions.percentile")
def percentile(
    x: Any,
    q: Any,
    axis: Any = None,
    interpolation: str | None = None,
    keep_dims: bool = False,
    validate_args: bool = False,
    name: str | None = None,
) -> Tensor:
    """The q-th percentile of the elements along axes.

    Args:
      x: real `[...]`, of known rank.
      q: a scalar in [0, 100].
      axis: an axis, or a list of them; default all.
      interpolation: "nearest" (the default), "lower" or "higher": which element, where q falls between two.
      keep_dims: keep the axes, with length 1.
      validate_args: accepted.
      name: scope; default "percentile".

    Raises:
      ValueError: the interpolation is another one, or the rank is unknown.
    """
    chosen = interpolation or "nearest"
    if chosen not in ("nearest", "lower", "higher"):
        raise ValueError(
            f"Argument 'interpolation' must be in ('lower', 'higher', 'nearest'). Found {chosen}"
        )
    with name_scope(name, "percentile", [x, q]):
        x = convert.to_tensor(x, name="x")
        q = raw.Cast(convert.to_tensor(q, name="q"), DstT="double")
        if x.dims is None:
            raise ValueError(f"percentile: the rank of x must be known. Received: {x}")
        rank = len(x.dims)
        over = (
            list(range(rank))
            if axis is None
            else [a % rank for a in (axis if hasattr(axis, "__len__") else [axis])]
        )
        kept = [a for a in range(rank) if a not in over]
        rows = transpose(x, [*kept, *over])
        sizes = shape(x)
        rows = reshape(rows, concat([[sizes[a] for a in kept], [-1]], 0) if kept else [-1])
        count = shape(rows)[-1]
        place = raw.Cast(count - 1, DstT="double") * (1.0 - q / 100.0)
        rounded = {"lower": raw.Ceil, "higher": raw.Floor, "nearest": raw.Round}[chosen](place)
        index = raw.Cast(raw.Maximum(rounded, 0.0), DstT="int32")
        found = raw.GatherV2(top_k(rows, count)[0], raw.Minimum(index, count - 1), -1)
        if keep_dims:
            found = reshape(found, [1 if a in over else sizes[a] for a in range(rank)])
        found.set_shape([1 if a in over else d for a, d in enumerate(x.dims) if keep_dims or a in kept])
        return found


@public("contrib.distributions.reduce_weighted_logsumexp")
def reduce_weighted_logsumexp(
    logx: Any,
    w: Any = None,
    axis: Any = None,
    keep_dims: bool = False,
    return_sign: bool = False,
    name: str | None = None,
) -> Any:
    """log(|sum(w exp(logx))|), without overflow.

    Args:
      logx: floating `[...]`.
      w: weights, which broadcast with `logx`; None: all 1.
      axis: an axis, or a list of them; default all.
      keep_dims: keep the axes, with length 1.
      return_sign: also give the sum's sign.
      name: scope; default "reduce_weighted_logsumexp".
    """
    with name_scope(name, "reduce_weighted_logsumexp", [logx, w]):
        logx = convert.to_tensor(logx, name="logx")
        shown = logx
        if w is not None:
            w = convert.to_tensor(w, logx.dtype.base_dtype, "w")
            shown = logx + raw.Log(raw.Abs(w))
        peak = reduce_max(shown, axis, keepdims=True)
        peak = raw.StopGradient(where(raw.IsFinite(peak), peak, zeros_like(peak)))
        terms = raw.Exp(shown - peak)
        if w is not None:
            terms = raw.Sign(w) * terms
        total = reduce_sum(terms, axis, keepdims=keep_dims)
        if not keep_dims:
            peak = squeeze(peak, axis) if axis is not None else reshape(peak, [])
        sign = raw.Sign(total)
        result = raw.Log(raw.Abs(total) if w is not None else total) + peak
        return (result, sign if w is not None else ones_like(sign)) if return_sign else result


@public("contrib.distributions.matrix_diag_transform")
def matrix_diag_transform(matrix: Any, transform: Any = None, name: str | None = None) -> Tensor:
    """Matrices `[..., n, n]` whose diagonal a function has changed; None changes nothing."""
    with name_scope(name, "matrix_diag_transform", [matrix]):
        matrix = convert.to_tensor(matrix, name="matrix")
        if transform is None:
            return matrix
        return matrix_set_diag(matrix, transform(matrix_diag_part(matrix)))


@public("contrib.distributions.auto_correlation")
def auto_correlation(
    x: Any,
    axis: int = -1,
    max_lags: Any = None,
    center: bool = True,
    normalize: bool = True,
    name: str = "auto_correlation",
) -> Tensor:
    """The correlation of a sequence with itself, shifted by each number of steps.

    Args:
      x: floating `[...]`, of known rank.
      axis: along which it runs.
      max_lags: the greatest shift; default all.
      center: subtract the mean first.
      normalize: divide by the variance.
      name: scope.

    Returns:
      The shape of `x`, with `max_lags + 1` along the axis.

    Raises:
      ValueError: the rank or the length is unknown, or `max_lags` is not less than the length.
    """
    with name_scope(name, values=[x]):
        x = convert.to_tensor(x, name="x")
        if x.dims is None or x.dims[axis] is None:
            raise ValueError(f"auto_correlation: rank and length must be known. Received: {x}")
        rank, n = len(x.dims), int(x.dims[axis])
        lags = n - 1 if max_lags is None else int(max_lags)
        if not 0 <= lags < n:
            raise ValueError(f"max_lags must be less than the length {n}. Received: {max_lags}")
        order = [a for a in range(rank) if a != axis % rank] + [axis % rank]
        rows = transpose(x, order)
        if center:
            rows = rows - reduce_mean(rows, -1, keepdims=True)
        shifted = [
            reduce_sum(rows[..., : n - k] * rows[..., k:], -1, keepdims=True) / (n - k)
            for k in range(lags + 1)
        ]
        result = concat(shifted, -1)
        if normalize:
            result = result / result[..., :1]
        return transpose(result, [order.index(a) for a in range(rank)])


@public("contrib.distributions.SeedStream")
class SeedStream:
    """Seeds that differ from one call to the next.

    Args:
      seed: the first; None: all seeds are None.
      salt: a text: streams of one seed and other salts differ.
    """

    def __init__(self, seed: Any, salt: str) -> None:
        self._seed = seed.original_seed if isinstance(seed, SeedStream) else seed
        self._salt, self._counter = salt, 0

    def __call__(self) -> int | None:
        """The next seed."""
        self._counter += 1
        if self._seed is None:
            return None
        composed = str((self._seed, self._counter, self._salt)).encode("utf-8")
        return int(hashlib.sha512(composed).hexdigest(), 16)

    @property
    def original_seed(self) -> Any:
        """The seed that was given."""
        return self._seed

    @property
    def salt(self) -> str:
        """The salt."""
        return self._salt


def _posterior(prior: Any, scale: Any, s: Any, n: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and variance of the posterior of a mean, and the variance of an observation."""
    if not isinstance(prior, Normal):
        raise TypeError(f"Expected prior to be an instance of type Normal. Received: {prior}")
    if s.dtype is not prior.dtype:
        raise TypeError(f"Observation sum s.dtype does not match prior dtype: {s.dtype} vs. {prior.dtype}")
    n = raw.Cast(convert.to_tensor(n), DstT=prior.dtype)
    before, noise = raw.Square(prior.scale), raw.Square(convert.to_tensor(scale))
    after = 1.0 / (1.0 / before + n / noise)
    return (prior.loc / before + s / noise) * after, after, noise


@public("contrib.distributions.normal_conjugates_known_scale_posterior")
def normal_conjugates_known_scale_posterior(prior: Any, scale: Any, s: Any, n: Any) -> Normal:
    """What is known of the mean of a normal distribution after observations.

    Args:
      prior: a `Normal`: what was known before.
      scale: the known deviation of an observation.
      s: the sum of the observations.
      n: how many there are.

    Raises:
      TypeError: the prior is another distribution, or dtypes differ.
    """
    loc, variance, _ = _posterior(prior, scale, s, n)
    return Normal(loc=loc, scale=raw.Sqrt(variance))


@public("contrib.distributions.normal_conjugates_known_scale_predictive")
def normal_conjugates_known_scale_predictive(prior: Any, scale: Any, s: Any, n: Any) -> Normal:
    """What the next observation will be; see `normal_conjugates_known_scale_posterior`."""
    loc, variance, noise = _posterior(prior, scale, s, n)
    return Normal(loc=loc, scale=raw.Sqrt(variance + noise))
