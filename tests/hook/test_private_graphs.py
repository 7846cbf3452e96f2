"""Private functions about shapes, variables and optimizers; values, names and types are those of 1.15.5."""

import glob
import importlib

import pytest

import millrace as tf


def _of(module, name):
    return getattr(importlib.import_module(f"millrace.{module}"), name)


def _nodes():
    return [f"{op.name}:{op.type}" for op in tf.get_default_graph().get_operations()]


def test_the_axes_before_the_last_become_one():
    flat = _of("python.ops.nn_ops", "_flatten_outer_dims")(tf.placeholder(tf.float32, [None, 3, 4]))
    assert flat.shape.ndims == 2
    assert " ".join(_nodes()) == (
        "Placeholder:Placeholder Rank:Const Shape:Shape Sub/y:Const Sub:Sub Slice/begin:Pack "
        "Slice/size:Const Slice:Slice concat/values_0:Const concat/axis:Const concat:ConcatV2 Reshape:Reshape"
    )
    assert _of("python.ops.nn_ops", "_flatten_outer_dims")(tf.ones([2, 3, 4])).shape == (6, 4)


def test_shapes_of_noise():
    of = _of("python.ops.nn_ops", "_get_noise_shape")
    x, given = tf.placeholder(tf.float32, [None, 3]), tf.constant([1, 2])
    assert of(x, None).op.type == "Shape" and of(x, given) is given and of(x, [1, 2, 3]) == [1, 2, 3]
    assert of(x, [None, 1]).as_list() == [None, 1] and of(tf.ones([2, 3]), [None, 1]).as_list() == [2, 1]


def test_strides_and_padding():
    sequence, padding = (_of("python.ops.nn_ops", n) for n in ("_get_sequence", "_convert_padding"))
    cases = [(None, 3), ([2], 3), ([1, 2], 3), ([1, 2], 1), (3, 3), ([1, 2, 3, 1], 3)]
    assert [sequence(value, 2, channels, "s") for value, channels in cases] == [
        [1, 1, 1, 1],
        [1, 2, 2, 1],
        [1, 1, 2, 1],
        [1, 1, 1, 2],
        [1, 3, 3, 1],
        [1, 2, 3, 1],
    ]
    with pytest.raises(ValueError, match="s should be of length 1, 2 or 4 but was 3"):
        sequence([1, 2, 3], 2, 3, "s")
    assert padding("SAME") == ("SAME", [])
    assert padding([[0, 0], [1, 2], [3, 4], [0, 0]]) == ("EXPLICIT", [0, 0, 1, 2, 3, 4, 0, 0])
    with pytest.raises(ValueError, match="it must be of size 4"):
        padding([[1, 2]])


def test_shape_functions():
    of = importlib.import_module("millrace.python.framework.common_shapes")
    assert of.get_conv_output_size([10, None], [3, 3], [2, 2], b"VALID") == (4, None)
    assert of.get_conv_output_size([10, None], [3, 3], [2, 2], b"SAME") == (5, None)
    assert of.get2d_conv_output_size(10, 11, 3, 3, 2, 1, b"SAME") == (5, 11)
    with pytest.raises(ValueError, match="Filter must not be larger than the input"):
        of.get_conv_output_size([2], [3], [1], b"VALID")
    x = tf.placeholder(tf.float32, [2, 10, 11, 3])
    convolved = tf.nn.conv2d(x, tf.ones([3, 3, 3, 4]), [1, 2, 1, 1], "SAME")
    deep = tf.nn.depthwise_conv2d(x, tf.ones([3, 3, 3, 2]), [1, 1, 1, 1], "SAME")
    assert of.conv2d_shape(convolved.op)[0].as_list() == [2, 5, 11, 4]
    assert of.depthwise_conv2d_native_shape(deep.op)[0].as_list() == [2, 10, 11, 6]
    pooled = tf.nn.max_pool(x, [1, 3, 3, 1], [1, 2, 2, 1], "VALID")
    assert of.max_pool_shape(pooled.op)[0].as_list() == [2, 4, 5, 3]
    pooled = tf.nn.avg_pool(x, [1, 3, 3, 1], [1, 2, 2, 1], "SAME")
    assert of.avg_pool_shape(pooled.op)[0].as_list() == [2, 5, 6, 3]
    product = tf.matmul(tf.ones([2, 3]), tf.ones([4, 3]), transpose_b=True)
    assert of.matmul_shape(product.op)[0].as_list() == [2, 4]
    same = tf.identity(tf.ones([2, 3])).op
    assert of.unchanged_shape_with_rank(2)(same)[0].as_list() == [2, 3]
    for function in (of.unchanged_shape_with_rank_at_least(3), of.unchanged_shape_with_rank_at_most(1)):
        with pytest.raises(ValueError, match="must have rank at"):
            function(same)


def test_nodes_below_a_variable():
    of = importlib.import_module("millrace.python.ops.state_ops")
    v = of.variable_op_v2([2], tf.float32, name="v", container="c", shared_name="s")
    assert v.op.get_attr("shared_name") == b"s" and v.dtype == tf.float32._as_ref
    first = of.init_variable(v, tf.zeros([2]))
    again = of.init_variable(v, lambda shape, dtype: tf.ones(shape, dtype), name="k")
    of.variable_op([3], tf.int32)
    assert of.variable_op([2], tf.float32, set_shape=False).shape.ndims is None
    assert _nodes() == [
        "v:VariableV2",
        "zeros:Const",
        "v/init:Assign",
        "v/k/ones:Const",
        "v/k:Assign",
        "Variable:Variable",
        "Variable_1:Variable",
    ]
    with tf.Session() as sess:
        assert sess.run(first).tolist() == [0, 0] and sess.run(again).tolist() == [1, 1]


def test_what_an_optimizer_does_with_one_variable():
    of = importlib.import_module("millrace.python.training.optimizer")
    v, r, t = tf.Variable(1.0), tf.Variable(2.0, use_resource=True), tf.constant(1.0)
    found = [of._get_processor(x) for x in (v, r, t)]
    assert [type(p).__mro__[-2] for p in found] == [of._OptimizableVariable] * 3
    assert isinstance(found[0], of._RefVariableProcessor)
    assert isinstance(found[1], of._DenseResourceVariableProcessor)
    assert found[0].target() is v._ref() and found[2].target() is t
    optimizer = tf.train.GradientDescentOptimizer(0.5)
    optimizer._prepare()
    step = [p.update_op(optimizer, tf.constant(1.0)) for p in found[:2]]
    with pytest.raises(NotImplementedError, match="Trying to update a Tensor"):
        found[2].update_op(optimizer, t)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(step)
        assert sess.run([v, r]) == [0.5, 1.5]


def test_layers_that_derive_from_a_convolution_of_any_rank():
    conv = _of("python.keras.layers.convolutional", "Conv")
    layer = conv(2, 4, 3, strides=2, padding="same")
    assert layer(tf.ones([1, 8, 8, 3])).shape == (1, 4, 4, 4) and "rank" not in layer.get_config()
    assert isinstance(tf.keras.layers.Conv2D(1, 1), conv) and tf.keras.layers.Conv3D(1, 1).rank == 3
    assert isinstance(tf.AUTO_REUSE, _of("python.ops.variable_scope", "_ReuseMode"))


def test_events_are_written_to_files(tmp_path):
    writer = _of("python.summary.writer.event_file_writer", "EventFileWriter")(
        str(tmp_path), filename_suffix=".x"
    )
    assert writer.get_logdir() == str(tmp_path)
    summary = tf.Summary(value=[tf.Summary.Value(tag="loss", simple_value=0.5)])
    writer.add_event(tf.Event(step=3, summary=summary))
    writer.close()
    writer.add_event(tf.Event(step=4))
    writer.reopen()
    writer.add_event(tf.Event(step=5))
    writer.flush()
    files = sorted(glob.glob(f"{tmp_path}/events.out.tfevents.*.x*"), key=len)
    steps = [[event.step for event in tf.train.summary_iterator(path)] for path in files]
    assert sorted(steps) == [[0, 3], [0, 5]]
    writer.close()
