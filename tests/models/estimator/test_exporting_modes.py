"""Exports as functions, and the hook that stops at the step of a checkpoint."""

import json
import os

import millrace as tf


def model_fn(features, labels, mode):
    w = tf.get_variable("w", [], initializer=tf.zeros_initializer())
    predictions = features["x"] * w
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(mode, predictions={"y": predictions})
    loss = tf.reduce_mean(tf.square(predictions - labels))
    train_op = tf.train.GradientDescentOptimizer(0.1).minimize(loss, tf.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


def input_fn():
    return tf.data.Dataset.from_tensors(({"x": [1.0, 2.0]}, [2.0, 4.0])).repeat()


def receiver():
    x = tf.placeholder(tf.float32, [None], name="x")
    return tf.estimator.export.ServingInputReceiver({"x": x}, {"x": x})


def labelled_receiver():
    x, y = tf.placeholder(tf.float32, [None]), tf.placeholder(tf.float32, [None])
    return tf.contrib.estimator.build_raw_supervised_input_receiver_fn({"x": x}, y)()


def test_functions_export_what_methods_do(tmp_path):
    model = tf.estimator.Estimator(model_fn, str(tmp_path / "model")).train(input_fn, steps=2)
    one = tf.contrib.estimator.export_saved_model_for_mode(model, str(tmp_path / "one"), receiver)
    both = tf.contrib.estimator.export_all_saved_models(
        model,
        str(tmp_path / "all"),
        {tf.estimator.ModeKeys.PREDICT: receiver, tf.estimator.ModeKeys.TRAIN: labelled_receiver},
    )
    for path, tag in ((one, "serve"), (both, "serve"), (both, "train")):
        with tf.Graph().as_default(), tf.Session() as sess:
            tf.saved_model.load(sess, [tag], os.fsdecode(path))
            assert [v.op.name for v in tf.global_variables()] == ["global_step", "w"]


def test_chief_stops_at_the_step(tmp_path):
    model = tf.estimator.Estimator(model_fn, str(tmp_path))
    hook = tf.estimator.experimental.make_stop_at_checkpoint_step_hook(model, 3)
    assert isinstance(hook, tf.train.StopAtStepHook)
    model.train(input_fn, hooks=[hook])
    assert model.get_variable_value("global_step") == 3


def test_worker_waits_for_the_checkpoint(tmp_path, monkeypatch):
    chief = tf.estimator.Estimator(model_fn, str(tmp_path)).train(input_fn, steps=4)
    cluster = {"chief": ["a:1"], "worker": ["b:1"], "ps": ["c:1"]}
    task = {"type": "worker", "index": 0}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    worker = tf.estimator.Estimator(model_fn, chief.model_dir)
    hook = tf.estimator.experimental.make_stop_at_checkpoint_step_hook(worker, 4, 0.01)
    runs = 0
    with tf.Graph().as_default():
        step = tf.train.get_or_create_global_step()
        following = step.assign_add(1)
        with tf.train.MonitoredSession(hooks=[hook]) as sess:
            while not sess.should_stop():
                sess.run(following)
                runs += 1
    assert 3 <= runs <= 4  # the step that a run reads is that before it or after it


def test_receivers_from_an_input_function():
    def input_fn(size):
        features = {"x": tf.zeros([size, 2], name="xs")}
        return tf.data.Dataset.from_tensor_slices((features, tf.zeros([size], tf.int32))).batch(2)

    receive = tf.contrib.estimator.build_supervised_input_receiver_fn_from_input_fn(input_fn, size=4)
    received = receive()
    assert received.features["x"].shape.as_list() == [None, 2]
    assert received.labels.dtype == tf.int32
    assert sorted(received.receiver_tensors) == ["label", "x"]
