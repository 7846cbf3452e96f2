"""Experiments, and the monitors that come ready."""

import numpy as np
import pytest

import millrace as tf

learn = tf.contrib.learn
X = np.random.RandomState(0).rand(20, 2).astype(np.float32)
COLUMNS = [tf.contrib.layers.real_valued_column("", dimension=2)]


def inputs():
    return {"": tf.constant(X)}, tf.constant(X.sum(1))


def regressor(folder):
    config = learn.RunConfig(tf_random_seed=1, save_checkpoints_steps=2, save_checkpoints_secs=None)
    return learn.LinearRegressor(COLUMNS, str(folder), config=config)


def test_experiment(tmp_path):
    made = learn.Experiment(regressor(tmp_path), inputs, inputs, train_steps=4, eval_steps=1)
    found, _ = made.train_and_evaluate()
    assert found["global_step"] == 4
    assert made.evaluate()["loss"] == found["loss"]
    assert made.continuous_eval(delay_secs=0, throttle_delay_secs=0)["global_step"] == 4
    assert made.test()["global_step"] == 5


def test_runner(tmp_path):
    def experiment_fn(output_dir):
        return learn.Experiment(regressor(output_dir), inputs, inputs, train_steps=2, eval_steps=1)

    assert learn.learn_runner.run(experiment_fn, str(tmp_path), "train_and_evaluate")[0]["global_step"] == 2
    with pytest.raises(ValueError, match="name of a method"):
        learn.learn_runner.run(experiment_fn, str(tmp_path), "nothing")
    with pytest.raises(ValueError, match="either `output_dir` or"):
        learn.learn_runner.run(experiment_fn)


def test_monitors(tmp_path):
    kept = learn.monitors.CaptureVariable("global_step:0", every_n=3)
    stop = learn.monitors.StopAtStep(num_steps=6)
    printed = learn.monitors.PrintTensor(["global_step:0"], every_n=3)
    model = regressor(tmp_path).fit(input_fn=inputs, steps=50, monitors=[kept, printed, stop])
    assert list(kept.values) == [1, 4]
    assert model.get_variable_value("global_step") == 6


def test_validation_ends_a_training_that_gets_no_better(tmp_path):
    monitor = learn.monitors.ValidationMonitor(
        input_fn=inputs, eval_steps=1, every_n_steps=2, early_stopping_rounds=4,
        early_stopping_metric_minimize=False, check_interval_secs=None,
    )  # fmt: skip
    regressor(tmp_path).fit(input_fn=inputs, steps=40, monitors=[monitor])
    assert monitor.early_stopped
    assert monitor.best_step is not None
    assert monitor.best_value == monitor.best_metrics["loss"]
    with pytest.raises(ValueError, match="Either x or input_fn"):
        learn.monitors.ValidationMonitor()
