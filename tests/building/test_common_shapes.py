"""Shape functions of old programs, and what they ask about shapes."""

from __future__ import annotations

import pytest

import millrace as tf
from millrace.building import common_shapes


def test_broadcasting() -> None:
    assert common_shapes.broadcast_shape([2, 1], [3]) == tf.TensorShape([2, 3])
    assert common_shapes.broadcast_shape(None, [3]).ndims is None
    with pytest.raises(ValueError, match=r"Incompatible shapes for broadcasting: \(2,\) and \(3,\)"):
        common_shapes.broadcast_shape([2], [3])
    alike = common_shapes.is_broadcast_compatible
    assert alike([2, 1], [3]) and not alike([2], [3]) and not alike(None, [3]) and not alike([3], None)


def test_what_is_known_of_shapes() -> None:
    x = tf.placeholder(tf.float32, [None, 3])
    known, unknown = tf.ones([2, 3]), tf.placeholder(tf.float32)
    assert [common_shapes.rank(t) for t in (x, unknown, [1, 2], 3)] == [2, None, 1, 0]
    defined = common_shapes.has_fully_defined_shape
    assert defined(known) and defined([1]) and not defined(x) and not defined(unknown)
    values, places = tf.nn.top_k(x, 2)
    told = common_shapes.call_cpp_shape_fn(values.op)
    assert [[d.size for d in shape.dim] for shape in told["shapes"]] == [[-1, 2], [-1, 2]]
    assert told["handle_data"] == [None, None] and told["inputs_needed"] == b"" and places.op is values.op


def test_shape_functions_of_old_programs() -> None:
    x = tf.ones([2, 3])
    values = tf.nn.top_k(x, 2)[0]
    assert common_shapes.scalar_shape(None) == [tf.TensorShape([])] and common_shapes.no_outputs(None) == []
    assert [shape.ndims for shape in common_shapes.unknown_shape(values.op)] == [None, None]
    assert common_shapes._first_input(values.op) == [tf.TensorShape([2, 3])]
