"""The base of values that are made of several tensors."""

from __future__ import annotations

from typing import Any

import pytest

import millrace as tf
from millrace.building.composites import CompositeTensor, spec_of


class PairSpec:
    """Takes pairs apart and puts them together."""

    def to_tensors(self, pair: Any) -> tuple[Any, Any]:
        """Both halves."""
        return pair.left, pair.right

    def from_tensors(self, parts: Any) -> Pair:
        """A pair of two halves, tensors or arrays."""
        assert isinstance(parts, list)
        return Pair(*parts)


class Pair(CompositeTensor):
    """A composite of a program's own, which gives nothing but a spec."""

    def __init__(self, left: Any, right: Any) -> None:
        self.left, self.right = left, right

    @property
    def shape(self) -> Any:
        """That of the left half."""
        return self.left.shape

    @property
    def dtype(self) -> Any:
        """That of the left half."""
        return self.left.dtype

    @property
    def _type_spec(self) -> PairSpec:
        return PairSpec()


def test_sparse_tensors_and_slices_are_composite():
    assert isinstance(tf.SparseTensor([[0]], [1.0], [2]), CompositeTensor)
    assert isinstance(tf.IndexedSlices(tf.ones([1]), [0]), CompositeTensor)
    assert not isinstance(tf.ones([1]), CompositeTensor)


def test_the_base_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        CompositeTensor()
    with pytest.raises(TypeError, match="abstract"):
        type("Pair", (CompositeTensor,), {})()
    assert isinstance(CompositeTensor._type_spec, property)


def test_a_spec_takes_values_apart():
    pair = Pair(tf.constant([1.0, 2.0]), tf.constant(3))
    assert pair.parts == [pair.left, pair.right] and pair._is_graph_tensor is True
    assert pair.part_dims((None,)) == [(2,), ()]
    twin = pair.with_parts((pair.left, tf.constant(4)))
    assert type(twin) is Pair and twin.left is pair.left and twin.right is not pair.right
    assert pair.arrays_of((1, 2)) == [1, 2]


def test_a_programs_composite_is_fetched_and_fed():
    pair = Pair(tf.constant([1.0, 2.0]), tf.constant(3))
    total = tf.reduce_sum(pair.left) + tf.cast(pair.right, tf.float32)
    with tf.Session() as session:
        fetched = session.run(pair)
        assert type(fetched) is Pair and fetched.left.tolist() == [1, 2] and fetched.right == 3
        assert session.run(total, {pair: ([5.0, 5.0], 7)}) == 17


def test_a_programs_composite_goes_through_branches_and_loops():
    pair, flag = Pair(tf.constant([1.0, 2.0]), tf.constant(3)), tf.placeholder(tf.bool, [])
    chosen = tf.cond(flag, lambda: pair, lambda: Pair(pair.left * 10.0, pair.right * 10))
    _, looped = tf.while_loop(
        lambda i, p: i < 2, lambda i, p: (i + 1, Pair(p.left + 1.0, p.right * 2)), [0, pair]
    )
    with tf.Session() as session:
        for value, right in ((True, 3), (False, 30)):
            assert session.run(chosen, {flag: value}).right == right
        found = session.run(looped)
        assert found.left.tolist() == [3, 4] and found.right == 12


def test_what_is_known_of_millraces_own():
    sparse = tf.SparseTensor([[0]], [1.0], [2])
    assert spec_of(sparse) == tf.SparseTensorSpec([2], tf.float32) == sparse._type_spec
    assert sparse._is_graph_tensor is True
