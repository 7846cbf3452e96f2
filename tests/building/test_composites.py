"""The base of values that are made of several tensors."""

import pytest

import millrace as tf
from millrace.building.composites import CompositeTensor


def test_sparse_tensors_and_slices_are_composite():
    with tf.Graph().as_default():
        assert isinstance(tf.SparseTensor([[0]], [1.0], [2]), CompositeTensor)
        assert isinstance(tf.IndexedSlices(tf.ones([1]), [0]), CompositeTensor)
        assert not isinstance(tf.ones([1]), CompositeTensor)


def test_a_class_of_a_program_says_its_spec():
    class Pair(CompositeTensor):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Pair()
    Whole = type("Whole", (CompositeTensor,), {"_type_spec": None})
    assert isinstance(Whole(), CompositeTensor)


def test_the_base_is_abstract():
    assert isinstance(CompositeTensor._type_spec, property)
    with pytest.raises(TypeError, match="abstract"):
        CompositeTensor()
    assert isinstance(tf.SparseTensor([[0]], [1.0], [2]), CompositeTensor)
