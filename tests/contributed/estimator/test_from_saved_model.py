"""Models from exports: trained on, evaluated, run, exported again; numbers recorded from TensorFlow 1.15."""

import numpy as np
import pytest

import millrace as tf


def model_fn(features, labels, mode):
    w = tf.get_variable("lin/w", [1, 1], initializer=tf.constant_initializer(0.5))
    b = tf.get_variable("lin/b", [1], initializer=tf.zeros_initializer())
    y = tf.matmul(features["x"], w) + b
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(mode, predictions={"y": y, "z": y * 2})
    loss = tf.losses.mean_squared_error(labels, y)
    return tf.estimator.EstimatorSpec(
        mode,
        predictions={"y": y},
        loss=loss,
        train_op=tf.train.GradientDescentOptimizer(0.01).minimize(loss, tf.train.get_global_step()),
        eval_metric_ops={"mae": tf.metrics.mean_absolute_error(labels, y)},
    )


def input_fn():
    x, y = [[1.0], [2.0], [3.0], [4.0]], [[1.0], [3.0], [5.0], [7.0]]
    return tf.data.Dataset.from_tensors(({"x": x}, y)).repeat(10)


def serving():
    x = tf.placeholder(tf.float32, [None, 1])
    return tf.estimator.export.ServingInputReceiver({"x": x}, {"x": x})


def supervised():
    x, y = tf.placeholder(tf.float32, [None, 1]), tf.placeholder(tf.float32, [None, 1])
    return tf.estimator.experimental.build_raw_supervised_input_receiver_fn({"x": x}, y)()


ALL = {"train": supervised, "eval": supervised, "infer": serving}


@pytest.fixture
def exported(tmp_path):
    model = tf.estimator.Estimator(model_fn, str(tmp_path / "model")).train(input_fn, steps=5)
    return model.experimental_export_all_saved_models(str(tmp_path / "export"), ALL)


def test_goes_on_where_the_export_stood(exported, tmp_path):
    model = tf.contrib.estimator.SavedModelEstimator(exported, str(tmp_path / "further"))
    before = model.evaluate(input_fn, steps=2)
    assert before["global_step"] == 5
    assert [before["loss"], before["metrics/mae"]] == pytest.approx([1.9165521, 1.1451468])
    assert model.train(input_fn, steps=3) is model
    assert sorted(model.get_variable_names()) == ["global_step", "lin/b", "lin/w"]
    np.testing.assert_allclose(model.get_variable_value("lin/w"), [[1.3095307]], rtol=1e-6)
    after = model.evaluate(input_fn, steps=2)
    assert [after["loss"], after["metrics/mae"]] == pytest.approx([0.8327414, 0.76116586])
    found = next(model.predict(lambda: {"x": tf.constant([[1.0], [2.0]]), "more": tf.constant(1)}))
    np.testing.assert_allclose([found["y"][0], found["z"][0]], [1.5490758, 3.0981517], rtol=1e-6)


def test_is_exported_again_without_a_checkpoint_of_its_own(exported, tmp_path):
    model = tf.contrib.estimator.SavedModelEstimator(exported)
    again = model.experimental_export_all_saved_models(str(tmp_path / "again"), ALL)
    found = tf.contrib.estimator.SavedModelEstimator(again).evaluate(input_fn, steps=1)
    assert found["metrics/mae"] == pytest.approx(1.1451468)


@pytest.mark.parametrize(
    "features, labels, message",
    [
        ({"q": 1.0}, [[1.0]], 'Key "x" not found'),
        ({"x": [[1.0]]}, {"y": [[1.0]]}, 'Key "label" not found'),
        ({"x": [[1]]}, [[1.0]], "Expected dtype: <dtype: 'float32'>, Got: <dtype: 'int32'>"),
        ({"x": [[1.0, 2.0]]}, [[1.0]], r"Expected shape: \(\?, 1\), Got: \(1, 2\)"),
    ],
)
def test_refuses_what_does_not_suit_the_signature(exported, features, labels, message):
    model = tf.contrib.estimator.SavedModelEstimator(exported)
    tensors = {name: tf.constant(value) for name, value in features.items()}
    given = (
        {k: tf.constant(v) for k, v in labels.items()} if isinstance(labels, dict) else tf.constant(labels)
    )
    with tf.Graph().as_default(), pytest.raises(ValueError, match=message):
        model.model_fn(tensors, given, "train", model.config)


def test_refuses_modes_and_folders_that_are_not_there(tmp_path):
    model = tf.estimator.Estimator(model_fn, str(tmp_path / "model")).train(input_fn, steps=1)
    served = model.export_saved_model(str(tmp_path / "export"), serving)
    with pytest.raises(RuntimeError, match="train mode is not available in the SavedModel"):
        tf.contrib.estimator.SavedModelEstimator(served).train(input_fn, steps=1)
    with pytest.raises(ValueError, match="invalid SavedModel format"):
        tf.contrib.estimator.SavedModelEstimator(tmp_path)


def test_tables_and_slots_come_with_the_graph(tmp_path):
    vocabulary = tmp_path / "words.txt"
    vocabulary.write_text("a\nb\nc\n")

    def words(features, labels, mode):
        table = tf.contrib.lookup.index_table_from_file(str(vocabulary), default_value=0)
        weights = tf.get_variable("emb", [3], initializer=tf.constant_initializer(0.5))
        y = tf.gather(weights, table.lookup(features["s"]))
        loss = tf.losses.mean_squared_error(labels, y)
        step = tf.train.AdamOptimizer(0.1).minimize(loss, tf.train.get_global_step())
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=step)

    def read():
        return tf.data.Dataset.from_tensors(({"s": ["a", "b"]}, [1.0, 2.0])).repeat()

    def receiver():
        s, y = tf.placeholder(tf.string, [None]), tf.placeholder(tf.float32, [None])
        return tf.estimator.experimental.build_raw_supervised_input_receiver_fn({"s": s}, y)()

    model = tf.estimator.Estimator(words, str(tmp_path / "model")).train(read, steps=2)
    path = model.experimental_export_all_saved_models(str(tmp_path / "export"), {"train": receiver})
    vocabulary.unlink()
    other = tf.contrib.estimator.SavedModelEstimator(path).train(read, steps=1)
    vocabulary.write_text("a\nb\nc\n")
    model.train(read, steps=1)
    np.testing.assert_array_equal(other.get_variable_value("emb"), model.get_variable_value("emb"))


def test_networks_under_the_names_of_annotated_ones(tmp_path):
    columns = [tf.feature_column.numeric_column("x")]
    config = tf.estimator.RunConfig(tf_random_seed=3)
    pairs = [
        (
            tf.contrib.estimator.DNNClassifierWithLayerAnnotations,
            tf.estimator.DNNClassifier,
            [[0], [1], [1], [0]],
        ),
        (
            tf.contrib.estimator.DNNRegressorWithLayerAnnotations,
            tf.estimator.DNNRegressor,
            [0.0, 1.0, 2.0, 3.0],
        ),
    ]
    for annotated, plain, labels in pairs:
        read = lambda labels=labels: ({"x": tf.constant([1.0, 2.0, 3.0, 4.0])}, tf.constant(labels))  # noqa: E731
        models = [kind([4], columns, config=config).train(read, steps=2) for kind in (annotated, plain)]
        assert type(models[0]) is tf.estimator.Estimator
        assert models[0].evaluate(read, steps=1) == models[1].evaluate(read, steps=1)
