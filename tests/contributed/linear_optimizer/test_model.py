"""Tests of models that dual coordinate ascent trains, and of estimators on them."""

import numpy as np
import pytest

import millrace as tf

optimizer = tf.contrib.linear_optimizer
columns = tf.feature_column
older = tf.contrib.layers


def a_model(shards=None, loss="logistic_loss", partitioned=False):
    if partitioned:
        with tf.variable_scope("p", partitioner=tf.fixed_size_partitioner(2)):
            weights = list(tf.get_variable("w", [4], initializer=tf.zeros_initializer()))
    else:
        weights = tf.Variable([0.0] * 4)
    examples = {
        "sparse_features": [optimizer.SparseFeatureColumn([0, 1], [0, 3], [1.0, 2.0])],
        "dense_features": [tf.constant([[1.0], [2.0]])],
        "example_labels": tf.constant([0.0, 1.0]),
        "example_weights": tf.constant([1.0, 1.0]),
        "example_ids": ["a", "b"],
    }
    variables = {"sparse_features_weights": [weights], "dense_features_weights": [tf.Variable([0.0])]}
    options = {
        "symmetric_l2_regularization": 1.0,
        "symmetric_l1_regularization": 0.1,
        "loss_type": loss,
        "num_table_shards": shards,
        "adaptive": False,
    }
    return optimizer.SdcaModel(examples, variables, options), examples


@pytest.mark.parametrize(("shards", "partitioned"), [(None, False), (3, False), (1, True)])
@pytest.mark.parametrize(
    "loss", ["logistic_loss", "squared_loss", "hinge_loss", "smooth_hinge_loss", "poisson_loss"]
)
def test_the_gap_closes(loss, shards, partitioned):
    model, examples = a_model(shards, loss, partitioned)
    step = tf.train.get_or_create_global_step()
    train = model.minimize(global_step=step)
    update = model.update_weights(tf.no_op())
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        before = session.run(model.regularized_loss(examples))
        for _ in range(30):
            session.run(train)
        session.run(update)
        gap, after = session.run([model.approximate_duality_gap(), model.regularized_loss(examples)])
        said, plain = session.run([model.predictions(examples), model.unregularized_loss(examples)])
        assert session.run(step) == 30
    assert abs(gap) < 1e-3
    assert after < before and plain <= after + 1e-9
    assert (said.shape == (2,) and said[1] > said[0]) or loss == "poisson_loss"


def test_what_a_model_refuses():
    with pytest.raises(ValueError, match="all be specified"):
        optimizer.SdcaModel(None, None, None)
    with pytest.raises(ValueError, match="Unsupported loss_type"):
        a_model(loss="x")
    with pytest.raises(ValueError, match="at least one part"):
        a_model(shards=0)


def features(**more):
    given = {
        "id": tf.constant(["a"]),
        "x": tf.constant([[1.0]]),
        "c": tf.constant([[0]], tf.int64),
        "y": tf.constant([[0.5]]),
    }
    return {**given, **more}


def trained(cols, label, folder, make=tf.estimator.LinearClassifier, more=None, sdca=None, **given):
    made = make(
        cols,
        model_dir=str(folder),
        optimizer=tf.estimator.experimental.LinearSDCA("id", **(sdca or {})),
        **given,
    )
    made.train(lambda: (features(**(more() if more else {})), tf.constant([[label]])), steps=3)
    return made


def twice():
    """A category that an example has twice."""
    return {"c": tf.constant([[1, 1, 2]], tf.int64)}


X = columns.numeric_column("x")
BUCKETS = columns.bucketized_column(columns.numeric_column("y"), [0.0, 1.0])
C = columns.categorical_column_with_identity("c", 4)


@pytest.mark.parametrize(
    ("cols", "label", "given", "name", "wanted"),
    [  # numbers of TensorFlow 1.15
        ([X], 0, {}, "x", [-0.33742]),
        ([X], 0, {"sdca": {"symmetric_l1_regularization": 0.1}}, "x", [-0.26876]),
        ([X, C], 1, {"sdca": {"symmetric_l2_regularization": 2.0}}, "c", [0.18304, 0, 0, 0]),
        ([X, C], 1, {"sdca": {"num_loss_partitions": 2}}, "x", [0.28734]),
        ([X, C], 1, {"sdca": {"num_table_shards": 2, "adaptive": True}}, "x", [0.29324]),
        ([X, C], 3.0, {"make": tf.estimator.LinearRegressor}, "c", [0.75, 0, 0, 0]),
        ([BUCKETS], 0, {}, "y_bucketized", [0, -0.33742, 0]),
        ([columns.weighted_categorical_column(C, "x")], 0, {}, "c_weighted_by_x", [-0.33742, 0, 0, 0]),
        ([C], 0, {"more": twice}, "c", [0, -0.43085, -0.21542, 0]),
        ([X], 0, {"more": lambda: {"w": tf.constant([[2.0]])}, "weight_column": "w"}, "x", [-0.5213]),
        ([X, C], 1, {"partitioner": tf.fixed_size_partitioner(2)}, "c", [0.29324, 0, 0, 0]),
    ],
)  # fmt: skip
def test_estimators_have_the_numbers_of_tensorflow(tmp_path, cols, label, given, name, wanted):
    model = trained(cols, label, tmp_path, **given)
    weights = model.get_variable_value(f"linear/linear_model/{name}/weights")
    np.testing.assert_allclose(weights.ravel(), wanted, atol=2e-5)
    assert model.get_variable_value("global_step") == 3
    assert "linear/linear/linear_model/bias_weights/part_0_unshrunk" in model.get_variable_names()


def test_embeddings_are_dense_features(tmp_path):
    model = trained([columns.embedding_column(C, 2)], 1, tmp_path)
    table = model.get_variable_value("linear/linear_model/c_embedding/embedding_weights")
    weights = model.get_variable_value("linear/linear_model/c_embedding/weights")
    assert table.shape == (4, 2) and np.abs(weights).sum() > 0


def test_what_estimators_refuse(tmp_path):
    with pytest.raises(ValueError, match="multi-class"):
        trained([X], 0, tmp_path, n_classes=3)
    with pytest.raises(ValueError, match="one-dimensional"):
        trained([X], 0, tmp_path, make=tf.estimator.LinearRegressor, label_dimension=2)
    with pytest.raises(ValueError, match="IndicatorColumn has rank 2"):
        trained([columns.indicator_column(C)], 0, tmp_path)
    with pytest.raises(ValueError, match="Invalid loss_reduction"):
        tf.estimator.LinearClassifier([X], loss_reduction="sum_over_batch_size")
    for given in ({"symmetric_l1_regularization": -1.0}, {"symmetric_l2_regularization": 0.0}):
        with pytest.raises(ValueError, match="should be"):
            tf.estimator.experimental.LinearSDCA("id", **given)


def old_features():
    ids = tf.SparseTensor([[0, 0]], tf.constant([1], tf.int64), [1, 4])
    return {"id": tf.constant(["a"]), "x": tf.constant([[1.0]]), "y": tf.constant([[0.5]]), "c": ids}


OLD = [older.real_valued_column("x"), older.sparse_column_with_integerized_feature("c", 4)]


def test_older_estimators_have_the_numbers_of_tensorflow():
    learn = tf.contrib.learn
    buckets = older.bucketized_column(older.real_valued_column("y"), [0.0, 1.0])
    doubled = optimizer.SDCAOptimizer("id", symmetric_l2_regularization=2.0)
    cases = [
        (learn.LinearClassifier(OLD, optimizer=doubled), 1,
         "linear/c/weights", [0, 0.18304, 0, 0]),
        (learn.LinearClassifier([buckets], optimizer=optimizer.SDCAOptimizer("id")), 0,
         "linear/y_bucketized/weights", [0, -0.33742, 0]),
        (learn.LinearRegressor(OLD, optimizer=optimizer.SDCAOptimizer("id")), 3.0,
         "linear/x/weight", [0.75]),
        (learn.SVM("id", OLD, l2_regularization=2.0, l1_regularization=0.1), 1,
         "linear/bias_weight", [0.33333]),
        (learn.SVM("id", OLD[:1], weight_column_name="y"), 1,
         "binary_svm_head/train_op/linear/x/weight_unshrinked/SDCAOptimizer", [0.5]),
    ]  # fmt: skip
    for model, label, name, wanted in cases:
        model.fit(input_fn=lambda label=label: (old_features(), tf.constant([[label]])), steps=3)
        np.testing.assert_allclose(model.get_variable_value(name).ravel(), wanted, atol=2e-5)
    assert list(cases[3][0].predict_classes(input_fn=old_features)) == [1]


def test_what_older_estimators_refuse():
    sdca = optimizer.SDCAOptimizer("id")
    assert (sdca.get_name(), sdca.adaptive, sdca.num_table_shards) == ("SDCAOptimizer", True, None)
    with pytest.raises(AssertionError, match="binary"):
        tf.contrib.learn.LinearClassifier(OLD, n_classes=3, optimizer=sdca)
    with pytest.raises(AssertionError, match="joint"):
        tf.contrib.learn.LinearClassifier(OLD, _joint_weight=True, optimizer=sdca)
    with pytest.raises(ValueError, match="centered_bias"):
        tf.contrib.learn.LinearRegressor(OLD, enable_centered_bias=True, optimizer=sdca)
    with pytest.raises(ValueError, match="Kernel"):
        tf.contrib.learn.SVM("id", OLD, kernels=1)
    with pytest.raises(ValueError, match="SDCA"):
        head = tf.contrib.learn.regression_head()
        tf.contrib.learn.LinearEstimator(OLD, head, optimizer=sdca)
