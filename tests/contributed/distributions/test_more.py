"""Tests of bijectors of matrices and shapes, and of skewed and constant distributions; numbers of 1.15."""

import numpy as np
import pytest

import millrace as tf

D = tf.contrib.distributions
B = D.bijectors


def _run(x):
    with tf.Session() as session:
        return session.run(x)


@pytest.mark.parametrize(
    ("make", "x", "y", "log_det", "axes"),
    [
        (lambda: B.SinhArcsinh(0.3, 1.5), [0.5, -1.0], [1.459, -0.9869], [0.8642, 0.3989], 0),
        (lambda: B.FillTriangular(), [1.0, 2, 3], [[3, 0], [2, 1]], 0.0, 1),
        (lambda: B.CholeskyOuterProduct(), [[1.0, 0], [2, 3]], [[1, 2], [2, 13]], 2.4849, 2),
        (lambda: B.MatrixInverseTriL(), [[1.0, 0], [2, 3]], [[1, 0], [-0.6667, 0.3333]], -4.3944, 2),
        (lambda: B.ScaleTriL(), [1.0, 2, 3], [[3.0486, 0], [2, 1.3133]], -0.3618, 1),
        (lambda: B.Reshape([2, 3], [6]), np.arange(6.0, dtype=np.float32), [[0, 1, 2], [3, 4, 5]], 0.0, 1),
    ],
)
def test_bijectors(make, x, y, log_det, axes):
    bijector = make()
    np.testing.assert_allclose(_run(bijector.forward(x)), y, atol=1e-4)
    back = bijector.inverse(bijector.forward(x))
    np.testing.assert_allclose(_run(back), x, atol=1e-4)
    np.testing.assert_allclose(_run(bijector.forward_log_det_jacobian(x, axes)), log_det, atol=1e-4)
    image = bijector.forward(x)
    other = bijector.inverse_log_det_jacobian(image, axes + (np.ndim(y) - np.ndim(x)))
    np.testing.assert_allclose(_run(other), -np.asarray(log_det), atol=1e-4)


def test_shapes_of_events():
    reshape = B.Reshape([-1, 3])
    assert reshape.forward_event_shape([6]).as_list() == [2, 3]
    assert _run(reshape.inverse(tf.ones([4, 2, 3]))).shape == (4, 6)
    assert B.FillTriangular().forward_event_shape([6]).as_list() == [3, 3]
    with pytest.raises(ValueError, match="-1"):
        B.Reshape([-1, -1])
    with pytest.raises(ValueError, match="match"):
        B.Reshape([3], [2])


def test_sinh_arcsinh():
    skewed = D.SinhArcsinh([0.0, 1.0], [1.0, 2.0], 0.5, 1.2)
    np.testing.assert_allclose(_run(skewed.log_prob([0.5, 1.0])), [-0.9792, -1.4958], atol=1e-4)
    np.testing.assert_allclose(_run(skewed.cdf(0.3)), [0.4335, 0.1573], atol=1e-4)
    drawn = _run(skewed.sample(2, seed=3))
    np.testing.assert_allclose(drawn, [[1.9512, 0.4761], [0.5855, 2.3383]], atol=1e-3)
    np.testing.assert_allclose(_run([skewed.skewness, skewed.tailweight, skewed.scale[1]]), [0.5, 1.2, 2])


def test_vectors_that_never_change():
    fixed = D.VectorDeterministic([[1.0, 2.0], [3.0, 4.0]])
    assert fixed.event_shape.as_list() == [2] and fixed.batch_shape.as_list() == [2]
    np.testing.assert_array_equal(_run(fixed.prob([1.0, 2.0])), [1, 0])
    assert _run(fixed.sample(3)).shape == (3, 2, 2)
    np.testing.assert_array_equal(_run(fixed.mean()), [[1, 2], [3, 4]])


def test_parameters_made_positive():
    rate = D.ExponentialWithSoftplusRate([1.0, -2.0])
    np.testing.assert_allclose(_run(rate.log_prob(1.0)), [-1.0407, -2.1911], atol=1e-4)
    inverse = D.InverseGammaWithSoftplusConcentrationRate([1.0, 2.0], [0.5, -1.0])
    np.testing.assert_allclose(_run(inverse.log_prob(1.0)), [-0.8983, -2.8407], atol=1e-4)


def test_kumaraswamy():
    made = D.Kumaraswamy([1.0, 2.0], [3.0, 0.5])
    np.testing.assert_allclose(_run(made.prob([0.2, 0.3])), [1.92, 0.3145], atol=1e-4)
    np.testing.assert_allclose(_run(made.cdf([0.2, 0.3])), [0.488, 0.0461], atol=1e-4)
    np.testing.assert_allclose(_run(made.mean()), [0.25, 0.7854], atol=1e-4)
    np.testing.assert_allclose(_run(made.variance()), [0.0375, 0.0498], atol=1e-4)
    np.testing.assert_allclose(_run(made.entropy()), [2.3208, -0.1137], atol=1e-4)
    np.testing.assert_allclose(_run(made.sample(3, seed=1))[0], [0.087, 0.9968], atol=1e-3)
    assert np.isnan(_run(made.mode())).all() and 0 < _run(D.Kumaraswamy(2.0, 3.0).mode()) < 1


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (lambda: D.Poisson(1.7), [0.1827, 0.3340, 0.7572, 0.8731, 0.1066]),
        (lambda: D.Binomial(4.0, probs=0.3), [0.2401, 0.4471, 0.9163, 0.9814, 0.1362]),
        (lambda: D.NegativeBinomial(4.0, probs=0.3), [0.2401, 0.3889, 0.7443, 0.8429, 0.1539]),
        (lambda: D.Geometric(probs=0.3), [0.3, 0.3, 0.657, 0.657, 0.0]),
    ],
)
def test_counts_between_whole_numbers(made, wanted):
    with tf.Graph().as_default():
        np.testing.assert_allclose(_run(made().cdf([0.0, 0.5, 2.0, 2.7, -0.3])), wanted, atol=1e-4)


def test_counts_of_a_batch_broadcast():
    with tf.Graph().as_default():
        found = _run(D.Binomial([[3.0], [5.0]], probs=[0.3, 0.6]).cdf(3.0))
        np.testing.assert_allclose(found, [[1.0, 1.0], [0.96922, 0.66304]], atol=1e-4)
        assert _run(D.NegativeBinomial([3.0, 5.0], probs=[[0.3], [0.6]]).cdf(1.0)).shape == (2, 2)
        quantized = D.QuantizedDistribution(D.Normal(0.0, 2.0)).prob([0.0, 2.7, -1.0])
        np.testing.assert_allclose(_run(quantized), [0.1915, 0.0918, 0.1499], atol=1e-4)


@pytest.mark.parametrize(
    "make",
    [
        lambda: D.BetaWithSoftplusConcentration([1.0, 2.0], [3.0, 0.5]),
        lambda: D.GammaWithSoftplusConcentrationRate([1.0, 2.0], [3.0, 0.5]),
        lambda: D.ExponentialWithSoftplusRate([1.0, 2.0]),
        lambda: D.InverseGamma([1.5, 2.5], [3.0, 0.5]),
        lambda: D.SinhArcsinh(0.0, [1.0, 2.0], skewness=0.2, tailweight=1.5),
    ],
)
def test_copies_are_the_same_distribution(make):
    first = make()
    second = first.copy(name="again")
    with tf.Session() as session:
        np.testing.assert_allclose(*session.run([first.log_prob([0.3, 0.4]), second.log_prob([0.3, 0.4])]))
    assert first.parameters.keys() == second.parameters.keys()


def test_shapes_of_events_that_are_tensors():
    shapes = {
        (3, 3): B.FillTriangular().forward_event_shape_tensor([6]),
        (5, 6): B.FillTriangular().inverse_event_shape_tensor([5, 3, 3]),
        (7, 2, 2): B.Reshape([-1, 2], [4]).forward_event_shape_tensor([7, 4]),
        (4,): B.Reshape([-1, 2], [4]).inverse_event_shape_tensor([2, 2]),
        (2, 2): B.ScaleTriL().forward_event_shape_tensor([3]),
    }
    for expected, found in shapes.items():
        assert tuple(_run(found)) == expected


def test_absolute_values_have_two_inverses():
    both = B.AbsoluteValue().inverse(tf.constant([0.5, 2.0]))
    np.testing.assert_array_equal(_run(both), np.array([[-0.5, -2.0], [0.5, 2.0]], np.float32))
    assert _run(B.AbsoluteValue().inverse_log_det_jacobian([0.5], event_ndims=0)) == (0.0, 0.0)
    with pytest.raises(NotImplementedError):
        B.AbsoluteValue().forward_log_det_jacobian([0.5], event_ndims=0)


def test_multiples_of_the_identity_count_all_axes_of_an_event():
    scaled = B.Affine(scale_identity_multiplier=2.0)
    found = scaled.forward_log_det_jacobian(tf.ones([3]), event_ndims=1)
    assert _run(found) == pytest.approx(3 * np.log(2.0))
    assert scaled.dtype == tf.float32
    with pytest.raises(ValueError, match="at least 1"):
        scaled.forward_log_det_jacobian(tf.ones([3]), event_ndims=0)
    with pytest.raises(ValueError, match="incompatible dtypes"):
        B.Chain([scaled, B.Affine(shift=np.ones(2))])


@pytest.mark.parametrize(
    ("make", "counts"),
    [
        (lambda x: D.MultivariateNormalDiag(x, x), (43, 62, 94, 45, 1)),
        (lambda x: D.MultivariateNormalTriL(x, tf.eye(3, batch_shape=[2])), (None, 63, 96, None, 1)),
        (lambda x: D.VectorLaplaceDiag(x, x), (43, 68, 99, 44, 1)),
        (lambda x: D.OneHotCategorical(logits=x), (7, 21, 65, 51)),
        (lambda x: D.RelaxedOneHotCategorical(0.5, logits=x), (40, 45, 88, 52)),
        (lambda x: D.Independent(D.Normal(x, 1.0), 1), (None, 30, 41, 11, 4)),
    ],
)
def test_default_seeds_count_what_tensorflow_draws(make, counts):
    x, point = tf.ones([2, 3]) * 1.0, tf.ones([3]) * 0.5
    tf.set_random_seed(1)
    made = []

    def counted(draw):
        before = tf.get_seed(None)[1]
        made.append(draw())
        return tf.get_seed(None)[1] - before

    steps = (
        lambda: make(x),
        lambda: made[0].sample(),
        lambda: made[0].log_prob(made[0].sample(seed=1)),
        lambda: made[0].log_prob(point),
        lambda: made[0].mean(),
    )
    for step, expected in zip(steps, counts, strict=False):
        assert expected in (None, counted(step))


def test_samples_know_their_way_back():
    normal = D.TransformedDistribution(D.Normal(0.0, 1.0), B.Sigmoid())
    sample = normal.sample([2], seed=3)
    assert normal.bijector.inverse(sample) is normal.bijector.inverse(sample)
    assert normal.bijector.inverse(sample).op.type == "Reshape"


def test_a_mode_at_an_end_is_refused_where_there_may_be_no_nan():
    for made in (tf.contrib.distributions.Kumaraswamy, tf.distributions.Beta):
        distribution = made([0.5, 3.0], [2.0, 1.5], allow_nan_stats=False)
        with pytest.raises(tf.errors.InvalidArgumentError, match="Mode undefined for concentration1 <= 1"):
            distribution.mode()


def test_chi2_has_the_operations_of_1_15():
    with tf.Graph().as_default() as graph:
        tf.contrib.distributions.Chi2([1.0, 4.0])
        names = [op.name for op in graph.get_operations()][1:]
        assert names == [f"Chi2/{n}" for n in ("df", "mul/x", "mul", "Const", "concentration", "rate")]
