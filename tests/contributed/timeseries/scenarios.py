"""The programs of `golden.json`, which TensorFlow 1.15.5 ran too (`record` writes it).

Each gives the losses of three steps of training, what `evaluate` gives, and predictions that go on from it.
"""

import importlib
import json
import tempfile

import numpy as np

STEPS = 40
AHEAD = 5


def series(features):
    """A wave, a trend and a pattern of seven steps, float32."""
    t = np.arange(STEPS)
    wave = np.sin(t[:, None] * np.arange(1, features + 1) / 3.0)
    values = wave + 0.02 * t[:, None] + 0.1 * (t[:, None] % 7)
    return {"times": t, "values": values.astype(np.float32)}


def exogenous():
    """Two numbers and a word beside each step."""
    t = np.arange(STEPS + AHEAD)
    numbers = np.cos(t[:, None] * np.array([1.0, 0.3])).astype(np.float32)
    return {"number": numbers, "word": np.array([["a"], ["b"], ["c"]])[t * t % 3]}


def summed(structure):
    """Arrays in any structure as shape, sum, sum of magnitudes, and the first three numbers."""
    if isinstance(structure, dict):
        return {name: summed(structure[name]) for name in sorted(structure)}
    if isinstance(structure, tuple | list):
        return [summed(part) for part in structure]
    array = np.asarray(structure, np.float64)
    first = [float(x) for x in array.ravel()[:3]]
    return [list(array.shape), float(array.sum()), float(np.abs(array).sum()), first]


def ran(tf, make, features=1, window=10, columns=False):
    """Losses, evaluation and predictions of one estimator, trained on the same four windows at each step."""
    steps = {**series(features), **({k: v[:STEPS] for k, v in exogenous().items()} if columns else {})}
    later = {k: v[None, STEPS:] for k, v in exogenous().items()} if columns else None
    losses = []

    class Losses(tf.train.SessionRunHook):
        def begin(self):
            self.loss = tf.get_collection("losses")[0]

        def before_run(self, run_context):
            return tf.train.SessionRunArgs(self.loss)

        def after_run(self, run_context, run_values):
            losses.append(float(run_values.results))

    def windows():
        starts = np.arange(4) * 3
        return {k: tf.constant(np.stack([v[s : s + window] for s in starts])) for k, v in steps.items()}, None

    def all_steps():
        return {k: tf.constant(v[None]) for k, v in steps.items()}, None

    with tempfile.TemporaryDirectory() as folder:
        config = tf.estimator.RunConfig(tf_random_seed=7, log_step_count_steps=None)
        estimator = make(model_dir=folder, config=config)
        estimator.train(windows, steps=3, hooks=[Losses()])
        evaluated = estimator.evaluate(all_steps, steps=1)
        if "start_tuple" not in evaluated:  # a head for one shot: it predicts when it is exported
            return {"losses": losses, "evaluated": summed(evaluated)}
        onwards = tf.contrib.timeseries.predict_continuation_input_fn(
            evaluated, steps=AHEAD, exogenous_features=later
        )
        predicted = next(iter(estimator.predict(onwards)))
    return {"losses": losses, "evaluated": summed(evaluated), "predicted": summed(predicted)}


def columns_of(tf):
    """Feature columns of what `exogenous` gives."""
    words = tf.feature_column.categorical_column_with_vocabulary_list("word", ["a", "b", "c"])
    return [
        tf.feature_column.numeric_column("number", shape=(2,)),
        tf.feature_column.embedding_column(words, 2),
    ]


def autoregressive(tf, estimators):
    """By name, functions that run an autoregressive estimator."""

    def regressor(**settings):
        common = {"periodicities": 9, "input_window_size": 6, "output_window_size": 4, "num_features": 1}

        def make(**kwargs):
            return tf.contrib.timeseries.ARRegressor(num_time_buckets=4, **{**common, **settings}, **kwargs)

        return make

    def recurrent(**kwargs):
        return estimators.LSTMAutoRegressor(9, 6, 4, num_units=6, num_timesteps=4, **kwargs)

    squared = regressor(
        num_features=2,
        input_window_size=3,
        output_window_size=7,
        periodicities=[4, 9],
        loss="squared_loss",
        hidden_layer_sizes=[5, 4],
    )
    gaussian = regressor(anomaly_prior_probability=0.1, anomaly_distribution="gaussian")
    cauchy = regressor(anomaly_prior_probability=0.1, anomaly_distribution="cauchy")
    with_columns = regressor(exogenous_feature_columns=columns_of(tf))
    return {
        "autoregressive": lambda: ran(tf, regressor()),
        "squared": lambda: ran(tf, squared, features=2),
        "gaussian anomalies": lambda: ran(tf, gaussian),
        "cauchy anomalies": lambda: ran(tf, cauchy),
        "times alone": lambda: ran(tf, regressor(input_window_size=0, output_window_size=10)),
        "LSTMs": lambda: ran(tf, recurrent),
        "columns": lambda: ran(tf, with_columns, columns=True),
    }


def state_space(tf, parts):
    """By name, functions that run an estimator of a state space model.

    Args:
      tf: the package.
      parts: an object that has the regressors and models by name.
    """
    settings = parts.StateSpaceModelConfiguration

    def of(make_model):
        def make(**kwargs):
            return parts.StateSpaceRegressor(make_model(), **kwargs)

        return make

    def ensemble(**settings):
        def make(**kwargs):
            return tf.contrib.timeseries.StructuralEnsembleRegressor(
                periodicities=6.5, cycle_num_latent_values=3, **settings, **kwargs
            )

        return make

    def observing():
        columns = [tf.feature_column.numeric_column("number", shape=(2,))]
        return parts.AdderStateSpaceModel(
            configuration=settings(
                exogenous_feature_columns=columns,
                exogenous_noise_increases=False,
                exogenous_noise_decreases=True,
                exogenous_update_condition=lambda times, features: tf.equal(times % 2, 0),
            )
        )

    def cautious():
        return parts.AdderStateSpaceModel(
            use_level_noise=False,
            configuration=settings(
                use_observation_noise=False,
                bayesian_prior_weighting=False,
                trainable_start_state=True,
                filtering_minimum_posterior_variance=1e-4,
                static_unrolling_window_size_threshold=10,
            ),
        )

    def varma():
        return parts.VARMA(2, 1, configuration=settings(num_features=2))

    def structural():
        return parts.StructuralEnsemble([3, 7], 1, 1)

    both = ensemble(num_features=2, exogenous_feature_columns=columns_of(tf))
    return {
        "level and trend": lambda: ran(tf, of(parts.AdderStateSpaceModel)),
        "cautious level": lambda: ran(tf, of(cautious)),
        "observed beside": lambda: ran(tf, of(observing), columns=True),
        "cycle": lambda: ran(tf, of(lambda: parts.CycleStateSpaceModel(7))),
        "resolved cycle": lambda: ran(tf, of(lambda: parts.ResolutionCycleModel(5, 7.3))),
        "whole cycle": lambda: ran(tf, of(lambda: parts.ResolutionCycleModel(3, 7))),
        "VARMA": lambda: ran(tf, of(varma), features=2),
        "structural": lambda: ran(tf, of(structural)),
        "structural of two": lambda: ran(tf, both, features=2, columns=True),
        "anomalies": lambda: ran(tf, ensemble(num_features=1, anomaly_prior_probability=0.1)),
    }


def record(path):
    """Writes the golden numbers; to be called where `tensorflow` is TensorFlow 1.15.5."""
    import tensorflow as tf
    from tensorflow.contrib.timeseries.python.timeseries import estimators
    from tensorflow.contrib.timeseries.python.timeseries import state_space_models as models

    parts = type("parts", (), {"StateSpaceRegressor": estimators.StateSpaceRegressor})
    for name in ("level_trend", "periodic", "varma", "structural_ensemble", "state_space_model"):
        module = importlib.import_module(f"{models.__name__}.{name}")
        for public, value in vars(module).items():
            if isinstance(value, type):
                setattr(parts, public, value)
    runs = {**autoregressive(tf, estimators), **state_space(tf, parts)}
    golden = {name: run() for name, run in runs.items()}
    with open(path, "w") as file:
        file.write(json.dumps(golden, indent=None, separators=(",", ":")).replace('},"', '},\n"') + "\n")
