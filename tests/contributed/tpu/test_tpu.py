"""TPUEstimator without a tensor processor: batch sizes, metrics, host calls, and what is refused."""

import numpy as np
import pytest

import millrace as tf

T = tf.contrib.tpu
X = np.arange(12, dtype=np.float32).reshape(6, 2) / 10
CALLS = []


def model_fn(features, labels, mode, params):
    w = tf.get_variable("w", [2, 1], initializer=tf.zeros_initializer())
    p = tf.matmul(features, w)
    if mode == "infer":
        return T.TPUEstimatorSpec(mode, predictions={"p": p})
    loss = tf.losses.mean_squared_error(labels, p)
    optimizer = tf.train.GradientDescentOptimizer(0.1)
    if not params["use_tpu"]:
        optimizer = T.CrossShardOptimizer(optimizer)
    train_op = optimizer.minimize(loss, tf.train.get_global_step())
    metrics = (lambda a, b: {"mse": tf.metrics.mean_squared_error(a, b)}, [labels, p])
    host_call = (lambda x: tf.py_func(CALLS.append, [x], []), [loss])
    return T.TPUEstimatorSpec(mode, loss=loss, train_op=train_op, eval_metrics=metrics, host_call=host_call)


def input_fn(params):
    data = tf.data.Dataset.from_tensor_slices((X, np.ones([6, 1], np.float32)))
    return data.batch(params["batch_size"], drop_remainder=True)


def made(folder, **kwargs):
    config = T.RunConfig(model_dir=str(folder), tpu_config=T.TPUConfig(iterations_per_loop=3))
    return T.TPUEstimator(model_fn, config=config, use_tpu=False, params={}, **kwargs)


def test_functions_are_told_the_batch_size(tmp_path):
    CALLS.clear()
    model = made(tmp_path, train_batch_size=2, eval_batch_size=3, predict_batch_size=1)
    model.train(input_fn)
    assert model.get_variable_value("global_step") == 3
    assert len(CALLS) == 3
    found = model.evaluate(input_fn)
    np.testing.assert_allclose(found["mse"], found["loss"], rtol=1e-5)
    assert len(list(model.predict(input_fn))) == 6


def test_configurations():
    config = T.RunConfig(master="m").replace(save_checkpoints_steps=3)
    assert (config.master, config.evaluation_master, config.save_checkpoints_steps) == ("m", "m", 3)
    assert config.tpu_config.per_host_input_for_training == 2


def test_bfloat16_scope():
    with tf.Graph().as_default(), T.bfloat16_scope():
        assert tf.get_variable("v", [2], tf.bfloat16).dtype == tf.bfloat16
        assert tf.global_variables()[0].dtype.base_dtype == tf.float32


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda d: T.TPUEstimator(model_fn, config=tf.estimator.RunConfig(model_dir=d)), ValueError),
        (lambda d: T.TPUEstimator(model_fn, config=T.RunConfig(model_dir=d)), ValueError),
        (
            lambda d: T.TPUEstimator(model_fn, config=T.RunConfig(), use_tpu=False, params={"batch_size": 1}),
            ValueError,
        ),
        (lambda d: made(d).train(lambda: None), ValueError),
        (lambda d: T.TPUConfig(num_shards=0), ValueError),
        (lambda d: T.TPUConfig(num_cores_per_replica=3), ValueError),
        (lambda d: T.TPUConfig(num_cores_per_replica=2, input_partition_dims=[[1, 2]]), ValueError),
        (lambda d: T.TPUConfig(num_cores_per_replica=2, input_partition_dims=[[1]] * 3), ValueError),
        (lambda d: T.TPUConfig(eval_training_input_configuration=1), ValueError),
        (
            lambda d: T.TPUEstimatorSpec("eval", loss=tf.constant(1.0), eval_metrics=(lambda a, b: {}, [1])),
            RuntimeError,
        ),
        (lambda d: T.CrossShardOptimizer(None, reduction="other"), ValueError),
        (lambda d: T.TPUEstimatorSpec("infer", tf.constant(1.0), eval_metrics=(3, [])), TypeError),
        (lambda d: T.TPUEstimatorSpec("train", loss=tf.constant(1.0)), ValueError),
    ],
)
def test_refused(call, error, tmp_path):
    with tf.Graph().as_default(), pytest.raises(error):
        call(str(tmp_path))


def test_metrics_are_made_once():
    calls = []

    def measured(a):
        calls.append(a)
        return {"m": tf.metrics.mean(a)}

    spec = T.TPUEstimatorSpec("eval", loss=tf.constant(1.0), eval_metrics=(measured, [tf.constant([1.0])]))
    assert not calls
    assert spec.as_estimator_spec().eval_metric_ops["m"][0].op.name == "mean/value"
    assert len(calls) == 1
