"""Tests of tf.contrib.layers, tf.contrib.framework's scopes and variables, and tf.contrib.slim."""

import numpy as np
import pytest

import millrace as tf

layers, slim = tf.contrib.layers, tf.contrib.slim
RNG = np.random.default_rng(3)


def _run(build, *shape):
    x = RNG.standard_normal(shape).astype(np.float32) * 2 + 1
    with tf.Graph().as_default(), tf.Session() as session:
        y = build(tf.constant(x))
        session.run(tf.global_variables_initializer())
        return x, session.run(y), [v.op.name for v in tf.global_variables()]


def _normal(x, over, epsilon):
    return (x - x.mean(over, keepdims=True)) / np.sqrt(x.var(over, keepdims=True) + epsilon)


def test_fully_connected_with_biases_or_a_normalizer():
    ones = tf.ones_initializer()
    x, y, names = _run(lambda t: layers.fully_connected(t, 4, weights_initializer=ones), 3, 5)
    np.testing.assert_allclose(
        y, np.maximum(np.repeat(x.sum(1, keepdims=True), 4, 1), 0), rtol=1e-5, atol=1e-5
    )
    assert names == ["fully_connected/weights", "fully_connected/biases"]
    x, y, names = _run(
        lambda t: layers.linear(
            t, 1, weights_initializer=ones, normalizer_fn=layers.unit_norm, normalizer_params={"dim": 0}
        ),
        3,
        5,
    )
    total = x.sum(1, keepdims=True)
    np.testing.assert_allclose(y, total / np.sqrt((total**2).sum() + 1e-7), rtol=1e-4)
    assert names == ["fully_connected/weights"]


@pytest.mark.parametrize(
    "build,shape,over,epsilon",
    [
        (lambda t: layers.batch_norm(t), (6, 3), 0, 1e-3),
        (lambda t: layers.batch_norm(t, data_format="NCHW", scale=True), (4, 3, 5, 2), (0, 2, 3), 1e-3),
        (lambda t: layers.layer_norm(t), (2, 3, 4), (1, 2), 1e-12),
        (lambda t: layers.layer_norm(t, begin_norm_axis=-1), (2, 3, 4), 2, 1e-12),
        (lambda t: layers.instance_norm(t), (2, 3, 4, 5), (1, 2), 1e-6),
        (lambda t: layers.instance_norm(t, data_format="NCHW"), (2, 3, 4, 5), (2, 3), 1e-6),
    ],
)
def test_normalizations(build, shape, over, epsilon):
    x, y, _ = _run(build, *shape)
    np.testing.assert_allclose(y, _normal(x, over, epsilon), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("one_pass", [False, True])
def test_group_norm(one_pass):
    x, y, names = _run(lambda t: layers.group_norm(t, 2, mean_close_to_zero=one_pass), 2, 3, 5, 6)
    expected = _normal(x.reshape(2, 3, 5, 2, 3), (1, 2, 4), 1e-6).reshape(x.shape)
    np.testing.assert_allclose(y, expected, rtol=1e-3, atol=1e-4)
    assert names == ["GroupNorm/beta", "GroupNorm/gamma"]


def test_batch_norm_without_a_collection_moves_the_averages_itself():
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant([[1.0], [3.0]])
        y = layers.batch_norm(x, decay=0.5, updates_collections=None, scope="n")
        assert tf.get_collection(tf.GraphKeys.UPDATE_OPS) == []
        session.run(tf.global_variables_initializer())
        session.run(y)
        assert session.run(slim.get_variables("n/moving")) == [[1.0], [1.5]]


def test_batch_norm_counts_weights():
    x, y, _ = _run(lambda t: layers.batch_norm(t, batch_weights=[1.0, 1.0, 0.0, 1.0]), 4, 3)
    kept = x[[0, 1, 3]]
    np.testing.assert_allclose(y, (x - kept.mean(0)) / np.sqrt(kept.var(0) + 1e-3), rtol=1e-3, atol=1e-4)


def test_arg_scopes_nest_and_are_entered_again():
    @tf.contrib.framework.add_arg_scope
    def f(x, a=1, b=2):
        return x, a, b

    with slim.arg_scope([f], a=5) as outer:
        with slim.arg_scope([f], a=6, b=7):
            assert f(0) == (0, 6, 7) and f(0, b=8) == (0, 6, 8)
            with slim.arg_scope(outer):
                assert f(0) == (0, 5, 2)
        assert f(0) == (0, 5, 2)
    assert f(0) == (0, 1, 2)
    assert slim.has_arg_scope(f) and slim.arg_scoped_arguments(f) == ("a", "b")
    with pytest.raises(ValueError, match="decorated"), slim.arg_scope([len], a=1):
        pass
    with pytest.raises(ValueError, match="without other defaults"), slim.arg_scope(outer, a=1):
        pass


def test_a_small_slim_network():
    with tf.Graph().as_default():
        images = tf.zeros([2, 8, 8, 3])
        with slim.arg_scope(
            [slim.conv2d, slim.fully_connected],
            weights_regularizer=slim.l2_regularizer(0.1),
            outputs_collections="ends",
        ):
            net = slim.repeat(images, 2, slim.conv2d, 4, [3, 3], scope="conv1")
            net = slim.max_pool2d(net, 2, scope="pool1")
            net = slim.stack(net, slim.conv2d, [(2, 3), (5, 1)])
            net = slim.fully_connected(slim.flatten(net), 3, activation_fn=None, scope="fc")
        assert net.shape.as_list() == [2, 3]
        ends = layers.python.layers.utils.convert_collection_to_dict("ends")
        assert list(ends) == [
            "conv1/conv1_1", "conv1/conv1_2", "Stack/convolution2d_1", "Stack/convolution2d_2", "fc",
        ]  # fmt: skip
        assert len(tf.losses.get_regularization_losses()) == 5
        assert [v.op.name for v in slim.get_variables("fc")] == ["fc/weights", "fc/biases"]
        assert len(slim.get_model_variables()) == 10 and len(slim.get_variables_by_name("weights")) == 5
        assert len(slim.get_variables_to_restore(exclude=["fc", "Stack"])) == 4
        assert slim.get_unique_variable("fc/biases").shape.as_list() == [3]
        with pytest.raises(ValueError, match="Received: 'fc'"):
            slim.get_unique_variable("fc")


def test_assign_from_values():
    with tf.Graph().as_default(), tf.Session() as session:
        v = slim.model_variable("v", [2])
        slim.assign_from_values_fn({"v": [3.0, 4.0]})(session)
        np.testing.assert_array_equal(session.run(v), [3.0, 4.0])


def test_convolutions_that_treat_channels_apart():
    ones = tf.ones_initializer()
    x, y, names = _run(lambda t: layers.separable_conv2d(t, None, 1, 2, weights_initializer=ones), 1, 3, 3, 2)
    np.testing.assert_allclose(y, np.maximum(np.repeat(x, 2, 3), 0), rtol=1e-5)
    assert names == ["SeparableConv2d/depthwise_weights", "SeparableConv2d/biases"]
    x, y, names = _run(
        lambda t: layers.conv2d_in_plane(t, 3, padding="VALID", weights_initializer=ones), 1, 3, 3, 2
    )
    np.testing.assert_allclose(y, np.maximum(x.sum((1, 2), keepdims=True), 0), rtol=1e-4, atol=1e-5)
    assert names == ["ConvInPlane/weights", "ConvInPlane/biases"]


def test_embeddings_and_encodings():
    def both(t):
        ids = tf.constant([[1, 2, 0], [3, 0, 0]])
        table = tf.constant_initializer(np.arange(8.0).reshape(4, 2))
        return [
            layers.embed_sequence(ids, 4, 2, unique=True, initializer=table),
            layers.bow_encoder(ids, 4, 2, initializer=table),
            layers.one_hot_encoding(ids, 4),
            layers.maxout(t, 2),
        ]

    x, (rows, bags, hot, top), _ = _run(both, 2, 6)
    table = np.arange(8.0).reshape(4, 2)
    np.testing.assert_array_equal(rows, table[[[1, 2, 0], [3, 0, 0]]])
    np.testing.assert_array_equal(bags, [table[[1, 2]].mean(0), table[3]])
    np.testing.assert_array_equal(hot, np.eye(4)[[[1, 2, 0], [3, 0, 0]]])
    np.testing.assert_array_equal(top, x.reshape(2, 2, 3).max(2))


def test_maxout_of_an_inner_axis():
    x = np.arange(24, dtype=np.float32).reshape(2, 6, 2)
    with tf.Graph().as_default(), tf.Session() as session:
        inner, last = session.run(
            [tf.contrib.layers.maxout(x, 3, axis=1), tf.contrib.layers.maxout(x * [1.0, -1.0], 1)]
        )
    np.testing.assert_array_equal(inner, np.arange(1, 24, 2).reshape(2, 3, 2))
    np.testing.assert_array_equal(last, np.arange(0, 24, 2).reshape(2, 6, 1))


def test_batch_norm_by_hand_makes_variables_of_the_model():
    with tf.Graph().as_default():
        tf.contrib.layers.batch_norm(
            tf.zeros([2, 3]),
            zero_debias_moving_mean=True,
            batch_weights=[0.5, 1.0],
            param_regularizers={"beta": tf.contrib.layers.l2_regularizer(0.1)},
        )
        names = [v.op.name for v in tf.contrib.framework.get_model_variables()]
        assert len(names) == 5 and "BatchNorm/BatchNorm/moving_mean/local_step" in names
        assert not tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)
