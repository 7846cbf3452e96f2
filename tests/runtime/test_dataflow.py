"""Old control flow by tokens: dead ways, frames, stacks, arrays, variables, and what is not needed."""

import numpy as np
import pytest

import millrace as tf
from millrace.core import protos


class Nodes:
    """A GraphDef, node by node."""

    def __init__(self):
        self.proto = protos.GraphDef()

    def add(self, name, op, *inputs, **attrs):
        node = self.proto.node.add(name=name, op=op, input=inputs)
        for key, value in attrs.items():
            if isinstance(value, tf.DType):
                node.attr[key].type = value.as_datatype_enum
            elif isinstance(value, bool):
                node.attr[key].b = value
            elif isinstance(value, int):
                node.attr[key].i = value
            elif isinstance(value, str):
                node.attr[key].s = value.encode()
            else:
                node.attr[key].tensor.CopyFrom(tf.make_tensor_proto(value))

    def const(self, name, value, *inputs):
        value = np.asarray(value)
        self.add(name, "Const", *inputs, dtype=tf.as_dtype(value.dtype), value=value)

    def variable(self, k, start, following):
        """A loop variable: its Enter, Merge, Switch, Identity, NextIteration and Exit."""
        kind = tf.int32 if k == 0 else tf.float32
        self.add(f"enter{k}", "Enter", start, T=kind, frame_name="f")
        self.add(f"merge{k}", "Merge", f"enter{k}", f"next{k}", T=kind, N=2)
        self.add(f"switch{k}", "Switch", f"merge{k}", "going", T=kind)
        self.add(f"inside{k}", "Identity", f"switch{k}:1", T=kind)
        self.add(f"next{k}", "NextIteration", following, T=kind)
        self.add(f"exit{k}", "Exit", f"switch{k}", T=kind)


def a_loop(rounds):
    """Three rounds: a counter, and a float that takes a placeholder in."""
    nodes = Nodes()
    nodes.const("zero", np.int32(0))
    nodes.add("x", "Placeholder", dtype=tf.float32)
    nodes.const("limit", np.int32(rounds), "^merge0")
    nodes.add("less", "Less", "merge0", "limit", T=tf.int32)
    nodes.add("going", "LoopCond", "less")
    nodes.const("one", np.int32(1), "^inside0")
    nodes.add("plus", "Add", "inside0", "one", T=tf.int32)
    nodes.add("whole", "Enter", "x", T=tf.float32, frame_name="f", is_constant=True)
    nodes.add("times", "Mul", "inside1", "whole", T=tf.float32)
    nodes.variable(0, "zero", "plus")
    nodes.variable(1, "x", "times")
    return nodes.proto


def test_one_exit_needs_its_own_variables():
    counter, power = tf.import_graph_def(a_loop(3), name="", return_elements=["exit0:0", "exit1:0"])
    with tf.Session() as sess:
        assert sess.run(counter) == 3  # without x
        assert sess.run([counter, power], {"x:0": 2.0}) == [3, 16.0]
        with pytest.raises(tf.errors.InvalidArgumentError, match="must feed a value .* 'x'"):
            sess.run(power)


def test_a_gradient_turns_the_loop_into_one_with_a_body():
    x, power = tf.import_graph_def(a_loop(3), name="", return_elements=["x:0", "exit1:0"])
    slope = tf.gradients(power, x)[0]
    with tf.Session() as sess:
        assert sess.run([power, slope], {x: 2.0}) == [16.0, 32.0]
    assert power.op.type == "Identity"


def test_a_dead_way_is_not_fetched():
    nodes = Nodes()
    nodes.add("p", "Placeholder", dtype=tf.bool)
    nodes.const("c", np.float32(2.0))
    nodes.add("s", "Switch", "c", "p", T=tf.float32)
    nodes.add("after", "NoOp", "^t")
    nodes.add("t", "Identity", "s:1", T=tf.float32)
    nodes.const("always", np.float32(5.0), "^trigger")
    nodes.add("trigger", "ControlTrigger", "^t")
    t, always = tf.import_graph_def(nodes.proto, name="", return_elements=["t:0", "always:0"])
    with tf.Session() as sess:
        assert sess.run(t, {"p:0": True}) == 2.0
        with pytest.raises(tf.errors.InvalidArgumentError, match="does not have value"):
            sess.run(t, {"p:0": False})
        sess.run("after", {"p:0": False})
        assert sess.run(always, {"p:0": False}) == 5.0


def test_a_loop_on_a_way_that_is_not_taken():
    nodes = Nodes()
    nodes.proto.CopyFrom(a_loop(2))
    for node in nodes.proto.node:
        if node.name == "enter0":
            node.input[0] = "way:1"
    nodes.add("p", "Placeholder", dtype=tf.bool)
    nodes.add("way", "Switch", "zero", "p", T=tf.int32)
    nodes.const("other", np.int32(-1), "^no")
    nodes.add("no", "Identity", "way:0", T=tf.int32)
    nodes.add("either", "Merge", "exit0", "other", T=tf.int32, N=2)
    either = tf.import_graph_def(nodes.proto, name="", return_elements=["either:0"])
    with tf.Session() as sess:
        assert sess.run(either, {"p:0": True}) == [2]
        assert sess.run(either, {"p:0": False}) == [-1]


def test_a_failing_step_leaves_variables_as_they_were():
    nodes = Nodes()
    nodes.proto.CopyFrom(a_loop(2))
    nodes.add("v", "VariableV2", dtype=tf.float32)
    nodes.proto.node[-1].attr["shape"].shape.SetInParent()
    nodes.add("up", "AssignAdd", "v", "exit1", T=tf.float32)
    nodes.add("start", "Assign", "v", "x", T=tf.float32)
    nodes.add("checked", "CheckNumerics", "up", T=tf.float32, message="wrong")
    tf.import_graph_def(nodes.proto, name="")
    with tf.Session() as sess:
        with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized value v"):
            sess.run("up:0", {"x:0": 2.0})
        sess.run("start", {"x:0": 1.0})
        assert sess.run("checked:0", {"x:0": 2.0}) == 9.0
        with pytest.raises(tf.errors.InvalidArgumentError, match="wrong"):
            sess.run("checked:0", {"x:0": np.inf})
        assert sess.run("v:0") == 9.0


def test_partial_runs_say_that_they_cannot():
    tf.import_graph_def(a_loop(2), name="")
    with tf.Session() as sess, pytest.raises(tf.errors.UnimplementedError, match="runs as a whole"):
        sess.partial_run_setup(["exit1:0"], ["x:0"])
