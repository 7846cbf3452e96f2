"""Trees of `contrib.boosted_trees`: strategies, modes, features, files and refusals."""

import numpy as np
import pytest
from millrace.contrib.boosted_trees.estimator_batch.estimator import (
    GradientBoostedDecisionTreeClassifier,
    GradientBoostedDecisionTreeEstimator,
    GradientBoostedDecisionTreeRanker,
    GradientBoostedDecisionTreeRegressor,
)
from millrace.contrib.boosted_trees.proto import learner_pb2

import millrace as tf

CONFIG = learner_pb2.LearnerConfig
RANDOM = np.random.RandomState(0)
X = RANDOM.randn(120, 3).astype(np.float32)
AND = ((X[:, 0] > 0) & (X[:, 1] > 0.2)).astype(np.int64)
THREE = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0.3)


def learner(depth=2, rate=0.5, **fields):
    config = CONFIG(**fields)
    if config.learning_rate_tuner.WhichOneof("tuner") is None:
        config.learning_rate_tuner.fixed.learning_rate = rate
    config.constraints.max_tree_depth = depth
    return config


def data(labels=AND):
    return lambda: ({"x": tf.constant(X)}, tf.constant(labels))


def trained(estimator, steps=60, input_fn=None):
    input_fn = input_fn or data()
    estimator.fit(input_fn=input_fn, max_steps=steps)
    return estimator.evaluate(input_fn=input_fn, steps=1)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"growing_mode": CONFIG.WHOLE_TREE},
        {"pruning_mode": CONFIG.PRE_PRUNE, "averaging_config": {"average_last_n_trees": 2}},
        {"learning_rate_tuner": {"dropout": {"dropout_probability": 0.5, "learning_rate": 0.5}}},
    ],
)
def test_two_classes(fields):
    config = learner(**fields)
    model = GradientBoostedDecisionTreeClassifier(config, 120, num_trees=2, center_bias=False)
    found = trained(model)
    assert found["accuracy"] > 0.9
    assert found["global_step"] == 1 + 2 * 2  # one for the quantiles, and stops at two trees


def test_the_first_layer_is_newtons_step():
    config = learner(depth=1, rate=1.0)
    config.regularization.l2 = 0.01
    model = GradientBoostedDecisionTreeRegressor(config, 120, num_trees=1, center_bias=False)
    labels = np.where(X[:, 0] > 0, 3, -1).astype(np.float32)
    right = X[:, 0] > 0
    signs = np.where(right, 1, -1).astype(np.float32)
    trained(model, input_fn=lambda: (tf.constant(signs), tf.constant(labels)))
    scores = np.array(list(model.predict(input_fn=lambda: tf.constant(signs))))
    for side, value in ((right, 3.0), (~right, -1.0)):  # of the mean squared error: g = -2v/n, h = 2/n
        gradient, hessian = -2 * value * side.sum() / 120, 2 * side.sum() / 120
        np.testing.assert_allclose(scores[side], -gradient / (hessian + 0.01), rtol=1e-5)


@pytest.mark.parametrize("strategy", ["DIAGONAL_HESSIAN", "FULL_HESSIAN", "TREE_PER_CLASS"])
def test_three_classes(strategy):
    config = learner(multi_class_strategy=getattr(CONFIG, strategy))
    model = GradientBoostedDecisionTreeClassifier(config, 120, 3, num_trees=3, output_leaf_index=True)
    assert trained(model, input_fn=data(THREE))["accuracy"] > 0.6
    rows = list(
        model.predict(input_fn=lambda: {"x": tf.constant(X)}, outputs=["leaf_index", "probabilities"])
    )
    assert rows[0]["leaf_index"].shape == (4,)  # a new tree begins when one is finished
    assert rows[0]["probabilities"].shape == (3,)


def test_sparse_numbers_and_categories():
    def category():
        return tf.SparseTensor([[i, 0] for i in range(0, 120, 2)], tf.constant(AND[::2] * 7 + 5), [120, 1])

    def number():
        return tf.SparseTensor(
            [[i, 0] for i in range(1, 120, 2)], tf.constant(AND[1::2].astype(np.float32)), [120, 1]
        )

    model = GradientBoostedDecisionTreeClassifier(learner(depth=3), 120, num_trees=4, center_bias=False)
    found = trained(model, input_fn=lambda: ({"c": category(), "n": number()}, tf.constant(AND)))
    assert found["accuracy"] == 1.0


def test_pairs_are_ranked():
    other = RANDOM.randn(120, 3).astype(np.float32)
    better = (X[:, 1] > other[:, 1]).astype(np.float32)
    head = tf.contrib.learn.multi_class_head(2)
    model = GradientBoostedDecisionTreeRanker(learner(), 240, head, ("a", "b"), num_trees=5)
    found = trained(
        model, input_fn=lambda: ({"a.f": tf.constant(X), "b.f": tf.constant(other)}, tf.constant(better))
    )
    assert found["accuracy"] > 0.9
    scores = [row["logits"][0] for row in model.predict(input_fn=lambda: {"f": tf.constant(X)})]
    assert np.corrcoef(scores, X[:, 1])[0, 1] > 0.85


def test_heads_of_both_kinds_columns_and_a_number_of_examples_by_layer():
    head = tf.contrib.estimator.binary_classification_head()
    column = tf.feature_column.numeric_column("x", shape=3)
    models = [
        GradientBoostedDecisionTreeEstimator(learner(), lambda layer: 120 + 0 * layer, head, 3),
        GradientBoostedDecisionTreeClassifier(
            learner(), 120, num_trees=3, feature_columns=[column], use_core_libs=True
        ),
        GradientBoostedDecisionTreeClassifier(
            learner(), 120, num_trees=3, feature_columns=[tf.contrib.layers.real_valued_column("x", 3)]
        ),
    ]
    losses = [trained(model)["loss"] for model in models]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-5)


def test_training_goes_on_where_a_checkpoint_ends(tmp_path):
    def model(folder):
        return GradientBoostedDecisionTreeClassifier(
            learner(), 120, num_trees=4, model_dir=str(tmp_path / folder), center_bias=False
        )

    trained(model("parts"), steps=4)
    resumed, at_once = trained(model("parts")), trained(model("whole"))
    assert resumed["loss"] == pytest.approx(at_once["loss"], rel=1e-6)
    assert resumed["global_step"] == at_once["global_step"] == 9


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_classes": 3}, "doesn't match"),
        ({"feature_fraction_per_tree": 1.5}, "fraction"),
        ({"weak_learner_type": CONFIG.OBLIVIOUS_DECISION_TREE}, "OBLIVIOUS"),
        ({"learning_rate_tuner": {"line_search": {"num_steps": 2}}}, "line_search"),
        ({"learning_rate_tuner": {"dropout": {"dropout_probability": 2.0}}}, "dropout"),
    ],
)
def test_what_cannot_be_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        trained(GradientBoostedDecisionTreeClassifier(learner(**fields), 120))


def test_a_share_of_the_features():
    model = GradientBoostedDecisionTreeClassifier(learner(feature_fraction_per_level=0.67), 120, num_trees=4)
    assert trained(model)["accuracy"] > 0.8
