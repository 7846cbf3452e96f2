"""State space models against NumPy: powers and noise step by step, filtering by conditioning."""

import numpy as np
import pytest

import millrace as tf
from millrace.contributed.timeseries import covariances, densities, matrices
from millrace.contributed.timeseries.state_space.anomalies import StateInterpolatingAnomalyDetector
from millrace.contributed.timeseries.state_space.cycles import CycleStateSpaceModel, ResolutionCycleModel
from millrace.contributed.timeseries.state_space.ensembles import (
    StateSpaceCorrelatedFeaturesEnsemble,
    StateSpaceIndependentEnsemble,
)
from millrace.contributed.timeseries.state_space.kalman import KalmanFilter
from millrace.contributed.timeseries.state_space.level_trend import AdderStateSpaceModel
from millrace.contributed.timeseries.state_space.models import StateSpaceModelConfiguration
from millrace.contributed.timeseries.state_space.varma import VARMA

RNG = np.random.RandomState(0)
DOUBLE = StateSpaceModelConfiguration(dtype=tf.float64)


def _run(*fetches):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetches)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as made:
        tf.set_random_seed(1)
        yield made


MODELS = {
    "level": lambda: AdderStateSpaceModel(configuration=DOUBLE),
    "trend alone drifts": lambda: AdderStateSpaceModel(use_level_noise=False, configuration=DOUBLE),
    "cycle": lambda: CycleStateSpaceModel(4, configuration=DOUBLE),
    "cycle of whole length": lambda: ResolutionCycleModel(3, 6, configuration=DOUBLE),
    "cycle of any length": lambda: ResolutionCycleModel(5, 7.3, configuration=DOUBLE),
    "VARMA": lambda: VARMA(2, 2, configuration=DOUBLE._replace(num_features=2)),
}


@pytest.mark.parametrize("name", MODELS)
def test_some_steps_at_once_are_so_many_single_ones(name):
    model = MODELS[name]()
    model.initialize_graph()
    steps = tf.constant([0, 1, 2, 5, 13], tf.int64)
    spread = tf.convert_to_tensor(model.get_noise_transform())
    powers, sums, once, spread, noise = _run(
        model.transition_to_powers(steps),
        model.transition_power_noise_accumulator(steps),
        model.get_state_transition(),
        spread,
        model.state_transition_noise_covariance,
    )
    of_a_step = spread @ noise @ spread.T
    power, total = np.eye(len(once)), np.zeros_like(once)
    expected = {}
    for step in range(14):
        expected[step] = power, total
        total = total + power @ of_a_step @ power.T
        power = once @ power
    for place, step in enumerate([0, 1, 2, 5, 13]):
        np.testing.assert_allclose(powers[place], expected[step][0], atol=1e-9)
        np.testing.assert_allclose(sums[place], expected[step][1], atol=1e-9)


@pytest.mark.parametrize(
    ("orders", "expected"), [((1, 1), [1, 1]), ((2, 1), [1, 0]), ((1, 3), [1, 0, 0, 1]), ((3, 2), [1, 0, 0])]
)
def test_a_long_moving_average_is_seen_with_the_newest_noise(orders, expected):
    model = VARMA(*orders, configuration=DOUBLE)
    model.initialize_graph()
    (found,) = _run(model.get_observation_model(tf.constant([0], tf.int64)))
    assert found.tolist() == [expected]


def test_a_filter_conditions_a_normal_distribution():
    mean, seen = RNG.randn(2, 3), RNG.randn(2, 2)
    root = RNG.randn(2, 3, 3)
    covariance = root @ root.transpose(0, 2, 1)
    model = RNG.randn(2, 2, 3)
    noise = np.diag([0.5, 0.2])
    for simplified in (False, True):
        kalman = KalmanFilter(tf.float64, simplified)
        predicted, spread = kalman.observed_from_state(*map(tf.constant, (mean, covariance, model, noise)))
        state, observation = map(tf.constant, (mean, covariance)), map(tf.constant, (seen, model, noise))
        found = _run(*kalman.do_filter(*state, predicted, spread, *observation))
        for i in range(2):
            expected_spread = model[i] @ covariance[i] @ model[i].T + noise
            gain = covariance[i] @ model[i].T @ np.linalg.inv(expected_spread)
            surprise = seen[i] - model[i] @ mean[i]
            np.testing.assert_allclose(found[0][i], mean[i] + gain @ surprise)
            np.testing.assert_allclose(found[1][i], (np.eye(3) - gain @ model[i]) @ covariance[i], atol=1e-9)
            quadratic = surprise @ np.linalg.solve(expected_spread, surprise)
            log_determinant = np.linalg.slogdet(2 * np.pi * expected_spread)[1]
            np.testing.assert_allclose(found[2][i], -0.5 * (quadratic + log_determinant))


def test_a_covariance_that_is_not_one_is_refused():
    kalman = KalmanFilter(tf.float64)
    one = tf.ones([1, 1, 1], tf.float64)
    outcome = kalman.do_filter(one[0], one, one[0], -one, one[0], one, one[0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="negative variance"):
        _run(outcome)
    outcome = kalman.do_filter(one[0], one, one[0], one * np.nan, one[0], one, one[0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="not finite"):
        _run(outcome)


def test_an_anomaly_does_not_move_the_state():
    detector = StateInterpolatingAnomalyDetector()
    before, after = (tf.zeros([2, 1]), tf.ones([2, 1, 1])), (tf.ones([2, 1]), tf.zeros([2, 1, 1]))
    usual = tf.constant([[0.0], [50.0]])
    outputs = {
        "mean": tf.zeros([2, 1]),
        "covariance": tf.ones([2, 1, 1]),
        "log_likelihood": densities.normal_log_prob(0.0, 1.0, usual)[:, 0],
    }
    state, outputs = detector.process_filtering_step(None, usual, before, after, outputs)
    moved, score = _run(state[0], outputs["anomaly_score"])
    np.testing.assert_allclose(moved, [[1.0], [0.0]], atol=0.03)
    assert score[0] < 0 < score[1]


def test_matrices():
    a, powers = RNG.rand(3, 2, 2), np.array([0, 1, 5])
    batch, matrix = RNG.randn(2, 3, 4), RNG.randn(5, 4)
    found = _run(
        matrices.batch_matrix_pow(tf.constant(a), tf.constant(powers)),
        matrices.batch_times_matrix(tf.constant(batch), tf.constant(matrix), adj_y=True),
        matrices.matrix_times_batch(tf.constant(matrix), tf.constant(batch), adj_y=True),
        matrices.make_toeplitz_matrix(tf.constant(a)),
        matrices.block_diagonal([tf.ones([2, 1, 2]), tf.ones([2, 2, 1]) * 2.0]),
    )
    for i, power in enumerate(powers):
        np.testing.assert_allclose(found[0][i], np.linalg.matrix_power(a[i], power))
    np.testing.assert_allclose(found[1], batch @ matrix.T)
    np.testing.assert_allclose(found[2], matrix @ batch.transpose(0, 2, 1))
    np.testing.assert_allclose(found[3], np.block([[a[abs(i - j)] for j in range(3)] for i in range(3)]))
    np.testing.assert_allclose(found[4][1], [[1, 1, 0], [0, 0, 2], [0, 0, 2]])


def test_covariances_are_positive_whatever_their_variables_are():
    raw = tf.constant(RNG.randn(4, 3, 3) * 3)
    made = covariances.sign_magnitude_positive_definite(raw, off_diagonal_scale=-1.0)
    clipped = covariances.clip_covariance(tf.constant(np.diag([1e6, 1e-3, 0.0])), 1e6, 1e-2)
    values, clipped = _run(made, clipped)
    assert (np.linalg.eigvalsh(values) > 0).all()
    np.testing.assert_allclose(np.diag(clipped), [1e6, 1.0, 1.0])


def test_series_are_drawn_as_the_model_says():
    model = AdderStateSpaceModel(configuration=DOUBLE)
    model.initialize_graph()
    tiny = {
        model.prior_state_mean: np.array([3.0, 0.5]),
        model.state_transition_noise_covariance: np.eye(2) * 1e-12,
    }
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        drawn = model.generate(2, 4, tiny, seed=1, add_observation_noise=False)
        again = model.generate(2, 4, seed=1)
    np.testing.assert_allclose(drawn["values"][1, :, 0], [3.5, 4.0, 4.5, 5.0], atol=1e-4)
    np.testing.assert_array_equal(drawn["times"], [[0, 1, 2, 3]] * 2)
    assert again["values"].shape == (2, 4, 1)


def test_what_models_refuse():
    with pytest.raises(ValueError, match=r"odd\. Received: 4"):
        ResolutionCycleModel(4, 7)
    wide = AdderStateSpaceModel(configuration=DOUBLE._replace(num_features=2))
    with pytest.raises(ValueError, match="one feature each"):
        StateSpaceCorrelatedFeaturesEnsemble([wide], DOUBLE)
    ensemble = StateSpaceIndependentEnsemble([AdderStateSpaceModel()], StateSpaceModelConfiguration())
    with pytest.raises(NotImplementedError, match="get_broadcasted_observation_model"):
        ensemble.get_observation_model(None)
    quiet = AdderStateSpaceModel(configuration=DOUBLE._replace(use_observation_noise=False))
    with pytest.raises(ValueError, match="use_observation_noise"):
        quiet.generate(1, 1, add_observation_noise=True)
    with pytest.raises(ValueError, match=r"initialize_graph\(\) must be called"):
        quiet.define_loss({"times": tf.constant([[1]]), "values": tf.ones([1, 1, 1])}, "train")
