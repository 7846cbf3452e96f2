"""`EventsWriter`: the event file below the writers."""

import os

import pytest

import millrace as tf
from millrace.summaries.events_writer import EventsWriter


def test_events_are_written(tmp_path):
    writer = EventsWriter(os.fsencode(tmp_path / "inner" / "events"))
    writer.InitWithSuffix(b".mine")
    name = writer.FileName().decode()
    assert os.path.basename(name).startswith("events.out.tfevents.") and name.endswith(".mine")
    writer.WriteEvent(tf.Event(step=3))
    writer._WriteSerializedEvent(tf.Event(step=4).SerializeToString())
    writer.Flush()
    writer.Close()
    assert [e.step for e in tf.train.summary_iterator(name)] == [0, 3, 4]
    with pytest.raises(TypeError, match="Event"):
        writer.WriteEvent("text")
    writer.Close()
