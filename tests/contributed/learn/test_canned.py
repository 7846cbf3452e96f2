"""The older estimators with models of their own, with TensorFlow 1.15's names and numbers."""

import numpy as np
import pytest

import millrace as tf

learn, layers = tf.contrib.learn, tf.contrib.layers
RANDOM = np.random.RandomState(0)
X = RANDOM.rand(60, 4).astype(np.float32)
CLASSES = (X.sum(1) * 1.5).astype(np.int32) % 3
BINARY = (CLASSES > 0).astype(np.int32)
COLUMNS = [layers.real_valued_column("", dimension=4)]
BOTH = {"linear_feature_columns": COLUMNS, "dnn_feature_columns": COLUMNS, "dnn_hidden_units": [4]}


def fitted(kind, labels, folder, **given):
    estimator = getattr(learn, kind)(model_dir=str(folder), config=learn.RunConfig(tf_random_seed=7), **given)

    def input_fn():
        return {"": tf.constant(X)}, tf.constant(labels)

    estimator.fit(input_fn=input_fn, steps=5)
    return estimator, estimator.evaluate(input_fn=input_fn, steps=1)


def test_deep_classifier(tmp_path):
    model, found = fitted(
        "DNNClassifier", CLASSES, tmp_path, hidden_units=[5, 3], feature_columns=COLUMNS, n_classes=3
    )
    assert found["loss"] == pytest.approx(1.1354105, rel=1e-5)
    assert found["accuracy"] == pytest.approx(0.36666667)
    assert model.get_variable_names() == [
        "dnn/hiddenlayer_0/biases",
        "dnn/hiddenlayer_0/biases/denlayer_0/biases/part_0/Adagrad",
        "dnn/hiddenlayer_0/weights",
        "dnn/hiddenlayer_0/weights/enlayer_0/weights/part_0/Adagrad",
        "dnn/hiddenlayer_1/biases",
        "dnn/hiddenlayer_1/biases/denlayer_1/biases/part_0/Adagrad",
        "dnn/hiddenlayer_1/weights",
        "dnn/hiddenlayer_1/weights/enlayer_1/weights/part_0/Adagrad",
        "dnn/logits/biases",
        "dnn/logits/biases/dnn/logits/biases/part_0/Adagrad",
        "dnn/logits/weights",
        "dnn/logits/weights/nn/logits/weights/part_0/Adagrad",
        "dnn/multi_class_head/dnn/learning_rate",
        "global_step",
    ]
    assert list(model.predict_classes({"": X[:4]})) == [2, 2, 2, 1] == list(model.predict({"": X[:4]}))
    likely = model.predict_proba({"": X[:4]}, as_iterable=False)
    np.testing.assert_allclose(likely[2], [0.30737504, 0.12608431, 0.56654066], rtol=1e-5)
    assert set(next(model.predict({"": X[:1]}, outputs=["logits"]))) == {"logits"}


def test_deep_classifier_of_two(tmp_path):
    _, found = fitted("DNNClassifier", BINARY, tmp_path, hidden_units=[5], feature_columns=COLUMNS)
    wanted = {
        "accuracy": 0.6,
        "accuracy/baseline_label_mean": 0.66666669,
        "accuracy/threshold_0.500000_mean": 0.6,
        "auc": 0.56124997,
        "auc_precision_recall": 0.67879617,
        "global_step": 5,
        "labels/actual_label_mean": 0.66666669,
        "labels/prediction_mean": 0.59708351,
        "loss": 0.64521712,
        "precision/positive_threshold_0.500000_mean": 0.64814812,
        "recall/positive_threshold_0.500000_mean": 0.875,
    }
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-5), name


@pytest.mark.parametrize(
    ("kind", "given", "labels", "loss", "step"),
    [
        ("DNNRegressor", {"hidden_units": [5], "feature_columns": COLUMNS}, X.sum(1), 0.73125905, 5),
        ("LinearClassifier", {"feature_columns": COLUMNS, "n_classes": 3}, CLASSES, 1.06325424, 5),
        ("LinearClassifier", {"feature_columns": COLUMNS}, BINARY, 0.65127867, 5),
        ("LinearRegressor", {"feature_columns": COLUMNS}, X.sum(1), 0.3240251, 5),
        ("DNNLinearCombinedClassifier", {"n_classes": 3, **BOTH}, CLASSES, 1.09586024, 6),
        (
            "DNNLinearCombinedRegressor",
            {"fix_global_step_increment_bug": True, **BOTH},
            X.sum(1),
            0.0437116,
            5,
        ),
    ],
)
def test_losses_are_as_in_1_15(tmp_path, kind, given, labels, loss, step):
    model, found = fitted(kind, labels, tmp_path, **given)
    assert found["loss"] == pytest.approx(loss, rel=2e-5)
    assert found["global_step"] == step
    if "Regressor" in kind:
        assert list(model.predict({"": X[:4]})) == list(model.predict_scores({"": X[:4]}))


def test_sparse_columns_and_an_optimizer_of_one_s_own(tmp_path):
    words = layers.sparse_column_with_keys("w", ["a", "b", "c"])
    columns = [layers.embedding_column(words, 2)]
    given = {"hidden_units": [3], "optimizer": tf.train.AdamOptimizer(0.1), "model_dir": str(tmp_path)}
    seeded = learn.RunConfig(tf_random_seed=1)
    model = learn.DNNClassifier(feature_columns=columns, config=seeded, **given)

    def input_fn():
        rows = tf.SparseTensor([[0, 0], [1, 0], [2, 0]], ["a", "b", "c"], [3, 1])
        return {"w": rows}, tf.constant([0, 1, 1])

    model.fit(input_fn=input_fn, steps=30)
    assert list(model.predict(input_fn=input_fn)) == [0, 1, 1]


def test_what_is_refused():
    with pytest.raises(ValueError, match="n_classes must be > 1"):
        learn.DNNClassifier([3], COLUMNS, n_classes=1)
    with pytest.raises(ValueError, match="feature_columns must be given"):
        learn.LinearRegressor([])
    with pytest.raises(ValueError, match="Either linear_feature_columns or"):
        learn.DNNLinearCombinedClassifier()
    with pytest.raises(ValueError, match="dnn_hidden_units must be defined"):
        learn.DNNLinearCombinedRegressor(dnn_feature_columns=COLUMNS)


def test_a_partitioner_of_the_input_layer():
    layers, learn = tf.contrib.layers, tf.contrib.learn
    column = layers.sparse_column_with_integerized_feature("c", 4)
    model = learn.DNNLinearCombinedEstimator(
        learn.regression_head(),
        linear_feature_columns=[column],
        dnn_feature_columns=[layers.embedding_column(column, 2)],
        dnn_hidden_units=[3],
        input_layer_partitioner=tf.fixed_size_partitioner(2),
    )

    def examples():
        ids = tf.SparseTensor([[0, 0]], tf.constant([1], tf.int64), [1, 1])
        return {"c": ids}, tf.constant([[1.0]])

    model.fit(input_fn=examples, steps=1)
    parts = [name for name in model.get_variable_names() if "part_1" in name]
    assert any("c_embedding" in name or "Adagrad" in name for name in parts)
