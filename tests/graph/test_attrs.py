"""Kinds of attributes: the one form of a value that kernels see, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.core import dtypes
from millrace.graph import attrs
from millrace.graph.attrs import as_attr


@pytest.mark.parametrize(
    ("kind", "given", "want"),
    [
        (attrs.integer(), np.int64(3), 3),
        (attrs.integer(), tf.Dimension(4), 4),
        (attrs.integer(), 5, 5),
        (attrs.integer(), 1.5, 1),
        (attrs.ints(), [np.float32(2.0)], (2,)),
        (attrs.flag(), np.bool_(True), True),
        (attrs.flag(), 0, False),
        (attrs.number(), 3, 3.0),
        (attrs.number(), np.float32(0.5), 0.5),
        (attrs.text(), b"text", "text"),
        (attrs.text(), "text", "text"),
        (attrs.ints(), [1, np.int32(2)], (1, 2)),
        (attrs.dtype(), "float32", tf.float32),
        (attrs.dtype(), np.int32, tf.int32),
        (attrs.dtype(), dtypes.float32.as_ref, tf.float32),
        (attrs.types(), ["int32", tf.float32], (tf.int32, tf.float32)),
        (attrs.shape(), [2, None], (2, None)),
        (attrs.shape(), tf.TensorShape(None), None),
        (attrs.one_of("SAME", "VALID"), b"SAME", "SAME"),
    ],
)
def test_one_form(kind: attrs.Attr, given: Any, want: Any) -> None:
    found = kind.canonical(given, "Op 'o'", "a")
    assert found == want and type(found) is type(want)


@pytest.mark.parametrize(
    ("kind", "given", "error", "message"),
    [
        (attrs.integer(), True, TypeError, "must be int: a bool is not an integer. Received: True"),
        (attrs.integer(), tf.int32, TypeError, "must be int"),
        (attrs.text(), tf.int32, TypeError, "must be string: not a string"),
        (attrs.types(), tf.int32, TypeError, r"must be list\(type\): not a list"),
        (attrs.flag(), "yes", TypeError, "must be bool: not a bool. Received: 'yes'"),
        (attrs.number(), "1", TypeError, "must be float: not a number. Received: '1'"),
        (attrs.text(), 3, TypeError, "must be string: not a string. Received: 3"),
        (attrs.ints(), 3, TypeError, r"must be list\(int\): not a list. Received: 3"),
        (attrs.ints(), "12", TypeError, r"must be list\(int\): not a list"),
        (
            attrs.dtype(frozenset((tf.float32, tf.int32))),
            tf.bool,
            TypeError,
            "must be one of float32, int32. Received: bool",
        ),
        (attrs.one_of("SAME", "VALID"), "same", ValueError, "must be one of SAME, VALID. Received: 'same'"),
        (attrs.integer(minimum=2), 1, ValueError, "must be at least 2. Received: 1"),
        (attrs.types(minimum=1), [], ValueError, r"must be at least 1. Received: \(\)"),
    ],
)
def test_refusals(kind: attrs.Attr, given: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=f"^Op 'o': attribute 'a' {message}"):
        kind.canonical(given, "Op 'o'", "a")


def test_what_needs_no_check() -> None:
    """Only where every value of the type is allowed."""
    assert attrs.integer().canonical_type is int and attrs.flag().canonical_type is bool
    assert attrs.text().canonical_type is str
    assert attrs.integer(minimum=0).canonical_type is None and attrs.one_of("a").canonical_type is None


def test_a_set_of_dtypes_is_a_type_attribute() -> None:
    allowed = frozenset((tf.float32,))
    assert as_attr(allowed).kind == "type" and as_attr(allowed).allowed is allowed
    assert as_attr(attrs.flag(True)).default is True
    with pytest.raises(TypeError, match="not an attribute kind: 3"):
        as_attr(3)


def test_functions_with_graphs_of_their_own_are_told_from_bodies() -> None:
    assert attrs.functions().closed and attrs.function().closed and not attrs.body().closed
    assert [kind.kind for kind in (attrs.functions(), attrs.function(), attrs.body())] == [
        "list(func)",
        "func",
        "func",
    ]
