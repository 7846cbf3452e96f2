"""Profiles of the runs of a program."""

from __future__ import annotations

import pytest

import millrace as tf

tfprof = tf.contrib.tfprof


def test_traces_dumps_and_profiles(tmp_path):
    builder = tf.profiler.ProfileOptionBuilder
    options = builder(builder.time_and_memory()).with_empty_output().build()
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.matmul(tf.ones([8, 8]), tf.random_uniform([8, 8]))
        with tfprof.ProfileContext(str(tmp_path), trace_steps=[1], dump_steps=[2], debug=True) as context:
            context.add_auto_profiling("op", options, [1, 3])
            assert context.profiler is None
            for _ in range(4):
                session.run(x)
            assert sorted(context.get_profiles("op")) == [1, 3]
            assert context.get_profiles("op")[1].children
            context.dump_next_step()
            session.run(x)
            context.trace_next_step()
            session.run(x)
            assert context.profiler is not None
            with pytest.raises(ValueError, match="No autoprofiler"):
                context.get_profiles("scope")
        session.run(x)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run_meta_2", "run_meta_4"]
    metadata = tf.RunMetadata.FromString((tmp_path / "run_meta_2").read_bytes())
    assert metadata.step_stats.dev_stats


def test_nothing_is_done_where_it_is_turned_off():
    with tfprof.ProfileContext("", enabled=False) as context:
        context.add_auto_profiling("op", {}, [0])
        assert context.profiler is None
    with pytest.raises(ValueError, match="directory"):
        tfprof.ProfileContext("")


def test_advice_and_logs(tmp_path):
    with tf.Graph().as_default() as graph, tf.Session() as session:
        x = tf.matmul(tf.ones([64, 64]), tf.random_uniform([64, 64]))
        metadata = tf.RunMetadata()
        session.run(x, options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), run_metadata=metadata)
        advice = tfprof.model_analyzer.advise(graph, metadata)
        assert sorted(advice.checkers) == sorted(tfprof.model_analyzer.ALL_ADVICE)
        assert "top 1 operation type" in advice.checkers["ExpensiveOperationChecker"].reports[0]
        with pytest.raises(ValueError, match="not checkers"):
            tf.profiler.advise(graph, metadata, {"Other": {}})
        tfprof.tfprof_logger.write_op_log(graph, str(tmp_path))
    log = tf.profiler.OpLogProto.FromString((tmp_path / "tfprof_log").read_bytes())
    assert "MatMul" in [entry.name for entry in log.log_entries]
