"""Tests of Wishart matrices, mixtures, conditions and flows: rules that hold whatever the numbers."""

import numpy as np
import pytest

import millrace as tf

D = tf.contrib.distributions
B = D.bijectors


def _run(x):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(x)


def test_wishart_statistics_of_a_batch_follow_its_degrees_of_freedom():
    scale = np.array([[2.0, 0.0], [0.5, 1.0]], np.float32)
    both = D.WishartCholesky([5.0, 9.0], scale)
    square = scale @ scale.T
    mean, variance, mode = _run([both.mean(), both.variance(), both.mode()])
    np.testing.assert_allclose(mean, [5 * square, 9 * square], rtol=1e-5)
    np.testing.assert_allclose(mode, [2 * square, 6 * square], rtol=1e-5)
    apart = square**2 + np.outer(np.diag(square), np.diag(square))
    np.testing.assert_allclose(variance, [5 * apart, 9 * apart], rtol=1e-5)
    drawn = _run(D.WishartCholesky(5.0, scale).sample(4000, seed=1))
    np.testing.assert_allclose(drawn.mean(0), 5 * square, rtol=0.05)


def test_wishart_factors_are_factors_of_the_matrices():
    scale = [[2.0, 0.0], [0.5, 1.0]]
    whole, factors = D.WishartCholesky(5.0, scale), D.WishartCholesky(5.0, scale, True)
    a, b = _run([whole.sample(3, seed=2), factors.sample(3, seed=2)])
    np.testing.assert_allclose(b @ np.swapaxes(b, -1, -2), a, rtol=1e-5)
    with pytest.raises(ValueError, match="does not make sense"):
        factors.stddev()
    with pytest.raises(TypeError, match="floating"):
        D.WishartFull(3, [[1.0]])


def test_a_mixture_draws_as_its_weights_say():
    mixture = D.Mixture(D.Categorical(probs=[0.25, 0.75]), [D.Normal(-9.0, 0.1), D.Uniform(5.0, 6.0)])
    drawn = _run(mixture.sample([40, 50], seed=4))
    assert drawn.shape == (40, 50)
    assert abs((drawn > 0).mean() - 0.75) < 0.04
    np.testing.assert_allclose(drawn.mean(), _run(mixture.mean()), atol=0.3)
    with pytest.raises(ValueError, match="3 classes, 1 components"):
        D.Mixture(D.Categorical(probs=[0.2, 0.3, 0.5]), [D.Normal(0.0, 1.0)])


@pytest.mark.parametrize(
    "make",
    [
        lambda init: B.MaskedAutoregressiveFlow(
            B.masked_autoregressive_default_template([7], activation=tf.tanh, kernel_initializer=init)
        ),
        lambda init: B.RealNVP(2, B.real_nvp_default_template([5], kernel_initializer=init)),
    ],
)
def test_flows_have_the_jacobian_that_their_numbers_have(make):
    flow = make(tf.random_normal_initializer(stddev=0.5, seed=3))
    x = tf.constant([[0.3, -0.2, 0.5, 1.1]])
    y = flow.forward(x)
    columns = [tf.gradients(y[0, i], x)[0][0] for i in range(4)]
    there = flow.forward_log_det_jacobian(x, event_ndims=1)
    back = flow.inverse_log_det_jacobian(tf.identity(y), event_ndims=1)
    again = flow.inverse(tf.identity(y))
    columns, there, back, again = _run([columns, there, back, again])
    np.testing.assert_allclose(there, [np.log(abs(np.linalg.det(columns)))], atol=1e-5)
    np.testing.assert_allclose(back, -there, atol=1e-5)
    np.testing.assert_allclose(again, [[0.3, -0.2, 0.5, 1.1]], atol=1e-5)


def test_a_bijector_gives_back_the_tensor_that_it_was_given():
    x = tf.constant([1.0, 2.0])
    exp = B.Exp()
    y = exp.forward(x)
    assert exp.inverse(y) is x and exp.forward(x) is y

    def body(i, total):
        return i + 1, total + exp.forward(B.AffineScalar(1.0).forward(x))

    loop = tf.while_loop(lambda i, _: i < 2, body, [0, x])[1]
    after = exp.forward(x)
    np.testing.assert_allclose(_run([loop, after])[0], np.array([1, 2]) + 2 * np.exp([2, 3]), rtol=1e-5)


def test_scales_that_are_triangular_mix():
    linalg = tf.linalg
    mixed = D.VectorDiffeomixture(
        [0.2],
        [1.0],
        D.Normal(0.0, 1.0),
        loc=[None, [1.0, 2.0]],
        scale=[
            linalg.LinearOperatorIdentity(2),
            linalg.LinearOperatorLowerTriangular([[1.0, 0.0], [0.5, 2.0]]),
        ],
    )
    drawn, mean, variance = _run([mixed.sample(3000, seed=1), mixed.mean(), mixed.variance()])
    np.testing.assert_allclose(drawn.mean(0), mean, atol=0.1)
    np.testing.assert_allclose(drawn.var(0), variance, rtol=0.12)


def test_steps_of_an_autoregressive_distribution_may_be_a_tensor():
    steps = tf.placeholder_with_default(2, [])
    one = D.Autoregressive(lambda x: D.Normal(0.5 * x, 1e-3), tf.ones([2]), steps)
    np.testing.assert_allclose(_run(one.sample(seed=1)), [0.125, 0.125], atol=0.01)
    with pytest.raises(ValueError, match="at least 1"):
        D.Autoregressive(lambda x: D.Normal(x, 1.0), tf.ones([2]), 0)


def test_layers_are_normalized_backwards():
    flow = B.BatchNormalization()
    drawn = np.random.RandomState(0).randn(50, 3).astype(np.float32) * 4 + 2
    normal = _run(flow.inverse(drawn))
    np.testing.assert_allclose(normal.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(normal.std(0), 1, atol=1e-2)
    with pytest.raises(ValueError, match="renormalization"):
        B.BatchNormalization(tf.layers.BatchNormalization(renorm=True))


def test_a_layer_built_before_its_first_call_has_its_scope():
    layer = tf.layers.BatchNormalization()
    layer.build(tf.TensorShape([2, 3]))
    layer(tf.zeros([2, 3]))
    assert [v.name for v in tf.trainable_variables()] == [
        "batch_normalization/gamma:0",
        "batch_normalization/beta:0",
    ]
