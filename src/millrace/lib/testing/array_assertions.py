"""Assertions about arrays, and about tensors, which are evaluated first."""

# ruff: noqa: N802 - unittest's spelling
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from absl.testing import absltest

from millrace.core import nest
from millrace.graph.defaults import get_default_session

_LOW_PRECISION = {"float16": "half", "bfloat16": "bfloat16", "float32": "float"}


class ArrayAssertions(absltest.TestCase):
    """The assertions of `tf.test.TestCase` that compare numbers."""

    def evaluate(self, tensors: Any) -> Any:
        """The values of tensors, by the default session.

        Raises:
          ValueError: there is none.
        """
        session = get_default_session()
        if session is None:
            raise ValueError("evaluate: no default session is registered. Call it under `with tf.Session():`")
        return session.run(tensors)

    def _value(self, value: Any) -> Any:
        if hasattr(value, "op") and hasattr(value, "graph"):
            return self.evaluate(value)
        return value

    def _array(self, value: Any) -> np.ndarray:
        return np.asarray(self._value(value))

    def assertNear(self, f1: float, f2: float, err: float, msg: Any = None) -> None:
        """Asserts `|f1 - f2| <= err`."""
        if not (f1 == f2 or abs(f1 - f2) <= err):
            self.fail(f"{f1!r} != {f2!r} +/- {err!r}{f' ({msg})' if msg is not None else ''}")

    def assertArrayNear(self, farray1: Any, farray2: Any, err: float, msg: Any = None) -> None:
        """Asserts that two sequences are of one length and near in each element."""
        self.assertEqual(len(farray1), len(farray2), msg=msg)
        for f1, f2 in zip(farray1, farray2, strict=True):
            self.assertNear(float(f1), float(f2), err, msg=msg)

    def assertNDArrayNear(self, ndarray1: Any, ndarray2: Any, err: float, msg: Any = None) -> None:
        """Asserts that the norm of the difference of two arrays is below `err`."""
        distance = np.linalg.norm(np.asarray(ndarray1) - np.asarray(ndarray2))
        self.assertLess(distance, err, msg=msg)

    def assertAllClose(self, a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-6, msg: Any = None) -> None:
        """Asserts `|a - b| <= atol + rtol * |b|` for all elements, also those in dicts and lists."""
        self._close(a, b, rtol, atol, msg, "")

    def _close(self, a: Any, b: Any, rtol: float, atol: float, msg: Any, path: str) -> None:
        a = a._asdict() if hasattr(a, "_asdict") else a
        b = b._asdict() if hasattr(b, "_asdict") else b
        if isinstance(a, Mapping) or isinstance(b, Mapping):
            if not (isinstance(a, Mapping) and isinstance(b, Mapping) and a.keys() == b.keys()):
                self.fail(f"Structures differ at {path or 'the top'}: {a!r} and {b!r}{tail(msg)}")
            for key in a:
                self._close(a[key], b[key], rtol, atol, msg, f"{path}[{key!r}]")
            return
        if (isinstance(a, list | tuple) and _is_ragged(a)) or (isinstance(b, list | tuple) and _is_ragged(b)):
            self.assertEqual(len(a), len(b), msg=f"lengths differ at {path or 'the top'}{tail(msg)}")
            for i, (left, right) in enumerate(zip(a, b, strict=True)):
                self._close(left, right, rtol, atol, msg, f"{path}[{i}]")
            return
        left, right = self._array(a), self._array(b)
        self.assertEqual(
            left.shape, right.shape, msg=f"shapes differ{' at ' + path if path else ''}{tail(msg)}"
        )
        left, right = (v.astype(np.float32) if v.dtype.name == "bfloat16" else v for v in (left, right))
        if not np.allclose(left, right, rtol=rtol, atol=atol, equal_nan=True):
            far = np.abs(left - right)
            limit = atol + rtol * np.abs(right)
            bad = np.argwhere(~(np.isclose(left, right, rtol=rtol, atol=atol, equal_nan=True)))[:5].tolist()
            where = f" at {path}" if path else ""
            self.fail(
                f"Not close{where} (rtol={rtol}, atol={atol}): the largest difference is {np.nanmax(far)}, "
                f"where {np.nanmin(limit)} is allowed, first at {bad}; a = {left!r}, b = {right!r}{tail(msg)}"
            )

    def assertAllCloseAccordingToType(
        self,
        a: Any,
        b: Any,
        rtol: float = 1e-6,
        atol: float = 1e-6,
        float_rtol: float = 1e-6,
        float_atol: float = 1e-6,
        half_rtol: float = 1e-3,
        half_atol: float = 1e-3,
        bfloat16_rtol: float = 1e-2,
        bfloat16_atol: float = 1e-2,
        msg: Any = None,
    ) -> None:
        """`assertAllClose` with tolerances for the less exact of the two dtypes."""
        limits = {
            "float": (float_rtol, float_atol),
            "half": (half_rtol, half_atol),
            "bfloat16": (bfloat16_rtol, bfloat16_atol),
        }
        for value in (self._array(a), self._array(b)):
            kind = _LOW_PRECISION.get("float32" if value.dtype.name == "complex64" else value.dtype.name)
            if kind is not None:
                rtol, atol = max(rtol, limits[kind][0]), max(atol, limits[kind][1])
        self.assertAllClose(a, b, rtol, atol, msg)

    def assertNotAllClose(self, a: Any, b: Any, **kwargs: Any) -> None:
        """Asserts that `assertAllClose` would fail."""
        try:
            self.assertAllClose(a, b, **kwargs)
        except AssertionError:
            return
        raise AssertionError("The two values are close at all elements")

    def assertAllEqual(self, a: Any, b: Any, msg: Any = None) -> None:
        """Asserts that two arrays have the same shape and elements; NaNs are equal."""
        left, right = _texts(self._array(a)), _texts(self._array(b))
        self.assertEqual(left.shape, right.shape, msg=f"shapes differ: {left!r} and {right!r}{tail(msg)}")
        same = left == right
        if left.dtype.kind in "fc" and right.dtype.kind in "fc":
            same = same | (np.isnan(left) & np.isnan(right))
        if not np.all(same):
            bad = np.argwhere(~np.asarray(same))[:5].tolist()
            self.fail(f"Not equal, first at {bad}: a = {left!r}, b = {right!r}{tail(msg)}")

    def assertNotAllEqual(self, a: Any, b: Any, msg: Any = None) -> None:
        """Asserts that `assertAllEqual` would fail."""
        try:
            self.assertAllEqual(a, b)
        except AssertionError:
            return
        raise AssertionError(f"The two values are equal at all elements{tail(msg)}")

    def _all(self, a: Any, holds: Callable[[np.ndarray], Any], rule: str) -> None:
        values = self._array(a)
        if not np.all(holds(values)):
            bad = np.argwhere(~np.asarray(holds(values)))[:5].tolist()
            self.fail(f"Not all elements are {rule}, first at {bad}: {values!r}")

    def assertAllGreater(self, a: Any, comparison_target: Any) -> None:
        """Asserts that all elements are greater."""
        self._all(a, lambda v: v > comparison_target, f"> {comparison_target}")

    def assertAllLess(self, a: Any, comparison_target: Any) -> None:
        """Asserts that all elements are less."""
        self._all(a, lambda v: v < comparison_target, f"< {comparison_target}")

    def assertAllGreaterEqual(self, a: Any, comparison_target: Any) -> None:
        """Asserts that all elements are at least the target."""
        self._all(a, lambda v: v >= comparison_target, f">= {comparison_target}")

    def assertAllLessEqual(self, a: Any, comparison_target: Any) -> None:
        """Asserts that all elements are at most the target."""
        self._all(a, lambda v: v <= comparison_target, f"<= {comparison_target}")

    def assertAllInRange(
        self,
        target: Any,
        lower_bound: Any,
        upper_bound: Any,
        open_lower_bound: bool = False,
        open_upper_bound: bool = False,
    ) -> None:
        """Asserts that all elements lie between two bounds."""

        def holds(v: np.ndarray) -> Any:
            above = v > lower_bound if open_lower_bound else v >= lower_bound
            return above & (v < upper_bound if open_upper_bound else v <= upper_bound)

        left, right = "(" if open_lower_bound else "[", ")" if open_upper_bound else "]"
        self._all(target, holds, f"in {left}{lower_bound}, {upper_bound}{right}")

    def assertAllInSet(self, target: Any, expected_set: Any) -> None:
        """Asserts that all elements are in a collection."""
        self._all(target, lambda v: np.isin(v, list(expected_set)), f"in {expected_set}")


def tail(msg: Any) -> str:
    """What an assertion's message ends with."""
    return f" ({msg})" if msg is not None else ""


def _is_ragged(values: Any) -> bool:
    """True for a list of things that make no array: tensors, dicts, arrays of different shapes."""
    flat = nest.flatten(values)
    if any(isinstance(v, Mapping) or hasattr(v, "graph") or hasattr(v, "_asdict") for v in (*values, *flat)):
        return True
    try:
        np.asarray(values)
    except ValueError:
        return True
    return False


def _texts(array: np.ndarray) -> np.ndarray:
    """Text as bytes, as sessions return it."""
    if array.dtype.kind not in "US":
        return array
    return np.array([v.encode() if isinstance(v, str) else bytes(v) for v in array.flat], object).reshape(
        array.shape
    )
