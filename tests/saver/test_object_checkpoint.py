"""Checkpoints of objects: `tf.train.Checkpoint` and `CheckpointManager`."""

from __future__ import annotations

import os

import numpy as np
import pytest

import millrace as tf
from millrace.core import protos
from millrace.opkit.checkpoint import bundle
from millrace.saver.checkpoint.object_graph import GRAPH_KEY


def build():
    v = tf.get_variable("v", initializer=[1.0, 2.0])
    w = tf.get_variable("w", initializer=3.0, use_resource=True)
    optimizer = tf.train.AdamOptimizer(0.1)
    step = optimizer.minimize(tf.reduce_sum(tf.square(v)) * w)
    return v, w, optimizer, step, tf.train.Checkpoint(v=v, opt=optimizer, inner=tf.train.Checkpoint(w=w))


def test_objects_come_back_with_their_slots(tmp_path):
    prefix = str(tmp_path / "ck")
    with tf.Graph().as_default(), tf.Session() as sess:
        v, w, optimizer, step, checkpoint = build()
        sess.run(tf.global_variables_initializer())
        sess.run(step)
        path = checkpoint.save(prefix, sess)
        assert path == prefix + "-1"
        size = len(tf.get_default_graph().get_operations())
        assert checkpoint.save(prefix, sess) == prefix + "-2"
        assert len(tf.get_default_graph().get_operations()) == size
        assert tf.train.latest_checkpoint(str(tmp_path)) == prefix + "-2"
        want = sess.run([v, w, optimizer.get_slot(v, "m"), optimizer.get_slot(w, "v")])
    names = [name for name, _ in tf.train.list_variables(path)]
    assert "inner/w/.OPTIMIZER_SLOT/opt/m/.ATTRIBUTES/VARIABLE_VALUE" in names
    assert "opt/beta1_power/.ATTRIBUTES/VARIABLE_VALUE" in names
    with tf.Graph().as_default(), tf.Session() as sess:
        v, w, optimizer, _, checkpoint = build()
        status = checkpoint.restore(path)
        status.assert_consumed().assert_nontrivial_match().assert_existing_objects_matched()
        status.run_restore_ops(sess)
        got = sess.run([v, w, optimizer.get_slot(v, "m"), optimizer.get_slot(w, "v")])
        for a, b in zip(got, want, strict=True):
            np.testing.assert_array_equal(a, b)
        assert sess.run(checkpoint.save_counter) == 1


def test_a_saver_reads_it_by_name(tmp_path):
    with tf.Graph().as_default(), tf.Session() as sess:
        v, w, _, _, checkpoint = build()
        sess.run(tf.global_variables_initializer())
        path = checkpoint.write(str(tmp_path / "w"), sess)
        sess.run([v.assign([0.0, 0.0]), w.assign(0.0)])
        saver = tf.train.Saver([v, w])
        tf.get_default_graph().finalize()
        saver.restore(sess, path)
        assert sess.run(v).tolist() == [1, 2]
        assert sess.run(w) == 3


def test_what_does_not_match(tmp_path):
    with tf.Graph().as_default(), tf.Session() as sess:
        a = tf.get_variable("a", initializer=1.0)
        sess.run(a.initializer)
        path = tf.train.Checkpoint(a=a).write(str(tmp_path / "w"), sess)
        named = tf.train.Saver([a]).save(sess, str(tmp_path / "n"))
        other = tf.train.Checkpoint(b=a)
        with pytest.raises(AssertionError, match="Unresolved"):
            other.restore(path).assert_consumed()
        with pytest.raises(AssertionError, match="not restored"):
            other.restore(path).assert_existing_objects_matched()
        with pytest.raises(AssertionError, match="Nothing"):
            other.restore(path).assert_nontrivial_match()
        with pytest.raises(AssertionError, match="nothing to restore"):
            other.restore(None).assert_consumed()
        other.restore(None).initialize_or_restore(sess)
        with pytest.raises(AssertionError, match="by name"):
            other.restore(named).assert_consumed()
        with pytest.raises(tf.errors.NotFoundError):
            other.restore(str(tmp_path / "none"))
        with pytest.raises(ValueError, match="variable"):
            tf.train.Checkpoint(x=3)
    with pytest.raises(RuntimeError, match="no session"):
        other.write(str(tmp_path / "w"))


def test_the_last_few_are_kept(tmp_path):
    folder = str(tmp_path / "kept")
    with tf.Graph().as_default(), tf.Session() as sess:
        a = tf.get_variable("a", initializer=1.0)
        sess.run(a.initializer)
        kept = tf.train.CheckpointManager(tf.train.Checkpoint(a=a), folder, max_to_keep=2)
        assert kept.latest_checkpoint is None
        for number in (1, 2, 3):
            assert kept.save() == os.path.join(folder, f"ckpt-{number}")
        assert kept.checkpoints == [os.path.join(folder, f"ckpt-{k}") for k in (2, 3)]
        assert not os.path.exists(os.path.join(folder, "ckpt-1.index"))
        again = tf.train.CheckpointManager(tf.train.Checkpoint(a=a), folder, max_to_keep=2)
        assert again.checkpoints == kept.checkpoints
        assert again.save(checkpoint_number=7) == os.path.join(folder, "ckpt-7")
        assert tf.train.latest_checkpoint(folder) == again.latest_checkpoint
    with pytest.raises(ValueError, match="max_to_keep"):
        tf.train.CheckpointManager(tf.train.Checkpoint(), folder, max_to_keep=0)


@pytest.mark.parametrize("number", [99, -1])
def test_a_graph_of_objects_that_refers_to_none(tmp_path, number):
    path = str(tmp_path / "m")
    graph = protos.TrackableObjectGraph()
    graph.nodes.add().children.add(node_id=number, local_name="v")
    bundle.write(path, [(GRAPH_KEY, "", tf.string, np.array(graph.SerializeToString(), object))])
    with tf.Graph().as_default(), tf.Session() as sess:
        holder = tf.train.Checkpoint(v=tf.get_variable("v", [2], use_resource=True))
        with pytest.raises(tf.errors.DataLossError, match=f"has 1 objects and refers to number {number}"):
            holder.restore(path).initialize_or_restore(sess)


class _Count(tf.train.experimental.PythonState):
    def __init__(self, value):
        self.value = value

    def __eq__(self, other):  # which takes the hash away
        return self.value == other.value

    def serialize(self):
        return str(self.value)

    def deserialize(self, string_value):
        self.value = int(string_value)


def test_states_of_python(tmp_path):
    with tf.Session() as sess:
        root = tf.train.Checkpoint(count=_Count(7), more=tf.contrib.checkpoint.List([_Count(8)]))
        path = root.save(str(tmp_path / "c"), session=sess)
        assert [name for name, _ in tf.train.list_variables(path) if "py_state" in name] == [
            "count/.ATTRIBUTES/py_state",
            "more/0/.ATTRIBUTES/py_state",
        ]
        root.count.value = root.more[0].value = 0
        status = root.restore(path)
        assert (root.count.value, root.more[0].value) == (7, 8)
        root.count.value = 1
        status.assert_consumed().run_restore_ops(sess)
        assert root.count.value == 1  # set once
        later = tf.train.Checkpoint()
        status = later.restore(path)
        with pytest.raises(AssertionError, match="belong to no object"):
            status.assert_consumed()
        later.count = _Count(0)
        assert later.count.value == 7
        later.other = _Count(0)
        with pytest.raises(AssertionError, match="Object not restored: _Count"):
            status.assert_existing_objects_matched()
    with pytest.raises(TypeError, match="abstract"):
        tf.train.experimental.PythonState()


@pytest.mark.parametrize("use_resource", [False, True])
def test_lists_and_dicts_among_attributes(tmp_path, use_resource):
    def made():
        root, more = tf.train.Checkpoint(), tf.Module()
        v = [tf.get_variable(f"v{i}", initializer=float(i), use_resource=use_resource) for i in range(5)]
        root.parts = [v[0], [v[1]], 3, "text"]
        root.parts.append(v[2])
        root.named = {"a": v[3], 5: 6}
        root.empty, root.number = [], 3
        more.inner = [v[4]]
        root.module = more
        return root, v

    with tf.Graph().as_default(), tf.Session() as sess:
        root, v = made()
        sess.run(tf.global_variables_initializer())
        path = root.save(str(tmp_path / "c"), session=sess)
        assert [name.split("/.ATTR")[0] for name, _ in tf.train.list_variables(path)][1:] == [
            "module/inner/0",
            "named/a",
            "parts/0",
            "parts/1/0",
            "parts/4",
            "save_counter",
        ]
        sess.run([one.assign(9.0) for one in v])
        root.restore(path).assert_consumed().run_restore_ops(sess)
        assert sess.run(v) == [0, 1, 2, 3, 4]
