"""Arguments of distributions over answers and counts: log-odds or probabilities, and checks of events."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor, shape_tensor
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.dtypes import int32
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import with_dependencies
from millrace.lib.math.checks import (
    assert_equal,
    assert_greater_equal,
    assert_less_equal,
    assert_near,
    assert_non_negative,
    assert_rank_at_least,
)
from millrace.lib.math.reductions import reduce_sum
from millrace.ops.array.constant import no_op
from millrace.ops.math.cast import cast
from millrace.ops.nn.softmax import softmax

_WHOLE = {dtypes.float16: dtypes.int16, dtypes.float32: dtypes.int32, dtypes.float64: dtypes.int64}


def logits_and_probs(
    logits: Any, probs: Any, multidimensional: bool, validate_args: bool, name: str
) -> tuple[Tensor, Tensor]:
    """Both, whichever of them is given.

    Raises:
      ValueError: not exactly one is given, or there are less than two classes where these are checked.
      TypeError: it is not floating.
    """
    with name_scope(name, values=[probs, logits]):
        if (probs is None) == (logits is None):
            raise ValueError(f"Must pass probs or logits, but not both. Received: {logits!r}, {probs!r}")
        if probs is None:
            logits = _floating(logits, "logits")
            if multidimensional:
                if validate_args:
                    logits = checked_classes(logits)
                return logits, softmax(logits, name="probs")
            return logits, raw.Sigmoid(logits, name="probs")
        probs = _floating(probs, "probs")
        if validate_args:
            probs = _checked_probs(probs, multidimensional)
        with name_scope("logits"):
            if multidimensional:
                return raw.Log(probs), probs
            return raw.Log(probs) - raw.Log1p(-1.0 * probs), probs


def _floating(x: Any, name: str) -> Tensor:
    x = convert_to_tensor(x, name=name)
    if not x.dtype.is_floating:
        raise TypeError(f"{name} must be of a floating dtype. Received: {x.dtype.name}")
    return x


def _checked_probs(probs: Tensor, multidimensional: bool) -> Tensor:
    with name_scope("validate_probs"):
        one = convert_to_tensor(1.0, probs.dtype.base_dtype)
        checks = [assert_non_negative(probs)]
        if multidimensional:
            probs = checked_classes(probs)
            checks.append(assert_near(reduce_sum(probs, -1), one, message="probs does not sum to 1."))
        else:
            checks.append(assert_less_equal(probs, one, message="probs has components greater than 1."))
        return with_dependencies(checks, probs)


def checked_classes(parameter: Tensor) -> Tensor:
    """`parameter`, whose last dimension, the number of classes, must be 2 or more, and exact in its dtype.

    Raises:
      ValueError: the number of classes is known, and less than 2 or too large.
      InvalidArgumentError: when run, if it was not known.
    """
    with name_scope("embed_check_categorical_event_shape", values=[parameter]):
        most = 2 ** (np.finfo(parameter.dtype.as_numpy_dtype).nmant + 1)
        few = "A categorical distribution needs 2 classes or more."
        many = f"The number of classes must be exact in {parameter.dtype.base_dtype.name}."
        classes = parameter.shape.with_rank_at_least(1)[-1].value
        if classes is None:
            told = "The parameter of a categorical distribution needs a dimension of classes."
            size = raw.Shape(parameter, name="x_shape")[-1]
            checks = [
                assert_rank_at_least(parameter, 1, message=told),
                assert_greater_equal(shape_tensor(parameter)[-1], 2, message=few),
                assert_less_equal(size, most, message=many),
            ]
            return with_dependencies(checks, parameter)
        if classes < 2:
            raise ValueError(f"{few} Received: {classes}")
        if classes > most:
            raise ValueError(f"{many} Received: {classes}")
        return parameter


def _assert_whole(x: Tensor, kind: dtypes.DType | None = None, message: str | None = None) -> Operation:
    """Asserts that `x` holds whole numbers, which `kind`, default the integers of its width, can hold."""
    name = "assert_integer_form"
    with name_scope(name, values=[x]):
        if x.dtype.is_integer:
            return no_op()
        kind = _WHOLE[x.dtype.base_dtype] if kind is None else kind
        return assert_equal(x, cast(cast(x, kind), x.dtype.base_dtype), message=message, name=name)


def checked_counts(counts: Tensor) -> Tensor:
    """`counts`, which must be whole numbers and not negative; InvalidArgumentError when run."""
    with name_scope("embed_check_nonnegative_integer_form", values=[counts]):
        checks = [assert_non_negative(counts, message="Counts must be non-negative.")]
        if not counts.dtype.is_integer:
            checks.append(_assert_whole(counts, message="Counts cannot contain fractions."))
        return with_dependencies(checks, counts)


def checked_indices(k: Tensor) -> Tensor:
    """`k`, whose elements must be whole numbers that are not negative and fit int32.

    Raises:
      TypeError: `k` is neither floating nor integer.
      InvalidArgumentError: when run.
    """
    with name_scope("embed_check_casting_closed", values=[k]):
        if not (k.dtype.is_floating or k.dtype.is_integer or k.dtype.base_dtype == dtypes.bool):
            raise TypeError(f"Events must be floating or integer. Received: {k.dtype.name}")
        checks = [assert_non_negative(k, message="Elements must be non-negative.")]
        most = np.iinfo(np.int32).max
        if k.dtype.is_floating:
            checks.append(_assert_whole(k, int32, "Elements must be int32-equivalent."))
        elif k.dtype.is_integer and np.iinfo(k.dtype.as_numpy_dtype).max > most:
            checks.append(assert_less_equal(k, most, message=f"Elements cannot exceed {most}."))
        return with_dependencies(checks, k)
