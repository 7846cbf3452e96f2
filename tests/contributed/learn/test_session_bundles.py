"""Session bundles: what is written, its signatures, the monitor; recorded from TensorFlow 1.15."""

import os

import pytest

import millrace as tf
from millrace.core import protos

learn = tf.contrib.learn
export = learn.utils.export


def read():
    features = {"x": tf.constant([[1.0], [2.0], [3.0]]), "s": tf.SparseTensor([[0, 0]], ["q"], [3, 1])}
    return features, tf.constant([[0.0], [1.0], [1.0]])


def model(features, labels, mode):
    w = tf.get_variable("w", [1, 1], initializer=tf.constant_initializer(0.5))
    y = tf.matmul(features["x"], w)
    if mode == "infer":
        return learn.ModelFnOps(mode, {"y": y, "z": y * 2})
    loss = tf.reduce_mean(tf.square(y - labels))
    step = tf.train.GradientDescentOptimizer(0.01).minimize(loss, tf.train.get_global_step())
    return learn.ModelFnOps(mode, {"y": y}, loss, step)


def written(folder):
    with open(os.path.join(os.fsdecode(folder), "export.meta"), "rb") as file:
        meta = protos.MetaGraphDef.FromString(file.read())
    (packed,) = meta.collection_def["serving_signatures"].any_list.value
    assert packed.type_url == "type.googleapis.com/tensorflow.serving.Signatures"
    return meta, protos.Signatures.FromString(packed.value)


def test_bundle_of_a_model(tmp_path):
    estimator = learn.Estimator(model, model_dir=str(tmp_path / "model")).fit(input_fn=read, steps=3)
    folder = estimator.export(str(tmp_path / "export"), default_batch_size=None)
    assert os.path.basename(folder) == b"00000003"
    assert sorted(os.listdir(folder)) == [
        b"checkpoint", b"export.data-00000-of-00001", b"export.index", b"export.meta",
    ]  # fmt: skip
    meta, signatures = written(folder)
    assert meta.collection_def["serving_init_op"].node_list.value == ["group_deps"]
    bindings = signatures.default_signature.generic_signature.map
    assert {name: binding.tensor_name for name, binding in bindings.items()} == {
        "inputs": "input_example_tensor:0",
        "y": "MatMul:0",
        "z": "mul:0",
    }
    with pytest.raises(RuntimeError, match="Duplicate export dir"):
        estimator.export(str(tmp_path / "export"))
    with pytest.raises(KeyError, match="nope"):
        estimator.export(str(tmp_path / "other"), prediction_key="nope")


def test_bundle_is_restored(tmp_path):
    estimator = learn.Estimator(model, model_dir=str(tmp_path / "model")).fit(input_fn=read, steps=3)
    folder = os.fsdecode(estimator.export(str(tmp_path / "export"), prediction_key="y"))
    example = tf.train.Example()
    example.features.feature["x"].float_list.value.append(2.0)
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.train.import_meta_graph(f"{folder}/export.meta").restore(sess, f"{folder}/export")
        found = sess.run("MatMul:0", {"input_example_tensor:0": [example.SerializeToString()]})
    assert found == pytest.approx(2 * estimator.get_variable_value("w"))


def test_is_not_exported_before_it_is_trained(tmp_path):
    with pytest.raises(ValueError, match="Features information missing, was fit"):
        learn.Estimator(model, model_dir=str(tmp_path)).export(str(tmp_path / "export"))


@pytest.mark.parametrize(
    "kind, labels, field, name",
    [
        (learn.LinearClassifier, [[0], [1], [1]], "classification_signature", "scores"),
        (learn.LinearRegressor, [[0.0], [1.0], [1.0]], "regression_signature", "output"),
    ],
)
def test_canned_models_know_what_is_parsed_and_served(tmp_path, kind, labels, field, name):
    columns = [tf.contrib.layers.real_valued_column("x")]
    kind(columns, model_dir=str(tmp_path / "model")).fit(
        input_fn=lambda: (read()[0], tf.constant(labels)), steps=1
    )
    folder = kind(columns, model_dir=str(tmp_path / "model")).export(str(tmp_path / "export"))
    signature = getattr(written(folder)[1].default_signature, field)
    assert signature.input.tensor_name == "input_example_tensor:0"
    assert getattr(signature, name).tensor_name.startswith("linear/")


@pytest.mark.parametrize(
    "keep, names", [(None, ["00000001", "00000003", "00000005", "00000006"]), (2, ["00000005", "00000006"])]
)
def test_monitor_exports_while_a_model_is_trained(tmp_path, keep, names):
    config = learn.RunConfig(save_checkpoints_steps=1)
    estimator = learn.Estimator(model, model_dir=str(tmp_path / "model"), config=config)
    monitor = learn.monitors.ExportMonitor(2, str(tmp_path / "export"), exports_to_keep=keep)
    estimator.fit(input_fn=read, steps=6, monitors=[monitor])
    assert sorted(os.listdir(tmp_path / "export")) == names
    assert os.path.basename(monitor.last_export_dir) == b"00000006"


def test_signatures_bind_the_tensors_they_are_made_for():
    examples, scores, classes = tf.placeholder(tf.string), tf.constant([[0.1, 0.9]]), tf.constant([1])
    both = {"classes": classes, "probabilities": scores}
    made, named = export.classification_signature_fn(examples, None, both)
    assert (made.classification_signature.classes.tensor_name, named) == (classes.name, {})
    made, _ = export.classification_signature_fn_with_prob(examples, None, scores)
    assert made.classification_signature.scores.tensor_name == scores.name
    made, _ = export.logistic_regression_signature_fn(examples, None, both)
    assert made.regression_signature.output.tensor_name.startswith("strided_slice")
    made, _ = export.generic_signature_fn(examples, None, scores)
    assert made.generic_signature.map["outputs"].tensor_name == scores.name


@pytest.mark.parametrize(
    "function",
    [
        export.generic_signature_fn,
        export.classification_signature_fn,
        export.classification_signature_fn_with_prob,
        export.logistic_regression_signature_fn,
        export.regression_signature_fn,
    ],
)
def test_signatures_need_examples(function):
    with pytest.raises(ValueError, match="examples cannot be None"):
        function(None, None, {})
