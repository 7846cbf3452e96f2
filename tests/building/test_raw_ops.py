"""`tf.raw_ops`: arguments by name only, signatures, types that have no kernel, names that are absent."""

import inspect

import pytest

import millrace as tf


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("Abs", "(x, name=None)"),
        ("ArgMax", "(input, dimension, output_type=tf.int64, name=None)"),
        ("LRN", "(input, depth_radius=5, bias=1, alpha=1, beta=0.5, name=None)"),
        ("Sum", "(input, axis, keep_dims=False, name=None)"),
        ("Squeeze", "(input, axis=[], name=None)"),
        ("StridedSlice",
         "(input, begin, end, strides, begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0, "
         "shrink_axis_mask=0, name=None)"),
        ("AllToAll",
         "(input, group_assignment, concat_dimension, split_dimension, split_count, name=None)"),
    ],
)  # fmt: skip
def test_signatures(name, signature):
    function = getattr(tf.raw_ops, name)
    assert str(inspect.signature(function)) == signature
    assert function is getattr(tf.compat.v2.raw_ops, name) and function.__name__ == name


def test_arguments_are_given_by_name():
    with pytest.raises(TypeError, match=r"Abs only takes keyword args \(possible keys: \['x', 'name'\]\)"):
        tf.raw_ops.Abs(1.0)
    with pytest.raises(TypeError, match="missing y"):
        tf.raw_ops.Add(x=1.0)
    with pytest.raises(TypeError, match="has no attribute 'z'"):
        tf.raw_ops.Add(x=1.0, y=2.0, z=3.0)
    with tf.Session() as session:
        assert session.run(tf.raw_ops.Sum(input=[1.0, 2.0], axis=0, name="total")) == 3.0


def test_a_type_without_a_kernel_is_a_node():
    with tf.Graph().as_default(), tf.Session() as session:
        y = tf.raw_ops.AllToAll(
            input=[1.0], group_assignment=[[0]], concat_dimension=0, split_dimension=0, split_count=1
        )
        assert (y.op.type, y.dtype) == ("AllToAll", tf.float32)
        with pytest.raises(tf.errors.InvalidArgumentError, match="No OpKernel"):
            session.run(y)


def test_absent_types_name_their_successor():
    with pytest.raises(AttributeError, match=r"tf\.raw_ops\.TensorArrayV3 is there"):
        tf.raw_ops.TensorArray
    with pytest.raises(AttributeError, match="No operation type 'Nonsense'"):
        tf.raw_ops.Nonsense
    assert dir(tf.raw_ops).count("MatMul") == 1
