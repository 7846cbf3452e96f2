"""Pipelines in GraphDefs: functions in the library, captures, iterators."""

import numpy as np
import pytest

import millrace as tf

D = tf.data.Dataset
X = tf.data.experimental


def _pipelines():
    yield "map", lambda: D.range(4).map(lambda x: x * 2).filter(lambda x: x > 1).batch(2)
    yield "flat_map", lambda: D.range(4).flat_map(lambda x: D.range(x).map(lambda y: x + y))
    yield "branch", lambda: D.range(5).map(lambda x: tf.cond(x > 2, lambda: x * 2, lambda: -x))
    yield "window", lambda: D.range(9).apply(X.group_by_window(lambda x: x % 2, lambda k, w: w.batch(2), 2))
    yield "scan", lambda: D.range(5).apply(X.scan(np.int64(1), lambda s, x: (s * 2, s + x)))
    yield "sample", lambda: X.sample_from_datasets([D.range(4), D.range(10, 14)], [0.8, 0.2], seed=5)


def _drained(graph, fetch):
    found = []
    with tf.Session(graph=graph) as sess:
        while True:
            try:
                found.append(np.asarray(sess.run(fetch)).tolist())
            except tf.errors.OutOfRangeError:
                return found


@pytest.mark.parametrize("make", [p[1] for p in _pipelines()], ids=[p[0] for p in _pipelines()])
def test_a_pipeline_travels(make):
    with tf.Graph().as_default() as graph:
        make().make_one_shot_iterator().get_next(name="next")
    wire = graph.as_graph_def().SerializeToString()
    definition = tf.GraphDef()
    definition.ParseFromString(wire)
    with tf.Graph().as_default() as other:
        tf.import_graph_def(definition, name="")
    expected = _drained(graph, graph.get_tensor_by_name("next:0"))
    assert expected
    assert _drained(other, other.get_tensor_by_name("next:0")) == expected


def test_captured_variables_are_found_again():
    with tf.Graph().as_default() as graph:
        v = tf.get_variable("v", initializer=np.int64(7), use_resource=True)
        iterator = D.range(3).map(lambda x: x + v).make_initializable_iterator()
        iterator.get_next(name="next")
    with tf.Graph().as_default() as other, tf.Session() as sess:
        tf.import_graph_def(graph.as_graph_def(), name="")
        sess.run(other.get_operation_by_name("v/Assign"))
        sess.run(other.get_operation_by_name(iterator.initializer.name))
        assert [sess.run("next:0") for _ in range(3)] == [7, 8, 9]
