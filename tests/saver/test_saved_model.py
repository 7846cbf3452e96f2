"""SavedModels: written, loaded, and called by their signatures."""

from __future__ import annotations

import os

import pytest

import millrace as tf
from millrace.core import protos


def build(session):
    x = tf.placeholder(tf.float32, [None], name="x")
    v = tf.Variable(3.0, name="v")
    y = tf.multiply(x, v, name="y")
    session.run(tf.global_variables_initializer())
    return x, v, y


def files_of(folder):
    return sorted(os.path.relpath(os.path.join(at, f), folder) for at, _, fs in os.walk(folder) for f in fs)


@pytest.mark.parametrize("scope", [None, "imp"])
@pytest.mark.parametrize("as_text", [False, True])
def test_out_and_in(tmp_path, scope, as_text):
    path = str(tmp_path / "e")
    with tf.Graph().as_default(), tf.Session() as sess:
        x, _, y = build(sess)
        signature = tf.saved_model.predict_signature_def({"in": x}, {"out": y})
        builder = tf.saved_model.Builder(path)
        builder.add_meta_graph_and_variables(
            sess, ["serve", "b"], {"key": signature}, main_op=tf.no_op(name="go")
        )
        builder.add_meta_graph(["other"])
        builder.save(as_text)
    assert tf.saved_model.contains_saved_model(path)
    with tf.Graph().as_default(), tf.Session() as sess:
        meta = tf.saved_model.load(sess, {"b", "serve"}, path, import_scope=scope)
        head = f"{scope}/" if scope else ""
        signature = meta.signature_def["key"]
        find = tf.saved_model.get_tensor_from_tensor_info
        out = find(signature.outputs["out"], import_scope=scope)
        assert out.name == head + "y:0"
        assert sess.run(out, {find(signature.inputs["in"], import_scope=scope): [2.0]}).tolist() == [6.0]
        assert [v.name for v in tf.global_variables()] == [head + "v:0"]


def test_assets_with_the_same_name(tmp_path):
    paths = []
    for k, text in enumerate(("a", "bb", "a")):
        (tmp_path / str(k)).mkdir()
        (tmp_path / str(k) / "words").write_text(text)
        paths.append(str(tmp_path / str(k) / "words"))
    with tf.Graph().as_default(), tf.Session() as sess:
        build(sess)
        builder = tf.saved_model.Builder(str(tmp_path / "e"))
        constants = [tf.constant(path, name=f"c{k}") for k, path in enumerate(paths)]
        read = [tf.identity(tf.read_file(c), name=f"r{k}") for k, c in enumerate(constants)]
        builder.add_meta_graph_and_variables(
            sess, ["serve"], assets_collection=constants, main_op=tf.group(*read)
        )
        builder.save()
    assert files_of(tmp_path / "e" / "assets") == ["words", "words_1"]
    (tmp_path / "e").rename(tmp_path / "moved")
    for path in paths:
        os.remove(path)
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.saved_model.load(sess, ["serve"], str(tmp_path / "moved"))


def test_simple_save_with_a_table(tmp_path):
    (tmp_path / "words").write_text("a\nb\n")
    with tf.Graph().as_default(), tf.Session() as sess:
        table = tf.contrib.lookup.index_table_from_file(str(tmp_path / "words"))
        words = tf.placeholder(tf.string, [None])
        tf.saved_model.simple_save(
            sess, str(tmp_path / "e"), {"w": words}, {"i": table.lookup(words)}, tf.tables_initializer()
        )
    assert files_of(tmp_path / "e") == ["assets/words", "saved_model.pb"]
    os.remove(tmp_path / "words")
    predict = tf.contrib.predictor.from_saved_model(str(tmp_path / "e"))
    assert predict({"w": ["b", "c"]})["i"].tolist() == [1, -1]


def test_predictor(tmp_path):
    path = str(tmp_path / "e")
    with tf.Graph().as_default(), tf.Session() as sess:
        x, _, y = build(sess)
        tf.saved_model.simple_save(sess, path, {"in": x}, {"out": y})
    make = tf.contrib.predictor.from_saved_model
    assert make(path)({"in": [1.0]})["out"].tolist() == [3.0]
    named = make(path, input_names={"a": "x:0"}, output_names={"b": "y:0"})
    assert named({"a": [1.0]})["b"].tolist() == [3.0]
    assert sorted(named.feed_tensors) == ["a"]
    with pytest.raises(ValueError, match="unexpected keys"):
        named({"in": [1.0]})
    with pytest.raises(ValueError, match="serving_default"):
        make(path, signature_def_key="none")
    with pytest.raises(ValueError, match="both"):
        make(path, input_names={"a": "x:0"})
    with pytest.raises(ValueError, match="at most one"):
        make(path, signature_def_key="a", input_names={"a": "x:0"}, output_names={})
    with pytest.raises(RuntimeError, match="'serve'"):
        make(path, tags="none")


def test_what_the_builder_refuses(tmp_path):
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        x, _, y = build(sess)
        builder = tf.saved_model.Builder(str(tmp_path / "e"))
        with pytest.raises(AssertionError, match="has not been saved yet"):
            builder.add_meta_graph(["a"])
        info = tf.saved_model.build_tensor_info
        for bad in (protos.TensorInfo(), protos.TensorInfo(name="x:0")):
            with pytest.raises(AssertionError, match="TensorInfo"):
                builder.add_meta_graph_and_variables(
                    sess, ["a"], {"k": tf.saved_model.build_signature_def({"i": bad}, {"o": info(y)})}
                )
        for key in ("__saved_model_init_op", "__saved_model_train_op"):
            with pytest.raises(KeyError, match="reserved"):
                builder.add_meta_graph_and_variables(sess, ["a"], {key: tf.saved_model.build_signature_def()})
        with pytest.raises(TypeError, match="main_op"):
            builder.add_meta_graph_and_variables(sess, ["a"], main_op=x)
        with pytest.raises(ValueError, match="asset"):
            builder.add_meta_graph_and_variables(sess, ["a"], assets_collection=[x])
        assert not graph.get_collection("saved_model_main_op")
        builder.add_meta_graph_and_variables(sess, ["a"], legacy_init_op=tf.no_op())
        builder.save()
        with pytest.raises(AssertionError, match="already been saved"):
            builder.add_meta_graph_and_variables(sess, ["b"])
        with pytest.raises(ValueError, match="main ops"):
            builder.add_meta_graph(["b"], main_op=tf.no_op())
    with pytest.raises(AssertionError, match="isn't empty"):
        tf.saved_model.Builder(str(tmp_path / "e"))


def test_what_the_loader_refuses(tmp_path):
    with tf.Session() as sess:
        with pytest.raises(OSError, match="does not exist"):
            tf.saved_model.load(sess, ["serve"], str(tmp_path))
        (tmp_path / "saved_model.pb").write_bytes(b"\xff\xff\xff")
        with pytest.raises(OSError, match="Cannot parse"):
            tf.saved_model.load(sess, ["serve"], str(tmp_path))
        (tmp_path / "saved_model.pb").unlink()
        (tmp_path / "saved_model.pbtxt").write_text("nothing of the kind")
        with pytest.raises(OSError, match="Cannot parse"):
            tf.saved_model.load(sess, ["serve"], str(tmp_path))
    assert not tf.get_default_graph().get_operations()


def test_tensor_infos():
    info, back = tf.saved_model.build_tensor_info, tf.saved_model.get_tensor_from_tensor_info
    sparse = tf.sparse_placeholder(tf.float32, [2, 3], name="s")
    assert info(sparse).coo_sparse.values_tensor_name == "s/values:0"
    assert isinstance(back(info(sparse)), tf.SparseTensor)
    assert info(tf.Variable(1.0)).dtype == protos.DataType.Value("DT_FLOAT_REF")
    assert info(tf.Variable(1.0, use_resource=True)).dtype == protos.DataType.Value("DT_FLOAT")
    with pytest.raises(ValueError, match="name its tensor"):
        back(protos.TensorInfo())
    with pytest.raises(KeyError):
        back(protos.TensorInfo(name="none:0"))


def test_signatures():
    text = tf.placeholder(tf.string, [None])
    number = tf.placeholder(tf.float32, [None])
    utils = tf.saved_model.signature_def_utils
    assert utils.is_valid_signature(utils.regression_signature_def(text, number))
    assert utils.is_valid_signature(utils.classification_signature_def(text, text, number))
    assert utils.is_valid_signature(utils.predict_signature_def({"a": text}, {"b": number}))
    assert not utils.is_valid_signature(utils.build_signature_def(method_name="tensorflow/serving/classify"))
    assert not utils.is_valid_signature(utils.build_signature_def(method_name="tensorflow/serving/regress"))
    for wrong in (
        lambda: utils.regression_signature_def(None, number),
        lambda: utils.regression_signature_def(number, number),
        lambda: utils.regression_signature_def(text, 3.0),
        lambda: utils.classification_signature_def(None, text, number),
        lambda: utils.classification_signature_def(text, None, None),
        lambda: utils.classification_signature_def(text, number, None),
        lambda: utils.predict_signature_def({}, {"b": number}),
        lambda: utils.predict_signature_def({"a": text}, None),
    ):
        with pytest.raises(ValueError, match="Received|None"):
            wrong()
