"""A head trained by the likelihood of a distribution; the loss is TensorFlow 1.15's."""

import numpy as np
import pytest

import millrace as tf

D = tf.contrib.distributions


def normal(logits):
    return D.Normal(loc=logits[..., 0], scale=tf.nn.softplus(logits[..., 1]))


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_the_loss_is_the_mean_negative_log_likelihood(shape):
    head = D.estimator_head_distribution_regression(normal, logits_dimension=2)
    assert head.logits_dimension == 2
    logits = np.array([[0.5, 1], [1, 0], [2, -1], [0, 0]], np.float32)
    labels = np.array([0, 1, 3, -1], np.float32)
    tf.train.get_or_create_global_step()
    made = head.create_model_fn_ops(
        {}, "train", tf.constant(labels.reshape(shape)), lambda loss: tf.no_op(), tf.constant(logits)
    )
    scale = np.log1p(np.exp(logits[:, 1]))
    expected = 0.5 * ((labels - logits[:, 0]) / scale) ** 2 + np.log(scale * np.sqrt(2 * np.pi))
    with tf.Session() as session:
        loss, scores = session.run([made.loss, made.predictions["scores"]])
    assert loss == pytest.approx(expected.mean(), rel=1e-5)
    assert scores.tolist() == [0.5, 1, 2, 0]


def test_logits_of_another_width_are_refused():
    head = D.estimator_head_distribution_regression(normal)
    with pytest.raises(ValueError, match="shapes must agree"):
        head.create_model_fn_ops({}, "infer", logits=tf.zeros([3, 2]))
