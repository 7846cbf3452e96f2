"""GraphDefs that TensorFlow wrote compute what TensorFlow computed, loops, branches and calls included.

`golden/v1_control_flow.json` holds frozen graphs that TensorFlow 1.15 wrote (compressed), feeds, and what it
gave.
"""

import base64
import json
import zlib
from pathlib import Path

import numpy as np
import pytest

import millrace as tf
from millrace.core import protos

GOLDEN = json.loads((Path(__file__).parent / "golden" / "foreign_graphs.json").read_text())


def graph_def(name):
    return protos.GraphDef.FromString(zlib.decompress(base64.b64decode(GOLDEN[name]["graph"])))


@pytest.mark.parametrize("name", GOLDEN)
def test_values(name):
    graph = tf.get_default_graph()
    outputs = tf.import_graph_def(graph_def(name), name="p", return_elements=GOLDEN[name]["outputs"])
    with tf.Session() as sess:
        for run in GOLDEN[name]["runs"]:
            known = {n for n in run["feed"] if f"p/{n}" in {op.name for op in graph.get_operations()}}
            got = sess.run(outputs, {f"p/{n}:0": run["feed"][n] for n in known})
            for value, wanted in zip(got, run["want"], strict=True):
                np.testing.assert_allclose(value, wanted, 1e-5, 1e-6)


@pytest.mark.parametrize(
    "name", ["tf1_while", "tf1_nested", "tf1_rnn", "tf1_nest_loop", "tf2_nested", "tf2_same"]
)
def test_what_was_imported_survives_a_round_trip(name):
    tf.import_graph_def(graph_def(name), name="")
    written = tf.get_default_graph().as_graph_def()
    if name.startswith("tf1"):
        kept = {node.name: (node.op, sorted(node.input)) for node in written.node}
        assert kept == {node.name: (node.op, sorted(node.input)) for node in graph_def(name).node}
    with tf.Graph().as_default() as again:
        tf.import_graph_def(written, name="")
    assert again.as_graph_def() == written


def test_gradients_flow_through_an_imported_loop():
    x, y = tf.import_graph_def(graph_def("tf1_while"), name="", return_elements=["x:0", "while/Exit_1:0"])
    (slope,) = tf.gradients(y, x)
    with tf.Session() as sess:
        assert sess.run(slope, {x: 2.0}) == 12.0


def test_a_loop_without_a_condition_has_no_gradient():
    broken = graph_def("tf1_while")
    for node in broken.node:
        if node.op == "LoopCond":
            node.op = "Identity"
            node.attr["T"].type = protos.DT_BOOL
    x, y = tf.import_graph_def(broken, name="", return_elements=["x:0", "while/Exit_1:0"])
    with pytest.raises(ValueError, match="must have one LoopCond. Received: 0"):
        tf.gradients(y, x)


def test_a_merge_that_joins_no_condition_runs_but_has_no_gradient():
    broken = protos.GraphDef()
    broken.node.add(name="a", op="Placeholder").attr["dtype"].type = protos.DT_FLOAT
    broken.node.add(name="m", op="Merge", input=["a", "a"]).attr["T"].type = protos.DT_FLOAT
    a, m = tf.import_graph_def(broken, name="", return_elements=["a:0", "m:0"])
    with tf.Session() as sess:
        assert sess.run(m, {a: 2.0}) == 2.0  # the first that is there
    with pytest.raises(ValueError, match="node 'm'.*the sides of one condition"):
        tf.gradients(m, a)


def test_a_condition_that_is_no_bool_is_refused():
    broken = graph_def("tf2_if")
    for node in broken.node:
        if node.op == "StatelessIf":
            node.attr["Tcond"].type = protos.DT_FLOAT
    with pytest.raises(ValueError, match="must be a bool. Received: DT_FLOAT"):
        tf.import_graph_def(broken)


def test_a_missing_function_is_named():
    broken = graph_def("tf2_while")
    broken.library.Clear()
    with pytest.raises(ValueError, match="node 'while'.*a function that the library lacks"):
        tf.import_graph_def(broken)
