"""Canned estimators and heads: names of variables, learning, metrics, and what is refused."""

import numpy as np
import pytest

import millrace as tf

E, FC, C = tf.estimator, tf.feature_column, tf.contrib.estimator
QUIET = E.RunConfig(tf_random_seed=1, save_summary_steps=None, log_step_count_steps=None)
X = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]], np.float32)
COLUMNS = (FC.numeric_column("x", 2),)


def data(labels, epochs=None):
    return E.inputs.numpy_input_fn(
        {"x": X, "w": np.ones([4], np.float32)},
        np.array(labels),
        batch_size=4,
        num_epochs=epochs,
        shuffle=False,
    )


def test_a_network_learns(tmp_path):
    model = E.DNNClassifier([8], COLUMNS, str(tmp_path), config=QUIET, optimizer="Adam")
    model.train(data([0, 1, 1, 0]), steps=40)
    assert model.evaluate(data([0, 1, 1, 0], 1))["loss"] < 2.8
    assert sorted(n for n in model.get_variable_names() if "Adam" not in n and "beta" not in n) == [
        "dnn/hiddenlayer_0/bias",
        "dnn/hiddenlayer_0/kernel",
        "dnn/logits/bias",
        "dnn/logits/kernel",
        "global_step",
    ]
    row = next(model.predict(data([0, 1, 1, 0], 1)))
    assert row["classes"] == [b"0"]
    assert row["all_classes"].tolist() == [b"0", b"1"]


def test_linear_names_and_words(tmp_path):
    model = E.LinearClassifier(
        COLUMNS, str(tmp_path), n_classes=3, label_vocabulary=["a", "b", "c"], config=QUIET
    )
    model.train(data(["a", "b", "c", "a"]), steps=20)
    names = model.get_variable_names()
    assert {"linear/linear_model/x/weights", "linear/linear_model/bias_weights"} <= set(names)
    assert next(model.predict(data(["a"] * 4, 1)))["classes"].tolist() == [b"a"]


def test_combined_counts_a_step_once(tmp_path):
    model = E.DNNLinearCombinedRegressor(
        str(tmp_path),
        COLUMNS,
        dnn_feature_columns=COLUMNS,
        dnn_hidden_units=[2],
        config=QUIET,
        batch_norm=True,
    )
    model.train(data([[1.0], [2.0], [3.0], [4.0]]), steps=3)
    assert model.get_variable_value("global_step") == 3
    assert "dnn/hiddenlayer_0/batchnorm_0/moving_mean" in model.get_variable_names()


def test_baseline_is_the_average(tmp_path):
    model = E.BaselineRegressor(str(tmp_path), config=QUIET, optimizer=tf.train.GradientDescentOptimizer(0.1))
    model.train(data([[1.0], [2.0], [3.0], [4.0]]), steps=30)
    np.testing.assert_allclose(next(model.predict(data([[0.0]] * 4, 1)))["predictions"], [2.5], rtol=1e-3)


def run(head, logits, labels, features=None):
    with tf.Graph().as_default(), tf.Session() as sess:
        spec = head.create_estimator_spec(features or {}, "eval", tf.constant(logits), labels=labels)
        sess.run([tf.local_variables_initializer(), tf.tables_initializer()])
        sess.run([update for _, update in spec.eval_metric_ops.values()])
        values = {
            k: float(v) for k, v in sess.run({k: v[0] for k, v in spec.eval_metric_ops.items()}).items()
        }
        return float(sess.run(spec.loss)), values


def test_binary_head_with_thresholds():
    loss, found = run(
        C.binary_classification_head(thresholds=[0.7], name="h"), [[0.5], [-1.0], [2.0]], [[1], [0], [1]]
    )
    np.testing.assert_allclose(loss, 0.30476, rtol=1e-4)
    np.testing.assert_allclose(found["accuracy/positive_threshold_0.7/h"], 2 / 3, rtol=1e-5)
    assert found["accuracy_baseline/h"] == pytest.approx(2 / 3)


def test_multi_label_and_poisson_heads():
    logits = [[0.5, 0.0, 1.0], [-1.0, 2.0, 0.0], [0.1, 0.2, 0.3]]
    loss, _ = run(C.multi_label_head(3), logits, [[1, 0, 1], [0, 1, 0], [0, 0, 1]])
    np.testing.assert_allclose(loss, 0.52341, rtol=1e-4)
    loss, found = run(C.poisson_regression_head(), [[0.5], [-1.0], [2.0]], [[1.0], [0.0], [3.0]])
    np.testing.assert_allclose(loss, 1.55658, rtol=1e-4)
    np.testing.assert_allclose(found["prediction/mean"], 3.13522, rtol=1e-4)


def test_several_heads():
    heads = [C.regression_head(name="a"), C.binary_classification_head(name="b")]
    labels = {"a": [[1.0], [0.0], [3.0]], "b": [[1], [0], [1]]}
    loss, found = run(C.multi_head(heads, [1.0, 2.0]), [[0.5, 1.0], [-1.0, 0.0], [2.0, 1.0]], labels)
    np.testing.assert_allclose(loss, 1.62978, rtol=1e-4)
    assert {"loss/a", "loss/b", "auc/b", "average_loss/a"} <= set(found)


@pytest.mark.parametrize(
    "call",
    [
        lambda: C.multi_class_head(2),
        lambda: C.binary_classification_head(thresholds=[2.0]),
        lambda: C.regression_head(label_dimension=0),
        lambda: C.regression_head(loss_reduction="none"),
        lambda: C.multi_label_head(1),
        lambda: C.multi_head([]),
        lambda: C.multi_head([C.regression_head()]),
        lambda: E.DNNLinearCombinedRegressor("x"),
        lambda: run(C.binary_classification_head(), [[0.5]], [[1, 0]]),
        lambda: run(C.binary_classification_head(), [[0.5]], None),
        lambda: run(C.multi_class_head(3), [[0.5, 0.1, 0.2]], [["a"]]),
    ],
)
def test_refused(call):
    with pytest.raises(ValueError, match=r".+"):
        call()


def _shared():
    return FC.shared_embedding_columns([FC.categorical_column_with_identity(k, 4) for k in "ij"], 3)


def _shared_data():
    features = {"x": X, "i": np.array([0, 1, 2, 3]), "j": np.array([3, 3, 0, 1])}
    return E.inputs.numpy_input_fn(features, np.ones([4, 1], np.float32), 4, None, False)


def test_seeds_of_models_with_shared_tables_are_those_of_1_15(tmp_path):
    # From TensorFlow 1.15.5: with a shared table, the layers are those of before 1.13.
    class Seeds(tf.train.SessionRunHook):
        def begin(self):
            found = tf.get_default_graph().get_operations()
            self.seeds = [
                op.get_attr("seed2") for op in found if op.type in ("TruncatedNormal", "RandomUniform")
            ]

    deep, linear = Seeds(), Seeds()
    E.DNNRegressor([3], [*_shared(), *COLUMNS], str(tmp_path / "d"), config=QUIET).train(
        _shared_data(), hooks=[deep], steps=1
    )
    model = E.LinearRegressor([*_shared(), *COLUMNS], str(tmp_path / "l"), config=QUIET)
    model.train(_shared_data(), hooks=[linear], steps=1)
    assert (deep.seeds, linear.seeds) == ([85, 278, 331], [90])
    assert [n for n in sorted(model.get_variable_names()) if n.endswith("weights") and "Ftrl" not in n] == [
        "linear/linear_model/bias_weights",
        "linear/linear_model/i_j_shared_embedding/embedding_weights",
        "linear/linear_model/i_j_shared_embedding/weights",
        "linear/linear_model/i_j_shared_embedding_1/weights",
        "linear/linear_model/x/weights",
    ]
