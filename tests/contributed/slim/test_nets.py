"""Tests of tf.contrib.slim.nets: variables, end points, defaults, refusals."""

import importlib

import numpy as np
import pytest

import millrace as tf

slim = tf.contrib.slim


def _nets(name):
    return importlib.import_module("millrace.contrib.slim.nets." + name)


@pytest.mark.parametrize(
    "module,function,size,count,parameters",
    [
        ("alexnet", "alexnet_v2", 224, 16, 50_000_000),
        ("vgg", "vgg_16", 224, 32, 134_000_000),
        ("resnet_v1", "resnet_v1_50", 64, 0, 23_500_000),
        ("resnet_v2", "resnet_v2_50", 64, 0, 23_500_000),
        ("inception", "inception_v1", 224, 0, 5_600_000),
        ("inception", "inception_v3", 299, 0, 24_300_000),
    ],
)
def test_the_number_of_parameters_is_that_of_the_papers(module, function, size, count, parameters):
    with tf.Graph().as_default():
        net = getattr(_nets(module), function)
        logits, end_points = net(tf.placeholder(tf.float32, [2, size, size, 3]), 10)
        variables = tf.trainable_variables()
        total = sum(int(np.prod(v.shape.as_list())) for v in variables)
        assert logits.shape.as_list()[0] == 2 and logits.shape.as_list()[-1] == 10
        assert end_points and all(name.startswith(function.split("_")[0][:3]) or name for name in end_points)
    assert abs(total - parameters) < 0.15 * parameters
    assert not count or len(variables) == count


def test_output_stride_keeps_the_resolution():
    utils, net = _nets("resnet_utils"), _nets("resnet_v1")
    with tf.Graph().as_default():
        blocks = [net.resnet_v1_block("a", 2, 2, 2), net.resnet_v1_block("b", 2, 2, 2)]
        images = tf.placeholder(tf.float32, [1, 33, 33, 3])
        with slim.arg_scope(utils.resnet_arg_scope()):
            dense, _ = net.resnet_v1(images, blocks, global_pool=False, output_stride=8, scope="d")
            coarse, _ = net.resnet_v1(images, blocks, global_pool=False, scope="c")
        assert dense.shape.as_list() == [1, 5, 5, 8]
        assert coarse.shape.as_list() == [1, 3, 3, 8]
        with pytest.raises(ValueError, match="multiple of 4. Received: 6"):
            net.resnet_v1(images, blocks, output_stride=6, scope="e")
        with pytest.raises(ValueError, match="cannot be reached"):
            net.resnet_v1(images, blocks, output_stride=64, scope="f")


def test_dense_features_are_coarse_ones_between():
    utils, net = _nets("resnet_utils"), _nets("resnet_v2")
    with tf.Graph().as_default(), tf.Session() as session:
        blocks = [net.resnet_v2_block("a", 1, 2, 2), net.resnet_v2_block("b", 1, 1, 1)]
        images = tf.constant(np.random.default_rng(0).normal(size=[1, 17, 17, 3]).astype(np.float32))
        arguments = {"is_training": False, "global_pool": False, "include_root_block": False}
        with slim.arg_scope(utils.resnet_arg_scope()):
            coarse, _ = net.resnet_v2(images, blocks, scope="r", **arguments)
            dense, _ = net.resnet_v2(images, blocks, output_stride=1, scope="r", reuse=True, **arguments)
        session.run(tf.global_variables_initializer())
        fine, rough = session.run([dense, coarse])
    np.testing.assert_allclose(fine[:, ::2, ::2], rough, atol=1e-4)


def test_inception_ends_where_it_is_told():
    base = _nets("inception").inception_v2_base
    with tf.Graph().as_default():
        images = tf.placeholder(tf.float32, [1, 64, 64, 3])
        net, end_points = base(images, "Mixed_3b", depth_multiplier=0.5)
        assert list(end_points)[-1] == "Mixed_3b" and net.shape.as_list() == [1, 8, 8, 128]
        with pytest.raises(ValueError, match="endpoint. Received: Mixed_9z"):
            base(images, "Mixed_9z", scope="x")
        with pytest.raises(ValueError, match="not greater than zero. Received: 0"):
            base(images, depth_multiplier=0, scope="y")
