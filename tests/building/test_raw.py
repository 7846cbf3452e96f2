"""`tf.raw_ops` and `gen_*_ops`: TensorFlow's names of arguments, and what operations refuse."""

import numpy as np
import pytest

import millrace as tf
from millrace.hook.paths import find


def run(fetches):
    with tf.Session() as session:
        return session.run(fetches)


@pytest.mark.parametrize(
    ("op_type", "arguments", "expected"),
    [
        ("Sum", {"input": [1.0, 2.0], "axis": 0}, 3.0),
        ("Max", {"input": [[1.0, 2.0]], "axis": 1, "keep_dims": True}, [[2.0]]),
        ("All", {"input": [True, False], "axis": [0]}, False),
        ("ExpandDims", {"input": 1, "axis": 0}, [1]),
        ("Squeeze", {"input": [[1]], "axis": [0]}, [1]),
        ("Split", {"axis": 0, "value": [1, 2], "num_split": 2}, [[1], [2]]),
        ("Select", {"condition": [True, False], "x": [1, 2], "y": [3, 4]}, [1, 4]),
        ("Where", {"condition": [False, True]}, [[1]]),
    ],
)
def test_arguments_have_the_names_of_tensorflows_functions(op_type, arguments, expected):
    np.testing.assert_array_equal(run(getattr(tf.raw_ops, op_type)(**arguments)), expected)


def test_the_operations_own_name_of_a_renamed_argument_is_refused():
    with pytest.raises(TypeError, match="missing axis"):
        tf.raw_ops.Sum(input=[1.0], reduction_indices=0)
    with pytest.raises(TypeError, match="'squeeze_dims', it is called 'axis'"):
        tf.raw_ops.Squeeze(input=[[1]], squeeze_dims=[0])


def test_generated_functions_take_them_by_position():
    np.testing.assert_array_equal(run(find("python.ops.gen_math_ops", "_sum")([1.0, 2.0], 0)), 3.0)
    np.testing.assert_array_equal(run(find("python.ops.gen_array_ops", "expand_dims")(1, 0)), [1])
    np.testing.assert_array_equal(run(find("python.ops.gen_array_ops", "split")(0, [1, 2], 2)), [[1], [2]])


@pytest.mark.parametrize(
    ("op_type", "arguments", "named"),
    [
        ("Bincount", {"arr": [1], "size": [3], "weights": [1.0]}, "size"),
        ("HistogramFixedWidth", {"values": [1.0], "value_range": [0.0, 1.0], "nbins": [2]}, "nbins"),
        ("UnsortedSegmentMax", {"data": [1], "segment_ids": [0], "num_segments": [2]}, "num_segments"),
        (
            "SparseSegmentMeanGrad",
            {"grad": [[1.0]], "indices": [0], "segment_ids": [0], "output_dim0": [2]},
            "output_dim0",
        ),
        (
            "MatrixDiagV2",
            {"diagonal": [1], "k": 0, "num_rows": [1, 1], "num_cols": 1, "padding_value": 0},
            "num_rows",
        ),
        (
            "MaxPoolV2",
            {"input": np.ones((1, 2, 2, 1)), "ksize": [[1]], "strides": [1, 1, 1, 1], "padding": "SAME"},
            "ksize",
        ),
        ("TopKV2", {"input": [1.0], "k": [1]}, "k"),
    ],
)
def test_what_has_to_be_a_scalar_is_named(op_type, arguments, named):
    size = len(tf.get_default_graph().get_operations())
    with pytest.raises(ValueError, match=rf"{op_type} '{op_type}': '?{named}'? must be"):
        getattr(tf.raw_ops, op_type)(**arguments)
    left = [op.type for op in tf.get_default_graph().get_operations()[size:]]
    assert op_type not in left


def test_a_part_without_elements_is_stitched():
    found = run(tf.raw_ops.ParallelDynamicStitch(indices=[0], data=[np.ones((0, 2), np.float32)]))
    assert found.shape == (1, 0, 2)


def test_a_bias_gradient_without_channels():
    assert run(tf.raw_ops.BiasAddGrad(out_backprop=np.ones((2, 0, 0), np.float32))).shape == (0,)


def test_equal_shapes_reduce_nothing():
    for shape in ([1, 1], [2, 1]):
        assert [r.tolist() for r in run(tf.raw_ops.BroadcastGradientArgs(s0=shape, s1=shape))] == [[], []]
    assert [r.tolist() for r in run(tf.raw_ops.BroadcastGradientArgs(s0=[1], s1=[1, 1]))] == [[0, 1], [0, 1]]


def test_integers_are_divided_toward_zero():
    assert run(tf.realdiv(tf.constant([7, -7, 9]), [2, 2, 4])).tolist() == [3, -3, 2]
    with pytest.raises(tf.errors.InvalidArgumentError, match="division by zero"):
        run(tf.realdiv(tf.constant([1]), [0]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="16-bit"):
        run(tf.realdiv(tf.constant([1], tf.int16), tf.constant([1], tf.int16)))


@pytest.mark.parametrize(("unit", "expected"), [("BYTE", b"bc"), ("UTF8_CHAR", b"")])
def test_a_negative_length_of_a_part(unit, expected):
    assert run(tf.strings.substr("abc", 1, -4, unit=unit)) == expected
