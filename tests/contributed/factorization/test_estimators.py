"""Tests of k-means as estimators."""

import numpy as np
import pytest

import millrace as tf

X = np.array([[0, 0], [0, 1], [5, 5], [5, 6], [9, 0], [9, 1]], np.float32)
CLASSES = [tf.estimator.experimental.KMeans, tf.contrib.factorization.KMeansClustering]


def points():
    return tf.constant(X)


def once():
    return tf.train.limit_epochs(tf.constant(X), num_epochs=1)


@pytest.mark.parametrize("cls", CLASSES)
def test_whole_passes(cls, tmp_path):
    model = cls(3, str(tmp_path), X[:3] + np.float32(0.1), use_mini_batch=False)
    model.train(points, steps=4)
    np.testing.assert_allclose(model.cluster_centers(), [[0, 0], [0, 1], [7, 3]], atol=1e-5)
    assert model.score(points) == pytest.approx(42, rel=1e-5)  # as in TensorFlow 1.15
    assert list(model.predict_cluster_index(once)) == [0, 1, 2, 2, 2, 2]
    np.testing.assert_allclose(next(model.transform(once)), [0, 1, np.sqrt(58)], atol=1e-4)
    assert sorted(model.get_variable_names()) == ["clusters", "global_step", "initialized"]


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("metric", ["squared_euclidean", "cosine"])
def test_mini_batches(tmp_path, metric, steps):
    model = CLASSES[0](3, str(tmp_path), X[1:4], metric, seed=1, mini_batch_steps_per_iteration=steps)
    model.train(points, steps=4)
    names = ["Variable", "clusters", "global_step", "initialized"]
    assert sorted(model.get_variable_names()) == sorted(
        names + (["clusters_updated", "update_in_steps"] if steps > 1 else [])
    )
    assert model.get_variable_value("Variable").sum() > 3


def test_features_by_name_and_the_end_of_change(tmp_path):
    columns = [tf.feature_column.numeric_column("a", 2)]
    named = lambda: {"a": tf.constant(X), "b": tf.constant(X[:, :1])}  # noqa: E731
    kwargs = {"use_mini_batch": False, "relative_tolerance": 0.01, "feature_columns": columns}
    model = CLASSES[0](2, str(tmp_path / "columns"), X[:2], **kwargs)
    model.train(named, steps=100)
    assert model.get_variable_value("global_step") < 20
    joined = CLASSES[1](2, str(tmp_path / "joined"), "kmeans_plus_plus")
    joined.train(named, steps=1)
    assert joined.cluster_centers().shape == (2, 3)


@pytest.mark.parametrize("cls", CLASSES)
def test_what_is_refused(cls):
    with pytest.raises(ValueError, match="initialization"):
        cls(2, initial_clusters="x")
    with pytest.raises(ValueError, match="metric"):
        cls(2, distance_metric="x")
    model = cls(2, feature_columns=[tf.feature_column.numeric_column("a")])
    with pytest.raises(ValueError, match="by name"):
        model.train(points, steps=1)
