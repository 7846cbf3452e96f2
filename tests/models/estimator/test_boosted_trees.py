"""Boosted trees: training, bias, pruning, memory, files, explanations; the numbers are TensorFlow 1.15's."""

import numpy as np
import pytest

import millrace as tf

E, FC, C = tf.estimator, tf.feature_column, tf.contrib.estimator
QUIET = E.RunConfig(tf_random_seed=1, save_summary_steps=None, log_step_count_steps=None)
A = np.array([0.1, 0.4, 0.6, 0.9, 0.2, 0.7, 0.3, 0.8], np.float32)
B = np.array([0.5, 0.2, 0.9, 0.1, 0.8, 0.4, 0.6, 0.7], np.float32)
S = np.array(["p", "q", "p", "q", "q", "p", "q", "p"])
Y = (2 * A + (S == "p") - 0.5 * B).astype(np.float32)
COLUMNS = [
    FC.bucketized_column(FC.numeric_column("a"), [0.25, 0.5, 0.75]),
    FC.numeric_column("b"),
    FC.indicator_column(FC.categorical_column_with_vocabulary_list("s", ["p", "q"])),
]
WITH_BIAS = [1.0391493, 0.74765623, 1.8440104, 1.5851562, 0.20390624, 2.0349827, 0.41015622, 2.0349827]
CLASSIFIED = 0.54756784


def data(labels=Y, batch=8, repeat=True):
    def input_fn():
        found = tf.data.Dataset.from_tensor_slices(({"a": A, "b": B, "s": S}, labels))
        return (found.repeat() if repeat else found).batch(batch)

    return input_fn


def whole(labels=Y):
    return lambda: tf.data.Dataset.from_tensors(({"a": A, "b": B, "s": S}, labels))


def test_a_regressor_with_a_bias(tmp_path):
    model = E.BoostedTreesRegressor(
        COLUMNS, 1, str(tmp_path), n_trees=2, max_depth=2, learning_rate=0.5, config=QUIET, center_bias=True
    )
    model.train(data(), max_steps=50)
    found = [row["predictions"][0] for row in model.predict(data(repeat=False))]
    np.testing.assert_allclose(found, WITH_BIAS, rtol=1e-5)
    assert model.get_variable_names() == [
        "boosted_trees/QuantileAccumulator:0_bucket_boundaries_0",
        "boosted_trees/are_boundaries_ready",
        "boosted_trees/center_bias_needed",
        "boosted_trees:0_serialized",
        "boosted_trees:0_stamp",
        "global_step",
    ]
    explained = list(model.experimental_predict_with_explanations(data(repeat=False)))
    for row, prediction in zip(explained, found, strict=True):
        assert sorted(row["dfc"]) == ["a_bucketized", "b", "s"]
        assert row["bias"] + sum(row["dfc"].values()) == pytest.approx(prediction, rel=1e-5)
    importances = model.experimental_feature_importances(normalize=True)
    assert sum(importances.values()) == pytest.approx(1)
    assert next(iter(importances)) == "a_bucketized"


def test_a_classifier_of_several_batches_a_layer(tmp_path):
    labels = (Y > 1.2).astype(np.int32)
    model = E.BoostedTreesClassifier(
        COLUMNS,
        2,
        str(tmp_path),
        n_trees=3,
        max_depth=2,
        config=QUIET,
        tree_complexity=0.001,
        pruning_mode="post",
        l2_regularization=0.1,
    )
    model.train(data(labels, batch=4), max_steps=100)
    assert model.get_variable_value("global_step") == 12  # the quantiles took two more batches
    found = model.evaluate(data(labels), steps=1)
    assert found["accuracy"] == 1
    assert found["loss"] == pytest.approx(CLASSIFIED, rel=1e-5)
    with pytest.raises(ValueError, match="center_bias"):
        model.experimental_predict_with_explanations(data(labels))


def test_training_goes_on_from_its_files(tmp_path):
    def model(steps, where):
        made = E.BoostedTreesRegressor(COLUMNS, 1, str(where), n_trees=4, max_depth=2, config=QUIET)
        for step in steps:
            made.train(data(), max_steps=step)
        return [row["predictions"][0] for row in made.predict(data(repeat=False))]

    assert model([5], tmp_path / "once") == model([2, 5], tmp_path / "twice")


def test_in_memory_is_the_same(tmp_path):
    options = dict(n_trees=3, max_depth=2, config=QUIET, center_bias=True, learning_rate=0.3)
    kept = C.boosted_trees_regressor_train_in_memory(whole(), COLUMNS, str(tmp_path / "kept"), **options)
    again = E.BoostedTreesRegressor(COLUMNS, 1, str(tmp_path / "again"), **options)
    again.train(data())
    first, second = ([row["predictions"][0] for row in m.predict(data(repeat=False))] for m in (kept, again))
    np.testing.assert_allclose(first, second, rtol=1e-5)
    assert {"boosted_trees/tree_ids_cache", "boosted_trees/logits_cache"} <= set(kept.get_variable_names())
    labels = (Y > 1.2).astype(np.int32)
    sorted_out = C.boosted_trees_classifier_train_in_memory(
        whole(labels),
        COLUMNS[:1],
        str(tmp_path / "classes"),
        n_trees=1,
        max_depth=1,
        config=QUIET,
    )
    assert sorted_out.get_variable_value("global_step") == 1


def test_any_head_of_one_logit_and_an_export(tmp_path):
    model = E.BoostedTreesEstimator(
        COLUMNS[:2], 1, C.logistic_regression_head(), str(tmp_path), n_trees=1, max_depth=2, config=QUIET
    )
    model.train(data((Y > 1.2).astype(np.float32)))
    spec = FC.make_parse_example_spec(COLUMNS[:2])
    receiver = E.export.build_parsing_serving_input_receiver_fn(spec)
    path = model.export_saved_model(str(tmp_path / "export"), receiver)
    example = tf.train.Example(
        features=tf.train.Features(
            feature={
                key: tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
                for key, value in (("a", 0.1), ("b", 0.5))
            }
        )
    ).SerializeToString()
    served = tf.contrib.predictor.from_saved_model(path, signature_def_key="predict")({"examples": [example]})
    wanted = next(model.predict(data(repeat=False)))
    np.testing.assert_allclose(served["predictions"][0], wanted["predictions"], rtol=1e-6)


def test_without_growth_training_ends(tmp_path):
    model = E.BoostedTreesRegressor(
        COLUMNS[:1],
        1,
        str(tmp_path),
        n_trees=2,
        max_depth=2,
        tree_complexity=1e9,
        pruning_mode="pre",
        config=QUIET,
    )
    model.train(data(), max_steps=60)
    assert model.get_variable_value("global_step") == 9


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: E.BoostedTreesClassifier(COLUMNS, 1, n_classes=3), "binary"),
        (lambda: E.BoostedTreesRegressor(COLUMNS, 1, label_dimension=2), "1 dimension"),
        (lambda: E.BoostedTreesRegressor(COLUMNS, 1, pruning_mode="x"), "pruning_mode"),
        (lambda: E.BoostedTreesRegressor(COLUMNS, 1, pruning_mode="pre"), "tree_complexity"),
        (lambda: E.BoostedTreesRegressor(COLUMNS, 1, tree_complexity=0.1), "does nothing without pruning"),
        (
            lambda: E.BoostedTreesRegressor([FC.categorical_column_with_identity("s", 3)], 1),
            "IndicatorColumn",
        ),
        (
            lambda: E.BoostedTreesRegressor(
                [FC.embedding_column(FC.categorical_column_with_identity("s", 3), 2)], 1
            ),
            "must be bucketized_column",
        ),
    ],
)
def test_what_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_in_memory_takes_one_batch(tmp_path):
    model = E.BoostedTreesRegressor(COLUMNS, 2, str(tmp_path), config=QUIET, train_in_memory=True)
    with pytest.raises(AssertionError, match="single batch"):
        model.train(data(), max_steps=1)
