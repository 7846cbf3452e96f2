"""Graphs rewritten for quantization, with the operations, variables and numbers of TensorFlow 1.15.5."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import millrace as tf

Q = tf.contrib.quantize
slim = tf.contrib.slim
IMAGES = np.random.RandomState(0).rand(6, 8, 8, 3).astype(np.float32)
CLASSES = np.eye(3, dtype=np.float32)[np.random.RandomState(0).randint(0, 3, 6)]


def images(size: int = 12) -> tf.Tensor:
    return tf.placeholder(tf.float32, [4, size, size, 3], "x")


def conv(x: Any, scope: str, relu: Any = tf.nn.relu, **normalizer: Any) -> tf.Tensor:
    """A layer of slim, with a batch normalization where `normalizer` is given."""
    given = {"normalizer_fn": slim.batch_norm, "normalizer_params": normalizer} if normalizer else {}
    return slim.conv2d(x, 3, [3, 3], activation_fn=relu, scope=scope, **given)


def quantized(graph: tf.Graph) -> str:
    """Where values are quantized, as "scope<value" in order."""
    ops = [op for op in graph.get_operations() if op.type == "FakeQuantWithMinMaxVars"]
    return " ".join(f"{op.name.rpartition('/')[0]}<{op.inputs[0].name[:-2]}" for op in ops)


def plain() -> None:
    tf.nn.softmax(slim.fully_connected(slim.flatten(conv(images(), "c")), 2, activation_fn=None, scope="f"))


def passed_by() -> None:
    short = conv(images(), "a")
    tf.nn.relu(tf.add(conv(short, "b", None), short), "act")


def passed_by_without_activation() -> None:
    short = conv(images(), "a")
    conv(tf.add(conv(short, "b", None, fused=True), short, name="sum"), "c")


def passed_by_after_activation() -> None:
    x = images()
    a, b = conv(x, "a"), conv(x, "b")
    tf.reshape(tf.add(a, b, name="sum"), [-1])


def separable() -> None:
    slim.separable_conv2d(images(), 5, [3, 3], depth_multiplier=1, scope="s")


def shared() -> None:
    w, x = tf.get_variable("w", [3, 3, 3, 3]), images()
    for name in "ab":
        x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, w, 1, "SAME"), tf.get_variable(name, [3])))


def computed_on() -> None:
    c = conv(images(), "c")
    tf.identity(tf.nn.max_pool(c, [1, 2, 2, 1], [1, 2, 2, 1], "SAME") * 2.0)
    tf.identity(tf.tanh(c) * 2.0)
    tf.nn.relu(c * 3.0)


def keras() -> None:
    tf.keras.layers.Conv2D(4, 3, activation="relu", name="k")(images())


def dilated() -> None:
    slim.conv2d(images(), 4, [3, 3], rate=2, scope="d")


PLACES: list[tuple[Callable[[], None], str]] = [
    (
        plain,
        "c/weights_quant<c/weights/read c/act_quant<c/Relu "
        "f/weights_quant<f/weights/read f/act_quant<f/BiasAdd",
    ),
    (
        passed_by,
        "a/weights_quant<a/weights/read a/act_quant<a/Relu b/weights_quant<b/weights/read act_quant<act "
        "b/conv_quant<b/BiasAdd",
    ),
    (
        passed_by_without_activation,
        "a/weights_quant<a/weights/read a/act_quant<a/Relu post_activation_bypass_quant<sum "
        "c/weights_quant<c/weights/read c/act_quant<c/Relu b/weights_quant<b/mul_fold b/act_quant<b/add_fold",
    ),
    (
        passed_by_after_activation,
        "b/weights_quant<b/weights/read b/act_quant<b/Relu post_activation_bypass_quant<sum "
        "a/weights_quant<a/weights/read a/act_quant<a/Relu",
    ),
    (
        separable,
        "s/weights_quant<s/pointwise_weights/read s/act_quant<s/Relu "
        "s/separable_conv2d/weights_quant<s/depthwise_weights/read "
        "s/separable_conv2d/act_quant<s/separable_conv2d/depthwise",
    ),
    (shared, "weights_quant<w/read act_quant<Relu act_quant_1<Relu_1"),
    (computed_on, "c/weights_quant<c/weights/read c/act_quant<c/Relu mul/activation_Mul_quant<mul"),
    (keras, "k/weights_quant<k/Conv2D/ReadVariableOp k/act_quant<k/Relu"),
    (dilated, "d/weights_quant<d/weights/read d/act_quant<d/Relu"),
]


@pytest.mark.parametrize(("build", "places"), PLACES, ids=[b.__name__ for b, _ in PLACES])
def test_what_is_quantized_where(build, places):
    with tf.Graph().as_default() as graph:
        build()
        Q.create_training_graph()
        assert quantized(graph) == places


def test_the_variables_of_ranges():
    with tf.Graph().as_default() as graph:
        conv(images(), "c")
        Q.create_training_graph(graph, quant_delay=5)
        assert [v.op.name for v in tf.global_variables()][2:] == [
            "c/weights_quant/min",
            "c/weights_quant/max",
            "fake_quantization_step",
            "c/act_quant/min",
            "c/act_quant/max",
            *(
                f"c/act_quant/c/act_quant/{end}/{kind}"
                for end in ("min", "max")
                for kind in ("biased", "local_step")
            ),
        ]
        assert len(tf.trainable_variables()) == 2
        quant = next(op for op in graph.get_operations() if op.type == "FakeQuantWithMinMaxVars")
        assert quant.get_attr("num_bits") == 8 and quant.get_attr("narrow_range")


@pytest.mark.parametrize("fused", [True, False])
def test_normalizations_are_folded(fused):
    with tf.Graph().as_default() as graph:
        conv(images(), "c", fused=fused, scale=True)
        slim.separable_conv2d(
            images(), None, [3, 3], depth_multiplier=2, scope="d", normalizer_fn=slim.batch_norm,
            normalizer_params={"fused": fused, "scale": True},
        )  # fmt: skip
        Q.create_training_graph(graph)
        names = {op.name for op in graph.get_operations()}
        assert {"c/Conv2D_Fold", "c/mul_fold", "c/correction_mult", "c/add_fold", "d/depthwise_Fold"} <= names
        inner = "c/BatchNorm_Fold/batch_norm_correction" if fused else "c/batch_norm_correction"
        assert f"{inner}/offset_compute" in names
        assert ("c/BatchNorm/Undo_Bessel_Correction" in names) == fused
        assert quantized(graph).split()[0] == "c/weights_quant<c/mul_fold"
        assert graph.get_operation_by_name("c/Relu").inputs[0].name == "c/add_fold:0"


def net(x: Any, training: bool) -> tf.Tensor:
    params = {"is_training": training, "scale": True, "fused": True, "decay": 0.9}
    y = conv(x, "c1", **params)
    y = tf.nn.relu(conv(y, "c2", None, **params) + y)
    y = conv(y, "c3", tf.nn.relu6, **{**params, "fused": False})
    return slim.fully_connected(slim.flatten(y), 3, activation_fn=None, scope="fc")


# What TensorFlow 1.15.5 gives for the same seeds: losses of five steps, and a range.
TRAINED: list[tuple[dict[str, Any], list[float]]] = [
    ({}, [1.189, 0.5069, 0.2313, 0.1599, 0.1098]),
    ({"quant_delay": 2}, [1.189, 0.4974, 0.2247, 0.1689, 0.1127]),
    (
        {"quant_delay": 1, "freeze_bn_delay": 3, "symmetric": True, "weight_bits": 6},
        [1.193, 0.8392, 0.6801, 0.5893, 0.5142],
    ),
]


@pytest.mark.parametrize(("settings", "losses"), TRAINED, ids=range(len(TRAINED)))
def test_training_follows_1_15(settings, losses):
    with tf.Graph().as_default() as graph, tf.Session() as session:
        tf.set_random_seed(3)
        x, labels = tf.placeholder(tf.float32, [6, 8, 8, 3]), tf.placeholder(tf.float32, [6, 3])
        loss = tf.losses.softmax_cross_entropy(labels, net(x, True))
        Q.experimental_create_training_graph(graph, **settings)
        train = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
        updates = tf.group(*tf.get_collection(tf.GraphKeys.UPDATE_OPS))
        session.run(tf.global_variables_initializer())
        feeds = {x: IMAGES, labels: CLASSES}
        found = []
        for _ in losses:
            found.append(session.run([loss, train], feeds)[0])
            session.run(updates, feeds)
        np.testing.assert_allclose(found, losses, rtol=0.03)  # a value between two integers may go either way


def test_a_trained_graph_is_read_frozen_and_imported(tmp_path):
    path = str(tmp_path / "model")
    with tf.Graph().as_default(), tf.Session() as session:
        net(tf.constant(IMAGES), True)
        Q.create_training_graph()
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, path)
    with tf.Graph().as_default() as graph, tf.Session() as session:
        result = tf.identity(net(tf.placeholder(tf.float32, [6, 8, 8, 3], "x"), False), "out")
        Q.create_eval_graph()
        assert not any(op.type == "AssignAdd" for op in graph.get_operations())
        tf.train.Saver().restore(session, path)
        wanted = session.run(result, {"x:0": IMAGES})
        frozen = tf.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["out"])
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(frozen, name="")
        np.testing.assert_array_equal(session.run("out:0", {"x:0": IMAGES}), wanted)


def test_choices_of_the_experimental_graphs():
    with tf.Graph().as_default() as graph:
        with tf.variable_scope("net"):
            conv(images(), "a")
        conv(images(), "b")
        Q.experimental_create_eval_graph(graph, weight_bits=4, activation_bits=6, scope="net")
        assert quantized(graph) == "net/a/weights_quant<net/a/weights/read net/a/act_quant<net/a/Relu"
        bits = [
            op.get_attr("num_bits") for op in graph.get_operations() if op.type == "FakeQuantWithMinMaxVars"
        ]
        assert bits == [4, 6]


def unaveraged() -> None:
    y = tf.nn.conv2d(images(), tf.get_variable("w", [3, 3, 3, 4]), 1, "SAME")
    tf.nn.relu(tf.nn.fused_batch_norm(y, tf.ones([4]), tf.zeros([4]))[0])


def first_channels() -> None:
    slim.conv2d(
        tf.placeholder(tf.float32, [4, 3, 9, 9]), 9, [3, 3], data_format="NCHW",
        normalizer_fn=slim.batch_norm, normalizer_params={"data_format": "NCHW", "fused": True},
    )  # fmt: skip


def trained() -> None:
    tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_sum(conv(images(), "c")))


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (unaveraged, "moving averages of its moments.*one behind Conv2D"),
        (first_channels, "data_format NHWC.*NCHW"),
        (trained, "before an optimizer.*ApplyGradientDescent"),
    ],
)
def test_what_cannot_be_rewritten_stays_as_it_was(build, said):
    with tf.Graph().as_default() as graph:
        build()
        before = graph.as_graph_def()
        with pytest.raises(ValueError, match=re.compile(said, re.DOTALL)):
            Q.create_training_graph(graph)
        assert graph.as_graph_def() == before


def test_the_scope_of_the_call_does_not_name_what_is_folded():
    with tf.Graph().as_default() as graph:
        with tf.variable_scope("v"):
            conv(images(), "c", fused=True)
            Q.create_training_graph()
        assert {op.name for op in graph.get_operations() if op.type == "Rsqrt"} == {
            f"v/c/BatchNorm_Fold/{end}"
            for end in ("Rsqrt", "batch_norm_correction/Rsqrt", "batch_norm_correction/Rsqrt_1")
        }


def test_no_step_is_counted_for_a_delay_below_one():
    with tf.Graph().as_default() as graph:
        conv(images(), "c")
        Q.create_training_graph(graph, quant_delay=-1)
        assert "fake_quantization_step" not in [v.op.name for v in tf.global_variables()]
