"""A SavedModel that TensorFlow 2.21 wrote of a module with functions, a table and strings."""

from __future__ import annotations

import pathlib

import numpy as np

import millrace as tf
from millrace.cli import main

FOLDER = pathlib.Path(__file__).with_name("of_second_version")
FEEDS = {"x": [[1.0, 2.0], [3.0, 4.0]], "n": 3, "words": [b"a zz", b"c"]}
Y = [[0.22517453134059906, 0.18753208220005035], [0.23846513032913208, 0.19389542937278748]]


def test_its_signature_runs():
    with tf.Graph().as_default(), tf.Session() as sess:
        meta = tf.saved_model.load(sess, ["serve"], str(FOLDER))
        signature = meta.signature_def["serving_default"]
        feeds = {signature.inputs[name].name: value for name, value in FEEDS.items()}
        outputs = {name: info.name for name, info in signature.outputs.items()}
        first, second = sess.run(outputs, feeds), sess.run(outputs, feeds)
    np.testing.assert_allclose(first["y"], Y, rtol=1e-5)
    assert first["ids"].tolist() == [0, 3, 2]
    assert first["sizes"].tolist() == [2, 1]
    assert first["dense"].tolist() == [[b"a", b"zz"], [b"c", b"-"]]
    assert (int(first["count"]), int(second["count"])) == (1, 2)
    np.testing.assert_array_equal(first["y"], second["y"])


def test_its_variables_are_read_by_name():
    reader = tf.train.NewCheckpointReader(str(FOLDER / "variables" / "variables"))
    np.testing.assert_array_equal(
        reader.get_tensor("w/.ATTRIBUTES/VARIABLE_VALUE"), np.float32([[0.5, 0.1], [0.2, 0.3]])
    )


def test_it_is_told_and_predicts(capsys, tmp_path):
    assert main(["inspect", str(FOLDER)]) == 0
    assert "operations unknown to millrace: none" in capsys.readouterr().out
    expressions = f"x={FEEDS['x']};n=3;words={FEEDS['words']}"
    assert main(["predict", str(FOLDER), "--input_exprs", expressions, "--outdir", str(tmp_path)]) == 0
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), Y, rtol=1e-5)
