"""Tests of tf.contrib.testing."""

import pytest

import millrace as tf

T = tf.contrib.testing


def _summary(tag, value):
    return tf.Summary(value=[tf.Summary.Value(tag=tag, simple_value=value)])


def test_event_files(tmp_path):
    assert T.latest_event_file(str(tmp_path)) is None and T.latest_events(str(tmp_path)) == []
    with tf.summary.FileWriter(str(tmp_path)) as writer:
        writer.add_summary(_summary("a", 1.0), 1)
        writer.add_summary(_summary("a", 2.0), 2)
        histogram = tf.Summary(value=[tf.Summary.Value(tag="h", histo=tf.HistogramProto(min=0))])
        writer.add_summary(histogram, 2)
    events = T.latest_summaries(str(tmp_path))
    assert T.simple_values_from_events(events, ["a"]) == {"a": 2.0}
    with pytest.raises(ValueError, match="not a simple_value"):
        T.simple_values_from_events(events, ["h"])


def test_summaries_are_checked():
    T.assert_summary(["a"], {"a": 1.0}, T.to_summary_proto(_summary("a", 1.0).SerializeToString()))
    with pytest.raises(AssertionError, match="tags"):
        T.assert_summary(["b"], {}, _summary("a", 1.0))
    with pytest.raises(AssertionError, match="value"):
        T.assert_summary(["a"], {"a": 2.0}, _summary("a", 1.0))


def test_a_writer_to_nowhere():
    writer = T.FakeSummaryWriter("logs", tf.get_default_graph())
    writer.add_summary(_summary("a", 1.0), 3)
    writer.add_graph(tf.get_default_graph())
    writer.flush()
    writer.close()
    writer.reopen()
    graph = tf.get_default_graph()
    writer.assert_summaries(tf.test.TestCase(), "logs", graph, {3: {"a": 1.0}}, [graph], [], [])
    with pytest.raises(AssertionError):
        writer.assert_summaries(tf.test.TestCase(), expected_summaries={4: {}})
    with pytest.raises(ValueError, match="global_step"):
        writer.add_graph(graph, -1)
