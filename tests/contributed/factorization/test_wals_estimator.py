"""`WALSMatrixFactorization` gives TensorFlow 1.15.5's losses and factors."""

import numpy as np
import pytest

import millrace as tf

FACTORIZATION = tf.contrib.factorization.WALSMatrixFactorization
RNG = np.random.RandomState(0)
MATRIX = (RNG.rand(5, 3) @ RNG.rand(3, 4)).astype(np.float32)
PLACES = np.array([[i, j] for i in range(5) for j in range(4) if (i + j) % 3 != 2])
ROWS, COLS = RNG.rand(5, 2).astype(np.float32), RNG.rand(4, 2).astype(np.float32)


def _input(project_row=None, batch=None):
    """Features of the whole matrix, or of some of its rows and columns."""

    def entries(places, values, shape):
        order = np.lexsort(places.T[::-1])
        return tf.SparseTensor(places[order].astype(np.int64), values[order], shape)

    def input_fn():
        values = MATRIX[PLACES[:, 0], PLACES[:, 1]]
        kept = np.ones(len(values), bool) if batch is None else PLACES[:, 0] < batch
        features = {
            FACTORIZATION.INPUT_ROWS: entries(PLACES[kept], values[kept], [5, 4]),
            FACTORIZATION.INPUT_COLS: entries(PLACES[:, ::-1], values, [4, 5]),
        }
        if project_row is not None:
            features[FACTORIZATION.PROJECT_ROW] = tf.constant(project_row)
        return features, None

    return input_fn


@pytest.fixture
def model(tmp_path):
    def make(**settings):
        common = {"unobserved_weight": 0.1, "regularization_coeff": 0.01}
        return FACTORIZATION(
            5, 4, 2, row_init=[ROWS], col_init=[COLS], model_dir=str(tmp_path), **common, **settings
        )

    return make


def test_sweeps_alternate_and_lower_the_loss(model):
    trained = model(max_sweeps=2.0).fit(input_fn=_input(), steps=100)
    np.testing.assert_allclose(trained.get_variable_value("WALS_loss"), 0.8001133, rtol=1e-5)
    np.testing.assert_allclose(trained.get_variable_value("WALS_RWSE"), 0.20663863, rtol=1e-5)
    assert trained.get_variable_value("global_step") == 2
    np.testing.assert_allclose(trained.get_row_factors()[0][0], [0.44699, 1.00135], atol=1e-5)
    np.testing.assert_allclose(trained.get_col_factors()[0][3], [0.18357, 0.65141], atol=1e-5)
    loss = trained.evaluate(input_fn=_input(project_row=True), steps=1)["loss"]
    np.testing.assert_allclose(loss, 0.6732813, rtol=1e-5)


@pytest.mark.parametrize("cached", [True, False])
def test_four_steps(model, cached):
    trained = model(use_factors_weights_cache_for_training=cached, use_gramian_cache_for_training=cached).fit(
        input_fn=_input(), steps=4
    )
    np.testing.assert_allclose(trained.get_variable_value("WALS_loss"), 0.71972924, rtol=1e-5)
    np.testing.assert_allclose(trained.get_row_factors()[0][1], [-0.06259, 1.21421], atol=1e-5)
    loss = trained.evaluate(input_fn=_input(project_row=True), steps=1)["loss"]
    np.testing.assert_allclose(loss, 0.71200979, rtol=1e-5)


def test_weights(model):
    weights = {"row_weights": [0.5, 1, 1, 2, 1.0], "col_weights": [1.0, 2, 1, 1]}
    trained = model(**weights).fit(input_fn=_input(), steps=4)
    np.testing.assert_allclose(trained.get_variable_value("WALS_loss"), 0.7149588, rtol=1e-5)
    np.testing.assert_allclose(trained.get_row_factors()[0][0], [0.67108, 0.82963], atol=1e-5)


def test_a_sweep_is_done_when_all_rows_have_had_their_turn(model):
    trained = model().fit(input_fn=_input(batch=3), steps=3)
    assert trained.get_variable_value("completed_sweeps") == 0
    assert trained.get_variable_value("is_row_sweep")
    np.testing.assert_array_equal(trained.get_variable_value("processed_rows"), [1, 1, 1, 0, 0])


def test_projections(model):
    trained = model(max_sweeps=6).fit(input_fn=_input())
    rows = np.stack(_first(trained.get_projections(_input(project_row=True)), 5))
    cols = np.stack(_first(trained.get_projections(_input(project_row=False)), 4))
    assert rows.shape == (5, 2)
    assert cols.shape == (4, 2)
    np.testing.assert_allclose(cols, trained.get_col_factors()[0], atol=1e-4)


def _first(found, count):
    return [row for row, _ in zip(found, range(count), strict=False)]


def test_what_it_refuses(model):
    with pytest.raises(AssertionError, match="takes no labels"):
        model().fit(input_fn=lambda: (_input()()[0], tf.ones([1])), steps=1)
    with pytest.raises(KeyError, match="project_row"):
        model(max_sweeps=1).fit(input_fn=_input(), steps=1).evaluate(input_fn=_input(), steps=1)
