"""`tf.saved_model.save` and `load_v2`: modules with their variables, functions and signatures."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

import millrace as tf
from millrace.core import protos
from millrace.opkit.checkpoint import bundle
from saver.test_second_version import FEEDS, FOLDER, Y


class Inner(tf.Module):
    """Nothing but a scale."""

    def __init__(self):
        super().__init__()
        self.scale = tf.Variable(2.0, use_resource=True, name="scale", trainable=False)


class Model(tf.Module):
    """Variables here and there, and functions of several kinds."""

    def __init__(self):
        super().__init__()
        self.w = tf.Variable([1.0, -2.0], use_resource=True, name="w")
        self.parts = [Inner(), tf.Variable(3, use_resource=True)]
        self.named = {"b": tf.Variable([0.5, 0.5], use_resource=True, name="b")}
        self.shift = tf.constant([10.0, 20.0])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def serve(self, x):
        return {"y": x * self.w * self.parts[0].scale + self.shift, "b": self.named["b"]}

    @tf.function
    def power(self, x, n=2, *, more=1.0):
        return x**n + more

    @tf.function(input_signature=[tf.TensorSpec([], tf.float32), tf.TensorSpec([], tf.int32)])
    def loop(self, x, n):
        for _ in tf.range(n):
            x = x * 0.5 if x > 3.0 else x + self.w[0]
        return x


@pytest.fixture
def folder(tmp_path):
    with tf.Graph().as_default(), tf.Session() as sess:
        model = Model()
        model.power(tf.constant(2.0), 3)
        model.power(tf.constant([1.0, 2.0]), n=tf.constant(2.0))
        sess.run(tf.global_variables_initializer())
        sess.run(model.w.assign([3.0, 4.0]))
        tf.saved_model.save(model, str(tmp_path), signatures=model.serve)
    return str(tmp_path)


def test_what_is_saved_is_loaded(folder):
    with tf.Graph().as_default(), tf.Session() as sess:
        model = tf.saved_model.load_v2(folder)
        y = model.serve(tf.constant([1.0, 2.0]))
        signed = model.signatures["serving_default"](x=tf.constant([1.0, 2.0]))
        with pytest.raises(tf.errors.FailedPreconditionError):
            sess.run(y)
        sess.run(tf.global_variables_initializer())
        found, again = sess.run([y, signed])
        assert found["y"].tolist() == again["y"].tolist() == [16, 36] and again["b"].tolist() == [0.5, 0.5]
        assert sess.run(model.power(tf.constant(2.0), 3)) == 9
        assert sess.run(model.power(tf.constant([1.0, 2.0]), n=tf.constant(2.0))).tolist() == [2, 5]
        assert sess.run(model.loop(2.0, 3)) == 5.5  # 5, 2.5, 5.5
        assert sess.run([model.parts[0].scale, model.parts[1], model.named["b"]])[0:2] == [2, 3]
        assert [v.op.name for v in tf.trainable_variables()] == ["w", "Variable", "b"]
        assert not model.parts[0].scale.trainable
    assert model.tensorflow_version == tf.__version__


def test_gradients_go_through_loaded_functions(folder):
    with tf.Graph().as_default(), tf.Session() as sess:
        model = tf.saved_model.load_v2(folder)
        x = tf.constant([1.0, 2.0])
        slopes = tf.gradients(model.serve(x)["y"], [x, model.w])
        sess.run(tf.global_variables_initializer())
        assert [v.tolist() for v in sess.run(slopes)] == [[6, 8], [2, 4]]


def test_the_first_version_loads_it_by_tag(folder):
    with tf.Graph().as_default(), tf.Session() as sess:
        meta = tf.saved_model.load(sess, ["serve"], folder)
        signature = meta.signature_def["serving_default"]
        outputs = {key: info.name for key, info in signature.outputs.items()}
        found = sess.run(outputs, {signature.inputs["x"].name: [1.0, 2.0]})
        assert found["y"].tolist() == [16, 36]
    shapes = dict(tf.train.list_variables(folder + "/variables/variables"))
    assert shapes["parts/0/scale/.ATTRIBUTES/VARIABLE_VALUE"] == []


def test_arguments_that_nothing_was_drawn_for(folder):
    with tf.Graph().as_default():
        model = tf.saved_model.load_v2(folder)
        with pytest.raises(ValueError, match="matching function to call.*saved for 2 kinds"):
            model.power(tf.constant(2.0), 4)
        with pytest.raises(ValueError, match="matching function"):
            model.serve(tf.constant([1, 2]))
        run = model.signatures["serving_default"]
        with pytest.raises(TypeError, match=r"Missing: \['x'\]"):
            run()
        with pytest.raises(TypeError, match="got values for"):
            run(z=tf.constant([1.0]))
        assert "serving_default" in model.signatures and len(model.signatures) == 1
        concrete = model.power.get_concrete_function(tf.TensorSpec([], tf.float32), 3)
        assert concrete is model.power.concrete_functions[0]
        assert concrete.inputs[0].shape == [] and concrete.outputs[0].dtype is tf.float32
        with pytest.raises(TypeError, match="saved without a function"):
            model()


def test_what_was_loaded_is_saved_again(folder, tmp_path):
    again = str(tmp_path / "again")
    with tf.Graph().as_default(), tf.Session() as sess:
        model = tf.saved_model.load_v2(folder)
        sess.run(tf.global_variables_initializer())
        tf.saved_model.save(model, again, signatures={"one": model.serve})
    with tf.Graph().as_default(), tf.Session() as sess:
        model = tf.saved_model.load_v2(again)
        sess.run(tf.global_variables_initializer())
        assert sess.run(model.signatures["one"](tf.constant([1.0, 2.0])))["y"].tolist() == [16, 36]
        assert sess.run(model.power(tf.constant(2.0), 3)) == 9


def test_the_one_function_with_a_signature_is_served(tmp_path):
    class One(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([], tf.float32)])
        def twice(self, x):
            return [x, x * 2.0]

    with tf.Graph().as_default():
        tf.saved_model.save(One(), str(tmp_path))
    with tf.Graph().as_default(), tf.Session() as sess:
        found = tf.saved_model.load_v2(str(tmp_path)).signatures["serving_default"](tf.constant(3.0))
        assert sess.run(found) == {"output_0": 3, "output_1": 6}


def test_a_keras_model(tmp_path):
    layers = tf.keras.layers
    model = tf.keras.Sequential([layers.Dense(2, input_shape=(3,), name="d"), layers.BatchNormalization()])
    with tf.Session().as_default() as sess:
        sess.run(tf.global_variables_initializer())
        wanted = sess.run(model(tf.ones([1, 3]), training=False))
        tf.saved_model.save(model, str(tmp_path))
    with tf.Graph().as_default(), tf.Session() as sess:
        loaded = tf.saved_model.load_v2(str(tmp_path))
        out = loaded.signatures["serving_default"](tf.ones([1, 3]))
        sess.run(tf.global_variables_initializer())
        np.testing.assert_allclose(next(iter(sess.run(out).values())), wanted, rtol=1e-6)


def test_what_cannot_be_saved(tmp_path):
    def saved(obj, signatures=None):
        with tf.Session().as_default() as sess:
            sess.run(tf.global_variables_initializer())
            tf.saved_model.save(obj, str(tmp_path / "no"), signatures)

    model, spec = Model(), [tf.TensorSpec([], tf.float32)]
    with pytest.raises(ValueError, match="Expected a Trackable object for export"):
        saved(3)
    with pytest.raises(ValueError, match="only tf.functions with an input signature"):
        saved(model, model.power)
    with pytest.raises(ValueError, match="one Tensor by string key"):
        saved(model, tf.function(lambda x: {"a": [x]}, input_signature=spec))
    lost = tf.Variable(1.0, use_resource=True)
    with pytest.raises(AssertionError, match="untracked object"):
        saved(model, tf.function(lambda x: x + lost, input_signature=spec))
    assert not (tmp_path / "no" / "saved_model.pb").exists()
    with tf.Session().as_default(), pytest.raises(tf.errors.FailedPreconditionError):
        tf.saved_model.save(model, str(tmp_path / "no"))


def test_a_model_of_the_second_version():
    with tf.Graph().as_default(), tf.Session() as sess:
        model = tf.saved_model.load_v2(str(FOLDER))
        feeds = {"x": tf.constant(FEEDS["x"]), "n": tf.constant(3), "words": tf.constant(FEEDS["words"])}
        out = model.signatures["serving_default"](**feeds)
        sess.run([tf.global_variables_initializer(), tf.tables_initializer()])
        first, second = sess.run(out), sess.run(out)
    np.testing.assert_allclose(first["y"], Y, rtol=1e-5)
    assert first["ids"].tolist() == [0, 3, 2]
    assert (int(first["count"]), int(second["count"])) == (1, 2)


def test_tags_and_places(folder, tmp_path):
    with pytest.raises(ValueError, match=r"incompatible argument.*Received: tags=\['x'\]"):
        tf.saved_model.load_v2(folder, tags=["x"])
    assert tf.saved_model.load_v2(folder, tags="serve").w.shape == (2,)
    with pytest.raises(OSError, match="does not exist"):
        tf.saved_model.load_v2(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("resource", [False, True])
def test_a_model_without_objects(tmp_path, resource):
    words = tmp_path / "words"
    words.write_text("a\nb\n", encoding="utf-8")
    where = str(tmp_path / "model")
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None], name="x")
        w = tf.get_variable("w", initializer=[2.0], use_resource=resource)
        keys = tf.placeholder(tf.string, [None], name="k")
        path = tf.constant(str(words))
        tf.add_to_collection(tf.GraphKeys.ASSET_FILEPATHS, path)
        start = tf.lookup.TextFileInitializer(path, tf.string, 0 - 2, tf.int64, 0 - 1)
        found = tf.lookup.StaticHashTable(start, -1).lookup(keys)
        sess.run([tf.global_variables_initializer(), tf.tables_initializer()])
        sess.run(w.assign([5.0]))
        tf.saved_model.simple_save(
            sess, where, {"x": x, "k": keys}, {"y": x * w, "n": found}, tf.tables_initializer()
        )
    words.unlink()
    with tf.Graph().as_default(), tf.Session() as sess:
        model = tf.saved_model.load_v2(where)
        out = model.signatures["serving_default"](x=[3.0], k=["b", "z"])
        part = model.prune("x:0", model.signatures["serving_default"].structured_outputs["y"])(
            tf.constant([4.0])
        )
        sess.run([tf.global_variables_initializer(), tf.tables_initializer()])
        values = sess.run(out)
        assert values["y"].tolist() == [15] and values["n"].tolist() == [1, -1]
        assert sess.run(part).tolist() == [20]
        assert [v.shape for v in model.variables] == [(1,)] and len(model.asset_paths) == 1
        with pytest.raises(TypeError, match="Expected argument names"):
            model.signatures["serving_default"](x=[3.0])
    with pytest.raises(RuntimeError, match="could not be found"):
        tf.saved_model.load_v2(where, tags=["x"])


def test_a_method_may_have_an_input_signature():
    with pytest.raises(TypeError, match="does not fit"):

        class Wrong(tf.Module):
            @tf.function(input_signature=[tf.TensorSpec([], tf.float32)] * 3)
            def f(self, x):
                return x

    assert pathlib.Path(FOLDER, "saved_model.pb").exists()


class Words(tf.Module):
    """Tables of all kinds: filled from tensors, from a file, and by the program."""

    def __init__(self, path):
        super().__init__()
        values = tf.constant([1, 2], tf.int64)
        self.fixed = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(tf.constant(["a", "b"]), values), -1
        )
        of_file = tf.lookup.TextFileInitializer(
            path, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
        )
        self.more = {"vocabulary": tf.lookup.StaticVocabularyTable(of_file, 2)}
        self.changed = tf.contrib.lookup.MutableHashTable(tf.string, tf.int64, -5)
        self.dense = [tf.contrib.lookup.MutableDenseHashTable(tf.string, tf.float32, [0.0, 0.0], "", "-")]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def look(self, x):
        tables = [self.fixed, self.more["vocabulary"], self.changed, *self.dense]
        return {f"y{k}": table.lookup(x) for k, table in enumerate(tables)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def learn(self, x):
        with tf.control_dependencies(
            [self.changed.insert(x, tf.fill(tf.shape(x), tf.constant(9, tf.int64)))]
        ):
            return self.changed.size()


LOOKED = ["a", "y", "k", "?"]
FOUND = [[1, -1, -1, -1], [4, 1, 4, 4], [-5, -5, 7, -5], [[0, 0], [0, 0], [0.5, 1], [0, 0]]]


def found_in(sess, outputs, feeds=None):
    found = sess.run(outputs, feeds)
    return [found[key].tolist() for key in sorted(found)]


@pytest.fixture
def words(tmp_path):
    """A SavedModel with tables; the file of words is gone."""
    path, folder = tmp_path / "words.txt", str(tmp_path / "model")
    path.write_text("x\ny\nz\n")
    with tf.Graph().as_default(), tf.Session() as sess:
        model = Words(str(path))
        sess.run(tf.tables_initializer())
        sess.run([model.changed.insert(["k"], [7]), model.dense[0].insert(["k"], [[0.5, 1.0]])])
        tf.saved_model.save(model, folder, signatures={"look": model.look, "learn": model.learn})
    path.unlink()
    return folder


@pytest.mark.parametrize("times", [1, 2])
def test_tables_and_their_contents(words, times, tmp_path):
    for k in range(times - 1):  # what was loaded is saved again
        with tf.Graph().as_default(), tf.Session() as sess:
            model = tf.saved_model.load_v2(words)
            sess.run(tf.tables_initializer())
            words = str(tmp_path / f"again_{k}")
            tf.saved_model.save(model, words, signatures={"look": model.look, "learn": model.learn})
    assert [p.name for p in (pathlib.Path(words) / "assets").iterdir()] == ["words.txt"]
    with tf.Graph().as_default(), tf.Session() as sess:
        model = tf.saved_model.load_v2(words)
        y = model.look(tf.constant(LOOKED))
        with pytest.raises(tf.errors.FailedPreconditionError):
            sess.run(y)
        sess.run(tf.tables_initializer())
        assert found_in(sess, y) == FOUND
        assert found_in(sess, model.signatures["look"](x=tf.constant(LOOKED))) == FOUND
        assert sess.run(model.learn(tf.constant(["a", "?"]))) == 3
        assert sess.run(y)["y2"].tolist() == [9, -5, 7, 9]


def test_the_first_version_fills_tables_by_tag(words):
    with tf.Graph().as_default(), tf.Session() as sess:
        meta = tf.saved_model.load(sess, ["serve"], words)
        signature = meta.signature_def["look"]
        outputs = {key: info.name for key, info in signature.outputs.items()}
        assert found_in(sess, outputs, {signature.inputs["x"].name: LOOKED}) == FOUND
    held = dict(tf.train.list_variables(words + "/variables/variables"))
    assert held["changed/.ATTRIBUTES/table-keys"] == [1]


def test_a_checkpoint_that_lacks_a_table(words):
    path = words + "/variables/variables"
    with bundle.Bundle(path) as opened:
        rows = [(n, "", opened.describe(n)[0], opened.read(n)) for n in opened.names()]
    bundle.write(path, [row for row in rows if not row[0].endswith("-values")])
    with tf.Graph().as_default(), pytest.raises(ValueError, match="lacks the table changed"):
        tf.saved_model.load_v2(words)


@pytest.mark.parametrize("damage", ["reference", "constant"])
def test_objects_that_do_not_fit_together(words, damage):
    path = pathlib.Path(words) / "saved_model.pb"
    model = protos.SavedModel.FromString(path.read_bytes())
    nodes = model.meta_graphs[0].object_graph_def.nodes
    if damage == "reference":
        nodes[0].children[0].node_id = len(nodes)
    else:
        next(n for n in nodes if n.WhichOneof("kind") == "constant").constant.operation = "none"
    path.write_bytes(model.SerializeToString())
    with tf.Graph().as_default(), pytest.raises(tf.errors.DataLossError, match="damaged"):
        tf.saved_model.load_v2(words)
