"""Sparse inputs: matrices of SciPy and sparse tensors."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf

sparse = pytest.importorskip("scipy.sparse")
K, L = tf.keras, tf.keras.layers

X = np.where(np.arange(60).reshape(12, 5) % 3 == 0, 1.0 + np.arange(60).reshape(12, 5) / 60, 0).astype("f")
Y = np.arange(24, dtype="f").reshape(12, 2) / 24


def model(takes_sparse: bool):
    made = L.Input((5,), sparse=takes_sparse)
    dense = L.Lambda(lambda t: tf.reshape(tf.sparse.to_dense(t), (-1, 5)))(made) if takes_sparse else made
    found = K.Model(made, L.Dense(2, kernel_initializer="ones")(dense))
    found.compile("sgd", "mse")
    return found


def test_matrices_of_scipy_train_as_arrays_do():
    wanted = model(False).fit(X, Y, batch_size=5, epochs=2, shuffle=False, verbose=0).history["loss"]
    for form in (sparse.csr_matrix, sparse.coo_matrix, sparse.csc_matrix):
        for takes in (True, False):
            found = model(takes).fit(form(X), Y, batch_size=5, epochs=2, shuffle=False, verbose=0)
            np.testing.assert_allclose(found.history["loss"], wanted, rtol=1e-5)


def test_a_sparse_tensor_is_data_by_steps():
    matrix = sparse.csr_matrix(X)
    places = np.stack(matrix.nonzero(), axis=1)
    tensor = tf.SparseTensor(places, matrix.data, matrix.shape)
    history = model(True).fit(tensor, tf.constant(Y), steps_per_epoch=2, epochs=2, verbose=0).history
    assert history["loss"][1] < history["loss"][0]


def test_dense_multiplies_a_sparse_tensor():
    found = L.Dense(2, kernel_initializer="ones")(tf.SparseTensor([[0, 1], [1, 2]], [1.0, 3.0], [2, 3]))
    np.testing.assert_array_equal(K.backend.eval(found), [[1, 1], [3, 3]])


def test_dense_needs_to_know_the_length_of_sparse_inputs():
    with pytest.raises(ValueError, match="last dimension"):
        L.Dense(2)(L.Input((5,), sparse=True))


def test_a_function_takes_matrices_for_sparse_placeholders():
    placeholder = K.backend.placeholder((None, 5), sparse=True)
    function = K.backend.function(
        [placeholder], [K.backend.dot(placeholder, K.backend.constant(np.ones((5, 1))))]
    )
    np.testing.assert_allclose(function([sparse.csr_matrix(X)])[0][:, 0], X.sum(axis=1), rtol=1e-6)


def test_counting_metrics_refuse_predictions_that_are_not_probabilities():
    with pytest.raises(tf.errors.InvalidArgumentError, match="predictions must be <= 1"):
        K.metrics.AUC(num_thresholds=5).update_state(tf.constant([[1.0, 0.0]]), tf.constant([[1.5, 0.0]]))
    predictions = tf.placeholder(tf.float32, [None, 2])
    metric = K.metrics.Precision()
    update = metric.update_state(tf.constant([[1.0, 0.0]]), predictions, sample_weight=tf.constant([2.0]))
    session = K.backend.get_session()
    session.run([v.initializer for v in metric.variables])
    session.run(update, {predictions: [[0.5, 1.0]]})
    with pytest.raises(tf.errors.InvalidArgumentError, match="predictions must be >= 0"):
        session.run(update, {predictions: [[0.5, -1.0]]})
