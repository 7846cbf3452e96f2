"""Heads of `tf.contrib.learn`, and estimators around them: names, numbers and what is refused."""

import numpy as np
import pytest

import millrace as tf

L, LC = tf.contrib.learn, tf.contrib.layers
X = ((np.arange(12) * 7 % 11 - 5) * 0.2).reshape(6, 2).astype(np.float32)
WORDS = np.array(list("abcabc"))
QUIET = L.RunConfig(tf_random_seed=3)


def ops_of(head, labels, mode, width, features=None):
    features = features or {"x": tf.placeholder(tf.float32, [None, 2])}
    return head.create_model_fn_ops(
        features, mode, labels, L.no_op_train_fn, tf.placeholder(tf.float32, [None, width], name="lg")
    )


def test_names_of_a_regression_head_are_those_of_1_15():
    ops = ops_of(L.regression_head(), tf.placeholder(tf.float32, [None, 1]), "train", 1)
    assert ops.loss.name == "regression_head/mean_squared_loss/loss:0"
    assert ops.predictions["scores"].name == "regression_head/predictions/Identity:0"
    assert ops.train_op.name == "regression_head/train_op/NoOp"
    assert [t.name for t in tf.get_collection("summaries")] == ["loss:0"]
    assert list(ops.output_alternatives) == [None]


def test_metrics_of_a_binary_head():
    head = L.multi_class_head(2, head_name="q", thresholds=[0.2])
    ops = ops_of(head, tf.placeholder(tf.int32, [None, 1]), "eval", 1)
    assert sorted(ops.eval_metric_ops) == [
        "accuracy/baseline_label_mean/q",
        "accuracy/q",
        "accuracy/threshold_0.200000_mean/q",
        "auc/q",
        "auc_precision_recall/q",
        "labels/actual_label_mean/q",
        "labels/prediction_mean/q",
        "loss/q",
        "precision/positive_threshold_0.200000_mean/q",
        "recall/positive_threshold_0.200000_mean/q",
    ]
    assert ops.output_alternatives["q"][0] == L.ProblemType.LOGISTIC_REGRESSION


def test_measures_of_single_classes():
    head = L.multi_class_head(3, metric_class_ids=[2], weight_column_name="w")
    features = {"w": tf.constant([[1.0], [3.0]])}
    logits = tf.constant([[0.0, 0.0, 2.0], [1.0, 0.0, 0.0]])
    ops = head.create_model_fn_ops(features, "eval", tf.constant([[2], [2]]), None, logits)
    keys = sorted(k for k in ops.eval_metric_ops if k.endswith("class2"))
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        sess.run([pair[1] for pair in ops.eval_metric_ops.values()])
        found = sess.run({k: ops.eval_metric_ops[k][0] for k in [*keys, "accuracy"]})
    assert found["accuracy"] == found["labels/prediction_mean/class2"] == pytest.approx(0.25)
    assert found["labels/actual_label_mean/class2"] == 1.0
    assert found["labels/logits_mean/class2"] == pytest.approx(0.5)


def test_multi_label_takes_sparse_labels():
    labels = tf.SparseTensor([[0, 0], [1, 0], [1, 1]], tf.constant([0, 0, 2], tf.int64), [2, 2])
    ops = L.multi_label_head(3).create_model_fn_ops(
        {"x": tf.zeros([2])}, "eval", labels, None, tf.constant([[9.0, -9, -9], [9, -9, 9]])
    )
    with tf.Session() as sess:
        assert sess.run(ops.loss) < 0.001
        np.testing.assert_array_equal(sess.run(ops.predictions["classes"]), [[1, 0, 0], [1, 0, 1]])


def test_several_heads_share_logits():
    heads = [
        L.regression_head(label_name="a", head_name="ha"),
        L.multi_class_head(3, label_name="b", head_name="hb"),
        L.head.loss_only_head(lambda: tf.constant(2.0), "lo"),
    ]
    head = L.multi_head(heads, [1.0, 0.5, 2.0])
    assert head.logits_dimension == 4
    labels = {"a": tf.zeros([2, 1]), "b": tf.constant([[0], [1]])}
    ops = head.create_model_fn_ops({"x": tf.zeros([2])}, "eval", labels, None, tf.zeros([2, 4]))
    assert set(ops.predictions) == {
        ("ha", "scores"), ("hb", "classes"), ("hb", "logits"), ("hb", "probabilities")
    }  # fmt: skip
    with tf.Session() as sess:
        assert sess.run(ops.loss) == pytest.approx(0.5 * np.log(3.0) + 4.0)
    assert head.create_model_fn_ops(
        {"x": tf.zeros([2])}, "train", labels, L.no_op_train_fn, tf.zeros([2, 4])
    ).train_op.type == "NoOp"  # fmt: skip


def test_hinge_and_poisson():
    svm = ops_of(L.binary_svm_head(), tf.placeholder(tf.int32, [None]), "eval", 1)
    assert svm.loss.name == "binary_svm_head/hinge_loss/loss:0"
    counts = L.poisson_regression_head().create_model_fn_ops(
        {"x": tf.zeros([1])}, "infer", logits=tf.constant([[0.0]])
    )
    with tf.Session() as sess:
        assert sess.run(counts.predictions["scores"]).tolist() == [1.0]


def test_a_bias_of_its_own_is_learnt(tmp_path):
    model = L.LinearEstimator(
        [LC.real_valued_column("x", 2)],
        L.regression_head(enable_centered_bias=True),
        str(tmp_path),
        config=QUIET,
    )
    model.fit(input_fn=lambda: ({"x": tf.constant(X)}, tf.ones([6, 1])), steps=2)
    names = model.get_variable_names()
    assert "linear/regression_head/centered_bias_weight" in names
    assert model.get_variable_value("linear/regression_head/centered_bias_weight")[0] > 0


def test_words_as_classes_and_seeds_of_embeddings(tmp_path):
    # From TensorFlow 1.15.5: an embedding's ids become a matrix, which counts among the operations.
    class Seeds(tf.train.SessionRunHook):
        def begin(self):
            found = tf.get_default_graph().get_operations()
            self.seeds = [op.get_attr("seed2") for op in found if op.type == "TruncatedNormal"]

    def given():
        words = tf.SparseTensor([[i, 0] for i in range(6)], WORDS, [6, 1])
        return {"x": tf.constant(X), "k": words}, tf.constant(np.array(list("pqrpqr")).reshape(6, 1))

    table = LC.embedding_column(LC.sparse_column_with_keys("k", ["a", "b", "c"]), 3)
    seeds = Seeds()
    model = L.DNNClassifier(
        [4],
        [LC.real_valued_column("x", 2), table],
        str(tmp_path),
        3,
        config=QUIET,
        label_keys=["p", "q", "r"],
        embedding_lr_multipliers={table: 0.0},
    )
    model.fit(input_fn=given, steps=1, monitors=[seeds])
    first = model.get_variable_value("dnn/input_from_feature_columns/k_embedding/weights")
    model.fit(input_fn=given, steps=2)
    again = model.get_variable_value("dnn/input_from_feature_columns/k_embedding/weights")
    np.testing.assert_array_equal(first, again)
    assert seeds.seeds == [49]
    assert set(model.predict_classes(input_fn=lambda: (given()[0], None))) <= {b"p", b"q", b"r"}


def test_logistic_regressor(tmp_path):
    def model_fn(features, labels, mode):
        weights = tf.get_variable("w", initializer=np.array([[0.5], [-0.2]], np.float32))
        likely = tf.sigmoid(tf.matmul(features, weights))
        loss = None if labels is None else tf.reduce_mean(tf.square(likely - labels))
        step = None
        if mode == "train":
            step = tf.train.GradientDescentOptimizer(0.1).minimize(loss, tf.train.get_global_step())
        return likely, loss, step

    x = np.array([[0.0, 1], [1, 0], [1, 1], [0, 0], [2, 1], [0, 2]], np.float32)
    y = np.array([[0], [1], [1], [0], [1], [0]], np.float32)
    model = L.LogisticRegressor(model_fn, model_dir=str(tmp_path), config=QUIET)
    given = lambda: (tf.constant(x), tf.constant(y))  # noqa: E731
    found = model.fit(input_fn=given, steps=3).evaluate(input_fn=given, steps=1)
    # From TensorFlow 1.15.5.
    assert found["labels/prediction_mean"] == pytest.approx(0.54192, abs=1e-5)
    assert found["precision/positive_threshold_0.500000_mean"] == pytest.approx(0.75)
    assert found["auc"] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda: L.multi_class_head(1),
        lambda: L.multi_class_head(2, metric_class_ids=[0]),
        lambda: L.multi_class_head(3, label_keys=["a"]),
        lambda: L.multi_label_head(1),
        lambda: L.multi_head([L.regression_head()]),
        lambda: L.multi_head([L.regression_head(head_name="a")], [1.0, 2.0]),
        lambda: L.multi_head([object()]),
        lambda: L.regression_head().create_model_fn_ops({}, "infer"),
        lambda: L.regression_head().create_model_fn_ops({}, "infer", logits=tf.zeros([2, 3])),
        lambda: ops_of(L.regression_head(), tf.sparse_placeholder(tf.float32), "eval", 1),
        lambda: L.LinearEstimator([], L.regression_head()),
        lambda: L.DNNLinearCombinedEstimator(L.regression_head()),
    ],
)
def test_refused(call):
    with pytest.raises(ValueError, match="."):
        call()
