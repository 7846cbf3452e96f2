"""Estimators: training, evaluation, prediction, warm starts, exports, and what is refused."""

import os

import numpy as np
import pytest

import millrace as tf

E = tf.estimator
QUIET = E.RunConfig(tf_random_seed=1, save_summary_steps=None, log_step_count_steps=None)
X = np.arange(12, dtype=np.float32).reshape(6, 2) / 10
Y = X.sum(1, keepdims=True)


def model_fn(features, labels, mode, params):
    w = tf.get_variable("w", [2, 1], initializer=tf.zeros_initializer())
    p = tf.matmul(features["x"], w)
    if mode == E.ModeKeys.PREDICT:
        return E.EstimatorSpec(mode, {"p": p, "twice": 2 * p})
    loss = tf.losses.mean_squared_error(labels, p)
    step = tf.train.GradientDescentOptimizer(params["rate"]).minimize(loss, tf.train.get_global_step())
    return E.EstimatorSpec(mode, loss=loss, train_op=step, eval_metric_ops={"mean": tf.metrics.mean(p)})


def data(epochs=1, batch=3):
    return E.inputs.numpy_input_fn({"x": X}, Y, batch_size=batch, num_epochs=epochs, shuffle=False)


def made(folder, **kwargs):
    return E.Estimator(model_fn, str(folder), QUIET, {"rate": 0.5}, **kwargs)


def test_train_goes_on_from_the_checkpoint(tmp_path):
    made(tmp_path / "a").train(data(4), steps=4)
    twice = made(tmp_path / "b")
    twice.train(data(2), steps=2)
    twice.train(data(2), max_steps=4)
    np.testing.assert_array_equal(twice.get_variable_value("w"), made(tmp_path / "a").get_variable_value("w"))
    assert sorted(twice.get_variable_names()) == ["global_step", "w"]
    assert twice.latest_checkpoint().endswith("model.ckpt-4")


def test_evaluate_and_predict(tmp_path):
    model = made(tmp_path)
    model.train(data(None), steps=200)
    found = model.evaluate(data())
    assert sorted(found) == ["global_step", "loss", "mean"]
    assert found["global_step"] == 200
    assert found["loss"] < 0.01
    assert os.path.isdir(model.eval_dir())
    rows = list(model.predict(data(), predict_keys=["twice"]))
    assert len(rows) == 6
    assert list(rows[0]) == ["twice"]
    batches = list(model.predict(data(), yield_single_examples=False))
    assert [len(b["p"]) for b in batches] == [3, 3]


def test_initial_values_where_there_is_no_checkpoint(tmp_path):
    assert made(tmp_path).evaluate(data(), steps=1)["global_step"] == 0
    assert next(made(tmp_path).predict(data()))["p"] == 0


def test_datasets_start_themselves(tmp_path):
    model = made(tmp_path)
    model.train(lambda: tf.data.Dataset.from_tensor_slices(({"x": X}, Y)).batch(2))
    assert model.get_variable_value("global_step") == 3


def test_warm_start(tmp_path):
    model = made(tmp_path / "a")
    model.train(data(), steps=2)
    other = made(tmp_path / "b", warm_start_from=str(tmp_path / "a"))
    assert next(other.predict(data()))["p"] == next(model.predict(data()))["p"]


def test_export(tmp_path):
    model = made(tmp_path / "a")
    model.train(data(), steps=1)
    spec = {"x": tf.FixedLenFeature([2], tf.float32)}
    path = model.export_saved_model(
        str(tmp_path / "out"), E.export.build_parsing_serving_input_receiver_fn(spec)
    )
    example = tf.train.Example()
    example.features.feature["x"].float_list.value.extend([1.0, 2.0])
    with tf.Graph().as_default(), tf.Session() as sess:
        signature = tf.saved_model.loader.load(sess, ["serve"], path).signature_def["serving_default"]
        given = {signature.inputs["examples"].name: [example.SerializeToString()]}
        w = model.get_variable_value("w")
        np.testing.assert_allclose(sess.run(signature.outputs["p"].name, given), [[1.0, 2.0]] @ w, rtol=1e-6)


def test_train_and_evaluate_exports(tmp_path):
    with tf.Graph().as_default():
        receiver = E.export.build_raw_serving_input_receiver_fn({"x": tf.constant(X)})
    exporter = E.FinalExporter("final", receiver)
    metrics, exports = E.train_and_evaluate(
        made(tmp_path),
        E.TrainSpec(data(2), max_steps=3),
        E.EvalSpec(data(), exporters=exporter, throttle_secs=0),
    )
    assert metrics["global_step"] == 3
    assert os.path.exists(os.path.join(exports[0], b"saved_model.pb"))


def test_an_error_of_a_hook_reaches_the_caller(tmp_path):
    class Failing(tf.train.SessionRunHook):
        def after_run(self, run_context, run_values):
            raise KeyError("stop")

    with pytest.raises(KeyError):
        made(tmp_path).train(data(), hooks=[Failing()])


def test_arrays_come_in_epochs():
    with tf.Graph().as_default(), tf.Session() as sess:
        features, labels = E.inputs.numpy_input_fn(
            {"a": np.arange(3)}, np.arange(3), batch_size=2, num_epochs=2, shuffle=False
        )()
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess, coord)
        found = []
        with pytest.raises(tf.errors.OutOfRangeError):
            while True:
                found.append(sess.run([features["a"], labels])[0].tolist())
        coord.request_stop()
        coord.join(threads)
    assert found == [[0, 1], [2, 0], [1, 2]]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda d: E.RunConfig(save_checkpoints_steps=1, save_checkpoints_secs=1), ValueError),
        (lambda d: E.RunConfig().replace(other=1), ValueError),
        (lambda d: E.RunConfig(model_dir=""), ValueError),
        (lambda d: E.Estimator(lambda x: x, d), ValueError),
        (lambda d: E.Estimator(lambda features: 1, d, params={"a": 1}), ValueError),
        (lambda d: E.Estimator(model_fn, d, E.RunConfig(model_dir="other"), {}), ValueError),
        (lambda d: made(d).train(data(), steps=0), ValueError),
        (lambda d: made(d).train(data(), steps=1, max_steps=1), ValueError),
        (lambda d: made(d).train(data(), hooks=[1]), TypeError),
        (lambda d: made(d).evaluate(data(), steps=-1), ValueError),
        (lambda d: made(d).get_variable_value("w"), ValueError),
        (lambda d: made(d).export_saved_model(str(d), lambda: None), ValueError),
        (lambda d: next(made(d).predict(data(), predict_keys=["none"])), ValueError),
        (lambda d: E.EstimatorSpec("train"), ValueError),
        (lambda d: E.EstimatorSpec("infer", {"a": 3}), TypeError),
        (lambda d: E.TrainSpec(1), TypeError),
        (lambda d: E.EvalSpec(lambda: 1, steps=0), ValueError),
        (lambda d: E.inputs.numpy_input_fn({"a": np.arange(3)}), ValueError),
        (lambda d: E.inputs.numpy_input_fn([1], shuffle=False)(), TypeError),
    ],
)
def test_refused(call, error, tmp_path):
    with pytest.raises(error):
        call(str(tmp_path))


def _with_local_start(features, labels, mode):
    kept = tf.get_variable(
        "kept", [], collections=[tf.GraphKeys.LOCAL_VARIABLES], initializer=tf.ones_initializer()
    )
    loss = tf.reduce_mean(features["x"]) * tf.get_variable("w", [])
    return tf.estimator.EstimatorSpec(
        mode,
        loss=loss,
        train_op=tf.train.get_global_step().assign_add(1),
        eval_metric_ops={"kept": tf.metrics.mean(kept)} if mode == "eval" else {},
        scaffold=tf.train.Scaffold(local_init_op=kept.assign(5.0).op),
    )


def test_metrics_beside_an_own_start_of_local_variables(tmp_path):
    estimator = tf.estimator.Estimator(_with_local_start, str(tmp_path))

    def batches():
        return {"x": tf.ones([2])}, None

    estimator.train(batches, steps=1)
    found = estimator.evaluate(batches, steps=2)
    assert found["kept"] in (1.0, 5.0) and found["global_step"] == 1


class _Own(tf.estimator.Estimator):
    def evaluate(self, *args, **kwargs):
        return {}


def test_subclasses_that_change_methods(monkeypatch):
    with pytest.raises(ValueError, match="cannot override"):
        _Own(_with_local_start)
    monkeypatch.setattr(
        tf.estimator.Estimator, "_assert_members_are_not_overridden", staticmethod(lambda _: None)
    )
    assert _Own(_with_local_start).evaluate() == {}
