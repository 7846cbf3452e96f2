"""`millrace inspect`, `convert`, `show` and `predict`."""

from __future__ import annotations

import json

import numpy as np
import pytest

import millrace as tf
from millrace.cli import main
from millrace.saver.inspection import inspect


@pytest.fixture
def saved(tmp_path):
    """A checkpoint, a SavedModel and a graph of the same model; the folder."""
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        w = tf.get_variable("w", initializer=[[1.0], [2.0]], use_resource=True)
        b = tf.get_variable("b", initializer=[0.5])
        y = tf.nn.bias_add(tf.matmul(x, w), b, name="y")
        sess.run(tf.global_variables_initializer())
        tf.train.Saver().save(sess, str(tmp_path / "m"))
        tf.saved_model.simple_save(sess, str(tmp_path / "sm"), {"in": x}, {"out": y})
        tf.train.write_graph(graph, str(tmp_path), "g.pb", as_text=False)
        tf.train.write_graph(graph, str(tmp_path), "g.pbtxt")
    return tmp_path


def told(capsys, *words):
    assert main([str(word) for word in words]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", ["m", "m.index", "m.data-00000-of-00001", ""])
def test_inspect_a_checkpoint(saved, capsys, name):
    report = json.loads(told(capsys, "inspect", "--json", saved / name))
    assert report["kind"] == "checkpoint"
    assert [(t["name"], t["dtype"], t["shape"]) for t in report["tensors"]] == [
        ("b", "float32", [1]),
        ("w", "float32", [2, 1]),
    ]
    assert report["parameters"] == 3 and report["bytes"] == 12
    assert "3 parameters" in told(capsys, "inspect", saved / name)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("g.pb", "GraphDef"), ("g.pbtxt", "GraphDef"), ("m.meta", "MetaGraph"), ("sm", "SavedModel")],
)
def test_inspect_a_graph(saved, capsys, name, kind):
    report = json.loads(told(capsys, "inspect", "--json", saved / name))
    assert report["kind"] == kind
    graph = report["graphs"][0] if kind == "SavedModel" else report
    assert graph["operations"]["MatMul"] == 1 and graph["unknown"] == []
    assert {"name": "x", "dtype": "float32", "shape": [None, 2]} in graph["inputs"]
    assert sorted(v["name"] for v in graph["variables"]) == ["b", "w"]
    assert "y" in graph["outputs"]
    assert graph["flops"] == 2 * 2
    shown = told(capsys, "inspect", saved / name)
    assert "4 flops" in shown
    assert "MatMul" in shown and "unknown to millrace: none" in shown


def test_inspect_says_what_is_unknown(tmp_path, capsys):
    graph = tf.GraphDef()
    graph.node.add(name="a", op="NoSuchThing")
    (tmp_path / "g").write_bytes(graph.SerializeToString())
    report = json.loads(told(capsys, "inspect", "--json", tmp_path / "g"))
    assert (report["unknown"], report["flops"]) == (["NoSuchThing"], None)


def test_inspect_counts_flops(tmp_path, capsys):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 8, 8, 3])
        h = tf.nn.conv2d(x, tf.zeros([3, 3, 3, 5]), [1, 2, 2, 1], "SAME")
        h = tf.nn.depthwise_conv2d(h, tf.zeros([3, 3, 5, 1]), [1, 1, 1, 1], "SAME")
        tf.nn.conv2d_transpose(h, tf.zeros([2, 2, 7, 5]), [1, 8, 8, 7], 2)
        tf.matmul(tf.zeros([4, 2, 3]), tf.zeros([4, 5, 3]), adjoint_b=True)
        tf.train.write_graph(graph, str(tmp_path), "g.pb", as_text=False)
        tf.matmul(tf.placeholder(tf.float32, [None, None]), tf.zeros([3, 3]))
        tf.train.write_graph(graph, str(tmp_path), "open.pb", as_text=False)
    report = json.loads(told(capsys, "inspect", "--json", tmp_path / "g.pb"))
    conv, depthwise = 2 * 4 * 4 * 5 * 27, 2 * 4 * 4 * 5 * 9
    assert report["flops"] == conv + depthwise + 2 * 4 * 4 * 5 * 28 + 2 * 4 * 2 * 5 * 3
    report = json.loads(told(capsys, "inspect", "--json", tmp_path / "open.pb"))
    assert report["flops"] is None


def test_inspect_records_and_events(tmp_path, capsys):
    with tf.python_io.TFRecordWriter(str(tmp_path / "r")) as writer:
        feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[1]))
        example = tf.train.Example(features=tf.train.Features(feature={"label": feature}))
        writer.write(example.SerializeToString())
    report = json.loads(told(capsys, "inspect", "--json", tmp_path / "r"))
    assert (report["kind"], report["records"]) == ("records", 1)
    assert report["features"] == {"label": {"int64_list": 1}}
    with tf.summary.FileWriter(str(tmp_path / "log")) as writer:
        writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag="loss", simple_value=1.0)]), 3)
    (path,) = (tmp_path / "log").iterdir()
    report = json.loads(told(capsys, "inspect", "--json", path))
    assert report["kind"] == "events" and report["tags"] == {"loss": 1}


def test_inspect_refuses(tmp_path, capsys):
    (tmp_path / "junk").write_bytes(b"nothing of the kind, at some length")
    for path in (tmp_path / "junk", tmp_path / "none", tmp_path):
        assert main(["inspect", str(path)]) == 1
        assert "millrace inspect: " in capsys.readouterr().err


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_convert_and_back(saved, capsys, ending):
    if ending == ".safetensors":
        pytest.importorskip("safetensors")
    told(capsys, "convert", saved / "m", saved / f"a{ending}")
    told(capsys, "convert", saved / f"a{ending}", saved / "back")
    assert tf.train.list_variables(str(saved / "back")) == [("b", [1]), ("w", [2, 1])]
    for kind in (".index", ".data-00000-of-00001"):
        assert (saved / f"back{kind}").read_bytes() == (saved / f"m{kind}").read_bytes()


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_convert_keeps_shapes_and_dtypes(tmp_path, capsys, ending):
    """Scalars, empty arrays and bfloat16, and says that it leaves strings out."""
    if ending == ".safetensors":
        pytest.importorskip("safetensors")
    values = {
        "scalar": tf.constant(2.5, tf.float16),
        "empty": tf.zeros([0, 3], tf.int8),
        "brain": tf.cast([1.5, -2.0], tf.bfloat16),
        "one": tf.cast(3.0, tf.bfloat16),
        "text": tf.constant([b"a", b""]),
        "pair": tf.constant([1 + 2j], tf.complex64),
    }
    with tf.Session() as sess:
        names = sorted(values)
        write = tf.raw_ops.SaveV2(
            prefix=str(tmp_path / "m"),
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=[values[name] for name in names],
        )
        sess.run(write)
    assert "left out, being strings: text" in told(capsys, "convert", tmp_path / "m", tmp_path / f"a{ending}")
    told(capsys, "convert", tmp_path / f"a{ending}", tmp_path / "back")
    before, after = (tf.train.load_checkpoint(str(tmp_path / name)) for name in ("m", "back"))
    for name in sorted(set(names) - {"text"}):
        one, other = before.get_tensor(name), after.get_tensor(name)
        assert one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def test_convert_names_what_a_format_lacks(tmp_path, capsys):
    pytest.importorskip("safetensors")
    np.savez(tmp_path / "a.npz", wide=np.array([1 + 2j]))
    told(capsys, "convert", tmp_path / "a.npz", tmp_path / "m")
    assert main(["convert", str(tmp_path / "m"), str(tmp_path / "a.safetensors")]) == 1
    assert "cannot hold complex128; .npz can. Received: ['wide']" in capsys.readouterr().err
    assert not list(tmp_path.glob("*safetensors*"))


@pytest.mark.parametrize("words", [("sm",), ("m", "--outputs", "y")])
def test_convert_to_a_frozen_graph(saved, capsys, words):
    told(capsys, "convert", saved / words[0], saved / "f.pb", *words[1:])
    frozen = tf.GraphDef.FromString((saved / "f.pb").read_bytes())
    assert not any("Var" in node.op for node in frozen.node)
    (y,) = tf.import_graph_def(frozen, return_elements=["y:0"], name="")
    with tf.Session() as sess:
        assert sess.run(y, {"x:0": [[1.0, 1.0]]}).tolist() == [[3.5]]


def test_convert_refuses(saved, capsys):
    assert main(["convert", str(saved / "m"), str(saved / "f.pb")]) == 1
    assert "--outputs" in capsys.readouterr().err
    assert main(["convert", str(saved / "none"), str(saved / "f.pb")]) == 1
    assert not (saved / "f.pb").exists()


def test_show(saved, capsys):
    assert told(capsys, "show", saved / "sm").splitlines()[-1] == "'serve'"
    assert 'key: "serving_default"' in told(capsys, "show", "--dir", saved / "sm", "--tag_set", "serve")
    shown = told(capsys, "show", saved / "sm", "--all")
    assert "shape: (-1, 2)" in shown and "name: y:0" in shown and "tensorflow/serving/predict" in shown
    assert main(["show", str(saved / "sm"), "--tag_set", "none"]) == 1
    assert main(["show", str(saved / "m")]) == 1


def test_predict(saved, capsys):
    np.save(saved / "x.npy", np.ones((1, 2), "f"))
    out = told(capsys, "predict", saved / "sm", "--inputs", f"in={saved / 'x.npy'}", "--outdir", saved / "o")
    assert "[[3.5]]" in out and np.load(saved / "o" / "out.npy").tolist() == [[3.5]]
    assert "[[5.5]]" in told(capsys, "predict", saved / "sm", "--input_exprs", "in=[[1.0, 2.0]]")
    assert "[[3.5]]" in told(capsys, "predict", saved / "sm", "--input_exprs", "in=np.ones((1, 2))")
    for words in (
        ["--input_exprs", "other=1"],
        ["--input_exprs", "in=np.load('x')"],
        ["--input_exprs", "in=open('x')"],
        ["--signature_def", "none"],
        ["--input_exprs", "in=[[1.0, 2.0]]", "--outdir", str(saved / "o")],
    ):
        assert main(["predict", str(saved / "sm"), *words]) == 1
        assert "millrace predict: " in capsys.readouterr().err


def test_inspect_a_keras_model(tmp_path, capsys):
    model = tf.keras.Sequential(
        [tf.keras.layers.Dense(2, input_shape=(3,), name="d"), tf.keras.layers.ReLU()]
    )
    model.save(str(tmp_path / "m.h5"))
    report = json.loads(told(capsys, "inspect", "--json", tmp_path / "m.h5"))
    assert (report["kind"], report["model"], report["parameters"]) == ("HDF5", "Sequential", 8)
    assert report["layers"] == {"Dense": 1, "ReLU": 1}
    assert [(t["name"].split("/")[-1], t["shape"]) for t in report["tensors"]] == [
        ("bias:0", [2]), ("kernel:0", [3, 2]),
    ]  # fmt: skip
    data = (tmp_path / "m.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(data[: len(data) // 2])
    with pytest.raises(tf.errors.DataLossError, match="cut.h5 is damaged"):
        inspect(tmp_path / "cut.h5")
