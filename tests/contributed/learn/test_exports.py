"""Exports of `tf.contrib.learn`: what servers feed, signatures, strategies, and experiments that export."""

import os

import numpy as np
import pytest

import millrace as tf

L, LC = tf.contrib.learn, tf.contrib.layers
U = L.utils.saved_model_export_utils
X = ((np.arange(12) * 7 % 11 - 5) * 0.2).reshape(6, 2).astype(np.float32)
Y = np.array([[0], [1], [1], [0], [1], [0]])
QUIET = L.RunConfig(tf_random_seed=3)
SERVING = L.build_parsing_serving_input_fn({"x": tf.FixedLenFeature([2], tf.float32)})


def given():
    return {"x": tf.constant(X)}, tf.constant(Y)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("model"))
    made = L.LinearClassifier([LC.real_valued_column("x", 2)], folder, config=QUIET)
    return made.fit(input_fn=given, steps=1)


def signatures(path):
    with tf.Graph().as_default(), tf.Session() as sess:
        return dict(tf.saved_model.loader.load(sess, ["serve"], path).signature_def)


def test_signatures_of_an_export(model, tmp_path):
    path = model.export_savedmodel(str(tmp_path), SERVING)
    found = signatures(path)
    assert sorted(found) == ["default_input_alternative:None", "serving_default"]
    assert found["serving_default"].method_name == "tensorflow/serving/classify"
    assert found["serving_default"].inputs["inputs"].name == "input_example_tensor:0"
    with pytest.raises(ValueError, match="Requested default_output_alternative: nope"):
        model.export_savedmodel(str(tmp_path), SERVING, "nope")
    with pytest.raises(ValueError, match="serving_input_fn must be defined"):
        model.export_savedmodel(str(tmp_path), None)


def test_an_export_predicts_as_its_estimator(model, tmp_path):
    path = model.export_savedmodel(str(tmp_path), SERVING)
    example = tf.train.Example()
    example.features.feature["x"].float_list.value.extend(X[1])
    with tf.Graph().as_default(), tf.Session() as sess:
        loaded = tf.saved_model.loader.load(sess, ["serve"], path).signature_def["serving_default"]
        scores = sess.run(
            loaded.outputs["scores"].name, {loaded.inputs["inputs"].name: [example.SerializeToString()]}
        )
    wanted = list(model.predict_proba(input_fn=lambda: (given()[0], None)))[1]
    np.testing.assert_allclose(scores[0], wanted, rtol=1e-6)


def test_features_as_what_a_server_feeds():
    wanted = tf.placeholder(tf.float32, [4, 2], name="xx")
    ops = L.utils.build_default_serving_input_fn({"x": wanted})()
    assert isinstance(ops, L.InputFnOps)
    assert ops.features["x"].shape.as_list() == [None, 2]
    assert ops.features is ops.default_inputs
    assert U.get_input_alternatives(ops)[0] == {"default_input_alternative": ops.features}


def test_a_strategy_keeps_the_newest(model, tmp_path):
    for stamp in ("1000000001", "1000000002"):
        os.mkdir(tmp_path / stamp)
    strategy = L.make_export_strategy(SERVING, exports_to_keep=1)
    path = strategy.export(model, str(tmp_path))
    assert [os.path.basename(path).decode()] == os.listdir(tmp_path)
    assert U.get_most_recent_export(str(tmp_path)).export_version == int(os.path.basename(path))
    assert strategy.name == "Servo"


def test_a_strategy_goes_on_with_an_export(model, tmp_path):
    def post(path, folder):
        target = os.path.join(folder, "done")
        os.makedirs(target)
        return target

    strategy = U.extend_export_strategy(L.make_export_strategy(SERVING), post, "post")
    assert strategy.export(model, str(tmp_path)) == str(tmp_path / "done")
    assert os.listdir(tmp_path) == ["done"]
    with pytest.raises(RuntimeError, match="Failed to obtain final export directory"):
        strategy.export(model, str(tmp_path))


def test_the_best_model():
    selector = U.BestModelSelector()
    assert selector.update("/a", {"loss": 2.0}) == ("/a", {"loss": 2.0})
    assert selector.update("/b", {"loss": 3.0}) == ("", None)
    assert selector.update("/c", {"loss": 1.0})[0] == "/c"
    with pytest.raises(ValueError, match="must have a loss"):
        selector.update("/d", {})


def test_only_better_models_are_exported(model, tmp_path):
    strategy = U.make_best_model_export_strategy(SERVING)
    first = strategy.export(model, str(tmp_path), eval_result={"loss": 2.0})
    assert os.path.isdir(first)
    assert strategy.export(model, str(tmp_path), eval_result={"loss": 3.0}) == ""


def test_an_experiment_exports(tmp_path):
    model = L.LinearClassifier([LC.real_valued_column("x", 2)], str(tmp_path), config=QUIET)
    strategy = U.make_parsing_export_strategy([LC.real_valued_column("x", 2)])
    experiment = L.Experiment(
        model, given, given, train_steps=4, eval_steps=1, export_strategies=strategy,
        train_steps_per_iteration=2,
    )  # fmt: skip
    found, exports = experiment.continuous_train_and_eval()
    assert found["global_step"] == 4
    assert os.path.dirname(exports[0]).decode() == str(tmp_path / "export" / "Servo")
    assert experiment.reset_export_strategies(None) == (strategy,)
    assert experiment.train_and_evaluate()[1] == []


def test_an_experiment_takes_an_estimator_of_today(tmp_path):
    model = tf.estimator.LinearClassifier([tf.feature_column.numeric_column("x", 2)], str(tmp_path))
    experiment = L.Experiment(model, given, given, train_steps=2, eval_steps=1)
    assert experiment.train_and_evaluate()[0]["global_step"] == 2
    with pytest.raises(ValueError, match="eval_metrics"):
        L.Experiment(model, given, given, eval_metrics={})


def test_parameters_as_scikit_learn_asks(tmp_path):
    class Mine(L.BaseEstimator):
        def __init__(self, width=3):
            super().__init__(str(tmp_path))
            self.width = width

    mine = Mine(5)
    assert mine.get_params() == {"width": 5}
    assert mine.set_params(width=7).width == 7
    with pytest.raises(ValueError, match="Invalid parameter depth"):
        mine.set_params(depth=1)
