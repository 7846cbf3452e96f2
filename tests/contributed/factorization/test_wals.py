"""Weighted alternating least squares."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import millrace as tf

WALSModel = tf.contrib.factorization.WALSModel
ROWS = np.array([[0.1, 0.2], [0.3, 0.1], [0.2, 0.2]], np.float32)
COLS = np.array([[0.5, 0.1], [0.1, 0.4]], np.float32)


def _entries():
    return tf.SparseTensor([[0, 0], [1, 1], [2, 0]], [1.0, 2.0, 3.0], [3, 2])


def _row_update(session, model, **kwargs):
    update = model.update_row_factors(sp_input=kwargs.pop("sp_input", _entries()), **kwargs)
    for op in (model.initialize_op, model.worker_init, model.row_update_prep_gramian_op):
        session.run(op)
    session.run(model.initialize_row_update_op)
    found = session.run(update)
    return found, [session.run(shard) for shard in model.row_factors]


def test_numbers_of_1_15():
    with tf.Graph().as_default(), tf.Session() as session:
        model = WALSModel(
            3,
            2,
            2,
            regularization=0.1,
            unobserved_weight=0.3,
            row_init=[ROWS],
            col_init=[COLS],
            row_weights=[1.0, 2.0, 0.5],
            col_weights=[1.0, 0.7],
        )
        found, rows = _row_update(session, model)
    expected = [[1.5027199, 0.08876], [0.2245400, 3.5769701], [3.9206500, 0.23158]]
    np.testing.assert_allclose(rows[0], expected, rtol=1e-4)
    np.testing.assert_array_equal(found[0], rows[0])
    np.testing.assert_allclose(found[2:], [1.5566799, 3.0966301, 4.6999998], rtol=1e-4)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("cached", [False, True])
def test_the_loss_falls_with_every_sweep(cached, transposed):
    wanted = np.random.RandomState(1).rand(5, 4).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(3)
        places = [[j, i] if transposed else [i, j] for i in range(5) for j in range(4)]
        entries = tf.SparseTensor(places, wanted.ravel().tolist(), [4, 5] if transposed else [5, 4])
        model = WALSModel(
            5,
            4,
            3,
            regularization=0.01,
            num_row_shards=2,
            num_col_shards=2,
            use_factors_weights_cache=cached,
            use_gramian_cache=cached,
        )
        by_row = model.update_row_factors(entries, transpose_input=transposed)
        by_col = model.update_col_factors(entries, transpose_input=transposed)
        session.run(model.initialize_op)
        session.run(model.worker_init)
        losses = []
        for _ in range(4):
            session.run(model.row_update_prep_gramian_op)
            session.run(model.initialize_row_update_op)
            losses.append(sum(session.run(by_row)[2:4]))
            session.run(model.col_update_prep_gramian_op)
            session.run(model.initialize_col_update_op)
            losses.append(sum(session.run(by_col)[2:4]))
        assert all(after <= before + 1e-4 for before, after in itertools.pairwise(losses))
        session.run(model.initialize_row_update_op)
        again = session.run(model.project_row_factors(entries, transpose_input=transposed))
        assert again.shape == (5, 3)
        guess = (
            np.concatenate(session.run(model.row_factors)) @ np.concatenate(session.run(model.col_factors)).T
        )
    np.testing.assert_allclose(guess, wanted, atol=0.25)


def test_without_weights_all_weigh_the_same():
    with tf.Graph().as_default(), tf.Session() as session:
        model = WALSModel(
            3,
            2,
            2,
            regularization=0.1,
            unobserved_weight=0.5,
            row_init=[ROWS],
            col_init=[COLS],
            row_weights=None,
            col_weights=None,
        )
        _, rows = _row_update(session, model)
        assert model.row_weights is None
    dense = np.array([[1, 0], [0, 2], [3, 0]])
    left = 0.5 * COLS.T @ COLS + 0.1 * np.eye(2)
    np.testing.assert_allclose(rows[0], np.linalg.solve(left, 0.5 * (dense @ COLS).T).T, rtol=1e-4)


def test_names_of_variables():
    with tf.Graph().as_default():
        WALSModel(4, 3, 2, num_row_shards=3)
        assert [v.op.name for v in tf.global_variables()] == [
            *(f"row_weights_shard_{i}" for i in range(3)),
            "col_weights_shard_0",
            *(f"row_factors_shard_{i}" for i in range(3)),
            "col_factors_shard_0",
            "row_gramian",
            "col_gramian",
        ]
        assert [v.shape.as_list() for v in tf.global_variables()[4:7]] == [[2, 2], [1, 2], [1, 2]]
    with tf.Graph().as_default():
        WALSModel(4, 3, 2, use_scoped_vars=True)
        assert tf.global_variables()[0].op.name == "row_weights/row_weights_shard_0"


@pytest.mark.parametrize(
    ("kwargs", "kind"),
    [
        ({"row_weights": None}, AssertionError),
        ({"row_weights": [1.0, 2.0]}, AssertionError),
        ({"row_init": "other"}, TypeError),
        ({"row_init": [[1.0, 2.0], [3.0, 4.0], [1.0, 2.0], [3.0, 4.0]]}, AssertionError),
    ],
)
def test_what_does_not_fit_is_refused(kwargs, kind):
    with tf.Graph().as_default(), pytest.raises(kind):
        WALSModel(4, 3, 2, **kwargs)


def test_entries_beyond_the_factors_are_refused():
    from millrace.building import raw

    with tf.Graph().as_default(), tf.Session() as session:
        with pytest.raises(tf.errors.InvalidArgumentError, match="within 1 rows and 2 columns"):
            session.run(
                raw.WALSComputePartialLhsAndRhs(
                    [[1.0], [2.0]], [1.0, 1.0], 0.1, [1.0], [[0, 2]], [3.0], [], 1, False
                )
            )
        with pytest.raises(tf.errors.InvalidArgumentError, match="mask"):
            session.run(raw.MaskedMatmul([[1.0]], [[1.0]], [[0, 1]], False, False))


def test_one_shard_needs_no_list():
    with tf.Graph().as_default(), tf.Session() as session:
        model = WALSModel(3, 2, 2, row_init=ROWS, col_init=tf.constant(COLS))
        session.run(model.initialize_op)
        np.testing.assert_array_equal(session.run(model.row_factors[0]), ROWS)
