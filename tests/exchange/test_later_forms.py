"""Forms of later releases: paddings of their own, fused kernels, calls in batches, datasets."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf
from exchange.test_other_types import Nodes, ints
from millrace.core import protos


def text(value):
    return protos.AttrValue(s=value)


def texts(*values):
    made = protos.AttrValue()
    made.list.s.extend(values)
    return made


_IMAGE = np.arange(32, dtype="f").reshape(1, 4, 4, 2) - 9
_PADS = (0, 0, 1, 2, 0, 1, 0, 0)
_PAIRS = [[0, 0], [1, 2], [0, 1], [0, 0]]


def value_of(build):
    with tf.Graph().as_default(), tf.Session() as sess:
        return np.asarray(sess.run(build())).tolist()


def test_a_pool_with_paddings():
    nodes = Nodes()
    nodes.const("x", _IMAGE, "f")
    window = {"ksize": ints(1, 2, 2, 1), "strides": ints(1, 2, 2, 1), "T": tf.float32}
    explicit = {"padding": text(b"EXPLICIT"), "explicit_paddings": ints(*_PADS), **window}
    nodes.add("y", "MaxPool", "x", **explicit)

    def padded(x):
        return tf.nn.max_pool(tf.pad(x, _PAIRS, constant_values=-1e9), 2, 2, "VALID")

    assert nodes.run("y:0") == [value_of(lambda: padded(tf.constant(_IMAGE)))]
    nodes.const("dy", np.ones((1, 3, 2, 2)), "f")
    nodes.add("dx", "MaxPoolGrad", "x", "y", "dy", **explicit)

    def slope():
        x = tf.constant(_IMAGE)
        return tf.gradients(padded(x), x)[0]

    assert nodes.run("dx:0") == [value_of(slope)]


def test_a_depthwise_convolution_with_paddings():
    nodes = Nodes()
    nodes.const("x", _IMAGE, "f")
    filters = np.arange(8, dtype="f").reshape(2, 2, 2, 1)
    nodes.const("w", filters, "f")
    options = {"strides": ints(1, 1, 1, 1), "padding": text(b"EXPLICIT"), "explicit_paddings": ints(*_PADS)}
    nodes.add("y", "DepthwiseConv2dNative", "x", "w", T=tf.float32, **options)
    nodes.const("dy", np.ones((1, 6, 4, 2)), "f")
    nodes.const("xs", [1, 4, 4, 2], "i")
    nodes.const("ws", [2, 2, 2, 1], "i")
    nodes.add("dx", "DepthwiseConv2dNativeBackpropInput", "xs", "w", "dy", T=tf.float32, **options)
    nodes.add("dw", "DepthwiseConv2dNativeBackpropFilter", "x", "ws", "dy", T=tf.float32, **options)

    def padded():
        x, w = tf.constant(_IMAGE), tf.constant(filters)
        y = tf.nn.depthwise_conv2d(tf.pad(x, _PAIRS), w, [1, 1, 1, 1], "VALID")
        return [y, *tf.gradients(y, [x, w])]

    wanted = [value_of(lambda k=k: padded()[k]) for k in range(3)]
    assert nodes.run("y:0", "dx:0", "dw:0") == wanted


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ([b"BiasAdd"], lambda y: y + 1),
        ([b"BiasAdd", b"Relu"], lambda y: np.maximum(y + 1, 0)),
        ([b"BiasAdd", b"LeakyRelu"], lambda y: np.where(y + 1 > 0, y + 1, 0.25 * (y + 1))),
        ([b"BiasAdd", b"Add", b"Relu6"], lambda y: np.clip(y + 3, 0, 6)),
    ],
)
def test_a_fused_product(steps, wanted):
    nodes = Nodes()
    a, b = np.float32([[1, -2], [0.5, 3]]), np.float32([[2, 1], [0, -1]])
    nodes.const("a", a, "f")
    nodes.const("b", b, "f")
    nodes.const("bias", [1, 1], "f")
    nodes.const("more", [[2, 2], [2, 2]], "f")
    extra = ["bias", *["more"] * (b"Add" in steps)]
    nodes.add(
        "y", "_FusedMatMul", "a", "b", *extra, T=tf.float32, fused_ops=texts(*steps),
        num_args=protos.AttrValue(i=len(extra)), leakyrelu_alpha=protos.AttrValue(f=0.25),
        transpose_b=protos.AttrValue(b=True), epsilon=protos.AttrValue(f=0.0),
    )  # fmt: skip
    np.testing.assert_allclose(nodes.run("y:0")[0], wanted(a @ b.T))


def test_fused_convolutions():
    nodes = Nodes()
    nodes.const("x", _IMAGE, "f")
    nodes.const("w", np.ones((2, 2, 2, 3)), "f")
    for name, value in (("scale", 2), ("offset", 1), ("mean", 3), ("variance", 4)):
        nodes.const(name, [value] * 3, "f")
    shared = {"T": tf.float32, "strides": ints(1, 1, 1, 1), "padding": text(b"VALID")}
    nodes.add(
        "y", "_FusedConv2D", "x", "w", "scale", "offset", "mean", "variance", **shared,
        fused_ops=texts(b"FusedBatchNorm", b"Relu"), num_args=protos.AttrValue(i=4),
        epsilon=protos.AttrValue(f=0.5),
    )  # fmt: skip
    nodes.const("v", np.ones((2, 2, 2, 1)), "f")
    nodes.const("bias", [1, 2], "f")
    nodes.add(
        "z", "FusedDepthwiseConv2dNative", "x", "v", "bias", **shared, fused_ops=texts(b"BiasAdd"),
        num_args=protos.AttrValue(i=1), dilations=ints(1, 1, 1, 1),
    )  # fmt: skip

    def first():
        y = tf.nn.conv2d(tf.constant(_IMAGE), tf.ones([2, 2, 2, 3]), 1, "VALID")
        return tf.nn.relu((y - 3) * 2 / np.sqrt(4.5) + 1)

    def second():
        y = tf.nn.depthwise_conv2d(tf.constant(_IMAGE), tf.ones([2, 2, 2, 1]), [1, 1, 1, 1], "VALID")
        return y + [1.0, 2.0]

    y, z = nodes.run("y:0", "z:0")
    np.testing.assert_allclose(y, value_of(first), rtol=1e-5)
    np.testing.assert_allclose(z, value_of(second), rtol=1e-5)


def test_an_unknown_part_of_a_fused_product_is_named():
    nodes = Nodes()
    nodes.const("a", [[1.0]], "f")
    nodes.add("y", "_FusedMatMul", "a", "a", T=tf.float32, fused_ops=texts(b"Sorcery"))
    with pytest.raises(ValueError, match="'y'.*fuses what is not known here. Received: 'Sorcery'"):
        nodes.run("y:0")


def test_a_convolution_of_any_rank():
    nodes = Nodes()
    nodes.const("x", _IMAGE, "f")
    nodes.const("w", np.ones((2, 2, 2, 1)), "f")
    nodes.add("y", "Conv", "x", "w", T=tf.float32, strides=ints(1, 2, 2, 1), padding=text(b"SAME"))
    nodes.const("u", _IMAGE[None], "f")
    nodes.const("v", np.ones((1, 2, 2, 2, 1)), "f")
    nodes.add("z", "Conv", "u", "v", T=tf.float32, strides=ints(1, 1, 2, 2, 1), padding=text(b"SAME"))
    wanted = value_of(lambda: tf.nn.conv2d(tf.constant(_IMAGE), tf.ones([2, 2, 2, 1]), 2, "SAME"))
    assert nodes.run("y:0", "z:0") == [wanted, [wanted]]


def test_k_of_another_width():
    nodes = Nodes()
    nodes.const("x", [3.0, 9.0, 5.0], "f")
    nodes.const("k", 2, "q")
    nodes.add("y", "TopKV2", "x", "k", T=tf.float32, Tk=tf.int64, index_type=tf.int64)
    assert nodes.run("y:0", "y:1") == [[9, 5], [1, 2]]


def test_copies_and_devices():
    nodes = Nodes()
    nodes.const("x", [3.0], "f")
    nodes.add("copy", "CopyHost", "x", T=tf.float32, tensor_name=text(b"x:0"))
    nodes.add("seen", "DebugIdentityV2", "copy", T=tf.float32, tfdbg_context_id=text(b"c"))
    nodes.add("cpu", "DeviceIndex", device_names=texts(b"GPU", b"CPU"))
    nodes.add("none", "DeviceIndex", device_names=texts(b"TPU"))
    assert nodes.run("seen:0", "cpu:0", "none:0") == [[3], 1, 1]


def _doubling():
    with tf.Graph().as_default():
        double = tf.function(lambda x: x * 2.0, input_signature=[tf.TensorSpec([], tf.float32)])
        made = double.get_concrete_function().function_def
    made.signature.name = "double"
    return made


@pytest.mark.parametrize("op", ["BatchFunction", "RemoteCall"])
def test_calls_elsewhere(op):
    nodes = Nodes()
    nodes.const("device", np.array(b"/cpu:0", object), object)
    nodes.const("x", 3.0, "f")
    nodes.proto.library.function.add().CopyFrom(_doubling())
    one = protos.AttrValue()
    one.list.type.append(protos.DT_FLOAT)
    name = protos.AttrValue()
    name.func.name = "double"
    inputs = ["x"] if op == "BatchFunction" else ["device", "x"]
    given = {"Tcaptured": protos.AttrValue(list={})} if op == "BatchFunction" else {}
    nodes.add("y", op, *inputs, Tin=one, Tout=one, f=name, **given)
    assert nodes.run("y:0") == [6]


def test_a_choice_that_stops():
    nodes = Nodes()
    kinds = {"output_types": protos.AttrValue(), "output_shapes": protos.AttrValue()}
    kinds["output_types"].list.type.append(protos.DT_INT64)
    kinds["output_shapes"].list.shape.add()
    for name, value in (("zero", 0), ("one", 1), ("two", 2), ("five", 5)):
        nodes.const(name, value, "q")
    nodes.add("short", "RangeDataset", "zero", "one", "one", **kinds)
    nodes.add("long", "RangeDataset", "zero", "five", "one", **kinds)
    nodes.add("which", "RangeDataset", "zero", "two", "one", **kinds)
    nodes.add("again", "RepeatDataset", "which", "five", **kinds)
    nodes.add("none", "DummySeedGenerator")
    nodes.add("options", "OptionsDataset", "long", serialized_options=text(b""), **kinds)
    stop, count = protos.AttrValue(b=True), protos.AttrValue(i=2)
    attrs = {"N": count, "stop_on_empty_dataset": stop, **kinds}
    nodes.add("mixed", "DirectedInterleaveDataset", "again", "short", "options", **attrs)
    nodes.const("all", True, "?")
    nodes.const("ten", 10, "q")
    nodes.add("pairs", "ParallelBatchDataset", "mixed", "two", "ten", "all", **kinds)
    made = nodes.proto
    made.node[-1].attr["output_shapes"].list.shape[0].dim.add(size=2)
    made.node[-1].attr["deterministic"].s = b"default"
    with tf.Graph().as_default(), tf.Session() as sess:
        (dataset,) = tf.import_graph_def(made, return_elements=["pairs:0"])
        iterator = tf.data.Iterator.from_structure(tf.int64, [2])
        start = tf.raw_ops.MakeIterator(dataset=dataset, iterator=iterator._iterator_resource)
        sess.run(start)
        assert sess.run(iterator.get_next()).tolist() == [0, 0]
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(iterator.get_next())
