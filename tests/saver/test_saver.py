"""`tf.train.Saver`: what it saves, restores, keeps and refuses."""

from __future__ import annotations

import os

import numpy as np
import pytest

import millrace as tf


@pytest.fixture
def prefix(tmp_path):
    return str(tmp_path / "m")


def save(prefix, values, **arguments) -> str:
    with tf.Graph().as_default(), tf.Session() as sess:
        for name, value in values.items():
            tf.Variable(value, name=name)
        sess.run(tf.global_variables_initializer())
        return tf.train.Saver(**arguments).save(sess, prefix) or ""


@pytest.mark.parametrize("version", [tf.train.SaverDef.V1, tf.train.SaverDef.V2])
@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("use_resource", [False, True])
def test_variables_come_back(prefix, version, sharded, use_resource):
    with tf.Graph().as_default(), tf.Session() as sess:
        with tf.device("/cpu:0"):
            a = tf.get_variable("a", initializer=[[1.0, 2.0]], use_resource=use_resource)
        with tf.device("/cpu:1"):
            b = tf.get_variable("s/b", initializer=["x", "yy"], use_resource=use_resource)
        p = tf.get_variable("p", [5, 2], partitioner=tf.fixed_size_partitioner(2), use_resource=use_resource)
        saver = tf.train.Saver(write_version=version, sharded=sharded)
        sess.run(tf.global_variables_initializer())
        whole, parts = tf.convert_to_tensor(p), list(p)  # pyright: ignore[reportGeneralTypeIssues]
        before = sess.run([a, b, whole])
        path = saver.save(sess, prefix, global_step=3)
        sess.run([a.assign([[0.0, 0.0]]), b.assign(["", ""]), *(v.assign(v * 2) for v in parts)])
        saver.restore(sess, path)
        for got, want in zip(sess.run([a, b, whole]), before, strict=True):
            np.testing.assert_array_equal(got, want)
        assert tf.train.latest_checkpoint(os.path.dirname(prefix)) == path
        assert [name for name, _ in tf.train.list_variables(path)] == ["a", "p", "s/b"]


def test_a_restore_that_fails_changes_nothing(prefix):
    path = save(prefix, {"a": [1.0, 2.0], "b": [1.0, 2.0]})
    with tf.Graph().as_default(), tf.Session() as sess:
        a = tf.Variable([5.0, 6.0], name="a")
        b = tf.Variable([5.0, 6.0, 7.0], name="b")
        sess.run(tf.global_variables_initializer())
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[3\].*\[2\]"):
            tf.train.Saver().restore(sess, path)
        with pytest.raises(tf.errors.NotFoundError, match="nearest keys are a"):
            tf.train.Saver({"a_": a}).restore(sess, path)
        assert sess.run(a).tolist() == [5, 6]
        assert sess.run(b).tolist() == [5, 6, 7]


@pytest.mark.parametrize("use_resource", [False, True])
def test_a_variable_without_a_value_takes_no_other_shape(prefix, use_resource):
    path = save(prefix, {"a": [1.0, 2.0]})
    with tf.Graph().as_default(), tf.Session() as sess:
        a = tf.get_variable("a", [3], use_resource=use_resource)
        with pytest.raises(tf.errors.InvalidArgumentError):
            tf.train.Saver().restore(sess, path)
        assert sess.run(tf.report_uninitialized_variables([a])).tolist() == [b"a"]


def test_old_checkpoints_go(tmp_path, prefix):
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.Variable(0, name="v")
        sess.run(tf.global_variables_initializer())
        saver = tf.train.Saver(max_to_keep=2)
        for step in range(4):
            saver.save(sess, prefix, global_step=step, write_meta_graph=False)
        assert [os.path.basename(p) for p in saver.last_checkpoints] == ["m-2", "m-3"]
        assert sorted(p.name for p in tmp_path.iterdir()) == [
            "checkpoint",
            "m-2.data-00000-of-00001",
            "m-2.index",
            "m-3.data-00000-of-00001",
            "m-3.index",
        ]
        again = tf.train.Saver(max_to_keep=2)
        again.recover_last_checkpoints([f"{prefix}-{k}" for k in range(4)])
        again.save(sess, prefix, global_step=9)
        assert [os.path.basename(p) for p in again.last_checkpoints] == ["m-3", "m-9"]


def test_refusals(prefix):
    with tf.Graph().as_default(), tf.Session() as sess:
        with pytest.raises(ValueError, match="No variables to save"):
            tf.train.Saver()
        empty = tf.train.Saver(allow_empty=True)
        assert empty.save(sess, prefix) is None
        empty.restore(sess, prefix)
        a = tf.Variable(1.0, name="a")
        saver = tf.train.Saver()
        for wrong in (a, [a, a], {"x": 3}, [a + 1], {"x": a, "y": a}):
            with pytest.raises((TypeError, ValueError)):
                tf.train.Saver(wrong)
        with pytest.raises(tf.errors.FailedPreconditionError):
            saver.save(sess, prefix)
        sess.run(a.initializer)
        with pytest.raises(TypeError, match="must be a Session"):
            saver.save(3, prefix)
        with pytest.raises(ValueError, match="Parent directory"):
            saver.save(sess, os.path.join(prefix, "none", "m"))
        with pytest.raises(ValueError, match="collides"):
            saver.save(sess, os.path.join(os.path.dirname(prefix), "checkpoint"))
        with pytest.raises(ValueError, match="path components"):
            saver.save(sess, prefix, latest_filename="a/b")
        with pytest.raises(ValueError, match="None"):
            saver.restore(sess, None)
        with pytest.raises(ValueError, match="not a valid checkpoint"):
            saver.restore(sess, prefix)
        with pytest.raises(RuntimeError, match="build"):
            tf.train.Saver(defer_build=True).save(sess, prefix)


def test_a_saver_as_a_message(prefix):
    with tf.Graph().as_default(), tf.Session() as sess:
        a = tf.Variable(1.0, name="a")
        saver = tf.train.Saver(name="keep")
        sess.run(a.initializer)
        saver.save(sess, prefix)
        sess.run(a.assign(5.0))
        tf.train.Saver.from_proto(saver.to_proto()).restore(sess, prefix)
        assert sess.run(a) == 1
        assert saver.to_proto("keep").filename_tensor_name == "Const:0"
        assert saver.to_proto("other") is None


def test_a_read_only_folder(tmp_path, prefix, monkeypatch):
    path = save(prefix, {"a": 1.0})

    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(tf.errors.ResourceExhaustedError, match="No space left"):
        save(prefix, {"a": 2.0})
    monkeypatch.undo()
    assert tf.train.load_variable(path, "a") == 1
    assert not [p for p in tmp_path.iterdir() if "tempstate" in p.name]


def test_a_writer_that_died_between_two_renames(tmp_path, prefix):
    save(prefix, {"a": [1.0]})
    old = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    save(prefix, {"a": [2.0]})
    new = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    index, data = "m.index", "m.data-00000-of-00001"
    for state in (
        {data: old[data], index: old[index], data + ".new": new[data], index + ".new": new[index]},
        {data: new[data], index: old[index], index + ".new": new[index]},
    ):
        for path in tmp_path.iterdir():
            path.unlink()
        for name, content in {**state, "checkpoint": old["checkpoint"]}.items():
            (tmp_path / name).write_bytes(content)
        latest = tf.train.latest_checkpoint(str(tmp_path))
        assert tf.train.load_variable(latest, "a").tolist() == [2]
        save(prefix, {"a": [3.0]})
        assert tf.train.load_variable(latest, "a").tolist() == [3]
        assert not [p for p in tmp_path.iterdir() if p.name.endswith(".new")]


def test_the_state_of_a_folder(tmp_path):
    folder = str(tmp_path)
    assert tf.train.get_checkpoint_state(folder) is None
    assert tf.train.latest_checkpoint(folder) is None
    tf.train.update_checkpoint_state(folder, "m-2", ["m-1", "m-2"])
    found = tf.train.get_checkpoint_state(folder)
    assert list(found.all_model_checkpoint_paths) == [os.path.join(folder, m) for m in ("m-1", "m-2")]
    assert tf.train.latest_checkpoint(folder) is None  # its files are not there
    (tmp_path / "checkpoint").write_text("nonsense {")
    assert tf.train.get_checkpoint_state(folder) is None
    with pytest.raises(RuntimeError, match="conflicts"):
        tf.train.update_checkpoint_state(folder, os.path.join(folder, "checkpoint"))
    with pytest.raises(ValueError, match="timestamps"):
        tf.train.generate_checkpoint_state_proto("/q", "m", ["m"], [1.0, 2.0])


def test_a_reader(prefix):
    path = save(prefix, {"a": [1.0, 2.0], "s": "text"})
    reader = tf.train.NewCheckpointReader(path)
    assert reader.get_variable_to_shape_map() == {"a": [2], "s": []}
    assert reader.get_variable_to_dtype_map() == {"a": tf.float32, "s": tf.string}
    assert reader.has_tensor("a")
    assert not reader.has_tensor("b")
    assert reader.get_tensor("s") == b"text"
    assert reader.debug_string() == b"a (DT_FLOAT) [2]\ns (DT_STRING) []\n"
    with pytest.raises(tf.errors.NotFoundError, match="not found"):
        reader.get_tensor("aa")
    with pytest.raises(tf.errors.NotFoundError, match="any matching files"):
        tf.train.NewCheckpointReader(path + "none")


def test_operations_by_name(tmp_path):
    path = str(tmp_path / "v1")
    with tf.Graph().as_default(), tf.Session() as sess:
        raw = tf.raw_ops
        sess.run(raw.Save(filename=path, tensor_names=["a"], data=[tf.constant([1.0, 2.0])]))
        restored = raw.Restore(file_pattern=path, tensor_name="a", dt=tf.float32)
        assert sess.run(restored).tolist() == [1, 2]
        part = raw.RestoreSlice(file_pattern=path, tensor_name="a", shape_and_slice="2 1,1", dt=tf.float32)
        assert part.shape.as_list() == [1]
        assert sess.run(part).tolist() == [2]
        name = raw.ShardedFilename(basename="m", shard=1, num_shards=4)
        assert sess.run(name) == b"m-00001-of-00004"
        assert sess.run(raw.ShardedFilespec(basename="m", num_shards=4)) == b"m-?????-of-00004"
        with pytest.raises(tf.errors.InvalidArgumentError, match="as many names"):
            sess.run(raw.Save(filename=path, tensor_names=["a", "b"], data=[tf.constant(1.0)]))
