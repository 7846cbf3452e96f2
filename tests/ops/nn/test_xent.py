"""Cross entropies of softmax against SciPy."""

import numpy as np
import pytest
from scipy import special

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats

_X, _LABELS = floats(3, 4), special.softmax(floats(3, 4, seed=1), axis=1)


def _dense(x, labels):
    logs = special.log_softmax(x.astype(np.float64), axis=1)
    return [-(labels * logs).sum(1).astype(x.dtype), (np.exp(logs) - labels).astype(x.dtype)]


def _sparse(x, labels):
    return _dense(x, np.eye(x.shape[1])[labels])


class TestXent(OpSuite):
    """The loss of each row, and its gradient."""

    cases = (
        OpCase("SoftmaxCrossEntropyWithLogits", [_X, _LABELS], _dense),
        OpCase("SoftmaxCrossEntropyWithLogits", [_X, floats(1, 4)], _dense, wrt=()),
        OpCase(
            "SoftmaxCrossEntropyWithLogits",
            [np.float32([[300, -300, 0]]), np.float32([[0, 1, 0]])],
            _dense,
            wrt=(),
        ),
        OpCase("SparseSoftmaxCrossEntropyWithLogits", [_X, np.int32([1, 3, 0])], _sparse, wrt=()),
        OpCase("SparseSoftmaxCrossEntropyWithLogits", [_X, np.int64([1, 3, 0])], _sparse, wrt=()),
        OpCase(
            "SparseSoftmaxCrossEntropyWithLogits",
            [_X.astype(np.float16), np.int64([1, 3, 0])],
            _sparse,
            wrt=(),
        ),
    )


@pytest.mark.parametrize("labels", [[0, 4, 1], [0, -1, 1]])
def test_a_label_that_is_no_class_is_an_error(labels):
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=tf.zeros([3, 4]))
    with (
        tf.Session() as session,
        pytest.raises(tf.errors.InvalidArgumentError, match=r"labels must be in \[0, 4\)"),
    ):
        session.run(loss)


def test_the_gradient_of_the_sparse_loss_is_the_backprop():
    x = tf.constant(_X)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[1, 3, 0], logits=x)
    with tf.Session() as session:
        np.testing.assert_allclose(
            session.run(tf.gradients(loss, x)[0]), _sparse(_X, [1, 3, 0])[1], rtol=1e-5
        )


def test_the_sparse_loss_has_no_second_derivative():
    x = tf.constant(_X)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[1, 3, 0], logits=x)
    slope = tf.gradients(loss, x)[0]
    with pytest.raises(LookupError, match="second derivative"):
        tf.gradients(slope, x)


@pytest.mark.parametrize("version", ["", "_v2"])
def test_the_dense_loss_has_a_second_derivative(version):
    x = tf.constant(_X)
    loss = getattr(tf.nn, "softmax_cross_entropy_with_logits" + version)(labels=_LABELS, logits=x)
    slope = tf.gradients(loss, x)[0]
    with tf.Session() as session:
        got = session.run(tf.gradients(slope * slope, x)[0])
    softmax = special.softmax(_X, axis=1)
    rise = 2 * (softmax - _LABELS)
    want = softmax * (rise - (rise * softmax).sum(1, keepdims=True))
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)


def test_labels_are_constants_of_the_first_version_only():
    x, labels = tf.constant(_X), tf.constant(_LABELS)
    first = tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=x)
    second = tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=x)
    assert tf.gradients(first, labels) == [None]
    assert tf.gradients(second, labels)[0] is not None
