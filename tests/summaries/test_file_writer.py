"""Tests of tf.summary.FileWriter: what event files hold, when, and what it refuses."""

import os

import pytest

import millrace as tf
from millrace.core import protos


def _events(folder):
    paths = sorted(os.path.join(folder, name) for name in os.listdir(folder))
    return [list(tf.train.summary_iterator(path)) for path in paths]


def _summary(tag, value):
    return tf.Summary(value=[tf.Summary.Value(tag=tag, simple_value=value)])


def test_summaries_and_graph(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        merged = tf.summary.merge([tf.summary.scalar("x", 2.0)])
        with tf.summary.FileWriter(str(tmp_path / "a" / "b"), session.graph) as writer:
            writer.add_summary(session.run(merged), 7)
            writer.add_summary(_summary("y", 3.0))
            assert writer.get_logdir() == str(tmp_path / "a" / "b")
        (events,) = _events(tmp_path / "a" / "b")
    assert events[0].file_version == "brain.Event:2" and events[0].wall_time > 1e9
    nodes = [n.name for n in protos.GraphDef.FromString(events[1].graph_def).node]
    assert nodes == ["x/tags", "x/values", "x", "Merge/MergeSummary"]
    assert events[2].WhichOneof("what") == "meta_graph_def"
    assert [(e.step, e.summary.value[0].tag, e.summary.value[0].simple_value) for e in events[3:]] == [
        (7, "x", 2.0),
        (0, "y", 3.0),
    ]


def test_a_tag_is_described_once(tmp_path):
    summary = _summary("t", 1.0)
    summary.value[0].metadata.display_name = "who"
    with tf.summary.FileWriter(tmp_path) as writer:
        writer.add_summary(summary)
        writer.add_summary(summary)
    (events,) = _events(tmp_path)
    assert [e.summary.value[0].HasField("metadata") for e in events[1:]] == [True, False]
    assert summary.value[0].HasField("metadata")  # the caller's message is left alone


def test_events_reach_the_file_when_they_are_many_or_flushed(tmp_path):
    writer = tf.summary.FileWriter(tmp_path, max_queue=3)
    assert len(_events(tmp_path)[0]) == 1
    writer.add_summary(_summary("x", 0), 0)
    assert len(_events(tmp_path)[0]) == 2  # the first is seen at once
    for step in (1, 2):
        writer.add_summary(_summary("x", step), step)
    assert len(_events(tmp_path)[0]) == 2
    writer.add_summary(_summary("x", 3), 3)
    assert len(_events(tmp_path)[0]) == 5
    writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), 3)
    writer.flush()
    assert _events(tmp_path)[0][-1].session_log.status == tf.SessionLog.START
    del writer


def test_closed_and_reopened(tmp_path):
    writer = tf.summary.FileWriter(tmp_path, filename_suffix=".mine")
    writer.add_summary(_summary("x", 1.0))
    writer.close()
    with pytest.warns(UserWarning, match="closed, so events are lost"):
        writer.add_summary(_summary("x", 2.0))
    writer.reopen()
    writer.add_summary(_summary("x", 3.0))
    writer.close()
    assert all(name.endswith(".mine") for name in os.listdir(tmp_path))
    written = sorted(e.summary.value[0].simple_value for file in _events(tmp_path) for e in file[1:])
    assert written == [1.0, 3.0]


def test_run_metadata_and_refusals(tmp_path):
    with tf.summary.FileWriter(tmp_path) as writer:
        writer.add_run_metadata(tf.RunMetadata(), "step1", 1)
        with pytest.raises(ValueError, match="Received: 'step1'"):
            writer.add_run_metadata(tf.RunMetadata(), "step1", 2)
        with pytest.raises(TypeError, match="Received: int"):
            writer.add_graph(3)
        with pytest.raises(ValueError, match="either"):
            writer.add_graph(None)
        with pytest.raises(TypeError, match="Received: str"):
            writer.add_meta_graph("x")
    assert _events(tmp_path)[0][1].tagged_run_metadata.tag == "step1"


def test_one_writer_for_a_folder(tmp_path):
    writer = tf.summary.FileWriterCache.get(str(tmp_path))
    assert tf.summary.FileWriterCache.get(str(tmp_path)) is writer
    tf.summary.FileWriterCache.clear()
    assert tf.summary.FileWriterCache.get(str(tmp_path)) is not writer
    tf.summary.FileWriterCache.clear()


def test_events_that_have_waited_long_enough_are_written(tmp_path, monkeypatch):
    from millrace.summaries import file_writer

    clock = [1000.0]
    monkeypatch.setattr(file_writer.time, "monotonic", lambda: clock[0])
    writer = tf.summary.FileWriter(str(tmp_path), max_queue=100, flush_secs=30)
    writer.flush()

    def written():
        return len(_events(tmp_path)[0]) - 1

    for seconds, want in ((0, 0), (29, 0), (1, 3), (29, 3), (1, 5)):
        clock[0] += seconds
        writer.add_summary(_summary("t", 1.0), 0)
        assert written() == want
    writer.close()
