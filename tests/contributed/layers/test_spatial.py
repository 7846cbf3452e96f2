"""Tests of spatial_softmax, sequences of images, GDN, legacy layers and targets."""

import numpy as np
import pytest

import millrace as tf

L = tf.contrib.layers
_X = np.random.default_rng(0).normal(size=(2, 3, 4, 2)).astype(np.float32)


def _run(x):
    with tf.Session() as session:
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        return session.run(x)


def test_spatial_softmax():
    shares = np.exp(_X / 2) / np.exp(_X / 2).sum((1, 2), keepdims=True)
    rows, columns = np.linspace(-1, 1, 3)[:, None, None], np.linspace(-1, 1, 4)[:, None]
    exact = np.stack([(shares * rows).sum((1, 2)), (shares * columns).sum((1, 2))], -1).reshape(2, 4)
    np.testing.assert_allclose(_run(L.spatial_softmax(tf.constant(_X), 2.0)), exact, atol=1e-6)
    swapped = tf.transpose(tf.constant(_X), [0, 3, 1, 2])
    got = L.spatial_softmax(swapped, 2.0, data_format="NCHW")
    np.testing.assert_allclose(_run(got), exact, atol=1e-6)
    L.spatial_softmax(tf.constant(_X), 3.0, trainable=False)
    names = ["spatial_softmax/temperature:0", "spatial_softmax_1/temperature:0"]
    assert [v.name for v in tf.trainable_variables()] == names
    with pytest.raises(ValueError, match="rank 4"):
        L.spatial_softmax(tf.ones([2, 3]))


def test_images_as_sequences():
    sequence = L.images_to_sequence(tf.constant(_X))
    assert sequence.shape.as_list() == [4, 6, 2]
    np.testing.assert_array_equal(_run(L.sequence_to_images(sequence, 3)), _X)
    first = L.sequence_to_images(sequence, 3, output_data_format="channels_first")
    np.testing.assert_array_equal(_run(first), _X.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("inverse", [False, True])
def test_gdn(inverse):
    y = L.gdn(tf.constant(_X), inverse=inverse, gamma_init=0.3)
    root = np.sqrt(1 + 0.3 * _X**2)
    np.testing.assert_allclose(_run(y), _X * root if inverse else _X / root, rtol=1e-4)
    assert [v.name for v in tf.trainable_variables()] == ["gdn/reparam_beta:0", "gdn/reparam_gamma:0"]


def test_gdn_of_vectors_and_channels_first():
    flat = _run(L.gdn(tf.constant(_X[:, 0, 0])))
    first = _run(L.gdn(tf.constant(_X.transpose(0, 3, 1, 2)), data_format="channels_first"))
    np.testing.assert_allclose(first[:, :, 0, 0], flat, rtol=1e-5)


def test_legacy_layers():
    y = L.legacy_relu(tf.constant(_X), 3, weight_init=tf.ones_initializer())
    np.testing.assert_allclose(_run(y), np.maximum(_X.sum(-1, keepdims=True), 0).repeat(3, -1), atol=1e-5)
    assert [v.op.name for v in tf.get_collection("weights")] == ["fully_connected/weights"]
    with pytest.raises(ValueError, match="at least 2"):
        L.legacy_linear(tf.ones([3]), 2)


def test_targets():
    features = {"w": tf.constant([0.5, 2.0])}
    target = L.regression_target(weight_column_name="w")
    logits, labels = tf.constant([[1.0], [2.0]]), tf.constant([[0.0], [2.5]])
    assert _run(target.loss(logits, labels, features)) == np.float32(0.4)
    assert _run(target.training_loss(logits, labels, features)) == np.float32(0.5)
    two = L.multi_class_target(2)
    assert set(two.get_eval_ops({}, logits, tf.constant([[0], [1]]))) > {"loss", "accuracy", "auc"}
    np.testing.assert_allclose(_run(two.logits_to_predictions(logits, proba=True)).sum(1), [1, 1])
    three = L.multi_class_target(3, label_name="a")
    loss = three.loss(tf.zeros([2, 3]), {"a": tf.constant([[0], [1]])}, {})
    np.testing.assert_allclose(_run(loss), np.log(3), rtol=1e-6)
    svm = tf.contrib.slim.binary_svm_target()
    assert _run(svm.loss(tf.constant([[1.0], [-0.2]]), tf.constant([[0], [1]]), {})) == np.float32(1.6)
    with pytest.raises(ValueError, match="probabilities"):
        svm.logits_to_predictions(logits, proba=True)
    with pytest.raises(ValueError):
        L.multi_class_target(1)
