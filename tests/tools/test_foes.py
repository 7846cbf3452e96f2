"""A few of the changed graphs and files of `tools/foes.py`, which has them by the thousand."""

import importlib.util
import pathlib
import random

import pytest

import millrace as tf

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "tools" / "foes.py"
spec = importlib.util.spec_from_file_location("foes", SOURCE)
foes = importlib.util.module_from_spec(spec)
spec.loader.exec_module(foes)


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    return foes.Changed(tf, tmp_path_factory.mktemp("foes"))


@pytest.mark.parametrize("kind", foes.Changed.KINDS)
def test_changed_files_are_read_or_refused(kind, changed, monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", "interpret")
    for number in range(12):
        try:
            getattr(changed, kind)(random.Random(number))
        except (ValueError, TypeError, OSError, tf.errors.OpError):
            continue


def test_messages_inside_files_are_refused_by_name(tmp_path):
    path = tmp_path / "event"
    path.write_bytes(b"\xff\xff\xff")
    with pytest.raises(ValueError, match=r"event is not a tensorflow\.Event message"):
        tf.python.debug.load_tensor_from_event_file(str(path))
    with tf.summary.FileWriter(str(tmp_path)) as writer, pytest.raises(ValueError, match="add_summary"):
        writer.add_summary(b"\xff\xff\xff")
    summary = tf.raw_ops.TensorSummaryV2(tag="t", tensor=[1.0], serialized_summary_metadata=b"\xff\xff\xff")
    with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError, match="SummaryMetadata"):
        sess.run(summary)
