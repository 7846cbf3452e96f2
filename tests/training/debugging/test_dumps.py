"""Dumps of a run's tensors: which, where, what they hold, and what reading them tells."""

import os

import numpy as np
import pytest

import millrace as tf
from millrace.training.debugging import dumping, dumps, stepper, watches


def program():
    x = tf.placeholder(tf.float32, [2], name="x")
    w = tf.Variable([1.0, 2.0], name="w")
    y = tf.multiply(x, w, name="n/y")
    return x, tf.reduce_sum(tf.log(y, name="z"), name="s")


@pytest.fixture
def dumped(tmp_path):
    """The dumps of one run of `program`."""
    x, total = program()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        watching = dumping.DumpingDebugWrapperSession(sess, str(tmp_path / "root"))
        assert watching.run(total, {x: [1.0, 0.0]}) == -np.inf
    (run,) = os.listdir(tmp_path / "root")
    return dumps.DebugDumpDir(str(tmp_path / "root" / run))


def test_every_tensor_is_there_with_its_value(dumped):
    names = {datum.tensor_name for datum in dumped.dumped_tensor_data}
    assert {"x:0", "n/y:0", "z:0", "s:0"} <= names
    assert dumped.size == len(dumped.dumped_tensor_data)
    (value,) = dumped.get_tensors("z", 0, "DebugIdentity")
    np.testing.assert_array_equal(value, np.array([0.0, -np.inf], np.float32))
    assert dumped.devices() == ["/job:localhost/replica:0/task:0/device:CPU:0"]
    assert dumped.get_rel_timestamps("z", 0, "DebugIdentity")[0] >= 0
    assert dumped.get_dump_sizes_bytes("z", 0, "DebugIdentity")[0] > 100
    assert os.path.isfile(dumped.get_tensor_file_paths("z", 0, "DebugIdentity")[0])
    assert dumped.debug_watch_keys("z") == ["z:0:DebugIdentity"]
    assert dumped.watch_key_to_data("z:0:DebugIdentity")[0].node_name == "z"


def test_the_first_bad_tensor_is_found(dumped):
    assert [d.tensor_name for d in dumped.find(stepper.has_inf_or_nan)] == ["z:0", "s:0"]
    assert [d.tensor_name for d in dumped.find(stepper.has_inf_or_nan, first_n=1)] == ["z:0"]
    assert [d.tensor_name for d in dumped.find(stepper.has_inf_or_nan, exclude_node_names="z")] == ["s:0"]


def test_the_graph_of_the_run_is_there(dumped):
    assert dumped.loaded_partition_graphs()
    assert dumped.node_exists("z") and not dumped.node_exists("q")
    assert dumped.node_op_type("z") == "Log"
    assert dumped.node_inputs("z") == ["n/y"]
    assert dumped.node_recipients("n/y") == ["z"]
    assert dumped.find_some_path("x", "s") == ["x", "n/y", "z", "s"]
    assert dumped.find_some_path("s", "x") is None
    assert {"x", "w", "n/y", "z"} <= set(dumped.transitive_inputs("s"))
    assert dumped.node_device("z").endswith("CPU:0")
    assert dumped.node_attributes("z")["T"].type == 1


def test_what_was_asked_for_is_there(dumped):
    assert dumped.core_metadata[3:] == (["x:0"], ["s:0"], [])
    assert "'s:0'" in dumped.run_fetches_info and "'x:0'" in dumped.run_feed_keys_info


def test_lines_of_the_program(dumped):
    with pytest.raises(LookupError):
        dumped.node_traceback("z")
    dumped.set_python_graph(tf.get_default_graph())
    assert any("test_dumps.py" in str(frame) for frame in dumped.node_traceback("z:0"))
    with pytest.raises(KeyError, match="'q'"):
        dumped.node_traceback("q")


def test_what_is_not_there_is_refused(dumped, tmp_path):
    with pytest.raises(dumps.WatchKeyDoesNotExistInDebugDumpDirError, match="q:0:DebugIdentity"):
        dumped.get_tensors("q", 0, "DebugIdentity")
    with pytest.raises(ValueError, match="'q'"):
        dumped.node_inputs("q")
    with pytest.raises(OSError, match="none"):
        dumps.DebugDumpDir(str(tmp_path / "none"))
    with pytest.raises(ValueError, match="non-empty"):
        dumping.DumpingDebugWrapperSession(tf.Session(), str(tmp_path / "root"))
    with pytest.raises(TypeError, match="BaseSession"):
        dumping.DumpingDebugWrapperSession("a session", str(tmp_path / "other"))


def test_hooks_watch_what_their_function_says(tmp_path):
    x = tf.placeholder(tf.float32, [2], name="x")
    z = tf.log(tf.square(x, name="y"), name="z")

    def watch(fetches, feeds):
        kinds = ["DebugIdentity", "DebugNumericSummary", "DebugNanCount"]
        return watches.WatchOptions(kinds, node_name_regex_whitelist="[yz]")

    hook = dumping.DumpingDebugHook(str(tmp_path / "root"), watch_fn=watch)
    with tf.train.MonitoredSession(hooks=[hook]) as sess:
        sess.run(z, {x: [1.0, 2.0]})
        sess.run(z, {x: [1.0, np.nan]})
    first, second = (
        dumps.DebugDumpDir(str(tmp_path / "root" / run)) for run in sorted(os.listdir(tmp_path / "root"))
    )
    assert {datum.node_name for datum in first.dumped_tensor_data} == {"y", "z"}
    (row,) = first.get_tensors("z", 0, "DebugNumericSummary")
    np.testing.assert_allclose(row[:8], [1, 2, 0, 0, 0, 1, 1, 0])
    np.testing.assert_allclose(row[8:], [0, np.log(4), np.log(2), np.log(2) ** 2, 1, 1, 2], rtol=1e-6)
    assert second.get_tensors("z", 0, "DebugNanCount")[0].tolist() == [1]


def test_options_of_a_plain_run(tmp_path):
    x, total = program()
    options = tf.RunOptions()
    url = f"file://{tmp_path}"
    watches.watch_graph_with_blacklists(
        options, tf.get_default_graph(), debug_urls=url, node_name_regex_blacklist="(w|init|x)"
    )
    assert all(not w.node_name.startswith("w") for w in options.debug_options.debug_tensor_watch_opts)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(total, {x: [1.0, 2.0]}, options=options)
        found = dumps.DebugDumpDir(str(tmp_path))
        assert "x:0" not in {datum.tensor_name for datum in found.dumped_tensor_data}
        assert found.get_tensors("s", 0, "DebugIdentity")[0] == np.float32(np.log(4.0))
        wrong = tf.RunOptions()
        watches.add_debug_tensor_watch(wrong, "z", debug_urls="grpc://localhost:1")
        with pytest.raises(ValueError, match="grpc"):
            sess.run(total, {x: [1.0, 2.0]}, options=wrong)
        wrong = tf.RunOptions()
        watches.add_debug_tensor_watch(wrong, "z", debug_ops="DebugNothing", debug_urls=url)
        with pytest.raises(tf.errors.InvalidArgumentError, match="DebugNothing"):
            sess.run(total, {x: [1.0, 2.0]}, options=wrong)


def test_a_dump_is_an_event_that_its_reader_opens(tmp_path):
    x = tf.placeholder(tf.string, [2], name="text")
    options = tf.RunOptions()
    watches.add_debug_tensor_watch(options, "y", debug_urls=[f"file://{tmp_path}"])
    with tf.Session() as sess:
        sess.run(tf.string_join([x, x], name="y"), {x: [b"a", b"b"]}, options=options)
    (datum,) = dumps.DebugDumpDir(str(tmp_path)).dumped_tensor_data
    assert dumps.load_tensor_from_event_file(datum.file_path).tolist() == [b"aa", b"bb"]
