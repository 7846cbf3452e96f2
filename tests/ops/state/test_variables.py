"""Operations that name, read and write variables, on both makes of variables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.building import raw
from millrace.dialect import jax_dialect, numpy_dialect

MAKES = pytest.mark.parametrize("resource", [False, True], ids=["reference", "handle"])


def _made(value: Any, resource: bool) -> Any:
    return tf.Variable(value, use_resource=resource)


@MAKES
def test_assignments_give_what_they_wrote(resource: bool) -> None:
    variable = _made([1.0, 2.0], resource)
    writes = [
        tf.assign(variable, [5.0, 6.0]),
        tf.assign_add(variable, [1.0, 1.0]),
        tf.assign_sub(variable, [2.0, 0.0]),
    ]
    with tf.Session() as session:
        session.run(variable.initializer)
        assert [session.run(w).tolist() for w in writes] == [[5, 6], [6, 7], [4, 7]]
        assert session.run(variable).tolist() == [4, 7]


@MAKES
def test_shapes_are_kept(resource: bool) -> None:
    variable = _made([1.0, 2.0], resource)
    with pytest.raises(ValueError, match="[Ss]hape"):
        tf.assign(variable, [1.0])
    value = tf.placeholder(tf.float32)
    write = tf.assign_add(variable, value)
    with tf.Session() as session:
        session.run(variable.initializer)
        with pytest.raises(tf.errors.InvalidArgumentError, match="shapes of both tensors to match"):
            session.run(write, {value: [1.0, 2.0, 3.0]})


def test_a_shape_may_change_where_it_is_not_validated() -> None:
    variable = tf.Variable([1.0, 2.0], validate_shape=False)
    write = tf.assign(variable, [1.0, 2.0, 3.0], validate_shape=False)
    assert variable.shape.ndims is None
    assert write.shape.as_list() == [3]
    with tf.Session() as session:
        session.run(variable.initializer)
        session.run(write)
        assert session.run(variable).tolist() == [1, 2, 3]


@MAKES
def test_reading_before_initialisation_names_the_variable(resource: bool) -> None:
    variable = tf.Variable(1.0, name="weights", use_resource=resource)
    is_there = tf.is_variable_initialized(variable)
    with tf.Session() as session:
        assert not session.run(is_there)
        for use in (variable, variable + 1.0, tf.assign_add(variable, 1.0)):
            with pytest.raises(
                tf.errors.FailedPreconditionError, match="Attempting to use uninitialized value weights"
            ):
                session.run(use)
        session.run(variable.initializer)
        assert session.run(is_there)


@MAKES
def test_counting_stops_at_the_limit(resource: bool) -> None:
    counter = _made(0, resource)
    count = tf.count_up_to(counter, 2)
    with tf.Session() as session:
        session.run(counter.initializer)
        assert [session.run(count), session.run(count)] == [0, 1]
        with pytest.raises(tf.errors.OutOfRangeError, match="Reached limit of 2"):
            session.run(count)
        assert session.run(counter) == 2


def test_a_temporary_variable_gives_its_last_value() -> None:
    ref = raw.TemporaryVariable(shape=[2], dtype=tf.float32, var_name="sum")
    filled = raw.Assign(ref, [1.0, 2.0])
    added = raw.AssignAdd(filled, [10.0, 10.0])
    total = raw.DestroyTemporaryVariable(added, var_name="sum")
    with tf.Session() as session:
        for _ in range(2):
            assert session.run(total).tolist() == [11, 12]


def test_a_destroyed_variable_is_uninitialised_again() -> None:
    variable = tf.Variable(1.0, use_resource=True)
    destroy = raw.DestroyResourceOp(variable.handle, ignore_lookup_error=False)
    with tf.Session() as session:
        session.run(variable.initializer)
        session.run(destroy)
        assert not session.run(tf.is_variable_initialized(variable))
        with pytest.raises(tf.errors.NotFoundError):
            session.run(destroy)


def test_the_static_shape_passes_through_handles() -> None:
    variable = tf.Variable(np.zeros((2, 3), np.float32), use_resource=True)
    assert raw.ReadVariableOp(variable.handle, dtype=tf.float32).shape.as_list() == [2, 3]
    assert raw.ResourceGather(variable.handle, [[0, 1]], dtype=tf.float32).shape.as_list() == [1, 2, 3]
    shape = raw.VariableShape(variable.handle)
    with tf.Session() as session:
        session.run(variable.initializer)
        assert session.run(shape).tolist() == [2, 3]


# --- rows -------------------------------------------------------------------------------------------------

_COMBINE = {
    "update": lambda x, y: y,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
}
_INDICES = np.array([[2, 0], [2, 2]])


def _one_by_one(how: str, before: np.ndarray, updates: np.ndarray) -> np.ndarray:
    after = before.copy()
    for place in np.ndindex(_INDICES.shape):
        row = _INDICES[place]
        if how == "div":
            quotient = after[row] / updates[place]
            after[row] = np.trunc(quotient) if before.dtype.kind in "iu" else quotient
        else:
            after[row] = _COMBINE[how](after[row], updates[place])
    return after


@MAKES
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int32, np.int64, np.uint8])
@pytest.mark.parametrize("how", [*_COMBINE, "div"])
def test_rows_are_written_in_order(how: str, dtype: Any, resource: bool) -> None:
    generator = np.random.default_rng(0)
    before = generator.integers(1, 30, (4, 3)).astype(dtype)
    updates = generator.integers(1, 5, (2, 2, 3)).astype(dtype)
    variable = _made(before, resource)
    write = getattr(tf, f"scatter_{how}")(variable, _INDICES, updates)
    by_scalar = getattr(tf, f"scatter_{how}")(variable, [1], updates[0, 0, 0])
    with tf.Session() as session:
        session.run(variable.initializer)
        np.testing.assert_array_equal(session.run(write), _one_by_one(how, before, updates))
        session.run(variable.initializer)
        assert session.run(by_scalar).dtype == dtype


@pytest.mark.xla
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize("how", [*_COMBINE, "div"])
def test_dialects_write_the_same_rows(how: str, dtype: Any) -> None:
    generator = np.random.default_rng(0)
    before = generator.integers(1, 30, (4, 3)).astype(dtype)
    updates = generator.integers(1, 5, (2, 2, 3)).astype(dtype)
    want = numpy_dialect().scatter_rows(before, _INDICES, updates, how)
    got = np.asarray(jax_dialect().scatter_rows(before, _INDICES, updates, how))
    assert got.dtype == dtype
    np.testing.assert_allclose(got, want, rtol=1e-6)


@MAKES
def test_a_row_out_of_range_is_refused(resource: bool) -> None:
    variable = _made(np.zeros((3, 2), np.float32), resource)
    write = tf.scatter_add(variable, [0, 3], np.ones((2, 2), np.float32))
    with tf.Session() as session:
        session.run(variable.initializer)
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[1\] = 3 is not in \[0, 3\)"):
            session.run(write)
        assert not session.run(variable).any()


@MAKES
def test_slices_at_coordinates(resource: bool) -> None:
    variable = _made([[1.0, 2.0], [3.0, 4.0]], resource)
    writes = (
        tf.scatter_nd_add(variable, [[0, 1], [0, 1]], [1.0, 2.0]),
        tf.scatter_nd_sub(variable, [[1]], [[1.0, 1.0]]),
        tf.scatter_nd_update(variable, [[[1, 0]], [[0, 0]]], [[9.0], [8.0]]),
        variable[0].assign([5.0, 5.0]),
        variable[:, 1].assign([0.0, 0.0]),
        tf.batch_scatter_update(variable, [[0], [1]], [[3.0], [4.0]]),
    )
    with tf.Session() as session:
        session.run(variable.initializer)
        found = [session.run(w).tolist() for w in writes]
    assert found == [
        [[1, 5], [3, 4]],
        [[1, 5], [2, 3]],
        [[8, 5], [9, 3]],
        [[5, 5], [9, 3]],
        [[5, 0], [9, 0]],
        [[3, 0], [9, 4]],
    ]


def test_gathering_from_a_handle_has_a_sparse_gradient() -> None:
    variable = tf.Variable(np.arange(6.0).reshape(3, 2), use_resource=True)
    rows = variable.sparse_read([2, 0, 2])
    gradient = tf.gradients(rows * [[1.0], [10.0], [100.0]], variable)[0]
    assert isinstance(gradient, tf.IndexedSlices)
    with tf.Session() as session:
        session.run(variable.initializer)
        assert session.run(rows).tolist() == [[4, 5], [0, 1], [4, 5]]
        dense = session.run(tf.convert_to_tensor(gradient))
    assert dense.tolist() == [[10, 10], [0, 0], [101, 101]]
