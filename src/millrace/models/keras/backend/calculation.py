"""Arithmetic, comparisons and reductions, element by element or along axes."""

from __future__ import annotations

from typing import Any

from millrace.autodiff.gradients import gradients as graph_gradients
from millrace.building import convert, raw
from millrace.core import dtypes
from millrace.core.public import public
from millrace.lib.layers import settings
from millrace.lib.math import reductions
from millrace.lib.math.functions import clip_by_value
from millrace.lib.nn.moments import l2_normalize as normalized
from millrace.ops.math import comparison, elementwise, trigonometric
from millrace.ops.math.arithmetic import pow as power
from millrace.ops.math.cast import cast as cast_to
from millrace.ops.math.cumulative import cumprod as running_product
from millrace.ops.math.cumulative import cumsum as running_sum
from millrace.ops.math.select import maximum as larger
from millrace.ops.math.select import minimum as smaller


def _counted(x: Any) -> Any:
    """Truth values as numbers."""
    x = convert.to_tensor(x)
    return cast_to(x, settings.floatx()) if x.dtype.base_dtype is dtypes.bool_ else x


@public("keras.backend.abs")
def abs(x: Any) -> Any:
    """The magnitudes."""
    return elementwise.abs(x)


@public("keras.backend.square")
def square(x: Any) -> Any:
    """The squares."""
    return elementwise.square(x)


@public("keras.backend.sqrt")
def sqrt(x: Any) -> Any:
    """The square roots; negative numbers count as 0."""
    x = convert.to_tensor(x)
    zero, top = (convert.to_tensor(v, x.dtype.base_dtype) for v in (0.0, float("inf")))
    return elementwise.sqrt(clip_by_value(x, zero, top))


@public("keras.backend.exp")
def exp(x: Any) -> Any:
    """e to the power of each element."""
    return elementwise.exp(x)


@public("keras.backend.log")
def log(x: Any) -> Any:
    """The natural logarithms."""
    return elementwise.log(x)


@public("keras.backend.round")
def round(x: Any) -> Any:
    """The nearest integers, halves to the even ones."""
    return elementwise.round(x)


@public("keras.backend.sign")
def sign(x: Any) -> Any:
    """-1, 0 or 1."""
    return elementwise.sign(x)


@public("keras.backend.pow")
def pow(x: Any, a: Any) -> Any:
    """x to the power of `a`."""
    return power(x, a)


@public("keras.backend.sin")
def sin(x: Any) -> Any:
    """The sines."""
    return trigonometric.sin(x)


@public("keras.backend.cos")
def cos(x: Any) -> Any:
    """The cosines."""
    return trigonometric.cos(x)


@public("keras.backend.equal")
def equal(x: Any, y: Any) -> Any:
    """Where x == y."""
    return comparison.equal(x, y)


@public("keras.backend.not_equal")
def not_equal(x: Any, y: Any) -> Any:
    """Where x != y."""
    return comparison.not_equal(x, y)


@public("keras.backend.greater")
def greater(x: Any, y: Any) -> Any:
    """Where x > y."""
    return comparison.greater(x, y)


@public("keras.backend.greater_equal")
def greater_equal(x: Any, y: Any) -> Any:
    """Where x >= y."""
    return comparison.greater_equal(x, y)


@public("keras.backend.less")
def less(x: Any, y: Any) -> Any:
    """Where x < y."""
    return comparison.less(x, y)


@public("keras.backend.less_equal")
def less_equal(x: Any, y: Any) -> Any:
    """Where x <= y."""
    return comparison.less_equal(x, y)


@public("keras.backend.maximum")
def maximum(x: Any, y: Any) -> Any:
    """The greater of two elements."""
    return larger(x, y)


@public("keras.backend.minimum")
def minimum(x: Any, y: Any) -> Any:
    """The smaller of two elements."""
    return smaller(x, y)


@public("keras.backend.clip")
def clip(x: Any, min_value: Any, max_value: Any) -> Any:
    """The elements, none below `min_value` or above `max_value` (None for no bound)."""
    numbers = isinstance(min_value, int | float) and isinstance(max_value, int | float)
    if numbers and max_value < min_value:
        max_value = min_value
    x, top = convert.to_tensor(x), float("inf")
    low = convert.to_tensor(-top if min_value is None else min_value, x.dtype.base_dtype)
    high = convert.to_tensor(top if max_value is None else max_value, x.dtype.base_dtype)
    return clip_by_value(x, low, high)


@public("keras.backend.max")
def max(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The greatest elements along axes."""
    return reductions.reduce_max(x, axis, keepdims)


@public("keras.backend.min")
def min(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The smallest elements along axes."""
    return reductions.reduce_min(x, axis, keepdims)


@public("keras.backend.sum")
def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The sums along axes."""
    return reductions.reduce_sum(x, axis, keepdims)


@public("keras.backend.prod")
def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The products along axes."""
    return reductions.reduce_prod(x, axis, keepdims)


@public("keras.backend.mean")
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The means along axes; truth values count as 0 and 1."""
    return reductions.reduce_mean(_counted(x), axis, keepdims)


@public("keras.backend.var")
def var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The variances along axes."""
    return reductions.reduce_variance(_counted(x), axis, keepdims)


@public("keras.backend.std")
def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The standard deviations along axes."""
    return reductions.reduce_std(_counted(x), axis, keepdims)


@public("keras.backend.any")
def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether any element along axes holds."""
    return reductions.reduce_any(cast_to(x, dtypes.bool_), axis, keepdims)


@public("keras.backend.all")
def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether all elements along axes hold."""
    return reductions.reduce_all(cast_to(x, dtypes.bool_), axis, keepdims)


@public("keras.backend.argmax")
def argmax(x: Any, axis: int = -1) -> Any:
    """Where the greatest element along an axis stands."""
    return raw.ArgMax(x, axis)


@public("keras.backend.argmin")
def argmin(x: Any, axis: int = -1) -> Any:
    """Where the smallest element along an axis stands."""
    return raw.ArgMin(x, axis)


@public("keras.backend.cumsum")
def cumsum(x: Any, axis: int = 0) -> Any:
    """The sums of the elements so far along an axis."""
    return running_sum(x, axis)


@public("keras.backend.cumprod")
def cumprod(x: Any, axis: int = 0) -> Any:
    """The products of the elements so far along an axis."""
    return running_product(x, axis)


@public("keras.backend.gradients")
def gradients(loss: Any, variables: Any) -> Any:
    """The gradients of `loss` with respect to `variables`."""
    return graph_gradients(loss, variables)


@public("keras.backend.l2_normalize")
def l2_normalize(x: Any, axis: Any = None) -> Any:
    """x divided by its length along axes."""
    return normalized(x, axis)
