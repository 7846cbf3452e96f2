"""Tests of tf.contrib.summary: what operations write into event files while they run."""

import glob

import pytest

import millrace as tf

S = tf.contrib.summary


def _events(folder):
    (path,) = glob.glob(f"{folder}/*.v2")
    return [e for e in tf.train.summary_iterator(path) if not e.file_version]


def test_every_kind(tmp_path):
    writer = S.create_file_writer(str(tmp_path))
    step = tf.train.get_or_create_global_step()
    with writer.as_default(), S.always_record_summaries():
        S.scalar("a", 2.5)
        S.histogram("h", [1.0, 2.0], family="f")
        S.image("i", tf.zeros([2, 2, 2, 3]), max_images=1)
        S.audio("u", tf.zeros([2, 2]), 10.0, 2, step=tf.constant(7, tf.int64))
        S.generic("g", tf.zeros([2]), tf.SummaryMetadata(display_name="d"))
        graph = S.graph(tf.constant(tf.GraphDef().SerializeToString()))
        event = S.import_event(tf.constant(tf.Event(step=9, wall_time=1.0).SerializeToString()))
    with tf.Session() as session:
        session.run(step.initializer)
        with pytest.raises(tf.errors.NotFoundError, match="initialize"):
            session.run(S.all_summary_ops())
        with writer.as_default():
            S.initialize(session=session)
        assert session.run(S.all_summary_ops()) == [True] * 5
        session.run([graph, event, S.flush(writer)])
        session.run(writer.close())
        with pytest.raises(tf.errors.NotFoundError, match="closed"):
            session.run(S.all_summary_ops())
    found = _events(tmp_path)
    tags = {v.tag: (v.WhichOneof("value"), e.step) for e in found for v in e.summary.value}
    assert tags == {
        "a": ("simple_value", 0), "f/f/h": ("histo", 0), "i/image": ("image", 0),
        "u/audio/0": ("audio", 7), "u/audio/1": ("audio", 7), "g": ("tensor", 0),
    }  # fmt: skip
    assert [e.step for e in found if e.WhichOneof("what") is None] == [9]
    assert sum(e.WhichOneof("what") == "graph_def" for e in found) == 1


def test_when_summaries_are_recorded(tmp_path):
    step = tf.train.get_or_create_global_step()
    assert S.scalar("nobody", 1.0).type == "NoOp"
    with S.create_file_writer(str(tmp_path)).as_default():
        with S.record_summaries_every_n_global_steps(2):
            seldom = S.scalar("seldom", 1.0)
        with S.never_record_summaries():
            never = S.scalar("never", 1.0)
        unsaid = S.scalar("unsaid", 1.0)
        with tf.Session() as session:
            session.run(step.initializer)
            S.initialize(graph=tf.get_default_graph(), session=session)
            assert session.run([seldom, never, unsaid]) == [True, False, False]
            session.run(tf.assign_add(step, 1))
            assert not session.run(seldom)
            session.run(S.flush())
    assert [v.tag for e in _events(tmp_path) for v in e.summary.value] == ["seldom"]


def test_the_rest():
    assert S.eval_dir("m") == "m/eval" and S.eval_dir("m", "x") == "m/eval_x"
    assert S.create_file_writer(None).init().type == "NoOp"
    with pytest.raises(TypeError, match="tensor"):
        S.graph(tf.get_default_graph())
    with pytest.raises(tf.errors.UnimplementedError, match="create_file_writer"):
        S.create_db_writer("sqlite://x")
