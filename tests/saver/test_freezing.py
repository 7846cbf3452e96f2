"""Frozen graphs: `freeze_graph`, `strip_unused`, `optimize_for_inference`, `TransformGraph`."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf
from millrace.saver.freezing.batch_norms import fold_batch_norms
from millrace.saver.freezing.freeze import freeze_graph
from millrace.saver.freezing.inspect_checkpoint import (
    get_meta_graph_def,
    get_saved_model_tag_sets,
    print_tensors_in_checkpoint_file,
)
from millrace.saver.freezing.optimize import optimize_for_inference
from millrace.saver.freezing.strip import ensure_graph_is_valid, strip_unused, strip_unused_from_files
from millrace.saver.freezing.transforms import transform_graph

FLOAT = tf.float32.as_datatype_enum


def network():
    random = np.random.RandomState(0)
    x = tf.placeholder(tf.float32, [None, 6, 6, 2], name="x")
    w = tf.get_variable("w", initializer=random.randn(3, 3, 2, 4).astype("f"))
    h = tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME")
    norm = [tf.get_variable(n, initializer=abs(random.randn(4)).astype("f")) for n in "gbmv"]
    h = tf.nn.fused_batch_norm(h, *norm, is_training=False, name="bn")[0]
    depth = tf.get_variable("d", initializer=random.randn(3, 3, 4, 2).astype("f"), use_resource=True)
    h = tf.nn.depthwise_conv2d(tf.check_numerics(tf.nn.relu(h), "bad"), depth, [1, 1, 1, 1], "SAME")
    last = [tf.get_variable(n + "2", initializer=abs(random.randn(8)).astype("f")) for n in "gbmv"]
    h = tf.nn.fused_batch_norm(h, *last, is_training=False, name="bn2")[0]
    scale = tf.constant([1.0, 2.0]) * tf.constant(3.0)
    return x, tf.identity(tf.reduce_mean(h, [1, 2])[:, :2] * scale, name="y")


def run(graph_def):
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.import_graph_def(graph_def, name="")
        return sess.run("y:0", {"x:0": np.linspace(0, 1, 72).reshape(1, 6, 6, 2)})


def types(graph_def):
    return {node.op for node in graph_def.node}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frozen")
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        x, y = network()
        sess.run(tf.global_variables_initializer())
        saver = tf.train.Saver()
        saver.save(sess, str(folder / "m"))
        tf.train.write_graph(graph, str(folder), "g.pb", as_text=False)
        tf.train.write_graph(graph, str(folder), "g.pbtxt")
        (folder / "saver").write_bytes(saver.as_saver_def().SerializeToString())
        tf.saved_model.simple_save(sess, str(folder / "sm"), {"x": x}, {"y": y})
    return folder


def frozen(files, **given):
    words = {"input_graph": None, "input_saver": None, "input_binary": True, "input_checkpoint": None} | given
    return freeze_graph(
        output_node_names="y",
        restore_op_name="",
        filename_tensor_name="",
        output_graph=str(files / "f.pb"),
        clear_devices=True,
        initializer_nodes="",
        **words,
    )


def test_freeze_graph_of_all_forms(files):
    prefix = str(files / "m")
    forms = (
        {"input_graph": str(files / "g.pb"), "input_checkpoint": prefix},
        {"input_graph": str(files / "g.pbtxt"), "input_binary": False, "input_checkpoint": prefix},
        {"input_graph": str(files / "g.pb"), "input_checkpoint": prefix, "input_saver": str(files / "saver")},
        {"input_meta_graph": prefix + ".meta", "input_checkpoint": prefix},
        {"input_saved_model_dir": str(files / "sm")},
    )
    made = [frozen(files, **form) for form in forms]
    assert len({tuple(sorted(node.name for node in graph.node)) for graph in made}) == 1
    for graph in made:
        assert not {"VariableV2", "VarHandleOp", "ReadVariableOp"} & types(graph)
        np.testing.assert_array_equal(run(graph), run(made[0]))
    assert (files / "f.pb").read_bytes() == made[-1].SerializeToString(deterministic=True)


def test_freeze_graph_without_its_files(files, capsys):
    assert frozen(files, input_graph=str(files / "none"), input_checkpoint=str(files / "m")) == -1
    assert frozen(files, input_graph=str(files / "g.pb"), input_checkpoint=str(files / "none")) == -1
    assert capsys.readouterr().out.count("exist") == 2


def test_optimize_for_inference(files):
    graph = frozen(files, input_saved_model_dir=str(files / "sm"))
    made = optimize_for_inference(graph, ["x"], ["y"], FLOAT)
    assert not {"FusedBatchNormV3", "CheckNumerics"} & types(made)
    assert [node.name for node in made.node if node.op == "BiasAdd"] == ["bn", "bn2"]
    np.testing.assert_allclose(run(made), run(graph), rtol=1e-4)


def test_what_is_not_folded(files):
    graph = frozen(files, input_saved_model_dir=str(files / "sm"))
    assert fold_batch_norms(graph).node == graph.node  # Identity nodes stand between
    plain = transform_graph(graph, ["x"], ["y", "Conv2D"], ["remove_nodes(op=Identity)"])
    plain.node.add(name="also", op="Identity", input=["Conv2D"]).attr["T"].type = FLOAT
    made = fold_batch_norms(plain)
    assert [node.name for node in made.node if node.op == "BiasAdd"] == ["bn2"]  # "also" takes the other


@pytest.mark.parametrize(
    "steps",
    [
        ["strip_unused_nodes"],
        ['strip_unused_nodes(type=float, shape="1,6,6,2")', "fold_constants(ignore_errors=true)"],
        ["remove_nodes(op=Identity, op=CheckNumerics)", "fold_batch_norms", "sort_by_execution_order"],
        ["remove_nodes(op=Identity)", "fold_old_batch_norms", "remove_device"],
        [
            "remove_attribute(attribute_name=_class)",
            "remove_control_dependencies",
            "set_device(device=/cpu:0)",
        ],
        [
            "rename_op(old_op_name=Relu, new_op_name=Softplus)",
            "rename_op(old_op_name=Softplus, new_op_name=Relu)",
        ],
        ["rename_attribute(old_attribute_name=_a, new_attribute_name=_b)"],
    ],
)
def test_transform_graph(files, steps):
    graph = frozen(files, input_saved_model_dir=str(files / "sm"))
    before = graph.SerializeToString(deterministic=True)
    made = transform_graph(graph, ["x"], ["y"], steps)
    assert graph.SerializeToString(deterministic=True) == before
    np.testing.assert_allclose(run(made), run(graph), rtol=1e-4)
    if "fold_constants(ignore_errors=true)" in steps:
        assert next(node for node in made.node if node.name == "mul").op == "Const"
    if "fold_batch_norms" in steps:
        assert "FusedBatchNormV3" not in types(made)


def test_transform_graph_refuses():
    for steps in (["nothing"], ["rename_op"], ["remove_attribute(op_name=A)"], ["fold_constants(("]):
        graph = tf.GraphDef()
        graph.node.add(name="a", op="A")
        with pytest.raises(ValueError, match="Received"):
            transform_graph(graph, [], [], steps)


def test_strip_unused(tmp_path, capsys):
    a = tf.constant(1.0, name="a")
    b = tf.identity(a, name="b")
    tf.negative(b, name="c")
    tf.exp(b, name="d")
    graph = tf.get_default_graph().as_graph_def()
    made = strip_unused(graph, ["b"], ["c"], [tf.float32.as_datatype_enum])
    assert [(node.name, node.op) for node in made.node] == [("b", "Placeholder"), ("c", "Neg")]
    with pytest.raises(KeyError, match="nope"):
        strip_unused(graph, ["nope"], ["c"], FLOAT)
    with pytest.raises(ValueError, match="Tensor"):
        strip_unused(graph, ["b:0"], ["c"], FLOAT)
    (tmp_path / "g").write_bytes(graph.SerializeToString())
    source, target = str(tmp_path / "g"), str(tmp_path / "h")
    strip_unused_from_files(source, True, target, True, "b", "c", FLOAT)
    assert tf.GraphDef.FromString((tmp_path / "h").read_bytes()) == made
    strip_unused_from_files(target + "x", True, target, True, "b", "c", FLOAT)
    strip_unused_from_files(source, True, target, True, "b", "", FLOAT)
    assert "does not exist" in capsys.readouterr().out


def test_ensure_graph_is_valid():
    graph = tf.GraphDef()
    graph.node.add(name="a", op="NoOp", input=["b"])
    with pytest.raises(ValueError, match="not found"):
        ensure_graph_is_valid(graph)
    graph.node.add(name="a", op="NoOp")
    with pytest.raises(ValueError, match="Duplicate"):
        ensure_graph_is_valid(graph)


def test_what_is_printed(files, capsys):
    for words in (("", False), ("g", False), ("", True), ("", False, True)):
        print_tensors_in_checkpoint_file(str(files / "m"), *words)
    out = capsys.readouterr().out
    assert out.count("# Total number of params: ") == 4
    assert "w (DT_FLOAT) [3,3,2,4]" in out and "tensor_name:  g\n" in out
    assert get_saved_model_tag_sets(str(files / "sm")) == [["serve"]]
    assert get_meta_graph_def(str(files / "sm"), "serve").meta_info_def.tags == ["serve"]
