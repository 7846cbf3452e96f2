"""Tests of tf.layers: values against NumPy, names, shapes, collections and refusals."""

import importlib

import numpy as np
import pytest

import millrace as tf

RNG = np.random.default_rng(7)


def _run(build, x, shape=None):
    """The value of `build(placeholder)`, its static shape and the variables' names."""
    with tf.Graph().as_default(), tf.Session() as session:
        given = tf.placeholder(tf.float32, x.shape if shape is None else shape)
        y = build(given)
        session.run(tf.global_variables_initializer())
        value = session.run(y, {given: x})
        return value, y.shape.as_list(), {v.name: session.run(v) for v in tf.global_variables()}


def _image(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 5)])
def test_dense(shape):
    x = _image(*shape)
    value, static, found = _run(lambda t: tf.layers.dense(t, 4, tf.nn.tanh), x, [None, *shape[1:]])
    assert static == [None, *shape[1:-1], 4] and list(found) == ["dense/kernel:0", "dense/bias:0"]
    np.testing.assert_allclose(value, np.tanh(x @ found["dense/kernel:0"]), rtol=1e-5, atol=1e-6)


def _windows(x, k, step):
    for i in range(0, x.shape[1] - k + 1, step):
        for j in range(0, x.shape[2] - k + 1, step):
            yield i // step, j // step, x[:, i : i + k, j : j + k]


def test_conv2d_and_its_transpose_are_adjoint():
    x, k = _image(2, 6, 7, 3), _image(3, 3, 3, 4)
    value, static, found = _run(
        lambda t: tf.layers.conv2d(t, 4, 3, 2, kernel_initializer=tf.constant_initializer(k)), x
    )
    assert static == [2, 2, 3, 4] and "conv2d/kernel:0" in found
    for i, j, window in _windows(x, 3, 2):
        np.testing.assert_allclose(value[:, i, j], np.tensordot(window, k, 3), rtol=1e-4, atol=1e-5)
    y = _image(2, 2, 3, 4)
    back, static, _ = _run(
        lambda t: tf.layers.conv2d_transpose(t, 3, 3, 2, kernel_initializer=tf.constant_initializer(k)),
        y,
        [None, None, 3, 4],
    )
    assert static == [None, None, 7, 3]
    np.testing.assert_allclose((back * x[:, :5]).sum(), (value * y).sum(), rtol=1e-3)


def test_causal_convolution_sees_no_later_input():
    x = _image(1, 6, 1)
    causal, static, _ = _run(
        lambda t: tf.layers.Conv1D(1, 2, padding="causal", kernel_initializer=tf.ones_initializer())(t), x
    )
    assert static == [1, 6, 1]
    before = np.concatenate([np.zeros((1, 1, 1), np.float32), x[:, :-1]], 1)
    np.testing.assert_allclose(causal, x + before, rtol=1e-6)


@pytest.mark.parametrize("rank", [1, 2])
def test_separable_convolution_is_two(rank):
    x = _image(2, *[6] * rank, 3)
    ones = {"depthwise_initializer": tf.ones_initializer(), "pointwise_initializer": tf.ones_initializer()}
    layer = tf.layers.separable_conv1d if rank == 1 else tf.layers.separable_conv2d
    value, static, _ = _run(lambda t: layer(t, 4, 2, depth_multiplier=2, **ones), x)
    assert static == [2, *[5] * rank, 4]
    np.testing.assert_allclose(
        value.reshape(2, -1, 4)[:, 0, 0],
        2 * x[(slice(None), *[slice(2)] * rank)].reshape(2, -1).sum(1),
        rtol=1e-4,
    )


def test_pooling():
    x = _image(2, 4, 4, 3)
    top, _, _ = _run(lambda t: tf.layers.max_pooling2d(t, 2, 2), x)
    mean, _, _ = _run(lambda t: tf.layers.average_pooling2d(t, 2, 2), x)
    for i, j, window in _windows(x, 2, 2):
        np.testing.assert_array_equal(top[:, i, j], window.max((1, 2)))
        np.testing.assert_allclose(mean[:, i, j], window.mean((1, 2)), rtol=1e-5, atol=1e-6)
    line, static, _ = _run(lambda t: tf.layers.max_pooling1d(t, 2, 2, "same"), x[:, :3, 0])
    assert static == [2, 2, 3]
    np.testing.assert_array_equal(line, np.stack([x[:, :2, 0].max(1), x[:, 2, 0]], 1))


def test_flatten():
    x = _image(2, 3, 4)
    value, static, _ = _run(tf.layers.flatten, x, [None, 3, 4])
    assert static == [None, 12]
    np.testing.assert_array_equal(value, x.reshape(2, 12))
    moved, static, _ = _run(lambda t: tf.layers.flatten(t, data_format="channels_first"), x, [None, None, 4])
    assert static == [None, None]
    np.testing.assert_array_equal(moved, x.transpose(0, 2, 1).reshape(2, 12))


def test_dropout_follows_a_training_tensor():
    with tf.Graph().as_default(), tf.Session() as session:
        training = tf.placeholder(tf.bool, [])
        y = tf.layers.dropout(tf.ones([1000]), 0.25, seed=3, training=training)
        np.testing.assert_array_equal(session.run(y, {training: False}), 1)
        kept = session.run(y, {training: True})
        assert set(kept.round(4)) == {0.0, np.float32(4 / 3).round(4)} and 0.7 < (kept > 0).mean() < 0.8


@pytest.mark.parametrize(
    "axis,shape,fused", [(-1, (5, 3), None), (1, (4, 3, 2, 5), False), (3, (4, 2, 5, 3), True)]
)
@pytest.mark.parametrize("as_tensor", [False, True])
def test_batch_normalization(axis, shape, fused, as_tensor):
    x = _image(*shape) * 3 + 1
    over = tuple(a for a in range(len(shape)) if a != axis % len(shape))
    count = x.size // 3
    with tf.Graph().as_default(), tf.Session() as session:
        training = tf.placeholder(tf.bool, []) if as_tensor else True
        given = tf.placeholder(tf.float32, [None, *shape[1:]])
        y = tf.layers.batch_normalization(given, axis, 0.75, training=training, fused=fused)
        updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
        assert len(updates) == 2 and y.shape.as_list() == [None, *shape[1:]]
        names = [v.op.name.split("/")[1] for v in tf.global_variables()]
        assert names == ["gamma", "beta", "moving_mean", "moving_variance"]
        session.run(tf.global_variables_initializer())
        value, _ = session.run([y, updates], {given: x, **({training: True} if as_tensor else {})})
        mean, variance = x.mean(over, keepdims=True), x.var(over, keepdims=True)
        np.testing.assert_allclose(value, (x - mean) / np.sqrt(variance + 1e-3), rtol=1e-3, atol=1e-4)
        moving_mean, moving_variance = session.run(tf.global_variables()[2:])
        np.testing.assert_allclose(moving_mean, 0.25 * mean.ravel(), rtol=1e-4, atol=1e-6)
        correction = count / (count - 1) if fused else 1
        np.testing.assert_allclose(moving_variance, 0.75 + 0.25 * correction * variance.ravel(), rtol=1e-4)
        if as_tensor:
            value, _ = session.run([y, updates], {given: x, training: False})
            np.testing.assert_array_equal(session.run(tf.global_variables()[2]), moving_mean)
            spread = [3 if a == axis % len(shape) else 1 for a in range(len(shape))]
            mean, variance = moving_mean.reshape(spread), moving_variance.reshape(spread)
            np.testing.assert_allclose(value, (x - mean) / np.sqrt(variance + 1e-3), rtol=1e-3, atol=1e-4)


def test_virtual_batches_are_normalized_apart():
    x = _image(6, 3)
    value, _, _ = _run(lambda t: tf.layers.batch_normalization(t, training=True, virtual_batch_size=2), x)
    parts = x.reshape(2, 3, 3)  # the first axis is that of a virtual batch
    expected = (parts - parts.mean(0)) / np.sqrt(parts.var(0) + 1e-3)
    np.testing.assert_allclose(value, expected.reshape(6, 3), rtol=1e-3, atol=1e-4)


def test_renorm_without_history_is_inference():
    x = _image(8, 3)
    value, _, _ = _run(lambda t: tf.layers.batch_normalization(t, training=True, renorm=True), x)
    np.testing.assert_allclose(value, x / np.sqrt(1.0), rtol=1e-3, atol=1e-3)


def test_layers_share_and_refuse_variables():
    with tf.Graph().as_default():
        x = tf.zeros([2, 3])
        first = tf.layers.Dense(3)
        first(first(x))
        assert len(first.weights) == 2 and first.count_params() == 12
        tf.layers.dense(x, 3, name="d")
        tf.layers.dense(x, 3, name="d", reuse=True)
        assert [v.op.name for v in tf.trainable_variables()] == [
            "dense/kernel",
            "dense/bias",
            "d/kernel",
            "d/bias",
        ]
        with pytest.raises(ValueError, match="already exists"):
            tf.layers.dense(x, 3, name="d")
        with pytest.raises(ValueError, match=r"expected ndim=4, found ndim=2\. Received"):
            tf.layers.conv2d(x, 3, 3)
        with pytest.raises(ValueError, match="last dimension"):
            tf.layers.dense(tf.placeholder(tf.float32, [2, None]), 3)


@pytest.mark.parametrize(
    ("shape", "arguments"),
    [([4, 3], {}), ([4, 5, 3], {}), ([4, 5, 5, 3], {"axis": 2}), ([4, 5, 5, 3], {"renorm": True})],
)
def test_normalization_is_fused_only_where_it_can_be(shape, arguments):
    with tf.Graph().as_default() as graph:
        y = tf.layers.batch_normalization(tf.ones(shape), fused=True, training=True, **arguments)
        assert y.op.type == "AddV2" or y.op.type == "Add"
        assert not [op for op in graph.get_operations() if op.type.startswith("FusedBatchNorm")]
        second = importlib.import_module("millrace.compat.v2").keras.layers.BatchNormalization
        with pytest.raises(ValueError, match="fused=True excludes"):
            second(fused=True, **arguments)(tf.ones(shape))


@pytest.mark.parametrize(("layer", "op_type"), [("max", "MaxPool3D"), ("average", "AvgPool3D")])
def test_volumes_with_channels_first_are_pooled_channels_last(layer, op_type):
    x = np.random.default_rng(3).normal(size=[2, 3, 4, 6, 4]).astype(np.float32)
    with tf.Graph().as_default() as graph, tf.Session() as session:
        pool = getattr(tf.layers, f"{layer}_pooling3d")
        first = pool(x, 2, 2, data_format="channels_first")
        last = tf.transpose(pool(tf.transpose(x, [0, 2, 3, 4, 1]), 2, 2), [0, 4, 1, 2, 3])
        np.testing.assert_array_equal(*session.run([first, last]))
        assert first.op.type == "Transpose" and first.name == f"{layer}_pooling3d/transpose_1:0"
        made = [op for op in graph.get_operations() if op.type == op_type]
        assert made[0].get_attr("data_format") == b"NDHWC"


def test_a_penalty_is_named_by_the_layer_whatever_a_getter_names_the_variable():
    def renamed(getter, name, *args, **kwargs):
        return getter(name.replace("kernel", "weights"), *args, **kwargs)

    with tf.Graph().as_default(), tf.variable_scope("s", custom_getter=renamed):
        tf.layers.dense(tf.ones([2, 3]), 2, kernel_regularizer=tf.nn.l2_loss)
        assert [v.name for v in tf.trainable_variables()] == ["s/dense/weights:0", "s/dense/bias:0"]
        (loss,) = tf.losses.get_regularization_losses()
        assert loss.name == "s/dense/kernel/Regularizer/L2Loss:0"


def test_losses_of_a_layer():
    with tf.Graph().as_default(), tf.Session() as session:
        square = tf.contrib.layers.l2_regularizer(0.5)
        y = tf.layers.dense(
            tf.ones([2, 3]),
            1,
            kernel_initializer=tf.ones_initializer(),
            kernel_regularizer=square,
            activity_regularizer=tf.reduce_sum,
        )
        losses = tf.losses.get_regularization_losses()
        session.run(tf.global_variables_initializer())
        assert session.run(losses) == [0.75, 3.0]
        np.testing.assert_array_equal(session.run(y), 3)


def test_noise_shape_of_dropout_takes_sizes_of_the_inputs():
    x = tf.placeholder(tf.float32, [None, 4])
    rows = tf.layers.dropout(x, 0.5, noise_shape=[None, 1], training=True, seed=3)
    with tf.Session() as session:
        got = session.run(rows, {x: np.ones([6, 4], np.float32)})
    assert got.shape == (6, 4)
    assert {tuple(row) for row in got.tolist()} == {(0.0,) * 4, (2.0,) * 4}


@pytest.mark.parametrize(
    ("scope", "name"), [("Dropout", "Dropout/dropout_1/mul_1"), ("Other", "Other/dropout/mul_1")]
)
def test_a_layer_in_a_scope_of_its_own_takes_its_name_there(scope, name):
    with tf.Graph().as_default(), tf.variable_scope(scope) as found:
        layer = tf.layers.Dropout(0.5, name=found.name, _scope=found)
        assert layer(tf.ones([2, 3]), training=True).op.name == name


def test_batch_normalization_says_what_is_undefined():
    with pytest.raises(ValueError, match=r"undefined dimension along axis \[1\]"):
        tf.layers.batch_normalization(tf.placeholder(tf.float32, [2, None]))
    with pytest.raises(ValueError, match="undefined rank"):
        tf.layers.batch_normalization(tf.placeholder(tf.float32))


def test_initializers_by_their_names_of_keras():
    with tf.Graph().as_default() as graph, tf.Session() as session:
        tf.layers.dense(tf.ones([1, 2]), 3, kernel_initializer="ones", bias_initializer="zeros", name="a")
        tf.layers.conv2d(tf.ones([1, 4, 4, 1]), 2, 2, kernel_initializer="he_normal", name="b")
        session.run(tf.global_variables_initializer())
        assert session.run(graph.get_tensor_by_name("a/kernel:0")).tolist() == [[1.0] * 3] * 2
        assert graph.get_operation_by_name("b/kernel/Initializer/truncated_normal/TruncatedNormal")


def test_a_subclass_keeps_a_list_of_layers_of_its_own():
    class Merged(tf.layers.Layer):
        def __init__(self, layers):
            super().__init__()
            self._layers = layers

        def call(self, x):
            return x if self._layers is None else tf.concat([layer(x) for layer in self._layers], -1)

    x = tf.ones([2, 3])
    assert Merged(None)(x).shape == [2, 3] and Merged(None).weights == []
    merged = Merged([tf.layers.Dense(2), tf.layers.Dense(4)])
    assert merged(x).shape == [2, 6] and len(merged.weights) == 4
