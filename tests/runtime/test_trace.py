"""Traces of runs, and the timeline made of them."""

import json

import numpy as np
import pytest
from millrace.python.client import timeline

import millrace as tf


@pytest.fixture(params=["interpret", pytest.param("compile", marks=pytest.mark.xla)])
def tier(request, monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", request.param)
    return request.param


@pytest.fixture
def step():
    """A train step with a host step in its middle."""
    x = tf.placeholder(tf.float32, [4, 3], name="x")
    v = tf.Variable(np.ones((3, 2), np.float32), name="v")
    y = tf.matmul(x, v, name="product")
    seen = tf.py_func(lambda value: value * 2, [y], tf.float32, name="python")
    total = tf.reduce_sum(tf.reshape(seen, [4, 2]), name="total")
    bump = v.assign_add(tf.ones([3, 2]))
    with tf.Session() as sess:
        sess.run(v.initializer)
        yield sess, [total, bump], {x: np.ones((4, 3), np.float32)}


def traced(sess, fetches, feeds, **options):
    metadata = tf.RunMetadata()
    values = sess.run(
        fetches, feeds, tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE, **options), metadata
    )
    return values, metadata


def test_a_traced_run_gives_the_same_and_tells_its_parts(step, tier):
    sess, fetches, feeds = step
    plain = sess.run(fetches, feeds)
    values, metadata = traced(sess, fetches, feeds)
    assert values[0] == plain[0] * 2
    np.testing.assert_array_equal(values[1], plain[1] + 1)
    np.testing.assert_array_equal(sess.run("v:0"), values[1])
    (device,) = metadata.step_stats.dev_stats
    assert device.device == "/job:localhost/replica:0/task:0/device:CPU:0"
    names = [node.node_name for node in device.node_stats]
    assert "python" in names
    if tier == "interpret":
        assert "product" in names
        product = device.node_stats[names.index("product")]
        assert product.timeline_label == "product = MatMul(x, v/read)"
        assert [d.size for d in product.output[0].tensor_description.shape.dim] == [4, 2]
        assert product.memory[0].total_bytes == 32
    else:
        assert any("MatMul" in node.timeline_label for node in device.node_stats)
    starts = [node.all_start_nanos for node in device.node_stats]
    assert starts == sorted(starts)
    assert all(node.op_end_rel_nanos > 0 for node in device.node_stats)


def test_a_failed_traced_run_changes_nothing(tier):
    v, n = tf.Variable(1.0), tf.placeholder(tf.int32, [])
    bump = v.assign_add(1.0)
    with tf.control_dependencies([bump]):
        broken = tf.constant(1) // n
    with tf.Session() as sess:
        sess.run(v.initializer)
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)division by zero.*test_trace\.py"):
            traced(sess, [bump, broken], {n: 0})
        assert sess.run(v) == 1


def test_no_trace_unless_asked_for(step):
    sess, fetches, feeds = step
    metadata = tf.RunMetadata()
    metadata.step_stats.dev_stats.add(device="old")
    sess.run(fetches, feeds, run_metadata=metadata)
    assert not metadata.step_stats.dev_stats
    sess.run(fetches, feeds, tf.RunOptions(), metadata)
    assert not metadata.step_stats.dev_stats


def test_partition_graphs(step):
    sess, fetches, feeds = step
    metadata = traced(sess, fetches, feeds, output_partition_graphs=True)[1]
    (graph,) = metadata.partition_graphs
    assert {"product", "python", "v"} <= {node.name for node in graph.node}


def test_a_timeline_loads_in_the_viewers(step):
    sess, fetches, feeds = step
    metadata = traced(sess, fetches, feeds)[1]
    text = timeline.Timeline(metadata.step_stats).generate_chrome_trace_format(show_memory=True)
    events = json.loads(text)["traceEvents"]
    (process,) = [e for e in events if e["ph"] == "M"]
    assert process["args"]["name"].endswith("device:CPU:0 Compute")
    product = next(e for e in events if e["ph"] == "X" and e["args"]["name"] == "product")
    assert product["name"] == "MatMul"
    assert product["args"]["input0"] == "x"
    assert product["dur"] >= 1
    arrows = [e for e in events if e["ph"] in "st"]
    assert {e["name"] for e in arrows} >= {"product", "python"}
    assert all(sum(a["id"] == b["id"] for b in arrows) == 2 for a in arrows)
    assert [e["args"]["bytes"] for e in events if e["ph"] == "C"]
    plain = json.loads(
        timeline.Timeline(metadata.step_stats, sess.graph).generate_chrome_trace_format(show_dataflow=False)
    )
    assert not [e for e in plain["traceEvents"] if e["ph"] in "stC"]
