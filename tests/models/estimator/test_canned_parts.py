"""Estimators that programs make of the canned ones' private parts."""

import importlib

import numpy as np
import pytest

import millrace as tf

heads = importlib.import_module("millrace.python.estimator.canned.head")
keys = importlib.import_module("millrace.python.estimator.canned.metric_keys").MetricKeys


def _numbers():
    features = {"x": np.linspace(0, 1, 8).astype("f"), "w": np.ones(8, "f")}
    return tf.estimator.inputs.numpy_input_fn(
        features, (2 * features["x"]).reshape(8, 1), 4, 2, shuffle=False
    )


@pytest.mark.parametrize("kind", ["dnn", "linear", "dnn_linear_combined"])
def test_a_model_function_serves_an_estimator_of_ones_own(tmp_path, kind):
    canned = importlib.import_module(f"millrace.python.estimator.canned.{kind}")
    columns = [tf.feature_column.numeric_column("x")]
    optimizer = importlib.import_module("millrace.python.estimator.canned.optimizers").get_optimizer_instance

    def model_fn(features, labels, mode, config):
        head = heads._regression_head(weight_column="w")
        if kind == "dnn":
            return canned._dnn_model_fn(
                features, labels, mode, head, [4], columns, optimizer("SGD", 0.1), config=config
            )
        if kind == "linear":
            return canned._linear_model_fn(
                features, labels, mode, head, columns, optimizer("SGD", 0.1), None, config
            )
        return canned._dnn_linear_combined_model_fn(
            features, labels, mode, head, columns, "SGD", columns, "SGD", [4], config=config
        )

    estimator = tf.estimator.Estimator(
        model_fn, str(tmp_path), config=tf.estimator.RunConfig(tf_random_seed=1)
    )
    estimator.train(_numbers())
    found = estimator.evaluate(_numbers())
    assert found["global_step"] == 4 and {keys.LOSS_MEAN, keys.PREDICTION_MEAN, keys.LABEL_MEAN} < set(found)


def test_a_head_with_another_loss():
    class Twice(heads._RegressionHeadWithMeanSquaredErrorLoss):
        def create_loss(self, features, mode, logits, labels):
            labels = heads._check_dense_labels_match_logits_and_reshape(labels, logits, self.logits_dimension)
            weights = heads._get_weights_and_check_match_logits(features, None, logits)
            each = heads._call_loss_fn(
                lambda labels, logits: (labels - logits) ** 2, labels, logits, features
            )
            return heads.LossSpec(2 * tf.reduce_sum(each), each, weights, labels)

    head = Twice(name="mine")
    assert isinstance(head, heads._Head) and heads._summary_key(head.name, "loss") == "loss/mine"
    with tf.Graph().as_default(), tf.Session() as sess:
        spec = head.create_estimator_spec(
            {}, "eval", tf.constant([[1.0], [3.0]]), labels=tf.constant([1.0, 1.0])
        )
        assert sess.run(spec.loss) == 8
        with pytest.raises(ValueError, match="logits shape"):
            heads._check_logits_final_dim(tf.zeros([2, 1]), 3)
    with pytest.raises(ValueError, match="must contain argument: labels"):
        heads._validate_loss_fn_args(lambda logits: logits)
    assert heads._binary_logistic_or_multi_class_head(3, None, None, "weighted_sum").logits_dimension == 3


def test_logits_lie_in_the_scope_of_their_weights():
    with tf.Graph().as_default(), tf.variable_scope("linear"):
        column = tf.feature_column.numeric_column("x", 2)
        logits = tf.estimator.experimental.linear_logit_fn_builder(1, [column])({"x": tf.ones([3, 2])})
        assert logits.op.name == "linear/linear_model/linear_model/linear_model/weighted_sum"
        assert [v.op.name for v in tf.global_variables()] == [
            "linear/linear_model/x/weights",
            "linear/linear_model/bias_weights",
        ]
